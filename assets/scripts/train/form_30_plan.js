// What a press of Start would do: in a line, in sentences, as the model reads it, and as a command.
const line = make('p', 'rw-train-line');
const blocked = make('p', 'rw-train-notice rw-is-problem');
blocked.hidden = true;
const warnings = make('ul', 'rw-train-warnings');
const facts = make('details', 'rw-train-more');
const factList = make('ul');
facts.append(make('summary', '', 'What it will do'), factList);
const examples = make('details', 'rw-train-more');
const exampleList = make('ol');
examples.append(make('summary', '', 'Three inputs, as the model reads them'), exampleList);
const command = makeCommand('Command');
const torchrun = makeCommand('On several GPUs');
const elsewhere = make('details', 'rw-train-more');
const rowsButton = makeButton('Training rows (jsonl)', (button) => takeRows(button));
elsewhere.append(make('summary', '', 'Elsewhere: torchrun, training rows'), torchrun.place, rowsButton);

function makeCommand(words) {
  const field = makeLabelled(words, make('textarea'));
  field.control.readOnly = true;
  field.control.rows = 3;
  field.control.spellcheck = false;
  field.label.after(makeCopy(() => field.control.value, `Copy: ${words}`));
  return field;
}

function showPlan() {
  counted.textContent = plan?.labels ?? '';
  line.textContent = plan?.line ?? '';
  blocked.textContent = plan?.blocked ?? '';
  blocked.hidden = !plan?.blocked;
  warnings.replaceChildren(...(plan?.warnings ?? []).map(makeWarning));
  factList.replaceChildren(...(plan?.facts ?? []).map((sentence) => make('li', '', sentence)));
  facts.hidden = !plan?.facts?.length;
  exampleList.replaceChildren(...(plan?.examples ?? []).map((one) => {
    const item = make('li');
    const cut = one.cut ? `, ${one.cut.toLocaleString('en')} cut off` : '';
    const text = make('div', 'rw-train-input', one.text);
    text.dir = 'auto';
    item.append(make('strong', '', one.is_positive ? 'positive' : 'negative'), ` · ${one.tokens.toLocaleString('en')} tokens${cut}`, text);
    return item;
  }));
  examples.hidden = !plan?.examples?.length;
  command.control.value = plan?.command ?? '';
  torchrun.control.value = plan?.torchrun ?? '';
  command.place.hidden = !plan?.command;
  elsewhere.hidden = !plan?.command;
  rowsButton.hidden = state.labels === FILE;
  if (plan?.name) nameField.control.placeholder = plan.name;
  showPresets();
  showFields();
  showStart();
}

function makeWarning({sentence, words, typed, tab}) {
  const item = make('li', '', sentence);
  if (words) {
    item.append(' ', makeButton(words, () => {
      if (tab) { trigger('turned', {tab}); return; }
      Object.assign(state.typed, typed);
      changed(0);
      line.tabIndex = -1;
      line.focus({preventScroll: true});   // the warning and its button go
    }));
  }
  return item;
}

async function takeRows(button) {
  button.disabled = true;
  try {
    const {file, text} = await ask('take_rows', {labels: labelsKey()});
    const link = make('a');
    link.href = URL.createObjectURL(new Blob([text], {type: 'application/x-ndjson'}));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    tell(error.message, true);
  } finally {
    button.disabled = false;
  }
}

// Planning: the newest question counts, and nothing that stands is taken away while it is answered.
let asked = 0;
let waiting;

function changed(after) {
  keep();
  tell('');
  clearTimeout(waiting);
  waiting = setTimeout(() => work(), after);
}

async function work({isFresh = false} = {}) {
  clearTimeout(waiting);
  const number = asked += 1;
  if (!state.base || !labelsKey() || labelsKey() === FILE) {
    plan = {...plan, line: '', facts: [], warnings: [], examples: [], command: '', labels: '', blocked: ''};
    if (state.base) plan.blocked = 'Give the path of a file, or upload one.'; else plan.blocked = 'No model that can be trained is on this machine. Download one under Models.';
    if (!fields.size) return;
    showPlan();
    return;
  }
  root.setAttribute('aria-busy', 'true');
  line.classList.add('rw-is-waiting');
  if (!line.textContent) line.textContent = 'Working out what it takes …';
  let answer;
  try {
    answer = await ask('plan_training_run', {...wish(), is_fresh: isFresh});
  } catch (error) {
    answer = {...plan, blocked: error.message, line: '', facts: [], warnings: [], examples: [], command: '', labels: '', project: null};
  }
  if (number !== asked) return;
  root.removeAttribute('aria-busy');
  line.classList.remove('rw-is-waiting');
  plan = answer;
  showPlan();
  look();
}
