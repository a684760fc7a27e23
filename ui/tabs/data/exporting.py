"""Exports, as functions from what stands on the form to files under the home, and what the page says about them."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from gradio.utils import get_upload_folder

from annotations.errors import InputError
from ui.label_requests import Answer
from ui.services import Services
from ui.tabs.data.pages import Progress, require_project

if TYPE_CHECKING:
    from annotations.exchange import ExportOptions, ExportReport

Form = Literal["training", "qrels-trec", "qrels-beir", "beir", "csv"]

FORMS: tuple[tuple[str, Form], ...] = (
    ("Training rows (jsonl)", "training"),
    ("Qrels, TREC", "qrels-trec"),
    ("Qrels, BEIR", "qrels-beir"),
    ("BEIR folder with corpus, queries, qrels and run (zip)", "beir"),
    ("All judgements of everybody (csv)", "csv"),
)
RULES = (("majority (of equals the lower)", "majority"), ("the highest", "highest"), ("the lowest", "lowest"))

_SUFFIXES: Mapping[Form, str] = {
    "training": ".jsonl",
    "qrels-trec": ".qrels",
    "qrels-beir": ".tsv",
    "beir": "",
    "csv": ".csv",
}
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        report: as the page shows it.
        download: the file that the browser gets; for a BEIR folder it is packed.
        manifest: of training rows, else `None`.
    """

    report: Answer
    download: Path
    manifest: Path | None


def export_project(
    services: Services, project: object, form: object, *, options: "ExportOptions", on_progress: Progress | None = None
) -> Exported:
    """Write a project's labels.

    On a person's own machine the files stay in a folder of their own under the home's `exports/`; strangers only get the
    download.

    Args:
        services: the labels.
        project: the id of the project.
        form: one of `FORMS`.
        options: of the export.
        on_progress: told how far it is; what it raises cancels, and nothing stays.

    Raises:
        InputError: it cannot be written so; says why.
    """
    chosen = require_project(services, project)
    wanted = _read_form(form)
    name = make_name(chosen.name)
    folder = _make_folder(services, name)
    try:
        place = folder / f"{name}{_SUFFIXES[wanted]}"
        report = write_export(services, chosen.id, place, form=wanted, options=options, on_progress=on_progress)
        found = _hand_out(services, place, report)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not services.allow_folders:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def write_export(
    services: Services,
    project_id: int,
    place: Path,
    *,
    form: Form,
    options: "ExportOptions",
    on_progress: Progress | None = None,
) -> "ExportReport":
    """Write a project's labels in one form to a place.

    Raises:
        InputError: they cannot be written so; says why.
    """
    from annotations.exchange import export_beir, export_csv, export_qrels, export_training

    store = services.labels.store
    match form:
        case "training":
            return export_training(store, project_id, place, options=options, on_progress=on_progress)
        case "qrels-trec":
            return export_qrels(store, project_id, place, form="trec", options=options, on_progress=on_progress)
        case "qrels-beir":
            return export_qrels(store, project_id, place, form="beir", options=options, on_progress=on_progress)
        case "beir":
            return export_beir(store, project_id, place, options=options, on_progress=on_progress)
        case "csv":
            return export_csv(store, project_id, place, options=options, on_progress=on_progress)


def read_options(values: Mapping[str, Any]) -> "ExportOptions":
    """Read the options of the form: `rule`, `positive_from`, `negative_to`, `splits`, `negatives`, `seed`, `prompt`.

    What is empty or missing is at its default.

    Raises:
        InputError: one cannot be used.
    """
    from annotations.exchange import ExportOptions

    usual = ExportOptions()
    negatives = _read_whole(values.get("negatives"), "Random negatives")
    seed = _read_whole(values.get("seed"), "Seed")
    return ExportOptions(
        rule=values.get("rule") or usual.rule,
        positive_from=_read_whole(values.get("positive_from"), "Positive from"),
        negative_to=_read_whole(values.get("negative_to"), "Negative to"),
        splits=tuple(values.get("splits") or ()) or None,
        negatives=usual.negatives if negatives is None else negatives,
        seed=usual.seed if seed is None else seed,
        prompt=values.get("prompt") or None,
    )


def describe_export(report: "ExportReport", *, place: Path | None) -> Answer:
    """Lay out what was written and what became of everything that went in; `place` is the folder, where it stays."""
    return {
        "stage": "report",
        "rows": report.rows,
        "files": [{"name": file.path.name, "rows": file.rows, "size": file.size} for file in report.files],
        "accounts": [
            {"of": one.of, "given": one.given, "used": one.used, "left_out": dict(one.left_out)} for one in report.accounts
        ],
        "counts": dict(report.counts),
        "warnings": list(report.warnings),
        "folder": str(place) if place else "",
    }


def make_name(name: str) -> str:
    """Make a file's name of a project's: a hyphen for whatever is no letter or digit."""
    return re.sub(r"[\W_]+", "-", name)[:_LONGEST_NAME].strip("-").lower() or "labels"


def _make_folder(services: Services, name: str) -> Path:
    """Make a folder for one export, named by project and time."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    number = 1
    while True:
        folder = services.labels.exports / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InputError(
                f"The folder for exports cannot be made ({error.strerror}). Free some space, or choose another home."
            ) from error
        else:
            return folder


def _hand_out(services: Services, place: Path, report: "ExportReport") -> Exported:
    """Put a copy where gradio serves files from; it cleans up there."""
    served = Path(tempfile.mkdtemp(prefix="export-", dir=_served_folder()))
    manifest = place.with_name(f"{place.stem}.manifest.json")
    if place.is_dir():
        download = Path(shutil.make_archive(str(served / place.name), "zip", root_dir=place.parent, base_dir=place.name))
    else:
        download = Path(shutil.copyfile(place, served / place.name))
    copied = Path(shutil.copyfile(manifest, served / manifest.name)) if manifest.is_file() else None
    stays = place.parent if services.allow_folders else None
    return Exported(report=describe_export(report, place=stays), download=download, manifest=copied)


def _served_folder() -> str:
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _read_form(form: object) -> Form:
    for known in get_args(Form):
        if form == known:
            return known  # type: ignore[no-any-return]
    raise InputError(f"Labels go out as {', '.join(get_args(Form))}, got {form!r:.40}. Choose one of them.")


def _read_whole(value: object, name: str) -> int | None:
    """Read a box or a choice for a whole number; empty means the default."""
    given = str(value).strip() if value is not None else ""
    if not given:
        return None
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise InputError(f"“{name}” must be a whole number, got {given!r:.40}. Correct it, or leave it empty.")
    return int(given)
