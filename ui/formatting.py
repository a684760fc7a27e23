"""Scores → what the result view shows. Pure values in, plain JSON out; every text as it came."""

from collections.abc import Sequence
from typing import Any

from annotations.plurals import count
from reranker_core.baseline import find_terms, query_terms
from reranker_core.scores import Scores, shared_ranks
from ui.comparison import Comparison
from ui.scoring import ModelScores
from ui.text_places import count_units


def describe_comparison(comparison: Comparison, results: Sequence[ModelScores]) -> dict[str, Any]:
    """Lay a result out for the result view.

    Args:
        comparison: what was asked for.
        results: what each model gave.

    Returns:
        `query`, `scale`, `passages` (text, places of query terms, cuts), `columns` (one for each model and shown
        layer: scores, ranks, shades), `models` (what each took), `layers` (scores over the layers), and `request`
        (the comparison as JSON). Places in texts count UTF-16 units, as scripts in a browser do.
    """
    terms = query_terms(comparison.query)
    return {
        "query": comparison.query,
        "scale": comparison.scale,
        "passages": [
            _describe_passage(passage, index, terms, results) for index, passage in enumerate(comparison.passages)
        ],
        "columns": [column for result in results for column in _columns(result)],
        "models": [{"title": short_title(result), "summary": summarize(result.scores)} for result in results],
        "layers": [_over_layers(result) for result in results if len(result.scores.layers) > 1],
        "request": comparison.to_json(),
    }


def short_title(result: ModelScores) -> str:
    """Give the model's name for the head of a column."""
    return result.choice.short_title


def summarize(scores: Scores) -> str:
    """Say in one line what a result took: time, tokens, pairs cut, device and dtype."""
    parts = [f"{scores.seconds * 1000:,.0f} ms"]
    if scores.family == "bm25":
        parts.append("counts shared words, stays raw")
    else:
        parts += [count(sum(scores.tokens), "token"), _say_cut(scores), f"{scores.device} {scores.dtype}"]
    if len(scores.layers) > 1:
        parts.append(f"one pass for {len(scores.layers)} layers")
    return " · ".join(parts)


def stable_from(ranks: Sequence[Sequence[int]], layers: Sequence[int]) -> int | None:
    """Find the layer from which the order no longer changes.

    Args:
        ranks: the ranks of all passages at each layer.
        layers: the layers, ascending.

    Returns:
        The first layer from which on all have the order of the last; `None` where even the last two differ.
    """
    first = len(ranks) - 1
    while first > 0 and list(ranks[first - 1]) == list(ranks[-1]):
        first -= 1
    return layers[first] if first < len(ranks) - 1 else None


def _columns(result: ModelScores) -> list[dict[str, Any]]:
    columns = []
    for layer in result.shown_layers:
        values = result.scores.column(layer)
        title = short_title(result)
        columns.append(
            {
                "title": title if layer is None else f"{title} · {layer}",
                "model": title,
                "layer": layer,
                "scores": values,
                "ranks": shared_ranks(values),
                "shades": _shades(values),
            }
        )
    return columns


def _over_layers(result: ModelScores) -> dict[str, Any]:
    layers = [layer for layer in result.scores.layers if layer is not None]
    scores = [result.scores.column(layer) for layer in layers]
    ranks = [shared_ranks(column) for column in scores]
    return {
        "model": short_title(result),
        "layers": layers,
        "scores": scores,
        "ranks": ranks,
        "stable_from": stable_from(ranks, layers),
    }


def _describe_passage(passage: str, index: int, terms: frozenset[str], results: Sequence[ModelScores]) -> dict[str, Any]:
    place_of = count_units(passage)
    cuts = [
        {
            "by": short_title(result),
            "at": place_of(kept),
            "tokens": result.scores.cut_passage_tokens[index],
        }
        for result in results
        if (kept := result.kept_characters[index]) is not None
    ]
    marks = [place_of(place) for span in find_terms(passage, terms) for place in span]
    return {"text": passage, "marks": marks, "cuts": sorted(cuts, key=lambda cut: cut["at"])}


def _say_cut(scores: Scores) -> str:
    query_cut = max(scores.cut_query_tokens, default=0)
    cut = f"{len(scores.cut_pairs):,} cut"
    return f"{cut}, query shortened by {count(query_cut, 'token')}" if query_cut else cut


def _shades(values: Sequence[float]) -> list[float]:
    """Place each value between its column's lowest (0) and highest (1); shading never compares two columns."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]
