// What a visit brings along: a shared link carries a comparison in its fragment, which no server sees; a reload finds the
// last one in this tab's store; a new visit finds the settings of the one before, and the first one what models to begin with.
function kept(store, name) {
  try { return JSON.parse(store().getItem(`reranker-workbench:${name}`)); } catch (error) { return null; }
}

async function open() {
  const settings = kept(() => localStorage, 'settings');
  if (!location.hash.startsWith('#c=')) {
    const request = kept(() => sessionStorage, 'comparison');
    trigger('opened', {request, settings});  // a first visit has neither
    return;
  }
  const packed = location.hash.slice(3);
  history.replaceState(null, '', location.pathname + location.search);  // a reload shall show what is scored next
  try {
    trigger('opened', {request: await unpackLink(packed), settings});
  } catch (error) {
    trigger('opened', {error: error.message});
  }
}
const again = () => {
  if (!element.isConnected) window.removeEventListener('hashchange', again);
  else if (location.hash.startsWith('#c=')) open();
};
window.addEventListener('hashchange', again);
// The page's handlers are bound when all of it stands.
setTimeout(open, 0);
