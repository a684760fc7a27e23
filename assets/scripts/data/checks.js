// What may be wrong with the labels, with examples, and what can be done about it.
const KEPT = 'reranker-workbench:annotate';
const TITLES = {
  contradiction: 'Contradictions', contradicting_twins: 'Contradictions between equal texts', leak: 'Test passages in training',
  no_positive: 'Queries without a positive', no_negative: 'Queries without a negative', unclear: 'Queries that are not clear',
  empty: 'Empty passages', near_duplicates: 'Texts that are nearly the same',
};
const FIXES = {
  judge_contradictions_again: 'Judge mine again', judge_twins_again: 'Judge mine again', judge_unclear_again: 'Judge mine again',
  judge_no_positive_again: 'Judge mine again', judge_duplicates_again: 'Judge mine again', move_leaks_to_train: 'Move to train',
  delete_no_positive: 'Delete …', delete_empty: 'Delete …',
};
const ONE = {queries: 'query', passages: 'passage', candidates: 'candidate', judgements: 'judgement'};
const notice = makeNotice('rw-data-notice');
const run = makeButton('Run the checks', () => load());
const list = make('div', 'rw-data-checks');
root.append(run, notice, list);

function myName() {
  try {
    const name = JSON.parse(localStorage.getItem(KEPT))?.annotator;
    return typeof name === 'string' && name.trim() ? name : 'me';
  } catch { return 'me'; }
}

function makeExamples(check) {
  const details = make('details', 'rw-data-more');
  const more = check.count > check.rows.length ? `, the first ${check.rows.length}` : '';
  details.append(make('summary', '', `Examples${more}`));
  details.append(makeTable(['Query', 'Passage', 'About'], check.rows.map((row) => [stack(row.queries), stack(row.passages), row.note || '–'])));
  return details;
}

function stack(texts) {
  const place = make('div');
  if (!texts.length) place.append('–');
  for (const text of texts) {
    const line = make('div', '', text || '(empty)');
    line.dir = 'auto';
    place.append(line);
  }
  return place;
}

function makeCheck(check) {
  const box = make('section', 'rw-data-check');
  box.append(make('h2', '', `${TITLES[check.kind] ?? check.kind}: ${check.count.toLocaleString('en')}`), make('p', '', check.sentence));
  for (const fix of check.fixes) {
    const line = make('p', 'rw-data-fix');
    if (fix.can_apply && canChange()) {
      const words = FIXES[fix.name] ?? fix.name;
      line.append(makeButton(words, (button) => tried(notice, button, () => apply(fix, line)),
        {label: `${words}: ${TITLES[check.kind] ?? check.kind}`}));
    }
    line.append(make('span', '', fix.sentence));
    box.append(line);
  }
  box.append(makeExamples(check));
  return box;
}

// What deletes says first how much goes out of sight, and asks.
async function apply(fix, line, isSure = false) {
  const {changed, goes} = await ask('fix_check', {name: fix.name, annotator: myName(), is_sure: isSure});
  if (goes) {
    const parts = Object.entries(goes).filter(([, number]) => number).map(([nouns, number]) => count(number, ONE[nouns] ?? nouns, nouns));
    const question = make('p', 'rw-data-fix', `Out of sight would go: ${parts.join(', ')}. Browse can restore them. `);
    question.append(makeButton('Delete', (button) => tried(notice, button, () => apply(fix, line, true))), ' ',
      makeButton('Keep', () => { question.remove(); line.querySelector('button')?.focus(); }));
    line.after(question);
    question.firstElementChild.focus();
    return;
  }
  await load();
  const back = fix.deletes ? 'They can be restored under Browse.'
    : fix.name.startsWith('judge') ? 'Undo under Browse takes it back.' : 'A copy is under Backups if several moved.';
  notice.tell(changed ? `Changed: ${changed.toLocaleString('en')}. ${back}` : `Nothing to change for ${myName()}.`);
  tellChanged();
}

async function load() {
  if (project() === null) { list.replaceChildren(make('p', 'rw-data-empty', missing())); return; }
  await tried(notice, run, async () => {
    const {checks} = await ask('check_labels');
    list.replaceChildren(...(checks.length ? checks.map(makeCheck) : [make('p', 'rw-data-empty', 'Nothing was found.')]));
    say(checks.length ? count(checks.length, 'check') + ' found something' : 'Nothing was found');
  });
}

// Another project's findings do not stay; they are looked for when they are asked for.
keepFresh((isOther) => { if (isOther) { list.replaceChildren(); notice.tell(''); load(); } });
