"""The machine's clock, which counts what it is asked: a server that does nothing does not look at it either."""

from __future__ import annotations

from anystore.pulsards.clock import SystemClock


class CountingClock(SystemClock):
    """Counts the readings of the time of day, one of which begins each turn, and the sleeps of the server's timer."""

    def __init__(self) -> None:
        self.readings = 0
        self.sleeps = 0

    def time_us(self) -> int:
        self.readings += 1
        return super().time_us()

    def seconds_until(self, when_ms: int) -> float:
        self.sleeps += 1
        return super().seconds_until(when_ms)
