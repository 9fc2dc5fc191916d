from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.pulsards.datatypes import DEFAULT_LIMITS, EncodingLimits, StreamValue
from anystore.pulsards.datatypes.stream_groups import Consumer, Group
from anystore.pulsards.datatypes.stream_ids import MAX_ID
from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb import RdbError, dump_payload, listpack, load_payload
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.rdb.test_payload import mutated
from tests.pulsards.persistence.rdb.values import texts
from tests.servers import RealServer

# Times within 48 bits, so that the servers' clocks are ahead of some and behind others.
_TIMES = st.integers(0, 2**48)


def signed(body: bytes, version: int = 10) -> bytes:
    data = body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def content(value: Any) -> Any:
    """All that a stream is, but for how its entries are divided."""
    groups = {
        name: (
            group.last_id,
            group.entries_read,
            [
                (number, group.pending[number].time, group.pending[number].count)
                for number in group.pending.ids_from()
            ],
            {
                consumer.name: (consumer.seen_time, list(consumer.pending.ids_from()))
                for consumer in group.consumers.values()
            },
        )
        for name, group in value.groups.items()
    }
    counters = (value.last_id, value.max_deleted_id, value.entries_added, len(value))
    return value.range(0), counters, groups


@st.composite
def streams(draw: st.DrawFn) -> StreamValue:
    """Streams of up to some hundred entries, some removed, with groups in the middle of their work."""
    value = StreamValue()
    limits = EncodingLimits(stream_node_max_entries=draw(st.sampled_from([1, 3, 100])))
    steps = draw(
        st.lists(st.sampled_from([1, 5, 2**63, 1 << 64, 7 << 64, (1 << 64) - 3, 2**90]), max_size=12)
    )
    names = draw(st.lists(texts, min_size=1, max_size=3))
    for step in steps:
        fields = [part for name in names for part in (name, draw(texts))]
        value.append(value.last_id + step, fields, sum(map(len, fields)), limits)
        if draw(st.integers(0, 4)) == 0:
            names = draw(st.lists(texts, min_size=1, max_size=2))
    numbers = value.ids(0)
    for number in draw(st.lists(st.sampled_from(numbers), max_size=4)) if numbers else []:
        value.delete(number)
    value.trim(value.beyond_length(draw(st.integers(0, 12)), False))
    for name in draw(st.lists(texts, max_size=2)):
        _fill(draw, value, name, numbers)
    return value


def _fill(draw: st.DrawFn, value: StreamValue, name: bytes, numbers: list[int]) -> None:
    group = value.groups[name] = Group(
        draw(st.sampled_from([0, MAX_ID, *numbers])), draw(st.integers(-1, 99))
    )
    for consumer_name in draw(st.lists(texts, max_size=3, unique=True)):
        consumer = group.consumers[consumer_name] = Consumer(consumer_name, draw(_TIMES))
        for number in draw(st.lists(st.sampled_from(numbers), max_size=5)) if numbers else []:
            group.deliver(number, consumer, draw(_TIMES))
            group.pending[number].count = draw(st.sampled_from([1, 2, 63, 64, 2**31, 2**40]))


class TestThereAndBack:
    @given(value=streams())
    def test_here(self, value: StreamValue) -> None:
        assert content(load_payload(dump_payload(value))) == content(value)

    @settings(max_examples=150)
    @given(value=streams())
    def test_by_the_real_servers(self, real_servers: dict[str, RealServer], value: StreamValue) -> None:
        payload = dump_payload(value)
        for server in real_servers.values():
            client = RealClient(server.port)
            assert client.execute("RESTORE", "d", 0, payload, "REPLACE") == b"OK"
            theirs = client.execute("DUMP", "d")
            client.close()
            assert content(load_payload(theirs)) == content(value)

    def test_the_bytes_are_those_of_redis(self, redis_server: RealServer | None) -> None:
        assert redis_server is not None, "redis-server is to be on PATH"
        theirs, ours = RealClient(redis_server.port), EngineClient()
        for client in (ours, theirs):
            for command in (
                "DEL s",
                "XADD s 1-1 f v g 123",
                "XADD s 70000-2 f w g -5000",
                "XADD s 70000-3 other x",
                "XGROUP CREATE s g 1 ENTRIESREAD 1",
                "XGROUP CREATE s 12 $",
                "XGROUP CREATECONSUMER s g d",
                "XCLAIM s g c 0 1-1 70000-3 FORCE RETRYCOUNT 300 TIME 1700000000000",
            ):
                client.execute(*command.split())
        mine, reply = ours.execute("DUMP", "s"), theirs.execute("DUMP", "s")
        # But for when the two consumers were seen, just now.
        assert len(mine) == len(reply)
        assert sum(left != right for left, right in zip(mine[:-8], reply[:-8], strict=True)) <= 2 * 4
        assert ours.execute("RESTORE", "s", 0, reply, "REPLACE") == b"OK"
        assert ours.execute("DUMP", "s") == reply
        theirs.close()

    def test_what_they_wrote_themselves(self, real_servers: dict[str, RealServer]) -> None:
        for server in real_servers.values():
            ours, theirs = EngineClient(), RealClient(server.port)
            commands = [
                *(
                    ("XADD", "s", f"{number}-{number % 3}", "f", number, "g", "x" * (number % 90))
                    for number in range(1, 260)
                ),
                ("XDEL", "s", "7-1", "100-1", "101-2", "259-1"),
                ("XTRIM", "s", "MAXLEN", 240),
                ("XGROUP", "CREATE", "s", "g", "0"),
                ("XREADGROUP", "GROUP", "g", "c", "COUNT", 20, "STREAMS", "s", ">"),
                ("XREADGROUP", "GROUP", "g", "d", "COUNT", 3, "STREAMS", "s", ">"),
                ("XGROUP", "CREATE", "s", "12", "$", "ENTRIESREAD", "-1"),
            ]
            theirs.execute("DEL", "s", "t")
            for command in commands:
                theirs.execute(*command)
            assert ours.execute("RESTORE", "s", 0, theirs.execute("DUMP", "s")) == b"OK"
            for command in [("XADD", "s", "900", "a", "b"), ("XTRIM", "s", "MAXLEN", "~", 100)]:
                assert ours.execute(*command) == theirs.execute(*command)
            assert theirs.execute("RESTORE", "t", 0, ours.execute("DUMP", "s")) == b"OK"
            assert ours.execute("COPY", "s", "t") == 1
            for key in ("s", "t"):
                for command in [("XRANGE", key, "-", "+"), ("XPENDING", key, "g", "-", "+", 99, "c")]:
                    mine, reply = ours.execute(*command), theirs.execute(*command)
                    assert [item[:2] for item in mine] == [item[:2] for item in reply]
            assert _full(ours, "s") == _full(theirs, "s")
            theirs.close()

    def test_times_of_consumers(self, valkey: RealServer) -> None:
        """Which the third version has, and the second, that is written, has not."""
        client = RealClient(valkey.port)
        client.execute("DEL", "s")
        client.execute("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        client.execute("XGROUP", "CREATECONSUMER", "s", "g", "c")
        value = load_payload(client.execute("DUMP", "s"))
        client.close()
        assert isinstance(value, StreamValue)
        consumer = value.groups[b"g"].consumers[b"c"]
        assert consumer.active_time == -1
        assert consumer.seen_time > 1_700_000_000_000
        copy = load_payload(dump_payload(value))
        assert isinstance(copy, StreamValue)
        assert copy.groups[b"g"].consumers[b"c"].active_time == consumer.seen_time


def _full(client: Any, key: str) -> Any:
    client.execute("HELLO", 3)
    info = client.execute("XINFO", "STREAM", key, "FULL", "COUNT", 0)
    client.execute("HELLO", 2)
    # What begins so Redis has since 8.6.
    return {
        name: info[name]
        for name in info
        if name not in (b"groups", b"radix-tree-nodes") and not name.startswith((b"idmp", b"iids", b"pids"))
    }


class TestOlderVersions:
    def test_redis_5(self) -> None:
        client = EngineClient()
        assert client.execute("RESTORE", "s", 0, _redis_5()) == b"OK"
        client.execute("HELLO", 3)
        assert client.execute("XRANGE", "s", "-", "+") == [[b"5-1", [b"f", b"v"]], [b"6-0", [b"f", b"w"]]]
        info = client.execute("XINFO", "STREAM", "s")
        assert info[b"entries-added"] == 2
        assert info[b"max-deleted-entry-id"] == b"0-0"
        [group] = client.execute("XINFO", "GROUPS", "s")
        assert (group[b"entries-read"], group[b"pending"], group[b"lag"]) == (1, 1, 1)

    def test_redis_5_as_valkey_reads_it(self, valkey: RealServer) -> None:
        ours, theirs = EngineClient(), RealClient(valkey.port)
        for client in (ours, theirs):
            assert client.execute("RESTORE", "s", 0, _redis_5(), "REPLACE") == b"OK"
        assert content(load_payload(theirs.execute("DUMP", "s"))) == content(
            load_payload(ours.execute("DUMP", "s"))
        )
        theirs.close()


def _node(*items: object) -> bytes:
    return listpack.pack(item if isinstance(item, bytes) else b"%d" % item for item in items)  # type: ignore[str-bytes-safe]


def _string(text: bytes) -> bytes:
    assert len(text) < 0x4000
    return (bytes([len(text)]) if len(text) < 0x40 else struct.pack(">H", 0x4000 | len(text))) + text


_MASTER = struct.pack(">QQ", 5, 1)
_ENTRIES = (2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 1, -1, b"w", 4)


def _redis_5(pending_of_consumer: bytes = _MASTER) -> bytes:
    """A stream of two entries, and a group that the first one was delivered to."""
    body = b"\x0f\x01" + _string(_MASTER) + _string(_node(*_ENTRIES)) + b"\x02\x06\x00"
    body += b"\x01" + _string(b"g") + b"\x05\x01" + b"\x01" + _MASTER + struct.pack("<q", 1000) + b"\x01"
    return signed(body + b"\x01" + _string(b"c") + struct.pack("<q", 2000) + b"\x01" + pending_of_consumer)


def _stream(
    *entries: object, counters: bytes = b"\x02\x06\x00\x05\x01\x00\x00\x02", groups: bytes = b"\x00"
) -> bytes:
    return b"\x13\x01" + _string(_MASTER) + _string(_node(*(entries or _ENTRIES))) + counters + groups


def _group(pending: bytes, consumers: bytes) -> bytes:
    return b"\x01\x01g\x05\x01\x01" + pending + consumers


_ONE = _MASTER + bytes(8) + b"\x01"
_CONSUMER = b"\x01c" + bytes(8)


def bad_streams() -> Iterator[tuple[bytes, str]]:
    yield b"\x13\x01" + _string(_MASTER[1:]) + _string(_node(*_ENTRIES)), "no ID"
    yield b"\x13\x01" + _string(_MASTER) + _string(_node(*_ENTRIES[:-1])), "ends early"
    yield _stream(*_ENTRIES, 5), "more entries"
    yield _stream(b"x", *_ENTRIES[1:]), "text for a number"
    yield _stream(2, 0, -1), "negative"
    yield _stream(2, 0, 1, b"f", 1), "begins wrongly"
    yield _stream(0, 0, 1, b"f", 0), "begins wrongly"
    yield _stream(-1, 3, 1, b"f", 0), "begins wrongly"
    yield _stream(2, 0, 9223372036854775807, b"f", 0), "ends early"
    yield _stream(9223372036854775807, 9223372036854775807, 1, b"f", 0), "ends early"
    yield _stream(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 0, 0, b"w", 4), "out of order"
    yield _stream(2, 0, 1, b"f", 0, 2, 0, -1, b"v", 4, 2, 1, 0, b"w", 4), "out of order"
    yield _stream(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 5, 2, 1, 0, b"w", 4), "another size"
    yield _stream(2, 0, 1, b"f", 0, 3, 0, 0, b"v", 4, 2, 1, -1, b"w", 4), "another number of entries"
    yield _stream(2, 0, 1, b"f", 0, 0, 0, 0, -1, 5), "negative"
    yield _stream(counters=b"\x03\x06\x00\x05\x01\x00\x00\x03"), "something else"
    yield _stream(counters=b"\x02\x05\x02\x05\x01\x00\x00\x02"), "something else"
    yield _stream(counters=b"\x02\x06\x00\x06\x00\x00\x00\x02"), "something else"
    yield _stream(counters=b"\x02\x06\x00\x05\x01\x00\x00\x81" + b"\xff" * 8), "entries added"
    twice = _string(_MASTER) + _string(_node(*_ENTRIES))
    yield b"\x13\x02" + twice + twice, "runs of a stream are out of order"
    yield b"\x13\x81" + b"\xff" * 8, "announced"
    yield _stream(groups=b"\x81" + b"\xff" * 8), "announced"
    yield _stream(groups=b"\x02" + 2 * (b"\x01g\x05\x01\x01\x00\x00")), "group of a stream repeats"
    yield _stream(groups=_group(b"\x02" + _ONE + _ONE, b"\x00")), "pending entry of a stream repeats"
    yield _stream(groups=_group(b"\x01" + _ONE, b"\x00") + bytes(9)), "no consumer"
    yield _stream(groups=_group(b"\x01" + _MASTER + b"\xff" * 8 + b"\x01", b"\x00")), "time of a delivery"
    yield (
        _stream(groups=_group(b"\x01" + _MASTER + bytes(8) + b"\x81" + b"\xff" * 8, b"\x00")),
        "number of deliveries",
    )
    yield _stream(groups=_group(b"\x80\xff\xff\xff\xff", b"")), "announced"
    yield _stream(groups=_group(b"\x00", b"\x02" + 2 * (_CONSUMER + b"\x00"))), "consumer of a stream repeats"
    yield _stream(groups=_group(b"\x00", b"\x01" + _CONSUMER + b"\x01" + _MASTER)), "not its own"
    both = b"\x02" + _CONSUMER + b"\x01" + _MASTER + b"\x01d" + bytes(8) + b"\x01" + _MASTER
    yield _stream(groups=_group(b"\x01" + _ONE, both)), "not its own"
    yield _stream(groups=_group(b"\x00", b"\x01\x01c" + b"\xff" * 8 + b"\x00")), "time of a consumer"
    third = _stream(groups=_group(b"\x00", b"\x01\x01c" + bytes(8) + b"\xfe" + b"\xff" * 7 + b"\x00"))
    yield b"\x15" + third[1:], "time of a consumer"
    yield b"\x1a" + _stream()[1:], "expected"
    yield b"\x1a" + _stream()[1:] + b"\x01\x01\x81" + b"\xff" * 8, "announced"
    yield b"\x1a" + _stream()[1:] + b"\x01\x01\x01\x01p\x81" + b"\xff" * 8, "announced"
    held = b"\x01\x01c" + bytes(16) + b"\x00" + b"\x01" + _MASTER
    yield b"\x1b" + _stream(groups=_group(b"\x01" + _ONE, held))[1:], "given back"


class TestHostilePayloads:
    def test_the_frame_of_the_others_is_right(self) -> None:
        pending = _group(b"\x01" + _ONE, b"\x01" + _CONSUMER + b"\x01" + _MASTER)
        value = load_payload(signed(_stream(groups=pending)))
        assert isinstance(value, StreamValue)
        assert value.range(0) == [(b"5-1", [b"f", b"v"]), (b"6-0", [b"f", b"w"])]
        assert list(value.groups[b"g"].consumers[b"c"].pending) == [5 << 64 | 1]

    @pytest.mark.parametrize(("body", "reason"), list(bad_streams()))
    def test_they_are_refused_and_the_reason_told(self, body: bytes, reason: str) -> None:
        with pytest.raises(RdbError, match=reason):
            load_payload(signed(body))

    @settings(max_examples=200)
    @given(value=streams(), data=st.data())
    def test_mutations_load_or_are_refused(self, value: StreamValue, data: st.DataObject) -> None:
        try:
            loaded = load_payload(signed(mutated(dump_payload(value)[:-10], data)))
        except RdbError:
            return
        assert load_payload(dump_payload(loaded, DEFAULT_LIMITS)) is not None

    @settings(max_examples=150)
    @given(value=streams(), data=st.data())
    def test_what_is_accepted_works(self, value: StreamValue, data: st.DataObject) -> None:
        """Every command gets on with it, whatever it is."""
        client = EngineClient()
        payload = signed(mutated(dump_payload(value)[:-10], data))
        if client.execute("RESTORE", "s", 0, payload) != b"OK" or client.execute("TYPE", "s") != b"stream":
            return
        commands = [
            *("XRANGE s - +", "XREVRANGE s + -", "XINFO STREAM s FULL", "XINFO GROUPS s", "XTRIM s MAXLEN 3"),
            *(
                "XADD s * a b",
                "XDEL s 1",
                "XTRIM s MINID 99",
                "XGROUP CREATE s new 0",
                "XREADGROUP GROUP new c STREAMS s >",
            ),
            *("XAUTOCLAIM s new d 0 0", "XPENDING s new - + 10", "COPY s t", "XINFO STREAM t FULL"),
        ]
        for command in commands:
            reply = client.execute(*command.split())
            assert not (isinstance(reply, tuple) and "internal" in reply[1]), (command, reply)
        for group in [one[1] for one in client.execute("XINFO", "GROUPS", "s")]:
            assert len(client.execute("XPENDING", "s", group)) == 4
            client.execute("XAUTOCLAIM", "s", group, "x", 0, 0)
