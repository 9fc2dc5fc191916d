"""A blocking connection to a real server, for comparing the table and the namespace with what servers say."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import hiredis


class Wire:
    """One connection: `call` sends a command and waits for its reply; error replies come back as values."""

    def __init__(self, port: int, protocol: int = 3) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)
        if protocol == 3:
            self.call(b"HELLO", b"3")

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, *args: bytes) -> None:
        self._socket.sendall(_pack(args))

    def read(self) -> Any:
        """The next reply or push message."""
        while (reply := self._reader.gets()) is Ellipsis:
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        return reply

    def call(self, *args: bytes) -> Any:
        self.send(*args)
        return self.read()

    def call_all(self, commands: Iterable[tuple[bytes, ...]]) -> list[Any]:
        """Send all the commands at once; their replies in order."""
        packed = [_pack(args) for args in commands]
        self._socket.sendall(b"".join(packed))
        return [self.read() for _ in packed]


def _pack(args: tuple[bytes, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(args)  # type: ignore[arg-type]  # its stub forgot the dots
    return packed


def text(reply: Any) -> Any:
    """`reply` with its bytes decoded, sets of names as lists."""
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, dict):
        return {text(key): text(value) for key, value in reply.items()}
    if isinstance(reply, list | tuple | set | frozenset):
        return [text(item) for item in reply]
    return reply
