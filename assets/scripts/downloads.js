// What stands beside a model that is not on this machine: the question, the progress, stop, go on.
// Shared by the Compare and the Models tab; texts go in with textContent only.
function gigabytes(bytes) { return `${(bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1)} GB`; }

function timeLeft(item) {
  if (!item.rate || !item.total) return '';
  const seconds = (item.total - item.done) / item.rate;
  return seconds < 90 ? ` · ${Math.ceil(seconds)} s left` : ` · ${Math.ceil(seconds / 60)} min left`;
}

function downloadSentence(item) {
  const size = item.size ? `${item.size} GB` : 'unknown size';
  switch (item.status) {
    case 'forbidden': return `${item.title} is not on this server, and downloads are off here. Choose another model.`;
    case 'absent': return `${item.title} is not on this machine. Download ${size} from the Hugging Face Hub? Licence: ${item.licence}.`;
    case 'starting': return `${item.title}: asking the Hugging Face Hub …`;
    case 'running': return `${item.title}: ${gigabytes(item.done)} of ${item.total ? gigabytes(item.total) : size}`
      + (item.rate ? ` · ${(item.rate / 1e6).toFixed(1)} MB/s` : '') + timeLeft(item);
    case 'stopping': return `${item.title}: stopping …`;
    case 'stopped': return `${item.title}: stopped at ${gigabytes(item.done)}${item.total ? ` of ${gigabytes(item.total)}` : ''}. What is here stays.`;
    default: return item.message;
  }
}

const DOWNLOAD_BUTTONS = {
  absent: ['fetch', 'Download'], stopped: ['fetch', 'Go on'], failed: ['fetch', 'Try again'],
  starting: ['halt', 'Stop'], running: ['halt', 'Stop'],
};

// Gives a function that shows an item in `place`, keeping the button that has the focus. Where size and licence stand
// beside it already (`isBrief`), the question is the button alone.
function downloadRow(place, send, isBrief) {
  const line = document.createElement('p');
  const bar = document.createElement('progress');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'rw-small';
  line.className = 'rw-download-line';
  place.classList.add('rw-download');
  place.append(line, bar, button);
  let current = null;
  button.addEventListener('click', () => send(DOWNLOAD_BUTTONS[current.status][0], {name: current.name}));
  return (item) => {
    current = item;
    const isQuestion = item.status === 'absent';
    line.textContent = isBrief && (isQuestion || item.status === 'forbidden') ? '' : downloadSentence(item);
    line.hidden = !line.textContent;
    bar.hidden = item.status !== 'running' || !item.total;
    bar.setAttribute('aria-label', `Download of ${item.title}`);
    if (!bar.hidden) { bar.max = item.total; bar.value = item.done; }
    const action = DOWNLOAD_BUTTONS[item.status];
    button.hidden = !action;
    if (action) {
      button.textContent = isQuestion && item.size ? `${action[1]} ${item.size} GB` : action[1];
      button.setAttribute('aria-label', `${button.textContent}: ${item.title}`);
    }
  };
}
