"""The one scoring pipeline: text → ids → packed chunks → one hidden state for each pair → scores, in input order."""

import time
import traceback
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from reranker_core.cpu_linear import PackedLinear
from reranker_core.errors import InputError, ScoringError
from reranker_core.examples.texts import check_text
from reranker_core.inputs import DEFAULT_MAX_LENGTH, EncodedPair, PairInputs
from reranker_core.packing import PackedBatch, pack, plan_chunks
from reranker_core.reranker import Pair, Progress, Reranker, check_pairs
from reranker_core.scores import Scores

# Tokens of one chunk. On two CPU cores the speed is flat from 1,000 to 4,000 (benchmarks/); a GPU wants more at once.
_TOKEN_BUDGET = {"cpu": 2048, "cuda": 16384}

# Pairs that are tokenized, sorted by length and packed together: enough to sort well, little enough to hold in memory.
_BLOCK_PAIRS = 2048


class NeuralReranker(Reranker):
    """A reranker with weights. Subclasses say how one packed chunk becomes scores, and nothing else.

    Calling it changes nothing: device and dtype are fixed when it is loaded, and several threads may score at once.
    """

    is_causal: bool
    device: torch.device
    model: Any  # transformers types its modules loosely
    recomputes_blocks = False  # set for training with little memory, see `run_part`
    shares_with: "NeuralReranker | None" = None  # the base that holds most of its tensors, see `sharing`

    def __init__(
        self,
        model: torch.nn.Module,
        inputs: PairInputs,
        *,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        folder: Path | None = None,
    ):
        """Take a model whose weights are on their device.

        Args:
            model: in eval mode, with the packed attention.
            inputs: builds this family's ids.
            name: what `Scores.model` says.
            device: where the model is.
            dtype: of its weights.
            folder: of the checkpoint whose weights it holds as they are, without an adapter and to score; else `None`.
        """
        self.model, self.inputs, self.name, self.device, self.dtype = model, inputs, name, device, dtype
        self.folder = folder
        self.token_budget = _TOKEN_BUDGET.get(device.type, _TOKEN_BUDGET["cpu"])

    @abstractmethod
    def score_packed(self, batch: PackedBatch, layers: Sequence[int | None]) -> torch.Tensor:
        """Score one chunk.

        Args:
            batch: whole sequences, packed.
            layers: distinct cutoff layers in ascending order; `(None,)` for a family without layers.

        Returns:
            (sequences, layers) float32
        """

    def check_layers(self, cutoff_layers: Sequence[int] | int | None) -> tuple[int | None, ...]:
        """Turn the argument into the columns of the result, in the order asked for.

        Raises:
            InputError: this model has no layers to choose.
        """
        if cutoff_layers is not None:
            raise InputError(
                f"{self.name} has no cutoff layers (family {self.family}); leave cutoff_layers out or choose a "
                "layerwise model."
            )
        return (None,)

    @property
    def memory_bytes(self) -> int:
        """Count the bytes of the weights, without those of a base that it shares them with."""
        others = {id(tensor) for tensor in self.shares_with.weights()} if self.shares_with else set()
        return sum(tensor.numel() * tensor.element_size() for tensor in self.weights() if id(tensor) not in others)

    def weights(self) -> list[torch.Tensor]:
        """List all weights that it computes with."""
        packed = [module.weight for module in self.model.modules() if isinstance(module, PackedLinear)]
        return [*self.model.parameters(), *packed]

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
        """Score pairs; see `Reranker.score`."""
        started = time.perf_counter()
        checked = check_pairs(pairs)
        _check_texts(prompt=prompt, query_instruction=query_instruction, passage_instruction=passage_instruction)
        columns = self.check_layers(cutoff_layers)
        layers = sorted(set(columns), key=lambda layer: layer or 0)
        budget = self.inputs.scoring_budget(
            max_length=DEFAULT_MAX_LENGTH if max_length is None else max_length,
            query_max_length=query_max_length,
            prompt=prompt,
        )

        query_ids: dict[str, list[int]] = {}

        def encode(block: Sequence[tuple[str, str]]) -> list[EncodedPair]:
            return self.inputs.build(
                block,
                budget=budget,
                prompt=prompt,
                query_instruction=query_instruction,
                passage_instruction=passage_instruction,
                query_ids=query_ids,
            )

        distinct = list(dict.fromkeys(checked))
        report = _Report(distinct, total=len(checked), on_progress=on_progress)
        rows: dict[tuple[str, str], tuple[list[float], EncodedPair]] = {}
        for block in _blocks(distinct, _BLOCK_PAIRS):
            encoded = encode(block)
            values = self._score_block([pair.ids for pair in encoded], layers, report)
            rows.update(zip(block, zip(values, encoded, strict=True), strict=True))

        picked = [layers.index(layer) for layer in columns]
        found = [rows[pair] for pair in checked]
        scores = Scores(
            values=tuple(tuple(values[position] for position in picked) for values, _ in found),
            layers=columns,
            tokens=tuple(len(pair.ids) for _, pair in found),
            cut_query_tokens=tuple(pair.cut_query_tokens for _, pair in found),
            cut_passage_tokens=tuple(pair.cut_passage_tokens for _, pair in found),
            model=self.name,
            family=self.family,
            device=str(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            normalized=False,
            seconds=time.perf_counter() - started,
        )
        return scores.normalize() if normalize else scores

    def kept_characters(
        self, passages: Sequence[str], cut_tokens: Sequence[int], *, passage_instruction: str | None = None
    ) -> list[int | None]:
        """Say how much of each passage the model read; see `Reranker.kept_characters`."""
        return [
            self.inputs.count_kept_characters(passage, cut_tokens=cut, passage_instruction=passage_instruction)
            if cut
            else None
            for passage, cut in zip(passages, cut_tokens, strict=True)
        ]

    def read_characters(self, pairs: Sequence[Pair], *, max_length: int | None = None) -> list[int | None]:
        """Say how much of each passage would be read; see `Reranker.read_characters`."""
        checked = check_pairs(pairs)
        budget = self.inputs.scoring_budget(
            max_length=DEFAULT_MAX_LENGTH if max_length is None else max_length, query_max_length=None, prompt=None
        )
        kept: list[int | None] = []
        for block in _blocks(checked, _BLOCK_PAIRS):
            encoded = self.inputs.build(block, budget=budget, prompt=None, query_instruction=None, passage_instruction=None)
            kept += self.kept_characters([passage for _, passage in block], [pair.cut_passage_tokens for pair in encoded])
        return kept

    @torch.inference_mode()
    def _score_block(
        self, sequences: Sequence[list[int]], layers: Sequence[int | None], report: "_Report"
    ) -> list[list[float]]:
        values = torch.empty(len(sequences), len(layers))
        waiting = plan_chunks([len(sequence) for sequence in sequences], self.token_budget)[::-1]
        while waiting:
            chunk = waiting.pop()
            shortage: torch.cuda.OutOfMemoryError | None = None
            try:
                batch = pack([sequences[index] for index in chunk], is_causal=self.is_causal, device=self.device)
                values[chunk] = self.score_packed(batch, layers).cpu()
            except torch.cuda.OutOfMemoryError as error:
                shortage = error
            if shortage is not None:
                traceback.clear_frames(shortage.__traceback__)  # they hold the tensors of the failed chunk
                waiting.extend(self._halve(chunk, sequences, shortage))
            else:
                report.add(len(chunk))
        if not torch.isfinite(values).all():
            raise ScoringError(
                f"{self.name} gave a score that is not finite ({str(self.dtype).removeprefix('torch.')} on {self.device}). "
                "Load it in float32 or bfloat16; if it stays, the weights are damaged."
            )
        return values.tolist()

    def _halve(self, chunk: list[int], sequences: Sequence[list[int]], error: Exception) -> tuple[list[int], list[int]]:
        torch.cuda.empty_cache()
        if len(chunk) == 1:
            free, total = torch.cuda.mem_get_info(self.device)
            raise ScoringError(
                f"{self.name} ran out of memory on a single pair of {len(sequences[chunk[0]])} tokens: {free / 1e9:.1f} "
                f"of {total / 1e9:.1f} GB are free on {self.device}. Lower max_length, use a smaller model or the CPU."
            ) from error
        middle = len(chunk) // 2
        return chunk[middle:], chunk[:middle]


class _Report:
    """Counts pairs as they are done, duplicates included, and tells `on_progress`."""

    def __init__(self, distinct: Sequence[object], *, total: int, on_progress: Callable[[int, int], None] | None):
        self._done, self._total, self._tell = total - len(distinct), total, on_progress

    def add(self, count: int) -> None:
        self._done += count
        if self._tell:
            self._tell(self._done, self._total)


def _check_texts(**texts: str | None) -> None:
    for name, text in texts.items():
        if text is not None:
            check_text(text, where=name)


def _blocks(pairs: Sequence[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    rest = iter(pairs)
    while block := list(islice(rest, size)):
        yield block
