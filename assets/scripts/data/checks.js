// What may be wrong with the labels, with examples, and what can be done about it.
const KEPT = 'reranker-workbench:annotate';
const TITLES = {
  contradiction: 'Contradictions', contradicting_twins: 'Contradictions between equal texts', leak: 'Test passages in training',
  no_positive: 'Queries without a positive', no_negative: 'Queries without a negative', unclear: 'Queries that are not clear',
  empty: 'Empty passages', near_duplicates: 'Texts that are nearly the same',
};
const FIXES = {
  judge_contradictions_again: 'Judge mine again', judge_twins_again: 'Judge mine again', judge_unclear_again: 'Judge mine again',
  delete_empty: 'Delete them',
};
const notice = makeNotice();
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
    if (fix.can_apply) {
      const words = FIXES[fix.name] ?? fix.name;
      line.append(makeButton(words, (button) => tried(notice, button, async () => {
        const {changed} = await ask('fix_check', {name: fix.name, annotator: myName()});
        await load();
        const what = fix.name === 'delete_empty' ? count(changed, 'passage') : `${count(changed, 'judgement')} of ${myName()}`;
        notice.tell(changed ? `Changed: ${what}. ${fix.name === 'delete_empty' ? 'They can be restored under Browse.' : 'Undo under Browse takes it back.'}`
          : `Nothing to change for ${myName()}.`);
        tellChanged();
      }), {label: `${words}: ${TITLES[check.kind] ?? check.kind}`}));
    }
    line.append(make('span', '', fix.sentence));
    box.append(line);
  }
  box.append(makeExamples(check));
  return box;
}

async function load() {
  if (project() === null) { list.replaceChildren(make('p', 'rw-data-empty', 'No project is chosen.')); return; }
  await tried(notice, run, async () => {
    const {checks} = await ask('check_labels');
    list.replaceChildren(...(checks.length ? checks.map(makeCheck) : [make('p', 'rw-data-empty', 'Nothing was found.')]));
    say(checks.length ? count(checks.length, 'check') + ' found something' : 'Nothing was found');
  });
}

// Another project's findings do not stay; they are looked for when they are asked for.
keepFresh((isOther) => { if (isOther) { list.replaceChildren(); notice.tell(''); load(); } });
