"""The labels where others open the page: what strangers are told and may do, and what every tab says when nothing opens."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from annotations.backup import list_backups
from annotations.errors import InputError
from ui.label_place import LABELS_FILE, Labels
from ui.label_projects import create_project
from ui.label_saving import redo_step, save, undo_step
from ui.label_sending import send_to_labels
from ui.page_views import bind
from ui.services import Services
from ui.tabs.annotate.tab import build_annotate_tab
from ui.tabs.data.backups import list_copies
from ui.tabs.data.browse import browse_pairs, save_grade
from ui.tabs.data.checks import fix_check
from ui.tabs.data.deletions import delete_text, restore_text
from ui.tabs.data.frame import FrameEvents
from ui.tabs.data.import_files import Given
from ui.tabs.data.importing import Looked, preview, run

CSV = "query,passage,grade\nred panda,a raccoon-like animal,1\nred panda,a Python library,0\n"


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labels]:
    """Labels of a hosted app."""
    labels = Labels(tmp_path_factory.mktemp("secret place"), copies_apart=600.0)
    yield labels
    labels.close()


@pytest.fixture
def hosted(labels: Labels) -> Services:
    return Services(labels=labels)


@pytest.fixture
def project(labels: Labels, request: pytest.FixtureRequest) -> int:
    return labels.store.projects.create(request.node.name).id


def bring(services: Services, project: int, text: str = CSV) -> None:
    given = Given(text=text)
    _, looked = preview(services, project, given, options={}, looked=Looked())
    run(services, project, given, options={}, looked=looked)


def page_functions(services: Services) -> dict[str, Callable[[Any], dict[str, Any]]]:
    """Give what the Annotate page can call, as gradio calls it."""
    with gr.Blocks(analytics_enabled=False):
        functions = build_annotate_tab(services).view.server_fns
    return {function.__name__: function for function in functions}


@pytest.mark.parametrize("is_local", [True, False])
def test_when_nothing_opens_every_tab_says_why_and_tells_strangers_no_place(tmp_path: Path, is_local: bool) -> None:
    home = tmp_path / "secret place"
    home.mkdir()
    (home / LABELS_FILE).write_text("no database at all")
    services = Services(labels=Labels(home), allow_folders=is_local)
    *_, said, first, last = FrameEvents(services, views=2).show(None)
    assert first == last
    assert (first["project"], first["error"]) == (None, said)
    sentences = [
        said,
        page_functions(services)["open_page"]({"project": 1, "annotator": "Ada"})["error"],
        bind(services, browse_pairs)({"project": None})["error"],
        send_to_labels(services, {"kind": "projects"})["error"],
    ]
    if is_local:
        sentences.append(list_copies(services, {})["problem"])
    for sentence in sentences:
        assert "damaged or no database" in sentence
        assert ("secret" in sentence or "place/" in sentence) is is_local

    (home / LABELS_FILE).unlink()  # as a restore puts a whole file there
    there = create_project(services.labels.store, "there").id
    events = FrameEvents(services, views=2)
    assert events.refresh(None)[3]["project"] == there
    assert "error" not in events.refresh(None)[3]
    services.labels.close()


def test_strangers_judge_but_do_not_change_the_labels_as_a_whole_unless_that_was_asked_for(
    labels: Labels, hosted: Services, project: int
) -> None:
    bring(hosted, project)
    row = browse_pairs(hosted, {"project": project})["rows"][0]
    text = {"project": project, "kind": "passage", "id": row["passage"]}

    def change(services: Services) -> list[str]:
        """Try everything, and give what was refused."""
        events = FrameEvents(services, views=1)
        answers = [
            bind(services, delete_text)(text | {"word": "delete"}),
            bind(services, restore_text)(text),
            bind(services, fix_check)({"project": project, "annotator": "Ada", "name": "delete_empty"}),
            page_functions(services)["set_guideline"]({"project": project, "text": "Say yes."}),
        ]
        said = [events.rename("other", project)[2], events.archive(project)[2], events.restore(project, None)[2]]
        return [sentence for sentence in [*(one.get("error", "") for one in answers), *said] if "only where" in sentence]

    assert len(change(hosted)) == 7
    assert labels.store.projects.guideline(project).text == ""
    assert labels.store.browse.deleted(project).total == 0
    item = {
        "seq": 1,
        "candidate": row["candidate"],
        "state": "graded",
        "grade": 1,
        "scale": "binary",
        "expected_version": 0,
    }
    sent = {"store": labels.store.identity, "client_id": "page", "annotator": "Ada", "items": [item]}
    assert save_grade(hosted, sent)["items"][0]["status"] == "saved"
    assert change(Services(labels=labels, allow_label_changes=True)) == []
    assert labels.store.projects.guideline(project).text == "Say yes."


def test_strangers_push_out_no_copy_and_see_none(labels: Labels, hosted: Services, project: int) -> None:
    for number in range(3):
        bring(hosted, project, f"{CSV}bee,a text of import {number},1\n")
    there = [copy.reason for copy in list_backups(labels.home / LABELS_FILE)]
    assert there.count("import") == 1
    for wanted in ({}, {"number": 1}):
        assert list_copies(hosted, wanted)["rows"] == []


def test_looking_for_a_step_of_nobody_or_sending_what_cannot_be_read_makes_no_annotator(
    labels: Labels, project: int
) -> None:
    sent = {"client_id": "page of a ghost", "annotator": "ghost", "project": project, "seq": 1}
    for step in (undo_step, redo_step):
        assert step(labels.store, sent)["status"] == "nothing"
    assert save(labels.store, sent | {"items": [None, {"seq": 1}]})["items"][0]["status"] == "refused"
    assert "ghost" not in [one.handle for one in labels.store.annotators.list()]


def test_names_and_texts_of_a_project_have_a_length(labels: Labels) -> None:
    for arguments in (("n" * 201, "", ""), ("long guideline", "g" * 20_001, ""), ("long language", "", "l" * 101)):
        name, guideline, language = arguments
        with pytest.raises(InputError, match="characters at most"):
            create_project(labels.store, name, guideline=guideline, language=language)
    with pytest.raises(InputError, match="200 characters at most"):
        labels.store.annotators.get_or_add("a" * 201)
    archived = create_project(labels.store, "put away")
    labels.store.projects.archive(archived.id)
    with pytest.raises(InputError, match="is archived"):
        create_project(labels.store, "put away")
