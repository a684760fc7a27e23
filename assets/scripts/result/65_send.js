// Sending the passages to be judged, with what the models said about them.

async function askServer(wanted) {
  let answer;
  try {
    answer = await server.send_to_labels(wanted);
  } catch (error) {
    throw new Error('The server did not answer. See whether it runs, then try again.', {cause: error});
  }
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function sendToAnnotate(button) {
  const {projects} = await askServer({kind: 'projects'});
  const chosen = await askForProject(projects, button);
  if (!chosen) return '';
  const {request, ...result} = props.value;
  const {said, project, query} = await askServer({kind: 'send', request, result, ...chosen});
  const answer = make('span', '', `${said} `);
  answer.append(makeButton('rw-button', 'Judge them now', () => judgeNow(project, query)));
  return answer;
}

// Asks in a window: an existing project, or the name of a new one. Closed without an answer it gives null.
function askForProject(projects, button) {
  const dialog = make('dialog', 'rw-dialog');
  const title = make('h2', '', 'Send to Annotate');
  title.id = 'rw-send-title';
  dialog.setAttribute('aria-labelledby', title.id);
  const form = make('form');
  form.method = 'dialog';
  const select = make('select');
  for (const name of projects) select.append(new Option(name, name));
  select.append(new Option('New project …', ''));
  const field = make('input');
  field.maxLength = 200;
  const newName = labelled('Its name', field);
  const send = makeButton('rw-button rw-primary', 'Send', () => {});
  const cancel = makeButton('rw-button', 'Cancel', () => dialog.close());
  send.type = 'submit';
  const showName = () => {
    newName.hidden = select.value !== '';
    field.required = select.value === '';
  };
  select.addEventListener('change', showName);
  showName();
  const buttons = make('div', 'rw-take-away');
  buttons.append(send, cancel);
  form.append(title, labelled('Project', select), newName, buttons);
  dialog.append(form);
  root.append(dialog);
  return new Promise((answer) => {
    let chosen = null;
    form.addEventListener('submit', () => {
      chosen = {project: select.value || field.value, is_new: select.value === ''};
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      button.focus();
      answer(chosen);
    });
    dialog.showModal();
  });
}

// The Annotate tab reads what this browser keeps when it is opened for the first time.
function judgeNow(project, query) {
  const name = 'reranker-workbench:annotate';
  try {
    localStorage.setItem(name, JSON.stringify({...JSON.parse(localStorage.getItem(name) ?? '{}'), project, query}));
  } catch { /* a browser that keeps nothing: it opens at the first project */ }
  trigger('judge', {project, query});
}

function labelled(text, control) {
  const label = make('label', 'rw-field');
  label.append(make('span', '', text), control);
  return label;
}
