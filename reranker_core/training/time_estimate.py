"""About how long a run takes, before it starts: from what an earlier run did, else from this machine's arithmetic."""

import time
from dataclasses import dataclass

from reranker_core.training.plan import TrainingPlan
from reranker_core.training.planned_shape import PlannedShape
from reranker_core.training.settings import TrainingSettings

# Python, torch, the libraries and the weights, until the first step.
_START_SECONDS = 12.0

# Of the rate of one large product, what a whole training step reaches: attention, norms, the optimizer and small products
# are in it. On the CPU measured with starter-encoder and the preset `encoder` (0.7 with one thread of an AMD EPYC, where
# layers go through oneDNN and the timed product does not); on a GPU judged from what others report.
_REACHED = {"cpu": 0.7, "cuda": 0.35}

_SIZE = 1024  # rows and columns of the product that is timed
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWork:
    """What a run computes.

    Attributes:
        plan: its steps and tokens.
        dev_pairs: that one measurement scores.
        measurements: how often.
        test_pairs: that base and tuned model score at the end.
    """

    plan: TrainingPlan
    dev_pairs: int
    measurements: int
    test_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeEstimate:
    """Seconds, roughly.

    Attributes:
        training: of the steps.
        measuring: of the dev set, and of the report.
        starting: until the first step.
        is_from_run: whether an earlier run of the same kind says it; else the arithmetic of this machine was timed.
    """

    training: float
    measuring: float
    starting: float
    is_from_run: bool

    @property
    def total(self) -> float:
        """All of it."""
        return self.training + self.measuring + self.starting


def estimate_time(
    work: RunWork, shape: PlannedShape, *, settings: TrainingSettings, device: str, speed: float | None = None
) -> TimeEstimate:
    """Estimate how long a run takes.

    A token costs two operations for each weight that it is multiplied with, forwards; as many for the gradient of its
    input, and again as many for that of a weight that is trained. Checkpointing computes the forward pass twice.

    Args:
        work: what is computed.
        shape: of the model.
        settings: of the run.
        device: where.
        speed: tokens a second that an earlier run of the same kind trained on; `None` times this machine.
    """
    plan = work.plan
    tokens_of_pair = plan.tokens.tokens / plan.tokens.pairs
    epochs = plan.steps.steps / plan.steps.steps_per_epoch
    tokens = tokens_of_pair * plan.tokens.of_pairs * epochs
    passes = (2 if shape.has_lora else 3) + (1 if settings.gradient_checkpointing else 0)
    is_from_run = speed is not None
    if speed is None:
        rate = _REACHED.get(device.split(":")[0], 0.35) * measure_rate(device, is_half=shape.trained.number_bytes == 2)
        speed = rate / (2 * shape.multiplied * passes)
    scored = work.dev_pairs * work.measurements + 2 * work.test_pairs
    return TimeEstimate(
        training=tokens / speed,
        measuring=scored * tokens_of_pair / (speed * passes),
        starting=_START_SECONDS,
        is_from_run=is_from_run,
    )


def measure_rate(device: str, *, is_half: bool) -> float:
    """Time one large product on a device, some hundredths of a second; gives operations a second."""
    import torch

    dtype = torch.bfloat16 if is_half else torch.float32
    left = torch.ones(_SIZE, _SIZE, dtype=dtype, device=device)
    left @ left  # the first one makes ready what the others use
    best = float("inf")
    for _ in range(_ROUNDS):
        if left.device.type == "cuda":
            torch.cuda.synchronize(left.device)
        began = time.perf_counter()
        product = left @ left
        if product.device.type == "cuda":
            torch.cuda.synchronize(product.device)
        best = min(best, time.perf_counter() - began)
    return float(2 * _SIZE**3 / best)
