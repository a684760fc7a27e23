"""The public endpoints, asked by gradio's own client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from reranker_core import load_reranker
from ui.services import Services

PASSAGES = ["hi", "The giant panda is a bear.", "大熊猫"]


@pytest.fixture(scope="module")
def client(app_url: str) -> Iterator[Client]:
    client = Client(app_url, verbose=False, download_files=False, analytics_enabled=False)
    yield client
    client.close()


def test_score_gives_what_the_library_gives(client: Client) -> None:
    answer = client.predict("what is panda?", PASSAGES, api_name="/score")
    expected = load_reranker("bm25").compute_score([("what is panda?", passage) for passage in PASSAGES])
    assert answer["scores"] == [expected]
    assert answer["layers"] == [None]


def test_rank_puts_the_best_first(client: Client) -> None:
    ranked = client.predict("what is panda?", PASSAGES, api_name="/rank")
    assert [(row["rank"], row["index"]) for row in ranked] == [(1, 1), (2, 0), (2, 2)]


def test_models_lists_the_catalogue(client: Client) -> None:
    ready = {row["name"]: row["ready"] for row in client.predict(api_name="/models")}
    assert ready["bm25"] is True
    assert ready["bge-reranker-v2-m3"] is False


def test_a_failure_reaches_the_client_as_the_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="The query is empty"):
        client.predict("", PASSAGES, api_name="/score")


def test_a_folder_is_no_model_name_for_the_api(client: Client, checkpoints: Any) -> None:
    with pytest.raises(AppError, match="There is no model"):
        client.predict("q", PASSAGES, str(checkpoints / "encoder"), api_name="/score")


def test_screen_plumbing_is_private_and_every_endpoint_is_named(app_url: str) -> None:
    names = httpx.get(f"{app_url}gradio_api/info").json()["named_endpoints"]
    labels = ["/back_up_labels", "/check_labels", "/export_labels", "/import_labels", "/make_snapshot", "/projects"]
    training = ["/start_training", "/list_jobs", "/follow_job", "/stop_job", "/resume_job"]
    assert sorted(names) == sorted(["/models", "/rank", "/score", *labels, *training])


def test_monitoring_and_run_history_are_off(app_url: str) -> None:
    assert httpx.get(f"{app_url}monitoring/summary").status_code == 403
    config = httpx.get(f"{app_url}config").json()
    assert config.get("run_history") in (False, None)
    assert "runs" not in str(config.get("footer_links"))
    assert config["analytics_enabled"] is False


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({1: "a text"}, "Send them so"),
        ({0: None}, "Send them so"),
        ({1: {"a": 1}}, "Send them so"),
        ({2: 5}, "There is no model"),
        ({3: "8"}, "cutoff_layers must be a list of whole numbers"),
        ({3: [True]}, "cutoff_layers must be a list of whole numbers"),
        ({5: "512"}, "max_length must be a whole number"),
        ({7: 3}, "prompt must be a text"),
        ({4: "yes"}, "normalize must be true or false"),
    ],
)
def test_values_of_the_wrong_kind_get_a_sentence(app_url: str, changes: dict[int, Any], sentence: str) -> None:
    data = ["q", ["a"], "bm25", None, False, None, None, None, None, None]
    for place, value in changes.items():
        data[place] = value
    started = httpx.post(f"{app_url}gradio_api/call/score", json={"data": data}).json()
    answer = httpx.get(f"{app_url}gradio_api/call/score/{started['event_id']}", timeout=20).text
    assert "event: error" in answer
    assert sentence in answer


@pytest.fixture
def added(services: Services, checkpoints: Path) -> Iterator[None]:
    """Two models of the person whose machine it is."""
    services.local_models.add(str(checkpoints / "llm"), name="my-llm")
    services.local_models.add(str(checkpoints / "layerwise"), name="my-layerwise")
    yield
    for name in ("my-llm", "my-layerwise"):
        services.local_models.forget(name)


@pytest.mark.usefixtures("added")
def test_models_that_were_added_are_scored_by_their_name_with_every_option(client: Client, load: Any) -> None:
    pairs = [("what is panda?", passage) for passage in PASSAGES]
    options = {"max_length": 24, "query_max_length": 4, "prompt": "Is it?", "query_instruction": "Q: "}

    answer = client.predict("what is panda?", PASSAGES, "my-llm", api_name="/score", **options)
    assert answer["scores"][0] == pytest.approx(load("llm").compute_score(pairs, **options), abs=1e-5)
    assert answer["model"] == "my-llm"

    answer = client.predict("what is panda?", PASSAGES, "my-layerwise", cutoff_layers=[5, 2], api_name="/score")
    assert answer["layers"] == [5, 2]
    for column, expected in zip(
        answer["scores"], load("layerwise").compute_score(pairs, cutoff_layers=[5, 2]), strict=True
    ):
        assert column == pytest.approx(expected, abs=1e-5)
    ranked = client.predict("what is panda?", PASSAGES, "my-layerwise", 5, api_name="/rank")
    assert ranked[0]["index"] == max(range(3), key=lambda index: answer["scores"][0][index])


@pytest.mark.usefixtures("added")
def test_a_model_is_told_nothing_that_it_does_not_understand(client: Client) -> None:
    with pytest.raises(AppError, match="no prompt"):
        client.predict("q", PASSAGES, "bm25", prompt="Is it?", api_name="/score")


def test_the_sigmoid_is_refused_for_bm25(client: Client) -> None:
    with pytest.raises(AppError, match="no logits"):
        client.predict("q", PASSAGES, "bm25", None, True, api_name="/score")
