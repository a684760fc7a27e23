// Labels that this browser could not send are sent by the Annotate tab, which gradio builds when it is first opened: until
// then this line says that they wait.
const PREFIX = 'reranker-workbench:unsent:';
const button = element.querySelector('.rw-unsent');

function countUnsent() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
      .map((key) => JSON.parse(localStorage.getItem(key)) ?? {})
      .reduce((sum, {waiting = [], undecided = []}) => sum + waiting.length + undecided.length, 0);
  } catch {
    return 0;   // a browser that keeps nothing
  }
}

function look() {
  if (!element.isConnected) {
    clearInterval(looking);
    return;
  }
  const count = document.querySelector('.rw-annotate') ? 0 : countUnsent();   // once it is built it speaks for itself
  button.hidden = !count;
  if (count) button.textContent = `${count} label${count === 1 ? ' waits' : 's wait'} in this browser: open Annotate to send`;
}

button.addEventListener('click', () => {
  [...document.querySelectorAll('[role=tab]')].find((tab) => tab.textContent.trim() === 'Annotate')?.click();
});
const looking = setInterval(look, 2000);
look();
