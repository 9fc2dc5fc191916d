"""Data that nobody sees any more, freed a little at a time: nobody waits for more than a slice of it.

Redis has a thread for it. Here one would hold the interpreter just as long, so it is done in slices between other work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

#: Nanoseconds that a slice takes, and how many keys or the like are freed between two looks at the clock.
_SLICE_NS: Final = 1_000_000
_PORTION: Final = 100
#: Portions in a slice at most, should the clock stand still.
_PORTIONS: Final = 100


class Leavings:
    """What is to be freed. One value is freed at once, however large it is."""

    def __init__(self, elapsed_ns: Callable[[], int]) -> None:
        self._elapsed_ns = elapsed_ns
        self._held: list[Any] = []

    def take(self, containers: Iterable[Any]) -> None:
        """Free these, the last ones first; nobody else may hold them any more. O(1) each."""
        self._held.extend(containers)

    @property
    def behind(self) -> bool:
        """Whether there is anything left to free."""
        return bool(self._held)

    @property
    def left(self) -> int:
        """How many keys or the like are still to be freed. O(containers)."""
        return sum(len(item) if isinstance(item, dict | list) else 1 for item in self._held)

    def free_some(self) -> None:
        """Free what a slice of a millisecond can, but no more than some ten thousand keys."""
        held = self._held
        until = self._elapsed_ns() + _SLICE_NS
        for _ in range(_PORTIONS):
            if not held:
                return
            last = held[-1]
            if not last or not isinstance(last, dict | list):
                del last, held[-1]
            elif isinstance(last, list):
                del last[-_PORTION:]
            else:
                for _ in range(min(_PORTION, len(last))):
                    last.popitem()
            if self._elapsed_ns() >= until:
                return
