// My own grade of each pair: chosen, saved, and kept on its row for as long as it is not saved. Comes before browse.js.
const unsaved = new Map();   // by database, name and candidate: what was chosen and is not saved yet
let chosenByKey = null;      // an entry that a key chose and nothing has sent yet

function storeNow() { return shown.page?.store ?? ''; }

function keyOf({store, annotator, candidate}) { return JSON.stringify([store, annotator, candidate]); }

function keptOf(row) { return unsaved.get(keyOf({store: storeNow(), annotator: shown.name, candidate: row.candidate})); }

function judgementOf(row, handle) { return row.judgements.find((one) => one.handle === handle); }

function gradeChoices(scale) {
  return scale === 'binary' ? [['1', 'positive'], ['0', 'negative']] : [['3', '3'], ['2', '2'], ['1', '1'], ['0', '0']];
}

function makeEntry(row, value, {annotator = shown.name} = {}) {
  const isGrade = /^\d$/.test(value);
  return {store: storeNow(), annotator, candidate: row.candidate, project: project(), value, isGrade, isSending: false, problem: '', theirs: null, item: {
    seq: shown.seq++, candidate: row.candidate, state: isGrade ? 'graded' : value, grade: isGrade ? Number(value) : null,
    scale: isGrade ? scaleNow() : null, expected_version: judgementOf(row, annotator)?.version ?? 0, order_mode: 'browse',
  }};
}

// Sends what was chosen. The same entry sent twice is saved once: its number stays.
async function sendEntry(entry) {
  if (entry.isSending) return;
  Object.assign(entry, {isSending: true, problem: '', theirs: null});
  unsaved.set(keyOf(entry), entry);
  const select = list.querySelector(`select[data-candidate="${entry.candidate}"]`);
  const hadFocus = Boolean(select?.parentElement.contains(document.activeElement));   // on the choice, or on what stands beside it
  shown.rows.get(entry.candidate)?.update();
  try {
    const {items: [item]} = await ask('save_grade', {client_id: client, store: entry.store, annotator: entry.annotator, items: [entry.item]});
    if (item.status === 'refused') throw new Error(item.message);
    if (item.status === 'conflict') {
      entry.theirs = item;
      say(item.message);
      return;
    }
    if (unsaved.get(keyOf(entry)) === entry) unsaved.delete(keyOf(entry));
    takeSaved(entry, item);
  } catch (error) {
    entry.problem = error.message;
    say(`Not saved: ${error.message}`);
  } finally {
    entry.isSending = false;
    shown.rows.get(entry.candidate)?.update();
    showUnsaved();
    const isFree = document.activeElement === document.body || document.activeElement === select;
    if (hadFocus && isFree) list.querySelector(`select[data-candidate="${entry.candidate}"]`)?.focus();
  }
}

function takeSaved(entry, item) {
  notice.tell(item.message ?? '', Boolean(item.message));
  const isHere = entry.store === storeNow();
  const place = isHere && shown.rows.get(entry.candidate);
  if (place) take(place.row, item, entry.annotator);
  if (isHere && entry.isGrade && shown.scale === null && entry.project === project()) {
    shown.scale = entry.item.scale;
    loadChoices();
    showRows();
  }
  say(`Saved: ${nameState(item, scaleNow())}`);
  tellCounts();
}

// Takes over what the server says about a judgement of a pair.
function take(row, {state, grade, version}, handle = shown.name) {
  const mine = judgementOf(row, handle);
  if (!state) row.judgements = row.judgements.filter((one) => one !== mine);
  else if (mine) Object.assign(mine, {state, grade, version});
  else row.judgements.push({annotator: null, handle, kind: 'human', state, grade, version});
}

function forget(entry) {
  const select = list.querySelector(`select[data-candidate="${entry.candidate}"]`);
  const hadFocus = Boolean(select?.parentElement.contains(document.activeElement));
  unsaved.delete(keyOf(entry));
  shown.rows.get(entry.candidate)?.update();
  showUnsaved();
  if (hadFocus) select.focus();
}

// How many are not saved, also of rows that are not on this page.
const unsavedLine = make('div', 'rw-data-tools');
unsavedLine.hidden = true;
function showUnsaved() {
  const hadFocus = unsavedLine.contains(document.activeElement);
  const waiting = [...unsaved.values()].filter((entry) => entry.problem || entry.theirs);
  unsavedLine.hidden = !waiting.length;
  const failed = waiting.filter((entry) => entry.problem && entry.store === storeNow());
  const foreign = waiting.filter((entry) => entry.store !== storeNow());
  unsavedLine.replaceChildren(make('span', '', `${count(waiting.length, 'grade')} not saved`));
  if (failed.length) unsavedLine.append(makeButton('Try all again', () => failed.forEach(sendEntry)));
  if (foreign.length) {
    unsavedLine.append(make('span', '', `${foreign.length} of them chosen for another database`),
      makeButton('Do not save these', () => foreign.forEach(forget)));
  }
  if (hadFocus) (unsavedLine.querySelector('button') ?? search).focus();
}

// What was chosen and not saved stands beside the choice: why, and what can be done.
function fillBeside(beside, row, entry) {
  beside.replaceChildren();
  beside.hidden = !entry || !(entry.problem || entry.theirs);
  if (beside.hidden) return;
  if (entry.theirs) {
    const {theirs} = entry;
    beside.append(make('p', '', theirs.message),
      makeButton('Keep mine', () => { take(row, theirs, entry.annotator); sendEntry(makeEntry(row, entry.value, entry)); }),
      makeButton('Keep what is there', () => { take(row, theirs, entry.annotator); forget(entry); }));
    return;
  }
  beside.append(make('p', '', `Not saved: ${entry.problem}`),
    makeButton('Try again', () => sendEntry(entry)),
    makeButton('Do not save it', () => forget(entry)));
}

function makeGradeSelect(row) {
  const select = make('select', 'rw-data-grade');
  select.dataset.candidate = row.candidate;
  select.setAttribute('aria-label', `Your grade of passage ${row.passage}`);
  const beside = make('div', 'rw-data-conflict');
  const place = make('div');
  place.append(select, beside);
  place.update = () => {
    const mine = judgementOf(row, shown.name);
    const entry = keptOf(row);
    const saved = !mine ? '' : mine.state === 'graded' ? String(mine.grade) : mine.state;
    const choices = [...gradeChoices(scaleNow()), ...Object.entries(STATE_WORDS)];
    fillSelect(select, mine ? choices : [['', '–'], ...choices], entry?.value ?? saved);
    select.disabled = Boolean(entry?.isSending);
    fillBeside(beside, row, entry);
  };
  hearChoices(select, {
    choose: () => { if (select.value) sendEntry(makeEntry(row, select.value)); else place.update(); },
    wait: () => {
      beside.hidden = false;
      beside.replaceChildren(make('p', '', 'Enter saves it, Escape leaves it.'));
    },
    leave: () => place.update(),
  });
  place.update();
  return place;
}

// An arrow key on a closed list chooses at every step: what it stops at is saved by Enter, or when the focus goes on. A choice
// from the open list is saved at once.
function hearChoices(select, {choose, wait, leave}) {
  let isByKey = false;
  const settle = (act) => {
    if (chosenByKey !== select) return;
    chosenByKey = null;
    act();
  };
  select.addEventListener('pointerdown', () => { isByKey = false; });
  select.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && chosenByKey === select) {
      event.preventDefault();
      settle(choose);
    } else if (event.key === 'Escape') {
      settle(leave);
    } else {
      isByKey = !(event.key === ' ' || event.key === 'F4' || event.altKey);   // those open the list
    }
  });
  select.addEventListener('change', () => {
    chosenByKey = select;
    if (isByKey) wait();
    else settle(choose);
  });
  select.addEventListener('blur', () => settle(choose));
}

const warnOfUnsaved = (event) => {
  if (!element.isConnected) window.removeEventListener('beforeunload', warnOfUnsaved);
  else if (unsaved.size || chosenByKey?.isConnected) event.preventDefault();
};
window.addEventListener('beforeunload', warnOfUnsaved);
