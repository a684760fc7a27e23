"""The Models tab: what there is to choose from, what is here, what is loaded; add and forget, download, load, unload."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from annotations.plurals import count
from reranker_core.catalogue import MODELS, published_results
from reranker_core.errors import InputError
from ui.choices import Choice, explain_missing, find_choice, list_choices
from ui.components import done, message_line
from ui.downloading import describe_download
from ui.errors import keep_on_failure
from ui.machine import describe_machine, gigabytes, memory_by_model
from ui.panels import models_table, named_model, published_tables
from ui.scoring import check_ready
from ui.services import Services

# The model card's advice by purpose, in one line.
WHICH_ONE = (
    "Many languages: v2-m3, or v2-gemma. Chinese or English: v2-m3, or v2-minicpm-layerwise. Speed: v2-m3, base, or a low "
    "layer of v2-minicpm-layerwise. Whichever it is: compare it with BM25 on your own queries first."
)

_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsTab:
    """What the frame needs of the tab.

    Attributes:
        table: the table of models; its events `fetch` and `halt` are the frame's.
        changed: events after which the choice of models, or what is loaded, is another.
        refresh: gives a new value of `table`.
    """

    table: gr.HTML
    changed: list[Any]
    refresh: Callable[[], dict[str, Any]]


def describe_models(services: Services) -> dict[str, Any]:
    """Lay the models out for the table: what a person chooses by, and the state of each on this machine."""
    resident = memory_by_model(services.pool.resident())
    return {
        "machine": describe_machine(services),
        "advice": WHICH_ONE,
        "notice": explain_missing(services) if services.allow_folders else "",
        "can_change": services.allow_folders,
        "models": [_describe(services, choice, resident) for choice in list_choices(services)],
    }


def describe_published() -> dict[str, Any]:
    """Lay the authors' published results out as tables, marked as theirs."""
    content = published_results()
    tables = []
    for benchmark in content["benchmarks"]:
        depth = f", the best {benchmark['depth']} of the first stage reranked" if benchmark["depth"] else ""
        title = f"{benchmark['benchmark']} · {benchmark['measure']}{depth}"
        names = list(benchmark["rows"][0]["values"])
        rows = [
            {
                "heads": [row["first_stage"], _reranker(row)],
                "is_ours": row["model"] in {model.name for model in MODELS},
                "values": [row["values"].get(name) for name in names],
            }
            for row in benchmark["rows"]
        ]
        tables.append({"title": title, "heads": ["first stage", "reranker", *names], "rows": rows})
    return {"source": content["source"], "tables": tables}


def load_model(services: Services, name: str, *, visit: str, on_stage: Callable[[str, float | None], None]) -> str:
    """Load a model, all of its layers; return a sentence.

    Raises:
        RerankerError: it cannot be loaded; says why.
    """
    _check_own_machine(services, "loaded and unloaded by hand")
    choice = find_choice(services, name)
    if choice.info.family == "bm25":
        return "BM25 has no weights: it is always ready."
    check_ready(services, choice)
    run = services.runs.begin(visit)

    def on_wait(stage: str, fraction: float | None) -> None:
        run.check()
        words = "waiting for another run" if stage == "waiting" else "loading"
        on_stage(f"{choice.title}: {words}", fraction or 0.0)  # gradio shows no words without a number

    try:
        with services.pool.borrow(choice.base, adapter=choice.adapter, on_wait=on_wait):
            pass
    finally:
        services.runs.end(visit, run)
    return f"{choice.title} is loaded."


def unload_model(services: Services, name: str) -> str:
    """Unload a model; return a sentence.

    Raises:
        RerankerError: it is scoring just now.
    """
    _check_own_machine(services, "loaded and unloaded by hand")
    choice = find_choice(services, name)
    before = len(services.pool.resident())
    services.pool.unload(choice.base, adapter=choice.adapter)
    others = before - len(services.pool.resident()) - 1
    along = f", and with it {count(others, 'adapter')} on its weights" if others > 0 else ""
    return f"{choice.title} is unloaded{along}. It is loaded again when it is needed."


def add_model(services: Services, folder: str, adapter: str, name: str) -> str:
    """Add a folder or an adapter to the list; return a sentence.

    Raises:
        RerankerError: it is no reranker, does not fit, or may not be added here; says why.
    """
    _check_own_machine(services, "added")
    if not (folder or "").strip():
        raise InputError("Give the folder of a model, or the name of the model that an adapter belongs to.")
    added = services.local_models.find(folder.strip())
    if added and not added.adapter:
        folder = added.base  # a model of the list is named as it stands there
    model, note = services.local_models.add(
        folder, adapter=(adapter or "").strip() or None, name=(name or "").strip() or None
    )
    return f"{model.name} is added and can be chosen on every tab. {note}".strip()


def forget_model(services: Services, name: str) -> str:
    """Take a model that was added off the list; return a sentence. Its files stay.

    Raises:
        RerankerError: it may not be forgotten here, or is scoring just now.
    """
    _check_own_machine(services, "forgotten")
    if services.local_models.find(name):  # else forget says why not
        choice = find_choice(services, name)
        services.pool.unload(choice.base, adapter=choice.adapter)
    services.local_models.forget(name)
    return f"{name} is off the list. Its files are where they were."


def build_models_tab(services: Services) -> ModelsTab:
    """Build the tab inside `with gr.Blocks()`."""
    with gr.Column(elem_classes="rw-models-tab"):
        table = models_table(describe_models(services))
        message = message_line()
        stop = gr.Button("Stop", elem_classes="rw-stop")
    changed: list[Any] = []

    @keep_on_failure
    def on_warm(event: gr.EventData, request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        sentence = load_model(
            services,
            named_model(event),
            visit=_visit_of(request),
            on_stage=lambda words, fraction: progress(fraction, desc=words),
        )
        return describe_models(services), done(sentence)

    @keep_on_failure
    def on_release(event: gr.EventData) -> Any:
        sentence = unload_model(services, named_model(event))
        return describe_models(services), done(sentence)

    @keep_on_failure
    def on_remove(event: gr.EventData) -> Any:
        sentence = forget_model(services, named_model(event))
        return describe_models(services), done(sentence)

    def on_add(folder: str, adapter: str, name: str) -> Any:
        sentence, failure = keep_on_failure(lambda: (add_model(services, folder, adapter, name), ""))()
        if failure:
            return gr.skip(), failure, *(gr.skip(),) * 3
        return describe_models(services), done(sentence), "", "", ""

    outputs = [table, message]
    changed.append(table.warm(on_warm, None, outputs, api_visibility="private", show_progress_on=message))
    changed.append(table.release(on_release, None, outputs, **_QUIET))
    changed.append(table.remove(on_remove, None, outputs, **_QUIET))

    def on_stop(request: gr.Request) -> None:
        services.runs.stop(_visit_of(request))

    stop.click(on_stop, None, None, **_QUIET)
    if services.allow_folders:
        with gr.Accordion("Add a folder or an adapter", open=True):
            with gr.Row():
                folder = gr.Textbox(label="Folder of the model, or name of the base", placeholder="/path/to/a/reranker")
                adapter = gr.Textbox(label="Folder of the adapter (if it is one)", placeholder="/path/to/an/adapter")
                name = gr.Textbox(label="Name (optional)", placeholder="my-reranker")
            add = gr.Button("Add", size="sm")
        boxes = [folder, adapter, name]
        changed.append(add.click(on_add, boxes, [*outputs, *boxes], **_QUIET))
    published_tables(describe_published())
    return ModelsTab(table=table, changed=changed, refresh=lambda: describe_models(services))


def _check_own_machine(services: Services, what: str) -> None:
    if not services.allow_folders:
        raise InputError(f"Models can be {what} only where the app runs on your own machine. Choose one of the list.")


def _visit_of(request: gr.Request) -> str:
    return f"{request.session_hash} loads"


def _describe(services: Services, choice: Choice, resident: dict[Any, Any]) -> dict[str, Any]:
    info = choice.info
    loaded = resident.get((choice.base, choice.adapter))
    state, detail = _state(choice, loaded)
    return {
        "name": choice.name,
        "title": choice.title,
        "heading": choice.name if info.repo_id else choice.title,
        "family": info.family,
        "base": info.base_model,
        "languages": info.languages,
        "layers": f"{info.layers[0]}–{info.layers[1]}" if info.layers else "",
        "parameters": info.parameters,
        "context": info.context,
        "size": info.download_gb,
        "licence": info.licence,
        "advice": info.advice,
        "warning": choice.problem or info.warning,
        "state": state,
        "detail": detail,
        "is_local": choice.name not in {model.name for model in MODELS},
        "download": describe_download(services, choice.base),
    }


def _state(choice: Choice, loaded: Any) -> tuple[str, str]:
    if choice.problem:
        return "problem", "cannot be used"
    if loaded is not None:
        part = ""
        if loaded.layers and loaded.depth and loaded.layers[1] < loaded.depth:
            part = f" · to layer {loaded.layers[1]}"
        words = {"loading": "loading", "scoring": "scoring", "ready": "loaded"}[loaded.state]
        part += " · on the weights of its base" if loaded.shares_base else ""
        return loaded.state, f"{words} · {gigabytes(loaded.memory_bytes)}{part}"
    if choice.info.family == "bm25":
        return "always", "always ready"
    return ("here", "on this machine") if choice.is_ready else ("absent", "not here")


def _reranker(row: dict[str, Any]) -> str:
    if row["model"] is None:
        return "none"
    return row["model"] if row["layer"] is None else f"{row['model']} · layer {row['layer']}"
