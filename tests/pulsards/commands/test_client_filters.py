from __future__ import annotations

import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer


class Crowd:
    """Five clients that differ in all that there is a filter for."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.first = EngineClient(clock=self.clock)
        engine = self.first.engine
        self.clock.advance(100)
        self.others = [EngineClient(engine) for _ in range(4)]
        named, subscribed, elsewhere, other_user = self.others
        named.execute("CLIENT", "SETNAME", "me")
        named.execute("CLIENT", "SETINFO", "LIB-NAME", "lib")
        named.execute("CLIENT", "SETINFO", "LIB-VER", "1")
        named.execute("CLIENT", "CAPA", "redirect")
        named.execute("SELECT", 3)
        subscribed.execute("SUBSCRIBE", "c")
        elsewhere.session.address = "[fe80::1]:99"
        other_user.execute("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*")
        other_user.execute("AUTH", "u", "x")
        self.clock.advance(10)
        self.first.execute("PING")

    def listed(self, *words: str | int) -> list[int]:
        reply = self.first.execute("CLIENT", "LIST", *words)
        assert isinstance(reply, bytes), reply
        return [int(line.split()[0].removeprefix("id=")) for line in reply.decode().splitlines()]


FILTERS = [
    ("NAME me", [2]),
    ("NOT-NAME me", [1, 3, 4, 5]),
    ("LIB-NAME lib", [2]),
    ("NOT-LIB-NAME lib", [1, 3, 4, 5]),
    ("LIB-VER 1", [2]),
    ("NOT-LIB-VER 1", [1, 3, 4, 5]),
    ("CAPA r", [2]),
    ("NOT-CAPA r", [1, 3, 4, 5]),
    ("DB 3", [2]),
    ("NOT-DB 3", [1, 3, 4, 5]),
    ("IP fe80::1", [4]),
    ("NOT-IP 127.0.0.1", [4]),
    ("ADDR [fe80::1]:99", [4]),
    ("NOT-ADDR [fe80::1]:99", [1, 2, 3, 5]),
    ("LADDR nowhere", []),
    ("NOT-LADDR nowhere", [1, 2, 3, 4, 5]),
    ("USER u", [5]),
    ("NOT-USER default", [5]),
    ("TYPE pubsub", [3]),
    ("NOT-TYPE pubsub", [1, 2, 4, 5]),
    ("TYPE primary", []),
    ("FLAGS P", [3]),
    ("NOT-FLAGS N", [3]),
    ("ID 2 4 99", [2, 4]),
    ("NOT-ID 2 4", [1, 3, 5]),
    ("IDLE 5", [2, 3, 4, 5]),
    ("MAXAGE 100", [1]),
    ("SKIPME yes", [2, 3, 4, 5]),
    ("SKIPME no TYPE normal not-id 4 5", [1, 2]),
    ("TYPE normal ID 1 2 3 NOT-DB 3", [1]),
]


@pytest.mark.parametrize(("words", "ids"), FILTERS)
def test_list(words: str, ids: list[int]) -> None:
    assert Crowd().listed(*words.split()) == ids


@pytest.mark.parametrize(("words", "ids"), FILTERS)
def test_kill(words: str, ids: list[int]) -> None:
    """The same ones, but for the client that asks, unless it says otherwise."""
    crowd = Crowd()
    asks = {1} if words.startswith("SKIPME no") else set()
    expected = [number for number in ids if number != 1 or asks]
    reply = crowd.first.execute("CLIENT", "KILL", *words.split())
    assert reply == len(expected)
    closing = [client.session.id for client in (crowd.first, *crowd.others) if client.session.closing]
    assert closing == expected


@pytest.mark.parametrize("command", ["LIST", "KILL"])
def test_refusals(valkey: RealServer, command: str) -> None:
    """Valkey's words; of ID, MAXAGE and IDLE alone, which Redis has too, Redis' words are in test_connection."""
    theirs, ours = RealClient(valkey.port), EngineClient()
    for words in (
        *(
            "DB x",
            "DB 99",
            "DB -1",
            "NOT-DB x",
            "NOT-DB 99",
            "FLAGS z",
            "FLAGS Nq",
            "NOT-FLAGS z",
            "CAPA x",
            "NOT-CAPA x",
        ),
        *(
            "TYPE nope",
            "NOT-TYPE nope",
            "USER nobody",
            "NOT-USER nobody",
            "SKIPME x",
            "FOO bar",
            "NOT-MAXAGE 5",
        ),
        *(
            "NOT-SKIPME yes",
            "NOT-IDLE 5",
            "ID 9 SKIPME",
            "TYPE normal NAME",
            "NOT-ID 0",
            "ID 9 0 TYPE normal",
            "IDLE 0",
        ),
    ):
        calls = ("CLIENT", command, *words.split())
        assert ours.execute(*calls) == theirs.execute(*calls), words
    theirs.close()


def test_reset_takes_back_what_a_client_can() -> None:
    crowd = Crowd()
    crowd.others[0].execute("RESET")
    assert crowd.listed("CAPA", "r") == []
