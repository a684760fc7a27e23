"""What a press of Start would do, worked out before: settings, plan, memory, minutes, inputs, commands."""

import shlex
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotations.errors import AnnotationError
from annotations.plurals import count
from reranker_core.errors import InputError, RerankerError
from reranker_core.jobs import command_of, torchrun_command
from reranker_core.training.plan import FEW_STEPS
from reranker_core.training.presets import make_settings
from reranker_core.training.settings import TrainingSettings
from ui.choices import Choice
from ui.hosting import hide_places, say_to_visitor
from ui.label_requests import Answer, Request
from ui.machine import gigabytes
from ui.services import Services
from ui.tabs.train.drafts import Drafts
from ui.tabs.train.fields import (
    choose_preset,
    describe_presets,
    describe_reasons,
    preset_values,
    read_typed,
    show_value,
)
from ui.tabs.train.freezing import find_same
from ui.tabs.train.material import HELD_OUT, Material, read_material
from ui.tabs.train.memory import MemoryVerdict, judge_memory
from ui.tabs.train.naming import name_job, name_rows_file, name_snapshot
from ui.tabs.train.sources import Labels, find_base, find_labels

if TYPE_CHECKING:  # it brings torch in, and the first screen shows before
    from reranker_core.training.preview import TrainingPreview

_LOOKED_AT = 20  # earlier jobs that may say how fast this machine trains
_FEWEST_POINTS = 3
_MOST_EPOCHS = 20  # that are offered with one click: more would learn a few labels by heart


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the form asks for.

    Attributes:
        base: the model.
        labels: what to train on.
        material: as training reads it.
        preset: the name of the chip.
        reason: why that one, or empty where a person chose it.
        settings: of the run, with a place instead of a job's folder; `None` where a field is wrong.
        filled_in: what stands where nothing was typed, by name.
        problems: of fields, by name.
    """

    base: Choice
    labels: Labels
    material: Material
    preset: str
    reason: str
    settings: TrainingSettings | None
    filled_in: Mapping[str, Any]
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A wish, and what it comes to: a preview with a verdict on memory."""

    wish: Wish
    preview: "TrainingPreview"
    memory: MemoryVerdict


def plan_run(services: Services, wanted: Request, *, drafts: Drafts) -> Answer:
    """Lay out what a training would do: `line`, `facts`, `warnings`, `blocked`, `examples`, `command`, `torchrun`, …

    `wanted` has `base`, `labels` (a key), `preset` (a chip, or empty for the fitting one), `typed` (texts by setting),
    `name` (of the job), and `is_fresh` where labels may have changed.

    Raises:
        InputError: the base cannot be used.
    """
    try:
        wish = read_wish(services, wanted, drafts=drafts)
    except (RerankerError, AnnotationError) as error:
        return _describe_form(services, wanted) | {"blocked": say_to_visitor(services, error)}
    answer = _describe_wish(services, wish)
    if wish.settings is None:
        return answer | {"blocked": "A setting cannot be used; its field says why."}
    try:
        planned = work_out(services, wish)
    except (RerankerError, AnnotationError) as error:
        return answer | {"blocked": say_to_visitor(services, error)}
    # Working it out may have found that nothing can be held out of so few rows.
    return answer | _describe_wish(services, planned.wish) | _describe_plan(services, planned, name=wanted.get("name"))


def read_wish(services: Services, wanted: Request, *, drafts: Drafts) -> Wish:
    """Read what the form asks for, with what fits where it says nothing.

    Raises:
        InputError: base, labels or preset cannot be used.
        AnnotationError: the labels cannot be read, or nothing has a grade.
    """
    base = find_base(services, wanted.get("base"))
    labels = find_labels(services, wanted.get("labels"))
    material = read_material(services, labels, drafts, is_fresh=wanted.get("is_fresh") is True)
    preset, reason = choose_preset(base.info.family, rows=material.rows)
    if isinstance(chosen := wanted.get("preset"), str) and chosen:
        preset, reason = chosen, ""
    typed, problems = read_typed(services, wanted.get("typed"))
    usual = preset_values(base.info.family, preset)
    if "dev_data" not in typed:
        usual |= {"hold_out": material.hold_out}
    given = {"model_name_or_path": base.base, "train_data": (material.place,), "output_dir": Path("run")}
    filled_in = make_settings(usual | given)
    settings = None
    if not problems:
        try:
            settings = make_settings(usual | typed | given)
        except InputError as error:
            problems = {_find_field(str(error), typed): str(error)}
    return Wish(
        base=base,
        labels=labels,
        material=material,
        preset=preset,
        reason=reason,
        settings=settings,
        filled_in=filled_in.to_dict(),
        problems=problems,
    )


def work_out(services: Services, wish: Wish) -> Planned:
    """Work out what a wish comes to.

    Raises:
        InputError: a field is wrong, or settings, labels and model do not go together.
        RerankerError: the model cannot be read.
    """
    if wish.settings is None:
        raise InputError(next(iter(wish.problems.values())))
    from reranker_core.training.preview import preview_training

    settings = wish.settings

    def known_speed(device: str) -> float | None:
        return find_speed(services, settings, device=device)

    test_pairs = wish.material.count_queries("test") * _pairs_of_query(wish.material)
    try:
        preview = preview_training(settings, test_pairs=test_pairs, known_speed=known_speed)
    except InputError:
        if settings.hold_out != wish.material.hold_out or not settings.hold_out or wish.material.parts:
            raise
        # Of a handful of rows nothing can be held out; the plan says that nothing is measured.
        settings = replace(settings, hold_out=0.0)
        preview = preview_training(settings, test_pairs=test_pairs, known_speed=known_speed)
        wish = replace(wish, settings=settings, filled_in={**wish.filled_in, "hold_out": 0.0})
    memory = judge_memory(services, preview.plan, device=preview.device)
    return Planned(wish=wish, preview=preview, memory=memory)


def find_speed(services: Services, settings: TrainingSettings, *, device: str) -> float | None:
    """Find how many tokens a second an earlier job of the same kind trained on; `None` where there was none."""
    for job in services.jobs.list()[:_LOOKED_AT]:
        other = job.settings
        if other is None or job.step < _FEWEST_POINTS or job.device.split(":")[0] != device.split(":")[0]:
            continue
        same = ("model_name_or_path", "use_lora", "gradient_checkpointing", "bf16", "fp16")
        if all(getattr(other, name) == getattr(settings, name) for name in same):
            points = services.jobs.read_metrics(job.id).train
            speeds = [speed for point in points if isinstance(speed := point.get("tokens_per_second"), int | float)]
            if len(speeds) >= _FEWEST_POINTS:
                return float(statistics.median(speeds))
    return None


def say_minutes(seconds: float) -> str:
    """Say a rough length of time: `about 40 s`, `about 4 min`, `about 2.5 h`."""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def show_command(services: Services, wish: Wish, settings: TrainingSettings, *, name: str) -> tuple[str, str]:
    """Write the command that trains the same in a shell, and the one for several GPUs."""
    place = wish.material.place
    if wish.labels.project_id is not None and wish.labels.place is None:
        known = None if wish.material.draft is None else find_same(services, wish.labels.project_id, wish.material.draft)
        folder = known.path if known else name_snapshot(services, wish.labels.project_id).folder
        place = services.labels.snapshots / folder
    shown = replace(settings, train_data=(place,), output_dir=Path("runs") / name)
    if not services.allow_folders and wish.labels.project_id is not None:
        # Strangers train elsewhere, on the rows that they take away, which come without the dev part.
        rows = Path(name_rows_file(services, wish.labels))
        shown = replace(shown, train_data=(rows,), hold_out=settings.hold_out or HELD_OUT)
    commands = (shlex.join(command_of(shown)), shlex.join(torchrun_command(shown)))
    return hide_places(services, commands[0]), hide_places(services, commands[1])


def _describe_form(services: Services, wanted: Request) -> Answer:
    """Lay out what the form needs where labels, or what was asked of them, cannot be used."""
    family = find_base(services, wanted.get("base")).info.family
    preset, _ = choose_preset(family, rows=0)
    usual = preset_values(family, preset)
    given = {"model_name_or_path": "base", "train_data": ("labels",), "output_dir": "run"}
    filled_in = make_settings(usual | given).to_dict()
    return {
        "preset": {"name": preset, "reason": ""},
        "presets": describe_presets(family),
        "reasons": describe_reasons(family, preset),
        "filled_in": {name: show_value(value) for name, value in filled_in.items()},
        "problems": read_typed(services, wanted.get("typed"))[1],
        "labels": "",
        "project": None,
        "warnings": [],
        "facts": [],
    }


def _describe_wish(services: Services, wish: Wish) -> Answer:
    return {
        "preset": {"name": wish.preset, "reason": wish.reason},
        "presets": describe_presets(wish.base.info.family),
        "reasons": describe_reasons(wish.base.info.family, wish.preset),
        "filled_in": {name: show_value(value) for name, value in wish.filled_in.items()},
        "problems": {name: hide_places(services, sentence) for name, sentence in wish.problems.items()},
        "labels": wish.material.describe(),
        "project": wish.labels.project_id if wish.labels.place is None else None,
        "warnings": [{"sentence": sentence} for sentence in wish.material.warnings()],
        "facts": [],
        "blocked": "",
    }


def _describe_plan(services: Services, planned: Planned, *, name: object) -> Answer:
    wish, plan, settings = planned.wish, planned.preview.plan, planned.wish.settings
    if settings is None:
        return {}
    time = planned.preview.time
    shown_name = name_job(services, wish.labels, wanted=name)
    command, torchrun = show_command(services, wish, settings, name=shown_name)
    epochs = f"{settings.num_train_epochs:g} epoch{'' if settings.num_train_epochs == 1 else 's'}"
    is_measured = planned.preview.dev_queries > 0
    measured = (
        f"Measured on {count(planned.preview.dev_queries, 'query', 'queries')} with "
        f"{count(planned.preview.dev_pairs, 'pair')}, before the first step and then as set; the best step is kept."
    )
    facts = [*plan.lines()[: -len(plan.warnings) or None], *([measured] if is_measured else [])]
    return {
        "line": " · ".join(
            (
                count(plan.rows, "group"),
                count(plan.steps.steps, "step"),
                epochs if settings.max_steps is None else "as many steps as set",
                gigabytes(planned.memory.needed),
                say_minutes(time.total),
            )
        ),
        "facts": [hide_places(services, fact) for fact in (*facts, _say_time(planned.preview))],
        "warnings": [_offer_help(services, planned, sentence) for sentence in _list_warnings(planned)],
        "blocked": planned.memory.blocked,
        "name": shown_name,
        "device": planned.preview.device,
        "examples": [
            {"is_positive": one.is_positive, "text": one.text, "tokens": one.tokens, "cut": one.cut_tokens}
            for one in planned.preview.examples
        ],
        "command": command,
        "torchrun": torchrun,
    }


def _list_warnings(planned: Planned) -> list[str]:
    found = [*planned.wish.material.warnings(), *planned.preview.plan.warnings]
    return [*found, planned.memory.warning] if planned.memory.warning else found


def _offer_help(services: Services, planned: Planned, sentence: str) -> Answer:
    """Put beside a warning what mends it with one click: another value of a setting, or another tab."""
    said = {"sentence": hide_places(services, sentence)}
    steps = planned.preview.plan.steps
    settings = planned.wish.settings
    if settings is not None and sentence.startswith("Only ") and "gradient_accumulation_steps" in sentence:
        epochs = -(-FEW_STEPS // steps.steps_per_epoch)
        if settings.max_steps is None and settings.num_train_epochs < epochs <= _MOST_EPOCHS:
            return said | {"words": f"Train {epochs} epochs", "typed": {"num_train_epochs": str(epochs)}}
    if "reranker_core.mining" in sentence or "Find candidates" in sentence:
        return said | {"words": "To Data", "tab": "data"}
    return said


def _say_time(preview: "TrainingPreview") -> str:
    time = preview.time
    source = "as an earlier job here trained" if time.is_from_run else "by how fast this machine multiplies, roughly"
    return (
        f"{say_minutes(time.total).capitalize()}: {say_minutes(time.training).removeprefix('about ')} of training and "
        f"{say_minutes(time.measuring).removeprefix('about ')} of measuring, {source}."
    )


def _pairs_of_query(material: Material) -> int:
    """Tell how many pairs a query ranks, roughly: those with a grade."""
    queries = max(1, material.count_queries("test"))
    return -(-int(material.parts.get("test", {}).get("pairs", 0)) // queries)


def _find_field(sentence: str, typed: Mapping[str, Any]) -> str:
    """Find the field that a sentence is about: the first that it names of those that were typed, else none."""
    named = [name for name in typed if name in sentence]
    return min(named, key=sentence.index) if named else ""
