// What a person does: judge, undo, redo, move. Everything is painted at once; the outbox sends it.

// What was done in this page load, for undo to be painted at once: {client, seq, sent, query, candidates}, where `sent` names
// the newest of its judgements as the server knows it.
const steps = [];
const undone = [];

function judge(state, grade = null) {
  const candidate = current();
  if (!candidate || !isNameApplied()) return;
  const before = {state: candidate.state, grade: candidate.grade};
  const judgement = describeJudgement(candidate, state, grade, timeTaken());
  const entry = makeEntry('save', {query: page.query.id, ...judgement});
  post(entry);
  noteStep({
    ...nameStep(entry),
    query: page.query.id,
    candidates: [{id: candidate.id, before, after: {state, grade}}],
  });
  candidate.isPutOff = state === 'later';
  overlay(candidate);
  page.negatives = state === 'graded' && grade === 0 ? page.negatives + 1 : 0;
  advance();
}

// Whether the name in the field above is the one that is judged under. If not, it is put to use, and nothing is judged yet.
function isNameApplied() {
  const field = root.getRootNode().querySelector('#annotate-name input, #annotate-name textarea');
  if (!field) return true;
  const name = field.value.normalize('NFC').trim();
  if (name === page.settings.annotator) return true;
  if (root.getRootNode().activeElement === field) field.blur();
  else trigger('arrived', {project: page.settings.project, annotator: name || page.settings.annotator});
  tell(name ? 'The name above was changed. Judge again as soon as it is in use.'
    : `A name cannot be empty. Judge again as soon as “${page.settings.annotator}” stands there.`);
  return false;
}

function describeJudgement(candidate, state, grade, duration) {
  const conflict = decide(candidate.id);
  const isAfter = !conflict && outbox.waiting.some((entry) => touches(entry, candidate.id)
    || (isMine(entry) && (entry.op === 'undo' || entry.op === 'redo')));
  return {
    candidate: candidate.id,
    state,
    grade,
    scale: state === 'graded' ? scaleNow() : null,
    base: conflict ? conflict.theirs.version : candidate.stored.version,
    isAfter,
    score_shown: Boolean(candidate.scores.length && (wereScoresSeen(candidate) || isJudged(candidate))),
    position_shown: candidate.position,
    order_mode: page.query.order,
    guideline: page.guideline.id,
    duration_ms: duration,
  };
}

// Judging again what two tabs judged differently decides it.
function decide(id) {
  const at = outbox.undecided.findIndex(({entry}) => entry.candidate === id && isMine(entry));
  if (at < 0) return null;
  const [decided] = outbox.undecided.splice(at, 1);
  keepUnsent(decided.entry.client);
  return decided.kind === 'conflict' ? decided : null;
}

function keepMine(conflict) {
  const {entry, theirs} = conflict;
  outbox.undecided.splice(outbox.undecided.indexOf(conflict), 1);
  const again = {...entry, client: outbox.client, seq: outbox.seq++, base: theirs.version, isAfter: false};
  for (const step of steps) if (step.client === entry.client && step.seq === entry.seq) Object.assign(step, nameStep(again));
  post(again);
  keepUnsent(entry.client);
  if (known.has(entry.candidate)) overlay(known.get(entry.candidate).candidate);
  showChanged();
}

function keepTheirs(conflict) {
  outbox.undecided.splice(outbox.undecided.indexOf(conflict), 1);
  forgetStep(conflict.entry);
  keepUnsent(conflict.entry.client);
  showChanged();
}

// Does again what is left of several that were refused together because some of them had been judged elsewhere.
function markOthers(refused) {
  const {entry, conflicts} = refused;
  outbox.undecided.splice(outbox.undecided.indexOf(refused), 1);
  forgetStep(entry);
  keepUnsent(entry.client);
  const isLeft = ({candidate}) => !conflicts.includes(candidate) && !(isMine(entry) && known.get(candidate)?.candidate.state);
  const items = entry.items.filter(isLeft).map((item) => ({...item, seq: outbox.seq++}));
  if (items.length) {
    const again = {...entry, client: outbox.client, items, seq: outbox.seq++};
    post(again);
    const before = {state: null, grade: null};
    const candidates = items.map(({candidate, state, grade}) => ({id: candidate, before, after: {state, grade}}));
    if (isMine(entry)) noteStep({...nameStep(again), query: entry.query, candidates});
    for (const {candidate} of items) if (known.has(candidate)) overlay(known.get(candidate).candidate);
  }
  showChanged();
}

function nameStep({client, seq, items}) {
  return {client, seq, sent: {client_id: client, seq: items ? items.at(-1).seq : seq}};
}

// What was never written is no step.
function forgetStep({client, seq}) {
  for (const line of [steps, undone]) {
    const at = line.findIndex((step) => step.client === client && step.seq === seq);
    if (at >= 0) line.splice(at, 1);
  }
}

// Begins with the steps that the server tells, for those of this page are not the newest any more.
function startSteps(open) {
  steps.length = 0;
  undone.length = 0;
  Object.assign(newest, open);
  page.steps = open;
  // Typed before anybody was told.
  outbox.waiting = outbox.waiting.filter((entry) => !(isMine(entry) && (entry.op === 'undo' || entry.op === 'redo') && !entry.guess));
}

function noteStep(step) {
  steps.push(step);
  undone.length = 0;
  page.steps = {undo: true, redo: false};
}

function timeTaken() {
  if (page.since === null) return null;
  const duration = Math.round(performance.now() - page.since);
  return duration <= LONGEST_THOUGHT ? duration : null;
}

function newPassage() {
  page.isWhole = false;
  page.since = document.hidden ? null : performance.now();
  if (current()) say(`Passage ${page.index + 1} of ${candidates().length}. ${nameState(current())}.`);
}

document.addEventListener('visibilitychange', () => { if (document.hidden) page.since = null; });

// Goes to the next open candidate: after this one, then before it, then of the next query.
function advance() {
  const all = candidates();
  const {query, index: here} = page;
  const findNext = () => query.candidates.findIndex((candidate, n) => n > here && isOpen(candidate));
  const index = isDone() ? -1 : findNext();
  if (index >= 0) {
    show(index);
  } else if (!isDone() && query.rest.length) {
    wait('Loading more of this query …');
    const turn = ++page.turn;
    retrying(turn, async () => {
      await loadRest(query);
      if (turn === page.turn) showQuery(query, findNext() < 0 ? undefined : findNext());
    });
  } else if (!isDone() && all.some(isOpen)) {
    show(all.findIndex(isOpen));
  } else {
    showChanged();
    moveOn();
  }
}

function show(index) {
  if (page.isAtEnd) page.turn += 1;   // as in showQuery
  page.isAtEnd = false;
  page.index = index;
  newPassage();
  showChanged();
  prefetch();
}

function move(by) {
  if (page.isAtEnd) {
    if (by < 0 && page.query) showQuery(page.query, candidates().length - 1);
    return;
  }
  const index = page.index + by;
  if (index >= 0 && index < candidates().length) show(index);
}

function takeBack(op) {
  if (page.annotator !== page.settings.annotator || !isNameApplied()) return;
  const guess = (op === 'undo' ? steps : undone).pop() ?? null;
  const guessed = guess && {
    client: guess.client,
    seq: guess.seq,
    sent: guess.sent,
    query: guess.query,
    candidates: guess.candidates.map(({id, before, after}) => ({id, ...(op === 'undo' ? before : after)})),
  };
  if (guess) (op === 'undo' ? undone : steps).push(guess);
  const seen = outbox.waiting.length ? undefined : newest[op];   // else the answers to those tell
  post(makeEntry(op, {guess: guessed, seen}));
  page.steps = {undo: true, redo: true};   // the server's answer knows
  page.negatives = 0;
  if (!guess) {
    tell(op === 'undo' ? 'Undoing …' : 'Doing it again …');
    return;
  }
  for (const {id} of guessed.candidates) {
    if (!known.has(id)) continue;
    known.get(id).candidate.isPutOff = false;
    overlay(known.get(id).candidate);
  }
  tellStep(op, guessed.query, guessed.candidates);
  goTo(guessed.query, guessed.candidates[0].id);
}

// The server has undone or redone its newest step; usually the one that was painted already.
function settleStep(entry, {status, changes, steps: open}) {
  const {op, guess} = entry;
  if (isMine(entry)) Object.assign(newest, open);
  if (!outbox.waiting.length) page.steps = open;
  for (const change of changes) {
    carry(entry, change.candidate, change.version);
    store(entry, change.candidate, {state: change.state, grade: change.grade, version: change.version});
  }
  for (const {id} of guess?.candidates ?? []) if (known.has(id)) overlay(known.get(id).candidate);
  page.savedSince += 1;
  if (status === 'nothing') {
    tell(`There is nothing to ${op}.`);
    return;
  }
  const isGuessed = guess?.candidates.some(({id}) => id === changes[0].candidate);
  if (isGuessed || outbox.waiting.length || !changes.length) return;
  tellStep(op, changes[0].query, changes.map((change) => ({id: change.candidate, ...change})));
  goTo(changes[0].query, changes[0].candidate);
}

function tellStep(op, queryId, changed) {
  const verb = op === 'undo' ? 'Undone' : 'Done again';
  if (changed.length > 1) {
    tell(`${verb}: ${count(changed.length, 'passage')}.`);
    return;
  }
  const query = visited.get(queryId);
  const place = query ? query.candidates.findIndex((candidate) => candidate.id === changed[0].id) + 1 : 0;
  tell(`${verb}: ${place ? `passage ${place}` : 'a passage'} is now ${nameState(changed[0])}.`);
}

function reveal() {
  const candidate = current();
  if (!candidate || isJudged(candidate)) return;
  candidate.isScoreShown = !candidate.isScoreShown;
  showChanged();
}

async function toggleWhole() {
  const candidate = current();
  if (!candidate || !isLong(candidate)) return;
  page.isWhole = !page.isWhole;
  showPassage();
  if (page.isWhole && candidate.is_cut && candidate.whole === undefined) {
    const turn = page.turn;
    try {
      const {text} = await ask('whole_text', {query: page.query.id, candidate: candidate.id});
      candidate.whole = text;
    } catch (error) {
      tell(error.message);
    }
    if (turn === page.turn && current() === candidate) showPassage();
  }
}

// Marks what nobody judged of this query as not relevant, in one step.
function markRest() {
  const rest = unjudged();
  if (!rest.length || !isNameApplied()) return;
  const items = rest.map((candidate) => ({...describeJudgement(candidate, 'graded', 0, null), seq: outbox.seq++}));
  const entry = makeEntry('bulk', {query: page.query.id, items});
  const judged = rest.map(({id, state, grade}) => ({id, before: {state, grade}, after: {state: 'graded', grade: 0}}));
  post(entry);
  noteStep({...nameStep(entry), query: page.query.id, candidates: judged});
  for (const candidate of rest) overlay(candidate);
  tell(`${count(rest.length, 'passage')} marked ${nameGrade(0)}. Undo takes all of them back.`);
  showAll();
  prefetch();
}

function unjudged() { return candidates().filter((candidate) => !candidate.state && isOpen(candidate)); }
