"""What Redis 8.4 and 8.6 tell their replicas, and have in their logs, that is no command of ours."""

from __future__ import annotations

from typing import Any

import pytest

from anystore.pulsards.applying import Applier
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.rdb import load_payload
from anystore.resp.types import ErrorReply
from tests.pulsards.copying import contents, plain
from tests.pulsards.feeds import Feed
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import redis8_binary, run_server

#: Commands, as a client says them.
CALLS = [
    "SET k v",
    "SET k w IFNE x",
    "SET k x IFDNE 0123456789abcdef",
    "SET k y IFNE v EX 5000",
    "SET gone v",
    "DELEX gone",
    "XADD s MAXLEN 10 IDMP p i 1-1 IDMP b",
    "XADD s KEEPREF IDMPAUTO p 2-1 a c",
    "XADD s IDMP p j NOMKSTREAM MAXLEN = 9 3-1 * *",
    "XCFGSET s IDMP-DURATION 50",
    "MULTI",
    "XADD s IDMP p k * a d",
    "XADD s IDMP p k * a d",
    "XCFGSET s IDMP-MAXSIZE 20",
    "SET last v",
    "EXEC",
]


def applied(applier: Applier, *words: str) -> Any:
    reply = applier.run([word.encode() for word in words])
    assert not isinstance(reply, ErrorReply), (words, reply)
    return reply


def test_they_come_to_what_they_came_to_there() -> None:
    client = EngineClient()
    applier = Applier(client.engine)
    for call in CALLS:
        if " * a d" not in call:
            applied(applier, *call.split())
    assert client.execute("GET", "k") == b"y"
    assert client.execute("TTL", "k") == 5000
    assert client.execute("EXISTS", "gone", "last") == 1
    assert client.execute("XRANGE", "s", "-", "+") == [
        [b"1-1", [b"IDMP", b"b"]],
        [b"2-1", [b"a", b"c"]],
        [b"3-1", [b"*", b"*"]],
    ]


@pytest.mark.parametrize("producer", ["IDMP p i", "IDMPAUTO p", "KEEPREF MAXLEN ~ 5 LIMIT 2 IDMP p i"])
def test_an_entry_that_was_not_added_again_is_none(producer: str) -> None:
    client = EngineClient()
    applier = Applier(client.engine)
    applied(applier, "XADD", "s", "1-1", "f", "v")
    applied(applier, "XADD", "s", *producer.split(), "*", "f", "v")
    applied(applier, "MULTI")
    applied(applier, "XADD", "s", *producer.split(), "*", "f", "v")
    assert applied(applier, "EXEC") == []
    assert client.execute("XLEN", "s") == 1


@pytest.mark.parametrize("call", ["DELEX k IFEQ v", "DELEX", "XNEW s", "XADD s IDMP", "SET k v IFNE"])
def test_what_is_nothing_that_anybody_tells_is_an_error(call: str) -> None:
    applier = Applier(EngineClient().engine)
    assert isinstance(applier.run([word.encode() for word in call.split()]), ErrorReply)


def test_a_client_cannot_say_them() -> None:
    assert EngineClient().execute("DELEX", "k")[0] == "error"


def test_beside_redis_8() -> None:
    binary = redis8_binary()
    if binary is None:
        return
    with run_server(binary, "--repl-diskless-sync", "no") as server:
        client, feed = RealClient(server.port), Feed(server.port)
        engine = Engine()
        engine.keyspace.follows = True
        applier = Applier(engine)
        for call in CALLS:
            client.execute(*call.split())
        # An older one refuses some of them, and tells the others.
        for command in feed.read():
            reply = applier.run(command)
            assert not isinstance(reply, ErrorReply), (command, reply)
        ours = contents(engine)
        for key in client.execute("KEYS", "*"):
            assert ours[0, key][0] == plain(load_payload(client.execute("DUMP", key)))
        assert len(ours) - 1 == client.execute("DBSIZE")
        feed.close()
        client.close()
