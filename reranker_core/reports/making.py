"""`make_report`: base and tuned model on the same queries, with what it means in words."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reranker_core.evaluation import (
    Comparison,
    MeasuredRun,
    RankingTask,
    adjust,
    compare_measures,
    compare_runs,
    measure_run,
)
from reranker_core.evaluation.comparison import show_p
from reranker_core.evaluation.systems import evaluate_first
from reranker_core.reports.changes import find_changes
from reranker_core.reports.judged_on import JudgedOn, count_trained, find_judged_on, warn_of
from reranker_core.reports.parts import JudgedShare, LayerRow, MeasureRow, Provenance, RegressionResult
from reranker_core.reports.regression import judge_regression, make_regression_task, read_regression_set
from reranker_core.reports.report import Report
from reranker_core.reports.score_scale import measure_shift
from reranker_core.reports.scoring import OnProgress, Runs, ScoredTwice, score_twice
from reranker_core.training.identity import hash_task
from reranker_core.training.product_card import name_base, tell_settings
from reranker_core.training.results import TrainingResult
from reranker_core.training.settings import TrainingSettings

MEASURES = ("nDCG@10", "RR@10", "AP")
"""The first decides; the p of the others are adjusted by Holm."""


def make_report(
    settings: TrainingSettings,
    result: TrainingResult,
    *,
    data: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Judge what a run trained.

    Base and tuned model score the same pairs in this process, one after the other, in the same dtype, with the run's
    lengths. Of a layerwise model all layers are measured and the last one decides. Where nothing was held out, the fixed
    pairs alone are scored.

    Args:
        settings: of the run.
        result: of the run.
        data: what to judge on, see `find_judged_on`; by default labels that were held out, or the dev set.
        on_progress: called as `on_progress(stage, done, total)`; what it raises ends it.

    Raises:
        RerankerError: data cannot be read, or a model cannot be loaded or cannot score.
    """
    tell: OnProgress = on_progress or _tell_nobody
    tell("Reading what is judged on", 0, 0)
    found = find_judged_on(settings, data)
    fixed = read_regression_set()
    tasks = ([] if found is None else [found.task]) + [make_regression_task(fixed)]
    scored = score_twice(settings, result, tasks, on_progress=tell)
    last = max(scored.base[-1], key=lambda layer: layer or 0)
    regression = judge_regression(fixed, scored.base[-1][last], scored.tuned[-1][last])
    made_of = _describe_origin(settings, result, found, scored)
    if found is None:
        return _report_nothing(settings, result, scored, regression, made_of)
    tell("Comparing", 0, 0)
    trained = count_trained(found.task, settings, learnt_from=result.data)
    notes = (*warn_of(found, trained=trained), *_note_run(settings, result, scored, last=last))
    kind = "dev " if found.chose_step else "held-out " if trained == 0 else ""
    return _judge(found.task, scored, regression, notes, made_of=made_of, kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """Base and tuned model measured at the layer that decides, and what lies between them."""

    base: MeasuredRun
    tuned: MeasuredRun
    compared: dict[str, Comparison]

    @property
    def decisive(self) -> Comparison:
        return self.compared[MEASURES[0]]


def _judge(
    task: RankingTask,
    scored: ScoredTwice,
    regression: RegressionResult,
    notes: tuple[str, ...],
    *,
    made_of: Provenance,
    kind: str,
) -> Report:
    base, tuned = scored.base[0], scored.tuned[0]
    last = max(base, key=lambda layer: layer or 0)
    before, after = (_measure(task, runs, last) for runs in (base, tuned))
    measured = _Measured(base=before, tuned=after, compared=compare_measures(before, after))
    one = measured.decisive
    wins, losses = find_changes(task, (base[last], tuned[last]), (before, after), measure=MEASURES[0])
    return Report(
        verdict="unclear" if one.verdict == "cannot tell" else one.verdict,
        headline=_say_headline(one, kind=kind),
        detail=_say_detail(one, regression),
        queries=one.queries,
        better=one.wins,
        worse=one.losses,
        equal=one.ties,
        measures=_list_measures(task, measured),
        by_layer=_list_layers(task, base, tuned),
        judged=_share_judged(task, measured, base[last], tuned[last]),
        wins=wins,
        losses=losses,
        scale=measure_shift(task, base[last], tuned[last]),
        regression=regression,
        largest_change=scored.find_largest_change(),
        notes=notes,
        made_of=made_of,
    )


def _report_nothing(
    settings: TrainingSettings,
    result: TrainingResult,
    scored: ScoredTwice,
    regression: RegressionResult,
    made_of: Provenance,
) -> Report:
    last = max(scored.base[-1], key=lambda layer: layer or 0)
    missing = (
        "Nothing was held out, so nothing can be said about quality. Train on a snapshot with a test part, hold out "
        "a share of the queries, or judge on other labels."
    )
    return Report(
        verdict="nothing to judge on",
        headline="Nothing to judge on: no labelled query was held out",
        detail=f"{missing} {regression.sentence}",
        queries=0,
        better=0,
        worse=0,
        equal=0,
        measures=(),
        by_layer=(),
        judged=None,
        wins=(),
        losses=(),
        scale=None,
        regression=regression,
        largest_change=scored.find_largest_change(),
        notes=_note_run(settings, result, scored, last=last),
        made_of=made_of,
    )


def _measure(task: RankingTask, runs: Runs, layer: int | None) -> MeasuredRun:
    return measure_run(runs[layer], task.qrels, measures=MEASURES, relevant_from=task.relevant_from)


def _list_measures(task: RankingTask, measured: _Measured) -> tuple[MeasureRow, ...]:
    """Put each measure beside those of no reranking and of BM25, which is the last that `evaluate_first` gives."""
    first = evaluate_first(task, measures=MEASURES)
    return tuple(
        MeasureRow(
            name=name,
            first_stage=first[0].measured.means[name] if task.first_stage else None,
            bm25=first[-1].measured.means[name],
            base=one.baseline_mean,
            tuned=one.mean,
            difference=one.difference,
            low=one.low,
            high=one.high,
            p=one.p,
            verdict=one.verdict,
        )
        for name, one in measured.compared.items()
    )


def _list_layers(task: RankingTask, base: Runs, tuned: Runs) -> tuple[LayerRow, ...]:
    layers = [layer for layer in base if layer is not None]
    if len(layers) < 2:
        return ()
    compared = adjust(
        [compare_runs(_measure(task, base, layer), _measure(task, tuned, layer), measure=MEASURES[0]) for layer in layers]
    )
    return tuple(
        LayerRow(
            layer=layer,
            base=one.baseline_mean,
            tuned=one.mean,
            difference=one.difference,
            low=one.low,
            high=one.high,
            p=one.p,
            verdict=one.verdict,
        )
        for layer, one in zip(layers, compared, strict=True)
    )


def _share_judged(task: RankingTask, measured: _Measured, base: Any, tuned: Any) -> JudgedShare:
    only_base, only_tuned = (
        measure_run(run, task.qrels, measures=MEASURES[:1], relevant_from=task.relevant_from, judged_only=True).means[
            MEASURES[0]
        ]
        for run in (base, tuned)
    )
    return JudgedShare(
        base=measured.base.judged_share, tuned=measured.tuned.judged_share, only_base=only_base, only_tuned=only_tuned
    )


def _say_headline(one: Comparison, *, kind: str) -> str:
    queries = f"{one.queries:,} {kind}quer{'y' if one.queries == 1 else 'ies'}"
    if one.ties == one.queries:
        return f"No difference: {one.measure} {one.mean:.3f} before and after on {queries}"
    verdict = {"better": "Better", "worse": "Worse", "cannot tell": "Cannot tell yet"}[one.verdict]
    return f"{verdict}: {one.measure} {one.baseline_mean:.3f} → {one.mean:.3f} on {queries}"


def _say_detail(one: Comparison, regression: RegressionResult) -> str:
    if one.ties == one.queries:
        same = f"{one.measure} is the same for every query."
        return f"{same} {regression.sentence}"
    facts = (
        f"Difference {one.difference:+.3f} (95 % interval {one.low:+.3f} to {one.high:+.3f}, p = {show_p(one.p)}): "
        f"{one.wins:,} better, {one.losses:,} worse, {one.ties:,} equal."
    )
    missing = one.say_what_is_missing() if one.verdict == "cannot tell" else ""
    return " ".join(filter(None, (facts, missing, regression.sentence)))


def _note_run(
    settings: TrainingSettings, result: TrainingResult, scored: ScoredTwice, *, last: int | None
) -> tuple[str, ...]:
    """Say what is to be kept in mind of the run itself."""
    notes = []
    if result.kept_step == 0:
        change = scored.find_largest_change()
        same = "every difference is exactly 0" if change == 0 else f"scores differ by up to {change:.1g} all the same"
        notes.append(f"Step 0, the base itself, was kept: base and tuned model are the same, and {same}.")
    if result.status == "stopped":
        notes.append(f"The run was stopped after {result.steps:,} of {result.planned_steps:,} steps.")
    if last is not None and len(scored.base[0]) > 1:
        notes.append(f"The last layer, {last}, decides; the table by layer shows the others.")
    if scored.has_made_head:
        notes.append(
            f"{name_base(settings.model_name_or_path)} has no score head of its own. Compared is the head that training "
            "began with, which had learnt nothing."
        )
    return (*notes, *result.warnings)


def _describe_origin(
    settings: TrainingSettings, result: TrainingResult, found: JudgedOn | None, scored: ScoredTwice
) -> Provenance:
    defaults = {one.name: one.default for one in fields(TrainingSettings)}
    changed = {name: value for name, value in tell_settings(settings.to_dict()).items() if value != defaults[name]}
    task = None if found is None else found.task
    return Provenance(
        base=name_base(result.base["name"]),
        fingerprint=result.base["fingerprint"],
        product=result.product.name,
        kind=result.kind,
        status=result.status,
        steps=result.steps,
        kept_step=result.kept_step,
        data="" if task is None else task.name,
        data_from="" if found is None else Path(found.source).name,
        data_sha256="" if task is None else hash_task(task),
        data_note="" if task is None else task.note,
        chose_step=found is not None and found.chose_step,
        first_stage="" if task is None else task.first_stage,
        pairs=0 if task is None else task.pairs,
        relevant_from=1 if task is None else task.relevant_from,
        max_length=scored.max_length,
        trained_on=_name_files(result.data),
        settings=changed,
        device=scored.device,
        dtype=scored.dtype,
        versions=dict(result.versions),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _name_files(hashes: dict[str, str]) -> dict[str, str]:
    """Name files without the folders where they lay, but for those that would have one name."""
    names = [Path(path).name for path in hashes]
    return {
        name if names.count(name) == 1 else f"{Path(path).parent.name}/{name}": digest
        for name, (path, digest) in zip(names, hashes.items(), strict=True)
    }


def _tell_nobody(stage: str, done: int, total: int, /) -> None:
    pass
