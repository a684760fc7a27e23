// How far annotators agree: all together, and two by two.
const place = make('div');
root.append(place);

const share = (value) => (value === null ? '–' : `${(100 * value).toFixed(1)} %`);
const figure = (value) => (value === null ? '–' : value.toFixed(3));

async function load() {
  if (project() === null) { place.replaceChildren(make('p', 'rw-data-empty', missing())); return; }
  try {
    const found = await ask('agreement_of');
    const parts = [make('p', 'rw-data-note', found.note)];
    if (found.pairs) {
      const kappa = found.kappa_weights === 'linear' ? 'Kappa, linear weights' : 'Kappa';
      const alpha = `Alpha, ${found.alpha_level}`;
      const rows = found.by_pair.map((one) => {
        const names = make('span', '', `${one.first} and ${one.second}`);
        if (one.note) names.title = one.note;
        return [names, one.pairs.toLocaleString('en'), share(one.raw), figure(one.kappa), figure(one.alpha)];
      });
      rows.unshift(['All together', found.pairs.toLocaleString('en'), share(found.raw), figure(found.kappa), figure(found.alpha)]);
      parts.push(makeTable(['Who', 'Pairs that both graded', 'Same grade', kappa, alpha], rows, {
        caption: 'Kappa of all together is the mean over the pairs of annotators. 1 is full agreement, 0 is what chance gives.',
      }));
      if (found.left_out) parts.push(make('p', 'rw-data-note', `${count(found.left_out, 'pair')} of annotators with the fewest pairs are not listed.`));
      for (const one of found.by_pair.filter((two) => two.note && two.pairs)) parts.push(make('p', 'rw-data-note', one.note));
    }
    place.replaceChildren(...parts);
  } catch (error) {
    place.replaceChildren(make('p', 'rw-data-notice rw-is-problem', error.message));
  }
}

keepFresh(load);
