// Start, and when the form is filled.
const nameField = makeLabelled('Name of the job', make('input'));
nameField.control.type = 'text';
nameField.control.maxLength = 60;
nameField.control.value = state.name;
nameField.control.addEventListener('input', () => { state.name = nameField.control.value; changed(500); });
const start = makeButton('Start training', () => begin(), {className: 'rw-train-start'});
let isStarting = false;
const foot = make('div', 'rw-train-foot');   // in sight, however long the form is
foot.append(notice, start);

root.append(whyNot, base.place, labels.place, ways, path.place, uploader.place, presets, knobs, all, line, blocked, warnings, checks,
  facts, examples, command.place, elsewhere, nameField.place, foot);

function showStart() {
  start.hidden = nameField.place.hidden = Boolean(choices.why_not);
  start.disabled = isStarting || Boolean(plan?.blocked);
}

async function begin() {
  if (isStarting) return;
  isStarting = true;
  start.textContent = 'Starting …';
  showStart();
  tell('');
  try {
    const begun = await ask('start_training_run', wish(), START_WITHIN);
    state.name = nameField.control.value = '';
    keep();
    tell(begun.said);
    trigger('begun', {id: begun.id, name: begun.name});
    document.dispatchEvent(new CustomEvent('rw-jobs-changed'));
    await load({isFresh: true});
    tell(begun.said);
  } catch (error) {
    tell(error.message, true);
  } finally {
    isStarting = false;
    start.textContent = 'Start training';
    showStart();
  }
}

async function load({isFresh = false} = {}) {
  try {
    choices = await ask('training_choices');
  } catch (error) {
    tell(error.message, true);
    return;
  }
  showChoices();
  await work({isFresh});
}

// Fills the form when it comes on the screen, and anew when labels or models were changed elsewhere.
let isShown = false;
function update() {
  if (root.offsetParent === null) { isShown = false; return; }
  if (isShown) return;
  isShown = true;
  checkedProject = null;
  load({isFresh: true});
}
function onChanged() {
  if (!element.isConnected) { document.removeEventListener('rw-data-changed', onChanged); return; }
  isShown = false;
  update();
}
// The tour fills the form in.
function onWanted(event) {
  if (!element.isConnected) { document.removeEventListener('rw-train-on', onWanted); return; }
  Object.assign(state, event.detail);
  keep();
  isShown = false;
  update();
}
new ResizeObserver(update).observe(root);
document.addEventListener('rw-train-on', onWanted);
document.addEventListener('rw-data-changed', onChanged);
root.classList.add('rw-is-there');   // an empty view has a height too, so that its coming is noticed
update();
