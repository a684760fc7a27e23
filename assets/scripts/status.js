const line = element.querySelector('.rw-state');
function show() { line.textContent = props.value || ''; }
watch('value', show);
show();
