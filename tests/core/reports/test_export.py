"""What a run trained, to give away: weights that score the same, and a card with the results."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from reranker_core import load_reranker
from reranker_core.errors import InputError
from reranker_core.reports import Report, read_report, write_export, write_report
from reranker_core.reports.command_line import main
from reranker_core.training.merging import merge_adapter
from reranker_core.training.product_card import read_sections, write_sections
from tests.core.reports.conftest import MakeRun, Run
from tests.core.training.products import PAIRS


def test_an_adapter_is_exported_with_the_results_of_its_report(run: Run, report: Report, tmp_path: Path) -> None:
    settings, result = run
    write_report(report, settings.output_dir)

    folder = write_export(settings.output_dir, tmp_path / "mine")

    scores: list[Any] = [
        load_reranker(settings.model_name_or_path, adapter=one).compute_score(PAIRS) for one in (folder, result.product)
    ]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert scores[0] == scores[1]
    assert report.headline in card
    assert "| nDCG@10 |" in card
    assert "PeftModel.from_pretrained" in card
    assert "## Licence" in card
    assert str(settings.output_dir) not in card
    assert [*read_sections(folder / "README.md")] == ["Results", "How to use", "Training data", "Settings", "Licence"]
    assert not [path for path in tmp_path.iterdir() if path != folder]


def test_a_zip_holds_one_folder_and_is_not_written_over(run: Run, tmp_path: Path) -> None:
    settings, _ = run
    packed = write_export(settings.output_dir, tmp_path / "mine.zip")

    with zipfile.ZipFile(packed) as file:
        assert sorted(file.namelist()) == [
            "mine/README.md",
            "mine/adapter_config.json",
            "mine/adapter_model.safetensors",
            "mine/base.json",
        ]
    with pytest.raises(InputError, match="is there already"):
        write_export(settings.output_dir, packed)
    assert [*tmp_path.iterdir()] == [packed]


@pytest.mark.slow
def test_a_merged_export_is_a_whole_model_with_the_adapters_scores(make_run: MakeRun, tmp_path: Path) -> None:
    settings, result = make_run("llm")

    folder = write_export(settings.output_dir, tmp_path / "whole", merged=True)

    merged, beside = load_reranker(folder), load_reranker(settings.model_name_or_path, adapter=result.product)
    assert merged.compute_score(PAIRS) == pytest.approx(beside.compute_score(PAIRS), abs=1e-5)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "library_name: transformers" in card
    assert 'FlagLLMReranker("path/to/this-folder")' in card
    assert "## Training data" in card
    assert [*tmp_path.iterdir()] == [folder]
    assert not (settings.output_dir / "merged_model").exists()


@pytest.mark.slow
def test_a_merged_models_card_says_what_its_adapters_card_says(make_run: MakeRun, tmp_path: Path) -> None:
    settings, result = make_run("llm")

    folder = merge_adapter(settings.model_name_or_path, result.product, tmp_path / "merged").folder

    of_adapter, of_merged = (read_sections(place / "README.md") for place in (result.product, folder))
    assert {name: of_merged[name] for name in ("Training data", "Settings")} == {
        name: of_adapter[name] for name in ("Training data", "Settings")
    }
    assert of_merged["How to use"] != of_adapter["How to use"]
    assert "# A reranker trained from llm" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_run_whose_product_is_gone_is_refused(run: Run, tmp_path: Path) -> None:
    settings, _ = run
    for name in ("settings.json", "result.json"):
        (tmp_path / name).write_bytes((settings.output_dir / name).read_bytes())

    with pytest.raises(InputError, match="no folder adapter"):
        write_export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sections_of_a_card_are_read_as_they_were_written_and_those_of_others_are_not(tmp_path: Path) -> None:
    told = {"Results": ["- one: 1", "", "```", "## no title", "```"], "Own words": ["text"]}
    write_sections(tmp_path / "README.md", base="BAAI/bge-reranker-base", is_adapter=True, family="encoder", sections=told)

    found = read_sections(tmp_path / "README.md")
    assert {name: found[name] for name in told} == told
    assert "MIT" in found["Licence"][0]

    (tmp_path / "README.md").write_text("# Of others\n\n## Results\n\ntext\n", encoding="utf-8")
    assert read_sections(tmp_path / "README.md") == {}
    assert read_sections(tmp_path / "missing.md") == {}


@pytest.mark.slow
def test_the_command_makes_the_report_of_a_runs_folder(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _ = run

    assert main([str(settings.output_dir), "--output", str(tmp_path)]) == 0

    assert capsys.readouterr().out.startswith(read_report(tmp_path).headline)
    assert main([str(tmp_path)]) == 2
    assert "result.json" in capsys.readouterr().err
