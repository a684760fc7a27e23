"""A report as a file: what was written is read again, what is damaged is refused, and the page shows texts as they are."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.reports import Report, read_report, write_report
from reranker_core.reports.markdown import escape
from reranker_core.reports.parts import PassageMove, QueryChange
from reranker_core.reports.report_files import JSON_NAME
from tests.core.reports.conftest import Run


def test_a_report_survives_json_and_the_folder(report: Report, tmp_path: Path) -> None:
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report

    write_report(report, tmp_path)

    assert read_report(tmp_path) == report
    assert (tmp_path / "report.md").read_text(encoding="utf-8").rstrip("\n") == report.to_markdown().rstrip("\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.pop("measures"), "lacks measures"),
        (lambda values: values.update(queries="many"), "report.queries must be int"),
        (lambda values: values["regression"]["pairs"][0].update(query=None), r"pairs\[0\].query must be str"),
        (lambda values: values["made_of"].update(settings=[]), "settings must be an object"),
        (lambda values: values.update(wins="none"), "wins must be a list"),
        (lambda values: values.update(verdict="splendid"), "verdict must be one of"),
        (lambda values: values.update(format=2), "format 2"),
    ],
)
def test_a_damaged_report_is_refused_with_the_place(
    change: Callable[[dict[str, Any]], object], said: str, report: Report, tmp_path: Path
) -> None:
    values = report.to_dict()
    change(values)
    (tmp_path / JSON_NAME).write_text(json.dumps(values), encoding="utf-8")

    with pytest.raises(InputError, match=said):
        read_report(tmp_path)


@pytest.mark.parametrize("content", [None, "", "[]", '{"verdict": "bet'])
def test_a_folder_without_a_whole_report_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / JSON_NAME).write_text(content, encoding="utf-8")

    with pytest.raises(InputError):
        read_report(tmp_path)


def test_the_page_says_what_was_compared_without_places_of_this_machine(run: Run, report: Report) -> None:
    settings, result = run
    page = report.to_markdown()

    assert result.base["fingerprint"] in page
    assert report.made_of.data_sha256 in page
    assert "trained on train.jsonl" in page
    assert "query_max_len 32" in page
    assert "train_group_size" not in page  # a default
    assert str(settings.output_dir) not in json.dumps(report.to_dict())


def test_texts_of_others_change_nothing_on_the_page_and_long_ones_are_cut(report: Report) -> None:
    move = PassageMove(
        passage_id="p",
        text="# no head\n\n| <img src=x> |" + " word" * 200,
        grade=None,
        rank_before=3,
        rank_after=1,
        score_before=0.0,
        score_after=1.0,
    )
    change = QueryChange(query_id="q", query="a*b* | _c_ d_e", base=0.0, tuned=1.0, passages=(move,))

    page = replace(report, wins=(change,)).to_markdown()

    assert r"**a\*b\* \| \_c\_ d_e**" in page
    (line,) = [line for line in page.splitlines() if "no head" in line]
    assert line.startswith(r"- rank 3 → 1, no grade: # no head \| \<img src=x\> \| word")
    assert line.endswith("…")
    assert len(line) < 350
    assert escape("a\nb  c") == "a b c"
