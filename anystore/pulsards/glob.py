"""Redis' glob patterns, as KEYS, SCAN, PSUBSCRIBE and CONFIG GET take them.

A pattern becomes a regular expression in which every `*` is an atomic group, so that no pattern, however
hostile, makes matching worse than about linear in pattern times text.

Source: the page of the KEYS command, "Supported glob-style patterns"; `^` negates, `\\` escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

_STAR: Final = b""


@lru_cache(maxsize=512)
def matcher(pattern: bytes, ignore_case: bool = False) -> Callable[[bytes], object]:
    """A function that tells whether a text matches the pattern as a whole (truthy or None).

    An empty text matches nothing but the empty pattern, stars included: so it is in Redis, where KEYS and SCAN
    alone take a lone star for everything.
    """
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile(_translate(pattern), flags).fullmatch


def matches(pattern: bytes, text: bytes) -> bool:
    """Whether `text` as a whole matches `pattern`."""
    return matcher(pattern)(text) is not None


def _translate(pattern: bytes) -> bytes:
    pieces = _split(pattern)
    if pieces and pieces.count(_STAR) == len(pieces):
        return b".+"
    if _STAR not in pieces:
        return b"".join(pieces)
    first = pieces.index(_STAR)
    expression = [b"".join(pieces[:first])]
    rest = pieces[first + 1 :]
    while _STAR in rest:
        star = rest.index(_STAR)
        if star:
            # What stands between two stars is matched at its first place and never tried elsewhere: a later
            # place could only leave less for the rest.
            expression.append(b"(?>.*?" + b"".join(rest[:star]) + b")")
        rest = rest[star + 1 :]
    expression.append(b".*" + b"".join(rest))
    return b"".join(expression)


def _split(pattern: bytes) -> list[bytes]:
    """The pattern as expressions of one byte each, and `_STAR` for its stars."""
    pieces: list[bytes] = []
    position, length = 0, len(pattern)
    while position < length:
        byte = pattern[position : position + 1]
        position += 1
        if byte == b"*":
            if not pieces or pieces[-1] is not _STAR:
                pieces.append(_STAR)
        elif byte == b"?":
            pieces.append(b".")
        elif byte == b"[":
            expression, position = _class(pattern, position)
            pieces.append(expression)
        else:
            if byte == b"\\" and position < length:
                byte = pattern[position : position + 1]
                position += 1
            pieces.append(re.escape(byte))
    return pieces


def _class(pattern: bytes, position: int) -> tuple[bytes, int]:
    """A bracket expression from behind its `[`, and the position behind it. One without an end is closed there."""
    length = len(pattern)
    negated = pattern[position : position + 1] == b"^"
    if negated:
        position += 1
    members: set[int] = set()
    while position < length:
        byte = pattern[position]
        if byte == 92 and position + 1 < length:
            members.add(pattern[position + 1])
            position += 2
        elif byte == 93:
            break
        elif position + 2 < length and pattern[position + 1] == 45:
            low, high = sorted((byte, pattern[position + 2]))
            members.update(range(low, high + 1))
            position += 3
        else:
            members.add(byte)
            position += 1
    if not members:
        return (b"." if negated else b"(?!)"), position + 1
    listed = b"".join(b"\\x%02x" % member for member in sorted(members))
    return b"[" + (b"^" if negated else b"") + listed + b"]", position + 1
