from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

FILL = [
    "SET str x",
    "APPEND long abc",
    "RPUSH list 1 2 3",
    "SADD set a b",
    "ZADD zset 1 a 2.5 b",
    "HSET hash f v",
]


class TestRemoving:
    def test_keys_of_every_type(self, peers: Differential) -> None:
        peers.check(
            [*FILL, "DEL str list list no", "UNLINK set zset no", "DEL", "UNLINK", "DEL no", "DBSIZE"]
        )
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events([*FILL, "DEL str list list no", "UNLINK set zset no", "DEL hash"])


class TestLooking:
    def test_at_keys(self, peers: Differential) -> None:
        keys = ["str", "long", "list", "set", "zset", "hash", "no"]
        peers.check(
            [*FILL, *(f"TYPE {key}" for key in keys), "EXISTS str str no list", "TOUCH str str no list"]
        )
        peers.check(["TYPE", "TYPE a b", "EXISTS", "TOUCH", "DBSIZE", "DBSIZE x", "SELECT 1", "DBSIZE"])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            [*FILL, "TYPE no", "EXISTS no str", "TOUCH no str", "TTL no", "OBJECT ENCODING no", "KEYS *"]
        )

    def test_by_pattern(self, peers: Differential) -> None:
        peers.check(
            [("MSET", *(part for key in ("", "a", "ab", "a*", "[a]", b"\xff\n", "A") for part in (key, "1")))]
        )
        for pattern in (
            "*",
            "a*",
            "?",
            "",
            "[ab]",
            "[^a]*",
            "a\\*",
            "[[]a]",
            "*b",
            b"\xff*",
            "[a-",
            "**",
            "*\n",
        ):
            peers.check([("KEYS", pattern)])

    def test_none_that_is_past_its_time(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "a", "1", "PX", 100)
        client.execute("SET", "b", "1", "PX", 101)
        clock.advance(0.1)
        assert client.execute("KEYS", "*") == [b"b"]
        assert client.execute("RANDOMKEY") == b"b"
        clock.advance(0.1)
        assert client.execute("RANDOMKEY") is None
        assert client.execute("DBSIZE") == 0

    def test_at_random(self, peers: Differential) -> None:
        peers.check(["RANDOMKEY", "RANDOMKEY x", "SET only 1", "RANDOMKEY"])
        client = peers.engine
        for number in range(9):
            client.execute("SET", number, "x")
        assert {client.execute("RANDOMKEY") for _ in range(400)} == {b"only", *(b"%d" % n for n in range(9))}


class TestRenaming:
    def test_keys_of_every_type(self, peers: Differential) -> None:
        peers.check([*FILL, "RENAME str new", "RENAME list set", "RENAMENX zset hash", "RENAMENX zset other"])
        peers.check(["RENAME no x", "RENAME no no", "RENAMENX no x", "RENAMENX no no", "RENAME hash hash"])
        peers.check(["RENAMENX hash hash", "RENAME hash", "RENAMENX hash a b"])
        peers.check_state()

    def test_the_time_to_live_goes_along(self, peers: Differential) -> None:
        peers.check(["SET a 1 PXAT 33177117420000", "SET b 2 PXAT 33177117429999", "SET c 3", "RENAME a b"])
        peers.check(["PEXPIRETIME a", "PEXPIRETIME b", "RENAME c b", "PEXPIRETIME b"])

    def test_events(self, peers: Differential) -> None:
        peers.events([*FILL, "RENAME str new", "RENAME list set", "RENAMENX zset hash", "RENAME hash hash"])


class TestMoving:
    def test_to_another_database(self, peers: Differential) -> None:
        peers.check(
            [*FILL, "SET str 1 PXAT 33177117420000", "MOVE str 1", "MOVE no 1", "MOVE list 1", "MOVE str 1"]
        )
        peers.check(["SET str 2", "MOVE str 1", "SELECT 1", "PEXPIRETIME str"])
        peers.check_state()
        peers.check(["SELECT 0"])
        peers.check_state()

    @pytest.mark.parametrize("database", ["0", "x", "99", "-1", "99999999999", "1.5", ""])
    def test_to_no_database(self, peers: Differential, database: str) -> None:
        peers.check(["SET a 1", ("MOVE", "a", database), ("MOVE", "no", database)])

    def test_events(self, peers: Differential) -> None:
        peers.events([*FILL, "MOVE str 1", "MOVE no 1", "MOVE list 1"])


class TestCopying:
    def test_keys_of_every_type(self, peers: Differential) -> None:
        for line in FILL:
            key = line.split()[1]
            peers.check([line, f"COPY {key} {key}2", f"COPY {key} {key}2", f"COPY {key} {key}2 REPLACE"])
        peers.check_state()
        # A copy is a copy.
        peers.check(["APPEND long2 d", "RPUSH list2 4", "SADD set2 c", "ZADD zset2 3 c", "HSET hash2 g w"])
        peers.check_state()

    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "str str",
                "str str DB 0",
                "str str DB 1",
                "str new DB 1",
                "str list",
                "str list REPLACE",
                "no new",
            ),
            *(
                "no no",
                "str new DB 99",
                "str new DB x",
                "str new DB",
                "str new FOO",
                "str",
                "str new DB 1 DB 2",
            ),
            *("str new replace db 0 REPLACE", "no list REPLACE", "str new DB -1", "long list DB 0 REPLACE"),
        ],
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check([*FILL, "PEXPIREAT str 33177117420000", f"COPY {arguments}", f"COPY {arguments}"])
        peers.check_state()
        peers.check(["EXPIRETIME new", "SELECT 1"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(
            [*FILL, "COPY str a", "COPY str a", "COPY str a REPLACE", "COPY no a", "COPY str a DB 1"]
        )


_KEYS = st.sampled_from(["str", "list", "hash", "long", "no", "other"])
_DATABASES = st.sampled_from(["0", "1", "x"])

_COMMANDS = sequences(
    ("DEL", _KEYS, _KEYS),
    ("UNLINK", _KEYS),
    ("EXISTS", _KEYS, _KEYS),
    ("TYPE", _KEYS),
    ("TOUCH", _KEYS, _KEYS),
    ("RENAME", _KEYS, _KEYS),
    ("RENAMENX", _KEYS, _KEYS),
    ("MOVE", _KEYS, _DATABASES),
    ("COPY", _KEYS, _KEYS),
    ("COPY", _KEYS, _KEYS, "DB", _DATABASES),
    ("COPY", _KEYS, _KEYS, "REPLACE"),
    ("SELECT", _DATABASES),
    ("SWAPDB", _DATABASES, _DATABASES),
    ("FLUSHDB",),
    ("DBSIZE",),
    ("KEYS", st.sampled_from(["*", "l*", "?????", "[lo]*"])),
    ("PEXPIREAT", _KEYS, "33177117420000"),
    ("PEXPIRETIME", _KEYS),
    ("SET", _KEYS, "new"),
    ("APPEND", _KEYS, "more"),
    ("RPUSH", _KEYS, "more"),
    ("HSET", _KEYS, "more", "v"),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        lasting_peers.check(["SELECT 0"])
        run_sequence(lasting_peers, FILL, commands)
