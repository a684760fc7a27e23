"""Rows become groups: what is drawn, what is never drawn, and what is said of rows that cannot be trained on."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from reranker_core.errors import InputError
from reranker_core.examples import CorpusEntry, QueryEntry, TrainingExample, write_snapshot
from reranker_core.training.data import TrainingData, read_training_data
from reranker_core.training.settings import TrainingSettings

TOY = Path(__file__).parents[3] / "assets" / "toy_finetune_data.jsonl"
Read = Callable[..., TrainingData]


def row(query: str, pos: Sequence[str], neg: Sequence[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"query": query, "pos": list(pos), **({} if neg is None else {"neg": list(neg)}), **more}


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write rows to a file and read them, or read the places given."""

    def read_data(rows: Sequence[Any] | None = None, *, places: Sequence[Path] = (), **values: Any) -> TrainingData:
        if rows is not None:
            places = (write_rows(tmp_path / "train.jsonl", rows),)
        return read_training_data(
            TrainingSettings(model_name_or_path="m", train_data=tuple(places), output_dir=tmp_path / "out", **values)
        )

    return read_data


MANY = [f"negative {number}" for number in range(30)]


def test_a_group_is_one_positive_and_negatives_without_repetition(read: Read) -> None:
    data = read([row("q", ["p1", "p2", "p3"], MANY)], train_group_size=8)
    groups = [data.group(0, epoch=epoch) for epoch in range(30)]
    for group in groups:
        assert group.query == "q"
        assert group.passages[0] in {"p1", "p2", "p3"}
        assert len(group.passages) == len(set(group.passages)) == 8
        assert set(group.passages[1:]) <= set(MANY)
        assert group.teacher_scores is None
    assert {group.passages[0] for group in groups} == {"p1", "p2", "p3"}
    assert len({passage for group in groups for passage in group.passages[1:]}) > 25
    assert data.group(0, epoch=3) == data.group(0, epoch=3)


def test_every_negative_and_every_place_is_as_likely(read: Read) -> None:
    data = read([row(f"q{number}", ["p"], MANY[:6]) for number in range(300)], train_group_size=4)
    groups = [data.group(place, epoch=0).passages[1:] for place in range(300)]
    counts = Counter(passage for group in groups for passage in group)
    assert set(counts) == set(MANY[:6])
    assert max(counts.values()) < 1.5 * min(counts.values())
    assert max(Counter(group[0] for group in groups).values()) < 100


def test_a_group_depends_on_seed_epoch_and_query_and_on_nothing_else_in_the_file(read: Read) -> None:
    rows = [row(f"q{number}", ["p1", "p2"], MANY) for number in range(6)]
    data = read(rows)
    alone = read([row("q4", ["p2", "p1"], MANY[::-1])])
    assert alone.group(0, epoch=2) == data.group(4, epoch=2)
    assert read([*rows[::-1], row("new", ["p"], ["n"])]).group(1, epoch=2) == data.group(4, epoch=2)
    assert data.group(4, epoch=2).passages[1:] != data.group(4, epoch=3).passages[1:]
    assert data.group(4, epoch=2).passages[1:] != data.group(3, epoch=2).passages[1:]
    assert read(rows, seed=7).group(4, epoch=2).passages[1:] != data.group(4, epoch=2).passages[1:]


def test_rows_of_one_query_draw_on_their_own(read: Read) -> None:
    rows = [
        row("q", ["p1"], MANY),
        row("q", ["p2"], MANY),
        row("q", ["p1"], [*MANY, "n"]),
        row("q", ["p1"], MANY, prompt="?"),
        row("q", ["p3"]),
        row("q", ["p4"]),
    ]
    data = read(rows, train_group_size=4)
    drawn = [data.group(place, epoch=0).passages[1:] for place in range(6)]
    assert len(set(drawn)) == 6
    turned = read(rows[::-1], train_group_size=4)
    assert [turned.group(place, epoch=0).passages[1:] for place in (5, 4, 3, 2, 1, 0)] == drawn


def test_a_row_that_stands_twice_trains_on_two_draws_that_other_rows_do_not_move(read: Read) -> None:
    twice = row("q", ["p1", "p2"], MANY)
    groups = [read([twice, twice]).group(place, epoch=0) for place in (0, 1)]
    assert groups[0].passages[1:] != groups[1].passages[1:]
    data = read([row("q", ["p1"], MANY), twice, row("r", ["p"], MANY), twice])
    assert [data.group(1, epoch=0), data.group(3, epoch=0)] == groups
    assert data.with_rows(data.rows[1:]).group(2, epoch=0) == groups[1]


def test_too_few_negatives_make_a_smaller_group(read: Read) -> None:
    data = read([row("q", ["p"], ["n1", "n2"])], train_group_size=16)
    assert sorted(data.group(0, epoch=0).passages) == ["n1", "n2", "p"]
    assert data.count_negatives(0) == 2


def test_a_row_without_negatives_gets_random_ones_that_are_no_answer(read: Read) -> None:
    accent = "cafe\u0301"
    rows = [
        row("q", ["p1"]),
        row("q", ["p2"], ["shared"]),
        row(accent, ["p3"], None),
        row(normalize("NFC", accent), ["p4"], ["q"]),
        row("other", ["p5", " "], [accent, "n6"]),
    ]
    data = read(rows, train_group_size=16)
    assert data.corpus is not None
    for epoch in range(5):
        assert set(data.group(0, epoch=epoch).passages[1:]) == {"shared", "p3", "p4", "p5", accent, "n6"}
        assert set(data.group(2, epoch=epoch).passages[1:]) == {"p1", "p2", "shared", "q", "p5", "n6"}
    assert data.group(0, epoch=0).passages[1:] != data.group(0, epoch=1).passages[1:]
    assert data.count_negatives(0) == 6


def test_answers_to_another_spelling_of_a_query_are_no_random_negatives_of_it(read: Read) -> None:
    rows = [row("What is \ufb01re?", ["p1"]), row(" what  is FIRE? ", ["p2"]), row("other", ["p3"], ["n"])]
    data = read(rows, train_group_size=16)
    assert set(data.group(0, epoch=0).passages) == {"p1", "p3", "n"}
    assert set(data.group(1, epoch=0).passages) == {"p2", "p3", "n"}


def test_random_negatives_are_as_many_as_asked_for_and_change_with_the_epoch(read: Read) -> None:
    data = read([row("q", ["p"]), row("r", ["s"], MANY)], train_group_size=4)
    drawn = [data.group(0, epoch=epoch).passages[1:] for epoch in range(20)]
    assert all(len(set(passages)) == 3 for passages in drawn)
    assert len({passage for passages in drawn for passage in passages}) > 20
    assert data.count_negatives(0) == 3


def test_random_negatives_come_from_the_corpus_that_is_given(read: Read, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    entries = [{"_id": "1", "title": "Pandas", "text": "eat"}, {"_id": "2", "text": "p"}, {"_id": "3", "text": "  "}]
    write_rows(corpus, entries)
    data = read([row("q", ["p"]), row("r", ["s"], MANY)], corpus=corpus)
    assert data.group(0, epoch=0).passages == ("p", "Pandas eat")
    with pytest.raises(InputError, match=r"nowhere.jsonl is no file. Give the corpus.jsonl"):
        read([row("q", ["p"])], corpus=tmp_path / "nowhere.jsonl")


def test_a_row_for_which_nothing_can_be_drawn_is_left_out_and_named(read: Read) -> None:
    data = read([row("q", ["p"]), row("r", ["p", "q"], [" "]), row("s", ["t"], ["p"])])
    assert [example.query for example in data.rows] == ["q", "r", "s"]
    with pytest.raises(InputError, match=r"has no row to train on. 1 row was left out, because it has no negatives"):
        read([row("q", ["p"])])
    data = read([row("q", ["p", "t"]), row("p", ["q", "t"], ["x"]), row("", ["p"], ["n"]), row("z", ["\n"], ["n"])])
    assert [example.query for example in data.rows] == ["q", "p"]
    assert data.left_out == 2
    assert [note.rpartition("/")[2] for note in data.notes[:2]] == ["train.jsonl:3.", "train.jsonl:4."]


def test_what_contradicts_itself_or_stands_twice_is_taken_out_of_a_row_and_said(read: Read) -> None:
    scores = {"pos_scores": [1, 2], "neg_scores": [3, 4, 5, 6, 7]}
    rows = [
        row("q", ["p", "p"], ["n", "p", "", "n", "r"], **scores),
        row("q", ["r"], ["n"], pos_scores=[1], neg_scores=[1]),
    ]
    data = read(rows, knowledge_distillation=True)
    assert data.rows[0].pos == ("p",)
    assert data.rows[0].neg == ("n",)
    assert data.group(0, epoch=0).teacher_scores == (1.0, 3.0)
    assert data.notes == (
        "2 negatives were left out, because the same query has the passage as a positive too.",
        "2 passages were left out as repetitions within a row.",
        "1 passage was left out as empty.",
    )


def test_a_teachers_scores_follow_their_passages(read: Read) -> None:
    scores = {"pos_scores": [10, 20], "neg_scores": list(range(30))}
    data = read([row("q", ["p10", "p20"], MANY, **scores)], knowledge_distillation=True, train_group_size=6)
    for epoch in range(6):
        group = data.group(0, epoch=epoch)
        assert group.teacher_scores == tuple(float(passage.lstrip("p").split()[-1]) for passage in group.passages)
    assert read([row("q", ["p10", "p20"], MANY, **scores)]).group(0, epoch=0).teacher_scores is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row("r", ["p"], ["n"]), 'train.jsonl:3: knowledge_distillation needs "pos_scores" and "neg_scores" on every row'),
        (row("r", ["p"], ["n"], pos_scores=[1]), "train.jsonl:3: knowledge_distillation needs"),
        (
            row("r", ["p"], pos_scores=[1]),
            "train.jsonl:3: the row has no negatives; random ones would have no teacher's score",
        ),
    ],
)
def test_distillation_needs_scores_on_every_row(read: Read, bad: dict[str, Any], message: str) -> None:
    rows = [row("q", ["p"], ["n"], pos_scores=[1], neg_scores=[0]), "", bad]
    with pytest.raises(InputError, match=message):
        read(rows, knowledge_distillation=True)
    assert len(read(rows).rows) == 2


def test_rows_without_a_prompt_get_the_default_one(read: Read) -> None:
    rows = [row("q", ["p"], ["n"], prompt="Own?"), row("r", ["p"], ["n"]), row("s", ["p"], ["n"], prompt=None)]
    assert [read(rows, prompt="Default?").group(place, epoch=0).prompt for place in range(3)] == [
        "Own?",
        "Default?",
        "Default?",
    ]
    assert [example.prompt for example in read(rows).rows] == ["Own?", None, None]


def test_the_order_changes_with_the_epoch_and_the_seed_and_keeps_rows_among_each_other(read: Read) -> None:
    rows = [row(f"q{number}", ["p"], ["n"]) for number in range(40)]
    data = read(rows)
    orders = [data.order(epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len({tuple(order) for order in [*orders, read(rows, seed=1).order(0), list(range(40))]}) == 5
    assert data.order(1) == orders[1]
    assert [place for place in orders[0] if place < 30] == read(rows[:30]).order(0)
    same_query = read([row("q", [f"p{number}"], ["n"]) for number in range(40)])
    assert same_query.order(0) != same_query.order(1)
    assert read(rows[::-1]).order(0) == [39 - place for place in orders[0]]


def test_rows_that_are_held_out_leave_the_rest_as_it_was(read: Read) -> None:
    data = read([row("q", ["p"]), row("r", ["s"], MANY)])
    kept = data.with_rows(data.rows[:1])
    assert kept.group(0, epoch=1) == data.group(0, epoch=1)
    assert kept.corpus is data.corpus


def test_several_files_and_folders_are_read_one_after_the_other(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    write_rows(folder / "b.json", [row("b", ["p"], ["n"])])
    write_rows(folder / "a.jsonl", [row("a", ["p"], ["n"])])
    write_rows(folder / "a.manifest.json", [{"made": "by an export"}])
    write_rows(folder / ".hidden.jsonl", ["no row"])
    os.mkfifo(folder / "pipe.jsonl")  # which would be waited for
    last = write_rows(tmp_path / "c.jsonl", [row("c", ["p"], ["n"]), row("d", ["p"], ["n"])])
    data = read(places=(folder, last))
    assert [example.query for example in data.rows] == ["a", "b", "c", "d"]
    assert [(file.path.name, file.rows) for file in data.files] == [("a.jsonl", 1), ("b.json", 1), ("c.jsonl", 2)]
    assert data.files[2].sha256 == hashlib.sha256(last.read_bytes()).hexdigest()


def test_a_snapshot_brings_its_train_rows_and_its_corpus(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    write_snapshot(
        folder,
        corpus=[CorpusEntry(id="1", text="p"), CorpusEntry(id="2", text="n"), CorpusEntry(id="3", text="far")],
        queries=[QueryEntry(id="q", text="q"), QueryEntry(id="t", text="t")],
        qrels={"train": {"q": {"1": 1}}, "test": {"t": {"2": 1}}},
        candidates={},
        examples={
            "train": [TrainingExample(query="q", pos=("p",), neg=("n",))],
            "test": [TrainingExample(query="t", pos=("n",), neg=("p",))],
        },
        manifest={},
    )
    assert [example.query for example in read(places=(folder,)).rows] == ["q"]
    plain = write_rows(tmp_path / "more.jsonl", [row("r", ["p"])])
    assert set(read(places=(folder, plain)).group(1, epoch=0).passages) == {"p", "n", "far"}
    (folder / "train.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train.jsonl of snapshot .* was changed"):
        read(places=(folder,))


def test_places_without_training_rows_are_refused(read: Read, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is not there"):
        read(places=(tmp_path / "nowhere",))
    with pytest.raises(InputError, match=r"holds no .jsonl file"):
        read(places=(tmp_path,))
    for name in ("corpus.jsonl", "queries.jsonl"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is a BEIR folder, which has no training rows. Make some of it: python -m"):
        read(places=(tmp_path,))
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp\t1\n")
    with pytest.raises(InputError, match=rf"negatives {tmp_path} --split test --output train.jsonl"):
        read(places=(tmp_path,))
    with pytest.raises(InputError, match=r"has no row to train on. Add rows"):
        read(places=(tmp_path / "corpus.jsonl",))


def test_bad_rows_are_counted_and_the_first_is_named_by_its_line(read: Read) -> None:
    with pytest.raises(InputError, match=r'train.jsonl:3: "pos" must be a non-empty list .* So are 1 more of 4 rows.'):
        read([row("q", ["p"], ["n"]), " ", row("q", []), row("q", ["p"], ["n"]), "not json"])


def test_the_toy_data_are_rows_as_the_card_has_them_in_two_languages(read: Read) -> None:
    rows = [json.loads(line) for line in TOY.read_text(encoding="utf-8").splitlines()]
    assert all(set(one) - {"prompt"} == {"query", "pos", "neg"} for one in rows)
    is_chinese = [any("\u4e00" <= letter <= "\u9fff" for letter in one["query"]) for one in rows]
    assert len(rows) == 40
    assert 10 <= sum(is_chinese) <= 30
    assert sum("prompt" in one for one in rows) == 1
    assert {len(one["pos"]) for one in rows} == {1, 2}
    assert sum(not one["neg"] for one in rows) == 4
    assert {len(one["neg"]) for one in rows} - {0} <= {3, 4, 5, 6, 7}

    data = read(places=(TOY,))
    assert len(data.rows) == 40
    assert data.notes == (), "no text is empty, twice in a row, or positive and negative for one query"
    passages = [text for one in rows for text in (*one["pos"], *one["neg"])]
    assert len(passages) == len(set(passages))
    assert all(data.count_negatives(place) >= 3 for place in range(40))
