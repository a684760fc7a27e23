"""What a project holds after an import, in plain values."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from annotations.exchange import (
    ImportOptions,
    ImportReport,
    Preview,
    open_source,
    preview_import,
    run_import,
    source_from_text,
)
from annotations.store import Store

Labels = dict[tuple[str, str], dict[str, Any]]


def labels_of(store: Store, project_id: int) -> Labels:
    """Give for each pair of texts who judged it how; a pair that nobody judged has an empty dictionary."""
    names = {annotator.id: annotator.handle for annotator in store.annotators.list()}
    found: Labels = {}
    for query in store.texts.queries(project_id):
        texts = {row.candidate.id: row.passage.text for row in store.texts.candidates(query.id)}
        found |= {(query.text, text): {} for text in texts.values()}
        for one in store.judgements.of_query(query.id):
            judged = one.grade if one.state == "graded" else one.state
            found[query.text, texts[one.candidate_id]][names[one.annotator_id]] = judged
    return found


def sources_of(store: Store, project_id: int) -> dict[tuple[str, str], tuple[str, int | None]]:
    """Give for each pair of texts where the candidate came from, with its rank there."""
    return {
        (query.text, row.passage.text): (row.candidate.source, row.candidate.source_rank)
        for query in store.texts.queries(project_id)
        for row in store.texts.candidates(query.id)
    }


def scores_of(store: Store, project_id: int) -> dict[tuple[str, str], dict[str, tuple[float, int | None]]]:
    """Give for each pair of texts that a model scored the scores and ranks, by model and layer."""
    models = {model.id: f"{model.name}@{model.layer}" for model in store.scores.models()}
    found: dict[tuple[str, str], dict[str, tuple[float, int | None]]] = {}
    for query in store.texts.queries(project_id):
        texts = {row.candidate.id: row.passage.text for row in store.texts.candidates(query.id)}
        for one in store.scores.of_query(query.id):
            scores = found.setdefault((query.text, texts[one.candidate_id]), {})
            scores[models[one.model_ref_id]] = one.score, one.rank
    return found


def names_of(store: Store, project_id: int) -> dict[str, list[tuple[str, str | None]]]:
    """Give for each passage its ids and titles elsewhere."""
    passages = store.texts.passages(project_id)
    names = store.texts.external_ids_of_passages([passage.id for passage in passages])
    return {passage.text: [(name.ext_id, name.title) for name in names.get(passage.id, ())] for passage in passages}


def take(store: Store, text: str | Path, **options: Any) -> tuple[int, Preview, ImportReport]:
    """Preview and import a file, or text that was pasted, into a new project; both must tell the same."""
    project_id = store.projects.create(str(uuid4())).id
    return project_id, *take_into(store, project_id, text, **options)


def take_into(store: Store, project_id: int, text: str | Path, **options: Any) -> tuple[Preview, ImportReport]:
    """Preview and import into a project; both must tell the same."""
    source = open_source(text) if isinstance(text, Path) else source_from_text(text)
    chosen = ImportOptions(**options)
    preview = preview_import(store, project_id, source, options=chosen)
    report = run_import(store, project_id, source, options=chosen)
    check_same(preview, report)
    return preview, report


def check_same(preview: Preview, report: ImportReport) -> None:
    """Check that a preview told what the import did, and that no row went missing."""
    for what in ("queries", "passages", "candidates", "judgements"):
        arrived = getattr(report, what)
        assert getattr(preview, what) == arrived.new + arrived.known, what
    assert preview.scores == report.scores.new + report.scores.known
    assert (preview.rows, preview.used, preview.left_out) == (report.rows, report.used, report.left_out)
    assert preview.problems.listed == report.problems.listed
    assert preview.differing.listed == report.differing.listed
    assert preview.rows == preview.used + preview.problems.count + sum(preview.left_out.values())
    assert (preview.grade_map, preview.scale, preview.random_negatives, preview.notes) == (
        report.grade_map,
        report.scale,
        report.random_negatives,
        report.notes,
    )


def listed(preview: Preview | ImportReport) -> list[tuple[int, str]]:
    """Give the lines with problems and the beginnings of what is wrong with them."""
    return [(problem.line, problem.message) for problem in preview.problems.listed]


def write_jsonl(path: Path, rows: Iterable[Any]) -> Path:
    """Write rows as jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
