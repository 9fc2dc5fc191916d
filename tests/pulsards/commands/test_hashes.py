from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

FILL = ["HSET h a 1 b 2 t text f 1.5", "HSET other x y", "SET str x"]


class TestSetting:
    def test_fields(self, peers: Differential) -> None:
        peers.check(
            [
                *FILL,
                "HSET h a 5 new 6 new 7",
                "HSET new f v",
                "HSET str f v",
                "HMSET h a 1 c 2",
                "HMSET m a 1",
            ]
        )
        peers.check(["HMSET str f v", "HSETNX h a 9", "HSETNX h z 9", "HSETNX fresh z 9", "HSETNX str z 9"])
        peers.check([("HSET", "h", "", ""), ("HSET", "h", b"\0\xff", b"\r\n")])
        peers.check_state()

    @pytest.mark.parametrize("name", ["HSET", "HMSET", "hset", "HSETNX"])
    @pytest.mark.parametrize(
        "arguments", ["", " h", " h a", " h a 1 b", " str a", " str a 1 b", " h a 1 b 2 c"]
    )
    def test_arity(self, peers: Differential, name: str, arguments: str) -> None:
        peers.check([*FILL, name + arguments])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["HSET h a 1", "HSET h a 1 b 2", "HMSET h a 1", "HSETNX h a 1", "HSETNX h z 1", "HSETNX g z 1"]
        )


class TestReading:
    @pytest.mark.parametrize("key", ["h", "no", "str"])
    def test_fields(self, peers: Differential, key: str) -> None:
        peers.check([*FILL, f"HGET {key} a", f"HGET {key} none", f"HMGET {key} a none b a", f"HGETALL {key}"])
        peers.check(
            [f"HKEYS {key}", f"HVALS {key}", f"HLEN {key}", f"HSTRLEN {key} t", f"HSTRLEN {key} none"]
        )
        peers.check([f"HEXISTS {key} a", f"HEXISTS {key} none", f"HSCAN {key} 0", f"HSCAN {key} 0 MATCH t*"])

    def test_arity(self, peers: Differential) -> None:
        for name in (
            "HGET",
            "HMGET",
            "HGETALL",
            "HKEYS",
            "HVALS",
            "HLEN",
            "HSTRLEN",
            "HEXISTS",
            "HDEL",
            "HINCRBY",
        ):
            peers.check(
                [name, f"{name} h a b c d e f g"] if name not in ("HMGET", "HDEL") else [name, f"{name} h"]
            )

    def test_events(self, peers: Differential) -> None:
        for name in ("HGETALL", "HKEYS", "HVALS", "HLEN", "HRANDFIELD"):
            peers.events([f"{name} no"])
        peers.events(
            ["HGET no a", "HMGET no a", "HSTRLEN no a", "HEXISTS no a", "HSCAN no 0", "HRANDFIELD no 1"]
        )


class TestRemoving:
    def test_fields(self, peers: Differential) -> None:
        peers.check([*FILL, "HDEL h a a none b", "HDEL other x", "EXISTS other", "HDEL no a", "HDEL str a"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events([*FILL, "HDEL h a none", "HDEL h none", "HDEL h b t f", "HDEL h b"])


_INTEGERS = [
    "1",
    "-1",
    "0",
    "x",
    "",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "01",
]
_FLOATS = [
    "1",
    "0.1",
    "-1.5",
    "x",
    "",
    "inf",
    "-inf",
    "nan",
    "1e4932",
    "1e5000",
    "0x10",
    " 1",
    "1e-20",
    "-0",
    "3.0e3",
]


class TestCounting:
    @pytest.mark.parametrize("amount", _INTEGERS)
    def test_integers(self, peers: Differential, amount: str) -> None:
        peers.check([*FILL, ("HSET", "h", "big", "9223372036854775807", "empty", "", "space", " 1")])
        for field in ("a", "t", "f", "none", "big", "empty", "space"):
            peers.check([("HINCRBY", "h", field, amount)])
        peers.check([("HINCRBY", "fresh", "f", amount), ("HINCRBY", "str", "f", amount)])
        peers.check_state()

    @pytest.mark.parametrize("amount", _FLOATS)
    def test_floats(self, peers: Differential, amount: str) -> None:
        peers.check([*FILL, ("HSET", "h", "big", "1e4932", "empty", "", "inf", "inf")])
        for field in ("a", "t", "f", "none", "big", "empty", "inf"):
            peers.check([("HINCRBYFLOAT", "h", field, amount)])
        peers.check([("HINCRBYFLOAT", "fresh", "f", amount), ("HINCRBYFLOAT", "str", "f", amount)])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["HINCRBY h a 1", "HINCRBY h a x", "HINCRBYFLOAT h a 1.5", "HINCRBYFLOAT g a 1"])


class TestRandomFields:
    @pytest.mark.parametrize(
        "count", ["0", "5", "-3", "x", "1.5", "9223372036854775807", "-9223372036854775808", "-1"]
    )
    @pytest.mark.parametrize("rest", ["", " WITHVALUES", " withvalues", " FOO", " WITHVALUES x"])
    def test_of_one_field(self, peers: Differential, count: str, rest: str) -> None:
        peers.check([*FILL, *(f"HRANDFIELD {key} {count}{rest}" for key in ("other", "no", "str"))])

    @pytest.mark.parametrize("count", ["4611686018427387904", "-4611686018427387904", "4611686018427387903"])
    def test_counts_that_with_values_are_too_many(self, peers: Differential, count: str) -> None:
        peers.check([*FILL, f"HRANDFIELD other {count} WITHVALUES"])

    def test_one(self, peers: Differential) -> None:
        peers.check([*FILL, "HRANDFIELD other", "HRANDFIELD no", "HRANDFIELD str", "HRANDFIELD"])

    def test_each_as_likely_as_another(self) -> None:
        client = EngineClient()
        fields = [b"%d" % number for number in range(100)]
        client.execute("HSET", "h", *(part for field in fields for part in (field, b"v" + field)))
        assert {client.execute("HRANDFIELD", "h") for _ in range(2000)} == set(fields)
        some = client.execute("HRANDFIELD", "h", 10)
        assert len(set(some)) == 10
        assert sorted(client.execute("HRANDFIELD", "h", 100)) == sorted(fields)
        assert len(client.execute("HRANDFIELD", "h", -1000)) == 1000
        client.execute("HELLO", 3)
        pairs = client.execute("HRANDFIELD", "h", 10, "WITHVALUES")
        assert len(pairs) == 10
        assert all(value == b"v" + field for field, value in pairs)


class TestEncoding:
    def test_by_size(self, peers: Differential) -> None:
        peers.check(["HSET h f v", "OBJECT ENCODING h", f"HSET h f {'x' * 64}", "OBJECT ENCODING h"])
        peers.check([f"HSET h f {'x' * 65}", "OBJECT ENCODING h", "HSET h f x", "OBJECT ENCODING h"])
        peers.check(
            [("HSET", "many", *range(1024)), "OBJECT ENCODING many", "HSET many x y", "OBJECT ENCODING many"]
        )
        peers.check(
            [f"HSET long {'x' * 65} v", "OBJECT ENCODING long", "COPY long twin", "OBJECT ENCODING twin"]
        )


_KEYS = st.sampled_from(["h", "other", "no", "str"])
_FIELDS = st.sampled_from(["a", "b", "x", "t", ""])
_VALUES = st.sampled_from(["1", "-7", "text", "", "2.5", b"\0\xff"])
_AMOUNTS = st.sampled_from(["1", "-5", "x", "9223372036854775807"])

_COMMANDS = sequences(
    ("HSET", _KEYS, _FIELDS, _VALUES),
    ("HSET", _KEYS, _FIELDS, _VALUES, _FIELDS, _VALUES),
    ("HMSET", _KEYS, _FIELDS, _VALUES),
    ("HSETNX", _KEYS, _FIELDS, _VALUES),
    ("HGET", _KEYS, _FIELDS),
    ("HMGET", _KEYS, _FIELDS, _FIELDS),
    ("HGETALL", _KEYS),
    ("HKEYS", _KEYS),
    ("HVALS", _KEYS),
    ("HLEN", _KEYS),
    ("HSTRLEN", _KEYS, _FIELDS),
    ("HEXISTS", _KEYS, _FIELDS),
    ("HDEL", _KEYS, _FIELDS, _FIELDS),
    ("HINCRBY", _KEYS, _FIELDS, _AMOUNTS),
    ("HINCRBYFLOAT", _KEYS, _FIELDS, st.sampled_from(["0.5", "x", "-1e3"])),
    ("HSCAN", _KEYS, "0", "MATCH", st.sampled_from(["*", "?", "[a-c]*"])),
    ("HRANDFIELD", _KEYS, "0"),
    ("COPY", _KEYS, _KEYS, "REPLACE"),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, FILL, commands)
