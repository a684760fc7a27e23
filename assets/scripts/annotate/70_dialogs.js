// Windows over the page: all keys, the history of a judgement, the guideline.
const KEYS = [
  ['0 1 2 3', 'grade (0 and 1 on the binary scale)'],
  ['A / X', 'positive / negative, on the binary scale'],
  ['S', 'skip'],
  ['D', "can't tell"],
  ['F', 'later: put off'],
  ['U / ⇧U', 'undo / redo'],
  ['J / K, arrows', 'next / previous passage'],
  ['N', 'next query'],
  ['Space', 'whole text'],
  ['R', 'reveal the scores of this passage'],
  ['?', 'all keys'],
];
const LAYOUTS = 'On a keyboard without Latin letters, such as a Cyrillic one, the keys in the same places count: that of A, of S … and '
  + 'the row of digits.';

function openDialog(title, nodes) {
  const dialog = make('dialog', 'rw-dialog rw-label-dialog');
  dialog.setAttribute('aria-label', title);
  const close = make('button', 'rw-button', 'Close');
  close.type = 'button';
  close.addEventListener('click', () => dialog.close());
  dialog.append(make('h2', '', title), ...nodes, close);
  dialog.addEventListener('close', () => dialog.remove());
  root.append(dialog);
  dialog.showModal();
  return dialog;
}

function showKeys() {
  const list = make('dl', 'rw-label-keys');
  for (const [keys, meaning] of KEYS) list.append(make('dt', '', keys), make('dd', '', meaning));
  const box = make('input');
  box.type = 'checkbox';
  box.checked = page.hasKeys;
  box.addEventListener('change', () => {
    keep({keys: box.checked});
    useKeys(box.checked);
  });
  const label = make('label', 'rw-label-check');
  label.append(box, make('span', '', 'Single keys judge and move. Without them only the buttons do. This browser keeps it.'));
  const dialog = openDialog('All keys', [label, list, make('p', 'rw-label-small', LAYOUTS)]);
  dialog.querySelector('.rw-button').focus();   // not the box, which Space would turn off
}

// Turns the keys on or off: whoever dictates, or hits keys by accident, should not judge by it (WCAG 2.1.4).
function useKeys(isOn) {
  page.hasKeys = isOn;
  root.classList.toggle('rw-has-no-keys', !isOn);
  for (const button of root.querySelectorAll('button[data-key]')) tellKey(button);
}

async function showHistory() {
  const candidate = current();
  if (!candidate) return;
  const list = make('ol', 'rw-label-events');
  openDialog('History of this judgement', [list]);
  try {
    await flushed();
    const {events} = await ask('history_of', {candidate: candidate.id, annotator: page.settings.annotator});
    const entries = events.map(({action, at, before, after}) => {
      const verb = {save: 'judged', undo: 'undone', redo: 'done again', import: 'imported'}[action];
      const words = `${new Date(at).toLocaleString('en-GB')} ${verb}: ${nameState(after ?? {})}`;
      return make('li', '', before ? `${words} (was ${nameState(before)})` : words);
    });
    list.replaceChildren(...(entries.length ? entries : [make('li', '', 'Not judged.')]));
  } catch (error) {
    list.replaceChildren(make('li', '', error.message));
  }
}

function editGuideline() {
  const box = make('textarea', '', page.guideline.text);
  box.setAttribute('aria-label', 'Guideline');
  box.maxLength = 20_000;
  box.dir = 'auto';
  const problem = make('p', 'rw-label-conflict');
  problem.hidden = true;
  const save = make('button', 'rw-button', 'Save as the new version');
  save.type = 'button';
  const dialog = openDialog('Guideline', [
    make('p', 'rw-label-small', 'What was judged keeps the version under which it was judged.'), box, problem, save,
  ]);
  save.addEventListener('click', async () => {
    try {
      const answer = await ask('set_guideline', {project: page.settings.project, text: box.value});
      page.guideline = answer.guideline;
      dialog.close();
      showAll();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
}
