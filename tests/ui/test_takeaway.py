"""What is taken away gives the same scores again: each kind is run, or read by the program that people read it with."""

import ast
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ui.comparison import SIGMOID, Comparison
from ui.formatting import describe_comparison
from ui.passages import read_passages_file
from ui.scoring import score_comparison
from ui.services import Services
from ui.takeaway import KINDS, as_csv, as_curl, as_json, as_python, take_away

QUERY = "what's a \"panda\"?\n\x00 \u202e熊猫\r\n\\n 'JSON'"
PASSAGES = (
    "A panda is a bear.",
    "JSON",
    "before\nJSON\nafter",
    "$(touch executed) `touch executed` ; touch executed #",
    "'; touch executed; '",
    '""" + open(\'executed\', \'w\') + """',
    "\\'; \\\" $HOME ${HOME} !! %s {passage} \\",
    "=1+1",
    "NUL\x00inside",
    "win\r\nunix\n",
    "mac\rinside",
    "\u202eright to left\u2028separator\x85",
    "🐼",
    "a, b; c\td",
    "NA",
    "  spaces  ",
)
ADDRESS = "http://127.0.0.1:7860/"


@pytest.fixture(scope="module")
def local(services: Services, checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services of the launched app with two models added, one in a folder of an awkward name."""
    folder = Path(
        shutil.copytree(checkpoints / "encoder", tmp_path_factory.mktemp("models") / 'it\'s $(touch executed) "熊猫"')
    )
    services.local_models.add(str(folder), name="it's `touch executed`")
    services.local_models.add(str(checkpoints / "layerwise"), name="layers")
    yield services
    services.local_models.forget("it's `touch executed`")
    services.local_models.forget("layers")


ASKED = Comparison(
    query=QUERY,
    passages=PASSAGES,
    models=("bm25", "it's `touch executed`", "layers"),
    layers=(5, 2),
    scale=SIGMOID,
    max_length=40,
    query_max_length=9,
    prompt="Is it \"so\"?\n'Yes' or No$(touch executed)",
    query_instruction="",
)


@pytest.fixture(scope="module")
def shown(local: Services) -> dict[str, Any]:
    """What the screen shows for `ASKED`, as the page has it: once through JSON."""
    results, problem = score_comparison(local, ASKED)
    assert problem == ""
    value: dict[str, Any] = json.loads(json.dumps(describe_comparison(ASKED, results)))
    return value


def close(columns: list[dict[str, Any]]) -> list[Any]:
    return [pytest.approx(column["scores"], abs=1e-5) for column in columns]


@pytest.mark.slow
def test_the_python_script_prints_the_scores_of_the_screen(
    local: Services, shown: dict[str, Any], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    (tmp_path / "comparison.py").write_text(as_python(local, ASKED), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "comparison.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(pytestconfig.rootpath), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = [re.fullmatch(r"(.*) (None|\d+) (\[.*\])", line) for line in done.stdout.splitlines()]
    found = [(line[1], ast.literal_eval(line[2]), ast.literal_eval(line[3])) for line in printed if line]
    assert [(title, layer) for title, layer, _ in found] == [
        (column["model"], column["layer"]) for column in shown["columns"]
    ]
    assert [values for _, _, values in found] == close(shown["columns"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.py"]


def test_all_layers_are_in_the_script_and_an_adapter_is_named(services: Services, checkpoints: Path) -> None:
    adapter = checkpoints / "adapters" / "adapter-layerwise"
    model, _ = services.local_models.add(str(checkpoints / "layerwise"), adapter=str(adapter), name="adapted")
    asked = Comparison(query="q", passages=("a",), models=(model.name,), layers=(5,), all_layers=True)
    script = as_python(services, asked)
    services.local_models.forget("adapted")
    assert f"load_reranker({str(checkpoints / 'layerwise')!r}, adapter={str(adapter)!r}, max_layer=8)" in script
    assert "reranker.score(pairs, cutoff_layers=[2, 3, 4, 5, 6, 7, 8])" in script


def test_options_at_their_default_are_left_out_of_the_script(local: Services) -> None:
    script = as_python(local, Comparison(query="q", passages=("a",), models=("bm25", "bge-reranker-v2-m3", "layers")))
    assert script.count("scores = reranker.score(pairs)\n") == 2
    assert "load_reranker('bge-reranker-v2-m3')" in script
    assert "score(pairs, cutoff_layers=[8])" in script


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_shell_script_gets_the_scores_of_the_screen_and_runs_nothing_else(
    app_url: str, local: Services, shown: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "comparison.sh").write_text(as_curl(local, ASKED, app_url), encoding="utf-8")
    done = subprocess.run(
        ["/bin/sh", "comparison.sh"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line.removeprefix("data: "))[0] for line in done.stdout.splitlines() if line.startswith("data: ")]
    assert [answer["model"] for answer in answers] == list(ASKED.models)
    assert [layer for answer in answers for layer in answer["layers"]] == [None, None, 2, 5]
    assert [values for answer in answers for values in answer["scores"]] == close(shown["columns"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.sh"]


def test_texts_in_the_shell_script_hold_nothing_that_a_shell_might_read(local: Services) -> None:
    script = as_curl(local, ASKED, ADDRESS)
    assert script.isascii()
    bodies = [line for line in script.splitlines() if line.startswith("{")]
    assert len(bodies) == 3
    for body in bodies:
        assert not re.search(r"[`'()$]|\\[\"\\]", body)
        assert json.loads(body)["data"][:2] == [QUERY, list(PASSAGES)]


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:7860",
        "http://localhost:7860/",
        "https://user-space.hf.space/",
        "http://[::1]:7860/",
        "https://lab.example.org/user/me@x/proxy/7860/a%20b/",
    ],
)
def test_the_address_of_the_page_is_asked(local: Services, address: str) -> None:
    script = as_curl(local, Comparison(query="q", passages=("a",), models=("bm25",)), address)
    assert f"'{address.rstrip('/')}/gradio_api/call/score'" in script


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:7860",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http://host/'; touch executed; '",
        'http://host/"',
        "http://host/$(touch executed)",
        "http://host/$HOME",
        "http://host/`id`",
        "http://host/a b",
        "http://host/\\",
        "http://host/{a,b}[1-9]",
        "http://host/?a=b&c",
        "http://host/#c=x",
        "http://host\n/",
        "http://host/\n",
        "http://höst/",
        "http://user:password@host/",
        None,
        5,
        ["http://host/"],
    ],
)
def test_an_address_that_is_none_of_a_page_is_refused(local: Services, address: Any) -> None:
    answer = take_away(local, {"kind": "curl", "request": ASKED.to_json(), "address": address})
    assert answer.keys() == {"error"}
    assert answer["error"].startswith("The address must be that of this page, like https://host/path, got ")


def test_the_json_is_read_back_as_the_same_texts_and_scores(shown: dict[str, Any], tmp_path: Path) -> None:
    asked = Comparison(query=QUERY, passages=(*PASSAGES, "", " \n"), models=("bm25",))
    results, _ = score_comparison(Services(), asked)
    path = tmp_path / "comparison.json"
    path.write_text(as_json(asked, describe_comparison(asked, results)), encoding="utf-8")
    read = read_passages_file(path)
    assert (read.query, tuple(read.passages)) == (asked.query, asked.passages)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert Comparison.from_json(content["comparison"]) == asked
    assert content["columns"][0]["scores"] == results[0].scores.column()

    content = json.loads(as_json(ASKED, shown))
    assert [column["scores"] for column in content["columns"]] == [column["scores"] for column in shown["columns"]]
    assert content["columns"][2].keys() == {"title", "model", "layer", "scores", "ranks"}
    assert content["layers"] == shown["layers"]
    assert content["models"] == shown["models"]


@pytest.mark.parametrize("engine", ["csv", "pandas"])
def test_the_csv_is_read_back_as_the_same_texts_and_scores(shown: dict[str, Any], tmp_path: Path, engine: str) -> None:
    text = as_csv(ASKED, shown)
    path = tmp_path / "comparison.csv"
    path.write_bytes(text.encode())
    heads = [
        "query",
        "passage",
        *(f"{column['title']} {what}" for column in shown["columns"] for what in ("score", "rank")),
    ]
    if engine == "csv":
        first, *rows = csv.reader(io.StringIO(text, newline=""))
        by_head = {head: [row[place] for row in rows] for place, head in enumerate(first)}
    else:
        # Without keep_default_na, pandas takes the text "NA" for a missing value.
        frame = pd.read_csv(path, float_precision="round_trip", keep_default_na=False)
        by_head = {str(head): frame[head].tolist() for head in frame.columns}
    assert list(by_head) == heads
    assert by_head["passage"] == list(PASSAGES)
    assert by_head["query"] == [QUERY] * len(PASSAGES)
    for column in shown["columns"]:
        assert [float(value) for value in by_head[f"{column['title']} score"]] == column["scores"]
        assert [int(value) for value in by_head[f"{column['title']} rank"]] == column["ranks"]


def test_the_csv_is_also_a_file_of_passages(shown: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "comparison.csv"
    path.write_bytes(as_csv(ASKED, shown).encode())
    read = read_passages_file(path)
    assert (read.query, tuple(read.passages)) == (QUERY, PASSAGES)


def test_each_kind_comes_with_a_name_for_its_file(local: Services, shown: dict[str, Any]) -> None:
    wanted = {"request": shown["request"], "result": shown, "address": ADDRESS}
    answers = {kind: take_away(local, wanted | {"kind": kind}) for kind in KINDS}
    assert {kind: answer["file"] for kind, answer in answers.items()} == {
        "python": "comparison.py",
        "curl": "comparison.sh",
        "json": "comparison.json",
        "csv": "comparison.csv",
    }
    assert answers["csv"]["text"] == as_csv(ASKED, shown)
    assert answers["json"]["text"] == as_json(ASKED, shown)
    assert answers["python"]["text"] == as_python(local, ASKED)
    assert answers["curl"]["text"] == as_curl(local, ASKED, ADDRESS)


REQUEST = {"query": "q", "passages": ["a", "b"], "models": ["bm25"]}
COLUMN = {"title": "BM25", "model": "BM25", "layer": None, "scores": [1.0, 0.0], "ranks": [1, 2]}


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (None, "A comparison is taken away as python, curl, json, csv. Choose one."),
        ("python", "A comparison is taken away as"),
        ({}, "A comparison is taken away as"),
        ({"kind": "exe", "request": REQUEST}, "A comparison is taken away as"),
        ({"kind": ["python"], "request": REQUEST}, "A comparison is taken away as"),
        ({"kind": "python"}, "A comparison is a JSON object."),
        ({"kind": "python", "request": "q"}, "A comparison is a JSON object."),
        ({"kind": "python", "request": {"query": "q"}}, "The comparison lacks 'passages'."),
        ({"kind": "python", "request": REQUEST | {"models": ["forgotten"]}}, 'There is no model "forgotten".'),
        ({"kind": "json", "request": REQUEST}, "There is no result to take away yet. Press Score first."),
        ({"kind": "csv", "request": REQUEST, "result": []}, "There is no result to take away yet."),
        ({"kind": "csv", "request": REQUEST, "result": {"columns": None}}, "There is no result to take away yet."),
        ({"kind": "csv", "request": REQUEST, "result": {"columns": ["x"]}}, "The result does not hold a score for each"),
        ({"kind": "json", "request": REQUEST, "result": {"columns": [{}]}}, "The result does not hold a score for each"),
        (
            {"kind": "csv", "request": REQUEST, "result": {"columns": [COLUMN | {"ranks": None}]}},
            "The result does not hold a score for each of the 2 passages. Press Score again.",
        ),
        (
            {"kind": "json", "request": REQUEST, "result": {"columns": [COLUMN, COLUMN | {"scores": [1.0]}]}},
            "The result does not hold a score for each of the 2 passages.",
        ),
    ],
)
def test_what_cannot_be_taken_away_gets_a_sentence(wanted: Any, sentence: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = take_away(Services(), wanted)
    assert answer.keys() == {"error"}
    assert answer["error"].startswith(sentence)
    assert not caplog.records


def test_a_script_with_folders_of_a_server_is_not_handed_to_strangers(local: Services) -> None:
    hosted = Services(local_models=local.local_models)
    name = local.local_models.list()[0].name
    wanted = {"kind": "python", "request": {"query": "q", "passages": ["p"], "models": ["bm25", name]}}
    answer = take_away(hosted, wanted)
    assert answer == {"error": f"{name} lies on this server, where a script of yours cannot load it. Copy as curl instead."}
    wanted["request"]["models"] = ["bm25"]  # type: ignore[index]
    assert "load_reranker('bm25')" in take_away(hosted, wanted)["text"]
