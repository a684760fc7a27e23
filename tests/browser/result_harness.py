"""A page with nothing but the result view, and values to show on it."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from ui.assets import FOLDER
from ui.components import result_view
from ui.layout import launch_options

WORDS = "the giant panda eats bamboo in China all year while a bear of the zoo sleeps".split()

PASSAGES = ["hi", "The giant panda is a bear.", "Pandas is a library.", "大熊猫是熊科动物。"]
SCORES = {"BM25": [0.0, 1.2, 0.4, 0.0], "v2-m3": [-8.2, 5.3, -3.4, 3.9], "minicpm · 40": [-9.1, 8.5, 5.1, 9.3]}
HOSTILE = [
    '<img src=x onerror="window.wasRun = true">',
    "${window.wasRun = true}",
    "{{value}} {{#each this}}x{{/each}}",
    "`ticks` \\u0041 </script><script>window.wasRun = true</script>",
    "nothing \0 here",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "🐼 emoji",
]


def rank(scores: Sequence[float]) -> list[int]:
    """Rank scores from 1, the highest first; equal ones share a rank."""
    return [1 + sum(other > score for other in scores) for score in scores]


def make_column(
    title: str, scores: Sequence[float], *, model: str | None = None, layer: int | None = None
) -> dict[str, Any]:
    """Make a column as `ui.formatting` makes it."""
    low, high = min(scores), max(scores)
    shades = [(score - low) / (high - low) if high > low else 0.0 for score in scores]
    names = {"title": title, "model": model or title, "layer": layer}
    return names | {"scores": list(scores), "ranks": rank(scores), "shades": shades}


def make_value(passages: Sequence[str | dict[str, Any]], scores: dict[str, Sequence[float]], **more: Any) -> dict[str, Any]:
    """Make a value from passages (texts, or texts with marks and cuts) and the scores of each column by its title."""
    texts = [
        {"marks": [], "cuts": []} | (passage if isinstance(passage, dict) else {"text": passage}) for passage in passages
    ]
    models = dict.fromkeys(title.split(" · ")[0] for title in scores)
    columns = []
    for title, values in scores.items():
        model, _, layer = title.partition(" · ")
        columns.append(make_column(title, values, model=model, layer=int(layer) if layer else None))
    return {
        "query": "what is panda?",
        "scale": "raw",
        "passages": texts,
        "columns": columns,
        "models": [{"title": model, "summary": "41 ms · 118 tokens · 0 cut · cpu float32"} for model in models],
        "layers": [],
        "request": {"query": "what is panda?", "passages": [text["text"] for text in texts], "models": list(models)},
    } | more


def make_layers(
    model: str, layers: Sequence[int], scores: Sequence[Sequence[float]], stable_from: int | None
) -> dict[str, Any]:
    """Make what the layer picture shows: `scores` holds a row for each layer."""
    rows = [list(row) for row in scores]
    return {
        "model": model,
        "layers": list(layers),
        "scores": rows,
        "ranks": [rank(row) for row in rows],
        "stable_from": stable_from,
    }


def make_large_value(passages: int, titles: Sequence[str], *, seed: int = 0, layers: Sequence[int] = ()) -> dict[str, Any]:
    """Make a value of random sentences and scores; `layers` are those of one layerwise model."""
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(8, 60))).capitalize() + "." for _ in range(passages)]
    places = [[place for word in ("panda", "bamboo") for place in find_all(text, word)] for text in texts]
    marked = [{"text": text, "marks": sorted(place)} for text, place in zip(texts, places, strict=True)]
    worth = [chance.gauss(0, 3) for _ in texts]
    scores = {title: [value + chance.gauss(0, 1.5) for value in worth] for title in titles}
    by_layer = []
    for layer in layers:
        noise = max(0.0, 3 - 3 * (layer - layers[0]) / (layers[-1] - layers[0]))
        by_layer.append([value * (0.4 + layer / layers[-1]) + chance.gauss(0, noise) for value in worth])
    pictures = [make_layers("minicpm", layers, by_layer, layers[-2])] if layers else []
    return make_value(marked, scores, layers=pictures)


def find_all(text: str, word: str) -> list[int]:
    """Give start and end of each place of a word."""
    places, start = [], text.find(word)
    while start >= 0:
        places += [start, start + len(word)]
        start = text.find(word, start + 1)
    return places


@dataclass
class Harness:
    """The served page: it shows `value` when its button is pressed and notes in `asked` what it was asked to take away."""

    value: dict[str, Any] | None = None
    answer: dict[str, str] = field(default_factory=lambda: {"text": "print('taken away')", "file": "comparison.csv"})
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    app: Any = None

    def launch(self) -> None:
        """Serve the page."""
        with gr.Blocks(title="Result view", fill_width=True, analytics_enabled=False) as self.app:
            gr.Markdown("# Result view")
            button = gr.Button("Show the value", elem_id="show")
            view = result_view(None, take_away=self._take_away)
            button.click(lambda: self.value, None, view, show_progress="hidden")
        options = launch_options()
        styles = {*options.pop("css_paths"), FOLDER / "result.css"}
        _, self.url, _ = self.app.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", css_paths=sorted(styles), **options
        )

    def show(self, page: Any, value: dict[str, Any] | None) -> None:
        """Show a value other than the one before and wait until it is there."""
        self.value = value
        page.locator(".rw-result > *").first.wait_for(state="attached")
        page.evaluate("document.querySelector('.rw-result').firstChild.dataset.isBefore = ''")
        page.locator("#show").click()
        page.locator(".rw-result > :first-child:not([data-is-before])").wait_for()
        # The pictures are drawn in the frame after, when it is known how wide they are.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def _take_away(self, wanted: dict[str, Any]) -> dict[str, str]:
        self.asked.append(wanted)
        return self.answer


def shown_order(page: Any) -> list[int]:
    """Read the passage numbers from the top."""
    return [int(text) for text in page.get_by_role("button", name="choose passage").all_text_contents()]


def head(page: Any, title: str) -> Any:
    return page.get_by_role("columnheader").get_by_role("button", name=title, exact=True)


def picture(page: Any, label: str) -> Any:
    return page.get_by_role("img", name=re.compile(label))


def thick_line(picture: Any) -> Any:
    """The line that is drawn over its own thin one when a passage is marked."""
    return picture.locator("path[stroke-width], path.rw-thick")


def hit_line(picture: Any, passage: int) -> Any:
    return picture.locator(f'path[data-passage="{passage - 1}"]')
