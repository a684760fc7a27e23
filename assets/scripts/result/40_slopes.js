// The picture "Rank by model": one line for each passage over the columns.

function makeSlopes() {
  const picture = makePicture(drawSlopes);
  picture.title.textContent = 'Rank by model';
  picture.key = make('p', 'rw-key');
  picture.panel.append(picture.key);
  return picture;
}

function drawSlopes(picture, width) {
  const {columns, passages} = shown.value;
  const height = plotHeight();
  const top = 12;
  const scale = rankScale(top, height);
  const left = 10 + Math.max(...scale.ticks.map(({text}) => textWidth(text)));
  const right = 42;
  const xs = columns.map((_, index) => left + (index * (width - left - right)) / (columns.length - 1));
  const {labels, room} = columnLabels(xs, width, top + height);
  const heights = columns.map((column) => column.ranks.map(scale.y));
  const paths = passages.map((_, passage) => lineThrough(xs.map((x, index) => [x, heights[index][passage]])));
  const grid = xs.map((x) => makeSvg('path', {'class': 'rw-grid', 'd': `M${x} ${top - 4}V${top + height + 4}`}));
  fill(picture, {
    width,
    height: top + height,
    right,
    bottom: room,
    paths,
    ends: heights.at(-1),
    under: [...grid, ...tickLabels(scale.ticks, left - 8), ...labels],
    label: saySlopes(),
  });
  showKey(picture.key);
}

// The titles below the slopes, never overlapping: whole; or layers by their numbers with the model's name below them;
// or shortened; or slanted.
function columnLabels(xs, width, base) {
  const {columns} = shown.value;
  const y = base + LABEL_HEIGHT + 4;
  const inLine = (texts) => axisLabels(texts.map((text, index) => ({x: xs[index], text})), width, y);
  const whole = inLine(columns.map(({title}) => title));
  if (whole.length === columns.length) return {labels: whole, room: LABEL_HEIGHT + 10};
  const {models, numbers} = groupColumns(xs);
  const names = axisLabels(models.map(({x, text, isGroup}) => ({x, text, y: y + (isGroup ? 14 : 0)})), width, y);
  if (names.length === models.length && numbers.length) {
    return {labels: [...names, ...axisLabels(numbers, width, y)], room: LABEL_HEIGHT + 24};
  }
  const short = inLine(columns.map(({title}) => shortenName(title, 16)));
  if (short.length === columns.length) return {labels: short, room: LABEL_HEIGHT + 10};
  return slantedLabels(xs, base);
}

// Columns of one model in a row as a group: its name in the middle, its layers as numbers, the outer ones first.
function groupColumns(xs) {
  const {columns} = shown.value;
  const models = [];
  const numbers = [];
  let from = 0;
  columns.forEach(({title, model, layer}, index) => {
    if (index + 1 < columns.length && layer != null && columns[index + 1].model === model) return;
    const isGroup = index > from;
    models.push({x: (xs[from] + xs[index]) / 2, text: isGroup ? model : title, isGroup});
    const inner = [...xs.keys()].slice(from + 1, index);
    const places = isGroup ? [from, index, ...inner] : [];
    numbers.push(...places.map((place) => ({x: xs[place], text: String(columns[place].layer)})));
    from = index + 1;
  });
  return {models, numbers};
}

// Labels at 60 degrees, first those of models, then those of their layers as far as there is room.
function slantedLabels(xs, base) {
  const {columns} = shown.value;
  const isNext = columns.map(({model, layer}, index) => layer != null && columns[index - 1]?.model === model);
  const texts = columns.map(({title, layer}, index) => (isNext[index] ? String(layer) : shortenName(title, 16)));
  const order = [...columns.keys()].sort((a, b) => isNext[a] - isNext[b] || a - b);
  const taken = [];
  for (const index of order) if (taken.every((other) => Math.abs(xs[other] - xs[index]) >= 14)) taken.push(index);
  const labels = taken.map((index) => {
    const place = `translate(${xs[index] + 4} ${base + 14}) rotate(-60)`;
    const label = makeSvg('text', {'text-anchor': 'end', 'transform': place}, texts[index]);
    label.append(makeSvg('title', {}, columns[index].title));
    return label;
  });
  return {labels, room: 18 + Math.max(...taken.map((index) => textWidth(texts[index]))) * 0.87};
}

function countChanges() {
  const climbs = shown.value.passages.map((_, passage) => climb(passage, state.column));
  return {
    rose: climbs.filter((ranks) => ranks > 0).length,
    fell: climbs.filter((ranks) => ranks < 0).length,
    same: climbs.filter((ranks) => ranks === 0).length,
  };
}

function saySlopes() {
  const {columns, passages} = shown.value;
  const byBest = new Map();
  for (const {title, ranks} of columns) byBest.set(sayBest(ranks), [...(byBest.get(sayBest(ranks)) ?? []), title]);
  const name = (titles) => (titles.length > 6 ? `${titles.length} columns` : titles.join(', '));
  const best = [...byBest].map(([passage, titles]) => `${passage} by ${name(titles)}`);
  const {rose, fell, same} = countChanges();
  const [from, to] = [columns[shown.reference].title, columns[state.column].title];
  return `Ranks of ${count(passages.length, 'passage')} in ${count(columns.length, 'column')}. Best: ${best.join('; ')}. `
    + `From ${from} to ${to} ${rose} rose, ${fell} fell, ${same} kept their rank.`;
}

function showKey(key) {
  const {columns, passages} = shown.value;
  const [from, to] = [columns[shown.reference].title, columns[state.column].title];
  key.replaceChildren();
  if (from === to) {
    key.append(`Sorted by ${to}, the reference itself: sort by another column to see what rose and fell.`);
  } else {
    const [rose, fell] = [make('span', 'rw-rose', 'green rose'), make('span', 'rw-fell', 'red fell')];
    key.append(`From ${from} to ${to}: `, rose, ', ', fell, ', ', make('span', 'rw-same', 'blue kept its rank'), '.');
  }
  if (passages.length > DRAWN_FULL) key.append(` The ${DRAWN_FULL} best by ${to} are drawn full.`);
}
