// The outbox: what was done here and is not yet known to be on the server's disk. It is sent in order, one send at a time,
// and kept in this browser until it is acknowledged: ids and grades only, no text.

// An entry is a judgement (`save`), several that are one step (`bulk`), `undo` or `redo`. `client` and `seq` name it for
// good: sent twice, it is written once.
const outbox = {
  client: makeClientId(),
  seq: 0,
  waiting: [],      // entries, the oldest first
  undecided: [],    // {entry, kind: 'conflict' | 'refused', theirs, message}: what the person has to decide
  isSending: false,
  failure: '',      // the sentence of the last try, if it failed
  tries: 0,
  retryAt: 0,
  timer: 0,
  savedAt: null,
  isKept: true,     // whether this browser keeps what is unsent
  idle: [],         // who waits for the outbox to be empty
};
const versions = new Map();   // candidate id → the version that the server told last

function makeClientId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function makeEntry(op, more) {
  const {project, annotator} = page.settings;
  return {op, client: outbox.client, seq: outbox.seq++, project, annotator, ...more};
}

// Puts an entry in line, keeps it, and sends it as soon as the line moves.
function post(entry) {
  outbox.waiting.push(entry);
  keepUnsent(entry.client);
  showSaved();
  pump();
}

function keepUnsent(client) {
  const of = (entry) => entry.client === client;
  const left = {
    waiting: outbox.waiting.filter(of),
    undecided: outbox.undecided.filter(({entry}) => of(entry)),
    beat: Date.now(),
  };
  try {
    if (left.waiting.length || left.undecided.length) localStorage.setItem(UNSENT + client, JSON.stringify(left));
    else localStorage.removeItem(UNSENT + client);
    outbox.isKept = true;
  } catch {
    outbox.isKept = false;
  }
}

function touches(entry, id) {
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

// The entries of the next send: judgements of one page and one person, at most one of each candidate, so that the version
// on which each stands is known; everything else goes alone.
function takeBatch() {
  const [first] = outbox.waiting;
  if (first.op !== 'save') return [first];
  const batch = [];
  const seen = new Set();
  for (const entry of outbox.waiting) {
    const isAlike = entry.op === 'save' && entry.client === first.client && entry.annotator === first.annotator;
    if (!isAlike || seen.has(entry.candidate) || batch.length === BATCH) break;
    seen.add(entry.candidate);
    batch.push(entry);
  }
  return batch;
}

async function pump() {
  if (outbox.isSending || Date.now() < outbox.retryAt) return;
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
        answer = {refusal: error.message};
      }
      noteSuccess();
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
  const [{op, client, project, annotator, seq}] = batch;
  if (op === 'undo' || op === 'redo') return ask(`${op}_step`, {client_id: client, project, annotator, seq});
  const items = (op === 'bulk' ? batch[0].items : batch).map(describeEntry);
  const answer = await ask(op === 'bulk' ? 'save_bulk' : 'save', {client_id: client, annotator, items});
  if (answer.items?.length !== items.length) {
    throw Object.assign(new Error('The server gave an answer that makes no sense.'), {again: true});
  }
  return answer;
}

function describeEntry(entry) {
  const {seq, candidate, state, grade, scale, score_shown, position_shown, order_mode, guideline, duration_ms} = entry;
  const expected_version = entry.isAfter ? versions.get(candidate) ?? entry.base : entry.base;
  return {
    seq, candidate, state, grade, scale, score_shown, position_shown, order_mode, guideline, duration_ms, expected_version,
  };
}

function fail(sentence) {
  const seconds = Math.min(LONGEST_WAIT, 2 ** outbox.tries);
  outbox.tries += 1;
  outbox.failure = sentence;
  outbox.retryAt = Date.now() + seconds * 1000;
  clearTimeout(outbox.timer);
  outbox.timer = setTimeout(tick, 250);
  if (outbox.tries === 1) say(`Not saved: ${sentence} It is tried again.`, {isUrgent: true});
}

// Counts down on the screen and tries again.
function tick() {
  if (!outbox.failure) return;
  if (Date.now() >= outbox.retryAt) pump();
  showSaved();
  clearTimeout(outbox.timer);
  outbox.timer = setTimeout(tick, 250);
}

function tryNow() {
  outbox.retryAt = 0;
  pump();
}

function noteSuccess() {
  if (outbox.failure) say('Saved again.', {isUrgent: true});
  outbox.failure = '';
  outbox.tries = 0;
  outbox.retryAt = 0;
}

function settle(batch, answer) {
  outbox.waiting = outbox.waiting.filter((entry) => !batch.includes(entry));
  if (answer.refusal) for (const entry of batch) refuse(entry, answer.refusal);
  else if (answer.changes) settleStep(batch[0], answer);
  else if (batch[0].op === 'bulk') answer.items.forEach((item, n) => settleSave(batch[0].items[n], item));
  else batch.forEach((entry, n) => settleSave(entry, answer.items[n]));
  for (const client of new Set(batch.map((entry) => entry.client))) keepUnsent(client);
  outbox.savedAt = new Date();
  showChanged();
}

function settleSave(entry, item) {
  const later = outbox.waiting.find((waiting) => waiting.op === 'save' && waiting.candidate === entry.candidate);
  if (item.status === 'refused') {
    refuse(entry, item.message);
    return;
  }
  const now = {state: item.state, grade: item.grade, version: item.version};
  const isChanged = item.state !== entry.state || item.grade !== entry.grade;
  if (item.status === 'conflict' && isChanged) {
    if (later) Object.assign(later, {base: entry.base, isAfter: false});   // it will be asked about in this one's place
    else outbox.undecided.push({entry, kind: 'conflict', theirs: now, message: item.message});
  } else {
    versions.set(entry.candidate, item.version);
    page.savedSince += 1;
    // It was written before, and something else since: what stands on it must not write over that unseen.
    if (item.status === 'repeated' && isChanged && later) Object.assign(later, {base: item.version - 1, isAfter: false});
    if (page.scale === null && entry.state === 'graded' && entry.project === page.settings?.project) page.scale = entry.scale;
  }
  store(entry.candidate, now);
}

function store(id, now) {
  const found = known.get(id);
  if (!found) return;
  found.candidate.stored = now;
  overlay(found.candidate);
}

function refuse(entry, message) {
  if (entry.op === 'undo' || entry.op === 'redo') {
    tell(message);
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
  if (outbox.waiting.length) event.preventDefault();
});
