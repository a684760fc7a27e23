"""The frame: header, tabs, public endpoints; and the options under which the app is served."""

from typing import Any

import gradio as gr

from ui.api import build_api
from ui.assets import FOLDER
from ui.downloading import start_download, stop_download
from ui.errors import raise_to_client
from ui.label_api import build_label_api
from ui.machine import describe_state
from ui.panels import named_model, status_line, unsent_notice
from ui.services import Services
from ui.tabs.annotate import AnnotateTab, build_annotate_tab
from ui.tabs.compare import CompareTab, build_compare_tab
from ui.tabs.data import build_data_tab
from ui.tabs.data.checks import check_labels, fix_check
from ui.tabs.models import ModelsTab, build_models_tab
from ui.tabs.train import TrainTab, build_train_tab
from ui.tour import Tour, build_tour
from ui.train_api import build_train_api

TITLE = "Reranker Workbench"

_HEADER = f"""<header class="rw-header"><h1>{TITLE}</h1>
<p>Which passage answers the query? Compare BM25 and the BGE rerankers, layer by layer.</p></header>"""

_TABS = ("compare", "annotate", "data", "train", "models")
_STYLES = ("style.css", "forms.css", "result.css", "annotate.css", "data.css", "train.css", "follow.css", "tour.css")
_JOBS_READ_EVERY = 2.0  # s, for the line in the header
# Whoever said a name in another place of this browser, such as Data, is meant here too. The key is the scripts' own.
_KEPT_NAME = """(project, name, view) => {
  let kept;
  try { kept = JSON.parse(localStorage.getItem('reranker-workbench:annotate'))?.annotator; } catch { /* keeps nothing */ }
  return [project, typeof kept === 'string' && kept.trim() ? kept : name, view];
}"""
# gradio 6.31 opens its first tab once more when the tabs come after the answer that chose another (seen in one visit of
# six on a busy machine). The address with which the page was opened still says which was meant.
_HOLD_TAB = """async () => {
  await new Promise((done) => { setTimeout(done, 300); });
  const opened = performance.getEntriesByType('navigation')[0]?.name;
  const wanted = opened && new URL(opened).searchParams.get('tab');
  const tabs = [...document.querySelectorAll('button[role="tab"]')];
  const find = (name) => tabs.find((tab) => tab.textContent.trim().toLowerCase() === name);
  if (wanted && find('compare')?.getAttribute('aria-selected') === 'true') find(wanted)?.click();
}"""
_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


def build_app(services: Services) -> gr.Blocks:
    """Build the whole page."""
    app = gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(3600, 86400))
    with app:
        with gr.Row(elem_classes="rw-frame"):
            gr.HTML(html_template=_HEADER, apply_default_css=False)
            unsent_notice()
            state = status_line(describe_state(services))
        tour = build_tour(services)
        with gr.Tabs() as tabs:
            with gr.Tab("Compare", id="compare") as compare_page:
                compare = build_compare_tab(services, app)
            with gr.Tab("Annotate", id="annotate") as annotate_page:
                annotate = build_annotate_tab(services)
            with gr.Tab("Data", id="data") as data_page:
                data = build_data_tab(services, app)
            with gr.Tab("Train", id="train") as train_page:
                train = build_train_tab(services, app, label_functions=(check_labels, fix_check))
            with gr.Tab("Models", id="models") as models_page:
                models = build_models_tab(services)
        _connect(services, app, state, compare, models, [compare_page, models_page])
        _connect_training(services, app, state, tabs, train, compare, models)
        shown = [annotate.project, annotate.name, annotate.view, annotate.message]
        entered = [annotate.project, annotate.name, annotate.view]
        annotate_page.select(annotate.enter, entered, shown, js=_KEPT_NAME, **_QUIET)
        named = [annotate.name, annotate.view]
        for judge in (compare.result.judge, tour.judge):
            judge(_judging(annotate), named, [tabs, *shown], **_QUIET)
        _connect_tour(tour, tabs, train)
        data_page.select(data.refresh, data.project, data.shown, **_QUIET)
        app.load(_chosen_tab, None, tabs, **_QUIET).then(None, None, None, js=_HOLD_TAB, **_QUIET)
        for page in (compare_page, annotate_page, data_page, train_page, models_page):
            page.select(None, None, None, js=_note_tab(str(page.id)), **_QUIET)
        build_api(services)
        build_label_api(services)
        build_train_api(services)
    app.queue(max_size=500)
    return app


def _connect(
    services: Services,
    app: gr.Blocks,
    state: gr.HTML,
    compare: CompareTab,
    models: ModelsTab,
    pages: list[gr.Tab],
) -> None:
    """Let each tab see what another has changed: models that were loaded, added, downloaded."""
    clock = gr.Timer(1.0, active=False)

    def refresh(chosen: list[str]) -> Any:
        is_downloading = bool(services.downloads.active())
        return (
            *compare.refresh(chosen),
            models.refresh(),
            describe_state(services),
            gr.Timer(active=is_downloading),
        )

    @raise_to_client
    def start(event: gr.EventData) -> None:
        start_download(services, named_model(event))

    @raise_to_client
    def stop(event: gr.EventData) -> None:
        stop_download(services, named_model(event))

    everything = [compare.models, compare.downloads, models.table, state, clock]
    for panel in (compare.downloads, models.table):
        panel.fetch(start, None, None, **_QUIET).then(refresh, compare.models, everything, **_QUIET)
        panel.halt(stop, None, None, **_QUIET).then(refresh, compare.models, everything, **_QUIET)
    clock.tick(refresh, compare.models, everything, **_QUIET)
    app.load(refresh, compare.models, everything, **_QUIET)
    for page in pages:
        page.select(refresh, compare.models, everything, **_QUIET)
    for changed in models.changed:
        changed.then(refresh, compare.models, everything, **_QUIET)
    for scored in compare.scored:
        scored.then(lambda: describe_state(services), None, state, **_QUIET)


def _connect_training(
    services: Services,
    app: gr.Blocks,
    state: gr.HTML,
    tabs: gr.Tabs,
    train: TrainTab,
    compare: CompareTab,
    models: ModelsTab,
) -> None:
    """Let the frame tell of active trainings, and the other tabs of what came of them."""
    clock = gr.Timer(_JOBS_READ_EVERY, active=False)

    def look() -> Any:
        is_training = any(job.is_active for job in services.jobs.list())
        is_loading = services.hand_over.give_back(services.pool, is_training=is_training)
        return describe_state(services), gr.Timer(active=is_training or is_loading)

    def compare_both(event: gr.EventData) -> Any:
        given = event._data if isinstance(event._data, dict) else {}
        names = [name for name in (given.get("base"), given.get("name")) if isinstance(name, str) and name]
        return gr.Tabs(selected="compare"), *compare.choose(names)

    def refresh(chosen: list[str]) -> Any:
        return *compare.refresh(chosen), models.refresh(), describe_state(services)

    clock.tick(look, None, [state, clock], **_QUIET)
    app.load(look, None, [state, clock], **_QUIET)
    following = train.following
    for event in (train.started.then, following.selected, following.ended):
        event(look, None, [state, clock], **_QUIET)
    following.in_use(refresh, compare.models, [compare.models, compare.downloads, models.table, state], **_QUIET)
    following.compared(compare_both, None, [tabs, compare.models, *compare.offered], **_QUIET)
    train.form.turned(_turn, None, tabs, **_QUIET)


def _connect_tour(tour: Tour, tabs: gr.Tabs, train: TrainTab) -> None:
    """Let the tour turn to the tab of each of its steps."""

    def show_report(event: gr.EventData) -> Any:
        job = event._data.get("job") if isinstance(event._data, dict) else None
        return gr.Tabs(selected="train"), train.following.show(job if isinstance(job, str) else "")

    tour.turned(_turn, None, tabs, **_QUIET)
    tour.reported(show_report, None, [tabs, train.following.view], **_QUIET)


def _turn(event: gr.EventData) -> Any:
    chosen = event._data.get("tab") if isinstance(event._data, dict) else None
    return gr.Tabs(selected=chosen) if chosen in _TABS else gr.skip()


def _note_tab(name: str) -> str:
    """Write the script that puts a tab into the address, so that a reload comes back to it."""
    return f"""() => {{
        const address = new URL(location);
        address.searchParams.set('tab', '{name}');
        history.replaceState(history.state, '', address);
    }}"""


def _judging(annotate: AnnotateTab) -> Any:
    """Make the handler that turns to the Annotate tab, at the query that was sent there."""

    def judge_now(name: str, view: Any, event: gr.EventData) -> Any:
        sent = event._data if isinstance(event._data, dict) else {}
        # A view that was never open asks by itself, and finds the query in the browser.
        shown = annotate.show(sent.get("project"), name, view, query=sent.get("query")) if view else (gr.skip(),) * 4
        return gr.Tabs(selected="annotate"), *shown

    return judge_now


def _chosen_tab(request: gr.Request) -> Any:
    """Open the tab that the address names: `?tab=models`."""
    chosen = request.query_params.get("tab")
    return gr.Tabs(selected=chosen) if chosen in _TABS else gr.skip()


def launch_options(*, is_local: bool = True) -> dict[str, Any]:
    """Give the options of `launch()`: our look, and nothing kept or published of what visitors paste.

    Args:
        is_local: whether only this machine's user comes; strangers upload smaller files.
    """
    # System fonts: the semibold file that gradio 6.31 ships holds Cyrillic letters only, so headings come out mixed.
    theme = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # The default theme's contrast is below WCAG AA in these places.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
    )
    return {
        "theme": theme,
        "css_paths": [FOLDER / name for name in _STYLES],
        "footer_links": ["api", "settings"],
        "run_history": False,  # on by default: it would keep every pasted passage in the browser
        "enable_monitoring": False,  # public by default
        "ssr_mode": False,
        "state_session_capacity": 200,
        "max_file_size": "500mb" if is_local else "20mb",
        "max_threads": 80,  # more than may wait for a device at once, so that the rest of the page still answers
        "share": False,
    }
