"""A comparison to take away: as a Python script, as curl, as JSON, as csv. Each gives the same scores again."""

import csv
import io
import json
import re
from typing import Any

from reranker_core.catalogue import find_model
from reranker_core.errors import InputError
from ui.choices import Choice, find_choice
from ui.comparison import Comparison
from ui.errors import say_failure
from ui.scoring import options_for
from ui.services import Services

KINDS = ("python", "curl", "json", "csv")

# What may stand between quotes in a shell: no quote, dollar or backtick, no backslash, and no bracket that curl expands.
_ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[A-Za-z0-9._~%/@+,:=-]*)?")


def take_away(services: Services, wanted: object) -> dict[str, str]:
    """Write a comparison down.

    Args:
        services: the models.
        wanted: what the page sends: `kind` (one of `KINDS`), `request` (a comparison as JSON), `result` (what the
            result view shows), and `address` (of the page).

    Returns:
        `text` and the `file` name for it, or `error` with a sentence.
    """
    try:
        if not isinstance(wanted, dict) or wanted.get("kind") not in KINDS:
            raise InputError(f"A comparison is taken away as {', '.join(KINDS)}. Choose one.")
        comparison = Comparison.from_json(wanted.get("request"))
        kind = wanted["kind"]
        if kind == "python":
            return {"text": as_python(services, comparison), "file": "comparison.py"}
        if kind == "curl":
            return {"text": as_curl(services, comparison, str(wanted.get("address") or "")), "file": "comparison.sh"}
        result = check_result(comparison, wanted.get("result"))
        if kind == "json":
            return {"text": as_json(comparison, result), "file": "comparison.json"}
        return {"text": as_csv(comparison, result), "file": "comparison.csv"}
    except Exception as failure:
        return {"error": say_failure(failure)}


def as_python(services: Services, comparison: Comparison) -> str:
    """Write a script that prints the same scores: one line for each column.

    Raises:
        InputError: a model lies in a folder of a server that the visitor cannot load from, nor should know of.
    """
    models = _models(services, comparison)
    added = [choice.title for choice, _ in models if choice.adapter or find_model(choice.base) is None]
    if added and not services.allow_folders:
        raise InputError(f"{added[0]} lies on this server, where a script of yours cannot load it. Copy as curl instead.")
    lines = [
        '"""Scores of a comparison, made again. Needs the package reranker_core of Reranker Workbench."""',
        "",
        "from reranker_core import load_reranker",
        "",
        f"query = {comparison.query!r}",
        "passages = [",
        *(f"    {passage!r}," for passage in comparison.passages),
        "]",
        "pairs = [(query, passage) for passage in passages]",
    ]
    for choice, options in models:
        loading = [repr(choice.base)]
        if choice.adapter:
            loading.append(f"adapter={choice.adapter!r}")
        if layers := options.get("cutoff_layers"):
            loading.append(f"max_layer={max(layers)}")
        given = "".join(f", {name}={value!r}" for name, value in options.items())
        lines += [
            "",
            f"reranker = load_reranker({', '.join(loading)})",
            f"scores = reranker.score(pairs{given})",
            "for layer in scores.layers:",
            f"    print({choice.title!r}, layer, scores.column(layer))",
        ]
    return "\n".join(lines) + "\n"


def as_curl(services: Services, comparison: Comparison, address: str) -> str:
    """Write a shell script that asks the running app for the same scores: one answer for each model.

    Raises:
        InputError: the address is none of a page.
    """
    if not _ADDRESS.fullmatch(address):
        raise InputError(
            f"The address must be that of this page, like https://host/path, got {address!r:.80}. Reload the page."
        )
    url = f"{address.rstrip('/')}/gradio_api/call/score"
    blocks = []
    for choice, options in _models(services, comparison):
        data = [
            comparison.query,
            list(comparison.passages),
            choice.name,
            *(options.get(name) for name in ("cutoff_layers", "normalize", "max_length", "query_max_length")),
            *(options.get(name) for name in ("prompt", "query_instruction", "passage_instruction")),
        ]
        data[4] = bool(data[4])
        body = _write_for_shell({"data": data})
        blocks.append(
            f"# {choice.title}\n"
            f"EVENT=$(curl -sS '{url}' -H 'Content-Type: application/json' --data-binary @- <<'JSON' | "
            'sed \'s/.*"event_id" *: *"\\([^"]*\\)".*/\\1/\'\n'
            f"{body}\n"
            "JSON\n"
            ")\n"
            f'curl -sSN "{url}/$EVENT"\n'
        )
    return "#!/bin/sh\n" + "\n".join(blocks)


def _write_for_shell(content: Any) -> str:
    """Write JSON in one line of ASCII that cannot end a here-document, its only quotes those around texts.

    bash 3.2, the sh of macOS, looks for the end of `$(` in the here-document too, and trips over quotes and brackets in it.
    """
    return re.sub(r"""\\([\\"])|['`()$]""", lambda found: f"\\u{ord(found[0][-1]):04x}", json.dumps(content))


def as_json(comparison: Comparison, result: dict[str, Any]) -> str:
    """Write the comparison with its scores as JSON; the Compare screen reads such a file too."""
    content = {
        "query": comparison.query,
        "passages": list(comparison.passages),
        "columns": [
            {name: column[name] for name in ("title", "model", "layer", "scores", "ranks")} for column in result["columns"]
        ],
        "layers": result.get("layers", []),
        "models": result.get("models", []),
        "comparison": comparison.to_json(),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def as_csv(comparison: Comparison, result: dict[str, Any]) -> str:
    """Write a table: a row for each passage in input order, score and rank of each column.

    Texts stay as they are. pandas reads them so with `keep_default_na=False`; else a passage "NA" is a missing value to it.
    """
    file = io.StringIO()
    # Every text in quotes: Python 3.11 leaves a lone carriage return bare, which readers take for the end of the row.
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    heads = [f"{column['title']} {what}" for column in result["columns"] for what in ("score", "rank")]
    writer.writerow(["query", "passage", *heads])
    for index, passage in enumerate(comparison.passages):
        cells = [column[what][index] for column in result["columns"] for what in ("scores", "ranks")]
        writer.writerow([comparison.query, passage, *cells])
    return file.getvalue()


def check_result(comparison: Comparison, result: object) -> dict[str, Any]:
    """Check that a result that the page sends has a score and a rank of every passage in each column.

    Raises:
        InputError: it has not, or there is none.
    """
    columns = result.get("columns") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(columns, list):
        raise InputError("There is no result to take away yet. Press Score first.")
    count = len(comparison.passages)
    for column in columns:
        is_column = isinstance(column, dict) and {"title", "model", "layer", "scores", "ranks"} <= column.keys()
        if not is_column or any(
            not isinstance(column[what], list) or len(column[what]) != count for what in ("scores", "ranks")
        ):
            raise InputError(f"The result does not hold a score for each of the {count:,} passages. Press Score again.")
    return result


def _models(services: Services, comparison: Comparison) -> list[tuple[Choice, dict[str, Any]]]:
    """Give each model with the arguments that differ from their defaults."""
    found = []
    for name in comparison.models:
        choice = find_choice(services, name)
        given = {key: value for key, value in options_for(comparison, choice).items() if value not in (None, False)}
        if choice.layers:
            shown = [layer for layer in sorted(set(comparison.layers)) if layer in choice.layers] or [choice.layers[-1]]
            given = {"cutoff_layers": list(choice.layers) if comparison.all_layers else shown} | given
        found.append((choice, given))
    return found
