"""The report of a job, as the page shows it and as it is taken away; and the export of what the job trained."""

import re
import tempfile
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from reranker_core.errors import InputError
from ui.hosting import hide_places
from ui.label_requests import Answer, Request, read_choice
from ui.merge_process import MERGED
from ui.services import Services
from ui.tabs.train.job_models import refuse_without_training, require_job

# What holds texts of the labels, which are shown as they are; anything else may name places of this machine.
_TEXTS = ("query", "passages", "text", "passage")
_LONGEST_STEM = 60


def read_job_report(services: Services, wanted: Request) -> Answer:
    """Read the report of the job `id`.

    Returns:
        `report` with the fields of `reranker_core.reports.Report`, `markdown`, and `file`, a name for what is taken away.

    Raises:
        InputError: there is none, or it is damaged.
    """
    from reranker_core.reports import read_report

    job = require_job(services, wanted)
    report = read_report(job.folder)
    return {
        "report": _hide(services, report.to_dict()),
        "markdown": hide_places(services, report.to_markdown()),
        "file": f"report-{make_stem(job.name)}",
    }


def export_job(services: Services, wanted: Request) -> Answer:
    """Pack what the job `id` trained with its card: `path`, which gradio serves, and the `file` name for it.

    `what` is "adapter", or "merged" for the whole model where it was merged; what a job trained whole goes out as it is.

    Raises:
        InputError: there is no such product, it cannot be written, or visitors may not.
    """
    refuse_without_training(services, "What a job trained is exported")
    job = require_job(services, wanted)
    what = read_choice(wanted, "what", ("adapter", "merged"), default="adapter")
    title = job.name
    if job.product is None:
        raise InputError(f"{title} has made nothing yet that could be exported. Wait until it has, or resume it.")
    is_merged = what == "merged"
    if is_merged and not (job.folder / MERGED / "config.json").is_file():
        raise InputError(f"{title} is not merged yet. Press Merge first, or export the adapter.")
    from reranker_core.reports import write_export

    served = Path(get_upload_folder())
    served.mkdir(parents=True, exist_ok=True)
    file = f"{make_stem(title)}{'-merged' if is_merged else ''}.zip"
    place = Path(tempfile.mkdtemp(prefix="export-", dir=served)) / file
    return {"path": str(write_export(job.folder, place, merged=is_merged)), "file": file}


def make_stem(name: str) -> str:
    """Make a file's name of a job's: a hyphen for whatever is no letter or digit."""
    return re.sub(r"[\W_]+", "-", name)[:_LONGEST_STEM].strip("-").lower() or "job"


def _hide(services: Services, value: Any, *, is_text: bool = False) -> Any:
    if services.allow_folders:
        return value
    if isinstance(value, dict):
        return {key: _hide(services, one, is_text=is_text or key in _TEXTS) for key, one in value.items()}
    if isinstance(value, list):
        return [_hide(services, one, is_text=is_text) for one in value]
    return hide_places(services, value) if isinstance(value, str) and not is_text else value
