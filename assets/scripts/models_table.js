// One row a model: what a person chooses by, its state here, and what can be done with it.
const root = element.querySelector('.rw-models');
const rows = new Map();           // name → what updates its row, so that a download does not take the focus away

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function send(what, data) {
  // Quoted, as gradio looks for them.
  switch (what) {
    case 'warm': return trigger('warm', data);
    case 'release': return trigger('release', data);
    case 'remove': return trigger('remove', data);
    case 'fetch': return trigger('fetch', data);
    case 'halt': return trigger('halt', data);
  }
}

function facts(model) {
  return [
    ['Languages', model.languages],
    ['Size', [model.parameters ? `${model.parameters.toLocaleString('en')} M parameters` : '', model.size ? `${model.size < 0.1 ? model.size.toFixed(3) : model.size.toFixed(1)} GB` : ''].filter(Boolean).join(', ')],
    ['Layers', model.layers],
    ['Context', model.context ? `${model.context.toLocaleString('en')} tokens` : ''],
    ['Licence', model.licence],
  ];
}

function button(words, title, act) {
  const node = make('button', 'rw-small', words);
  node.type = 'button';
  node.setAttribute('aria-label', `${words}: ${title}`);
  node.addEventListener('click', act);
  return node;
}

function forgetButton(model) {
  let sure = false;
  const say = (isAsking) => {
    sure = isAsking;
    node.textContent = isAsking ? 'Forget? Its files stay' : 'Forget';
    node.setAttribute('aria-label', `${node.textContent}: ${model.title}`);
  };
  const node = button('Forget', model.title, () => {
    if (sure) { send('remove', {name: model.name}); return; }
    say(true);
    setTimeout(() => say(false), 5000);
  });
  return node;
}

function actions(model, canChange) {
  const place = make('div', 'rw-model-actions');
  if (!canChange) return place;
  if (model.state === 'here') place.append(button('Load', model.title, () => send('warm', {name: model.name})));
  if (model.state === 'ready') place.append(button('Unload', model.title, () => send('release', {name: model.name})));
  if (model.is_local) place.append(forgetButton(model));
  return place;
}

function buildRow(model, canChange) {
  const row = make('tr');
  const head = make('th', 'rw-model-name');
  head.scope = 'row';
  head.append(make('span', 'rw-model-title', model.heading));
  if (model.base) head.append(make('small', '', model.is_local ? `on ${model.base}` : `from ${model.base}`));
  row.append(head);
  for (const [name, text] of facts(model)) {
    const cell = make('td', '', text || '–');
    cell.dataset.column = name;
    row.append(cell);
  }
  const advice = make('td', 'rw-model-advice', model.advice);
  advice.dataset.column = 'Advice';
  if (model.warning) advice.append(make('p', 'rw-model-warning', model.warning));
  row.append(advice);
  const state = make('td', 'rw-model-state');
  state.dataset.column = 'Here';
  const words = make('span', `rw-badge rw-badge-${model.state}`, model.detail);
  state.append(words, actions(model, canChange));
  const place = make('div');
  state.append(place);
  row.append(state);
  const update = model.download ? downloadRow(place, send, true) : null;
  if (update) update(model.download);
  return {row, update};
}

function show() {
  const value = props.value;
  if (!value) return;
  // While only downloads move, rows stay as they are and the focus with them.
  const kinds = JSON.stringify([value.can_change, value.notice, value.models.map(model => ({...model, download: Boolean(model.download)}))]);
  root.querySelector('.rw-machine')?.replaceChildren(value.machine);
  if (kinds === root.dataset.kinds) {
    for (const model of value.models) if (model.download) rows.get(model.name).update(model.download);
    return;
  }
  const focused = document.activeElement?.getAttribute?.('aria-label');
  root.dataset.kinds = kinds;
  rows.clear();
  const table = make('table', 'rw-model-table');
  table.append(make('caption', 'rw-machine', value.machine));
  const head = make('thead');
  const headRow = make('tr');
  for (const name of ['Model', 'Languages', 'Size', 'Layers', 'Context', 'Licence', 'Advice', 'Here']) {
    const cell = make('th', 'rw-head', name);
    cell.scope = 'col';
    headRow.append(cell);
  }
  head.append(headRow);
  const body = make('tbody');
  for (const model of value.models) {
    const built = buildRow(model, value.can_change);
    rows.set(model.name, built);
    body.append(built.row);
  }
  table.append(head, body);
  root.replaceChildren(make('p', 'rw-which', value.advice));
  if (value.notice) root.append(make('p', 'rw-model-warning', value.notice));
  root.append(table);
  if (focused) [...root.querySelectorAll('button')].find(node => node.getAttribute('aria-label') === focused)?.focus();
}

watch('value', show);
show();
