"""What an event loop itself can do: GET and SET on a bare `asyncio.Protocol`, and nothing of what a client is for.

One connection, a future for each reply, one write for what gathers in a turn, hiredis to read: no time limits, no
cancellation, no reconnecting, no decoding, no errors, no choice of command.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hiredis

from benchmarks.clients import Subject


class Bare(asyncio.Protocol):
    """Replies go to futures in the order of the commands."""

    transport: Any

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._outgoing: list[bytes] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while self._waiting and (reply := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(reply)

    def execute(self, *words: str | bytes) -> Awaitable[Any]:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(hiredis.pack_command(words))
        future = self._loop.create_future()
        self._waiting.append(future)
        return future

    def _flush(self) -> None:
        self.transport.write(b"".join(self._outgoing))
        self._outgoing.clear()


@asynccontextmanager
async def bare_protocol(port: int) -> AsyncIterator[Subject]:
    """Connected, and closed in the end."""
    transport, protocol = await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", port)

    async def get(key: str) -> Any:
        return await protocol.execute("GET", key)

    async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
        return [await reply for reply in [protocol.execute("SET", key, value) for key, value in items]]

    try:
        yield Subject(get, set_many, b"OK")
    finally:
        transport.close()
