// What an import would bring, with the map of its grades to be corrected; and what it brought.
function listOf(words, lines, {isOpen = false} = {}) {
  const details = make('details', 'rw-data-more');
  details.open = isOpen;
  details.append(make('summary', '', words));
  const list = make('ul');
  for (const line of lines) list.append(make('li', '', line));
  details.append(list);
  return details;
}

function reasons(found) {
  const lines = Object.entries(found.left_out).map(([reason, number]) => `${number.toLocaleString('en')}: ${reason}`);
  return lines.length ? [listOf(`Left out by the options: ${count(lines.length, 'reason')}`, lines, {isOpen: true})] : [];
}

function problems(found) {
  if (!found.problem_count) return [];
  const more = found.problem_count - found.problems.length;
  const lines = more ? [...found.problems, `… and ${more.toLocaleString('en')} more`] : found.problems;
  return [listOf(`${count(found.problem_count, 'row')} with problems, left out`, lines, {isOpen: true})];
}

function differences(found) {
  if (!found.differing) return [];
  const {sentence, lines, count: number} = found.differing;
  const more = number - lines.length;
  return [listOf(sentence, more ? [...lines, `… and ${more.toLocaleString('en')} more`] : lines, {isOpen: true})];
}

function notes(found) { return found.notes.map((note) => make('p', 'rw-data-note', note)); }

function pairsOf(object, noun, plural) {
  return Object.entries(object).map(([name, number]) => `${name}: ${count(number, noun, plural)}`).join(' · ');
}

// Whose word counts for the part of a query: the file's, or its hash.
function makeSplits(found) {
  const choices = [['keep', 'as the file has them'], ['hash', 'by the hash of each query']];
  const label = makeSelect(`Parts of the file: ${pairsOf(found.splits, 'query', 'queries')}. Place queries`, choices,
    found.ignore_splits ? 'hash' : 'keep', (value) => trigger('remap', {ignore_splits: value === 'hash'}));
  label.classList.add('rw-data-parts');
  label.querySelector('select').setAttribute('aria-label', 'Place queries');
  return label;
}

const GRADE_WORDS = {binary: [['1', '1 · positive'], ['0', '0 · negative']], graded: [['3', '3'], ['2', '2'], ['1', '1'], ['0', '0']]};

function makeMap(found) {
  const rows = found.grades.map((one) => {
    const select = make('select');
    select.setAttribute('aria-label', `${one.raw || 'empty'} becomes`);
    const value = !one.is_mapped ? 'unmapped' : one.grade === null ? 'unjudged' : String(one.grade);
    const grades = GRADE_WORDS[found.scale ?? 'graded'];
    const choices = [...grades, ['unjudged', 'unjudged']];
    if (!choices.some(([key]) => key === value)) choices.push(['unmapped', 'choose …']);
    fillSelect(select, choices, value);
    select.addEventListener('change', () => {
      if (select.value === 'unmapped') return;
      const map = Object.fromEntries(found.grades.filter((other) => other.is_mapped).map((other) => [other.raw, other.grade]));
      map[one.raw] = select.value === 'unjudged' ? null : Number(select.value);
      trigger('remap', {map});
    });
    return [one.raw || '(empty)', one.count.toLocaleString('en'), select];
  });
  return makeTable(['In the file', 'How often', 'Becomes'], rows, {caption: 'Grades', className: 'rw-data-narrow'});
}

function showPreview(found) {
  root.append(make('h2', '', `${found.name}: ${found.kind}, ${formatSize(found.size)}`));
  if (found.already) {
    root.append(make('p', 'rw-data-notice rw-is-problem', `Imported before, as ${found.already.name} on ${formatTime(found.already.at)}. `
      + 'Importing it once more changes nothing, unless “Import again” is chosen under Options.'));
  }
  root.append(make('p', 'rw-data-lead', [
    `${found.used.toLocaleString('en')} of ${count(found.rows, 'row')} can be used`, count(found.queries, 'query', 'queries'),
    count(found.passages, 'passage'), count(found.candidates, 'candidate'), count(found.judgements, 'judgement'),
    ...(found.scores ? [count(found.scores, 'score')] : []),
  ].join(' · ')));
  const about = [];
  if (found.scale) about.push(`Scale: ${found.scale === 'binary' ? 'positive / negative' : 'grades 0 to 3'}`);
  if (Object.keys(found.annotators).length) about.push(`Judged by ${pairsOf(found.annotators, 'judgement')}`);
  if (found.random_negatives) about.push(`${count(found.random_negatives, 'random negative')} of an export come as candidates, not as judgements`);
  if (found.prompt) about.push(`Prompt of all rows: ${found.prompt}`);
  for (const line of about) root.append(make('p', 'rw-data-note', line));
  root.append(...notes(found), ...differences(found), ...problems(found), ...reasons(found));
  if (Object.keys(found.splits).length) root.append(makeSplits(found));
  if (found.grades.length) root.append(makeMap(found));
  if (found.sample.length) {
    const rows = found.sample.map((row) => {
      const query = make('span', '', row.query);
      const passage = make('span', '', row.passage);
      query.dir = 'auto';
      passage.dir = 'auto';
      const grade = row.state && row.state !== 'graded' ? STATE_WORDS[row.state] : row.grade === null ? 'unjudged' : String(row.grade);
      return [query, passage, row.raw ? `${row.raw} → ${grade}` : grade, row.annotator || '–', row.source];
    });
    root.append(makeTable(['Query', 'Passage', 'Grade', 'By', 'Source'], rows, {caption: 'The first rows'}));
  }
  say(`Preview of ${found.name}: ${found.used} of ${count(found.rows, 'row')} can be used`);
}

function showReport(found) {
  root.append(make('h2', '', found.is_done ? 'Imported' : 'Nothing was imported'), make('p', 'rw-data-lead', found.sentence));
  const names = {queries: 'Queries', passages: 'Passages', candidates: 'Candidates', judgements: 'Judgements', scores: 'Scores'};
  if (found.is_done) {
    const rows = Object.entries(found.arrived).map(([name, {new: fresh, known}]) => [names[name], fresh.toLocaleString('en'), known.toLocaleString('en')]);
    root.append(makeTable(['What', 'New', 'There before'], rows, {className: 'rw-data-narrow'}));
  }
  root.append(...notes(found), ...differences(found), ...problems(found), ...reasons(found));
  say(found.sentence);
}

// What an import left that ended half way, as when its disk was full.
const leftover = make('div');
const notice = makeNotice('rw-data-notice');

async function lookForLeftover() {
  try {
    const {name, at} = await ask('find_left');
    leftover.replaceChildren();
    if (!name) return;
    const line = make('p', 'rw-data-notice rw-is-problem', `An import of ${name}, begun on ${formatTime(at)}, is unfinished. Nobody sees it, but it takes room. `);
    if (canChange()) {
      line.append(makeButton('Remove it', (button) => tried(notice, button, async () => {
        const {said} = await ask('remove_left');
        await lookForLeftover();
        notice.tell(said);
      }), {label: `Remove the unfinished import of ${name}`}));
    }
    leftover.append(line);
  } catch (error) {
    leftover.replaceChildren();   // the message above the views says what is wrong with the labels
  }
}

function show() {
  const found = props.value;
  const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
  root.replaceChildren(notice, leftover);
  if (found?.stage === 'preview') showPreview(found);
  if (found?.stage === 'report') showReport(found);
  if (focused) [...root.querySelectorAll('select')].find((node) => node.getAttribute('aria-label') === focused)?.focus();
}

watch('value', show);
show();
keepFresh(lookForLeftover);
