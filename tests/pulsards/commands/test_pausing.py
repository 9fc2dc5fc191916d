"""CLIENT PAUSE: what is kept, and that it runs afterwards, in order; held against the real servers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from anystore.pulsards import ManualClock
from anystore.pulsards.engine import Engine
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.scenes import Step, play
from tests.servers import RealServer

KNOWN = {
    ("valkey", "CLIENT PAUSE 1 WRITE x"): "Valkey takes it for the pause that it begins with",
    ("redis", "CLIENT PAUSE 9223372036854775807"): "7.0 lets the sum of now and the timeout overflow",
}


def test_arguments(peers: Differential) -> None:
    peers.check(
        [
            *(
                "CLIENT PAUSE x",
                "CLIENT PAUSE -1",
                "CLIENT PAUSE 99999999999999999999",
                "CLIENT PAUSE 1 NOPE",
            ),
            *("CLIENT PAUSE 1 WRITE x", "CLIENT PAUSE", "CLIENT UNPAUSE x", "CLIENT UNPAUSE"),
            *("CLIENT PAUSE 9223372036854775807", "CLIENT UNPAUSE", "CLIENT PAUSE 0", "SET a 1", "GET a"),
        ]
    )


WRITES_KEPT: list[Step] = [
    *(("A", "SET a 0"), ("A", "CLIENT PAUSE 100000 WRITE"), ("B", "SET a 1"), ("C", "GET a")),
    *(("C", "APPEND a 2"), ("D", "PUBLISH c x"), ("E", ("EVAL", "return 1", "0")), ("F", "SPUBLISH c x")),
    *(("A", ("EVAL_RO", "return 1", "0")), ("A", "GET a"), ("A", "CLIENT UNPAUSE"), ("A", "GET a")),
]
SCENES: dict[str, list[Step]] = {
    "writes are kept": WRITES_KEPT,
    "what comes behind is kept, too": [
        *(("A", "CLIENT PAUSE 100000 WRITE"), ("B", "SET a 1"), ("B", "GET a"), ("B", "ECHO x")),
        *(("C", "INCR a"), ("A", "CLIENT UNPAUSE"), ("A", "GET a")),
    ],
    "transactions": [
        *(("B", "MULTI"), ("B", "SET a 1"), ("C", "MULTI"), ("C", "GET a"), ("D", "MULTI")),
        *(("A", "CLIENT PAUSE 100000 WRITE"), ("B", "EXEC"), ("C", "EXEC"), ("D", "SET a 2"), ("D", "EXEC")),
        *(("A", "CLIENT UNPAUSE"), ("A", "GET a")),
    ],
    "scripts that say that they do not write": [
        *(("A", "CLIENT PAUSE 100000 WRITE"), ("B", ("EVAL", "#!lua flags=no-writes\nreturn 1", "0"))),
        *(
            ("C", ("EVAL", "#!lua\nreturn 2", "0")),
            ("A", "CLIENT UNPAUSE"),
        ),
    ],
    "nobody can end the wait": [
        *(("A", "CLIENT PAUSE 100000 WRITE"), ("B", "SET a 1"), ("A", "CLIENT UNBLOCK <B>")),
        *(("A", "CLIENT UNBLOCK <B> ERROR"), ("A", "CLIENT UNPAUSE")),
    ],
    "who is kept may leave": [
        *(("A", "CLIENT PAUSE 100000 WRITE"), ("B", "SET a 1"), ("C", "SET a 2"), ("B", "HANG UP")),
        *(("A", "CLIENT UNPAUSE"), ("A", "GET a")),
    ],
    "everything, until the time is up": [
        *(("A", "SET a 1"), ("A", "CLIENT PAUSE 60 ALL"), ("B", "GET a"), ("clock", 0.1), ("A", "PING")),
    ],
    "everything is not weakened": [
        *(("A", "CLIENT PAUSE 60"), ("B", "PING"), ("clock", 0.1)),
    ],
    "a command that waits for its key": [
        *(("B", "BLPOP l 0"), ("A", "CLIENT PAUSE 100000 WRITE"), ("C", "RPUSH l 1"), ("D", "BLPOP l 0")),
        *(("A", "CLIENT UNPAUSE"), ("C", "RPUSH l 2")),
    ],
}


NOT_AS_REDIS = {"nobody can end the wait": "CLIENT UNBLOCK of a client that is kept ends the process of 7.0"}


@pytest.mark.parametrize("name", SCENES)
def test_scenes(name: str, valkey: RealServer, redis_server: RealServer | None) -> None:
    assert play(SCENES[name], valkey, None if name in NOT_AS_REDIS else redis_server)


def test_what_is_kept(valkey: RealServer, redis_server: RealServer | None) -> None:
    """The scenes would agree if nothing were ever kept on either side."""
    answers = play(WRITES_KEPT, valkey, redis_server)
    assert [step for step, who, _ in answers if who in "BCDEF"] == [3, 10, 10, 10, 10, 10]
    assert answers[-1] == (11, "A", b"12")


def test_the_engine_wakes_up_for_the_end() -> None:
    clock = ManualClock()
    client = EngineClient(clock=clock)
    engine = client.engine
    client.execute("CLIENT", "PAUSE", "50")
    assert engine.next_due() == engine.keyspace.now + 50
    other = EngineClient(engine)
    assert other.execute("GET", "a") is NotImplemented
    clock.advance(0.05)
    engine.run_due()
    engine.flush()
    assert other.receive() is None
    assert engine.next_due() is None
    assert not engine.guarded


def test_a_shorter_pause_does_not_shorten(valkey: RealServer, redis_server: RealServer | None) -> None:
    steps: list[Step] = [
        *(("A", "CLIENT PAUSE 100000 WRITE"), ("A", "CLIENT PAUSE 10 WRITE"), ("B", "SET a 1")),
        *(("clock", 0.1), ("A", "GET a"), ("A", "CLIENT UNPAUSE")),
    ]
    assert play(steps, valkey, redis_server)[-1] == (5, "B", b"OK")


def test_killed_while_kept() -> None:
    engine = Engine()
    one, two = EngineClient(engine), EngineClient(engine)
    one.execute("CLIENT", "PAUSE", "10000", "WRITE")
    two.send("SET", "a", "1")
    assert b" flags=b " in one.execute("CLIENT", "LIST", "ID", two.session.id)
    assert one.execute("CLIENT", "KILL", "ID", two.session.id) == 1
    two.close()
    assert one.execute("CLIENT", "UNPAUSE") == b"OK"
    assert one.execute("EXISTS", "a") == 0


def test_nothing_expires_meanwhile_as_in_redis(valkey: RealServer, redis_server: RealServer | None) -> None:
    """Nobody sees what is past, and it goes when the pause has ended: a replica that is waited for can catch up."""

    def seen(client: EngineClient | RealClient, go_on: Callable[[], None]) -> list[object]:
        def until(done: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 20
            while not done():
                assert time.monotonic() < deadline
                go_on()

        for call in (
            "FLUSHALL",
            "SET key 1 PX 30",
            "HSET hash f v",
            "CONFIG RESETSTAT",
            "CLIENT PAUSE 9999 WRITE",
        ):
            client.execute(*call.split())
        until(lambda: client.execute("GET", "key") is None)
        found = [client.execute(*call.split()) for call in ("DBSIZE", "EXISTS key", "TTL key")]
        found.append(b"expired_keys:0" in client.execute("INFO", "stats"))
        client.execute("CLIENT", "UNPAUSE")
        until(lambda: client.execute("DBSIZE") == 1)
        found.append(b"expired_keys:1" in client.execute("INFO", "stats"))
        return found

    clock = ManualClock()
    ours = EngineClient(clock=clock)

    def advance() -> None:
        clock.advance(0.1)
        ours.engine.run_due()
        ours.engine.flush()

    found = seen(ours, advance)
    assert found == [2, 0, -2, True, True]
    for server in (valkey, redis_server):
        if server is not None:
            client = RealClient(server.port)
            assert found == seen(client, lambda: None)
            client.close()
