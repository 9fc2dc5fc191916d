from __future__ import annotations

import struct
from math import copysign, inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.pulsards.numbers import (
    INT64_MAX,
    INT64_MIN,
    UINT64_MAX,
    LongDouble,
    format_double,
    format_long_double,
    parse_bound,
    parse_integer,
    parse_long_double,
    parse_score,
    parse_unsigned,
)
from tests.servers import RealServer
from tests.spec.wire import Wire

NOT_INTEGERS = [
    b"",
    b"-",
    b"+1",
    b"01",
    b"-0",
    b"-01",
    b" 1",
    b"1 ",
    b"1\n",
    b"1_0",
    b"1.0",
    b"0x1",
    b"1\x00",
    b"a",
    "٣".encode(),
]


class TestIntegers:
    @given(st.integers(INT64_MIN, INT64_MAX))
    def test_every_64_bit_integer_is_read(self, number: int) -> None:
        assert parse_integer(b"%d" % number) == number

    @pytest.mark.parametrize("number", [INT64_MIN - 1, INT64_MAX + 1, 10**19, -(10**19), 10**40])
    def test_beyond_64_bits_is_refused(self, number: int) -> None:
        assert parse_integer(b"%d" % number) is None

    @pytest.mark.parametrize("text", NOT_INTEGERS)
    def test_what_is_not_in_the_canonical_form_is_refused(self, text: bytes) -> None:
        assert parse_integer(text) is None

    @given(st.binary(max_size=22))
    def test_any_text_gives_its_own_canonical_form_or_nothing(self, text: bytes) -> None:
        number = parse_integer(text)
        assert number is None or b"%d" % number == text

    def test_the_limits(self) -> None:
        assert parse_integer(b"9223372036854775807") == INT64_MAX
        assert parse_integer(b"-9223372036854775808") == INT64_MIN
        assert parse_integer(b"0") == 0

    @pytest.mark.parametrize(
        ("text", "number"),
        [(b"0", 0), (b"007", 7), (b"+5", 5), (b"-0", 0), (b"18446744073709551615", UINT64_MAX)],
    )
    def test_a_cursor_may_be_written_loosely(self, text: bytes, number: int) -> None:
        assert parse_unsigned(text) == number

    @pytest.mark.parametrize(
        "text", [b"", b"-1", b"x", b"1 ", b"+", b"--0", b"18446744073709551616", b"1" * 5000]
    )
    def test_what_is_no_cursor(self, text: bytes) -> None:
        assert parse_unsigned(text) is None


class TestDoubles:
    @given(st.floats(allow_nan=False))
    def test_what_is_written_reads_back_the_same(self, number: float) -> None:
        text = format_double(number)
        back = parse_score(text)
        assert back == number
        assert back is not None
        assert copysign(1, back) == copysign(1, number)

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (3.0, b"3"),
            (-3.0, b"-3"),
            (0.0, b"0"),
            (-0.0, b"-0"),
            (3.1, b"3.1"),
            (1e20, b"1e+20"),
            (1e18, b"1000000000000000000"),
            (1.5e-7, b"1.5e-7"),
            (1e-7, b"1e-7"),
            (1e-5, b"0.00001"),
            (0.00012345678, b"1.2345678e-4"),
            (0.0012345678, b"0.0012345678"),
            (-0.001, b"-0.001"),
            (12345678.5, b"12345678.5"),
            (123456.1234567, b"1.234561234567e+5"),
            (1.7976931348623157e308, b"1.7976931348623157e+308"),
            (5e-324, b"5e-324"),
            (inf, b"inf"),
            (-inf, b"-inf"),
            (nan, b"nan"),
        ],
    )
    def test_the_forms(self, number: float, text: bytes) -> None:
        assert format_double(number) == text

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            (b"inf", inf),
            (b"-INF", -inf),
            (b"+Infinity", inf),
            (b"1e3", 1000.0),
            (b".5", 0.5),
            (b"5.", 5.0),
            (b"+1", 1.0),
            (b"0e99999", 0.0),
            (b"1e-320", 1e-320),
        ],
    )
    def test_what_is_read(self, text: bytes, number: float) -> None:
        assert parse_score(text) == number

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"-",
            b"nan",
            b"-nan",
            b" 1",
            b"1 ",
            b"1_0",
            b"1e",
            b"infin",
            b"1e400",
            b"-1e400",
            b"1e-400",
            b"0x10",
            b"1\x00",
            b"0 ",
            b"\t0",
            b"0_0",
            b".",
            b"1,5",
        ],
    )
    def test_what_is_refused(self, text: bytes) -> None:
        assert parse_score(text) is None


class TestBounds:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            (b"1.5", 1.5),
            (b"-inf", -inf),
            (b"", 0.0),
            (b"1e400", inf),
            (b"-1e400", -inf),
            (b"1e-400", 0.0),
            (b"2\x00anything", 2.0),
            (b"inf\x00", inf),
            (b"\x00", 0.0),
        ],
    )
    def test_what_is_read(self, text: bytes, number: float) -> None:
        assert parse_bound(text) == number

    @pytest.mark.parametrize("text", [b"nan", b"1 ", b"1_0", b"e1", b".", b"+", b"1x", b"x\x00"])
    def test_what_is_refused(self, text: bytes) -> None:
        assert parse_bound(text) is None


class TestLongDoubles:
    @pytest.mark.parametrize(
        ("value", "increment", "total"),
        [
            (b"10.50", b"0.1", b"10.6"),
            (b"5.0e3", b"2.0e2", b"5200"),
            (b"3", b"1.000000000000000005", b"4.00000000000000001"),
            (b"-0", b"0", b"0"),
            (b"-1", b"1e-20", b"-1"),
            (b"-1e-18", b"0", b"0"),
            (b"0x1.8p4", b"0x.8", b"24.5"),
            (b"1e17", b"0.1", b"100000000000000000.1015625"),
        ],
    )
    def test_sums(self, value: bytes, increment: bytes, total: bytes) -> None:
        left, right = parse_long_double(value), parse_long_double(increment)
        assert isinstance(left, LongDouble)
        assert isinstance(right, LongDouble)
        added = left.plus(right)
        assert added is not None
        assert format_long_double(added) == total

    def test_a_sum_may_overflow(self) -> None:
        huge = parse_long_double(b"1e4932")
        assert isinstance(huge, LongDouble)
        assert huge.plus(huge) is None
        assert len(format_long_double(huge)) == 4933

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"nan",
            b" 1",
            b"1 ",
            b".",
            b"0x",
            b"0x.",
            b"1e5000",
            b"1e-5000",
            b"1e999999999999999999999",
            b"1" * 5120,
            b"1e",
            b"1_0",
            b"1\n",
            b"infx",
        ],
    )
    def test_what_is_refused(self, text: bytes) -> None:
        assert parse_long_double(text) is None

    def test_long_text_within_the_limit_is_read(self) -> None:
        assert format_long_double(_finite(b"0." + b"0" * 5000 + b"1e5000")) == b"0.1"
        assert len(format_long_double(_finite(b"1" * 4900))) == 4900

    def test_infinities_are_told_apart(self) -> None:
        assert parse_long_double(b"inf") == inf
        assert parse_long_double(b"-Infinity") == -inf

    def test_the_smallest_ones_round_as_the_processor_does(self) -> None:
        assert parse_long_double(b"3.6e-4951") is not None
        assert parse_long_double(b"1e-4951") is None


def _finite(text: bytes) -> LongDouble:
    value = parse_long_double(text)
    assert isinstance(value, LongDouble)
    return value


def _any_double() -> st.SearchStrategy[float]:
    anything = st.binary(min_size=8, max_size=8).map(lambda data: float(struct.unpack("<d", data)[0]))
    return anything.filter(lambda number: not isnan(number))


float_texts = st.one_of(
    _any_double().map(lambda number: repr(number).encode()),
    st.builds(
        "{}{}.{}e{}".format,
        st.sampled_from(["", "-", "+"]),
        *[st.integers(0, 10**12)] * 2,
        st.integers(-30, 30),
    ).map(str.encode),
    st.builds("{}.{}".format, st.integers(-(10**9), 10**9), st.integers(0, 10**6)).map(str.encode),
    st.text("0123456789.-+einfaxXpP _", max_size=8).map(str.encode),
)


class TestAgainstTheRealServers:
    @settings(max_examples=60, deadline=None)
    @given(texts=st.lists(float_texts, min_size=40, max_size=40))
    def test_scores(self, valkey: RealServer, texts: list[bytes]) -> None:
        commands: list[tuple[bytes, ...]] = []
        for text in texts:
            commands += [(b"DEL", b"n"), (b"ZADD", b"n", text, b"m"), (b"ZSCORE", b"n", b"m")]
        with Wire(valkey.port, protocol=2) as wire:
            replies = wire.call_all(commands)[2::3]
        for text, reply in zip(texts, replies, strict=True):
            score = parse_score(text)
            assert (score is None) == (reply is None), text
            if score is None:
                continue
            ours = format_double(score + 0.0)
            # Their algorithm misses the shortest or nearest text now and then; the number is the same.
            assert ours == reply or (float(ours) == float(reply) and len(ours) <= len(reply)), text

    @settings(max_examples=60, deadline=None)
    @given(pairs=st.lists(st.tuples(float_texts, float_texts), min_size=40, max_size=40))
    def test_incrbyfloat(
        self, valkey: RealServer, redis_server: RealServer | None, pairs: list[tuple[bytes, bytes]]
    ) -> None:
        commands: list[tuple[bytes, ...]] = []
        for value, increment in pairs:
            commands += [(b"SET", b"n", value), (b"INCRBYFLOAT", b"n", increment)]
        for server in filter(None, (valkey, redis_server)):
            with Wire(server.port, protocol=2) as wire:
                replies = wire.call_all(commands)[1::2]
            for pair, reply in zip(pairs, replies, strict=True):
                assert self._sum(*pair) == (str(reply) if isinstance(reply, Exception) else reply), pair

    def _sum(self, value: bytes, increment: bytes) -> bytes | str:
        left, right = parse_long_double(value), parse_long_double(increment)
        if left is None or right is None:
            return "ERR value is not a valid float"
        total = left.plus(right) if isinstance(left, LongDouble) and isinstance(right, LongDouble) else None
        if total is None:
            return "ERR increment would produce NaN or Infinity"
        return format_long_double(total)
