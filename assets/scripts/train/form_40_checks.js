// What may be wrong with the labels of the chosen project, and what mends it.
const FINDINGS = {
  contradiction: 'contradictions', contradicting_twins: 'contradictions between equal texts', leak: 'test passages in training',
  no_positive: 'queries without a positive', no_negative: 'queries without a negative', unclear: 'queries that are not clear',
  empty: 'empty passages', near_duplicates: 'texts that are nearly the same',
};
const MENDS = {
  judge_contradictions_again: 'Judge mine again', judge_twins_again: 'Judge mine again', judge_unclear_again: 'Judge mine again',
  judge_no_positive_again: 'Judge mine again', judge_duplicates_again: 'Judge mine again', move_leaks_to_train: 'Move to train',
  delete_no_positive: 'Delete …', delete_empty: 'Delete …',
};
const checks = make('details', 'rw-train-more');
const checksTitle = make('summary', '', 'The labels');
const checksList = make('div');
checks.append(checksTitle, checksList);
checks.hidden = true;
let checkedProject = null;

// Looks once for each project, and again when labels were changed: it may take seconds where there are many.
async function look() {
  const project = plan?.project ?? null;
  if (project === checkedProject) return;
  checkedProject = project;
  checks.hidden = project === null;
  if (project === null || typeof server.check_labels !== 'function') { checks.hidden = true; return; }
  checksTitle.textContent = 'Looking through the labels …';
  try {
    const found = (await ask('check_labels', {project})).checks;
    if (project !== checkedProject) return;
    checksTitle.textContent = found.length ? `Checks: ${found.map((one) => `${one.count.toLocaleString('en')} ${FINDINGS[one.kind] ?? one.kind}`).join(', ')}` : 'Checks: nothing was found';
    checksList.replaceChildren(...found.map((one) => makeFinding(one, project)));
  } catch (error) {
    checksTitle.textContent = 'The labels could not be looked through';
    checksList.replaceChildren(make('p', '', error.message));
  }
}

function makeFinding(check, project) {
  const place = make('section', 'rw-train-check');
  place.append(make('p', '', `${check.count.toLocaleString('en')} ${FINDINGS[check.kind] ?? check.kind}. ${check.sentence}`));
  for (const fix of check.fixes) {
    const row = make('p', 'rw-train-fix');
    if (fix.can_apply) {
      const words = MENDS[fix.name] ?? fix.name;
      row.append(makeButton(words, (button) => mend(fix, project, row, button), {label: `${words}: ${FINDINGS[check.kind] ?? check.kind}`}), ' ');
    }
    row.append(make('span', '', fix.sentence));
    place.append(row);
  }
  if (check.kind === 'no_negative') {
    const row = make('p', 'rw-train-fix');
    row.append(makeButton('Find candidates', () => trigger('turned', {tab: 'data'})), ' Data, Find candidates ranks passages for these queries, to be judged.');
    place.append(row);
  }
  return place;
}

// What deletes says first how much goes out of sight, and asks.
async function mend(fix, project, row, button, isSure = false) {
  button.disabled = true;
  try {
    const {changed: number, goes} = await ask('fix_check', {project, name: fix.name, annotator: readWorkedOn().annotator, is_sure: isSure});
    if (goes) {
      const parts = Object.entries(goes).filter(([, count]) => count).map(([nouns, count]) => `${count.toLocaleString('en')} ${nouns}`);
      const question = make('p', 'rw-train-fix', `Out of sight would go: ${parts.join(', ')}. Data, Browse can restore them. `);
      question.append(makeButton('Delete', (sure) => mend(fix, project, row, sure, true)), ' ', makeButton('Keep', () => { question.remove(); button.focus(); }));
      row.after(question);
      question.querySelector('button').focus();
      return;
    }
    tell(number ? `Changed: ${number.toLocaleString('en')}.` : `Nothing to change for ${readWorkedOn().annotator}.`);
    document.dispatchEvent(new CustomEvent('rw-data-changed'));
  } catch (error) {
    tell(error.message, true);
  } finally {
    button.disabled = false;
  }
}
