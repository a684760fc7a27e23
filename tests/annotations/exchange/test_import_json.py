"""jsonl: pairs, lists of passages, and training rows."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from annotations.errors import InputError
from annotations.exchange import open_source, preview_import, source_from_text
from annotations.store import Store
from reranker_core.examples import text_hash
from tests.annotations.exchange.imported import (
    labels_of,
    listed,
    names_of,
    scores_of,
    sources_of,
    take,
    take_into,
    write_jsonl,
)

PROMPT = "Does the passage answer the query?"


def test_pairs_and_lists_of_passages_are_read(shared_store: Store) -> None:
    rows = [
        {"query": "q", "passage": "a", "grade": 3, "annotator": "Ada", "query_id": 7, "passage_id": "d1", "title": "a"},
        {"query": "q", "passage": "b", "label": 2.0, "source": "bm25", "rank": 2, "split": "dev", "lang": "en"},
        {"query": "q", "passage": "c", "text": "not this", "grade": None},
        {"query": "r", "passages": ["", " x\u2028"], "source": "pool", "split": "train"},
        {"query": "q", "passage": "d", "state": "skipped", "annotator": "Ada", "grade": ""},
        {"query": "q", "passage": "e", "grade": True},
    ]
    project_id, preview, report = take(shared_store, "\n".join(map(json.dumps, rows)))
    assert labels_of(shared_store, project_id) == {
        ("q", "a"): {"Ada": 3},
        ("q", "b"): {"import": 2},
        ("q", "c"): {},
        ("r", ""): {},
        ("r", " x\u2028"): {},
        ("q", "d"): {"Ada": "skipped"},
        ("q", "e"): {"import": 3},
    }
    sources = sources_of(shared_store, project_id)
    assert (sources["q", "a"], sources["q", "b"]) == (("import", None), ("bm25", 2))
    assert (sources["r", ""], sources["r", " x\u2028"]) == (("pool", 1), ("pool", 2))
    assert names_of(shared_store, project_id)["a"] == [("d1", "a")]
    assert preview.raw_grades == {"3": 1, "2.0": 1, "true": 1}
    assert preview.splits == {"dev": 1, "train": 1}
    assert report.notes == ('These keys are not read: "lang", "text".',)


def test_pooled_candidates_bring_their_scores_and_what_a_model_scored_before_stays(shared_store: Store) -> None:
    places = {"bm25": {"rank": 2, "score": 3.5}, "m@24": {"rank": 1, "score": -1}}
    rows: list[dict[str, Any]] = [
        {"query": "q", "passage": "a", "source": "m@24", "rank": 1, "places": places},
        {"query": "q", "passage": "b", "source": "random", "rank": None, "places": {}},
        {"query": "q", "passage": "c", "scores": {"bm25": 1}},
        {"query": "q", "passage": "d", "scores": {"bm25": "1"}},
        {"query": "q", "passage": "d", "scores": {"bm25": 1e999}},
        {"query": "q", "passage": "d", "places": {"bm25": {"rank": 0, "score": 1}}},
        {"query": "q", "passage": "d", "places": {" ": 1}},
        {"query": "q", "passage": "d", "places": [1]},
        {"query": "q", "passages": ["d"], "scores": {"bm25": 1}},
    ]
    project_id, preview, report = take(shared_store, "\n".join(map(json.dumps, rows)))
    found = {("q", "a"): {"bm25@0": (3.5, 2), "m@24": (-1.0, 1)}, ("q", "c"): {"bm25@0": (1.0, None)}}
    assert scores_of(shared_store, project_id) == found
    assert (preview.scores, report.scores.new, preview.notes) == (3, 3, ())
    assert [message.partition(", got")[0] for _, message in listed(preview)] == [
        'the score of "bm25" under "scores" must be a number',
        'the score of "bm25" under "scores" must be a number',
        'the rank of "bm25" under "places" must be a whole number from 1',
        '"places" must name a model by characters that can be seen',
        '"places" must be an object with the names of models',
        '"passages" cannot go with "scores", which is of one passage. Write one pair a line.',
    ]
    again = {"query": "q", "passage": "a", "scores": {"bm25": 9, "other": 2}}
    _, report = take_into(shared_store, project_id, json.dumps(again))
    assert (report.scores.new, report.scores.known) == (1, 1)
    assert scores_of(shared_store, project_id)["q", "a"] == found["q", "a"] | {"other@0": (2.0, None)}


def test_a_bad_line_of_pairs_is_left_out_with_its_number(shared_store: Store) -> None:
    bad = {
        '{"query": "q"': "no valid JSON",
        '["q", "p"]': "expected a JSON object",
        '{"query": "q"}': 'expected "query", and "passage" or "passages", got "query"',
        '{"passage": "p"}': 'expected "query", and "passage" or "passages"',
        '{"query": "q", "passage": "p", "passages": []}': 'expected "query", and "passage" or "passages"',
        '{"query": "q", "passages": []}': '"passages" must be a non-empty list of texts, got an empty list',
        '{"query": "q", "passages": "text"}': '"passages" must be a non-empty list of texts, got "text"',
        '{"query": "q", "passages": ["p", 3]}': 'text 2 of "passages" must be a text, got 3',
        '{"query": "q", "passages": ["p"], "grade": 1}': '"passages" cannot go with "grade"',
        '{"query": 3, "passage": "p"}': '"query" must be a text, got 3',
        '{"query": "q", "passage": null}': '"passage" must be a text, got null',
        '{"query": "q", "passage": "\\ud83d"}': '"passage" has half of a surrogate pair',
        '{"query": "q", "passage": "p", "grade": [1]}': '"grade" must be a text or a number, got a list of 1',
        '{"query": "q", "passage": "p", "label": 1, "relevance": 0}': "several keys are taken for the grade",
        '{"query": "q", "passage": "p", "grade": "good"}': 'the grade "good" is not mapped to 0 or 1',
    }
    lines = ['{"query": "q", "passage": "ok", "grade": 1}', *bad]
    project_id, preview, report = take(shared_store, "\n".join(lines), scale="binary")
    assert [line for line, _ in listed(preview)] == list(range(2, len(lines) + 1))
    for (line, message), start in zip(listed(preview), bad.values(), strict=True):
        assert message.startswith(start), (line, message)
    assert (report.used, labels_of(shared_store, project_id)) == (1, {("q", "ok"): {"import": 1}})


def test_training_rows_are_judgements_of_both_ends_of_the_scale(shared_store: Store, tmp_path: Path) -> None:
    rows = [
        {"query": "q", "pos": ["yes", "yes"], "neg": ["no", ""], "prompt": PROMPT},
        {"query": "r", "pos": ["both", "cafe\u0301", "yes"], "neg": ["caf\u00e9", "both", "no"], "prompt": PROMPT},
        {"query": "q", "pos": ["no", ""], "prompt": PROMPT},
        {"query": " ", "pos": ["yes"], "prompt": PROMPT},
        {"query": "q", "neg": ["no"], "prompt": PROMPT},
    ]
    path = write_jsonl(tmp_path / "train.jsonl", rows)
    project_id, preview, report = take(shared_store, path)
    found = labels_of(shared_store, project_id)
    assert found == {
        ("q", "yes"): {"import": 1},
        ("q", "no"): {"import": 0},
        ("q", ""): {"import": 0},
        ("r", "both"): {},
        ("r", "cafe\u0301"): {},
        ("r", "yes"): {"import": 1},
        ("r", "no"): {"import": 0},
    }
    assert [line for line, _ in listed(preview)] == [2, 4, 5, 3]
    assert '"caf\u00e9" is in "pos" and in "neg", and 1 more.' in listed(report)[0][1]
    assert "grade 0 in train.jsonl:1, here grade 1" in listed(report)[3][1]
    assert (preview.raw_grades, preview.grade_map) == ({"pos": 5, "neg": 3}, {"pos": 1, "neg": 0})
    assert (preview.prompt, preview.scale, report.used) == (PROMPT, "binary", 1)
    note = f'All rows have the prompt "{PROMPT}", and the project has none, so it becomes the project\'s.'
    assert preview.notes == (note,)
    assert shared_store.projects.get_by_id(project_id).default_prompt == PROMPT

    graded = shared_store.projects.create("graded training").id
    take_into(shared_store, graded, path, scale="graded")
    assert labels_of(shared_store, graded) == {
        pair: {handle: 3 * grade for handle, grade in judged.items()} for pair, judged in found.items()
    }


def test_what_an_export_filled_in_at_random_comes_back_as_candidates(shared_store: Store, tmp_path: Path) -> None:
    row = {"query": "q", "pos": ["yes"], "neg": ["drawn", "no"]}
    path = write_jsonl(tmp_path / "train.jsonl", [row, {**row, "query": "r"}])
    manifest = tmp_path / "train.manifest.json"
    listed_there = {text_hash("q"): [text_hash("drawn"), text_hash("yes")]}
    written = {"file": {"sha256": sha256(path.read_bytes()).hexdigest()}, "random_negatives": listed_there}
    manifest.write_text(json.dumps(written))
    project_id, preview, _ = take(shared_store, path)
    assert labels_of(shared_store, project_id) == {
        ("q", "yes"): {"import": 1},
        ("q", "drawn"): {},
        ("q", "no"): {"import": 0},
        ("r", "yes"): {"import": 1},
        ("r", "drawn"): {"import": 0},
        ("r", "no"): {"import": 0},
    }
    assert sources_of(shared_store, project_id)["q", "drawn"] == ("random", None)
    assert (preview.random_negatives, preview.prompt, preview.notes) == (1, None, ())

    write_jsonl(path, [{**row, "neg": ["no", "drawn"]}])  # by somebody who judged it
    project_id, preview, _ = take(shared_store, path)
    assert labels_of(shared_store, project_id)["q", "drawn"] == {"import": 0}
    (note,) = preview.notes
    assert note.startswith("train.manifest.json was written for other rows than train.jsonl has now, so it is passed over")
    assert preview.random_negatives == 0

    manifest.write_text("{")
    with pytest.raises(InputError, match=r"cannot be read as the manifest of a training file .* Export again"):
        preview_import(shared_store, project_id, open_source(path))


def test_different_prompts_are_told(shared_store: Store) -> None:
    project_id = shared_store.projects.create("prompts", default_prompt="its own").id
    for prompts, told in {
        ("a", "b", None): "The rows have 2 different prompts.",
        ("a", None): "The rows have a prompt on some of them only.",
        ("", ""): None,
        ("its own", "its own"): None,
        ("a", "a"): 'All rows have the prompt "a". The project\'s own, "its own", stays.',
    }.items():
        rows = [json.dumps({"query": "q", "pos": ["p"], "prompt": prompt}) for prompt in prompts]
        preview = preview_import(shared_store, project_id, source_from_text("\n".join(rows)))
        assert preview.prompt == (prompts[0] if len(set(prompts)) == 1 and prompts[0] else None)
        assert [note[: len(told or "")] for note in preview.notes] == ([told] if told else [])
