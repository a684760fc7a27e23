"""`python -m reranker_core.mining pool|negatives`: candidates to label, and hard negatives, from files into files."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reranker_core.command_output import note, run_command, show_stages
from reranker_core.errors import InputError
from reranker_core.examples import write_run, write_training_jsonl
from reranker_core.mining.command_files import (
    NegativesInput,
    fill_rows,
    list_doubtful,
    list_pairs,
    read_collection,
    read_negatives_input,
    write_rows,
)
from reranker_core.mining.negatives import mine_negatives
from reranker_core.mining.pooling import Pool, pool_candidates
from reranker_core.models_command import add_home_option, look_up_model
from reranker_core.reranker import Reranker

_EXAMPLES = """examples:
  python -m reranker_core.mining pool ./scifact --output pool.run
  python -m reranker_core.mining pool --queries queries.jsonl --corpus corpus.jsonl --model bge-reranker-v2-m3 \\
      --output pool.run --pairs pool.jsonl
  python -m reranker_core.mining negatives train.jsonl --output filled.jsonl
  python -m reranker_core.mining negatives train.jsonl --corpus corpus.jsonl --model bge-reranker-v2-m3 \\
      --output filled.jsonl --doubtful doubtful.jsonl
  python -m reranker_core.mining negatives ./scifact --split train --output train.jsonl
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a sentence on standard error."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: options.run(options), when_stopped="Stopped; nothing was written.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reranker_core.mining", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="pool|negatives")
    pool = commands.add_parser(
        "pool", help="choose candidates to label: the best of BM25 and of models, and a random share"
    )
    pool.add_argument("folder", nargs="?", type=Path, help="BEIR folder; else --queries and --corpus")
    pool.add_argument("--queries", type=Path, help='queries.jsonl: {"_id", "text"}')
    pool.add_argument("--corpus", type=Path, help='corpus.jsonl: {"_id", "text"}, and a "title" where there is one')
    pool.add_argument("--model", nargs="+", default=[], help="models that rerank what BM25 finds; each adds its best")
    pool.add_argument("--depth", type=int, default=20, help="best passages of each system (default: 20)")
    pool.add_argument("--first_stage", type=int, default=100, help="passages that models see (default: 100)")
    pool.add_argument("--random_share", type=float, default=0.2, help="share of random candidates (default: 0.2)")
    pool.add_argument("--max_queries", type=int, help="only the first queries of the file")
    pool.add_argument("--cutoff_layers", type=int, nargs="+", help="layers to read, for layerwise models")
    pool.add_argument("--output", type=Path, required=True, help="TREC run to write")
    pool.add_argument("--pairs", type=Path, help="jsonl to write too: with the texts and sources, to be imported as labels")
    pool.set_defaults(run=_pool)
    negatives = commands.add_parser("negatives", help="give training rows the negatives that they lack")
    negatives.add_argument("data", type=Path, help="training jsonl, or BEIR folder with qrels")
    negatives.add_argument("--corpus", type=Path, help="corpus.jsonl to choose from (default: the passages of the data)")
    negatives.add_argument("--split", default="train", help="of a BEIR folder (default: train)")
    negatives.add_argument("--positive_from", type=int, default=1, help="grade from which on is positive (default: 1)")
    negatives.add_argument("--prompt", help="for rows that have none")
    negatives.add_argument("--model", help="orders what BM25 finds, and tells what may be an answer (default: BM25 alone)")
    negatives.add_argument("--negatives", type=int, default=7, help="that each row is to have (default: 7)")
    negatives.add_argument("--depth", type=int, default=100, help="passages to look at for each row (default: 100)")
    negatives.add_argument(
        "--max_relative",
        type=float,
        default=0.95,
        help="of the positive's score, what a negative stays below (default: 0.95)",
    )
    negatives.add_argument("--cutoff_layers", type=int, help="layer to read, for a layerwise model")
    negatives.add_argument("--output", type=Path, required=True, help="training jsonl to write")
    negatives.add_argument("--doubtful", type=Path, help="jsonl to write too: what may be an answer, to be labelled")
    negatives.set_defaults(run=_negatives)
    for command in (pool, negatives):
        command.add_argument("--seed", type=int, default=0, help="of what is drawn at random (default: 0)")
        command.add_argument("--device", help="cpu, cuda, cuda:1, … (default: CUDA where there is one)")
        command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: by device)")
        command.add_argument("--offline", action="store_true", help="never download; say so if a model is not here")
        add_home_option(command)
    return parser


def _pool(options: argparse.Namespace) -> None:
    queries, corpus = read_collection(
        options.folder, queries=options.queries, corpus=options.corpus, max_queries=options.max_queries
    )
    layers = options.cutoff_layers
    max_layer = max(layers) if layers and len(options.model) == 1 else None
    with show_stages() as on_progress:
        pool = pool_candidates(
            queries,
            corpus,
            rerankers=((name, _load(name, options, max_layer=max_layer)) for name in options.model),
            depth=options.depth,
            first_stage=options.first_stage,
            random_share=options.random_share,
            seed=options.seed,
            cutoff_layers=layers,
            on_progress=on_progress,
        )
    write_run(options.output, pool.run, tag="pool")
    if options.pairs:
        write_rows(options.pairs, list_pairs(pool, queries=queries, corpus=corpus))
    _tell_of_pool(pool)


def _tell_of_pool(pool: Pool) -> None:
    passages = [passage for candidates in pool.candidates.values() for passage in candidates]
    drawn = sum(not passage.places for passage in passages)
    systems = ", ".join(system.title for system in pool.systems)
    note(f"{len(passages)} candidates for {len(pool.candidates)} queries by {systems}; {drawn} of them at random")
    if pool.unmatched:
        some = ", ".join(pool.unmatched[:5]) + (", …" if len(pool.unmatched) > 5 else "")
        note(f"{len(pool.unmatched)} queries have no word in common with any passage and got random ones only: {some}")
    if pool.empty_passages or pool.same_passages:
        note(f"left out: {pool.empty_passages} empty passages, {pool.same_passages} with the text of an earlier one")


def _negatives(options: argparse.Namespace) -> None:
    given = read_negatives_input(
        options.data,
        corpus=options.corpus,
        split=options.split,
        positive_from=options.positive_from,
        prompt=options.prompt,
        negatives=options.negatives,
    )
    reranker = None
    if options.model:
        reranker = _load(options.model, options, max_layer=options.cutoff_layers)
    with show_stages() as on_progress:
        mined = mine_negatives(
            {row_id: given.examples[row_id].query for row_id in given.wanted},
            given.corpus,
            given.positives,
            reranker=reranker,
            negatives=options.negatives,
            depth=options.depth,
            max_relative=options.max_relative,
            seed=options.seed,
            exclude=given.exclude,
            cutoff_layers=options.cutoff_layers,
            on_progress=on_progress,
        )
    rows, added = fill_rows(given, mined, negatives=options.negatives)
    doubtful = list(list_doubtful(given, mined))
    if not rows:
        raise InputError(
            f"No negative was found for any of the {len(given.examples)} rows; {len(doubtful)} passages may be answers. "
            "Give a larger --corpus, or another --model."
        )
    written = write_training_jsonl(options.output, rows)
    if options.doubtful:
        write_rows(options.doubtful, doubtful)
    note(f"{written.rows} rows with {written.negatives} negatives, {sum(added.values())} of them new: {_say(added)}")
    _tell_what_lacks(given, len(doubtful), written.rows, options)


def _tell_what_lacks(given: NegativesInput, doubtful: int, rows: int, options: argparse.Namespace) -> None:
    if rows < len(given.examples):
        note(f"{len(given.examples) - rows} rows were left out: no negative was found for them")
    if given.without_positive:
        note(f"{given.without_positive} queries were left out: they have no positive")
    if doubtful:
        where = f"; they are in {options.doubtful}" if options.doubtful else "; --doubtful FILE writes them"
        note(f"{doubtful} passages may be answers and are to be labelled{where}")
    elif not options.model:
        note("no model looked at the negatives; some may be answers. Look at them, or give --model")


def _say(added: dict[str, int]) -> str:
    return ", ".join(f"{count} by {source}" if source != "random" else f"{count} random" for source, count in added.items())


def _load(name: str, options: argparse.Namespace, *, max_layer: int | None) -> Reranker:
    """Load a model by a name of the catalogue or of the added ones, or a folder."""
    from reranker_core.loading import load_reranker

    base, adapter = look_up_model(name, home=options.home)
    return load_reranker(
        base,
        adapter=adapter,
        device=options.device,
        dtype=options.dtype,
        max_layer=max_layer,
        allow_download=not options.offline,
    )
