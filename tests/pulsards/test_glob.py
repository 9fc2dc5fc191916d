"""Glob patterns against the real servers' own matching."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from anystore.pulsards import glob
from anystore.pulsards.glob import LONG, matcher, matches
from tests.pulsards.peers import RealClient
from tests.servers import RealServer

patterns = st.text(alphabet="ab*?[]^-\\c", max_size=10).map(str.encode)
texts = st.text(alphabet="abc-^]\\[", max_size=6).map(str.encode)


@pytest.fixture(scope="module")
def real(valkey: RealServer) -> Iterator[RealClient]:
    client = RealClient(valkey.port)
    client.execute("SELECT", 9)
    client.execute("FLUSHDB")
    yield client
    client.execute("FLUSHDB")
    client.close()


class TestAgainstTheRealServer:
    @given(patterns, texts)
    @example(b"[", b"[")
    @example(b"[a", b"a")
    @example(b"[^]", b"a")
    @example(b"[]", b"a")
    @example(b"[a-", b"-")
    @example(b"[c-a]", b"b")
    @example(b"\\", b"\\")
    @example(b"a\\", b"a\\")
    @example(b"[\\", b"\\")
    @example(b"[\\]]", b"]")
    @example(b"**", b"")
    @example(b"*a*", b"")
    @example(b"[^a", b"b")
    def test_same_verdict(self, real: RealClient, pattern: bytes, text: bytes) -> None:
        assume(pattern != b"*")  # KEYS takes it for everything, the empty key included
        real.execute("FLUSHDB")
        real.execute("SET", text, "1")
        assert matches(pattern, text) == (real.execute("KEYS", pattern) == [text])


class TestLongPatterns:
    @given(patterns, texts, st.booleans())
    def test_they_are_matched_as_short_ones(self, pattern: bytes, text: bytes, ignore_case: bool) -> None:
        short = matcher(pattern, ignore_case)(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(glob, "LONG", 0)
            assert bool(short) == bool(matcher(pattern, ignore_case)(text))

    def test_with_a_long_text(self) -> None:
        pattern = b"a" * LONG + b"*[bc]?d*" + b"e" * LONG
        assert matches(pattern, b"a" * LONG + b"dbd" + b"cxd" + b"e" * LONG)
        assert not matches(pattern, b"a" * LONG + b"dbd" + b"xxd" + b"e" * LONG)
        assert not matches(pattern, b"a" * LONG + b"e" * LONG)
        assert matches(b"*" * LONG, b"a")
        assert not matches(b"*" * LONG, b"")

    @pytest.mark.parametrize(
        "pattern", [b"[^a]*" * 100_000, b"x" * 1_000_000, b"\\" * 999_999, b"[" + b"a-z" * 300_000]
    )
    def test_one_of_a_megabyte_costs_no_more_than_reading_it(self, pattern: bytes) -> None:
        """The fuzzer found that compiling one took up to half a minute."""
        begun = time.process_time()
        assert not matches(pattern, b"a" * 5000)
        assert time.process_time() - begun < 3


class TestHostilePatterns:
    def test_many_stars_are_no_slower_than_their_length(self) -> None:
        # A matcher that backtracks would take longer than the universe has been there.
        pattern = b"*a" * 1000 + b"*b"
        assert not matches(pattern, b"a" * 5000)
        assert matches(pattern, b"a" * 5000 + b"b")

    def test_case_can_be_ignored(self) -> None:
        assert not matcher(b"[^m]ax", True)(b"Max")
        assert matcher(b"MAX*", True)(b"maxclients")
        assert not matcher(b"MAX*")(b"maxclients")

    def test_every_byte_is_itself(self) -> None:
        everything = bytes(byte for byte in range(256) if byte not in b"*?[\\")
        assert matches(everything, everything)
        assert matches(b"?" * 256, bytes(range(256)))
