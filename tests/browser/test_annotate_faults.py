"""What goes wrong between browser and disk: what was acknowledged stays, what was not waits and is sent, never twice."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ask_one_score import wait_until_served
from browser.annotate_harness import Bench, open_bench, open_window, passage, press, wait_until_saved
from browser.conftest import ROOT, _free_port

from annotations.errors import StorageError

pytestmark = pytest.mark.slow

PASSAGES = [f"passage {n}" for n in range(1, 9)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The page, served inside this process."""
    with open_bench(tmp_path_factory.mktemp("labels")) as bench:
        yield bench


@pytest.fixture
def window(chromium: Any) -> Iterator[Any]:
    """A window for one test, whose tabs share what the browser keeps."""
    with open_window(chromium) as window:
        yield window


@pytest.fixture
def project(bench: Bench, request: pytest.FixtureRequest) -> int:
    """One query of eight passages."""
    return bench.lay_out(request.node.name, {"panda": PASSAGES})


def label(page: Any, keys: str) -> dict[str, int]:
    """Judge what is on the screen, and tell what was judged how."""
    given = {}
    for key in keys:
        given[passage(page)] = "xa".index(key)
        press(page, key)
    return given


def saved(page: Any, words: str) -> None:
    page.locator(".rw-label-saved", has_text=re.compile(words)).wait_for()


def meddle(page: Any, act: Callable[[Any], None], name: str = "save") -> None:
    """Let something happen to the calls of one function on their way."""

    def pass_on(route: Any) -> None:
        is_it = json.loads(route.request.post_data or "{}").get("fn_name") == name
        act(route) if is_it else route.continue_()

    page.route("**/component_server/**", pass_on)


def test_saves_that_are_answered_with_500_wait_and_are_sent_again(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    failures = [0]

    def fail_twice(route: Any) -> None:
        failures[0] += 1
        route.fulfill(status=500, body="{}") if failures[0] < 3 else route.continue_()

    meddle(page, fail_twice)
    given = label(page, "axxa")
    saved(page, r"failed: The server does not answer\. Trying again in \d s · 4 waiting")
    assert bench.grades(project) == {}
    given |= label(page, "ax")
    saved(page, "6 waiting")
    wait_until_saved(page)
    assert failures[0] == 3
    assert bench.grades(project) == given
    assert bench.count_events(project) == 6


def test_an_answer_that_gets_lost_on_its_way_saves_nothing_twice(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    lost: list[int] = []
    sent: list[dict[str, Any]] = []

    def lose_the_first(route: Any) -> None:
        sent.append(json.loads(route.request.post_data)["data"])
        if not lost:
            route.fetch()  # it arrives and is saved
            lost.append(bench.count_events(project))
            route.abort()
        else:
            route.continue_()

    meddle(page, lose_the_first)
    given = label(page, "axxaxa")
    saved(page, "failed")
    page.get_by_role("button", name="Try now").click()
    wait_until_saved(page)
    assert lost[0] >= 1
    assert bench.grades(project) == given
    assert bench.count_events(project) == 6
    first, again = sent[:2]
    assert again["client_id"] == first["client_id"]
    assert again["items"][: len(first["items"])] == first["items"]
    assert {item["seq"] for send in sent for item in send["items"]} == set(range(6))


def test_what_a_full_disk_refuses_is_said_and_saved_later(
    bench: Bench, window: Any, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = bench.visit(window.new_page(), project)
    save = bench.store.judgements.save

    def fill_up(judgement: Any) -> Any:
        if bench.count_events(project) == 2:
            raise StorageError("The disk is full. Free some space.")
        return save(judgement)

    monkeypatch.setattr(bench.store.judgements, "save", fill_up)
    given = label(page, "axxa")
    saved(page, "failed: The disk is full. Free some space. Trying again")
    assert bench.count_events(project) == 2
    monkeypatch.undo()
    wait_until_saved(page)
    assert bench.grades(project) == given
    assert bench.count_events(project) == 4


@pytest.mark.parametrize("end", ["reload", "crash"])
def test_what_was_not_sent_is_sent_by_the_next_page_load(bench: Bench, window: Any, project: int, end: str) -> None:
    page = bench.visit(window.new_page(), project)
    arrived: list[int] = []

    def let_the_first_arrive(route: Any) -> None:
        if not arrived:
            route.fetch()
            arrived.append(1)
        route.abort()

    meddle(page, let_the_first_arrive)
    given = label(page, "axxa")
    press(page, "u")
    given |= label(page, "x")
    saved(page, "failed")
    warnings: list[str] = []
    page.on("dialog", lambda dialog: (warnings.append(dialog.type), dialog.accept()))
    if end == "reload":
        page.unroute_all()
        page.reload()
        page.locator(".rw-label-frame").wait_for()
        assert warnings == ["beforeunload"]
    else:
        page.close()
        page = bench.visit(window.new_page(), project)
    page.locator(".rw-label-notice", has_text="from before").wait_for()
    wait_until_saved(page)
    assert bench.grades(project) == given
    assert bench.count_events(project) == 6  # five judgements and one undo
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('unsent'))") == []
    # what it wrote it may go on from
    press(page, "k" * 8 + "a")
    wait_until_saved(page)
    assert list(bench.grades(project).values()).count(1) == list(given.values()).count(1) + (
        0 if given[next(iter(given))] else 1
    )


def test_what_another_living_tab_has_unsent_is_left_to_it(bench: Bench, window: Any, project: int) -> None:
    first = bench.visit(window.new_page(), project)
    meddle(first, lambda route: route.abort())
    given = label(first, "ax")
    saved(first, "failed")
    second = bench.visit(window.new_page(), project)
    wait_until_saved(second)
    assert bench.count_events(project) == 0
    first.unroute_all()
    first.bring_to_front()
    first.evaluate("window.dispatchEvent(new Event('online'))")
    wait_until_saved(first)
    assert bench.grades(project) == given


def test_offline_everything_waits_and_goes_as_soon_as_the_network_is_back(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    window.set_offline(True)
    given = label(page, "axxaxaxa")
    press(page, "k" * 8)
    again = label(page, "x")  # the first passage once more, before its first judgement was sent
    saved(page, "failed: This browser is offline. .* 9 waiting")
    window.set_offline(False)
    wait_until_saved(page)
    assert bench.grades(project) == given | again
    assert bench.count_events(project) == 9
    assert page.get_by_role("group", name="Judged in two tabs").count() == 0


@pytest.mark.parametrize("kept", ["mine", "theirs"])
def test_two_tabs_on_one_passage_ask_which_judgement_to_keep(bench: Bench, window: Any, project: int, kept: str) -> None:
    here, there = (bench.visit(window.new_page(), project) for _ in range(2))
    text = passage(here)
    label(there, "a")
    wait_until_saved(there)
    here.bring_to_front()
    mine = label(here, "x")
    conflict = here.get_by_role("group", name="Judged in two tabs")
    conflict.get_by_text("There: Positive. Here: Negative.").wait_for()
    mine |= label(here, "ax")  # going on is possible
    wait_until_saved(here)
    assert bench.grades(project) == {**mine, text: 1}
    here.reload()  # the question stays
    conflict.wait_for()
    conflict.get_by_role("button", name=f"Keep {kept}").click()
    wait_until_saved(here)
    assert conflict.count() == 0
    assert bench.grades(project) == {**mine, text: 0 if kept == "mine" else 1}
    here.reload()
    here.locator(".rw-label-frame").wait_for()
    assert conflict.count() == 0


def test_judging_again_or_undoing_decides_a_conflict(bench: Bench, window: Any, project: int) -> None:
    here, there = (bench.visit(window.new_page(), project) for _ in range(2))
    theirs = label(there, "aa")
    wait_until_saved(there)
    here.bring_to_front()
    texts = list(label(here, "x"))
    conflict = here.get_by_role("group", name="Judged in two tabs")
    conflict.wait_for()
    press(here, "u")  # takes back what was never saved, and nothing else
    conflict.wait_for(state="detached")
    wait_until_saved(here)
    assert bench.grades(project) == theirs
    here.reload()
    here.locator(".rw-label-frame").wait_for()
    press(here, "kk")
    label(there, "")
    there.bring_to_front()
    press(there, "kk")
    label(there, "x")
    wait_until_saved(there)
    here.bring_to_front()
    press(here, "s")
    conflict.wait_for()
    press(here, "kkx")
    conflict.wait_for(state="detached")
    wait_until_saved(here)
    assert bench.grades(project)[texts[0]] == 0


def test_a_judgement_of_what_is_gone_is_refused_with_a_sentence(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    other = bench.visit(window.new_page(), project)
    other.get_by_role("button", name="0 to 3").click()
    press(other, "3")
    wait_until_saved(other)
    page.bring_to_front()
    press(page, "j")
    label(page, "a")
    refusal = page.get_by_role("group", name="Not saved")
    refusal.get_by_text("is graded, as its first label made it, but the page graded binary").wait_for()
    saved(page, "^0 waiting · 1 not saved: asks what to do")
    page.get_by_role("group", name="Judge this passage").get_by_role("button", name="the exact answer").wait_for()
    press(page, "0")  # the next passage, on the scale that the page knows by now
    wait_until_saved(page)
    refusal.get_by_role("button", name="judge it again").click()
    page.locator(".rw-label-place", has_text="passage 2 of 8").wait_for()
    press(page, "2")
    refusal.wait_for(state="detached")
    wait_until_saved(page)
    assert list(bench.grades(project).values()) == [3, 0, 2]


def test_two_tabs_that_begin_on_two_scales_name_each_grade_on_its_own(bench: Bench, window: Any, project: int) -> None:
    page, other = (bench.visit(window.new_page(), project) for _ in range(2))
    other.get_by_role("button", name="0 to 3").click()
    press(other, "3")
    wait_until_saved(other)
    page.bring_to_front()
    press(page, "a")
    conflict = page.get_by_role("group", name="Judged in two tabs")
    conflict.get_by_text("There: grade 3. Here: Positive.").wait_for()
    assert conflict.get_by_role("button", name="Keep mine").count() == 0  # it is no grade of this project
    conflict.get_by_role("button", name="Keep theirs: grade 3").click()
    saved(page, "nothing unsaved")
    assert list(bench.grades(project).values()) == [3]


def test_killed_and_started_again_while_somebody_labels_the_server_has_everything(
    window: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    prepared = Bench(tmp_path)
    project = prepared.lay_out("pandas", {"panda": [f"passage {n}" for n in range(60)]})
    prepared.services.labels.close()
    port = _free_port()
    url = prepared.url = f"http://127.0.0.1:{port}/"

    def start() -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        command = [sys.executable, "-m", "browser.annotate_harness", str(tmp_path), str(port)]
        with (tmp_path / "app.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        request.addfinalizer(lambda: process.poll() is None and process.kill())
        wait_until_served(url, 60)
        return process

    process = start()
    page = prepared.visit(window.new_page(), project)
    given = label(page, "axxaaxxaax")
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    given |= label(page, "axaxaxaxax")
    saved(page, "failed")
    in_file = prepared.grades(project)
    assert in_file == {text: grade for text, grade in given.items() if text in in_file}
    start()
    page.get_by_role("button", name="Try now").click()
    wait_until_saved(page)
    given |= label(page, "ax")
    wait_until_saved(page)
    assert len(given) == 22
    assert prepared.grades(project) == given
    assert prepared.count_events(project) == 22
