"""Arguments of commands as numbers, or the error reply that Redis has for each that is none.

`anystore.pulsards.numbers` says what a number looks like; here is what a command does about it.
"""

from __future__ import annotations

from math import ceil

from anystore.pulsards.errors import (
    NEGATIVE_TIMEOUT,
    NOT_A_FLOAT,
    NOT_A_TIMEOUT,
    NOT_AN_INTEGER,
    NOT_POSITIVE,
    TIMEOUT_OUT_OF_RANGE,
    CommandError,
)
from anystore.pulsards.numbers import INT64_MAX, parse_integer, parse_long_double, parse_score


def integer(text: bytes, message: bytes = NOT_AN_INTEGER) -> int:
    """A signed 64-bit integer."""
    number = parse_integer(text)
    if number is None:
        raise CommandError(message)
    return number


def integer_between(text: bytes, low: int, high: int, message: bytes | None = None) -> int:
    """An integer from `low` to `high` inclusive; `message` stands for every refusal where it is given."""
    number = parse_integer(text)
    if number is None:
        raise CommandError(message or NOT_AN_INTEGER)
    if not low <= number <= high:
        raise CommandError(
            message or b"ERR value is out of range, value must between %d and %d" % (low, high)
        )
    return number


def not_negative(text: bytes, message: bytes = NOT_POSITIVE) -> int:
    """An integer from 0 up. (Redis' own text for the refusal says "positive" where it takes 0.)"""
    number = parse_integer(text)
    if number is None or number < 0:
        raise CommandError(message)
    return number


def double(text: bytes, message: bytes = NOT_A_FLOAT) -> float:
    """A double; infinities pass, NaN does not."""
    number = parse_score(text)
    if number is None:
        raise CommandError(message)
    return number


def timeout_ms(text: bytes, now: int) -> int:
    """A blocking command's time limit, given in seconds with a fraction: milliseconds, rounded up; 0 is none.

    `now` is in milliseconds since 1970; a limit that takes the clock past 64 bits is refused.
    """
    seconds = parse_integer(text)
    if seconds is not None:
        milliseconds = seconds * 1000
    else:
        number = parse_long_double(text)
        if number is None:
            raise CommandError(NOT_A_TIMEOUT)
        if isinstance(number, float):  # infinite
            milliseconds = INT64_MAX + 1 if number > 0 else -1
        else:
            mantissa, exponent = number
            if exponent >= 0:
                milliseconds = (mantissa << exponent) * 1000
            elif exponent > -1000:
                milliseconds = ceil(mantissa / (1 << -exponent) * 1000)
            else:
                milliseconds = 1 if mantissa > 0 else 0
    if milliseconds > INT64_MAX:
        raise CommandError(TIMEOUT_OUT_OF_RANGE)
    if milliseconds < 0:
        raise CommandError(NEGATIVE_TIMEOUT)
    if milliseconds and milliseconds > INT64_MAX - now:
        raise CommandError(TIMEOUT_OUT_OF_RANGE)
    return milliseconds
