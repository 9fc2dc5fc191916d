"""The client's reply parser: against the server's encoder, in any split, and where hiredis gives up."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.exceptions import ProtocolError, ResponseError, WrongType
from anystore.resp import decode, replies
from anystore.resp.decode import decode_strings
from anystore.resp.encode import encode_reply
from anystore.resp.replies import NOT_ENOUGH, PushNotification, ReplyParser
from anystore.resp.types import (
    BigNumber,
    ErrorReply,
    MapReply,
    PushReply,
    SetReply,
    SimpleString,
    VerbatimString,
)

LINES = st.binary(max_size=20).filter(lambda text: b"\r" not in text and b"\n" not in text)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    # Looks like the beginning of an attribute in the middle of a string.
    st.binary(max_size=5).map(lambda text: text + b"\r\n|1\r\n+a"),
    LINES.map(SimpleString),
    LINES.map(lambda text: ErrorReply(b"ERR " + text)),
    st.binary(max_size=20).map(VerbatimString),
    st.integers(10**20, 10**40).map(lambda number: BigNumber(b"%d" % number)),
)
HASHABLE = st.one_of(st.binary(max_size=5), st.integers(-9, 9))


def distinct(pairs: list[tuple[Any, Any]]) -> MapReply:
    """A map of those whose keys differ for the client, too.

    With a key that comes twice hiredis takes the second value for that of the key before.
    """
    decoder = decode.ReplyDecoder()
    decoder.feed(wire(key for key, _ in pairs))
    keys: set[Any] = set()
    kept = MapReply()
    for pair in pairs:
        key = decoder.next_reply(bytes)
        if not isinstance(key, Hashable):
            kept.append(pair)
        elif key not in keys:
            keys.add(key)
            kept.append(pair)
    return kept


def aggregates(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(items, max_size=4),
        st.lists(items, max_size=4).map(SetReply),
        st.dictionaries(HASHABLE, items, max_size=3),
        st.lists(st.tuples(items, items), max_size=3).map(distinct),
    )


VALUES = st.recursive(SCALARS, aggregates, max_leaves=12)


def same(got: Any, sent: Any) -> bool:
    """Whether `got` is what a client makes of the reply `sent`."""
    if isinstance(sent, ErrorReply):
        return isinstance(got, ResponseError) and str(got) == sent.decode("utf-8", "replace")
    if isinstance(sent, MapReply):
        pairs = list(got.items()) if isinstance(got, dict) else list(got)
        return len(pairs) == len(sent) and all(
            same(key, other) and same(value, another)
            for (key, value), (other, another) in zip(pairs, sent, strict=True)
        )
    if isinstance(sent, dict):
        return (
            isinstance(got, dict)
            and list(got) == list(sent)
            and all(same(got[key], sent[key]) for key in sent)
        )
    if isinstance(sent, list):
        return (
            isinstance(got, list)
            and len(got) == len(sent)
            and all(same(mine, theirs) for mine, theirs in zip(got, sent, strict=True))
        )
    if isinstance(sent, bytes):
        return isinstance(got, bytes) and got == sent
    return type(got) is type(sent) and got == sent


def wire(values: Iterable[Any]) -> bytes:
    return b"".join(encode_reply(value, 3) for value in values)


def drained(parser: ReplyParser, decode: bool = False) -> list[Any]:
    found = []
    while (reply := parser.gets(decode)) is not NOT_ENOUGH:
        found.append(reply)
    return found


def taken(parser: ReplyParser, replies: list[Any], count: int, decode: bool = False) -> list[Any]:
    """As `drained`, by way of `gets_into`; no more than `count` are there in all."""
    while len(replies) < count:
        try:
            other = parser.gets_into(replies, count, decode)
        except UnicodeDecodeError as error:
            other = error
        if other is NOT_ENOUGH:
            break
        if other is not None:
            replies.append(other)
    return replies


class TestRoundTrip:
    @given(st.lists(VALUES, max_size=5))
    def test_replies_come_out_as_they_were_sent(self, values: list[Any]) -> None:
        parser = ReplyParser()
        parser.feed(wire(values))
        got = drained(parser)
        assert len(got) == len(values)
        assert all(same(mine, theirs) for mine, theirs in zip(got, values, strict=True)), got

    @given(st.lists(VALUES, max_size=5), st.data())
    def test_however_the_bytes_are_split(self, values: list[Any], data: st.DataObject) -> None:
        whole, split = ReplyParser(), ReplyParser()
        sent = wire(values)
        whole.feed(sent)
        got: list[Any] = []
        while sent:
            size = data.draw(st.integers(1, len(sent)))
            split.feed(sent[:size])
            sent = sent[size:]
            got += drained(split)
        assert repr(got) == repr(drained(whole))

    @given(st.lists(VALUES, max_size=5), st.integers(0, 6), st.data())
    def test_many_at_a_time_are_the_same(self, values: list[Any], count: int, data: st.DataObject) -> None:
        whole, split = ReplyParser(), ReplyParser()
        sent = wire(values)
        whole.feed(sent)
        got: list[Any] = []
        while sent:
            size = data.draw(st.integers(1, len(sent)))
            split.feed(sent[:size])
            sent = sent[size:]
            taken(split, got, count)
        # What is not asked for stays.
        assert repr(got) == repr(drained(whole)[:count])
        assert repr(drained(split)) == repr(drained(parser_at(wire(values[len(got) :]))))

    @given(st.lists(VALUES, max_size=5))
    def test_both_parsers_agree(self, values: list[Any]) -> None:
        slow = decode.ReplyDecoder()
        slow.feed(wire(values))
        parser = ReplyParser()
        parser.feed(wire(values))
        for reply in drained(parser):
            assert repr(slow.next_reply(bytes)) == repr(reply)
        assert slow.next_reply(bytes) is decode.INCOMPLETE
        assert not slow.within

    @given(st.binary(max_size=200))
    def test_garbage_is_a_protocol_error_or_nothing(self, data: bytes) -> None:
        parser = ReplyParser()
        parser.feed(data)
        try:
            drained(parser)
        except ProtocolError:
            with pytest.raises(ProtocolError):
                parser.gets()


def parser_at(data: bytes) -> ReplyParser:
    parser = ReplyParser()
    parser.feed(data)
    return parser


def parsed(data: bytes, encoding: str | None = None, **options: Any) -> list[Any]:
    parser = ReplyParser(encoding, **options)
    parser.feed(data)
    return drained(parser, decode=True)


class TestReplies:
    def test_scalars(self) -> None:
        got = parsed(
            b"+OK\r\n:12\r\n$2\r\nab\r\n,1.5\r\n,inf\r\n#t\r\n#f\r\n_\r\n$-1\r\n*-1\r\n=7\r\ntxt:abc\r\n"
        )
        assert got == [b"OK", 12, b"ab", 1.5, math.inf, True, False, None, None, None, b"abc"]

    def test_errors_are_values_of_their_class_at_any_depth(self) -> None:
        error, (inner,), bulk = parsed(b"-WRONGTYPE no\r\n*1\r\n-ERR x\r\n!7\r\nERR bad\r\n")
        assert isinstance(error, WrongType)
        assert (str(inner), inner.code) == ("ERR x", "ERR")
        assert str(bulk) == "ERR bad"

    def test_pushes_are_told_apart(self) -> None:
        push, array = parsed(b">2\r\n+message\r\n:1\r\n*1\r\n:1\r\n")
        assert isinstance(push, PushNotification)
        assert push == [b"message", 1]
        assert not isinstance(array, PushNotification)
        (slow,) = parsed(b"|1\r\n+a\r\n:1\r\n>1\r\n:2\r\n")
        assert isinstance(slow, PushNotification)

    def test_maps_with_keys_that_cannot_be_hashed_survive(self) -> None:
        data = b"+before\r\n%2\r\n*1\r\n:1\r\n+a\r\n%0\r\n+b\r\n+after\r\n"
        before, pairs, after = parsed(data)
        assert (before, after) == (b"before", b"after")
        assert pairs == MapReply([([1], b"a"), ({}, b"b")])

    def test_such_a_map_in_pieces(self) -> None:
        parser = ReplyParser()
        for byte in b"+before\r\n%1\r\n*1\r\n:1\r\n+a\r\n":
            parser.feed(bytes([byte]))
            for reply in drained(parser):
                last = reply
        assert last == MapReply([([1], b"a")])
        parser.feed(b":7\r\n")
        assert drained(parser) == [7]

    def test_attributes_never_pass_for_replies(self) -> None:
        attribute = b"|1\r\n+ttl\r\n:3600\r\n"
        assert parsed(attribute + b":1\r\n:2\r\n") == [1, 2]
        assert parsed(b":1\r\n" + attribute + b"*2\r\n" + attribute + b":2\r\n:3\r\n:4\r\n") == [1, [2, 3], 4]
        assert parsed(b"|0\r\n+OK\r\n") == [b"OK"]

    def test_nulls_behind_an_attribute(self) -> None:
        attribute = b"|1\r\n+a\r\n:1\r\n"
        assert parsed(attribute + b"$-1\r\n" + attribute + b"*-1\r\n" + attribute + b"_\r\n") == [None] * 3

    def test_an_attribute_split_anywhere(self) -> None:
        data = b":1\r\n|1\r\n+ttl\r\n:3600\r\n:2\r\n:3\r\n"
        for cut in range(1, len(data)):
            parser = ReplyParser()
            parser.feed(data[:cut])
            got = drained(parser)
            parser.feed(data[cut:])
            assert got + drained(parser) == [1, 2, 3]

    @pytest.mark.parametrize("unit", [b"x", b"\r\n|"])
    def test_large_replies_are_not_kept_twice(self, unit: bytes) -> None:
        size = 3 * replies.KEPT_BYTES
        text = (unit * size)[:size]
        data = b"$%d\r\n%b\r\n" % (size, text)
        parser = ReplyParser()
        for start in range(0, len(data), 65536):
            parser.feed(data[start : start + 65536])
        assert drained(parser) == [text]
        parser.feed(b"%1\r\n*0\r\n:1\r\n")
        assert drained(parser) == [MapReply([([], 1)])]

    def test_what_is_too_far_back_to_be_read_again_is_a_protocol_error(self) -> None:
        parser = ReplyParser()
        parser.feed(b"*2\r\n$%d\r\n" % replies.KEPT_BYTES + b"x" * replies.KEPT_BYTES)
        parser.feed(b"\r\n%1\r\n*0\r\n:1\r\n")
        with pytest.raises(ProtocolError, match="not RESP"):
            parser.gets()

    def test_has_data(self) -> None:
        parser = ReplyParser()
        assert not parser.has_data
        parser.feed(b":1\r\n:2\r\n")
        assert parser.has_data
        drained(parser)
        assert not parser.has_data
        parser.feed(b"|1\r\n+a\r\n:1\r\n:1\r\n")
        assert parser.has_data
        assert drained(parser) == [1]
        assert not parser.has_data


class TestDecoding:
    def test_each_reply_is_decoded_or_not(self) -> None:
        parser = ReplyParser("utf-8")
        parser.feed("$2\r\né\r\n".encode() * 2)
        assert parser.gets() == "é"
        assert parser.gets(False) == "é".encode()

    @pytest.mark.parametrize("before", [b"", b"|1\r\n+a\r\n:1\r\n"])
    def test_what_cannot_be_decoded_costs_that_reply_alone(self, before: bytes) -> None:
        parser = ReplyParser("utf-8")
        parser.feed(before + b"*3\r\n$1\r\na\r\n*1\r\n$1\r\n\xff\r\n+b\r\n$2\r\nok\r\n")
        with pytest.raises(UnicodeDecodeError):
            parser.gets()
        assert parser.gets() == "ok"
        parser.feed(b"+a\r\n$1\r\n\xff\r\n+b\r\n" + before + b"+c\r\n")
        first, error, *rest = taken(parser, [], 9, decode=True)
        assert isinstance(error, UnicodeDecodeError)
        assert [first, *rest] == ["a", "b", "c"]

    def test_error_handlers(self) -> None:
        assert parsed(b"$1\r\n\xff\r\n", "utf-8", errors="surrogateescape") == ["\udcff"]
        assert parsed(b"$1\r\n\xff\r\n", "latin-1") == ["ÿ"]

    def test_decoding_afterwards(self) -> None:
        reply = [b"a", [b"b", 1, None], {b"c": {b"d": 1.5}}, MapReply([([b"e"], b"f")])]
        assert decode_strings(reply, "utf-8") == [
            "a",
            ["b", 1, None],
            {"c": {"d": 1.5}},
            MapReply([(["e"], "f")]),
        ]
        assert isinstance(decode_strings([b"\xff"], "utf-8"), UnicodeDecodeError)
        assert decode_strings(b"\xff", "utf-8", "replace") == "\ufffd"

    def test_errors_and_pushes_are_left_as_they_are(self) -> None:
        error = ResponseError("ERR x")
        assert decode_strings([error], "utf-8") == [error]


class TestMalformed:
    @pytest.mark.parametrize(
        "data",
        [
            b"garbage\r\n",
            b"*-5\r\n",
            b"$-7\r\n",
            b"$x\r\n",
            b":12a\r\n",
            b"#x\r\n",
            b",1.5x\r\n",
            b"_x\r\n",
            b"\r\n",
            b"$3\r\nabcde\r\n",
            b"*1\r\n*x\r\n",
            b"!x\r\n",
            b"|1\r\n+a\r\n:1\r\n?\r\n",
            b"%1\r\n*0\r\n:1\r\n$3\r\nabcde\r\n",
        ],
    )
    def test_it_is_a_protocol_error(self, data: bytes) -> None:
        parser = ReplyParser()
        with pytest.raises(ProtocolError):
            for _ in range(3):
                parser.feed(data)
                drained(parser)

    @pytest.mark.parametrize("before", [b"", b"|1\r\n+a\r\n:1\r\n"])
    def test_it_stays_one(self, before: bytes) -> None:
        parser = ReplyParser()
        parser.feed(before + b"?\r\n:1\r\n")
        for _ in range(3):
            with pytest.raises(ProtocolError):
                parser.gets()

    def test_a_line_without_end(self) -> None:
        parser = ReplyParser()
        parser.feed(b"|1\r\n+" + b"x" * decode.LINE_BYTES)
        with pytest.raises(ProtocolError, match="a line of more than"):
            parser.gets()

    def test_what_arrived_is_shown_short(self) -> None:
        with pytest.raises(ProtocolError) as caught:
            parsed(b"?" + b"x" * 1000 + b"\r\n")
        assert len(str(caught.value)) < 200


def test_push_replies_of_the_server_are_pushes() -> None:
    (push,) = parsed(wire([PushReply([b"message", b"a", b"b"])]))
    assert isinstance(push, PushNotification)
