"""`python -m reranker_core evaluate`: a table of BM25 and models, files beside it, and what failed in a sentence."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import measure_run, read_task, score_task
from reranker_core.evaluation.command import choose_model
from reranker_core.examples import CorpusEntry, QueryEntry, read_run, write_beir, write_run
from tests.shell import Run, assert_refused, make_run

FISHES = ("cod", "eel", "carp", "pike", "tuna", "bass", "perch", "trout")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return make_run(capsys, monkeypatch, home=tmp_path / "home")


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    corpus = [
        CorpusEntry(id=fish, text=f"the {fish} is a fish that eats number {place}") for place, fish in enumerate(FISHES)
    ]
    queries = [QueryEntry(id=f"q{place}", text=f"which fish eats number {place}?") for place in range(8)]
    qrels = {f"q{place}": {fish: 1, FISHES[place - 1]: 0} for place, fish in enumerate(FISHES)}
    write_beir(tmp_path / "fishes", corpus=corpus, queries=queries, qrels={"test": qrels})
    return tmp_path / "fishes"


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_bm25_alone_is_a_table_and_a_word_on_what_was_ranked(run: Run, beir: Path) -> None:
    result = run("evaluate", beir)
    assert result.code == 0
    head, row = result.out.splitlines()
    assert head.split() == "system nDCG@10 RR@10 judged nDCG@10 judged only pairs/s seconds".split()
    assert row.split() == ["bm25", "1.000", "1.000", "25%", "1.000"]
    assert "fishes (test): 8 queries. Each query ranks the best 100 passages that BM25 finds" in result.err
    assert "grade 1 and more" in result.err


def test_a_run_of_another_name_stands_beside_bm25(run: Run, beir: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "dense.run", {f"q{place}": {"cod": 2.0, "eel": 1.0} for place in range(8)})
    result = run("evaluate", beir, "--run", tmp_path / "dense.run", "--format", "jsonl", "--measures", "R@5")
    assert [(row["system"], row["R@5"]) for row in result.rows] == [("dense", 0.25), ("bm25", 0.25)]
    assert result.rows[1]["verdict"] == "cannot tell"
    assert "bm25 against dense: no difference" in result.err


def test_models_layers_and_fusions_stand_side_by_side_in_table_and_files(
    run: Run, beir: Path, checkpoints: Path, load: Any, tmp_path: Path
) -> None:
    encoder, layerwise = str(checkpoints / "encoder"), str(checkpoints / "layerwise")
    places = ("--output", "table.jsonl", "--by_query", "queries.jsonl", "--runs_dir", "made/runs")
    result = run("evaluate", beir, "--model", encoder, layerwise, "--cutoff_layers", 3, 8, "--fuse", *places)
    assert result.code == 0
    assert f"{encoder} has no cutoff layers and is scored whole" in result.err
    assert f"{layerwise} has no cutoff layers" not in result.err
    rows = read_lines(Path("table.jsonl"))
    expected = ["bm25", encoder, f"{encoder} + bm25"]
    expected += [f"{layerwise}@{layer}{fused}" for layer in (3, 8) for fused in ("", " + bm25")]
    assert [row["system"] for row in rows] == expected
    assert {row["baseline"] for row in rows} == {None, encoder}
    assert "3 of 8" in result.out
    task = read_task(beir)
    for layer, scores in score_task(load("layerwise"), task, cutoff_layers=[3, 8]).items():
        row = next(row for row in rows if row["system"] == f"{layerwise}@{layer}")
        assert row["nDCG@10"] == pytest.approx(measure_run(scores, task.qrels).means["nDCG@10"])
        written = read_run(next(Path("made/runs").glob(f"*layerwise@{layer}.run")))
        assert {query_id: list(row) for query_id, row in written.items()} == {
            query_id: list(row) for query_id, row in scores.items()
        }
    assert len(list(Path("made/runs").iterdir())) == 7
    by_query = read_lines(Path("queries.jsonl"))
    assert len(by_query) == 8 * 7
    assert sum(row["RR@10"] for row in by_query if row["system"] == encoder) / 8 == pytest.approx(rows[1]["RR@10"])


def test_a_model_that_fails_is_named_and_what_is_done_stays(run: Run, beir: Path, checkpoints: Path) -> None:
    encoder = str(checkpoints / "encoder")
    result = run("evaluate", beir, "--model", "./gone", encoder, "--format", "jsonl", "--offline")
    assert result.code == 2
    assert [row["system"] for row in result.rows] == ["bm25", encoder]
    assert 'note: ./gone: "./gone" is no folder here' in result.err
    assert result.err.endswith("1 of 2 models failed, see above: ./gone.\n")


def test_an_adapter_is_named_after_its_base(run: Run, beir: Path, checkpoints: Path) -> None:
    base, adapter = checkpoints / "llm", checkpoints / "adapters" / "adapter-llm"
    result = run("evaluate", beir, "--model", base, f"{base}+{adapter}", "--format", "jsonl", "--max_queries", 7)
    assert result.code == 0
    assert [row["system"] for row in result.rows] == ["bm25", str(base), f"{base}+{adapter}"]
    assert result.rows[1]["nDCG@10"] != result.rows[2]["nDCG@10"]
    assert result.rows[2]["queries"] == 7
    assert f"{base}+{adapter} against {base}: " in result.err


def test_base_and_adapter_are_parted_where_a_folder_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("job+2", "a+b"):
        Path(name).mkdir()
    chosen = choose_model("bge-reranker-base+./job+2", home=None)
    assert (chosen.base, chosen.adapter) == ("bge-reranker-base", "./job+2")
    assert choose_model("./a+b", home=None).adapter is None
    both = choose_model("./a+b+./job+2", home=None)
    assert (both.base, both.adapter) == ("./a+b", "./job+2")
    for wrong in ("bge-reranker-base+./gone", "+./job+2"):
        with pytest.raises(InputError, match="a \\+ and the folder of an adapter"):
            choose_model(wrong, home=None)


def test_what_is_done_is_shown_when_somebody_stops_it(
    run: Run, beir: Path, monkeypatch: pytest.MonkeyPatch, checkpoints: Path
) -> None:
    def press_control_c(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reranker_core.loading.load_reranker", press_control_c)
    result = run("evaluate", beir, "--model", checkpoints / "encoder", "--format", "jsonl")
    assert (result.code, [row["system"] for row in result.rows]) == (130, ["bm25"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--measures", "ndgc@10"], "no measure that is known here. Known"),
        (["--baseline", "bm52"], "Choose one of bm25"),
        (["--split", "dev"], 'no split "dev"'),
        (["--output", "no/such/folder.jsonl"], "--output no/such/folder.jsonl must name a file"),
        (["--model", "bm25+./gone"], "no folder"),
        (["--max_queries", "0"], "max_queries must be at least 1"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_ranked(run: Run, beir: Path, options: list[str], words: str) -> None:
    assert_refused(run("evaluate", beir, *options), words)


def test_a_query_without_candidates_has_no_line_in_the_runs_and_is_counted(run: Run, beir: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "some.run", {"q0": {"cod": 1.0}})
    result = run("evaluate", beir, "--run", tmp_path / "some.run", "--runs_dir", "runs")
    assert result.code == 0
    assert read_run("runs/some.run") == {"q0": {"cod": 1.0}}
    assert "7 queries have no candidates and count as 0" in result.err


def test_bm25_as_a_model_adds_nothing(run: Run, beir: Path) -> None:
    result = run("evaluate", beir, "--model", "bm25", "--format", "jsonl")
    assert [row["system"] for row in result.rows] == ["bm25"]
    assert "adds nothing" in result.err


def test_a_baseline_that_did_not_come_about_is_replaced(run: Run, beir: Path) -> None:
    result = run("evaluate", beir, "--model", "./gone", "--baseline", "./gone", "--format", "jsonl")
    assert (result.code, [row["system"] for row in result.rows]) == (2, ["bm25"])
    assert 'there is no row "./gone"' in result.err


@pytest.mark.slow
def test_bm25_alone_brings_no_torch_in(beir: Path) -> None:
    program = (
        "import sys; from reranker_core.command_line import main; code = main(sys.argv[1:]); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, "evaluate", str(beir)], capture_output=True, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr.decode()
