"""report.json and report.md of a run's folder."""

import json
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.examples.new_files import dump_json, new_file
from reranker_core.reports.report import Report

JSON_NAME, MARKDOWN_NAME = "report.json", "report.md"


def write_report(report: Report, folder: Path) -> None:
    """Write report.md, then report.json, each whole or not at all: where report.json is there, both are.

    Raises:
        InputError: they cannot be written.
    """
    for name, text in ((MARKDOWN_NAME, report.to_markdown()), (JSON_NAME, dump_json(report.to_dict()))):
        with new_file(folder / name) as file:
            for line in text.split("\n"):
                file.write_header(line)


def read_report(folder: Path) -> Report:
    """Read the report of a run.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / JSON_NAME
    if not path.is_file():
        raise InputError(
            f"{folder} has no {JSON_NAME}: no report was made there. Make one: python -m reranker_core.reports."
        )
    try:
        return Report.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:  # an InputError is a ValueError
        raise InputError(f"{path} cannot be read ({error}). Make the report anew.") from error
