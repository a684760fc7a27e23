"""What a visitor asks the Compare screen for, as one plain value: checked, and to JSON and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text
from reranker_core.inputs import DEFAULT_MAX_LENGTH

# More rows than a person reads and a page draws at once; the command line has no such limit.
MOST_PASSAGES = 1000

# Enough for 1,000 long passages; beyond it a page and its scripts become slow.
MOST_CHARACTERS = 5_000_000

RAW, SIGMOID = "raw", "sigmoid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A query, passages, and the models that are to score them.

    Attributes:
        query: the query.
        passages: in the order of the input.
        models: names of the catalogue or of models that were added, in the order of the columns.
        layers: cutoff layers for the layerwise models among them; each takes those it has, none means its deepest.
        all_layers: score layerwise models at every layer that they have, for the picture.
        scale: `"raw"` or `"sigmoid"`, which BM25 is left out of.
        max_length: tokens of a pair; `None` for the default of 512.
        query_max_length: tokens of a query; `None` for 3/4 of `max_length`.
        prompt: what follows the passage, for LLM rerankers; `None` for the default.
        query_instruction: text before each query; `None` for the model's own.
        passage_instruction: text before each passage; `None` for the model's own.
    """

    query: str
    passages: tuple[str, ...]
    models: tuple[str, ...]
    layers: tuple[int, ...] = ()
    all_layers: bool = False
    scale: str = RAW
    max_length: int | None = None
    query_max_length: int | None = None
    prompt: str | None = None
    query_instruction: str | None = None
    passage_instruction: str | None = None

    def __post_init__(self) -> None:
        """Check everything that can be checked without a model.

        Raises:
            InputError: a value is of another kind, or missing; says which and what to do.
        """
        _check_kinds(self)
        if not self.query.strip():
            raise InputError("The query is empty. Write what is looked for.")
        if not self.passages:
            raise InputError("There is no passage to score. Paste at least one.")
        if len(self.passages) > MOST_PASSAGES:
            raise InputError(
                f"The screen compares up to {MOST_PASSAGES:,} passages, got {len(self.passages):,}. Take fewer, or use "
                "`python -m reranker_core rank`, which has no limit."
            )
        characters = sum(map(len, self.passages))
        if characters > MOST_CHARACTERS:
            raise InputError(
                f"The screen compares up to {MOST_CHARACTERS:,} characters, got {characters:,}. Take fewer or shorter "
                "passages, or use `python -m reranker_core rank`, which has no limit."
            )
        if not self.models:
            raise InputError("No model is chosen. Choose at least one; BM25 needs no weights.")
        if len(set(self.models)) < len(self.models):
            raise InputError(f"A model is named twice in {', '.join(self.models)}. Name each once.")
        most = self.max_length or DEFAULT_MAX_LENGTH
        if self.query_max_length is not None and self.query_max_length > most:
            raise InputError(f"query_max_length is at most max_length ({most:,}), got {self.query_max_length:,}. Lower it.")

    def to_json(self) -> dict[str, Any]:
        """Lay it out as plain JSON; what is at its default is left out."""
        defaults = {field.name: field.default for field in fields(self)}
        given = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    @classmethod
    def from_json(cls, content: object) -> "Comparison":
        """Read what `to_json` wrote.

        Raises:
            InputError: it is something else.
        """
        if not isinstance(content, Mapping):
            raise InputError("A comparison is a JSON object. Copy the link or the JSON again.")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(str(name) for name in content if name not in known):
            raise InputError(f"A comparison has no field {unknown[0]!r}. It may come from a newer version.")
        if missing := [name for name in ("query", "passages", "models") if name not in content]:
            raise InputError(f"The comparison lacks {missing[0]!r}. Copy the link or the JSON again.")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**given)


def _check_kinds(comparison: Comparison) -> None:
    texts = ("query", "prompt", "query_instruction", "passage_instruction")
    for name in texts:
        value = getattr(comparison, name)
        if not isinstance(value, str) and (value is not None or name == "query"):
            raise InputError(f"{name} must be a text, got {value!r:.60}. Send it so.")
        check_text(value or "", where=f"The {name.replace('_', ' ')}")
    for name, kind in (("passages", str), ("models", str), ("layers", int)):
        value = getattr(comparison, name)
        if not isinstance(value, tuple) or not all(type(part) is kind for part in value):
            word = "texts" if kind is str else "whole numbers"
            raise InputError(f"{name} must be a list of {word}, got {value!r:.60}. Send it so.")
    for number, passage in enumerate(comparison.passages, start=1):
        check_text(passage, where=f"Passage {number}")
    for model in comparison.models:
        check_text(model, where="The name of a model")
    for name in ("max_length", "query_max_length"):
        value = getattr(comparison, name)
        if value is not None and (type(value) is not int or value < 1):
            raise InputError(
                f"{name} must be a whole number of tokens from 1 on, got {value!r:.60}. Leave it out for the default."
            )
    if comparison.scale not in (RAW, SIGMOID):
        raise InputError(f'scale must be "{RAW}" or "{SIGMOID}", got {comparison.scale!r:.60}.')
    if type(comparison.all_layers) is not bool:
        raise InputError(f"all_layers must be true or false, got {comparison.all_layers!r:.60}.")
