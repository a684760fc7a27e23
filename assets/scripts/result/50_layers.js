// The pictures "Score by layer": one for each layerwise model, scores or ranks over the layers that were asked for.

function makeLayers(entry) {
  const picture = makePicture(drawLayers);
  picture.entry = entry;
  const choices = make('div', 'rw-switch');
  choices.setAttribute('role', 'group');
  choices.setAttribute('aria-label', `Shown by layer of ${entry.model}`);
  picture.buttons = [['scores', 'Score'], ['ranks', 'Rank']].map(([name, text]) => {
    const button = makeButton('rw-switch-button', text, () => {
      state.layerView = name;
      drawPictures();
    });
    button.dataset.name = name;
    return button;
  });
  choices.append(...picture.buttons);
  picture.head.append(choices);
  return picture;
}

// What the title says of the order: from which layer on it stays.
function sayStable({layers, stable_from: stable}) {
  const last = layers.at(-1);
  return stable === null || stable === undefined || stable === last
    ? `order still changes at layer ${last}` : `order stable from layer ${stable}`;
}

function drawLayers(picture, width) {
  const {model, layers, scores, ranks} = picture.entry;
  const isScores = state.layerView === 'scores';
  const word = isScores ? 'Score' : 'Rank';
  picture.title.textContent = `${word} by layer · ${model} — ${sayStable(picture.entry)}`;
  for (const button of picture.buttons) {
    button.setAttribute('aria-pressed', String(button.dataset.name === state.layerView));
  }
  const top = 12;
  const height = plotHeight();
  const scale = isScores ? scoreScale(scores.flat(), top, height) : rankScale(top, height);
  const left = 10 + Math.max(...scale.ticks.map(({text}) => textWidth(text)));
  const right = 42;
  const span = layers.at(-1) - layers[0] || 1;
  const x = (layer) => left + ((layer - layers[0]) / span) * (width - left - right);
  const rows = isScores ? scores : ranks;
  const heights = rows.map((row) => row.map(scale.y));
  const paths = shown.value.passages.map((_, passage) => (
    lineThrough(layers.map((layer, index) => [x(layer), heights[index][passage]]))));
  fill(picture, {
    width,
    height: top + height,
    right,
    bottom: LABEL_HEIGHT + 10,
    paths,
    ends: heights.at(-1),
    under: [...layerAxis(picture.entry, x, top, height, width), ...tickLabels(scale.ticks, left - 8)],
    label: `${word}s of ${count(paths.length, 'passage')} over ${count(layers.length, 'layer')} of ${model}, `
      + `${layers[0]} to ${layers.at(-1)}: ${sayStable(picture.entry)}. `
      + `Best at layer ${layers.at(-1)}: ${sayBest(ranks.at(-1))}.`,
  });
}

function layerAxis({layers, stable_from: stable}, x, top, height, width) {
  const base = top + height;
  const nodes = layers.map((layer) => makeSvg('path', {'class': 'rw-grid', 'd': `M${x(layer)} ${base + 4}v4`}));
  const named = [layers[0], layers.at(-1)];
  if (stable !== null && stable !== undefined && stable !== layers.at(-1)) {
    nodes.push(makeSvg('path', {'class': 'rw-stable', 'd': `M${x(stable)} ${top - 8}V${base + 8}`}));
    named.push(stable);
  }
  const middle = layers.length > 9 ? layers.filter((layer) => layer % 8 === 0) : layers;
  const entries = [...new Set([...named, ...middle])].map((layer) => ({x: x(layer), text: String(layer)}));
  return [...nodes, ...axisLabels(entries, width, base + LABEL_HEIGHT + 4)];
}

function scoreScale(scores, top, height) {
  const low = scores.reduce((least, score) => Math.min(least, score), Infinity);
  const high = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const y = (score) => top + (high > low ? (high - score) / (high - low) : 0.5) * height;
  const ends = high > low ? [high, low] : [high];
  return {y, ticks: ends.map((score) => ({y: y(score), text: formatEnd(score)}))};
}

function formatEnd(score) {
  const size = Math.abs(score);
  if (size < 1) return size ? score.toPrecision(2) : '0';
  return score.toFixed(size < 10 ? 1 : 0);
}
