"""How long things take: the latency monitor's events, and a histogram of each command's durations.

Source: "Redis latency monitoring", and the pages of the LATENCY commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from anystore.pulsards.registry import CommandEntry

#: Samples kept of an event.
_KEPT: Final = 160
#: Durations below `FINE_BUCKETS << FINE_SHIFT` ns (131 µs) are counted in buckets of 1 << FINE_SHIFT ns each, those
#: above in buckets as wide as a 64th of the duration or less.
FINE_SHIFT: Final = 7
FINE_BUCKETS: Final = 1024
_MANTISSA_BITS: Final = 7


class Sample(NamedTuple):
    """When something took long, in seconds since 1970, and how long, in milliseconds."""

    when: int
    milliseconds: int


class LatencyEvent:
    """What the monitor has seen of one kind of event."""

    __slots__ = ("samples", "worst")

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=_KEPT)
        self.worst = 0  # of all time, in milliseconds


class LatencyMonitor:
    """The events that took `threshold` milliseconds or longer; none are noted while it is 0."""

    def __init__(self, elapsed_ns: Callable[[], int], now: Callable[[], int]) -> None:
        """`elapsed_ns()` measures durations, `now()` is in milliseconds since 1970."""
        self._elapsed_ns = elapsed_ns
        self._now = now
        self.threshold = 0
        self.events: dict[bytes, LatencyEvent] = {}

    def begin(self) -> int:
        """What `end` wants to know."""
        return self._elapsed_ns() if self.threshold else 0

    def end(self, event: bytes, begun: int) -> None:
        """Note an event that has ended, if it took long."""
        if self.threshold and begun:
            self.note(event, (self._elapsed_ns() - begun) // 1_000_000)

    def note(self, event: bytes, milliseconds: int) -> None:
        """Note an event, if it took long; the longest of a second stands for all of that second. O(1)."""
        if not self.threshold or milliseconds < self.threshold:
            return
        seen = self.events.setdefault(event, LatencyEvent())
        seen.worst = max(seen.worst, milliseconds)
        when = self._now() // 1000
        samples = seen.samples
        if samples and samples[-1].when == when:
            samples[-1] = Sample(when, max(samples[-1].milliseconds, milliseconds))
        else:
            samples.append(Sample(when, milliseconds))

    def reset(self, names: list[bytes]) -> int:
        """Forget these events, or all of them without a name; how many there were."""
        return sum(self.events.pop(name, None) is not None for name in names or list(self.events))


# Histograms of commands


def count_duration(entry: CommandEntry, nanoseconds: int) -> None:
    """Count a duration, whether there is a bucket for it in `entry.durations` yet or not."""
    if nanoseconds >> FINE_SHIFT < FINE_BUCKETS:
        if not entry.durations:
            entry.durations = [0] * FINE_BUCKETS
        entry.durations[max(nanoseconds, 0) >> FINE_SHIFT] += 1
        return
    shift = nanoseconds.bit_length() - _MANTISSA_BITS
    bucket = (nanoseconds >> shift) + 1 << shift
    entry.long_durations[bucket] = entry.long_durations.get(bucket, 0) + 1


def _buckets(entry: CommandEntry) -> Iterator[tuple[int, int]]:
    """The upper ends of the buckets in ns, in order, with the durations counted in each."""
    for index, count in enumerate(entry.durations):
        if count:
            yield (index + 1) << FINE_SHIFT, count
    yield from sorted(entry.long_durations.items())


def histogram(entry: CommandEntry) -> list[tuple[int, int]]:
    """How many calls took up to so many µs, for powers of two, as far as there are any. O(buckets)."""
    rows: list[tuple[int, int]] = []
    total, limit = 0, 1024
    for end, count in _buckets(entry):
        if end > limit:
            if total:
                rows.append((_shown(limit), total))
            while limit < end:
                limit *= 2
        total += count
    if total:
        rows.append((_shown(limit), total))
    return rows


def _shown(limit: int) -> int:
    """A limit in ns as Redis shows it in µs: by the upper end of the bucket that it falls into there."""
    return (limit + limit // 128 - 1) // 1000


def percentiles(entry: CommandEntry, wanted: tuple[float, ...]) -> list[float]:
    """The durations in µs within which such percentages of the calls were done. O(buckets · wanted)."""
    buckets = list(_buckets(entry))
    total = sum(count for _, count in buckets)
    found = []
    for percentage in wanted:
        rank = max(1, round(percentage / 100 * total))
        seen = 0
        for end, count in buckets:
            seen += count
            if seen >= rank:
                found.append(end / 1000)
                break
    return found
