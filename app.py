"""Reranker Workbench: `python app.py` opens the app. Reads the options, builds the services, serves the page."""

import argparse
import logging
import os

# Before gradio is imported, which reads it then.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from reranker_core.downloads import Downloads
from reranker_core.home import MODELS_FILE, find_home
from reranker_core.jobs import Jobs
from reranker_core.local_models import LocalModels
from reranker_core.pool import ModelPool
from ui.choices import list_first_models
from ui.label_place import Labels
from ui.layout import build_app, launch_options
from ui.services import JOBS_FOLDER, Services, import_torch_later

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_COPIES_APART = 600.0  # s, where strangers import


def main() -> None:
    """Serve the app until it is interrupted."""
    parser = argparse.ArgumentParser(description="Open Reranker Workbench in the browser.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen on")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860 on)")
    parser.add_argument("--open", action="store_true", help="open a browser window")
    parser.add_argument("--allow_downloads", action="store_true", help="let visitors of a hosted app download models")
    parser.add_argument(
        "--shared_labels", action="store_true", help="let visitors of a hosted app delete, archive, rename and fix labels"
    )
    parser.add_argument("--allow_training", action="store_true", help="let visitors of a hosted app train models")
    parser.add_argument(
        "--first_models", nargs="+", metavar="NAME", help="models that Compare begins with (default: bm25 starter-encoder)"
    )
    parser.add_argument("--home", help="folder of the app's own data (default: ./workbench-data)")
    parser.add_argument(
        "--memory_gb", type=float, help="memory that models may take (default: 60 %% of RAM, 80 %% of a GPU's)"
    )
    options = parser.parse_args()
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO)  # on the handler: bm25s sets its own logger to DEBUG
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

    is_local = options.host in _LOOPBACK and "SPACE_ID" not in os.environ
    home = find_home(options.home)
    services = Services(
        pool=ModelPool(memory_budget=None if options.memory_gb is None else int(options.memory_gb * 1e9)),
        downloads=Downloads(),
        local_models=LocalModels(home / MODELS_FILE),
        jobs=Jobs(home / JOBS_FOLDER),
        labels=Labels(home, copies_apart=0.0 if is_local else _COPIES_APART),
        first_models=tuple(options.first_models or list_first_models()),
        allow_folders=is_local,
        allow_download=is_local or options.allow_downloads,
        allow_label_changes=is_local or options.shared_labels,
        allow_training=is_local or options.allow_training,
    )
    app = build_app(services)
    app.launch(
        server_name=options.host,
        server_port=options.port,
        inbrowser=options.open,
        prevent_thread_lock=True,
        **launch_options(is_local=is_local),
    )
    import_torch_later(seconds=5.0)
    app.block_thread()


if __name__ == "__main__":
    main()
