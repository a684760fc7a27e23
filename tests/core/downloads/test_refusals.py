"""What goes wrong is one sentence: what happened, and what to do."""

import gzip
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from reranker_core.downloads import Downloads
from reranker_core.hub import find_in_cache
from reranker_core.transfer import Patience
from tests.core.downloads.steps import (
    REPO,
    WEIGHTS,
    run,
)
from tests.local_hub import LISTING, LocalHub, Trouble

NO_HUB = "does not answer for someone/model as the Hugging Face Hub does .*Check HF_ENDPOINT, the proxy"
FAULT = r"^The Hugging Face Hub has a fault of its own \(HTTP 500\)\. Wait some minutes\. Start it again, it goes on where"
TOO_MANY = r"^The Hugging Face Hub has had too many requests from here \(HTTP 429\)\. Wait some minutes\. Start it again"
GATED = "^someone/model asks for its licence to be accepted. Accept it on the model's page, then `hf auth login`.$"
UNKNOWN = "^The Hugging Face Hub has no model someone/model. Check the spelling; a private one needs `hf auth login`.$"
REFUSED = r"^The Hugging Face Hub refuses someone/model \(HTTP 403\)\. Log in by `hf auth login` as one who may read it\."
PACKED = {"Content-Encoding": "gzip"}
LOGIN_PAGE = Trouble(body=b"<html>Please accept our terms</html>", headers={"Content-Type": "text/html"})


def listed(**changes: Any) -> Trouble:
    """Answer with a listing of one file, changed."""
    file = {"rfilename": "config.json", "size": 2, "blobId": "0" * 40}
    answer = {"id": REPO, "sha": "0" * 40, "siblings": [file | changes.pop("file", {})]} | changes
    return Trouble(body=json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("place", "trouble", "sentence"),
    [
        (LISTING, Trouble(status=500), FAULT),
        (LISTING, Trouble(status=429), TOO_MANY),
        (LISTING, Trouble(status=403), REFUSED),
        (LISTING, Trouble(status=403, headers={"X-Error-Code": "GatedRepo"}), GATED),
        (LISTING, Trouble(status=404, headers={"X-Error-Code": "RepoNotFound"}), UNKNOWN),
        (LISTING, Trouble(status=404, headers={"X-Error-Code": "RevisionNotFound"}), r"refuses someone/model \(HTTP 404\)"),
        (LISTING, LOGIN_PAGE, NO_HUB),
        (LISTING, Trouble(body=b""), NO_HUB),
        (LISTING, Trouble(body=b"[]"), NO_HUB),
        (LISTING, Trouble(body=b"{}"), NO_HUB),
        (LISTING, Trouble(body=b"null"), NO_HUB),
        (LISTING, Trouble(body=b"\xff\xfe"), NO_HUB),
        (LISTING, listed(siblings=[{}]), NO_HUB),
        (LISTING, listed(siblings=3), NO_HUB),
        (LISTING, listed(sha=None), NO_HUB),
        (LISTING, listed(sha="../../../x"), NO_HUB),
        (LISTING, listed(file={"size": None}), NO_HUB),
        (LISTING, listed(file={"size": -1}), NO_HUB),
        (LISTING, listed(file={"blobId": None}), NO_HUB),
        (LISTING, listed(file={"blobId": "../../x"}), NO_HUB),
        (LISTING, Trouble(drop_after=0), r"^someone/model is not on this machine .* cannot be reached \("),
        (WEIGHTS, Trouble(status=500), FAULT),
        (WEIGHTS, Trouble(status=429), TOO_MANY),
        (WEIGHTS, Trouble(status=403), REFUSED),
        (WEIGHTS, Trouble(status=403, headers={"X-Error-Code": "GatedRepo"}), GATED),
        (WEIGHTS, Trouble(status=404, headers={"X-Error-Code": "EntryNotFound"}), r"refuses someone/model \(HTTP 404\)"),
        (WEIGHTS, LOGIN_PAGE, NO_HUB),
        (WEIGHTS, Trouble(body=gzip.compress(bytes(700_000)), headers=PACKED), f"{WEIGHTS} should have .* and has more"),
        (WEIGHTS, Trouble(size=5), f"{WEIGHTS} should have 5 bytes and has not"),
        (WEIGHTS, Trouble(size=700_000), f"{WEIGHTS} should have 700,000 bytes and has not"),
    ],
)
def test_each_refusal_and_each_odd_answer_is_one_sentence_with_what_to_do(
    place: str, trouble: Trouble, sentence: str, hub: LocalHub, downloads: Downloads, cache: Path
) -> None:
    hub.troubles[place] = trouble

    state = run(downloads)

    assert state.status == "failed"
    assert re.search(sentence, state.message), state.message
    assert "\n" not in state.message
    assert find_in_cache(REPO, cache_dir=cache) is None


def test_an_unknown_repository_and_an_impossible_name_are_said_to_be_so(downloads: Downloads) -> None:
    assert run(downloads, "someone/unknown").message.startswith("The Hugging Face Hub has no model someone/unknown.")
    impossible = run(downloads, "v2 m3")
    assert impossible.status == "failed"
    assert impossible.message == '"v2 m3" is no Hugging Face name like "BAAI/bge-reranker-v2-m3". Check the spelling.'


def test_a_server_that_is_not_there_is_named_with_what_to_do(hub: LocalHub, cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        state = run(Downloads(cache, f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert state.status == "failed"
    assert "cannot be reached (" in state.message
    assert "refused" in state.message
    assert f"`hf download {REPO}`" in state.message
    assert str(cache) in state.message


def test_a_name_that_cannot_be_looked_up_is_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    state = run(Downloads(cache, "http://hub.invalid"))
    assert state.status == "failed"
    assert "http://hub.invalid cannot be reached ([Errno -2] Name or service not known)" in state.message


def test_the_hub_that_does_not_answer_is_given_up(hub: LocalHub, cache: Path) -> None:
    hub.troubles[LISTING] = Trouble(stall_after=0)
    state = run(Downloads(cache, hub.url, patience=Patience(timeout=0.2)))
    assert state.status == "failed"
    assert f"{hub.url} cannot be reached (timed out)" in state.message
