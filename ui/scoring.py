"""From a comparison to scores: everything is checked first, then one model after the other scores all passages."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reranker_core.errors import InputError, ModelNotFoundError, RerankerError, ScoringError, UnsupportedModelError
from reranker_core.scores import Scores
from ui.choices import Choice, find_choice
from ui.comparison import MOST_CHARACTERS, MOST_PASSAGES, SIGMOID, Comparison
from ui.errors import say_failure
from ui.hosting import hiding_places
from ui.runs import ReplacedError, StoppedError
from ui.services import Services

# Called as (what is done now, share of this model that is done or None); what it raises stops the run.
OnStage = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScores:
    """What one model gave.

    Attributes:
        choice: the model.
        scores: pairs × every layer that was read.
        shown_layers: those of `scores.layers` that are columns of the table.
        kept_characters: for each passage how many of its first characters were read; `None` for all.
    """

    choice: Choice
    scores: Scores
    shown_layers: tuple[int | None, ...]
    kept_characters: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One model's part, checked: the layers to read and those to show."""

    choice: Choice
    read_layers: tuple[int, ...] | None
    shown_layers: tuple[int, ...] | None
    options: dict[str, Any]


def score_comparison(
    services: Services, comparison: Comparison, *, on_stage: OnStage | None = None
) -> tuple[list[ModelScores], str]:
    """Score a comparison by all its models.

    Nothing is computed before every model is known to be here and to have what is asked of it. A model that fails
    later does not take the finished ones with it.

    Args:
        services: pool and models.
        comparison: what is asked for.
        on_stage: told what is being done; what it raises stops the run.

    Returns:
        What the models gave that finished, and a sentence about those that did not; empty if all did.

    Raises:
        RerankerError: a model cannot be used, or none with weights finished; says why.
        ReplacedError: another run of the same visit has taken the place of this one.
    """
    choices = [find_choice(services, name) for name in comparison.models]
    if len({choice.name for choice in choices}) < len(choices):
        raise InputError(f"Two of {', '.join(comparison.models)} are names of the same model. Name each model once.")
    steps = [_plan(services, comparison, choice) for choice in choices]
    results: list[ModelScores] = []
    problems: list[str] = []
    for number, step in enumerate(steps, start=1):
        place = f"{step.choice.title} ({number} of {len(steps)})" if len(steps) > 1 else step.choice.title
        try:
            results.append(_score_step(services, comparison, step, place=place, on_stage=on_stage))
        except ReplacedError:
            raise
        except StoppedError:
            if not _has_weights(results):
                raise StoppedError("Stopped. The result before stays.") from None
            left = ", ".join(step.choice.title for step in steps[number - 1 :])
            problems.append(f"Stopped before the end, without {left}.")
            break
        except Exception as failure:  # an edge too: whatever it is, it must not take the models that finished with it
            if len(steps) == 1:
                raise
            problems.append(f"{step.choice.title}: {say_failure(failure)}")
    if problems and not _has_weights(results):
        raise RerankerError(" ".join(problems))
    return results, " ".join(problems)


def _has_weights(results: list[ModelScores]) -> bool:
    return any(result.choice.info.family != "bm25" for result in results)


def score_passages(services: Services, query: str, passages: list[str], *, model: str, options: dict[str, Any]) -> Scores:
    """Score passages by one model, as the public endpoints do: what the model does not understand is refused.

    Args:
        services: pool and models.
        query: the query.
        passages: the passages, any number.
        model: a name of the catalogue or of a model that was added.
        options: keyword arguments of `Reranker.score`; `None` for a default.

    Raises:
        RerankerError: the inputs cannot be used or the model cannot be loaded; says why.
    """
    if not isinstance(query, str) or not isinstance(passages, list):
        raise InputError("A query is one text and passages are a list of texts. Send them so.")
    if not query.strip():
        raise InputError("The query is empty. Write what is looked for.")
    if not passages:
        raise InputError("There is no passage to score. Send at least one.")
    _check_options(options)
    if not services.allow_folders:
        _check_amount(query, passages)
    choice = find_choice(services, model)
    check_ready(services, choice)
    layers = options.get("cutoff_layers")
    _check_layers(choice, layers)
    guard = _Deadline(services)
    with (
        hiding_places(services),
        services.pool.borrow(
            choice.base,
            adapter=choice.adapter,
            max_layer=max(layers) if layers else None,
            on_wait=lambda stage, fraction: guard.check(),
        ) as reranker,
    ):
        pairs = [(query, passage) for passage in passages]
        return reranker.score(pairs, on_progress=lambda done, total: guard.check(), **options)


class _Deadline:
    """Ends a call that nobody can stop: where the app is hosted, its client may be long gone."""

    SECONDS = 300.0

    def __init__(self, services: Services) -> None:
        self._end = None if services.allow_folders else time.monotonic() + self.SECONDS

    def check(self) -> None:
        if self._end is not None and time.monotonic() > self._end:
            raise ScoringError(f"This took longer than {self.SECONDS:.0f} seconds. Send fewer or shorter passages.")


def _check_amount(query: str, passages: list[str]) -> None:
    """Hold calls from outside to what the screen takes, so that one client cannot keep all others waiting."""
    characters = len(query) + sum(len(passage) for passage in passages if isinstance(passage, str))
    if len(passages) > MOST_PASSAGES or characters > MOST_CHARACTERS:
        raise InputError(
            f"This server takes up to {MOST_PASSAGES:,} passages and {MOST_CHARACTERS:,} characters in one call, got "
            f"{len(passages):,} and {characters:,}. Send them in parts."
        )


def _check_layers(choice: Choice, layers: list[int] | None) -> None:
    """Check layers by what is known of a model, before another one makes room for it."""
    if layers is None:
        return
    known = choice.layers
    if known is None:
        raise InputError(f"{choice.title} has no cutoff layers. Leave cutoff_layers out, or choose a layerwise model.")
    if wrong := [layer for layer in layers if layer not in known]:
        raise InputError(
            f"Cutoff layer {wrong[0]} is out of range. {choice.title} has scores at layers {known[0]} to {known[-1]}."
        )


def _plan(services: Services, comparison: Comparison, choice: Choice) -> _Step:
    """Check what a model is asked for before anything is computed.

    Raises:
        RerankerError: it is not here, or does not have what is asked of it.
    """
    check_ready(services, choice)
    context = choice.info.context
    if comparison.max_length is not None and context and comparison.max_length > context:
        raise InputError(
            f"{choice.title} reads at most {context:,} tokens, max_length is {comparison.max_length:,}. Lower it under "
            f"Advanced, or leave {choice.title} out."
        )
    layers = choice.layers
    if layers is None:
        return _Step(choice=choice, read_layers=None, shown_layers=None, options=options_for(comparison, choice))
    shown = tuple(sorted(layer for layer in set(comparison.layers) if layer in layers))
    if comparison.layers and not shown:
        raise InputError(
            f"{choice.title} has scores at layers {layers[0]} to {layers[-1]}, and none of them is chosen. Choose one, or "
            f"leave {choice.title} out."
        )
    shown = shown or (layers[-1],)
    return _Step(
        choice=choice,
        read_layers=tuple(layers) if comparison.all_layers else shown,
        shown_layers=shown,
        options=options_for(comparison, choice),
    )


def _check_options(options: dict[str, Any]) -> None:
    """Check the kinds of values that come from outside; their ranges are for the model to check."""
    layers = options.get("cutoff_layers")
    if layers is not None and not (isinstance(layers, list) and all(type(layer) is int for layer in layers)):
        raise InputError(f"cutoff_layers must be a list of whole numbers, got {layers!r:.60}. Send it so.")
    kinds: list[tuple[str, type, str]] = [("normalize", bool, "true or false")]
    kinds += [(name, int, "a whole number") for name in ("max_length", "query_max_length")]
    kinds += [(name, str, "a text") for name in ("prompt", "query_instruction", "passage_instruction")]
    for name, kind, words in kinds:
        value = options.get(name)
        if value is not None and type(value) is not kind:
            raise InputError(f"{name} must be {words}, got {value!r:.60}. Send it so.")


def check_ready(services: Services, choice: Choice) -> None:
    """Check that a model is on this machine and can be used.

    Raises:
        RerankerError: it is not; says what to do.
    """
    if choice.problem:
        raise UnsupportedModelError(f"{choice.title} cannot be used: {choice.problem}")
    if not choice.is_ready:
        size = f" ({choice.info.download_gb:g} GB)" if choice.info.download_gb else ""
        if services.allow_download:
            raise ModelNotFoundError(f"{choice.title} is not on this machine. Download it{size} first, or leave it out.")
        raise ModelNotFoundError(f"{choice.title} is not ready on this server. Choose another model.")


def options_for(comparison: Comparison, choice: Choice) -> dict[str, Any]:
    """Take of a comparison what a model of this family understands."""
    if choice.info.family == "bm25":
        return {}
    options: dict[str, Any] = {
        "normalize": comparison.scale == SIGMOID,
        "max_length": comparison.max_length,
        "query_max_length": comparison.query_max_length,
        "query_instruction": comparison.query_instruction,
        "passage_instruction": comparison.passage_instruction,
    }
    return options if choice.info.family == "encoder" else options | {"prompt": comparison.prompt}


def _score_step(
    services: Services, comparison: Comparison, step: _Step, *, place: str, on_stage: OnStage | None
) -> ModelScores:
    def on_wait(stage: str, fraction: float | None) -> None:
        if on_stage:
            words = "waiting for another run" if stage == "waiting" else "loading on first use"
            on_stage(f"{place}: {words}", fraction or 0.0)  # gradio shows no words without a number

    def on_progress(done: int, total: int) -> None:
        if on_stage:
            on_stage(f"{place}: {done:,} of {total:,} passages", done / total)

    deepest = max(step.read_layers) if step.read_layers else None
    pairs = [(comparison.query, passage) for passage in comparison.passages]
    borrowed = services.pool.borrow(step.choice.base, adapter=step.choice.adapter, max_layer=deepest, on_wait=on_wait)
    with hiding_places(services), borrowed as reranker:
        scores = reranker.score(pairs, cutoff_layers=step.read_layers, on_progress=on_progress, **step.options)
        kept = reranker.kept_characters(
            comparison.passages,
            scores.cut_passage_tokens,
            passage_instruction=step.options.get("passage_instruction"),
        )
    return ModelScores(
        choice=step.choice,
        scores=scores,
        shown_layers=step.shown_layers or scores.layers,
        kept_characters=tuple(kept),
    )
