"""`python -m reranker_core score|rank|models|evaluate|merge`: the library's jobs from a shell."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reranker_core.baseline import BM25Reranker
from reranker_core.command_output import add_output_options, note, run_command, show_progress, write_rows
from reranker_core.errors import InputError, RerankerError
from reranker_core.evaluation.command import EXAMPLES, add_evaluate_options, run_evaluate
from reranker_core.merge_command import add_merge_options, run_merge
from reranker_core.models_command import add_home_option, add_models_options, look_up_model, run_models
from reranker_core.reranker import Reranker
from reranker_core.rows import Row, read_rows
from reranker_core.scores import Scores, order_by_score

# Pairs scored before their rows are written, so that a long run shows results early.
_BLOCK_PAIRS = 1024

_EXAMPLES = """examples:
  python -m reranker_core score --model bge-reranker-v2-m3 --input pairs.jsonl
  python -m reranker_core rank --query "what is panda?" --input passages.txt
  python -m reranker_core score --model ./my-model --adapter ./my-adapter --cutoff_layers 8 28 40 < pairs.tsv \\
      --input_format tsv
  python -m reranker_core models
  python -m reranker_core models --add ./my-model --as mine
  python -m reranker_core score --model mine --input pairs.jsonl
  python -m reranker_core merge --model bge-reranker-v2-m3 --adapter ./my-adapter --output ./my-model
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a sentence on standard error."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reranker_core", epilog=_EXAMPLES + EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="score|rank|models|evaluate|merge")
    score = commands.add_parser("score", help="score pairs, in input order")
    rank = commands.add_parser("rank", help="order each query's passages")
    models = commands.add_parser("models", help="list the models and what is ready on this machine; add or forget one")
    evaluate = commands.add_parser("evaluate", help="measure BM25 and models on labelled data, side by side")
    merge = commands.add_parser("merge", help="write a base and its adapter as one whole model")
    for command in (score, rank):
        _add_input_options(command)
        _add_model_options(command)
    add_models_options(models)
    add_evaluate_options(evaluate)
    add_home_option(evaluate)
    add_merge_options(merge)
    add_home_option(merge)
    rank.add_argument("--top_k", type=int, help="passages to write for each query (default: all)")
    for command in (score, rank, models):
        add_output_options(command)
        add_home_option(command)
    score.set_defaults(run=_score)
    rank.set_defaults(run=_rank)
    models.set_defaults(run=run_models)
    evaluate.set_defaults(run=run_evaluate)
    merge.set_defaults(run=run_merge)
    return parser


def _add_input_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--input", default="-", help="file to read; - is standard input (default)")
    command.add_argument(
        "--input_format",
        choices=["jsonl", "tsv", "lines"],
        help='jsonl: {"query", "passage"} or {"query", "passages"}; tsv: query, tab, passage; lines: a passage a line, '
        "with --query (default: by the file's ending, lines with --query, else jsonl)",
    )
    command.add_argument("--query", help="one query for all passages; the input is then a passage a line")


def _add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        default="bm25",
        help="bm25 (default), a catalogue or Hugging Face name, the name of a model that was added, or a folder",
    )
    command.add_argument("--adapter", help="LoRA adapter folder")
    command.add_argument("--device", help="cpu, cuda, cuda:1, … (default: CUDA where there is one)")
    command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: by device)")
    command.add_argument("--cutoff_layers", type=int, nargs="+", help="layers to read, for layerwise models")
    command.add_argument("--normalize", action="store_true", help="apply the sigmoid")
    command.add_argument("--max_length", type=int, help="tokens of a pair (default: 512)")
    command.add_argument("--query_max_length", type=int, help="tokens of a query (default: 3/4 of max_length)")
    command.add_argument("--prompt", help="what follows the passage, for LLM rerankers")
    command.add_argument("--query_instruction", help='text before each query (LLM rerankers: "A: ")')
    command.add_argument("--passage_instruction", help='text before each passage (LLM rerankers: "B: ")')
    command.add_argument("--offline", action="store_true", help="never download; say so if the model is not here")


def _score(options: argparse.Namespace) -> None:
    rows = _read_input(options)
    reranker = _load(options)
    pairs = [(row.query, passage) for row in rows for passage in row.passages]
    # BM25 compares all passages of a query, wherever in the input they stand.
    block = len(pairs) if reranker.family == "bm25" else _BLOCK_PAIRS
    with (
        write_rows(options, right_aligned={"score", "tokens", "cut_tokens"}) as write,
        show_progress(len(pairs)) as advance,
    ):
        for start in range(0, len(pairs), max(1, block)):
            part = pairs[start : start + block]
            scores = reranker.score(part, **_score_options(options), on_progress=partial(advance, start))
            for index, (query, passage) in enumerate(part):
                write({"query": query, "passage": passage, **_describe(scores, index)})


def _rank(options: argparse.Namespace) -> None:
    if options.top_k is not None and options.top_k < 1:
        raise RerankerError(f"--top_k must be at least 1, got {options.top_k}.")
    if options.cutoff_layers and len(options.cutoff_layers) > 1:
        raise RerankerError(f"rank orders by one cutoff layer, got {options.cutoff_layers}. Choose one, or use score.")
    passages_by_query: dict[str, list[str]] = {}
    for row in _read_input(options):
        passages_by_query.setdefault(row.query, []).extend(row.passages)
    reranker = _load(options)
    total, done = sum(map(len, passages_by_query.values())), 0
    with write_rows(options, right_aligned={"rank", "index", "score"}) as write, show_progress(total) as advance:
        for query, passages in passages_by_query.items():
            pairs = [(query, passage) for passage in passages]
            scores = reranker.score(pairs, **_score_options(options), on_progress=partial(advance, done)).column()
            done += len(passages)
            for rank, index in order_by_score(scores, top_k=options.top_k):
                write(
                    {
                        "query": query,
                        "rank": rank,
                        "index": index,
                        "score": scores[index],
                        "passage": passages[index],
                    }
                )


def _read_input(options: argparse.Namespace) -> list[Row]:
    """Read and check every row before a model is loaded: a bad row 10,000 shows at once."""
    by_ending = {".jsonl": "jsonl", ".json": "jsonl", ".tsv": "tsv", ".txt": "lines"}
    file_format = options.input_format or (
        "lines" if options.query is not None else by_ending.get(Path(options.input).suffix, "jsonl")
    )
    if file_format != "lines" and options.query is not None:
        raise InputError(f"Rows of {file_format} bring their own queries. Leave --query out, or give plain lines.")
    how = {"file_format": file_format, "query": options.query}
    if options.input == "-":
        rows = list(read_rows(sys.stdin.buffer, source="standard input", **how))
    else:
        with Path(options.input).open("rb") as lines:
            rows = list(read_rows(lines, source=options.input, **how))
    if not rows:
        note("the input has no rows")
    return rows


def _load(options: argparse.Namespace) -> Reranker:
    if options.model.casefold() == "bm25" and not options.adapter:
        return BM25Reranker()  # without the seconds that importing torch takes
    from reranker_core.loading import load_reranker

    name, adapter = look_up_model(options.model, options.adapter, home=options.home)
    return load_reranker(
        name,
        adapter=adapter,
        device=options.device,
        dtype=options.dtype,
        max_layer=max(options.cutoff_layers) if options.cutoff_layers else None,
        allow_download=not options.offline,
    )


def _score_options(options: argparse.Namespace) -> dict[str, Any]:
    names = ("cutoff_layers", "max_length", "query_max_length", "prompt", "query_instruction", "passage_instruction")
    return {name: getattr(options, name) for name in names} | {"normalize": options.normalize}


def _describe(scores: Scores, index: int) -> dict[str, Any]:
    values = scores.values[index]
    cut = scores.cut_query_tokens[index] + scores.cut_passage_tokens[index]
    rest = {"tokens": scores.tokens[index], "cut_tokens": cut}
    if len(values) == 1:
        layer = {} if scores.layers[0] is None else {"layer": scores.layers[0]}
        return {"score": values[0], **layer, **rest}
    return {"scores": {str(layer): value for layer, value in zip(scores.layers, values, strict=True)}, **rest}
