// Whose scores somebody saw, who then judges knowing them: for each name, as long as this tab is open.
const seenScores = new Set();

function seenKey(id) { return `reranker-workbench:seen:${page.store}:${id}:${page.annotator}`; }

function noteSeen({id, scores}) {
  const key = seenKey(id);
  if (!scores.length || seenScores.has(key)) return;
  seenScores.add(key);
  try {
    sessionStorage.setItem(key, '1');
  } catch { /* known until the page is loaded again */ }
}

function wereScoresSeen({id}) {
  const key = seenKey(id);
  try {
    return seenScores.has(key) || sessionStorage.getItem(key) !== null;
  } catch {
    return seenScores.has(key);
  }
}
