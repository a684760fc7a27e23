const line = element.querySelector('.rw-message');
// A text is what went wrong; what was done comes as {said}.
function show() {
  const isDone = typeof props.value?.said === 'string';
  const words = isDone ? props.value.said : props.value || '';
  line.classList.toggle('rw-is-done', isDone);
  line.textContent = words;
  line.hidden = !words;
}
watch('value', show);
show();
