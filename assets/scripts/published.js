// The authors' figures. Nothing of them was measured here, and the heading says so.
const root = element.querySelector('.rw-published');

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function table(content) {
  const place = make('details');
  place.append(make('summary', '', content.title));
  const scroll = make('div', 'rw-scroll');
  scroll.tabIndex = 0;
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', content.title);
  const node = make('table');
  const head = make('tr');
  for (const name of content.heads) {
    const cell = make('th', '', name);
    cell.scope = 'col';
    head.append(cell);
  }
  node.append(head);
  for (const row of content.rows) {
    const line = make('tr', row.is_ours ? 'rw-ours' : '');
    for (const name of row.heads) {
      const cell = make('th', '', name);
      cell.scope = 'row';
      line.append(cell);
    }
    for (const value of row.values) line.append(make('td', '', value === null || value === undefined ? '–' : value.toFixed(2)));
    node.append(line);
  }
  scroll.append(node);
  place.append(scroll);
  return place;
}

const value = props.value;
root.append(make('h2', '', 'Published results'), make('p', 'rw-advice', value.source));
for (const content of value.tables) root.append(table(content));
