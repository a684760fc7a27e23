// Pairs, a page at a time: found by words and filters. How my own grade of each is corrected is in browse_grades.js.
const KEPT = 'reranker-workbench:annotate';   // localStorage: the name under which this browser judges is shared with Annotate
const client = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const wanted = {offset: 0, text: '', judged: '', state: '', grade: '', annotator: '', split: '', source: '', query: ''};
const shown = {scale: null, chosenScale: 'binary', rows: new Map(), turn: 0, seq: 0, name: readName()};

function readKept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; }
}

function readName() {
  const name = readKept().annotator;
  return typeof name === 'string' && name.trim() ? name : 'me';
}

function keepName(name) {
  shown.name = name.trim() || shown.name;
  try { localStorage.setItem(KEPT, JSON.stringify({...readKept(), annotator: shown.name})); } catch { /* keeps nothing */ }
}

// The frame: made once, so that what is typed stays.
const notice = makeNotice('rw-data-notice');
const trouble = makeNotice('rw-data-notice');   // of the list itself: what was done stays said while the list is loaded again
const list = make('div', 'rw-data-list');
const deletedPlace = make('details', 'rw-data-deleted');
const search = make('input');
search.type = 'search';
search.maxLength = 1000;
search.dir = 'auto';
search.placeholder = 'words of a query or a passage';
let typing = 0;
search.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(() => filter({text: search.value}), 250); });
search.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') { clearTimeout(typing); filter({text: search.value}); }
});
const searchLabel = make('label', 'rw-data-field rw-data-search', 'Search');
searchLabel.append(search);

const nameLabel = make('label', 'rw-data-field', 'Your name');
const nameBox = make('input');
nameBox.type = 'text';
nameBox.maxLength = 200;
nameBox.value = shown.name;
nameBox.addEventListener('change', () => {
  const isEmpty = !nameBox.value.trim();
  keepName(nameBox.value);
  nameBox.value = shown.name;
  notice.tell(isEmpty ? `A name cannot be empty, so you still judge as “${shown.name}”.` : '', isEmpty);
  if (!isEmpty) load();
});
nameLabel.append(nameBox);

const ANY = [['', 'any']];
const selects = {
  judged: makeSelect('Judged', [['', 'all'], ['yes', 'judged'], ['no', 'not judged']], '', (judged) => filter({judged})),
  state: makeSelect('State', [...ANY, ['graded', 'graded'], ...Object.entries(STATE_WORDS)], '', (state) => filter({state})),
  grade: makeSelect('Grade', ANY, '', (grade) => filter({grade})),
  annotator: makeSelect('By', [['', 'anybody']], '', (annotator) => filter({annotator})),
  split: makeSelect('Part', [...ANY, ['train', 'train'], ['dev', 'dev'], ['test', 'test'], ['none', 'none yet']], '', (split) => filter({split})),
  source: makeSelect('Source', ANY, '', (source) => filter({source})),
};
const scaleSelect = makeSelect('Scale of the first label', [['binary', 'positive / negative'], ['graded', 'grades 0 to 3']], 'binary',
  (scale) => { shown.chosenScale = scale; showRows(); });
const onlyQuery = makeButton('', () => filter({query: ''}));
const clear = makeButton('Clear filters', () => {
  search.value = '';
  for (const label of Object.values(selects)) label.querySelector('select').value = '';
  filter({text: '', judged: '', state: '', grade: '', annotator: '', split: '', source: '', query: ''});
});
const undo = makeButton('Undo my last judgement', () => step('undo_grade'));
const redo = makeButton('Redo', () => step('redo_grade'));
const tools = make('div', 'rw-data-tools');
tools.append(searchLabel, ...Object.values(selects), nameLabel, scaleSelect);
const moves = make('div', 'rw-data-tools');
moves.append(onlyQuery, clear, undo, redo);
root.append(tools, moves, unsavedLine, notice, trouble, list, deletedPlace);

function filter(changes) {
  Object.assign(wanted, changes, {offset: 0});
  load();
}

function filtersSent() {
  const sent = {offset: wanted.offset};
  for (const [key, value] of Object.entries(wanted)) if (value !== '' && key !== 'offset') sent[key] = value;
  if (wanted.grade !== '') sent.grade = Number(wanted.grade);
  if (wanted.query !== '') sent.query = wanted.query;
  return sent;
}

async function load() {
  const turn = ++shown.turn;
  const hasFilter = Object.entries(wanted).some(([key, value]) => key !== 'offset' && value !== '');
  onlyQuery.hidden = wanted.query === '';
  clear.hidden = !hasFilter;
  if (project() === null) { list.replaceChildren(make('p', 'rw-data-empty', missing())); return; }
  try {
    const page = await ask('browse_pairs', filtersSent());
    if (turn !== shown.turn) return;      // something else was asked for meanwhile
    trouble.tell('');
    shown.page = page;
    shown.scale = page.scale;
    showRows();
    showUnsaved();
    say(count(page.total, 'pair'));
  } catch (error) {
    if (turn === shown.turn) trouble.tell(error.message, true);
  }
}

async function loadChoices() {
  if (project() === null) return;
  try {
    const found = await ask('filter_choices');
    fillSelect(selects.annotator.querySelector('select'), [['', 'anybody'], ...found.annotators.map((one) => [one, one])], wanted.annotator);
    fillSelect(selects.source.querySelector('select'), [...ANY, ...found.sources.map((one) => [one, one])], wanted.source);
    fillSelect(selects.grade.querySelector('select'), [...ANY, ...gradeChoices(found.scale ?? 'graded')], String(wanted.grade));
  } catch { /* the list says what is wrong */ }
}

function scaleNow() { return shown.scale ?? shown.chosenScale; }

function showRows() {
  const {page} = shown;
  if (!page) return;
  const focused = document.activeElement?.dataset?.candidate;
  shown.rows.clear();
  scaleSelect.hidden = shown.scale !== null || !page.total;
  const pager = () => makePager(page, 'pair', (offset) => { wanted.offset = offset; load(); root.scrollIntoView(); });
  if (!page.rows.length) {
    const hasFilter = !clear.hidden;
    const words = hasFilter ? 'No pair fits.' : 'There is nothing to judge in this project yet. Import texts, or find candidates, under Import.';
    list.replaceChildren(make('p', 'rw-data-empty', words));
  } else {
    list.replaceChildren(pager(), makePairs(page.rows), ...(page.total > page.size ? [pager()] : []));
  }
  if (focused) list.querySelector(`select[data-candidate="${focused}"]`)?.focus();
}

const COLUMNS = ['Passage', 'From', 'Judgements', 'Your grade', 'More'];

function makePairs(rows) {
  const table = make('table', 'rw-data-table rw-data-pairs');
  table.append(make('caption', 'rw-hidden', 'Pairs of a query and a passage'));
  const heads = make('tr');
  for (const name of COLUMNS) {
    const cell = make('th', '', name);
    cell.scope = 'col';
    heads.append(cell);
  }
  const top = make('thead');
  top.append(heads);
  table.append(top);
  let body = null;
  let last = null;
  for (const row of rows) {
    if (row.query !== last) {
      body = make('tbody');
      body.append(makeQueryRow(row));
      table.append(body);
      last = row.query;
    }
    body.append(makePairRow(row));
  }
  return table;
}

function makeQueryRow(row) {
  const line = make('tr', 'rw-data-query');
  const cell = make('th');
  cell.colSpan = COLUMNS.length;
  cell.scope = 'colgroup';
  const text = make('span', 'rw-data-query-text');
  text.dir = 'auto';
  fillMarked(text, row.query_text);
  if (row.query_text.is_cut) text.append(' …');
  const words = row.query_text.text;
  cell.append(text);
  if (row.split) cell.append(make('span', 'rw-data-who', row.split));
  if (wanted.query === '') {
    cell.append(makeButton('Only this query', () => {
      onlyQuery.textContent = `Only: ${words.slice(0, 60)} ×`;
      filter({query: row.query});
    }, {label: `Only this query: ${words}`}));
  }
  if (canChange()) {
    cell.append(makeButton('Delete query …', () => askDeletion('query', row.query, words), {label: `Delete query: ${words}`}));
  }
  line.append(cell);
  return line;
}

function makePairRow(row) {
  const line = make('tr');
  const text = make('div', 'rw-data-passage');
  text.dir = 'auto';
  if (row.passage_text.is_begun) text.append('… ');
  fillMarked(text, row.passage_text);
  if (row.passage_text.is_cut) text.append(' …');
  if (!row.passage_text.text) text.append(make('em', '', 'empty'));
  const chips = make('div', 'rw-data-chips');
  const mine = makeGradeSelect(row);
  fillChips(chips, row);
  const from = make('span', '', row.rank ? `${row.source} #${row.rank}` : row.source);
  if (row.scores) from.title = count(row.scores, 'score');
  const words = canChange() ? 'whole text, delete' : 'whole text';
  const more = makeButton('…', () => openMore(row), {label: `More about passage ${row.passage}: ${words}`});
  [text, from, chips, mine, more].forEach((content, index) => {
    const cell = make(index ? 'td' : 'th');
    if (!index) cell.scope = 'row';
    cell.dataset.column = COLUMNS[index];
    cell.append(content);
    line.append(cell);
  });
  shown.rows.set(row.candidate, {row, update: () => { mine.update(); fillChips(chips, row); }});
  return line;
}

function fillChips(place, row) {
  place.replaceChildren(...row.judgements.map((one) => {
    const words = nameState(one, scaleNow());
    const chip = makeButton(`${one.handle}: ${words}`, () => openHistory(row, one), {
      label: `${one.handle}: ${words}. History`, className: 'rw-data-chip',
    });
    const isPositive = one.state === 'graded' && one.grade >= (scaleNow() === 'binary' ? 1 : 2);
    chip.classList.add(isPositive ? 'rw-is-positive' : one.state === 'graded' && one.grade === 0 ? 'rw-is-negative' : 'rw-is-between');
    return chip;
  }));
}

let countsTimer = 0;
function tellCounts() {
  clearTimeout(countsTimer);
  countsTimer = setTimeout(() => document.dispatchEvent(new CustomEvent('rw-counts-changed')), 500);
}

async function step(name) {
  await tried(notice, undo, async () => {
    const answer = await ask(name, {store: storeNow(), annotator: shown.name, client_id: client, seq: shown.seq++});
    const verb = name === 'undo_grade' ? 'Undone' : 'Done again';
    if (answer.status === 'nothing') { notice.tell(`${shown.name} has nothing to ${name === 'undo_grade' ? 'undo' : 'redo'} in this project.`); return; }
    let here = 0;
    for (const change of answer.changes) {
      const place = shown.rows.get(change.candidate);
      if (!place) continue;
      here += 1;
      take(place.row, change);
      place.update();
    }
    const all = answer.changes.length;
    notice.tell(`${verb}: ${count(all, 'judgement')}${here < all ? `, ${here} of them on this page` : ''}.`);
    tellCounts();
  });
}

async function openHistory(row, judgement) {
  const events = make('ol', 'rw-data-events');
  openDialog(`History: ${judgement.handle}`, [events]);
  try {
    const annotator = judgement.annotator ?? (await ask('browse_pairs', {query: row.query})).rows
      .find((one) => one.candidate === row.candidate)?.judgements.find((one) => one.handle === judgement.handle)?.annotator;
    const answer = await ask('judgement_history', {candidate: row.candidate, annotator});
    events.replaceChildren(...answer.events.map(({action, at, before, after}) => {
      const verb = {save: 'judged', undo: 'undone', redo: 'done again', import: 'imported'}[action];
      const was = before ? ` (was ${nameState(before, scaleNow())})` : '';
      return make('li', '', `${formatTime(at)} ${verb}: ${nameState(after ?? {}, scaleNow())}${was}`);
    }));
  } catch (error) {
    events.replaceChildren(make('li', '', error.message));
  }
}

async function openMore(row) {
  const text = make('div', 'rw-data-whole', '…');
  text.dir = 'auto';
  text.tabIndex = 0;
  text.setAttribute('role', 'region');
  text.setAttribute('aria-label', 'Whole text');
  const remove = makeButton('Delete this passage …', () => {
    dialog.close();
    askDeletion('passage', row.passage, row.passage_text.text);
  });
  const dialog = openDialog('Passage', canChange() ? [text, remove] : [text]);
  try {
    text.textContent = (await ask('whole_passage', {passage: row.passage})).text;
  } catch (error) {
    text.textContent = error.message;
  }
}

async function askDeletion(kind, id, words) {
  await tried(notice, null, async () => {
    const counted = await ask('count_deletion', {kind, id});
    const what = make('p', '', words.length > 200 ? `${words.slice(0, 200)} …` : words);
    what.dir = 'auto';
    const goes = make('p', '', `Out of sight with it: ${count(counted.candidates, 'candidate')} and ${count(counted.judgements, 'judgement')}. `
      + 'Nothing is lost: “Restore” below the list brings all of it back.');
    const problem = makeNotice('rw-data-notice');
    const confirmation = makeConfirmation(counted.word, `Delete this ${kind}`, (word, button) => tried(problem, button, async () => {
      await ask('delete_text', {kind, id, word});
      dialog.close();
      deletedPlace.open = true;
      tellChanged();
      notice.tell(`Deleted. ${kind === 'query' ? 'The query' : 'The passage'} can be restored below.`);
    }));
    const dialog = openDialog(`Delete this ${kind}?`, [what, goes, confirmation, problem]);
    confirmation.querySelector('input').focus();
  });
}

async function loadDeleted(offset = 0) {
  if (project() === null) { deletedPlace.hidden = true; return; }
  try {
    const page = await ask('list_deleted', {offset});
    deletedPlace.hidden = !page.total;
    const rows = page.rows.map((row) => {
      const text = make('span', '', row.text);
      text.dir = 'auto';
      const back = makeButton('Restore', (button) => tried(notice, button, async () => {
        await ask('restore_text', {kind: row.kind, id: row.id});
        tellChanged();
        notice.tell(`The ${row.kind} is back, with all judgements.`);
      }), {label: `Restore ${row.kind}: ${row.text}`});
      return [text, row.kind, formatTime(row.at), canChange() ? back : '–'];
    });
    deletedPlace.replaceChildren(make('summary', '', `Deleted: ${count(page.total, 'text')}`),
      makeTable(['Text', 'What', 'When', 'Put back'], rows), makePager(page, 'deleted text', loadDeleted));
  } catch (error) {
    notice.tell(error.message, true);
  }
}

keepFresh((isOther) => {
  if (isOther) {
    Object.assign(wanted, {offset: 0, query: '', annotator: '', source: '', grade: ''});
    shown.page = null;
  }
  shown.name = readName();
  if (document.activeElement !== nameBox) nameBox.value = shown.name;   // else somebody is typing there
  load();
  loadChoices();
  loadDeleted();
});
