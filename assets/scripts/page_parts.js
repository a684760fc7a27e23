// What the scripts of several screens share; they follow it, with a `root` of their own. Texts go in with textContent only.
const spoken = element.querySelector('.rw-spoken');

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeButton(words, act, {label, className = 'rw-small'} = {}) {
  const button = make('button', className, words);
  button.type = 'button';
  if (label) button.setAttribute('aria-label', label);
  button.addEventListener('click', () => act(button));
  return button;
}

function count(number, noun, plural = `${noun}s`) { return `${number.toLocaleString('en')} ${number === 1 ? noun : plural}`; }

function say(words) { spoken.textContent = words; }

// Asks the server; resolves with its answer, or throws an error whose message is a sentence. `within` is in ms.
async function askServer(name, wanted, within) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, within); });
  const asked = Promise.resolve(server[name](wanted)).catch(() => null);
  const answer = await Promise.race([asked, late]);
  clearTimeout(timer);
  if (!answer || typeof answer !== 'object') {
    throw new Error(navigator.onLine ? 'The server does not answer. Try again.' : 'This browser is offline.');
  }
  if (answer.error) throw new Error(answer.error);
  return answer;
}

// A place for one sentence about what went wrong, or what was done. A sentence that stands there already is not said again.
function makeNotice(className) {
  const notice = make('p', className);
  notice.setAttribute('role', 'status');
  notice.tabIndex = -1;
  notice.hidden = true;
  notice.tell = (words, isProblem = false) => {
    if (notice.textContent !== words) notice.textContent = words;
    notice.hidden = !words;
    notice.classList.toggle('rw-is-problem', isProblem);
  };
  return notice;
}

// Runs what a button does; a failure stands in the notice, and the button waits meanwhile. If the button goes with it, the focus
// goes on to the notice.
async function tried(notice, button, act) {
  const hadFocus = button && document.activeElement === button;
  if (button) button.disabled = true;
  try {
    notice.tell('');
    return await act();
  } catch (error) {
    notice.tell(error.message, true);
    return undefined;
  } finally {
    if (button) button.disabled = false;
    const isFree = document.activeElement === document.body || document.activeElement === null;
    if (hadFocus && isFree) (button.isConnected && button.offsetParent !== null ? button : notice).focus({preventScroll: true});
  }
}
