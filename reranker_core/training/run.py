"""A training run from its settings to its product: read, plan, train, keep the best, save, load it again and compare."""

import platform
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from reranker_core.errors import RerankerError
from reranker_core.evaluation import RankingTask
from reranker_core.families.base import NeuralReranker
from reranker_core.training.announcement import say_dev_set, say_examples, say_trained
from reranker_core.training.arguments import make_arguments
from reranker_core.training.batches import BatchPlan, EncodedGroups, GroupLoader
from reranker_core.training.collapse import Probes
from reranker_core.training.data import TrainingData
from reranker_core.training.dev_data import read_run_data, use_own_dev_part
from reranker_core.training.identity import RunIdentity, check_same_data, hash_rows, hash_task
from reranker_core.training.interruptions import explain_shortage, listen_for_sigterm
from reranker_core.training.kept_checkpoints import (
    FoundCheckpoint,
    find_checkpoint,
    list_checkpoints,
    read_run_file,
    step_of,
)
from reranker_core.training.machine import fit_to_machine, read_machine
from reranker_core.training.measuring import BEST_BY, DevSet
from reranker_core.training.memory_estimate import read_shape
from reranker_core.training.merging import merge_adapter
from reranker_core.training.metrics_file import MetricsFile
from reranker_core.training.plan import plan_training, render_examples
from reranker_core.training.presets import name_preset
from reranker_core.training.product_check import compare_product
from reranker_core.training.progress import OnProgress, ShouldStop, TrainingProgress
from reranker_core.training.results import TrainingResult
from reranker_core.training.run_folder import RunFolder
from reranker_core.training.saving import BaseIdentity, collect_trained, identify_base, restore_trained, save_product
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.terminal import is_first_process
from reranker_core.training.trainable import Trainable, load_trainable
from reranker_core.training.trainer import RerankerTrainer, TrainerParts

_LIBRARIES = ("torch", "transformers", "peft", "accelerate")

# Groups whose scores are compared after saving.
_PROBES = 4

# What the loaded product may differ by from what was trained before it is said: rounding, by dtype.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


def train(
    settings: TrainingSettings,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    command: str = "",
) -> TrainingResult:
    """Train a reranker.

    In `settings.output_dir`: settings.json, metrics.jsonl, checkpoints/, adapter/ or model/, and result.json. With a dev
    set the best step is kept (of equal ones the earliest, step 0 among them), without one the last. Under torchrun every
    process calls it with the same settings; the first one writes.

    Args:
        settings: of the run.
        on_progress: told what is being done; what it raises ends the run.
        should_stop: asked after each step; `True` saves a checkpoint and ends the run with what there is. SIGTERM does the
            same.
        command: the command line that asks for it, for result.json.

    Raises:
        InputError: settings, data or the folder cannot be used.
        TrainingError: memory or disk ran out, or a number is not finite; checkpoints stay.
        RerankerError: the model cannot be loaded or saved.

    Example:
        >>> settings = TrainingSettings(model_name_or_path="BAAI/bge-reranker-v2-m3", train_data=("labels.jsonl",),
        ...                             output_dir="job")  # doctest: +SKIP
        >>> train(settings).product  # doctest: +SKIP
        PosixPath('job/adapter')
    """
    started = time.perf_counter()
    folder = RunFolder(settings.output_dir)
    if settings.resume_from_checkpoint is None:
        folder.check_free()
    settings, notes = fit_to_machine(settings, read_machine(settings.device))
    settings, more = use_own_dev_part(settings)
    notes += more
    if settings.resume_from_checkpoint == "latest" and (finished := folder.read_finished(settings)) is not None:
        check_same_data(finished, settings)
        _say_finished(folder, on_progress)
        return finished
    data, task = read_run_data(settings)
    arguments = make_arguments(settings, folder.checkpoints, rows=len(data.rows), has_dev_set=task is not None)
    with listen_for_sigterm() as was_told:
        run = _Run(
            settings=settings,
            folder=folder,
            data=data,
            task=task,
            arguments=arguments,
            tell=_first_process_only(on_progress, arguments),
            should_stop=lambda: was_told() or bool(should_stop and should_stop()),
            command=command,
        )
        run.tell(TrainingProgress(stage="loading", notes=tuple(notes)))
        with explain_shortage(arguments.device):
            result = run.do(started)
    if arguments.world_size > 1:
        torch.distributed.destroy_process_group()
    return result


def _say_finished(folder: RunFolder, on_progress: OnProgress | None) -> None:
    if on_progress is not None and is_first_process():
        sentence = f"The run in {folder.path} is finished already; nothing was changed."
        on_progress(TrainingProgress(stage="saving", notes=(sentence,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    settings: TrainingSettings
    folder: RunFolder
    data: TrainingData
    task: RankingTask | None
    arguments: TrainingArguments
    tell: OnProgress
    should_stop: ShouldStop
    command: str

    def do(self, started: float) -> TrainingResult:
        """Train, keep the best, save it and compare."""
        trainable = self._load()
        base = identify_base(
            self.settings.model_name_or_path,
            allow_download=not self.settings.offline,
            cache_dir=self.settings.cache_dir,
        )
        trainer = self._make_trainer(trainable, base)
        at_start = collect_trained(trainable.reranker) if self.task is not None else {}
        trainer.train(self._find_resumed(trainer))
        if not trainer.was_stopped:
            trainer.evaluate()
        kept_step = self._keep_best(trainer, at_start)
        product = self._save(trainer, base, kept_step=kept_step)
        difference = merged = None
        if not trainer.was_stopped and self.arguments.should_save:
            difference = self._compare(trainable, product, trainer)
            merged = self._merge(product, trainer)
        result = self._sum_up(
            trainer, base, product, kept_step=kept_step, difference=difference, merged=merged, started=started
        )
        if self.arguments.should_save:
            self.folder.finish(result)
        trainer.accelerator.wait_for_everyone()
        return result

    def _load(self) -> Trainable:
        # Several processes on a CPU train on "cpu:0" and "cpu:1", which are one and the same.
        device = self.arguments.device if self.arguments.device.type != "cpu" else torch.device("cpu")
        with name_preset(self.settings):
            trainable = load_trainable(
                self.settings,
                device=device,
                on_progress=lambda done, total: self.tell(TrainingProgress(stage="loading", done=done, total=total)),
            )
        plan = plan_training(
            self.settings,
            self.data,
            trainable.reranker.inputs,
            processes=self.arguments.world_size,
            shape=read_shape(trainable.reranker, self.settings),
        )
        notes = [say_trained(trainable.reranker, self.settings), *plan.lines()]
        notes += [] if self.task is None else say_dev_set(self.task, self.data)
        notes += say_examples(render_examples(self.settings, self.data, trainable.reranker.inputs))
        self.tell(TrainingProgress(stage="loading", notes=tuple(notes)))
        return trainable

    def _make_trainer(self, trainable: Trainable, base: BaseIdentity) -> RerankerTrainer:
        settings, arguments, data = self.settings, self.arguments, self.data
        place = {"processes": arguments.world_size, "process": arguments.process_index}
        plan = BatchPlan(
            data.order,
            rows=len(data.rows),
            batch_size=settings.per_device_train_batch_size,
            drop_last=settings.dataloader_drop_last,
            **place,
        )
        hashes = {"rows": hash_rows(data)} | ({} if self.task is None else {"dev": hash_task(self.task)})
        parts = TrainerParts(
            settings=settings,
            trainable=trainable,
            loader=GroupLoader(EncodedGroups(data, trainable.reranker.inputs, settings), plan),
            dev_set=None if self.task is None else DevSet(self.task, trainable.reranker, settings, **place),
            probes=Probes(data, trainable.reranker, settings, **place) if self.task is None else None,
            identity=RunIdentity.of(settings, data=hashes, base=base.fingerprint, processes=arguments.world_size),
            metrics=MetricsFile(self.folder.metrics, writes=arguments.should_save),
            save_product=lambda path: self._write(trainable.reranker, path, base, results={}),
            on_progress=self.tell,
            should_stop=self.should_stop,
        )
        trainer = RerankerTrainer(parts, arguments)
        # Every process draws its own dropout.
        torch.manual_seed(settings.seed + arguments.process_index)
        return trainer

    def _find_resumed(self, trainer: RerankerTrainer) -> str | None:
        """Find the checkpoint to go on from, and see that it is of this run; only then is the folder written to."""
        wanted = self.settings.resume_from_checkpoint
        found = FoundCheckpoint(path=None) if wanted is None else find_checkpoint(wanted, self.folder.checkpoints)
        if found.path is not None:
            seen = read_run_file(found.path)
            trainer.parts.identity.check_same(seen, folder=found.path)
            whole = list_checkpoints(self.folder.checkpoints, reads_files=True)
            trainer.recall(seen, whole=[step_of(path) for path in whole])
            message = f"Went on from {found.path.name}."
            trainer.parts.metrics.add("event", step=seen["step"], event="resumed", message=message)
        for sentence in found.left_out:
            trainer.warn("left_out", sentence)
        if wanted is not None and found.path is None:
            sentence = f"There is no checkpoint in {self.folder.checkpoints}; starting from the beginning."
            trainer.warn("anew", sentence)
        trainer.accelerator.wait_for_everyone()
        if self.arguments.should_save:
            self.folder.start(self.settings)
        return None if found.path is None else str(found.path)

    def _keep_best(self, trainer: RerankerTrainer, at_start: dict[str, torch.Tensor]) -> int:
        """Bring back the weights of the best step; gives that step."""
        last: int = trainer.state.global_step
        if trainer.kept is None or trainer.kept.step == last:
            return last
        step = trainer.kept.step
        if step == 0:
            restore_trained(trainer.parts.trainable.reranker, at_start)
            trainer.warn(
                "no_gain",
                f"No step was better than the base on the dev set ({BEST_BY} {trainer.kept.measures[BEST_BY]:.4f}), so the "
                "base was kept: what was saved scores as it does. Add labels, or lower the learning rate.",
            )
        else:
            trainer.restore(self.folder.checkpoints / f"checkpoint-{step}")
        return step

    def _save(self, trainer: RerankerTrainer, base: BaseIdentity, *, kept_step: int) -> Path:
        place = self.folder.adapter if trainer.parts.trainable.has_lora else self.folder.model
        results: dict[str, Any] = {"step": kept_step}
        if self.task is not None:
            results["measured on"] = f"{self.task.name}, {len(self.task.qrels):,} queries"
        if trainer.kept is not None:
            results |= {"before training": trainer.dev_history[0].measures, "after training": trainer.kept.measures}
        self.tell(TrainingProgress(stage="saving"))
        trainer.model.eval()
        if self.arguments.should_save:
            self._write(trainer.parts.trainable.reranker, place, base, results=results)
        return place

    def _write(self, reranker: NeuralReranker, place: Path, base: BaseIdentity, *, results: dict[str, Any]) -> Path:
        return save_product(
            reranker,
            place,
            base=base,
            settings=self.settings.to_dict(),
            data={file.path.name: file.sha256 for file in self.data.files},
            results=results,
        )

    def _compare(self, trainable: Trainable, product: Path, trainer: RerankerTrainer) -> float | None:
        groups = [self.data.group(row, epoch=0) for row in range(min(_PROBES, len(self.data.rows)))]
        pairs = [(group.query, passage) for group in groups for passage in group.passages]
        trainer.free_optimizer()  # the product is loaded beside what was trained
        try:
            difference = compare_product(trainable, product, pairs, settings=self.settings)
        except (RerankerError, torch.OutOfMemoryError, MemoryError) as error:  # what was trained is saved all the same
            trainer.warn(
                "comparison",
                f"What was saved could not be compared with what was trained: {str(error) or 'memory ran out'}",
            )
            return None
        if difference > _TOLERANCE[trainable.reranker.dtype]:
            trainer.warn(
                "difference",
                f"What was saved scores up to {difference:.2g} away from what was trained, more than rounding explains. "
                "Please report this; the checkpoints hold the weights as they were.",
            )
        return difference

    def _merge(self, product: Path, trainer: RerankerTrainer) -> Path | None:
        if not (self.settings.save_merged_lora_model and self.settings.use_lora):
            return None
        self.tell(TrainingProgress(stage="saving", notes=("Merging the adapter into the whole model.",)))
        shutil.rmtree(self.folder.merged_model, ignore_errors=True)  # of this run, before it was resumed
        try:
            merge_adapter(
                self.settings.model_name_or_path,
                product,
                self.folder.merged_model,
                allow_download=not self.settings.offline,
                cache_dir=self.settings.cache_dir,
            )
        except RerankerError as error:  # the adapter is there all the same
            trainer.warn("merge", f"The merged model was not written: {error}")
            return None
        return self.folder.merged_model

    def _sum_up(
        self,
        trainer: RerankerTrainer,
        base: BaseIdentity,
        product: Path,
        *,
        kept_step: int,
        difference: float | None,
        merged: Path | None,
        started: float,
    ) -> TrainingResult:
        history, steps = trainer.dev_history, trainer.state.global_step
        seconds = time.perf_counter() - started
        return TrainingResult(
            status="stopped" if trainer.was_stopped else "completed",
            output_dir=self.folder.path,
            product=product,
            kind="adapter" if trainer.parts.trainable.has_lora else "model",
            merged_model=merged,
            steps=steps,
            planned_steps=trainer.state.max_steps,
            kept_step=kept_step,
            before=dict(history[0].measures) if history else None,
            after=None if trainer.kept is None else dict(trainer.kept.measures),
            dev=tuple(history),
            dev_note="" if self.task is None else self.task.note,
            warnings=tuple(trainer.warnings),
            difference=difference,
            seconds=seconds,
            base={"name": base.name, "fingerprint": base.fingerprint},
            data={str(file.path): file.sha256 for file in self.data.files},
            versions=_read_versions(),
            dev_set=self._describe_dev_set(),
            processes=self.arguments.world_size,
            device=str(self.arguments.device),
            started_at=(datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds"),
            command=self.command,
        )

    def _describe_dev_set(self) -> dict[str, Any] | None:
        if self.task is None:
            return None
        source = f"hold_out {self.settings.hold_out:g}" if self.settings.dev_data is None else str(self.settings.dev_data)
        return {"from": source, "sha256": hash_task(self.task), "queries": len(self.task.qrels)}


def _read_versions() -> dict[str, str]:
    versions = {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()}
    with suppress(PackageNotFoundError):  # a checkout that is not installed
        versions["reranker-workbench"] = version("reranker-workbench")
    return versions


def _first_process_only(on_progress: OnProgress | None, arguments: TrainingArguments) -> OnProgress:
    is_told = on_progress is not None and arguments.process_index == 0
    return on_progress if is_told and on_progress is not None else lambda _: None
