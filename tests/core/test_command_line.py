"""`python -m reranker_core score|rank|models`: what goes in, what comes out, and one sentence where it cannot."""

import io
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reranker_core import MODELS, load_reranker
from reranker_core.command_line import main
from tests.shell import Result, Run, assert_refused, make_run

PAIRS = [
    ("what is panda?", "The giant panda is a bear species endemic to China."),
    ("大熊猫是什么?", "大熊猫是中国特有的熊科动物。"),
    ("what is panda?", "hi"),
    ("", "an empty query 🐼"),
    ("an empty passage", ""),
    ("ما هو الباندا؟", "a\u2028b\x85c\x00d\te"),
]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Run the command line in this process, with bytes on its standard input."""
    return make_run(capsys, monkeypatch, home=tmp_path_factory.mktemp("home") / "workbench-data")


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """PAIRS as jsonl."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    return path


# What comes out


@pytest.mark.parametrize("model", ["bm25", "encoder", "llm", "layerwise"])
def test_score_writes_the_librarys_scores_in_input_order(
    model: str, run: Run, pairs_file: Path, checkpoints: Path, assert_same: Callable[[Any, Any], None]
) -> None:
    name = model if model == "bm25" else str(checkpoints / model)
    result = run("score", "--model", name, "--input", pairs_file)
    assert (result.code, result.err) == (0, "")
    assert [(row["query"], row["passage"]) for row in result.rows] == PAIRS
    scores = load_reranker(name).score(PAIRS)
    assert_same([row["score"] for row in result.rows], scores.column())
    assert [row["tokens"] for row in result.rows] == list(scores.tokens)
    assert {row.get("layer") for row in result.rows} == {8 if model == "layerwise" else None}


def test_bm25_compares_the_passages_of_a_query_wherever_they_stand(run: Run) -> None:
    lines = ['["a", "a b"]', '["b", "a b"]', '{"query": "a", "passages": ["x", "a"]}']
    result = run("score", stdin="\n".join(lines).encode())
    expected = load_reranker("bm25").score([("a", "a b"), ("b", "a b"), ("a", "x"), ("a", "a")]).column()
    assert [row["score"] for row in result.rows] == pytest.approx(expected)


def test_options_of_score_reach_the_model(run: Run, pairs_file: Path, load: Callable[..., Any], checkpoints: Path) -> None:
    options = {
        "max_length": 48,
        "query_max_length": 5,
        "prompt": "Is B right?",
        "query_instruction": "Q ",
        "passage_instruction": "",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    result = run("score", "--model", checkpoints / "llm", "--input", pairs_file, "--normalize", *arguments)
    expected = load("llm").score(PAIRS, normalize=True, **options)
    assert [row["score"] for row in result.rows] == pytest.approx(expected.column(), abs=1e-6)
    cut = [query + passage for query, passage in zip(expected.cut_query_tokens, expected.cut_passage_tokens, strict=True)]
    assert [row["cut_tokens"] for row in result.rows] == cut
    assert any(cut)


def test_several_cutoff_layers_come_by_layer_in_the_order_asked_for(
    run: Run, pairs_file: Path, load: Callable[..., Any], checkpoints: Path
) -> None:
    result = run("score", "--model", checkpoints / "layerwise", "--input", pairs_file, "--cutoff_layers", 7, 2, 5)
    expected = load("layerwise").score(PAIRS, cutoff_layers=[7, 2, 5])
    assert [list(row["scores"]) for row in result.rows] == [["7", "2", "5"]] * len(PAIRS)
    for row, values in zip(result.rows, expected.values, strict=True):
        assert list(row["scores"].values()) == pytest.approx(values, abs=1e-5)


def test_an_adapter_changes_the_scores_as_in_the_library(run: Run, pairs_file: Path, checkpoints: Path) -> None:
    adapter = checkpoints / "adapters" / "adapter-llm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the adapter names the folder on which it was trained
        result = run("score", "--model", checkpoints / "llm", "--adapter", adapter, "--input", pairs_file)
        expected = load_reranker(checkpoints / "llm", adapter=adapter).compute_score(PAIRS)
    assert [row["score"] for row in result.rows] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("model", ["bm25", "encoder"])
def test_rank_orders_each_query_as_the_library_does(model: str, run: Run, checkpoints: Path) -> None:
    passages = {"what is panda?": ["hi", "a panda", "hi", "the panda is a bear"], "熊猫": ["北京", "大熊猫"]}
    lines = [json.dumps({"query": query, "passages": texts}) for query, texts in passages.items()]
    name = model if model == "bm25" else str(checkpoints / model)
    result = run("rank", "--model", name, "--top_k", 3, stdin="\n".join(lines).encode())
    assert result.code == 0
    expected = [
        (query, place.rank, place.index, pytest.approx(place.score, abs=1e-5), place.passage)
        for query, texts in passages.items()
        for place in load_reranker(name).rank(query, texts, top_k=3)
    ]
    assert [tuple(row.values()) for row in result.rows] == expected
    assert list(result.rows[0]) == ["query", "rank", "index", "score", "passage"]


def test_rank_gives_equal_passages_one_rank_in_input_order(run: Run) -> None:
    result = run("rank", "--query", "panda", stdin=b"bear\npanda\npanda\nbear\n")
    assert [(row["rank"], row["index"]) for row in result.rows] == [(1, 1), (1, 2), (3, 0), (3, 3)]


@pytest.mark.parametrize("command", ["score", "rank"])
def test_no_rows_give_no_output(command: str, run: Run) -> None:
    for output_format in ("jsonl", "table"):
        assert run(command, "--output_format", output_format, stdin=b"\n\n") == Result(
            0, "", "note: the input has no rows\n"
        )


def test_a_table_is_aligned_and_shows_a_text_on_one_line(run: Run) -> None:
    result = run("rank", "--query", "panda", "--output_format", "table", stdin=b"a panda\nb\tc  " + b"long " * 100)
    header, *lines = result.out.splitlines()
    assert header.split() == ["query", "rank", "index", "score", "passage"]
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert max(map(len, lines)) < 120
    assert all(line.index(text) == header.index("passage") for line, text in zip(lines, ["a panda", "b c"], strict=True))
    assert re.search(r" 1 +0 +0\.\d{4} ", lines[0])


def test_a_table_shows_several_layers_in_one_column(run: Run, checkpoints: Path) -> None:
    arguments = ["--cutoff_layers", "2", "8", "--output_format", "table"]
    result = run("score", "--model", checkpoints / "layerwise", *arguments, stdin=b'["q", "p"]')
    assert re.search(r"2: -?\d\.\d{4}  8: -?\d\.\d{4}", result.out)


@pytest.mark.usefixtures("published_cache")
def test_models_lists_the_catalogue_and_what_is_ready(run: Run) -> None:
    rows = run("models").rows
    assert [row["name"] for row in rows] == [model.name for model in MODELS]
    ready = [row["name"] for row in rows if row["ready"] == "ready"]
    published = ["bge-reranker-v2-m3", "bge-reranker-v2-gemma", "bge-reranker-v2-minicpm-layerwise"]
    assert ready == ["bm25", "starter-encoder", *published]
    assert rows[-1]["layers"] == "8-40"
    assert all(model.advice == row["advice"] for model, row in zip(MODELS, rows, strict=True))
    table = run("models", "--output_format", "table").out
    assert len(table.splitlines()) == 1 + len(MODELS)


# What goes in


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("a.jsonl", '["q", "p"]\n{"query": "q", "passage": "r"}\n', []),
        ("a.json", '{"query": "q", "passages": ["p", "r"]}', []),
        ("a.tsv", "q\tp\r\nq\tr\r\n", []),
        ("a.txt", "q\tp\n\nq\tr\n", ["--input_format", "tsv"]),
        ("a.txt", "p\nr\n", ["--query", "q"]),
        ("a.jsonl", "p\nr\n", ["--query", "q"]),
        ("a", '["q", "p"]\n["q", "r"]', []),
    ],
)
def test_the_three_formats_are_read_from_a_file_and_from_standard_input(
    name: str, text: str, arguments: list[str], run: Run, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    from_file = run("score", "--input", path, *arguments)
    assert [(row["query"], row["passage"]) for row in from_file.rows] == [("q", "p"), ("q", "r")]
    if not arguments and path.suffix == ".tsv":
        arguments = ["--input_format", "tsv"]
    assert run("score", *arguments, stdin=text.encode()) == from_file
    assert run("score", "--input", "-", *arguments, stdin=text.encode()) == from_file


def test_texts_of_every_script_come_out_as_they_went_in(run: Run, tmp_path: Path, pairs_file: Path) -> None:
    from_file = run("score", "--input", pairs_file)
    assert "大熊猫" in from_file.out
    assert run("score", stdin=pairs_file.read_bytes()) == from_file
    assert run("score", "--input", pairs_file, "--output", tmp_path / "out.jsonl") == Result(0, "", "")
    assert (tmp_path / "out.jsonl").read_bytes().decode() == from_file.out


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_carriage_return_inside_a_line_is_part_of_the_text(source: str, run: Run, tmp_path: Path) -> None:
    path, content = tmp_path / "a.txt", b"one\rline\r\n"
    path.write_bytes(content)
    from_file = ["--input", str(path)] if source == "file" else []
    assert [row["passage"] for row in run("score", "--query", "q", *from_file, stdin=content).rows] == ["one\rline"]


def test_a_query_of_the_command_line_is_not_dropped_in_silence(run: Run) -> None:
    result = run("score", "--query", "mine", "--input_format", "tsv", stdin=b"theirs\tp")
    assert result.code == 2
    assert "--query" in result.err


# What cannot be done


@pytest.mark.parametrize("command", ["score", "rank"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "no valid JSON"),
        (b'{"query": "q"}', '"passage" is missing'),
        (b'{"query": "q", "passage": 3}', '"passage" must be a text'),
        (rb'{"query": "q", "passage": "\ud83d"}', "surrogate"),
        (b'["q", "\xff"]', "UTF-8"),
    ],
)
def test_a_bad_row_stops_everything_and_is_named_by_its_line(
    command: str, line: bytes, message: str, run: Run, tmp_path: Path
) -> None:
    rows = b'["q", "p"]\n' * 2000 + line + b'\n["q", "p"]\n'
    path, out = tmp_path / "pairs.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(rows)
    assert_refused(run(command, "--input", path, "--output", out), f"{path}:2001:", message)
    assert_refused(run(command, stdin=rows), "standard input:2001:", message)
    assert [file.name for file in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_a_bad_row_is_found_before_the_model_is_loaded(run: Run) -> None:
    result = run("score", "--model", "someone/absent-model", "--offline", stdin=b"{")
    assert_refused(result, "standard input:1:")


def test_a_missing_file_a_folder_and_an_unwritable_output_are_named(run: Run, tmp_path: Path) -> None:
    absent = tmp_path / "absent.jsonl"
    assert_refused(run("score", "--input", absent), str(absent), "No such file")
    assert_refused(run("score", "--input", tmp_path), str(tmp_path), "Is a directory")
    unwritable = tmp_path / "absent" / "out.jsonl"
    assert_refused(run("score", "--output", unwritable, stdin=b'["q", "p"]'), str(unwritable.parent))


@pytest.mark.parametrize("model", ["bge-reranker-base", "someone/absent-model", "nonsense", "./absent-folder"])
@pytest.mark.parametrize("offline", [[], ["--offline"]])
def test_a_model_that_is_not_here_is_said_in_one_line(model: str, offline: list[str], run: Run) -> None:
    result = run("score", "--model", model, *offline, stdin=b'["q", "p"]')
    assert_refused(result, model)
    if model in ("bge-reranker-base", "someone/absent-model"):
        assert ("cannot be reached" in result.err) == (not offline)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "--normalize"], "no logits"),
        (["score", "--max_length", "100"], "max_length"),
        (["score", "--cutoff_layers", "8"], "cutoff_layers"),
        (["score", "--model", "ENCODER", "--cutoff_layers", "8"], "cutoff_layers"),
        (["score", "--model", "ENCODER", "--prompt", "Why?"], "prompt"),
        (["score", "--model", "ENCODER", "--max_length", "100000"], "from 1 to 512"),
        (["score", "--model", "LAYERWISE", "--cutoff_layers", "9"], "2 to 8"),
        (["score", "--model", "LAYERWISE", "--cutoff_layers", "1", "3"], "2 to 8"),
        (["score", "--model", "ENCODER", "--device", "gpu"], "cpu"),
        (["score", "--model", "ENCODER", "--dtype", "int8"], "float32"),
        (["rank", "--top_k", "0"], "--top_k"),
        (["rank", "--model", "LAYERWISE", "--cutoff_layers", "2", "3"], "one cutoff layer"),
        (["score", "--input_format", "lines"], "--query"),
        (["score", "--adapter", "somewhere"], "adapter"),
    ],
)
def test_an_argument_that_does_not_apply_is_named_in_one_line(
    arguments: list[str], message: str, run: Run, checkpoints: Path
) -> None:
    folders = {"ENCODER": str(checkpoints / "encoder"), "LAYERWISE": str(checkpoints / "layerwise")}
    known = [folders.get(argument, argument) for argument in arguments]
    assert_refused(run(*known, stdin=b'["q", "p"]'), message)


def test_what_is_only_noted_goes_to_standard_error(run: Run, checkpoints: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = run("score", "--model", checkpoints / "encoder", "--dtype", "float16", stdin=b'["q", "p"]')
    assert result.code == 0
    assert len(result.rows) == 1
    assert re.fullmatch(r"note: float16 on the CPU .*\n", result.err)


@pytest.mark.parametrize("arguments", [[], ["scroe"], ["score", "--modle", "x"], ["score", "--top_k", "3"]])
def test_an_unknown_command_or_option_is_refused(
    arguments: list[str], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "usage: python -m reranker_core" in capsys.readouterr().err


OUTPUT_OPTIONS = "output output_format home"
SCORE_OPTIONS = (
    f"{OUTPUT_OPTIONS} input input_format query model adapter device dtype cutoff_layers normalize max_length "
    "query_max_length prompt query_instruction passage_instruction offline"
)


@pytest.mark.parametrize(
    ("command", "options"),
    [("score", SCORE_OPTIONS), ("rank", f"{SCORE_OPTIONS} top_k"), ("models", f"{OUTPUT_OPTIONS} add forget adapter as")],
)
def test_help_explains_every_option(command: str, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    help_text = capsys.readouterr().out
    explained = re.findall(r"^  --(\w+)(?: [^\n]*?)?(?:  +|\n {10,})\w", help_text, flags=re.MULTILINE)
    assert sorted(explained) == sorted(options.split())


# Long runs


def test_a_file_appears_only_when_it_is_complete(
    run: Run, tmp_path: Path, copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    damaged = copy_checkpoint("encoder")

    def spoil_one_token(tensors: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        (token,) = Tokenizer.from_file(str(damaged / "tokenizer.json")).encode("熊", add_special_tokens=False).ids[-1:]
        tensors["roberta.embeddings.word_embeddings.weight"][token] = float("nan")

    edit_tensors(damaged / "model.safetensors", spoil_one_token)
    out = tmp_path / "out.jsonl"
    good = b'["q", "p"]\n' * 1500
    assert run("score", "--model", damaged, "--output", out, stdin=good) == Result(0, "", "")
    before = out.read_text(encoding="utf-8")
    assert before.count("\n") == 1500
    failed = run("score", "--model", damaged, "--output", out, stdin=good + '["q", "熊"]'.encode())
    note, sentence = failed.err.splitlines()
    assert (failed.code, failed.out) == (2, "")
    assert "not finite" in sentence
    assert note.startswith("note: the rows that were done are in")
    assert (tmp_path / "out.jsonl.part").read_text(encoding="utf-8").count("\n") == 1024
    assert out.read_text(encoding="utf-8") == before


@pytest.mark.slow
@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_long_run_shows_its_progress_on_a_terminal_only(
    is_terminal: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    rows = [[f"熊猫 {number}", "大熊猫以竹子为食" * 40_000] for number in range(12)]
    assert run("score", stdin="\n".join(map(json.dumps, rows)).encode()).code == 0
    assert bool(re.search(r"\d/12 ", terminal.getvalue())) == is_terminal
    assert bool(terminal.getvalue()) == is_terminal


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('["panda", "a panda"]\n' * 20_000, encoding="utf-8")
    command = [sys.executable, "-m", "reranker_core", "score", "--input", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["query"] == "panda"
        process.stdout.close()
        message = process.stderr.read().decode()
        assert (process.wait(timeout=60), message) == (0, "")
