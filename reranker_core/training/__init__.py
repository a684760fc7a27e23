"""From labels to a better model: settings, data, plan, the trainer, merging. Importing it brings no torch in.

```python
from reranker_core.training import TrainingSettings, train

settings = TrainingSettings(
    model_name_or_path="BAAI/bge-reranker-v2-m3", train_data=("labels.jsonl",), output_dir="run", hold_out=0.2
)
result = train(settings)
print(result.before, result.after, result.product)
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reranker_core.training.data import TrainingData, TrainingGroup, read_training_data
    from reranker_core.training.merging import merge_adapter
    from reranker_core.training.plan import TrainingPlan, plan_training, render_examples
    from reranker_core.training.presets import PRESETS, make_settings
    from reranker_core.training.progress import TrainingProgress
    from reranker_core.training.results import TrainingResult, read_result
    from reranker_core.training.run import train
    from reranker_core.training.settings import TrainingSettings, training_options

_MODULE_BY_NAME = {
    "PRESETS": "presets",
    "TrainingData": "data",
    "TrainingGroup": "data",
    "TrainingPlan": "plan",
    "TrainingProgress": "progress",
    "TrainingResult": "results",
    "TrainingSettings": "settings",
    "make_settings": "presets",
    "merge_adapter": "merging",
    "plan_training": "plan",
    "read_result": "results",
    "read_training_data": "data",
    "render_examples": "plan",
    "train": "run",
    "training_options": "settings",
}

__all__ = [
    "PRESETS",
    "TrainingData",
    "TrainingGroup",
    "TrainingPlan",
    "TrainingProgress",
    "TrainingResult",
    "TrainingSettings",
    "make_settings",
    "merge_adapter",
    "plan_training",
    "read_result",
    "read_training_data",
    "render_examples",
    "train",
    "training_options",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
