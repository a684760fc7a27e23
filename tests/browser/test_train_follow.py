"""What a person sees of jobs on the Train screen, and does with them. The job folders are written by hand."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from browser.test_accessibility import violations
from made_jobs import CHECKPOINTS, HOSTILE, MadeJobs, make_report

from reranker_core.jobs import Jobs
from reranker_core.local_models import LocalModels
from ui.layout import launch_options
from ui.services import Services
from ui.tabs.train.following import build_following

pytestmark = pytest.mark.slow


class JobsBench:
    """A page with nothing but the jobs, in a home of its own; `told` says what the view told the frame."""

    def __init__(self, home: Path) -> None:
        """Serve the page."""
        self.made = MadeJobs(home)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.services = Services(
            jobs=Jobs(home / "jobs"), local_models=LocalModels(home / "models.json"), allow_folders=True
        )
        with gr.Blocks(title="Train", fill_width=True, analytics_enabled=False) as self.app:
            gr.Markdown("# Train")
            following = build_following(self.services, self.app)
            started = gr.Textbox(label="Show job")
            started.submit(following.show, started, following.view)
            for name in ("selected", "ended", "in_use", "compared"):
                getattr(following, name)(self._noting(name), None, None)
        _, self.url, _ = self.app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())

    def _noting(self, name: str) -> Any:
        def note(event: gr.EventData) -> None:
            self.told.append((name, event._data))

        return note

    def clear(self) -> None:
        """Remove all jobs."""
        shutil.rmtree(self.made.folder, ignore_errors=True)
        self.told.clear()
        for model in self.services.local_models.list():
            self.services.local_models.forget(model.name)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsBench]:
    """The page, served inside this process."""
    bench = JobsBench(tmp_path_factory.mktemp("home"))
    yield bench
    bench.app.close()


@pytest.fixture
def bench(served: JobsBench) -> JobsBench:
    """The page, without jobs."""
    served.clear()
    return served


@pytest.fixture(scope="module")
def window(served: JobsBench, chromium: Any) -> Iterator[Any]:
    """One window for all tests, so that the page's files are fetched and compiled once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    """A new tab; an error in the scripts fails the test."""
    errors: list[str] = []
    page = window.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def badge(page: Any, word: str) -> Any:
    return page.locator(".rw-follow-job .rw-follow-badge", has_text=word)


def wait_until_told(page: Any, bench: JobsBench, told: tuple[str, dict[str, Any]]) -> None:
    for _ in range(100):
        if told in bench.told:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{told} is not among {bench.told}")


def test_a_running_job_is_followed_until_its_report_and_no_text_of_it_is_run(bench: JobsBench, page: Any) -> None:
    job = bench.made.make(HOSTILE, state="running", step=3, total=9, log="\n".join(f"line {n}" for n in range(300)))
    page.goto(bench.url)
    badge(page, "running").wait_for()
    page.get_by_text("step 3 of 9 · training · about 2 min left").wait_for()
    page.get_by_text("Log", exact=True).click()
    log = page.get_by_label("The last lines of the log")
    log.filter(has_text="line 299").wait_for()
    assert log.evaluate("node => node.scrollTop + node.clientHeight >= node.scrollHeight - 30")
    log.evaluate("node => { node.scrollTop = 0; }")
    bench.made.log_steps(job, [0.3, 0.2], first=4, dev={0: 0.4, 5: 0.45})
    with (bench.made.folder / job / "log.txt").open("a") as file:
        file.write("\nnewest line")
    page.get_by_role("heading", name="Dev nDCG@10 · best at step 5").wait_for()
    log.filter(has_text="newest line").wait_for()
    assert log.evaluate("node => node.scrollTop") == 0  # whoever reads further up is left there
    bench.made.write_report(job, make_report(query=HOSTILE, passage=HOSTILE))
    bench.made.end(job)
    badge(page, "completed").wait_for()
    page.get_by_role("heading", name="Better: nDCG@10 0.412 → 0.463 on 60 held-out queries").wait_for()
    page.get_by_role("status").filter(has_text="completed. Better").wait_for(state="attached")
    page.get_by_text("What got better: 1 query").click()
    page.locator(".rw-follow-passage", has_text=HOSTILE).wait_for()
    page.get_by_text("#7 → #1").wait_for()
    wait_until_told(page, bench, ("ended", {"id": job}))
    assert not page.evaluate("window.wasRun")


def test_nothing_is_asked_while_no_job_is_active(bench: JobsBench, page: Any) -> None:
    bench.made.make("done")
    page.goto(bench.url)
    badge(page, "completed").wait_for()
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "component_server" in request.url else None)
    page.wait_for_timeout(2500)
    assert asked == []


def test_a_reload_and_a_link_come_back_to_the_job_and_a_new_one_is_shown(bench: JobsBench, page: Any) -> None:
    first, second = bench.made.make("first"), bench.made.make("later")
    page.goto(bench.url)
    page.get_by_role("heading", name="later").wait_for()
    page.get_by_role("button", name="first", exact=True).click()
    page.get_by_role("heading", name="first").wait_for()
    wait_until_told(page, bench, ("selected", {"id": first}))
    page.reload()
    page.get_by_role("heading", name="first").wait_for()
    page.get_by_label("Show job").fill(second)
    page.get_by_label("Show job").press("Enter")
    page.get_by_role("heading", name="later").wait_for()


def test_curves_lie_over_each_other_and_are_read_with_the_keyboard_and_as_a_table(bench: JobsBench, page: Any) -> None:
    bench.made.make("old one", losses=[3.0, 2.5, 2.25], dev={0: 0.3, 3: 0.35})
    job = bench.made.make("new one", losses=[2.0, None, 1.0, 0.5], dev={0: 0.412, 2: 0.5, 4: 0.463})
    bench.made.add_event(job, 2, "resumed", "Went on from checkpoint-2.")
    bench.made.log_steps(job, [0.75], first=3)
    bench.made.add_event(job, 3, "collapse", "The scores have collapsed.")
    page.goto(bench.url)
    loss = page.get_by_role("img", name="Loss. 2.00 at step 1, 0.750 at step 3, resumed after step 2.")
    loss.wait_for()
    page.get_by_text("Step 3: The scores have collapsed.").wait_for()
    page.get_by_label("Draw the curves of old one").check()
    page.locator(".rw-follow-legend li", has_text="old one").wait_for()
    page.get_by_role("img", name="new one: 0.412 at step 0, 0.500 at step 2, best 0.500 at step 2").wait_for()
    chart = page.get_by_role("img", name="Loss.")
    chart.focus()
    chart.press("Home")
    page.get_by_text("Step 1: new one 2.00 · old one 3.00").first.wait_for()
    chart.press("ArrowRight")
    page.get_by_text("Step 2: new one – · old one 2.50").first.wait_for()
    page.get_by_text("The figures as a table").click()
    table = page.get_by_role("table").filter(has_text="Learning rate")
    assert table.locator("tr").nth(2).locator("td").first.inner_text() == "2.00"
    assert table.locator("tr").nth(3).locator("td").first.inner_text() == "–"


def test_what_cannot_be_taken_back_asks_first(bench: JobsBench, page: Any) -> None:
    job = bench.made.make("bees", adapter="adapter-llm", base=CHECKPOINTS / "llm", report=make_report())
    page.goto(bench.url)
    page.get_by_role("button", name="Use", exact=True).click()
    page.get_by_text("In use as bees").wait_for(timeout=60_000)
    wait_until_told(page, bench, ("in_use", {"base": "llm", "name": "bees"}))
    page.get_by_role("button", name="Compare base and tuned").click()
    wait_until_told(page, bench, ("compared", {"base": "llm", "name": "bees"}))
    page.get_by_role("button", name="Forget …").click()
    page.get_by_text("Deleted for good: the adapter, the report, figures, checkpoints and log").wait_for()
    page.get_by_text("bees goes off the list of models.").wait_for()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Forget it").wait_for(state="detached")
    assert (bench.made.folder / job).is_dir()
    page.get_by_role("button", name="Forget …").click()
    page.get_by_role("button", name="Forget it").click()
    page.get_by_text("No training yet.").wait_for()
    assert bench.services.local_models.find("bees") is None
    wait_until_told(page, bench, ("in_use", {"base": "", "name": ""}))


def test_stopping_says_what_it_does_and_ending_at_once_asks(bench: JobsBench, page: Any) -> None:
    job = bench.made.make("bees", state="running", step=3)
    page.goto(bench.url)
    page.get_by_role("button", name="Stop", exact=True).click()
    badge(page, "stopping").wait_for()
    page.get_by_text("bees saves what it has, and ends after this step.").wait_for()
    page.get_by_role("button", name="End at once …").click()
    page.get_by_text("it loses what it learnt since its last checkpoint").wait_for()
    bench.made.end(job, "stopped")
    badge(page, "stopped").wait_for()
    page.get_by_role("button", name="End at once", exact=True).wait_for(
        state="detached"
    )  # there is nothing to end any more
    page.get_by_role("button", name="Resume", exact=True).wait_for()


def test_a_failed_job_shows_its_last_lines_and_what_to_do(bench: JobsBench, page: Any) -> None:
    error = {"kind": "memory", "message": "Out of memory. Start anew with a smaller group."}
    bench.made.make("bees", state="failed", step=3, error=error, log="Traceback\ntorch.OutOfMemoryError")
    page.goto(bench.url)
    page.get_by_text("Out of memory. Start anew with a smaller group.").wait_for()
    page.get_by_label("The last lines of the log").filter(has_text="torch.OutOfMemoryError").wait_for()
    page.get_by_role("button", name="Resume", exact=True).wait_for()


def test_a_lost_connection_leaves_the_screen_and_is_said_until_it_is_back(bench: JobsBench, page: Any) -> None:
    job = bench.made.make("bees", state="running", step=3, total=9)
    page.goto(bench.url)
    badge(page, "running").wait_for()
    page.route(re.compile("component_server"), lambda route: route.abort())
    page.get_by_text("Trainings go on without it; this page asks again by itself.").wait_for()
    assert badge(page, "running").is_visible()
    bench.made.end(job)
    page.unroute(re.compile("component_server"))
    badge(page, "completed").wait_for(timeout=20_000)
    page.get_by_text("Trainings go on without it").wait_for(state="hidden")


def test_the_report_is_taken_away_as_it_is(bench: JobsBench, page: Any) -> None:
    report = make_report()
    bench.made.make("Bees & Co", report=report)
    page.goto(bench.url)
    for kind, name, text in (
        ("Markdown", "report-bees-co.md", report.to_markdown()),
        ("JSON", "report-bees-co.json", None),
    ):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Report as {kind}").click()
        assert download.value.suggested_filename == name
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        assert saved == text or (text is None and '"verdict": "better"' in saved)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    bench: JobsBench, chromium: Any, width: int, scheme: str
) -> None:
    for state in ("running", "failed", "stopping", "queued"):
        bench.made.make(f"a {state} one", state=state, step=3)
    bench.made.make("bees", adapter="adapter-llm", base=CHECKPOINTS / "llm", report=make_report(), dev={0: 0.4, 8: 0.5})
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US")
    page = context.new_page()
    page.goto(bench.url)
    page.get_by_role("button", name="bees", exact=True).click()
    page.get_by_role("heading", name="Better: nDCG").wait_for()
    page.get_by_label("Draw the curves of a running one").check()
    page.locator(".rw-follow-legend li").nth(1).wait_for()
    for summary in page.locator(".rw-follow summary").all():
        summary.click()
    page.get_by_role("button", name="Forget …").click()
    page.get_by_role("button", name="Forget it").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("a failed one", "a stopping one", "a queued one"):
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("heading", name=name).wait_for()
        assert violations(page) == []
    context.close()
