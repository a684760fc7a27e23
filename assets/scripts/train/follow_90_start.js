// Asking: every second or two while a job is at work and somebody looks; not at all otherwise. What is on the screen stays there
// while the app does not answer.
const EVERY = 1500;                       // ms
const AGAIN = [2000, 4000, 8000, 15000];  // ms, after so many failures in a row
const connection = makeNotice('rw-follow-notice');
connection.classList.add('rw-is-problem');
root.append(connection, jobsPlace, panel, reportPlace, figures, eventsPlace, logPlace, commandPlace);
for (const place of [jobsTable, allButton, panel, reportPlace, figures, eventsPlace, logPlace, commandPlace]) place.hidden = true;

let timer = 0;
let turn = 0;
let failures = 0;

function isSeen() { return !document.hidden && root.offsetParent !== null; }

function askAgain() { refresh().catch(() => {}); }

function isWatched(job) { return job.is_active || job.merge.state === 'running'; }

async function refresh() {
  const mine = ++turn;
  clearTimeout(timer);
  const known = Object.fromEntries([...state.curves].map(([id, {token}]) => [id, token]));
  let answer;
  try {
    answer = await ask('follow_jobs', {chosen: state.chosen, drawn: [...state.drawn], known, log: state.isLogOpen, log_token: state.logToken});
  } catch (error) {
    if (mine !== turn) return;
    failures += 1;
    connection.tell(`${error.message} Trainings go on without it; this page asks again by itself.`, true);
    wait(AGAIN[Math.min(failures, AGAIN.length) - 1]);
    return;
  }
  if (mine !== turn) return;   // a later question has a later answer
  failures = 0;
  connection.tell('');
  take(answer);
  if (state.jobs.some(isWatched)) wait(EVERY);
}

function wait(time) {
  clearTimeout(timer);
  if (!element.isConnected) return;
  timer = setTimeout(() => { if (isSeen()) askAgain(); }, time);
}

function take(answer) {
  const before = new Map(state.jobs.map((job) => [job.id, job]));
  const isOther = answer.chosen !== state.chosen;
  Object.assign(state, {jobs: answer.jobs, chosen: answer.chosen, canChange: answer.can_change, command: answer.command ?? ''});
  if (isOther) noteChosen();
  for (const [id, curves] of Object.entries(answer.curves)) state.curves.set(id, curves);
  for (const id of state.curves.keys()) if (id !== state.chosen && !state.drawn.has(id)) state.curves.delete(id);
  if (answer.log) { state.log = answer.log.text; state.logToken = answer.log.token; }
  tellChanges(before);
  showJobs();
  showJob();
  showLog();
  drawFigures();
  loadReport();
}

// What changed of any job is said aloud; the frame is told which have ended.
function tellChanges(before) {
  const said = [];
  for (const job of state.jobs) {
    const old = before.get(job.id);
    if (!old || old.state === job.state) { if (!old && job.id === state.chosen) openLogOfFailed(job); continue; }
    said.push(`${job.name}: ${STATE_WORDS[job.state] ?? job.state}. ${job.headline}`.trim());
    if (job.id === state.chosen) { openLogOfFailed(job); jobNotice.tell(''); }   // what was said was of the state before
    if (old.is_active && !job.is_active) {
      trigger('ended', {id: job.id});
      document.dispatchEvent(new CustomEvent('rw-jobs-changed'));
    }
  }
  if (said.length) say(said.join(' '));
}

function chooseJob(id) {
  if (id === state.chosen) return;
  state.drawn.delete(id);
  state.chosen = id;
  noteChosen();
  showJobs();
  askAgain();
}

// Another job's log, report and questions do not stay; its id goes into the address, so that a reload comes back to it.
function noteChosen() {
  Object.assign(state, {log: '', logToken: null, isLogOpen: false, reportOf: ''});
  logText.textContent = '';
  logPlace.open = false;
  reportPlace.hidden = true;
  jobNotice.tell('');
  dropQuestion();
  for (const chart of charts) chart.at = null;
  const address = new URL(location);
  if (state.chosen) address.searchParams.set('job', state.chosen); else address.searchParams.delete('job');
  history.replaceState(history.state, '', address);
  if (state.chosen) trigger('selected', {id: state.chosen});
}

// Looked at again: after another tab of the page or of the browser, after sleep.
let wasSeen = false;
function wake() {
  const seen = isSeen();
  if (seen && !wasSeen) askAgain();
  wasSeen = seen;
}
let width = 0;
new ResizeObserver(() => {
  wake();
  if (root.clientWidth && root.clientWidth !== width) { width = root.clientWidth; drawFigures(); }
}).observe(root);
const onSight = () => {
  if (!element.isConnected) { document.removeEventListener('visibilitychange', onSight); window.removeEventListener('online', onSight); return; }
  wasSeen = false;
  wake();
};
document.addEventListener('visibilitychange', onSight);
window.addEventListener('online', onSight);

watch('value', () => {
  const job = props.value?.job;
  if (job && job !== state.chosen) { state.chosen = job; noteChosen(); }
  askAgain();
});
root.classList.add('rw-is-there');   // an empty view has a height too, so that its coming is noticed
state.chosen = props.value?.job || new URL(location).searchParams.get('job') || null;
wake();
