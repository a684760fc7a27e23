"""A page with nothing but the Annotate tab, over a real store in a folder of its own."""

import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from annotations.store.scores import NewScore
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from ui.assets import FOLDER
from ui.label_place import Labels
from ui.layout import launch_options
from ui.services import Services
from ui.tabs.annotate import build_annotate_tab

NAME = "Ada"


@dataclass
class Bench:
    """The served page. Every test labels in a project of its own."""

    folder: Path
    services: Any = None
    url: str = ""
    app: Any = None
    projects: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let the labels lie in the folder."""
        self.services = Services(labels=Labels(self.folder), allow_folders=True)

    @property
    def store(self) -> Any:
        """The store, opened with its first use."""
        return self.services.labels.store

    def launch(self, port: int | None = None) -> None:
        """Serve the page."""
        with gr.Blocks(title="Annotate", fill_width=True, analytics_enabled=False) as self.app:
            gr.Markdown("# Annotate")
            build_annotate_tab(self.services)
        options = launch_options()
        styles = {*options.pop("css_paths"), FOLDER / "annotate.css"}
        _, self.url, _ = self.app.launch(
            prevent_thread_lock=True,
            quiet=True,
            server_name="127.0.0.1",
            server_port=port,
            css_paths=sorted(styles),
            **options,
        )

    def close(self) -> None:
        """Stop serving."""
        self.app.close()
        self.services.labels.close()

    def lay_out(self, name: str, queries: dict[str, Sequence[str]], *, scores: bool = False) -> int:
        """Make a project; `queries` holds the passages of each, ranked as they stand."""
        project = self.store.projects.create(name, guideline="Positive: the passage answers the question, alone.")
        for text, passages in queries.items():
            query = self.store.texts.add_query(project.id, text)
            added = self.store.texts.add_passages(project.id, [NewPassage(text=passage) for passage in passages])
            wanted = [
                NewCandidate(query_id=query.id, passage_id=key, source="bm25", source_rank=rank)
                for rank, key in enumerate(added.ids, 1)
            ]
            candidates = self.store.texts.add_candidates(wanted)
            if scores:
                model = self.store.scores.add_model("bm25")
                put = [NewScore(candidate_id=key, score=9.5 - n, rank=n) for n, key in enumerate(candidates.ids, 1)]
                self.store.scores.put(model.id, put)
        self.projects[name] = project.id
        return int(project.id)

    def visit(self, page: Any, project: int, *, name: str = NAME, **kept: Any) -> Any:
        """Open the page on a project, in the order of the file unless another one is asked for."""
        settings = {"project": project, "annotator": name, "order": "pooled"} | kept
        page.add_init_script(
            f"localStorage.getItem('reranker-workbench:annotate') ?? "
            f"localStorage.setItem('reranker-workbench:annotate', {json.dumps(json.dumps(settings))})"
        )
        page.goto(self.url)
        page.locator(".rw-label-frame").wait_for()
        return page

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the file past the store, as another program would."""
        with closing(sqlite3.connect(self.folder / "labels.db")) as connection:
            return connection.execute(statement, values).fetchall()

    def grades(self, project: int, name: str = NAME) -> dict[str, Any]:
        """Give what is in the file: the grade, or the state where there is none, by passage."""
        statement = """SELECT passage.text, judgement.state, judgement.grade FROM judgement
            JOIN candidate ON candidate.id = candidate_id JOIN passage ON passage.id = passage_id
            JOIN annotator ON annotator.id = annotator_id
            WHERE judgement.project_id = ? AND handle = ? AND judgement.deleted_at IS NULL
            ORDER BY judgement.id"""
        return {text: grade if state == "graded" else state for text, state, grade in self.rows(statement, project, name)}

    def count_events(self, project: int) -> int:
        """Count all changes in the file."""
        return int(self.rows("SELECT count(*) FROM judgement_event WHERE project_id = ?", project)[0][0])


@contextmanager
def open_bench(folder: Path) -> Iterator[Bench]:
    """Serve the page inside this process."""
    bench = Bench(folder)
    bench.launch()
    yield bench
    bench.close()


@contextmanager
def open_window(chromium: Any) -> Iterator[Any]:
    """Open a window whose tabs share what the browser keeps."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(8_000)
    yield context
    context.close()


def press(page: Any, keys: str) -> None:
    """Press keys one after another: letters and digits."""
    for key in keys:
        page.keyboard.press("Space" if key == " " else key)


def passage(page: Any) -> str:
    """Read the passage on the screen."""
    return str(page.locator(".rw-label-text").text_content())


def wait_until_saved(page: Any) -> None:
    """Wait until nothing waits any more."""
    page.locator(".rw-label-saved", has_text=re.compile(r"(saved \d\d:\d\d:\d\d|nothing unsaved) · 0 waiting")).wait_for()


def serve(folder: Path, port: int) -> None:
    """Serve the page until the process is ended."""
    bench = Bench(folder)
    bench.launch(port)
    bench.app.block_thread()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
