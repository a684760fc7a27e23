"""`python -m reranker_core models`: list the models, add a folder or an adapter of this machine, forget one."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reranker_core.catalogue import MODELS, ModelInfo, find_model
from reranker_core.command_output import note, write_rows
from reranker_core.errors import InputError, RerankerError
from reranker_core.home import MODELS_FILE, find_home
from reranker_core.hub import is_here
from reranker_core.local_folders import is_folder
from reranker_core.local_models import LocalModel, LocalModels, describe_local_model
from reranker_core.recognition import describe_folder

_NUMBERS = {"parameters (M)", "context", "size (GB)"}


def add_home_option(command: argparse.ArgumentParser) -> None:
    """Add the option that says where the list of added models lies."""
    command.add_argument(
        "--home", help="folder of the app's own data (default: RERANKER_WORKBENCH_HOME, else ./workbench-data)"
    )


def add_models_options(command: argparse.ArgumentParser) -> None:
    """Add what only this command takes."""
    command.add_argument("folders", nargs="*", type=Path, help="folders of this machine to list beside them")
    change = command.add_mutually_exclusive_group()
    change.add_argument(
        "--add", metavar="FOLDER_OR_NAME", help="add a folder, or with --adapter a name of the catalogue, to the list"
    )
    change.add_argument("--forget", metavar="NAME", help="take an added model off the list; its files stay")
    command.add_argument("--adapter", metavar="FOLDER", help="with --add: LoRA adapter folder on that model")
    command.add_argument("--as", dest="as_name", metavar="NAME", help="with --add: its name (default: the folder's)")


def look_up_model(name: str, adapter: str | None = None, *, home: str | None) -> tuple[str, str | None]:
    """Tell base and adapter of a model that was added; every other name, and every path, stays what it is.

    Args:
        name: as it was given to a command.
        adapter: a folder that was given beside it.
        home: the option of `add_home_option`.

    Raises:
        RerankerError: the model has an adapter already, its folder has gone or cannot be used any more, or the list of
            added models cannot be read.
    """
    if find_model(name) or {"/", "\\"} & set(name):  # nothing that was added is called so
        return name, adapter
    local = LocalModels(find_home(home) / MODELS_FILE).find(name)
    if local is None:
        return name, adapter
    describe_local_model(local)  # so that a folder that has gone is said to be gone
    if adapter and local.adapter:
        raise InputError(f"{local.name} has an adapter already, {local.adapter}. Leave --adapter out.")
    if is_folder(name) and str(Path(name).resolve()) not in (local.base, local.adapter):
        note(f"{name} is the model that was added under this name; for the folder here write ./{name}")
    return local.base, adapter or local.adapter


def run_models(options: argparse.Namespace) -> None:
    """List the models, or change the list of those that were added.

    Raises:
        RerankerError: what was asked for cannot be done; says why.
    """
    models = LocalModels(find_home(options.home) / MODELS_FILE)
    if options.add is None and (options.adapter is not None or options.as_name is not None):
        raise InputError("--adapter and --as say how a model is added. Give --add with them.")
    if options.folders and (options.add is not None or options.forget is not None):
        raise InputError(
            f"{options.folders[0]} is to be listed, and --add and --forget do not list. Leave one of them out."
        )
    if options.forget is not None:
        forgotten = models.find(options.forget)
        models.forget(options.forget)
        if forgotten:
            note(f"{forgotten.name} is forgotten; {forgotten.adapter or forgotten.base} stays as it is")
        return
    if options.add is not None:
        added, remark = models.add(options.add, adapter=options.adapter, name=options.as_name)
        if remark:
            note(remark)
        rows = [_describe_local(added)]
    else:
        rows = list(_list_all(models.list(), options.folders))
    with write_rows(options, right_aligned=_NUMBERS) as write:
        for row in rows:
            write(row)


def _list_all(local_models: list[LocalModel], folders: list[Path]) -> Iterator[dict[str, Any]]:
    for model in MODELS:
        yield _describe(model, is_ready=is_here(model))
    yield from map(_describe_local, local_models)
    for folder in folders:
        yield _describe(describe_folder(folder), is_ready=True)


def _describe_local(model: LocalModel) -> dict[str, Any]:
    """Describe an added model; one that cannot be used any more has its row all the same, with the reason."""
    try:
        info = describe_local_model(model)
    except RerankerError as error:
        row = dict.fromkeys(_describe(MODELS[0], is_ready=False), "")
        return row | dict.fromkeys(_NUMBERS) | {"name": model.name, "ready": "not usable", "warning": str(error)}
    base = find_model(model.base)
    return _describe(info, is_ready=base is None or is_here(base))


def _describe(model: ModelInfo, *, is_ready: bool) -> dict[str, Any]:
    return {
        "name": model.name,
        "family": model.family,
        "ready": "ready" if is_ready else "not here",
        "languages": model.languages,
        "base model": model.base_model,
        "layers": f"{model.layers[0]}-{model.layers[1]}" if model.layers else "",
        "parameters (M)": model.parameters,
        "context": model.context,
        "size (GB)": None if model.download_gb is None else round(model.download_gb, 3),
        "licence": model.licence,
        "advice": model.advice,
        "warning": model.warning,
    }
