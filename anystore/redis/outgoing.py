"""The writing side of a connection: what gathers in a turn goes out together, and no task waits for the socket.

What the socket does not take at once is written by a task in the store's group. So cancelling the task that made a
request never tears a command, and nobody's request waits for another one's bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Final, TypeAlias

from anyio.abc import ByteStream

from anystore.backend import Waiter, current_backend
from anystore.redis.entries import STREAM_ERRORS, Packed
from anystore.streams import NowaitStream

__all__ = ("Outgoing", "Part")

Part: TypeAlias = bytes | bytearray | memoryview
"""A request that is not written as a whole yet; a `memoryview` is what is left of one that was begun."""

UNSENT_BYTES: Final = 4 << 20
"""What may wait to be written before further requests have to wait, too."""
JOINED_BYTES: Final = 256 << 10
"""How much is joined into one write: beyond that copying costs more than a system call."""
AT_ONCE_BYTES: Final = 16 << 10
"""How much goes in one piece to a stream that carries it out right there: some 300 commands, half a millisecond."""
AT_ONCE_SECONDS: Final = 0.0005
"""After how long the rest is left to the task, so that others get their turn."""


class Outgoing:
    """What is to be written to `stream`, in order.

    Args:
        stream: Where it goes. To a `NowaitStream` it is written at once, by whoever flushes, as far as it can be.
        spawn: Starts a task.
        failed: Called with the error when the stream fails.
        eased: Called when there is room again after `clogged`.
    """

    def __init__(
        self,
        stream: ByteStream,
        spawn: Callable[..., Any],
        failed: Callable[[BaseException], None],
        eased: Callable[[], None],
    ) -> None:
        self.parts: list[Part] = []
        self.company = 0
        """How many requests the last flush found."""
        self.busy = False
        """Whether the writer task has the parts, so that there is no need to flush."""
        self.clogged = False
        """Whether too much waits to be written for more to be added."""
        self._stream = stream
        self._nowait = stream if isinstance(stream, NowaitStream) else None
        self._spawn = spawn
        self._failed = failed
        self._eased = eased
        self._most = AT_ONCE_BYTES if getattr(stream, "answers_at_once", False) else JOINED_BYTES
        self._cut = self._most < JOINED_BYTES
        self._new_waiter = current_backend().waiter
        self.unsent = 0
        """How many bytes wait, of parts that were added since the last flush among them."""
        self._spawned = False
        self._parked: Waiter | None = None
        self._closed = False

    def add(self, packed: Packed) -> None:
        """Add a request, to be written by the next flush."""
        self.parts.append(packed)
        self.unsent += len(packed)
        if self.unsent > UNSENT_BYTES:
            self.clogged = True

    def write(self, packed: Packed) -> None:
        """Write a request at once, as far as that is possible without waiting, and have the task write the rest."""
        if self._nowait is None or self.parts or (self._cut and len(packed) > self._most):
            self.add(packed)
            self.flush()
            return
        self.company = 1
        try:
            sent = self._nowait.send_nowait(packed)
        except STREAM_ERRORS as error:
            self.parts.append(packed)  # nothing of it was written
            self._failed(error)
            return
        if sent < len(packed):
            self.add(packed)
            if sent:
                self._drop(sent)
            self._summon()

    def flush(self) -> None:
        """Write what there is, as far as that is possible without waiting, and have the task write the rest."""
        if self.busy or not self.parts:
            return
        self.company = len(self.parts)
        try:
            if self._nowait is not None and self._write_nowait(self._nowait):
                self._count()
                return
        except STREAM_ERRORS as error:
            self._failed(error)
            return
        self._summon()

    def close(self) -> None:
        """Write no more."""
        self._closed = True
        self.parts.clear()
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    def _write_nowait(self, stream: NowaitStream) -> bool:
        parts = self.parts
        until = monotonic() + AT_ONCE_SECONDS if self._cut else inf
        while parts:
            count, data = self._next_write()
            size = len(data)
            if self._cut and size > self._most:
                data = memoryview(data)[: self._most]
            sent = stream.send_nowait(data)
            if sent < size:
                self._drop(sent)
                if sent < len(data):
                    return False
            else:
                del parts[:count]
            if parts and monotonic() > until:
                return False
        return True

    def _next_write(self) -> tuple[int, Part]:
        """How many of the parts go out in one write, and their bytes."""
        parts, most = self.parts, self._most
        if len(parts) == 1:
            return 1, parts[0]
        if sum(map(len, parts)) <= most:
            return len(parts), b"".join(parts)
        size = count = 0
        for part in parts:
            size += len(part)
            if size > most:
                break
            count += 1
        return (count, b"".join(parts[:count])) if count > 1 else (1, parts[0])

    def _drop(self, size: int) -> None:
        """The first `size` bytes went out, the next one did not."""
        parts = self.parts
        count = 0
        for part in parts:
            if size < len(part):
                break
            size -= len(part)
            count += 1
        del parts[:count]
        if size:
            parts[0] = memoryview(parts[0])[size:]

    def _summon(self) -> None:
        self.busy = True
        self._count()
        if not self._spawned:
            self._spawned = True
            self._spawn(self._write_on)
        elif self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    async def _write_on(self) -> None:
        try:
            while not self._closed:
                if self.parts:
                    await self._write_some()
                    self._count()
                else:
                    self.busy = False
                    self._parked = self._new_waiter()
                    await self._parked
        except STREAM_ERRORS as error:
            self._failed(error)

    def _count(self) -> None:
        self.unsent = sum(map(len, self.parts))
        if self.clogged and self.unsent <= UNSENT_BYTES:
            self.clogged = False
            self._eased()

    async def _write_some(self) -> None:
        if self._nowait is not None:
            await self._nowait.wait_send()
            self._write_nowait(self._nowait)
            return
        count, data = self._next_write()
        # Once they are with the stream nobody can tell how much of them went out, and their replies may come before
        # the stream says that all of them did.
        del self.parts[:count]
        await self._stream.send(bytes(data))
