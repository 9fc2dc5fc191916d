"""The server's clock, handed in from outside: the machine's own, or one that a test moves by hand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What the engine asks of a clock."""

    def time_us(self) -> int:
        """The time of day in microseconds since 1970."""

    def elapsed_ns(self) -> int:
        """Nanoseconds since some fixed moment, for durations; never runs backwards."""

    def seconds_until(self, when_ms: int) -> float:
        """How long to sleep until a moment (milliseconds since 1970); infinite where no sleep reaches it."""

    def watch(self, moved: Callable[[], None]) -> None:
        """Ask for `moved` to be called after the clock was moved by hand."""

    def unwatch(self, moved: Callable[[], None]) -> None:
        """Take a `watch` back."""


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def time_us(self) -> int:
        return time.time_ns() // 1000

    elapsed_ns = staticmethod(time.perf_counter_ns)

    def seconds_until(self, when_ms: int) -> float:
        # A millisecond begun counts whole: woken up early, the server would find nothing due and sleep again.
        return max(0.0, when_ms / 1000 - time.time() + 0.0005)

    def watch(self, moved: Callable[[], None]) -> None:
        """Nobody moves this clock by hand, so there is nothing to tell."""

    def unwatch(self, moved: Callable[[], None]) -> None:
        """See `watch`."""


class ManualClock:
    """A clock that stands still until it is moved: for tests of whatever depends on time.

    `advance` makes everything due happen before it returns: keys expire, blocked clients time out.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        """`start` is the first time of day, in seconds since 1970."""
        self._now_us = round(start * 1_000_000)
        self._watchers: list[Callable[[], None]] = []

    def time_us(self) -> int:
        return self._now_us

    def elapsed_ns(self) -> int:
        return self._now_us * 1000

    def seconds_until(self, when_ms: int) -> float:
        return math.inf

    def advance(self, seconds: float) -> None:
        """Move the clock `seconds` forward. A negative step is refused with `ValueError`."""
        if not seconds >= 0:
            raise ValueError(f"a clock moves forward only, not by {seconds} seconds")
        self._now_us += round(seconds * 1_000_000)
        for moved in tuple(self._watchers):
            moved()

    def watch(self, moved: Callable[[], None]) -> None:
        self._watchers.append(moved)

    def unwatch(self, moved: Callable[[], None]) -> None:
        self._watchers.remove(moved)
