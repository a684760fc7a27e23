"""Runs over a corpus: a first stage that finds passages, and rerankers that order what it found."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from reranker_core.errors import InputError
from reranker_core.examples import Run
from reranker_core.mining.corpus_index import CorpusIndex, OnProgress, hash_number
from reranker_core.reranker import Reranker
from reranker_core.scores import Scores

BM25 = "bm25"
RANDOM = "random"

_BLOCK_PAIRS = 1024  # pairs of one call: enough to pack well, few enough to tell of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What ranked passages: BM25, or a model at one layer.

    Attributes:
        title: by which runs and candidates name it; a model's name, with `@` and the layer where it has several.
        name: the model's name as given, or `"bm25"`.
        layer: the cutoff layer, or `None` for what has none.
    """

    title: str
    name: str
    layer: int | None = None


def search_queries(
    queries: Mapping[str, str], index: CorpusIndex, *, depth: int, on_progress: OnProgress | None = None
) -> Run:
    """Find each query's best passages by BM25; see `CorpusIndex.search`. A query that finds none has an empty row."""
    run: Run = {}
    for number, (query_id, query) in enumerate(queries.items(), start=1):
        run[query_id] = index.search(query, depth=depth)
        if on_progress:
            on_progress("searching by BM25", number / len(queries))
    return run


def rerank_run(
    queries: Mapping[str, str],
    index: CorpusIndex,
    *,
    run: Run,
    name: str,
    reranker: Reranker,
    cutoff_layers: Sequence[int] | int | None = None,
    on_progress: OnProgress | None = None,
) -> dict[System, Run]:
    """Score what a run found by a reranker, so that one model at a time needs to be in memory.

    Args:
        queries: texts by id.
        index: the corpus in which the run's passages are.
        run: the run; its scores are passed over.
        name: the model's, for the systems.
        reranker: scores the pairs.
        cutoff_layers: for a layerwise model; each layer becomes a run. Others are not asked for layers.
        on_progress: see `OnProgress`.

    Returns:
        A run for each layer, best first, equal scores in the order of a hash of the passage id.

    Raises:
        InputError: as `Reranker.score`.
        ScoringError: as `Reranker.score`.
    """
    layers_asked = cutoff_layers if reranker.cutoff_range is not None else None
    tables: list[Run] = []
    systems: list[System] = []
    for pairs, scores in _score_blocks(
        queries, index, run=run, reranker=reranker, cutoff_layers=layers_asked, on_progress=_name(on_progress, name)
    ):
        if not systems:
            systems = [System(title=_title(name, layer, scores.layers), name=name, layer=layer) for layer in scores.layers]
            tables = [{query_id: {} for query_id in run} for _ in systems]
        for (query_id, passage_id), values in zip(pairs, scores.values, strict=True):
            for table, value in zip(tables, values, strict=True):
                table[query_id][passage_id] = value
    return {
        system: {query_id: order_scores(scores) for query_id, scores in table.items()}
        for system, table in zip(systems, tables, strict=True)
    }


def order_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """Put the best first, equal ones in the order of a hash of the passage id (the input's order puts positives first)."""
    return dict(sorted(scores.items(), key=lambda item: (-item[1], hash_number(item[0]))))


def check_name(name: str, reranker: Reranker, *, taken: Collection[str] = ()) -> None:
    """Check that a reranker can be told apart from other systems, and that it is none of those that find passages.

    Raises:
        InputError: it is not so.
    """
    if not reranker.has_logits:
        raise InputError(
            f'"{name}" cannot be the reranker: it gives no logits, and finds the passages anyway. Leave it out.'
        )
    if name in {BM25, RANDOM, *taken}:
        raise InputError(f'There is a system "{name}" already. Give each reranker a name of its own.')


def _score_blocks(
    queries: Mapping[str, str],
    index: CorpusIndex,
    *,
    run: Run,
    reranker: Reranker,
    cutoff_layers: Sequence[int] | int | None,
    on_progress: Callable[[float], None],
) -> Iterator[tuple[list[tuple[str, str]], Scores]]:
    """Score a run's pairs in blocks, and give their query and passage ids with the scores."""
    wanted = [(query_id, passage_id) for query_id, found in run.items() for passage_id in found]

    def tell(start: int, done: int, _: int) -> None:
        on_progress((start + done) / len(wanted))

    for start in range(0, len(wanted), _BLOCK_PAIRS):
        block = wanted[start : start + _BLOCK_PAIRS]
        pairs = [(queries[query_id], index.text(passage_id)) for query_id, passage_id in block]
        yield block, reranker.score(pairs, cutoff_layers=cutoff_layers, on_progress=partial(tell, start))


def _name(on_progress: OnProgress | None, name: str) -> Callable[[float], None]:
    return partial(on_progress, f"scoring by {name}") if on_progress else lambda fraction: None


def _title(name: str, layer: int | None, layers: Sequence[int | None]) -> str:
    return name if len(layers) == 1 else f"{name}@{layer}"
