"""TREC qrels and runs: columns with tabs or spaces, order by score, ids that come back."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker_core.errors import InputError
from reranker_core.examples import Qrels, Run, read_run, read_trec_qrels, write_run, write_trec_qrels
from tests.core.examples.hostile import folder, grades, scores, trec_ids


def test_columns_of_qrels_stand_between_tabs_or_spaces() -> None:
    lines = ["q1 0 d1 3\n", "q1\t0\td2\t2\r\n", "  q1  Q0 \t d3   3.0  ", "q2 0 d1 -1"]
    assert read_trec_qrels(lines) == {"q1": {"d1": 3, "d2": 2, "d3": 3}, "q2": {"d1": -1}}


def test_white_space_of_other_kinds_is_part_of_an_id() -> None:
    assert read_trec_qrels(["q\u00a01 0 d\u30001 1"]) == {"q\u00a01": {"d\u30001": 1}}


def test_a_byte_order_mark_is_one_at_the_top_only() -> None:
    assert read_trec_qrels(["\ufeffq 0 d 1", "\ufeffq 0 d 1"]) == {"q": {"d": 1}, "\ufeffq": {"d": 1}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q d 1", "expected 4 columns (query id, iteration, passage id, grade), got 3. Correct the line; ids must have no"),
        ("q 0 a doc 1", "expected 4 columns (query id, iteration, passage id, grade), got 5."),
        ("q 0 d 0.5", 'the grade must be a whole number, got "0.5". Correct the line.'),
        ("q 0 d 1", 'query "q" has passage "d" twice, the first time with 1. Remove one of the lines.'),
        ("q 0 d\udc00 1", "the passage id has half of a surrogate pair"),
    ],
)
def test_a_bad_row_of_qrels_is_named_by_file_and_line(line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_trec_qrels(["q 0 d 1", "", line], name="qrels.txt")
    assert str(caught.value).startswith(f"qrels.txt:3: {message}")


def test_a_run_is_ordered_by_score_and_equal_scores_by_the_file() -> None:
    run = read_run(
        [
            "q Q0 low 1 -2e0 t",
            "q Q0 b 2 1.5 t",
            "other\tQ0\tx\t1\t.5\tt",
            "q Q0 a 3 1.5 t",
            "q Q0 top 4 9 t",
            "q Q0 c 0 1.5 t",
        ]
    )
    assert run == {"q": {"top": 9.0, "b": 1.5, "a": 1.5, "c": 1.5, "low": -2.0}, "other": {"x": 0.5}}
    assert list(run["q"]) == ["top", "b", "a", "c", "low"]
    assert list(run) == ["q", "other"]
    assert all(type(score) is float for score in run["q"].values())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 d 1 0.5", "expected 6 columns (query id, Q0, passage id, rank, score, tag), got 5."),
        ("q Q0 e one 0.5 t", 'the rank must be a whole number, got "one". Correct the line.'),
        ("q Q0 e 1 high t", 'the score must be a finite number, got "high". Correct the line.'),
        ("q Q0 e 1 nan t", 'the score must be a finite number, got "nan".'),
        ("q Q0 e 1 inf t", 'the score must be a finite number, got "inf".'),
        ("q Q0 e 1 1e999 t", 'the score must be a finite number, got "1e999".'),
        ("q Q0 e 1 1_0 t", 'the score must be a finite number, got "1_0".'),
        ("q Q0 e 1 ٣ t", 'the score must be a finite number, got "٣".'),
        ("q Q0 d 2 0.1 t", 'query "q" has passage "d" twice, the first time with 0.5. Remove one of the lines.'),
    ],
)
def test_a_bad_row_of_a_run_is_named_by_file_and_line(line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_run(["q Q0 d 1 0.5 t", line], name="bm25.run")
    assert str(caught.value).startswith(f"bm25.run:2: {message}")


def test_qrels_are_written_with_four_columns(tmp_path: Path) -> None:
    written = write_trec_qrels(tmp_path / "qrels", {"q1": {"d1": 3, "d2": -1}, "q2": {"d1": 0}})
    assert (tmp_path / "qrels").read_text() == "q1 0 d1 3\nq1 0 d2 -1\nq2 0 d1 0\n"
    assert written.rows == 3


def test_a_run_is_written_by_score_with_ranks_of_its_own(tmp_path: Path) -> None:
    run: dict[str, dict[str, float]] = {"q": {"low": 1, "b": 2.5, "a": 2.5}, "p": {"x": 0.1 + 0.2}}
    written = write_run(tmp_path / "run", run, tag="bm25")
    assert (tmp_path / "run").read_text() == (
        "q Q0 b 1 2.5 bm25\nq Q0 a 2 2.5 bm25\nq Q0 low 3 1.0 bm25\np Q0 x 1 0.30000000000000004 bm25\n"
    )
    assert written.rows == 4
    write_run(tmp_path / "run", run)
    assert (tmp_path / "run").read_text().startswith("q Q0 b 1 2.5 reranker-workbench\n")


@pytest.mark.parametrize("query_id", ["a b", "a\tb", "a\u00a0b", " a", "", "a\n", "a\x85", "\ufeffa", "\ud83d"])
def test_ids_that_would_not_come_back_are_refused(query_id: str, tmp_path: Path) -> None:
    for by_query in ({query_id: {"d": 1}}, {"q": {query_id: 1}}):
        for write in (write_run, write_trec_qrels):
            with pytest.raises(
                InputError, match=r"(query|passage) id .*\. (Choose another|Remove the character, or .*)\.$"
            ):
                write(tmp_path / "file", by_query)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"q": {}}, 'query "q" has no passages'),
        ({"q": {"d": float("nan")}}, "a score must be a finite number, got nan"),
        ({"q": {"d": float("inf")}}, "a score must be a finite number, got inf"),
        ({"q": {"d": 10**400}}, "a score must be a finite number, got a very large number"),
        ({"q": {"d": "1"}}, 'a score must be a finite number, got "1"'),
        ({"q": {"d": True}}, "a score must be a finite number, got true"),
        ({7: {"d": 1}}, "the query id must be a text, got 7"),
    ],
)
def test_what_could_not_be_read_back_of_a_run_is_refused(run: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_run(tmp_path / "run", run)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_read_back_of_qrels_is_refused(tmp_path: Path) -> None:
    hopeless: list[Any] = [{"q": {"d": 1.5}}, {"q": {"d": True}}, {"q": {"d": 10**9}}, {"q": {"d": -(10**5000)}}, {"q": {}}]
    for qrels in hopeless:
        with pytest.raises(InputError, match=r"(whole number|no passages)"):
            write_trec_qrels(tmp_path / "qrels", qrels)
    with pytest.raises(InputError, match="the tag of a TREC file must have no spaces"):
        write_run(tmp_path / "run", {"q": {"d": 1.0}}, tag="my run")
    assert list(tmp_path.iterdir()) == []


@given(qrels=st.dictionaries(trec_ids, st.dictionaries(trec_ids, grades, min_size=1, max_size=4), max_size=4))
def test_any_qrels_come_back_as_they_were(qrels: Qrels) -> None:
    with folder() as place:
        write_trec_qrels(place / "qrels", qrels)
        assert read_trec_qrels(place / "qrels") == qrels


@given(run=st.dictionaries(trec_ids, st.dictionaries(trec_ids, scores, min_size=1, max_size=4), max_size=4))
def test_any_run_comes_back_as_it_was_in_the_same_order(run: Run) -> None:
    with folder() as place:
        write_run(place / "run", run)
        back = read_run(place / "run")
        assert back == run
        assert [list(back[query]) for query in run] == [sorted(run[query], key=lambda d: -run[query][d]) for query in run]
        write_run(place / "again", back)
        assert (place / "again").read_bytes() == (place / "run").read_bytes()
