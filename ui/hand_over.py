"""Memory handed over: scoring models that lie idle make room for a training, and come back when it is over."""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from reranker_core.catalogue import find_model
from reranker_core.errors import RerankerError
from reranker_core.memory import read_memory
from reranker_core.pool import ModelPool, ResidentModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lent:
    name: str
    adapter: str | None
    layers: tuple[int, int] | None


class HandOver:
    """Which models were unloaded for trainings. Safe from several threads."""

    def __init__(self) -> None:
        """Start with nothing lent."""
        self._guard = threading.Lock()
        self._lent: list[_Lent] = []
        self._returning: threading.Thread | None = None

    @property
    def lent(self) -> tuple[str, ...]:
        """The models that wait for a training to end, by the name that a person knows."""
        with self._guard:
            return tuple(_title(one) for one in self._lent)

    def make_room(self, pool: ModelPool, *, device: str, needed: int) -> tuple[str, ...]:
        """Unload idle models of a device, if a training needs their memory.

        On a GPU always: what is free there says little, for a training takes what it finds. On the CPU where what is
        needed is more than what is free.

        Args:
            pool: whose models.
            device: as torch names it, where the training will be.
            needed: bytes that the training takes, roughly.

        Returns:
            The names of the models that were unloaded. One that scores just now stays: its visitor waits for it.
        """
        unloaded: list[str] = []
        for model in self._find_idle(pool, device):
            if not device.startswith("cuda") and needed <= read_memory("cpu").free_bytes:
                break
            before = pool.resident()
            try:
                pool.unload(model.name, adapter=model.adapter)
            except RerankerError:  # somebody began to score with it in this instant
                continue
            unloaded += map(_title, self._lend(model, before))
        return tuple(unloaded)

    def give_back(self, pool: ModelPool, *, is_training: bool) -> bool:
        """Load the models again that were unloaded, once no training is active: beside the caller, one after the other.

        Args:
            pool: where to.
            is_training: whether a training is active or waits.

        Returns:
            Whether a load was begun.
        """
        with self._guard:
            if is_training or not self._lent or (self._returning is not None and self._returning.is_alive()):
                return False
            models, self._lent = self._lent, []
            self._returning = threading.Thread(target=_load, args=(pool, models), daemon=True)
            self._returning.start()
        return True

    def wait(self, seconds: float) -> None:
        """Wait until models that come back are there, at most so long."""
        with self._guard:
            returning = self._returning
        if returning is not None:
            returning.join(seconds)

    def _lend(self, model: ResidentModel, before: Iterable[ResidentModel]) -> list[_Lent]:
        """Note a model that was unloaded, and the adapters on its weights, which left with it."""
        left = [model, *(one for one in before if one.shares_base and one.name == model.name and model.adapter is None)]
        lent = [_Lent(name=one.name, adapter=one.adapter, layers=one.layers) for one in left]
        with self._guard:
            new = [one for one in lent if one not in self._lent]
            self._lent += new
        return new

    def _find_idle(self, pool: ModelPool, device: str) -> list[ResidentModel]:
        """List the models that can go, the largest first: few that are large trouble fewer visitors than many."""
        kind = device.split(":")[0]
        idle = [one for one in pool.resident() if one.state == "ready" and one.device.split(":")[0] == kind]
        return sorted(idle, key=lambda one: one.memory_bytes, reverse=True)


def _load(pool: ModelPool, models: Iterable[_Lent]) -> None:
    for model in models:
        try:
            with pool.borrow(model.name, adapter=model.adapter, max_layer=model.layers[1] if model.layers else None):
                pass
        except RerankerError as error:  # it is loaded when somebody asks for it, who is told then
            logger.warning("%s did not come back after a training: %s", _title(model), error)


def _title(model: _Lent) -> str:
    known = find_model(model.name)
    base = known.title if known else model.name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if model.adapter is None:
        return base
    return f"{base} with {model.adapter.replace(chr(92), '/').rstrip('/').rpartition('/')[2]}"
