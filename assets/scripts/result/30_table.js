// The table: passages × columns, sorted by any column, ranks against one of them.

const LONG_TITLE = 16;   // characters of a column's title from which on it takes several lines
const LONG_QUERY = 160;  // characters of the query in the sentence above the table

function makeCell(column, passage) {
  const cell = make('td', '', formatScore(column.scores[passage]));
  cell.title = String(column.scores[passage]);
  cell.dataset.column = column.title;
  cell.style.setProperty('--rw-shade', column.shades[passage]);
  const rank = make('small', '', `#${column.ranks[passage]}`);
  cell.append(rank);
  return {cell, rank};
}

function makeRow(passage, index) {
  const parts = makePassage(passage, index);
  const row = make('tr');
  row.dataset.passage = index;
  const cells = shown.value.columns.map((column) => makeCell(column, index));
  row.append(parts.cell, ...cells.map(({cell}) => cell));
  return Object.assign(parts, {row, ranks: cells.map(({rank}) => rank)});
}

function makeHead(title, column) {
  const head = make('th', column === INPUT_ORDER ? 'rw-head' : 'rw-head rw-number-head');
  if (title.length > LONG_TITLE) head.classList.add('rw-long');
  head.scope = 'col';
  const arrow = make('span', 'rw-sort-arrow');
  arrow.setAttribute('aria-hidden', 'true');
  const button = makeButton('rw-sort', '', () => sortTable(column));
  const [name, layer] = title.split(/ (?=· \d+$)/);   // a model's name may stand above its layer
  button.append(arrow, make('span', 'rw-whole', name), ...(layer ? [' ', make('span', 'rw-whole', layer)] : []));
  head.append(button);
  const model = column === INPUT_ORDER ? null
    : shown.value.models.find((entry) => entry.title === shown.value.columns[column].model);
  if (model) head.title = model.summary;
  return {head, arrow, column};
}

function makeTable() {
  const {columns, passages} = shown.value;
  shown.rows = passages.map(makeRow);
  shown.heads = [makeHead('Passage', INPUT_ORDER), ...columns.map((column, index) => makeHead(column.title, index))];
  shown.caption = make('span');
  const caption = make('caption');
  caption.append(shown.caption);
  shown.body = make('tbody');
  shown.body.append(...shown.rows.map(({row}) => row));
  const headRow = make('tr');
  headRow.append(...shown.heads.map(({head}) => head));
  const head = make('thead');
  head.append(headRow);
  const table = make('table', 'rw-table');
  table.append(caption, head, shown.body);
  table.addEventListener('pointerover', (event) => {
    const row = event.target.closest('tr[data-passage]');
    if (event.pointerType !== 'touch') point(row ? Number(row.dataset.passage) : null);
  });
  table.addEventListener('pointerleave', () => point(null));
  const scroll = make('div', 'rw-sideways');
  scroll.append(table);
  return scroll;
}

// Above the table: against what ranks are compared, and what a phone shows instead of the heads.
function makeTools() {
  const {columns} = shown.value;
  const tools = make('div', 'rw-tools');
  const reference = makeSelect('Ranks against', '', (index) => {
    state.reference = columns[index].title;
    shown.reference = Number(index);
    showClimbs();
    drawPictures();
  });
  const sort = makeSelect('Sort by', 'rw-narrow', (column) => sortTable(Number(column), false));
  columns.forEach((column, index) => {
    reference.select.append(new Option(column.title, index));
    sort.select.append(new Option(column.title, index));
  });
  sort.select.append(new Option('input order', INPUT_ORDER));
  reference.select.value = shown.reference;
  if (columns.length > 1) tools.append(reference.box);
  const direction = makeButton('rw-button rw-narrow', '', () => sortTable(state.sortBy));
  shown.sort = {select: sort.select, direction};
  shown.foldAll = makeFoldAll();
  tools.append(...(shown.foldAll ? [shown.foldAll] : []), sort.box, direction);
  return tools;
}

// Sorts by a column, the best first; by the same column once more, the other way round.
function sortTable(column, isTurning = column === state.sortBy) {
  state.isAscending = isTurning ? !state.isAscending : column === INPUT_ORDER;
  state.sortBy = column;
  if (column !== INPUT_ORDER) state.column = column;
  showOrder();
  drawPictures();
}

// Moves the rows that are there.
function showOrder() {
  const {columns, passages} = shown.value;
  const sign = state.isAscending ? -1 : 1;
  const order = passages.map((_, index) => index);
  if (state.sortBy === INPUT_ORDER) {
    if (!state.isAscending) order.reverse();
  } else {
    const {scores} = columns[state.sortBy];
    order.sort((a, b) => sign * (scores[b] - scores[a]) || a - b);
  }
  const focused = shown.body.contains(document.activeElement) ? document.activeElement : null;
  shown.body.append(...order.map((index) => shown.rows[index].row));
  focused?.focus({preventScroll: true});
  for (const {head, arrow, column} of shown.heads) {
    const isSorted = column === state.sortBy;
    head.setAttribute('aria-sort', isSorted ? (state.isAscending ? 'ascending' : 'descending') : 'none');
    arrow.textContent = isSorted ? (state.isAscending ? '↑' : '↓') : '';
  }
  shown.sort.select.value = state.sortBy;
  shown.sort.direction.textContent = sayDirection();
  showLead();
}

function sayDirection() {
  if (state.sortBy === INPUT_ORDER) return state.isAscending ? 'first to last' : 'last to first';
  return state.isAscending ? 'lowest first' : 'highest first';
}

function showLead() {
  const {columns, passages, query} = shown.value;
  const by = state.sortBy === INPUT_ORDER ? ' in input order' : ` by ${columns[state.sortBy].title}`;
  const direction = state.isAscending === (state.sortBy === INPUT_ORDER) ? '' : `, ${sayDirection()}`;
  const quoted = make('q', '', shorten(query, LONG_QUERY));
  quoted.dir = 'auto';
  shown.lead.replaceChildren('For ', quoted, ` · ${count(passages.length, 'passage')}${by}${direction}`);
}

// Arrows and caption, which depend on the reference column.
function showClimbs() {
  const {columns} = shown.value;
  const title = columns[shown.reference].title;
  shown.rows.forEach(({ranks}, passage) => {
    ranks.forEach((rank, column) => showClimb(rank, climb(passage, column), title));
  });
  shown.caption.textContent = columns.length > 1
    ? `Shading is within a column: scores of different models do not compare, ranks do. Arrows: rank against ${title}.`
    : 'Shading shows where a score lies between the lowest and the highest. Equal scores share a rank.';
}

function showClimb(rank, ranks, title) {
  const arrow = rank.querySelector('span');
  if (!ranks) {
    arrow?.remove();
    return;
  }
  const node = arrow ?? make('span');
  node.className = ranks > 0 ? 'rw-rose' : 'rw-fell';
  node.textContent = `${ranks > 0 ? '▲' : '▼'}${Math.abs(ranks)}`;
  node.setAttribute('role', 'img');
  node.setAttribute('aria-label', `${ranks > 0 ? 'up' : 'down'} ${Math.abs(ranks)} against ${title}`);
  if (!arrow) rank.append(node);
}
