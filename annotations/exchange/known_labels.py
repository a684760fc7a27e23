"""What a project says already of pairs that an import would bring."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from annotations.models import State
from annotations.plurals import count
from reranker_core.examples import Problem, Problems

if TYPE_CHECKING:
    from annotations.store import Store

Said = tuple[State, int | None]
TOLD = 20  # judgements that differ are told with their lines, and the others are counted


class KnownLabels:
    """Finds a project's judgements by the numbers that a preview gives to texts. Of one without any it asks nothing."""

    def __init__(self, store: "Store", project_id: int) -> None:
        """Look whether there is any."""
        self._store = store
        self._project_id = project_id
        with store.labels.read(project_id) as reading:
            self._is_empty = not reading.has_judgements()
        self._ids: dict[tuple[str, int], int] = {}
        self._numbers: dict[tuple[str, int], int] = {}

    def learn(self, kind: Literal["query", "passage"], numbers: Sequence[int], hashes: Sequence[str]) -> None:
        """Look up texts by their SHA-256."""
        if self._is_empty:
            return
        with self._store.labels.read(self._project_id) as reading:
            found = reading.find_queries(hashes) if kind == "query" else reading.find_passages(hashes)
        for number, sha256 in zip(numbers, hashes, strict=True):
            if sha256 in found:
                self.use(kind, number, found[sha256])

    def use(self, kind: Literal["query", "passage"], number: int, text_id: int) -> None:
        """Note the id of a text."""
        self._ids[kind, number] = text_id
        self._numbers[kind, text_id] = number

    def find(self, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int, str], Said]:
        """Give what was said of pairs of numbers, by these and the handle of who said it."""
        if self._is_empty:
            return {}
        queries = {self._ids["query", number] for number, _ in pairs if ("query", number) in self._ids}
        passages = {self._ids["passage", number] for _, number in pairs if ("passage", number) in self._ids}
        with self._store.labels.read(self._project_id) as reading:
            said = reading.find_judgements(queries, passages)
        return {
            (self._numbers["query", query_id], self._numbers["passage", passage_id], handle): (state, grade)
            for query_id, passage_id, handle, state, grade in said
        }


def note_difference(differing: Problems, *, file: str, line: int, annotator: str, given: Said, there: Said) -> None:
    """Note that a file says something else than the project, which stays; nothing if it says the same."""
    if given != there:
        message = f"{describe_judged(*given)} by {annotator}, but {describe_judged(*there)} in the project, which stays."
        differing.add(Problem(source=file, line=line, message=message))


def describe_judged(state: State, grade: int | None) -> str:
    """Say a judgement in words."""
    return f"grade {grade}" if state == "graded" else state.replace("cant_tell", "can't tell")


def describe_differing(differing: Problems) -> str:
    """Say how many judgements differ, and what to do; nothing if none does."""
    if not differing.count:
        return ""
    differ = "differs" if differing.count == 1 else "differ"
    return (
        f"{count(differing.count, 'judgement')} of the file {differ} from what the same annotator said here before, which "
        f"stays. To correct {'it, find it' if differing.count == 1 else 'them, find them'} under Data, Browse."
    )
