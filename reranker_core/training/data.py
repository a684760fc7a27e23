"""Training rows → groups of one positive and its negatives. Knows no torch and no tokens.

What a row gives in an epoch is drawn by hashes of the seed, the epoch and the row's own texts, so that it does not depend
on the other rows, on their order, or on which process asks. Only random negatives depend on the corpus they come from.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from unicodedata import normalize

from reranker_core.errors import InputError
from reranker_core.examples import TrainingExample, text_hash
from reranker_core.mining.corpus_index import CorpusIndex, hash_number
from reranker_core.training.data_files import DataFile, FoundRow, find_data_files, read_corpus_texts, read_rows
from reranker_core.training.settings import TrainingSettings

_NAMED = 3  # rows that a note names

# The query, positives, negatives and prompt of a row.
_Content = tuple[str, frozenset[str], frozenset[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingGroup:
    """What one row trains in one epoch.

    Attributes:
        query: the query.
        passages: the positive first, then its negatives, all distinct; from 2 to `train_group_size`.
        teacher_scores: one for each passage, where there is distillation; else `None`.
        prompt: what follows the passage; `None` for the family's own. Encoders read none.
    """

    query: str
    passages: tuple[str, ...]
    teacher_scores: tuple[float, ...] | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Rows that can be trained on: no text is empty, no negative stands twice or among the positives of its query.

    Attributes:
        rows: the rows, each with its prompt, or the default one filled in.
        seed: of every draw.
        group_size: passages of a group, the positive among them, at most.
        has_teacher: whether groups carry a teacher's scores; then every row has them, and negatives of its own.
        files: what was read.
        left_out: rows of the files that cannot be trained on; the notes say which and why.
        notes: what was done to the rows, in sentences.
        corpus: where random negatives come from; `None` where every row has its own.
        answers: by a query as `fold_query` gives it, the positives of all rows with it: for rows without negatives.
        occurrences: of each row, how many before it hold exactly the same.
    """

    rows: tuple[TrainingExample, ...]
    seed: int
    group_size: int
    has_teacher: bool
    files: tuple[DataFile, ...] = ()
    left_out: int = 0
    notes: tuple[str, ...] = ()
    corpus: CorpusIndex | None = field(default=None, repr=False)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    occurrences: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Number the rows that hold the same: a row that stands twice trains on two draws."""
        seen: Counter[_Content] = Counter()
        numbers = []
        for row in self.rows:
            content = _content(row)
            numbers.append(seen[content])
            seen[content] += 1
        object.__setattr__(self, "occurrences", tuple(numbers))

    def group(self, row: int, *, epoch: int) -> TrainingGroup:
        """Draw the group of a row in an epoch: one positive, and distinct negatives, as many as there are and may be.

        Args:
            row: its place in `rows`.
            epoch: counted from 0.
        """
        example = self.rows[row]
        name = self._name_row(row)
        key = f"{self.seed}\0{epoch}\0{name}"
        (positive,) = _draw(example.pos, count=1, key=key)
        if not example.neg:
            passages = (example.pos[positive], *self._draw_from_corpus(example.query, f"{epoch}\0{name}"))
            return TrainingGroup(query=example.query, passages=passages, prompt=example.prompt)
        negatives = _draw(example.neg, count=self.group_size - 1, key=key)
        scores = None
        if self.has_teacher and example.pos_scores is not None and example.neg_scores is not None:
            scores = (example.pos_scores[positive], *(example.neg_scores[place] for place in negatives))
        return TrainingGroup(
            query=example.query,
            passages=(example.pos[positive], *(example.neg[place] for place in negatives)),
            teacher_scores=scores,
            prompt=example.prompt,
        )

    def order(self, epoch: int) -> list[int]:
        """Give the places of all rows in the order in which an epoch (counted from 0) goes through them.

        Rows keep their order among each other when others come or go; only rows with the same query and first positive
        stay in the order of the files.
        """
        key = f"{self.seed}\0{epoch}\0order"
        keys = [hash_number(f"{key}\0{text_hash(row.query)}\0{text_hash(row.pos[0])}") for row in self.rows]
        return sorted(range(len(self.rows)), key=keys.__getitem__)

    def with_rows(self, rows: Iterable[TrainingExample]) -> "TrainingData":
        """Give the same data with some of its rows only, as when others are held out; the corpus stays whole."""
        return replace(self, rows=tuple(rows))

    def count_negatives(self, row: int) -> int:
        """Count the negatives that the group of a row has."""
        example = self.rows[row]
        there_are = len(example.neg) if example.neg or self.corpus is None else self._count_open(self.corpus, example.query)
        return min(self.group_size - 1, there_are)

    def _name_row(self, row: int) -> str:
        """Name a row by what it holds, whatever the order of its passages, and its occurrence."""
        query, positives, negatives, prompt = _content(self.rows[row])
        texts = (query, *sorted(positives), "", *sorted(negatives), "", prompt or "")
        return f"{text_hash(chr(0).join(texts))}\0{self.occurrences[row]}"

    def _draw_from_corpus(self, query: str, key: str) -> Iterator[str]:
        if self.corpus is None:
            raise InputError("A row without negatives needs a corpus to draw them from. Read the data again.")
        drawn = self.corpus.draw(
            key,
            count=self.group_size - 1,
            seed=self.seed,
            without=self._closed(self.corpus, query),
        )
        return map(self.corpus.text, drawn)

    def _count_open(self, corpus: CorpusIndex, query: str) -> int:
        return len(corpus.ids) - len(self._closed(corpus, query))

    def _closed(self, corpus: CorpusIndex, query: str) -> set[str]:
        """Name the passages that are no negatives of a query: its positives in any row, and its own text."""
        found = map(corpus.find_text, (query, *self.answers[fold_query(query)]))
        return {passage_id for passage_id in found if passage_id is not None}


def fold_query(query: str) -> str:
    """Give a query without regard to case, white space and compatibility forms; of equal ones the answers are the same."""
    return " ".join(normalize("NFKC", query).casefold().split())


def read_training_data(settings: TrainingSettings) -> TrainingData:
    """Read the rows of every file of `settings.train_data`, and a corpus if a row needs random negatives.

    Rows that cannot be trained on are left out and counted: an empty query, no positive that is not empty, nothing that
    could be a negative.

    Raises:
        InputError: a file cannot be read, a row is bad or lacks the teacher's scores that are asked for, or no row is left.
    """
    sources = find_data_files(settings.train_data)
    found: list[FoundRow] = []
    files = []
    for source in sources:
        rows, file = read_rows(source.path)
        found += rows
        files.append(file)
    cleaner = _Cleaner(found, prompt=settings.prompt, needs_teacher=settings.knowledge_distillation)
    kept = [(row, example) for row in found if (example := cleaner.clean(row)) is not None]
    data = TrainingData(
        rows=tuple(example for _, example in kept),
        seed=settings.seed,
        group_size=settings.train_group_size,
        has_teacher=settings.knowledge_distillation,
    )
    if not all(example.neg for _, example in kept):
        own = (text for example in data.rows for text in (*example.pos, *example.neg))
        places = [settings.corpus] if settings.corpus else [source.corpus for source in sources if source.corpus]
        texts = read_corpus_texts(places) if places else own
        corpus = CorpusIndex({text_hash(text): text for text in texts})
        data = replace(data, corpus=corpus, answers=cleaner.answers)
        rows_with_any = [place for place in range(len(kept)) if data.count_negatives(place)]
        _note_without(cleaner, [kept[place][0] for place in set(range(len(kept))) - set(rows_with_any)])
        data = data.with_rows(data.rows[place] for place in rows_with_any)
    if not data.rows:
        names = ", ".join(str(path) for path in settings.train_data)
        raise InputError(f"{names} has no row to train on. {' '.join(cleaner.notes()) or 'Add rows.'}")
    return replace(data, files=tuple(files), notes=tuple(cleaner.notes()), left_out=cleaner.left_out)


class _Cleaner:
    """Takes out of rows what cannot be trained on, and counts it."""

    def __init__(self, rows: Sequence[FoundRow], *, prompt: str | None, needs_teacher: bool) -> None:
        self._prompt, self._needs_teacher = prompt, needs_teacher
        self._reasons: dict[str, list[FoundRow]] = {}
        self._empty = self._repeated = self._positive_too = 0
        collected: dict[str, dict[str, None]] = {}
        for row in rows:
            known = collected.setdefault(fold_query(row.example.query), {})
            known.update(dict.fromkeys(normalize("NFC", text) for text in row.example.pos))
        self.answers: dict[str, tuple[str, ...]] = {query: tuple(texts) for query, texts in collected.items()}

    @property
    def left_out(self) -> int:
        return sum(map(len, self._reasons.values()))

    def leave_out(self, row: FoundRow, reason: str) -> None:
        self._reasons.setdefault(reason, []).append(row)

    def clean(self, row: FoundRow) -> TrainingExample | None:
        example = row.example
        if self._needs_teacher:
            _check_teacher(row)
        answers = set(self.answers[fold_query(example.query)])
        positives, negatives = self._keep(example.pos, set()), self._keep(example.neg, answers)
        reason = None
        if not example.query.strip():
            reason = "the query is empty"
        elif not positives:
            reason = "every positive is empty"
        elif self._needs_teacher and not negatives:
            reason = "no negative is left beside empty ones and positives of the same query"
        if reason is not None:
            self.leave_out(row, reason)
            return None
        prompt = self._prompt if example.prompt is None else example.prompt
        if (len(positives), len(negatives), prompt) == (len(example.pos), len(example.neg), example.prompt):
            return example
        return TrainingExample(
            query=example.query,
            pos=tuple(example.pos[place] for place in positives),
            neg=tuple(example.neg[place] for place in negatives),
            prompt=prompt,
            pos_scores=_pick(example.pos_scores, positives),
            neg_scores=_pick(example.neg_scores, negatives),
        )

    def notes(self) -> Iterator[str]:
        for reason, rows in self._reasons.items():
            named = ", ".join(row.where for row in rows[:_NAMED]) + (", …" if len(rows) > _NAMED else "")
            yield f"{_count(len(rows), 'row')} left out, because {reason}: {named}."
        if self._positive_too:
            some = _count(self._positive_too, "negative")
            yield f"{some} left out, because the same query has the passage as a positive too."
        if self._repeated:
            yield f"{_count(self._repeated, 'passage')} left out as repetitions within a row."
        if self._empty:
            yield f"{_count(self._empty, 'passage')} left out as empty."

    def _keep(self, texts: tuple[str, ...], answers: set[str]) -> list[int]:
        """Give the places of the texts that stay."""
        seen: set[str] = set()
        kept = []
        for place, text in enumerate(texts):
            same = normalize("NFC", text)
            if not text.strip():
                self._empty += 1
            elif same in answers:
                self._positive_too += 1
            elif same in seen:
                self._repeated += 1
            else:
                seen.add(same)
                kept.append(place)
        return kept


def _check_teacher(row: FoundRow) -> None:
    if row.example.pos_scores is None or (row.example.neg_scores is None and row.example.neg):
        raise InputError(
            f'{row.where}: knowledge_distillation needs "pos_scores" and "neg_scores" on every row, and this one lacks '
            "them. Add a teacher's scores, or train without knowledge_distillation."
        )
    if not row.example.neg:
        raise InputError(
            f"{row.where}: the row has no negatives; random ones would have no teacher's score, which "
            "knowledge_distillation needs. Add negatives with their scores, or train without knowledge_distillation."
        )


def _note_without(cleaner: _Cleaner, rows: Iterable[FoundRow]) -> None:
    for row in rows:
        cleaner.leave_out(row, "it has no negatives and there is no other passage to draw")


def _content(row: TrainingExample) -> _Content:
    return row.query, frozenset(row.pos), frozenset(row.neg), row.prompt


def _draw(texts: Sequence[str], *, count: int, key: str) -> list[int]:
    """Draw places of texts in random order, without repetition; the same whatever the order of the texts."""
    keys = [hash_number(f"{key}\0{text}") for text in texts]
    return sorted(range(len(texts)), key=keys.__getitem__)[:count]


def _pick(scores: tuple[float, ...] | None, places: Sequence[int]) -> tuple[float, ...] | None:
    return None if scores is None else tuple(scores[place] for place in places)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{' was' if number == 1 else 's were'}"
