from __future__ import annotations

import random
from typing import Any

import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_CURSORS = "since 7.2 a cursor is a number and nothing else"
_NO_VALUES = "NOVALUES is of 7.4"
_TYPES = "Valkey refuses an unknown type; Redis up to 7.4 finds nothing of it"

KNOWN = {
    ("redis", "SCAN -1"): _CURSORS,
    ("redis", "SCAN "): _CURSORS,
    **{("redis", f"HSCAN {key} {cursor}"): _CURSORS for key in ("h", "no", "str") for cursor in ("-1", "")},
    ("redis", "SCAN 0 NOVALUES"): _NO_VALUES,
    ("redis", "SCAN 0 MATCH f* novalues COUNT 5"): _NO_VALUES,
    ("redis", "SSCAN s 0 NOVALUES"): _NO_VALUES,
    ("redis", "ZSCAN z 0 NOVALUES"): _NO_VALUES,
    ("valkey", "SCAN 0 TYPE foo"): _TYPES,
    ("valkey", "SCAN 0 type foo"): _TYPES,
    ("valkey", "SCAN 0 TYPE "): _TYPES,
}

FILL = ["SET str x", "APPEND long abc", "RPUSH list 1", "SADD s a b", "ZADD z 1 a", "HSET h f v g w"]


@pytest.mark.parametrize("cursor", ["0", "x", "-1", "", "1x", "18446744073709551616", "1.0"])
def test_cursors(peers: Differential, cursor: str) -> None:
    peers.check(
        [*FILL, ("SCAN", cursor), ("HSCAN", "h", cursor), ("HSCAN", "str", cursor), ("HSCAN", "no", cursor)]
    )


@pytest.mark.parametrize(
    "options",
    [
        *(
            "COUNT 0",
            "COUNT -1",
            "COUNT x",
            "COUNT",
            "MATCH",
            "FOO",
            "FOO 1",
            "TYPE",
            "COUNT 9 MATCH",
            "COUNT 1.5",
        ),
        *(
            "COUNT 1000",
            "MATCH *",
            "match s*",
            "MATCH z* MATCH s*",
            "COUNT 100 MATCH ?",
            "COUNT 9223372036854775808",
        ),
        *(
            "TYPE string",
            "TYPE HASH",
            "type foo",
            "TYPE foo",
            "TYPE list MATCH l*",
            "TYPE zset TYPE set",
            "NOVALUES",
        ),
        *("MATCH f* novalues COUNT 5", "TYPE ", "COUNT 9223372036854775807"),
    ],
)
def test_options(peers: Differential, options: str) -> None:
    peers.check(FILL)
    peers.check([f"SCAN 0 {options}"])
    if "novalues" not in options.lower():
        peers.check([f"HSCAN {key} 0 {options}" for key in ("h", "no", "str")])


def test_arity(peers: Differential) -> None:
    peers.check([*FILL, "SCAN", "HSCAN", "HSCAN h", "SSCAN s 0 NOVALUES", "ZSCAN z 0 NOVALUES"])


def test_no_values(peers: Differential) -> None:
    peers.check(["HSET h f v g w", "SADD s x"])
    peers.check(["HSCAN s 0 NOVALUES", "HSCAN no 0 NOVALUES"])
    for client in (peers.engine, peers.servers["valkey"]):
        assert client.execute("HSCAN", "h", 0, "NOVALUES") == [b"0", [b"f", b"g"]]
        assert client.execute("HSCAN", "h", 0, "MATCH", "g", "NOVALUES", "COUNT", 5) == [b"0", [b"g"]]


def _walk(client: EngineClient, *command: Any, step: int) -> list[bytes]:
    found: list[bytes] = []
    cursor: Any = 0
    while True:
        cursor, members = client.execute(*command, cursor, "COUNT", step)
        found += members
        if cursor == b"0":
            return found


class TestWalking:
    @pytest.mark.parametrize("step", [1, 3, 10, 1000])
    def test_over_all_keys(self, step: int) -> None:
        client = EngineClient()
        for number in range(100):
            client.execute("SET", number, "x")
        assert sorted(_walk(client, "SCAN", step=step)) == sorted(b"%d" % number for number in range(100))

    def test_while_keys_come_and_go(self) -> None:
        client = EngineClient()
        chance = random.Random(5)
        lasting = {b"stays%d" % number for number in range(200)}
        passing = [b"goes%d" % number for number in range(400)]
        for key in [*lasting, *passing[:200]]:
            client.execute("SET", key, "x")
        found: set[bytes] = set()
        cursor: Any = 0
        while True:
            cursor, keys = client.execute("SCAN", cursor, "COUNT", 7)
            found.update(keys)
            if cursor == b"0":
                break
            for key in chance.sample(passing, 20):
                client.execute(
                    chance.choice(["SET", "DEL"]), *([key, "x"] if chance.random() < 0.5 else [key])
                )
        assert found >= lasting

    def test_a_large_hash(self) -> None:
        client = EngineClient()
        fields = {b"%d" % number: b"v%d" % number for number in range(2000)}
        client.execute("HSET", "h", *(part for pair in fields.items() for part in pair))
        found = _walk(client, "HSCAN", "h", step=50)
        assert dict(zip(found[::2], found[1::2], strict=True)) == fields

    def test_past_what_has_expired(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "a", "1", "EX", 10)
        client.execute("SET", "b", "1", "EX", 11)
        clock.advance(10)
        assert client.execute("SCAN", 0) == [b"0", [b"b"]]
        assert client.execute("DBSIZE") == 1


def test_members_without_their_scores(peers: Differential) -> None:
    commands = [
        "ZADD z 1 a 2 b",
        "ZSCAN z 0 NOSCORES",
        "ZSCAN z 0 MATCH b* noscores COUNT 5",
        "ZSCAN no 0 NOSCORES",
    ]
    commands += [
        "HSET h f 1",
        "HSCAN h 0 NOSCORES",
        "SSCAN no 0 NOSCORES",
        "SCAN 0 NOSCORES",
        "ZSCAN z 0 NOSCORES x",
    ]
    ours = [peers.engine.execute(*command.split()) for command in commands]
    assert ours[1] == [b"0", [b"a", b"b"]]
    # Neither pairs nor scores: what `check` knows of ZSCAN's replies does not hold here.
    assert peers.servers["valkey"].run([command.split() for command in commands]) == ours
