"""The handlers of the Compare tab, called directly: values in, values out."""

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from reranker_core.errors import InputError, ModelNotFoundError, RerankerError
from ui.comparison import RAW, SIGMOID, Comparison
from ui.errors import keep_on_failure
from ui.passages import JSON_STRINGS, ONE_PER_LINE
from ui.runs import ReplacedError, StoppedError
from ui.services import Services
from ui.tabs.compare.events import FIELDS as FORM_FIELDS
from ui.tabs.compare.events import CompareEvents
from ui.tabs.compare.handlers import advise, compare, fill_form, model_choices, offer_layers, read_form

PANDA = (
    "what is panda?",
    "hi\nThe giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, is a bear.",
)

FIELDS = {
    "query": PANDA[0],
    "pasted": PANDA[1],
    "separated": ONE_PER_LINE,
    "models": ["bm25"],
    "layers": [],
    "all_layers": False,
    "scale": RAW,
    "max_length": "",
    "query_max_length": "",
    "prompt": "",
    "query_instruction": "",
    "passage_instruction": "",
}


@pytest.fixture(scope="module")
def local(checkpoints: Path) -> Services:
    """Services of a person's own machine with two models added."""
    services = Services(allow_folders=True, allow_download=True)
    services.local_models.add(str(checkpoints / "encoder"), name="my-encoder")
    services.local_models.add(str(checkpoints / "layerwise"), name="my-layerwise")
    return services


def run(services: Services, visit: str = "a visit", **changes: Any) -> tuple[dict[str, Any], str]:
    return compare(services, read_form(FIELDS | changes), visit=visit)


def test_bm25_ranks_the_passage_that_shares_words_first(services: Services) -> None:
    value, problem = run(services)
    assert [column["title"] for column in value["columns"]] == ["BM25"]
    assert value["columns"][0]["ranks"] == [2, 1]
    assert problem == ""


def test_a_first_visit_begins_with_what_needs_no_network_and_a_later_one_with_its_own() -> None:
    services = Services(first_models=("bm25", "starter-encoder"))
    first = Comparison(query="q", passages=("a", "b"), models=services.first_models)
    events = CompareEvents(services, {}, first=first)
    kept = {"models": ["bm25"]}

    def arrive(settings: object) -> tuple[Any, Any]:
        *updates, _, _, arrived, _ = events.arrive(gr.EventData(None, {"request": None, "settings": settings}))
        return updates[FORM_FIELDS.index("models")].get("value"), arrived

    # Who has clicked before the answer is there keeps the choice.
    assert arrive(None) == (None, {"comparison": first.to_json(), "note": ""})
    assert arrive(kept) == (["bm25"], None)
    assert arrive({"models": ["gone"]}) == (["bm25", "starter-encoder"], None)
    alone = CompareEvents(Services(), {}, first=Comparison(query="q", passages=("a",), models=("bm25",)))
    assert alone.arrive(gr.EventData(None, {}))[-2] is None  # BM25 stands there already


def test_several_models_and_layers_stand_side_by_side_in_the_order_chosen(local: Services, load: Any) -> None:
    value, _ = run(local, models=["bm25", "my-layerwise", "my-encoder"], layers=[8, 3, 5])

    titles = ["BM25", "my-layerwise · 3", "my-layerwise · 5", "my-layerwise · 8", "my-encoder"]
    assert [column["title"] for column in value["columns"]] == titles
    pairs = [(PANDA[0], passage) for passage in PANDA[1].split("\n")]
    layerwise = load("layerwise").compute_score(pairs, cutoff_layers=[3, 5, 8])
    for column, values in zip(value["columns"][1:4], layerwise, strict=True):
        assert column["scores"] == pytest.approx(values, abs=1e-5)
    assert value["columns"][4]["scores"] == pytest.approx(load("encoder").compute_score(pairs), abs=1e-5)


def test_all_layers_are_for_the_picture_and_the_chosen_ones_for_the_table(local: Services) -> None:
    value, _ = run(local, models=["my-layerwise"], layers=[5], all_layers=True)
    assert [column["layer"] for column in value["columns"]] == [5]
    assert value["layers"][0]["layers"] == list(range(2, 9))


def test_sigmoid_applies_to_logits_and_leaves_bm25_raw(local: Services) -> None:
    raw, _ = run(local, models=["bm25", "my-encoder"])
    value, _ = run(local, models=["bm25", "my-encoder"], scale=SIGMOID)
    assert value["columns"][0] == raw["columns"][0]
    assert all(0 < score < 1 for score in value["columns"][1]["scores"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"query": "  "}, "The query is empty"),
        ({"pasted": "\n \n"}, "no passage to score"),
        ({"models": []}, "No model is chosen"),
        ({"models": ["bge-reranker-v9"]}, "no model"),
        ({"pasted": "half \ud83d of a pair"}, "surrogate"),
        ({"pasted": "x\n" * 1001}, "up to 1,000 passages, got 1,001"),
        ({"pasted": "no string", "separated": JSON_STRINGS}, "Line 1 of the passages is no JSON string"),
        ({"max_length": "0"}, "max_length must be a whole number"),
        ({"query_max_length": "12.5"}, "query_max_length must be a whole number"),
        ({"max_length": "²"}, "max_length must be a whole number"),
        ({"models": ["my-layerwise"], "layers": [40]}, "2 to 8, and none of them is chosen"),
        ({"models": ["my-encoder"], "max_length": "5000"}, "my-encoder reads at most"),
    ],
)
def test_inputs_that_cannot_be_used_get_a_sentence(local: Services, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run(local, **changes)


def test_a_published_model_that_is_not_here_says_how_to_get_it(services: Services) -> None:
    with pytest.raises(ModelNotFoundError, match=r"v2-m3 is not on this machine\. Download it \(2\.3 GB\) first"):
        run(services, models=["bm25", "bge-reranker-v2-m3"])


def test_a_hosted_app_offers_no_download() -> None:
    with pytest.raises(ModelNotFoundError, match=r"^v2-m3 is not ready on this server\. Choose another model\.$"):
        run(Services(), models=["bge-reranker-v2-m3"])


def test_a_folder_that_has_gone_says_so(checkpoints: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in (checkpoints / "encoder").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    services = Services(allow_folders=True)
    services.local_models.add(str(folder), name="short-lived")
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(RerankerError, match="short-lived cannot be used"):
        run(services, models=["short-lived"])
    assert ("short-lived · cannot be used", "short-lived") in model_choices(services)


def test_a_failure_keeps_the_result_and_becomes_a_sentence(services: Services) -> None:
    result, message = keep_on_failure(run)(services, query="")
    assert result["__type__"] == "update"
    assert "value" not in result
    assert message == "The query is empty. Write what is looked for."


def test_what_nobody_foresaw_becomes_a_sentence_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def handler() -> None:
        raise RuntimeError("secret details")

    _, message = keep_on_failure(handler)()
    assert "RuntimeError" in message
    assert "secret" not in message
    assert "secret details" in caplog.text


def test_a_run_that_was_stopped_raises_and_leaves_room_for_the_next(local: Services) -> None:
    comparison = read_form(FIELDS | {"models": ["bm25", "my-encoder"]})
    stages: list[str] = []

    def stop(words: str, fraction: float | None) -> None:
        stages.append(words)
        local.runs.stop("a visit")

    with pytest.raises(StoppedError, match="The result before stays"):
        compare(local, comparison, visit="a visit", on_stage=stop)
    assert len(stages) == 1  # the next stage was the last
    assert run(local, models=["bm25", "my-encoder"])[1] == ""


def test_the_picker_offers_the_layers_of_what_is_chosen_and_says_what_they_cost(local: Services) -> None:
    published = offer_layers(local, ["bm25", "bge-reranker-v2-minicpm-layerwise"], [28])
    assert published.layers == tuple(range(8, 41))
    assert published.chosen == (28,)
    assert "up to layer 28 of 40: 70% of the work" in published.cost
    assert "5 times the work of layer 8" in published.all_label

    mine = offer_layers(local, ["my-layerwise"], [28, 3])
    assert mine.layers == tuple(range(2, 9))
    assert mine.chosen == (3,)
    assert offer_layers(local, ["bm25", "my-encoder", "forgotten"], [3]).layers == ()


def test_the_advice_speaks_of_every_model_that_is_chosen(services: Services) -> None:
    advice = advise(services, ["bm25", "bge-reranker-v2-minicpm-layerwise", "forgotten"])
    assert advice.startswith("**BM25**")
    assert "worse than no reranking in Arabic" in advice


def test_the_list_of_models_says_what_a_missing_one_weighs(services: Services) -> None:
    labels = {name: label for label, name in model_choices(services)}
    assert labels["bm25"] == "BM25"
    assert labels["bge-reranker-v2-gemma"] == "v2-gemma · 10 GB"


def test_a_comparison_comes_back_onto_the_form_as_it_was(local: Services) -> None:
    fields = FIELDS | {
        "pasted": '"two\\n\\nlines"\n"one"',
        "separated": JSON_STRINGS,
        "models": ["my-layerwise", "bm25"],
        "layers": [3, 8],
        "all_layers": True,
        "scale": SIGMOID,
        "max_length": "64",
        "prompt": "Is it?",
    }
    comparison = read_form(fields)
    again, note = fill_form(local, comparison.to_json())
    assert read_form(again) == comparison
    assert note == ""


def test_a_link_with_a_model_that_is_not_known_here_opens_without_it_and_says_so(services: Services) -> None:
    content = {"query": "q", "passages": ["p"], "models": ["somebody's", "bm25"]}
    fields, note = fill_form(services, content)
    assert fields["models"] == ["bm25"]
    assert note == "Not known here and left out: somebody's."


@pytest.mark.parametrize("content", [None, [], "text", {}, {"query": "q"}, {"query": 1, "passages": [], "models": []}])
def test_a_link_that_holds_something_else_is_refused(services: Services, content: Any) -> None:
    with pytest.raises(InputError):
        fill_form(services, content)


def test_a_newer_run_of_the_same_visit_takes_the_place_of_the_older_which_says_nothing(local: Services) -> None:
    newer: list[Any] = []

    def score_again(words: str, fraction: float | None) -> None:
        if not newer:
            newer.append(None)
            newer[0] = run(local, query="the newer one")

    comparison = read_form(FIELDS | {"models": ["my-encoder"]})
    answer = keep_on_failure(compare)(local, comparison, visit="a visit", on_stage=score_again)
    assert answer == (gr.skip(), gr.skip())
    assert newer[0][0]["query"] == "the newer one"


def test_a_run_that_is_replaced_after_its_last_stage_does_not_overwrite_the_newer_result(local: Services) -> None:
    seen: list[str] = []

    def replace_at_the_end(words: str, fraction: float | None) -> None:
        seen.append(words)
        if fraction == 1:
            local.runs.begin("a visit")

    with pytest.raises(ReplacedError):
        compare(local, read_form(FIELDS), visit="a visit", on_stage=replace_at_the_end)
    assert seen
