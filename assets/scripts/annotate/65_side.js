// The side panel: this query's candidates as chips, the order, the depth, the view, and the scale while it is open.
const side = {};
const ORDERS = [
  ['shuffled', 'shuffled'],
  ['pooled', 'as pooled, 20 % random'],
  ['uncertain', 'uncertain first, 20 % random'],
  ['disagreement', 'models disagree, 20 % random'],
];
const DEPTHS = ['', '5', '10', '20', '50'];

function buildSide() {
  const panel = make('aside', 'rw-panel rw-label-side');
  panel.setAttribute('aria-label', 'This query');
  side.chips = make('div', 'rw-label-chips');
  side.order = makeSelect('Order', ORDERS, (value) => set({order: value}));
  side.depth = makeSelect('Of each query', DEPTHS.map((depth) => [depth, depth ? `the first ${depth} judged` : 'all']),
    (value) => set({depth: value ? Number(value) : null}));
  side.imported = makeSelect('Graded by an import', [['', 'leave out'], ['yes', 'judge again']],
    (value) => set({include_imported: value === 'yes'}));
  side.fellBack = make('p', 'rw-label-small');
  side.view = makeSwitch('View', [['focus', 'focus'], ['list', 'list']], (value) => {
    page.view = value;
    keep({view: value});
    showAll();
  });
  side.scale = makeSwitch('Grades, fixed by the first one', [['binary', 'positive / negative'], ['graded', '0 to 3']], (value) => {
    page.chosenScale = value;
    keep({scale: value});
    view.list = null;
    showAll();
  });
  panel.append(make('h3', '', 'This query'), side.chips, side.scale.box, side.view.box, side.order.box, side.fellBack,
    side.depth.box, side.imported.box, ...makeCutChoices());
  return panel;
}

function makeCutChoices() {
  side.reader = makeSelect('Mark where a model stops reading', [['', 'none']],
    (model) => chooseCuts({model, maxLength: cuts.maxLength}));
  side.length = makeSelect('at max_length', LENGTHS.map((length) => [length, `${length} tokens`]),
    (length) => chooseCuts({model: cuts.model, maxLength: Number(length)}));
  side.cuts = make('p', 'rw-label-small');
  return [side.reader.box, side.length.box, side.cuts];
}

function showCuts() {
  side.reader.box.hidden = !cuts.readers.length;
  side.length.box.hidden = !cuts.model;
  if (side.readers !== cuts.readers) {
    side.readers = cuts.readers;
    fillSelect(side.reader.select, [['', 'none'], ...cuts.readers.map(({name, title}) => [name, title])]);
  }
  side.reader.select.value = cuts.model;
  side.length.select.value = String(cuts.maxLength);
  const words = page.query ? sayCuts() : '';
  if (side.cuts.textContent !== words) side.cuts.textContent = words;
}

function makeSelect(label, choices, act) {
  const box = make('label', 'rw-label-field', label);
  const select = make('select');
  fillSelect(select, choices);
  let isByHand = false;
  select.addEventListener('pointerdown', () => { isByHand = true; });
  select.addEventListener('keydown', () => { isByHand = false; });
  select.addEventListener('change', () => {
    if (isByHand) select.blur();   // or the next key would choose here
    act(select.value);
  });
  box.append(select);
  return {box, select};
}

function fillSelect(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => {
    const option = make('option', '', text);
    option.value = value;
    return option;
  }));
}

function makeSwitch(label, choices, act) {
  const box = make('div', 'rw-label-field');
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', label);
  const row = make('div', 'rw-label-switch');
  const buttons = choices.map(([value, text]) => {
    const button = makeButton('rw-label-chip', text, () => act(value));
    button.dataset.value = value;
    return button;
  });
  row.append(...buttons);
  box.append(make('span', '', label), row);
  return {box, choose: (value) => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.value === value));
  }};
}

function set(changes) {
  keep(changes);
  Object.assign(page.settings, changes);
  openPage(page.settings);
}

function showSide() {
  const {settings, query} = page;
  side.order.select.value = settings.order;
  side.depth.select.value = settings.depth ? String(settings.depth) : '';
  side.imported.select.value = settings.include_imported ? 'yes' : '';
  side.fellBack.textContent = query && query.order !== settings.order
    ? 'No scores for that order here: shuffled instead.' : '';
  side.view.choose(page.view);
  side.scale.choose(page.chosenScale);
  side.scale.box.hidden = page.scale !== null;
  showChips();
  showCuts();
}

function showChips() {
  if (side.query !== page.query || side.chips.children.length !== candidates().length) {
    side.query = page.query;
    side.chips.replaceChildren(...candidates().map((candidate, index) => makeButton('rw-label-chip', '', () => show(index))));
  }
  candidates().forEach((candidate, index) => {
    const chip = side.chips.children[index];
    const isHere = index === page.index && !page.isAtEnd;
    const sign = signState(candidate) || (isLeftOut(candidate) ? 'i' : '');
    const text = `${index + 1}${sign ? ` ${sign}` : ''}${isHere ? ' ←' : ''}`;
    if (chip.firstChild.textContent === text) return;
    chip.firstChild.textContent = text;
    chip.classList.toggle('rw-is-judged', isJudged(candidate));
    chip.setAttribute('aria-label', `passage ${index + 1}: ${nameState(candidate)}`);
    if (isHere) chip.setAttribute('aria-current', 'true');
    else chip.removeAttribute('aria-current');
  });
}
