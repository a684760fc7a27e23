"""What makes two runs the same run, so that one can go on where the other ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask
from reranker_core.examples.new_files import dump_json
from reranker_core.training.data import TrainingData
from reranker_core.training.dev_data import read_run_data
from reranker_core.training.results import TrainingResult
from reranker_core.training.settings import TrainingSettings

# What may differ when a run is resumed: it changes what is written and where, not what is computed.
_FREE = frozenset(
    {
        "output_dir",
        "preset",
        "train_data",  # its content counts, by hash
        "corpus",
        "dev_data",
        "device",
        "use_flash_attn",
        "gradient_checkpointing",
        "ddp_find_unused_parameters",
        "deepspeed",
        "logging_steps",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "early_stopping_patience",
        "report_to",
        "resume_from_checkpoint",
        "save_merged_lora_model",
        "cache_dir",
        "offline",
        "model_name_or_path",  # its weights count, by fingerprint
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What makes two runs the same run.

    Attributes:
        settings: the settings that change what is computed, as JSON values.
        data: the SHA-256 of what is trained and measured on, by what it is.
        base: the fingerprint of the weights at the start.
        processes: how many compute together.
    """

    settings: Mapping[str, Any]
    data: Mapping[str, str]
    base: str
    processes: int

    @classmethod
    def of(cls, settings: TrainingSettings, *, data: Mapping[str, str], base: str, processes: int) -> "RunIdentity":
        """Take of the settings what counts."""
        return cls(settings=counted_settings(settings), data=dict(data), base=base, processes=processes)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "settings": dict(self.settings),
            "data": dict(self.data),
            "base": self.base,
            "processes": self.processes,
        }

    def check_same(self, saved: Mapping[str, Any], *, folder: Path) -> None:
        """Check that a checkpoint is of this very run.

        Raises:
            InputError: names what differs.
        """
        before = saved["settings"]
        changed = [name for name, value in self.settings.items() if before.get(name, value) != value]
        if changed:
            name = changed[0]
            raise InputError(
                f"{folder} was trained with {name} {before[name]}, and now it is {self.settings[name]}: the rest of the "
                "run would not fit its beginning. Use the old value, or train anew in another output_dir."
            )
        if saved["base"] != self.base:
            raise InputError(
                f"{folder} was trained from other weights than the model has now. Use the same model, or train anew in "
                "another output_dir."
            )
        if saved["data"] != dict(self.data):
            raise InputError(
                f"{folder} was trained on other data: a file has changed since. Bring back the files as they were, or "
                "train anew in another output_dir."
            )
        if saved["processes"] != self.processes:
            raise InputError(
                f"{folder} was trained by {saved['processes']} processes, and now there are {self.processes}. Start as "
                "many, or train anew in another output_dir."
            )


def check_same_data(result: TrainingResult, settings: TrainingSettings) -> None:
    """Check that a run that has come to its end was trained and measured on what its files hold now.

    Where a file is gone, nothing is compared: nothing can be said, and nothing is trained.

    Raises:
        InputError: they hold something else, or cannot be used.
    """
    places = [*settings.train_data, *(place for place in (settings.corpus, settings.dev_data) if place is not None)]
    if not all(Path(place).exists() for place in places):
        return
    data, task = read_run_data(settings)
    before = sorted(result.data.values()), result.dev_set and result.dev_set["sha256"]
    if before != (sorted(file.sha256 for file in data.files), task and hash_task(task)):
        raise InputError(
            f"The run in {result.output_dir} is finished, and was trained on other data: a file has changed since. Bring "
            "back the files as they were, or train anew in another output_dir."
        )


def counted_settings(settings: TrainingSettings) -> dict[str, Any]:
    """Give the settings that change what is computed, as JSON values."""
    return {name: value for name, value in settings.to_dict().items() if name not in _FREE}


def hash_rows(data: TrainingData) -> str:
    """Hash what is trained on: the rows, and the corpus that random negatives come from."""
    digest = sha256()
    for row in data.rows:
        digest.update(dump_json(asdict(row)).encode())
    for passage_id in () if data.corpus is None else data.corpus.ids:
        digest.update(passage_id.encode())
    return digest.hexdigest()


def hash_task(task: RankingTask) -> str:
    """Hash what is measured on: texts, candidates and grades."""
    digest = sha256()
    for part in (task.queries, task.passages, task.candidates, task.qrels, task.prompts, task.relevant_from):
        digest.update(dump_json(part).encode())
    return digest.hexdigest()
