// The form of a training: what was chosen and typed, kept in this browser. Texts go in with textContent only.
const root = element.querySelector('.rw-train');
const KEPT = 'reranker-workbench:train';
const WORKED_ON = 'reranker-workbench:annotate';   // the project that was labelled last
const FILE = 'file:';
const ANSWER_WITHIN = 60_000;      // ms
const START_WITHIN = 900_000;      // freezing a hundred thousand labels takes its time

const state = {base: '', labels: '', preset: '', typed: {}, path: '', uploaded: '', name: '', ...readKept()};
let choices = {bases: [], labels: [], options: [], knobs: [], why_not: '', is_local: false, problem: ''};
let plan = null;

function readKept() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    const texts = Object.fromEntries(['base', 'labels', 'preset', 'path', 'name']
      .filter((name) => typeof kept[name] === 'string').map((name) => [name, kept[name]]));
    const typed = Object.fromEntries(Object.entries(kept.typed ?? {}).filter(([, text]) => typeof text === 'string'));
    return {...texts, typed};
  } catch { return {}; }
}

function keep() {
  const {base, labels, preset, typed, path, name} = state;
  try { localStorage.setItem(KEPT, JSON.stringify({base, labels, preset, typed, path, name})); } catch { /* keeps nothing */ }
}

function readWorkedOn() {
  try {
    const {project, annotator} = JSON.parse(localStorage.getItem(WORKED_ON)) ?? {};
    return {project, annotator: typeof annotator === 'string' && annotator.trim() ? annotator : 'me'};
  } catch { return {annotator: 'me'}; }
}

// Copies what a field holds, and says so on the button.
function makeCopy(read, label) {
  return makeButton('Copy', async (button) => {
    try {
      await navigator.clipboard.writeText(read());
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select and copy';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  }, {label});
}

function fillSelect(select, groups, value) {
  select.replaceChildren(...groups.map(([title, entries]) => {
    const options = entries.map(([key, text, isOff]) => {
      const option = make('option', '', text);
      option.value = key;
      option.selected = key === value;
      option.disabled = isOff === true;
      return option;
    });
    if (!title) return options;
    const group = make('optgroup');
    group.label = title;
    group.append(...options);
    return [group];
  }).flat());
}

function ask(name, wanted = {}, within = ANSWER_WITHIN) { return askServer(name, wanted, within); }

function labelsKey() {
  if (state.labels !== FILE) return state.labels;
  return state.uploaded ? `upload:${state.uploaded}` : `${FILE}${state.path}`;
}

function wish() {
  return {base: state.base, labels: labelsKey(), preset: state.preset, typed: state.typed, name: state.name};
}
