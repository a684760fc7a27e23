"""From a comparison to scores: what the library gives, checked before anything is computed, and kept when others fail."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from reranker_core import load_reranker
from reranker_core.errors import InputError, ModelNotFoundError, RerankerError, ScoringError, UnsupportedModelError
from reranker_core.pool import ModelPool
from reranker_core.reranker import Reranker
from ui.comparison import SIGMOID, Comparison
from ui.runs import StoppedError
from ui.scoring import ModelScores, score_comparison, score_passages
from ui.services import Services

QUERY = "what is panda?"
PASSAGES = ("hi", "The giant panda is a bear species endemic to China.", "大熊猫 🐼\x00\u202e", "hi", "")
PAIRS = [(QUERY, passage) for passage in PASSAGES]


@pytest.fixture(scope="module")
def damaged_folder(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> Path:
    """An encoder that loads, and gives no finite score."""
    folder = Path(shutil.copytree(checkpoints / "encoder", tmp_path_factory.mktemp("models") / "damaged"))
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.out_proj.bias"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def loads() -> list[tuple[str, int | None]]:
    """What the pool has loaded so far: the folder's name and the deepest layer."""
    return []


@pytest.fixture
def local(checkpoints: Path, damaged_folder: Path, loads: list[tuple[str, int | None]]) -> Services:
    """Services with one model of each family, and one that is damaged; nothing is loaded yet."""

    def load(name: str, **how: Any) -> Reranker:
        loads.append((Path(name).name, how["max_layer"]))
        return load_reranker(name, **how)

    services = Services(pool=ModelPool(load), allow_folders=True, allow_download=True)
    for name, folder in (("encoder", "encoder"), ("decoder", "llm"), ("layers", "layerwise")):
        services.local_models.add(str(checkpoints / folder), name=name)
    services.local_models.add(str(damaged_folder), name="damaged")
    return services


def ask(*models: str, **changes: Any) -> Comparison:
    return Comparison(**({"query": QUERY, "passages": PASSAGES, "models": models} | changes))


def titles(results: list[ModelScores]) -> list[str]:
    return [result.choice.title for result in results]


def close(values: Any) -> Any:
    return pytest.approx(values, abs=1e-5)


# Right scores


def test_every_column_holds_what_the_library_gives(local: Services, load: Callable[..., Reranker]) -> None:
    results, problem = score_comparison(local, ask("layers", "bm25", "encoder", "decoder", layers=(8, 3, 5, 3)))

    layerwise, bm25, encoder, decoder = results
    assert titles(results) == ["layers", "BM25", "encoder", "decoder"]
    assert problem == ""
    assert layerwise.shown_layers == (3, 5, 8)
    for layer, expected in zip((3, 5, 8), load("layerwise").compute_score(PAIRS, cutoff_layers=[3, 5, 8]), strict=True):
        assert layerwise.scores.column(layer) == close(expected)
    assert bm25.scores.column() == load_reranker("bm25").compute_score(PAIRS)
    assert encoder.scores.column() == close(load("encoder").compute_score(PAIRS))
    assert decoder.scores.column() == close(load("llm").compute_score(PAIRS))
    assert encoder.shown_layers == bm25.shown_layers == (None,)
    assert all(result.kept_characters == (None,) * len(PASSAGES) for result in results)


def test_one_pass_goes_to_the_deepest_chosen_layer_and_loads_nothing_above(local: Services, loads: list[Any]) -> None:
    score_comparison(local, ask("layers", layers=(4, 2)))
    assert loads == [("layerwise", 4)]
    score_comparison(local, ask("layers", layers=(3,)))
    assert loads == [("layerwise", 4)]


def test_all_layers_are_read_and_the_chosen_ones_shown(local: Services, load: Callable[..., Reranker]) -> None:
    (result,), _ = score_comparison(local, ask("layers", layers=(5, 3), all_layers=True))
    assert result.shown_layers == (3, 5)
    assert result.scores.layers == tuple(range(2, 9))
    expected = load("layerwise").compute_score(PAIRS, cutoff_layers=list(range(2, 9)))
    assert [result.scores.column(layer) for layer in range(2, 9)] == [close(column) for column in expected]


def test_without_a_chosen_layer_the_deepest_is_shown(local: Services) -> None:
    for all_layers, read in ((False, (8,)), (True, tuple(range(2, 9)))):
        (result,), _ = score_comparison(local, ask("layers", all_layers=all_layers))
        assert (result.shown_layers, result.scores.layers) == ((8,), read)


def test_options_reach_the_families_that_understand_them(local: Services, load: Callable[..., Reranker]) -> None:
    lengths: dict[str, Any] = {
        "max_length": 24,
        "query_max_length": 3,
        "query_instruction": "Q:",
        "passage_instruction": "",
    }
    asked = ask("bm25", "encoder", "decoder", "layers", layers=(2, 8), scale=SIGMOID, prompt="Yes or No?", **lengths)
    (bm25, encoder, decoder, layerwise), _ = score_comparison(local, asked)

    assert bm25.scores.column() == load_reranker("bm25").compute_score(PAIRS)
    assert not bm25.scores.normalized
    options = lengths | {"normalize": True}
    assert encoder.scores.column() == close(load("encoder").compute_score(PAIRS, **options))
    options["prompt"] = "Yes or No?"
    assert decoder.scores.column() == close(load("llm").compute_score(PAIRS, **options))
    both = load("layerwise").compute_score(PAIRS, cutoff_layers=[2, 8], **options)
    assert [layerwise.scores.column(layer) for layer in (2, 8)] == [close(column) for column in both]
    plain = score_comparison(local, ask("decoder", scale=SIGMOID, **lengths))[0][0]
    assert plain.scores.column() != close(decoder.scores.column())


def test_an_empty_text_under_advanced_is_no_default(local: Services, load: Callable[..., Reranker]) -> None:
    (result,), _ = score_comparison(local, ask("decoder", prompt="", passage_instruction=""))
    assert result.scores.column() == close(load("llm").compute_score(PAIRS, prompt="", passage_instruction=""))


def test_what_was_cut_is_told_in_characters_for_each_model(local: Services) -> None:
    long = "The giant panda is a bear. " * 20
    asked = ask("bm25", "encoder", "layers", passages=("short", long), max_length=40, passage_instruction="B: ")
    (bm25, encoder, layerwise), _ = score_comparison(local, asked)
    assert bm25.kept_characters == (None, None)
    for result in (encoder, layerwise):
        assert result.kept_characters[0] is None
        kept = result.kept_characters[1]
        assert kept is not None
        assert 0 < kept < len(long)
        again, _ = score_comparison(
            local, ask(result.choice.name, passages=(long[:kept],), max_length=40, passage_instruction="B: ")
        )
        assert again[0].scores.column() == close(result.scores.column()[1:])


def test_of_a_passage_that_its_instruction_leaves_no_room_for_nothing_was_read(local: Services) -> None:
    results, _ = score_comparison(
        local,
        ask("encoder", "layers", passages=("a bear of the woods " * 60,), max_length=16, passage_instruction="word " * 40),
    )
    assert [result.kept_characters for result in results] == [(0,), (0,)]


# Checked before anything is computed


@pytest.mark.parametrize(
    ("models", "changes", "error", "sentence"),
    [
        (
            ["bm25", "encoder", "bge-reranker-v2-m3"],
            {},
            ModelNotFoundError,
            r"^v2-m3 is not on this machine\. Download it \(2\.3 GB\) first, or leave it out\.$",
        ),
        (["encoder", "no-such-model"], {}, InputError, r'^There is no model "no-such-model"'),
        (["encoder", "gone"], {}, UnsupportedModelError, r"^gone cannot be used: .*gone"),
        (
            ["decoder", "encoder"],
            {"max_length": 513},
            InputError,
            r"^encoder reads at most 512 tokens, max_length is 513\. Lower",
        ),
        (["encoder", "layers"], {"layers": (9, 40)}, InputError, r"^layers has scores at layers 2 to 8, and none of them"),
        (["layers"], {"layers": (1,), "all_layers": True}, InputError, r"^layers has scores at layers 2 to 8"),
        (["encoder", "bm25", "ENCODER"], {}, InputError, r"^Two of encoder, bm25, ENCODER are names of the same model"),
    ],
)
def test_what_one_model_cannot_do_is_said_before_anything_is_computed(
    local: Services,
    loads: list[Any],
    tmp_path: Path,
    checkpoints: Path,
    models: list[str],
    changes: dict[str, Any],
    error: type[RerankerError],
    sentence: str,
) -> None:
    copied = shutil.copytree(checkpoints / "encoder", tmp_path / "gone")
    local.local_models.add(str(copied), name="gone")
    shutil.rmtree(copied)
    stages: list[Any] = []
    with pytest.raises(error, match=sentence):
        score_comparison(local, ask(*models, **changes), on_stage=lambda *stage: stages.append(stage))
    assert (loads, stages) == ([], [])


def test_layers_that_a_model_lacks_are_left_out_while_it_has_one_of_them(local: Services) -> None:
    (result,), _ = score_comparison(local, ask("layers", layers=(1, 5, 40)))
    assert result.scores.layers == (5,)


def test_the_longest_length_that_every_model_reads_is_taken(local: Services) -> None:
    results, _ = score_comparison(local, ask("bm25", "encoder", "decoder", max_length=512))
    assert len(results) == 3


def test_a_hosted_app_does_not_offer_a_download() -> None:
    with pytest.raises(ModelNotFoundError, match=r"^v2-m3 is not ready on this server\. Choose another model\.$"):
        score_comparison(Services(), ask("bm25", "bge-reranker-v2-m3"))


# Failures and stops keep what is finished


@pytest.mark.parametrize("models", [["encoder", "damaged"], ["damaged", "encoder"], ["bm25", "damaged", "encoder"]])
def test_a_model_that_fails_does_not_take_the_others_with_it(local: Services, models: list[str]) -> None:
    results, problem = score_comparison(local, ask(*models))
    assert titles(results) == [{"bm25": "BM25"}.get(name, name) for name in models if name != "damaged"]
    assert problem.startswith("damaged: ")
    assert "gave a score that is not finite" in problem
    assert [resident.state for resident in local.pool.resident()] == ["ready", "ready"]


def test_a_model_that_cannot_be_loaded_does_not_take_the_others_with_it(local: Services, damaged_folder: Path) -> None:
    weights = damaged_folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    try:
        results, problem = score_comparison(local, ask("damaged", "encoder"))
    finally:
        weights.write_bytes(content)
    assert titles(results) == ["encoder"]
    assert problem.startswith("damaged: ")
    assert "model.safetensors" in problem


def test_a_failure_is_raised_where_only_bm25_finished(local: Services) -> None:
    with pytest.raises(RerankerError, match=r"^damaged: .*not finite"):
        score_comparison(local, ask("bm25", "damaged"))
    with pytest.raises(ScoringError, match="not finite"):
        score_comparison(local, ask("damaged"))


@pytest.mark.slow
def test_a_run_can_be_stopped_at_every_stage_and_keeps_what_is_finished(local: Services, checkpoints: Path) -> None:
    asked = ask("bm25", "encoder", "layers", layers=(2,))
    stages: list[str] = []
    score_comparison(local, asked, on_stage=lambda words, fraction: stages.append(words))
    finished = next(number for number, words in enumerate(stages) if words.startswith("layers"))
    tried = {stages.index(words) for words in stages} | {len(stages) - 1 - stages[::-1].index(words) for words in stages}
    assert len(tried) > 6

    for number in sorted(tried):
        for folder in ("encoder", "layerwise"):
            local.pool.unload(str(checkpoints / folder))
        calls = iter(range(len(stages)))

        def stop(words: str, fraction: float | None, calls: Any = calls, number: int = number) -> None:
            if next(calls) == number:
                raise StoppedError("now")

        if number < finished:
            with pytest.raises(StoppedError, match=r"^Stopped\. The result before stays\.$"):
                score_comparison(local, asked, on_stage=stop)
        else:
            results, problem = score_comparison(local, asked, on_stage=stop)
            assert titles(results) == ["BM25", "encoder"]
            assert problem == "Stopped before the end, without layers."
    results, problem = score_comparison(local, asked)
    assert (len(results), problem) == (3, "")


def test_a_stop_names_all_that_was_left_and_what_failed_before(local: Services) -> None:
    def stop(words: str, fraction: float | None) -> None:
        if words.startswith("decoder"):
            raise StoppedError("now")

    results, problem = score_comparison(local, ask("encoder", "damaged", "decoder", "bm25", "layers"), on_stage=stop)
    assert titles(results) == ["encoder"]
    assert problem.startswith("damaged: ")
    assert problem.endswith(" Stopped before the end, without decoder, BM25, layers.")


def test_a_run_that_waits_for_another_one_says_so_and_can_be_stopped(local: Services, checkpoints: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with local.pool.borrow(str(checkpoints / "encoder")):
            held.set()
            done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    seen: list[tuple[str, float | None]] = []

    def stop(words: str, fraction: float | None) -> None:
        seen.append((words, fraction))
        raise StoppedError("now")

    try:
        with pytest.raises(StoppedError):
            score_comparison(local, ask("encoder"), on_stage=stop)
    finally:
        done.set()
        other.join()
    assert seen == [("encoder: waiting for another run", 0.0)]


def test_the_stages_say_which_model_loads_and_how_far_it_is(local: Services) -> None:
    stages: list[tuple[str, float | None]] = []
    score_comparison(local, ask("bm25", "encoder"), on_stage=lambda words, fraction: stages.append((words, fraction)))
    assert stages[0] == ("BM25 (1 of 2): 5 of 5 passages", 1.0)
    assert stages[1] == ("encoder (2 of 2): loading on first use", 0.0)
    assert stages[-1] == ("encoder (2 of 2): 5 of 5 passages", 1.0)
    assert all(fraction is not None and 0 <= fraction <= 1 for _, fraction in stages)


# What the public endpoints ask


def test_passages_are_scored_for_the_endpoints_as_by_the_library(
    local: Services, loads: list[Any], load: Callable[..., Reranker]
) -> None:
    scores = score_passages(
        local, QUERY, list(PASSAGES), model="layers", options={"cutoff_layers": [5, 2], "max_length": 30}
    )
    expected = load("layerwise").compute_score(PAIRS, cutoff_layers=[5, 2], max_length=30)
    assert [scores.column(layer) for layer in (5, 2)] == [close(column) for column in expected]
    assert loads == [("layerwise", 5)]


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        ("encoder", {"prompt": "p"}, "reads no prompt"),
        ("encoder", {"cutoff_layers": [2]}, "layer"),
        ("layers", {"cutoff_layers": [9]}, "2 to 8"),
        ("bm25", {"cutoff_layers": [2]}, "has no cutoff layers"),
        ("bm25", {"normalize": True}, "no logits"),
        ("layers", {"cutoff_layers": 5}, "^cutoff_layers must be a list of whole numbers, got 5"),
        ("layers", {"cutoff_layers": ["5"]}, "^cutoff_layers must be a list of whole numbers"),
        ("layers", {"cutoff_layers": [True]}, "^cutoff_layers must be a list of whole numbers"),
        ("encoder", {"normalize": "yes"}, "^normalize must be true or false"),
        ("encoder", {"max_length": 5.5}, "^max_length must be a whole number"),
        ("decoder", {"prompt": 5}, "^prompt must be a text"),
    ],
)
def test_the_endpoints_refuse_what_a_model_does_not_understand(
    local: Services, model: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RerankerError, match=sentence):
        score_passages(local, QUERY, list(PASSAGES), model=model, options=options)


@pytest.mark.parametrize(
    ("query", "passages", "sentence"),
    [
        ("", ["a"], "The query is empty"),
        ("q", [], "no passage to score"),
        (None, ["a"], "Send them so"),
        ("q", "a", "Send them so"),
        ("q", ["a", 5], "Pair 2: the passage must be a text"),
        ("q", ["\ud83d"], "surrogate"),
    ],
)
def test_the_endpoints_refuse_texts_that_are_none(local: Services, query: Any, passages: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        score_passages(local, query, passages, model="bm25", options={})


def test_a_failure_that_nobody_foresaw_does_not_take_the_others_with_it_either(
    local: Services, checkpoints: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ModelPool):
        def borrow(self, name: str, **how: Any) -> Any:
            if name == str(checkpoints / "layerwise"):
                raise OSError("the disk is gone")
            return super().borrow(name, **how)

    broken = Services(pool=Broken(), local_models=local.local_models)
    results, problem = score_comparison(broken, ask("bm25", "encoder", "layers"))
    assert titles(results) == ["BM25", "encoder"]
    assert problem.startswith("layers: Something went wrong that should not have (OSError)")
    assert "the disk is gone" in caplog.text
