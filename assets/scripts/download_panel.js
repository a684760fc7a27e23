const panel = element.querySelector('.rw-downloads');
const shown = new Map();          // name → {place, update}
function show() {
  const items = (props.value && props.value.items) || [];
  panel.hidden = !items.length;
  const names = new Set(items.map(item => item.name));
  for (const [name, row] of shown) if (!names.has(name)) { row.place.remove(); shown.delete(name); }
  for (const item of items) {
    if (!shown.has(item.name)) {
      const place = document.createElement('div');
      panel.append(place);
      // The names stand here quoted, as gradio looks for them: trigger('fetch') and trigger('halt').
      shown.set(item.name, {place, update: downloadRow(place, (what, data) => what === 'fetch' ? trigger('fetch', data) : trigger('halt', data))});
    }
    shown.get(item.name).update(item);
  }
}
watch('value', show);
show();
