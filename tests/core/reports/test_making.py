"""Base and tuned model on the same queries: the figures, the verdict, and what is said against them."""

from dataclasses import replace
from pathlib import Path

import pytest

from reranker_core import load_reranker
from reranker_core.errors import InputError
from reranker_core.evaluation import compare_measures, measure_run, read_task, score_task
from reranker_core.reports import make_report
from reranker_core.reports.making import MEASURES
from reranker_core.reports.report import Report
from tests.core.reports.conftest import MakeRun, Run, write_rows


def test_the_figures_are_those_of_evaluation_with_the_lengths_of_the_run(run: Run, report: Report) -> None:
    settings, result = run
    task = read_task(settings.output_dir / "test.jsonl")
    models = [load_reranker(settings.model_name_or_path, adapter=one) for one in (None, result.product)]
    before, after = (
        measure_run(score_task(model, task, max_length=64)[None], task.qrels, measures=MEASURES) for model in models
    )
    compared = compare_measures(before, after)

    assert [row.name for row in report.measures] == ["nDCG@10", "RR@10", "AP"]
    for row in report.measures:
        one = compared[row.name]
        assert (row.base, row.tuned, row.difference) == (one.baseline_mean, one.mean, one.difference)
        assert (row.low, row.high, row.p, row.verdict) == (one.low, one.high, one.p, one.verdict)
    first = compared["nDCG@10"]
    assert (report.queries, report.better, report.worse, report.equal) == (30, first.wins, first.losses, first.ties)
    assert report.measures[0].first_stage is None
    assert report.measures[0].bm25 > 0.5
    assert report.largest_change > 0
    assert report.made_of.max_length == 64


def test_the_headline_says_verdict_measure_and_queries(report: Report) -> None:
    row = report.measures[0]
    words = {"better": "Better", "worse": "Worse", "cannot tell": "Cannot tell yet"}[row.verdict]
    assert report.headline == f"{words}: nDCG@10 {row.base:.3f} → {row.tuned:.3f} on 30 held-out queries"
    assert f"Difference {row.difference:+.3f} (95 % interval" in report.detail
    assert report.regression.sentence in report.detail
    assert "A warning of the run." in report.notes
    assert any("30 queries are few" in note for note in report.notes)


def test_a_tuned_model_that_is_its_base_differs_by_exactly_nothing(make_run: MakeRun) -> None:
    report = make_report(*make_run(has_learnt=False))

    assert report.largest_change == 0.0
    assert (report.verdict, report.better, report.worse, report.equal) == ("unclear", 0, 0, 9)
    assert report.headline.startswith("No difference: nDCG@10")
    assert report.wins == report.losses == ()
    assert {row.difference for row in report.measures} == {0.0}
    assert (report.regression.broken, report.regression.mended, report.regression.largest_drop) == (0, 0, 0.0)
    assert any("Step 0" in note and "exactly 0" in note for note in report.notes)


def test_a_dev_set_that_chose_the_step_is_called_so(run: Run) -> None:
    report = make_report(*run)

    assert report.made_of.chose_step
    assert report.headline.endswith("on 9 dev queries")
    assert "chose which step was kept" in report.notes[0]


def test_queries_that_were_trained_on_are_counted_and_not_called_held_out(run: Run) -> None:
    settings, result = run
    report = make_report(settings, result, data=write_rows(settings.output_dir / "mixed.jsonl", first=6, count=12))

    assert report.headline.endswith("on 12 queries")
    assert any(note.startswith("6 of 12 queries were trained on too") for note in report.notes)


def test_without_anything_held_out_only_the_fixed_pairs_are_judged(make_run: MakeRun) -> None:
    report = make_report(*make_run(changes={"dev_data": None}))

    assert report.verdict == "nothing to judge on"
    assert (report.measures, report.scale, report.queries) == ((), None, 0)
    assert report.regression.pairs
    assert report.to_markdown().startswith("# Nothing to judge on")


def test_progress_counts_the_pairs_of_both_models_and_what_it_raises_ends_the_report(run: Run) -> None:
    told: list[tuple[str, int, int]] = []

    class StopHere(Exception):
        pass

    def tell(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))
        if stage == "Scoring by the tuned model" and done == total:
            raise StopHere

    with pytest.raises(StopHere):
        make_report(*run, on_progress=tell)
    counted = [(done, total) for _, done, total in told if total]
    assert counted == sorted(counted)
    assert {total for _, total in counted} == {2 * (9 * 4 + 2 * 32)}


def test_data_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        make_report(*run, data=tmp_path / "missing.jsonl")


@pytest.mark.slow
def test_every_layer_is_compared_and_the_last_decides(make_run: MakeRun) -> None:
    report = make_report(*make_run("layerwise"))

    assert [row.layer for row in report.by_layer] == [2, 3, 4, 5, 6, 7, 8]
    assert (report.by_layer[-1].base, report.by_layer[-1].tuned) == (report.measures[0].base, report.measures[0].tuned)
    assert "## By layer" in report.to_markdown()
    assert any("The last layer, 8, decides" in note for note in report.notes)


@pytest.mark.slow
def test_a_run_that_was_stopped_says_so(make_run: MakeRun) -> None:
    settings, result = make_run("llm")

    report = make_report(settings, replace(result, status="stopped", steps=2))

    assert "The run was stopped after 2 of 6 steps." in report.notes
    assert report.by_layer == ()
