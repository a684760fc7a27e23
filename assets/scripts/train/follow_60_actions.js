// What can be done with the chosen job. What cannot be taken back asks first, and says what is lost.
const buttons = {};

function addAction(name, words, act, className = 'rw-small') {
  buttons[name] = makeButton(words, (button) => tried(jobNotice, button, () => act(button)), {className});
  actionsPlace.append(buttons[name]);
}

addAction('compare', 'Compare base and tuned', compareJob, 'rw-small rw-follow-main');
addAction('use', 'Use', useJob, 'rw-small rw-follow-main');
addAction('stop', 'Stop', (button) => act('stop_job', button));
addAction('end', 'End at once …', askToEnd);
addAction('resume', 'Resume', (button) => act('resume_job', button));
addAction('merge', 'Merge', () => act('merge_job'));
addAction('export', 'Export', () => exportJob('adapter'));
addAction('exportMerged', 'Export merged model', () => exportJob('merged'));
addAction('forget', 'Forget …', askToForget);
const useLine = make('p', 'rw-follow-quiet');
const mergeLine = make('p', 'rw-follow-quiet');
actionsPlace.after(useLine, mergeLine);

function showActions(job) {
  const may = state.canChange;
  const hasProduct = may && !job.is_active && job.kind !== '';
  const show = (name, isShown) => setHidden(buttons[name], !isShown);
  show('compare', hasProduct);
  show('use', hasProduct && !job.in_use);
  show('stop', may && job.can_stop);
  show('end', may && job.state === 'stopping');
  show('resume', may && job.can_resume && !job.is_active);
  show('merge', hasProduct && job.kind === 'adapter' && ['', 'failed'].includes(job.merge.state));
  show('export', hasProduct);
  show('exportMerged', hasProduct && job.kind === 'adapter' && job.merge.state === 'done');
  show('forget', may && !job.is_active);
  buttons.use.classList.toggle('rw-follow-main', job.verdict !== 'worse');
  setText(buttons.export, job.kind === 'model' ? 'Export' : 'Export adapter');
  setText(buttons.stop, job.state === 'queued' ? 'Take off the queue' : 'Stop');
  setText(buttons.resume, job.state === 'completed' ? 'Make the report' : 'Resume');
  setHidden(actionsPlace, [...actionsPlace.children].every((button) => button.hidden));
  const words = job.in_use ? `In use as ${job.in_use}: in Compare, Annotate and Data, and on the command line by that name.` : sayUse(job, hasProduct);
  setText(useLine, words);
  setHidden(useLine, !words);
  showMerge(job);
  if (confirmPlace.dataset.job && confirmPlace.dataset.job !== `${job.id} ${job.is_active}`) dropQuestion();
}

function sayUse(job, hasProduct) {
  if (!hasProduct) return '';
  return job.verdict === 'worse'
    ? 'The report says that it is worse than its base, so it is better not used.'
    : '“Use” puts it on the list of models: into Compare, Annotate and Data, and on the command line by its name.';
}

function showMerge({merge}) {
  const words = merge.state === 'running' ? `Merging: ${Math.round(100 * merge.share)} %` : merge.message;
  setText(mergeLine, words);
  setHidden(mergeLine, !words);
  mergeLine.classList.toggle('rw-is-problem', merge.state === 'failed');
}

async function act(name, button, more = {}) {
  const {said} = await ask(name, {id: state.chosen, ...more});
  await refresh();
  jobNotice.tell(said);
  return button;
}

async function useJob() {
  jobNotice.tell('Checking that it fits its base …');
  const {base, name, said} = await ask('use_job', {id: state.chosen}, LONG_ANSWER_WITHIN);
  jobNotice.tell(said);
  trigger('in_use', {base, name});
  await refresh();
}

async function compareJob() {
  if (!chosenJob()?.in_use) jobNotice.tell('Checking that it fits its base …');
  const {base, name, said} = await ask('use_job', {id: state.chosen}, LONG_ANSWER_WITHIN);
  jobNotice.tell(said);
  trigger('compared', {base, name});
  await refresh();
}

async function exportJob(what) {
  jobNotice.tell('Packing …');
  const {path, file} = await ask('export_job', {id: state.chosen, what}, LONG_ANSWER_WITHIN);
  saveServed(path, file);
  jobNotice.tell(`${file} is packed and downloads.`);
}

// A question in the page, answered by one of two buttons.
function askSure(words, yes, go, no) {
  const job = chosenJob();
  const box = make('div', 'rw-follow-confirm');
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', yes);
  const sure = makeButton(yes, (button) => tried(jobNotice, button, async () => { await go(); dropQuestion(); }), {className: 'rw-small rw-follow-danger'});
  box.append(make('p', '', words), sure, ' ', makeButton(no, () => { dropQuestion(); panel.querySelector('button:not([hidden])')?.focus(); }));
  confirmPlace.replaceChildren(box);
  confirmPlace.dataset.job = `${job.id} ${job.is_active}`;
  sure.focus();
}

function dropQuestion() {
  confirmPlace.replaceChildren();
  delete confirmPlace.dataset.job;
}

function askToEnd() {
  askSure('It is saving what it has. Ended at once, it loses what it learnt since its last checkpoint.', 'End at once',
    () => act('stop_job', null, {at_once: true}), 'Wait');
}

async function askToForget() {
  const {goes} = await ask('forget_job', {id: state.chosen});
  const lost = [
    goes.product === 'model' ? 'the trained model' : goes.product ? 'the adapter' : '',
    goes.report ? 'the report' : '', 'figures, checkpoints and log',
  ].filter(Boolean).join(', ');
  const model = goes.name ? ` ${goes.name} goes off the list of models.` : '';
  askSure(`Deleted for good: ${lost} (${formatSize(goes.bytes)}).${model}`, 'Forget it', forgetJob, 'Keep it');
}

async function forgetJob() {
  const {said, name} = await ask('forget_job', {id: state.chosen, is_sure: true}, LONG_ANSWER_WITHIN);
  state.chosen = null;
  await refresh();
  jobNotice.tell(said);
  say(said);
  if (name) trigger('in_use', {base: '', name: ''});
}
