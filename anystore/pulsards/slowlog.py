"""SLOWLOG: the newest commands that took longer than a threshold."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

_MAX_ARGUMENTS: Final = 32
_MAX_ARGUMENT: Final = 128
_NEVER: Final = 2**63


class SlowCommand(NamedTuple):
    """One entry: what SLOWLOG GET shows of it."""

    id: int
    when: int  # seconds since 1970
    microseconds: int
    arguments: list[bytes]
    address: str
    client_name: bytes


class SlowLog:
    """A bounded log, newest first."""

    def __init__(self) -> None:
        self.entries: deque[SlowCommand] = deque(maxlen=128)
        self.threshold_ns = _NEVER
        self._next_id = 0

    def configure(self, threshold_us: int, length: int) -> None:
        """`threshold_us` in microseconds, negative switches the log off; `length` entries are kept."""
        self.threshold_ns = threshold_us * 1000 if threshold_us >= 0 else _NEVER
        self.entries = deque(list(self.entries)[:length], maxlen=length)

    def add(self, when: int, microseconds: int, arguments: list[bytes], address: str, name: bytes) -> None:
        """Log a command; long ones are shortened as Redis does, so that the log stays small."""
        self.entries.appendleft(
            SlowCommand(self._next_id, when, microseconds, _shorten(arguments), address, name)
        )
        self._next_id += 1


def _shorten(arguments: list[bytes]) -> list[bytes]:
    kept = arguments
    if len(arguments) > _MAX_ARGUMENTS:
        left_out = len(arguments) - _MAX_ARGUMENTS + 1
        kept = [*arguments[: _MAX_ARGUMENTS - 1], b"... (%d more arguments)" % left_out]
    return [
        argument
        if len(argument) <= _MAX_ARGUMENT
        else argument[:_MAX_ARGUMENT] + b"... (%d more bytes)" % (len(argument) - _MAX_ARGUMENT)
        for argument in kept
    ]
