"""Encoded keyframes, each computed once and kept for as long as memory allows.

Convention: nothing here requests a frame, and no lock is held while a model works.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol


class Sized(Protocol):
    """Anything that knows how much memory it holds."""

    @property
    def size_bytes(self) -> int:
        """Memory held."""
        ...


@dataclass(frozen=True, kw_only=True)
class CacheStatistics:
    """What a cache has done so far."""

    computed: int
    """Values computed, failures not counted."""
    hits: int
    """Values that were there already, or under way."""
    kept: int
    """Values held now."""
    kept_bytes: int
    """Memory that they take."""


class KeyframeCache[Value: Sized]:
    """Keeps the values used last; who asks for one under way waits for it.

    Args:
        most: Values kept at most.
        most_bytes: Memory that they may take; two are kept whatever they take.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, Future[Value]] = OrderedDict()
        self._computed = 0
        self._hits = 0

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key, computing it if it is not there.

        A computation that fails is forgotten, so that the next request tries again; those who
        waited for it get its error.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._hits += 1
                self._entries.move_to_end(key)
            else:
                mine: Future[Value] = Future()
                self._entries[key] = mine
        if entry is not None:
            return entry.result()
        try:
            value = compute()
        except BaseException as error:
            with self._lock:
                del self._entries[key]
            mine.set_exception(error)
            raise
        mine.set_result(value)
        with self._lock:
            self._computed += 1
            self._trim()
        return value

    def statistics(self) -> CacheStatistics:
        """Return what the cache has done."""
        with self._lock:
            sizes = [entry.result().size_bytes for entry in self._entries.values() if entry.done()]
            return CacheStatistics(
                computed=self._computed, hits=self._hits, kept=len(sizes), kept_bytes=sum(sizes)
            )

    def _trim(self) -> None:
        finished = {key: entry for key, entry in self._entries.items() if entry.done()}
        total = sum(entry.result().size_bytes for entry in finished.values())
        for key, entry in finished.items():
            too_many = len(finished) > self._most
            too_large = total > self._most_bytes and len(finished) > 2
            if not (too_many or too_large):
                return
            total -= entry.result().size_bytes
            del self._entries[key]
            finished = {other: kept for other, kept in finished.items() if other != key}
