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

function findAct(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
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
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
  const act = findAct(event);
  if (!act || isCovered()) return;
  event.preventDefault();
  act();
}
document.addEventListener('keydown', onKey);
