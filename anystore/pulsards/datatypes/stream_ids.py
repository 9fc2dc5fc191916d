"""The IDs of stream entries: two unsigned 64-bit numbers, milliseconds and a sequence, written `ms-seq`.

Here they are one integer, `ms << 64 | seq`, which orders and counts as the pair does.

Source: "Redis Streams", section "Entry IDs"; `ms-*` since 7.0.
"""

from __future__ import annotations

import re
from typing import Final

MAX_PART: Final = 2**64 - 1
MAX_ID: Final = 2**128 - 1

# A part as C's strtoull takes it, where it is not a plain number.
_LAX_NUMBER = re.compile(rb"([ \t-\r]*)([+-]?)([0-9]+)")
_LONGEST_TEXT: Final = 127


def format_id(number: int) -> bytes:
    """An ID as clients see it."""
    return b"%d-%d" % (number >> 64, number & MAX_PART)


def parse_id(text: bytes, sequence: int = 0) -> int | None:
    """The ID that `text` is, `sequence` standing for a missing second part; None for what is none. O(1).

    Numbers are read as laxly as Redis does (leading zeros, signs, spaces), which never takes `-` or `+`.
    """
    milliseconds, dash, rest = text.partition(b"-")
    if milliseconds.isdigit() and len(milliseconds) < 20:
        if not dash:
            return int(milliseconds) << 64 | sequence
        if rest.isdigit() and len(rest) < 20:
            return int(milliseconds) << 64 | int(rest)
    return _parse_lax(text, sequence)


def parse_open_id(text: bytes) -> int | None:
    """The milliseconds of an ID whose sequence the server is to choose, `ms-*`; None for anything else."""
    if text[-2:] != b"-*":
        return None
    number = parse_id(text[:-2])
    return None if number is None or b"-" in text[:-2] else number >> 64


def _parse_lax(text: bytes, sequence: int) -> int | None:
    if len(text) > _LONGEST_TEXT:
        return None
    milliseconds, dash, rest = text.partition(b"\0")[0].partition(b"-")
    first = _parse_part(milliseconds)
    second = _parse_part(rest) if dash else sequence
    return None if first is None or second is None else first << 64 | second


def _parse_part(text: bytes) -> int | None:
    match = _LAX_NUMBER.fullmatch(text)
    if match is None:
        return None
    spaces, sign, digits = match.groups()
    number = int(digits)
    if number > MAX_PART:
        return None
    if sign != b"-":
        return number
    if not spaces and digits[0] != 48 and number <= 2**63:
        return None  # a negative number of 64 bits is seen as such; any other wraps around
    return -number & MAX_PART
