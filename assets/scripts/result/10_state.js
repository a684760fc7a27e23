// The result view. The files of this folder are one script: joined in the order of their numbers, they share these names.
// Texts go in with textContent only: a passage can hold anything.
const FOLDED = 300;          // characters of a passage that are shown before it is unfolded
const SPARED = 40;           // a passage that is longer by no more than this is not folded
const MARKS = 500;           // query terms that are marked in one passage
const DRAWN_FULL = 12;       // lines that are drawn full in a picture; the others are faint
const LONGEST_LINK = 8000;   // characters: longer links do not survive mail and chat programs
const INPUT_ORDER = -1;      // sorted by no column

const root = element.querySelector('.rw-result');
const spoken = element.querySelector('.rw-spoken');

// What the visitor chose. Passages and columns are counted from 0 here, from 1 on the screen.
const state = {
  reference: null,        // title of the column that ranks are compared against
  sortBy: INPUT_ORDER,
  isAscending: false,
  column: 0,              // sorted by last: the pictures' colours say what changed on the way to it
  chosen: null,           // passage that is marked until it is let go
  pointed: null,          // passage under the pointer
  layerView: 'scores',
};
let shown = null;         // the value on the screen and the nodes that change: see show()

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeButton(className, text, act) {
  const button = make('button', className, text);
  button.type = 'button';
  button.addEventListener('click', () => act(button));
  return button;
}

function makeSelect(label, className, act) {
  const box = make('label', `rw-choice ${className}`, label);
  const select = make('select');
  select.addEventListener('change', () => act(select.value));
  box.append(select);
  return {box, select};
}

function makeSvg(tag, attributes, text) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content);
  if (text !== undefined) node.textContent = text;
  return node;
}

function count(number, noun) { return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`; }

function formatScore(score) {
  const size = Math.abs(score);
  if (size === 0 || size >= 0.001) return Number(score).toFixed(3);
  return size < 0.0000005 ? Number(score).toExponential(1) : Number(score).toFixed(6);
}

// The end of a whole word near `length`, never inside a character.
function wordEnd(text, length) {
  if (text.length <= length) return text.length;
  const from = Math.max(0, length - 60);
  let end = 0;
  for (const word of new Intl.Segmenter(undefined, {granularity: 'word'}).segment(text.slice(from, length + 60))) {
    if (from + word.index > length) break;
    end = from + word.index;
  }
  if (end > from) return end;
  return /[\uDC00-\uDFFF]/.test(text[length]) ? length - 1 : length;
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, wordEnd(text, length)).trimEnd()}…` : text;
}

// The column that ranks are compared against: the one chosen before if it is there, else BM25, else the first.
function findReference(columns) {
  const titles = columns.map((column) => column.title);
  return Math.max(0, titles.includes(state.reference) ? titles.indexOf(state.reference) : titles.indexOf('BM25'));
}

// By how many ranks a passage stands higher in a column than in the reference column.
function climb(passage, column) {
  const {columns} = shown.value;
  return columns[shown.reference].ranks[passage] - columns[column].ranks[passage];
}

// The passages by the scores of a column, the best first; equal ones stay in input order.
function ranking(column) {
  const {scores} = shown.value.columns[column];
  return scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a] || a - b);
}

// A name in few letters: its end often tells it from others more than its beginning.
function shortenName(name, length) {
  const letters = Array.from(name);
  if (letters.length <= length) return name;
  const head = Math.floor((length - 1) / 2);
  return `${letters.slice(0, head).join('')}…${letters.slice(1 + head - length).join('')}`;
}

function sayBest(ranks) {
  const best = ranks.flatMap((rank, index) => (rank === 1 ? [index + 1] : []));
  if (best.length === 1) return `passage ${best[0]}`;
  return best.length > 3 ? `${best.length} passages alike` : `passages ${best.join(' and ')} alike`;
}
