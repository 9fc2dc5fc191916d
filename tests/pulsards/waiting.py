"""Scenes of several clients, some of which wait: played on pulsards, Valkey and Redis, and compared."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import hiredis

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from tests.pulsards.differential import Command, split, text_of
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

#: A step of a scene: who does what. Who is named for the first time connects.
Step = tuple[str, str | Command]
#: What was answered: after which step, to whom, what.
Answer = tuple[int, str, Any]


class EngineStage:
    """Clients of one engine whose clock stands still."""

    def __init__(self, protocol: int) -> None:
        self.clock = ManualClock()
        self.engine = Engine(clock=self.clock)
        self.protocol = protocol
        self.clients: dict[str, EngineClient] = {}

    def client(self, name: str) -> EngineClient:
        if name not in self.clients:
            self.clients[name] = EngineClient(self.engine)
            self.clients[name].execute("HELLO", self.protocol)
        return self.clients[name]

    def hang_up(self, name: str) -> None:
        self.clients.pop(name).close()
        self.engine.flush()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.engine.run_due()
        self.engine.flush()

    @property
    def waiting(self) -> int:
        return sum(client.session.waiter is not None for client in self.clients.values())

    def answers(self) -> list[tuple[str, Any]]:
        """What the clients have received since the last call."""
        found = []
        for name, client in self.clients.items():
            while (reply := client.receive()) is not NotImplemented:
                found.append((name, reply))
        return found


class RealStage:
    """Clients of one real server."""

    def __init__(
        self, server: RealServer, protocol: int, stack: ExitStack, *, runs_again: bool = True
    ) -> None:
        """`runs_again` is whether a command that has waited is run anew, as since Redis 7.2."""
        self.port = server.port
        self.runs_again = runs_again
        self.protocol = protocol
        self.stack = stack
        self.clients: dict[str, RealClient] = {}
        self.observer = self._connect()
        self.observer.execute("FLUSHALL")

    def _connect(self) -> RealClient:
        client = RealClient(self.port)
        self.stack.callback(client.close)
        client.execute("HELLO", self.protocol)
        return client

    def client(self, name: str) -> RealClient:
        if name not in self.clients:
            self.clients[name] = self._connect()
        return self.clients[name]

    def hang_up(self, name: str) -> None:
        connected = self._info(b"connected_clients")
        self.clients.pop(name).close()
        self._until(b"connected_clients", connected - 1)

    def wait_for(self, waiting: int) -> None:
        """Until that many clients wait: a server takes up what several connections sent in an order of its own."""
        self._until(b"blocked_clients", waiting)

    def _until(self, field: bytes, value: int) -> None:
        deadline = time.monotonic() + 30
        while (now := self._info(field)) != value:
            assert time.monotonic() < deadline, f"{field.decode()} is {now}, not {value}"

    def _info(self, field: bytes) -> int:
        text: bytes = self.observer.execute("INFO", "clients")
        lines = dict(line.split(b":", 1) for line in text.split(b"\r\n") if b":" in line)
        return int(lines[field])


class RawClient:
    """A connection to a real server whose replies are not parsed: to tell one null from another."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def ask(self, *commands: str) -> bytes:
        """The bytes of the reply to the last command, which must be a short one."""
        reply = b""
        for command in commands:
            self._socket.sendall(hiredis.pack_command(tuple(command.split(" "))))
            reply = self._socket.recv(65536)
        return reply


def play(
    steps: Iterable[Step], valkey: RealServer, redis_server: RealServer | None, protocol: int = 2
) -> list[Answer]:
    """Play a scene everywhere, see that everybody gets the same answers at the same steps, and return them.

    Steps beside commands: `(name, "HANG UP")` closes a connection.
    """
    listed = [(name, split(command)) for name, command in steps]
    stage = EngineStage(protocol)
    answers: list[Answer] = []
    waiting: list[int] = []
    for number, (name, command) in enumerate(listed):
        if list(command) == ["HANG", "UP"]:
            stage.hang_up(name)
        else:
            stage.client(name).send(*command)
        answers += [(number, who, reply) for who, reply in stage.answers()]
        waiting.append(stage.waiting)
    for server in (valkey, redis_server):
        if server is not None:
            with ExitStack() as stack:
                stage_there = RealStage(server, protocol, stack, runs_again=server is valkey)
                _replay(listed, answers, waiting, stage_there)
    return answers


def _is_wrong_type(reply: Any) -> bool:
    return isinstance(reply, tuple) and reply[0] == "error" and reply[1].startswith("WRONGTYPE")


def _replay(
    steps: list[tuple[str, Command]], answers: list[Answer], waiting: list[int], stage: RealStage
) -> None:
    for number, (name, command) in enumerate(steps):
        if list(command) == ["HANG", "UP"]:
            stage.hang_up(name)
        else:
            stage.client(name).send(*command)
        for step, who, reply in answers:
            if step == number:
                if not stage.runs_again and who != name and _is_wrong_type(reply):
                    return  # Redis 7.0 serves it the key that became ready, whatever its other keys hold
                theirs = stage.client(who).receive()
                assert theirs == reply, f"step {number}, {name}: {text_of(command)}: {who} gets {theirs}"
        stage.wait_for(waiting[number])
    # Nobody got anything else: the next answer to each who does not wait is to this.
    for name, client in stage.clients.items():
        pending = [command for who, command in steps if who == name]
        if sum(who == name for _, who, _ in answers) == len(pending):
            assert client.execute("ECHO", "end") == b"end", name
