"""The BGE rerankers as a library: exact scores, three families on one pipeline, BM25 as the baseline.

Importing it costs next to nothing; torch comes in when a name that needs it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reranker_core.baseline import BM25Reranker
    from reranker_core.catalogue import MODELS, ModelInfo, find_model, published_results
    from reranker_core.errors import RerankerError
    from reranker_core.loading import load_reranker
    from reranker_core.reranker import Reranker
    from reranker_core.scores import RankedPassage, Scores
    from reranker_core.sharing import load_beside

_MODULE_BY_NAME = {
    "BM25Reranker": "baseline",
    "MODELS": "catalogue",
    "ModelInfo": "catalogue",
    "RankedPassage": "scores",
    "Reranker": "reranker",
    "RerankerError": "errors",
    "Scores": "scores",
    "find_model": "catalogue",
    "load_beside": "sharing",
    "load_reranker": "loading",
    "published_results": "catalogue",
}

__all__ = [
    "MODELS",
    "BM25Reranker",
    "ModelInfo",
    "RankedPassage",
    "Reranker",
    "RerankerError",
    "Scores",
    "find_model",
    "load_beside",
    "load_reranker",
    "published_results",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
