"""When, or how often, each key of a database is asked for: what eviction goes by, and OBJECT IDLETIME and FREQ.

Usually that is a plain dict from key to the second of its last access. Under an LFU policy an `AccessFrequencies`
takes its place, which turns each such entry into a step of a counter: so it costs nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Final

#: What a new key begins with, so that it is not evicted before it had a chance.
FIRST: Final = 5
MOST: Final = 255


class AccessFrequencies(dict[bytes, int]):
    """A dict whose entries for a key, whatever their values, count the accesses to it.

    What is kept is Redis' pair of a minute and a logarithmic counter (Morris): the more often a key was asked
    for, the less likely is one more access to count, and it loses a point for each `decay_minutes` that pass.

    Source: "Key eviction", the section on LFU.
    """

    __slots__ = ("_minute", "decay_minutes", "log_factor")

    def __init__(self, minute: Callable[[], int], log_factor: int = 10, decay_minutes: int = 1) -> None:
        """`minute()` is the present one, since 1970."""
        super().__init__()
        self._minute = minute
        self.log_factor = log_factor
        self.decay_minutes = decay_minutes

    def __setitem__(self, key: bytes, value: int) -> None:
        kept = self.get(key)
        if kept is None:
            self.put(key, FIRST)
            return
        counter = self._decayed(kept)
        if counter < MOST and random() * (max(counter - FIRST, 0) * self.log_factor + 1) < 1:
            counter += 1
        self.put(key, counter)

    def put(self, key: bytes, counter: int) -> None:
        """Set the counter of a key, from 0 to 255, as if it had been counted now."""
        super().__setitem__(key, self._minute() << 8 | counter)

    def frequency(self, key: bytes) -> int:
        """The counter of a key as it is now; 0 for one that is not there."""
        return self._decayed(self.get(key, 0))

    def minute_of(self, key: bytes) -> int:
        """The minute of the last access to a key that is there, since 1970."""
        return self[key] >> 8

    def _decayed(self, kept: int) -> int:
        lost = (self._minute() - (kept >> 8)) // self.decay_minutes if self.decay_minutes else 0
        return max((kept & MOST) - lost, 0)
