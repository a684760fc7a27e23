// One passage: its number, its text with query terms and cuts, folded when it is long.

// Writes text[from:to] into a node, query terms as <mark>. `marking` remembers where the marks before ended.
function writeMarked(node, passage, from, to, marking) {
  const {text, marks} = passage;
  while (from < to) {
    while (marking.next < marks.length && marks[marking.next + 1] <= from) marking.next += 2;
    const hasMark = marking.next < marks.length && marking.left > 0 && marks[marking.next] < to;
    const start = hasMark ? Math.max(from, marks[marking.next]) : to;
    if (start > from) node.append(text.slice(from, start));
    if (!hasMark) return;
    const end = Math.min(to, marks[marking.next + 1]);
    node.append(make('mark', '', text.slice(start, end)));
    marking.left -= 1;
    from = end;
  }
}

// The places of cuts inside text[:end], models that cut at the same place together.
function cutPlaces(passage, end) {
  const byPlace = new Map();
  for (const cut of passage.cuts) {
    if (cut.at < end || end === passage.text.length) byPlace.set(cut.at, [...(byPlace.get(cut.at) ?? []), cut.by]);
  }
  return [...byPlace].sort(([a], [b]) => a - b);
}

function writeText(node, passage, end) {
  node.replaceChildren();
  const marking = {next: 0, left: MARKS};
  let target = node;
  let from = 0;
  for (const [place, models] of cutPlaces(passage, end)) {
    writeMarked(target, passage, from, place, marking);
    const mark = make('span', 'rw-cut rw-cut-here', `cut by ${models.join(', ')}`);
    mark.dir = 'ltr';
    target.append(mark);
    if (target === node) {
      target = make('span', 'rw-lost');
      node.append(target);
    }
    from = place;
  }
  writeMarked(target, passage, from, end, marking);
  if (end < passage.text.length) target.append('…');
}

function sayCuts(cuts) {
  const parts = cuts.map(({by, tokens}, index) => {
    const rest = `the last ${count(tokens, 'token')}`;
    return index === 0 ? `${by} did not read ${rest}` : `${by} ${rest}`;
  });
  return `cut: ${parts.join('; ')}`;
}

function makePassage(passage, index) {
  const cell = make('th', 'rw-passage');
  cell.scope = 'row';
  const box = make('div', 'rw-passage-box');
  const number = makeButton('rw-number', String(index + 1), () => choose(index));
  number.setAttribute('aria-label', `choose passage ${index + 1}`);
  number.setAttribute('aria-pressed', 'false');
  const text = make('div', 'rw-text');
  text.dir = 'auto';
  const body = make('div', 'rw-passage-body');
  body.append(text);
  const parts = {cell, number, setOpen: null, isOpen: true};
  if (passage.text.length > FOLDED + SPARED) {
    const end = wordEnd(passage.text, FOLDED);
    const fold = makeButton('rw-link', '', () => { parts.setOpen(!parts.isOpen); showFoldAll(); });
    parts.setOpen = (isOpen) => {
      parts.isOpen = isOpen;
      writeText(text, passage, isOpen ? passage.text.length : end);
      fold.textContent = isOpen ? 'show less' : `show all ${count(passage.text.length, 'character')}`;
      fold.setAttribute('aria-expanded', String(isOpen));
    };
    parts.setOpen(false);
    body.append(fold);
  } else {
    writeText(text, passage, passage.text.length);
  }
  if (passage.cuts.length) body.append(make('p', 'rw-cut', sayCuts(passage.cuts)));
  box.append(number, body);
  cell.append(box);
  return parts;
}

function makeFoldAll() {
  const foldable = shown.rows.filter((row) => row.setOpen);
  if (!foldable.length) return null;
  return makeButton('rw-button rw-fold-all', 'Unfold all', () => {
    const isOpen = foldable.some((row) => !row.isOpen);
    for (const row of foldable) if (row.isOpen !== isOpen) row.setOpen(isOpen);
    showFoldAll();
  });
}

function showFoldAll() {
  if (shown.foldAll) shown.foldAll.textContent = shown.rows.some((row) => !row.isOpen) ? 'Unfold all' : 'Fold all';
}
