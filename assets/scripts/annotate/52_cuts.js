// Where a model stops reading the passages. Asked for in the background, a few passages at a time; judging never waits for it.
const CUTS_WITHIN = 300_000;   // ms: the model may have to be loaded first
const BUSY_AGAIN = 5_000;      // ms until it is asked again, where others compute
const FAILED_AGAIN = 10_000;
const LENGTHS = ['256', '512', '1024', '2048', '4096', '8192'];   // tokens of a pair
const USUAL_LENGTH = 512;

const cuts = {
  readers: [],        // models that can be chosen: name and title
  model: '',
  maxLength: USUAL_LENGTH,
  places: new Map(),  // candidate id → place in its whole text; null where all of it is read
  isAsking: false,
  failedOn: null,     // the query of which asking again cannot help
  problem: '',
};

function readerTitle() { return cuts.readers.find(({name}) => name === cuts.model)?.title ?? cuts.model; }

// The place of a candidate's cut; null where there is none, or nobody knows or wants to know.
function cutOf(candidate) { return cuts.model ? cuts.places.get(candidate.id) ?? null : null; }

function chooseCuts({model, maxLength}) {
  Object.assign(cuts, {model, maxLength, places: new Map(), failedOn: null, problem: ''});
  keep({cut_model: model, cut_length: maxLength});
  showChanged();
  lookForCuts();
}

// Reads the models that are ready, and what this browser chose before.
async function loadReaders() {
  try {
    cuts.readers = (await ask('list_readers', {})).readers;
  } catch {
    return;   // without them nothing can be chosen, and nothing else is missing
  }
  const kept = readKept(KEPT);
  const model = cuts.readers.some(({name}) => name === kept.cut_model) ? kept.cut_model : '';
  const maxLength = LENGTHS.includes(String(kept.cut_length)) ? kept.cut_length : USUAL_LENGTH;
  if (model !== cuts.model || maxLength !== cuts.maxLength) {
    Object.assign(cuts, {model, maxLength, places: new Map(), failedOn: null, problem: ''});
  }
  showChanged();
  lookForCuts();
}

async function lookForCuts() {
  const {query, settings} = page;
  const {model, maxLength} = cuts;
  if (!model || !query || cuts.isAsking || cuts.failedOn === query || !element.isConnected) return;
  const wanted = candidates().map(({id}) => id).filter((id) => !cuts.places.has(id));
  if (!wanted.length) return;
  cuts.isAsking = true;
  showCuts();
  let pause = 0;
  try {
    const asked = {project: settings.project, query: query.id, candidates: wanted, model, max_length: maxLength};
    const answer = await ask('find_cuts', asked, CUTS_WITHIN);
    if (model === cuts.model && maxLength === cuts.maxLength) takeCuts(wanted, answer);
    pause = answer.is_busy ? BUSY_AGAIN : 0;
  } catch (error) {
    if (model === cuts.model && maxLength === cuts.maxLength) {
      cuts.failedOn = error.again ? null : query;
      cuts.problem = error.message;
    }
    pause = FAILED_AGAIN;
  }
  cuts.isAsking = false;
  showChanged();
  setTimeout(lookForCuts, pause);
}

function takeCuts(wanted, answer) {
  cuts.problem = answer.is_busy ? `${readerTitle()} computes for somebody else: this waits.` : '';
  const places = new Map(answer.cuts.map(({candidate, at}) => [candidate, at]));
  const rest = new Set(answer.rest);
  for (const id of wanted) if (!rest.has(id)) cuts.places.set(id, places.get(id) ?? null);
}

// Says under the choice what is known of this query.
function sayCuts() {
  if (!cuts.model) return '';
  if (cuts.problem) return cuts.problem;
  const known = candidates().filter(({id}) => cuts.places.has(id));
  if (known.length < candidates().length) return `Looking where ${readerTitle()} stops reading …`;
  const cut = known.filter((candidate) => cutOf(candidate) !== null).length;
  return cut ? `${readerTitle()} stops before the end of ${count(cut, 'passage')} of ${known.length}.`
    : `${readerTitle()} reads every passage of this query to its end.`;
}

// Writes a stretch of a text, from one place to another, grey behind the cut; `write` writes a part of it into a node.
function writeCut(node, from, to, at, write) {
  if (at === null || at >= to) {
    write(node, from, to);
    return;
  }
  if (at > from) write(node, from, at);
  const mark = make('span', 'rw-cut rw-cut-here', `${readerTitle()} ${at < from ? 'stopped reading before this' : 'stops reading here'}`);
  mark.dir = 'ltr';
  const lost = make('span', 'rw-lost');
  node.append(mark, lost);
  write(lost, Math.max(from, at), to);
}
