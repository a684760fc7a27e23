"""What `evaluate` shows and writes: a table, sentences, jsonl files and TREC runs."""

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reranker_core.command_output import note, write_rows
from reranker_core.errors import InputError
from reranker_core.evaluation.comparison import Comparison, show_p
from reranker_core.evaluation.systems import EvaluatedSystem
from reranker_core.evaluation.table import Evaluation
from reranker_core.examples import write_run
from reranker_core.examples.new_files import dump_json, new_file


def check_places(options: argparse.Namespace) -> None:
    """Check where things will be written before hours are spent, and make the folder of the runs.

    Raises:
        InputError: one of them cannot be written.
    """
    for name in ("output", "by_query"):
        path: Path | None = getattr(options, name)
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise InputError(f"--{name} {path} must name a file in a folder that is there. Choose another place.")
    if options.runs_dir is not None:
        try:
            options.runs_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--runs_dir {options.runs_dir} cannot be made ({error.strerror}). Choose another place."
            ) from error


def write_system_run(folder: Path, one: EvaluatedSystem) -> None:
    """Write a system's ranking under a name made of its title; queries without candidates have no line.

    Raises:
        InputError: it cannot be written, or an id has a space.
    """
    tag = re.sub(r"[^\w.@+-]+", "-", one.system.title.replace(" + ", "+")).strip("-.") or "run"
    run = {query_id: scores for query_id, scores in one.run.items() if scores}
    write_run(folder / f"{tag}.run", run, tag=tag)


def show_evaluation(evaluation: Evaluation, options: argparse.Namespace) -> None:
    """Write the files that were asked for, then the table, then what it means.

    Raises:
        InputError: a file cannot be written.
    """
    if options.output is not None:
        _write_rows(options.output, evaluation.list_rows())
    if options.by_query is not None:
        _write_rows(options.by_query, evaluation.list_queries())
    is_table = options.output_format == "table"
    rows = list(_lay_out(evaluation)) if is_table else list(evaluation.list_rows())
    target = argparse.Namespace(output=None, output_format=options.output_format)
    with write_rows(target, right_aligned=set(rows[0]) - {"system", "verdict"}) as write:
        for row in rows:
            write(row)
    _tell(evaluation)


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with new_file(path) as file:
        for row in rows:
            file.write_row(dump_json(row))


def _lay_out(evaluation: Evaluation) -> Iterable[dict[str, str]]:
    """Make the rows that a person reads; columns that nobody needs are left out."""
    systems = evaluation.systems
    measures = list(systems[0].measured.means)
    is_judged = all(one.measured.judged_share == 1 for one in systems)
    has_layers = any(one.system.layer is not None for one in systems)
    for one in systems:
        row = {"system": one.system.title}
        row |= {name: f"{one.measured.means[name]:.3f}" for name in measures}
        if not is_judged:
            row |= {"judged": f"{one.measured.judged_share:.0%}"}
            row |= {f"{measures[0]} judged only": f"{one.judged_only.means[measures[0]]:.3f}"}
        if evaluation.baseline is not None:
            row |= _lay_out_comparison(evaluation.comparisons.get(one.system.title))
        if has_layers:
            row["layers"] = "" if one.system.layer is None else f"{one.system.layer} of {one.depth}"
        speed = one.pairs_per_second
        row["pairs/s"] = "" if speed is None else f"{speed:,.0f}"
        row["seconds"] = "" if one.seconds is None else f"{one.seconds:,.1f}"
        yield row


def _lay_out_comparison(comparison: Comparison | None) -> dict[str, str]:
    if comparison is None:
        return {"difference": "", "95 % interval": "", "p": "", "verdict": "(compared with)"}
    return {
        "difference": f"{comparison.difference:+.3f}",
        "95 % interval": f"{comparison.low:+.3f} to {comparison.high:+.3f}",
        "p": show_p(comparison.p),
        "verdict": "no difference" if comparison.ties == comparison.queries else comparison.verdict,
    }


def _tell(evaluation: Evaluation) -> None:
    """Say on standard error what the figures do not: what was counted how, and what each difference means."""
    measured = evaluation.systems[0].measured
    relevant = f"binary measures count grade {measured.relevant_from} and more as relevant"
    lacking = [
        f"{count} queries {reason}"
        for count, reason in (
            (measured.without_run, "have no candidates and count as 0"),
            (measured.without_relevant, "have no relevant passage and count as 0 in binary measures"),
        )
        if count
    ]
    note("; ".join([relevant, *lacking]))
    if len(evaluation.comparisons) > 1:
        note("p and what more queries could show are adjusted by Holm for the table; the intervals are each row's own")
    if any(one.system.layer is not None for one in evaluation.systems):
        note("the layers of one model are scored in one pass, whose time is shown; a layer alone takes about its share")
    for title, comparison in evaluation.comparisons.items():
        note(f"{title} against {evaluation.baseline}: {comparison.describe()}")
