// The list of jobs: one is chosen, the curves of others can be drawn over its own.
const SHOWN = 6;   // jobs, until all are asked for
const jobsPlace = make('section', 'rw-follow-jobs');
jobsPlace.setAttribute('aria-label', 'Jobs');
const jobsNone = make('p', 'rw-follow-empty', 'No training yet. Choose labels on this screen and press “Start training”; what it does shows here.');
const HEADS = ['Job', 'State', 'Result', 'Base', 'Labels', 'Started', 'Curves'];
const jobsTable = makeTable(HEADS, [], {className: 'rw-follow-list'});
const jobsBody = jobsTable.querySelector('tbody');
const allButton = makeButton('', () => { state.isAll = !state.isAll; showJobs(); }, {className: 'rw-link'});
jobsPlace.append(jobsNone, jobsTable, allButton);
const rows = new Map();   // id → {row, update}

function makeBadge(stateName) { return make('span', `rw-follow-badge rw-job-${stateName}`, STATE_WORDS[stateName] ?? stateName); }

function makeJobRow(job) {
  const row = make('tr');
  const choose = makeButton('', () => chooseJob(job.id), {className: 'rw-link rw-follow-name'});
  const badge = makeBadge(job.state);
  const draw = make('input');
  draw.type = 'checkbox';
  draw.addEventListener('change', () => {
    if (draw.checked) state.drawn.add(job.id); else state.drawn.delete(job.id);
    askAgain();
  });
  const texts = ['', '', '', '', ''].map(() => make('span', ''));
  const [result, base, data, when] = texts;
  [choose, badge, result, base, data, when, draw].forEach((content, index) => {
    const cell = make(index ? 'td' : 'th');
    if (!index) cell.scope = 'row';
    cell.dataset.column = HEADS[index];
    cell.append(content);
    row.append(cell);
  });
  const update = (now) => {
    setText(choose, now.name);
    const isChosen = now.id === state.chosen;
    row.classList.toggle('rw-is-chosen', isChosen);
    if (isChosen) choose.setAttribute('aria-current', 'true'); else choose.removeAttribute('aria-current');
    setText(badge, STATE_WORDS[now.state] ?? now.state);
    badge.className = `rw-follow-badge rw-job-${now.state}`;
    setText(result, sayResult(now));
    setText(base, now.base);
    setText(data, now.data);
    setText(when, formatTime(now.created_at));
    const isDrawn = isChosen || state.drawn.has(now.id);
    if (draw.checked !== isDrawn) draw.checked = isDrawn;
    draw.disabled = isChosen;
    draw.setAttribute('aria-label', `Draw the curves of ${now.name}`);
  };
  return {row, update};
}

function sayResult(job) {
  if (job.headline) return job.headline;
  if (job.is_active && job.total && job.state !== 'queued') return `step ${job.step.toLocaleString('en')} of ${job.total.toLocaleString('en')}`;
  return job.waits_for ? `waits for ${nameOf(job.waits_for)}` : '–';
}

function showJobs() {
  const ids = new Set(state.jobs.map(({id}) => id));
  for (const [id, {row}] of rows) if (!ids.has(id)) { row.remove(); rows.delete(id); state.drawn.delete(id); }
  const shown = state.jobs.filter((job, index) => state.isAll || index < SHOWN || job.is_active || job.id === state.chosen);
  shown.forEach((job, index) => {
    if (!rows.has(job.id)) rows.set(job.id, makeJobRow(job));
    const {row, update} = rows.get(job.id);
    if (jobsBody.children[index] !== row) jobsBody.insertBefore(row, jobsBody.children[index] ?? null);
    update(job);
  });
  while (jobsBody.children.length > shown.length) jobsBody.lastElementChild.remove();
  setHidden(jobsNone, state.jobs.length > 0);
  setHidden(jobsTable, state.jobs.length === 0);
  setHidden(allButton, state.jobs.length <= SHOWN);
  setText(allButton, state.isAll ? `Show the newest ${SHOWN}` : `Show all ${state.jobs.length} jobs`);
}
