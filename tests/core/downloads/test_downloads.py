"""A download in the background can be watched, stopped and killed, and goes on where it stopped.

The other side is a small local server, see tests/local_hub.py. Where the client's own speed would matter, the server
waits at a given byte until the test lets it go on.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, snapshot_download

from reranker_core.downloads import Downloads, Speed
from reranker_core.errors import InputError, RerankerError
from reranker_core.hub import download, find_in_cache
from reranker_core.transfer import Patience
from tests.core.downloads.steps import (
    OTHER_REPO,
    REPO,
    ROOT,
    WEIGHTS,
    EnoughError,
    needed_bytes,
    part_of,
    report_until,
    run,
    size_of,
    start_child,
    wait_for_bytes,
)
from tests.local_hub import LISTING, LocalHub, Trouble


def test_a_downloaded_model_is_ready_and_gives_the_known_scores(
    downloads: Downloads, cache: Path, known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    from reranker_core import load_reranker

    state = run(downloads)

    assert (state.status, state.message) == ("completed", f"{REPO} is on this machine.")
    case = next(case for case in known["cases"] if case["family"] == "encoder")
    reranker = load_reranker(REPO, cache_dir=cache, allow_download=False)
    assert_same(reranker.compute_score(known["pairs"], **case["arguments"]), case["scores"])


def test_progress_is_in_bytes_of_all_needed_files_and_ends_at_the_total(
    hub: LocalHub, cache: Path, published: Path
) -> None:
    reports: list[tuple[int, int | None]] = []
    download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=lambda *report: reports.append(report))

    total = needed_bytes(published)
    asking = [report for report in reports if report[1] is None]
    assert asking == [(0, None)] * len(asking)
    counted = reports[len(asking) :]
    assert {whole for _, whole in counted} == {total}
    assert [done for done, _ in counted] == sorted(done for done, _ in counted)
    assert (counted[0][0], counted[-1][0]) == (0, total)


def test_what_is_in_the_cache_counts_as_done_from_the_first_figure_on(hub: LocalHub, cache: Path, published: Path) -> None:
    snapshot_download(REPO, endpoint=hub.url, cache_dir=cache, allow_patterns="tokenizer*.json")
    here = size_of(published / "tokenizer.json") + size_of(published / "tokenizer_config.json")
    hub.log.clear()
    counted: list[int] = []

    download(
        REPO,
        cache_dir=cache,
        endpoint=hub.url,
        on_progress=lambda done, total: counted.append(done) if total is not None else None,
    )

    assert counted[0] == here
    assert not hub.sent("tokenizer.json") + hub.sent("tokenizer_config.json")


def test_a_state_says_how_far_it_is_and_what_was_said_before_does_not_change(
    hub: LocalHub, downloads: Downloads, published: Path
) -> None:
    hub.troubles[LISTING] = listing = Trouble(stall_after=0, times=1)
    hub.troubles[WEIGHTS] = weights = Trouble(stall_after=100_000, times=1)
    small = needed_bytes(published) - size_of(published / WEIGHTS)

    started = downloads.start(REPO)
    assert listing.reached.wait(30)
    asking = downloads.state(REPO)
    listing.go_on.set()
    assert weights.reached.wait(30)
    running = wait_for_bytes(downloads, small + 100_000)
    assert downloads.active() == [running]
    weights.go_on.set()
    ended = downloads.wait(REPO, 60)

    assert asking == started
    assert (started.status, started.done_bytes, started.total_bytes) == ("starting", 0, None)
    assert (running.status, running.done_bytes) == ("running", small + 100_000)
    assert (ended.status, ended.done_bytes) == ("completed", needed_bytes(published))
    assert running.total_bytes == ended.total_bytes == needed_bytes(published)
    assert started.bytes_per_second is None
    assert ended.bytes_per_second is None
    assert downloads.active() == []


def test_what_runs_for_a_while_has_a_speed_and_what_has_ended_has_none(hub: LocalHub, downloads: Downloads) -> None:
    hub.troubles[WEIGHTS] = Trouble(bytes_per_second=100_000)
    state = downloads.start(REPO)
    while state.bytes_per_second is None and state.status in ("starting", "running"):
        state = downloads.wait(REPO, 0.05)

    assert state.bytes_per_second
    downloads.stop(REPO)
    assert downloads.wait(REPO, 5).bytes_per_second is None


def test_the_speed_is_that_of_the_last_seconds() -> None:
    speed = Speed()
    assert speed.measure(0.0, 0) is None
    speed.note(0.0, 5_000)  # was here before: no speed
    assert speed.measure(0.9, 5_900) is None
    assert speed.measure(2.0, 7_000) == 1_000
    for second in range(1, 11):
        speed.note(float(second), 5_000 + 1_000 * second)
    for second in range(11, 16):
        speed.note(float(second), 15_000 + 3_000 * (second - 10))
    assert speed.measure(15.0, 30_000) == 3_000
    for second in range(16, 30):
        speed.note(float(second), 30_000)
    assert speed.measure(30.0, 30_000) == 0
    assert speed.measure(30.0, 0) == 0  # a damaged file is fetched again


@pytest.mark.parametrize("is_slow", [False, True], ids=["stalled", "slow"])
def test_stopping_in_the_middle_keeps_what_came_and_starting_asks_for_the_rest_only(
    is_slow: bool, hub: LocalHub, downloads: Downloads, cache: Path, published: Path
) -> None:
    size, small = size_of(published / WEIGHTS), needed_bytes(published) - size_of(published / WEIGHTS)
    hub.troubles[WEIGHTS] = Trouble(bytes_per_second=200_000, times=1) if is_slow else Trouble(stall_after=70_000, times=1)

    downloads.start(REPO)
    wait_for_bytes(downloads, small + 30_000 if is_slow else small + 70_000)
    stopping = downloads.stop(REPO)
    stopped = downloads.wait(REPO, 5)  # the line is silent for longer

    assert stopping.status == "stopping"
    assert (stopped.status, downloads.active()) == ("stopped", [])
    assert stopped.message == "The download was stopped. Start it again, it goes on where it stopped."
    here = size_of(part_of(cache, published / WEIGHTS))
    assert here == stopped.done_bytes - small
    assert here < size
    assert is_slow or here == 70_000
    assert find_in_cache(REPO, cache_dir=cache) is None
    hub.log.clear()

    assert run(downloads).status == "completed"

    assert hub.ranges(WEIGHTS) == [f"bytes={here}-"]
    assert hub.sent(WEIGHTS) == size - here
    assert {answer.file for answer in hub.log} == {LISTING, WEIGHTS}
    folder = find_in_cache(REPO, cache_dir=cache)
    assert folder
    assert (folder / WEIGHTS).read_bytes() == (published / WEIGHTS).read_bytes()


def test_a_download_stops_while_the_hub_has_not_answered_yet(hub: LocalHub, downloads: Downloads) -> None:
    hub.troubles[LISTING] = Trouble(stall_after=0, times=1)
    downloads.start(REPO)
    assert hub.troubles[LISTING].reached.wait(30)

    downloads.stop(REPO)

    assert downloads.wait(REPO, 5).status == "stopped"
    assert run(downloads).status == "completed"


def test_a_download_stops_while_it_waits_for_its_next_attempt(hub: LocalHub, cache: Path) -> None:
    hub.troubles[WEIGHTS] = Trouble(status=503)
    downloads = Downloads(cache, hub.url, patience=Patience(attempts=9, pause=600))
    downloads.start(REPO)
    wait_for_bytes(downloads, 1000)
    while not hub.ranges(WEIGHTS):
        downloads.wait(REPO, 0.02)

    downloads.stop(REPO)

    assert downloads.wait(REPO, 5).status == "stopped"


def test_starting_right_after_stopping_goes_on(hub: LocalHub, downloads: Downloads) -> None:
    hub.troubles[WEIGHTS] = Trouble(stall_after=70_000, times=1)
    downloads.start(REPO)
    assert hub.troubles[WEIGHTS].reached.wait(30)

    downloads.stop(REPO)
    assert downloads.start(REPO).status == "starting"

    assert downloads.wait(REPO, 60).status == "completed"


def test_starting_what_runs_changes_nothing(hub: LocalHub, downloads: Downloads) -> None:
    hub.troubles[WEIGHTS] = Trouble(stall_after=70_000, times=1)
    downloads.start(REPO)
    assert hub.troubles[WEIGHTS].reached.wait(30)

    assert downloads.start(REPO).status == "running"
    hub.troubles[WEIGHTS].go_on.set()

    assert downloads.wait(REPO, 60).status == "completed"
    assert [answer.file for answer in hub.log].count(LISTING) == 1


def test_stopping_what_has_ended_changes_nothing(downloads: Downloads) -> None:
    ended = run(downloads)
    assert downloads.stop(REPO) == ended == downloads.state(REPO)


def test_what_was_never_started_has_no_state_and_cannot_be_stopped_or_waited_for(downloads: Downloads) -> None:
    assert downloads.state(REPO) is None
    assert downloads.active() == []
    for ask in (downloads.stop, downloads.wait):
        with pytest.raises(InputError, match=r'^No download of "someone/model" was started here\. Start it first\.$'):
            ask(REPO)


def test_two_models_download_at_the_same_time_and_all_are_stopped_at_once(
    hub: LocalHub, downloads: Downloads, published: Path
) -> None:
    hub.repositories[OTHER_REPO] = published
    hub.troubles[WEIGHTS] = Trouble(stall_after=70_000)
    for repo_id in (REPO, OTHER_REPO):
        downloads.start(repo_id)
    while hub.ranges(WEIGHTS) != [None, None]:
        downloads.wait(REPO, 0.02)

    assert [state.repo_id for state in downloads.active()] == [REPO, OTHER_REPO]
    downloads.stop_all()

    assert {downloads.wait(repo_id, 5).status for repo_id in (REPO, OTHER_REPO)} == {"stopped"}


def test_a_report_that_raises_ends_the_download_and_the_next_asks_for_the_rest_only(
    hub: LocalHub, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    here = size_of(part_of(cache, published / WEIGHTS))
    hub.log.clear()
    counted: list[int] = []

    download(
        REPO,
        cache_dir=cache,
        endpoint=hub.url,
        on_progress=lambda done, total: counted.append(done) if total is not None else None,
    )

    assert here > 200_000
    assert counted[0] == needed_bytes(published) - size_of(published / WEIGHTS) + here
    assert hub.ranges(WEIGHTS) == [f"bytes={here}-"]
    assert hub.sent(WEIGHTS) == size_of(published / WEIGHTS) - here


def test_a_part_that_was_whole_when_the_process_died_is_not_asked_for_again(
    hub: LocalHub, cache: Path, published: Path
) -> None:
    with pytest.raises(EnoughError):
        download(REPO, cache_dir=cache, endpoint=hub.url, on_progress=report_until(400_000))
    shutil.copyfile(published / WEIGHTS, part_of(cache, published / WEIGHTS))
    hub.log.clear()

    download(REPO, cache_dir=cache, endpoint=hub.url)

    assert not hub.ranges(WEIGHTS)
    assert not list(cache.glob("*/blobs/*.incomplete"))


def test_without_a_terminal_a_download_prints_nothing(
    hub: LocalHub, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(REPO, cache_dir=cache, endpoint=hub.url)
    assert capsys.readouterr() == ("", "")


CHILD = """
import sys
from reranker_core.hub import download
download("someone/model", on_progress=lambda done, total: print(done, flush=True))
"""
CHILD_THAT_ENDS = """
import sys
from reranker_core.downloads import Downloads
downloads = Downloads()
state = downloads.start("someone/model")
while state.done_bytes < int(sys.argv[1]):
    state = downloads.wait("someone/model", 0.02)
assert state.status == "running"
assert "torch" not in sys.modules
"""


def test_after_the_process_was_killed_another_goes_on_where_it_was(hub: LocalHub, cache: Path, published: Path) -> None:
    size = size_of(published / WEIGHTS)
    hub.troubles[WEIGHTS] = Trouble(stall_after=3_000, times=1)  # less than a buffer of Python's files
    here = needed_bytes(published) - size + 3_000

    with start_child(CHILD, hub, cache) as child:
        assert child.stdout
        assert any(int(line) == here for line in child.stdout)
        child.send_signal(signal.SIGKILL)
    assert find_in_cache(REPO, cache_dir=cache) is None
    hub.log.clear()
    download(REPO, cache_dir=cache, endpoint=hub.url)

    assert hub.ranges(WEIGHTS) == ["bytes=3000-"]
    assert hub.sent(WEIGHTS) == size - 3_000
    assert find_in_cache(REPO, cache_dir=cache)


def test_a_program_ends_although_a_download_runs(hub: LocalHub, cache: Path, published: Path) -> None:
    hub.troubles[WEIGHTS] = Trouble(stall_after=300_000, times=1)
    here = needed_bytes(published) - size_of(published / WEIGHTS) + 300_000

    with start_child(CHILD_THAT_ENDS, hub, cache, str(here)) as child:
        assert child.wait(timeout=60) == 0

    assert not hub.troubles[WEIGHTS].go_on.is_set()
    assert size_of(part_of(cache, published / WEIGHTS)) == 300_000


def test_offline_a_start_fails_at_once_and_says_why(
    hub: LocalHub, downloads: Downloads, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    state = downloads.start(REPO)

    assert (state.status, downloads.wait(REPO, 5), downloads.active()) == ("failed", state, [])
    assert "as HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, the Hugging Face Hub cannot be reached." in state.message
    with pytest.raises(RerankerError) as caught:
        download(REPO, cache_dir=cache, endpoint=hub.url)
    assert str(caught.value) == state.message
    assert not hub.log


def test_importing_downloads_brings_in_neither_torch_nor_huggingface_hub() -> None:
    code = "import sys, reranker_core.downloads; print({'torch', 'huggingface_hub'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "set()\n"
