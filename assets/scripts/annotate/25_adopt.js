// What another page load left unsent, because it crashed, was closed or loaded again, is sent by the next one, under its own
// client id and numbers: what arrived already is then not written twice.
const DEAD_AFTER = 90_000;    // ms without a sign of life, where the browser has no locks; hidden tabs wake once a minute
const LOOK_EVERY = 30_000;    // ms

function lockName(client) { return `reranker-workbench:page:${client}`; }

function lifelong() { return new Promise(() => {}); }

function unsentClients() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(UNSENT)).map((key) => key.slice(UNSENT.length));
  } catch {
    return [];
  }
}

const adopted = new Set([outbox.client]);

// Resolves once it is known what is this page's to send.
async function adoptUnsent() {
  for (const client of unsentClients()) {
    if (adopted.has(client)) continue;
    if (navigator.locks) {
      await new Promise((resolve) => {
        // Held as long as this page lives, so that no other adopts it too.
        navigator.locks.request(lockName(client), {ifAvailable: true}, (lock) => {
          if (lock && !adopted.has(client)) adopt(client);
          resolve();
          return lock ? lifelong() : undefined;
        }).catch(resolve);
      });
    } else if (Date.now() - (readKept(UNSENT + client).beat ?? 0) > DEAD_AFTER) {
      adopt(client);
    }
  }
  countElsewhere();
}

// Without locks nobody can tell at once whether another page lives: it is said what waits there.
function countElsewhere() {
  const others = navigator.locks ? [] : unsentClients().filter((client) => !adopted.has(client));
  const entries = others.flatMap((client) => readKept(UNSENT + client).waiting ?? []);
  outbox.elsewhere = countLabels(entries.map((entry) => ({entry})));
  showSaved();
}

function adopt(client) {
  adopted.add(client);
  const kept = readKept(UNSENT + client);
  const waiting = [kept.waiting ?? []].flat().filter((entry) => entry?.client === client);
  outbox.waiting.unshift(...waiting);
  const ofClient = (all) => [all ?? []].flat().filter((one) => one?.entry?.client === client);
  outbox.undecided.unshift(...ofClient(kept.undecided));
  outbox.foreign.unshift(...ofClient(kept.foreign));
  if (page.store) sortOut(page.store);
  keepUnsent(client);   // where there are no locks, its beat tells other pages that it was adopted
  for (const {candidate} of known.values()) overlay(candidate);
  if (waiting.length) tell(`${count(waiting.length, 'change')} from before was not sent yet and is being sent now.`);
  showChanged();
  pump();
}

if (navigator.locks) {
  navigator.locks.request(lockName(outbox.client), lifelong);
} else {
  const beatAll = (beat) => { for (const client of adopted) keepUnsent(client, beat); };
  window.addEventListener('pagehide', () => beatAll(0));   // whoever comes next sends it at once
  window.addEventListener('pageshow', ({persisted}) => { if (persisted) beatAll(Date.now()); });
  window.addEventListener('storage', ({key}) => { if (element.isConnected && key?.startsWith(UNSENT)) adoptUnsent(); });
}
const watching = setInterval(() => {
  if (!element.isConnected) {
    clearInterval(watching);
    return;
  }
  if (outbox.waiting.length || outbox.undecided.length || outbox.foreign.length) for (const client of adopted) keepUnsent(client);
  adoptUnsent();
}, LOOK_EVERY);
