"""Importing: staged where nobody sees it, in transactions so short that labelling never waits, then published at once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from annotations.errors import AnnotationError, InputError
from annotations.exchange.import_options import USUAL_OPTIONS, ImportOptions, Progress
from annotations.exchange.intake import Intake
from annotations.exchange.known_labels import describe_differing
from annotations.exchange.reading import Prepared, prepare
from annotations.exchange.sources import ImportSource
from annotations.exchange.targets import Staged
from annotations.exchange.unfinished import alone, check_room, clear_away, discarding
from annotations.models import ImportBatch, Project, Scale
from annotations.plurals import count
from reranker_core.examples import Problems

if TYPE_CHECKING:
    from annotations.store import Store


_ONE = {
    "queries": "query",
    "passages": "passage",
    "candidates": "candidate",
    "judgements": "judgement",
    "scores": "score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """How many came with an import, and how many of the file's were there before."""

    new: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes:
        batch: the import; `None` if nothing was imported, because the same files were before.
        already_imported: the import that brought the same files before, if nothing was imported now.
        queries, passages, candidates: new ones, and those that were there.
        judgements: new ones, and those left out because that annotator had judged that candidate already.
        scores: new ones, and those left out because that model had scored that candidate already.
        rows: rows of all files; those used, those left out and those with problems together.
        used: rows that were taken.
        left_out: rows that the options left out, by reason.
        problems: rows that were left out for what is wrong with them, with line numbers.
        differing: judgements of the file that differ from what the same annotator said in the project, which stayed.
        grade_map: what each value became.
        scale: of the grades.
        random_negatives: passages that came as candidates because an export of ours had filled them in at random.
        prompt: what all training rows have as their prompt; `None` if some differ or there is none.
        notes: sentences about what should be known.
        sentence: all of it in a sentence or two.
    """

    batch: ImportBatch | None
    already_imported: ImportBatch | None = None
    queries: Arrived = Arrived()
    passages: Arrived = Arrived()
    candidates: Arrived = Arrived()
    judgements: Arrived = Arrived()
    scores: Arrived = Arrived()
    rows: int = 0
    used: int = 0
    left_out: Mapping[str, int]
    problems: Problems
    differing: Problems = field(default_factory=Problems)
    grade_map: Mapping[str, int | None]
    scale: Scale | None = None
    random_negatives: int = 0
    prompt: str | None = None
    notes: tuple[str, ...] = ()
    sentence: str


def run_import(
    store: "Store",
    project_id: int,
    source: ImportSource,
    *,
    options: ImportOptions = USUAL_OPTIONS,
    again: bool = False,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Import files into a project, all or nothing, while others label in it.

    The prompt that all training rows have becomes the project's, if it has none.

    Args:
        store: an open one; a backup of it is made first.
        project_id: where to.
        source: of `open_source` or `source_from_text`.
        options: how the files are taken.
        again: import even if the same files were imported before.
        on_progress: told where it is; what it raises cancels, and nothing of the import stays.

    Raises:
        InputError: as for `preview_import`, or no row can be used, or the files changed since they were opened.
        ConflictError: another import into the project is going on, or the project got the other scale meanwhile.
        StorageError: the disk has no room for it, or the database could not be written; if then something of it stays that
            nobody sees, it says so.
    """
    project = store.projects.get_by_id(project_id)
    earlier = store.imports.find_published(project_id, source.sha256)
    if earlier is not None and not again:
        return _tell_earlier(source, earlier, project)
    source.check_unchanged()
    prepared = prepare(store, project_id, source, options=options, on_progress=on_progress)
    with alone(store, project_id):
        notes = _clear_away(store, project_id)
        check_room(store, source)
        prepared.stage("making a backup")
        batch = store.imports.begin(
            project_id,
            source_kind=source.kind,
            source_name=source.name,
            sha256=source.sha256,
            scale=prepared.grades.scale,
        )
        with discarding(store, batch):
            report = _stage_and_publish(store, batch, source, prepared, options=options, notes=notes)
        if report.prompt is not None and store.projects.get_by_id(project_id).default_prompt is None:
            store.projects.set_default_prompt(project_id, report.prompt)
        return report


def require_used(source: ImportSource, used: int, problems: Problems) -> None:
    """Refuse an import that brings nothing.

    Args:
        source: what is imported.
        used: how many of its rows can be used.
        problems: of the others.

    Raises:
        InputError: no row can be used.
    """
    if used:
        return
    if not problems.rows:
        raise InputError(f"{source.name} has no rows, at most a header, so nothing was imported. Choose another file.")
    first = f" The first problem: {problems.listed[0]}" if problems.listed else ""
    raise InputError(f"No row of {source.name} can be used, so nothing was imported.{first}")


@contextmanager
def new_project(store: "Store", name: str) -> Iterator[Project]:
    """Make a project for an import in the block; if the block fails, so that nothing came into it, it goes again.

    Raises:
        InputError: the name cannot be used, or is taken.
    """
    project = store.projects.create(name)
    try:
        yield project
    except BaseException as error:
        try:
            store.projects.remove_empty(project.id)
        except AnnotationError as second:
            error.add_note(f"The new project stays: {second}")
        raise


def _stage_and_publish(
    store: "Store",
    batch: ImportBatch,
    source: ImportSource,
    prepared: Prepared,
    *,
    options: ImportOptions,
    notes: tuple[str, ...],
) -> ImportReport:
    target = Staged(store, batch)
    problems = Problems()
    intake = prepared.take_all(target, options=options, problems=problems)
    require_used(source, intake.used, problems)
    prepared.stage("checking that the files stayed as they were")
    source.check_unchanged()
    arrived = _count(target)
    all_notes = (*notes, *prepared.notes, *intake.notes, *_find_deleted(store, batch.project_id, target))
    prepared.stage("publishing")
    published = store.imports.publish(
        batch.id,
        counts={what: {"new": one.new, "known": one.known} for what, one in arrived.items()},
        report=_record(source, prepared, intake, options=options, notes=all_notes),
    )
    return ImportReport(
        batch=published,
        queries=arrived["queries"],
        passages=arrived["passages"],
        candidates=arrived["candidates"],
        judgements=arrived["judgements"],
        scores=arrived.get("scores", Arrived()),
        rows=problems.rows,
        used=intake.used,
        left_out=dict(intake.left_out),
        problems=problems,
        differing=target.differing,
        grade_map=prepared.grades.grade_map,
        scale=prepared.grades.scale,
        random_negatives=intake.random_negatives,
        prompt=prepared.survey.prompt,
        notes=all_notes,
        sentence=_sum_up(source, arrived, problems, target.differing),
    )


def _count(target: Staged) -> dict[str, Arrived]:
    arrived = {
        "queries": Arrived(new=target.new_queries, known=len(target.queries) - target.new_queries),
        "passages": Arrived(new=target.new_passages, known=len(target.passages) - target.new_passages),
        "candidates": Arrived(new=target.new_candidates, known=len(target.candidates) - target.new_candidates),
        "judgements": Arrived(new=target.new_judgements, known=target.kept_judgements),
    }
    if target.new_scores or target.kept_scores:
        arrived["scores"] = Arrived(new=target.new_scores, known=target.kept_scores)
    return arrived


def _tell_earlier(source: ImportSource, earlier: ImportBatch, project: Project) -> ImportReport:
    """Tell that nothing was done, because the same files were imported before."""
    when = (earlier.published_at or earlier.created_at).strftime("%Y-%m-%d %H:%M UTC")
    return ImportReport(
        batch=None,
        already_imported=earlier,
        left_out={},
        problems=Problems(),
        grade_map={},
        sentence=(
            f'{source.name} was imported into "{project.name}" before, as {earlier.source_name} on {when}, so nothing was '
            "changed. It can be imported again all the same, such as with other options."
        ),
    )


def _clear_away(store: "Store", project_id: int) -> tuple[str, ...]:
    """Take away what an import left whose program ended, and say so: nobody else imports now."""
    left = clear_away(store, project_id)
    if left is None:
        return ()
    return (f"An import of {left.source_name} had ended half way. What was left of it was cleared away first.",)


def _find_deleted(store: "Store", project_id: int, target: Staged) -> tuple[str, ...]:
    """Say what came again but was deleted in the project, and so stays out of sight."""
    queries = {query.id for query in store.texts.queries(project_id, is_deleted=True)} & target.queries
    passages = {passage.id for passage in store.texts.passages(project_id, is_deleted=True)} & target.passages
    if not queries and not passages:
        return ()
    return (
        f"{count(len(queries), 'query')} and {count(len(passages), 'passage')} of the files had been deleted here, and are "
        "not brought back. Restore them to see their labels.",
    )


def _record(
    source: ImportSource, prepared: Prepared, intake: Intake, *, options: ImportOptions, notes: tuple[str, ...]
) -> dict[str, Any]:
    """Give what is kept with the import, as JSON."""
    return {
        "files": {role: path.name for role, path in source.paths.items()},
        "options": {
            "annotator": options.annotator,
            "scale": options.scale,
            "grade_map": dict(options.grade_map) if options.grade_map is not None else None,
            "max_queries": options.max_queries,
            "run_depth": options.run_depth,
            "ignore_splits": options.ignore_splits,
        },
        "scale": prepared.grades.scale,
        "raw_grades": prepared.count_grades(intake),
        "grade_map": dict(prepared.grades.grade_map),
        "rows": intake.problems.rows,
        "used": intake.used,
        "left_out": dict(intake.left_out),
        "problems": {"count": intake.problems.count, "listed": [str(one) for one in intake.problems.listed]},
        "differing": {
            "count": intake.target.differing.count,
            "listed": [str(one) for one in intake.target.differing.listed],
        },
        "random_negatives": intake.random_negatives,
        "prompt": prepared.survey.prompt,
        "notes": list(notes),
    }


def _sum_up(source: ImportSource, arrived: Mapping[str, Arrived], problems: Problems, differing: Problems) -> str:
    new = ", ".join(count(one.new, f"new {_ONE[what]}", f"new {what}") for what, one in arrived.items())
    known = ", ".join(count(one.known, _ONE[what]) for what, one in arrived.items() if one.known)
    sentence = f"{source.name} was imported: {new}."
    if known:
        sentence += f" There were already: {known}."
    if problems.count:
        has = "has problems" if problems.count == 1 else "have problems"
        sentence += f" {problems.count:,} of {count(problems.rows, 'row')} {has}."
    return f"{sentence} {describe_differing(differing)}".rstrip()
