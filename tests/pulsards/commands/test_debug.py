"""DEBUG's digests, POPULATE, SLEEP and CHANGE-REPL-ID, held against the real servers."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from anystore.pulsards import ManualClock
from anystore.pulsards.engine import Engine
from tests.pulsards.differential import Command, Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.scripting.script_peers import ScriptPeers
from tests.servers import RealServer

NOTHING = b"0" * 40

_SEVENTEEN_DIGITS = "7.0 writes scores with 17 digits"
KNOWN = {
    ("redis", "DEBUG DIGEST-VALUE fractions"): _SEVENTEEN_DIGITS,
    ("valkey", "DEBUG SLEEP x"): "it takes what is no number for 0",
    ("redis", "DEBUG SLEEP x"): "it takes what is no number for 0",
}

VALUES: dict[str, list[str | Command]] = {
    "string": ["SET k v", ("SET", "l", b"\x00\xff" * 300), "SET m ''"],
    "number": ["SET k 12345", "SET l -7", "INCRBYFLOAT m 0.5"],
    "string that grew": ["APPEND k abc", "APPEND k def", "SETBIT l 100 1"],
    "list": ["RPUSH k a b a 17 -3", ["RPUSH", "l", *[f"element {n}" * 20 for n in range(300)]]],
    "set": ["SADD k a b c", "SADD l 3 1 2", ["SADD", "m", *map(str, range(700))]],
    "sorted set": [
        "ZADD k 1 a 2 b -3 17 inf x -inf y",
        ["ZADD", "l", *(part for n in range(300) for part in (str(n), f"m{n}"))],
    ],
    "hash": ["HSET k a 1 b two", ["HSET", "l", *(part for n in range(300) for part in (f"f{n}", "v" * n))]],
    "stream": ["XADD k 1-1 a 1 b 2", "XADD k 1-2 a 3", "XADD k 5-0 c d", "XDEL k 1-2", "XGROUP CREATE k g 0"],
    "empty stream": ["XGROUP CREATE k g 0 MKSTREAM"],
    "hyperloglog": ["PFADD k a b c"],
    "expiring": ["SET k v EX 1000", "SADD l a", "EXPIRE l 2000"],
    "nothing": ["SET k v", "DEL k"],
}


class TestObject:
    @pytest.mark.parametrize(
        ("make", "without"),
        [
            *(("SET k hello", []), ("SET k 5", ["redis"]), ("SET k 12345", []), ("SET k -7", [])),
            *(("HSET k f v", []), ("ZADD k 1 a 2.5 b", [])),
            *(("XADD k 1-1 a b", []), ("RPUSH k 1 2 3", ["redis"]), ("SADD k 1 2 3", [])),
            *(("HSET k f v g w", []), ("SADD k a b", ["valkey", "redis"])),
        ],
    )
    def test_what_is_said_of_a_value(self, peers: Differential, make: str, without: list[str]) -> None:
        def said(client: EngineClient | RealClient) -> dict[str, str]:
            client.execute(*make.split(" "))
            line = client.execute("DEBUG", "OBJECT", "k").decode()
            assert line.startswith("Value at:0x")
            words = dict(word.split(":") for word in line.split(" ")[2:])
            assert abs(int(words.pop("lru_seconds_idle"))) < 100
            assert 0 <= int(words.pop("lru")) < 1 << 24
            return words

        ours = said(peers.engine)
        assert ours.keys() == {"refcount", "encoding", "serializedlength"}
        for name, client in peers.servers.items():
            if name not in without:
                assert said(client) == ours, name

    def test_when_it_was_asked_for(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "k", "v")
        before = client.execute("DEBUG", "OBJECT", "k")
        clock.advance(10)
        client.execute("TTL", "k")
        assert client.execute("DEBUG", "OBJECT", "k") == before.replace(b"idle:0", b"idle:10")
        client.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        client.execute("SET", "new", "v")
        lru = int(client.execute("DEBUG", "OBJECT", "new").split(b"lru:")[1].split()[0])
        assert lru & 255 == client.execute("OBJECT", "FREQ", "new")


class TestDigest:
    @pytest.mark.parametrize("commands", VALUES.values(), ids=VALUES)
    def test_of_each_type(self, peers: Differential, commands: list[str | Command]) -> None:
        replies = peers.check([*commands, "DEBUG DIGEST-VALUE k l m nope k", "DEBUG DIGEST"])
        digests = replies[-2]
        assert digests[0] == digests[4]
        assert digests[3] == NOTHING
        assert (replies[-1] == NOTHING) == (peers.engine.execute("DBSIZE") == 0)

    def test_of_several_databases(self, peers: Differential) -> None:
        found = peers.check(
            [
                *(
                    "DEBUG DIGEST",
                    "SET a 1",
                    "SET b 2",
                    "DEBUG DIGEST",
                    "SELECT 3",
                    "SET a 1",
                    "DEBUG DIGEST",
                ),
                *("DEL a", "DEBUG DIGEST", "SWAPDB 0 3", "DEBUG DIGEST", "SELECT 0"),
            ]
        )
        nothing, one, two, one_again, elsewhere = found[0], found[3], found[6], found[8], found[10]
        assert nothing == NOTHING
        assert one == one_again
        assert len({nothing, one, two, elsewhere}) == 4

    def test_order_and_time_do_not_matter_where_they_should_not(self) -> None:
        client = EngineClient()
        client.execute("SADD", "a", "x", "y")
        client.execute("SADD", "b", "y", "x")
        client.execute("RPUSH", "c", "x", "y")
        client.execute("RPUSH", "d", "y", "x")
        client.execute("EXPIRE", "b", 100)
        unlike = client.execute("DEBUG", "DIGEST-VALUE", "a", "b")
        client.execute("EXPIRE", "a", 7)
        alike = client.execute("DEBUG", "DIGEST-VALUE", "a", "b")
        ordered = client.execute("DEBUG", "DIGEST-VALUE", "c", "d")
        assert unlike[0] != unlike[1]
        assert alike[0] == alike[1]
        assert ordered[0] != ordered[1]

    def test_of_fractional_scores(self, peers: Differential) -> None:
        rng = random.Random(7)
        scores = [
            0.1,
            3.1,
            1e21,
            1e-7,
            -0.0,
            1.5e300,
            123456.789,
            *(rng.uniform(-1e6, 1e6) for _ in range(100)),
        ]
        command = ["ZADD", "fractions", *(part for score in scores for part in (repr(score), f"m{score}"))]
        peers.check([command, "DEBUG DIGEST-VALUE fractions"])

    def test_of_fields_that_expire(self, peers: Differential) -> None:
        peers.check(["HSET h a 1 b 2", "HEXPIRE h 100 FIELDS 1 a", "DEBUG DIGEST-VALUE h"], without=["redis"])


class TestPopulate:
    @pytest.mark.parametrize(
        "command",
        [
            *(
                "DEBUG POPULATE 30",
                "DEBUG POPULATE 30 name",
                "DEBUG POPULATE 30 name 3",
                "DEBUG POPULATE 30 name 100",
            ),
            *("DEBUG POPULATE 0", "DEBUG POPULATE 30 name 0", "DEBUG POPULATE x", "DEBUG POPULATE -1"),
            *("DEBUG POPULATE 3 n x", "DEBUG POPULATE 3 n -1", f"DEBUG POPULATE 30 {'n' * 126}"),
            f"DEBUG POPULATE 30 {'n' * 200}",
        ],
    )
    def test_makes_what_redis_makes(self, peers: Differential, command: str) -> None:
        peers.check(
            [
                *("SET key:3 mine", "SET name:4 mine", command, "DBSIZE", "DEBUG DIGEST"),
                *("GET key:3", "GET key:29", "GET name:4", "GET name:29"),
            ]
        )

    def test_tells_who_watches_but_no_file(self) -> None:
        client = EngineClient()
        other = EngineClient(client.engine)
        client.execute("WATCH", "key:1")
        before = client.engine.keyspace.dirty
        other.execute("DEBUG", "POPULATE", 3)
        assert client.engine.keyspace.dirty == before
        client.execute("MULTI")
        client.execute("PING")
        assert client.execute("EXEC") is None


def pair() -> tuple[ManualClock, EngineClient, EngineClient]:
    clock = ManualClock()
    engine = Engine(clock=clock)
    return clock, EngineClient(engine), EngineClient(engine)


def pass_time(clock: ManualClock, engine: Engine, seconds: float) -> None:
    clock.advance(seconds)
    engine.run_due()
    engine.flush()


class TestSleep:
    def test_holds_everybody_for_as_long(self) -> None:
        clock, client, other = pair()
        assert client.execute("DEBUG", "SLEEP", "1.5") is NotImplemented
        client.send("ECHO", "behind")
        assert other.execute("PING") is NotImplemented
        pass_time(clock, client.engine, 1.4)
        assert (client.receive(), other.receive()) == (NotImplemented, NotImplemented)
        pass_time(clock, client.engine, 0.1)
        assert [client.receive(), client.receive(), other.receive()] == [b"OK", b"behind", b"PONG"]
        assert client.engine.next_due() is None

    def test_a_pause_goes_on_as_it_was(self) -> None:
        clock, client, other = pair()
        client.execute("CLIENT", "PAUSE", 10_000, "WRITE")
        client.execute("DEBUG", "SLEEP", "1")
        other.send("GET", "a")
        other.send("SET", "a", "1")
        pass_time(clock, client.engine, 1)
        assert (client.receive(), other.receive(), other.receive()) == (b"OK", None, NotImplemented)
        assert client.execute("CLIENT", "UNPAUSE") == b"OK"
        assert other.receive() == b"OK"

    def test_a_pause_ends_within_it(self) -> None:
        clock, client, other = pair()
        client.execute("CLIENT", "PAUSE", 500)
        pass_time(clock, client.engine, 0.5)
        client.execute("CLIENT", "PAUSE", 500, "WRITE")
        client.execute("DEBUG", "SLEEP", "1")
        other.send("SET", "a", "1")
        pass_time(clock, client.engine, 1)
        assert (client.receive(), other.receive()) == (b"OK", b"OK")

    def test_who_sleeps_may_leave(self) -> None:
        clock, client, other = pair()
        client.execute("DEBUG", "SLEEP", "1")
        other.send("PING")
        client.close()
        pass_time(clock, other.engine, 1)
        assert other.receive() == b"PONG"

    def test_arguments(self, peers: Differential) -> None:
        peers.check(["DEBUG SLEEP 0", "DEBUG SLEEP -0", "DEBUG SLEEP x", "DEBUG SLEEP", "DEBUG SLEEP 0 0"])
        assert peers.engine.execute("DEBUG", "SLEEP", "inf") == ("error", "ERR value is out of range")

    def test_is_refused_in_a_transaction(self) -> None:
        client = EngineClient()
        client.execute("MULTI")
        client.execute("DEBUG", "SLEEP", "1")
        (reply,) = client.execute("EXEC")
        assert reply == ("error", "ERR DEBUG SLEEP holds its caller, which a transaction cannot be")
        assert client.execute("PING") == b"PONG"


def test_a_history_of_another_name() -> None:
    client = EngineClient()
    history = client.engine.replication.history
    history.fork(b"f" * 40)
    former, offset = history.id, history.offset
    assert client.execute("DEBUG", "CHANGE-REPL-ID") == b"OK"
    info = client.execute("INFO", "replication").decode()
    assert history.id != former
    assert f"master_replid:{history.id.decode()}\r\nmaster_replid2:{'0' * 40}\r\n" in info
    assert (history.offset, history.second_offset) == (offset, -1)


@pytest.mark.parametrize("protocol", [2, 3])
def test_samples_of_replies(valkey: RealServer, redis_server: RealServer | None, protocol: int) -> None:
    """Byte by byte; that with a push has two replies, and is elsewhere."""
    kinds = [
        "string",
        "integer",
        "double",
        "null",
        "array",
        "set",
        "map",
        "attrib",
        "bignum",
        "true",
        "false",
        "verbatim",
        "nope",
    ]
    peers = ScriptPeers(server.port for server in (valkey, redis_server) if server is not None)
    with closing(peers):
        peers.command("HELLO", protocol)
        assert peers.disagreements(("DEBUG", "PROTOCOL", kind) for kind in kinds) == []
