// Ctrl+Enter (Command+Enter on a Mac) scores, wherever the cursor is on this tab.
const press = (event) => {
  if (!element.isConnected) { document.removeEventListener('keydown', press, true); return; }
  if (element.closest('[role=tabpanel]')?.offsetParent === null) return;
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.repeat) return;
  event.preventDefault();
  event.stopPropagation();
  const button = document.getElementById('score-button');
  // A text box hands its value over when the event loop comes round.
  setTimeout(() => button?.click(), 0);
};
document.addEventListener('keydown', press, true);

// A stop is heard at the end of the chunk that is being computed, and not yet by a run that waits in the queue. Until the run
// has ended the button says that it was pressed, and is pressed again.
let isStopping = false;
const halt = (event) => {
  if (!element.isConnected) { document.removeEventListener('click', halt); return; }
  const button = event.target.closest('.rw-stop');
  if (!button || isStopping) return;
  isStopping = true;
  button.textContent = 'Stopping …';
  let looks = 0;
  const wait = setInterval(() => {
    looks += 1;
    if (button.offsetParent !== null) {
      if (looks % 8 === 0) button.click();
      return;
    }
    button.textContent = 'Stop';
    isStopping = false;
    clearInterval(wait);
  }, 100);
};
document.addEventListener('click', halt);

// gradio's groups of choices have their name beside them only; screen readers want it on them.
const nameGroups = () => {
  for (const group of document.querySelectorAll('.rw-inputs fieldset')) {
    const name = group.querySelector('[data-testid="block-info"]')?.textContent.trim();
    if (name && group.getAttribute('aria-label') !== name) group.setAttribute('aria-label', name);
  }
};
new MutationObserver(nameGroups).observe(element.closest('.rw-inputs') ?? document.body, {childList: true, subtree: true, characterData: true});
nameGroups();
