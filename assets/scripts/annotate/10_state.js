// The Annotate view. The files of this folder are one script: joined in the order of their numbers, they share these names.
// Texts go in with textContent only: a passage can hold anything. The cursor and the keys live here, the judgements on the
// server; what is on its way between them is the outbox's (20_outbox.js).
const KEPT = 'reranker-workbench:annotate';          // localStorage: project, name, order, depth, view, keys
const UNSENT = 'reranker-workbench:unsent:';         // localStorage: one key for each page load with something unsent
const BATCH = 20;              // judgements in one send
const PREFETCH_AT = 5;         // open candidates that are left when the next query is fetched
const NEGATIVES = 15;          // in a row, after which the next query is proposed
const MARKS = 500;             // query terms that are marked in one passage
const ANSWER_WITHIN = 20_000;  // ms that an answer may take before the same is sent again
const LONGEST_WAIT = 30;       // s between two tries
const COUNT_AFTER = 10;        // judgements after which the counters are read
const COUNT_EVERY = 5_000;     // ms after which they are read if there were fewer
const LONGEST_THOUGHT = 600_000;   // ms: who took longer was away, and the time says nothing
const FLUSHED_WITHIN = 3_000;  // ms that are given to what is unsent before a project is opened: it is then up to date
const VISITED = 30;            // queries that are kept to go back to

const MEANINGS = ['nothing to do with it', 'related, but no answer', 'some answer, unclear or hidden', 'the exact answer'];
const STATE_WORDS = {skipped: 'skipped', cant_tell: "can't tell", later: 'later'};
const STATE_SIGNS = {skipped: 's', cant_tell: '?', later: '…'};

const root = element.querySelector('.rw-annotate');
const spoken = element.querySelector('.rw-spoken');

const page = {
  store: '',             // which database this page shows: its random name
  settings: null,        // what the server is asked with: project, annotator, order, depth, include_imported
  project: null,         // id and name
  scale: null,           // of the project, once its first label fixed it
  chosenScale: 'binary', // until then
  guideline: null,
  query: null,           // on the screen
  index: 0,              // of the candidate on the screen
  following: null,       // the query after this one: {after, query, promise}
  counters: null,
  steps: {undo: true, redo: true},   // whether there is one to undo or redo, as far as this page knows
  savedSince: 0,         // judgements since the counters were read
  negatives: 0,          // in a row
  view: 'focus',
  hasKeys: true,         // whether single keys do something
  isWhole: false,        // whether a long passage is shown whole
  since: null,           // when the passage came on the screen; null where nobody can tell how long it was looked at
  turn: 0,               // counts what is asked for to be shown, so that a late answer does not take its place
  message: '',           // what is said in place of a passage
  isAtEnd: false,
  notice: '',            // what is said for some seconds
};
const visited = new Map();   // query id → query
const known = new Map();     // candidate id → {candidate, query}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A button; with a key its letter stands on it, and a click leaves the focus where it is, so that keys go on working. Keys that
// are turned off stand nowhere.
function makeButton(className, text, act, key) {
  const button = make('button', className);
  button.type = 'button';
  button.append(make('span', '', text));
  if (key) {
    const letter = make('kbd', '', key);
    letter.setAttribute('aria-hidden', 'true');   // a screen reader says it from the attribute
    button.append(letter);
    button.dataset.key = key === '⇧U' ? 'Shift+U' : key;
    tellKey(button);
  }
  button.addEventListener('mousedown', (event) => {
    event.preventDefault();
    leaveField();   // or the next key would write there
  });
  button.addEventListener('click', () => act(button));
  return button;
}

function tellKey(button) {
  if (page.hasKeys) button.setAttribute('aria-keyshortcuts', button.dataset.key);
  else button.removeAttribute('aria-keyshortcuts');
}

function leaveField() {
  const {activeElement} = root.getRootNode();
  if (activeElement?.matches('input, textarea, select')) activeElement.blur();
}

function count(number, noun) { return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`; }

function scaleNow() { return page.scale ?? page.chosenScale; }

function nameGrade(grade, scale = scaleNow()) {
  if (scale === 'binary') return grade ? 'Positive' : 'Negative';
  return `grade ${grade}`;
}

function nameState({state, grade}, scale = scaleNow()) {
  if (!state) return 'not judged';
  return state === 'graded' ? nameGrade(grade, scale) : STATE_WORDS[state];
}

function signState({state, grade}) {
  if (!state) return '';
  if (state !== 'graded') return STATE_SIGNS[state];
  return scaleNow() === 'binary' ? (grade ? '✓' : '✗') : String(grade);
}

function formatScore(score) {
  const size = Math.abs(score);
  return size === 0 || size >= 0.001 ? score.toFixed(3) : score.toExponential(1);
}

function candidates() { return page.query?.candidates ?? []; }

function current() { return page.isAtEnd ? null : candidates()[page.index] ?? null; }

function isJudged(candidate) { return Boolean(candidate.state) && candidate.state !== 'later'; }

// Whether the cursor stops at a candidate by itself. One that was put off on this visit waits for the next.
function isOpen(candidate) {
  if (isJudged(candidate) || candidate.isPutOff) return false;
  return !isLeftOut(candidate) || candidate.state === 'later';
}

// Whether an import's grade closes it here. Where such are judged again nothing tells which they are: that would tell the
// grade.
function isLeftOut(candidate) { return candidate.is_imported && !page.settings.include_imported; }

function isDone() {
  const {depth} = page.settings;
  return depth !== null && candidates().filter(isJudged).length >= depth;
}

function readKept(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function keep(changes) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({...readKept(KEPT), ...changes}));
  } catch { /* a browser that keeps nothing */ }
}

let lastWords = 0;

// Tells a screen reader once the hands rest: never on every key.
function say(words, {isUrgent = false} = {}) {
  clearTimeout(lastWords);
  lastWords = setTimeout(() => { spoken.textContent = words; }, isUrgent ? 50 : 800);
}

// Asks the server; resolves with its answer, or throws an error whose message is a sentence. gradio answers a failed call
// with nothing at all.
async function ask(name, wanted, within = ANSWER_WITHIN) {
  const late = new Promise((resolve) => { setTimeout(resolve, within); });
  const answer = await Promise.race([server[name](wanted), late]);
  if (!answer || typeof answer !== 'object') {
    throw Object.assign(new Error(navigator.onLine ? 'The server does not answer.' : 'This browser is offline.'), {again: true});
  }
  if (answer.error) throw Object.assign(new Error(answer.error), {again: answer.again, answer});
  return answer;
}
