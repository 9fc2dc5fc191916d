"""The same commands on pulsards, without any I/O, and on a real server, so that their answers can be compared."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import hiredis

from anystore.pulsards.clock import Clock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine

Argument = bytes | str | int | float


def _error(message: str) -> Exception:
    return hiredis.ReplyError(message)


def _comparable(reply: Any) -> Any:
    """Errors and pushes as plain values, at any depth: exceptions are equal to nothing."""
    if isinstance(reply, Exception):
        return ("error", str(reply))
    if isinstance(reply, hiredis.PushNotification):
        return ("push", [_comparable(item) for item in reply])
    if isinstance(reply, list):
        return [_comparable(item) for item in reply]
    if isinstance(reply, dict):
        return {key: _comparable(value) for key, value in reply.items()}
    if isinstance(reply, bool):
        return ("bool", reply)
    if isinstance(reply, float):
        return ("double", repr(reply))
    return reply


class EngineClient:
    """One client of an engine in this process; what it is sent is read at once."""

    def __init__(self, engine: Engine | None = None, *, clock: Clock | None = None, **settings: str) -> None:
        config = Config({name.replace("_", "-"): value for name, value in settings.items()})
        self.engine = engine if engine is not None else Engine(config, clock)
        self.session = self.engine.connect("127.0.0.1:50000", "127.0.0.1:6379")
        self._reader = hiredis.Reader(replyError=_error, notEnoughData=NotImplemented)

    def send(self, *arguments: Argument) -> None:
        self._reader.feed(self.session.answer(hiredis.pack_command(arguments)))
        self.engine.flush()

    def receive(self) -> Any:
        """The next reply or push; NotImplemented when there is none (yet)."""
        self._reader.feed(self.session.take_output())
        return _comparable(self._reader.gets())

    def execute(self, *arguments: Argument) -> Any:
        """Run a command: its reply as plain values, an error as ("error", text), a push as ("push", [...])."""
        self.send(*arguments)
        return self.receive()

    def close(self) -> None:
        self.session.close()


class RealClient:
    """One client of a real server."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader(replyError=_error, notEnoughData=NotImplemented)

    def send(self, *arguments: Argument) -> None:
        self._socket.sendall(hiredis.pack_command(arguments))

    def send_packed(self, commands: bytes) -> None:
        """Commands that are packed already."""
        self._socket.sendall(commands)

    def receive(self) -> Any:
        return _comparable(self.receive_raw())

    def receive_raw(self) -> Any:
        """The next reply as hiredis reads it, which is quicker."""
        while (reply := self._reader.gets()) is NotImplemented:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self._reader.feed(data)
        return reply

    def execute(self, *arguments: Argument) -> Any:
        self.send(*arguments)
        return self.receive()

    def run(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Many commands in one go."""
        self._socket.sendall(b"".join(hiredis.pack_command(tuple(command)) for command in commands))
        return [self.receive() for _ in commands]

    def close(self) -> None:
        self._socket.close()
