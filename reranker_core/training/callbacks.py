"""What watches each step: numbers that are not finite end the run, and so does a request to stop."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reranker_core.errors import TrainingError

# float16 skips a step whose gradient overflows and tries a smaller scale; so many in a row are no accident.
_MOST_SKIPPED = 20


class GuardCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not followed
    """Ends a run that diverged before its weights are spoilt, and one that is asked to stop after the step.

    Attributes:
        gradient_norm: of the step, before it was cut; `None` where gradients are not cut. One that is infinite is cut to
            zeros, which look well.
    """

    def __init__(self, ask_to_stop: Callable[[], bool]) -> None:
        """Take what says whether to stop, the same in every process."""
        self.gradient_norm: torch.Tensor | float | None = None
        self._ask_to_stop = ask_to_stop
        self._is_stopping = False
        self._skipped = 0

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: nn.Module,
        **_: Any,
    ) -> None:
        """Look at the gradients before they are used.

        Raises:
            TrainingError: one is not finite.
        """
        norm, self.gradient_norm = self.gradient_norm, None
        if norm is None:
            gradients = [place.grad for place in model.parameters() if place.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
        is_finite = math.isfinite(norm)
        self._skipped = 0 if is_finite else self._skipped + 1
        if is_finite or (args.fp16 and self._skipped < _MOST_SKIPPED):
            return
        remedy = "bf16 instead of fp16, or a lower learning_rate" if args.fp16 else "a lower learning_rate, or more warmup"
        raise TrainingError(
            f"The gradient of step {state.global_step + 1} is not finite: the training diverged and was stopped. Earlier "
            f"checkpoints are whole. Try {remedy}."
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop after this step if that is asked for, and save it."""
        if self._ask_to_stop():
            self._is_stopping = control.should_training_stop = True
            control.should_save = control.should_save or not _ends_epoch(state)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave out what an epoch ends with, where it did not end but was stopped."""
        if self._is_stopping and _ends_epoch(state):
            control.should_save = True  # with what an epoch's end measures
        elif self._is_stopping:
            control.should_evaluate = control.should_save = False


def _ends_epoch(state: TrainerState) -> bool:
    return float(state.epoch).is_integer()
