// What is saved, what waits, what failed, and what the person has to decide.

function showSaved() {
  if (!view.saved) return;
  const waiting = outbox.waiting.reduce((sum, entry) => sum + (entry.items?.length ?? 1), 0);
  const kept = outbox.isKept ? '' : ' · this browser keeps nothing: leave the page open until all is saved';
  view.saved.classList.toggle('rw-is-failed', Boolean(outbox.failure));
  if (outbox.failure) {
    const seconds = Math.max(0, Math.ceil((outbox.retryAt - Date.now()) / 1000));
    const words = `failed: ${outbox.failure} Trying again in ${seconds} s · ${waiting} waiting${kept}`;
    if (!view.tryNow) view.tryNow = makeButton('rw-button', 'Try now', tryNow);
    setSaved(words, view.tryNow);
    return;
  }
  const time = outbox.savedAt?.toLocaleTimeString('en-GB');
  const first = time ? `saved ${time}` : 'nothing unsaved';
  setSaved(waiting ? `${waiting} waiting${kept}` : `${first} · 0 waiting`);
}

function setSaved(words, button) {
  if (view.savedWords?.textContent === words && Boolean(view.saved.children[1]) === Boolean(button)) return;
  view.savedWords ??= make('span');
  view.savedWords.textContent = words;
  view.saved.replaceChildren(view.savedWords, ...(button ? [button] : []));
}

function showUndecided() {
  const key = outbox.undecided.map(({entry}) => `${entry.client}/${entry.seq}`).join(' ');
  if (view.undecided.dataset.shown === key) return;
  view.undecided.dataset.shown = key;
  view.undecided.replaceChildren(...outbox.undecided.map(describeUndecided));
  if (key) say('Something could not be saved and asks what to do.', {isUrgent: true});
}

function describeUndecided(one) {
  const {entry, kind, theirs, message} = one;
  const box = make('div', 'rw-label-conflict');
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', kind === 'conflict' ? 'Judged in two tabs' : 'Not saved');
  if (kind === 'refused') {
    box.append(make('p', '', `Not saved: ${message}`), makeButton('rw-button', 'Forget it', () => keepTheirs(one)));
    return box;
  }
  const place = known.get(entry.candidate);
  const number = place ? place.query.candidates.indexOf(place.candidate) + 1 : 0;
  const where = number ? `Passage ${number} of “${place.query.text.slice(0, 80)}”` : 'A passage';
  const words = `${where} was changed in another tab meanwhile. There: ${nameState(theirs)}. Here: ${nameState(entry)}.`;
  box.append(
    make('p', '', words),
    makeButton('rw-button', `Keep mine: ${nameState(entry)}`, () => keepMine(one)),
    makeButton('rw-button', `Keep theirs: ${nameState(theirs)}`, () => keepTheirs(one)),
    makeButton('rw-link', 'show it', () => goTo(entry.query, entry.candidate)),
  );
  return box;
}
