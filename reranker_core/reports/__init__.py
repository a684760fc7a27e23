"""Before and after: what a training was worth, on queries that it was not trained on. Importing it brings no torch in.

- `make_report`: base and tuned model on the same queries, in one process: measures, layers, queries, scores, fixed pairs
- `write_report`, `read_report`: report.json and report.md of a run's folder
- `write_export`: what was trained as a folder or zip to give away, with a model card

`python -m reranker_core.reports RUN` makes the report of a run that was trained from the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reranker_core.reports.export import write_export
    from reranker_core.reports.making import make_report
    from reranker_core.reports.report import Report
    from reranker_core.reports.report_files import read_report, write_report

_MODULE_BY_NAME = {
    "Report": "report",
    "make_report": "making",
    "read_report": "report_files",
    "write_export": "export",
    "write_report": "report_files",
}

__all__ = ["Report", "make_report", "read_report", "write_export", "write_report"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
