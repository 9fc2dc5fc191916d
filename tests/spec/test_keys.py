"""Key positions against COMMAND GETKEYSANDFLAGS of real servers: chosen calls, random calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.spec import (
    Argument,
    CommandSpec,
    IndexSearch,
    KeyNumber,
    KeyRange,
    KeySpec,
    KeywordSearch,
    key_flags,
    key_positions,
    lookup,
    specs,
)
from anystore.spec.keys import compile_finder, legacy_range
from tests.servers import RealServer
from tests.spec.wire import Wire

CALLS = """
GET k
SET k v
SET k v GET
SET k v NX get EX 10
SETEX k 10 v
MGET a b c
MSET a 1 b 2
MSETNX a 1 b 2
DEL a b c
OBJECT ENCODING k
OBJECT FREQ k
MEMORY USAGE k SAMPLES 5
XINFO STREAM k FULL
XGROUP CREATE k g $ MKSTREAM
BITOP AND dst a b c
BITFIELD k GET u8 0
BITFIELD k OVERFLOW SAT GET u8 0 GET i4 #1
BITFIELD k SET u8 0 1
BITFIELD k GET u8 0 INCRBY u8 0 1
BITFIELD k NOSUCH
BITFIELD_RO k GET u8 0
RENAME a b
COPY a b DB 2 REPLACE
SMOVE a b m
LMOVE a b LEFT RIGHT
BLMOVE a b LEFT RIGHT 0
BLPOP a b c 0
BRPOPLPUSH a b 0
BZPOPMIN a b 0
LMPOP 2 a b LEFT COUNT 2
BLMPOP 0 2 a b LEFT
ZMPOP 1 a MIN
BZMPOP 1.5 2 a b MAX COUNT 3
SINTERCARD 2 a b LIMIT 3
SUNIONSTORE dst a b
SDIFF a b
ZUNIONSTORE dst 2 a b WEIGHTS 1 2 AGGREGATE MAX
ZINTERSTORE dst 1 a
ZINTER 2 a b WITHSCORES
ZINTERCARD 2 a b LIMIT 1
ZDIFFSTORE dst 2 a b
ZRANGESTORE dst src 0 -1
GEOSEARCHSTORE dst src FROMMEMBER m BYRADIUS 1 km ASC STOREDIST
GEORADIUS k 1 2 3 km
GEORADIUS k 1 2 3 km COUNT 5 ANY ASC STORE dst
GEORADIUS k 1 2 3 km storedist dst
GEORADIUSBYMEMBER k store 3 km STORE dst
GEORADIUSBYMEMBER k m 3 km STOREDIST dst
SORT k
SORT k BY store LIMIT 0 3 GET # GET store ALPHA STORE dst
SORT k by w_* get o_* store dst desc
SORT k LIMIT STORE a STORE dst
SORT_RO k BY w_* GET #
EVAL script 2 a b c d
EVALSHA sha 1 a b
EVAL_RO script 1 a
FCALL f 2 a b c
FCALL_RO f 1 a
XREAD STREAMS a b 0 0
XREAD COUNT 5 BLOCK 0 streams streams b 0 $
XREADGROUP GROUP g c STREAMS a b > >
XREADGROUP GROUP streams c COUNT 1 NOACK STREAMS a >
XREAD STREAMS a b 0
MIGRATE host 6379 k 0 1000
MIGRATE host 6379 k 0 1000 COPY REPLACE AUTH keys
MIGRATE host 6379 EMPTY 0 1000 KEYS a b c
MIGRATE host 6379 EMPTY 0 1000 COPY AUTH2 keys keys KEYS keys b
MIGRATE host 6379 EMPTY 0 1000 AUTH keys KEYS a
PFMERGE dst a b
PFCOUNT a b
PFDEBUG GETREG k
RESTORE k 0 payload REPLACE
WATCH a b
LCS a b LEN
TOUCH a b
LPUSH k a b
HSET k f v
HEXPIRE k 10 FIELDS 2 a b
HSETEX k EX 10 FIELDS 1 f v
GEOPOS k m
XADD k * f v
XACK k g 1-1
XAUTOCLAIM k g c 0 0
XPENDING k g - + 5
MSETEX 2 a 1 b 2 NX
DELIFEQ k v
"""
# What a server refuses to name keys for: because the call has none, or because it is malformed.
WITHOUT_KEYS = """
PING
CONFIG GET save
OBJECT HELP
SUBSCRIBE a
SSUBSCRIBE a b
SPUBLISH a m
PUBLISH a m
SCAN 0
KEYS *
EVAL script 0
EVAL script 5 a
EVAL script x a
EVAL script -1 a
LMPOP 0 a LEFT
ZINTER 3 a b
XREAD COUNT 5
XREAD COUNT 5 BLOCK 0
"""


def arguments(line: str) -> list[bytes]:
    return [b"" if word == "EMPTY" else word.encode() for word in line.split()]


def ours(args: list[bytes]) -> list[tuple[bytes, frozenset[str]]]:
    return [(args[position], flags) for position, flags in key_flags(args)]


def theirs(reply: Any) -> list[tuple[bytes, frozenset[str]]]:
    return [(key, frozenset(flag.decode() for flag in flags)) for key, flags in reply]


class TestChosenCalls:
    @pytest.mark.parametrize("line", CALLS.strip().splitlines())
    def test_as_the_servers(self, valkey: RealServer, redis_server: RealServer | None, line: str) -> None:
        args = arguments(line)
        assert key_positions(args) == [position for position, _ in key_flags(args)]
        for server in filter(None, (valkey, redis_server)):
            with Wire(server.port) as wire:
                if wire.call(b"COMMAND", b"INFO", args[0]) == [None]:
                    continue
                reply = wire.call(b"COMMAND", b"GETKEYSANDFLAGS", *args)
            assert isinstance(reply, list), reply
            assert [key for key, _ in ours(args)] == [key for key, _ in theirs(reply)]
            if args[0] not in FLAGS_DIFFER:
                assert ours(args) == theirs(reply)

    @pytest.mark.parametrize("line", WITHOUT_KEYS.strip().splitlines())
    def test_none(self, valkey: RealServer, line: str) -> None:
        args = arguments(line)
        with Wire(valkey.port) as wire:
            reply = wire.call(b"COMMAND", b"GETKEYS", *args)
        assert reply == [] if args[0] == b"EVAL" else isinstance(reply, Exception)
        assert key_positions(args) == []

    @pytest.mark.parametrize(
        ("line", "keys"),
        [
            # Servers have no answer, or not the one that the command itself goes by.
            ("PFMERGE dst", "dst"),
            ("EVAL script +1 a", ""),
            ("EVAL script 01 a", ""),
            ("ZUNIONSTORE dst 9 a", "dst"),
            ("XREADGROUP COUNT 1 GROUP g streams STREAMS a b > >", "a b"),
            ("GEORADIUS k 1 2 3 km STORE a STORE b", "k a b"),
            ("GEORADIUSBYMEMBER k m 3 km STORE a STOREDIST b", "k a b"),
            ("SORT k STORE limit STORE dst", "k dst"),
            ("MIGRATE host 6379 k 0 1000 KEYS a", "a"),
            ("XREADGROUP GROUP g c STREAMS", ""),
            ("XREADGROUP GROUP g c NOSUCH STREAMS a >", ""),
            ("XREADGROUP GROUP g c", ""),
        ],
    )
    def test_better(self, line: str, keys: str) -> None:
        args = arguments(line)
        assert [args[position] for position in key_positions(args)] == keys.encode().split()

    def test_too_short(self) -> None:
        for spec in specs().values():
            name = [part.encode() for part in spec.name.split("|")]
            for count in range(4):
                args = name + [b"1"] * count
                assert all(0 < position < len(args) for position in spec.key_positions(args))

    def test_unknown(self) -> None:
        assert (
            key_positions([])
            == key_positions([b"nosuch", b"k"])
            == key_positions([b"object", b"x", b"k"])
            == []
        )
        assert key_flags([b"nosuch", b"k"]) == []


# Redis 7.0 says that SINTERSTORE reads its destination, Valkey looks for another STORE in the two GEORADIUS,
# and of the newer hash commands we have Redis' flags.
FLAGS_DIFFER = {b"SINTERSTORE", b"GEORADIUS", b"GEORADIUSBYMEMBER", b"HSETEX", b"HGETEX"}


@st.composite
def calls(draw: st.DrawFn) -> list[bytes]:
    """A call of any command that has keys, by its documented syntax; its keys stand out from the rest."""
    spec = draw(st.sampled_from(WITH_KEYS))
    keys = (b"key:%d" % number for number in range(1000))
    args = [part.encode() for part in spec.name.split("|")]
    return args + [word for node in spec.arguments for word in draw(words(node, keys))]


WITH_KEYS = [
    spec
    for spec in specs().values()
    if any("not_key" not in key_spec.flags for key_spec in spec.key_specs)
    # A syntax cannot say that a number counts the words after it, nor that there are as many IDs as keys.
    and not any(isinstance(key_spec.find_keys, KeyNumber) for key_spec in spec.key_specs)
    and spec.name not in {"migrate", "xread", "xreadgroup", "sort", "sort_ro"}
]


@st.composite
def words(draw: st.DrawFn, node: Argument, keys: Iterable[bytes]) -> list[bytes]:
    """Words for a node of a syntax: nothing for an optional one at times, several for a multiple one."""
    if node.optional and draw(st.booleans()):
        return []
    token = [] if node.token is None else [node.token.encode()]
    found: list[bytes] = []
    for turn in range(draw(st.integers(1, 3)) if node.multiple else 1):
        if token and (turn == 0 or "multiple_token" in node.flags):
            found += token
        if node.type == "oneof":
            found += draw(words(draw(st.sampled_from(node.arguments)), keys))
        elif node.type == "block":
            found += [word for child in node.arguments for word in draw(words(child, keys))]
        elif node.type == "key":
            found.append(next(iter(keys)))
        elif node.type != "pure-token":
            found.append(draw(st.sampled_from([b"1", b"value", b"-1"])))
    return found


def is_key(args: list[bytes]) -> list[int]:
    return [position for position, word in enumerate(args) if word.startswith(b"key:")]


class TestRandomCalls:
    @settings(max_examples=400, deadline=None)
    @given(calls())
    def test_by_syntax(self, args: list[bytes]) -> None:
        assert sorted(key_positions(args)) == is_key(args)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(calls(), min_size=20, max_size=20))
    def test_as_the_servers(
        self, valkey: RealServer, redis_server: RealServer | None, drawn: list[list[bytes]]
    ) -> None:
        for server in filter(None, (valkey, redis_server)):
            with Wire(server.port) as wire:
                replies = wire.call_all([(b"COMMAND", b"GETKEYS", *args) for args in drawn])
            for args, reply in zip(drawn, replies, strict=True):
                # Commands and arities that the older server does not know are errors.
                if isinstance(reply, list):
                    assert [args[position] for position in key_positions(args)] == reply
                elif server is valkey:
                    assert str(reply).removeprefix("ERR ").startswith(REFUSALS), (args, reply)

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_counted_keys(self, data: st.DataObject) -> None:
        spec = data.draw(st.sampled_from(COUNTED))
        [counted] = [key_spec for key_spec in spec.key_specs if isinstance(key_spec.find_keys, KeyNumber)]
        begin, find = counted.begin_search, counted.find_keys
        assert isinstance(begin, IndexSearch)
        assert isinstance(find, KeyNumber)
        count = data.draw(st.integers(0, 5))
        args = [b"key:dst"] * len(spec.key_specs[1:])
        args = [spec.name.encode(), *args, *[b"1"] * (begin.index - 1 - len(args)), str(count).encode()]
        for number in range(count):
            args += [b"key:%d" % number, *[b"value"] * (find.keystep - 1)]
        args += data.draw(st.lists(st.sampled_from([b"WEIGHTS", b"1", b"LEFT"]), max_size=3))
        assert sorted(spec.key_positions(args)) == is_key(args)

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(list(specs().values())), st.lists(st.binary(max_size=3), max_size=8))
    def test_any_arguments(self, spec: CommandSpec, rest: list[bytes]) -> None:
        args = [part.encode() for part in spec.name.split("|")] + rest
        positions = spec.key_positions(args)
        assert len(set(positions)) == len(positions)
        assert all(0 < position < len(args) for position in positions)
        if spec.single_key:
            assert positions == ([1] if len(args) > 1 else [])


COUNTED = [
    spec
    for spec in specs().values()
    if any(isinstance(key_spec.find_keys, KeyNumber) for key_spec in spec.key_specs)
]
# A call that is not well-formed, or of a command that only Redis 8 has.
REFUSALS = ("Invalid arguments", "Invalid number of arguments", "Invalid command")


class TestCompiling:
    def test_keyword_backwards(self) -> None:
        spec = KeySpec(frozenset({"RO"}), KeywordSearch("KEYS", -2), KeyRange(-1, 1, 0))
        find = compile_finder("nosuch", [spec])
        assert find([b"x", b"keys", b"keys", b"a", b"b"]) == [3, 4]
        assert find([b"x", b"a", b"b", b"keys"]) == []

    def test_keyword_forwards(self) -> None:
        spec = KeySpec(frozenset({"RO"}), KeywordSearch("STREAMS", 1), KeyRange(-1, 1, 2))
        find = compile_finder("nosuch", [spec])
        assert find([b"x", b"Streams", b"streams", b"b", b"0", b"0"]) == [2, 3]
        assert find([b"x", b"a", b"streams"]) == []

    def test_fast_path(self) -> None:
        assert lookup("get").key_positions is lookup("set").key_positions  # type: ignore[union-attr]
        assert lookup("ping").key_positions is lookup("spublish").key_positions  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("name", "triple"),
        [
            ("get", (1, 1, 1)),
            ("mset", (1, -1, 2)),
            ("blpop", (1, -2, 1)),
            ("rename", (1, 2, 1)),
            ("pfmerge", (1, -1, 1)),
            ("bitop", (2, -1, 1)),
            ("object|encoding", (2, 2, 1)),
            ("zunionstore", (1, 1, 1)),
            ("eval", (0, 0, 0)),
            ("ping", (0, 0, 0)),
        ],
    )
    def test_legacy_range(self, name: str, triple: tuple[int, int, int]) -> None:
        spec = lookup(name)
        assert spec is not None
        assert (spec.first_key, spec.last_key, spec.key_step) == triple

    def test_legacy_range_stops_at_a_gap(self) -> None:
        parts = [KeySpec(frozenset(), IndexSearch(index), KeyRange(0, 1, 0)) for index in (1, 3)]
        assert legacy_range(parts) == (1, 1, 1)
