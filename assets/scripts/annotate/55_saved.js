// What is saved, what waits, what failed, and what the person has to decide.

function showSaved() {
  if (!view.saved) return;
  const waiting = outbox.waiting.reduce((sum, entry) => sum + (entry.items?.length ?? 1), 0);
  const asking = countLabels(outbox.undecided);
  const kept = outbox.unkept.size ? ' · this browser keeps nothing: leave the page open until all is saved' : '';
  const more = [asking ? ` · ${asking} not saved: asks what to do` : '',
    outbox.outOfSight ? ` · ${outbox.outOfSight} kept for deleted texts` : '',
    outbox.foreign.length ? ` · ${countLabels(outbox.foreign)} of another database waiting` : '',
    outbox.elsewhere ? ` · ${outbox.elsewhere} of another page waiting` : ''].join('');
  view.saved.classList.toggle('rw-is-failed', Boolean(outbox.failure));
  if (outbox.failure) {
    const seconds = Math.max(0, Math.ceil((outbox.retryAt - performance.now()) / 1000));
    const words = `failed: ${outbox.failure} Trying again in ${seconds} s · ${waiting} waiting${more}${kept}`;
    if (!view.tryNow) view.tryNow = makeButton('rw-button', 'Try now', tryNow);
    setSaved(words, view.tryNow);
    return;
  }
  const time = outbox.savedAt?.toLocaleTimeString('en-GB');
  const isUnsaved = asking || outbox.foreign.length || outbox.elsewhere;
  const first = time ? `saved ${time} · ` : (isUnsaved ? '' : 'nothing unsaved · ');
  const isLost = waiting || asking || outbox.foreign.length;
  setSaved(`${waiting ? `${waiting} waiting` : `${first}0 waiting`}${more}${isLost ? kept : ''}`);
}

// Changes what is in a box; if the focus was on something that goes, it goes on to the next button there, else to the passage.
function keepFocus(box, change) {
  const document = root.getRootNode();
  const hadFocus = box.contains(document.activeElement);
  change();
  if (hadFocus && !box.contains(document.activeElement)) (box.querySelector('button') ?? view.body).focus({preventScroll: true});
}

function setSaved(words, button) {
  if (view.savedWords?.textContent === words && Boolean(view.saved.children[1]) === Boolean(button)) return;
  view.savedWords ??= make('span');
  view.savedWords.textContent = words;
  // A button that is there stays where it is: taken out and put back between press and release it would not be clicked.
  const [first, second] = view.saved.children;
  if (first !== view.savedWords || second !== button) {
    keepFocus(view.saved, () => view.saved.replaceChildren(view.savedWords, ...(button ? [button] : [])));
  }
}

function showUndecided() {
  const isForeign = outbox.foreign.length > 0 && !outbox.isForeignKept;
  const keys = outbox.undecided.map(({entry}) => `${entry.client}/${entry.seq}`);
  if (isForeign) keys.push(`${countLabels(outbox.foreign)} foreign`);
  const key = keys.length ? `${scaleNow()} ${keys.join(' ')}` : '';
  if (view.undecided.dataset.shown === key) return;
  view.undecided.dataset.shown = key;
  keepFocus(view.undecided, () => {
    view.undecided.replaceChildren(...outbox.undecided.map(describeUndecided), ...(isForeign ? [describeForeign()] : []));
  });
  if (key) say('Something could not be saved and asks what to do.', {isUrgent: true});
}

function describeUndecided(one) {
  const {entry, kind, theirs, scale = scaleNow(), message} = one;
  const box = make('div', 'rw-label-conflict');
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', kind === 'conflict' ? 'Judged in two tabs' : 'Not saved');
  if (kind === 'refused') {
    box.append(make('p', '', `Not saved: ${message}`), makeButton('rw-button', 'Forget it', () => keepTheirs(one)));
    if (entry.op === 'save') box.append(makeButton('rw-link', 'judge it again', () => goTo(entry.query, entry.candidate)));
    return box;
  }
  if (kind === 'bulk') {
    const [judged, all] = [one.conflicts.length, entry.items.length];
    box.append(make('p', '', `Not saved: ${judged} of ${count(all, 'passage')} ${judged === 1 ? 'was' : 'were'} judged elsewhere `
      + 'meanwhile, so none was marked.'));
    if (judged < all) box.append(makeButton('rw-button', `Mark the other ${all - judged} now`, () => markOthers(one)));
    box.append(makeButton('rw-button', 'Forget it', () => keepTheirs(one)));
    return box;
  }
  const place = known.get(entry.candidate);
  const number = place ? place.query.candidates.indexOf(place.candidate) + 1 : 0;
  const where = number ? `Passage ${number} of “${place.query.text.slice(0, 80)}”` : 'A passage';
  const words = `${where} was changed in another tab meanwhile. There: ${nameState(theirs, scale)}. Here: ${nameState(entry, entry.scale ?? scale)}.`;
  box.append(make('p', '', words));
  if (entry.state !== 'graded' || entry.scale === scale) {   // else it can only be judged again
    box.append(makeButton('rw-button', `Keep mine: ${nameState(entry)}`, () => keepMine(one)));
  }
  box.append(
    makeButton('rw-button', `Keep theirs: ${nameState(theirs, scale)}`, () => keepTheirs(one)),
    makeButton('rw-link', 'show it', () => goTo(entry.query, entry.candidate)),
  );
  return box;
}
