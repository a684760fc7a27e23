// What an export wrote, and what became of everything that went in.
const NAMES = {queries: 'Queries', judgements: 'Judgements', pairs: 'Pairs with a grade', candidates: 'Candidates'};

function show() {
  const found = props.value;
  root.replaceChildren();
  if (found?.stage !== 'report') return;
  root.append(make('h2', '', 'Exported'));
  root.append(make('p', 'rw-data-lead', found.files.map((file) => `${file.name}: ${count(file.rows, 'row')}, ${formatSize(file.size)}`).join(' · ')));
  if (found.folder) {
    const line = make('p', 'rw-data-note', 'It stays in ');
    line.append(make('code', '', found.folder), ' ', makeCopy(found.folder, 'Copy the path of the export'));
    root.append(line);
  }
  for (const warning of found.warnings) root.append(make('p', 'rw-data-note rw-is-warning', warning));
  const rows = found.accounts.map((one) => {
    const left = make('span');
    const reasons = Object.entries(one.left_out);
    if (!reasons.length) left.append('none');
    for (const [reason, number] of reasons) left.append(make('div', '', `${number.toLocaleString('en')}: ${reason}`));
    return [NAMES[one.of] ?? one.of, one.given.toLocaleString('en'), one.used.toLocaleString('en'), left];
  });
  if (rows.length) root.append(makeTable(['What', 'In the project', 'In the export', 'Left out'], rows, {caption: 'In = out + left out'}));
  const others = Object.entries(found.counts).map(([name, number]) => `${name.replaceAll('_', ' ')}: ${number.toLocaleString('en')}`);
  if (others.length) root.append(make('p', 'rw-data-note', others.join(' · ')));
  say('Exported');
}

watch('value', show);
show();
