"""Training rows: `{"query": str, "pos": [str], "neg": [str], "prompt": str}`, one a line, as the model card has them.

Reading takes what can be trained on. Writing is stricter: what FlagEmbedding's own reader stumbles over is refused.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.examples.lines import Problems, Source, list_keys, parse_object, parse_rows, take_text
from reranker_core.examples.new_files import NewFile, WrittenFile, dump_json, new_file
from reranker_core.examples.relevance import as_finite
from reranker_core.examples.texts import check_text, describe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """A query with passages that answer it and passages that do not; something that can be trained on.

    Texts may be empty here, since files have such; `write_training_jsonl` refuses them. Lists become tuples.

    Attributes:
        query: the query.
        pos: positive passages, at least one.
        neg: negative passages; none means that some are drawn from the corpus.
        prompt: what stands between query and passage in words; `None` for the model's default.
        pos_scores: a teacher's score for each positive, for distillation.
        neg_scores: a teacher's score for each negative.

    Raises:
        InputError: a field is not as described.
    """

    query: str
    pos: tuple[str, ...]
    neg: tuple[str, ...] = ()
    prompt: str | None = None
    pos_scores: tuple[float, ...] | None = None
    neg_scores: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        check_text(self.query, where='"query"')
        object.__setattr__(self, "pos", _check_texts(self.pos, "pos"))
        object.__setattr__(self, "neg", _check_texts(self.neg, "neg"))
        if self.prompt is not None:
            check_text(self.prompt, where='"prompt"')
        object.__setattr__(self, "pos_scores", _check_scores(self.pos_scores, "pos", len(self.pos)))
        object.__setattr__(self, "neg_scores", _check_scores(self.neg_scores, "neg", len(self.neg)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenExamples(WrittenFile):
    """What was written, with how many texts in all rows together.

    Attributes:
        positives: texts under `pos`.
        negatives: texts under `neg`.
    """

    positives: int
    negatives: int


def read_training_jsonl(
    source: Source, *, name: str | None = None, problems: Problems | None = None
) -> Iterator[TrainingExample]:
    """Read training rows one by one, whoever wrote them.

    `neg`, `prompt` and scores may be missing or null; other keys are passed over.

    Args:
        source: a path, or lines.
        name: what messages call the source; by default the path.
        problems: collects the bad rows, and reading goes on; `None` raises at the first.

    Raises:
        InputError: the file cannot be read, or a row is bad: `train.jsonl:17: …`.

    Example:
        >>> [example] = read_training_jsonl(['{"query": "what is panda?", "pos": ["a bear"]}'])
        >>> example.pos, example.neg, example.prompt
        (('a bear',), (), None)
    """
    return parse_rows(source, _parse, name=name, problems=problems)


def write_training_jsonl(path: str | os.PathLike[str], examples: Iterable[TrainingExample]) -> WrittenExamples:
    """Write rows that train the first time, here and with FlagEmbedding; at any size, one row in memory.

    The rows are checked while they go into a file beside `path`, which takes its place at the end; when something is
    wrong, whatever lay at `path` stays.

    Args:
        path: the file; its folder must exist.
        examples: at least one. Each needs a positive and a negative, no text that is empty or only white space, no text
            on both sides; all of them a prompt or none of them, all of them scores on both sides or none of them.

    Raises:
        InputError: names the row, counted from 1, and what to do about it.
    """
    place = Path(path)
    with new_file(place) as file:
        written = write_examples(file, examples)
        if not written.rows:
            raise InputError(
                f"there are no rows to write to {place}, and an empty file cannot be trained on. Add examples."
            )
    return written


def write_examples(file: NewFile, examples: Iterable[TrainingExample]) -> WrittenExamples:
    """Check rows and write them; none at all is allowed."""
    shape: tuple[bool, bool] | None = None
    positives = negatives = 0
    for number, example in enumerate(examples, start=1):
        try:
            shape = _check_complete(example, like=shape)
            line = dump_json(_to_row(example))
        except InputError as error:
            raise InputError(f"row {number} of {file.path.name}: {error}") from error
        file.write_row(line)
        positives, negatives = positives + len(example.pos), negatives + len(example.neg)
    done = file.describe()
    return WrittenExamples(
        path=done.path, rows=done.rows, size=done.size, sha256=done.sha256, positives=positives, negatives=negatives
    )


def _parse(line: str) -> TrainingExample:
    row = parse_object(line)
    query = take_text(row, "query")
    if "pos" not in row:
        raise InputError(f'"pos" is missing; the row has {list_keys(row)}. Remove the line or add a positive passage.')
    return TrainingExample(
        query=query,
        pos=row["pos"],
        neg=() if row.get("neg") is None else row["neg"],
        prompt=row.get("prompt"),
        pos_scores=row.get("pos_scores"),
        neg_scores=row.get("neg_scores"),
    )


def _to_row(example: TrainingExample) -> dict[str, Any]:
    row: dict[str, Any] = {"query": example.query, "pos": example.pos, "neg": example.neg}
    if example.prompt is not None:
        row["prompt"] = example.prompt
    if example.pos_scores is not None:
        row["pos_scores"], row["neg_scores"] = example.pos_scores, example.neg_scores
    return row


def _check_texts(value: object, key: str) -> tuple[str, ...]:
    """Check `pos` or `neg`; a string is refused, since FlagEmbedding would take its letters for passages."""
    if not isinstance(value, list | tuple) or (key == "pos" and not value):
        expected, remedy = ("a non-empty list", "add a positive passage") if key == "pos" else ("a list", "correct it")
        raise InputError(f'"{key}" must be {expected} of strings, got {describe(value)}. Remove the line or {remedy}.')
    return tuple(check_text(text, where=f'text {place} of "{key}"') for place, text in enumerate(value, start=1))


def _check_scores(value: object, key: str, expected: int) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != expected:
        raise InputError(
            f'"{key}_scores" must be a list of {expected}, one for each text of "{key}", got {describe(value)}. '
            "Correct it or leave it out."
        )
    numbers = []
    for place, score in enumerate(value, start=1):
        number = as_finite(score)
        if number is None:
            raise InputError(
                f'score {place} of "{key}_scores" must be a finite number, got {describe(score)}. Correct it or leave the '
                "scores out."
            )
        numbers.append(number)
    return tuple(numbers)


def _check_complete(example: TrainingExample, *, like: tuple[bool, bool] | None) -> tuple[bool, bool]:
    """Check a row against what breaks FlagEmbedding's reader; gives whether it has a prompt, and scores.

    Without a negative it divides by zero; where a prompt or scores are on some rows only, it reads None on the others, and
    the default prompt is lost (FlagEmbedding 1.4.2, `AbsRerankerTrainDataset`).
    """
    if not isinstance(example, TrainingExample):
        raise InputError(f"expected a TrainingExample, got {describe(example)}. Make one of it first.")
    if not example.neg:
        raise InputError("it has no negative. Add one, such as a random passage of the corpus.")
    fields = [('"query"', example.query), ('"prompt"', example.prompt)]
    fields += [(f'text {place} of "pos"', text) for place, text in enumerate(example.pos, start=1)]
    fields += [(f'text {place} of "neg"', text) for place, text in enumerate(example.neg, start=1)]
    for where, text in fields:
        if text is not None and not text.strip():
            raise InputError(f"{where} is empty or only white space, got {describe(text)}. Remove it or fill it in.")
    negatives = {unicodedata.normalize("NFC", text) for text in example.neg}
    for text in example.pos:
        if unicodedata.normalize("NFC", text) in negatives:
            raise InputError(f'{describe(text)} is in "pos" and in "neg". Decide for one of them.')
    if (example.pos_scores is None) != (example.neg_scores is None):
        raise InputError('it has scores under one of "pos" and "neg" only. Give both or leave both out.')
    shape = (example.prompt is not None, example.pos_scores is not None)
    for kind, has_it, first_has_it in zip(("a prompt", "scores"), shape, like or shape, strict=True):
        if has_it != first_has_it:
            states = ("has", "has not") if has_it else ("lacks", "has")
            raise InputError(f"it {states[0]} {kind}, the first row {states[1]}. Give {kind} to all rows or to none.")
    return shape
