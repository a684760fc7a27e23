"""The public endpoints of the labels, asked by gradio's own client."""

import json
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from ui.label_api import build_label_api
from ui.label_place import Labels
from ui.services import Services

CSV = "query,passage,grade\nred panda,a raccoon-like animal,1\nred panda,a Python library,0\n大熊猫,🐼,yes\n"


def serve(services: Services) -> Iterator[Client]:
    with gr.Blocks(analytics_enabled=False) as app:
        build_label_api(services)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False)
    client = Client(url, verbose=False, download_files=False, analytics_enabled=False)
    yield client
    client.close()
    app.close()


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labels]:
    labels = Labels(tmp_path_factory.mktemp("secret-place"))
    yield labels
    labels.close()


@pytest.fixture(scope="module")
def client(labels: Labels) -> Iterator[Client]:
    """A client of the app on a person's own machine."""
    yield from serve(Services(labels=labels, allow_folders=True))


@pytest.fixture(scope="module")
def stranger(labels: Labels) -> Iterator[Client]:
    """A client of an app that is served to others, with the same labels."""
    yield from serve(Services(labels=labels))


def test_labels_come_in_as_text_and_go_out_as_text(client: Client, labels: Labels) -> None:
    with pytest.raises(AppError, match='There is no project "pandas"'):
        client.predict("pandas", CSV, api_name="/import_labels")
    report = client.predict("pandas", CSV, "a file", "Ada", {"yes": 1}, True, api_name="/import_labels")
    assert report["arrived"]["judgements"] == {"new": 3, "known": 0}
    project = next(row for row in client.predict(api_name="/projects") if row["name"] == "pandas")
    assert (project["name"], project["positive"], project["negative"]) == ("pandas", 2, 1)

    sent = client.predict("pandas", api_name="/export_labels")
    rows = [json.loads(line) for line in sent["files"]["pandas.jsonl"].splitlines()]
    assert [(row["query"], row["pos"]) for row in rows] == [("red panda", ["a raccoon-like animal"]), ("大熊猫", ["🐼"])]
    assert sent["report"]["folder"] == ""
    assert set(client.predict("pandas", "beir", api_name="/export_labels")["files"]) > {"corpus.jsonl", "queries.jsonl"}
    table = client.predict("pandas", "csv", api_name="/export_labels")["files"]["pandas.csv"]
    again = client.predict("copy", table, "pandas.csv", "x", None, True, api_name="/import_labels")
    assert again["arrived"]["judgements"]["new"] == 3
    assert not labels.exports.exists()

    assert "is made" in client.predict("pandas", "first", api_name="/make_snapshot")
    assert "no_negative" in [check["kind"] for check in client.predict("pandas", api_name="/check_labels")]
    assert "verified" in client.predict(api_name="/back_up_labels")


def test_a_failure_reaches_the_client_as_the_sentence(client: Client) -> None:
    client.predict("bees", CSV, "bees", "Ada", {"yes": 1}, True, api_name="/import_labels")
    for arguments, endpoint, said in (
        (("bees", "../up"), "/export_labels", "Labels go out to"),
        (("bees", "jsonl", "no rule"), "/export_labels", "A rule is one of"),
        (("bees", "jsonl", "majority", 9), "/export_labels", "positive_from"),
        (("bees", "nothing that can be read"), "/import_labels", "nothing that can be imported"),
        (("nowhere",), "/check_labels", "There is no project"),
        (({},), "/check_labels", "There is no project"),
        (("bees", 7), "/import_labels", "text must be a text, got 7"),
        (("bees", CSV, None), "/import_labels", "name must be a text"),
        (("bees", CSV, "z" * 201), "/import_labels", "name has 200 characters at most"),
        (("bees", CSV, "z", None), "/import_labels", "annotator must be a text"),
        (("bees", CSV, "z", "Ada", [1]), "/import_labels", "The map of grades"),
        (("n" * 201, CSV, "z", "Ada", None, True), "/import_labels", "project has 200 characters at most"),
        (("in vain", "query,passage\n ,a\n", "z", "Ada", None, True), "/import_labels", "No row of z can be used"),
        (("bees", ["x"]), "/export_labels", "Labels go out to"),
        (("bees", "csv", ["x"]), "/export_labels", "A rule is one of"),
    ):
        with pytest.raises(AppError, match=said):
            client.predict(*arguments, api_name=endpoint)
    assert "in vain" not in [project["name"] for project in client.predict(api_name="/projects")]


def test_an_archived_project_is_named_as_such(client: Client, labels: Labels) -> None:
    project = labels.store.projects.create("done with")
    labels.store.projects.archive(project.id)
    for create in (True, False):
        with pytest.raises(AppError, match="is archived"):
            client.predict("done with", CSV, "a file", "Ada", {"yes": 1}, create, api_name="/import_labels")


def test_strangers_import_and_export_within_limits_and_freeze_and_back_up_nothing(
    stranger: Client, labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.predict("theirs", CSV, "a file", "Ada", {"yes": 1}, True, api_name="/import_labels")
    assert stranger.predict("theirs", "csv", api_name="/export_labels")["files"]["theirs.csv"].count("Ada") == 3
    with pytest.raises(AppError, match="Import it in parts"):
        stranger.predict("theirs", "query,passage\n" + "x" * 2_000_000, api_name="/import_labels")
    monkeypatch.setattr("ui.label_api.MOST_SENT_TO_STRANGERS", 100)
    with pytest.raises(AppError, match="one answer 100 at most"):
        stranger.predict("theirs", "csv", api_name="/export_labels")
    before = sorted(Path(labels.home).rglob("*"))
    for arguments, endpoint in ((("theirs", "mine"), "/make_snapshot"), ((), "/back_up_labels")):
        with pytest.raises(AppError, match="own machine"):
            stranger.predict(*arguments, api_name=endpoint)
    assert [path for path in sorted(Path(labels.home).rglob("*")) if path not in before] == []
