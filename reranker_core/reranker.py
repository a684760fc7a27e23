"""What every reranker can do, whatever computes its scores: BM25, an encoder, a decoder or a layerwise model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack

from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text, describe
from reranker_core.scores import RankedPassage, Scores, order_by_score

Pair = tuple[str, str] | Sequence[str]
Progress = Callable[[int, int], None]


class ScoreOptions(TypedDict, total=False):
    """The keyword arguments of `Reranker.score`; `None` always means the family's own default."""

    cutoff_layers: Sequence[int] | int | None
    normalize: bool
    max_length: int | None
    query_max_length: int | None
    prompt: str | None
    query_instruction: str | None
    passage_instruction: str | None
    on_progress: Progress | None


class Reranker(ABC):
    """Scores (query, passage) pairs; the higher the score, the more relevant the passage.

    Attributes:
        name: the name or folder under which it was loaded.
        family: `"encoder"`, `"decoder"`, `"layerwise"` or `"bm25"`.
        cutoff_range: the layers at which it can give scores, or `None` for a model without cutoff layers.
        has_logits: whether its scores are logits, so that the sigmoid means something.
        device: where it computes, as torch names it.
        depth: how many layers its whole checkpoint has, for a layerwise model; else `None`.
    """

    name: str
    family: str
    cutoff_range: range | None = None
    has_logits: bool = True
    device: object = "cpu"
    depth: int | None = None

    @property
    def memory_bytes(self) -> int:
        """Count the bytes that its weights take on their device; 0 for a reranker without weights."""
        return 0

    @abstractmethod
    def score(
        self,
        pairs: Sequence[Pair],
        *,
        cutoff_layers: Sequence[int] | int | None = None,
        normalize: bool = False,
        max_length: int | None = None,
        query_max_length: int | None = None,
        prompt: str | None = None,
        query_instruction: str | None = None,
        passage_instruction: str | None = None,
        on_progress: Progress | None = None,
    ) -> Scores:
        """Score pairs; the one way through which every other method, screen and command goes.

        Args:
            pairs: (query, passage) pairs in any order; duplicates are scored once.
            cutoff_layers: for layerwise models, the layers to read, in any order, with or without duplicates; by
                default the deepest.
            normalize: apply the sigmoid, and nothing else.
            max_length: tokens of a pair, by default 512. Encoders count the special tokens; decoders append separator
                and prompt on top, as FlagEmbedding does.
            query_max_length: tokens of a query, by default 3/4 of `max_length`.
            prompt: for decoders and layerwise models, what follows the passage.
            query_instruction: text put before each query ("A: " for decoders and layerwise models).
            passage_instruction: text put before each passage ("B: " for decoders and layerwise models).
            on_progress: called as `on_progress(done, total)` in pairs; what it raises stops the run.

        Raises:
            InputError: a pair or an argument cannot be used; the message names it.
            ScoringError: memory ran out at a single pair, or a score is not finite.
        """

    def kept_characters(
        self, passages: Sequence[str], cut_tokens: Sequence[int], *, passage_instruction: str | None = None
    ) -> list[int | None]:
        """Say how much of each passage the model read, to show what was lost.

        Args:
            passages: the passages that were scored.
            cut_tokens: how many tokens each lost, as `Scores.cut_passage_tokens` says.
            passage_instruction: as it was given to `score`.

        Returns:
            For each passage the number of its first characters that were read, or `None` where nothing was cut.
        """
        if any(cut_tokens):
            raise InputError(f"{self.name} cuts no passage, got cut_tokens {list(cut_tokens)[:5]}. Leave them 0.")
        return [None] * len(passages)

    def read_characters(self, pairs: Sequence[Pair], *, max_length: int | None = None) -> list[int | None]:
        """Say how much of each passage would be read, without scoring: only tokens are counted.

        Args:
            pairs: (query, passage) pairs.
            max_length: tokens of a pair, as for `score`.

        Returns:
            For each pair the number of its passage's first characters that are read, or `None` for all.

        Raises:
            InputError: a pair or `max_length` cannot be used.
        """
        return [None] * len(check_pairs(pairs))

    def compute_score(
        self, sentence_pairs: Sequence[Pair] | Pair, **options: Unpack[ScoreOptions]
    ) -> float | list[float] | list[list[float]]:
        """Score one pair or several, in the shapes of the model card.

        Args:
            sentence_pairs: one pair, or a list of pairs.
            options: the keyword arguments of `score`.

        Returns:
            One pair: a float, or k floats for k > 1 cutoff layers. A list: one float for each pair, or for k > 1
            cutoff layers `list[k][n]`, layers in the order asked for. An empty list: an empty list.
        """
        is_single = len(sentence_pairs) == 2 and all(isinstance(part, str) for part in sentence_pairs)
        pairs: Sequence[Pair] = [sentence_pairs] if is_single else sentence_pairs  # type: ignore[list-item]
        if not pairs:
            return []
        scores = self.score(pairs, **options)
        if is_single:
            return list(scores.values[0]) if len(scores.layers) > 1 else scores.values[0][0]
        by_layer = [list(column) for column in zip(*scores.values, strict=True)]
        return by_layer if len(scores.layers) > 1 else by_layer[0]

    def rank(
        self, query: str, passages: Sequence[str], *, top_k: int | None = None, **options: Unpack[ScoreOptions]
    ) -> list[RankedPassage]:
        """Order passages by their score for one query; equal scores share a rank and keep the input order.

        Args:
            query: the query.
            passages: the passages, in any order.
            top_k: how many to return; by default all.
            options: the keyword arguments of `score`, with at most one cutoff layer.

        Raises:
            InputError: as `score`; also `top_k` below 1, or several cutoff layers.
        """
        if isinstance(passages, str):
            raise InputError("passages must be a list of texts, got one text. Put it into a list.")
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k must be at least 1, got {top_k}. Leave it out to get all passages.")
        layers = options.get("cutoff_layers")
        if isinstance(layers, Sequence) and len(layers) > 1:
            raise InputError(f"rank orders by one cutoff layer, got {list(layers)}. Choose one, or use score.")
        if not passages:
            return []
        column = self.score([(query, passage) for passage in passages], **options).column()
        return [
            RankedPassage(rank=rank, index=index, score=column[index], passage=passages[index])
            for rank, index in order_by_score(column, top_k=top_k)
        ]


def check_pairs(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Check that every pair is two texts that can be written as UTF-8.

    Raises:
        InputError: names the first pair (counted from 1) that is not.
    """
    if isinstance(pairs, str):
        raise InputError("pairs must be a list of (query, passage) pairs, got one text. Put query and passage together.")
    checked: list[tuple[str, str]] = []
    for number, pair in enumerate(pairs, start=1):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"Pair {number} must be (query, passage), got {describe(pair)}. Give exactly two texts.")
        for part, text in zip(("query", "passage"), pair, strict=True):
            check_text(text, where=f"Pair {number}: the {part}")
        checked.append((pair[0], pair[1]))
    return checked
