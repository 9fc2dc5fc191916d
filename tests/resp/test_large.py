"""Strings so large that they go around hiredis: whatever comes in front of them and behind, however it is cut."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.exceptions import ProtocolError
from anystore.resp.large import LARGE_BYTES, PIECE_BYTES, LargeString
from anystore.resp.replies import NOT_ENOUGH, ReplyParser
from anystore.resp.types import MapReply

UNITS = [b"x", b"\r\n|", b"|", b"\r\n", b"$5\r\n"]
SMALL: list[tuple[bytes, Any]] = [
    (b"+OK\r\n", b"OK"),
    (b"$-1\r\n", None),
    (b"|1\r\n+ttl\r\n:1\r\n:7\r\n", 7),
    (b"%1\r\n*0\r\n:1\r\n", MapReply([([], 1)])),
]


def text_of(unit: bytes, size: int) -> bytes:
    return (unit * (size // len(unit) + 1))[:size]


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


LARGE = st.builds(
    lambda unit, more: text_of(unit, LARGE_BYTES + more), st.sampled_from(UNITS), st.integers(-1, PIECE_BYTES)
).map(lambda text: (bulk(text), text))


def drained(parser: ReplyParser, decode: bool = False) -> list[Any]:
    found = []
    while (reply := parser.gets(decode)) is not NOT_ENOUGH:
        found.append(reply)
    return found


@given(st.lists(st.one_of(LARGE, st.sampled_from(SMALL)), max_size=5), st.data())
def test_however_they_are_cut(replies: list[tuple[bytes, Any]], data: st.DataObject) -> None:
    sent = b"".join(wire for wire, _ in replies)
    bounds = [0]
    for wire, _ in replies:
        bounds.append(bounds[-1] + len(wire))
    anywhere = st.integers(0, len(sent))
    near = st.builds(lambda bound, off: bound + off, st.sampled_from(bounds), st.integers(-12, 12))
    cuts = data.draw(st.lists(st.one_of(anywhere, near), max_size=10))
    parser = ReplyParser()
    got: list[Any] = []
    before = 0
    for cut in sorted({min(max(cut, 0), len(sent)) for cut in cuts} | {len(sent)}):
        parser.feed(sent[before:cut])
        before = cut
        parser.gets_into(got, len(got) + data.draw(st.integers(0, 3)), False)
    got += drained(parser)
    assert got == [value for _, value in replies]
    assert not parser.has_data


@pytest.mark.parametrize("cut", range(1, 5))
def test_the_end_apart(cut: int) -> None:
    text = text_of(b"x", LARGE_BYTES)
    sent = bulk(text) + b":1\r\n"
    parser = ReplyParser()
    at = len(bulk(text)) - 3 + cut
    parser.feed(sent[: LARGE_BYTES // 2])
    parser.feed(sent[LARGE_BYTES // 2 : at])
    assert parser.has_data or cut == 3
    parser.feed(sent[at:])
    assert drained(parser) == [text, 1]


def test_it_is_decoded_or_not_and_what_cannot_be_costs_it_alone() -> None:
    text = "é" * LARGE_BYTES
    broken = b"\xff" * LARGE_BYTES
    parser = ReplyParser("utf-8")
    for sent in (bulk(text.encode()), bulk(text.encode()), bulk(broken), bulk(broken)):
        parser.feed(sent[:PIECE_BYTES])
        parser.feed(sent[PIECE_BYTES:])
    parser.feed(b"+OK\r\n")
    assert parser.gets() == text
    assert parser.gets(False) == text.encode()
    with pytest.raises(UnicodeDecodeError):
        parser.gets()
    assert parser.gets(False) == broken
    assert parser.gets() == "OK"
    replacing = ReplyParser("utf-8", "replace")
    replacing.feed(bulk(broken)[:PIECE_BYTES])
    replacing.feed(bulk(broken)[PIECE_BYTES:])
    assert replacing.gets() == "\ufffd" * LARGE_BYTES


def test_one_that_does_not_end_as_it_should_is_no_resp() -> None:
    parser = ReplyParser()
    parser.feed(bulk(b"x" * LARGE_BYTES)[:PIECE_BYTES])
    parser.feed(bulk(b"x" * LARGE_BYTES)[PIECE_BYTES:-2] + b"xx+OK\r\n")
    for _ in range(3):
        with pytest.raises(ProtocolError, match="at the end of a string"):
            parser.gets()


@pytest.mark.parametrize("digits", [b"065536", b"+65536", b"-65536", b"6553x", b"", b"9" * 20])
def test_a_length_that_is_none_is_left_to_hiredis(digits: bytes) -> None:
    assert LargeString.begun(b"$%b\r\n" % digits + b"x" * PIECE_BYTES) is None


def test_what_is_small_or_there_as_a_whole_is_hiredis() -> None:
    assert LargeString.begun(bulk(b"x" * (LARGE_BYTES - 1))[:PIECE_BYTES]) is None
    assert LargeString.begun(bulk(b"x" * LARGE_BYTES)) is None
    assert LargeString.begun(b"*1\r\n" + bulk(b"x" * LARGE_BYTES)[:PIECE_BYTES]) is None


def test_one_that_trickles_in_takes_no_more_than_its_own_memory() -> None:
    parser = ReplyParser()
    parser.feed(bulk(b"x" * LARGE_BYTES)[:PIECE_BYTES])
    tracemalloc.start()
    try:
        for _ in range(PIECE_BYTES, LARGE_BYTES, 2):
            parser.feed(b"x" * 2)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2 * LARGE_BYTES
