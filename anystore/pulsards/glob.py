"""Redis' glob patterns, as KEYS, SCAN, PSUBSCRIBE and CONFIG GET take them.

A pattern becomes a regular expression in which every `*` is an atomic group, so that no pattern, however
hostile, makes matching worse than about linear in pattern times text. Compiling one takes microseconds for each
byte, so a long pattern, which can only be hostile, is matched piece by piece instead.

Source: the page of the KEYS command, "Supported glob-style patterns"; `^` negates, `\\` escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

#: Bytes from which on a pattern is not compiled.
LONG: Final = 1024

#: What stands between the brackets of a class, stars, question marks, an escaped byte, or plain bytes.
_TOKEN: Final = re.compile(rb"(\*+)|(\?+)|(\[)|\\(.)|(\\\Z)|([^*?\[\\]+)", re.DOTALL)


class Skip(NamedTuple):
    """Question marks: that many bytes of any kind."""

    size: int


class OneOf(NamedTuple):
    """A class: one of the bytes whose bit is set."""

    mask: int


#: A piece of a pattern; bytes stand for themselves, None is a star.
Piece = bytes | Skip | OneOf | None
_ALL: Final = (1 << 256) - 1


@lru_cache(maxsize=512)
def _compiled(pattern: bytes) -> Callable[[bytes], object]:
    return re.compile(_translate(list(_split(pattern))), re.DOTALL).fullmatch


@lru_cache(maxsize=16)
def _long(pattern: bytes) -> Callable[[bytes], object]:
    return _LongPattern(pattern).fullmatch


def matcher(pattern: bytes, ignore_case: bool = False) -> Callable[[bytes], object]:
    """A function that tells whether a text matches the pattern as a whole (truthy or not).

    An empty text matches nothing but the empty pattern, stars included: so it is in Redis, where KEYS and SCAN
    alone take a lone star for everything.
    """
    make = _compiled if len(pattern) < LONG else _long
    if ignore_case:
        lower = make(pattern.lower())
        return lambda text: lower(text.lower())
    return make(pattern)


def matches(pattern: bytes, text: bytes) -> bool:
    """Whether `text` as a whole matches `pattern`."""
    return bool(matcher(pattern)(text))


# Patterns of an ordinary length


def _translate(pieces: list[Piece]) -> bytes:
    if pieces == [None]:
        return b".+"
    if None not in pieces:
        return _expression(pieces)
    first = pieces.index(None)
    expression = [_expression(pieces[:first])]
    rest = pieces[first + 1 :]
    while None in rest:
        star = rest.index(None)
        if star:
            # What stands between two stars is matched at its first place and never tried elsewhere: a later
            # place could only leave less for the rest.
            expression.append(b"(?>.*?" + _expression(rest[:star]) + b")")
        rest = rest[star + 1 :]
    expression.append(b".*" + _expression(rest))
    return b"".join(expression)


def _expression(pieces: list[Piece]) -> bytes:
    """The regular expression of pieces without a star."""
    found = []
    for piece in pieces:
        if isinstance(piece, bytes):
            found.append(re.escape(piece))
        elif isinstance(piece, Skip):
            found.append(b".{%d}" % piece.size)
        elif piece is not None:
            listed = b"".join(b"\\x%02x" % byte for byte in range(256) if piece.mask >> byte & 1)
            found.append(b"[" + listed + b"]" if listed else b"(?!)")
    return b"".join(found)


# Parsing


def _split(pattern: bytes) -> Iterator[Piece]:
    """The pieces of a pattern; no two stars follow each other."""
    position, length = 0, len(pattern)
    star = False
    while position < length:
        token = _TOKEN.match(pattern, position)
        assert token is not None  # any byte is one of these
        position = token.end()
        stars, marks, bracket, escaped, backslash, plain = token.groups()
        if stars:
            if not star:
                yield None
            star = True
            continue
        star = False
        if bracket:
            mask, position = _class(pattern, position)
            yield OneOf(mask)
        else:
            yield Skip(len(marks)) if marks else escaped or backslash or plain


def _class(pattern: bytes, position: int) -> tuple[int, int]:
    """The mask of a class from behind its `[`, and the position behind it. One without an end is closed there."""
    length = len(pattern)
    negated = pattern[position : position + 1] == b"^"
    if negated:
        position += 1
    mask = 0
    while position < length:
        byte = pattern[position]
        if byte == 92 and position + 1 < length:
            mask |= 1 << pattern[position + 1]
            position += 2
        elif byte == 93:
            break
        elif position + 2 < length and pattern[position + 1] == 45:
            low, high = sorted((byte, pattern[position + 2]))
            mask |= (2 << high) - (1 << low)
            position += 3
        else:
            mask |= 1 << byte
            position += 1
    return _ALL & ~mask if negated else mask, position + 1


# Long patterns


class _LongPattern:
    """A pattern as runs of pieces that stars stand between, each with its length."""

    def __init__(self, pattern: bytes) -> None:
        self._runs: list[list[Piece]] = [[]]
        self._sizes = [0]
        for piece in _split(pattern):
            if piece is None:
                self._runs.append([])
                self._sizes.append(0)
            else:
                self._runs[-1].append(piece)
                self._sizes[-1] += _size(piece)
        #: No text that is shorter matches: mostly all that has to be known of a hostile pattern.
        self._least = sum(self._sizes)

    def fullmatch(self, text: bytes) -> bool:
        """Whether the whole text matches. O(pattern * text) at worst."""
        size = len(text)
        runs, sizes = self._runs, self._sizes
        if size < self._least or not size:
            return not size and runs == [[]]
        if len(runs) == 1:
            return size == sizes[0] and _matches_at(runs[0], text, 0)
        end = size - sizes[-1]
        if not (_matches_at(runs[0], text, 0) and _matches_at(runs[-1], text, end)):
            return False
        position = sizes[0]
        for run, length in zip(runs[1:-1], sizes[1:-1], strict=True):
            # The first place is the best one, as above.
            found = _find(run, text, position, end - length)
            if found < 0:
                return False
            position = found + length
        return position <= end


def _size(piece: Piece) -> int:
    """How many bytes of a text a piece stands for."""
    if isinstance(piece, bytes):
        return len(piece)
    return piece.size if isinstance(piece, Skip) else 1


def _matches_at(run: list[Piece], text: bytes, position: int) -> bool:
    for piece in run:
        if isinstance(piece, bytes):
            if not text.startswith(piece, position):
                return False
            position += len(piece)
        elif isinstance(piece, Skip):
            position += piece.size
        elif piece is not None:
            if not piece.mask >> text[position] & 1:
                return False
            position += 1
    return True


def _find(run: list[Piece], text: bytes, position: int, last: int) -> int:
    """The first place from `position` to `last` where the run matches; -1 without one."""
    head = run[0] if run else b""
    while position <= last:
        if isinstance(head, bytes):
            position = text.find(head, position, last + len(head))
            if position < 0:
                return -1
        if _matches_at(run, text, position):
            return position
        position += 1
    return -1
