"""What is found out about pairs of keyframes, kept while the keyframes live."""

import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from imf_plugin.models.base import KeyframeState


class PairCache[Found]:
    """Remembers what was found about the latest pairs, found once however often it is asked for.

    Args:
        find: Finds it out, from both keyframes.
        capacity: Pairs to remember.
    """

    def __init__(
        self, find: Callable[[KeyframeState, KeyframeState], Found], capacity: int
    ) -> None:
        self._find = find
        self._pairs: deque[_Pair[Found]] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pairs)

    def get(self, before: KeyframeState, after: KeyframeState) -> Found:
        """Return what is known of a pair; threads that ask for the same one wait for each other."""
        with self._lock:
            for pair in self._pairs:
                if pair.before() is before and pair.after() is after:
                    break
            else:
                pair = _Pair(before=weakref.ref(before), after=weakref.ref(after))
                self._pairs.append(pair)
        with pair.lock:
            if not pair.found:
                pair.found.append(self._find(before, after))
            return pair.found[0]


@dataclass(frozen=True, kw_only=True)
class _Pair[Found]:
    before: weakref.ref[KeyframeState]
    after: weakref.ref[KeyframeState]
    found: list[Found] = field(default_factory=list)
    """Empty until it is found."""
    lock: threading.Lock = field(default_factory=threading.Lock)
