// The chosen job: how it stands, how far it is, what a person should know, and what it says.
const panel = make('section', 'rw-panel rw-follow-job');
panel.setAttribute('aria-label', 'The chosen job');
const jobName = make('h2', '');
const jobBadge = make('span', 'rw-follow-badge');
const jobHead = make('div', 'rw-follow-head');
jobHead.append(jobName, jobBadge);
const jobMessage = make('p', 'rw-follow-message');
const jobFacts = make('p', 'rw-follow-quiet');
const progressPlace = make('div', 'rw-follow-progress');
const progress = make('progress', '');
progress.setAttribute('aria-label', 'Steps of training');
const progressWords = make('span', '');
progressPlace.append(progress, progressWords);
const jobNotice = makeNotice('rw-follow-notice');
const actionsPlace = make('div', 'rw-follow-actions');
const confirmPlace = make('div', '');
panel.append(jobHead, jobMessage, progressPlace, jobFacts, actionsPlace, confirmPlace, jobNotice);

const eventsPlace = make('section', 'rw-follow-events');
eventsPlace.setAttribute('aria-label', 'What a person should know');

const logPlace = make('details', 'rw-follow-more');
const logText = make('pre', 'rw-follow-log');
logText.tabIndex = 0;
logText.setAttribute('role', 'region');
logText.setAttribute('aria-label', 'The last lines of the log');
logPlace.append(make('summary', '', 'Log'), logText);
logPlace.addEventListener('toggle', () => {
  if (state.isLogOpen === logPlace.open) return;
  state.isLogOpen = logPlace.open;
  if (logPlace.open) askAgain();
});

const commandPlace = make('details', 'rw-follow-more');
const commandText = make('pre', 'rw-follow-command');
commandText.tabIndex = 0;
commandText.setAttribute('role', 'region');
commandText.setAttribute('aria-label', 'The command that trains the same');
const commandCopy = makeButton('Copy command', (button) => copyText(state.command, button));
const folderLine = make('p', 'rw-follow-quiet');
commandPlace.append(make('summary', '', 'Command and folder'), commandText, commandCopy, folderLine);

function showJob() {
  const job = chosenJob();
  for (const place of [panel, figures, commandPlace, logPlace, eventsPlace]) setHidden(place, !job);
  if (!job) return;
  setText(jobName, job.name);
  setText(jobBadge, STATE_WORDS[job.state] ?? job.state);
  jobBadge.className = `rw-follow-badge rw-job-${job.state}`;
  setText(jobMessage, job.message);
  jobMessage.classList.toggle('rw-is-problem', job.state === 'failed' || job.state === 'lost');
  setText(jobFacts, [job.base, job.data, job.device, job.attempt > 1 ? `attempt ${job.attempt}` : '', sayTimes(job)].filter(Boolean).join(' · '));
  showProgress(job);
  showEvents();
  showActions(job);
  setText(commandText, state.command);
  setHidden(commandPlace, !state.command);
  setHidden(folderLine, !job.folder);
  setText(folderLine, job.folder ? `Everything of this job lies in ${job.folder}` : '');
}

function sayTimes(job) {
  if (job.ended_at && job.started_at) {
    const seconds = (new Date(job.ended_at) - new Date(job.started_at)) / 1000;
    return `ended ${formatTime(job.ended_at)}${seconds > 0 ? ` after ${formatDuration(seconds)}` : ''}`;
  }
  return job.started_at ? `started ${formatTime(job.started_at)}` : job.created_at ? `made ${formatTime(job.created_at)}` : '';
}

function showProgress(job) {
  const isKnown = job.total > 0;
  setHidden(progressPlace, job.state === 'queued' || job.state === 'completed' || (!job.is_active && !isKnown));
  if (isKnown) { progress.max = job.total; progress.value = Math.min(job.step, job.total); } else progress.removeAttribute('value');
  const parts = [isKnown ? `step ${job.step.toLocaleString('en')} of ${job.total.toLocaleString('en')}` : ''];
  if (job.is_active) parts.push(STAGE_WORDS[job.stage] ?? '');
  if (job.is_active && job.state !== 'stopping' && typeof job.seconds_left === 'number') parts.push(`about ${formatDuration(job.seconds_left)} left`);
  setText(progressWords, parts.filter(Boolean).join(' · '));
}

function showEvents() {
  const events = (state.curves.get(state.chosen)?.events ?? []).filter(({message}) => message);
  const key = `${state.chosen} ${JSON.stringify(events)}`;
  setHidden(eventsPlace, events.length === 0);
  if (eventsPlace.dataset.key === key) return;
  eventsPlace.dataset.key = key;
  eventsPlace.replaceChildren(...events.map(({step, event, message}) => (
    make('p', `rw-follow-event${event === 'resumed' || event === 'anew' ? '' : ' rw-is-warning'}`, `Step ${step.toLocaleString('en')}: ${message}`))));
}

// The log follows its end, unless the person has scrolled away from it.
function showLog() {
  const isAtEnd = logText.scrollTop + logText.clientHeight >= logText.scrollHeight - 30 || !logText.textContent;
  setText(logText, state.log || 'Nothing was said yet.');
  if (isAtEnd) logText.scrollTop = logText.scrollHeight;
}

// Where it failed, the last lines are what a person needs next.
function openLogOfFailed(job) {
  if ((job.state !== 'failed' && job.state !== 'lost') || logPlace.open) return;
  logPlace.open = true;   // and so the log is asked for
}
