"""Training jsonl: positives and negatives as judgements, but not what an export of ours had filled in at random."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotations.errors import InputError
from annotations.exchange.file_lines import Lines, Tick
from annotations.exchange.file_rows import FilePassage, FileRow, Label
from annotations.exchange.surveys import Survey
from reranker_core.examples import Problem, Problems, TrainingExample, read_training_jsonl, text_hash
from reranker_core.examples.texts import describe

POSITIVE, NEGATIVE = "pos", "neg"
RANDOM = "random"


def name_manifest(path: Path) -> Path:
    """Name the manifest that an export puts beside a training file: `labels.manifest.json` beside `labels.jsonl`."""
    return path.with_name(f"{path.stem}.manifest.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFile:
    """Rows of `query`, `pos`, `neg` and perhaps `prompt`.

    Attributes:
        path: where it lies.
        name: as messages name it.
        random_negatives: by a query's SHA-256 those of passages that are no judgements.
        notes: what should be known of the manifest.
    """

    path: Path
    name: str
    random_negatives: Mapping[str, Set[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def survey(self, tick: Tick) -> Survey:
        """Count positives and negatives, and find out about prompts.

        Raises:
            InputError: the file cannot be read.
        """
        lines = Lines(self.path, tick=tick)
        raw_grades: Counter[str] = Counter()
        prompts: Counter[str | None] = Counter()
        for example in read_training_jsonl(lines, name=self.name, problems=Problems(limit=0)):
            prompts[example.prompt] += 1
            for passage in self._split_up(example)[0]:
                if passage.label is not None:
                    raw_grades[passage.label.raw] += 1
        given = [prompt for prompt in prompts if prompt is not None and prompt.strip()]
        if len(prompts) == 1 and given:
            return Survey(raw_grades=raw_grades, prompt=given[0], notes=self.notes)
        if not given:
            return Survey(raw_grades=raw_grades, notes=self.notes)
        some = f"{len(given)} different prompts" if len(given) > 1 else "a prompt on some of them only"
        note = f"The rows have {some}. A project has one for all rows, so none of these is kept; choose the project's."
        return Survey(raw_grades=raw_grades, notes=(*self.notes, note))

    def read(self, problems: Problems, tick: Tick) -> Iterator[FileRow]:
        """Give the good rows; bad ones are noted.

        Raises:
            InputError: the file cannot be read.
        """
        lines = Lines(self.path, tick=tick)
        for example in read_training_jsonl(lines, name=self.name, problems=problems):
            if not example.query.strip():
                message = "the query is empty. Give it a text, or remove the row."
                problems.add(Problem(source=self.name, line=lines.number, message=message))
                continue
            passages, problem = self._split_up(example)
            yield FileRow(file=self.name, line=lines.number, query=example.query, passages=passages, problem=problem)

    def _split_up(self, example: TrainingExample) -> tuple[tuple[FilePassage, ...], str]:
        """Give the passages of a row, each once, and what is wrong with the row."""
        listed = [(POSITIVE, text_hash(text), text) for text in example.pos]
        listed += [(NEGATIVE, text_hash(text), text) for text in example.neg]
        positives = {sha for raw, sha, _ in listed if raw == POSITIVE}
        both = [text for raw, sha, text in listed if raw == NEGATIVE and sha in positives]
        undecided = {text_hash(text) for text in both}
        at_random = self.random_negatives.get(text_hash(example.query), frozenset()) if self.random_negatives else ()
        passages: dict[str, FilePassage] = {}
        for raw, sha, text in listed:
            if sha in passages:
                continue
            if sha in undecided:
                passages[sha] = FilePassage(text=text)
            elif raw == NEGATIVE and sha in at_random:
                passages[sha] = FilePassage(text=text, source=RANDOM)
            else:
                passages[sha] = FilePassage(text=text, label=Label(raw=raw))
        problem = ""
        if both:
            problem = (
                f'{describe(both[0])} is in "pos" and in "neg"{_and_more(len(undecided))}. It comes as a candidate without '
                "a judgement; decide for one of the two."
            )
        return tuple(passages.values()), problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the manifest of a training file says.

    Attributes:
        sha256: of the file that it was written for; empty if that is not there.
        random_negatives: which negatives were filled in at random: by the SHA-256 of the query those of the passages.
    """

    sha256: str
    random_negatives: Mapping[str, Set[str]]


def read_manifest(path: Path) -> Manifest:
    """Read what an export of ours says of a file.

    Raises:
        InputError: the manifest cannot be read. Without it random negatives would be taken for judgements.
    """
    try:
        content: Any = json.loads(path.read_bytes())
        listed = content.get("random_negatives", {})
        return Manifest(
            sha256=str(content.get("file", {}).get("sha256", "")),
            random_negatives={str(query): frozenset(map(str, passages)) for query, passages in listed.items()},
        )
    except (OSError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read as the manifest of a training file ({error}), which tells what negatives are "
            "random. Export again, or move it away to take all negatives for judgements."
        ) from error


def _and_more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""
