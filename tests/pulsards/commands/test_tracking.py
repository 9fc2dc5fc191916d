"""Client-side caching: who is told of which change, and when; held against the real servers."""

from __future__ import annotations

import pytest

from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient
from tests.pulsards.scenes import Step, play
from tests.servers import RealServer


def told(*keys: bytes) -> tuple[str, list[object]]:
    return ("push", [b"invalidate", list(keys)])


EVERYTHING = ("push", [b"invalidate", None])


class TestArguments:
    def test_refusals(self, peers: Differential) -> None:
        peers.check(
            [
                *("CLIENT TRACKING", "CLIENT TRACKING ON OPTIN OPTOUT", "CLIENT TRACKING ON BCAST OPTIN"),
                *(
                    "CLIENT TRACKING ON PREFIX a",
                    "CLIENT TRACKING ON REDIRECT",
                    "CLIENT TRACKING ON REDIRECT x",
                ),
                *("CLIENT TRACKING ON REDIRECT 99999", "CLIENT TRACKING ON REDIRECT 0"),
                *("CLIENT TRACKING ON REDIRECT 99999 REDIRECT 99998", "CLIENT TRACKING ON PREFIX"),
                *("CLIENT TRACKING ON NOPE", "CLIENT TRACKING NOPE", "CLIENT TRACKING NOPE OPTIN OPTOUT"),
                *("CLIENT TRACKING OFF", "CLIENT TRACKING OFF NOPE", "CLIENT CACHING YES", "CLIENT CACHING"),
                *("CLIENT CACHING MAYBE", "CLIENT GETREDIR", "CLIENT TRACKINGINFO"),
            ]
        )

    def test_modes_cannot_be_switched(self, peers: Differential) -> None:
        peers.check(
            [
                *("CLIENT TRACKING ON", "CLIENT TRACKINGINFO", "CLIENT GETREDIR", "CLIENT CACHING YES"),
                *(
                    "CLIENT CACHING NO",
                    "CLIENT CACHING x",
                    "CLIENT TRACKING ON BCAST",
                    "CLIENT TRACKING ON OPTIN",
                ),
                *("CLIENT TRACKINGINFO", "CLIENT TRACKING ON OPTOUT", "CLIENT CACHING NO"),
                *("CLIENT TRACKING ON NOLOOP", "CLIENT TRACKINGINFO", "CLIENT TRACKING OFF"),
                *("CLIENT TRACKING ON OPTOUT", "CLIENT TRACKINGINFO", "CLIENT TRACKING ON OPTIN"),
                *("CLIENT CACHING YES", "CLIENT TRACKING ON BCAST", "RESET", "CLIENT TRACKINGINFO"),
            ]
        )

    @pytest.mark.parametrize(("mode", "answer"), [("OPTIN", "yes"), ("OPTOUT", "no")])
    def test_caching_is_for_the_next_command(self, peers: Differential, mode: str, answer: str) -> None:
        info = "CLIENT TRACKINGINFO"
        caching = f"CLIENT CACHING {answer}"
        peers.check(
            [
                *(f"CLIENT TRACKING ON {mode}", caching, info, info, "PING", info, caching, "NOSUCH", info),
                *(caching, "MULTI", info, "SET a 1", "EXEC", info, caching, "EVAL", info),
            ]
        )

    def test_prefixes(self, peers: Differential) -> None:
        peers.check(
            [
                *("CLIENT TRACKING ON BCAST PREFIX b PREFIX a", "CLIENT TRACKINGINFO"),
                *("CLIENT TRACKING ON BCAST PREFIX c", "CLIENT TRACKINGINFO"),
                *("CLIENT TRACKING ON BCAST PREFIX abc", "CLIENT TRACKING ON BCAST PREFIX d PREFIX dd"),
                *("CLIENT TRACKING ON BCAST PREFIX d PREFIX d", "CLIENT TRACKING ON BCAST PREFIX a"),
                *("CLIENT TRACKING ON BCAST", "CLIENT TRACKINGINFO", "CLIENT TRACKING ON"),
                *("CLIENT TRACKING OFF", "CLIENT TRACKINGINFO"),
            ]
        )


SCENES: dict[str, list[Step]] = {
    "told once": [
        *(("A", "CLIENT TRACKING ON"), ("A", "GET a"), ("B", "SET a 1"), ("B", "SET a 2"), ("A", "GET a")),
        *(("B", "DEL a"), ("A", "MGET a b c"), ("B", "MSET b 1 c 2 d 3"), ("A", "GET d"), ("B", "GET d")),
    ],
    "own changes after the reply": [
        *(("A", "CLIENT TRACKING ON"), ("A", "GET a"), ("A", "SET a 1"), ("A", "GET a"), ("A", "INCR a")),
        *(("A", "MGET a b"), ("A", "MSET b 1 a 2"), ("A", "GET a"), ("A", "MULTI"), ("A", "SET a 3")),
        *(("A", "GET a"), ("A", "SET a 4"), ("A", "EXEC"), ("A", "CLIENT TRACKING OFF"), ("A", "SET a 5")),
    ],
    "no loop": [
        *(("A", "CLIENT TRACKING ON NOLOOP"), ("A", "GET a"), ("A", "SET a 1"), ("B", "SET a 2")),
        *(("A", "GET a"), ("B", "SET a 2")),
    ],
    "every kind of reading": [
        *(("A", "CLIENT TRACKING ON"), ("A", "LRANGE l 0 -1"), ("A", "HGET h f"), ("A", "ZSCORE z m")),
        *(("A", "SINTER s t"), ("A", "EXISTS e"), ("A", "TTL x"), ("A", "LPOP p"), ("A", "GET wrong")),
        *(("B", "RPUSH l 1"), ("B", "HSET h f v"), ("B", "ZADD z 1 m"), ("B", "SADD t 1"), ("B", "SET e 1")),
        *(
            ("B", "SET x 1"),
            ("B", "RPUSH p 1"),
            ("B", "SADD wrong 1"),
            ("A", "GET wrong"),
            ("B", "DEL wrong"),
        ),
    ],
    "scripts": [
        *(("A", "CLIENT TRACKING ON"), ("A", ("EVAL", "return redis.call('get', KEYS[1])", "1", "a"))),
        *(("A", ("EVAL_RO", "return redis.call('get', KEYS[1])", "2", "b", "c")), ("B", "MSET a 1 b 2 c 3")),
        *(
            ("A", "GET a"),
            ("A", ("EVAL", "redis.call('set', KEYS[1], 1) return redis.call('get', KEYS[1])", "1", "a")),
        ),
        ("B", "SET a 5"),
    ],
    "transactions": [
        *(("A", "CLIENT TRACKING ON"), ("A", "MULTI"), ("A", "GET a"), ("A", "GET b"), ("B", "SET a 0")),
        *(("A", "EXEC"), ("B", "MULTI"), ("B", "SET a 1"), ("B", "SET b 1"), ("B", "EXEC")),
    ],
    "opt in": [
        *(("A", "CLIENT TRACKING ON OPTIN"), ("A", "GET a"), ("A", "CLIENT CACHING YES"), ("A", "GET b")),
        *(("A", "GET c"), ("A", "CLIENT CACHING YES"), ("A", "MULTI"), ("A", "GET d"), ("A", "GET e")),
        *(("A", "EXEC"), ("A", "GET f"), ("B", "MSET a 1 b 1 c 1 d 1 e 1 f 1")),
    ],
    "opt out": [
        *(("A", "CLIENT TRACKING ON OPTOUT"), ("A", "GET a"), ("A", "CLIENT CACHING NO"), ("A", "GET b")),
        *(("A", "GET c"), ("B", "MSET a 1 b 1 c 1")),
    ],
    "databases play no part": [
        *(
            ("A", "CLIENT TRACKING ON"),
            ("A", "GET a"),
            ("B", "SELECT 1"),
            ("B", "SET a 1"),
            ("B", "SWAPDB 0 1"),
        ),
        *(("A", "GET a"), ("B", "SET a 1")),
    ],
    "flushed": [
        *(("A", "CLIENT TRACKING ON"), ("B", "FLUSHALL"), ("A", "GET a"), ("B", "SET a 1"), ("A", "GET a")),
        *(("B", "FLUSHDB"), ("B", "SET a 2"), ("A", "FLUSHALL"), ("A", "GET a"), ("B", "SELECT 3")),
        *(("B", "FLUSHDB"), ("A", ("EVAL", "return redis.call('flushall')", "0"))),
    ],
    "moved and renamed": [
        *(("A", "CLIENT TRACKING ON"), ("B", "MSET a 1 b 2"), ("A", "MGET a b c"), ("B", "RENAME a c")),
        *(("A", "MGET a b c"), ("B", "MOVE b 1"), ("A", "MGET a b c"), ("B", "COPY c b"), ("B", "UNLINK c")),
    ],
    "expired": [
        *(
            ("A", "CLIENT TRACKING ON"),
            ("B", "SET a 1"),
            ("A", "GET a"),
            ("B", "PEXPIRE a 20"),
            ("A", "GET a"),
        ),
        *(("clock", 0.05), ("A", "GET a")),
    ],
    "broadcast": [
        *(("A", "CLIENT TRACKING ON BCAST"), ("B", "SET a 1"), ("B", "SET a 2"), ("B", "MSET c 1 b 2 a 3")),
        *(
            ("A", "SET d 1"),
            ("B", "MULTI"),
            ("B", "SET f 1"),
            ("B", "SET e 1"),
            ("B", "EXEC"),
            ("B", "FLUSHALL"),
        ),
        *(("B", "DEL nothing"), ("A", "CLIENT TRACKING OFF"), ("B", "SET a 4")),
    ],
    "broadcast by prefix": [
        *(
            ("A", "CLIENT TRACKING ON BCAST PREFIX a: PREFIX b: NOLOOP"),
            ("B", "SET a:1 1"),
            ("B", "SET c:1 1"),
        ),
        *(("A", "SET a:1 2"), ("A", "MSET b:1 1 c:1 2"), ("B", "MSET b:2 2 b:1 1 a:3 1")),
        *(("A", "CLIENT TRACKING ON BCAST PREFIX c:"), ("B", "SET c:1 2"), ("A", "SET c:1 3")),
    ],
    "who parked": [
        *(
            ("A", "CLIENT TRACKING ON"),
            ("A", "LLEN l"),
            ("C", "BLPOP l 0"),
            ("B", "RPUSH l 1"),
            ("A", "LLEN l"),
        ),
        ("B", "RPUSH l 2"),
    ],
    "hung up": [
        *(("A", "CLIENT TRACKING ON"), ("C", "CLIENT TRACKING ON BCAST PREFIX a"), ("A", "GET a")),
        *(("A", "HANG UP"), ("C", "HANG UP"), ("B", "SET a 1")),
    ],
}
SCENES = {name: [("A", "HELLO 3"), *steps] for name, steps in SCENES.items()}
SCENES["redirected"] = [
    *(("R", "HELLO 3"), ("A", "CLIENT TRACKING ON REDIRECT <R>"), ("A", "GET a"), ("B", "SET a 1")),
    *(("A", "GET a"), ("A", "SET a 2"), ("B", "FLUSHALL"), ("A", "GET a"), ("B", "SET a 1")),
]
SCENES["redirected to a subscriber"] = [
    *(("R", "SUBSCRIBE __redis__:invalidate"), ("A", "CLIENT TRACKING ON REDIRECT <R>"), ("A", "MGET a b")),
    *(("B", "SET a 1"), ("B", "FLUSHALL"), ("A", "CLIENT TRACKING ON REDIRECT <R> NOLOOP"), ("A", "GET a")),
    *(("A", "SET a 2"), ("A", "CLIENT TRACKING OFF"), ("A", "CLIENT TRACKING ON BCAST REDIRECT <R>")),
    *(("B", "MSET b 1 a 2"), ("R", "UNSUBSCRIBE"), ("B", "SET a 1")),
]
#: What its own command has sent it by the way of another client, it gets after the reply, too.
SCENES["redirected to who changes it"] = [
    *(("R", "HELLO 3"), ("A", "CLIENT TRACKING ON REDIRECT <R>"), ("A", "MGET a b c"), ("R", "SET a 1")),
    *(("R", "CLIENT TRACKING ON"), ("R", "GET b"), ("R", "SET b 1"), ("A", "GET c"), ("R", "FLUSHALL")),
    *(("A", "MGET a b"), ("R", "MULTI"), ("R", "SET a 1"), ("R", "SET b 1"), ("R", "EXEC")),
    *(("A", "GET a"), ("R", ("EVAL", "return redis.call('set','a','1')", "0"))),
]
SCENES["redirection that breaks"] = [
    *(("A", "HELLO 3"), ("R", "SUBSCRIBE __redis__:invalidate"), ("A", "CLIENT TRACKING ON REDIRECT <R>")),
    *(("A", "GET a"), ("R", "HANG UP"), ("A", "CLIENT TRACKINGINFO"), ("B", "SET a 1")),
]
SCENES["nobody hears in RESP2"] = [
    ("A", "CLIENT TRACKING ON"),
    ("A", "GET a"),
    ("B", "SET a 1"),
    ("A", "GET a"),
]


NOT_AS_REDIS = {
    "scripts": "7.0 takes every key that EVAL_RO names for read, and not what its script reads",
    "redirected to who changes it": "until 7.2 what came by another client was sent before the reply",
}


class TestScenes:
    @pytest.mark.parametrize("name", SCENES)
    def test_as_the_real_servers(
        self, name: str, valkey: RealServer, redis_server: RealServer | None
    ) -> None:
        assert play(SCENES[name], valkey, None if name in NOT_AS_REDIS else redis_server)

    def test_what_is_told(self, valkey: RealServer, redis_server: RealServer | None) -> None:
        """The scenes would agree if nothing were ever told on either side."""
        answers = play(SCENES["told once"], valkey, redis_server)
        pushed = [reply for _, who, reply in answers if who == "A" and isinstance(reply, tuple)]
        assert pushed == [told(b"a"), told(b"a"), told(b"b"), told(b"c")]
        answers = play(SCENES["own changes after the reply"], valkey, redis_server)
        assert [reply for step, _, reply in answers if step == 3] == [b"OK", told(b"a")]
        answers = play(SCENES["flushed"], valkey, redis_server)
        assert [reply for step, _, reply in answers if step == 2] == [EVERYTHING, b"OK"]
        answers = play(SCENES["expired"], valkey, redis_server)
        assert (6, "A", told(b"a")) in answers
        answers = play(SCENES["broadcast"], valkey, redis_server)
        assert (4, "A", told(b"a", b"b", b"c")) in answers


class TestTable:
    def test_its_limit(self) -> None:
        client = EngineClient(tracking_table_max_keys="2")
        client.execute("HELLO", 3)
        client.execute("CLIENT", "TRACKING", "ON")
        client.execute("MGET", "a", "b")
        client.send("GET", "c")
        assert [client.receive(), client.receive()] == [None, told(b"a")]
        table = client.engine.tracking
        assert (table.key_count, table.items) == (2, 2)
        client.send("CONFIG", "SET", "tracking-table-max-keys", 1)
        assert [client.receive(), client.receive()] == [b"OK", told(b"b")]

    def test_counts(self) -> None:
        one = EngineClient()
        two = EngineClient(one.engine)
        for client in (one, two):
            client.execute("CLIENT", "TRACKING", "ON")
            client.execute("MGET", "a", "b")
        three = EngineClient(one.engine)
        three.execute("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x", "PREFIX", "y")
        shown = three.execute("INFO", "clients", "stats")
        for line in (
            *(b"tracking_clients:3", b"tracking_total_keys:2"),
            *(b"tracking_total_items:4", b"tracking_total_prefixes:2"),
        ):
            assert line in shown.split(b"\r\n")
        assert b"flags=tB " in three.execute("CLIENT", "INFO")
        assert b"redir=0" in three.execute("CLIENT", "INFO")

    def test_nothing_is_left_when_nobody_tracks(self) -> None:
        client = EngineClient()
        assert not client.engine.attentive
        client.execute("CLIENT", "TRACKING", "ON")
        client.execute("GET", "a")
        assert client.engine.attentive
        assert client.engine.keyspace.touch_watchers
        client.close()
        assert not client.engine.attentive
        assert not client.engine.keyspace.touch_watchers
        assert client.engine.tracking.key_count == client.engine.tracking.items == 0
