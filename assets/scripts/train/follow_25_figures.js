// The curves of the chosen job, and of others that were checked, over each other.
const CURVES = [
  {name: 'Loss', part: 'train', column: 'loss'},
  {name: 'Dev nDCG@10', part: 'dev', column: 'value', isMeasure: true},
  {name: 'Gap: positives − negatives', part: 'train', column: 'gap'},
  {name: 'Spread of scores', part: 'train', column: 'spread'},
  {name: 'Tokens a second', part: 'train', column: 'tokens_per_second'},
];
const ABOUT = {
  gap: 'mean score of positives less that of negatives, in training',
  spread: 'standard deviation of the scores of a group; near 0 they have collapsed',
};
const LINES = 6;   // colours; the seventh job has the first one's again, dashed

const figures = make('section', 'rw-follow-figures');
figures.setAttribute('aria-label', 'Figures');
const legend = make('ul', 'rw-follow-legend');
legend.setAttribute('aria-label', 'Jobs in the curves');
const charts = CURVES.map(({name}) => makeChart(name));
const grid = make('div', 'rw-follow-charts');
grid.append(...charts.map(({panel}) => panel));
const figuresNone = make('p', 'rw-follow-quiet', 'No figures yet. They come with the first step.');
const tablePlace = make('details', 'rw-follow-more');
const tableBody = make('div', 'rw-follow-scroll');
tableBody.tabIndex = 0;
tableBody.setAttribute('role', 'region');
tableBody.setAttribute('aria-label', 'The figures as a table');
tablePlace.append(make('summary', '', 'The figures as a table'), tableBody);
tablePlace.addEventListener('toggle', () => fillTable());
figures.append(legend, grid, figuresNone, tablePlace);

function lineOf(id) {
  if (!state.lines.has(id)) state.lines.set(id, state.lines.size);
  const number = state.lines.get(id);
  return `${number % LINES}${number >= LINES ? ' rw-is-dashed' : ''}`;
}

function drawnIds() { return [state.chosen, ...state.drawn].filter((id, index, all) => id && all.indexOf(id) === index && state.curves.has(id)); }

function bestStep({step, value}) {
  let best = null;
  value.forEach((one, index) => { if (typeof one === 'number' && (best === null || one > value[best])) best = index; });
  return best === null ? null : step[best];
}

function seriesOf(id, {part, column, isMeasure}, isAlone) {
  const curves = state.curves.get(id);
  const {step} = curves[part];
  return {
    id,
    name: nameOf(id),
    line: isAlone && isMeasure ? '1' : lineOf(id),
    points: step.map((one, index) => [one, curves[part][column][index]]),
    best: isMeasure ? bestStep(curves.dev) : null,
    resumed: curves.events.filter(({event}) => event === 'resumed').map((event) => event.step),
  };
}

function drawFigures() {
  const ids = drawnIds();
  const isAlone = ids.length === 1;
  const mine = state.curves.get(state.chosen);
  const job = chosenJob();
  const series = CURVES.map((curve) => ids.map((id) => seriesOf(id, curve, isAlone)));
  // All that are drawn must be on the screen before the first is measured: they share the width.
  series.forEach((some, index) => setHidden(charts[index].panel, !some.some(({points}) => points.some(([, value]) => typeof value === 'number'))));
  CURVES.forEach((curve, index) => {
    const best = curve.isMeasure && mine ? bestStep(mine.dev) : null;
    setText(charts[index].title, best === null ? curve.name : `${curve.name} · best ${best ? `at step ${best.toLocaleString('en')}` : 'before training'}`);
    drawChart(charts[index], series[index], {
      until: isAlone && job?.is_active ? Math.min(job.total, 2 * job.step) : 0,
      rest: ABOUT[curve.column] ?? '',
    });
  });
  setHidden(figuresNone, charts.some(({panel}) => !panel.hidden) || !job);
  fillLegend(isAlone ? [] : ids);
  fillTable();
}

function fillLegend(ids) {
  setHidden(legend, ids.length === 0);
  const key = ids.map((id) => `${id} ${nameOf(id)}`).join('\n');
  if (legend.dataset.key === key) return;
  legend.dataset.key = key;
  legend.replaceChildren(...ids.map((id) => {
    const item = make('li', '');
    const sample = makeSvg('svg', {'width': 22, 'height': 8, 'aria-hidden': 'true'});
    sample.append(makeSvg('path', {'class': `rw-chart-line rw-line-${lineOf(id)}`, 'd': 'M0 4H22'}));
    item.append(sample, make('span', '', nameOf(id)));
    return item;
  }));
}

// The chosen job's figures, a row for each step that was logged or measured; only while it is open.
function fillTable() {
  const curves = state.curves.get(state.chosen);
  setHidden(tablePlace, !curves || !(curves.train.step.length || curves.dev.step.length));
  if (!tablePlace.open || !curves) return;
  const key = `${state.chosen} ${curves.token}`;
  if (tableBody.dataset.key === key) return;
  tableBody.dataset.key = key;
  const {train, dev} = curves;
  const steps = [...new Set([...train.step, ...dev.step])].sort((a, b) => a - b);
  const at = (part, column, step) => { const index = part.step.indexOf(step); return index < 0 ? '' : formatFigure(part[column][index]); };
  const rows = steps.map((step) => [step.toLocaleString('en'), at(train, 'loss', step), at(dev, 'value', step), at(train, 'gap', step),
    at(train, 'spread', step), at(train, 'learning_rate', step), at(train, 'tokens_per_second', step)]);
  const caption = curves.steps_a_point > 1 ? `Each row is the mean of ${curves.steps_a_point} steps; dev figures are of their step.` : '';
  tableBody.replaceChildren(makeTable(['Step', 'Loss', 'Dev nDCG@10', 'Gap', 'Spread', 'Learning rate', 'Tokens a second'], rows,
    {caption, className: 'rw-follow-figure-table', numbers: [0, 1, 2, 3, 4, 5, 6]}));
}
