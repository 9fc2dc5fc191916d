"""Scenes of several clients that get pushes as well as replies: played on pulsards, Valkey and Redis, and compared."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from tests.pulsards.differential import Command, split, text_of
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

#: Who does what, who is named for the first time connects; or ("clock", seconds) that pass.
Step = tuple[str, str | Command | float]
#: After which step, who got what.
Answer = tuple[int, str, Any]


def play(
    steps: Iterable[Step], valkey: RealServer, redis_server: RealServer | None, **settings: str
) -> list[Answer]:
    """Play a scene everywhere, see that everybody gets the same at the same steps, and return it.

    In commands, `<name>` stands for the id of that client. A step "HANG UP" closes a connection.
    """
    listed = [(name, step if isinstance(step, float) else split(step)) for name, step in steps]
    answers, waiting = _play_here(listed, settings)
    for server in (valkey, redis_server):
        if server is not None:
            _Replay(server, settings).run(listed, answers, waiting)
    return answers


def _play_here(
    steps: list[tuple[str, Command | float]], settings: dict[str, str]
) -> tuple[list[Answer], list[int | None]]:
    """What everybody gets, and how many wait after each step (None where the real servers will not say)."""
    clock = ManualClock()
    config = Config({name.replace("_", "-"): value for name, value in settings.items()})
    engine = Engine(config, clock)
    clients: dict[str, EngineClient] = {}
    answers: list[Answer] = []
    waiting: list[int | None] = []
    for number, (name, step) in enumerate(steps):
        if isinstance(step, float):
            clock.advance(step)
            engine.run_due()
            engine.flush()
        elif list(step) == ["HANG", "UP"]:
            clients.pop(name).close()
            engine.flush()
        else:
            if name not in clients:
                clients[name] = EngineClient(engine)
            ids = {f"<{who}>": str(client.session.id) for who, client in clients.items()}
            clients[name].send(*(ids.get(word, word) if isinstance(word, str) else word for word in step))
        for who, client in clients.items():
            while (reply := client.receive()) is not NotImplemented:
                answers.append((number, who, _plain(reply)))
        held = sum(session.waiter is not None for session in engine.sessions.values())
        waiting.append(None if engine.pause.everything else held)
    return answers, waiting


def _plain(reply: Any) -> Any:
    """A reply without what is another one on every server: ids of clients, and who the server is."""
    if isinstance(reply, tuple) and reply[0] == "push" and reply[1][0] == b"tracking-redir-broken":
        return ("push", [reply[1][0], "id"])
    if isinstance(reply, dict) and b"proto" in reply:
        return {b"proto": reply[b"proto"]}
    if isinstance(reply, dict) and b"redirect" in reply:
        return {**reply, b"redirect": reply[b"redirect"] > 0}
    return reply


class _Replay:
    """A scene on a real server, which must answer as pulsards did."""

    def __init__(self, server: RealServer, settings: dict[str, str]) -> None:
        self.port = server.port
        self.clients: dict[str, RealClient] = {}
        self.ids: dict[str, str] = {}
        self.observer = RealClient(self.port)
        self.settings = {name.replace("_", "-"): value for name, value in settings.items()}

    def client(self, name: str) -> RealClient:
        if name not in self.clients:
            client = self.clients[name] = RealClient(self.port)
            self.ids[f"<{name}>"] = str(client.execute("CLIENT", "ID"))
        return self.clients[name]

    def hang_up(self, name: str) -> None:
        self.clients.pop(name).close()
        number = self.ids.pop(f"<{name}>")
        deadline = time.monotonic() + 30
        while self.observer.execute("CLIENT", "LIST", "ID", number):
            assert time.monotonic() < deadline, f"{name} is still there"

    def wait_for(self, waiting: int) -> None:
        """Until that many clients wait: what several connections sent is taken up in an order of the server's own."""
        deadline = time.monotonic() + 30
        while b"blocked_clients:%d\r\n" % waiting not in (shown := self.observer.execute("INFO", "clients")):
            assert time.monotonic() < deadline, f"{waiting} should wait: {shown.decode()}"

    def run(
        self, steps: list[tuple[str, Command | float]], answers: list[Answer], waiting: list[int | None]
    ) -> None:
        self.observer.execute("FLUSHALL")
        before = {name: self.observer.execute("CONFIG", "GET", name)[1] for name in self.settings}
        for name, value in self.settings.items():
            self.observer.execute("CONFIG", "SET", name, value)
        try:
            for number, (name, step) in enumerate(steps):
                if not isinstance(step, float):
                    if list(step) == ["HANG", "UP"]:
                        self.hang_up(name)
                    else:
                        client = self.client(name)
                        client.send(
                            *(self.ids.get(word, word) if isinstance(word, str) else word for word in step)
                        )
                what = step if isinstance(step, float) else text_of(step)
                for when, who, reply in answers:
                    if when == number:
                        theirs = _plain(self.clients[who].receive())
                        assert theirs == reply, f"step {number}, {name}: {what}: {who} gets {theirs}"
                held = waiting[number]
                if held is not None:
                    self.wait_for(held)
            # Nobody got anything else: the next thing to arrive is the answer to this.
            for name, client in self.clients.items():
                assert client.execute("PING", "end") in (b"end", [b"pong", b"end"]), name
        finally:
            for client in self.clients.values():
                client.close()
            for name, value in before.items():
                self.observer.execute("CONFIG", "SET", name, value)
            self.observer.close()
