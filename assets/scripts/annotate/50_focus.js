// The focus view: guideline, query, one passage, the buttons. Built once; what changes is written into it.
const view = {};     // the nodes that change

function buildFocus() {
  const panel = make('section', 'rw-panel rw-label-main');
  panel.setAttribute('aria-label', 'Passage to judge');
  const top = make('div', 'rw-label-top');
  view.guideline = make('p', 'rw-label-guideline');
  view.guideline.dir = 'auto';
  view.editGuideline = makeButton('rw-link', 'edit guideline', editGuideline);
  view.editGuideline.hidden = root.dataset.mayChange !== 'yes';   // the server refuses it too
  view.saved = make('div', 'rw-label-saved');
  top.append(view.guideline, view.editGuideline, view.saved);
  view.sticky = make('div', 'rw-label-query');
  view.queryText = make('h2', 'rw-label-query-text');
  view.queryText.dir = 'auto';
  view.sticky.append(view.queryText);
  view.undecided = make('div', 'rw-label-undecided');
  view.body = make('div', 'rw-label-body');
  view.body.tabIndex = -1;   // takes the focus from a button that goes
  view.grades = make('div', 'rw-label-grades');
  view.grades.setAttribute('role', 'group');
  view.grades.setAttribute('aria-label', 'Judge this passage');
  view.hint = make('p', 'rw-label-hint');
  view.notice = make('p', 'rw-label-notice');
  view.bar = make('div', 'rw-label-bar');
  view.bar.setAttribute('role', 'progressbar');
  view.bar.setAttribute('aria-label', 'Judged in this project');
  view.bar.append(make('i'));
  view.counts = make('p', 'rw-label-counts');
  panel.append(top, view.sticky, view.undecided, view.body, view.grades, view.notice, view.hint, view.bar, view.counts,
    makeMoves());
  buildPassage();
  return panel;
}

function buildPassage() {
  view.passage = make('article', 'rw-label-passage');
  view.passage.setAttribute('aria-label', 'Passage');
  view.place = make('p', 'rw-label-place');
  view.text = make('div', 'rw-label-text');
  view.text.dir = 'auto';
  view.whole = makeButton('rw-link', '', toggleWhole, 'Space');
  view.scores = make('p', 'rw-label-scores');
  view.passage.append(view.place, view.text, view.whole, view.scores);
  view.message = make('div', 'rw-label-message');
}

function makeMoves() {
  const row = make('div', 'rw-label-moves');
  view.reveal = makeButton('rw-label-quiet', 'Reveal scores', reveal, 'R');
  row.append(
    makeButton('rw-label-quiet', 'Previous', () => move(-1), 'K'),
    makeButton('rw-label-quiet', 'Next', () => move(1), 'J'),
    makeButton('rw-label-quiet', 'Next query', moveOn, 'N'),
    view.reveal,
    makeButton('rw-label-quiet', 'History', showHistory),
    makeButton('rw-label-quiet', 'All keys', showKeys, '?'),
  );
  return row;
}

// The buttons of the scale that is in use.
function fillGrades() {
  const scale = scaleNow();
  if (view.grades.dataset.scale === scale) return;
  view.grades.dataset.scale = scale;
  const grade = (className, text, value, key) => {
    const button = makeButton(`rw-label-grade ${className}`, text, () => judge('graded', value), key);
    button.dataset.grade = value;
    return button;
  };
  const grades = scale === 'binary'
    ? [grade('rw-yes', 'Positive', 1, 'A'), grade('rw-no', 'Negative', 0, 'X')]
    : MEANINGS.map((meaning, value) => {
      const button = grade(value > 1 ? 'rw-yes' : value ? 'rw-half' : 'rw-no', '', value, String(value));
      button.firstChild.append(make('b', '', String(value)), ' ', make('small', '', meaning));
      return button;
    });
  const state = (text, name, key) => {
    const button = makeButton('rw-label-grade', text, () => judge(name), key);
    button.dataset.state = name;
    return button;
  };
  view.grades.replaceChildren(
    ...grades,
    state('Skip', 'skipped', 'S'),
    state("Can't tell", 'cant_tell', 'D'),
    state('Later', 'later', 'F'),
    view.undo = makeButton('rw-label-grade rw-label-step', 'Undo', () => takeBack('undo'), 'U'),
    view.redo = makeButton('rw-label-grade rw-label-step', 'Redo', () => takeBack('redo'), '⇧U'),
  );
}

function isLong(candidate) { return candidate.is_cut || candidate.window[1] - candidate.window[0] < candidate.text.length; }

// Writes text[from:to] into a node, query terms as <mark>.
function writeMarked(node, {text, marks}, from, to) {
  let left = MARKS;
  for (let next = 0; next < marks.length && left; next += 2) {
    const [start, end] = [Math.max(from, marks[next]), Math.min(to, marks[next + 1])];
    if (end <= start) continue;
    if (start > from) node.append(text.slice(from, start));
    node.append(make('mark', '', text.slice(start, end)));
    from = end;
    left -= 1;
  }
  if (to > from) node.append(text.slice(from, to));
}

function writeText(node, candidate, isWhole) {
  node.replaceChildren();
  const cut = cutOf(candidate);
  if (!candidate.text) {
    node.append(make('span', 'rw-label-empty', '(an empty passage)'));
  } else if (isWhole && candidate.whole !== undefined) {
    const {whole} = candidate;
    writeCut(node, 0, whole.length, cut, (into, from, to) => into.append(whole.slice(from, to)));
  } else {
    const [start, end] = isWhole ? [0, candidate.text.length] : candidate.window;
    if (start > 0) node.append('… ');
    const at = cut === null ? null : cut - candidate.begin;
    writeCut(node, start, end, at, (into, from, to) => writeMarked(into, candidate, from, to));
    if (end < candidate.text.length || candidate.is_cut) node.append(' …');
  }
}

function sayScores(candidate) {
  if (!candidate.scores.length) return '';
  const parts = candidate.scores.map(({title, score, rank}) => `${title} ${formatScore(score)}${rank ? ` · #${rank}` : ''}`);
  return parts.join('  ·  ');
}

function canSeeScores(candidate) { return isJudged(candidate) || candidate.isScoreShown; }

function showPassage() {
  const candidate = current();
  if (!candidate) {
    view.message.replaceChildren(make('p', '', page.message));
    if (page.later) {
      const {later} = page;
      view.message.append(makeButton('rw-button', 'Go through what was put off', () => showQuery(takeIn(later))));
    }
    view.body.replaceChildren(view.message);
    return;
  }
  const parts = [`passage ${page.index + 1} of ${candidates().length + page.query.rest.length}`];
  if (candidate.state) parts.push(nameState(candidate));
  if (isLeftOut(candidate)) parts.push('graded by an import');
  view.place.textContent = parts.join(' · ');
  writeText(view.text, candidate, page.isWhole);
  view.whole.hidden = !isLong(candidate);
  view.whole.firstChild.textContent = page.isWhole ? 'show less' : `whole text, ${count(candidate.length, 'character')}`;
  view.whole.setAttribute('aria-expanded', String(page.isWhole));
  if (canSeeScores(candidate)) noteSeen(candidate);
  view.scores.textContent = canSeeScores(candidate) ? sayScores(candidate) || 'No model has scored this passage.' : '';
  view.body.replaceChildren(view.passage);
}

function showButtons() {
  fillGrades();
  const candidate = current();
  view.grades.classList.toggle('rw-is-off', !candidate);
  for (const button of view.grades.children) {
    const {grade, state} = button.dataset;
    const isChosen = candidate && (grade === undefined ? state && candidate.state === state : candidate.grade === Number(grade));
    if (grade !== undefined || state) button.setAttribute('aria-pressed', String(Boolean(isChosen)));
  }
  view.undo.disabled = !page.steps.undo;
  view.redo.disabled = !page.steps.redo;
  const isBlind = candidate && !canSeeScores(candidate);
  view.reveal.firstChild.textContent = isBlind ? 'scores hidden until judged: reveal' : 'Hide scores';
  view.reveal.hidden = !candidate || isJudged(candidate);
}

function showQueryText() {
  view.queryText.textContent = page.query?.text ?? '';
  view.sticky.hidden = !page.query || page.isAtEnd;
  view.guideline.textContent = page.guideline?.text || (view.editGuideline.hidden ? 'No guideline yet.' : 'No guideline yet: say what a positive passage is.');
  view.guideline.classList.toggle('rw-label-empty', !page.guideline?.text);
}

function showCounts() {
  const {counters} = page;
  const judged = candidates().filter((candidate) => candidate.state === 'graded');
  const parts = [];
  if (page.query) {
    const done = candidates().filter(isJudged).length;
    parts.push(`this query: ${done} of ${candidates().length + page.query.rest.length}`);
    if (scaleNow() === 'binary') {
      const yes = judged.filter(({grade}) => grade > 0).length;
      parts.push(`${yes} positive, ${judged.length - yes} negative`);
    } else {
      const by = MEANINGS.map((_, grade) => `${judged.filter((one) => one.grade === grade).length} × ${grade}`);
      parts.push(by.join(', '));
    }
  }
  if (counters) {
    const done = counters.graded + counters.skipped + counters.cant_tell;
    parts.push(`project: ${done.toLocaleString('en')} of ${counters.candidates.toLocaleString('en')}`);
    if (counters.later) parts.push(`${counters.later} for later`);
    parts.push(`today: ${counters.today}`);
    if (counters.median !== null) parts.push(`${counters.median.toFixed(1)} s median`);
    const share = counters.candidates ? done / counters.candidates : 0;
    view.bar.firstChild.style.width = `${share * 100}%`;
    view.bar.setAttribute('aria-valuenow', String(Math.round(share * 100)));
  }
  view.counts.replaceChildren(...parts.map((part) => make('span', '', part)));
  const isRow = page.negatives >= NEGATIVES && current();
  view.hint.replaceChildren();
  if (isRow) {
    view.hint.append(make('span', '', `The last ${page.negatives} were all negative: go on with the next query?`),
      makeButton('rw-link', 'Next query', moveOn, 'N'));
  }
}

let telling = 0;

// Says something for some seconds, to eyes and ears.
function tell(words) {
  page.notice = words;
  showNotice();
  clearTimeout(telling);
  telling = setTimeout(() => {
    page.notice = '';
    showNotice();
  }, 8_000);
  say(words, {isUrgent: true});
}

function showNotice() {
  if (view.notice && view.notice.textContent !== page.notice) view.notice.textContent = page.notice;
}
