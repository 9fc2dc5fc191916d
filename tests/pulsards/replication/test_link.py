"""A replica's side of the link, at every way in which its bytes can be cut."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.replication.link import (
    Continued,
    FullResync,
    ImageEnd,
    ImagePart,
    ImageSize,
    Introduction,
    Link,
    LinkError,
    LinkEvent,
    StreamCommand,
)
from anystore.pulsards.replication.stream_parser import StreamError, StreamParser
from anystore.resp.pack import pack_command

ID, MARK = b"a1" * 20, b"0123456789abcdefghijABCDEFGHIJ9876543210"
KNOWN = Introduction(port=7, history=ID, offset=41)
HANDSHAKE = [b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n"]
STREAM = [[b"SELECT", b"3"], [b"SET", b"a", b"x\r\n*3\r\n"], [b"PING"], [b"SET", b"b", b""]]


def merged(events: list[LinkEvent]) -> list[LinkEvent]:
    """The events with the parts of the image put together: where it is cut is nobody's business."""
    found: list[LinkEvent] = []
    for event in events:
        if isinstance(event, ImagePart) and found and isinstance(found[-1], ImagePart):
            found[-1] = ImagePart(found[-1].data + event.data)
        elif event != StreamCommand([], b"\n"):
            found.append(event)
    return found


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The bytes one by one, and in two pieces at each place."""
    yield [data[index : index + 1] for index in range(len(data))]
    for index in range(len(data) + 1):
        yield [data[:index], data[index:]]


def told(link: Link, pieces: list[bytes]) -> list[LinkEvent]:
    return merged([event for piece in pieces for event in link.receive(piece)])


def stream_events() -> list[LinkEvent]:
    return [StreamCommand(command, pack_command(command)) for command in STREAM]


BYTES = b"".join(pack_command(command) for command in STREAM)
IMAGE = b"REDIS0011\n\r\n$EOF" + MARK[:39] + b"more" + MARK[1:]


@pytest.mark.parametrize(
    ("announced", "size", "end"),
    [(b"$%d\r\n" % len(IMAGE), len(IMAGE), b""), (b"$EOF:" + MARK + b"\r\n", None, MARK)],
    ids=["by size", "by mark"],
)
def test_a_full_resynchronisation_however_it_is_cut(announced: bytes, size: int | None, end: bytes) -> None:
    whole = b"".join(HANDSHAKE) + b"\n\n+FULLRESYNC " + ID + b" 99\r\n\n\n" + announced + IMAGE + end + BYTES
    for pieces in cuts(whole):
        assert told(Link(Introduction(port=7)), pieces) == [
            *(FullResync(ID, 99), ImageSize(size), ImagePart(IMAGE), ImageEnd()),
            *stream_events(),
        ]


def test_an_empty_image() -> None:
    link = Link(Introduction(port=7))
    whole = b"".join(HANDSHAKE) + b"+FULLRESYNC " + ID + b" 0\r\n$0\r\n"
    assert told(link, [whole]) == [FullResync(ID, 0), ImageSize(0), ImageEnd()]


@pytest.mark.parametrize(
    ("line", "history"),
    [(b"+CONTINUE\r\n", None), (b"+CONTINUE " + b"b2" * 20 + b"\r\n", b"b2" * 20)],
    ids=["the same name", "another name"],
)
def test_a_continuation_however_it_is_cut(line: bytes, history: bytes | None) -> None:
    whole = b"".join(HANDSHAKE) + b"\n" + line + b"\n" + BYTES
    for pieces in cuts(whole):
        assert told(Link(KNOWN), pieces) == [Continued(history), *stream_events()]


class TestWhatItSays:
    def test_of_itself(self) -> None:
        link = Link(
            Introduction(*("me", "secret", 7, "10.0.0.1", b"7.4.0"), history=ID, offset=41, failover=True)
        )
        assert link.take_output() == pack_command(["PING"])
        assert told(link, [b"-NOAUTH Authentication required.\r\n"]) == []
        assert link.take_output() == b"".join(
            pack_command(command)
            for command in (
                ["AUTH", "me", "secret"],
                ["REPLCONF", "listening-port", "7"],
                ["REPLCONF", "ip-address", "10.0.0.1"],
                ["REPLCONF", "version", "7.4.0"],
                ["REPLCONF", "capa", "eof", "capa", "psync2"],
            )
        )
        told(link, [b"+OK\r\n+OK\r\n-ERR\r\n-ERR no such option\r\n"])
        assert link.take_output() == b""
        told(link, [b"+OK\r\n"])
        assert link.take_output() == pack_command(["PSYNC", ID, "42", "FAILOVER"])

    def test_with_a_password_alone_and_no_data(self) -> None:
        link = Link(Introduction(password="secret"))
        told(link, [b"+PONG\r\n"])
        said = link.take_output()
        assert pack_command(["AUTH", "secret"]) in said
        assert b"listening-port" not in said
        told(link, [b"+OK\r\n+OK\r\n"])
        assert link.take_output() == pack_command(["PSYNC", "?", "-1"])


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        (b"-ERR go away\r\n", "answered PING with '-ERR go away'"),
        (b"HTTP/1.1 400 Bad Request\r\n", "answered PING"),
        (b"x" * 70000, "does not speak the replication protocol"),
        (b"+PONG\r\n-WRONGPASS invalid\r\n", "refused the login: '-WRONGPASS invalid'"),
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-NOMASTERLINK Can't SYNC\r\n", "answered PSYNC with .-NOMASTERLINK"),
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC x 1\r\n", "answered PSYNC"),
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" x\r\n", "answered PSYNC"),
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+CONTINUE\r\n", "answered PSYNC"),  # of nothing
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n \t\r\n", r"answered PSYNC with ' \\t'"),
        (
            b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" 1\r\n-ERR no memory\r\n",
            "instead of its data",
        ),
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" 1\r\n$-5\r\n", "instead of its data"),
        (b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" 1\r\n$EOF:short\r\n", "instead of its data"),
        (
            b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" 1\r\n$0\r\n+OK\r\n",
            "in a form that no primary writes",
        ),
    ],
)
def test_a_primary_that_is_none_is_refused(answers: bytes, complaint: str) -> None:
    link = Link(Introduction(password="p", port=7))
    with pytest.raises(LinkError, match=complaint):
        told(link, [answers])


def test_passwords_are_in_no_complaint() -> None:
    link = Link(Introduction(password="secret"))
    with pytest.raises(LinkError) as caught:
        told(link, [b"+PONG\r\n-WRONGPASS\r\n"])
    assert "secret" not in str(caught.value)


@given(
    commands=st.lists(st.lists(st.binary(max_size=12), min_size=1, max_size=4), max_size=6),
    places=st.lists(st.integers(0, 200), max_size=5),
)
def test_commands_and_their_bytes_add_up_to_the_stream(
    commands: list[list[bytes]], places: list[int]
) -> None:
    data = b"".join(pack_command(command) for command in commands)
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    parser = StreamParser()
    found = [item for begin, end in pairwise(ends) for item in parser.feed(data[begin:end])]
    assert [command for command, _ in found] == commands
    assert b"".join(raw for _, raw in found) == data
    assert parser.pending == 0


@pytest.mark.parametrize(
    "data",
    [
        b"+OK\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n*1\r\n$1\r\na\r\n",
        b"PING\r\n",
        b"*1\r\n$01\r\na\r\n",
        b"*1\r\n-ERR x\r\n",
        b"%1\r\n+a\r\n+b\r\n",
    ],
)
def test_what_no_primary_writes_is_refused(data: bytes) -> None:
    with pytest.raises(StreamError):
        StreamParser().feed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"*2147483647\r\n$1\r\na\r\n",
        b"*1048576\r\n" + b"$0\r\n\r\n" * 100,
        b"*4294967295\r\n$9223372036854775807\r\nabc",
        pack_command([b"PING"]) * 100 + b"*1000000\r\n$",
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_s16_a_command_that_announces_more_than_comes_takes_no_memory(data: bytes, piece: int) -> None:
    parser = StreamParser()
    tracemalloc.start()
    try:
        for start in range(0, len(data), piece):
            parser.feed(data[start : start + piece])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert 0 < parser.pending <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"*99999999999999999999\r\n",
        b"*2147483647\r\n*2147483647\r\n",
        b"*1\r\n%2147483647\r\n",
        b"*2147483647\r\n$-1\r\n",
        b"*2147483647\r\n$" + b"1" * 40,
    ],
)
def test_s16_a_count_that_no_primary_writes_is_refused(data: bytes) -> None:
    parser = StreamParser()
    with pytest.raises(StreamError):
        for start in range(len(data)):
            parser.feed(data[start : start + 1])


@pytest.mark.parametrize("piece", [1000, 4096, 70_001, 10_000_000])
def test_commands_of_many_arguments_and_values_that_look_like_them(piece: int) -> None:
    lies = b"*99999\r\n$1\r\n%2147483647\r\n"
    commands = [
        [b"SET", b"a", lies * 500],
        [b"RPUSH", b"l", *(b"%d" % number for number in range(12_000))],
        [b"SET", b"b", lies],
        [b"MSET", *([b"k", lies] * 20_000)],
        [b"RPUSH", b"l", *[b""] * 9_999],
        [b"PING"],
    ]
    data = b"".join(pack_command(command) for command in commands)
    parser = StreamParser()
    found = [
        item for start in range(0, len(data), piece) for item in parser.feed(data[start : start + piece])
    ]
    assert [command for command, _ in found] == commands
    assert b"".join(raw for _, raw in found) == data
    assert parser.pending == 0


def test_s16_what_comes_before_a_count_that_lies_is_there_at_once() -> None:
    parser = StreamParser()
    whole = pack_command([b"SET", b"a", b"*99999\r\n"])
    assert parser.feed(whole + b"*2147483647\r\n$3\r\nSET\r\n") == [([b"SET", b"a", b"*99999\r\n"], whole)]
