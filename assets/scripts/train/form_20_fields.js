// Base, labels, preset, the settings that matter, and all others.
const TITLES = {num_train_epochs: 'Epochs', learning_rate: 'Learning rate', train_group_size: 'Group size (1 positive + negatives)'};
const fields = new Map();          // name of a setting → its field
let ids = 0;

function makeLabelled(words, control, {help} = {}) {
  const place = make('div', 'rw-train-field');
  const label = make('label', '', words);
  control.id = `rw-train-${ids += 1}`;
  label.htmlFor = control.id;
  const problem = make('p', 'rw-train-problem');
  problem.id = `${control.id}-problem`;
  problem.hidden = true;
  place.append(label, control);
  const described = [problem.id];
  if (help) {
    const line = make('p', 'rw-train-help', help);
    line.id = `${control.id}-help`;
    described.unshift(line.id);
    place.append(line);
  }
  place.append(problem);
  control.setAttribute('aria-describedby', described.join(' '));
  return {
    place, label, control,
    complain(words = '') {
      problem.textContent = words;
      problem.hidden = !words;
      if (words) control.setAttribute('aria-invalid', 'true'); else control.removeAttribute('aria-invalid');
    },
  };
}

// What is chosen above

const notice = make('p', 'rw-train-notice');
notice.setAttribute('role', 'status');
notice.hidden = true;
function tell(words, isProblem = false) {
  notice.textContent = words;
  notice.hidden = !words;
  notice.classList.toggle('rw-is-problem', isProblem);
}

const whyNot = make('p', 'rw-train-notice rw-is-problem');
whyNot.hidden = true;
const base = makeLabelled('Base', make('select'));
const labels = makeLabelled('Labels', make('select'));
const counted = make('p', 'rw-train-help');
labels.place.append(counted);
const ways = make('p', 'rw-train-ways');
ways.append('There are no labels yet: ', makeButton('Annotate', () => trigger('turned', {tab: 'annotate'})), ' some, or import them under ',
  makeButton('Data', () => trigger('turned', {tab: 'data'})), '.');
const path = makeLabelled('File of training rows', make('input'), {help: 'Its path on this machine: a jsonl file, a folder of them, or a snapshot.'});
path.control.type = 'text';
path.control.placeholder = '/path/to/train.jsonl';
const uploader = makeLabelled('… or upload one', make('input'), {help: 'Rows {"query", "pos", "neg"} in jsonl.'});
uploader.control.type = 'file';
uploader.control.accept = '.jsonl,.json';
const presets = make('fieldset', 'rw-train-chips');
const presetTitle = make('legend', '', 'Preset');
const chips = make('div', 'rw-train-row');
const reason = make('p', 'rw-train-help');
presets.append(presetTitle, chips, reason);
const knobs = make('div', 'rw-train-knobs');
const all = make('details', 'rw-train-all');
const allTitle = make('summary', '', 'All options');
const sections = make('div', 'rw-train-sections');
all.append(allTitle, sections);

base.control.addEventListener('change', () => {
  const before = familyOf(state.base);
  state.base = base.control.value;
  if (familyOf(state.base) !== before) state.preset = '';   // another family has other presets
  changed(0);
});
labels.control.addEventListener('change', () => { state.labels = labels.control.value; showFile(); changed(0); });
path.control.addEventListener('input', () => { state.path = path.control.value; state.uploaded = ''; uploader.control.value = ''; changed(600); });
uploader.control.addEventListener('change', async () => {
  const [file] = uploader.control.files;
  if (!file) return;
  counted.textContent = `Uploading ${file.name} …`;
  try {
    state.uploaded = (await upload(file)).path;
    changed(0);
  } catch {
    counted.textContent = '';
    uploader.complain('The file did not arrive. It may be too large for this server; choose it again, or another.');
  }
});

function familyOf(name) { return choices.bases.find((one) => one.name === name)?.family; }

function showFile() {
  const isFile = state.labels === FILE;
  path.place.hidden = !isFile || !choices.is_local;
  uploader.place.hidden = !isFile;
  ways.hidden = choices.labels.length > 0;
}

function showChoices() {
  whyNot.textContent = choices.why_not;
  whyNot.hidden = !choices.why_not;
  const here = choices.bases.filter((one) => one.is_here);
  if (!here.some((one) => one.name === state.base)) state.base = here[0]?.name ?? '';
  fillSelect(base.control, [['', choices.bases.map((one) => [one.name, one.note ? `${one.title} (${one.note})` : one.title, !one.is_here])]], state.base);
  const keys = choices.labels.map((one) => one.key);
  if (state.labels !== FILE && !keys.includes(state.labels)) {
    const last = `project:${readWorkedOn().project}`;
    state.labels = keys.includes(last) ? last : keys[0] ?? FILE;
  }
  const groups = [...new Set(choices.labels.map((one) => one.group))].map((title) => [title,
    choices.labels.filter((one) => one.group === title).map((one) => [one.key, one.title])]);
  fillSelect(labels.control, [...groups, ['Files', [[FILE, 'A file of training rows …']]]], state.labels);
  path.control.value = state.path;
  showFile();
  if (!fields.size) makeFields();
  if (choices.problem) tell(choices.problem, true);
}

// Presets

function showPresets() {
  const chosen = plan?.preset?.name;
  const offered = plan?.presets ?? [];
  const kept = [...chips.querySelectorAll('input')].map((one) => one.value).join();
  if (kept !== offered.map((one) => one.name).join()) {
    chips.replaceChildren(...offered.map((preset) => {
      const label = make('label', 'rw-train-chip');
      const radio = make('input');
      radio.type = 'radio';
      radio.name = 'rw-train-preset';
      radio.value = preset.name;
      radio.addEventListener('change', () => { state.preset = preset.name; changed(0); });
      label.append(radio, make('span', '', preset.title));
      label.title = preset.summary;
      return label;
    }));
  }
  for (const radio of chips.querySelectorAll('input')) radio.checked = radio.value === chosen;
  const number = Object.keys(state.typed).length;
  const preset = offered.find((one) => one.name === chosen);
  reason.textContent = [plan?.preset?.reason || preset?.summary, number ? `${number} ${number === 1 ? 'setting' : 'settings'} changed.` : '']
    .filter(Boolean).join(' ');
}

// Settings

function makeFields() {
  const bySection = new Map();
  for (const option of choices.options) {
    const isKnob = choices.knobs.includes(option.name);
    const made = makeSetting(option, isKnob);
    fields.set(option.name, made);
    if (isKnob) continue;
    if (!bySection.has(option.section)) {
      const section = make('details', 'rw-train-section');
      section.append(make('summary', '', option.section));
      bySection.set(option.section, section);
    }
    bySection.get(option.section).append(made.place);
  }
  knobs.replaceChildren(...choices.knobs.map((name) => fields.get(name).place));
  sections.replaceChildren(...bySection.values());
}

function makeSetting(option, isKnob) {
  const control = make(option.choices.length ? 'select' : 'input');
  if (!option.choices.length) { control.type = 'text'; control.autocomplete = 'off'; control.spellcheck = false; }
  const range = [option.unit, option.bounds].filter(Boolean).join(', ');
  const made = makeLabelled(isKnob ? TITLES[option.name] ?? option.name : option.name, control,
    {help: isKnob ? undefined : `${option.help}${range ? ` (${range})` : ''}`});
  const back = makeButton('as the preset', () => { set(''); control.focus(); }, {label: `${option.name} as the preset has it`, className: 'rw-train-back'});
  back.hidden = true;
  made.label.after(back);
  const why = make('p', 'rw-train-help');
  if (!isKnob) made.place.append(why);
  const set = (text) => {
    if (text.trim()) state.typed[option.name] = text; else delete state.typed[option.name];
    if (control.value !== text) control.value = text;
    changed(control.tagName === 'SELECT' ? 0 : 500);
  };
  control.addEventListener(control.tagName === 'SELECT' ? 'change' : 'input', () => set(control.value));
  made.update = (usual, because) => {
    why.textContent = because ? `Preset: ${because}` : '';
    if (isKnob) made.place.title = because ?? '';
    const text = state.typed[option.name] ?? '';
    if (option.choices.length) {
      fillSelect(control, [['', [['', usual || 'none'], ...option.choices.filter((one) => one !== usual).map((one) => [one, one])]]], text);
      control.value = text === usual ? '' : text;
    } else {
      control.placeholder = usual || 'none';
      if (document.activeElement !== control) control.value = text;
    }
    back.hidden = !text;
    made.place.classList.toggle('rw-is-changed', Boolean(text));
  };
  return made;
}

function showFields() {
  const problems = plan?.problems ?? {};
  for (const [name, field] of fields) {
    field.update(plan?.filled_in?.[name] ?? '', plan?.reasons?.[name]);
    field.complain(problems[name] ?? '');
    if (problems[name]) { all.open ||= !choices.knobs.includes(name); field.place.closest('.rw-train-section')?.setAttribute('open', ''); }
  }
}
