"""What a run would do, without its weights: the plan, the first inputs, memory and minutes. Nothing is downloaded.

It reads what `train` reads, by the same functions, and of the model only config.json, the tokenizer and the shapes of the
weights; so it takes a second or two where loading the model may take minutes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask
from reranker_core.hub import locate, read_json
from reranker_core.inputs import DecoderInputs, EncoderInputs, PairInputs
from reranker_core.recognition import detect_family
from reranker_core.tokenizing import TextTokenizer
from reranker_core.training.dev_data import read_run_data, use_own_dev_part
from reranker_core.training.machine import fit_to_machine, read_machine
from reranker_core.training.plan import RenderedExample, TrainingPlan, plan_training, render_examples
from reranker_core.training.planned_shape import read_planned_shape
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.time_estimate import RunWork, TimeEstimate, estimate_time

# What transformers 5.23 takes where a config.json does not say it.
_CONTEXT = {"xlm-roberta": 512, "gemma": 8192, "llama": 2048, "mistral": 131_072, "qwen2": 32_768, "minicpm": 2048}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPreview:
    """What a run would do.

    Attributes:
        plan: rows, steps, tokens, memory, and what bodes ill.
        examples: the first pairs, as the model reads them.
        settings: as the machine can do them, with the dev set that is found by itself.
        notes: what was changed for that, in sentences.
        device: `"cpu"` or `"cuda"`, where it would train.
        dev_queries: that are measured on; 0 where nothing is.
        dev_pairs: that are scored each time.
        time: about how long it takes.
    """

    plan: TrainingPlan
    examples: tuple[RenderedExample, ...]
    settings: TrainingSettings
    notes: tuple[str, ...]
    device: str
    dev_queries: int
    dev_pairs: int
    time: TimeEstimate


def preview_training(
    settings: TrainingSettings, *, test_pairs: int = 0, known_speed: Callable[[str], float | None] | None = None
) -> TrainingPreview:
    """Work out what a run would do.

    Args:
        settings: of the run; its output_dir is not touched.
        test_pairs: that are scored with base and tuned model after it.
        known_speed: given the device, how many tokens a second an earlier run of the same kind trained on; `None` where
            there was none, and then this machine's arithmetic is timed.

    Raises:
        ModelNotFoundError: the model is not on this machine.
        InputError: settings, data and model do not go together; says why.
        UnsupportedModelError: nothing can be trained from this model.
    """
    machine = read_machine(settings.device)
    settings, notes = fit_to_machine(settings, machine)
    settings, more = use_own_dev_part(settings)
    folder = locate(settings.model_name_or_path, allow_download=False, cache_dir=settings.cache_dir)
    family = find_family(folder, head_multi=settings.head_multi)
    inputs = read_inputs(folder, family)
    data, task = read_run_data(settings)
    shape = read_planned_shape(folder, family, settings, on_cuda=machine.has_cuda)
    plan = plan_training(settings, data, inputs, shape=shape.trained)
    device = settings.device or ("cuda" if machine.has_cuda else "cpu")
    work = RunWork(
        plan=plan,
        dev_pairs=0 if task is None else task.pairs,
        measurements=_count_measurements(settings, plan, task),
        test_pairs=test_pairs,
    )
    time = estimate_time(work, shape, settings=settings, device=device, speed=known_speed(device) if known_speed else None)
    return TrainingPreview(
        plan=plan,
        examples=tuple(render_examples(settings, data, inputs)),
        settings=settings,
        notes=(*notes, *more),
        device=device,
        dev_queries=0 if task is None else len(task.qrels),
        dev_pairs=work.dev_pairs,
        time=time,
    )


def find_family(folder: Path, *, head_multi: bool) -> str:
    """Tell the family of a model that is to be trained.

    Raises:
        InputError: it is a raw MiniCPM, and heads were not asked for.
        UnsupportedModelError: it is no model of a supported architecture.
    """
    config = read_json(folder / "config.json", purpose="a model folder needs it to say what the model is")
    if config.get("model_type") == "minicpm" and "start_layer" not in config and not head_multi:
        raise InputError(
            f"{folder.name} is a plain MiniCPM, of which a layerwise reranker is made with heads at its layers. Set "
            "head_multi."
        )
    return detect_family(config, folder=folder, has_heads=head_multi)


def read_inputs(folder: Path, family: str) -> PairInputs:
    """Make what builds a family's inputs from a model's folder alone.

    Args:
        folder: with config.json and tokenizer.json.
        family: as `find_family` says.

    Raises:
        UnsupportedModelError: the tokenizer is missing or cannot be used.
    """
    config = read_json(folder / "config.json", purpose="a model folder needs it to say what the model is")
    model_type = str(config.get("model_type") or "")
    context = _read_context(config, model_type)
    tokenizer = TextTokenizer(folder, model_type=model_type)
    if family == "encoder":
        return EncoderInputs(tokenizer, context=context)
    return DecoderInputs(tokenizer, context=context, always_bos=family == "layerwise")


def _read_context(config: dict[str, Any], model_type: str) -> int:
    positions = config.get("max_position_embeddings")
    context = positions if isinstance(positions, int) else _CONTEXT.get(model_type, 512)
    if model_type != "xlm-roberta":
        return context
    padding = config.get("pad_token_id", 1)
    return context - (padding if isinstance(padding, int) else 1) - 1  # XLM-R counts positions from there


def _count_measurements(settings: TrainingSettings, plan: TrainingPlan, task: RankingTask | None) -> int:
    """Count how often the dev set is measured: before the first step, when it is due, and at the end."""
    if task is None:
        return 0
    if settings.eval_strategy == "no":
        return 2
    between = plan.steps.steps_per_epoch if settings.eval_strategy == "epoch" else settings.eval_steps or plan.steps.steps
    return 1 + max(1, -(-plan.steps.steps // between))
