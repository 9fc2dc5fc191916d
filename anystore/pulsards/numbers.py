"""Numbers as Redis reads and writes them: 64-bit integers, doubles, and 80-bit long doubles.

Python's own `int()` and `float()` accept more than Redis does (spaces, underscores, leading zeros), and write
differently, so commands go through this module. Text is `bytes` throughout.

Sources: the pages of ZADD, INCR and INCRBYFLOAT; behaviour compared with Valkey 9.1 and Redis 7.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import inf, isinf
from typing import Final, NamedTuple

from anystore.resp.doubles import format_double as format_double

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1

# Redis reads a long double into a buffer of this size; longer text is refused.
_LONG_DOUBLE_TEXT_LIMIT: Final = 5 * 1024

_DECIMAL = re.compile(rb"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?\Z")
_HEXADECIMAL = re.compile(rb"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?\Z")
_INFINITY = re.compile(rb"([+-]?)inf(?:inity)?\Z", re.IGNORECASE)


def parse_integer(text: bytes) -> int | None:
    """The signed 64-bit integer that `text` is, or None.

    Strict, as for INCR and for integer arguments: no spaces, no plus sign, no leading zero, no `-0`. O(len).
    """
    if text.isdigit():
        if text[0] != 48 or len(text) == 1:
            if len(text) < 19:
                return int(text)
            if len(text) == 19:
                value = int(text)
                return value if value <= INT64_MAX else None
        return None
    if text[:1] == b"-":
        digits = text[1:]
        if digits.isdigit() and digits[0] != 48 and len(digits) <= 19:
            value = -int(digits)
            return value if value >= INT64_MIN else None
    return None


def parse_unsigned(text: bytes) -> int | None:
    """The unsigned 64-bit integer that `text` is (a SCAN cursor, say), or None.

    As lax as C's `strtoull` where it does no harm: leading zeros and a plus sign pass; spaces, and a minus sign
    before anything but 0, do not.
    """
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    if digits.isdigit() and len(digits) <= 64:
        value = int(digits)
        if value <= UINT64_MAX and not (value and text[0] == 45):
            return value
    return None


def parse_score(text: bytes) -> float | None:
    """The double that `text` is, or None: scores, weights, and other arguments that are doubles.

    Accepts decimal notation and `inf`/`infinity` with an optional sign, in any case. Refuses NaN, spaces,
    hexadecimal notation (as Valkey does), and what no double can hold: overflow to infinity, underflow to 0.
    """
    if text.isdigit() and len(text) < 16:  # the common case, and nothing that could be wrong with it
        return float(text)
    try:
        value = float(text)
    except ValueError:
        return None
    if value - value != 0 or value == 0 or b"_" in text or text[:1].isspace() or text[-1:].isspace():
        return _checked_score(text, value)
    return value


def _checked_score(text: bytes, value: float) -> float | None:
    """The rarer half of `parse_score`: what Python's float() reads and Redis may refuse."""
    if isinf(value):
        return value if _INFINITY.match(text) else None
    match = _DECIMAL.match(text)
    if value != value or match is None:
        return None
    if value == 0 and ((match[2] or b"") + (match[3] or b"")).strip(b"0"):
        return None
    return value


def parse_bound(text: bytes) -> float | None:
    """The double at an end of a range of scores, or None.

    There Redis takes what C's `strtod` makes of the text: beyond `parse_score`, nothing at all is 0, what no
    double can hold becomes infinity or 0, and the text ends at a zero byte.
    """
    value = parse_score(text)
    if value is not None:
        return value
    text, ended, _ = text.partition(b"\0")
    if not text:
        return 0.0
    match = _DECIMAL.match(text)
    if match is not None and (match[2] or match[3]):
        return float(text)
    return parse_score(text) if ended else None


class LongDouble(NamedTuple):
    """A finite number of x87's 80-bit format: `mantissa * 2 ** exponent`, at most 64 bits of mantissa.

    Redis counts in C's `long double` for INCRBYFLOAT and HINCRBYFLOAT; this gives its digits on any platform.
    """

    mantissa: int
    exponent: int

    def plus(self, other: LongDouble) -> LongDouble | None:
        """The sum, rounded to nearest even as the processor does; None when it overflows to infinity."""
        exponent = min(self.exponent, other.exponent)
        total = (self.mantissa << (self.exponent - exponent)) + (
            other.mantissa << (other.exponent - exponent)
        )
        return _rounded(total, 1, exponent)


_MANTISSA_BITS: Final = 64
_MIN_EXPONENT: Final = -16445  # of the last bit of the smallest denormal
_MAX_EXPONENT: Final = 16384 - _MANTISSA_BITS


def _rounded(numerator: int, denominator: int, exponent: int) -> LongDouble | None:
    """`numerator / denominator * 2 ** exponent` to the nearest long double; None is infinity."""
    if numerator == 0:
        return LongDouble(0, 0)
    negative = numerator < 0
    numerator = abs(numerator)
    # Bring the quotient to at least 66 bits, so that 64 remain exact and the rest tells how to round.
    shift = max(0, _MANTISSA_BITS + 2 - numerator.bit_length() + denominator.bit_length())
    quotient, remainder = divmod(numerator << shift, denominator)
    exponent -= shift
    excess = max(quotient.bit_length() - _MANTISSA_BITS, _MIN_EXPONENT - exponent)
    mantissa, below = quotient >> excess, quotient & ((1 << excess) - 1)
    half = 1 << (excess - 1)
    if below > half or (below == half and (remainder or mantissa & 1)):
        mantissa += 1
    exponent += excess
    if mantissa == 0:
        return LongDouble(0, 0)
    if mantissa.bit_length() + exponent > _MAX_EXPONENT + _MANTISSA_BITS:
        return None
    trailing = (mantissa & -mantissa).bit_length() - 1
    mantissa >>= trailing
    return LongDouble(-mantissa if negative else mantissa, exponent + trailing)


def parse_long_double(text: bytes) -> LongDouble | float | None:
    """The long double that `text` is: a LongDouble, `inf`/`-inf` as a float, or None for what Redis refuses.

    Accepts decimal and hexadecimal notation as C's `strtold` does; no spaces, NaN, overflow or underflow.
    """
    if not text or len(text) >= _LONG_DOUBLE_TEXT_LIMIT:
        return None
    if match := _DECIMAL.match(text):
        base, power_base = 10, 10
    elif match := _HEXADECIMAL.match(text):
        base, power_base = 16, 2
    elif match := _INFINITY.match(text):
        return -inf if match[1] == b"-" else inf
    else:
        return None
    fraction = match[3] or b""
    digits = match[2] + fraction
    if not digits:
        return None
    # Python refuses int() of more than 4300 decimal digits; Decimal converts exactly, without that limit.
    number = int(digits, base) if base == 16 or len(digits) < 4000 else int(Decimal(digits.decode()))
    if number == 0:
        return LongDouble(0, 0)
    # Beyond any long double either way; also keeps the arithmetic below small.
    power = max(-30_000, min(30_000, int(match[4][:12]) if match[4] else 0))
    power -= len(fraction) * (4 if base == 16 else 1)
    if match[1] == b"-":
        number = -number
    if power_base == 2:
        value = _rounded(number, 1, power)
    elif power >= 0:
        value = _rounded(number * 10**power, 1, 0)
    else:
        value = _rounded(number, 10**-power, 0)
    if value is None or value.mantissa == 0:
        return None
    return value


def format_long_double(value: LongDouble) -> bytes:
    """A long double as INCRBYFLOAT replies it: up to 17 decimals, never an exponent, no trailing zeros."""
    mantissa, exponent = value
    if exponent >= 0:
        # By Decimal, since str() of an int refuses more than 4300 digits, and there may be 4933 of them.
        return format(Decimal(mantissa << exponent), "f").encode()
    quotient, remainder = divmod(abs(mantissa) * 10**17, 1 << -exponent)
    half = 1 << (-exponent - 1)
    if remainder > half or (remainder == half and quotient & 1):
        quotient += 1
    whole, decimals = divmod(quotient, 10**17)
    text = f"{whole}.{decimals:017d}".rstrip("0").rstrip(".")
    return ("-" + text if mantissa < 0 and text != "0" else text).encode()
