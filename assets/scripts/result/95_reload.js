// A reload of this tab finds what was scored last (visit.js); no other tab does, and it goes with the tab.
watch('value', () => {
  if (!props.value?.request) return;
  try {
    sessionStorage.setItem('reranker-workbench:comparison', JSON.stringify(props.value.request));
  } catch (error) { /* too large, or a browser that keeps nothing: the reload shows the example */ }
});
