"""Whether what was saved is what was trained: it is loaded as anybody would load it, and its scores are compared."""

from collections.abc import Sequence
from pathlib import Path

from reranker_core.loading import load_reranker
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import Trainable


def compare_product(
    trainable: Trainable, product: Path, pairs: Sequence[tuple[str, str]], *, settings: TrainingSettings
) -> float:
    """Give the largest difference between the scores of what was trained and of what was saved, at any layer.

    Args:
        trainable: with the weights that were saved.
        product: the folder of the adapter or model.
        pairs: to score.
        settings: of the run.

    Returns:
        The difference.

    Raises:
        RerankerError: what was saved cannot be loaded or cannot score, or has no room beside what was trained.
    """
    trained = trainable.reranker
    loaded = load_reranker(
        settings.model_name_or_path if trainable.has_lora else product,
        adapter=product if trainable.has_lora else None,
        merge_adapter=False,
        device=trained.device,
        dtype=trained.dtype,
        allow_download=not settings.offline,
        cache_dir=settings.cache_dir,
    )
    layers = None if trained.cutoff_range is None else list(trained.cutoff_range)
    length = min(trained.inputs.context, settings.query_max_len + settings.passage_max_len)
    rows = [one.score(pairs, cutoff_layers=layers, max_length=length).values for one in (trained, loaded)]
    values = zip(*rows, strict=True)
    difference: float = max(abs(one - other) for row in values for one, other in zip(*row, strict=True))
    return difference
