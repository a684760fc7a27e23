"""Models kept ready under a memory budget: each is loaded once, and one call runs at a time on each device.

Importing this brings no torch in, and BM25 never does: the first screen answers before torch is there.

Three things are waited for, and why nobody waits for ever:

1. Memory. A thread that holds nothing may wait for it, in a line in order of arrival, so that nobody is overtaken for
   ever. One that holds a model goes ahead of the line and never waits for memory in use: those who use it may be waiting
   for the device that this thread has. It gets a sentence (`residents`). An adapter and the base whose weights it shares
   get their room at once, so that nobody waits for the one with the other in hand.
2. A load by another thread. Anybody may wait for it, since a load waits for nothing. For that, a thread borrows nothing
   while it loads or waits.
3. The device, in order of arrival, with the model pinned, so that it cannot be evicted any more (`turns`).
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reranker_core.baseline import BM25Reranker
from reranker_core.catalogue import find_model
from reranker_core.errors import InputError, RerankerError
from reranker_core.hub import needed_files
from reranker_core.local_folders import find_adapter_place
from reranker_core.reranker import Progress, Reranker
from reranker_core.residents import ModelKey, Place, Request, Residents, Stamp
from reranker_core.turns import DeviceTurns, OnWait, wait_until

__all__ = ["ModelPool", "OnWait", "ResidentModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentModel:
    """A model that is in memory, or on its way there.

    Attributes:
        name: as asked for: a name of the catalogue, or an absolute folder.
        adapter: an absolute folder.
        state: `"loading"`, `"ready"` or `"scoring"`.
        family: empty while it loads; `device` and `dtype` too.
        device: as torch names it.
        dtype: of the weights.
        memory_bytes: of the weights; while it loads an estimate, or 0 where there is none.
        layers: the first and the last cutoff layer that are loaded, for a layerwise model.
        depth: how many layers the whole checkpoint has, for a layerwise model.
        shares_base: whether it computes with the weights of its base, which is listed too; `memory_bytes` is its own only.
    """

    name: str
    adapter: str | None
    state: str
    family: str
    device: str
    dtype: str
    memory_bytes: int
    layers: tuple[int, int] | None
    depth: int | None
    shares_base: bool = False


class ModelPool:
    """Hands out rerankers to one caller at a time for each device. Safe to use from several threads.

    An adapter whose base is a reranker is put beside it: the base is loaded once, for itself and for all its adapters.
    """

    def __init__(
        self,
        load: Callable[..., Reranker] | None = None,
        *,
        memory_budget: int | None = None,
        estimate: Callable[..., int | None] | None = None,
        can_share: Callable[..., bool] | None = None,
        load_beside: Callable[[Reranker, str], Reranker] | None = None,
    ) -> None:
        """Start empty.

        Args:
            load: called as `load_reranker` is, which is the default.
            memory_budget: bytes that all models together may take; by default worked out from the device on first need.
            estimate: called as `estimate_memory` is, which is the default; `None` says that nobody knows before the load.
            can_share: called as that of `sharing` is, which is the default: whether an adapter can lie beside its base.
            load_beside: called as that of `sharing` is, which is the default.

        Raises:
            InputError: the budget is not above 0.
        """
        if memory_budget is not None and memory_budget <= 0:
            raise InputError(f"memory_budget must be more than 0 bytes, got {memory_budget}. Leave it out for the default.")
        self._load, self._estimate = load, estimate
        self._can_share, self._load_beside = can_share, load_beside
        self._residents = Residents(memory_budget)
        self._turns = DeviceTurns()
        self._bm25 = BM25Reranker()

    @property
    def memory_budget(self) -> int:
        """How many bytes all models together may take. Asked for the first time, it may import torch."""
        return self._residents.budget

    @contextmanager
    def borrow(
        self,
        name: str,
        *,
        adapter: str | Path | None = None,
        max_layer: int | None = None,
        allow_download: bool = False,
        on_wait: OnWait | None = None,
    ) -> Iterator[Reranker]:
        """Give a reranker for the length of a `with` block, loading it on first use.

        The block must end in the thread in which it began. Borrow one model after the other where you can: a thread that
        holds one does not wait for the memory of a second. Keep no reference to the reranker beyond the block, in a loop
        neither: the memory of a model that was evicted goes with the last of them.

        Args:
            name: as for `load_reranker`.
            adapter: as for `load_reranker`.
            max_layer: the deepest layer that will be read; a model that was loaded less deep is loaded again. `None`
                means the whole depth for a layerwise model.
            allow_download: fetch the model where it is not on this machine.
            on_wait: called as `on_wait("waiting", None)` about ten times a second while others have the memory or the
                device, and as `on_wait("loading", fraction)` while this thread loads. What it raises stops either. It
                must not borrow.

        Raises:
            InputError: the model does not fit into the memory budget, or this thread would wait for itself.
            RerankerError: as `load_reranker`. The next call tries again.
        """
        key = self._find_key(name, adapter)
        if key is None:
            yield self._bm25
            return

        request = Request(key, max_layer, _read_stamp(key))

        def load(on_progress: Progress | None) -> Reranker:
            return (self._load or _default_load())(
                key.name,
                adapter=None if request.base else adapter,  # a base is loaded alone
                max_layer=max_layer,
                allow_download=allow_download,
                on_progress=on_progress,
            )

        reranker = self._pin(request, load, on_wait)
        try:
            with self._turns.take(str(reranker.device), on_wait=on_wait):
                yield reranker
        finally:
            with self._residents.changed:
                self._residents.unpin(request)

    def resident(self) -> list[ResidentModel]:
        """List what is loaded or being loaded, the first loaded first. Never waits for a load or a scoring."""
        with self._residents.changed:
            return [self._describe(place) for place in self._residents.places.values()]

    def unload(self, name: str, *, adapter: str | Path | None = None) -> None:
        """Take a model out of memory, with the adapters that share its weights; nothing happens if it is not there.

        Raises:
            InputError: one of them is in use or being loaded.
        """
        key = self._find_key(name, adapter)
        if key is None:
            return
        request = Request(key, None)
        with self._residents.changed:
            self._residents.try_to_unload(request)
        self._residents.free(request)

    def _find_key(self, name: str, adapter: str | Path | None) -> ModelKey | None:
        """Find the one key of a model, whichever of its names is used; `None` for BM25."""
        known = find_model(name)
        if known and known.name == self._bm25.name:
            return None
        folder = Path(name).expanduser()
        canonical = known.name if known else str(folder.resolve()) if folder.is_dir() else name
        return ModelKey(canonical, str(Path(adapter).expanduser().resolve()) if adapter else None)

    def _describe(self, place: Place) -> ResidentModel:
        reranker = place.reranker
        layers = reranker.cutoff_range if reranker else None
        is_scoring = reranker is not None and self._turns.owner(str(reranker.device)) in place.users
        return ResidentModel(
            name=place.key.name,
            adapter=place.key.adapter,
            state="scoring" if is_scoring else "ready" if reranker else "loading",
            family=reranker.family if reranker else "",
            device=str(reranker.device) if reranker else "",
            dtype=str(getattr(reranker, "dtype", "")).removeprefix("torch."),
            memory_bytes=place.memory_bytes,
            layers=(layers[0], layers[-1]) if layers else None,
            depth=reranker.depth if reranker else None,
            shares_base=place.base is not None,
        )

    def _pin(self, request: Request, load: Callable[[Progress | None], Reranker], on_wait: OnWait | None) -> Reranker:
        """Wait for a model or load it, so that nobody evicts it before it is unpinned."""
        residents = self._residents
        try:
            while True:
                step: Reranker | Literal["measure", "load"] = wait_until(
                    residents.changed, lambda: residents.try_to_pin(request), on_wait
                )
                if not isinstance(step, str):
                    return step
                if step == "measure":
                    self._measure(request)
                else:
                    reranker = self._load_into_place(request, load, on_wait)
                    try:
                        residents.free(request)
                    except BaseException:
                        if reranker is not None:
                            with residents.changed:
                                residents.unpin(request)
                        raise
                    if reranker is not None:
                        return reranker
                residents.check_size(request)
        finally:
            with residents.changed:
                residents.leave_line(request)

    def _measure(self, request: Request) -> None:
        name, adapter = request.key
        if adapter is not None and (self._can_share or _default_can_share())(name, adapter=adapter):
            request.base = ModelKey(name, None)
            request.base_stamp = _read_stamp(request.base)
            request.base_needed = self._estimate_size(name, max_layer=request.max_layer)
            request.needed = self._estimate_size(name, adapter=adapter, is_beside=True)
        else:
            request.needed = self._estimate_size(name, adapter=adapter, max_layer=request.max_layer)
        request.is_measured = True

    def _estimate_size(self, name: str, **how: Any) -> int:
        try:
            return (self._estimate or _default_estimate())(name, **how) or 0
        except RerankerError:
            return 0  # not on this machine yet; and what is wrong with it, the load says best

    def _load_into_place(
        self, request: Request, load: Callable[[Progress | None], Reranker], on_wait: OnWait | None
    ) -> Reranker | None:
        """Load a model into the room that was made for it, and pin it; on any failure the room is free again.

        Returns:
            The model, or `None` if it turned out to be too large to fit just now.
        """

        def tell(done: int, total: int) -> None:
            if on_wait:
                on_wait("loading", done / total if total else 1.0)

        try:
            self._residents.free(request)
            tell(0, 1)
            reranker: Reranker | None
            if request.base is None:
                reranker = load(tell if on_wait else None)
            elif (reranker := self._find_or_load_base(request, load, tell if on_wait else None)) is not None:
                reranker = (self._load_beside or _default_load_beside())(reranker, str(request.key.adapter))
            with self._residents.changed:
                return reranker if reranker is not None and self._residents.settle(request, reranker) else None
        except BaseException as error:
            _forget_locals(error)
            with self._residents.changed:
                self._residents.give_up(request)
            raise

    def _find_or_load_base(
        self, request: Request, load: Callable[[Progress | None], Reranker], on_progress: Progress | None
    ) -> Reranker | None:
        """Give the base for an adapter, loading it into the room that was made for it; `None` as `_load_into_place`."""
        with self._residents.changed:
            base = self._residents.find_base(request)
        if base is not None:
            return base
        base = load(on_progress)
        with self._residents.changed:
            return base if self._residents.settle_base(request, base) else None


def _read_stamp(key: ModelKey) -> Stamp:
    """Look at the files of a folder or an adapter: a job that was resumed leaves others in the same place."""
    folder = Path(key.name)
    files = [folder / name for name in sorted(needed_files(folder))] if folder.is_absolute() else []
    if key.adapter is not None and (place := find_adapter_place(Path(key.adapter))):
        files += sorted(place.glob("adapter_*"))
    stats = ((str(file), file.stat()) for file in files if file.is_file())
    return tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _forget_locals(error: BaseException) -> None:
    """Empty the frames that an error came through: they keep a half-loaded model for as long as somebody has the error."""
    chain: list[BaseException] = [error]
    for link in chain:
        traceback.clear_frames(link.__traceback__)
        chain += [other for other in (link.__cause__, link.__context__) if other is not None and other not in chain]


def _default_load() -> Callable[..., Reranker]:
    from reranker_core.loading import load_reranker

    return load_reranker


def _default_estimate() -> Callable[..., int]:
    from reranker_core.loading import estimate_memory

    return estimate_memory


def _default_can_share() -> Callable[..., bool]:
    from reranker_core.sharing import can_share

    return can_share


def _default_load_beside() -> Callable[[Reranker, str], Reranker]:
    from reranker_core.sharing import load_beside

    return load_beside
