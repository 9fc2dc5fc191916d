"""RDB files, written and read again: whole, in pieces, damaged, cut short."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.pulsards.datatypes import (
    EncodingLimits,
    HashValue,
    ListValue,
    SetValue,
    SortedSetValue,
    StreamValue,
)
from anystore.pulsards.datatypes.stream_groups import Consumer, Group
from anystore.pulsards.persistence.rdb import (
    Aux,
    End,
    Entry,
    FileReader,
    FileWriter,
    FunctionSource,
    Header,
    RdbError,
    SelectedDatabase,
    Sizes,
    Skipped,
    Value,
    ValueType,
    dump_payload,
    listpack,
)
from tests.pulsards.persistence.rdb.files import (
    comparable,
    entries_of,
    events_of,
    pieces,
    signed_file,
    value_of,
)
from tests.pulsards.persistence.rdb.test_payload import mutated
from tests.pulsards.persistence.rdb.test_streams import streams
from tests.pulsards.persistence.rdb.values import hash_of, texts, values


class Wanted(NamedTuple):
    key: bytes
    value: Value
    expires_at: int | None
    idle: int | None
    frequency: int | None


wanted = st.builds(
    Wanted,
    texts,
    values | streams(),
    st.none() | st.integers(-(2**40), 2**47).filter(lambda time: time != -1),
    st.none() | st.integers(0, 2**33),
    st.none() | st.integers(0, 255),
)


def written(wanted: list[Wanted], version: int = 10, **options: bool) -> bytes:
    writer = FileWriter(version, **options)
    parts = [writer.header({b"redis-ver": b"7.4.0", b"ctime": b"1700000000"}), writer.function(b"#!lua")]
    parts.append(writer.database(3, len(wanted), 0))
    parts += [writer.entry(*entry) for entry in wanted]
    parts.append(writer.end())
    return b"".join(parts)


class TestThereAndBack:
    @settings(max_examples=60, deadline=None)
    @given(
        entries=st.lists(wanted, max_size=4),
        size=st.sampled_from([1, 2, 3, 7, 100, 5000]),
        compress=st.booleans(),
        checksum=st.booleans(),
    )
    def test_in_pieces_of_any_size(
        self, entries: list[Wanted], size: int, compress: bool, checksum: bool
    ) -> None:
        data = written(entries, compress=compress, checksum=checksum)
        found = events_of(data, size)
        assert found[:4] == [
            Header(10, False),
            Aux(b"redis-ver", b"7.4.0"),
            Aux(b"ctime", b"1700000000"),
            FunctionSource(b"#!lua"),
        ]
        assert found[4:6] == [SelectedDatabase(3), Sizes(len(entries), 0)]
        for entry, event in zip(entries, found[6:-1], strict=True):
            assert isinstance(event, Entry)
            assert (event.database, event.key, event.expires_at) == (3, entry.key, entry.expires_at)
            assert (event.idle_seconds, event.frequency) == (entry.idle, entry.frequency)
            assert dump_payload(event.value) == dump_payload(entry.value)
        assert isinstance(found[-1], End)
        assert bool(found[-1].checksum) == checksum

    def test_what_comes_behind_is_left_over(self) -> None:
        data = written([Wanted(b"k", b"v", None, None, None)])
        for size in (1, 5, 1000):
            reader = FileReader()
            for piece in pieces(data + b"*1\r\n$4\r\nPING\r\n", size):
                list(reader.feed(piece))
            assert reader.finished
            assert reader.leftover == b"*1\r\n$4\r\nPING\r\n"
            assert reader.offset == len(data)
            reader.finish()

    def test_the_offset_counts_what_has_been_read(self) -> None:
        data = written([Wanted(b"k", b"v", None, None, None)])
        reader = FileReader()
        offsets = [reader.offset for _ in reader.feed(data)]
        assert offsets == sorted(set(offsets))
        assert offsets[0] == 9
        assert reader.offset == len(data)

    def test_a_large_value_takes_time_that_grows_with_its_size_only(self) -> None:
        value = hash_of({b"field %d" % number: b"v" * 20 for number in range(20_000)})
        data = written([Wanted(b"large", value, None, None, None)], checksum=False)
        assert dict(value_of(data)) == dict(value)  # type: ignore[call-overload]
        reader = FileReader()
        for piece in pieces(data, 100):  # some 6000 pieces: with a try for each, this would not end
            for event in reader.feed(piece):
                if isinstance(event, Entry):
                    assert len(event.value) == 20_000
        reader.finish()


class TestFieldExpiry:
    value = hash_of({b"a": b"1", b"b": b"2"})
    value.expire_at(b"b", 1_900_000_000_000)

    @pytest.mark.parametrize("version", [12, 80])
    def test_it_takes_a_later_version(self, version: int) -> None:
        data = written([Wanted(b"h", self.value, None, None, None)], version)
        assert data[:9] == (b"VALKEY080" if version == 80 else b"REDIS0012")
        for size in (1, 1000):
            found = value_of(b"".join(pieces(data, size)))
            assert isinstance(found, HashValue)
            assert (dict(found), found.expires) == ({b"a": b"1", b"b": b"2"}, {b"b": 1_900_000_000_000})
            assert comparable(events_of(data, size)) == comparable(events_of(data))

    def test_version_10_cannot_say_it(self) -> None:
        with pytest.raises(RdbError, match="no way"):
            FileWriter().entry(b"h", self.value, None)

    def test_versions_that_are_not_written(self) -> None:
        with pytest.raises(ValueError, match="11 is not written"):
            FileWriter(11)


LISTPACK = b"\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff"
ZIPLIST = b"\x10\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00" + b"\x00\x01a" + b"\x03\xf4" + b"\xff"
EXPIRING = listpack.pack([b"f", b"v", b"1700000000000", b"g", b"w", b"0"])
EXPIRING = bytes([len(EXPIRING)]) + EXPIRING

#: How long and how many IDs of producers are kept, two producers with theirs, and two counters.
PRODUCERS = b"\x40\x64\x40\x64\x02\x01p\x02\x01i\x05\x01\x01j\x81" + bytes(8) + b"\x00\x01q\x00\x03\x01"

#: One value of every type, by hand: kind, content, version of the file.
EVERY_TYPE = [
    (ValueType.STRING, b"\xc3\x05\x0a\x00a\xe0\x00\x00", 1),
    (ValueType.LIST, b"\x02\x01a\xc1\x05\x01", 2),
    (ValueType.SET, b"\x02\x01a\xc2\x05\x01\x00\x00", 3),
    (ValueType.ZSET, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff", 4),
    (ValueType.HASH, b"\x01\x01f\x40\x01v", 5),
    (ValueType.ZSET_2, b"\x01\x01a" + bytes(8), 8),
    (ValueType.HASH_ZIPMAP, b"\x0e\x02\x01f\x01\x00v\x01g\x01\x02wxx\xff", 3),
    (ValueType.LIST_ZIPLIST, ZIPLIST, 6),
    (ValueType.SET_INTSET, b"\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x05\x00", 6),
    (ValueType.ZSET_ZIPLIST, ZIPLIST, 6),
    (ValueType.HASH_ZIPLIST, ZIPLIST, 6),
    (ValueType.LIST_QUICKLIST, b"\x01" + ZIPLIST, 7),
    (ValueType.HASH_LISTPACK, LISTPACK, 10),
    (ValueType.LIST_QUICKLIST_2, b"\x02\x02" + LISTPACK + b"\x01\x03abc", 10),
    (ValueType.SET_LISTPACK, LISTPACK, 11),
    (ValueType.HASH_METADATA_PRE_GA, b"\x01\x05\x01f\x01v", 12),
    (ValueType.HASH_METADATA, b"\x01" + bytes(7) + b"\x02\x05\x01f\x01v\x00\x01g\x01w", 12),
    (ValueType.HASH_METADATA_PRE_GA, b"\x01\x01f\x01v" + b"\xff" * 8, 80),
    (ValueType.HASH_LISTPACK_EX_PRE_GA, EXPIRING, 12),
    (ValueType.HASH_LISTPACK_EX, (1_700_000_000_000).to_bytes(8, "little") + EXPIRING, 12),
    (ValueType.STREAM_LISTPACKS, b"\x00\x00\x05\x00\x00", 9),
    (ValueType.STREAM_LISTPACKS_2, b"\x00\x00\x05\x01\x00\x00\x00\x00\x09\x01\x01g\x05\x01\x07\x00\x00", 10),
    (
        ValueType.STREAM_LISTPACKS_3,
        b"\x00\x00\x05\x01\x00\x00\x00\x00\x09\x01\x01g\x05\x01\x07"  # a group
        + (b"\x01" + bytes(15) + b"\x05" + bytes(8) + b"\x02")  # one entry that is pending
        + (b"\x01\x01c" + bytes(16) + b"\x01" + bytes(15) + b"\x05"),  # of one consumer
        11,
    ),
    (ValueType.STREAM_LISTPACKS_4, b"\x00\x00\x05\x01\x00\x00\x00\x00\x09\x00" + PRODUCERS, 13),
    (
        ValueType.STREAM_LISTPACKS_5,
        b"\x00\x00\x05\x01\x00\x00\x00\x00\x09\x01\x01g\x05\x01\x07"
        + (b"\x01" + bytes(15) + b"\x05" + bytes(8) + b"\x02")
        + (b"\x01\x01c" + bytes(16) + b"\x01" + bytes(15) + b"\x05" + b"\x00")  # none has been given back
        + PRODUCERS,
        14,
    ),
]


class TestFormatsThatNoServerHereWrites:
    @pytest.mark.parametrize(("kind", "body", "version"), EVERY_TYPE)
    def test_s16_every_type_in_pieces(self, kind: ValueType, body: bytes, version: int) -> None:
        data = signed_file(b"\xfe\x01" + bytes([kind]) + b"\x01k" + body + b"\x00\x04next\x01v", version)
        whole = events_of(data)
        assert [entry.key for entry in entries_of(data)] == [b"k", b"next"]
        for size in range(1, 6):
            assert comparable(events_of(data, size)) == comparable(whole)

    def test_old_times_to_live_and_hints(self) -> None:
        body = b"\xfd\x00\x00\x00\x60" + b"\xf8\x05" + b"\x00\x01k\x01v" + b"\xf9\x07\x00\x01l\x01v"
        assert entries_of(signed_file(body, 9)) == [
            Entry(0, b"k", b"v", 1000 * 0x60000000, 5, None, 5),
            Entry(0, b"l", b"v", None, None, 7, 5),
        ]

    def test_an_expiry_of_minus_one_is_none(self) -> None:
        [entry] = entries_of(signed_file(b"\xfc" + b"\xff" * 8 + b"\x00\x01k\x01v"))
        assert entry.expires_at is None

    @pytest.mark.parametrize("size", [1, 2, 1000])
    def test_what_is_passed_over(self, size: int) -> None:
        module = b"\xf7\x81\x00\x00\x00\x00\x00\x04\x04\x01" + b"\x02\x02" + b"\x01\x05\x02\x40\x70"
        module += b"\x03" + bytes(4) + b"\x04" + bytes(8) + b"\x05\x03abc" + b"\x00"
        slots = b"\xf4\x40\x70\x05\x03"
        moving = b"\xf3\x03job\x02\x00\x40\x70\x01\x05"
        data = signed_file(module + slots + moving + b"\x00\x01k\x01v", 80)
        found = events_of(data, size)
        assert [event.what.split()[0] for event in found if isinstance(event, Skipped)] == [
            "data",
            "the",
            "slots",
        ]
        assert found[-2] == Entry(0, b"k", b"v", None, None, None, 5)

    @pytest.mark.parametrize("size", [1, 2, 1000])
    def test_what_redis_86_keeps_of_keys_for_modules(self, size: int) -> None:
        body = b"\xf3\x02" + b"spec" + b"\x05\x03abc\x00" + b"spec" + b"\x01\x05\x00" + b"\x00\x01k\x01v"
        found = events_of(signed_file(body, 13), size)
        assert found[1:3] == [
            Skipped("what modules keep of single keys"),
            Entry(0, b"k", b"v", stored_bytes=5),
        ]

    @pytest.mark.parametrize(
        "body",
        [
            b"\x02\x01k\x00",
            b"\x04\x01k\x00",
            b"\x05\x01k\x00",
            b"\x01\x01k\x00",
            b"\x0e\x01k\x00",
            b"\x12\x01k\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff",
            b"\x10\x01k\x07\x07\x00\x00\x00\x00\x00\xff",
            b"\x11\x01k\x07\x07\x00\x00\x00\x00\x00\xff",
            b"\x14\x01k\x07\x07\x00\x00\x00\x00\x00\xff",
            b"\x17\x01k\x07\x07\x00\x00\x00\x00\x00\xff",
            b"\x18\x01k" + bytes(8) + b"\x00",
            b"\x0a\x01k\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff",
        ],
    )
    def test_keys_without_a_value_are_passed_over(self, body: bytes) -> None:
        data = signed_file(b"\xfc" + bytes(8) + body + b"\x00\x04next\x01v", 12)
        for size in (1, 1000):
            assert events_of(data, size)[1:-1] == [
                Skipped("a key without a value"),
                Entry(0, b"next", b"v", stored_bytes=8),
            ]

    def test_without_a_check_sum(self) -> None:
        body = b"REDIS0010\x00\x01k\x01v\xff"
        assert events_of(body + bytes(8))[-1] == End(0)
        assert events_of(signed_file(b"\x00\x01k\x01v", 4))[-1] == End(0)  # there was none before 5


class TestDamage:
    @pytest.mark.parametrize(
        ("data", "reason", "offset"),
        [
            (b"REDIS0016", "version 16", 9),
            (b"VALKEY081", "version 81", 9),
            (b"REDIS0000", "version 0", 9),
            (b"REDISabcd", "not an RDB file", 9),
            (b"*1\r\n$4\r\nPING", "not an RDB file", 9),
            (signed_file(b"\x1c\x01k\x01v", 14), "type 28 .arrays of Redis 8.8", 12),
            (signed_file(b"\x22\x01k\x01v", 15), "type 34 cannot", 12),
            (signed_file(b"\xf3\x01k\x01v", 12), "243 begins nothing", 10),
            (signed_file(b"\x06\x01k\x81\x00\x00\x00\x00\x00\x04\x04\x01"), "module type AAAAAAAEB", 21),
            (signed_file(b"\x07\x01k\x05"), "module type AAAAAAAAA", 13),
            (signed_file(b"\xf6\x01\x01"), "release candidate", 10),
            (signed_file(b"\xf7\x05\x02\x02\x09\x00"), "no part of a module", 15),
            (signed_file(b"\x00\x01k\x01v")[:-1] + b"\x00", "check sum", 14),
            (signed_file(b"\x02\x01k\x02\x01a\x01a"), "repeats", 17),
            (signed_file(b"\x00\x01k\x82"), "begin a length", 13),
            (signed_file(b"\x00\x01k\xc4"), "begin a string", 13),
            (signed_file(b"\x00\x01k\x81" + b"\x7f" * 8), "too long", 21),
        ],
    )
    @pytest.mark.parametrize("size", [1, 1000])
    def test_the_reason_and_the_byte_are_told(self, data: bytes, reason: str, offset: int, size: int) -> None:
        with pytest.raises(RdbError, match=reason) as caught:
            events_of(data, size)
        assert caught.value.offset is not None
        assert abs(caught.value.offset - offset) <= 9, caught.value

    def test_what_stands_in_front_of_the_damage_is_read(self) -> None:
        reader = FileReader()
        found = []
        with pytest.raises(RdbError):
            for event in reader.feed(signed_file(b"\x00\x01k\x01v\x1c\x01l\x01v")):
                found.append(event)
        assert found == [Header(10, False), Entry(0, b"k", b"v", None, None, None, 5)]

    def test_the_check_sum_is_not_compared_if_nobody_wants_it(self) -> None:
        reader = FileReader(verify=False)
        data = signed_file(b"\x00\x01k\x01v")[:-8] + b"12345678"
        assert list(reader.feed(data))[-1] == End(int.from_bytes(b"12345678", "little"))
        reader.finish()

    def test_cut_at_every_byte(self) -> None:
        value = SortedSetValue({b"m": 1.5})
        entries = [
            Wanted(b"k", b"v", 1 << 40, 5, None),
            Wanted(b"z", value, None, None, 3),
            Wanted(b"l", ListValue([b"x" * 100, b"12"]), None, None, None),
            Wanted(b"s", SetValue([b"1", b"2"]), None, None, None),
        ]
        data = written(entries)
        for stop in range(len(data)):
            for size in (7, 1000):
                with pytest.raises(RdbError) as caught:
                    events_of(data[:stop], size)
                assert caught.value.offset == stop

    @settings(max_examples=200, deadline=None)
    @given(
        entries=st.lists(wanted, max_size=3),
        other=st.lists(wanted, max_size=1),
        version=st.sampled_from([10, 12, 80]),
        size=st.sampled_from([1, 13, 1 << 20]),
        data=st.data(),
    )
    def test_mutations_are_read_or_refused(
        self, entries: list[Wanted], other: list[Wanted], version: int, size: int, data: st.DataObject
    ) -> None:
        original = written(entries, version, checksum=False)
        changed = original[:9] + mutated(original[9:], data)
        if other:
            spliced = written(other, version, checksum=False)
            changed = changed[: data.draw(st.integers(9, len(changed)))]
            changed += spliced[data.draw(st.integers(9, len(spliced))) :]
        reader = FileReader(verify=False)
        with suppress(RdbError):
            for piece in pieces(changed, size):
                list(reader.feed(piece))
            reader.finish()

    @settings(max_examples=300, deadline=None)
    @given(
        body=st.binary(max_size=80),
        kind=st.sampled_from([*ValueType, *range(243, 256)]),
        version=st.sampled_from([3, 10, 12, 80]),
        size=st.sampled_from([1, 1000]),
    )
    def test_anything_in_pieces_is_what_it_is_as_a_whole(
        self, body: bytes, kind: int, version: int, size: int
    ) -> None:
        data = signed_file(bytes([kind]) + b"\x01k" * (kind < 243) + body, version)
        try:
            expected = comparable(events_of(data))
        except RdbError:
            with pytest.raises(RdbError):
                events_of(data, size)
        else:
            assert comparable(events_of(data, size)) == expected

    @pytest.mark.parametrize("kind", [*ValueType, *range(243, 256)])
    @pytest.mark.parametrize("size", [3, 1000])
    @pytest.mark.parametrize(
        "body",
        [
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\x7f\xff\xff\xff",
            b"\xc3\x04\x80\x1f\xff\xff\xff\x00a\xe0\xff",
            b"\x00" * 8 + b"\x80\x7f\xff\xff\xff",
            b"\x00" * 11 + b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
        ],
    )
    def test_announced_sizes_cost_no_memory(self, kind: int, size: int, body: bytes) -> None:
        data = signed_file(bytes([kind]) + b"\x01k" * (kind < 243) + body + bytes(50))
        tracemalloc.start()
        try:
            with suppress(RdbError):
                events_of(data, size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 500_000


class TestActiveTimes:
    @pytest.mark.parametrize(("version", "kept"), [(10, False), (12, True), (80, True)])
    def test_they_take_a_later_version(self, version: int, kept: bool) -> None:
        value = StreamValue()
        group = value.groups[b"g"] = Group(0)
        consumer = group.consumers[b"c"] = Consumer(b"c", 2000)
        consumer.active_time = 1000
        data = written([Wanted(b"s", value, None, None, None)], version)
        for size in (1, 1000):
            [entry] = [event for event in events_of(data, size) if isinstance(event, Entry)]
            assert isinstance(entry.value, StreamValue)
            found = entry.value.groups[b"g"].consumers[b"c"]
            assert (found.seen_time, found.active_time) == (2000, 1000 if kept else 2000)


class TestWriting:
    def test_limits_decide_the_encoding(self) -> None:
        writer = FileWriter(limits=EncodingLimits(hash_max_listpack_entries=0))
        value = hash_of({b"f": b"v"})
        value.is_compact(EncodingLimits(hash_max_listpack_entries=0))
        assert writer.entry(b"k", value, None)[0] == ValueType.HASH

    def test_compression(self) -> None:
        assert len(FileWriter().entry(b"k", b"x" * 10_000, None)) < 500
        assert len(FileWriter(compress=False).entry(b"k", b"x" * 10_000, None)) > 10_000
        assert len(FileWriter().entry(b"k", b"x" * 500, None)) > 500  # too short to be worth the time
        noise = bytes(place * place * 7919 >> 7 & 255 for place in range(10_000))
        assert len(FileWriter().entry(b"k", noise, None)) > 10_000

    def test_the_check_sum_goes_on_over_many_entries(self) -> None:
        entries = [Wanted(b"key %d" % number, b"v" * 400, None, None, None) for number in range(500)]
        assert len(entries_of(written(entries))) == 500
