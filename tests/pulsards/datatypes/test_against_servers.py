"""Encodings and orders, compared with the real servers after random histories."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.pulsards.datatypes import (
    EncodingLimits,
    HashValue,
    LexRange,
    ListValue,
    SetValue,
    SortedSetValue,
)
from tests.servers import RealServer
from tests.spec.wire import Wire

LIMITS = EncodingLimits(
    hash_max_listpack_entries=3,
    hash_max_listpack_value=6,
    list_max_listpack_size=4,
    set_max_intset_entries=5,
    set_max_listpack_entries=3,
    set_max_listpack_value=6,
    zset_max_listpack_entries=3,
    zset_max_listpack_value=6,
)
SETTINGS = {
    b"hash-max-listpack-entries": b"3",
    b"hash-max-listpack-value": b"6",
    b"list-max-listpack-size": b"4",
    b"set-max-intset-entries": b"5",
    b"set-max-listpack-entries": b"3",
    b"set-max-listpack-value": b"6",
    b"zset-max-listpack-entries": b"3",
    b"zset-max-listpack-value": b"6",
}

names = st.one_of(
    st.sampled_from([b"a", b"b", b"longer than six"]), st.integers(-3, 9).map(lambda n: b"%d" % n)
)
# Steps of additions (True) and removals.
History = list[tuple[bool, list[bytes]]]
histories = st.lists(
    st.tuples(st.booleans(), st.lists(names, min_size=1, max_size=3)), min_size=1, max_size=12
)


class Session:
    """A connection with the limits above, which its end sets back."""

    def __init__(self, server: RealServer) -> None:
        self.wire = Wire(server.port, protocol=2)

    def __enter__(self) -> Wire:
        self._before = {}
        for name, setting in SETTINGS.items():
            reply = self.wire.call(b"CONFIG", b"GET", name)
            if reply:  # Redis 7.0 does not know set-max-listpack-entries
                self._before[name] = reply[1]
                self.wire.call(b"CONFIG", b"SET", name, setting)
        self.wire.call(b"DEL", b"d")
        return self.wire

    def __exit__(self, *_: object) -> None:
        for name, setting in self._before.items():
            self.wire.call(b"CONFIG", b"SET", name, setting)
        self.wire.__exit__(None, None, None)


@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_hashes(valkey: RealServer, redis_server: RealServer | None, history: History) -> None:
    for server in filter(None, (valkey, redis_server)):
        with Session(server) as wire:
            value = HashValue()
            for add, fields in history:
                if add:
                    pairs = [part for field in fields for part in (field, b"1")]
                    wire.call(b"HSET", b"d", *pairs)
                    value.put_many(pairs)
                else:
                    wire.call(b"HDEL", b"d", *fields)
                    value.remove_many(fields)
                if not value:
                    value = HashValue()
                    continue
                encoding = value.encoding(LIMITS)
                assert wire.call(b"OBJECT", b"ENCODING", b"d") == encoding
                if encoding == b"listpack":
                    assert wire.call(b"HKEYS", b"d") == list(value)


@settings(max_examples=100, deadline=None)
@given(history=histories)
def test_sets(valkey: RealServer, history: History) -> None:
    with Session(valkey) as wire:
        value = SetValue()
        for add, members in history:
            if add:
                wire.call(b"SADD", b"d", *members)
                value.add_many(members)
            else:
                wire.call(b"SREM", b"d", *members)
                value.remove_many(members)
            if not value:
                value = SetValue()
                continue
            encoding = value.encoding(LIMITS)
            assert wire.call(b"OBJECT", b"ENCODING", b"d") == encoding
            if encoding == b"intset":
                assert wire.call(b"SMEMBERS", b"d") == value.members(LIMITS)


@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_sorted_sets(valkey: RealServer, redis_server: RealServer | None, history: History) -> None:
    for server in filter(None, (valkey, redis_server)):
        with Session(server) as wire:
            value = SortedSetValue()
            for number, (add, members) in enumerate(history):
                if add:
                    for member in members:
                        wire.call(b"ZADD", b"d", b"%d" % (number % 3), member)
                        value.put(member, number % 3)
                else:
                    wire.call(b"ZREM", b"d", *members)
                    for member in members:
                        value.remove(member)
                if not value:
                    value = SortedSetValue()
                    continue
                assert wire.call(b"OBJECT", b"ENCODING", b"d") == value.encoding(LIMITS)
                assert wire.call(b"ZRANGE", b"d", b"0", b"-1") == [
                    member for _, member in value.items_slice(0, len(value))
                ]


@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_lists(valkey: RealServer, history: History) -> None:
    with Session(valkey) as wire:
        value = ListValue()
        for add, elements in history:
            if add:
                wire.call(b"RPUSH", b"d", *elements)
                value.extend(elements)
            elif value:
                wire.call(b"RPOP", b"d", b"%d" % len(elements))
                value.pop_many(len(elements), left=False)
            if not value:
                value = ListValue()
                continue
            encoding = value.encoding(LIMITS)
            assert wire.call(b"OBJECT", b"ENCODING", b"d") == encoding


@settings(max_examples=40, deadline=None)
@given(
    scores=st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), st.integers(0, 2), min_size=1),
    low=st.sampled_from([b"-", b"+", b"[a", b"(b", b"[c", b"[z"]),
    high=st.sampled_from([b"-", b"+", b"[a", b"(c", b"[d", b"[z"]),
)
def test_ranges_of_members_with_mixed_scores(
    valkey: RealServer, scores: dict[bytes, int], low: bytes, high: bytes
) -> None:
    interval = LexRange.parse(low, high)
    assert interval is not None
    value = SortedSetValue({member: float(score) for member, score in scores.items()})
    with Wire(valkey.port, protocol=2) as wire:
        wire.call(b"DEL", b"d")
        for member, score in scores.items():
            wire.call(b"ZADD", b"d", b"%d" % score, member)
        forward = [member for _, member in value.items_slice(*value.by_lex(interval))]
        backward = [member for _, member in value.items_slice(*value.by_lex(interval, True), reverse=True)]
        assert wire.call(b"ZRANGEBYLEX", b"d", low, high) == forward
        assert wire.call(b"ZREVRANGEBYLEX", b"d", high, low) == backward
        assert wire.call(b"ZREMRANGEBYLEX", b"d", low, high) == len(forward)
