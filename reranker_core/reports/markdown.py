"""A report as Markdown: a page that is readable by itself, as a model card is."""

import re
from collections.abc import Iterable, Iterator, Sequence

from reranker_core.evaluation.comparison import show_p
from reranker_core.reports.parts import LayerRow, MeasureRow, PassageMove, QueryChange, RegressionResult, ScoreShift
from reranker_core.reports.report import Report

_SHOWN_TEXT = 300  # characters of a passage
_SPECIAL = re.compile(r"([\\`*\[\]<>|~$&]|(?<!\w)_|_(?!\w))")


def write_markdown(report: Report) -> str:
    """Write a report as a page."""
    lines = [f"# {escape(report.headline)}", "", escape(report.detail), ""]
    if report.measures:
        lines += [*list_results(report), ""]
    if report.by_layer:
        lines += ["## By layer", "", *_list_layers(report.by_layer, report.measures[0].name), ""]
    if report.notes:
        lines += ["## To keep in mind", "", *(f"- {escape(note)}" for note in report.notes), ""]
    for title, changes in (("Gained most", report.wins), ("Lost most", report.losses)):
        if changes:
            lines += [f"## {title}", "", *_list_changes(changes, report.measures[0].name)]
    if report.scale is not None:
        lines += ["## Scale of the scores", "", *_list_scale(report.scale), ""]
    lines += ["## Regression set", "", *_list_regression(report.regression), ""]
    lines += ["## What was compared", "", *_list_origin(report), ""]
    return "\n".join(lines)


def list_results(report: Report) -> list[str]:
    """Lay the measures out as a table, and say below it on what they were measured."""
    made_of = report.made_of
    has_first = any(row.first_stage is not None for row in report.measures)
    is_bm25 = made_of.first_stage == "bm25"
    first = "no reranking (BM25)" if is_bm25 else f"no reranking ({made_of.first_stage})"
    heads = ["measure", *([first] if has_first else []), *([] if is_bm25 and has_first else ["BM25"])]
    heads += ["base", "tuned", "difference", "95 % interval", "p"]

    def lay_out(row: MeasureRow) -> list[str]:
        cells = [row.name, *([_number(row.first_stage)] if has_first else [])]
        cells += [] if is_bm25 and has_first else [_number(row.bm25)]
        return [*cells, *_compare(row)]

    lines = [*_table(heads, map(lay_out, report.measures)), ""]
    lines += [
        f"{report.queries:,} queries ({report.better:,} better, {report.worse:,} worse, {report.equal:,} equal by "
        f"{report.measures[0].name}), {made_of.pairs:,} pairs of {escape(made_of.data)}. {escape(made_of.data_note)} "
        f"Binary measures count grade {made_of.relevant_from} and more as relevant. The first measure decides; p of the "
        "others is adjusted by Holm."
    ]
    if report.judged is not None and min(report.judged.base, report.judged.tuned) < 1:
        judged = report.judged
        lines += [
            "",
            f"Judged among the best 10: {judged.base:.0%} (base), {judged.tuned:.0%} (tuned). Without passages that have "
            f"no grade, {report.measures[0].name} is {judged.only_base:.3f} before and {judged.only_tuned:.3f} after.",
        ]
    return lines


def escape(text: str) -> str:
    """Write a text of others so that Markdown shows it as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _list_layers(rows: Sequence[LayerRow], measure: str) -> list[str]:
    heads = ["layer", f"base {measure}", "tuned", "difference", "95 % interval", "p"]
    table = _table(heads, ([str(row.layer), *_compare(row)] for row in rows))
    return [*table, "", "The last layer decides; p is adjusted by Holm over the layers."]


def _compare(row: MeasureRow | LayerRow) -> list[str]:
    interval = f"{row.low:+.3f} to {row.high:+.3f}"
    return [_number(row.base), _number(row.tuned), f"{row.difference:+.3f}", interval, show_p(row.p)]


def _list_changes(changes: Iterable[QueryChange], measure: str) -> Iterator[str]:
    for change in changes:
        yield f"**{escape(change.query)}** ({measure} {change.base:.3f} → {change.tuned:.3f})"
        yield ""
        for passage in change.passages:
            yield f"- rank {passage.rank_before} → {passage.rank_after}, {_grade(passage)}: {_shorten(passage.text)}"
        yield ""


def _grade(passage: PassageMove) -> str:
    return "no grade" if passage.grade is None else f"grade {passage.grade}"


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return escape(flat if len(flat) <= _SHOWN_TEXT else f"{flat[: _SHOWN_TEXT - 1]}…")


def _list_scale(scale: ScoreShift) -> list[str]:
    heads = ["passages", "pairs", "mean before", "after", "spread before", "after", "above 0.5 before", "after"]
    rows = [
        [
            name,
            f"{group.passages:,}",
            f"{group.mean_before:.2f}",
            f"{group.mean_after:.2f}",
            f"{group.spread_before:.2f}",
            f"{group.spread_after:.2f}",
            f"{group.passed_before:.0%}",
            f"{group.passed_after:.0%}",
        ]
        for name, group in (("relevant", scale.relevant), ("other", scale.other))
        if group is not None
    ]
    return [scale.sentence, "", *_table(heads, rows)]


def _list_regression(regression: RegressionResult) -> list[str]:
    lines = [regression.sentence]
    if regression.largest_drop > 0:
        lines += [
            "",
            f"The distance of the right passage over the wrong one shrank by {regression.largest_drop:.2f} at most, in "
            "units of score.",
        ]
    changed = [pair for pair in regression.pairs if pair.is_right_before != pair.is_right_after]
    if changed:
        heads = ["query", "relevant before", "after", "irrelevant before", "after", "now"]
        rows = (
            [
                escape(pair.query),
                f"{pair.relevant_before:.2f}",
                f"{pair.relevant_after:.2f}",
                f"{pair.irrelevant_before:.2f}",
                f"{pair.irrelevant_after:.2f}",
                "right" if pair.is_right_after else "wrong",
            ]
            for pair in changed
        )
        lines += ["", *_table(heads, rows)]
    return lines


def _list_origin(report: Report) -> list[str]:
    made_of = report.made_of
    settings = ", ".join(f"{name} {value}" for name, value in made_of.settings.items())
    rows = [
        ("base", f"{made_of.base} (fingerprint {made_of.fingerprint})"),
        ("tuned", f"its {made_of.kind}, step {made_of.kept_step:,} of {made_of.steps:,} ({made_of.status})"),
        ("judged on", ", ".join(dict.fromkeys(filter(None, (made_of.data, made_of.data_from)))) or "nothing"),
        ("its SHA-256", made_of.data_sha256),
        *((f"trained on {name}", f"SHA-256 {digest}") for name, digest in made_of.trained_on.items()),
        ("settings other than the defaults", settings),
        ("scored", f"{made_of.dtype} on {made_of.device}, at most {made_of.max_length:,} tokens a pair"),
        ("versions", ", ".join(f"{name} {version}" for name, version in made_of.versions.items())),
        ("made", made_of.made_at),
    ]
    return _table(["", ""], ([name, escape(value)] for name, value in rows if value))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
