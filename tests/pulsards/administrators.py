"""Several clients that change what a server is told of itself: its users, its directives, and one another.

A scene is a list of steps: a client by its letter, and a call, in which `{id:b}` and `{addr:b}` stand for what the
server knows client b as. It is played on pulsards and on a real server, each with a fourth client that may do everything,
and that puts everything back at the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final

from anystore.pulsards.engine import Engine
from tests.pulsards.peers import EngineClient, RealClient

Call = list[bytes]
#: A client, and its calls, which it sends without waiting between them.
Step = tuple[str, list[Call]]

#: By client what it was told.
Told = dict[str, list[Any]]

LETTERS: Final = "abc"
CONTROL: Final = b"control"
USERS: Final = (b"default", b"alice", b"bob", b"carol")
#: What a client's answers end with, where it may say ECHO, and where it may not.
_NAMED: Final = re.compile(rb"\{(id|addr):([abc])\}")
CLOSED: Final = "closed"
#: What is left of CLIENT LIST's lines: what is not of a moment, of an address, or of one server's own.
_FIELDS: Final = (
    b"name",
    b"db",
    b"sub",
    b"psub",
    b"ssub",
    b"multi",
    b"user",
    b"resp",
    b"redir",
    b"flags",
    b"cmd",
)
_ENTRY: Final = (b"count", b"reason", b"context", b"object", b"username")
_PORTS: Final = count(20_000)


class _OwnAddress(EngineClient):
    """A client of an engine with an address of its own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.session.close()
        self.session = engine.connect(f"127.0.0.1:{next(_PORTS)}", "127.0.0.1:6379")

    @property
    def is_over(self) -> bool:
        return self.session.closing

    def close(self) -> None:
        with suppress(KeyError, ValueError):
            super().close()


class Place:
    """One server, and the clients of it; what they are told is made comparable."""

    def __init__(self, real: int | None, protocol: int) -> None:
        """`real` is the port of a real server; None is for an engine in this process."""
        self._real = real
        self._engine = None if real is not None else Engine()
        self._protocol = protocol
        self.clients: dict[str, Any] = {}
        self._names: dict[bytes, str] = {}
        self._control = self._new_control()

    def _connect(self) -> Any:
        if self._real is not None:
            return RealClient(self._real)
        assert self._engine is not None
        return _OwnAddress(self._engine)

    def _new_control(self) -> Any:
        client = self._connect()
        if client.execute("AUTH", CONTROL, "pw") != b"OK":
            client.execute("ACL", "SETUSER", CONTROL, "reset", "on", ">pw", "~*", "&*", "+@all")
            assert client.execute("AUTH", CONTROL, "pw") == b"OK"
        client.execute("CLIENT", "SETNAME", CONTROL)
        return client

    def control(self, *call: bytes | str | int) -> Any:
        """What the fourth client is told; it comes again where it has been killed."""
        try:
            if not isinstance(self._control, RealClient) and self._control.is_over:
                raise EOFError
            return self._control.execute(*call)
        except (EOFError, OSError):
            self._control.close()
            self._control = self._new_control()
            return self._control.execute(*call)

    def open(self, letter: str) -> None:
        """A new client by this letter."""
        client = self.clients[letter] = self._connect()
        client.execute("HELLO", self._protocol)
        self._names[b"id:" + letter.encode()] = b"0"
        for line in self.control("CLIENT", "LIST").split(b"\n"):
            facts = _facts(line)
            if facts and facts[b"id"] not in self._names.values() and facts[b"name"] != CONTROL:
                found = facts
        self._names[b"id:" + letter.encode()] = found[b"id"]
        self._names[b"addr:" + letter.encode()] = found[b"addr"]

    def begin(self) -> None:
        self._names.clear()
        self.control("ACL", "LOG", "RESET")
        for letter in LETTERS:
            self.open(letter)

    def end(self, touched: Mapping[bytes, bytes]) -> None:
        """Everything as it was before."""
        for client in self.clients.values():
            client.close()
        self.clients.clear()
        for name, value in touched.items():
            assert self.control("CONFIG", "SET", name, value) == b"OK", (name, value)
        self.control("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all")
        self.control("ACL", "DELUSER", *USERS[1:])
        self.control("ACL", "LOG", "RESET")
        self.control("FLUSHALL")
        self.control("CLIENT", "KILL", "USER", "default")

    def close(self) -> None:
        self._control.close()

    # A step

    def step(self, letter: str, calls: Sequence[Call], expected: Told | None = None) -> Told:
        """What each client is told when one makes these calls, as plain values that can be compared.

        With what another server's clients were told, as many replies are waited for as there were.
        """
        with suppress(EOFError, ConnectionError):  # who is closed is seen below
            for call in calls:
                self._send(letter, call)
        told: Told = {}
        for other in LETTERS:
            wanted = None if expected is None else len(expected.get(other, []))
            replies = self._received(other, wanted)
            asked = calls if other == letter else ()
            if replies:
                told[other] = [
                    self._comparable(asked[number] if number < len(asked) else [b"?"], reply, asked)
                    for number, reply in enumerate(replies)
                ]
        self._bury()
        for other, replies in told.items():
            if replies[-1] == CLOSED:
                self.clients[other].close()
                self.open(other)
        return told

    def _send(self, letter: str, call: Call) -> None:
        client = self.clients[letter]
        if isinstance(client, EngineClient) and client.session.closing:
            raise EOFError
        client.send(
            *(_NAMED.sub(lambda found: self._names[b":".join(found.groups())], word) for word in call)
        )

    def _received(self, letter: str, wanted: int | None) -> list[Any]:
        """What has come for a client, pushes apart; `CLOSED` stands at the end where it has been sent away."""
        client = self.clients[letter]
        found: list[Any] = []
        while wanted is None or len(found) < wanted:
            try:
                reply = client.receive()
            except (EOFError, ConnectionError):
                return [*found, CLOSED]
            if reply is NotImplemented:
                return [*found, CLOSED] if client.session.closing else found
            if not (isinstance(reply, tuple) and reply[0] == "push"):
                found.append(reply)
        return found

    def waits(self, letter: str) -> bool:
        """Whether a client of the engine waits for something."""
        client = self.clients[letter]
        return isinstance(client, EngineClient) and client.session.waiter is not None

    def wait_until_it_waits(self, letter: str) -> None:
        """Let the server come to what a client waits for: what others do comes behind that."""
        number = self._names[b"id:" + letter.encode()]
        deadline = time.monotonic() + 60
        while not any(
            facts.get(b"id") == number and b"b" in facts[b"flags"]
            for facts in map(_facts, self.control("CLIENT", "LIST").split(b"\n"))
        ):
            assert time.monotonic() < deadline, "a client does not come to wait"

    def _bury(self) -> None:
        """What a driver does: a client that is to be closed, is."""
        if self._engine is not None:
            for client in (self._control, *self.clients.values()):
                if client.session.closing:
                    client.close()

    def _comparable(self, call: Call, reply: Any, calls: Sequence[Call] = ()) -> Any:
        name = b" ".join(call[:2]).lower()
        if reply in (b"QUEUED", CLOSED):
            return reply
        if name == b"exec" and isinstance(reply, list):
            # What it has run stands between MULTI and itself.
            first = calls.index([b"MULTI"]) + 1
            return [self._comparable(done, one) for done, one in zip(calls[first:], reply, strict=False)]
        if name in (b"client list", b"client info") and isinstance(reply, bytes):
            lines = [line for line in reply.split(b"\n") if line and b" name=control " not in line]
            return sorted(map(self._line, lines))
        if name == b"acl log" and isinstance(reply, list):
            return [{key: value for key, value in _map(entry).items() if key in _ENTRY} for entry in reply]
        if name == b"client id" and isinstance(reply, int):
            return self._letter(b"%d" % reply)
        if name == b"acl genpass" and isinstance(reply, bytes):
            return len(reply)
        if name in (b"acl list", b"acl users") and isinstance(reply, list):
            return sorted(line for line in reply if b"control" not in line)
        if call[0].lower() == b"hello" and not (isinstance(reply, tuple) and reply[0] == "error"):
            return _map(reply)[b"proto"]
        if name in (b"acl cat",) and isinstance(reply, list):
            return sorted(reply) if len(call) == 2 else "a category's commands"
        if name == b"config get" and not isinstance(reply, tuple):
            return _map(reply)
        return self._without_ids(reply)

    def _without_ids(self, reply: Any) -> Any:
        if isinstance(reply, list):
            return [self._without_ids(item) for item in reply]
        if isinstance(reply, dict):
            return {key: self._without_ids(value) for key, value in reply.items()}
        if type(reply) is int and b"%d" % reply in self._names.values() and reply > 2:
            return self._letter(b"%d" % reply)
        return reply

    def _letter(self, number: bytes) -> str:
        names = [name for name, value in self._names.items() if value == number and name.startswith(b"id:")]
        return names[0].decode() if names else "somebody"

    def _line(self, line: bytes) -> tuple[Any, ...]:
        facts = _facts(line)
        kept = tuple((key, facts[key]) for key in _FIELDS if key in facts and key != b"redir")
        return (self._letter(facts[b"id"]), *kept)


def _facts(line: bytes) -> dict[bytes, bytes]:
    return dict(part.split(b"=", 1) for part in line.split(b" ") if b"=" in part)


def _map(reply: Any) -> dict[Any, Any]:
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
