"""How what was trained is used: by this library, by peft or transformers, by FlagEmbedding."""

from pathlib import Path

_HERE = "path/to/this-folder"
_CLASS_BY_FAMILY = {"encoder": "FlagReranker", "decoder": "FlagLLMReranker", "layerwise": "LayerWiseFlagLLMReranker"}
_AUTO_BY_FAMILY = {"encoder": "AutoModelForSequenceClassification", "decoder": "AutoModelForCausalLM"}


def is_published(base: str) -> bool:
    """Tell a Hugging Face name from a folder of one's own, as far as the text says it."""
    return base.count("/") == 1 and not Path(base).is_absolute()


def describe_use(*, base: str, shown: str, family: str, is_adapter: bool) -> list[str]:
    """Lay out the lines of a card that say how to use it.

    Args:
        base: the base's Hugging Face or catalogue name, or its folder.
        shown: its name without the place.
        family: "encoder", "decoder" or "layerwise".
        is_adapter: whether it is a LoRA adapter on the base, or a whole model.
    """
    is_named = is_published(base) or "/" not in base  # a name of the catalogue needs no path for our own library
    ours = base if is_named else f"path/to/{shown}"
    others = base if is_published(base) else f"path/to/{shown}"
    loaded = f'"{ours}", adapter="{_HERE}"' if is_adapter else f'"{_HERE}"'
    lines = ["With Reranker Workbench:", "", "```python", "from reranker_core import load_reranker", ""]
    lines += [f"reranker = load_reranker({loaded})"]
    lines += [
        'print(reranker.compute_score(["what is panda?", "The giant panda is a bear species endemic to China."]))',
        "```",
    ]
    if is_adapter:
        lines += ["", *_use_peft(others, family)]
    return [*lines, "", *_use_flagembedding(ours, others, family, is_adapter=is_adapter)]


def _use_peft(base: str, family: str) -> list[str]:
    if family not in _AUTO_BY_FAMILY:
        return ["peft alone does not load it: the heads at the layers need the reranker's own class."]
    auto = _AUTO_BY_FAMILY[family]
    labels = ", num_labels=1" if family == "encoder" else ""
    lines = ["With peft:", "", "```python", "from peft import PeftModel", f"from transformers import {auto}", ""]
    lines += [f'model = {auto}.from_pretrained("{base}"{labels})', f'model = PeftModel.from_pretrained(model, "{_HERE}")']
    return [*lines, "```"]


def _use_flagembedding(ours: str, base: str, family: str, *, is_adapter: bool) -> list[str]:
    if is_adapter and family != "decoder":
        return [
            "With FlagEmbedding: merge it into the base first, by "
            f"`python -m reranker_core merge --model {ours} --adapter {_HERE} --output merged`."
        ]
    name = _CLASS_BY_FAMILY[family]
    loaded = f'"{base}", peft_path="{_HERE}"' if is_adapter else f'"{_HERE}"'
    # 1.4.2 does not read layerwise models on transformers 5.
    which = "FlagEmbedding 1.3.5 and transformers 4.48" if family == "layerwise" else "FlagEmbedding"
    lines = [f"With {which}:", "", "```python", f"from FlagEmbedding import {name}", ""]
    return [*lines, f"reranker = {name}({loaded})", "```"]
