// What was found for the queries, by whom, and what was not.
function show() {
  const found = props.value;
  root.replaceChildren();
  if (found?.stage !== 'report') return;
  root.append(make('h2', '', 'Candidates were found'));
  const words = [`${count(found.candidates, 'candidate')} for ${count(found.queries, 'query', 'queries')}, ${found.new.toLocaleString('en')} of them new`];
  words.push(...Object.entries(found.by_source).map(([name, number]) => `${name}: ${number.toLocaleString('en')}`));
  root.append(make('p', 'rw-data-lead', words.join(' · ')));
  if (found.empty_passages) root.append(make('p', 'rw-data-note', `${count(found.empty_passages, 'empty passage')} left out`));
  if (found.same_passages) root.append(make('p', 'rw-data-note', `${count(found.same_passages, 'passage')} with the same text as another left out`));
  if (found.unmatched_count) {
    const details = make('details', 'rw-data-more');
    details.append(make('summary', '', `${count(found.unmatched_count, 'query', 'queries')} without a word in common with any passage: random candidates only`));
    const list = make('ul');
    for (const text of found.unmatched) list.append(make('li', '', text));
    details.append(list);
    root.append(details);
  }
  say('Candidates were found');
}

watch('value', show);
show();
let wasShown = false;
new ResizeObserver(() => {
  const isShown = root.offsetParent !== null;
  if (isShown && !wasShown) trigger('arrived');   // which models are ready may have changed
  wasShown = isShown;
}).observe(root);
root.classList.add('rw-is-there');
