// The tour: a strip of four steps that ticks itself off from what the server finds. Texts go in with textContent only.
const root = element.querySelector('.rw-tour');
const spoken = element.querySelector('.rw-spoken');
const KEPT = 'reranker-workbench:tour';            // 'open' or 'closed'
const WORKED_ON = 'reranker-workbench:annotate';   // the project that Annotate, Data and Train show first
const ASKED_EVERY = 4000;   // ms, while a job is active
let state = null;
let isBusy = false;
let problem = '';

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeButton(words, act, className = 'rw-tour-button') {
  const button = make('button', className, words);
  button.type = 'button';
  button.disabled = isBusy;
  button.addEventListener('click', act);
  return button;
}

function readStore(key) { try { return localStorage.getItem(key); } catch { return null; } }
function writeStore(key, text) { try { localStorage.setItem(key, text); } catch { /* keeps nothing */ } }

async function ask(name) {
  const answer = await Promise.resolve(server[name]({})).catch(() => null);
  if (!answer || typeof answer !== 'object') throw new Error('The server does not answer. Try again.');
  if (answer.error) throw new Error(answer.error);
  return answer;
}

// Runs what a button does, once at a time; what goes wrong stands under the steps.
async function tried(act) {
  if (isBusy) return;
  isBusy = true;
  problem = '';
  show();
  try {
    await act();
  } catch (error) {
    problem = error.message;
  } finally {
    isBusy = false;
    show();
  }
}

function begin() {
  return tried(async () => {
    spoken.textContent = 'Loading the tour.';
    state = await ask('begin_tour');
    writeStore(KEPT, 'open');
    workOnTour();
    spoken.textContent = 'The tour is loaded.';
  });
}

// Annotate, Data and Train begin with this project from now on.
function workOnTour() {
  let kept = {};
  try { kept = JSON.parse(readStore(WORKED_ON)) ?? {}; } catch { /* begins anew */ }
  writeStore(WORKED_ON, JSON.stringify({...kept, project: state.project}));
  document.dispatchEvent(new CustomEvent('rw-data-changed'));
}

function compare() {
  return tried(async () => {
    const {request} = await ask('tour_comparison');
    trigger('turned', {tab: 'compare'});
    location.hash = `#c=${await packLink(request)}`;
    writeStore(`${KEPT}-compared`, 'yes');
  });
}

function label() {
  const next = state.questions.find((question) => !question.is_judged) ?? state.questions[0];
  trigger('judge', {project: state.project, query: next.id});
}

function train() {
  workOnTour();
  trigger('turned', {tab: 'train'});
  const detail = {labels: `project:${state.project}`, base: state.base, preset: state.preset, typed: state.typed};
  // A form that was never open is not there yet to hear it: it begins with what is kept under this name.
  let kept = {};
  try { kept = JSON.parse(readStore('reranker-workbench:train')) ?? {}; } catch { /* begins anew */ }
  writeStore('reranker-workbench:train', JSON.stringify({...kept, ...detail}));
  document.dispatchEvent(new CustomEvent('rw-train-on', {detail}));
}

function report() { trigger('reported', {job: state.job.id}); }

function listSteps() {
  const judged = state.questions.filter((question) => question.is_judged).length;
  const job = state.job;
  return [
    {title: 'Compare', act: compare, button: 'Compare', isDone: readStore(`${KEPT}-compared`) === 'yes',
      text: 'Is there vegetarian food on board? BM25 and the starter model put a withdrawn page first; the answer speaks of the Larder.'},
    {title: 'Label', act: label, button: 'Label', isDone: judged === state.questions.length,
      text: `${judged} of ${state.questions.length} open questions have their answer. Press a for the one that answers, x for the other.`},
    {title: 'Train', act: state.can_train ? train : null, button: 'To the training', isDone: Boolean(job && !job.is_active && job.state === 'completed'),
      text: job && !job.has_report ? job.message : 'The form is filled in: starter-encoder, on all labels of the tour. Press Start training.'},
    {title: 'Before and after', act: job?.has_report ? report : null, button: 'See the report', isDone: Boolean(job?.headline),
      text: job?.headline || 'Base and tuned model on questions that neither has seen: better, worse, or cannot tell.'},
  ];
}

function showSteps() {
  const list = make('ol', 'rw-tour-steps');
  const steps = listSteps();
  const current = steps.findIndex((step) => !step.isDone);
  steps.forEach((step, place) => {
    const item = make('li', step.isDone ? 'rw-tour-step rw-is-done' : 'rw-tour-step');
    if (place === current) item.setAttribute('aria-current', 'step');
    const title = make('h3', '', step.title);
    if (step.isDone) title.append(make('span', 'rw-tour-tick', ' ✓'), make('span', 'rw-hidden', ' done'));
    item.append(title, make('p', '', step.text));
    if (step.act) item.append(makeButton(step.button, step.act, place === current ? 'rw-tour-button rw-is-next' : 'rw-tour-button'));
    list.append(item);
  });
  return list;
}

function show() {
  const focused = root.contains(document.activeElement) ? document.activeElement.textContent : null;
  const isClosed = readStore(KEPT) === 'closed';
  const parts = [];
  if (isClosed) {
    parts.push(makeButton('Tour', () => { writeStore(KEPT, 'open'); show(); load(); }));
  } else {
    const head = make('div', 'rw-tour-head');
    const words = 'The help pages of an invented railway, 206 questions with labels: compare, label a few, train, see what it was worth.';
    head.append(make('h2', '', 'Tour'), make('p', '', words));
    if (!state?.project) head.append(makeButton(isBusy ? 'Loading …' : 'Begin the tour', begin, 'rw-tour-button rw-is-next'));
    head.append(makeButton('Put away', () => { writeStore(KEPT, 'closed'); show(); }));
    parts.push(head);
    if (state?.project) parts.push(showSteps());
    if (problem) {
      const notice = make('p', 'rw-tour-problem', problem);
      notice.setAttribute('role', 'alert');
      parts.push(notice);
    }
  }
  root.classList.toggle('rw-is-closed', isClosed);
  root.replaceChildren(...parts);
  if (focused) [...root.querySelectorAll('button')].find((button) => button.textContent === focused)?.focus({preventScroll: true});
}

let asking = 0;
async function load() {
  const mine = ++asking;
  try {
    const found = await ask('tour_state');
    if (mine !== asking || isBusy) return;
    if (JSON.stringify(found) === JSON.stringify(state) && root.childElementCount && !problem) return;
    state = found;
    problem = '';
  } catch (error) {
    if (mine !== asking) return;
    problem = error.message;
  }
  show();
}

// Asks when it comes on the screen, when labels were changed elsewhere, and again and again while a job is active.
let isShown = false;
const looking = new ResizeObserver(() => {
  const isThere = root.offsetParent !== null;
  if (isThere && !isShown) load();
  isShown = isThere;
});
looking.observe(root);
const onChanged = () => { if (isShown) load(); };
for (const name of ['rw-data-changed', 'rw-jobs-changed', 'rw-counts-changed']) document.addEventListener(name, onChanged);
// Keys are quick: it is asked once they rest.
let resting;
const onSaved = () => {
  clearTimeout(resting);
  if (state?.project) resting = setTimeout(onChanged, 500);
};
document.addEventListener('rw-label-saved', onSaved);
const clock = setInterval(() => {
  if (element.isConnected) {
    if (isShown && state?.job?.is_active && !document.hidden) load();
    return;
  }
  clearInterval(clock);
  looking.disconnect();
  document.removeEventListener('rw-label-saved', onSaved);
  for (const name of ['rw-data-changed', 'rw-jobs-changed', 'rw-counts-changed']) document.removeEventListener(name, onChanged);
}, ASKED_EVERY);
show();
