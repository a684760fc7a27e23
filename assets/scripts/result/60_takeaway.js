// Taking the comparison away: as code, as data, as a link.

const COPIES = [['python', 'Python'], ['curl', 'curl'], ['json', 'JSON']];

function makeTakeAway() {
  const row = make('div', 'rw-take-away');
  const status = make('p', 'rw-said');
  status.setAttribute('role', 'status');
  let isBusy = false;
  const add = (text, act) => row.append(makeButton('rw-button', text, async (button) => {
    if (isBusy) return;
    isBusy = true;
    status.textContent = '';
    try {
      status.replaceChildren(await act(button));
    } catch (error) {
      status.textContent = error instanceof Error ? error.message : 'The server did not answer. Try again.';
    }
    isBusy = false;
  }));
  for (const [kind, name] of COPIES) {
    add(`Copy as ${name}`, async (button) => copyText((await fetchText(kind)).text, `as ${name}`, button));
  }
  add('Download csv', async () => {
    const {text, file} = await fetchText('csv');
    download(text, file);
    return `Downloaded ${file}.`;
  });
  add('Copy link', copyLink);
  if (server.send_to_labels) add('Send to Annotate …', sendToAnnotate);
  row.append(status);
  return row;
}

async function fetchText(kind) {
  const {request, ...result} = props.value;
  let answer;
  try {
    answer = await server.take_away({kind, request, result, address: location.origin + location.pathname});
  } catch (error) {
    throw new Error('The server did not answer. See whether it runs, then try again.', {cause: error});
  }
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function copyLink(button) {
  if (!window.CompressionStream) throw new Error('This browser is too old to make links. Copy as JSON instead.');
  const link = `${location.origin}${location.pathname}#c=${await packLink(props.value.request)}`;
  if (link.length > LONGEST_LINK) {
    return `This comparison makes a link of ${count(link.length, 'character')}; mail and chat programs cut links over `
      + `${LONGEST_LINK.toLocaleString('en')}. Take fewer or shorter passages, or copy as JSON.`;
  }
  return copyText(link, 'link', button);
}

// Copies by the first way that this page may use; the last way is the visitor's own hand.
async function copyText(text, what, button) {
  const said = what === 'link' ? 'Copied the link.' : `Copied ${what}.`;
  try {
    await navigator.clipboard.writeText(text);   // only where the page came by https or from this machine
    return said;
  } catch {
    if (copyBySelection(text, button)) return said;
  }
  showForCopying(text, button);
  return 'This page may not write to the clipboard: copy the text from the window.';
}

function copyBySelection(text, button) {
  const box = make('textarea', 'rw-hidden', text);
  root.append(box);
  box.select();
  const isCopied = document.execCommand('copy');
  box.remove();
  button.focus();
  return isCopied;
}

function showForCopying(text, button) {
  const dialog = make('dialog', 'rw-dialog');
  dialog.setAttribute('aria-label', 'Text to copy');
  const box = make('textarea', '', text);
  box.readOnly = true;
  box.setAttribute('aria-label', 'Press Ctrl+C to copy');
  const close = makeButton('rw-button', 'Close', () => dialog.close());
  dialog.append(make('p', '', 'Press Ctrl+C to copy this text.'), box, close);
  dialog.addEventListener('close', () => {
    dialog.remove();
    button.focus();
  });
  root.append(dialog);
  dialog.showModal();
  box.select();
}

function download(text, file) {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'text/csv;charset=utf-8'}));
  link.download = file;
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
