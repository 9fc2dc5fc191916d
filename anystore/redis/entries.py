"""What a connection's FIFO holds, and what those who wait in it get when something goes wrong."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import anyio

from anystore.backend import Waiter
from anystore.exceptions import ConnectionFailed, ExecAbort, ProtocolError, ResponseError

__all__ = (
    "STREAM_ERRORS",
    "Baton",
    "Bundle",
    "ConnectionLost",
    "ConnectionStatistics",
    "Entry",
    "Packed",
    "may_have_gone",
    "take_back",
    "waiter_of",
)

Packed: TypeAlias = bytes | bytearray
"""Commands as they go over the wire."""

STREAM_ERRORS: Final = (
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    ProtocolError,
    OSError,
)
"""What a connection cannot go on after."""


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """What `Connection.statistics` gives."""

    in_flight: int
    """Requests without their reply yet, those of cancelled tasks included."""
    unsent: int
    """Requests of which not all is written yet."""
    closed: bool
    """Whether the connection was closed or lost."""


class ConnectionLost(ConnectionFailed):
    """The connection was lost before the reply; `written` says whether the server may have got the request."""

    def __init__(self, cause: BaseException | None, *, written: bool) -> None:
        told = str(cause) or str((cause and cause.__cause__) or "") or type(cause).__name__
        super().__init__("the connection was lost" if cause is None else f"the connection was lost: {told}")
        self.written = written
        self.__cause__ = cause


class Baton:
    """What a waiting task gets instead of its reply when it is to read for all; its reply goes to `waiter`."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter


class Bundle:
    """A request that is more than one command, or whose reply is not decoded as usual.

    Args:
        count: How many replies belong to it.
        decode: Whether their strings are decoded.
        atomic: Whether nothing of it is carried out before all of it has arrived, as with MULTI … EXEC.
    """

    __slots__ = ("atomic", "count", "decode", "replies", "waiter")
    waiter: Waiter

    def __init__(self, count: int, *, decode: bool = True, atomic: bool = False) -> None:
        self.count = count
        self.decode = decode
        self.atomic = atomic
        self.reset()

    def reset(self) -> None:
        """Make it ready to be sent, again perhaps."""
        self.replies: list[Any] = []

    def forget(self, start: int, end: int) -> None:
        """Let go of replies that have just come, and that nobody will ask for. O(end - start).

        That a transaction's commands are queued is of no interest, only if one is not; and to free some hundred thousand
        replies at once, when all are there, would hold the event loop.
        """
        if self.atomic or self.waiter.done():
            self.replies[start:end] = [
                reply if isinstance(reply, Exception) else None for reply in self.replies[start:end]
            ]

    @property
    def left_open(self) -> bool:
        """Whether it was a transaction that the server began, by MULTI, and then neither carried out nor dropped."""
        if not self.atomic or isinstance(self.replies[0], ResponseError):
            return False
        last = self.replies[-1]
        return isinstance(last, ResponseError) and not isinstance(last, ExecAbort)


Entry: TypeAlias = Waiter | Bundle
"""A place in the FIFO: for one ordinary reply just the waiter, to be quick."""


def waiter_of(entry: Entry) -> Waiter:
    """The waiter of an entry."""
    return entry.waiter if isinstance(entry, Bundle) else entry


def may_have_gone(entry: Entry, part: object) -> bool:
    """Whether the server may have carried out something of a request that was not written as a whole.

    It cannot with a command whose end it never saw.
    """
    return isinstance(part, memoryview) and isinstance(entry, Bundle) and not entry.atomic


def take_back(waiter: Waiter, fifo: deque[Entry], parts: list[Any]) -> None:
    """Drop a waiter's request if nothing of it was written; `parts` are what the last entries have to write. O(parts)."""
    first = len(fifo) - len(parts)
    for index, part in enumerate(parts):
        if waiter_of(fifo[first + index]) is waiter and not isinstance(part, memoryview):
            del fifo[first + index], parts[index]
            break
