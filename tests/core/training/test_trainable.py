"""What is made trainable, and that it computes what scoring computes, with the gradients of plain transformers."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from reranker_core.errors import InputError
from reranker_core.training.batches import Batch, EncodedGroups, Turn, collate
from reranker_core.training.data import read_training_data
from reranker_core.training.losses import compute_group_losses
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import Trainable, load_trainable
from tests.conftest import CHECKPOINTS

CPU = torch.device("cpu")
FAMILIES = pytest.mark.parametrize("family", ["encoder", "decoder", "layerwise"])
MakeSettings = Callable[..., TrainingSettings]


@pytest.fixture
def trainable_of(make_settings: MakeSettings) -> Callable[..., Trainable]:
    def load(family: str, **changes: Any) -> Trainable:
        return load_trainable(make_settings(family, **changes), device=CPU)

    return load


def make_batch(settings: TrainingSettings, trainable: Trainable, rows: Sequence[int]) -> Batch:
    groups = EncodedGroups(read_training_data(settings), trainable.reranker.inputs, settings)
    return collate([groups[Turn(row, 0)] for row in rows])


def compute_loss(trainable: Trainable, batch: Batch) -> torch.Tensor:
    scores = trainable.scorer(batch["input_ids"], batch["lengths"])
    return compute_group_losses(scores, batch["sizes"], teacher_scores=batch["teacher_scores"]).sum()


def gradients_of(trainable: Trainable) -> dict[str, torch.Tensor]:
    return {name: place.grad for name, place in trainable.trained_parameters().items() if place.grad is not None}


@FAMILIES
def test_before_the_first_step_scores_are_those_of_the_base_to_the_last_bit(
    family: str, trainable_of: Callable[..., Trainable], load: Callable[..., Any], known: dict[str, Any]
) -> None:
    pairs = [tuple(pair) for pair in known["pairs"]]
    base = load({"encoder": "encoder", "decoder": "llm"}.get(family, family))
    assert trainable_of(family).reranker.score(pairs).values == base.score(pairs).values


@FAMILIES
def test_training_computes_the_scores_of_scoring(
    family: str, trainable_of: Callable[..., Trainable], make_settings: MakeSettings, known: dict[str, Any]
) -> None:
    trainable = trainable_of(family, dropout=0.0, lora_dropout=0.0)
    pairs = [tuple(pair) for pair in known["pairs"]]
    budget = trainable.reranker.inputs.scoring_budget(max_length=512, query_max_length=None, prompt=None)
    built = trainable.reranker.inputs.build(
        pairs, budget=budget, prompt=None, query_instruction=None, passage_instruction=None
    )
    layers = None if trainable.layers == (None,) else list(trainable.layers)
    expected = torch.tensor(trainable.reranker.score(pairs, cutoff_layers=layers).values)
    trainable.scorer.train()
    ids = torch.tensor([token for pair in built for token in pair.ids])
    scores = trainable.scorer(ids, tuple(len(pair.ids) for pair in built))
    assert scores.requires_grad
    torch.testing.assert_close(scores.detach(), expected, atol=1e-5, rtol=1e-5)


def test_gradients_of_an_encoder_are_those_of_transformers_with_padding(
    trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    from transformers import AutoModelForSequenceClassification

    trainable = trainable_of("encoder", dropout=0.0, lora_dropout=0.0, use_lora=False)
    batch = make_batch(make_settings(), trainable, range(5))
    trainable.scorer.train()
    compute_loss(trainable, batch).backward()

    plain = AutoModelForSequenceClassification.from_pretrained(CHECKPOINTS / "encoder")
    padded = torch.nn.utils.rnn.pad_sequence(
        list(batch["input_ids"].split(batch["lengths"])), batch_first=True, padding_value=1
    )
    scores = plain(padded, attention_mask=(padded != 1).long()).logits
    compute_group_losses(scores, batch["sizes"]).sum().backward()
    expected = dict(plain.named_parameters())
    gradients = gradients_of(trainable)
    assert len(gradients) > 40
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, expected[name.removeprefix("model.")].grad, atol=1e-5, rtol=1e-4), name


@FAMILIES
def test_recomputing_blocks_changes_no_gradient(
    family: str, trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    found = []
    for recomputes in (False, True):
        trainable = trainable_of(family, gradient_checkpointing=recomputes)
        batch = make_batch(make_settings(family), trainable, range(3))
        trainable.scorer.train()
        torch.manual_seed(3)  # dropout draws the same in both runs
        compute_loss(trainable, batch).backward()
        found.append(gradients_of(trainable))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_recomputing_keeps_less_for_the_gradients(
    trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    kept = []
    for recomputes in (False, True):
        trainable = trainable_of("encoder", gradient_checkpointing=recomputes)
        batch = make_batch(make_settings(), trainable, range(3))
        trainable.scorer.train()
        sizes: dict[int, int] = {}

        def note(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.data_ptr()] = tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            compute_loss(trainable, batch)
        kept.append(sum(sizes.values()))
    assert kept[1] < kept[0] / 2


@pytest.mark.parametrize("family", ["encoder", "layerwise"])
def test_heads_are_trained_whole_beside_lora(family: str, trainable_of: Callable[..., Trainable]) -> None:
    trained = trainable_of(family).trained_parameters()
    heads = [name for name in trained if "lora_" not in name]
    if family == "encoder":
        assert {name.split("default.")[1] for name in heads} == {"dense.weight", "dense.bias", "out_proj.weight"}
    else:
        assert len(heads) == 7  # layers 2 to 8
    assert all(place.dtype == torch.float32 for place in trained.values())
    assert not any("lora_" in name for name in trained if "classifier" in name or "lm_head" in name)


def test_every_head_and_every_lora_matrix_of_a_layerwise_model_gets_a_gradient(
    trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    trainable = trainable_of("layerwise", dropout=0.0, lora_dropout=0.0)
    trainable.scorer.train()
    compute_loss(trainable, make_batch(make_settings("layerwise"), trainable, range(3))).backward()
    gradients = gradients_of(trainable)
    assert gradients.keys() == trainable.trained_parameters().keys()
    moving = {name for name, gradient in gradients.items() if gradient.abs().max() > 0}
    assert moving == {name for name in gradients if "lora_A" not in name}  # lora_B starts at 0


@FAMILIES
def test_lora_goes_where_it_is_asked_for(family: str, trainable_of: Callable[..., Trainable]) -> None:
    name = {"encoder": "value", "decoder": "gate_proj", "layerwise": "up_proj"}[family]
    places = {place.split(".lora_")[0] for place in trainable_of(family, target_modules=(name,)).trained_parameters()}
    assert {place.rpartition(".")[2] for place in places if "layer" in place} == {name}


def test_all_linear_means_every_linear_layer_of_the_blocks(trainable_of: Callable[..., Trainable]) -> None:
    trained = trainable_of("decoder", target_modules=("all-linear",)).trained_parameters()
    names = {name.split(".lora_")[0].rpartition(".")[2] for name in trained}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_a_target_that_is_not_there_is_refused_with_those_that_are(trainable_of: Callable[..., Trainable]) -> None:
    with pytest.raises(InputError, match=r"target_modules names q_proj, .*It has dense, key, query, value"):
        trainable_of("encoder", target_modules=("query", "q_proj"))


def test_a_head_that_is_not_there_is_refused(trainable_of: Callable[..., Trainable]) -> None:
    with pytest.raises(InputError, match=r"lora_extra_parameters names linear_head, .*\(classifier\)"):
        trainable_of("encoder", lora_extra_parameters=("linear_head",))
    with pytest.raises(InputError, match="one row of the vocabulary"):
        trainable_of("decoder", lora_extra_parameters=("lm_head",))


def test_only_encoders_are_trained_whole(trainable_of: Callable[..., Trainable]) -> None:
    assert all("lora" not in name for name in trainable_of("encoder", use_lora=False).trained_parameters())
    with pytest.raises(InputError, match="trained with LoRA only"):
        trainable_of("decoder", use_lora=False)


def test_the_head_may_have_its_own_learning_rate_and_biases_do_not_decay(
    trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    settings = make_settings(learning_rate=1e-4, head_learning_rate=2e-5, weight_decay=0.1)
    trainable = trainable_of("encoder")
    groups = trainable.parameter_groups(settings)
    names = {id(place): name for name, place in trainable.trained_parameters().items()}
    assert sum(len(group["params"]) for group in groups) == len(names)
    for group in groups:
        for place in group["params"]:
            name = names[id(place)]
            assert group["lr"] == (2e-5 if "classifier" in name else 1e-4)
            assert group["weight_decay"] == (0.0 if name.endswith("bias") else 0.1)


def test_dropout_of_the_attention_weights_takes_effect_in_training_only(
    trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    trainable = trainable_of("encoder", lora_dropout=0.0)
    batch = make_batch(make_settings(), trainable, range(2))
    for module in trainable.scorer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    attention = [module for name, module in trainable.scorer.named_modules() if name.endswith("attention.self.dropout")]
    assert len(attention) == 3

    def differ(place: int, dropout: float) -> bool:
        attention[place].p = dropout
        first, second = (trainable.scorer(batch["input_ids"], batch["lengths"]) for _ in range(2))
        attention[place].p = 0.0
        return not torch.equal(first, second)

    trainable.scorer.train()
    assert not differ(0, 0.0)
    assert differ(0, 0.5)
    assert differ(2, 0.5)  # the last block is computed for the first tokens only, by other code
    trainable.scorer.eval()
    assert not differ(0, 0.5)


@FAMILIES
@pytest.mark.parametrize("lora_dropout", [0.0, 0.5])
def test_dropout_0_turns_the_models_own_dropout_off_and_lora_keeps_its_own(
    lora_dropout: float, family: str, trainable_of: Callable[..., Trainable], make_settings: MakeSettings
) -> None:
    trainable = trainable_of(family, dropout=0.0, lora_dropout=lora_dropout)
    for name, place in trainable.trained_parameters().items():
        if "lora_B" in name:  # they start at 0, which hides what LoRA does
            torch.nn.init.constant_(place, 0.1)
    batch = make_batch(make_settings(family), trainable, range(2))
    trainable.scorer.train()
    first, second = (trainable.scorer(batch["input_ids"], batch["lengths"]) for _ in range(2))
    assert torch.equal(first, second) == (lora_dropout == 0.0)


def test_biases_that_no_loss_can_see_stay(trainable_of: Callable[..., Trainable]) -> None:
    trained = trainable_of("encoder", use_lora=False).trained_parameters()
    assert "model.classifier.out_proj.bias" not in trained
    assert not any(name.endswith("key.bias") for name in trained)
    assert any(name.endswith("query.bias") for name in trained)
