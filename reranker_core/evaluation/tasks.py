"""What is ranked and how it is judged: a `RankingTask`, and the runs of rerankers over it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reranker_core.errors import InputError
from reranker_core.examples import Qrels, Run
from reranker_core.examples.texts import describe
from reranker_core.mining.ranking import order_scores
from reranker_core.reranker import Progress, Reranker

_WITH_PROMPT = ("decoder", "layerwise")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingTask:
    """Queries with the passages that they rank, and grades.

    Attributes:
        name: how people call it, such as the folder's name.
        queries: texts by id; those of `candidates` and `qrels`.
        passages: texts by id; at least all candidates. BM25 counts its words over all of them.
        candidates: by query id, the passages to rank: best first by `first_stage`, else in an order without meaning.
        qrels: grades by query id and passage id; also of passages that are no candidates, which no reranker can then find.
        relevant_from: the grade from which on a passage is relevant to binary measures.
        prompts: by query id, the prompt of a row that has one; the model's default for the others.
        note: what is ranked, in words.
        first_stage: what put the candidates in order, such as `"bm25"`; empty if nothing did.
    """

    name: str
    queries: dict[str, str] = field(repr=False)
    passages: dict[str, str] = field(repr=False)
    candidates: dict[str, tuple[str, ...]] = field(repr=False)
    qrels: Qrels = field(repr=False)
    relevant_from: int = 1
    prompts: dict[str, str] = field(default_factory=dict, repr=False)
    note: str = ""
    first_stage: str = ""

    def __post_init__(self) -> None:
        """Check that every id has its text, and that there is something to measure."""
        if not self.qrels:
            raise InputError(f"{self.name} has no query with grades. Choose another split or file.")
        for kind, ids, texts in (
            ("query", {*self.qrels, *self.candidates, *self.prompts}, self.queries),
            ("passage", set().union(*self.candidates.values()), self.passages),
        ):
            if missing := min(ids - texts.keys(), default=None):
                raise InputError(
                    f"{self.name} names {kind} {describe(missing)} and has no text for it. Add it, or leave it out."
                )
        if self.relevant_from < 1:
            raise InputError(f"relevant_from must be at least 1, got {self.relevant_from}.")

    @property
    def pairs(self) -> int:
        """How many pairs a reranker scores."""
        return sum(map(len, self.candidates.values()))


def score_task(
    reranker: Reranker,
    task: RankingTask,
    *,
    max_length: int | None = None,
    cutoff_layers: Sequence[int] | int | None = None,
    query_instruction: str | None = None,
    passage_instruction: str | None = None,
    on_progress: Progress | None = None,
) -> dict[int | None, Run]:
    """Score all candidates of a task, all layers in one pass.

    Args:
        reranker: any. One without cutoff layers is not asked for layers, an encoder not for prompts, BM25 for neither nor
            for a length.
        task: what to rank.
        max_length: tokens of a pair, as for `Reranker.score`.
        cutoff_layers: for a layerwise model; by default its deepest.
        query_instruction: as for `Reranker.score`.
        passage_instruction: as for `Reranker.score`.
        on_progress: called as `on_progress(done, total)` in pairs; what it raises stops the work.

    Returns:
        A run by layer, `None` for a model without layers: best first, equal scores by a hash of the passage id. A query
        without candidates has an empty row.

    Raises:
        InputError: as `Reranker.score`.
        ScoringError: as `Reranker.score`.
    """
    by_prompt: dict[str | None, list[tuple[str, str]]] = {}
    for query_id, passage_ids in task.candidates.items():
        prompt = task.prompts.get(query_id) if reranker.family in _WITH_PROMPT else None
        by_prompt.setdefault(prompt, []).extend((query_id, passage_id) for passage_id in passage_ids)
    tables: dict[int | None, Run] = {}
    before = 0
    for prompt, ids in by_prompt.items():
        scores = reranker.score(
            [(task.queries[query_id], task.passages[passage_id]) for query_id, passage_id in ids],
            cutoff_layers=cutoff_layers if reranker.cutoff_range is not None else None,
            max_length=max_length if reranker.has_logits else None,
            prompt=prompt,
            query_instruction=query_instruction,
            passage_instruction=passage_instruction,
            on_progress=_shift(on_progress, before, task.pairs),
        )
        before += len(ids)
        for column, layer in enumerate(scores.layers):
            table = tables.setdefault(layer, {query_id: {} for query_id in task.candidates})
            for (query_id, passage_id), values in zip(ids, scores.values, strict=True):
                table[query_id][passage_id] = values[column]
    return {layer: {query_id: order_scores(row) for query_id, row in table.items()} for layer, table in tables.items()}


def _shift(on_progress: Progress | None, before: int, total: int) -> Progress | None:
    """Tell of one call as a part of all."""
    if on_progress is None:
        return None
    return lambda done, _: on_progress(before + done, total)


def as_run(ranking: Mapping[str, Sequence[str]]) -> Run:
    """Make a run of an order alone: the last passage has the score 1."""
    return {
        query_id: {passage_id: float(len(ids) - place) for place, passage_id in enumerate(ids)}
        for query_id, ids in ranking.items()
    }
