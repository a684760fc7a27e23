// The outbox: what was done here and is not yet known to be on the server's disk. It is sent in order, one send at a time,
// and kept in this browser until it is acknowledged: ids and grades only, no text.

// An entry is a judgement (`save`), several that are one step (`bulk`), `undo` or `redo`. `client` and `seq` name it for
// good: sent twice, it is written once. `store` says for which database it is.
const outbox = {
  client: makeClientId(),
  seq: 0,
  waiting: [],      // entries, the oldest first
  undecided: [],    // {entry, kind: 'conflict' | 'refused' | 'bulk', theirs, scale, conflicts, message}: what the person decides
  foreign: [],      // {entry} or as undecided: for another database than the one that is open
  isForeignKept: false,   // the person was asked about them
  elsewhere: 0,     // labels that another page left, or is about to send
  isSending: false,
  failure: '',      // the sentence of the last try, if it failed
  tries: 0,
  retryAt: 0,       // by the clock that nobody sets
  timer: 0,
  savedAt: null,
  outOfSight: 0,    // labels that were saved on this page for texts that somebody had deleted
  unkept: new Set(),      // clients of which this browser does not keep what is unsent
  idle: [],         // who waits for the outbox to be empty
};
const versions = new Map();   // annotator and candidate → the version that the server told last
const newest = {undo: 0, redo: 0};   // the step that this page takes for the newest: an event's id, or {client_id, seq}

function makeClientId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function makeEntry(op, more) {
  const {project, annotator} = page.settings;
  return {op, client: outbox.client, seq: outbox.seq++, store: page.store, project, annotator, ...more};
}

// Whether an entry is of the person and the database that this page shows.
function isMine(entry) { return entry.annotator === page.annotator && entry.store === page.store; }

function countLabels(undecided) { return undecided.reduce((sum, {entry}) => sum + (entry.items?.length ?? 1), 0); }

function versionKey(annotator, candidate) { return `${annotator}\n${candidate}`; }

// Puts an entry in line, keeps it, and sends it as soon as the line moves.
function post(entry) {
  outbox.waiting.push(entry);
  keepUnsent(entry.client);
  showSaved();
  pump();
}

function keepUnsent(client, beat = Date.now()) {
  const of = (entry) => entry.client === client;
  const left = {
    waiting: outbox.waiting.filter(of),
    undecided: outbox.undecided.filter(({entry}) => of(entry)),
    foreign: outbox.foreign.filter(({entry}) => of(entry)),
    beat,
  };
  try {
    const isSome = left.waiting.length || left.undecided.length || left.foreign.length;
    if (isSome) localStorage.setItem(UNSENT + client, JSON.stringify(left));
    else localStorage.removeItem(UNSENT + client);
    outbox.unkept.delete(client);
  } catch {
    outbox.unkept.add(client);
  }
}

function touches(entry, id) {
  if (!isMine(entry)) return false;
  if (entry.op === 'save') return entry.candidate === id;
  if (entry.op === 'bulk') return entry.items.some((item) => item.candidate === id);
  return entry.guess?.candidates.some((guessed) => guessed.id === id) ?? false;
}

// What a candidate shows: what was done here last, else what the server has.
function overlay(candidate) {
  const entry = outbox.waiting.findLast((waiting) => touches(waiting, candidate.id));
  let shown = candidate.stored;
  if (entry?.op === 'save') shown = entry;
  else if (entry?.op === 'bulk') shown = entry.items.find((item) => item.candidate === candidate.id);
  else if (entry) shown = entry.guess.candidates.find((guessed) => guessed.id === candidate.id);
  candidate.state = shown.state;
  candidate.grade = shown.grade;
}

// The entries of the next send: judgements of one page, one project and one person, at most one of each candidate, so that the version
// on which each stands is known; everything else goes alone.
function takeBatch() {
  const [first] = outbox.waiting;
  if (first.op !== 'save') return [first];
  const batch = [];
  const seen = new Set();
  for (const entry of outbox.waiting) {
    const isAlike = entry.op === 'save' && entry.client === first.client && entry.annotator === first.annotator
      && entry.project === first.project && entry.store === first.store;
    if (!isAlike || seen.has(entry.candidate) || batch.length === BATCH) break;
    seen.add(entry.candidate);
    batch.push(entry);
  }
  return batch;
}

async function pump() {
  if (outbox.isSending || performance.now() < outbox.retryAt) return;
  outbox.isSending = true;
  try {
    while (outbox.waiting.length) {
      dropUnsavedSteps();
      if (!outbox.waiting.length) break;
      const batch = takeBatch();
      let answer;
      try {
        answer = await send(batch);
      } catch (error) {
        if (error.again) {
          fail(error.message);
          return;
        }
        answer = {...error.answer, refusal: error.message};
      }
      noteAnswer();
      settle(batch, answer);
    }
  } finally {
    outbox.isSending = false;
    showSaved();
  }
  for (const resolve of outbox.idle.splice(0)) resolve();
  if (page.savedSince >= COUNT_AFTER) countAgain();
}

async function send(batch) {
  const [first] = batch;
  const {op, client, store, project, annotator, seq} = first;
  if (op === 'undo' || op === 'redo') {
    const seen = first.guess?.sent ?? first.seen ?? (isMine(first) ? newest[op] : 0);
    return ask(`${op}_step`, {store, client_id: client, project, annotator, seq, seen});
  }
  const items = (op === 'bulk' ? first.items : batch).map((entry) => describeEntry(entry, annotator));
  const answer = await ask(op === 'bulk' ? 'save_bulk' : 'save', {store, client_id: client, project, annotator, items});
  if (answer.items?.length !== items.length) {
    throw Object.assign(new Error('The server gave an answer that makes no sense.'), {again: true});
  }
  return answer;
}

function describeEntry(entry, annotator) {
  const {seq, candidate, state, grade, scale, score_shown, position_shown, order_mode, guideline, duration_ms} = entry;
  const expected_version = entry.isAfter ? versions.get(versionKey(annotator, candidate)) ?? entry.base : entry.base;
  return {
    seq, candidate, state, grade, scale, score_shown, position_shown, order_mode, guideline, duration_ms, expected_version,
  };
}

function fail(sentence) {
  const seconds = Math.min(LONGEST_WAIT, 2 ** outbox.tries);
  outbox.tries += 1;
  outbox.failure = sentence;
  outbox.retryAt = performance.now() + seconds * 1000;
  clearTimeout(outbox.timer);
  outbox.timer = setTimeout(tick, 250);
  if (outbox.tries === 1) say(`Not saved: ${sentence} It is tried again.`, {isUrgent: true});
}

// Counts down on the screen and tries again.
function tick() {
  if (!outbox.failure) return;
  if (performance.now() >= outbox.retryAt) pump();
  showSaved();
  clearTimeout(outbox.timer);
  outbox.timer = setTimeout(tick, 250);
}

function tryNow() {
  outbox.retryAt = 0;
  pump();
}

function noteAnswer() {
  if (outbox.failure) say('The server answers again.', {isUrgent: true});
  outbox.failure = '';
  outbox.tries = 0;
  outbox.retryAt = 0;
}

function settle(batch, answer) {
  const [first] = batch;
  if (answer.other_store) {
    meetStore(answer.other_store);
    showChanged();
    return;
  }
  outbox.waiting = outbox.waiting.filter((entry) => !batch.includes(entry));
  takeScale(first, answer.scale);
  if (answer.refusal) for (const entry of batch) refuse(entry, {message: answer.refusal, ...answer});
  else if (answer.changes) settleStep(first, answer);
  else if (first.op === 'bulk') answer.items.forEach((item, n) => settleSave(first.items[n], item, first, answer.scale));
  else batch.forEach((entry, n) => settleSave(entry, answer.items[n], entry, answer.scale));
  for (const client of new Set([...batch, ...outbox.waiting].map((entry) => entry.client))) keepUnsent(client);
  const isSaved = ['done', 'repeated'].includes(answer.status)
    || answer.items?.some(({status}) => status === 'saved' || status === 'repeated');
  if (isSaved) {
    outbox.savedAt = new Date();
    document.dispatchEvent(new CustomEvent('rw-label-saved'));
  }
  showChanged();
}

// Takes the project's scale from an answer: another page may have fixed it.
function takeScale({project, store}, scale) {
  if (!scale || scale === page.scale || project !== page.project?.id || store !== page.store) return;
  page.scale = scale;
  view.list = null;
}

// What stands on a judgement goes on from its version, also after the page was loaded again.
function carry(owner, candidate, version) {
  versions.set(versionKey(owner.annotator, candidate), version);
  for (const entry of outbox.waiting) {
    if (entry.annotator !== owner.annotator || entry.store !== owner.store) continue;
    for (const one of entry.items ?? [entry]) if (one.candidate === candidate && one.isAfter) one.base = version;
  }
}

// Takes in what became of a judgement; `owner` is the entry that brought it: itself, or of several together.
function settleSave(entry, item, owner, scale) {
  const later = outbox.waiting.find((waiting) => waiting.op === 'save' && waiting.candidate === entry.candidate
    && waiting.annotator === owner.annotator && waiting.store === owner.store);
  if (item.status === 'refused') {
    refuse(entry, item);
    return;
  }
  const now = {state: item.state, grade: item.grade, version: item.version};
  const isChanged = item.state !== entry.state || item.grade !== entry.grade;
  if (item.status === 'conflict' && isChanged) {
    if (later) Object.assign(later, {base: entry.base, isAfter: false});   // it will be asked about in this one's place
    else outbox.undecided.push({entry, kind: 'conflict', theirs: now, scale, message: item.message});
  } else {
    carry(owner, entry.candidate, item.version);
    page.savedSince += 1;
    if (item.status !== 'conflict' && item.message) {   // saved, but its query was deleted meanwhile
      outbox.outOfSight += 1;
      tell(item.message);
    }
    if (isMine(owner) && owner.project === page.project?.id) {
      Object.assign(newest, {undo: {client_id: owner.client, seq: entry.seq}, redo: 0});
      if (page.scale === null && entry.state === 'graded') page.scale = entry.scale;
    }
    // It was written before, and something else since: what stands on it must not write over that unseen.
    if (item.status === 'repeated' && isChanged && later) Object.assign(later, {base: item.version - 1, isAfter: false});
  }
  store(owner, entry.candidate, now);
}

function store(owner, id, now) {
  const found = isMine(owner) && known.get(id);
  if (!found) return;
  found.candidate.stored = now;
  overlay(found.candidate);
}

function refuse(entry, {message, conflicts, steps: open}) {
  if (entry.op === 'undo' || entry.op === 'redo') {
    if (open && isMine(entry)) startSteps(open);
    tell(message);
  } else if (conflicts) {
    for (const {candidate, state, grade, version} of conflicts) store(entry, candidate, {state, grade, version});
    outbox.undecided.push({entry, kind: 'bulk', conflicts: conflicts.map(({candidate}) => candidate), message});
  } else {
    outbox.undecided.push({entry, kind: 'refused', message});
  }
  const ids = entry.items?.map((item) => item.candidate) ?? entry.guess?.candidates.map(({id}) => id) ?? [entry.candidate];
  for (const id of ids) if (known.has(id)) overlay(known.get(id).candidate);
}

// To undo what was never written is to forget it: the server would undo what came before.
function dropUnsavedSteps() {
  const [first] = outbox.waiting;
  if (first.op !== 'undo' || !first.guess) return;
  const at = outbox.undecided.findIndex(({entry}) => entry.client === first.guess.client && entry.seq === first.guess.seq);
  if (at < 0) return;
  const [{entry}] = outbox.undecided.splice(at, 1);
  outbox.waiting.shift();
  forgetStep(entry);
  for (const {id} of first.guess.candidates) if (known.has(id)) overlay(known.get(id).candidate);
  keepUnsent(first.client);
  keepUnsent(entry.client);
  showChanged();
}

// Resolves once everything has been sent.
function flushed() {
  if (!outbox.waiting.length && !outbox.isSending) return Promise.resolve();
  return new Promise((resolve) => { outbox.idle.push(resolve); });
}

window.addEventListener('online', tryNow);
window.addEventListener('beforeunload', (event) => {
  const isLost = outbox.unkept.size && (outbox.undecided.length || outbox.foreign.length);
  if (outbox.waiting.length || isLost) event.preventDefault();
});
