// The keys. Each has one meaning everywhere; they are silent in fields, in windows, and while another tab is in front.
const ACTS = {
  s: () => judge('skipped'),
  d: () => judge('cant_tell'),
  f: () => judge('later'),
  u: () => takeBack('undo'),
  j: () => move(1),
  k: () => move(-1),
  n: () => moveOn(),
  r: () => reveal(),
  ' ': () => toggleWhole(),
  ArrowDown: () => move(1),
  ArrowRight: () => move(1),
  ArrowUp: () => move(-1),
  ArrowLeft: () => move(-1),
};

// The key that is meant. Where the layout has no Latin letters it is the one in that place of a keyboard that has them; digits
// likewise, which some layouts have with shift only, or in signs of their own.
function nameKey({key, code, shiftKey}) {
  if (key.length !== 1) return key;
  const letter = /^Key([A-Z])$/.exec(code ?? '');
  const isForeign = /[\p{L}\p{M}]/u.test(key) && !/\p{Script=Latin}/u.test(key);
  if (letter && isForeign) return letter[1].toLowerCase();
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code ?? '');
  if (digit && !shiftKey && !/^[0-9?a-z]$/i.test(key)) return digit[1];
  return key.toLowerCase();
}

function findAct(event) {
  const key = nameKey(event);
  if (key === '?') return showKeys;
  if (/^[0-3]$/.test(key)) {   // with shift on some keyboards
    return scaleNow() === 'binary' && key > '1' ? null : () => judge('graded', Number(key));
  }
  if (event.shiftKey) return key === 'u' ? () => takeBack('redo') : null;
  if (key === 'a' || key === 'x') return scaleNow() === 'binary' ? () => judge('graded', key === 'a' ? 1 : 0) : null;
  return ACTS[key] ?? null;
}

// What a focused control does with a key by itself.
function isTaken(event) {
  const target = event.target.closest?.('*');
  if (!target) return false;
  if (target.closest('input, textarea, select, dialog[open], [contenteditable=""], [contenteditable="true"], [role=listbox]')) {
    return true;
  }
  const isControl = target.closest('button, a[href], summary, [role=tab], [role=button]');
  return Boolean(isControl) && (event.key === ' ' || (event.key.startsWith('Arrow') && Boolean(target.closest('[role=tab]'))));
}

// Whether something lies over the view: gradio has windows of its own.
function isCovered() {
  const document = root.getRootNode();
  if (document.querySelector('dialog:modal')) return true;
  const {top, bottom, left, right} = root.getBoundingClientRect();
  const [from, to] = [Math.max(top, 0), Math.min(bottom, window.innerHeight)];
  if (to <= from) return false;   // scrolled away
  const hit = document.elementFromPoint((Math.max(left, 0) + Math.min(right, window.innerWidth)) / 2, (from + to) / 2);
  return Boolean(hit) && !root.contains(hit) && !hit.contains(root);
}

function onKey(event) {
  if (!element.isConnected) {
    document.removeEventListener('keydown', onKey);
    return;
  }
  if (root.offsetParent === null || document.hidden || !page.project || root.querySelector('dialog[open]')) return;
  if (!page.hasKeys || event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
  const act = findAct(event);
  if (!act || isCovered()) return;
  event.preventDefault();
  act();
}
document.addEventListener('keydown', onKey);
