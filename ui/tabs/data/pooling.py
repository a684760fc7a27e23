"""Find candidates: the project's passages pooled for its queries, and kept with where they came from and their scores."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotations.errors import InputError
from ui.choices import Choice, find_choice
from ui.hosting import hiding_places
from ui.label_requests import Answer
from ui.scoring import check_ready
from ui.services import Services
from ui.tabs.data.importing import read_count
from ui.tabs.data.pages import Progress, require_project

if TYPE_CHECKING:
    from annotations.store import Store
    from reranker_core.mining import Pool, System
    from reranker_core.reranker import Reranker

MOST_MODELS = 4
MOST_PAIRS_OF_STRANGERS = 2_000  # that models score for one call on a hosted screen
SOURCE_KIND = "pool"

_PAGE = 2000  # texts that are read at once
_STAGED = 500  # candidates of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How candidates are found; see `reranker_core.mining.pool_candidates`."""

    models: tuple[str, ...] = ()
    depth: int = 20
    first_stage: int = 100
    random_share: float = 0.2
    seed: int = 0


def read_settings(values: Mapping[str, Any]) -> PoolSettings:
    """Read the form: `models`, `depth`, `first_stage`, `random_share`, `seed`.

    Raises:
        InputError: one cannot be used.
    """
    models = values.get("models") or []
    if not isinstance(models, list) or len(models) > MOST_MODELS:
        raise InputError(f"Up to {MOST_MODELS} models are asked, got {len(models)}. Choose fewer.")
    seed = str(values.get("seed") or "0").strip()
    if not (seed.isascii() and seed.isdigit()) or len(seed) > 9:
        raise InputError(f"The seed must be a whole number from 0, got {seed!r:.40}. Correct it.")
    share = values.get("random_share")
    return PoolSettings(
        models=tuple(str(name) for name in models),
        depth=read_count(values.get("depth"), "Depth") or 20,
        first_stage=read_count(values.get("first_stage"), "Reranked") or 100,
        random_share=float(share) if isinstance(share, int | float) else 0.2,
        seed=int(seed),
    )


def pool_project(services: Services, project: object, settings: PoolSettings, *, on_progress: Progress) -> Answer:
    """Find candidates for all queries of a project, and keep them, all or nothing.

    Args:
        services: labels and models.
        project: the id of the project.
        settings: how.
        on_progress: told how far it is; what it raises cancels, and nothing stays.

    Returns:
        What was found, as the page shows it.

    Raises:
        InputError: there is nothing to look for or in, or a setting cannot be used.
        RerankerError: a model cannot be used; says why.
        ConflictError: an import into the project is going on.
    """
    from reranker_core.mining import pool_candidates

    chosen = require_project(services, project)
    store = services.labels.store
    choices = [find_choice(services, name) for name in dict.fromkeys(settings.models)]
    for choice in choices:
        check_ready(services, choice)
    queries = _read_texts(store, chosen.id, "queries", on_progress)
    corpus = _read_texts(store, chosen.id, "passages", on_progress)
    if not queries or not corpus:
        missing = "queries" if not queries else "passages"
        raise InputError(f"“{chosen.name}” has no {missing} yet. Import some first, such as a BEIR folder or a jsonl.")
    if choices and not services.allow_folders and len(queries) * settings.first_stage > MOST_PAIRS_OF_STRANGERS:
        raise InputError(
            f"This server scores up to {MOST_PAIRS_OF_STRANGERS:,} pairs at once, and {len(queries):,} queries by "
            f"{settings.first_stage} are more. Choose no model, or fewer that are reranked."
        )
    with hiding_places(services), closing(_borrow(services, choices, on_progress)) as rerankers:
        pool = pool_candidates(
            queries,
            corpus,
            rerankers=rerankers,
            depth=settings.depth,
            first_stage=settings.first_stage,
            random_share=settings.random_share,
            seed=settings.seed,
            on_progress=on_progress,
        )
    new = keep_pool(store, chosen.id, pool, name=", ".join(["BM25", *settings.models]), on_progress=on_progress)
    return describe_pool(pool, queries, new=new)


def keep_pool(store: "Store", project_id: int, pool: "Pool", *, name: str, on_progress: Progress) -> int:
    """Write a pool into a project: staged, then published at once; tell how many candidates are new.

    Args:
        store: an open store.
        project_id: of the queries and passages, whose ids the pool has.
        pool: what was found.
        name: shown for where the candidates came from.
        on_progress: told how far it is; what it raises cancels, and nothing stays.

    Raises:
        ConflictError: an import into the project is going on.
    """
    from annotations.exchange.unfinished import alone, clear_away, discarding

    digest = hashlib.sha256(repr(sorted(pool.run.items())).encode()).hexdigest()
    with alone(store, project_id):
        clear_away(store, project_id)
        batch = store.imports.begin(project_id, source_kind=SOURCE_KIND, source_name=name, sha256=digest)
        with discarding(store, batch):
            new = _stage_pool(store, pool, batch_id=batch.id, on_progress=on_progress)
            store.imports.publish(batch.id, counts={"candidates": new})
    return new


def _stage_pool(store: "Store", pool: "Pool", *, batch_id: int, on_progress: Progress) -> int:
    from annotations.store.text_rows import NewCandidate

    wanted = [
        NewCandidate(query_id=int(query_id), passage_id=int(found.passage_id), source=found.source, source_rank=found.rank)
        for query_id, passages in pool.candidates.items()
        for found in passages
    ]
    models = {system: _name_model(store, system) for system in pool.systems}
    new = 0
    for start in range(0, len(wanted), _STAGED):
        on_progress("Keeping candidates", start / len(wanted))
        chunk = wanted[start : start + _STAGED]
        added = store.texts.add_candidates(chunk, batch_id=batch_id)
        new += added.new
        _keep_scores(store, pool, chunk, added.ids, models, batch_id=batch_id)
    on_progress("Keeping candidates", 1.0)
    return new


def describe_pool(pool: "Pool", queries: Mapping[str, str], *, new: int) -> Answer:
    """Lay out what was found: how many candidates by system, and what could not be found."""
    by_source: dict[str, int] = {}
    for passages in pool.candidates.values():
        for found in passages:
            by_source[found.source] = by_source.get(found.source, 0) + 1
    total = sum(by_source.values())
    return {
        "stage": "report",
        "queries": len(pool.candidates),
        "candidates": total,
        "new": new,
        "by_source": by_source,
        "unmatched": [queries[query_id][:200] for query_id in pool.unmatched[:20]],
        "unmatched_count": len(pool.unmatched),
        "empty_passages": pool.empty_passages,
        "same_passages": pool.same_passages,
    }


def _borrow(services: Services, choices: Sequence[Choice], on_progress: Progress) -> Generator[tuple[str, "Reranker"]]:
    """Give one model after the other, each only as long as it is asked."""
    for choice in choices:

        def on_wait(stage: str, fraction: float | None, title: str = choice.title) -> None:
            words = "waiting for another run" if stage == "waiting" else "loading"
            on_progress(f"{title}: {words}", fraction)

        with services.pool.borrow(choice.base, adapter=choice.adapter, on_wait=on_wait) as reranker:
            yield choice.name, reranker


def _read_texts(store: "Store", project_id: int, what: str, on_progress: Progress) -> dict[str, str]:
    """Read all queries or passages of a project, by id as text."""
    read = store.texts.queries if what == "queries" else store.texts.passages
    found: dict[str, str] = {}
    after = 0
    while page := read(project_id, after_id=after, limit=_PAGE):
        on_progress(f"Reading {what}", None)
        found |= {str(row.id): row.text for row in page}
        after = page[-1].id
    return found


def _name_model(store: "Store", system: "System") -> int:
    return store.scores.add_model(system.name, layer=system.layer or 0).id


def _keep_scores(
    store: "Store", pool: "Pool", chunk: Sequence[Any], ids: Sequence[int], models: Mapping["System", int], *, batch_id: int
) -> None:
    """Keep what each system said about some candidates, with the rank over all that it ranked for the query."""
    from annotations.store.scores import NewScore

    for system, model_id in models.items():
        run = pool.runs[system.title]
        ranks: dict[int, dict[str, int]] = {}
        scores = []
        for one, candidate_id in zip(chunk, ids, strict=True):
            ranked = run[str(one.query_id)]
            if (score := ranked.get(str(one.passage_id))) is None:
                continue
            if one.query_id not in ranks:
                ranks[one.query_id] = {key: rank for rank, key in enumerate(ranked, start=1)}
            rank = ranks[one.query_id][str(one.passage_id)]
            scores.append(NewScore(candidate_id=candidate_id, score=score, rank=rank))
        if scores:
            store.scores.put(model_id, scores, batch_id=batch_id)
