// What all views of the Data screen share; each view's own script follows it. Texts go in with textContent only.
const root = element.querySelector('.rw-data');
const STATE_WORDS = {skipped: 'skipped', cant_tell: "can't tell", later: 'later'};
const ANSWER_WITHIN = 60_000;   // ms

function project() { return props.value?.project ?? null; }

// Why there is nothing to show.
function missing() { return props.value?.error ?? 'No project is chosen.'; }

// Whether a visitor may delete, restore and fix; everybody may judge.
function canChange() { return props.value?.can_change === true; }

function ask(name, wanted = {}) { return askServer(name, {project: project(), ...wanted}, ANSWER_WITHIN); }

function tellChanged() { document.dispatchEvent(new CustomEvent('rw-data-changed')); }

// Loads when the view comes on the screen, when another project is chosen, and when the labels were changed.
function keepFresh(load) {
  let isShown = false;
  let isStale = true;
  let shownProject;
  const update = () => {
    if (root.offsetParent === null) { isShown = false; isStale = true; return; }
    if (isShown && !isStale) return;
    const isOther = shownProject !== project();
    isShown = true; isStale = false; shownProject = project();
    load(isOther);
  };
  const onChanged = () => {
    if (!element.isConnected) { document.removeEventListener('rw-data-changed', onChanged); return; }
    isStale = true;
    update();
  };
  new ResizeObserver(update).observe(root);
  document.addEventListener('rw-data-changed', onChanged);
  watch('value', () => { isStale = true; update(); });
  root.classList.add('rw-is-there');   // an empty view has a height too, so that its coming is noticed
  update();
}

// A table that becomes cards on a phone. Cells are texts or nodes.
function makeTable(heads, rows, {caption, className = ''} = {}) {
  const table = make('table', `rw-data-table ${className}`);
  if (caption) table.append(make('caption', '', caption));
  const head = make('tr');
  for (const name of heads) {
    const cell = make('th', '', name);
    cell.scope = 'col';
    head.append(cell);
  }
  const top = make('thead');
  top.append(head);
  const body = make('tbody');
  for (const row of rows) {
    const line = make('tr');
    row.forEach((content, index) => {
      const cell = make(index ? 'td' : 'th');
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

function fillMarked(node, {text, marks}) {
  let from = 0;
  for (let index = 0; index < marks.length; index += 2) {
    node.append(text.slice(from, marks[index]));
    node.append(make('mark', '', text.slice(marks[index], marks[index + 1])));
    from = marks[index + 1];
  }
  node.append(text.slice(from));
}

function openDialog(title, nodes) {
  const dialog = make('dialog', 'rw-dialog rw-data-dialog');
  dialog.setAttribute('aria-label', title);
  dialog.append(make('h2', '', title), ...nodes, makeButton('Close', () => dialog.close()));
  dialog.addEventListener('close', () => dialog.remove());
  root.append(dialog);
  dialog.showModal();
  return dialog;
}

// A word that has to be typed before something goes out of sight.
function makeConfirmation(word, words, act) {
  const place = make('div', 'rw-data-confirm');
  const label = make('label', 'rw-data-field', `Type “${word}” to go on`);
  const box = make('input');
  box.type = 'text';
  box.autocomplete = 'off';
  label.append(box);
  const button = makeButton(words, () => act(box.value, button), {className: 'rw-small rw-data-danger'});
  button.disabled = true;
  box.addEventListener('input', () => { button.disabled = box.value.trim().toLowerCase() !== word; });
  box.addEventListener('keydown', (event) => { if (event.key === 'Enter' && !button.disabled) act(box.value, button); });
  place.append(label, button);
  return place;
}

function makeSelect(words, choices, value, act) {
  const label = make('label', 'rw-data-field', words);
  const select = make('select');
  fillSelect(select, choices, value);
  select.addEventListener('change', () => act(select.value, select));
  label.append(select);
  return label;
}

function fillSelect(select, choices, value) {
  select.replaceChildren(...choices.map(([key, text]) => {
    const option = make('option', '', text);
    option.value = key;
    option.selected = key === value;
    return option;
  }));
}

function makePager({offset, size, total}, noun, move) {
  const pager = make('nav', 'rw-data-pager');
  pager.setAttribute('aria-label', `Pages of ${noun}s`);
  const last = Math.min(offset + size, total);
  const range = total ? `${(offset + 1).toLocaleString('en')} to ${last.toLocaleString('en')} of ` : '';
  pager.append(make('span', '', range + count(total, noun)));
  if (total > size) {
    const back = makeButton('Previous', () => move(Math.max(0, offset - size)));
    const on = makeButton('Next', () => move(offset + size));
    back.disabled = offset === 0;
    on.disabled = last === total;
    pager.append(back, on);
  }
  return pager;
}

function nameState({state, grade} = {}, scale) {
  if (!state) return 'not judged';
  if (state !== 'graded') return STATE_WORDS[state];
  return scale === 'binary' ? (grade ? 'positive' : 'negative') : `grade ${grade}`;
}

function formatTime(at) { return at ? new Date(at).toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'short'}) : ''; }

function formatSize(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// Copies a text, and says so on the button.
function makeCopy(text, label) {
  return makeButton('Copy', async (button) => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select and copy';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  }, {label});
}
