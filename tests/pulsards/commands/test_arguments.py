from __future__ import annotations

import pytest

from anystore.pulsards.commands.arguments import double, integer, integer_between, not_negative, timeout_ms
from anystore.pulsards.commands.multi_pop import MultiPop, parse_multi_pop
from anystore.pulsards.commands.random_members import MOST_REPEATED, random_members
from anystore.pulsards.datatypes import SetValue
from anystore.pulsards.errors import CommandError
from anystore.pulsards.numbers import INT64_MAX

_NOW = 1_700_000_000_000


class TestNumbers:
    def test_what_is_read(self) -> None:
        assert integer(b"-7") == -7
        assert integer_between(b"3", 1, 3) == 3
        assert not_negative(b"0") == 0
        assert double(b"-inf") == float("-inf")

    def test_each_refusal_has_its_text(self) -> None:
        with pytest.raises(CommandError, match="not an integer or out of range"):
            integer(b"1.0")
        with pytest.raises(CommandError, match="must between 1 and 3"):
            integer_between(b"4", 1, 3)
        with pytest.raises(CommandError, match="mine"):
            integer_between(b"x", 1, 3, b"mine")
        with pytest.raises(CommandError, match="mine"):
            integer_between(b"0", 1, 3, b"mine")
        with pytest.raises(CommandError, match="must be positive"):
            not_negative(b"-1")
        with pytest.raises(CommandError, match="not a valid float"):
            double(b"nan")


class TestTimeouts:
    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [
            *(
                (b"0", 0),
                (b"1", 1000),
                (b"0.001", 1),
                (b"0.0011", 2),
                (b"1.5", 1500),
                (b"1e-20", 1),
                (b"-0.5e-9", 0),
            ),
            *((b"0.29", 290), (b"1e3", 1_000_000), (b"0x1p-1", 500), (b"1e-4000", 1), (b"1e15", 10**18)),
        ],
    )
    def test_seconds_are_rounded_up(self, text: bytes, milliseconds: int) -> None:
        assert timeout_ms(text, _NOW) == milliseconds

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            *((b"x", "not a float"), (b"-1", "negative"), (b"-0.001", "negative"), (b"-inf", "negative")),
            *(
                (b"inf", "out of range"),
                (b"1e300", "out of range"),
                (b"9223372036854775", "timeout is out of range"),
            ),
        ],
    )
    def test_refusals(self, text: bytes, message: str) -> None:
        with pytest.raises(CommandError, match=message):
            timeout_ms(text, _NOW)

    def test_the_clock_must_not_overflow(self) -> None:
        assert timeout_ms(b"1", INT64_MAX - 1000) == 1000
        with pytest.raises(CommandError, match="out of range"):
            timeout_ms(b"1", INT64_MAX - 999)


def test_multi_pops() -> None:
    ends = (b"left", b"right")
    assert parse_multi_pop([b"2", b"a", b"b", b"RIGHT"], ends) == MultiPop([b"a", b"b"], False, 1)
    assert parse_multi_pop([b"1", b"a", b"left", b"Count", b"7"], ends) == MultiPop([b"a"], True, 7)


def test_repeated_members_have_a_limit() -> None:
    value = SetValue([b"a"])
    assert random_members(value, -3) == [b"a"] * 3
    assert random_members(value, 9) == [b"a"]
    with pytest.raises(CommandError, match="out of range"):
        random_members(value, -MOST_REPEATED - 1)
