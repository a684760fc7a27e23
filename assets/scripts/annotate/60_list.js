// The list view: all candidates of the query under each other, the same keys.

function showList() {
  if (view.list?.query !== page.query || view.list.size !== candidates().length) {
    const box = make('ol', 'rw-label-list');
    view.list = {box, query: page.query, size: candidates().length, rows: candidates().map(makeRow)};
    box.append(...view.list.rows.map((row) => row.item));
    view.rest = makeButton('rw-button', '', markRest);
    view.listBox = make('div', '');
    view.listBox.append(box, view.rest);
  }
  if (view.body.firstChild !== view.listBox) view.body.replaceChildren(view.listBox);
  view.list.rows.forEach(showRow);
  const left = unjudged().length;
  view.rest.hidden = !left || Boolean(page.query.rest.length);
  view.rest.firstChild.textContent = `Mark the other ${left} ${nameGrade(0)}`;
}

function makeRow(candidate, index) {
  const item = make('li', 'rw-label-row');
  const number = makeButton('rw-label-number', String(index + 1), () => show(index));
  const text = make('div', 'rw-label-row-text');
  text.dir = 'auto';
  writeText(text, candidate, false);
  const state = make('span', 'rw-label-row-state');
  const scores = make('span', 'rw-label-row-scores');
  const chips = make('div', 'rw-label-row-chips');
  const values = scaleNow() === 'binary' ? [1, 0] : [0, 1, 2, 3];
  const grades = values.map((grade) => {
    const button = makeButton('rw-label-chip', scaleNow() === 'binary' ? (grade ? '✓' : '✗') : String(grade), () => {
      show(index);
      judge('graded', grade);
    });
    button.setAttribute('aria-label', `${nameGrade(grade)}: passage ${index + 1}`);
    button.dataset.grade = grade;
    return button;
  });
  chips.append(...grades, state);
  item.addEventListener('click', (event) => { if (!event.target.closest('button')) show(index); });
  const side = make('div', 'rw-label-row-side');
  side.append(chips, scores);
  item.append(number, text, side);
  return {item, candidate, number, text, state, scores, grades, isOpen: false, cut: cutOf(candidate)};
}

function showRow(row, index) {
  const {item, candidate, state, scores, grades} = row;
  const isHere = index === page.index;
  if (isHere !== item.classList.contains('rw-is-here')) {
    item.classList.toggle('rw-is-here', isHere);
    if (isHere) item.scrollIntoView({block: 'nearest'});
  }
  if (isHere) item.setAttribute('aria-current', 'true');
  else item.removeAttribute('aria-current');
  const isWhole = isHere && page.isWhole;
  const cut = cutOf(candidate);
  if (row.isOpen !== isWhole || row.cut !== cut || (isWhole && candidate.whole !== row.whole)) {
    row.isOpen = isWhole;
    row.cut = cut;
    row.whole = candidate.whole;
    writeText(row.text, candidate, isWhole);
    item.classList.toggle('rw-is-open', isWhole);
  }
  state.textContent = candidate.state && candidate.state !== 'graded' ? STATE_WORDS[candidate.state] : '';
  if (canSeeScores(candidate)) noteSeen(candidate);
  scores.textContent = canSeeScores(candidate) ? sayScores(candidate) : '';
  for (const button of grades) button.setAttribute('aria-pressed', String(candidate.grade === Number(button.dataset.grade)));
}
