"""A client that sends anything, and does not mind what comes back."""

from __future__ import annotations

import socket
import time
from typing import Any, Final

import hiredis

_NOTHING: Final = object()


class Closed(Exception):
    """The server has closed the connection."""


class Connection:
    """A blocking connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)

    def send(self, *arguments: bytes | str | int | float) -> None:
        """Send a command."""
        packed: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # its stub forgot the dots
        self.send_bytes(packed)

    def send_bytes(self, data: bytes) -> None:
        """Send anything, and read what comes meanwhile: a server need not read from who does not read."""
        view = memoryview(data)
        self._socket.setblocking(False)
        deadline = time.monotonic() + 60
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                self._read(0.05)
                if time.monotonic() > deadline:
                    raise TimeoutError("the server does not read") from None

    def _read(self, seconds: float) -> bool:
        """Take what is there, or comes within some time; whether anything did."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(1 << 20)
        except (TimeoutError, BlockingIOError):
            return False
        finally:
            self._socket.setblocking(False)
        if not data:
            raise Closed
        self._reader.feed(data)
        return True

    def ask(self, *arguments: bytes | str | int | float, within: float) -> Any:
        """The reply to a command; `TimeoutError` where none comes."""
        self.send(*arguments)
        deadline = time.monotonic() + within
        while (reply := self._reader.gets()) is _NOTHING:
            if not self._read(1.0) and time.monotonic() > deadline:
                raise TimeoutError
        return reply

    def received(self) -> list[Any]:
        """All replies that have come; `Closed` where the server has hung up."""
        self._socket.setblocking(False)
        while self._read(0.0):
            pass
        replies = []
        while (reply := self._reader.gets()) is not _NOTHING:
            replies.append(reply)
        return replies

    def close(self) -> None:
        self._socket.close()
