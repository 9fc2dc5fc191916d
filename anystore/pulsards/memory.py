"""A connection to a server in the same process: a byte stream with no socket and no task behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream

from anystore.pulsards.engine import Engine


class MemoryStream(ByteStream):
    """The client's end of a connection to an engine.

    What is sent runs before `send` returns, so a reply is there when it is asked for. One task may send while
    another receives.
    """

    def __init__(self, engine: Engine, address: str = "memory:0") -> None:
        self._engine = engine
        self._session = engine.connect(address, address)
        self._session.deliver = self._deliver
        self._arrived: anyio.Event | None = None
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

    async def send(self, item: bytes) -> None:
        """Run what these bytes ask for. Cancelled before it begins, it has sent nothing; after that it is done.

        Raises `anyio.ClosedResourceError` after `aclose`, `anyio.BrokenResourceError` once the server has
        closed the connection.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise anyio.ClosedResourceError
        session = self._session
        if session.closing:
            raise anyio.BrokenResourceError
        self._engine.statistics.bytes_received += len(item)
        session.receive(item)
        self._deliver()
        self._engine.flush()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """What the server has queued for this client, all of it, whatever `max_bytes` says.

        Waits while there is nothing; cancelled there, it loses nothing. Raises `anyio.EndOfStream` when the
        server has closed the connection.
        """
        session = self._session
        while True:
            if self._closed:
                await anyio.lowlevel.checkpoint()
                raise anyio.ClosedResourceError
            if self._unread and not session.aborted:
                await anyio.lowlevel.checkpoint()
                data = b"".join(self._unread)
                self._unread.clear()
                session.unsent_bytes = 0
                self._engine.statistics.bytes_sent += len(data)
                return data
            elif session.closing:
                await anyio.lowlevel.checkpoint()
                raise anyio.EndOfStream
            else:
                self._arrived = anyio.Event()
                try:
                    await self._arrived.wait()
                finally:
                    self._arrived = None

    async def send_eof(self) -> None:
        """End the session, as a server does that reads the end of a connection."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._end()

    async def aclose(self) -> None:
        """Close this end and the session behind it; safe to call twice, done even when cancelled."""
        self._closed = True
        self._end()
        await anyio.lowlevel.checkpoint()

    def _end(self) -> None:
        self._session.close()
        self._engine.flush()
        self._deliver()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {}
