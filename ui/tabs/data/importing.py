"""Preview and import, as functions from what stands on the form to what the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from annotations.errors import InputError
from ui.label_requests import Answer
from ui.services import Services
from ui.tabs.data.import_files import Given, open_given
from ui.tabs.data.pages import Progress, require_project

if TYPE_CHECKING:
    from annotations.exchange import Arrived, ImportOptions, ImportReport, ImportSource, Preview
    from reranker_core.examples import Problems

UNMAPPED = "unmapped"  # what the page says of a value that nothing is chosen for
SHOWN_PROBLEMS = 20
SHOWN_CHARACTERS = 200  # of a text of a sample row

_Map = dict[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was looked at before it is imported: the files by their hash, and what was chosen for them.

    Attributes:
        sha256: of the files; empty before anything was looked at.
        grade_map: what values of the file become, as far as that was chosen.
        ignore_splits: whether the parts that the file puts queries into are left out.
    """

    sha256: str = ""
    grade_map: _Map = field(default_factory=dict)
    ignore_splits: bool = False


def preview(
    services: Services,
    project: object,
    given: Given,
    *,
    options: Mapping[str, Any],
    looked: Looked,
    changes: object = None,
    ignore_splits: object = None,
    on_progress: Progress | None = None,
) -> tuple[Answer, Looked]:
    """Find out what an import would bring.

    Args:
        services: the labels.
        project: the id of the project.
        given: what is to be imported.
        options: as they stand on the form, see `read_options`.
        looked: what was looked at before; what was chosen goes on for the same files.
        changes: of the map, as the page sends them: values and what they become.
        ignore_splits: whether the file's parts are left out; `None` where the page does not say.
        on_progress: told how far it is; what it raises ends it.

    Returns:
        What the page shows, and what is known now.

    Raises:
        InputError: it cannot be imported; says why.
    """
    from annotations.exchange import preview_import

    chosen = require_project(services, project)
    with open_given(services, given) as source:
        before = looked if looked.sha256 == source.sha256 else Looked()
        grade_map = before.grade_map | read_map(changes)
        leave_out = before.ignore_splits if ignore_splits is None else ignore_splits is True
        found = preview_import(
            services.labels.store,
            chosen.id,
            source,
            options=read_options(options, grade_map, ignore_splits=leave_out),
            on_progress=on_progress,
        )
        shown = describe_preview(found, source) | {"ignore_splits": leave_out}
        return shown, Looked(sha256=source.sha256, grade_map=grade_map, ignore_splits=leave_out)


def run(
    services: Services,
    project: object,
    given: Given,
    *,
    options: Mapping[str, Any],
    looked: Looked,
    on_progress: Progress | None = None,
) -> Answer:
    """Import what was looked at, all or nothing.

    Args:
        services: the labels.
        project: the id of the project.
        given: what is to be imported.
        options: as they stand on the form.
        looked: what the preview gave for the same files.
        on_progress: told how far it is; what it raises cancels, and nothing stays.

    Raises:
        InputError: something else was looked at, or it cannot be imported; says why.
    """
    from annotations.exchange import run_import

    chosen = require_project(services, project)
    with open_given(services, given) as source:
        if not looked.sha256:
            raise InputError("Press Preview first: it shows what would come, and then Import brings it.")
        if looked.sha256 != source.sha256:
            raise InputError("This is not what the preview shows. Press Preview, look at it, and then Import.")
        report = run_import(
            services.labels.store,
            chosen.id,
            source,
            options=read_options(options, looked.grade_map, ignore_splits=looked.ignore_splits),
            again=options.get("again") is True,
            on_progress=on_progress,
        )
    return describe_report(report)


def read_options(values: Mapping[str, Any], grade_map: _Map, *, ignore_splits: bool = False) -> "ImportOptions":
    """Read the options of the form: `annotator`, `scale`, `max_queries` and `run_depth`, the last two as texts.

    Raises:
        InputError: one cannot be used.
    """
    from annotations.exchange import ImportOptions
    from annotations.models import Scale

    scale = values.get("scale") or None
    if scale is not None and scale not in get_args(Scale):
        raise InputError(f"A scale is one of {', '.join(get_args(Scale))}, got {scale!r:.40}. Choose one of them.")
    return ImportOptions(
        annotator=str(values.get("annotator") or "import"),
        scale=scale,
        grade_map=grade_map or None,
        max_queries=read_count(values.get("max_queries"), "Only the first queries"),
        run_depth=read_count(values.get("run_depth"), "Candidates of a run"),
        ignore_splits=ignore_splits,
    )


def read_count(text: object, name: str) -> int | None:
    """Read a box for a whole number from 1; empty means all.

    Raises:
        InputError: it holds something else.
    """
    given = str(text or "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 9 or int(given) < 1:
        raise InputError(f"“{name}” must be a whole number from 1, got {given!r:.40}. Leave it empty for all.")
    return int(given)


def read_map(changes: object) -> _Map:
    """Read what the page chose for values of the file: a grade, `None` for unjudged.

    Raises:
        InputError: it is no such map.
    """
    if changes is None:
        return {}
    if not isinstance(changes, Mapping):
        raise InputError(f"The map of grades must go from texts to grades, got {changes!r:.40}. Correct it.")
    found: _Map = {}
    for raw, grade in changes.items():
        if not isinstance(raw, str) or not (grade is None or type(grade) is int):
            raise InputError(f"The map takes {raw!r:.40} to {grade!r:.40}, but it must take texts to 0 to 3 or to nothing.")
        found[raw] = grade
    return found


def describe_preview(found: "Preview", source: "ImportSource") -> Answer:
    """Lay a preview out for the page."""
    return {
        "stage": "preview",
        "name": source.name,
        "kind": found.kind,
        "size": source.size,
        "rows": found.rows,
        "used": found.used,
        "queries": found.queries,
        "passages": found.passages,
        "candidates": found.candidates,
        "judgements": found.judgements,
        "scores": found.scores,
        "grades": [
            {"raw": raw, "count": count, "grade": found.grade_map.get(raw), "is_mapped": raw in found.grade_map}
            for raw, count in found.raw_grades.items()
        ],
        "scale": found.scale,
        "splits": dict(found.splits),
        "annotators": dict(found.annotators),
        "left_out": dict(found.left_out),
        "random_negatives": found.random_negatives,
        "prompt": found.prompt,
        "notes": list(found.notes),
        "sample": [
            {
                "query": _shorten(row.query),
                "passage": _shorten(row.passage),
                "state": row.state,
                "raw": row.raw_grade,
                "grade": row.grade,
                "annotator": row.annotator,
                "source": row.source,
            }
            for row in found.sample
        ],
        "already": _describe_batch(found.already_imported),
        "differing": _describe_differing(found.differing),
        **describe_problems(found.problems),
    }


def describe_report(report: "ImportReport") -> Answer:
    """Lay out what an import did."""
    return {
        "stage": "report",
        "sentence": report.sentence,
        "is_done": report.batch is not None,
        "already": _describe_batch(report.already_imported),
        "rows": report.rows,
        "used": report.used,
        "arrived": {
            name: _describe_arrived(getattr(report, name))
            for name in ("queries", "passages", "candidates", "judgements", "scores")
        },
        "left_out": dict(report.left_out),
        "random_negatives": report.random_negatives,
        "notes": list(report.notes),
        "differing": _describe_differing(report.differing),
        **describe_problems(report.problems),
    }


def describe_problems(problems: "Problems") -> Answer:
    """Give the first problems as lines, and how many there are."""
    return {
        "problems": [f"line {problem.line}: {problem.message}" for problem in problems.listed[:SHOWN_PROBLEMS]],
        "problem_count": problems.count,
    }


def _describe_differing(differing: "Problems") -> Answer | None:
    from annotations.exchange.known_labels import describe_differing

    if not differing.count:
        return None
    found = describe_problems(differing)
    return {"sentence": describe_differing(differing), "lines": found["problems"], "count": found["problem_count"]}


def _describe_arrived(arrived: "Arrived") -> Answer:
    return {"new": arrived.new, "known": arrived.known}


def _describe_batch(batch: Any) -> Answer | None:
    return batch and {"name": batch.source_name, "at": batch.published_at.isoformat()}


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
