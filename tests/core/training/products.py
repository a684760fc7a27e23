"""Raw bases in the forms in which they are published, and rerankers that were changed as training changes them."""

import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
LLM = CHECKPOINTS / "llm"
# Trained by FlagEmbedding's own entry points; KNOWN: the base, the arguments and FlagEmbedding's scores of each.
ADAPTERS = CHECKPOINTS / "adapters"
KNOWN: dict[str, Any] = json.loads((ADAPTERS / "scores.json").read_text(encoding="utf-8"))
PAIRS = [
    ("what is panda?", "The giant panda is a bear species endemic to China."),
    ("what is panda?", "hi"),
    ("熊猫吃什么？", "大熊猫主要吃竹子。" * 20),
]

# What is trained, by the name of the case: the base, the places of LoRA, what is trained whole, how the base is loaded.
ADAPTER_CASES: dict[str, tuple[str, list[str], list[str] | None, dict[str, Any]]] = {
    "encoder": ("encoder", ["query", "key", "value", "dense"], ["classifier"], {}),
    "encoder from a raw base": ("raw_encoder", ["query", "value"], ["classifier"], {}),
    "encoder from a bare base": ("bare_encoder", ["query", "dense"], ["classifier"], {}),
    "decoder": ("llm", ["q_proj", "k_proj", "v_proj", "o_proj"], None, {}),
    "layerwise": ("layerwise", ["q_proj", "v_proj", "gate_proj"], ["linear_head"], {}),
    "layerwise from a raw base": (
        "raw_minicpm",
        ["q_proj", "k_proj", "v_proj", "o_proj"],
        ["linear_head"],
        {"head_multi": True, "start_layer": 2},
    ),
}

# One of each family, with the heads made; the others take the same ways and run with the slow tests.
_FAST = {"encoder from a raw base", "decoder", "layerwise from a raw base"}
each_case = pytest.mark.parametrize(
    "case", [case if case in _FAST else pytest.param(case, marks=pytest.mark.slow) for case in ADAPTER_CASES]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What a training left, and what it was.

    Attributes:
        base: the folder that it started from.
        folder: what was saved.
        trained: the reranker as it was when it was saved.
        scores: of `PAIRS`, at all layers.
        scores_before: of the base.
    """

    base: Path
    folder: Path
    trained: Any
    scores: Any
    scores_before: Any


class Products:
    """Makes each base and each product once, under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.adapter = cache(self._make_adapter)
        self.full_model = cache(self._make_full_model)
        self.base = cache(self._find_base)

    def _find_base(self, name: str) -> Path:
        make = {"raw_encoder": write_raw_encoder, "bare_encoder": write_bare_encoder}.get(name)
        return make(self._folder / name) if make else CHECKPOINTS / name

    def _make_adapter(self, case: str) -> Product:
        name, targets, whole, how = ADAPTER_CASES[case]
        return self._save(case, self.base(name), lambda model: add_lora(model, targets, whole), how)

    def _make_full_model(self, base: str) -> Product:
        return self._save(f"full {base}", self.base(base), lambda model: model.requires_grad_(True), {})

    def _save(self, case: str, base: Path, prepare: Any, how: dict[str, Any]) -> Product:
        from reranker_core.loading import load_for_training
        from reranker_core.training.saving import identify_base, save_product

        reranker = load_for_training(base, **how)
        before = score(reranker)
        prepare(reranker.model)
        change_trained(reranker.model)
        folder = self._folder / case.replace(" ", "_")
        save_product(
            reranker,
            folder,
            base=identify_base(base),
            settings={"learning_rate": 2e-4, "train_data": ["/home/somebody/rows.jsonl"]},
            data={"/home/somebody/rows.jsonl": "ab" * 32},
            results={"before": {"nDCG@10": 0.25}, "after": {"nDCG@10": 0.5, "RR@10": 1.0}, "best step": 7},
        )
        return Product(base=base, folder=folder, trained=reranker, scores=score(reranker), scores_before=before)


def add_lora(model: Any, targets: list[str], whole: list[str] | None = None, **settings: Any) -> None:
    """Put LoRA into a model, in place."""
    from peft import LoraConfig, PeftModel

    PeftModel(model, LoraConfig(target_modules=targets, modules_to_save=whole, **({"r": 4, "lora_alpha": 8} | settings)))
    model.eval()


def change_trained(model: Any, *, spread: float = 0.1, seed: int = 7) -> None:
    """Change every number that is trained, as an optimizer would."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=random) * spread)


def score(reranker: Any) -> Any:
    """Score `PAIRS` at all layers: [pair][layer]."""
    return reranker.score(PAIRS, cutoff_layers=reranker.cutoff_range).values


def write_raw_encoder(folder: Path) -> Path:
    """Write an XLM-R as FacebookAI/xlm-roberta-base is published: with a head for masked words, without a classifier."""
    tensors = _copy_encoder(folder, architecture="XLMRobertaForMaskedLM")
    random = torch.Generator().manual_seed(1)
    for name, shape in (("dense.weight", (48, 48)), ("dense.bias", (48,)), ("layer_norm.weight", (48,)), ("bias", (1600,))):
        tensors[f"lm_head.{name}"] = torch.randn(shape, generator=random)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write_bare_encoder(folder: Path) -> Path:
    """Write an XLM-R as BAAI/bge-m3 is published: no head, no `roberta.` before the names, a pooler and position ids."""
    tensors = _copy_encoder(folder, architecture="XLMRobertaModel")
    bare = {name.removeprefix("roberta."): tensor for name, tensor in tensors.items()}
    bare |= {"pooler.dense.weight": torch.ones(48, 48), "pooler.dense.bias": torch.zeros(48)}
    bare |= {"embeddings.position_ids": torch.arange(514)[None]}
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _copy_encoder(folder: Path, *, architecture: str) -> dict[str, torch.Tensor]:
    """Copy the tiny encoder's files but its weights; give those without the classifier."""
    shutil.copytree(CHECKPOINTS / "encoder", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"architectures": [architecture]}
    del config["id2label"], config["label2id"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = load_file(CHECKPOINTS / "encoder" / "model.safetensors")
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
