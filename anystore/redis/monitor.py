"""MONITOR: every command that the server is given, by whomever.

Source: https://valkey.io/commands/monitor/
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

import anyio

from anystore.exceptions import CommandTimeout, ProtocolError, StoreError
from anystore.redis.connection import Connection
from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore

__all__ = ("Monitor", "MonitoredCommand")

_LINE: Final = re.compile(rb"(\d+\.\d+) \[(\d+) (.*?)\] (\".*)", re.DOTALL)
_WORD: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class MonitoredCommand(TypedDict):
    """A command as MONITOR tells it."""

    time: float
    """When the server got it, as a Unix time."""
    db: int
    client_address: str
    """The address of the client's end; "unix" and "lua" for those without one."""
    client_port: str
    """Its port; the path of a unix socket."""
    client_type: str
    """tcp, unix or lua."""
    command: str
    """The command with its arguments, separated by blanks; bytes that are not UTF-8 show as `\\xNN`."""
    args: list[bytes]
    """The command and its arguments."""


class Monitor:
    """Every command that the server is given; made by `store.monitor()`.

    ```python
    async with store.monitor() as monitor:
        async for command in monitor:
            print(command["command"])
    ```

    It has a connection of its own, which ends with the block. Entering raises `CommandTimeout` or `ConnectionFailed` where
    there is none, or no answer. Whoever reads too slowly is dropped by the server, and
    gets `ConnectionFailed`. A namespace does not apply: names are shown as they are on the server.
    """

    def __init__(self, store: RedisStore[Any]) -> None:
        self._store = store
        self._connection: Connection | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self._store.pool.lease())
            # Whatever happens from here on, the connection cannot go to anybody else.
            stack.callback(connection.close)
            connection.write(pack_command(("MONITOR",)))
            answer = await self._answer(connection)
            if isinstance(answer, Exception):
                raise answer
            self._stack = stack.pop_all()
        self._connection = connection
        return self

    async def _answer(self, connection: Connection) -> Any:
        limit = self._store.profile.command_timeout
        with anyio.move_on_after(limit):
            return await connection.receive()
        raise CommandTimeout(f"no reply within {limit} seconds")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection = None
        await self._stack.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MonitoredCommand:
        return await self.next_command()

    def listen(self) -> Self:
        """The commands, one by one: the monitor itself, to be iterated over."""
        return self

    async def next_command(self) -> MonitoredCommand:
        """Wait for the next command. Cancelled, it loses none.

        Raises:
            StoreError: Outside of the `async with` block.
            ConnectionFailed: The server closed the connection.
        """
        if self._connection is None:
            raise StoreError("the monitor is not open; use it in 'async with'")
        line = await self._connection.receive()
        if isinstance(line, Exception):
            raise line
        return parse_line(line)


def parse_line(line: bytes) -> MonitoredCommand:
    """A line of MONITOR, taken apart. O(its length)."""
    found = _LINE.fullmatch(line) if isinstance(line, bytes) else None
    if found is None:
        raise ProtocolError(f"the server sent {line!r:.100}, which is not a line of MONITOR")
    client = found[3].decode("utf-8", "backslashreplace")
    if client == "lua":
        address, port, kind = "lua", "", "lua"
    elif client.startswith("unix:"):
        address, port, kind = "unix", client[5:], "unix"
    else:
        address, _, port = client.rpartition(":")
        kind = "tcp"
    args = [_ESCAPE.sub(_unescape, word) for word in _WORD.findall(found[4])]
    return {
        "time": float(found[1]),
        "db": int(found[2]),
        "client_address": address,
        "client_port": port,
        "client_type": kind,
        "command": b" ".join(args).decode("utf-8", "backslashreplace"),
        "args": args,
    }


def _unescape(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if len(escape) == 3:
        return bytes([int(escape[1:], 16)])
    return _ESCAPED.get(escape, escape)
