"""Made-up calls on a real server, whose replica pulsards is in all but the connection, and the other way round.

What the one tells is carried out by the other, which holds the same afterwards: values, times to live, groups, functions.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Collection, Iterator
from typing import Any, Final

import pytest

from anystore.pulsards.applying import Applier
from anystore.pulsards.clock import SystemClock
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.rdb import load_payload
from anystore.resp.types import ErrorReply
from tests.pulsards.call_values import world
from tests.pulsards.calls import Call, CallMaker
from tests.pulsards.copying import Copied, contents, plain
from tests.pulsards.feeds import Feed, commands_of
from tests.pulsards.peers import RealClient
from tests.pulsards.sides import Side
from tests.servers import binaries, run_server

BINARIES: Final = binaries()
#: How many programs of how many calls each; the ones of CI are the same each time.
PROGRAMS: Final = int(os.environ.get("PULSARDS_COPYING", "12"))
CALLS: Final = 60
#: Databases that the calls reach.
_DATABASES: Final = 3
_WAITING: Final = {
    "blpop",
    "brpop",
    "blmove",
    "brpoplpush",
    "blmpop",
    "bzpopmin",
    "bzpopmax",
    "bzmpop",
    "select",
}


class Peer:
    """A real server, and made-up calls that it knows and pulsards as well."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.side = Side(name, port, 2)
        self.client = RealClient(port)
        self.observer = RealClient(port)
        self.feed = Feed(port)
        # A subscription has several replies, behind which one cannot tell what has run.
        self.commands = [
            command
            for command in self.side.commands
            if command not in _WAITING and not command.endswith("subscribe")
        ]

    def close(self) -> None:
        self.feed.close()
        for client in (self.client, self.observer):
            client.close()
        self.side.trial.close()

    def program(
        self, number: int, without: Collection[tuple[str, str]] = (), **ordinary: tuple[bytes, ...]
    ) -> list[Call]:
        chance = random.Random(number)
        maker = CallMaker(
            chance.randrange,
            self.commands,
            without_tokens=(self.side.without | {("*", "BLOCK"), *without}) - {("xadd", "*")},
            ordinary={name.replace("__", ":"): values for name, values in ordinary.items()},
            hostility=3,
        )
        group = maker.group()
        calls = [maker.call(group) for _ in range(CALLS)]
        start = [[_as_bytes(word) for word in command] for command in world(self.commands)]
        return start + [maker.passed_on(call) if maker.chance(8) else call for call in calls]

    def clear(self) -> None:
        """Begin anew, on a connection of its own."""
        self.client.close()
        self.client = RealClient(self.observer.port)
        for command in (("FLUSHALL",), ("FUNCTION", "FLUSH")):
            self.client.execute(*command)
        self.feed.read()

    def contents(self) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for index in range(_DATABASES):
            self.observer.execute("SELECT", index)
            for key in self.observer.execute("KEYS", "*"):
                payload = self.observer.execute("DUMP", key)
                when = self.observer.execute("PEXPIRETIME", key)
                if payload is not None:
                    found[index, key] = (plain(load_payload(payload)), None if when == -1 else when)
        libraries = self.observer.execute("FUNCTION", "LIST", "WITHCODE")
        found["functions"] = sorted((library[1], library[-1]) for library in libraries)
        return found


def _as_bytes(word: Any) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()


@pytest.fixture(scope="module", params=BINARIES)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with run_server(
        BINARIES[request.param], "--repl-diskless-sync", "no", "--shutdown-timeout", "0"
    ) as server:
        found = Peer(request.param, server.port)
        yield found
        found.close()


def without_what_is_past(found: dict[Any, Any]) -> dict[Any, Any]:
    """Some keys expire at once: they are hidden by the one server, and removed by the other."""
    now = time.time() * 1000
    return {
        key: value
        for key, value in found.items()
        if key == "functions" or (key[0] < _DATABASES and (value[1] is None or value[1] > now))
    }


def as_told(found: dict[Any, Any], server: str) -> dict[Any, Any]:
    """What a real server tells of groups: nothing of consumers without entries, and Redis 7.0 not how many were read."""
    for key, held in found.items():
        if key == "functions" or not isinstance(held[0], tuple) or held[0][0] != "stream":
            continue
        groups = held[0][3]
        for name, (last, read, pending, consumers) in groups.items():
            kept = {consumer: ids for consumer, ids in consumers.items() if ids}
            groups[name] = (last, None if server == "redis" else read, pending, kept)
    return found


def as_counted(found: dict[Any, Any], server: str) -> dict[Any, Any]:
    """What is held, as each version of that server counts it: in Redis 8.6 no group has read more than was ever added."""
    for key, held in found.items():
        if (
            server != "redis8"
            or key == "functions"
            or not isinstance(held[0], tuple)
            or held[0][0] != "stream"
        ):
            continue
        (_, _, added), groups = held[0][2:]
        for name, (last, read, pending, consumers) in groups.items():
            groups[name] = (last, min(read, added), pending, consumers)
    return found


#: What a real server tells so that it comes to something else on a server of another make: the order of what SORT finds to
#: be equal, and what ANY finds first. Or even on one of its own: a key that is twice in one MSETEX, at a moment that is
#: past; a BITFIELD that fails, but has made the string longer; and (see the calls) that a consumer reads once more what
#: it has not acknowledged.
_NOT_FOLLOWED: Final = (
    ("sort", "STORE"),
    ("bitfield", "OVERFLOW"),
    *((name, "ANY") for name in ("georadius", "georadiusbymember", "geosearchstore")),
    *(("msetex", option) for option in ("EX", "PX", "EXAT", "PXAT")),
)


def test_what_a_real_server_tells_comes_to_the_same_here(peer: Peer) -> None:
    for number in range(PROGRAMS):
        peer.clear()
        engine = Engine()
        engine.keyspace.follows = True
        applier = Applier(engine)
        for call in peer.program(number, _NOT_FOLLOWED, xreadgroup__id=(b">",)):
            peer.client.execute(*call)
            for command in peer.feed.read():
                engine.start_turn()
                reply = applier.run(command)
                for one in reply if command == [b"EXEC"] else [reply]:
                    assert not isinstance(one, ErrorReply), (
                        f"program {number}: {call}, told as {command}: {one!r}"
                    )
                engine.flush()
        theirs = as_told(peer.contents(), peer.name)
        assert without_what_is_past(as_told(contents(engine), peer.name)) == theirs, f"program {number}"


def test_what_is_told_here_comes_to_the_same_on_a_real_server(peer: Peer) -> None:
    for number in range(1000, 1000 + PROGRAMS):
        peer.clear()
        copied = Copied(clock=SystemClock())
        copied.engine.keyspace.active_expiry = False
        for call in peer.program(number):
            copied.client.execute(*call)
            for command in commands_of(copied.units):
                reply = peer.client.execute(*command)
                assert "('error'" not in repr(reply), f"program {number}: {call}, told as {command}: {reply}"
            copied.units.clear()
        ours, theirs = [as_counted(found, peer.name) for found in (contents(copied.engine), peer.contents())]
        assert without_what_is_past(ours) == without_what_is_past(theirs), number
