"""`python -m reranker_core merge`: a base and an adapter become one model folder."""

import argparse
import sys
from pathlib import Path

from reranker_core.command_output import note
from reranker_core.models_command import look_up_model


def add_merge_options(command: argparse.ArgumentParser) -> None:
    """Add what this command takes."""
    command.add_argument(
        "--model",
        required=True,
        help="the base: a catalogue or Hugging Face name, the name of a model that was added, or a folder",
    )
    command.add_argument("--adapter", help="LoRA adapter folder, or the folder of a training run")
    command.add_argument("--output", required=True, type=Path, help="folder to write; there must be none yet")
    command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: as in the base)")
    command.add_argument("--no_check", action="store_true", help="keep it without scoring, which needs the model's memory")
    command.add_argument("--offline", action="store_true", help="never download; say so if the base is not here")


def run_merge(options: argparse.Namespace) -> None:
    """Merge, and say where the model lies.

    Raises:
        RerankerError: it cannot be merged; says why.
    """
    from reranker_core.errors import InputError

    base, adapter = look_up_model(options.model, options.adapter, home=options.home)
    if adapter is None:
        raise InputError("There is nothing to merge without an adapter. Give its folder as --adapter.")
    merge_and_tell(
        base,
        adapter,
        options.output,
        dtype=options.dtype,
        check_scores=not options.no_check,
        allow_download=not options.offline,
    )


def merge_and_tell(
    base: str,
    adapter: str | Path,
    output: Path,
    *,
    dtype: str | None,
    check_scores: bool,
    allow_download: bool,
    cache_dir: Path | None = None,
) -> None:
    """Merge with a bar on the terminal, and say where the model lies; the arguments are those of `merge_adapter`.

    Raises:
        RerankerError: it cannot be merged; says why.
    """
    from tqdm import tqdm

    from reranker_core.training.merging import merge_adapter

    with tqdm(unit="B", unit_scale=True, file=sys.stderr, disable=None, delay=1) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        merged = merge_adapter(
            base,
            adapter,
            output,
            dtype=dtype,
            check_scores=check_scores,
            allow_download=allow_download,
            cache_dir=cache_dir,
            on_progress=show,
        )
    checked = (
        "" if merged.difference is None else f"; its scores are those of base and adapter up to {merged.difference:.1g}"
    )
    note(f"{merged.folder} holds the merged model ({merged.family}){checked}")
