// Curves as SVG, drawn in pixels of their own width, so that labels are as legible on a phone as on a desk.
const CHART_HEIGHT = 150;   // px, of the plot
const MANY = 60;            // points, from which on their mean is drawn over them
const CHART_ROOM = {top: 10, right: 12, bottom: 22};
const ruler = document.createElement('canvas').getContext('2d');
ruler.font = '11px system-ui, sans-serif';

function textWidth(text) { return ruler.measureText(text).width; }

// A chart: a title, the picture, and a line that says the figures under the pointer or the cursor.
function makeChart(name) {
  const panel = make('section', 'rw-panel rw-chart');
  const title = make('h3', 'rw-chart-title', name);
  const svg = makeSvg('svg', {'role': 'img', 'tabindex': 0, 'height': CHART_ROOM.top + CHART_HEIGHT + CHART_ROOM.bottom});
  const about = make('p', 'rw-chart-about');
  panel.append(title, svg, about);
  const chart = {name, panel, title, svg, about, drawn: null, at: null};
  svg.addEventListener('pointermove', (event) => pointAt(chart, event.clientX - svg.getBoundingClientRect().left));
  svg.addEventListener('pointerleave', () => pointAtStep(chart, null));
  svg.addEventListener('keydown', (event) => moveCursor(chart, event));
  svg.addEventListener('blur', () => pointAtStep(chart, null));
  return chart;
}

// series: {id, name, line (number of its colour), points: [[step, value or null]], steps (that a point stands for), best (a step),
// resumed: steps}. `until`: the last step of the run that is under way.
function drawChart(chart, series, {until = 0, rest = ''} = {}) {
  const known = series.map((one) => ({...one, known: one.points.filter(([, value]) => typeof value === 'number')}));
  const all = known.flatMap((one) => one.known);
  const width = Math.floor(chart.panel.clientWidth) - 28;   // of the plot and its labels; 0 where it is not on the screen
  if (!all.length || width < 60) return;
  const values = all.map(([, value]) => value);
  const scale = makeScale(Math.min(...values), Math.max(...values));
  const left = 8 + Math.max(...scale.ticks.map((tick) => textWidth(scale.format(tick))));
  const first = Math.min(...all.map(([step]) => step));
  const last = Math.max(until, first + 1, ...all.map(([step]) => step));
  const x = (step) => left + ((step - first) / (last - first)) * (width - left - CHART_ROOM.right);
  const y = (value) => CHART_ROOM.top + (1 - (value - scale.low) / (scale.high - scale.low)) * CHART_HEIGHT;
  const cursor = makeSvg('path', {'class': 'rw-chart-cursor', 'd': ''});
  chart.svg.setAttribute('viewBox', `0 0 ${width} ${CHART_ROOM.top + CHART_HEIGHT + CHART_ROOM.bottom}`);
  chart.svg.setAttribute('width', width);
  chart.svg.replaceChildren(...drawAxes({scale, x, y, left, width, first, last}), ...known.flatMap((one) => drawSeries(one, x, y)), cursor);
  chart.svg.setAttribute('aria-label', `${chart.title.textContent}. ${known.map((one) => describeSeries(one, series.length > 1)).join(' ')} Arrow keys read the figures.`);
  chart.drawn = {series: known, x, cursor, top: CHART_ROOM.top, steps: [...new Set(all.map(([step]) => step))].sort((a, b) => a - b)};
  const isMany = known.some((one) => one.known.length > MANY);
  chart.rest = [rest, isMany ? `strong: mean of about ${2 * Math.ceil(Math.max(...known.map((one) => one.known.length)) / 40) + 1} points` : ''].filter(Boolean).join('; ');
  pointAtStep(chart, chart.at);
}

function makeScale(low, high) {
  const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 0.5;
  const [from, to] = [low - room, high + room];
  const rough = (to - from) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const ticks = [];
  for (let tick = Math.ceil(from / size) * size; tick <= to; tick += size) ticks.push(Math.abs(tick) < size / 1e6 ? 0 : tick);
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(size)) + (size / power === 2.5 ? 1 : 0)));
  const format = (value) => value.toLocaleString('en', {minimumFractionDigits: digits, maximumFractionDigits: digits});
  return {low: from, high: to, ticks, format};
}

function drawAxes({scale, x, y, left, width, first, last}) {
  const base = CHART_ROOM.top + CHART_HEIGHT;
  const nodes = [];
  for (const tick of scale.ticks) {
    nodes.push(makeSvg('path', {'class': 'rw-chart-grid', 'd': `M${left} ${y(tick)}H${width - CHART_ROOM.right}`}));
    nodes.push(makeSvg('text', {'x': left - 6, 'y': y(tick) + 4, 'text-anchor': 'end'}, scale.format(tick)));
  }
  nodes.push(makeSvg('path', {'class': 'rw-chart-axis', 'd': `M${left} ${base}H${width - CHART_ROOM.right}`}));
  const words = [[first, 'start', left], [last, 'end', width - CHART_ROOM.right]];
  for (const [step, anchor, place] of words) {
    nodes.push(makeSvg('text', {'x': place, 'y': base + 16, 'text-anchor': anchor}, anchor === 'end' ? `step ${last.toLocaleString('en')}` : step.toLocaleString('en')));
  }
  return nodes;
}

// Of many points the curve is hard to read: the mean of some in a row is drawn over them. Gives [[step, mean]].
function smoothen(known) {
  const reach = Math.ceil(known.length / 40);
  return known.map(([step], index) => {
    const near = known.slice(Math.max(0, index - reach), index + reach + 1);
    return [step, near.reduce((sum, [, value]) => sum + value, 0) / near.length];
  });
}

function drawSeries({line, known, points, best, resumed = []}, x, y) {
  const nodes = [];
  const isMany = known.length > MANY;
  for (const step of resumed) {
    const mark = makeSvg('path', {'class': `rw-chart-resumed rw-line-${line}`, 'd': `M${x(step)} ${CHART_ROOM.top}V${CHART_ROOM.top + CHART_HEIGHT}`});
    mark.append(makeSvg('title', {}, `Resumed after step ${step.toLocaleString('en')}`));
    nodes.push(mark);
  }
  // A figure that was not finite leaves a gap: nothing is drawn through it.
  let path = '';
  let isOpen = false;
  for (const [step, value] of points) {
    if (typeof value !== 'number') { isOpen = false; continue; }
    path += `${isOpen ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
    isOpen = true;
  }
  nodes.push(makeSvg('path', {'class': `rw-chart-line${isMany ? ' rw-is-faint' : ''} rw-line-${line}`, 'd': path}));
  if (isMany) {
    const mean = smoothen(known).map(([step, value], index) => `${index ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('');
    nodes.push(makeSvg('path', {'class': `rw-chart-line rw-line-${line}`, 'd': mean}));
  }
  if (known.length <= 30) {
    for (const [step, value] of known) nodes.push(makeSvg('circle', {'class': `rw-chart-dot rw-line-${line}`, 'cx': x(step), 'cy': y(value), 'r': 2}));
  }
  const top = known.find(([step]) => step === best);
  if (top) nodes.push(makeSvg('circle', {'class': `rw-chart-best rw-line-${line}`, 'cx': x(top[0]), 'cy': y(top[1]), 'r': 5}));
  return nodes;
}

function describeSeries({name, known, best, resumed = []}, isNamed) {
  const [firstStep, firstValue] = known[0] ?? [];
  if (firstStep === undefined) return '';
  const [lastStep, lastValue] = known.at(-1);
  const top = known.find(([step]) => step === best);
  return `${isNamed ? `${name}: ` : ''}${formatFigure(firstValue)} at step ${firstStep}, ${formatFigure(lastValue)} at step ${lastStep}`
    + `${top ? `, best ${formatFigure(top[1])} at step ${best}` : ''}${resumed.length ? `, resumed after step ${resumed.join(', ')}` : ''}.`;
}

function pointAt(chart, place) {
  if (!chart.drawn) return;
  const {steps, x} = chart.drawn;
  pointAtStep(chart, steps.reduce((near, step) => (Math.abs(x(step) - place) < Math.abs(x(near) - place) ? step : near), steps[0]));
}

function pointAtStep(chart, step) {
  chart.at = step;
  if (!chart.drawn) return;
  const {series, x, cursor, top} = chart.drawn;
  cursor.setAttribute('d', step === null ? '' : `M${x(step)} ${top}v${CHART_HEIGHT}`);
  if (step === null) { setText(chart.about, chart.rest); return; }
  const figures = series.map((one) => {
    const value = one.points.find(([at]) => at === step)?.[1];
    return value === undefined ? '' : `${series.length > 1 ? `${one.name} ` : ''}${formatFigure(value)}`;
  }).filter(Boolean);
  setText(chart.about, `Step ${step.toLocaleString('en')}: ${figures.join(' · ')}`);
}

function moveCursor(chart, event) {
  if (!chart.drawn) return;
  const {steps} = chart.drawn;
  const at = steps.indexOf(chart.at);
  const places = {ArrowLeft: at < 0 ? steps.length - 1 : Math.max(0, at - 1), ArrowRight: Math.min(steps.length - 1, at + 1), Home: 0, End: steps.length - 1};
  if (!(event.key in places)) return;
  event.preventDefault();
  pointAtStep(chart, steps[places[event.key]]);
  say(chart.about.textContent);
}
