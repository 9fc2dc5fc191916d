"""Doubles as Redis writes them, in replies and wherever else a double becomes text."""

from __future__ import annotations

from math import copysign


def format_double(value: float) -> bytes:
    """A double as Redis 7.2 and later reply it: the shortest text that reads back as the same double.

    (Redis' own algorithm misses the shortest text for about one double in 300, and then has one digit more.)

    Whole numbers up to 2**62 are written as integers; else the exponent form (`1e+20`, `1.5e-7`) is taken
    where Redis takes it. Infinities are `inf` and `-inf`, NaN is `nan`, and a negative zero is `-0`.
    """
    if value - value != 0:
        return b"nan" if value != value else b"inf" if value > 0 else b"-inf"
    if -4611686018427387904.0 <= value <= 4611686018427387904.0 and value == (whole := int(value)):
        if whole == 0 and copysign(1.0, value) < 0:
            return b"-0"
        return b"%d" % whole
    if 0.001 <= value < 10000 or -10000 < value <= -0.001:
        return repr(value).encode()
    return _format_shortest(value)


def _format_shortest(value: float) -> bytes:
    text = repr(value)
    sign = "-" if text[0] == "-" else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    scale = int(exponent or 0) - len(fraction)
    stripped = digits.rstrip("0")
    scale += len(digits) - len(stripped)
    digits = stripped
    count = len(digits)
    point = scale + count - 1
    if scale >= 0 and abs(point) < count + 7:
        body = digits + "0" * scale
    elif scale < 0 and (scale > -7 or abs(point) < 4):
        if point < 0:
            body = "0." + "0" * (-point - 1) + digits
        else:
            body = digits[: point + 1] + "." + digits[point + 1 :]
    else:
        body = digits[0] + ("." + digits[1:] if count > 1 else "") + f"e{point:+d}"
    return (sign + body).encode()
