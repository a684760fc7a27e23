// Copies of the labels: when, why, how large; made now; put back after a typed word.
const notice = makeNotice('rw-data-notice');
const list = make('div');
const make_now = makeButton('Make a backup now', (button) => tried(notice, button, async () => {
  const {said} = await ask('make_copy');
  await load();
  notice.tell(said);
}));
root.append(make_now, notice, list);

async function askRestore(row, word) {
  await tried(notice, null, async () => {
    const {rows} = await ask('list_copies', {number: row.number});
    const number = (value) => (value === undefined || value === null ? '?' : value.toLocaleString('en'));
    const table = makeTable(['What', 'In this copy', 'Now'], rows.map((one) => [one.name, number(one.then), number(one.now)]), {className: 'rw-data-narrow'});
    const problem = makeNotice('rw-data-notice');
    const words = make('p', '', 'All projects go back to this copy. The file of now is moved aside and kept; deleted texts and rows of unfinished imports are counted here too.');
    const confirmation = makeConfirmation(word, 'Put this copy back', (typed, button) => tried(problem, button, async () => {
      const {said} = await ask('restore_copy', {number: row.number, word: typed});
      dialog.close();
      trigger('arrived', {project: project()});
      tellChanged();
      notice.tell(said);
    }));
    const dialog = openDialog(`Put back the copy of ${formatTime(row.at)}?`, [table, words, confirmation, problem]);
    confirmation.querySelector('input').focus();
  });
}

async function load() {
  try {
    const found = await ask('list_copies');
    make_now.hidden = !found.can_change;
    const parts = [];
    if (found.problem) parts.push(make('p', 'rw-data-notice rw-is-problem', found.problem));
    if (found.rows.length) {
      parts.push(makeTable(['When', 'Why', 'Size', 'Put back'], found.rows.map((row) => {
        const actions = make('span', 'rw-data-actions');
        if (found.can_change) actions.append(makeButton('Restore …', () => askRestore(row, found.word), {label: `Restore the copy of ${formatTime(row.at)}`}));
        return [formatTime(row.at), row.reason, formatSize(row.size), actions];
      })));
    } else if (!found.can_change) {
      parts.push(make('p', 'rw-data-empty', 'Backups are made by themselves. Whoever runs this app lists them and puts them back where it runs.'));
    } else {
      parts.push(make('p', 'rw-data-empty', 'There is no backup yet. One is made at every start, before every import, and while you label.'));
    }
    if (found.folder) {
      const line = make('p', 'rw-data-note', 'They lie in ');
      line.append(make('code', '', found.folder));
      parts.push(line);
    }
    list.replaceChildren(...parts);
  } catch (error) {
    notice.tell(error.message, true);
  }
}

keepFresh(load);
