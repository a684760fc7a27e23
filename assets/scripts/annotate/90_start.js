// Puts it together: what the page is given, opening a project, showing what changed, counting.

function showChanged() {
  if (!page.project) return;
  if (page.view === 'list' && current()) showList();
  else showPassage();
  showQueryText();
  showButtons();
  showSide();
  showUndecided();
  showNotice();
  showCounts();
  showSaved();
}

function showAll() {
  if (!page.project) return;
  if (!view.saved) {
    const main = buildFocus();
    view.frame = make('div', 'rw-label-frame');
    view.frame.append(main, buildSide());
  }
  if (root.firstChild !== view.frame) root.replaceChildren(view.frame);
  view.frame.dataset.view = page.view;
  showChanged();
}

// Without a project: what to do, and a way to try it.
function showNoProject() {
  page.project = null;
  const panel = make('section', 'rw-panel rw-label-start');
  panel.append(
    make('h2', '', 'Label which passages answer which query'),
    make('p', '', 'One key a judgement, saved at once. Labels of your own train a model and measure it.'),
    makeButton('rw-label-grade rw-label-primary', 'Try it with the example', (button) => {
      button.disabled = true;
      trigger('sample', {});
    }),
    make('p', 'rw-label-small', 'Or make a project above, send a comparison here from Compare, or import queries and passages '
      + 'in Data.'),
  );
  root.replaceChildren(panel);
}

function midnight() { return Math.floor(new Date().setHours(0, 0, 0, 0) / 1000); }

async function openPage(settings) {
  const turn = ++page.turn;
  page.settings = settings;
  page.query = null;
  if (page.project) wait('Opening …');
  else root.replaceChildren(make('p', 'rw-panel rw-label-small', 'Opening …'));
  await adopting;
  await Promise.race([flushed(), new Promise((resolve) => { setTimeout(resolve, FLUSHED_WITHIN); })]);
  for (let tries = 0; turn === page.turn && element.isConnected; tries += 1) {
    try {
      const answer = await ask('open_page', {...settings, midnight: midnight()});
      if (turn !== page.turn) return;
      take(answer);
      return;
    } catch (error) {
      if (turn !== page.turn) return;
      root.replaceChildren(make('p', 'rw-panel rw-message', error.message + (error.again ? ' It is tried again.' : '')));
      if (!error.again) return;
      await new Promise((resolve) => { setTimeout(resolve, Math.min(LONGEST_WAIT, 2 ** tries) * 1000); });
    }
  }
}

function take({store: opened, project, scale, guideline, query, following, counters, steps: open}) {
  if (page.project?.id !== project.id || page.annotator !== page.settings.annotator) {
    steps.length = 0;
    undone.length = 0;
  }
  if (!outbox.waiting.length) page.steps = open;
  Object.assign(newest, open);
  visited.clear();
  known.clear();
  Object.assign(page, {project, scale, guideline, counters, query: null, annotator: page.settings.annotator});
  takeStore(opened);
  if (!query) {
    page.message = '';
    showEmptyOrEnd(counters);
    return;
  }
  showQuery(takeIn(query), undefined, {after: query.id, query: following, promise: Promise.resolve()});
  loadReaders();
}

function showEmptyOrEnd(counters) {
  showEnd(null);
  if (counters.candidates) return;
  page.message = 'This project has no passages to judge yet. Send a comparison here from Compare, or import queries and '
    + 'passages in Data.';
  showAll();
}

// Counts again once something was saved and nothing is under way.
async function countAgain() {
  if (!page.project || !page.savedSince || outbox.waiting.length || outbox.isSending || root.offsetParent === null) return;
  const {project, annotator} = page.settings;
  page.savedSince = 0;
  try {
    const answer = await ask('count_all', {project, annotator, midnight: midnight()});
    if (page.settings.project !== project || page.settings.annotator !== annotator) return;
    page.counters = answer.counters;
    if (!outbox.waiting.length && !outbox.isSending) page.steps = answer.steps;
    if (answer.scale && answer.scale !== page.scale) {
      page.scale = answer.scale;
      view.list = null;
      showAll();
    }
    showCounts();
    showButtons();
  } catch { /* the next look shows them */ }
}

const counting = setInterval(() => {
  if (element.isConnected) countAgain();
  else clearInterval(counting);
}, COUNT_EVERY);

// What gradio's widgets say: project and name. Order, depth and view are this browser's.
function follow() {
  const {project, annotator, query} = props.value ?? {};
  if (project === undefined) return;   // not asked for yet
  const isSame = page.project?.id === project && page.annotator === annotator;
  if (isSame && !query && !page.isAtEnd) return;   // at the end there may be something new
  if (!project) {
    showNoProject();
    return;
  }
  keep({project, annotator});
  const kept = readKept(KEPT);
  page.view = kept.view === 'list' ? 'list' : 'focus';
  useKeys(kept.keys !== false);
  page.chosenScale = kept.scale === 'graded' ? 'graded' : 'binary';
  openPage({
    project,
    annotator,
    order: ORDERS.some(([order]) => order === kept.order) ? kept.order : 'shuffled',
    depth: Number.isInteger(kept.depth) && kept.depth > 0 ? kept.depth : null,
    include_imported: kept.include_imported === true,
  }).then(() => {
    if (query && page.project?.id === project) {
      visited.delete(query);   // it may have got new passages
      goTo(query);
    }
  });
}

watch('value', follow);
const adopting = adoptUnsent();
const {project: lastProject = null, annotator: lastAnnotator = null, query: sentQuery = null} = readKept(KEPT);
keep({query: null});   // Compare left it there for this once
trigger('arrived', {project: lastProject, annotator: lastAnnotator, query: sentQuery});
