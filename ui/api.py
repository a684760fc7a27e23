"""The public endpoints: what the screen does, for programs. Models by catalogue name, or as they were added."""

from typing import Any

import gradio as gr

from reranker_core.scores import order_by_score
from ui.choices import list_choices
from ui.errors import raise_to_client
from ui.scoring import score_passages
from ui.services import Services


def build_api(services: Services) -> None:
    """Publish `score`, `rank` and `models` inside `with gr.Blocks()`."""

    @raise_to_client
    def score(
        query: str,
        passages: list[str],
        model: str = "bm25",
        cutoff_layers: list[int] | None = None,
        normalize: bool = False,
        max_length: int | None = None,
        query_max_length: int | None = None,
        prompt: str | None = None,
        query_instruction: str | None = None,
        passage_instruction: str | None = None,
    ) -> dict[str, Any]:
        """Score passages for a query; `scores` holds one list for each cutoff layer, in the order of the passages.

        Args:
            query: the query.
            passages: the passages, in any order.
            model: a name that `models` lists.
            cutoff_layers: for layerwise models, the layers to read; by default the deepest.
            normalize: apply the sigmoid.
            max_length: tokens of a pair; by default 512.
            query_max_length: tokens of a query; by default 3/4 of max_length.
            prompt: for LLM rerankers, what follows the passage.
            query_instruction: text before the query.
            passage_instruction: text before each passage.
        """
        options = {
            "cutoff_layers": cutoff_layers or None,
            "normalize": normalize,
            "max_length": max_length,
            "query_max_length": query_max_length,
            "prompt": prompt,
            "query_instruction": query_instruction,
            "passage_instruction": passage_instruction,
        }
        scores = score_passages(services, query, passages, model=model, options=options)
        return {
            "scores": [list(column) for column in zip(*scores.values, strict=True)],
            "layers": list(scores.layers),
            "tokens": list(scores.tokens),
            "cut_query_tokens": list(scores.cut_query_tokens),
            "cut_passage_tokens": list(scores.cut_passage_tokens),
            "normalized": scores.normalized,
            "model": model,
            "device": scores.device,
            "dtype": scores.dtype,
            "seconds": scores.seconds,
        }

    @raise_to_client
    def rank(query: str, passages: list[str], model: str = "bm25", cutoff_layer: int | None = None) -> list[dict[str, Any]]:
        """Order passages for a query: rank (1-based, shared by equal scores), index in the input, score, passage.

        Args:
            query: the query.
            passages: the passages, in any order.
            model: a name that `models` lists.
            cutoff_layer: for layerwise models, the layer to order by; by default the deepest.
        """
        options = {"cutoff_layers": None if cutoff_layer is None else [cutoff_layer]}
        column = score_passages(services, query, passages, model=model, options=options).column()
        return [
            {"rank": rank, "index": index, "score": column[index], "passage": passages[index]}
            for rank, index in order_by_score(column)
        ]

    @raise_to_client
    def models() -> list[dict[str, Any]]:
        """List the models: name, family, languages, cutoff layers, licence, and whether each is ready on this machine."""
        return [
            {
                "name": choice.name,
                "family": choice.info.family,
                "languages": choice.info.languages,
                "layers": list(choice.info.layers) if choice.info.layers else None,
                "licence": choice.info.licence,
                "ready": choice.is_ready,
            }
            for choice in list_choices(services)
        ]

    # A place of their own: gradio takes the lowest limit of all that share an id, and the screen must not wait for it.
    gr.api(score, api_name="score", concurrency_id="api", concurrency_limit=8)
    gr.api(rank, api_name="rank", concurrency_id="api", concurrency_limit=8)
    gr.api(models, api_name="models", concurrency_limit=None)
