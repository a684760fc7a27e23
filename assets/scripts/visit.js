// A shared link carries a comparison in its fragment, which no server sees; a reload finds the last one in this tab's store.
async function open() {
  const packed = location.hash.startsWith('#c=') ? location.hash.slice(3) : null;
  if (packed) {
    history.replaceState(null, '', location.pathname + location.search);  // a reload shall show what is scored next
    try {
      trigger('opened', {request: await unpackLink(packed)});
    } catch (error) {
      trigger('opened', {error: 'The link is incomplete: it was cut or changed on its way. Ask for it again.'});
    }
    return;
  }
  try {
    const kept = sessionStorage.getItem('reranker-workbench:comparison');
    if (kept) trigger('opened', {request: JSON.parse(kept)});
  } catch (error) { /* a browser that keeps nothing, or something else under this name */ }
}
window.addEventListener('hashchange', () => { if (element.isConnected) open(); });
// The page's handlers are bound when all of it stands.
setTimeout(open, 0);
