// The snapshots of the project: what is in each, whether it is as it was made, and the id by which others name it.
const notice = makeNotice('rw-data-notice');
const list = make('div');
root.append(notice, list);

function partsOf(numbers) { return Object.entries(numbers).map(([name, number]) => `${name} ${number.toLocaleString('en')}`).join(' · '); }

async function load() {
  if (project() === null) { list.replaceChildren(make('p', 'rw-data-empty', missing())); return; }
  try {
    const {rows} = await ask('list_snapshots');
    if (!rows.length) {
      list.replaceChildren(make('p', 'rw-data-empty', 'There is no snapshot yet. A snapshot freezes queries, grades, candidates and training rows; training and evaluation read nothing else.'));
      return;
    }
    list.replaceChildren(makeTable(['Name', 'Made', 'Queries', 'Training rows', 'Seen in training', 'SHA-256', 'Id'], rows.map((row) => {
      const hash = make('code', '', row.sha256.slice(0, 12));
      hash.title = row.sha256;
      const id = make('span', 'rw-data-actions');
      id.append(make('code', '', row.id), makeCopy(row.folder || row.id, `Copy the ${row.folder ? 'folder' : 'id'} of ${row.name}`),
        makeButton('Verify', (button) => tried(notice, button, async () => {
          notice.tell((await ask('verify_snapshot', {name: row.name})).said);
        }), {label: `Verify ${row.name}`}));
      if (!row.is_there) id.append(make('em', '', 'the folder is gone'));
      const leak = row.leak === null || row.leak === undefined ? '–' : `${(100 * row.leak).toFixed(1)} %`;
      return [row.name, formatTime(row.at), partsOf(row.parts), partsOf(row.rows), leak, hash, id];
    }), {caption: '“Seen in training”: the share of the test part’s positive passages that stand in a training row.'}));
  } catch (error) {
    notice.tell(error.message, true);
  }
}

keepFresh((isOther) => { if (isOther) notice.tell(''); load(); });
