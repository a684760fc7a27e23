"""starter-encoder: bundled, loads without a network, is read by transformers too, and tells passages apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from reranker_core import find_model, hub, load_reranker
from reranker_core.errors import ModelNotFoundError
from reranker_core.hub import BUNDLED_MODELS, find_here, is_here, locate
from reranker_core.local_folders import sort_out
from reranker_core.recognition import describe_folder

NAME = "starter-encoder"
FOLDER = BUNDLED_MODELS / NAME
PINNED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "starter_scores.json").read_text(encoding="utf-8")
)

# Each query belongs to the passage beside it; no passage repeats all of its query's words.
ANSWERS = {
    "how hot does water have to be to boil": "At sea level water turns to steam at 100 °C; on a mountain less is enough.",
    "why is the sky blue": "Air scatters short waves of sunlight more than long ones: blue comes from all sides.",
    "who writes the laws of a country": "A parliament passes bills; once the head of state has signed, they are in force.",
    "sort a list in Python": "The built-in function sorted returns a new ordered list; sort changes one in place.",
    "lift of a wing at low speed": "An airfoil in slow flow carries less load, so flaps are lowered for landing.",
    "treatment of a broken leg": "The bone is set, and a plaster cast keeps it still for six weeks until it has healed.",
    "how bees make honey": "Workers collect nectar, thicken it in the hive and seal it into wax cells.",
    "price of a train ticket": "Fares rise with distance; a return journey by rail costs less when it is booked early.",
}


@pytest.fixture(scope="module")
def starter() -> Any:
    """The model, loaded once by its name."""
    return load_reranker(NAME, allow_download=False)


def test_the_scores_are_those_of_the_published_weights(starter: Any) -> None:
    scores = starter.compute_score([(row["query"], row["passage"]) for row in PINNED])
    assert scores == pytest.approx([row["score"] for row in PINNED], abs=1e-4)


def test_the_panda_pair_comes_out_the_right_way_round(starter: Any) -> None:
    unrelated, answer = starter.compute_score([(row["query"], row["passage"]) for row in PINNED[:2]])
    assert answer > unrelated + 1


def test_most_queries_find_their_own_passage_first(starter: Any) -> None:
    passages = list(ANSWERS.values())
    ranks = []
    for query, answer in ANSWERS.items():
        scores = starter.compute_score([(query, passage) for passage in passages])
        ranks.append(sum(score >= scores[passages.index(answer)] for score in scores))
    assert ranks.count(1) >= 6, ranks  # by chance one of eight
    assert sum(1 / rank for rank in ranks) / len(ranks) >= 0.75, ranks  # by chance 0.34


def test_every_file_is_small_enough_to_need_no_large_file_storage() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert {name for name, size in sizes.items() if size >= 10_000_000} == set()
    assert sum(sizes.values()) < 40_000_000


def test_the_catalogue_says_what_the_folder_is() -> None:
    known, found = find_model(NAME), describe_folder(FOLDER)
    assert known
    assert (known.family, known.context, known.layers) == (found.family, found.context, found.layers)
    assert known.download_gb == pytest.approx(found.download_gb, rel=0.1)
    assert "Apache-2.0" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert known.licence == "Apache-2.0"


def test_it_is_here_without_a_network_or_a_cache(tmp_path: Path) -> None:
    known = find_model(NAME)
    assert known
    assert is_here(known, cache_dir=tmp_path)
    assert find_here(known) == FOLDER
    assert locate(NAME.upper(), allow_download=False, cache_dir=tmp_path) == FOLDER
    bm25, published = find_model("bm25"), find_model("bge-reranker-base")
    assert bm25
    assert published
    assert is_here(bm25, cache_dir=tmp_path)
    assert find_here(bm25) is None
    assert not is_here(published, cache_dir=tmp_path)


def test_without_a_checkout_a_sentence_says_where_it_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BUNDLED_MODELS", tmp_path)
    known = find_model(NAME)
    assert known
    assert not is_here(known)
    with pytest.raises(ModelNotFoundError, match=r"starter-encoder comes with a checkout .* Run from a checkout"):
        locate(NAME)


def test_an_adapter_that_names_it_as_its_base_is_added_by_itself(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": NAME}), encoding="utf-8")
    assert sort_out(str(tmp_path), None) == (NAME, str(tmp_path.resolve()))


def test_transformers_builds_the_same_input_and_the_same_score(starter: Any) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = AutoModelForSequenceClassification.from_pretrained(FOLDER, dtype=torch.float32).eval()
    query, passage = PINNED[1]["query"], PINNED[1]["passage"]
    ids = tokenizer(query, passage, return_token_type_ids=False, return_tensors="pt")
    tokens = tokenizer.convert_ids_to_tokens(ids["input_ids"][0])
    assert (tokens[0], tokens[-1]) == ("<s>", "</s>")
    assert tokens.count("</s>") == 3
    middle = tokens.index("</s>")
    assert tokens[middle + 1] == "</s>"
    assert starter.score([(query, passage)]).tokens == (len(tokens),)
    with torch.no_grad():
        assert model(**ids).logits.item() == pytest.approx(PINNED[1]["score"], abs=1e-4)
