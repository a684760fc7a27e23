// What both pictures share: a frame, lines that can be pointed at and chosen, scales and labels.
// A picture is drawn in pixels of its own width, so that its labels are as legible on a phone as on a desk.
const LABEL_HEIGHT = 16;
const HINT = 'Point at a line or choose a passage number.';
const ruler = document.createElement('canvas').getContext('2d');

function textWidth(text) { return ruler.measureText(text).width; }

function makePicture(draw) {
  const panel = make('section', 'rw-panel rw-picture');
  const head = make('div', 'rw-picture-head');
  const title = make('h2', 'rw-picture-title');
  head.append(title);
  const svg = makeSvg('svg', {role: 'img'});
  const about = make('p', 'rw-about', HINT);
  panel.append(head, svg, about);
  svg.addEventListener('pointerover', (event) => point(passageAt(event)));
  svg.addEventListener('pointerleave', () => point(null));
  svg.addEventListener('click', (event) => { if (passageAt(event) !== null) choose(passageAt(event)); });
  return {panel, head, title, svg, about, draw, paths: [], marks: {}};
}

function passageAt(event) {
  const line = event.target.closest('[data-passage]');
  return line ? Number(line.dataset.passage) : null;
}

// Draws in the width that was measured (90_show.js): before the first time, and in a hidden tab, there is none.
function drawPictures() {
  if (!shown.width) return;
  shown.ranking = ranking(state.column);
  shown.strong = new Set(shown.ranking.slice(0, DRAWN_FULL));
  for (const picture of shown.pictures) picture.draw(picture, shown.width);
  showMarked();
}

function plotHeight() {
  const lines = shown.value.passages.length;
  if (lines <= DRAWN_FULL) return Math.max(110, (lines - 1) * 17);
  return Math.min(300, lines * 13);
}

// Puts axes, lines and labels into a picture. `paths` holds one path for each passage, `ends` the heights where they end.
function fill(picture, {width, height, right, bottom, paths, ends, under, label}) {
  const {svg} = picture;
  svg.setAttribute('viewBox', `0 0 ${width} ${height + bottom}`);
  svg.setAttribute('height', height + bottom);
  svg.setAttribute('aria-label', label);
  svg.style.setProperty('--rw-faint', Math.max(0.06, Math.min(0.25, 12 / paths.length)));
  const isStrong = (passage) => shown.strong.has(passage);
  const order = [...shown.ranking].reverse();
  const lines = order.map((passage) => makeSvg('path', {
    'd': paths[passage],
    'class': isStrong(passage) ? `rw-line ${colour(passage)}` : 'rw-line rw-faint',
  }));
  const hits = order.map((passage) => makeSvg('path', {'d': paths[passage], 'class': 'rw-hit', 'data-passage': passage}));
  picture.paths = paths;
  picture.marks = {chosen: makeSvg('path', {'class': 'rw-line'}), pointed: makeSvg('path', {'class': 'rw-line'})};
  svg.replaceChildren(...under, ...lines, picture.marks.chosen, picture.marks.pointed,
    ...endLabels(ends, width - right + 6, right - 6), ...hits);
}

function colour(passage) {
  const ranks = climb(passage, state.column);
  return ranks > 0 ? 'rw-rose' : ranks < 0 ? 'rw-fell' : 'rw-same';
}

// Passage numbers where the full lines end; lines that end together share a label, labels that would touch are left out.
function endLabels(ends, x, room) {
  const byHeight = new Map();
  for (const passage of shown.strong) {
    const height = Math.round(ends[passage]);
    byHeight.set(height, [...(byHeight.get(height) ?? []), passage + 1]);
  }
  const taken = [];
  const labels = [];
  for (const [y, numbers] of byHeight) {
    if (taken.some((other) => Math.abs(other - y) < 11)) continue;
    taken.push(y);
    let text = numbers.join(' ');
    for (let kept = numbers.length - 1; kept > 0 && textWidth(text) > room; kept -= 1) {
      text = `${numbers.slice(0, kept).join(' ')} +${numbers.length - kept}`;
    }
    labels.push(makeSvg('text', {x, 'y': y + 4}, text));
  }
  return labels;
}

// A scale for ranks, the first at the top. Of many ranks the first ones get most of the room.
function rankScale(top, height) {
  const lowest = shown.value.passages.length;
  const isLong = lowest > 2 * DRAWN_FULL;
  const share = (rank) => {
    if (lowest === 1) return 0.5;
    return isLong ? Math.log(rank) / Math.log(lowest) : (rank - 1) / (lowest - 1);
  };
  const y = (rank) => top + share(rank) * height;
  const marked = isLong ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] : [1, 5, 10, 15, 20];
  const ticks = marked.filter((rank) => rank < lowest && y(lowest) - y(rank) >= 20);
  return {y, ticks: [...ticks, lowest].map((rank) => ({y: y(rank), text: `#${rank}`}))};
}

function tickLabels(ticks, x) {
  return ticks.map(({y, text}) => makeSvg('text', {x, 'y': y + 4, 'text-anchor': 'end'}, text));
}

// Labels below an axis, the most important first: those that would touch one that is there are left out.
function axisLabels(entries, width, line) {
  const taken = [];
  const labels = [];
  for (const {x, text, y = line} of entries) {
    const size = textWidth(text);
    const from = Math.max(0, Math.min(x - size / 2, width - size));
    if (taken.some((other) => other.y === y && from < other.to + 8 && from + size + 8 > other.from)) continue;
    taken.push({y, from, to: from + size});
    labels.push(makeSvg('text', {'x': from, y}, text));
  }
  return labels;
}

function lineThrough(points) {
  return points.map(([x, y], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

// Marking. What is pointed at is marked for the moment, what is chosen until it is let go.
function point(passage) {
  if (!shown || state.pointed === passage) return;
  state.pointed = passage;
  showMarked();
}

function choose(passage) {
  state.chosen = state.chosen === passage ? null : passage;
  showMarked();
}

function showMarked() {
  const {chosen, pointed} = state;
  for (const passage of shown.marked ?? []) {
    shown.rows[passage].row.classList.remove('rw-chosen', 'rw-pointed');
    shown.rows[passage].number.setAttribute('aria-pressed', 'false');
  }
  shown.marked = [chosen, pointed].filter((passage) => passage !== null);
  if (pointed !== null) shown.rows[pointed].row.classList.add('rw-pointed');
  if (chosen !== null) {
    shown.rows[chosen].row.classList.add('rw-chosen');
    shown.rows[chosen].number.setAttribute('aria-pressed', 'true');
  }
  for (const picture of shown.pictures) if (picture.paths.length) showMarkedLines(picture);
}

function showMarkedLines(picture) {
  for (const [how, node] of Object.entries(picture.marks)) {
    const passage = state[how];
    node.setAttribute('class', passage === null ? 'rw-line' : `rw-line rw-thick ${colour(passage)}`);
    node.setAttribute('d', passage === null ? '' : picture.paths[passage]);
  }
  const named = state.pointed ?? state.chosen;
  picture.svg.classList.toggle('rw-has-mark', named !== null);
  if (named === null) {
    picture.about.textContent = HINT;
    return;
  }
  const words = make('bdi', '', shorten(shown.value.passages[named].text.slice(0, 200).replace(/\s+/g, ' ').trim(), 60));
  picture.about.replaceChildren(make('b', '', String(named + 1)), ' ', words);
}
