"""What strangers must not be told or do, where the app is hosted."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError, RerankerError, ScoringError
from reranker_core.local_models import LocalModels
from ui.comparison import MOST_CHARACTERS, Comparison
from ui.hosting import hide_places
from ui.scoring import _Deadline, score_comparison, score_passages
from ui.services import Services
from ui.tabs.models import load_model, unload_model


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> Path:
    """A secret place with an encoder, and the list that names it."""
    place = tmp_path_factory.mktemp("secret-place")
    shutil.copytree(checkpoints / "encoder", place / "enc")
    shutil.copytree(checkpoints / "layerwise", place / "lw")
    models = LocalModels(place / "models.json")
    models.add(str(place / "enc"), name="mine")
    models.add(str(place / "lw"), name="layered")
    return place


@pytest.fixture
def hosted(home: Path) -> Services:
    """Services as on a host, with models of the person who hosts."""
    return Services(local_models=LocalModels(home / "models.json"))


def ask(services: Services, model: str, **options: Any) -> Any:
    return score_passages(services, "q", ["p"], model=model, options=options)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("mine", {"cutoff_layers": [1]}),
        ("mine", {"prompt": "Is it?"}),
        ("mine", {"max_length": 5}),
        ("layered", {"cutoff_layers": [-5]}),
        ("layered", {"cutoff_layers": [10**12]}),
        ("nobody", {}),
    ],
)
def test_no_refusal_tells_a_path(hosted: Services, model: str, options: dict[str, Any]) -> None:
    with pytest.raises(RerankerError) as failure:
        ask(hosted, model, **options)
    assert "secret-place" not in str(failure.value)
    assert "/" not in str(failure.value)


def test_damaged_weights_and_a_damaged_list_tell_no_path(hosted: Services, home: Path) -> None:
    weights = home / "enc" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"damaged")
    try:
        with pytest.raises(RerankerError, match="cannot be read as weights") as failure:
            ask(hosted, "mine")
        assert "secret-place" not in str(failure.value)
        with pytest.raises(RerankerError, match="cannot be read as weights") as failure:
            score_comparison(hosted, Comparison(query="q", passages=("p",), models=("mine",)))
        assert "secret-place" not in str(failure.value)
    finally:
        weights.write_bytes(content)

    (home / "broken.json").write_text("{")
    broken = Services(local_models=LocalModels(home / "broken.json"))
    with pytest.raises(RerankerError) as failure:
        ask(broken, "mine")
    assert "secret-place" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/home/me/models/x.safetensors is damaged.", "a folder of this server is damaged."),
        ("no complete copy in /srv/hf/hub. Download it", "no complete copy in a folder of this server. Download it"),
        ("see https://huggingface.co/BAAI/bge-reranker-large", "see https://huggingface.co/BAAI/bge-reranker-large"),
        ("BAAI/bge-reranker-large is not here, 3/4 of it", "BAAI/bge-reranker-large is not here, 3/4 of it"),
        (r"C:\Users\me\models is no folder", "a folder of this server is no folder"),
    ],
)
def test_paths_are_taken_out_of_sentences_and_nothing_else_is(text: str, hidden: str) -> None:
    assert hide_places(Services(), text) == hidden
    assert hide_places(Services(allow_folders=True), text) == text


def test_a_wrong_layer_costs_no_other_model_its_place(home: Path) -> None:
    services = Services(allow_folders=True, local_models=LocalModels(home / "models.json"))
    ask(services, "mine")
    ask(services, "layered", cutoff_layers=[3])
    before = services.pool.resident()
    for model, layers in (("layered", [99]), ("mine", [3])):
        with pytest.raises(InputError, match="layer"):
            ask(services, model, cutoff_layers=layers)
    assert services.pool.resident() == before


def test_strangers_load_and_unload_nothing_by_hand(hosted: Services) -> None:
    ask(hosted, "mine")
    with pytest.raises(InputError, match="own machine"):
        unload_model(hosted, "mine")
    with pytest.raises(InputError, match="own machine"):
        load_model(hosted, "layered", visit="v", on_stage=lambda words, fraction: None)
    assert len(hosted.pool.resident()) == 1


def test_one_call_from_outside_takes_no_more_than_the_screen_does(hosted: Services) -> None:
    with pytest.raises(InputError, match="Send them in parts"):
        score_passages(hosted, "q", ["p"] * 1001, model="bm25", options={})
    with pytest.raises(InputError, match="Send them in parts"):
        score_passages(hosted, "q", ["p" * (MOST_CHARACTERS + 1)], model="bm25", options={})
    own = Services(allow_folders=True)
    assert len(score_passages(own, "q", ["p"] * 1001, model="bm25", options={})) == 1001


def test_a_call_that_nobody_waits_for_any_more_ends_by_itself(hosted: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Deadline, "SECONDS", -1.0)
    with pytest.raises(ScoringError, match="took longer"):
        ask(hosted, "mine")
    assert ask(Services(allow_folders=True), "bm25").values == ((0.0,),)


def test_an_api_call_does_not_narrow_the_screen(app_url: str) -> None:
    from ui.layout import build_app

    app = build_app(Services())
    limits: dict[str, list[Any]] = {}
    for function in app.fns.values():
        limits.setdefault(str(function.concurrency_id), []).append(function.concurrency_limit)
    assert set(limits["score"]) == {24}
    assert set(limits["api"]) == {8}


@pytest.mark.parametrize("data", [None, [], "text", {"name": 5}, {"name": None}, {}])
def test_events_that_did_not_come_from_our_page_get_a_sentence(data: Any) -> None:
    import gradio as gr

    from ui.panels import named_model

    with pytest.raises(InputError, match="must name a model"):
        named_model(gr.EventData(None, data))
