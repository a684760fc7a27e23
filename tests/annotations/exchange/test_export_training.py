"""Training rows out of labels: complete, counted, and the same for the same labels."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotations.errors import InputError
from annotations.exchange import ExportOptions, export_training, open_source, preview_import
from annotations.exchange.options import CARD_PROMPT, Account
from annotations.exchange.random_negatives import Corpus
from annotations.snapshots import create_snapshot
from annotations.store import Store
from annotations.store.texts import NewPassage
from reranker_core.examples import text_hash
from tests.annotations.exchange.messy_project import PASSAGES, Bench, set_up
from tests.annotations.limits import files_up_to


def write(bench: Bench, path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """Export, and give the rows by their query."""
    export_training(bench.store, bench.project_id, path, options=ExportOptions(**options))
    return {row["query"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def name(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Give the short names of a row's passages."""
    names = {text: short for short, text in PASSAGES.items()}
    return [names[text] for text in row["pos"]], [names[text] for text in row["neg"]]


def test_everything_that_went_in_came_out_or_was_left_out_for_a_reason(mess: Bench, tmp_path: Path) -> None:
    stages: list[tuple[str, float | None]] = []
    report = export_training(
        mess.store, mess.project_id, tmp_path / "rows.jsonl", on_progress=lambda *stage: stages.append(stage)
    )
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    manifest = json.loads((tmp_path / "rows.manifest.json").read_text(encoding="utf-8"))

    assert report.rows == len(rows) == 2
    assert [list(row) for row in rows] == [["query", "pos", "neg", "prompt"]] * 2
    assert {row["prompt"] for row in rows} == {CARD_PROMPT}
    assert name(rows[0]) == (["bear", "food"], ["car"])
    assert name(rows[1])[0] == ["bear"]
    assert len({*name(rows[1])[1]} - {"bear", "car", "far 1", "blank", "gone"}) == 7  # candidates, judged, empty, deleted
    assert report.account("judgements") == Account(
        of="judgements",
        given=15,
        used=8,
        left_out={
            "can't tell": 1,
            "of an import or a model, where a person graded": 1,
            "put off until later": 1,
            "skipped": 2,
            "the passage was deleted": 1,
            "the query was deleted": 1,
        },
    )
    assert report.account("pairs") == Account(
        of="pairs",
        given=7,
        used=4,
        left_out={
            "the grade is neither positive nor negative": 1,
            "the passage is empty or only white space": 1,
            "the query has no positive passage": 1,
        },
    )
    assert report.account("queries") == Account(
        of="queries",
        given=6,
        used=2,
        left_out={
            "no passage has a grade": 2,
            "the query has no positive passage": 1,
            "the query was deleted": 1,
        },
    )
    assert report.counts == {
        **{"graded": 11, "skipped": 2, "cant_tell": 1, "later": 1},
        **{"positives": 3, "negatives": 1, "random_negatives": 7, "filled_queries": 1},
    }
    assert manifest["accounts"]["pairs"] == {"given": 7, "used": 4, "left_out": dict(report.account("pairs").left_out)}
    assert manifest["random_negatives"] == {text_hash("only positive"): [text_hash(text) for text in rows[1]["neg"]]}
    assert report.files[0].sha256 == manifest["file"]["sha256"]
    assert (manifest["threshold"], manifest["scale"]) == ({"positive_from": 2, "negative_to": 0}, "graded")
    assert stages == [("Reading labels", 0.0)]


def test_an_account_with_a_gap_is_refused() -> None:
    with pytest.raises(RuntimeError, match="3 pairs went in, 1 came out and 1 were left out"):
        Account(of="pairs", given=3, used=1, left_out={"skipped": 1})


def test_rule_annotators_and_threshold_decide_what_is_positive(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store, prompt="Is it so?")
    bench.add_query("q", "bear", "food", "car", "half")
    for passage, grades in {"bear": (3, 1, 1), "food": (3, 0), "car": (0, 0, 1), "half": (1, 2)}.items():
        for who, grade in zip(("Ada", "Bob", "Cleo"), grades, strict=False):
            bench.judge("q", passage, grade, who)
    bench.judge("q", "far 1", 3, "file 1")
    bench.judge("q", "far 1", 0, "model m")
    bench.judge("q", "far 1", 3, "file 2")

    def look(**options: Any) -> tuple[list[str], list[str]]:
        return name(write(bench, tmp_path / "rows.jsonl", **options)["q"])

    assert look() == (["far 1"], ["food", "car"])  # of 1 (of 3, 1, 1), 0, 0, 1 (of 1, 2) and 3 (of 3, 0, 3)
    positives, drawn = look(rule="highest", negatives=2)
    assert (positives, len(drawn)) == (["bear", "food", "half", "far 1"], 2)
    assert look(rule="lowest", positive_from=1) == (["bear", "half"], ["food", "car", "far 1"])
    assert look(annotators=("Ada",)) == (["bear", "food"], ["car"])
    assert look(negative_to=1) == (["far 1"], ["bear", "food", "car", "half"])
    with pytest.raises(InputError, match="positive begins at 1, negative ends at 2"):
        look(positive_from=1, negative_to=2)
    with pytest.raises(InputError, match=r'no annotator "Zoe"\. Choose among: .*Ada, Bob'):
        look(annotators=("Zoe",))


def test_all_rows_have_the_prompt_that_was_chosen_or_none_has_one(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store, prompt="Is it so?")
    bench.add_query("q", "bear", "car")
    bench.judge("q", "bear", 1, scale="binary")
    bench.judge("q", "car", 0, scale="binary")

    row = write(bench, tmp_path / "rows.jsonl")["q"]
    assert (name(row), row["prompt"]) == ((["bear"], ["car"]), "Is it so?")  # on the binary scale 1 is positive
    assert write(bench, tmp_path / "rows.jsonl", prompt="Well?")["q"]["prompt"] == "Well?"
    assert "prompt" not in write(bench, tmp_path / "rows.jsonl", prompt="")["q"]


def test_columns_that_flagembedding_takes_for_dates_are_named(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    texts = {"day": "2020-01-02", "time": "2021-02-03 12:00:00Z"}
    added = export_store.texts.add_passages(bench.project_id, [NewPassage(text=text) for text in texts.values()])
    bench.passages |= dict(zip(texts, added.ids, strict=True))
    bench.add_query("1999-12-31", "day", "time", "car")
    for passage, grade in (("day", 3), ("time", 3), ("car", 0)):
        bench.judge("1999-12-31", passage, grade)
    report = export_training(export_store, bench.project_id, tmp_path / "rows.jsonl")
    assert [warning[:25] for warning in report.warnings] == ['Every text under "pos" lo', 'Every text under "query" ']
    bench.add_query("1999-12-31 or so")
    bench.judge("1999-12-31 or so", "day", 3)
    bench.judge("1999-12-31 or so", "car", 0)
    assert len(export_training(export_store, bench.project_id, tmp_path / "rows.jsonl").warnings) == 1


def test_random_negatives_stay_when_labels_or_passages_are_added_elsewhere(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    more = [NewPassage(text=f"more of it, {n}") for n in range(420)]
    export_store.texts.add_passages(bench.project_id, more[:400])
    for query in ("one", "two", "three"):
        bench.add_query(query, "bear", "car")
        bench.judge(query, "bear", 3)
    first = write(bench, tmp_path / "rows.jsonl")
    bytes_before = (tmp_path / "rows.jsonl").read_bytes()

    assert write(bench, tmp_path / "again.jsonl") == first
    assert (tmp_path / "again.jsonl").read_bytes() == bytes_before
    assert [len(row["neg"]) for row in first.values()] == [7, 7, 7]
    assert len({text for row in first.values() for text in row["neg"]}) > 18  # each query has its own
    assert write(bench, tmp_path / "rows.jsonl", seed=1)["one"]["neg"] != first["one"]["neg"]

    drawn = first["one"]["neg"][0]
    candidate = bench.store.texts.add_passages(bench.project_id, [NewPassage(text=drawn)]).ids[0]
    bench.passages["drawn"] = candidate
    bench.judge("one", "drawn", "skipped")
    bench.judge("three", "far 1", 0)
    later = write(bench, tmp_path / "rows.jsonl")
    assert (later["two"], later["three"]["neg"]) == (first["two"], [PASSAGES["far 1"]])
    assert drawn not in later["one"]["neg"]  # somebody looked at it
    assert first["one"]["neg"][1:] == later["one"]["neg"][:6]

    export_store.texts.add_passages(bench.project_id, more[400:])
    assert len({*write(bench, tmp_path / "rows.jsonl")["two"]["neg"]} & {*first["two"]["neg"]}) >= 5


def test_every_passage_is_drawn_about_equally_often(export_store: Store) -> None:
    bench = set_up(export_store)
    with export_store.labels.read(bench.project_id) as reading:
        corpus = Corpus(reading)
        draws = [corpus.draw(text_hash(str(n)), [], judged=(), count=3, seed=0) for n in range(1000)]
    frequency = [sum(key in draw for draw in draws) for name, key in bench.passages.items() if name != "blank"]
    assert all(len({*draw}) == 3 for draw in draws)
    assert (min(frequency) > 30, max(frequency) < 350) == (True, True)  # 111 on average of 27 passages
    assert sum(frequency) == 3000  # so the empty one never


def test_what_is_the_answer_or_the_query_but_for_case_and_space_is_never_drawn(export_store: Store, tmp_path: Path) -> None:
    project_id = export_store.projects.create("twins of answers").id
    bench = Bench(store=export_store, project_id=project_id)
    texts = ("The answer", "ｔhe  ANSWER\n", "THE question?", "half", "HALF", "far", "found", "Found")
    added = export_store.texts.add_passages(project_id, [NewPassage(text=text) for text in texts]).ids
    bench.passages = dict(zip(texts, added, strict=True))
    bench.add_query("the question?", "The answer", "half", "ｔhe  ANSWER\n")
    bench.add_candidates("the question?", "THE question?", source="random")
    bench.judge("the question?", "The answer", 3)
    bench.judge("the question?", "half", 1)
    export_store.texts.set_split([bench.queries["the question?"]], "train")

    (row,) = write(bench, tmp_path / "rows.jsonl").values()
    assert set(row["neg"]) == {"far", "found", "Found"}
    made = create_snapshot(export_store, project_id, tmp_path, name="one").snapshot
    (example,) = made.read_examples("train")
    assert set(example.neg) == {"far", "found", "Found"}


def test_candidates_are_drawn_last_and_random_ones_first(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    bench.add_query("all found", *(short for short in PASSAGES if short not in ("far 3", "far 4", "far 5")))
    bench.add_candidates("all found", "far 3", source="random")
    bench.judge("all found", "bear", 3)
    bench.judge("all found", "far 0", "later")
    export_store.texts.delete_passages([bench.passages["far 5"], bench.passages["gone"]])
    chosen = name(write(bench, tmp_path / "rows.jsonl", negatives=5)["all found"])[1]

    assert chosen[:2] == ["far 3", "far 4"]
    assert len({*chosen} - {"bear", "far 0", "blank"}) == 5
    assert len(name(write(bench, tmp_path / "rows.jsonl", negatives=1000)["all found"])[1]) == len(PASSAGES) - 5


def test_a_query_for_which_nothing_can_be_drawn_is_left_out(export_store: Store, tmp_path: Path) -> None:
    project = export_store.projects.create("one passage")
    bench = Bench(store=export_store, project_id=project.id)
    added = export_store.texts.add_passages(project.id, [NewPassage(text="only one"), NewPassage(text=" ")])
    bench.passages = dict(zip(("one", "blank"), added.ids, strict=True))
    bench.add_query("q", "one", "blank")
    bench.judge("q", "one", 3)
    (tmp_path / "rows.jsonl").write_text("an earlier file")

    with pytest.raises(InputError, match="no row to write: 1 × the query has no negative passage, and the corpus has none"):
        write(bench, tmp_path / "rows.jsonl")
    assert [(path.name, path.read_text()) for path in tmp_path.glob("rows*")] == [("rows.jsonl", "an earlier file")]


def test_only_the_parts_that_were_asked_for_go_out(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    for n in range(8):
        bench.add_query(f"query {n}", "bear", "car")
        bench.judge(f"query {n}", "bear", 3)
        bench.judge(f"query {n}", "car", 0)
    export_store.texts.set_split([bench.queries["query 3"]], "dev")
    parts = {split: {*write(bench, tmp_path / f"{split}.jsonl", splits=(split,))} for split in ("train", "dev", "test")}

    assert "query 3" in parts["dev"]
    assert sorted(query for part in parts.values() for query in part) == sorted(bench.queries)
    report = export_training(export_store, bench.project_id, tmp_path / "x.jsonl", options=ExportOptions(splits=("dev",)))
    assert report.account("queries").left_out == {"the query is in another part": 8 - len(parts["dev"])}


def test_what_cannot_be_written_leaves_the_earlier_files(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    bench.add_query("q", "bear", "car")
    bench.judge("q", "bear", 3)
    first = write(bench, tmp_path / "rows.jsonl")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json*")}
    bench.judge("q", "car", 0)
    bench.add_query("long " * 2000)
    bench.judge("long " * 2000, "bear", 3)

    def give_up(stage: str, fraction: float | None) -> None:
        raise KeyboardInterrupt(stage)

    for size in (100, 5000):  # at the second the manifest has room, and the rows have not
        with files_up_to(size), pytest.raises(InputError, match=r"rows\.(manifest\.json|jsonl) cannot be written"):
            write(bench, tmp_path / "rows.jsonl")
    with pytest.raises(KeyboardInterrupt, match="Reading labels"):
        export_training(export_store, bench.project_id, tmp_path / "rows.jsonl", on_progress=give_up)
    with pytest.raises(InputError, match=r"nowhere.* cannot be written"):
        write(bench, tmp_path / "nowhere" / "rows.jsonl")
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        write(bench, tmp_path / "rows.txt")
    assert {
        path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in before or "part" in path.name
    } == before
    assert write(bench, tmp_path / "rows.jsonl") != first


def test_a_program_that_ends_between_the_two_files_leaves_no_manifest_that_is_taken_for_the_files(
    export_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = set_up(export_store)
    bench.add_query("q", "bear")
    bench.judge("q", "bear", 3)
    write(bench, tmp_path / "rows.jsonl")
    placed: list[str] = []
    replace = Path.replace

    def place(self: Path, target: Path) -> Path:
        placed.append(target.name)
        if len(placed) == 2:
            raise KeyboardInterrupt
        return replace(self, target)

    bench.judge("q", "food", 3)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", place)
        with pytest.raises(KeyboardInterrupt):
            write(bench, tmp_path / "rows.jsonl")
    assert placed == ["rows.manifest.json", "rows.jsonl"]  # the other way round nothing would tell that rows are random
    other = export_store.projects.create("after the end").id
    (note, _) = preview_import(export_store, other, open_source(tmp_path / "rows.jsonl")).notes
    assert "so it is passed over" in note


def test_labels_that_are_saved_meanwhile_are_in_no_part_of_an_export(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    bench.add_query("q", "bear", "car")
    bench.judge("q", "bear", 3)

    def label(stage: str, fraction: float | None) -> None:
        bench.judge("q", "car", 3)
        bench.judge("q", "food", 0)

    report = export_training(export_store, bench.project_id, tmp_path / "rows.jsonl", on_progress=label)
    assert (report.counts["graded"], report.counts["positives"], report.counts["random_negatives"]) == (1, 1, 7)
    assert name(write(bench, tmp_path / "rows.jsonl")["q"]) == (["bear", "car"], ["food"])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rule": "mean"}, "A rule is one of majority, highest, lowest, got 'mean'"),
        ({"splits": ("valid",)}, "A part is one of train, dev, test, got 'valid'"),
        ({"annotators": ()}, "No annotators were chosen"),
        ({"positive_from": 4}, "positive_from must be a whole number from 1 to 3, got 4"),
        ({"negatives": 0}, "negatives must be a whole number from 1 to 1000, got 0"),
        ({"seed": 0.5}, "The seed must be a whole number, got 0.5"),
    ],
)
def test_options_that_mean_nothing_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ExportOptions(**wrong)
