"""The events of the Compare tab: values from the page in, updates of its components out."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from ui.comparison import Comparison
from ui.components import done
from ui.downloading import describe_downloads
from ui.errors import keep_on_failure
from ui.passages import join_passages, read_passages_file
from ui.services import Services
from ui.tabs.compare.handlers import (
    advise,
    compare,
    fill_form,
    fill_settings,
    model_choices,
    offer_layers,
    read_form,
)

# The fields of the form, in the order in which updates of all of them are returned.
FIELDS = (
    "query",
    "pasted",
    "separated",
    "models",
    "layers",
    "all_layers",
    "scale",
    "max_length",
    "query_max_length",
    "prompt",
    "query_instruction",
    "passage_instruction",
)


class CompareEvents:
    """Handlers that gradio calls; each returns one value for each of its outputs."""

    def __init__(self, services: Services, form: Mapping[str, Any], *, first: Comparison) -> None:
        """Take the services, the components of the form by the names of `FIELDS`, and what a first visit scores."""
        self.services, self._first = services, first
        self._names = {component: name for name, component in form.items()}

    @keep_on_failure
    def score_form(
        self,
        values: dict[Any, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how gradio hands it over)
    ) -> Any:
        """Score what stands on the form: result, message."""
        comparison = read_form({name: values[component] for component, name in self._names.items()})
        return compare(self.services, comparison, visit=_visit_of(request), on_stage=partial(_tell, progress))

    @keep_on_failure
    def score_arrived(
        self,
        arrived: Any,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how gradio hands it over)
    ) -> Any:
        """Score what came with a link or from before a reload, as it came: result, message."""
        if arrived is None:
            return gr.skip(), gr.skip()
        comparison = Comparison.from_json(arrived["comparison"])
        value, problem = compare(self.services, comparison, visit=_visit_of(request), on_stage=partial(_tell, progress))
        return value, f"{arrived['note']} {problem}".strip()

    def arrive(self, event: gr.EventData) -> Any:
        """Fill the form from a link, from before a reload, or from kept settings.

        Returns:
            An update for each of `FIELDS`, then downloads, advice, what is to be scored, and the message.
        """
        if _is_first_visit(event._data):  # the form stands as it is, and perhaps the person has begun already
            is_more = len(self._first.models) > 1  # BM25 stands there
            arrived = {"comparison": self._first.to_json(), "note": ""} if is_more else None
            return (*(gr.skip(),) * (len(FIELDS) + 2), arrived, gr.skip())
        answer, failure = keep_on_failure(self._read_arrival)(event._data)
        if failure:
            return (*(gr.skip(),) * (len(FIELDS) + 2), None, failure)
        fields, arrived, note = answer
        layers, all_layers, downloads, advice = self._offer(fields["models"], fields["layers"], fields["all_layers"])
        updates = {name: fields.get(name, gr.skip()) for name in FIELDS}
        updates["models"] = gr.update(choices=model_choices(self.services), value=fields["models"])
        updates |= {"layers": layers, "all_layers": all_layers}
        return (*(updates[name] for name in FIELDS), downloads, advice, arrived, note)

    def choose(self, models: list[str], layers: list[int], all_layers: bool) -> Any:
        """Say what a choice of models takes: layers, all layers, downloads, advice."""
        return self._offer(models, layers, all_layers)

    def choose_models(self, models: list[str]) -> tuple[Any, ...]:
        """Choose models that another tab names: models, layers, all layers, downloads, advice."""
        choices = model_choices(self.services)
        known = [name for name in models if name in {known for _, known in choices}]
        return gr.update(choices=choices, value=known), *self._offer(known, (), False)

    def price(self, models: list[str], layers: list[int]) -> Any:
        """Say what the chosen layers cost: an update of the layers."""
        return gr.update(info=offer_layers(self.services, models, layers).cost)

    def upload(self, path: str) -> Any:
        """Read a file: query, passages, separation, message."""
        texts, note = keep_on_failure(_read_file)(path)
        return (*texts, done(note)) if isinstance(texts, tuple) else ((gr.skip(),) * 3 + (note,))

    def stop(self, request: gr.Request) -> None:
        """Stop the run of this visit."""
        self.services.runs.stop(_visit_of(request))

    def refresh(self, chosen: list[str]) -> tuple[Any, Any]:
        """Give models and downloads anew; a model that was forgotten is chosen no more."""
        choices = model_choices(self.services)
        known = {name for _, name in choices}
        kept = [name for name in chosen if name in known]
        models = gr.update(choices=choices) if kept == chosen else gr.update(choices=choices, value=kept)
        return models, describe_downloads(self.services, kept)

    def _read_arrival(self, data: Any) -> tuple[tuple[dict[str, Any], Any, str], str]:
        given = data if isinstance(data, Mapping) else {}
        if isinstance(given.get("error"), str):
            return ({}, None, ""), given["error"][:200]
        if given.get("request") is None:
            return (fill_settings(self.services, given.get("settings")), None, ""), ""
        fields, note = fill_form(self.services, given["request"])
        if fields["all_layers"]:  # its cost is said before it runs
            return (fields, None, f"{note} All layers are chosen: press Score to run them.".strip()), ""
        return (fields, {"comparison": read_form(fields).to_json(), "note": note}, note), ""

    def _offer(self, models: Sequence[str], layers: Sequence[int], all_layers: bool) -> tuple[Any, Any, Any, Any]:
        offer = offer_layers(self.services, models, layers)
        has_layers = bool(offer.layers)
        kept = list(offer.chosen) or list(offer.layers[-1:])
        return (
            gr.update(
                choices=list(offer.layers),
                value=kept,
                label=offer.label,
                info=offer_layers(self.services, models, kept).cost,
                visible=has_layers,
            ),
            gr.update(label=offer.all_label, visible=len(offer.layers) > 1, value=all_layers and has_layers),
            describe_downloads(self.services, models),
            advise(self.services, models),
        )


def _read_file(path: str) -> tuple[tuple[Any, str, str], str]:
    read = read_passages_file(path)
    text, separated = join_passages(read.passages)
    return (gr.skip() if read.query is None else read.query, text, separated), read.note


def _is_first_visit(data: Any) -> bool:
    return isinstance(data, Mapping) and all(data.get(kept) is None for kept in ("request", "settings", "error"))


def _tell(progress: gr.Progress, words: str, fraction: float | None) -> None:
    progress(fraction, desc=words)


def _visit_of(request: gr.Request) -> str:
    return f"{request.session_hash} scores"
