"""(query, passage) → token ids, per family, with what was cut. No tensors. Training builds its inputs here as well.

The rules are FlagEmbedding's (`encoder_only/base.py` and `decoder_only/base.py` of 1.3.5 and 1.4.2), built from ids:
query and passage are tokenized each on its own and put together as ids, never as text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from reranker_core.errors import InputError, UnsupportedModelError
from reranker_core.tokenizing import TextTokenizer

DEFAULT_MAX_LENGTH = 512

DEFAULT_PROMPT = (
    "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
    "prediction of either 'Yes' or 'No'."
)
"""What follows the passage of a decoder's input, as the model card has it."""

DEFAULT_QUERY_INSTRUCTION = "A: "
DEFAULT_PASSAGE_INSTRUCTION = "B: "
SEPARATOR = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBudget:
    """How many tokens may stay.

    Attributes:
        query: of the query, its instruction included.
        passage: of the passage alone, before the pair is cut.
        pair: of the two together. Encoders count their four special tokens; decoders count the first token and the
            separator between the two, not the separator and prompt that follow.
    """

    query: int
    passage: int
    pair: int


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """One input of a model: its ids, and how many tokens query and passage lost."""

    ids: list[int]
    cut_query_tokens: int
    cut_passage_tokens: int


class PairInputs(Protocol):
    """Builds one family's inputs.

    Attributes:
        context: the most tokens that the model can read.
        reads_prompt: whether a prompt follows the passage; where none does, a prompt is refused.
    """

    context: int
    reads_prompt: bool

    def scoring_budget(self, *, max_length: int, query_max_length: int | None, prompt: str | None) -> TokenBudget:
        """Work out what may stay when pairs are scored."""

    def training_budget(self, *, query_max_len: int, passage_max_len: int, prompt: str | None) -> TokenBudget:
        """Work out what may stay in training, as FlagEmbedding does (`AbsDataset.py` of 1.3.5 and 1.4.2).

        Each part may borrow of the other: the query has query_max_len + passage_max_len // 4, the passage
        passage_max_len + query_max_len // 2, both together query_max_len + passage_max_len with everything that stands
        around them. What the model can read at most goes before all of it.

        Args:
            query_max_len: tokens of the query.
            passage_max_len: tokens of the passage.
            prompt: of the row; `None` for the family's default.
        """

    def build(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        budget: TokenBudget,
        prompt: str | None,
        query_instruction: str | None,
        passage_instruction: str | None,
        query_ids: dict[str, list[int]] | None = None,
    ) -> list[EncodedPair]:
        """Build the ids of each pair, in the order given.

        Args:
            pairs: (query, passage) pairs.
            budget: what may stay.
            prompt: what follows the passage; `None` for the family's default.
            query_instruction: put before each query; `None` for the family's default.
            passage_instruction: put before each passage; `None` for the family's default.
            query_ids: the ids of queries that were met before, by query; those of new ones are added to it.
        """

    def count_kept_characters(self, passage: str, *, cut_tokens: int, passage_instruction: str | None) -> int:
        """Count the characters of a passage that stay when its last tokens are cut."""

    def decode(self, ids: Sequence[int]) -> str:
        """Turn ids back into text, special tokens included: what the model reads, for a person to look at."""


class _JoinedInputs:
    """Tokenizes every distinct text once and leaves it to a family how the pieces are cut and joined."""

    query_instruction = ""
    passage_instruction = ""
    reads_prompt = True

    def __init__(self, tokenizer: TextTokenizer, *, context: int) -> None:
        self._tokenizer, self.context = tokenizer, context

    def build(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        budget: TokenBudget,
        prompt: str | None,
        query_instruction: str | None,
        passage_instruction: str | None,
        query_ids: dict[str, list[int]] | None = None,
    ) -> list[EncodedPair]:
        """Build the ids of each pair; see `PairInputs.build`. Every distinct text is tokenized once."""
        end = self._end(prompt)
        before_query = self.query_instruction if query_instruction is None else query_instruction
        before_passage = self.passage_instruction if passage_instruction is None else passage_instruction
        queries: dict[str, list[int]] = {} if query_ids is None else query_ids
        passages: dict[str, list[int]] = {}
        _encode_new(self._tokenizer, (query for query, _ in pairs), before_query, queries)
        _encode_new(self._tokenizer, (passage for _, passage in pairs), before_passage, passages)
        return [self._join(queries[query], passages[passage], end, budget) for query, passage in pairs]

    def count_kept_characters(self, passage: str, *, cut_tokens: int, passage_instruction: str | None) -> int:
        """Count the characters of a passage that stay when its last `cut_tokens` tokens are cut."""
        before = self.passage_instruction if passage_instruction is None else passage_instruction
        ends = self._tokenizer.token_ends(before + passage)
        kept = max(ends[: len(ends) - cut_tokens], default=0)
        return min(len(passage), max(0, kept - len(before)))

    def decode(self, ids: Sequence[int]) -> str:
        """Turn ids back into text, special tokens included."""
        return self._tokenizer.decode(ids)

    def _end(self, prompt: str | None) -> list[int]:
        """Give the ids that follow every passage."""
        raise NotImplementedError

    def _join(self, query: list[int], passage: list[int], end: list[int], budget: TokenBudget) -> EncodedPair:
        """Cut one query and passage to the budget and join them."""
        raise NotImplementedError


class EncoderInputs(_JoinedInputs):
    """`<s> query </s></s> passage </s>`; the passage loses its tail where the pair is too long."""

    special_tokens = 4
    reads_prompt = False

    def __init__(self, tokenizer: TextTokenizer, *, context: int) -> None:
        """Take the ids of the special tokens.

        Args:
            tokenizer: the model's tokenizer.
            context: the most tokens that the model can read.
        """
        super().__init__(tokenizer, context=context)
        first = tokenizer.special_id("cls_token")
        separator = tokenizer.special_id("sep_token")
        first = tokenizer.special_id("bos_token") if first is None else first
        separator = tokenizer.special_id("eos_token") if separator is None else separator
        if first is None or separator is None:
            raise UnsupportedModelError(
                "The tokenizer names no <s> and </s>, which an encoder's input starts and ends with."
            )
        self._first, self._separator = first, separator

    def scoring_budget(self, *, max_length: int, query_max_length: int | None, prompt: str | None) -> TokenBudget:
        """Cap the query at 3/4 of max_length unless told otherwise, and leave room for at least one passage token.

        Raises:
            InputError: a prompt was given, or the lengths leave no room or exceed the model's context.
        """
        self._end(prompt)
        query = _check_lengths(max_length, query_max_length, context=self.context)
        room = max_length - self.special_tokens
        if room < 2:
            raise InputError(
                f"max_length {max_length} leaves no room for query and passage beside {self.special_tokens} special "
                "tokens. Use a larger max_length."
            )
        return TokenBudget(query=min(query, room - 1), passage=max_length, pair=max_length)

    def training_budget(self, *, query_max_len: int, passage_max_len: int, prompt: str | None) -> TokenBudget:
        """See `PairInputs.training_budget`; the four special tokens count as part of the pair.

        Raises:
            InputError: a prompt was given, or the lengths leave no room.
        """
        self._end(prompt)
        return _share_out(query_max_len, passage_max_len, context=self.context, around=self.special_tokens, behind=0)

    def _end(self, prompt: str | None) -> list[int]:
        if prompt is not None:
            raise InputError("An encoder reads no prompt. Leave it out, or put an instruction before the query.")
        return [self._separator]

    def _join(self, query: list[int], passage: list[int], end: list[int], budget: TokenBudget) -> EncodedPair:
        kept_query = query[: budget.query]
        room = budget.pair - len(kept_query) - self.special_tokens
        kept_passage = passage[: min(budget.passage, room)]
        ids = [self._first, *kept_query, self._separator, self._separator, *kept_passage, *end]
        return EncodedPair(ids, len(query) - len(kept_query), len(passage) - len(kept_passage))


class DecoderInputs(_JoinedInputs):
    r"""`[BOS] "A: "query "\n" "B: "passage "\n" prompt`, each piece tokenized on its own, the prompt never cut."""

    query_instruction = DEFAULT_QUERY_INSTRUCTION
    passage_instruction = DEFAULT_PASSAGE_INSTRUCTION

    def __init__(self, tokenizer: TextTokenizer, *, context: int, always_bos: bool) -> None:
        """Take the ids of the special tokens.

        Args:
            tokenizer: the model's tokenizer.
            context: the most tokens that the model was made for.
            always_bos: start with BOS in any case, as layerwise models do; else only where it differs from padding.
        """
        super().__init__(tokenizer, context=context)
        bos = tokenizer.special_id("bos_token")
        if always_bos and bos is None:
            raise UnsupportedModelError("The tokenizer names no bos_token, which a layerwise model's input starts with.")
        if not always_bos and bos == tokenizer.special_id("pad_token"):
            bos = None
        self._start = [] if bos is None else [bos]
        self._separator = tokenizer.encode([SEPARATOR])[0]

    def scoring_budget(self, *, max_length: int, query_max_length: int | None, prompt: str | None) -> TokenBudget:
        """Cut query and passage at max_length + separator + prompt; separator and prompt then come on top.

        Raises:
            InputError: the lengths are out of range.
        """
        query = _check_lengths(max_length, query_max_length, context=self.context)
        end = len(self._end(prompt))
        if prompt is not None and max_length + end > self.context and end > len(self._end(None)):
            raise InputError(
                f"The prompt has {end:,} tokens, which come on top of max_length {max_length:,}; the model reads "
                f"{self.context:,}. Shorten the prompt, or lower max_length."
            )
        return TokenBudget(query=query, passage=max_length, pair=max_length + end)

    def training_budget(self, *, query_max_len: int, passage_max_len: int, prompt: str | None) -> TokenBudget:
        """See `PairInputs.training_budget`; separator and prompt, which then follow, are taken off the pair.

        Raises:
            InputError: the lengths leave no room.
        """
        around = len(self._start) + len(self._separator)
        behind = len(self._end(prompt))
        return _share_out(query_max_len, passage_max_len, context=self.context, around=around, behind=behind)

    def _end(self, prompt: str | None) -> list[int]:
        return self._separator + self._tokenizer.encode([DEFAULT_PROMPT if prompt is None else prompt])[0]

    def _join(self, query: list[int], passage: list[int], end: list[int], budget: TokenBudget) -> EncodedPair:
        kept_query = query[: budget.query]
        room = max(0, budget.pair - len(self._start) - len(kept_query) - len(self._separator))
        kept_passage = passage[: min(budget.passage, room)]
        ids = [*self._start, *kept_query, *self._separator, *kept_passage, *end]
        return EncodedPair(ids, len(query) - len(kept_query), len(passage) - len(kept_passage))


def _check_lengths(max_length: int, query_max_length: int | None, *, context: int) -> int:
    if not 1 <= max_length <= context:
        raise InputError(f"max_length must be from 1 to {context}, the tokens this model can read, got {max_length}.")
    query = max(1, max_length * 3 // 4) if query_max_length is None else query_max_length
    if not 1 <= query <= max_length:
        raise InputError(f"query_max_length must be from 1 to max_length ({max_length}), got {query}.")
    return query


def _share_out(query_max_len: int, passage_max_len: int, *, context: int, around: int, behind: int) -> TokenBudget:
    """Share out what may stay in training.

    Args:
        query_max_len: tokens of the query.
        passage_max_len: tokens of the passage.
        context: the most tokens that the model can read.
        around: tokens that stand before, between or after the two and count as part of the pair.
        behind: tokens that follow the pair.
    """
    for name, length in (("query_max_len", query_max_len), ("passage_max_len", passage_max_len)):
        if length < 1:
            raise InputError(f"{name} must be at least 1, got {length}.")
    wanted = query_max_len + passage_max_len
    pair = min(wanted, context) - behind
    room = pair - around
    if room < 2:
        raise InputError(
            f"query_max_len {query_max_len} and passage_max_len {passage_max_len} leave no room for query and passage "
            f"beside the {around + behind} tokens of the prompt and between them. Raise them, or shorten the prompt."
        )
    query = query_max_len + passage_max_len // 4
    if wanted > context:  # a query that may fill the context would leave nothing of the passages; so is it in scoring
        query = min(query, max(1, context * 3 // 4))
    return TokenBudget(query=min(query, room - 1), passage=passage_max_len + query_max_len // 2, pair=pair)


def _encode_new(tokenizer: TextTokenizer, texts: Iterable[str], instruction: str, known: dict[str, list[int]]) -> None:
    """Add the ids of the texts that are not known yet."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    known.update(zip(new, tokenizer.encode([instruction + text for text in new]), strict=True))
