"""Which files are fetched, how they are laid into the shared cache, and what is borne on a bad line."""

import errno
import gzip
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import snapshot_download

from reranker_core.downloads import Downloads
from reranker_core.errors import ModelNotFoundError, UnsupportedModelError
from reranker_core.hub import download, find_in_cache
from reranker_core.transfer import Patience, Transfer
from tests.core.downloads.steps import (
    ATTEMPTS,
    REPO,
    WEIGHTS,
    EnoughError,
    needed_bytes,
    part_of,
    report_until,
    run,
    size_of,
    wait_for_bytes,
)
from tests.local_hub import LISTING, LocalHub, Trouble

COMMON = {"config.json", "tokenizer.json", "tokenizer_config.json", "sentencepiece.bpe.model", "tokenizer.model"}
NEVER = {
    "README.md",
    ".gitattributes",
    "modeling.py",
    "model.onnx",
    "tf_model.h5",
    "training_args.bin",
    "adapter_model.safetensors",
    "consolidated.safetensors",
    "onnx/config.json",
    "1_Pooling/config.json",
    "original/model.safetensors",
}
SHARDS = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
BIN_SHARDS = {"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"}
INDEX, BIN_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"


@pytest.mark.parametrize(
    ("weights", "besides"),
    [
        ({WEIGHTS}, {"pytorch_model.bin", BIN_INDEX, *BIN_SHARDS}),
        ({INDEX, *SHARDS}, {WEIGHTS, "pytorch_model.bin", BIN_INDEX, *BIN_SHARDS}),
        ({"pytorch_model.bin"}, {INDEX, "pytorch_model.fp16.bin"}),
        ({BIN_INDEX, *BIN_SHARDS}, {"pytorch_model.bin"}),
    ],
    ids=["safetensors", "shards", "bin", "bin shards"],
)
def test_config_tokenizer_and_one_set_of_weights_are_fetched_and_nothing_else(
    weights: set[str], besides: set[str], hub: LocalHub, downloads: Downloads, cache: Path, tmp_path: Path
) -> None:
    repository = hub.repositories[REPO] = tmp_path / "repository"
    for name in COMMON | NEVER | weights | besides:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        shards = sorted(SHARDS if name == INDEX else BIN_SHARDS)
        content = json.dumps({"weight_map": dict(enumerate(shards))}) if name.endswith(".index.json") else name
        (repository / name).write_text(content, encoding="utf-8")

    assert run(downloads).status == "completed"

    assert {answer.file for answer in hub.log} == {LISTING} | COMMON | weights
    folder = find_in_cache(REPO, cache_dir=cache)
    assert folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: (repository / name).read_bytes() for name in COMMON | weights
    }


@pytest.mark.parametrize(
    ("missing", "said"),
    [("config.json", "config.json"), ("tokenizer.json", "tokenizer.json"), ("model.*", WEIGHTS), ("*", "config.json")],
)
def test_of_a_repository_that_lacks_what_a_reranker_needs_nothing_is_fetched(
    missing: str, said: str, hub: LocalHub, downloads: Downloads, published: Path
) -> None:
    for path in [*published.glob(missing), published / "pytorch_model.bin"]:
        path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)

    state = run(downloads)

    assert state.status == "failed"
    assert state.message == f"{REPO} has no {said}, which a reranker needs. Choose another model."
    assert [answer.file for answer in hub.log] == [LISTING]


def test_a_repository_whose_list_of_shards_names_another_file_is_said_to_be_incomplete(
    hub: LocalHub, cache: Path, published: Path
) -> None:
    (published / INDEX).write_text(json.dumps({"weight_map": {"a": "other.safetensors"}}), encoding="utf-8")
    (published / WEIGHTS).rename(published / "model-00001-of-00001.safetensors")

    with pytest.raises(
        UnsupportedModelError, match=r"^someone/model is not whole on the Hub: it lacks other.safetensors\."
    ):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(1 << 40))

    assert find_in_cache(REPO, cache_dir=cache) is None


# The cache is shared


def test_what_was_downloaded_here_huggingface_hub_does_not_fetch_again(
    hub: LocalHub, downloads: Downloads, cache: Path
) -> None:
    run(downloads)
    hub.log.clear()

    folder = snapshot_download(REPO, endpoint=hub.url, cache_dir=cache, ignore_patterns=["onnx/*", "*.bin", "*.md"])

    assert {answer.file for answer in hub.log} == {LISTING}
    assert Path(folder) == find_in_cache(REPO, cache_dir=cache)


def test_a_copy_that_huggingface_hub_fetched_without_the_readme_is_found(hub: LocalHub, cache: Path) -> None:
    folder = snapshot_download(REPO, endpoint=hub.url, cache_dir=cache, allow_patterns=["*.json", "*.safetensors"])
    assert find_in_cache(REPO, cache_dir=cache) == Path(folder)


def test_two_that_want_the_same_file_at_the_same_time_fetch_it_once_and_lay_it_down_once(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid: list[str] = []
    symlink = os.symlink
    monkeypatch.setattr(os, "symlink", lambda *where, **how: (laid.append(Path(where[1]).name), symlink(*where, **how)))
    hub.troubles[WEIGHTS] = Trouble(stall_after=70_000, times=1)
    others, here = Downloads(cache, hub.url), needed_bytes(published) - size_of(published / WEIGHTS) + 70_000
    downloads.start(REPO)
    wait_for_bytes(downloads, here)

    others.start(REPO)
    wait_for_bytes(others, here)  # it shows what the first one fetches
    others.stop(REPO)
    assert others.wait(REPO, 5).status == "stopped"
    others.start(REPO)
    hub.troubles[WEIGHTS].go_on.set()

    assert [downloads.wait(REPO, 60).message, others.wait(REPO, 60).message] == [f"{REPO} is on this machine."] * 2
    assert hub.sent(WEIGHTS) == size_of(published / WEIGHTS)
    assert sorted(laid) == sorted(path.name for path in published.glob("*") if path.suffix in (".json", ".safetensors"))


def test_several_that_end_at_the_same_time_do_not_get_in_each_others_way(cache: Path) -> None:
    transfer = Transfer(REPO, on_progress=lambda done, total: None, cache_dir=cache)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(transfer.set_main, ["0" * 40] * 600))  # what one raises is raised here
    finally:
        sys.setswitchinterval(interval)
    assert [path.read_text() for path in cache.glob("*/refs/*")] == ["0" * 40]


def test_an_earlier_copy_stays_the_one_that_is_found_until_the_new_one_is_whole(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    run(downloads)
    earlier = find_in_cache(REPO, cache_dir=cache)
    (published / WEIGHTS).write_bytes((published / WEIGHTS).read_bytes()[::-1])
    hub.log.clear()

    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    assert find_in_cache(REPO, cache_dir=cache) == earlier
    assert run(downloads).status == "completed"

    later = find_in_cache(REPO, cache_dir=cache)
    assert later
    assert later != earlier
    assert (later / WEIGHTS).read_bytes() == (published / WEIGHTS).read_bytes()
    assert {answer.file for answer in hub.log} == {LISTING, WEIGHTS}


def test_without_symbolic_links_the_files_themselves_lie_in_the_snapshot(
    hub: LocalHub, cache: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "A required privilege is not held by the client")

    monkeypatch.setattr(os, "symlink", refuse)
    download(REPO, cache_dir=cache, endpoint=hub.url)
    hub.log.clear()
    folder = download(REPO, cache_dir=cache, endpoint=hub.url)

    assert not (folder / WEIGHTS).is_symlink()
    assert (folder / WEIGHTS).read_bytes() == (published / WEIGHTS).read_bytes()
    assert [answer.file for answer in hub.log] == [LISTING]


# A bad line


def test_a_connection_that_breaks_again_and_again_is_borne_as_long_as_bytes_come(
    hub: LocalHub, downloads: Downloads, published: Path
) -> None:
    hub.troubles[WEIGHTS] = Trouble(drop_after=100_000)

    assert run(downloads).status == "completed"

    size = size_of(published / WEIGHTS)
    assert hub.ranges(WEIGHTS) == [None] + [f"bytes={place}-" for place in range(100_000, size, 100_000)]
    assert hub.sent(WEIGHTS) == size


def test_a_line_on_which_nothing_more_comes_is_given_up_with_a_sentence(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(200_000))
    here = size_of(part_of(cache, published / WEIGHTS))
    hub.troubles[WEIGHTS] = Trouble(drop_after=0)
    hub.log.clear()

    state = run(downloads)

    assert state.status == "failed"
    assert state.message.startswith(f"The connection broke off while {REPO} was coming (")
    assert state.message.endswith("). Start it again, it goes on where it stopped.")
    assert hub.ranges(WEIGHTS) == [f"bytes={here}-"] * ATTEMPTS
    assert size_of(part_of(cache, published / WEIGHTS)) == here


@pytest.mark.slow
def test_a_silent_connection_is_broken_off_and_made_anew(hub: LocalHub, cache: Path) -> None:
    hub.troubles[WEIGHTS] = Trouble(stall_after=100_000, times=1)

    state = run(Downloads(cache, hub.url, patience=Patience(timeout=2, pause=0)))

    assert state.status == "completed", state.message
    assert hub.ranges(WEIGHTS)[:2] == [None, "bytes=100000-"]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_a_fault_of_the_server_in_the_middle_is_borne_if_it_passes(
    status: int, hub: LocalHub, downloads: Downloads
) -> None:
    hub.troubles[WEIGHTS] = Trouble(status=status, times=ATTEMPTS - 1)
    assert run(downloads).status == "completed"


@pytest.mark.parametrize("status", [403, 404, 429])
def test_a_refusal_in_the_middle_is_not_asked_for_again(status: int, hub: LocalHub, downloads: Downloads) -> None:
    hub.troubles[WEIGHTS] = Trouble(status=status)
    assert run(downloads).status == "failed"
    assert hub.ranges(WEIGHTS) == [None]


def test_an_answer_without_a_length_that_ends_early_is_given_up(hub: LocalHub, downloads: Downloads) -> None:
    hub.troubles[WEIGHTS] = Trouble(body=gzip.compress(b""), headers={"Content-Encoding": "gzip"})
    state = run(downloads)
    assert state.status == "failed"
    assert "broke off while someone/model was coming (the answer ended early)." in state.message


def test_a_server_that_gives_no_parts_is_taken_from_the_start(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    hub.troubles[WEIGHTS] = Trouble(ignores_range=True)

    state = run(downloads)

    assert (state.status, state.done_bytes) == ("completed", needed_bytes(published))
    folder = find_in_cache(REPO, cache_dir=cache)
    assert folder
    assert (folder / WEIGHTS).read_bytes() == (published / WEIGHTS).read_bytes()


def test_a_compressed_answer_is_unpacked(hub: LocalHub, downloads: Downloads, published: Path) -> None:
    packed = gzip.compress((published / "tokenizer.json").read_bytes())
    hub.troubles["tokenizer.json"] = Trouble(body=packed, headers={"Content-Encoding": "gzip"})
    assert run(downloads).status == "completed"
    assert {answer.accepts for answer in hub.log if answer.file != LISTING} == {"identity"}  # parts of it would be useless


def test_a_file_that_is_shorter_than_listed_is_no_endless_loop(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    shutil.copyfile(published / WEIGHTS, part_of(cache, published / WEIGHTS))
    hub.troubles[WEIGHTS] = Trouble(size=700_000)

    state = run(downloads)

    assert state.status == "failed"
    assert f"{WEIGHTS} should have 700,000 bytes and has not" in state.message


def test_a_login_page_instead_of_the_rest_of_a_file_does_not_cost_what_is_here(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    here = size_of(part_of(cache, published / WEIGHTS))

    for headers in ({}, {"Content-Encoding": "gzip"}):
        page = gzip.compress(b"<html>") if headers else b"<html>"
        hub.troubles[WEIGHTS] = Trouble(body=page, headers=headers, ignores_range=True)
        assert run(downloads).status == "failed"
        assert size_of(part_of(cache, published / WEIGHTS)) == here


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_damaged_file_is_thrown_away_and_fetched_whole_the_next_time(
    file: str, hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    hub.troubles[file] = Trouble(body=bytes(size_of(published / file)), times=1)

    state = run(downloads)

    assert state.status == "failed"
    assert state.message.startswith(f"{file} of {REPO} came damaged: its checksum is not the one that the Hub names,")
    assert "Start it again" in state.message
    assert find_in_cache(REPO, cache_dir=cache) is None
    assert run(downloads).status == "completed"
    assert hub.ranges(file) == [None, None]


def test_a_part_of_something_else_does_not_end_up_in_the_model(
    hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    part = part_of(cache, published / WEIGHTS)
    part.write_bytes(bytes(size_of(part)))
    assert "came damaged" in run(downloads).message
    part.write_bytes(bytes(size_of(published / WEIGHTS) + 1))  # too long

    assert run(downloads).status == "completed"

    folder = find_in_cache(REPO, cache_dir=cache)
    assert folder
    assert (folder / WEIGHTS).read_bytes() == (published / WEIGHTS).read_bytes()


def test_a_disk_without_room_is_told_before_anything_is_fetched(hub: LocalHub, downloads: Downloads, cache: Path) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(50_000))
    hub.troubles[WEIGHTS] = Trouble(size=10**17)
    hub.log.clear()

    state = run(downloads)

    assert state.status == "failed"
    assert state.total_bytes
    assert state.done_bytes >= 50_000
    assert f"{REPO} needs {state.total_bytes - state.done_bytes:,} more bytes in {cache}, and " in state.message
    assert "HF_HUB_CACHE" in state.message
    assert [answer.file for answer in hub.log] == [LISTING]


def test_a_cache_that_cannot_be_written_is_named(hub: LocalHub, cache: Path) -> None:
    cache.write_text("a file", encoding="utf-8")
    with pytest.raises(
        ModelNotFoundError, match=rf"^{REPO} cannot be written to {cache} \(.*\)\. Check the folder"
    ) as caught:
        download(REPO, cache_dir=cache, endpoint=hub.url)
    assert "\n" not in str(caught.value)
