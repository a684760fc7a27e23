// One line: how much is in the project, and who judged it.
async function loadCounts() {
  if (project() === null) {
    const error = props.value?.error;
    const words = error ?? 'There is no project yet. Make one under “New project”, then import texts and labels.';
    root.replaceChildren(make('p', error ? 'rw-data-notice rw-is-problem' : 'rw-data-counts', words));
    return;
  }
  try {
    const found = await ask('count_project');
    const line = make('p', 'rw-data-counts');
    const graded = found.scale === 'graded' ? ' (grades 2 and 3)' : '';
    const words = [
      count(found.queries, 'query', 'queries'), count(found.passages, 'passage'), count(found.candidates, 'candidate'),
      found.scale ? `${found.positive.toLocaleString('en')} positive${graded} · ${found.negative.toLocaleString('en')} negative` : 'no label yet',
    ];
    for (const part of words) line.append(make('span', '', part));
    for (const one of found.judged) {
      const others = one.skipped + one.cant_tell + one.later;
      const words = `${one.handle}: ${one.graded.toLocaleString('en')} graded${others ? `, ${others.toLocaleString('en')} skipped, unclear or later` : ''}`;
      const chip = make('span', 'rw-data-who', words);
      chip.title = `${one.skipped} skipped, ${one.cant_tell} can't tell, ${one.later} later`;
      line.append(chip);
    }
    if (found.deleted) line.append(make('span', '', count(found.deleted, 'deleted text')));
    root.replaceChildren(line);
  } catch (error) {
    root.replaceChildren(make('p', 'rw-data-notice rw-is-problem', error.message));
  }
}

keepFresh(loadCounts);
const onCounts = () => {
  if (!element.isConnected) document.removeEventListener('rw-counts-changed', onCounts);
  else if (root.offsetParent !== null) loadCounts();
};
document.addEventListener('rw-counts-changed', onCounts);

// The project that this browser showed last, here or under Annotate, is shown again.
const KEPT = 'reranker-workbench:annotate';
function readKept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; }
}
watch('value', () => {
  if (project() === null || readKept().project === project()) return;
  try { localStorage.setItem(KEPT, JSON.stringify({...readKept(), project: project()})); } catch { /* keeps nothing */ }
});
trigger('arrived', {project: readKept().project ?? null});
