// Labels that were made for another database than the one that the server has now. Ids of one mean something else in the
// other, so they wait in this browser until it is open again, or are discarded. The server refuses them too.

// Puts each on its side, once it is known which database is open.
function sortOut(store) {
  const isHere = ({entry}) => entry.store === store;
  const waiting = outbox.waiting.map((entry) => ({entry}));
  const away = [...outbox.foreign, ...waiting, ...outbox.undecided].filter((one) => !isHere(one));
  const back = outbox.foreign.filter(isHere);
  outbox.waiting = [...back.filter(({kind}) => !kind), ...waiting.filter(isHere)].map(({entry}) => entry);
  outbox.undecided = [...back.filter(({kind}) => kind), ...outbox.undecided.filter(isHere)];
  const isMore = away.length > outbox.foreign.length;
  outbox.foreign = away;
  if (isMore) {
    outbox.isForeignKept = false;   // asks again
    tell(`${count(countLabels(away), 'label')} of another database wait here and are not sent.`);
  }
  for (const {client} of [...outbox.waiting, ...[...away, ...back].map(({entry}) => entry)]) keepUnsent(client);
}

// The server has another database than when this page was opened: what it shows is not there.
function meetStore(store) {
  sortOut(store);
  if (!page.store || page.store === store) return;
  page.project = null;
  trigger('arrived', {project: page.settings.project, annotator: page.settings.annotator});
  openPage(page.settings);
}

function takeStore(store) {
  if (page.store !== store) {
    versions.clear();
    steps.length = 0;
    undone.length = 0;
  }
  page.store = store;
  sortOut(store);
  pump();
}

function discardForeign() {
  const clients = new Set(outbox.foreign.map(({entry}) => entry.client));
  outbox.foreign = [];
  for (const client of clients) keepUnsent(client);
  showChanged();
}

function describeForeign() {
  const labels = countLabels(outbox.foreign);
  const box = make('div', 'rw-label-conflict');
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', 'Labels of another database');
  const words = `${count(labels, 'label')} of another database ${labels === 1 ? 'waits' : 'wait'} here, unsaved. They are sent `
    + 'when that database is open again.';
  box.append(
    make('p', '', words),
    makeButton('rw-button', 'Keep them for later', () => { outbox.isForeignKept = true; showChanged(); }),
    makeButton('rw-button', 'Discard them', discardForeign),
  );
  return box;
}
