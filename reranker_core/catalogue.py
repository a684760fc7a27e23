"""What is known of the models before any of them is loaded: the five published ones, our starter, and BM25.

Text and layers are the model card's; parameters, context, licence and size are not on it and come from the models'
own pages and configs as far as they could be read (see README, limits). Published results lie in
`published_results.json`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model as a person chooses by it.

    Attributes:
        name: the short name by which it is asked for.
        repo_id: its name on the Hugging Face Hub; empty for BM25, for bundled models and for folders of this machine.
        family: `"encoder"`, `"decoder"`, `"layerwise"` or `"bm25"`.
        base_model: what it was trained from.
        languages: as the card says.
        layers: the cutoff layers, first and last, or `None`.
        advice: the card's sentence on when to use it.
        parameters: how many, in millions.
        context: the most tokens of one pair.
        licence: of the weights.
        download_gb: size of the weights in GB (10^9 bytes): parameters × 4 bytes, as they are published in float32.
        warning: what the published results warn of, or an empty string.
        is_bundled: its folder comes with this program, so that it needs no network.
    """

    name: str
    repo_id: str
    family: str
    base_model: str
    languages: str
    layers: tuple[int, int] | None
    advice: str
    parameters: int | None
    context: int | None
    licence: str
    download_gb: float | None
    warning: str = ""
    is_bundled: bool = False

    @property
    def title(self) -> str:
        """The name as a person reads it in a list."""
        if self.family == "bm25":
            return "BM25"
        return self.name.removeprefix("bge-reranker-") if self.repo_id else self.name

    @property
    def short_title(self) -> str:
        """The name for the head of a column."""
        return self.title.removesuffix("-layerwise") if self.repo_id else self.title


_LIGHTWEIGHT = "Lightweight reranker model, easy to deploy, with fast inference."

MODELS: tuple[ModelInfo, ...] = (
    ModelInfo(
        name="bm25",
        repo_id="",
        family="bm25",
        base_model="",
        languages="any; Chinese and Japanese by character bigrams",
        layers=None,
        advice="Counts shared words, needs no weights: the line that every model has to beat.",
        parameters=None,
        context=None,
        licence="",
        download_gb=None,
    ),
    ModelInfo(
        name="starter-encoder",
        repo_id="",
        family="encoder",
        base_model="all-MiniLM-L6-v2",
        languages="English",
        layers=None,
        advice="Small and here at once, for trying things out; the published models are far better.",
        parameters=16,
        context=512,
        licence="Apache-2.0",
        download_gb=0.03,
        is_bundled=True,
    ),
    ModelInfo(
        name="bge-reranker-base",
        repo_id="BAAI/bge-reranker-base",
        family="encoder",
        base_model="xlm-roberta-base",
        languages="Chinese and English",
        layers=None,
        advice=_LIGHTWEIGHT,
        parameters=278,
        context=512,
        licence="MIT",
        download_gb=1.1,
    ),
    ModelInfo(
        name="bge-reranker-large",
        repo_id="BAAI/bge-reranker-large",
        family="encoder",
        base_model="xlm-roberta-large",
        languages="Chinese and English",
        layers=None,
        advice=_LIGHTWEIGHT,
        parameters=560,
        context=512,
        licence="MIT",
        download_gb=2.2,
    ),
    ModelInfo(
        name="bge-reranker-v2-m3",
        repo_id="BAAI/bge-reranker-v2-m3",
        family="encoder",
        base_model="bge-m3",
        languages="Multilingual",
        layers=None,
        advice=(
            "Lightweight reranker model, possesses strong multilingual capabilities, easy to deploy, with fast inference."
        ),
        parameters=568,
        context=8192,
        licence="Apache-2.0",
        download_gb=2.3,
    ),
    ModelInfo(
        name="bge-reranker-v2-gemma",
        repo_id="BAAI/bge-reranker-v2-gemma",
        family="decoder",
        base_model="gemma-2b",
        languages="Multilingual",
        layers=None,
        advice=(
            "Suitable for multilingual contexts, performs well in both English proficiency and multilingual capabilities."
        ),
        parameters=2510,
        context=8192,
        licence="Apache-2.0; the base under the Gemma terms of use",
        download_gb=10.0,
    ),
    ModelInfo(
        name="bge-reranker-v2-minicpm-layerwise",
        repo_id="BAAI/bge-reranker-v2-minicpm-layerwise",
        family="layerwise",
        base_model="MiniCPM-2B-dpo-bf16",
        languages="Multilingual",
        layers=(8, 40),
        advice=(
            "Suitable for multilingual contexts, performs well in both English and Chinese proficiency, allows freedom "
            "to select layers for output, facilitating accelerated inference."
        ),
        parameters=2720,
        context=4096,
        licence="Apache-2.0",
        download_gb=10.9,
        warning=(
            "Published on MIRACL at layers 28 and 40: worse than no reranking in Arabic, Bengali, Persian, Hindi, "
            "Swahili, Telugu and Thai."
        ),
    ),
)


def find_model(name: str) -> ModelInfo | None:
    """Look a model up by its short name, its Hub name, or a title; `None` if the catalogue does not know it.

    >>> find_model("v2-m3").repo_id
    'BAAI/bge-reranker-v2-m3'
    """
    folded = name.casefold()
    for model in MODELS:
        if folded and folded in {
            model.name,
            model.repo_id.casefold(),
            model.title.casefold(),
            model.short_title.casefold(),
        }:
            return model
    return None


def published_results() -> dict[str, Any]:
    """Read the published results: for each benchmark its source, measure, first stages and rows.

    They are the authors' figures, transcribed from the pictures of the model card; nothing of them was measured here.
    """
    path = Path(__file__).with_name("published_results.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
