"""`python -m reranker_core.mining`: files in, files out, and one sentence where it cannot."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reranker_core.examples import (
    CorpusEntry,
    QueryEntry,
    TrainingExample,
    read_run,
    read_training_jsonl,
    write_beir,
)
from reranker_core.mining import mine_negatives, pool_candidates
from reranker_core.mining.command_line import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in a folder of its own; give its exit status and what it said. Standard output stays empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", str(tmp_path / "home"))

    def run_main(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert out == ""
        return code, err

    return run_main


@pytest.fixture
def beir(tmp_path: Path, queries: dict[str, str], corpus: dict[str, str]) -> Path:
    """The corpus as a BEIR folder: some graded 2, 1, 0 and -1, one positive that is empty."""
    write_beir(
        tmp_path / "beir",
        corpus=[CorpusEntry(id=one, text=text) for one, text in corpus.items()],
        queries=[QueryEntry(id=one, text=text) for one, text in queries.items()],
        qrels={
            "train": {"q1": {"d0": 2, "d1": 1, "d2": 0, "d3": -1, "empty": 2}, "q2": {"d4": 0}},
            "test": {"q1": {"d8": 0}, "q3": {"cat": 1}},
        },
    )
    return tmp_path / "beir"


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_pool_writes_the_librarys_candidates_as_a_run_and_as_pairs(
    run: Run, beir: Path, queries: dict[str, str], corpus: dict[str, str], checkpoints: Path, load: Callable[..., Any]
) -> None:
    model = str(checkpoints / "layerwise")
    how = ("--depth", 3, "--first_stage", 6, "--seed", 4, "--cutoff_layers", 3, 8, "--max_queries", 2)
    code, said = run("pool", beir, "--output", "p.run", "--pairs", "p.jsonl", "--model", model, *how)
    first_two = dict(list(queries.items())[:2])
    expected = pool_candidates(
        first_two, corpus, rerankers=[(model, load("layerwise"))], depth=3, first_stage=6, seed=4, cutoff_layers=[3, 8]
    )
    assert code == 0
    assert read_run("p.run") == expected.run
    rows = read_lines(Path("p.jsonl"))
    passages = [passage for candidates in expected.candidates.values() for passage in candidates]
    assert [(row["passage_id"], row["source"], row["rank"]) for row in rows] == [
        (passage.passage_id, passage.source, passage.rank) for passage in passages
    ]
    assert all((row["query"], row["passage"]) == (queries[row["query_id"]], corpus[row["passage_id"]]) for row in rows)
    assert f"{len(rows)} candidates for 2 queries by bm25, {model}@3, {model}@8; " in said
    assert "left out: 2 empty passages, 1 with the text of an earlier one" in said


def test_pool_reads_two_files_and_names_queries_without_a_match(run: Run, beir: Path, tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text(
        '{"_id": "a", "text": "pandas"}\n{"_id": "b", "text": "unheard"}\n', encoding="utf-8"
    )
    code, said = run("pool", "--queries", "more.jsonl", "--corpus", beir / "corpus.jsonl", "--output", "p.run")
    assert code == 0
    assert "1 queries have no word in common with any passage and got random ones only: b\n" in said
    assert set(read_run("p.run")) == {"a", "b"}


def test_negatives_fill_training_rows_from_their_own_passages(run: Run) -> None:
    rows = [
        TrainingExample(query="panda", pos=("a panda",), neg=("a crane",), prompt="P"),
        TrainingExample(query="panda", pos=("the panda bear",), prompt="P"),
        TrainingExample(query="crane", pos=("the crane",), neg=("n1", "n2", "n3"), prompt="P"),
    ]
    write_rows_as_they_are(Path("train.jsonl"), rows)
    code, said = run("negatives", "train.jsonl", "--output", "filled.jsonl", "--negatives", 3)
    filled = list(read_training_jsonl("filled.jsonl"))
    assert code == 0
    assert [(row.query, row.pos, row.prompt) for row in filled] == [(row.query, row.pos, row.prompt) for row in rows]
    assert filled[0].neg[0] == "a crane"
    assert filled[2] == rows[2]
    assert [len(set(row.neg)) for row in filled] == [3, 3, 3]
    for row in filled[:2]:
        assert not {"a panda", "the panda bear"} & set(row.neg), "an answer of the same query in another row"
    assert "3 rows with 9 negatives, 5 of them new" in said
    assert "some may be answers" in said


def test_an_answer_in_a_row_that_lacks_nothing_is_no_negative_of_the_same_query_in_another(run: Run) -> None:
    rows = [
        TrainingExample(query="panda", pos=("a panda",), neg=("n1", "n2", "n3"), prompt="P"),
        TrainingExample(query="panda", pos=("the panda bear",), prompt="P"),
        TrainingExample(query="crane", pos=("the crane",), neg=("n1", "n2", "n3"), prompt="P"),
    ]
    write_rows_as_they_are(Path("train.jsonl"), rows)
    code, _ = run("negatives", "train.jsonl", "--output", "filled.jsonl", "--negatives", 3)
    filled = list(read_training_jsonl("filled.jsonl"))
    assert code == 0
    assert (filled[0], filled[2]) == (rows[0], rows[2])
    assert len(filled[1].neg) == 3
    assert "a panda" not in filled[1].neg


def test_what_another_split_grades_for_a_query_of_the_same_text_is_no_negative(run: Run, tmp_path: Path) -> None:
    texts = {"yes": "a panda", "also": "the panda", "no": "panda club", "far": "a crane", "near": "panda food"}
    write_beir(
        tmp_path / "twice",
        corpus=[CorpusEntry(id=one, text=text) for one, text in texts.items()],
        queries=[QueryEntry(id="q1", text="panda"), QueryEntry(id="q2", text="panda")],
        qrels={"train": {"q1": {"yes": 1}}, "test": {"q2": {"also": 1, "no": 0}}},
    )
    assert run("negatives", "twice", "--output", "out.jsonl", "--prompt", "P")[0] == 0
    [row] = read_training_jsonl("out.jsonl")
    assert row.neg == ("panda food", "a crane")


def test_negatives_of_a_model_keep_what_may_be_an_answer_apart(
    run: Run, corpus: dict[str, str], checkpoints: Path, load: Callable[..., Any]
) -> None:
    query = "what do pandas eat?"
    answer = sorted(set(corpus.values()), key=lambda text: load("encoder").compute_score((query, text)))[-4]
    write_rows_as_they_are(Path("train.jsonl"), [TrainingExample(query=query, pos=(answer,))])
    lines = [json.dumps({"_id": one, "title": "", "text": text}) for one, text in corpus.items()]
    Path("corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    model = ("--corpus", "corpus.jsonl", "--model", checkpoints / "encoder", "--max_relative", 1)
    code, said = run(
        "negatives", "train.jsonl", *model, "--output", "out.jsonl", "--doubtful", "doubt.jsonl", "--prompt", "P"
    )
    assert code == 0, said
    texts = corpus | {"answer": answer}
    [mined] = mine_negatives({"q": query}, texts, {"q": ["answer"]}, reranker=load("encoder"), max_relative=1).values()
    [row] = read_training_jsonl("out.jsonl")
    assert row.neg == tuple(texts[passage.passage_id] for passage in mined.negatives)
    assert row.prompt == "P"
    assert mined.doubtful
    assert [(one["passage"], one["source"]) for one in read_lines(Path("doubt.jsonl"))] == [
        (texts[passage.passage_id], passage.source) for passage in mined.doubtful
    ]
    assert f"{len(mined.doubtful)} passages may be answers and are to be labelled; they are in doubt.jsonl" in said


def test_negatives_of_a_beir_folder_leave_out_whatever_was_graded(run: Run, beir: Path, corpus: dict[str, str]) -> None:
    code, said = run("negatives", beir, "--output", "out.jsonl", "--positive_from", 2, "--negatives", 30)
    [row] = read_training_jsonl("out.jsonl")
    assert code == 0
    assert (row.pos, row.neg[0], len(row.neg)) == ((corpus["d0"],), corpus["d2"], 30)
    assert not {corpus[one] for one in ("d1", "d3", "d8")} & set(row.neg)
    assert "1 queries were left out: they have no positive" in said


def test_a_row_that_finds_no_negative_is_left_out_and_counted(run: Run) -> None:
    both = [TrainingExample(query="panda", pos=("a panda",)), TrainingExample(query="panda", pos=("a bear",), neg=("x",))]
    write_rows_as_they_are(Path("train.jsonl"), [*both[:1], TrainingExample(query="a panda", pos=("panda",))])
    code, said = run("negatives", "train.jsonl", "--output", "out.jsonl")
    assert (code, said.count("\n")) == (2, 1)
    assert "No negative was found for any of the 2 rows" in said
    write_rows_as_they_are(Path("train.jsonl"), [*both, TrainingExample(query="x", pos=("a panda", "a bear"))])
    code, said = run("negatives", "train.jsonl", "--output", "out.jsonl")
    assert code == 0
    assert "1 rows were left out: no negative was found for them" in said
    assert len(list(read_training_jsonl("out.jsonl"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pool", "--output", "p"], "Give a BEIR folder, or --queries and --corpus."),
        (["pool", "beir", "--corpus", "c", "--output", "p"], "Give a BEIR folder, or --queries and --corpus."),
        (["pool", "nowhere", "--output", "p"], "no BEIR folder"),
        (["pool", "beir", "--output", "p", "--depth", "0"], "depth must be at least 1"),
        (["pool", "beir", "--output", "p", "--model", "BM25"], '"BM25" cannot be the reranker'),
        (["pool", "beir", "--output", "p", "--model", "nobody/nothing", "--offline"], "nobody/nothing"),
        (["pool", "beir", "--output", "p", "--max_queries", "0"], "--max_queries must be at least 1"),
        (["negatives", "beir", "--output", "p", "--split", "dev"], 'no split "dev". There are: train, test.'),
        (["negatives", "rows.jsonl", "--output", "p"], "rows.jsonl:1: "),
        (["negatives", "scored.jsonl", "--output", "p"], "row 1 has a teacher's scores and too few negatives"),
        (["negatives", "beir", "--output", "p", "--max_relative", "2"], "max_relative must be above 0"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_what_was_there_stays(
    arguments: list[str], message: str, run: Run, beir: Path
) -> None:
    Path("p").write_text("of before", encoding="utf-8")
    Path("rows.jsonl").write_text('{"query": "a"}\n', encoding="utf-8")
    Path("scored.jsonl").write_text('{"query": "a", "pos": ["b"], "pos_scores": [1.0]}\n', encoding="utf-8")
    code, said = run(*arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert message in said
    assert Path("p").read_text(encoding="utf-8") == "of before"


def test_bm25_alone_brings_no_torch_in(beir: Path) -> None:
    code = """
import sys
from reranker_core.mining.command_line import main
assert main(["pool", "beir", "--output", "p.run"]) == 0
assert not {"torch", "transformers", "gradio"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=beir.parent)
    assert done.returncode == 0, done.stderr


def write_rows_as_they_are(path: Path, rows: list[TrainingExample]) -> None:
    """Write rows that a person brings: negatives may be missing, which `write_training_jsonl` would not let pass."""
    texts = ({"query": row.query, "pos": row.pos, "neg": row.neg, "prompt": row.prompt} for row in rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
