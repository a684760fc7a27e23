"""From a source to its rows: which reader it needs, what its grades become, and how far the reading is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from annotations.exchange.file_lines import Tick
from annotations.exchange.file_rows import FileRow
from annotations.exchange.grades import GradeRules, settle_grades
from annotations.exchange.id_files import IdFiles, gather_id_files
from annotations.exchange.id_intake import IdIntake
from annotations.exchange.import_options import ImportOptions, Progress
from annotations.exchange.intake import Intake
from annotations.exchange.json_rows import JsonFile
from annotations.exchange.sources import ImportSource, hash_files
from annotations.exchange.surveys import Survey
from annotations.exchange.tables import PairsFile, TableFile
from annotations.exchange.targets import Target
from annotations.exchange.training_files import TrainingFile, read_manifest
from reranker_core.examples import Problems
from reranker_core.examples.texts import describe

if TYPE_CHECKING:
    from annotations.store import Store


class RowFile(Protocol):
    """A file whose rows have their texts."""

    def survey(self, tick: Tick) -> Survey:
        """Read it once, for what has to be known before."""
        ...

    def read(self, problems: Problems, tick: Tick) -> Iterator[FileRow]:
        """Give the good rows; bad ones are noted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A source that was read once, and how it will be taken.

    Attributes:
        store: where the project is.
        project_id: where to.
        reader: of the source.
        survey: what was found.
        grades: what the grades become.
        default_prompt: the project's.
        on_progress: told where it is.
    """

    store: "Store"
    project_id: int
    reader: RowFile | IdFiles
    survey: Survey
    grades: GradeRules
    default_prompt: str | None
    on_progress: Progress | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known before anything is imported."""
        return (*self.survey.notes, *_tell_prompt(self.survey.prompt, self.default_prompt), *self.grades.notes)

    def count_grades(self, intake: Intake) -> dict[str, int]:
        """Tell how often each value stands in the file; of an import of the first queries only, in their rows."""
        return dict(self.survey.raw_grades if intake.options.max_queries is None else intake.raw_grades)

    def stage(self, name: str) -> Tick:
        """Tell that something else is done now; gives whom to tell how far that is."""
        return _stage(self.on_progress, name)

    def take_all(self, target: Target, *, options: ImportOptions, problems: Problems) -> Intake:
        """Take all rows to a target, and give the account of them.

        Raises:
            InputError: a file cannot be read.
        """
        kinds = {annotator.handle: annotator.kind for annotator in self.store.annotators.list()}
        intake = Intake(target=target, grades=self.grades, options=options, problems=problems, known_kinds=kinds)
        if isinstance(self.reader, IdFiles):
            files = self.reader
            IdIntake(intake=intake, files=files, store=self.store, project_id=self.project_id, stage=self.stage).take()
        else:
            intake.take_rows(self.reader.read(intake.problems, self.stage("rows")))
        return intake


def prepare(
    store: "Store",
    project_id: int,
    source: ImportSource,
    *,
    options: ImportOptions,
    on_progress: Progress | None,
) -> Prepared:
    """Read a source once, and decide what its grades become.

    Raises:
        InputError: as for `preview_import`.
    """
    project = store.projects.get_by_id(project_id)
    reader = _make_reader(source)
    survey = reader.survey(_stage(on_progress, "looking at the grades"))
    grades = settle_grades(survey.raw_grades, options=options, project_scale=project.scale, project_name=project.name)
    return Prepared(
        store=store,
        project_id=project_id,
        reader=reader,
        survey=survey,
        grades=grades,
        default_prompt=project.default_prompt,
        on_progress=on_progress,
    )


def _make_reader(source: ImportSource) -> RowFile | IdFiles:
    paths = source.paths
    match source.kind:
        case "table" if "pairs" in paths:
            return PairsFile(path=paths["pairs"], name=source.name)
        case "table":
            return TableFile(path=paths["table"], name=source.name)
        case "jsonl":
            return JsonFile(path=paths["jsonl"], name=source.name)
        case "training":
            return _open_training(paths, name=source.name)
        case "beir" | "trec":
            return gather_id_files(paths)


def _open_training(paths: Mapping[str, Path], *, name: str) -> TrainingFile:
    """Open training rows, with the manifest beside them if it was written for exactly this file."""
    if "manifest" not in paths:
        return TrainingFile(path=paths["training"], name=name)
    manifest = read_manifest(paths["manifest"])
    if manifest.sha256 == hash_files({"training": paths["training"]})[0]:
        return TrainingFile(path=paths["training"], name=name, random_negatives=manifest.random_negatives)
    note = (
        f"{paths['manifest'].name} was written for other rows than {name} has now, so it is passed over, and all negatives "
        "count as judged. To keep random ones apart, import the file as it was exported."
    )
    return TrainingFile(path=paths["training"], name=name, notes=(note,))


def _tell_prompt(prompt: str | None, default_prompt: str | None) -> tuple[str, ...]:
    """Say what becomes of the prompt that all rows have."""
    if prompt is None or prompt == default_prompt:
        return ()
    if default_prompt is None:
        return (f"All rows have the prompt {describe(prompt)}, and the project has none, so it becomes the project's.",)
    return (f"All rows have the prompt {describe(prompt)}. The project's own, {describe(default_prompt)}, stays.",)


def _stage(on_progress: Progress | None, name: str) -> Tick:
    def tick(fraction: float) -> None:
        if on_progress is not None:
            on_progress(name, fraction)

    if on_progress is not None:
        on_progress(name, None)
    return tick
