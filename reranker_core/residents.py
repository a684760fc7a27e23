"""Which models are in memory, who uses them, what has to go for another one, and who waits for that.

`Residents` is the bookkeeping of `pool`. It loads nothing itself and waits for nothing, except in `free`.

An adapter may share the weights of its base, which is a model of its own here. Then the base is there for as long as the
adapter is: room is made for both at once, the base is in use while the adapter is, and it leaves with all its adapters or
not at all.
"""

import gc
import math
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple

from reranker_core.errors import InputError
from reranker_core.memory import default_budget
from reranker_core.reranker import Reranker


class ModelKey(NamedTuple):
    """A model under its one name, and the absolute folder of its adapter."""

    name: str
    adapter: str | None

    @property
    def label(self) -> str:
        """What a message calls it."""
        return self.name if self.adapter is None else f"{self.name} + {Path(self.adapter).name}"


Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of the files that a model is loaded from; empty where they do not change."""


@dataclass(slots=True, eq=False)
class Place:
    """A model that is loaded, or the room that was made for it.

    Attributes:
        key: which model.
        memory_bytes: what it takes, or will take; without the weights that it shares.
        loader: the thread that loads it, until it is there.
        base: the model whose weights it shares, or `None`.
        stamp: of its files when it was loaded.
        reranker: the model, once it is there.
        users: the threads that use it, once for each borrow; those that wait for its device too.
        last_used: the larger, the later.
    """

    key: ModelKey
    memory_bytes: int
    loader: int | None
    base: ModelKey | None = None
    stamp: Stamp = ()
    reranker: Reranker | None = None
    users: list[int] = field(default_factory=list)
    last_used: int = 0


@dataclass(slots=True, eq=False)
class Request:
    """One thread on its way to a model.

    Attributes:
        key: which model.
        max_layer: the deepest layer that it needs, `None` for all.
        stamp: of the model's files as they are now.
        thread: whose it is.
        needed: bytes that a load would take, once `is_measured`; 0 where nobody knows before the load.
        base: the model whose weights it will share, which is loaded with it where it is not there; `None` for none.
        base_needed: as `needed`, of the base.
        base_stamp: as `stamp`, of the base.
        is_measured: whether all this was found out.
        leaving: what was taken out for it and not yet freed.
    """

    key: ModelKey
    max_layer: int | None
    stamp: Stamp = ()
    thread: int = field(default_factory=threading.get_ident)
    needed: int = 0
    base: ModelKey | None = None
    base_needed: int = 0
    base_stamp: Stamp = ()
    is_measured: bool = False
    leaving: list[Place] = field(default_factory=list)


class Residents:
    """The models in memory under a budget. Hold `changed` for every method but `free`, `check_size` and `budget`.

    What is called `try_to_…` takes no model and no memory unless it succeeds; it may join or leave the line.

    Attributes:
        changed: guards everything here, and is notified of every change.
        places: what is loaded or being loaded, in the order in which it came.
    """

    def __init__(self, budget: int | None) -> None:
        """Start empty.

        Args:
            budget: bytes for all models together; `None` works it out from the device on first need.
        """
        self.changed = threading.Condition()
        self.places: dict[ModelKey, Place] = {}
        self._budget = budget
        self._line: list[Request] = []  # for memory, the first first
        self._leaving_bytes = 0
        self._clock = count(1)

    @property
    def budget(self) -> int:
        """How many bytes all models together may take. Asked for the first time, it may import torch."""
        if self._budget is None:
            self._budget = default_budget()
        return self._budget

    def try_to_pin(self, request: Request) -> Reranker | Literal["measure", "load"] | None:
        """Give a model that is there and keep it there until `unpin`.

        Returns:
            The model; `"measure"`: find out first what it needs; `"load"`: there is room for it now, load it; `None`: wait
            for `changed` and try again.

        Raises:
            InputError: the thread would wait for itself.
        """
        thread = request.thread
        is_loading = any(place.loader == thread for place in self.places.values())
        if is_loading or any(other.thread == thread for other in self._line if other is not request):
            raise InputError(f"{request.key.label} was asked for while this thread loads or waits. Ask for it afterwards.")
        place = self.places.get(request.key)
        if place and place.loader is not None:
            self.leave_line(request)  # who waits for a load holds up nobody
            return None
        is_holder = any(thread in other.users for other in self.places.values())
        if not is_holder and self._line and self._line[0] is not request:
            self._join_line(request)
            return None
        if place and place.reranker and _serves(place, request.stamp, request.max_layer):
            self.leave_line(request)
            self._use(place, thread)
            return place.reranker
        if not request.is_measured:
            return "measure"
        base = self.places.get(request.base) if request.base else None
        if base and base.loader is not None:
            self.leave_line(request)
            return None
        if self._try_to_reserve(request, place, base, is_holder=is_holder):
            self.leave_line(request)
            return "load"
        if not is_holder:
            self._join_line(request)
        return None

    def find_base(self, request: Request) -> Reranker | None:
        """Give the base for which room was made or which was kept; `None`: this thread has to load it first."""
        return self.places[request.base].reranker if request.base else None

    def settle_base(self, request: Request, reranker: Reranker) -> bool:
        """Take in a base that was loaded into its place for an adapter, if it fits; nobody uses it yet.

        Returns:
            As `settle`; the room for the adapter is taken back too.
        """
        assert request.base is not None
        place = self.places[request.base]
        place.reranker, place.memory_bytes, place.loader = reranker, reranker.memory_bytes, None
        place.last_used = next(self._clock)
        request.base_needed = place.memory_bytes
        victims = self._choose_victims(0)
        if victims is None:
            del self.places[request.key]
        self._evict([place] if victims is None else victims, request)
        self.changed.notify_all()
        return victims is not None

    def settle(self, request: Request, reranker: Reranker) -> bool:
        """Pin a model that was loaded into its place, if it fits.

        Returns:
            False if it is larger than anybody knew and what is idle is too little: then it leaves again, and the request,
            which knows better now, has to wait for room.
        """
        place = self.places[request.key]
        place.reranker, place.memory_bytes, place.loader = reranker, reranker.memory_bytes, None
        request.needed = place.memory_bytes
        self._use(place, request.thread)
        victims = self._choose_victims(0)
        self._evict([place] if victims is None else victims, request)
        self.changed.notify_all()
        return victims is not None

    def give_up(self, request: Request) -> None:
        """Take back the room for a load that failed; a base that is there by then stays."""
        for key in (request.key, request.base):
            if key is not None and key in self.places and self.places[key].loader == request.thread:
                del self.places[key]
        self.changed.notify_all()

    def unpin(self, request: Request) -> None:
        """End a use."""
        place = self.places[request.key]
        place.users.remove(request.thread)
        self._touch(place)
        self.changed.notify_all()

    def try_to_unload(self, request: Request) -> None:
        """Take a model out, if it is there, and with it the adapters that share its weights.

        Raises:
            InputError: one of them is in use or being loaded.
        """
        group = self._with_sharers(self.places.get(request.key))
        for place in group:
            name = request.key.label
            if place.key != request.key:
                name = f"{place.key.label}, which shares the weights of {name},"
            if place.loader is not None:
                raise InputError(f"{name} is being loaded just now. Unload it when it is there, or stop the load.")
            if place.users:
                raise InputError(f"{name} is in use just now. Unload it when that has ended, or stop it.")
        self._evict(group, request)

    def leave_line(self, request: Request) -> None:
        """Wait for memory no longer, if the request did."""
        if request in self._line:
            self._line.remove(request)
            self.changed.notify_all()

    def check_size(self, request: Request) -> None:
        """Check that a model could fit if nothing else were there.

        Raises:
            InputError: it could not.
        """
        needed = request.needed + request.base_needed
        if needed > self.budget:
            raise InputError(
                f"{request.key.label} takes {_show(needed)} of memory; all models together may take "
                f"{_show(self.budget)} here. Choose a smaller model, or fewer layers of a layerwise one, or start with a "
                f"larger budget: `python app.py --memory_gb {math.ceil(needed / 1e9)}`."
            )

    def free(self, request: Request) -> None:
        """Free what was taken out for a request. Not under `changed`: it takes its time."""
        if not request.leaving:
            return
        size = sum(place.memory_bytes for place in request.leaving)
        try:
            request.leaving.clear()
            gc.collect()  # in case a module refers to itself
            if "torch" in sys.modules:
                import torch

                if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                    torch.cuda.empty_cache()
        finally:
            with self.changed:
                self._leaving_bytes -= size
                self.changed.notify_all()

    def _try_to_reserve(self, request: Request, old: Place | None, base: Place | None, *, is_holder: bool) -> bool:
        """Make room for a load, and for that of its base where it is needed.

        Args:
            request: whose model is to be loaded.
            old: a copy that is not deep enough, or of files that have changed since; it goes before the new one comes.
            base: the one whose weights will be shared, if it is there; it goes too where the same is true of it.
            is_holder: whether the thread uses a model already.
        """
        replaced = self._with_sharers(old)
        if base and not _serves(base, request.base_stamp, request.max_layer):
            replaced += [place for place in self._with_sharers(base) if place not in replaced]
        if is_holder and any(map(self._is_busy, replaced)):
            raise InputError(
                f"{request.key.label} is in use with fewer layers than are asked for now, or as it was before its files "
                "changed, and this thread uses a model: it would wait for itself. Borrow one model after the other, each "
                "once with the deepest layer that is needed."
            )
        if self._leaving_bytes:
            return False  # soon free, and then it shows whether more has to go
        missing = request.base if base is None or base in replaced else None
        needed = request.needed + (request.base_needed if missing else 0)
        victims = self._choose_victims(needed, replaced=replaced, kept=base)
        if victims is None and is_holder:
            used = ", ".join(place.key.label for place in self.places.values() if place.users or place.loader is not None)
            raise InputError(
                f"{request.key.label} ({_show(needed)}) does not fit beside the models in use ({used}; "
                f"{_show(self.budget)} for all), and this thread uses one of them: it would wait for itself. Borrow one "
                "model after the other, or start with a larger budget: `python app.py --memory_gb N`."
            )
        if victims is None:
            return False
        self._evict(victims, request)
        if missing:
            self.places[missing] = Place(missing, request.base_needed, request.thread, None, request.base_stamp)
        self.places[request.key] = Place(request.key, request.needed, request.thread, request.base, request.stamp)
        return True

    def _choose_victims(
        self, needed: int, *, replaced: Sequence[Place] = (), kept: Place | None = None
    ) -> list[Place] | None:
        """Choose what goes so that `needed` more bytes fit, the least recently used first; `None`: too little is idle.

        A base is used whenever an adapter on its weights is, and so comes after all of those.

        Args:
            needed: beside what is taken now.
            replaced: go in any case.
            kept: goes in no case, unless it is replaced.
        """
        if any(map(self._is_busy, replaced)):
            return None
        others = (place for place in self.places.values() if place is not kept and place not in replaced)
        idle = sorted((place for place in others if not self._is_busy(place)), key=lambda place: place.last_used)
        victims = list(replaced)
        over = sum(place.memory_bytes for place in self.places.values()) + needed - self.budget
        over -= sum(place.memory_bytes for place in victims)
        while over > 0 and idle:
            victims.append(idle.pop(0))
            over -= victims[-1].memory_bytes
        return victims if over <= 0 else None

    def _with_sharers(self, place: Place | None) -> list[Place]:
        """List a place and those that share its weights."""
        if place is None:
            return []
        return [place, *(other for other in self.places.values() if other.base == place.key)]

    def _is_busy(self, place: Place) -> bool:
        """Say whether a model is in use or being loaded, or one that shares its weights is."""
        return any(other.users or other.loader is not None for other in self._with_sharers(place))

    def _evict(self, places: list[Place], request: Request) -> None:
        """Take models out; what they take counts until `free`, so that nobody else builds on it before."""
        for place in places:
            del self.places[place.key]
            self._leaving_bytes += place.memory_bytes
            request.leaving.append(place)

    def _use(self, place: Place, thread: int) -> None:
        place.users.append(thread)
        self._touch(place)

    def _touch(self, place: Place) -> None:
        """Note that a model was used now, and the base whose weights it shares."""
        place.last_used = next(self._clock)
        if place.base is not None:
            self.places[place.base].last_used = next(self._clock)

    def _join_line(self, request: Request) -> None:
        if request not in self._line:
            self._line.append(request)


def _serves(place: Place, stamp: Stamp, max_layer: int | None) -> bool:
    """Say whether a model that is loaded is of the files as they are now, and deep enough."""
    if place.reranker is None or place.stamp != stamp:
        return False
    loaded = place.reranker.cutoff_range
    if loaded is None:
        return True
    depth = place.reranker.depth or loaded[-1]
    # A layer that the model does not have is for score to refuse; loading again would not help.
    return bool(min(depth, depth if max_layer is None else max_layer) <= loaded[-1])


def _show(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
