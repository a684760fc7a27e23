// Puts a value on the screen, and again when it changes.

const LONG_TABLE = 12;            // passages

function show() {
  const {value} = props;
  const before = shown;
  shown = null;
  state.pointed = null;
  if (!value?.columns?.length || !value.passages?.length) {
    root.replaceChildren(make('p', 'rw-panel rw-empty', 'Paste a query and passages and press Score, or take an example.'));
    return;
  }
  shown = {value, reference: findReference(value.columns), rows: [], pictures: [], width: 0, lead: make('p', 'rw-lead')};
  keepChoices(before?.value);
  const panel = make('section', 'rw-panel');
  const top = make('div', 'rw-top');
  shown.sideways = makeTable();
  top.append(shown.lead, makeTools());
  // Of a long table the end is far away: pictures, times and take-away then stand above it.
  const isLong = value.passages.length > LONG_TABLE;
  panel.append(top, ...(isLong ? [makeFoot(), shown.sideways] : [shown.sideways, makeFoot()]));
  if (value.columns.length > 1 && value.passages.length > 1) shown.pictures.push(makeSlopes());
  shown.pictures.push(...value.layers.map(makeLayers));
  const pictures = make('div', 'rw-pictures');
  pictures.append(...shown.pictures.map((picture) => picture.panel));
  root.replaceChildren(...(isLong ? [pictures, panel] : [panel, pictures]));
  showOrder();
  showClimbs();
  requestAnimationFrame(measure);
}

// What stays of the choices made with the value before: the order while the columns are the same, a passage while it is
// there.
function keepChoices(before) {
  const {columns, passages} = shown.value;
  const isSame = before?.columns.length === columns.length
    && columns.every((column, index) => column.title === before.columns[index].title);
  if (!isSame) {
    const others = columns.map((_, index) => index).filter((index) => index !== shown.reference);
    state.column = others.at(-1) ?? 0;
    state.sortBy = state.column;
    state.isAscending = false;
  }
  if (before?.passages[state.chosen]?.text !== passages[state.chosen]?.text) state.chosen = null;
}

function makeFoot() {
  const foot = make('div', 'rw-foot');
  const models = make('ul', 'rw-took');
  for (const {title, summary} of shown.value.models) {
    const entry = make('li');
    entry.append(make('b', '', title), ' ', summary);
    models.append(entry);
  }
  foot.append(models);
  if (server?.take_away) foot.append(makeTakeAway());
  return foot;
}

function announce() {
  if (!shown) return;
  const {columns, passages} = shown.value;
  const {ranks, title} = columns[state.column];
  const text = `${count(passages.length, 'passage')} scored by ${count(columns.length, 'column')}. `
    + `Best by ${title}: ${sayBest(ranks)}.`;
  spoken.textContent = '';
  setTimeout(() => { spoken.textContent = text; }, 100);   // the same sentence twice is spoken twice
}

const letGo = (event) => {
  if (!element.isConnected) {
    document.removeEventListener('keydown', letGo);
    return;
  }
  if (event.key !== 'Escape' || event.defaultPrevented || !shown || state.chosen === null) return;
  if (root.offsetParent === null) return;   // another tab is in front
  if (event.target.closest?.('input, textarea, select, dialog, [contenteditable=true]')) return;
  choose(state.chosen);
};
document.addEventListener('keydown', letGo);

// What depends on the room there is. Without any, in a hidden tab, it waits until there is some.
function measure() {
  if (!shown?.sideways.clientWidth) return;
  showScrollBar(shown.sideways);
  const width = Math.floor(shown.pictures[0]?.svg.getBoundingClientRect().width ?? 0);
  if (width === shown.width) return;
  shown.width = width;
  ruler.font = `11px ${getComputedStyle(root).fontFamily}`;
  drawPictures();
}

// A table that is too wide gets a scroll bar of its own and can be scrolled by keys.
function showScrollBar(sideways) {
  const isWide = sideways.firstChild.offsetWidth > sideways.clientWidth;
  sideways.classList.toggle('rw-is-wide', isWide);
  shown.caption.style.maxWidth = `${sideways.clientWidth}px`;   // it stays in sight beside the columns
  for (const [name, content] of [['tabindex', '0'], ['role', 'group'], ['aria-label', 'Table, scrolls sideways']]) {
    if (isWide) sideways.setAttribute(name, content);
    else sideways.removeAttribute(name);
  }
}

new ResizeObserver(() => requestAnimationFrame(measure)).observe(root);

watch('value', () => {
  show();
  announce();
  if (shown && window.innerWidth <= 640) {   // on a phone the result lies below the button
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    root.scrollIntoView({behavior: isCalm ? 'auto' : 'smooth'});
  }
});
show();
