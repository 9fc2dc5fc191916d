"""The server's side of the wire: what clients send, whole, in pieces, and malformed."""

from __future__ import annotations

import socket
import tracemalloc

import hiredis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anystore.resp.requests import MAX_INLINE, RequestParser, split_arguments
from tests.servers import RealServer

commands = st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), max_size=6)


def feed_whole(data: bytes) -> tuple[list[list[bytes]], bytes | None]:
    parser = RequestParser()
    return parser.feed(data), parser.error


def feed_by_byte(data: bytes) -> tuple[list[list[bytes]], bytes | None]:
    parser = RequestParser()
    found: list[list[bytes]] = []
    for position in range(len(data)):
        found += parser.feed(data[position : position + 1])
    return found, parser.error


class TestRoundTrip:
    @given(commands)
    @example([[b"a", b"\r\n$-1\r\n"], [b"*0\r\n\r\n*1"]])
    def test_what_is_packed_is_parsed(self, calls: list[list[bytes]]) -> None:
        data = b"".join(hiredis.pack_command(tuple(call)) for call in calls)
        assert feed_whole(data) == (calls, None)
        assert feed_by_byte(data) == (calls, None)

    @given(commands, st.integers(min_value=0, max_value=400))
    def test_a_cut_at_any_byte(self, calls: list[list[bytes]], cut: int) -> None:
        data = b"".join(hiredis.pack_command(tuple(call)) for call in calls)
        parser = RequestParser()
        assert parser.feed(data[:cut]) + parser.feed(data[cut:]) == calls
        assert not parser.partial
        assert parser.buffered == 0

    @given(st.lists(commands, max_size=6))
    @example([[[b"*"], [b"a"]], [[b"a"], [b"b"]], [[b"*", b"\r\n"], [b"b"]]])
    @example([[[b"\r\n*"], [b"*"]], [[b"*"], [b"\r\n*3"]], [[b"a"], [b"b"]]])
    def test_one_parser_for_all_that_comes(self, pipelines: list[list[list[bytes]]]) -> None:
        """What it has seen of one pipeline, stars in arguments say, decides how it reads the next, and nothing else."""
        parser = RequestParser()
        for calls in pipelines:
            assert parser.feed(b"".join(hiredis.pack_command(tuple(call)) for call in calls)) == calls
        assert not parser.partial

    @given(st.binary(max_size=200))
    @example(b"*1\r\n:1\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n>1\r\n$1\r\n*\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n*1\r\n*1\r\n$1\r\na\r\n")
    @example(b"*1\r\n$-1\r\n")
    @example(b"*1\r\n*1\r\n$1\r\na\r\n")
    @example(b"*-1\r\n*0\r\nPING\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n*0\r\n")
    @example(b"*1\r\n$1\r\n*\r\n*0\r\n")
    @example(b"*1\r\n$1\r\n*\r\n*-1\r\n")
    @example(b"*1\r\n$1\r\n*\r\n*1\r\n:5\r\n")
    @example(b"*1\r\n$1\r\n*\r\n*1\r\n$-1\r\n")
    @example(b"*1\r\n$1\r\n*\r\n*1\r\n,1.5\r\n")
    @example(b"*1\r\n$1\r\n*\r\n*1\r\n$01\r\na\r\n")
    @example(b"*1\r\n+OK\r\n")
    @example(b"*3\r\n$3\r\nSET\r\n$4\r\n\r\n$b\r\n:5\r\n")
    @example(b"*3\r\n$3\r\nSET\r\n$4\r\n\r\n$b\r\n+5\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n%1\r\n$1\r\n*\r\n:5\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n~1\r\n$4\r\n\r\n*1\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n>1\r\n$4\r\n\r\n*1\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n:1\r\n")
    @example(b"%1\r\n$1\r\na\r\n$1\r\nb\r\n")
    @example(b"*1\r\n$1\r\n$\r\n*1\r\n+PING\r\n")
    @example(b"*1\r\n$1\r\n$\r\n*1\r\n(123\r\n")
    @example(b"*1\r\n$1\r\n$\r\n*1\r\n=8\r\ntxt:PING\r\n")
    @example(b"*1\r\n$4\r\nPING\r\n*1\r\n$3\r\n+(=\r\n")
    @example(b"*2\r\n+GET\r\n$1\r\n$\r\n")
    @example(b"*")
    @example(b"*1\r\n$4\r\nPING\r\n$")
    def test_any_bytes_whole_and_by_byte_agree(self, data: bytes) -> None:
        assert feed_whole(data) == feed_by_byte(data)

    @given(st.text(alphabet="*$\r\n-+:01ab ", max_size=60).map(str.encode))
    def test_bytes_that_look_like_the_protocol(self, data: bytes) -> None:
        assert feed_whole(data) == feed_by_byte(data)

    def test_a_large_argument_arrives_in_pieces(self) -> None:
        value = bytes(range(256)) * 4096
        data = hiredis.pack_command((b"SET", b"k", value))
        parser = RequestParser()
        found = []
        for position in range(0, len(data), 65536):
            found += parser.feed(data[position : position + 65536])
        assert found == [[b"SET", b"k", value]]


MALFORMED = [
    b"*1\r\n:1\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*x\r\n",
    b"*01\r\n",
    b"*99999999999999999999\r\n",
    b"*2147483648\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-5\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$99999999999999999999\r\n",
    b'SET a "b\r\n',
    b"SET a 'b\r\n",
    b'SET a "b"c\r\n',
    b"*1\r\n$4\r\nPING\r\n*1\r\n:1\r\n",
    b"*" + b"1" * (MAX_INLINE + 10),
    b"*1\r\n$" + b"1" * (MAX_INLINE + 10),
    b"x" * (MAX_INLINE + 10),
]

#: Valkey 9 reads on where Redis refuses what follows a closing quote; pulsards does as Redis does.
NOT_AS_VALKEY = {b'SET a "b"c\r\n'}


def real_answer(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(data)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        return answer


class TestMalformed:
    @pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:24]))
    def test_same_complaint_as_the_real_servers(
        self, data: bytes, valkey: RealServer, redis_server: RealServer | None
    ) -> None:
        found, error = feed_whole(data)
        assert error is not None
        answer = b"+PONG\r\n" * len(found) + b"-ERR " + error + b"\r\n"
        if data not in NOT_AS_VALKEY:
            assert real_answer(valkey.port, data) == answer
        if redis_server is not None:
            assert real_answer(redis_server.port, data) == answer

    def test_after_an_error_nothing_is_parsed(self) -> None:
        parser = RequestParser()
        parser.feed(b"*1\r\n:1\r\n")
        assert parser.feed(b"*1\r\n$4\r\nPING\r\n") == []
        assert parser.buffered == 0

    def test_limits_before_log_in(self) -> None:
        parser = RequestParser()
        parser.strict = True
        parser.feed(b"*11\r\n")
        assert parser.error == b"Protocol error: unauthenticated multibulk length"
        parser = RequestParser()
        parser.strict = True
        parser.feed(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n")
        assert parser.error == b"Protocol error: unauthenticated bulk length"

    def test_an_announced_length_costs_no_memory(self) -> None:
        parser = RequestParser()
        parser.feed(b"*1000000\r\n$500000000\r\nab")
        assert parser.buffered == 2

    @pytest.mark.parametrize(
        "before", [b"", b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$3\r\nGET\r\n", b"*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n"]
    )
    @pytest.mark.parametrize("count", [1_000_000, 2**31 - 1, 2**63])
    def test_nor_does_an_announced_count(self, before: bytes, count: int) -> None:
        """The fuzzer found that hiredis makes a list of that many places at once."""
        parser = RequestParser()
        tracemalloc.start()
        try:
            parser.feed(before + b"*%d\r\n$1\r\na\r\n" % count)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert parser.buffered < 10
        assert peak < 100_000

    def test_nor_do_stars_in_a_value(self) -> None:
        data = hiredis.pack_command((b"SET", b"key", 3_000_000 * b"*"))
        parser = RequestParser()
        tracemalloc.start()
        try:
            assert len(parser.feed(data + data)) == 2
            assert tracemalloc.get_traced_memory()[1] < 30_000_000
        finally:
            tracemalloc.stop()

    def test_what_arrives_in_pieces_is_counted_as_it_comes(self) -> None:
        parser = RequestParser()
        parser.feed(b"*5000\r\n")
        for number in range(4999):
            assert parser.buffered == (2 + 8) * number
            parser.feed(b"$2\r\nab\r\n")
        assert len(parser.feed(b"$2\r\nab\r\n")[0]) == 5000
        assert parser.buffered == 0


class TestInline:
    @pytest.mark.parametrize(
        ("line", "arguments"),
        [
            (b"PING", [b"PING"]),
            (b"  SET  a\tb ", [b"SET", b"a", b"b"]),
            (rb'SET a "b \x41\n\"\q"', [b"SET", b"a", b'b A\n"q']),
            (rb"SET a 'b \' \n'", [b"SET", b"a", rb"b ' \n"]),
            (rb'"\xzz"', [b"xzz"]),
            (b'""', [b""]),
            (b"", []),
            (b'"', None),
            (b"'a", None),
            (b"'a'b", None),
            (b'a"b"', [b"ab"]),
        ],
    )
    def test_splitting(self, line: bytes, arguments: list[bytes] | None) -> None:
        assert split_arguments(line) == arguments

    def test_lines_may_end_in_a_bare_newline(self) -> None:
        assert RequestParser().feed(b"PING\nECHO a\r\n\r\n\n") == [[b"PING"], [b"ECHO", b"a"]]

    @given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=4))
    def test_quoted_arguments_survive(self, arguments: list[bytes]) -> None:
        quoted = b" ".join(
            b'"' + b"".join(b"\\x%02x" % byte for byte in argument) + b'"' for argument in arguments
        )
        assert split_arguments(quoted) == arguments
