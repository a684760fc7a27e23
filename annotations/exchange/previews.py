"""What an import would bring, found out without writing anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotations.exchange.import_options import USUAL_OPTIONS, ImportOptions, Progress
from annotations.exchange.reading import prepare
from annotations.exchange.samples import SampleRow
from annotations.exchange.sources import ImportSource, Kind
from annotations.exchange.targets import Counted
from annotations.models import ImportBatch, Scale, Split
from reranker_core.examples import Problems

if TYPE_CHECKING:
    from annotations.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an import would bring.

    Attributes:
        kind: of the source.
        queries: different ones.
        passages: different ones; the whole corpus where there is one.
        candidates: pairs.
        judgements: graded, skipped and so on.
        scores: of candidates by models, as a run has them.
        raw_grades: how often each value stands in the file, as text; with `max_queries` in the rows of those queries.
        grade_map: what each of them becomes; `None` is unjudged. A value that is missing here is not mapped, and its rows
            are among the problems until `ImportOptions.grade_map` names it.
        scale: of the grades; `None` without any.
        splits: how many queries the file puts into each part, whether the options keep that or not.
        annotators: how many judgements each handle has.
        problems: rows that would be left out, with line numbers.
        differing: judgements of the file that differ from what the same annotator said in the project, which stays.
        rows: rows of all files; those used, those left out and those with problems together.
        used: rows that would be taken.
        left_out: rows that the options leave out, by reason.
        random_negatives: passages that an export of ours filled in at random; they come as candidates.
        prompt: what all training rows have as their prompt; `None` if some differ or there is none.
        notes: sentences about what should be known before importing.
        sample: the first few pairs.
        already_imported: the import that brought the same files before.
    """

    kind: Kind
    queries: int
    passages: int
    candidates: int
    judgements: int
    scores: int
    raw_grades: Mapping[str, int]
    grade_map: Mapping[str, int | None]
    scale: Scale | None
    splits: Mapping[Split, int]
    annotators: Mapping[str, int]
    problems: Problems
    differing: Problems
    rows: int
    used: int
    left_out: Mapping[str, int]
    random_negatives: int
    prompt: str | None
    notes: tuple[str, ...]
    sample: tuple[SampleRow, ...]
    already_imported: ImportBatch | None

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Values of the file that are not mapped to anything."""
        return tuple(raw for raw in self.raw_grades if raw not in self.grade_map)


def preview_import(
    store: "Store",
    project_id: int,
    source: ImportSource,
    *,
    options: ImportOptions = USUAL_OPTIONS,
    on_progress: Progress | None = None,
) -> Preview:
    """Find out what an import would bring; nothing is written.

    Args:
        store: an open one.
        project_id: where to.
        source: of `open_source` or `source_from_text`.
        options: as for `run_import`.
        on_progress: told where it is; what it raises ends it.

    Raises:
        InputError: there is no such project, the files cannot be read, have no columns that can be used, or have grades of
            the other scale than the project's.
    """
    prepared = prepare(store, project_id, source, options=options, on_progress=on_progress)
    target, problems = Counted(store, project_id), Problems()
    intake = prepared.take_all(target, options=options, problems=problems)
    return Preview(
        kind=source.kind,
        queries=target.queries,
        passages=target.passages,
        candidates=target.candidates,
        judgements=target.judgements,
        scores=target.scores,
        raw_grades=prepared.count_grades(intake),
        grade_map=prepared.grades.grade_map,
        scale=prepared.grades.scale,
        splits=dict(intake.splits),
        annotators=dict(intake.annotators),
        problems=problems,
        differing=target.differing,
        rows=problems.rows,
        used=intake.used,
        left_out=dict(intake.left_out),
        random_negatives=intake.random_negatives,
        prompt=prepared.survey.prompt,
        notes=(*prepared.notes, *intake.notes),
        sample=tuple(intake.sample),
        already_imported=store.imports.find_published(project_id, source.sha256),
    )
