// The report of the chosen job: base and tuned on the same held-out queries. Queries and passages are texts of people.
const reportPlace = make('section', 'rw-panel rw-follow-report');
reportPlace.setAttribute('aria-label', 'Before and after');
const reportOpen = new Set();   // the parts that are unfolded, which stay so when a report is read anew

async function loadReport() {
  const job = chosenJob();
  const key = job?.report ? `${job.id} ${job.report}` : '';
  if (!key) { setHidden(reportPlace, true); state.reportOf = ''; return; }
  if (state.reportOf === key) { setHidden(reportPlace, false); return; }
  state.reportOf = key;
  try {
    const answer = await ask('read_job_report', {id: job.id});
    if (state.reportOf === key) showReport(answer);
  } catch (error) {
    if (state.reportOf !== key) return;
    reportPlace.replaceChildren(make('p', 'rw-follow-notice rw-is-problem', error.message));
  }
  if (state.reportOf === key) reportPlace.hidden = false;
}

function showReport({report, markdown, file}) {
  const head = make('h2', `rw-follow-verdict rw-verdict-${report.verdict.split(' ')[0]}`, report.headline);
  const parts = [head];
  if (report.detail) parts.push(make('p', 'rw-follow-quiet', report.detail));
  if (report.measures.length) parts.push(makeMeasures(report));
  for (const note of report.notes) parts.push(make('p', 'rw-follow-event rw-is-warning', note));
  if (report.by_layer.length) parts.push(unfold('layers', 'By layer', () => makeLayers(report)));
  if (report.wins.length) parts.push(unfold('wins', `What got better: ${count(report.wins.length, 'query', 'queries')}`, () => makeChanges(report.wins)));
  if (report.losses.length) parts.push(unfold('losses', `What got worse: ${count(report.losses.length, 'query', 'queries')}`, () => makeChanges(report.losses)));
  if (report.scale) parts.push(unfold('scale', 'Scale of the scores', () => makeScaleTable(report.scale)));
  parts.push(unfold('regression', `Fixed pairs of general knowledge: ${report.regression.right_after} of ${report.regression.pairs.length} right, before ${report.regression.right_before}`, () => makeRegression(report.regression)));
  parts.push(unfold('made', 'What was compared, and how', () => makeProvenance(report)));
  const away = make('div', 'rw-follow-actions');
  away.append(makeButton('Report as Markdown', () => saveText(markdown, `${file}.md`, 'text/markdown')),
    makeButton('Report as JSON', () => saveText(JSON.stringify(report, null, 2), `${file}.json`, 'application/json')));
  parts.push(away);
  reportPlace.replaceChildren(...parts);
}

// A part that is made when it is unfolded first.
function unfold(name, title, makeBody) {
  const place = make('details', 'rw-follow-more');
  const fill = () => { if (place.open && place.children.length === 1) place.append(makeBody()); };
  place.append(make('summary', '', title));
  place.open = reportOpen.has(name);
  fill();
  place.addEventListener('toggle', () => {
    if (place.open) reportOpen.add(name); else reportOpen.delete(name);
    fill();
  });
  return place;
}

function makeDifference({difference, verdict}) {
  const cell = make('span', verdict === 'better' ? 'rw-rose' : verdict === 'worse' ? 'rw-fell' : '', formatSigned(difference));
  if (verdict === 'cannot tell') cell.title = 'May be chance';
  return cell;
}

const formatInterval = ({low, high}) => `${formatSigned(low)} … ${formatSigned(high)}`;
const formatChance = (p) => (p < 0.001 ? '< 0.001' : p.toFixed(3));

function makeMeasures({measures}) {
  const hasFirst = measures.some(({first_stage: first}) => first !== null);
  const heads = ['Measure', ...(hasFirst ? ['no reranking'] : []), 'BM25', 'base', 'tuned', 'difference', '95 % interval', 'p'];
  const rows = measures.map((row) => [row.name, ...(hasFirst ? [formatMeasure(row.first_stage)] : []), formatMeasure(row.bm25),
    formatMeasure(row.base), formatMeasure(row.tuned), makeDifference(row), formatInterval(row), formatChance(row.p)]);
  return inScroll('Measures', makeTable(heads, rows, {className: 'rw-follow-measures', numbers: heads.map((_, index) => index).slice(1)}));
}

function makeLayers({by_layer: rows, measures}) {
  const heads = ['Layer', 'base', 'tuned', 'difference', '95 % interval', 'p'];
  return inScroll('Layers', makeTable(heads, rows.map((row) => [row.layer, formatMeasure(row.base), formatMeasure(row.tuned), makeDifference(row),
    formatInterval(row), formatChance(row.p)]), {caption: `${measures[0]?.name ?? ''} at each cutoff layer`, numbers: [1, 2, 3, 4, 5]}));
}

function makeChanges(changes) {
  const list = make('div', 'rw-follow-changes');
  for (const change of changes) {
    const box = make('article', '');
    const query = make('h3', '', change.query);
    query.dir = 'auto';
    box.append(query, make('p', 'rw-follow-quiet', `${formatMeasure(change.base)} → ${formatMeasure(change.tuned)}`));
    const moves = make('ul', '');
    for (const passage of change.passages) moves.append(makeMove(passage));
    box.append(moves);
    list.append(box);
  }
  return list;
}

function makeMove({text, grade, rank_before: before, rank_after: after}) {
  const item = make('li', '');
  const rose = after < before;
  item.append(make('span', 'rw-follow-move', `#${before} → #${after} `), make('span', rose ? 'rw-rose' : 'rw-fell', rose ? '↑ ' : '↓ '),
    make('span', 'rw-follow-quiet', `${grade === null ? 'not judged' : `grade ${grade}`} `));
  const body = make('span', 'rw-follow-passage', text);
  body.dir = 'auto';
  item.append(body);
  return item;
}

function makeScaleTable(scale) {
  const place = make('div', '');
  const share = (value) => `${(100 * value).toFixed(0)} %`;
  const rows = [['Relevant', scale.relevant], ['Other', scale.other]].filter(([, group]) => group).map(([name, group]) => [name,
    group.passages.toLocaleString('en'), `${formatFigure(group.mean_before)} → ${formatFigure(group.mean_after)}`,
    `${formatFigure(group.spread_before)} → ${formatFigure(group.spread_after)}`, `${share(group.passed_before)} → ${share(group.passed_after)}`]);
  const heads = ['Passages', 'Pairs', 'Mean score', 'Spread', 'Above a sigmoid of 0.5'];
  place.append(make('p', '', scale.sentence), inScroll('Scale of the scores', makeTable(heads, rows, {numbers: [1, 2, 3, 4]})));
  return place;
}

function makeRegression(result) {
  const place = make('div', '');
  const order = (relevant, irrelevant) => (relevant > irrelevant ? 'right' : 'wrong');
  const rows = result.pairs.map((pair) => {
    const texts = make('div', '');
    for (const [name, words] of [['', pair.relevant], ['not: ', pair.irrelevant]]) {
      const line = make('div', '', `${name}${words}`);
      line.dir = 'auto';
      texts.append(line);
    }
    const [before, after] = [order(pair.relevant_before, pair.irrelevant_before), order(pair.relevant_after, pair.irrelevant_after)];
    const cell = make('span', after === before ? '' : after === 'right' ? 'rw-rose' : 'rw-fell', before === after ? after : `${before} → ${after}`);
    return [pair.query, texts, cell, `${formatFigure(pair.relevant_before - pair.irrelevant_before)} → ${formatFigure(pair.relevant_after - pair.irrelevant_after)}`];
  });
  place.append(make('p', '', result.sentence), inScroll('Fixed pairs', makeTable(['Query', 'Should come first', 'Order', 'Distance'], rows, {numbers: [3]})));
  return place;
}

function makeProvenance({made_of: made, judged, measures}) {
  const place = make('div', '');
  const facts = [
    ['Base', `${made.base} (${made.fingerprint.slice(0, 12)})`],
    ['Trained', `${count(made.steps, 'step')}, kept step ${made.kept_step}`],
    ['Judged on', [made.data, made.data_note].filter(Boolean).join('. ')],
    ['Its SHA-256', made.data_sha256],
    ['Scored', `${count(made.pairs, 'pair')} by each, at most ${made.max_length} tokens, ${made.dtype} on ${made.device}`],
    ['First stage', made.first_stage || 'none'],
    ['Settings', Object.entries(made.settings).map(([name, value]) => `${name} ${value}`).join(', ')],
    ['Versions', Object.entries(made.versions).map(([name, value]) => `${name} ${value}`).join(', ')],
  ];
  if (judged) {
    const share = (value) => `${(100 * value).toFixed(0)} %`;
    facts.push(['With a grade', `${share(judged.base)} of the best 10 by the base, ${share(judged.tuned)} by the tuned; `
      + `${measures[0]?.name ?? 'the measure'} of those alone ${formatMeasure(judged.only_base)} → ${formatMeasure(judged.only_tuned)}`]);
  }
  const list = make('dl', 'rw-follow-facts');
  for (const [name, words] of facts) if (words) list.append(make('dt', '', name), make('dd', '', words));
  place.append(list);
  return place;
}

// What may be wider than a phone scrolls by itself, with the keyboard too.
function inScroll(label, content) {
  const place = make('div', 'rw-follow-scroll');
  place.tabIndex = 0;
  place.setAttribute('role', 'region');
  place.setAttribute('aria-label', label);
  place.append(content);
  return place;
}
