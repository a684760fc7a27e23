"""The trained folder → the bundled one: float16, every file below 10 MB; and what it is worth on Cranfield."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from start_checkpoint import write_checkpoint

from reranker_core.checkpoints import Checkpoint
from reranker_core.evaluation import fuse_runs, measure_run, read_task, score_task
from reranker_core.examples import read_run
from reranker_core.loading import load_reranker

_LARGEST = 10_000_000  # bytes; the Hugging Face Hub wants larger ones in LFS

_SYSTEMS = ("BM25", "starter-encoder", "both, by reciprocal rank")

# One tensor cannot be divided, so the vocabulary's matrix has a file to itself.
_SHARDS = (
    ("roberta.embeddings.word_embeddings.",),
    (
        "roberta.embeddings.position_embeddings.",
        "roberta.embeddings.token_type_embeddings.",
        "roberta.embeddings.LayerNorm.",
        "roberta.encoder.layer.0.",
        "roberta.encoder.layer.1.",
    ),
    ("roberta.encoder.layer.2.", "roberta.encoder.layer.3."),
    ("roberta.encoder.layer.4.", "roberta.encoder.layer.5.", "classifier."),
)


def finish_model(trained: Path, out: Path, *, encoder: Path, pieces: Sequence[str]) -> None:
    """Write the trained model in float16, in files below 10 MB.

    Raises:
        ValueError: a file became too large.
    """
    checkpoint = Checkpoint(trained)
    tensors = dict(checkpoint.read(checkpoint.tensor_names))
    write_checkpoint(out, tensors, pieces, encoder=encoder, shards=_SHARDS, dtype=torch.float16)
    if large := [path.name for path in out.iterdir() if path.stat().st_size >= _LARGEST]:
        raise ValueError(
            f"{', '.join(large)} must be smaller than {_LARGEST:,} bytes. Lower PIECES in starter_settings.py."
        )


def write_card(template: Path, out: Path, *, figures: Mapping[str, float]) -> None:
    """Write the model card with what was measured.

    Args:
        template: the card with `{figures}` where they go.
        out: the model's folder.
        figures: as `measure_on_cranfield` gives them; none are said to be missing.
    """
    rows = [
        f"| {name} | {figures[f'{name} nDCG@10']:.3f} | {figures[f'{name} RR@10']:.3f} |"
        for name in _SYSTEMS
        if f"{name} nDCG@10" in figures
    ]
    what = "Cranfield (225 queries, BM25's best 100 each; never trained on):"
    head = f"{what}\n\n| ranked by | nDCG@10 | RR@10 |\n|---|---|---|\n"
    text = (
        head + "\n".join(rows) if rows else "It was not measured on a collection with human judgements when it was built."
    )
    card = template.read_text(encoding="utf-8").replace("{figures}", text)
    (out / "README.md").write_text(card, encoding="utf-8")


def measure_on_cranfield(model: Path, folder: Path) -> dict[str, float]:
    """Measure nDCG@10 and RR@10 over BM25's best 100: BM25, the model alone, and both by reciprocal rank.

    Args:
        model: its folder.
        folder: the collection, in BEIR layout, with `bm25.run` beside it.
    """
    task = read_task(folder, run=folder / "bm25.run")
    first_stage = read_run(folder / "bm25.run")
    (run,) = score_task(load_reranker(model, device="cpu"), task).values()
    systems = dict(zip(_SYSTEMS, (first_stage, run, fuse_runs([first_stage, run])), strict=True))
    figures = {name: measure_run(system, task.qrels).means for name, system in systems.items()}
    return {f"{name} {measure}": round(value, 4) for name, means in figures.items() for measure, value in means.items()}
