"""What a run trained, as a folder or a zip to give away: the weights, and a card that says what they are worth."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.examples.new_files import new_folder
from reranker_core.hub import read_json
from reranker_core.recognition import describe_folder
from reranker_core.reports.markdown import escape, list_results
from reranker_core.reports.report import Report
from reranker_core.reports.report_files import JSON_NAME, read_report
from reranker_core.training.merging import merge_adapter
from reranker_core.training.product_card import RESULTS, read_sections, write_sections
from reranker_core.training.results import TrainingResult, read_result
from reranker_core.training.run_folder import RunFolder
from reranker_core.training.settings import TrainingSettings

_CARD = "README.md"


def write_export(job_folder: Path, destination: Path, *, merged: bool = False) -> Path:
    """Write what a run trained, ready to publish: the adapter or model, and its card with the results of the report.

    Args:
        job_folder: of the run.
        destination: the folder to write; there must be none yet. A name that ends in .zip gives a zip of it.
        merged: the whole model with the adapter merged instead of the adapter; merged now where that was not done before. A
            run that trained every weight has only its whole model, which is written in any case.

    Returns:
        The destination.

    Raises:
        InputError: the run has no product, its report is damaged, or the destination is taken or cannot be written.
        RerankerError: the base that is to be merged is not here, or does not fit.
    """
    run, result = RunFolder(job_folder), read_result(job_folder)
    report = read_report(job_folder) if (job_folder / JSON_NAME).is_file() else None
    if destination.suffix.lower() == ".zip" and destination.exists():
        raise InputError(f"{destination} is there already, and is not written over. Choose another name.")
    try:
        with _find_product(run, result, near=destination.parent, merged=merged) as product:
            if destination.suffix.lower() == ".zip":
                _write_zip(product, destination, run, result, report)
            else:
                with new_folder(destination) as part:
                    _fill(part, product, run, result, report)
    except OSError as error:
        raise InputError(
            f"{destination} cannot be written ({error.strerror}). Check the disk and who may write there."
        ) from error
    return destination


@contextmanager
def _find_product(run: RunFolder, result: TrainingResult, *, near: Path, merged: bool) -> Iterator[Path]:
    """Give the folder of the weights; what is merged for this alone goes afterwards."""
    folder = run.model if result.kind == "model" else run.merged_model if merged else run.adapter
    if folder != run.merged_model or (folder / "config.json").is_file():
        if not folder.is_dir():
            raise InputError(f"{run.path} has no folder {folder.name}: what was trained is gone. Train it anew.")
        yield folder
        return
    settings = TrainingSettings.from_dict(read_json(run.path / "settings.json", purpose="it names the base"))
    near.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near, prefix=".merged-") as place:
        yield merge_adapter(
            settings.model_name_or_path,
            run.adapter,
            Path(place) / "merged",
            allow_download=not settings.offline,
            cache_dir=settings.cache_dir,
        ).folder


def _write_zip(product: Path, destination: Path, run: RunFolder, result: TrainingResult, report: Report | None) -> None:
    """Write a zip that unpacks to a folder of its own name; it appears when it is whole."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".export-") as place:
        folder, packed = Path(place) / destination.stem, Path(place) / "packed.zip"
        folder.mkdir()
        _fill(folder, product, run, result, report)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:  # weights do not get smaller
            for path in sorted(folder.iterdir()):
                file.write(path, f"{folder.name}/{path.name}")
        packed.replace(destination)


def _fill(part: Path, product: Path, run: RunFolder, result: TrainingResult, report: Report | None) -> None:
    """Copy weights and texts into a folder, and write the card."""
    for path in product.iterdir():
        if path.is_file() and path.name != _CARD:
            shutil.copy2(path, part / path.name)
    trained = run.model if result.kind == "model" else run.adapter
    sections = read_sections(trained / _CARD)
    if report is not None and report.measures:
        sections[RESULTS] = [f"**{escape(report.headline)}.** {escape(report.detail)}", "", *list_results(report)]
        sections[RESULTS] += ["", *(f"- {escape(note)}" for note in report.notes)]
    is_adapter = (part / "adapter_config.json").is_file()
    family = _find_adapter_family(part) if is_adapter else describe_folder(part).family
    write_sections(part / _CARD, base=result.base["name"], is_adapter=is_adapter, family=family, sections=sections)


def _find_adapter_family(folder: Path) -> str:
    """Tell what an adapter of ours belongs on: only layerwise models have heads at the layers, which are trained whole."""
    config = read_json(folder / "adapter_config.json", purpose="it describes the adapter")
    if config.get("task_type") == "SEQ_CLS":
        return "encoder"
    return "layerwise" if "linear_head" in (config.get("modules_to_save") or []) else "decoder"
