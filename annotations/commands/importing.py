"""`import`: the preview first, then the import, all or nothing."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import get_args

from annotations.commands.output import (
    add_json_option,
    answer,
    answer_json,
    list_left_out,
    list_problems,
    note,
    show_stages,
)
from annotations.commands.projects import add_project_option, find_project, look_up, open_labels
from annotations.errors import InputError
from annotations.exchange import (
    ImportOptions,
    ImportSource,
    Kind,
    Preview,
    open_source,
    preview_import,
    remove_unfinished,
    run_import,
)
from annotations.exchange.import_options import Progress
from annotations.exchange.importing import new_project, require_used
from annotations.exchange.known_labels import describe_differing
from annotations.home import find_home
from annotations.models import IMPORT_ANNOTATOR, Project, Scale
from annotations.plurals import count
from annotations.store import Store


def add_import(command: argparse.ArgumentParser) -> None:
    """Add what `import` takes."""
    command.add_argument("path", type=Path, nargs="?", help="BEIR folder, csv, tsv, jsonl, or TREC run or qrels")
    add_project_option(command)
    command.add_argument("--create", action="store_true", help="make the project if it is not there")
    command.add_argument("--qrels", type=Path, help="grades for a run, or instead of a BEIR folder's own")
    command.add_argument("--run", type=Path, dest="run_file", metavar="RUN", help="candidates for qrels or a BEIR folder")
    command.add_argument("--corpus", type=Path, help="corpus.jsonl with the texts of a run or of qrels")
    command.add_argument("--queries", type=Path, help="queries.jsonl, likewise")
    command.add_argument("--kind", choices=get_args(Kind), help="what the file is, where its name does not tell")
    command.add_argument(
        "--annotator",
        default=IMPORT_ANNOTATOR,
        help=f"the person who judged, where the file does not tell (default: {IMPORT_ANNOTATOR}, which is no person)",
    )
    command.add_argument(
        "--scale", choices=get_args(Scale), help="of the grades (default: the project's, else as they look)"
    )
    command.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="4=3,3=2",
        help="values of the file and the grades 0 to 3 that they become; nothing after = leaves a pair unjudged",
    )
    command.add_argument("--max_queries", type=int, help="only the first queries that have candidates or judgements")
    command.add_argument(
        "--run_depth", type=int, default=100, help="candidates of a query from a run (default: 100; 0: all)"
    )
    command.add_argument(
        "--ignore_splits",
        action="store_true",
        help="leave out which part (train, dev, test) the file puts a query into: its hash places it",
    )
    command.add_argument("--preview", action="store_true", help="only tell what would come; nothing is written")
    command.add_argument("--again", action="store_true", help="import although the same files were imported before")
    command.add_argument(
        "--discard", action="store_true", help="remove what is left of an import that ended half way, and import nothing"
    )
    add_json_option(command)
    command.set_defaults(run=_run)


def read_map(texts: list[str]) -> dict[str, int | None] | None:
    """Read `4=3,3=2` into a map; `-1=` leaves -1 unjudged.

    Raises:
        InputError: an entry is not of that form.
    """
    found: dict[str, int | None] = {}
    for entry in ",".join(texts).split(",") if texts else []:
        raw, sign, grade = entry.strip().rpartition("=")
        if not sign or not raw.strip() or grade.strip() not in ("", "0", "1", "2", "3"):
            raise InputError(
                f'--map takes entries such as 4=3, with a grade from 0 to 3 or nothing; got "{entry}". Correct it.'
            )
        found[raw.strip()] = int(grade) if grade.strip() else None
    return found or None


def _run(options: argparse.Namespace) -> None:
    if options.discard != (options.path is None):
        raise InputError("Give the path of what is imported, or --discard alone to remove an unfinished import.")
    if options.discard:
        _discard(options)
    else:
        _import(options)


def _discard(options: argparse.Namespace) -> None:
    with open_labels(find_home(options.home)) as store:
        project = find_project(store, options.project)
        left = remove_unfinished(store, project.id)
    if options.json:
        answer_json({"removed": left and left.source_name})
    else:
        found = f"What was left of the import of {left.source_name} is removed." if left else "No import is unfinished."
        answer([found])


def _import(options: argparse.Namespace) -> None:
    how = ImportOptions(
        annotator=options.annotator,
        scale=options.scale,
        grade_map=read_map(options.map),
        max_queries=options.max_queries,
        run_depth=options.run_depth or None,
        ignore_splits=options.ignore_splits,
    )
    source = open_source(
        options.path,
        qrels=options.qrels,
        run=options.run_file,
        corpus=options.corpus,
        queries=options.queries,
        kind=options.kind,
    )
    home = find_home(options.home)
    with ExitStack() as opened:
        is_there = home.labels.is_file() or not options.create
        store = opened.enter_context(open_labels(home)) if is_there else None
        on_progress = opened.enter_context(show_stages())
        project = _find(store, options) if store else None
        if store and project:
            preview = preview_import(store, project.id, source, options=how, on_progress=on_progress)
        else:
            preview = _preview_new(options.project, source, how, on_progress)
        if not options.json:
            answer(_describe_preview(source, preview, how))
        report = None
        if not options.preview:
            if project is None:
                require_used(source, preview.used, preview.problems)  # before anything is made
            store = store or opened.enter_context(open_labels(home, create=True))
            made = nullcontext(project) if project else new_project(store, options.project)
            with made as into:
                report = run_import(store, into.id, source, options=how, again=options.again, on_progress=on_progress)
            if project is None:
                note(f'the project "{into.name}" is new')
    if options.json:
        answer_json({"preview": replace(preview, sample=()), "report": report})
    elif report is not None:
        answer([report.sentence])
    if report is not None and report.already_imported and not options.again:
        note("--again imports it all the same")


def _find(store: Store, options: argparse.Namespace) -> Project | None:
    """Find the project; `None` if it is to be made."""
    if options.create:
        return look_up(store, options.project)
    return find_project(store, options.project, hint=" Add --create to make it.")


def _preview_new(name: str, source: ImportSource, how: ImportOptions, on_progress: Progress) -> Preview:
    """Preview into a project that is not there yet, and that a preview does not make."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "labels.db") as store:
        project = store.projects.create(name)
        return preview_import(store, project.id, source, options=how, on_progress=on_progress)


def _describe_preview(source: ImportSource, preview: Preview, how: ImportOptions) -> Iterator[str]:
    amounts = [
        count(preview.queries, "query"),
        count(preview.passages, "passage"),
        count(preview.candidates, "candidate"),
        count(preview.judgements, "judgement"),
        *([count(preview.scores, "score")] if preview.scores else []),
    ]
    yield f"{source.name} ({preview.kind}): {', '.join(amounts)}"
    if preview.raw_grades:
        mapped = ", ".join(f"{raw} → {_say_grade(preview, raw)} ({n})" for raw, n in sorted(preview.raw_grades.items()))
        yield f"grades, {preview.scale or 'no'} scale: {mapped}"
    if preview.annotators:
        yield "judged by " + ", ".join(f"{handle} ({count})" for handle, count in preview.annotators.items())
    if preview.splits:
        yield "parts: " + ", ".join(f"{split} {count}" for split, count in preview.splits.items())
    if preview.random_negatives:
        yield f"drawn at random: {count(preview.random_negatives, 'candidate')}"
    yield from list_left_out(preview.left_out)
    yield from list_problems(preview.problems)
    yield from list_problems(preview.differing, what=describe_differing(preview.differing))
    yield from preview.notes
    if preview.splits and "train" not in preview.splits and not how.ignore_splits:
        yield "--ignore_splits places all queries by their hashes"


def _say_grade(preview: Preview, raw: str) -> str:
    if raw not in preview.grade_map:
        return "not mapped, see --map"
    grade = preview.grade_map[raw]
    return "unjudged" if grade is None else str(grade)
