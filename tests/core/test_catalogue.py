"""The catalogue says of the five published models what their card says, and holds the published results."""

import math
from dataclasses import replace
from typing import Any

import pytest

from reranker_core import MODELS, ModelInfo, find_model, published_results

# The model list of the card of BAAI/bge-reranker-v2-m3, as it stands there.
CARD = """\
BAAI/bge-reranker-base xlm-roberta-base Chinese and English - Lightweight reranker model, easy to deploy, with fast inference.
BAAI/bge-reranker-large xlm-roberta-large Chinese and English - Lightweight reranker model, easy to deploy, with fast inference.
BAAI/bge-reranker-v2-m3 bge-m3 Multilingual - Lightweight reranker model, possesses strong multilingual capabilities, easy to deploy, with fast inference.
BAAI/bge-reranker-v2-gemma gemma-2b Multilingual - Suitable for multilingual contexts, performs well in both English proficiency and multilingual capabilities.
BAAI/bge-reranker-v2-minicpm-layerwise MiniCPM-2B-dpo-bf16 Multilingual 8-40 Suitable for multilingual contexts, performs well in both English and Chinese proficiency, allows freedom to select layers for output, facilitating accelerated inference.
"""  # noqa: E501
LANGUAGES = {
    "ar": "Arabic", "bn": "Bengali", "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "hi": "Hindi", "id": "Indonesian", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "sw": "Swahili", "te": "Telugu",
    "th": "Thai", "zh": "Chinese", "de": "German", "yo": "Yoruba",
}  # fmt: skip
PUBLISHED = [model for model in MODELS if model.repo_id]


def test_the_five_published_models_stand_as_on_the_card() -> None:
    rows = [
        f"{model.repo_id} {model.base_model} {model.languages} "
        f"{'-'.join(map(str, model.layers)) if model.layers else '-'} {model.advice}"
        for model in PUBLISHED
    ]
    assert rows == CARD.splitlines()


def test_each_model_says_what_the_card_leaves_out() -> None:
    for model in PUBLISHED:
        assert model.family in {"encoder", "decoder", "layerwise"}
        assert model.licence
        assert model.context in {512, 4096, 8192}
        assert model.parameters
        # Weights as published in float32: four bytes each.
        assert model.download_gb == pytest.approx(model.parameters * 4e-3, rel=0.03)
    assert {model.name: model.context for model in PUBLISHED if model.context == 512} == {
        "bge-reranker-base": 512,
        "bge-reranker-large": 512,
    }


def test_bm25_is_in_the_list_and_needs_no_weights() -> None:
    bm25 = MODELS[0]
    assert (bm25.name, bm25.family, bm25.repo_id, bm25.download_gb) == ("bm25", "bm25", "", None)


def test_only_bm25_is_called_so_and_a_folder_of_this_machine_by_its_own_name() -> None:
    assert [model.name for model in MODELS if model.title == "BM25"] == ["bm25"]
    tuned = replace(PUBLISHED[0], name="bge-reranker-of-mine", repo_id="")
    assert tuned.title == "bge-reranker-of-mine"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_is_found_by_every_name_it_has_in_any_case(model: ModelInfo) -> None:
    names = {model.name, model.title} | ({model.repo_id} if model.repo_id else set())
    for name in names:
        assert find_model(name) is model
        assert find_model(name.upper()) is model
        assert find_model(name.lower()) is model


@pytest.mark.parametrize("name", ["", " ", "BAAI/", "bge", "bge-reranker", "BAAI/bge-m3", "v2", "./bge-reranker-base"])
def test_a_name_that_is_none_of_the_models_finds_nothing(name: str) -> None:
    assert find_model(name) is None


def test_no_two_models_answer_to_the_same_name() -> None:
    by_model = [{name.casefold() for name in (model.name, model.title, model.repo_id) if name} for model in MODELS]
    assert sum(map(len, by_model)) == len(set().union(*by_model))


def test_the_published_results_hold_four_benchmarks_of_finite_numbers() -> None:
    benchmarks = published_results()["benchmarks"]
    assert [benchmark["benchmark"] for benchmark in benchmarks] == ["BEIR", "C-MTEB retrieval", "MIRACL", "llama-index"]
    for benchmark in benchmarks:
        columns = list(benchmark["rows"][0]["values"])
        for row in benchmark["rows"]:
            assert list(row["values"]) == columns
            assert all(math.isfinite(value) and 0 < value < 100 for value in row["values"].values())


def test_each_published_average_is_the_mean_of_its_columns() -> None:
    checked = 0
    for benchmark in published_results()["benchmarks"]:
        for row in benchmark["rows"]:
            values = dict(row["values"])
            if "avg" in values:
                average = values.pop("avg")
                assert average == pytest.approx(sum(values.values()) / len(values), abs=0.06), row
                checked += 1
    assert checked == 11 + 6 + 6


def test_each_row_names_a_first_stage_and_layers_only_of_the_layerwise_model() -> None:
    for benchmark in published_results()["benchmarks"]:
        seen = [(row["first_stage"], row["model"], row["layer"]) for row in benchmark["rows"]]
        assert len(seen) == len(set(seen))
        for first_stage, model, layer in seen:
            assert first_stage
            assert (first_stage, None, None) in seen, "every model stands beside its first stage alone"
            assert (layer is not None) == (model == "bge-reranker-v2-minicpm-layerwise")
            if model and model.startswith("bge-reranker"):
                assert find_model(model)


@pytest.mark.parametrize(
    ("benchmark", "first_stage", "model", "layer", "average"),
    [
        ("BEIR", "bge-large-en-v1.5", None, None, 54.31),
        ("BEIR", "bge-large-en-v1.5", "bge-reranker-v2-gemma", None, 60.71),
        ("BEIR", "e5-mistral-7b-instruct", "bge-reranker-v2-minicpm-layerwise", 40, 60.41),
        ("C-MTEB retrieval", "bge-large-zh-v1.5", "bge-reranker-v2-minicpm-layerwise", 28, 73.51),
        ("MIRACL", "bge-m3", "bge-reranker-v2-m3", None, 72.84),
    ],
)
def test_published_averages_stand_at_their_model_and_layer(
    benchmark: str, first_stage: str, model: str | None, layer: int | None, average: float
) -> None:
    row = find_row(benchmark, first_stage=first_stage, model=model, layer=layer)
    assert row["avg"] == average


def test_the_warning_of_the_layerwise_model_follows_from_the_published_results() -> None:
    name = "bge-reranker-v2-minicpm-layerwise"
    alone = find_row("MIRACL", first_stage="bge-m3", model=None, layer=None)
    reranked = [find_row("MIRACL", first_stage="bge-m3", model=name, layer=layer) for layer in (28, 40)]
    worse = {LANGUAGES[code] for code in LANGUAGES if all(row[code] < alone[code] for row in reranked)}
    model = find_model(name)
    assert model
    assert {language for language in LANGUAGES.values() if language in model.warning} == worse


def find_row(benchmark: str, *, first_stage: str, model: str | None, layer: int | None) -> dict[str, Any]:
    rows = next(item["rows"] for item in published_results()["benchmarks"] if item["benchmark"] == benchmark)
    wanted = (first_stage, model, layer)
    return next(row["values"] for row in rows if (row["first_stage"], row["model"], row["layer"]) == wanted)
