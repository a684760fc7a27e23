"""What the Compare tab does, as functions of values: tested without a browser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reranker_core.errors import InputError, RerankerError
from ui.choices import Choice, find_choice, list_choices
from ui.comparison import RAW, SIGMOID, Comparison
from ui.formatting import describe_comparison
from ui.passages import ONE_PER_LINE, join_passages, split_passages
from ui.runs import ReplacedError
from ui.scoring import OnStage, score_comparison
from ui.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOffer:
    """What the layer picker offers for the models that are chosen.

    Attributes:
        layers: every layer that one of them has; empty where none has layers.
        chosen: those that stay chosen.
        label: of the picker.
        cost: one sentence: how deep the chosen layers go.
        all_label: of the switch for all layers, with what it costs.
    """

    layers: tuple[int, ...]
    chosen: tuple[int, ...]
    label: str
    cost: str
    all_label: str


def read_form(fields: Mapping[str, Any]) -> Comparison:
    """Turn what stands on the form into a comparison.

    Args:
        fields: by name: query, pasted, separated, models, layers, all_layers, scale, max_length, query_max_length,
            prompt, query_instruction, passage_instruction. Empty texts under Advanced mean the default.

    Raises:
        InputError: a value cannot be used; says which.
    """
    passages = split_passages(fields["pasted"] or "", fields["separated"] or ONE_PER_LINE)
    optional = ("prompt", "query_instruction", "passage_instruction")
    return Comparison(
        query=fields["query"] or "",
        passages=tuple(passages),
        models=tuple(fields["models"] or ()),
        layers=tuple(sorted(int(layer) for layer in fields["layers"] or ())),
        all_layers=bool(fields["all_layers"]),
        scale=fields["scale"],
        max_length=_whole_number(fields["max_length"], name="max_length"),
        query_max_length=_whole_number(fields["query_max_length"], name="query_max_length"),
        **{name: fields[name] or None for name in optional},
    )


def compare(
    services: Services, comparison: Comparison, *, visit: str, on_stage: OnStage | None = None
) -> tuple[dict[str, Any], str]:
    """Score a comparison for a visit.

    Args:
        services: pool and models.
        comparison: what is asked for.
        visit: whose run it is; an earlier run of the same visit is stopped.
        on_stage: told what is being done.

    Returns:
        What the result view shows, and a sentence about models that did not finish.

    Raises:
        RerankerError: nothing could be scored; says why.
        ReplacedError: another run of the same visit has taken the place of this one.
    """
    run = services.runs.begin(visit)

    def on_stage_unless_stopped(words: str, fraction: float | None) -> None:
        run.check()
        if on_stage:
            on_stage(words, fraction)

    try:
        results, problem = score_comparison(services, comparison, on_stage=on_stage_unless_stopped)
        value = describe_comparison(comparison, results)
    finally:
        is_latest = services.runs.end(visit, run)
    if not is_latest:
        raise ReplacedError("Replaced by another run.")
    return value, problem


def model_choices(services: Services) -> list[tuple[str, str]]:
    """List the models for the picker, as (label, name): what is not here says its size."""
    return [(_label(choice), choice.name) for choice in list_choices(services)]


def offer_layers(services: Services, models: Sequence[str], chosen: Sequence[int]) -> LayerOffer:
    """Work out what the layer picker offers.

    Args:
        services: the models.
        models: the names that are chosen; unknown ones are passed over.
        chosen: the layers that are chosen now.
    """
    layerwise = [choice for choice in _known(services, models) if choice.layers]
    if not layerwise:
        return LayerOffer(layers=(), chosen=(), label="Cutoff layers", cost="", all_label="All layers")
    layers = tuple(sorted({layer for choice in layerwise for layer in choice.layers or ()}))
    kept = tuple(sorted({int(layer) for layer in chosen} & set(layers)))
    deepest = kept[-1] if kept else layers[-1]
    cost = f"Reads up to layer {deepest} of {layers[-1]}: {deepest / layers[-1]:.0%} of the work, in one pass."
    if not kept:
        cost = f"None chosen means the last. {cost}"
    titles = ", ".join(choice.short_title for choice in layerwise)
    return LayerOffer(
        layers=layers,
        chosen=kept,
        label=f"Cutoff layers · {titles}, {layers[0]} to {layers[-1]}",
        cost=cost,
        all_label=(
            f"All layers for the picture: goes to layer {layers[-1]}, {layers[-1] / layers[0]:.3g} times the work of "
            f"layer {layers[0]}"
        ),
    )


def advise(services: Services, models: Sequence[str]) -> str:
    """Say of the models that are chosen what each is for, as Markdown."""
    lines = []
    for choice in _known(services, models):
        info = choice.info
        parts = [f"**{choice.title}**", info.languages, f"{info.advice} {info.warning}".strip()]
        lines.append(" · ".join(part for part in parts if part))
    return "\n\n".join(lines)


def fill_form(services: Services, content: object) -> tuple[dict[str, Any], str]:
    """Turn a comparison as JSON, from a link or from before a reload, into what stands on the form.

    Returns:
        The fields by name, as `read_form` takes them, and a sentence about models that are not known here.

    Raises:
        InputError: it is no comparison.
    """
    comparison = Comparison.from_json(content)
    known = dict.fromkeys(choice.name for choice in _known(services, comparison.models))
    unknown = [name for name in comparison.models if not _known(services, [name])]
    shown = ", ".join(f"{name:.60}" for name in unknown[:5])
    note = f"Not known here and left out: {shown}{' …' if len(unknown) > 5 else ''}." if unknown else ""
    text, separated = join_passages(comparison.passages)
    fields = {
        "query": comparison.query,
        "pasted": text,
        "separated": separated,
        "models": list(known) or list(services.first_models),
        "layers": list(comparison.layers),
        "all_layers": comparison.all_layers,
        "scale": comparison.scale,
        "max_length": str(comparison.max_length or ""),
        "query_max_length": str(comparison.query_max_length or ""),
        "prompt": comparison.prompt or "",
        "query_instruction": comparison.query_instruction or "",
        "passage_instruction": comparison.passage_instruction or "",
    }
    return fields, note


def fill_settings(services: Services, kept: object) -> dict[str, Any]:
    """Turn the settings that a browser kept into fields of the form; what is of another kind is at its default."""
    settings = kept if isinstance(kept, Mapping) else {}
    models, layers = settings.get("models"), settings.get("layers")
    names = [name for name in models if isinstance(name, str)] if isinstance(models, list) else []
    return {
        "models": [choice.name for choice in _known(services, names)] or list(services.first_models),
        "layers": [layer for layer in layers if type(layer) is int] if isinstance(layers, list) else [],
        "all_layers": settings.get("all_layers") is True,
        "scale": SIGMOID if settings.get("scale") == SIGMOID else RAW,
    }


def _known(services: Services, models: Sequence[str]) -> list[Choice]:
    found = []
    for name in models:
        try:
            found.append(find_choice(services, name))
        except RerankerError:
            continue  # forgotten since the page was opened
    return found


def _label(choice: Choice) -> str:
    if choice.problem:
        return f"{choice.title} · cannot be used"
    if choice.is_ready or not choice.info.download_gb:
        return choice.title
    return f"{choice.title} · {choice.info.download_gb:g} GB"


def _whole_number(text: str | None, *, name: str) -> int | None:
    """Read a box under Advanced; empty means the default."""
    given = (text or "").strip()
    if given and not (given.isascii() and given.isdigit()):
        raise InputError(f"{name} must be a whole number of tokens, got {given!r:.40}. Leave it empty for the default.")
    if len(given) > 7:
        raise InputError(f"{name} has {len(given)} digits, more than any model reads. Leave it empty for the default.")
    return int(given) if given else None
