from __future__ import annotations

from typing import Any

import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_LISTPACKS = "7.0 keeps lists and sets in none"
_EMBEDDED = "Valkey embeds longer strings, by the length of the key"
_UNSHARED = "Valkey shares no integers by now"

KNOWN = {
    ("redis", "OBJECT ENCODING list"): _LISTPACKS,
    ("redis", "OBJECT ENCODING set"): _LISTPACKS,
    ("valkey", "OBJECT REFCOUNT number"): _UNSHARED,
    ("valkey", "OBJECT REFCOUNT counter"): _UNSHARED,
}


class TestEncoding:
    @pytest.mark.parametrize(
        ("value", "encoding"),
        [
            *(("0", "int"), ("-1", "int"), ("9223372036854775807", "int"), ("9223372036854775808", "embstr")),
            *(("01", "embstr"), ("1.0", "embstr"), ("", "embstr"), ("x" * 44, "embstr"), ("x" * 200, "raw")),
            *((" 1", "embstr"), ("-0", "embstr"), ("-9223372036854775808", "int"), ("+1", "embstr")),
        ],
    )
    def test_of_strings(self, peers: Differential, value: str, encoding: str) -> None:
        assert peers.check([("SET", "a", value), "OBJECT ENCODING a"])[-1] == encoding.encode()
        peers.check(
            [("APPEND", "b", value), "OBJECT ENCODING b", ("GETSET", "a", value), "OBJECT ENCODING a"]
        )
        peers.check([("MSET", "c", value), "OBJECT ENCODING c", "COPY c d", "OBJECT ENCODING d"])

    def test_of_a_longer_string(self, peers: Differential) -> None:
        assert peers.check([f"SET a {'x' * 45}", "OBJECT ENCODING a"], without=["valkey"])[-1] == b"raw"

    @pytest.mark.parametrize(
        "command",
        [
            *(
                "APPEND a 1",
                "SETRANGE a 0 1",
                "SETBIT a 1 1",
                "BITFIELD a SET u8 0 49",
                "BITOP OR a a",
                "INCR a",
            ),
            *(
                "INCRBYFLOAT a 0.5",
                "GETRANGE a 0 0",
                "GETEX a",
                "EXPIRE a 100",
                "RENAME a a",
                "SETNX a 1",
                "BITOP NOT a a",
            ),
        ],
    )
    def test_after_a_change(self, peers: Differential, command: str) -> None:
        peers.check(["SET a 5", command, "OBJECT ENCODING a", "COPY a b", "OBJECT ENCODING b"])

    def test_of_the_other_types(self, peers: Differential) -> None:
        peers.check(["RPUSH list 1", "SADD set a", "SADD integers 1", "ZADD zset 1 a", "HSET hash f v"])
        peers.check([f"OBJECT ENCODING {key}" for key in ("list", "set", "integers", "zset", "hash", "no")])
        peers.check([f"HSET hash f {'x' * 100}", "OBJECT ENCODING hash"])


class TestRest:
    def test_references(self, peers: Differential) -> None:
        peers.check(
            ["SET number 5", "SET large 10000", "SET str x", "RPUSH list 1", "INCR counter", "SET low -1"]
        )
        peers.check(
            [f"OBJECT REFCOUNT {key}" for key in ("number", "large", "str", "list", "counter", "low", "no")]
        )

    def test_arguments(self, peers: Differential) -> None:
        peers.check(
            ["SET a 1", "OBJECT FREQ a", "OBJECT FREQ no", "OBJECT IDLETIME no", "OBJECT", "OBJECT FOO"]
        )
        peers.check(
            ["OBJECT ENCODING", "OBJECT ENCODING a b", "object idletime", "OBJECT FOO a", "OBJECT HELP a"]
        )

    def test_help(self) -> None:
        lines: list[Any] = EngineClient().execute("OBJECT", "HELP")
        assert {line.split()[0] for line in lines if not line.startswith(b" ")} == {
            *(b"OBJECT", b"ENCODING", b"FREQ", b"IDLETIME", b"REFCOUNT", b"HELP")
        }

    @pytest.mark.parametrize(
        ("command", "idle"),
        [
            *(
                ("GET a", 0),
                ("APPEND a x", 0),
                ("SET a 1", 0),
                ("TOUCH a", 0),
                ("STRLEN a", 0),
                ("COPY a b", 0),
            ),
            *(
                ("TTL a", 10),
                ("TYPE a", 10),
                ("EXISTS a", 10),
                ("OBJECT ENCODING a", 10),
                ("SCAN 0", 10),
                ("KEYS *", 10),
            ),
        ],
    )
    def test_idle_time(self, command: str, idle: int) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "a", "1")
        clock.advance(10)
        client.execute(*command.split())
        assert client.execute("OBJECT", "IDLETIME", "a") == idle
