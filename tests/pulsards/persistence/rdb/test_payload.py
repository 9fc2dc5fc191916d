from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.pulsards.datatypes import (
    DEFAULT_LIMITS,
    EncodingLimits,
    HashValue,
    ListValue,
    SetValue,
    SortedSetValue,
)
from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb import (
    PayloadMismatch,
    RdbError,
    Value,
    ValueType,
    dump_payload,
    listpack,
    load_payload,
)
from tests.pulsards.persistence.rdb.values import content, hash_of, values
from tests.servers import RealServer
from tests.spec.wire import Wire


def signed(body: bytes, version: int = 10) -> bytes:
    """A payload of any content with the right check sum."""
    data = body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def read_back(wire: Wire) -> Any:
    """The value of the key `d`, as `content` has it, by the commands that read it."""
    match wire.call(b"TYPE", b"d"):
        case b"string":
            return wire.call(b"GET", b"d")
        case b"list":
            return wire.call(b"LRANGE", b"d", b"0", b"-1")
        case b"set":
            return set(wire.call(b"SMEMBERS", b"d"))
        case b"hash":
            flat = wire.call(b"HGETALL", b"d")
            return dict(zip(flat[::2], flat[1::2], strict=True)), None
        case b"zset":
            flat = wire.call(b"ZRANGE", b"d", b"0", b"-1", b"WITHSCORES")
            return [(float(score), member) for member, score in zip(flat[::2], flat[1::2], strict=True)]
        case other:
            raise AssertionError(other)


class TestWithTheRealServers:
    @settings(max_examples=150, deadline=None)
    @given(value=values)
    def test_s16_ours_is_restored_there_and_theirs_here(
        self, real_servers: dict[str, RealServer], value: Value
    ) -> None:
        payload = dump_payload(value)
        for server in real_servers.values():
            with Wire(server.port, protocol=2) as wire:
                assert wire.call(b"RESTORE", b"d", b"0", payload, b"REPLACE") == b"OK"
                assert read_back(wire) == content(value)
                theirs = wire.call(b"DUMP", b"d")
            assert content(load_payload(theirs)) == content(value)

    @pytest.mark.parametrize(
        "value",
        [
            b"text",
            b"12",
            b"-40000",
            b"2147483648",
            ListValue([b"1", b"two", b"-3", b"4" * 70]),
            SetValue([b"3", b"1", b"70000"]),
            SortedSetValue({b"a": 1.0, b"b": 2.5, b"c": inf}),
            hash_of({b"f": b"1", b"g": b"two"}),
            hash_of({b"f": bytes(range(65))}),
            SortedSetValue({bytes(range(65)): 1.5, b"b": -2.0}),
            SetValue([bytes(range(65))]),
        ],
        ids=repr,
    )
    def test_the_bytes_are_those_of_redis(self, redis_server: RealServer | None, value: Value) -> None:
        assert redis_server is not None, "redis-server is to be on PATH"
        with Wire(redis_server.port, protocol=2) as wire:
            assert wire.call(b"RESTORE", b"d", b"0", dump_payload(value), b"REPLACE") == b"OK"
            assert wire.call(b"DUMP", b"d") == dump_payload(value)

    def test_field_expiry_of_valkey(self, valkey: RealServer) -> None:
        with Wire(valkey.port, protocol=2) as wire:
            wire.call(b"DEL", b"d")
            wire.call(b"HSET", b"d", b"f", b"v", b"g", b"w")
            wire.call(b"HPEXPIREAT", b"d", b"2000000000000", b"FIELDS", b"1", b"f")
            value = load_payload(wire.call(b"DUMP", b"d"))
        assert content(value) == ({b"f": b"v", b"g": b"w"}, {b"f": 2000000000000})

    @settings(max_examples=100, deadline=None)
    @given(value=values, data=st.data())
    def test_what_is_accepted_means_the_same_to_valkey(
        self, valkey: RealServer, value: Value, data: st.DataObject
    ) -> None:
        body = mutated(dump_payload(value)[:-10], data)
        try:
            loaded = load_payload(signed(body))
        except RdbError:
            return  # Valkey accepts more: it reads on into the check sum, and takes numbers with a tail
        with Wire(valkey.port, protocol=2) as wire:
            wire.call(b"CONFIG", b"SET", b"sanitize-dump-payload", b"yes")  # else it may crash
            assert wire.call(b"RESTORE", b"d", b"0", signed(body), b"REPLACE") == b"OK"
            theirs = read_back(wire)
            wire.call(b"CONFIG", b"SET", b"sanitize-dump-payload", b"no")
        if isinstance(loaded, SortedSetValue):
            theirs.sort()  # a listpack out of order stays so there
        assert theirs == content(loaded)


def mutated(body: bytes, data: st.DataObject) -> bytes:
    """`body` with some bytes changed, inserted or left out, mostly near its beginning."""
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, min(len(changed), 40)) | st.integers(0, len(changed)))
        match data.draw(st.sampled_from(["set", "set", "insert", "drop", "cut"])):
            case "set":
                changed[place : place + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "insert":
                changed[place:place] = data.draw(st.binary(max_size=4))
            case "drop":
                del changed[place : place + data.draw(st.integers(1, 4))]
            case _:
                del changed[place:]
    return bytes(changed)


class TestHostilePayloads:
    @settings(max_examples=500, deadline=None)
    @given(value=values, data=st.data())
    def test_s16_mutations_load_or_are_refused(self, value: Value, data: st.DataObject) -> None:
        try:
            loaded = load_payload(signed(mutated(dump_payload(value)[:-10], data)))
        except RdbError:
            return
        assert content(load_payload(dump_payload(loaded))) == content(loaded)

    @settings(max_examples=500, deadline=None)
    @given(
        kind=st.sampled_from(ValueType), body=st.binary(max_size=60), version=st.sampled_from([6, 10, 12, 80])
    )
    def test_anything_of_any_type(self, kind: ValueType, body: bytes, version: int) -> None:
        with suppress(RdbError):
            load_payload(signed(bytes([kind]) + body, version))

    @pytest.mark.parametrize("kind", ValueType)
    @pytest.mark.parametrize(
        "body",
        [
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",  # a length of 2**64 - 1
            b"\x80\x7f\xff\xff\xff",
            b"\xc3\x04\x81\x00\x00\x00\xff\xff\xff\xff\xff\x00a\xe0\xff",  # a compressed string said to be huge
            b"\xc3\x04\x80\x1f\xff\xff\xff\x00a\xe0\xff",
            b"\x00" * 8 + b"\x80\x7f\xff\xff\xff",
        ],
    )
    def test_announced_sizes_cost_no_memory(self, kind: ValueType, body: bytes) -> None:
        tracemalloc.start()
        try:
            with suppress(RdbError):  # as a string, one of them is empty, and the rest goes unread
                load_payload(signed(bytes([kind]) + body))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 500_000

    @pytest.mark.parametrize("payload", [b"", b"123456789", b"x" * 10, dump_payload(b"v")[:-1] + b"\x00"])
    def test_check_sums(self, payload: bytes) -> None:
        with pytest.raises(PayloadMismatch):
            load_payload(payload)

    @pytest.mark.parametrize(
        ("version", "accepted"),
        [(1, True), (12, True), (15, True), (16, False), (79, False), (80, True), (81, False)],
    )
    def test_versions(self, version: int, accepted: bool) -> None:
        payload = signed(b"\x00\x01v", version)
        if accepted:
            assert load_payload(payload) == b"v"
        else:
            with pytest.raises(PayloadMismatch, match="version"):
                load_payload(payload)

    @pytest.mark.parametrize("kind", [ValueType.MODULE, ValueType.MODULE_2, 8, 28, 99, 255], ids=str)
    def test_unknown_types(self, kind: int) -> None:
        with pytest.raises(RdbError, match=f"type {int(kind)} "):
            load_payload(signed(bytes([kind]) + b"\x01a"))


class TestFieldExpiry:
    def test_there_and_back(self) -> None:
        value = hash_of({b"a": b"1", b"b": b"2", b"c": b"3"})
        value.expire_at(b"b", 1_700_000_000_500)
        value.expire_at(b"c", 1_700_000_000_000)
        payload = dump_payload(value)
        assert payload[0] == ValueType.HASH_METADATA
        assert payload[-10:-8] == b"\x0c\x00"
        assert content(load_payload(payload)) == content(value)

    def test_the_release_candidates_form(self) -> None:
        body = b"\x16\x02\x81" + (1700000000000).to_bytes(8, "big") + b"\x01f\x01v\x00\x01g\x01w"
        assert content(load_payload(signed(body, 12))) == ({b"f": b"v", b"g": b"w"}, {b"f": 1700000000000})

    @pytest.mark.parametrize("first", [b"", (1_700_000_000_000).to_bytes(8, "little")])
    def test_listpacks(self, first: bytes) -> None:
        packed = listpack.pack([b"f", b"v", b"1700000000000", b"g", b"w", b"0"])
        kind = ValueType.HASH_LISTPACK_EX if first else ValueType.HASH_LISTPACK_EX_PRE_GA
        body = bytes([kind]) + first + bytes([len(packed)]) + packed
        assert content(load_payload(signed(body, 12))) == ({b"f": b"v", b"g": b"w"}, {b"f": 1700000000000})

    @pytest.mark.parametrize("time", [b"-1", b"x", b"9" * 15, b"9" * 21, b""])
    def test_impossible_times(self, time: bytes) -> None:
        packed = listpack.pack([b"f", b"v", time])
        with pytest.raises(RdbError):
            load_payload(signed(bytes([ValueType.HASH_LISTPACK_EX_PRE_GA, len(packed)]) + packed))

    def test_impossible_times_of_valkey(self) -> None:
        body = b"\x16\x01\x01f\x01v" + (-5).to_bytes(8, "little", signed=True)
        with pytest.raises(RdbError, match="impossible"):
            load_payload(signed(body, 80))

    @pytest.mark.parametrize(
        ("body", "version"),
        [
            (b"\x18" + bytes(8) + b"\x02\x00\x01f\x01v\x00\x01f\x01w", 12),
            (b"\x16\x02\x01f\x01v" + b"\xff" * 8 + b"\x01f\x01v" + b"\xff" * 8, 80),
            (b"\x17\x15\x15\x00\x00\x00\x06\x00\x81f\x02\x00\x01\x00\x01\x81f\x02\x00\x01\x00\x01\xff", 12),
        ],
    )
    def test_fields_that_repeat(self, body: bytes, version: int) -> None:
        with pytest.raises(RdbError, match="repeats"):
            load_payload(signed(body, version))


class TestOldForms:
    """As Redis before 7 wrote them, and Redis 7.2's sets."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"\x01\x02\x01a\xc0\x05", [b"a", b"5"]),
            (b"\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff", [(-inf, b"c"), (1.5, b"a"), (inf, b"b")]),
            (b"\x09\x0e\x02\x01f\x01\x00v\x01g\x01\x02wxx\xff", ({b"f": b"v", b"g": b"w"}, None)),
            (b"\x14\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff", {b"a", b"b"}),
            (b"\x12\x01\x01\x05plain", [b"plain"]),
        ],
    )
    def test_small_ones(self, body: bytes, expected: Any) -> None:
        assert content(load_payload(signed(body))) == expected

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            (ValueType.LIST_ZIPLIST, [b"a", b"3"]),
            (ValueType.HASH_ZIPLIST, ({b"a": b"3"}, None)),
            (ValueType.ZSET_ZIPLIST, [(3.0, b"a")]),
        ],
    )
    def test_ziplists(self, kind: ValueType, expected: Any) -> None:
        ziplist = b"\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00" + b"\x00\x01a" + b"\x03\xf4" + b"\xff"
        assert content(load_payload(signed(bytes([kind, len(ziplist)]) + ziplist))) == expected
        quicklist = bytes([ValueType.LIST_QUICKLIST, 2]) + 2 * (bytes([len(ziplist)]) + ziplist)
        assert content(load_payload(signed(quicklist))) == [b"a", b"3", b"a", b"3"]


class TestNonsense:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"\x02\x02\x01a\x01a", "repeats"),
            (b"\x04\x02\x01a\x01b\x01a\x01c", "repeats"),
            (b"\x05\x02\x01a" + bytes(8) + b"\x01a" + bytes(8), "repeats"),
            (b"\x05\x01\x01a" + struct.pack("<d", float("nan")), "not a number"),
            (b"\x03\x01\x01a\xfd", "not a number"),
            (b"\x03\x01\x01a\x03abc", "not a number"),
            (b"\x02\x00", "empty"),
            (b"\x12\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff", "empty"),
            (b"\x0a\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff", "empty"),
            (b"\x10\x07\x07\x00\x00\x00\x00\x00\xff", "empty"),
            (b"\x11\x07\x07\x00\x00\x00\x00\x00\xff", "empty"),
            (b"\x14\x07\x07\x00\x00\x00\x00\x00\xff", "empty"),
            (b"\x17\x07\x07\x00\x00\x00\x00\x00\xff", "empty"),
            (b"\x10\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff", "no value"),
            (b"\x11\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff", "no score"),
            (b"\x11\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff", "not a number"),
            (b"\x12\x01\x03\x01a", "container"),
            (b"\x00\xc4", "begin a string"),
            (b"\x00\xc3\xc0", "begin a length"),
            (b"\x00\xc3\x02\x05ab", "compressed"),
            (b"\x00", "expected"),
            (b"", "expected"),
        ],
    )
    def test_it_is_refused_and_the_reason_told(self, body: bytes, reason: str) -> None:
        with pytest.raises(RdbError, match=reason):
            load_payload(signed(body))


class TestWriting:
    def test_a_changed_string(self) -> None:
        assert dump_payload(bytearray(b"12")) == dump_payload(b"12")

    def test_lists_are_cut_into_listpacks(self) -> None:
        value = ListValue([b"1", b"2", b"3", b"4", b"5"])
        by_two = dump_payload(value, EncodingLimits(list_max_listpack_size=2))
        assert by_two[1] == 3
        assert dump_payload(value)[1] == 1
        assert content(load_payload(by_two)) == list(value)
        assert dump_payload(ListValue([bytes(4000)] * 5))[1] == 3

    def test_limits_decide_the_encoding(self) -> None:
        none = EncodingLimits(
            hash_max_listpack_entries=0, set_max_intset_entries=0, zset_max_listpack_entries=0
        )
        assert dump_payload(hash_of({b"f": b"v"}))[0] == ValueType.HASH_LISTPACK
        assert dump_payload(hash_of({b"f": b"v"}), none)[0] == ValueType.HASH
        assert dump_payload(SetValue([b"1"]))[0] == ValueType.SET_INTSET
        assert dump_payload(SetValue([b"1"]), none)[0] == ValueType.SET
        assert dump_payload(SortedSetValue({b"m": 1}))[0] == ValueType.ZSET_LISTPACK
        assert dump_payload(SortedSetValue({b"m": 1}), none)[0] == ValueType.ZSET_2

    def test_compression_has_its_limit(self) -> None:
        assert len(dump_payload(b"x" * 60_000)) < 2000
        assert len(dump_payload(b"x" * 70_000)) > 70_000
        value = HashValue()
        value.put_many([part for number in range(100) for part in (b"%d" % number, b"y" * 1000)])
        assert 30_000 < len(dump_payload(value)) < 50_000

    @pytest.mark.parametrize("size", [63, 64, 16383, 16384, 70_000])
    def test_lengths_of_strings(self, size: int) -> None:
        text = bytes(place * 7919 >> 3 & 255 for place in range(size))
        assert load_payload(dump_payload(text, DEFAULT_LIMITS)) == text
