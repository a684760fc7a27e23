"""The alarm for scores that become all the same, and the few groups that are scored for it where there is no dev set."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reranker_core.evaluation import RankingTask
from reranker_core.examples import Run
from reranker_core.families.base import NeuralReranker
from reranker_core.training.data import TrainingData
from reranker_core.training.measuring import DevSet, measure_spreads
from reranker_core.training.settings import TrainingSettings

# Of the largest spread so far, below which scores tell nothing apart any more. Spreads of healthy runs differ by a factor
# of ten and more, between a base and what is trained of it too.
_COLLAPSED = 0.02

# A spread that is nothing, whatever it was before: rounding of scores of usual size.
_NOTHING = 1e-5

_PROBED_GROUPS, _PROBED_PASSAGES = 8, 4

# How often probes are scored in a run, at most: they are forward passes that training does not need.
_LOOKS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """Layers whose scores say nothing, `None` for a model without layers.

    Attributes:
        fallen: those that told passages apart before.
        flat: those that never did.
    """

    fallen: tuple[int | None, ...]
    flat: tuple[int | None, ...]

    def sentences(self, step: int) -> list[str]:
        """Say it, with what to do."""
        told = []
        if self.fallen:
            told.append(
                f"At step {step} the scores of different passages have become nearly the same{_name(self.fallen)}: the "
                "model has collapsed. Lower the learning rate, or look for rows whose positives and negatives are alike."
            )
        if self.flat:
            told.append(
                f"At step {step} all passages score the same, as they did from the start{_name(self.flat)}: nothing is "
                "learnt. Check that the base is a reranker whose head is not all zeros, and raise the learning rate."
            )
        return told


class CollapseAlarm:
    """Watches the spread of scores at every layer, and rings once for each layer and kind of collapse."""

    def __init__(self) -> None:
        """Start without having seen anything."""
        self._largest: dict[int | None, float] = {}
        self._rung: set[tuple[str, int | None]] = set()

    def watch(self, spreads: Mapping[int | None, float]) -> Collapse | None:
        """Take the spreads by layer; gives what has collapsed and was not told yet."""
        found: dict[str, list[int | None]] = {"fallen": [], "flat": []}
        for layer, spread in spreads.items():
            is_first = layer not in self._largest
            largest = self._largest[layer] = max(self._largest.get(layer, 0.0), spread)
            if largest >= _NOTHING:
                kind = "fallen" if spread < max(_NOTHING, _COLLAPSED * largest) else None
            else:
                kind = None if is_first else "flat"  # a new head may begin at nothing
            if kind is not None and (kind, layer) not in self._rung:
                self._rung.add((kind, layer))
                found[kind].append(layer)
        if not any(found.values()):
            return None
        return Collapse(fallen=tuple(found["fallen"]), flat=tuple(found["flat"]))

    def to_dict(self) -> dict[str, Any]:
        """Give what it has seen, as JSON values."""
        return {
            "largest": [[layer, spread] for layer, spread in self._largest.items()],
            "rung": [[kind, layer] for kind, layer in sorted(self._rung, key=str)],
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Go on from what `to_dict` gave."""
        self._largest = dict(values["largest"])
        self._rung = {(kind, layer) for kind, layer in values["rung"]}


class Probes:
    """A few groups of the training data, the same all through a run, scored as scoring is: without dropout."""

    def __init__(
        self,
        data: TrainingData,
        reranker: NeuralReranker,
        settings: TrainingSettings,
        *,
        processes: int = 1,
        process: int = 0,
    ) -> None:
        """Choose the groups by the seed; the rest is as for `DevSet`."""
        task = _choose(data, seed=settings.seed)
        self._groups = DevSet(task, reranker, settings, processes=processes, process=process)

    def measure(self) -> dict[int | None, float]:
        """Give the spread within groups, by layer; empty where the model could not score, which the step itself says."""
        runs: dict[int | None, Run] = self._groups.score(may_fail=True)
        return measure_spreads(runs)


def is_due(step: int, *, last: int | None, steps: int) -> bool:
    """Say whether probes are to be scored after a step that is logged.

    Args:
        step: the one that was done.
        last: after which they were scored last.
        steps: of the whole run.
    """
    return last is None or step >= steps or step - last >= -(-steps // _LOOKS)


def _choose(data: TrainingData, *, seed: int) -> RankingTask:
    chosen = random.Random(seed).sample(range(len(data.rows)), min(_PROBED_GROUPS, len(data.rows)))
    groups = {f"q{row}": data.group(row, epoch=0) for row in chosen}
    passages = {
        f"{query}-{place}": text
        for query, group in groups.items()
        for place, text in enumerate(group.passages[:_PROBED_PASSAGES])
    }
    candidates = {
        query: tuple(f"{query}-{place}" for place in range(len(group.passages[:_PROBED_PASSAGES])))
        for query, group in groups.items()
    }
    return RankingTask(
        name="probes",
        queries={query: group.query for query, group in groups.items()},
        passages=passages,
        candidates=candidates,
        qrels={query: {f"{query}-0": 1} for query in groups},
        prompts={query: group.prompt for query, group in groups.items() if group.prompt is not None},
    )


def _name(layers: tuple[int | None, ...]) -> str:
    numbers = [str(layer) for layer in layers if layer is not None]
    if not numbers:
        return ""
    return f" at layer{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
