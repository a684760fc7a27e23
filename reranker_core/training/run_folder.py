"""The folder of a run: what lies where, and when it may be written to."""

import json
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.examples.new_files import dump_json, new_file
from reranker_core.hub import read_json
from reranker_core.training.identity import counted_settings
from reranker_core.training.results import TrainingResult, read_result
from reranker_core.training.settings import TrainingSettings


class RunFolder:
    """Names the files of a run.

    Attributes:
        path: the folder.
        checkpoints: the folder of the checkpoints.
        metrics: metrics.jsonl.
        adapter: the folder of the adapter, where LoRA is trained.
        model: the folder of the whole model, where every weight is.
        merged_model: the folder of the whole model with the adapter merged.
    """

    def __init__(self, path: Path) -> None:
        """Name the files; nothing is written."""
        self.path = path.expanduser()
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "metrics.jsonl"
        self.adapter = self.path / "adapter"
        self.model = self.path / "model"
        self.merged_model = self.path / "merged_model"
        self._settings = self.path / "settings.json"
        self._result = self.path / "result.json"

    def check_free(self) -> None:
        """Check that no run has written here yet; settings.json and files of others may be there.

        Raises:
            InputError: there is a run, or the place is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"output_dir {self.path} is a file. Give a folder.")
        made = (self.metrics, self._result, self.checkpoints, self.adapter, self.model, self.merged_model)
        if found := [path.name for path in made if path.exists()]:
            raise InputError(
                f"output_dir {self.path} holds another run ({', '.join(found)}). Choose another folder, or go on with that "
                'run: resume_from_checkpoint "latest" (--resume_from_checkpoint latest).'
            )

    def holds_run(self) -> bool:
        """Say whether a run began here."""
        return self.metrics.exists() or self.checkpoints.exists()

    def read_finished(self, settings: TrainingSettings) -> TrainingResult | None:
        """Read the result of a run with these settings that came to its end here; `None` if there is none.

        Raises:
            InputError: result.json or settings.json is damaged.
        """
        if not (self._result.is_file() and self._settings.is_file()):
            return None
        result = read_result(self.path)
        stored = TrainingSettings.from_dict(read_json(self._settings, purpose="it holds the settings of the run"))
        is_same = counted_settings(stored) == counted_settings(settings)
        return result if is_same and result.status == "completed" else None

    def start(self, settings: TrainingSettings) -> None:
        """Make the folder and write settings.json.

        Raises:
            InputError: it cannot be written.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"output_dir {self.path} cannot be written ({error.strerror}). Choose another.") from error
        with new_file(self._settings) as file:
            file.write_header(json.dumps(settings.to_dict(), ensure_ascii=False, indent=2))

    def finish(self, result: TrainingResult) -> None:
        """Write result.json."""
        with new_file(self._result) as file:
            file.write_header(dump_json(result.to_dict()))
