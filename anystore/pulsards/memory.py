"""A connection to a server in the same process: a byte stream with no socket and no task behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from anystore.pulsards.engine import Engine


class MemoryStream(ByteStream):
    """The client's end of a connection to an engine.

    What is sent runs before `send` returns, so a reply is there when it is asked for. One task may send while
    another receives. It is also an `anystore.streams.NowaitStream`: nothing here ever has to wait but for the server
    to have something to say.
    """

    answers_at_once: Final = True
    """For the client: after `send_nowait` it is worth while to ask for the answer at once."""

    def __init__(self, engine: Engine, address: str = "memory:0") -> None:
        self._engine = engine
        self._session = engine.connect(address, address)
        self._session.deliver = self._deliver
        self._arrived: anyio.Event | None = None
        self._interrupted = False
        self._unread: list[bytes] = []
        self._closed = False

    def _deliver(self) -> None:
        session = self._session
        if session.has_output():
            data = session.take_output()
            self._unread.append(data)
            session.hold(session.unsent_bytes + len(data))
        if session.closing:
            session.close()
        if self._arrived is not None and (self._unread or session.closing or self._closed):
            self._arrived.set()

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Run what these bytes ask for, all of them; their number.

        Raises `anyio.ClosedResourceError` after closing, `anyio.BrokenResourceError` once the server has closed the
        connection.
        """
        if self._closed:
            raise anyio.ClosedResourceError
        session = self._session
        if session.closing:
            raise anyio.BrokenResourceError
        engine = self._engine
        engine.statistics.bytes_received += len(data)
        engine.statistics.reads += 1
        session.receive(data if type(data) is bytes else bytes(data))
        if engine.holds_replies:
            engine.outbox[session] = None
        else:
            self._deliver()
        engine.flush()
        return len(data)

    def receive_nowait(self, max_bytes: int = 65536) -> bytes | None:
        """What the server has queued, all of it, whatever `max_bytes` says; b"" at the end, None if there is nothing.

        Raises `anyio.ClosedResourceError` after closing.
        """
        session = self._session
        if self._closed:
            raise anyio.ClosedResourceError
        if self._unread and not session.aborted:
            unread = self._unread
            data = unread[0] if len(unread) == 1 else b"".join(unread)
            unread.clear()
            session.unsent_bytes = 0
            self._engine.statistics.bytes_sent += len(data)
            self._engine.statistics.writes += 1
            return data
        return b"" if session.closing else None

    async def send(self, item: bytes) -> None:
        """`send_nowait`, as a checkpoint. Cancelled before it begins, it has sent nothing; after that it is done."""
        await checkpoint_if_cancelled()
        self.send_nowait(item)

    async def wait_send(self) -> None:
        """Sending never has to wait; a checkpoint."""
        await checkpoint()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """`receive_nowait`, waiting while there is nothing. Cancelled, it loses nothing.

        Raises `anyio.EndOfStream` when the server has closed the connection, `anyio.ClosedResourceError` after
        closing, `anyio.WouldBlock` when interrupted.
        """
        await checkpoint()
        while True:
            data = self.receive_nowait()
            if data:
                return data
            if data is not None:
                raise anyio.EndOfStream
            self._arrived = anyio.Event()
            try:
                await self._arrived.wait()
            finally:
                self._arrived = None
            if self._interrupted:
                self._interrupted = False
                raise anyio.WouldBlock

    def interrupt(self) -> None:
        """Make a task that waits in `receive` get `anyio.WouldBlock`, if there is one."""
        if self._arrived is not None:
            self._interrupted = True
            self._arrived.set()

    def close(self) -> None:
        """Close this end and the session behind it, at once; safe to call twice."""
        self._closed = True
        self._end()

    async def send_eof(self) -> None:
        """End the session, as a server does that reads the end of a connection."""
        await checkpoint_if_cancelled()
        self._end()

    async def aclose(self) -> None:
        """`close`, as a checkpoint; done even when cancelled."""
        self.close()
        await checkpoint()

    def _end(self) -> None:
        self._session.close()
        self._engine.flush()
        self._deliver()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {}
