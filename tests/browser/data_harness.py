"""A page with nothing but the Data tab, over a real store in a folder of its own."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from ui.assets import FOLDER
from ui.label_place import Labels
from ui.layout import launch_options
from ui.services import Services
from ui.tabs.data import build_data_tab

NAME = "Ada"


class DataBench:
    """The served page. Every test works in a project of its own."""

    def __init__(self, folder: Path) -> None:
        """Serve the page."""
        self.services = Services(labels=Labels(folder), allow_folders=True)
        with gr.Blocks(title="Data", fill_width=True, analytics_enabled=False) as self.app:
            gr.Markdown("# Data")
            build_data_tab(self.services, self.app)
        options = launch_options()
        styles = {*options.pop("css_paths"), FOLDER / "data.css"}
        _, self.url, _ = self.app.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", css_paths=sorted(styles), **options
        )

    @property
    def store(self) -> Any:
        """The store behind the page."""
        return self.services.labels.store

    def close(self) -> None:
        """Stop serving."""
        self.app.close()
        self.services.labels.close()

    def lay_out(self, name: str, texts: Mapping[str, Sequence[str]]) -> int:
        """Make a project; `texts` holds the passages of each query, ranked as they stand."""
        project = self.store.projects.create(name)
        for text, passages in texts.items():
            query = self.store.texts.add_query(project.id, text)
            added = self.store.texts.add_passages(project.id, [NewPassage(text=passage) for passage in passages])
            self.store.texts.add_candidates(
                [
                    NewCandidate(query_id=query.id, passage_id=key, source="bm25", source_rank=rank)
                    for rank, key in enumerate(added.ids, 1)
                ]
            )
        return int(project.id)

    def visit(self, page: Any, project: int, section: str = "Browse") -> Any:
        """Open the page on a project and a section."""
        page.add_init_script(
            f'localStorage.setItem(\'reranker-workbench:annotate\', \'{{"project": {project}, "annotator": "{NAME}"}}\')'
        )
        page.goto(self.url)
        page.locator(".rw-data-counts span").first.wait_for()
        if section != "Browse":
            page.get_by_role("tab", name=section).click()
        return page

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the file past the store, as another program would."""
        with closing(sqlite3.connect(self.services.labels.home / "labels.db")) as connection:
            return connection.execute(statement, values).fetchall()
