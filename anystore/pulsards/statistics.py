"""What the server counts about itself; INFO shows it, CONFIG RESETSTAT sets it to zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

#: Rates are averages over the last one to two of these, in milliseconds.
_PERIOD: Final = 1000


class Rates(NamedTuple):
    """Commands, bytes received and bytes sent per second; and of these what came from a primary and went to replicas."""

    commands: float
    received: float
    sent: float
    received_from_primary: float
    sent_to_replicas: float


class _Reading(NamedTuple):
    """The counters at one moment."""

    when: int
    commands: int
    received: int
    sent: int
    received_from_primary: int
    sent_to_replicas: int


class Statistics:
    """Counters since the start or the last reset."""

    def __init__(self, now: int, count_calls: Callable[[], int]) -> None:
        """`now` is the start of the server, in milliseconds since 1970; `count_calls()` is of all commands together."""
        self.started_at = now
        self._count_calls = count_calls
        self.reset(now)

    def reset(self, now: int) -> None:
        """Set every counter to zero, now, in milliseconds since 1970."""
        self.connections_received = 0
        self.connections_rejected = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.bytes_from_primary = 0
        #: What replicas are sent, on its way out or gone; what one has not taken when it goes is taken off again.
        self.bytes_to_replicas = 0
        self.reads = 0
        self.writes = 0
        self.output_limit_disconnections = 0
        self.query_limit_disconnections = 0
        self.clients_evicted = 0
        self.expiries_cut_short = 0
        self.expiry_ns = 0
        self.error_replies = 0
        self.errors: dict[bytes, int] = {}
        self._before = self._latest = self._reading(now)
        #: When `read_rates` is due next, in milliseconds since 1970.
        self.rates_due = now + _PERIOD

    def count_error(self, message: bytes) -> None:
        """Count an error reply under its code."""
        self.error_replies += 1
        code = message.split(b" ", 1)[0]
        # Scripts can make up codes; Redis stops telling them apart at this number, too.
        if code in self.errors or len(self.errors) < 128:
            self.errors[code] = self.errors.get(code, 0) + 1

    @property
    def commands_processed(self) -> int:
        """How many commands have been run. O(N) in the commands that there are: each counts its own calls."""
        return self._count_calls()

    def _reading(self, now: int) -> _Reading:
        return _Reading(
            *(now, self.commands_processed, self.bytes_received, self.bytes_sent),
            *(self.bytes_from_primary, self.bytes_to_replicas),
        )

    def read_rates(self, now: int) -> None:
        """Note the counters down, to tell rates by; to be called when `rates_due` has come and something happens."""
        self._before, self._latest = self._latest, self._reading(now)
        self.rates_due = now + _PERIOD

    def rates(self, now: int) -> Rates:
        """How much has happened per second of late: since one to two periods ago, or in a longer time of silence."""
        if now >= self.rates_due:
            self.read_rates(now)
        before = self._before
        seconds = max(1, now - before.when) / 1000
        return Rates(
            (self.commands_processed - before.commands) / seconds,
            (self.bytes_received - before.received) / seconds,
            (self.bytes_sent - before.sent) / seconds,
            (self.bytes_from_primary - before.received_from_primary) / seconds,
            max(0, self.bytes_to_replicas - before.sent_to_replicas) / seconds,
        )
