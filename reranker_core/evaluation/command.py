"""`python -m reranker_core evaluate`: BM25, models, adapters and layers side by side."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reranker_core.catalogue import find_model
from reranker_core.command_output import note, show_stages
from reranker_core.errors import InputError, RerankerError
from reranker_core.evaluation.command_results import check_places, show_evaluation, write_system_run
from reranker_core.evaluation.measures import MEASURES, parse_measures
from reranker_core.evaluation.systems import EvaluatedSystem, evaluate_first, evaluate_reranker
from reranker_core.evaluation.table import compare_systems
from reranker_core.evaluation.task_files import DEPTH, read_task
from reranker_core.evaluation.tasks import RankingTask
from reranker_core.examples import Run
from reranker_core.local_folders import count_heads, is_folder
from reranker_core.mining.corpus_index import OnProgress
from reranker_core.mining.ranking import BM25
from reranker_core.models_command import look_up_model
from reranker_core.recognition import describe_folder
from reranker_core.reranker import Reranker

EXAMPLES = """  python -m reranker_core evaluate ./scifact --model bge-reranker-base bge-reranker-base+./my-adapter
  python -m reranker_core evaluate ./scifact --run bm25.run --model bge-reranker-v2-minicpm-layerwise --cutoff_layers 8 24
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """A model of `--model`.

    Attributes:
        name: as it was written; the title of its row.
        base: a catalogue or Hugging Face name, or a folder.
        adapter: the folder of an adapter or of a job, or `None`.
    """

    name: str
    base: str
    adapter: str | None


def add_evaluate_options(command: argparse.ArgumentParser) -> None:
    """Add what this command takes; its `--home` is another's."""
    command.add_argument("data", type=Path, help="BEIR folder, snapshot, or training jsonl")
    command.add_argument("--split", help="of a folder (default: test, or the only one)")
    command.add_argument("--run", dest="candidates", type=Path, help="TREC run: candidates for a BEIR folder")
    command.add_argument(
        "--depth", type=int, help=f"candidates of a query (default: all; BM25's best {DEPTH} without --run)"
    )
    command.add_argument("--max_queries", type=int, help="only the first queries with grades")
    command.add_argument(
        "--model", nargs="+", default=[], help="names, folders, or either with an adapter: bge-reranker-base+./my-job"
    )
    command.add_argument(
        "--cutoff_layers", type=int, nargs="+", help="layers of layerwise models, in one pass; others are scored whole"
    )
    command.add_argument("--fuse", action="store_true", help="also each model fused with BM25 by reciprocal rank")
    command.add_argument("--baseline", help="the row that others are compared with (default: the first model)")
    command.add_argument(
        "--measures", nargs="+", default=[*MEASURES], help="as ir-measures writes them; the first is compared"
    )
    command.add_argument("--max_length", type=int, help="tokens of a pair (default: 512)")
    command.add_argument("--prompt", help="what follows the passage, for LLM rerankers and queries without their own")
    command.add_argument("--device", help="cpu, cuda, cuda:1, … (default: CUDA where there is one)")
    command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: by device)")
    command.add_argument("--offline", action="store_true", help="never download; say so if a model is not here")
    command.add_argument(
        "--format", dest="output_format", choices=["table", "jsonl"], default="table", help="of standard output"
    )
    command.add_argument("--output", type=Path, help="jsonl to write too: a row for each system, with every figure")
    command.add_argument("--by_query", type=Path, help="jsonl to write too: a row for each query and system")
    command.add_argument("--runs_dir", type=Path, help="folder to write each system's ranking into, as a TREC run")


def run_evaluate(options: argparse.Namespace) -> None:
    """Evaluate, and show and write what came out, also where some of it failed or somebody stopped it.

    Raises:
        RerankerError: nothing could be evaluated, or, after the rest was shown, some of the models failed; names them.
    """
    parse_measures(options.measures)
    models = [choose_model(name, home=options.home) for name in dict.fromkeys(options.model) if not _is_bm25(name)]
    check_places(options)
    with show_stages() as on_progress:
        task = _read(options, on_progress)
    _check_baseline(options.baseline, [task.first_stage, BM25, *(model.name for model in models)])
    note(f"{task.name}: {len(task.qrels)} queries. {task.note}")
    done: list[EvaluatedSystem] = []
    failed: list[str] = []
    try:
        for one in _evaluate(task, models, options, failed):
            done.append(one)
            if options.runs_dir:
                write_system_run(options.runs_dir, one)
    finally:
        if done:
            show_evaluation(compare_systems(task, done, baseline=_find_baseline(options.baseline, done)), options)
    if failed:
        raise RerankerError(f"{len(failed)} of {len(models)} models failed, see above: {', '.join(failed)}.")


def choose_model(name: str, *, home: str | None) -> ChosenModel:
    """Take `base+adapter` apart, unless there is a folder of that name, and look up models that were added.

    Raises:
        RerankerError: no adapter lies where one is named, or a model that was added cannot be used any more.
    """
    base, adapter = name, None
    if "+" in name and not is_folder(name):
        places = [place for place, character in enumerate(name) if character == "+"]
        splits = [(name[:place], name[place + 1 :]) for place in places]
        base, adapter = next((split for split in splits if is_folder(split[1])), splits[0])
        if not base or not is_folder(adapter):
            raise InputError(
                f'"{name}" must be a model, a + and the folder of an adapter, and there is no folder "{adapter}". Write '
                "such as bge-reranker-base+./my-job."
            )
    base, adapter = look_up_model(base, adapter, home=home)
    return ChosenModel(name=name, base=base, adapter=adapter)


def _is_bm25(name: str) -> bool:
    if name.casefold() != BM25:
        return False
    note("bm25 is always among the systems; --model bm25 adds nothing")
    return True


def _read(options: argparse.Namespace, on_progress: OnProgress) -> RankingTask:
    task = read_task(
        options.data,
        split=options.split,
        run=options.candidates,
        depth=options.depth,
        max_queries=options.max_queries,
        on_progress=on_progress,
    )
    if options.prompt is None:
        return task
    return replace(task, prompts=dict.fromkeys(task.queries, options.prompt) | task.prompts)


def _evaluate(
    task: RankingTask, models: Sequence[ChosenModel], options: argparse.Namespace, failed: list[str]
) -> Iterator[EvaluatedSystem]:
    """Evaluate one model after the other; one that fails is named in `failed`, and the next has its turn."""
    with show_stages() as on_progress:
        first = evaluate_first(task, measures=options.measures, on_progress=on_progress)
    yield from first
    for model in models:
        try:
            found = _evaluate_model(task, model, options, first[-1].run if options.fuse else None)
        except RerankerError as error:
            failed.append(model.name)
            note(f"{model.name}: {error}")
            continue
        yield from found


def _evaluate_model(
    task: RankingTask, model: ChosenModel, options: argparse.Namespace, fuse_with: Run | None
) -> list[EvaluatedSystem]:
    with show_stages() as on_progress:
        reranker = _load(model, options, on_progress)  # gone before the next one is loaded
        if options.cutoff_layers and reranker.cutoff_range is None:
            note(f"{model.name} has no cutoff layers and is scored whole; --cutoff_layers is for layerwise models")
        return evaluate_reranker(
            task,
            reranker,
            name=model.name,
            measures=options.measures,
            cutoff_layers=options.cutoff_layers,
            max_length=options.max_length,
            fuse_with=fuse_with,
            on_progress=on_progress,
        )


def _load(model: ChosenModel, options: argparse.Namespace, on_progress: OnProgress) -> Reranker:
    from reranker_core.loading import load_reranker

    def tell(done: int, total: int) -> None:
        on_progress(f"loading {model.name}", done / max(1, total))

    return load_reranker(
        model.base,
        adapter=model.adapter,
        device=options.device,
        dtype=options.dtype,
        max_layer=_find_deepest(model, options.cutoff_layers),
        allow_download=not options.offline,
        on_progress=tell,
    )


def _find_deepest(model: ChosenModel, cutoff_layers: Sequence[int] | None) -> int | None:
    """Tell how deep a model must be loaded: other families than layerwise, and those not known yet, whole."""
    if not cutoff_layers:
        return None
    info = find_model(model.base)
    if info is None and is_folder(model.base):
        heads = count_heads(Path(model.adapter)) if model.adapter else 0
        info = describe_folder(Path(model.base), heads=heads)
    return max(cutoff_layers) if info and info.family == "layerwise" else None


def _check_baseline(baseline: str | None, names: Sequence[str]) -> None:
    """Refuse a baseline that no row can have, before hours are spent; layers and fusions are known only later."""
    if baseline is None or any(
        baseline == name or baseline.startswith((f"{name}@", f"{name} + ")) for name in names if name
    ):
        return
    there = ", ".join(dict.fromkeys(filter(None, names)))
    raise InputError(
        f'There will be no row "{baseline}" to compare with. Choose one of {there}, with @ and the layer where a model has '
        "several."
    )


def _find_baseline(baseline: str | None, done: Sequence[EvaluatedSystem]) -> str | None:
    if baseline is None or any(one.system.title == baseline for one in done):
        return baseline
    note(f'there is no row "{baseline}", so others are compared with the usual one')
    return None
