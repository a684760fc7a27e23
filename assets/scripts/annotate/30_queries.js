// Which query is on the screen, and which comes next. The next one is fetched before it is needed.

// Takes a query in as the server gave it; what waits in the outbox is newer.
function takeIn(query) {
  if (!query) return null;
  visited.delete(query.id);
  visited.set(query.id, query);
  if (visited.size > VISITED) {
    const [oldest] = visited.keys();
    for (const candidate of visited.get(oldest).candidates) known.delete(candidate.id);
    visited.delete(oldest);
  }
  takeCandidates(query, query.candidates);
  return query;
}

function takeCandidates(query, added) {
  for (const candidate of added) {
    candidate.stored = {state: candidate.state, grade: candidate.grade, version: candidate.version};
    known.set(candidate.id, {candidate, query});
    overlay(candidate);
  }
}

function showQuery(query, index, following = null) {
  if (page.query !== query) page.following = following;
  page.turn += 1;   // what was looked for until now is not wanted any more
  page.query = query;
  page.isAtEnd = false;
  page.message = '';
  page.index = index ?? Math.max(0, query.candidates.findIndex(isOpen));
  page.negatives = 0;
  newPassage();
  showAll();
  prefetch();
  lookForCuts();
}

// Fetches what is needed soon: the rest of this query, or the query after it.
function prefetch() {
  const {query} = page;
  if (!query) return;
  const isNearEnd = page.index >= candidates().length - PREFETCH_AT || candidates().filter(isOpen).length <= PREFETCH_AT;
  if (query.rest.length) {
    if (isNearEnd) loadRest(query).catch(() => {});   // it is asked for again when it is needed
  } else if (isNearEnd && page.following?.after !== query.id) {
    const following = {after: query.id, query: undefined};
    following.promise = ask('next_query', {...page.settings, after_query: query.id}).then((answer) => {
      following.query = answer.query;
    }, () => { if (page.following === following) page.following = null; });
    page.following = following;
  }
}

function loadRest(query) {
  query.loading ??= ask('rest_of_query', {...page.settings, query: query.id, candidates: query.rest}).then((answer) => {
    query.rest = answer.candidates.length ? answer.rest : [];
    query.candidates.push(...answer.candidates);
    takeCandidates(query, answer.candidates);
    if (page.query === query) showAll();
    lookForCuts();
  }).finally(() => { query.loading = null; });
  return query.loading;
}

// Goes to the next query. What was put off, or left out by going on, comes again after the last.
async function moveOn() {
  const turn = ++page.turn;
  const {query, following} = page;
  if (following?.query && following.after === query?.id) {
    showQuery(takeIn(following.query));
    say(`Next query: ${page.query.text.slice(0, 200)}`);
    return;
  }
  wait('Looking for the next query …');
  await retrying(turn, async () => {
    if (following && following.after === query?.id) await following.promise;
    let next = following?.query;
    if (next === undefined && query) next = (await ask('next_query', {...page.settings, after_query: query.id})).query;
    if (!next) {
      await flushed();   // or the server would still think the last ones open
      next = (await ask('next_query', {...page.settings, after_query: null})).query;
    }
    if (turn !== page.turn) return;
    const isOnlyLater = next && !next.rest.length && next.candidates.every((one) => isJudged(one) || one.state === 'later'
      || isLeftOut(one));
    if (!next || isOnlyLater) showEnd(next);
    else showQuery(takeIn(next));
  });
}

// Does something that needs the server until it succeeds, another thing is asked for, or trying again cannot help.
async function retrying(turn, act) {
  for (let tries = 0; turn === page.turn && element.isConnected; tries += 1) {
    try {
      await act();
      return;
    } catch (error) {
      if (turn !== page.turn) return;
      wait(error.message + (error.again ? ' It is tried again.' : ''));
      if (!error.again) return;
      await new Promise((resolve) => {
        setTimeout(resolve, Math.min(LONGEST_WAIT, 2 ** tries) * 1000);
        window.addEventListener('online', resolve, {once: true});
      });
    }
  }
}

function wait(message) {
  page.isAtEnd = true;
  page.message = message;
  page.later = null;
  showAll();
}

function showEnd(later) {
  page.isAtEnd = true;
  page.later = later;
  page.message = later
    ? 'Everything else is judged: what is left was put off.'
    : 'Every candidate is judged. Export the labels in Data, or add more queries there.';
  showAll();
  say(page.message, {isUrgent: true});
}

// Shows any query of the project, at one of its candidates if one is given.
async function goTo(queryId, id) {
  const turn = ++page.turn;
  const has = (query) => id === undefined || query.candidates.some((candidate) => candidate.id === id);
  const put = (query) => {
    const index = query.candidates.findIndex((candidate) => candidate.id === id);
    showQuery(query, index < 0 ? undefined : index);
  };
  if (visited.has(queryId) && has(visited.get(queryId))) {
    put(visited.get(queryId));
    return;
  }
  wait('Looking for that query …');
  await retrying(turn, async () => {
    const {query} = await ask('load_query', {...page.settings, query: queryId});
    if (turn !== page.turn) return;
    takeIn(query);
    while (query.rest.length && !has(query)) await loadRest(query);
    if (turn === page.turn) put(query);
  });
}
