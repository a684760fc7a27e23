"""A reranker whose logits are known, for tests of what is done with scores."""

from collections.abc import Mapping, Sequence

from reranker_core.errors import InputError
from reranker_core.reranker import Pair, Progress, Reranker, check_pairs
from reranker_core.scores import Scores

_UNKNOWN = -9.0  # the logit of all other passages


class KnownLogits(Reranker):
    """Gives each passage the logit that it was made with, minus the layer; remembers how it was asked."""

    def __init__(
        self, logits: Mapping[str, float], *, name: str = "known", family: str = "decoder", layers: int | None = None
    ) -> None:
        """Know some passages."""
        self.name = name
        self.family = family
        self.depth = layers
        self.cutoff_range = None if layers is None else range(1, layers + 1)
        self.prompts: list[str | None] = []
        self.lengths: list[int | None] = []
        self._logits = logits

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
        """Look the passages up, in two steps of progress."""
        checked = check_pairs(pairs)
        self.prompts.append(prompt)
        self.lengths.append(max_length)
        if cutoff_layers is not None and not self.depth:
            raise InputError("no layers")
        asked = [cutoff_layers] if isinstance(cutoff_layers, int) else cutoff_layers or [self.depth or 0]
        for done in (len(checked) // 2, len(checked)):
            if on_progress:
                on_progress(done, len(checked))
        nothing = (0,) * len(checked)
        scores = Scores(
            values=tuple(tuple(self._logits.get(passage, _UNKNOWN) - layer for layer in asked) for _, passage in checked),
            layers=tuple(asked) if self.depth else (None,),
            tokens=nothing,
            cut_query_tokens=nothing,
            cut_passage_tokens=nothing,
            model=self.name,
            family=self.family,
            device="cpu",
            dtype="float32",
            normalized=False,
            seconds=0.0,
        )
        return scores.normalize() if normalize else scores
