// What all parts of this view share. Texts go in with textContent only; nothing that a person wrote becomes markup.
const root = element.querySelector('.rw-follow');
const ANSWER_WITHIN = 30_000;      // ms
const LONG_ANSWER_WITHIN = 900_000;   // of what packs or checks weights
const STATE_WORDS = {
  queued: 'waits', starting: 'starting', running: 'running', evaluating: 'judging', stopping: 'stopping', stopped: 'stopped',
  completed: 'completed', failed: 'failed', lost: 'lost',
};
const STAGE_WORDS = {
  loading: 'loading the model', measuring: 'measuring', training: 'training', saving: 'saving', evaluating: 'making the report',
};

// jobs: as the server told them last. chosen: an id. drawn: ids of other jobs whose curves are shown too. curves, by id.
// lines: by id, the number of its colour, which stays as long as the page.
const state = {
  jobs: [], chosen: null, drawn: new Set(), curves: new Map(), lines: new Map(), canChange: false,
  log: '', logToken: null, isLogOpen: false, command: '', reportOf: '', isAll: false,
};

function makeSvg(tag, attributes, text) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Sets a text only where it is another one, so that what a person selects or hears is not disturbed every second.
function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

function setHidden(node, isHidden) { if (node.hidden !== isHidden) node.hidden = isHidden; }

function chosenJob() { return state.jobs.find(({id}) => id === state.chosen) ?? null; }

function nameOf(id) { return state.jobs.find((job) => job.id === id)?.name ?? id; }

function ask(name, wanted = {}, within = ANSWER_WITHIN) { return askServer(name, wanted, within); }

function formatTime(at) {
  return at ? new Date(at).toLocaleString('en-GB', {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'}) : '';
}

function formatDuration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} days`;
}

function formatSize(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

// A figure with about four digits; what is missing is a dash.
function formatFigure(value) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en');
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return size >= 0.001 || size === 0 ? value.toFixed(3) : value.toExponential(1);
}

const formatMeasure = (value) => (typeof value === 'number' ? value.toFixed(3) : '–');
const formatSigned = (value) => (typeof value === 'number' ? `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}` : '–');

// A table that becomes cards on a phone. Cells are texts or nodes.
function makeTable(heads, rows, {caption, className = '', numbers = []} = {}) {
  const table = make('table', `rw-follow-table ${className}`);
  if (caption) table.append(make('caption', '', caption));
  const head = make('tr');
  heads.forEach((name, index) => {
    const cell = make('th', numbers.includes(index) ? 'rw-follow-number' : '', name);
    cell.scope = 'col';
    head.append(cell);
  });
  const top = make('thead');
  top.append(head);
  const body = make('tbody');
  for (const row of rows) {
    const line = make('tr');
    row.forEach((content, index) => {
      const cell = make(index ? 'td' : 'th', numbers.includes(index) ? 'rw-follow-number' : '');
      if (!index) cell.scope = 'row';
      cell.dataset.column = heads[index];
      cell.append(content instanceof Node ? content : String(content));
      line.append(cell);
    });
    body.append(line);
  }
  table.append(top, body);
  return table;
}

// Copies by the first way that this page may use; the last way is the person's own hand.
async function copyText(text, button) {
  const words = button.dataset.words ?? button.textContent;
  button.dataset.words = words;
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(text);   // only where the page came by https or from this machine
  } catch {
    const box = make('textarea', 'rw-hidden', text);
    root.append(box);
    box.select();
    isCopied = document.execCommand('copy');
    box.remove();
    button.focus();
  }
  button.textContent = isCopied ? 'Copied' : 'Select and copy';
  setTimeout(() => { button.textContent = words; }, 2000);
}

function saveText(text, file, type) {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([text], {type: `${type};charset=utf-8`}));
  link.download = file;
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function saveServed(path, file) {
  const link = make('a');
  link.href = `${window.gradio_config?.root ?? ''}/gradio_api/file=${path.split('/').map(encodeURIComponent).join('/')}`;
  link.download = file;
  root.append(link);
  link.click();
  link.remove();
}
