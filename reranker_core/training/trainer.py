"""transformers' Trainer with the losses, batches, measurements and checkpoints of this package."""

import pickle
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from reranker_core.errors import InputError, RerankerError, TrainingError
from reranker_core.examples.new_files import dump_json, new_file
from reranker_core.training.batches import IGNORED, Batch, GroupLoader
from reranker_core.training.callbacks import GuardCallback
from reranker_core.training.collapse import CollapseAlarm, Probes, is_due
from reranker_core.training.identity import RunIdentity
from reranker_core.training.kept_checkpoints import (
    hash_files,
    list_checkpoints,
    measure_files,
    remove_old_checkpoints,
)
from reranker_core.training.losses import compute_group_losses, measure_groups
from reranker_core.training.measuring import BEST_BY, DevSet, find_best, has_lost_patience
from reranker_core.training.metrics_file import MetricsFile
from reranker_core.training.progress import OnProgress, TrainingProgress
from reranker_core.training.results import DevFigures
from reranker_core.training.saving import restore_trained
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import Trainable

SaveProduct = Callable[[Path], Path]

# What torch and transformers raise at files that are not what they were.
_DAMAGE = (OSError, RuntimeError, ValueError, LookupError, EOFError, StopIteration)

_WEIGHTS = ("adapter_model.safetensors", "model.safetensors")

# Bytes: where less is free, a file that could not be written had no room.
_NO_ROOM = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerParts:
    """What a trainer works with, beside transformers' own arguments.

    Attributes:
        settings: of the run.
        trainable: what is trained.
        loader: this process's batches.
        dev_set: what it is measured on, or `None`.
        probes: what is scored for the collapse alarm; `None` where there is a dev set.
        identity: what a checkpoint has to agree with.
        metrics: takes a line for each logged step, measurement and event.
        save_product: writes what was trained into a folder.
        on_progress: told how far it is.
        should_stop: asked after each step, in every process.
    """

    settings: TrainingSettings
    trainable: Trainable
    loader: GroupLoader
    dev_set: DevSet | None
    probes: Probes | None
    identity: RunIdentity
    metrics: MetricsFile
    save_product: SaveProduct
    on_progress: OnProgress
    should_stop: Callable[[], bool]


class RerankerTrainer(Trainer):  # type: ignore[misc]  # transformers is not followed
    """Trains a reranker on groups.

    Attributes:
        dev_history: every measurement so far, step 0 first.
        warnings: what a person should know, in sentences.
        was_stopped: whether it ended on request.
    """

    def __init__(self, parts: TrainerParts, arguments: TrainingArguments) -> None:
        """Take the parts; nothing is computed yet."""
        self._guard = GuardCallback(self._ask_to_stop)
        super().__init__(
            model=parts.trainable.scorer,
            args=arguments,
            train_dataset=parts.loader.dataset,
            eval_dataset=None if parts.dev_set is None else parts.dev_set.task,
            callbacks=[self._guard],
        )
        self.remove_callback(PrinterCallback)
        self.loss_is_scaled_for_ga = True  # it is, by the groups of the whole step
        self.parts, self.was_stopped = parts, False
        self.dev_history: list[DevFigures] = []
        self.warnings: list[str] = []
        self._alarm = CollapseAlarm()
        self._probed_at: int | None = None
        self._lost: frozenset[int] = frozenset()  # steps that were measured and whose weights are gone
        self._resumed_at: int | None = None
        self._tally = torch.zeros(4, device=arguments.device)  # gaps, spreads, groups, tokens since the last line
        self._since = self._began = time.perf_counter()

    # What is computed

    def get_train_dataloader(self) -> GroupLoader:
        """Give the batches of this process; they are already its own."""
        return self.parts.loader

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer, with the head's own learning rate."""
        if getattr(self, "optimizer", None) is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer: Any = kind(self.parts.trainable.parameter_groups(self.parts.settings), **options)
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Compute this process's share of the mean loss over all groups of the step, in all batches and processes."""
        scores = model(inputs["input_ids"], inputs["lengths"])  # (sequences, layers)
        losses = compute_group_losses(scores, inputs["sizes"], teacher_scores=inputs["teacher_scores"])
        counts = inputs["labels"] != IGNORED
        groups = counts.sum() if num_items_in_batch is None else num_items_in_batch
        # Gradients are averaged over the processes, and here their sum is meant.
        loss = (losses * counts).sum() * (self.args.world_size / groups)
        figures = measure_groups(scores.detach()[:, -1], inputs["sizes"])[counts].sum(0)
        tokens = torch.tensor([len(inputs["input_ids"])], device=figures.device)
        self._tally += torch.cat((figures, counts.sum()[None], tokens))
        return (loss, scores) if return_outputs else loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """Cut the gradient, and say how long it was to what watches it."""
        self._guard.gradient_norm = super()._clip_grad_norm(model)
        return self._guard.gradient_norm

    # What is told

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write a line for some steps, beside what transformers does."""
        if "loss" in logs:
            logs |= self._take_figures()
            self.parts.metrics.add("train", step=self.state.global_step, epoch=self.state.epoch, **logs)
            self._tell("training", figures=logs)
            if is_due(self.state.global_step, last=self._probed_at, steps=self.state.max_steps):
                self._probe()
        super().log(logs, start_time)

    def _take_figures(self) -> dict[str, float]:
        tally = self.accelerator.reduce(self._tally.clone(), "sum").tolist()
        now = time.perf_counter()
        figures = {
            "gap": tally[0] / tally[2],
            "spread": tally[1] / tally[2],
            "seconds": now - self._began,
            "tokens_per_second": tally[3] / (now - self._since),
        }
        if self.args.device.type == "cuda":
            figures["gpu_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        self._tally.zero_()
        self._since = now
        return figures

    def warn(self, event: str, sentence: str) -> None:
        """Keep a warning for the result and tell it at once."""
        self.warnings.append(sentence)
        self.parts.metrics.add("event", step=self.state.global_step, event=event, message=sentence)
        self._tell("training", notes=(sentence,))

    def _tell(self, stage: str, *, notes: tuple[str, ...] = (), figures: Mapping[str, float] | None = None) -> None:
        self.parts.on_progress(
            TrainingProgress(
                stage=stage,
                done=self.state.global_step,
                total=self.state.max_steps,
                notes=notes,
                figures=None if figures is None else dict(figures),
            )
        )

    # What is measured

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure on the dev set, once for each step; the best is saved. Without one, score the probes."""
        dev_set, step = self.parts.dev_set, self.state.global_step
        if step == self._resumed_at and step < self.state.max_steps:
            return {}  # the Trainer measures before its first step, which is not the base then
        if dev_set is None:
            self._probe()
            return {}
        if self.dev_history and self.dev_history[-1].step == step:
            return {}
        started = time.perf_counter()
        with self._as_scoring():
            figures = dev_set.measure(step, on_progress=self._tell_pairs)
        self.dev_history.append(figures)
        self.parts.metrics.add(
            "dev",
            step=step,
            epoch=self.state.epoch or 0.0,
            **figures.measures,
            spread=figures.spread,
            by_layer=figures.by_layer,
            seconds=time.perf_counter() - started,
        )
        self._tell("training", notes=(_describe(figures, self.dev_history[0]),))
        self._watch(figures.spreads)
        if self._best is figures and step > 0:
            self.control.should_save = True
        if has_lost_patience(self.dev_history, self.parts.settings.early_stopping_patience):
            self.control.should_training_stop = True
        measures = {f"eval_{name}": value for name, value in figures.measures.items()}
        super().log(measures)
        return measures

    def _probe(self) -> None:
        """Score the probes for the alarm, once for each step."""
        if self.parts.probes is None or self._probed_at == self.state.global_step:
            return
        self._probed_at = self.state.global_step
        with self._as_scoring():
            spreads = self.parts.probes.measure()
        self._watch(spreads)

    @contextmanager
    def _as_scoring(self) -> Iterator[None]:
        """Let the model compute as it does when it scores; the next step of training undoes it."""
        self.model.eval()
        # With LoRA the base is as it scores later; a whole model in training is float32, and half precision is faster.
        with nullcontext() if self.parts.trainable.has_lora else self.accelerator.autocast():
            yield
        self._since = time.perf_counter()

    def _watch(self, spreads: Mapping[int | None, float]) -> None:
        if (collapse := self._alarm.watch(spreads)) is not None:
            for sentence in collapse.sentences(self.state.global_step):
                self.warn("collapse", sentence)

    def _tell_pairs(self, done: int, total: int) -> None:
        self.parts.on_progress(TrainingProgress(stage="measuring", done=done, total=total))

    def _ask_to_stop(self) -> bool:
        """Ask whether to stop, in every process; one yes is enough, and all hear it."""
        if self.state.global_step >= self.state.max_steps:
            return False  # it ends anyway
        asked = self.parts.should_stop()
        if self.args.world_size > 1:
            asked = bool(self.accelerator.reduce(torch.tensor(float(asked), device=self.args.device), "sum") > 0)
        self.was_stopped = self.was_stopped or asked
        return asked

    # What is saved

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        """Save what was trained and what it takes to go on, under another name first."""
        folder = Path(self.args.output_dir)
        step = self.state.global_step
        part = folder / f".checkpoint-{step}.part"
        try:
            if self.args.should_save:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(part, ignore_errors=True)
                self.parts.save_product(part)
            self.accelerator.wait_for_everyone()
            self._save_optimizer_and_scheduler(str(part))
            self._save_scaler(str(part))
            self._save_rng_state(str(part))
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self.state.save_to_json(str(part / "trainer_state.json"))
                seen = self._describe_run() | {"files": measure_files(part), "sha256": hash_files(part)}
                with new_file(part / "run.json") as file:
                    file.write_header(dump_json(seen))
                shutil.rmtree(folder / f"checkpoint-{step}", ignore_errors=True)
                part.rename(folder / f"checkpoint-{step}")
        except (OSError, RuntimeError, SafetensorError, RerankerError) as error:
            reason = _explain_write(error, folder)
            shutil.rmtree(part, ignore_errors=True)
            remedy = "Make room on the disk and start again."
            if list_checkpoints(folder):
                remedy = "Earlier ones are whole: make room on the disk and resume."
            raise TrainingError(
                f"The checkpoint of step {step} could not be written to {folder} ({reason}). {remedy}"
            ) from error
        if self.args.should_save:
            best_step = None if self._best is None else self._best.step
            remove_old_checkpoints(folder, limit=self.parts.settings.save_total_limit, best_step=best_step)

    def _describe_run(self) -> dict[str, Any]:
        return self.parts.identity.to_dict() | {
            "step": self.state.global_step,
            "dev": [figures.to_dict() for figures in self.dev_history],
            "alarm": self._alarm.to_dict(),
            "probed": self._probed_at,
            "warnings": self.warnings,
        }

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Put back what was trained, in the format of the product."""
        self.restore(Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Put back how far the optimizer and the schedule were."""
        with _explain_damage(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Put back the random numbers."""
        with _explain_damage(checkpoint):
            super()._load_rng_state(checkpoint)

    def recall(self, seen: Mapping[str, Any], *, whole: Collection[int]) -> None:
        """Take over what the run had seen at a checkpoint.

        Args:
            seen: its run.json.
            whole: the steps whose checkpoints are there; of others nothing can be kept but step 0, the base.
        """
        self._resumed_at = seen["step"]
        self.dev_history = [DevFigures.from_dict(figures) for figures in seen["dev"]]
        self.warnings = list(seen["warnings"])
        self._alarm.restore(seen["alarm"])
        self._probed_at = seen["probed"]
        best = self._best
        self._lost = frozenset(figures.step for figures in self.dev_history) - {0, *whole}
        if best is not None and best.step in self._lost:
            self.warn(
                "lost",
                f"The weights of step {best.step}, the best until then, are gone or damaged, so they cannot be kept: the "
                "best of the other steps is. Train anew in another output_dir to have them again.",
            )

    def restore(self, checkpoint: Path) -> None:
        """Put the weights of a checkpoint back into the model.

        Raises:
            InputError: they cannot be read.
        """
        with _explain_damage(checkpoint):
            file = next(checkpoint / name for name in _WEIGHTS if (checkpoint / name).is_file())
            restore_trained(self.parts.trainable.reranker, load_file(file))

    def free_optimizer(self) -> None:
        """Let go of what only further steps need: the optimizer's state and the gradients."""
        self.optimizer = self.lr_scheduler = None
        self.callback_handler.optimizer = self.callback_handler.lr_scheduler = None
        self.model.zero_grad(set_to_none=True)
        self.model_wrapped = self.model
        self.accelerator.free_memory()

    @property
    def kept(self) -> DevFigures | None:
        """The measurement whose weights are kept; `None` without a dev set, or if only the base was measured by now."""
        is_measured = len(self.dev_history) > (1 if self.was_stopped else 0)
        return self._best if is_measured else None

    @property
    def _best(self) -> DevFigures | None:
        """The best measurement whose weights are there; `None` before the first."""
        there = [figures for figures in self.dev_history if figures.step not in self._lost]
        return find_best(there) if there else None


def _explain_write(error: Exception, folder: Path) -> str:
    """Say why something could not be written: torch does not tell that the disk was full."""
    if isinstance(error, RuntimeError):
        with suppress(OSError):
            if shutil.disk_usage(folder).free < _NO_ROOM:
                return f"the disk is full; {error}"
    return str(error)


@contextmanager
def _explain_damage(checkpoint: Path | str | None) -> Iterator[None]:
    """Turn what a damaged file raises into a sentence."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (*_DAMAGE, SafetensorError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{checkpoint} cannot be read ({reason}): a file of it was damaged. Remove the folder, and resume from an "
            "older checkpoint."
        ) from error


def _describe(figures: DevFigures, first: DevFigures) -> str:
    values = ", ".join(f"{name} {value:.4f}" for name, value in figures.measures.items())
    if figures is first:
        return f"Dev set before training: {values}."
    return f"Dev set after step {figures.step}: {values} ({figures.measures[BEST_BY] - first.measures[BEST_BY]:+.4f})."
