"""The commands in a primary's stream, each with the bytes that it took, so that offsets can be counted."""

from __future__ import annotations

import re
from typing import Final

import hiredis

_PARTIAL: Final = object()
#: What may be a count that hiredis would make room for at once, or stand within a value; by mark, since a pattern that
#: begins with several is looked for ten times as slowly.
_LARGE_COUNTS: Final = [
    (mark, re.compile(re.escape(mark) + rb"\d{5,}\r\n")) for mark in (b"*", b">", b"~", b"%", b"|")
]
#: What has so many arguments is shown to hiredis when it is whole, and not before.
_LARGE: Final = 10_000
#: Bytes of the longest line that holds a count or a length: its mark, 19 digits, its end.
_LONGEST_LINE: Final = 22
_ASTERISK: Final = 42
_DOLLAR: Final = 36


class StreamError(Exception):
    """The primary sent something that is no command of a replication stream."""


class StreamParser:
    """Turns a replication stream into commands.

    A primary writes its stream in one form only: arrays of bulk strings, and between them at most line ends, by which
    it shows that it is alive. That makes it possible to parse in C and still know where each command ends.

    hiredis makes room for as many arguments as a command announces. So where that are many, they are counted here
    first, and hiredis sees them when they are there: a primary that lies takes no memory but what it sends.
    """

    __slots__ = ("_fed", "_raw", "_reader", "_walked")

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_PARTIAL)
        self._raw = bytearray()  # what has come and is not part of a whole command yet
        self._fed = 0  # so many bytes of it hiredis has
        #: Of a command of many arguments that is not whole: where its next length stands, how many are to come.
        self._walked: tuple[int, int] | None = None

    def feed(self, data: bytes) -> list[tuple[list[bytes], bytes]]:
        """The commands that these bytes complete, each with its bytes in the stream; a line end is an empty command.

        Linear. Raises `StreamError`; the commands before the fault are lost then, and to be asked for again.
        """
        found: list[tuple[list[bytes], bytes]] = []
        if not self._raw:
            stripped = data.lstrip(b"\n")
            if len(stripped) < len(data):
                found.append(([], b"\n" * (len(data) - len(stripped))))
                data = stripped
        raw, fed = self._raw, self._fed
        raw += data
        if self._walked is not None or _may_lie(bytes(raw[max(fed - _LONGEST_LINE, 0) : fed]) + data):
            # What it has already of a line that was cut is no whole number, and harmless.
            shown = max(self._harmless(), fed)
            data = bytes(raw[fed:shown])
        else:
            shown = len(raw)
        position = 0
        try:
            self._reader.feed(data)
            while (command := self._reader.gets()) is not _PARTIAL:
                written = hiredis.pack_command(tuple(command))
                end = position + len(written)
                if not command or raw[position:end] != written:
                    raise StreamError("the primary sent a command in a form that no primary writes")
                found.append((command, written))
                position = end
        except (hiredis.ProtocolError, TypeError):
            raise StreamError("the primary sent bytes that are no command") from None
        del raw[:position]
        self._fed = shown - position
        return found

    def _harmless(self) -> int:
        """How many of the bytes hiredis may have: all, but for a command of many arguments that is not whole.

        Linear in the arguments, each of which is looked at once in a command that is held back.
        """
        raw = self._raw
        begin = 0
        position, left = self._walked or (0, 0)
        large = self._walked is not None
        self._walked = None
        while position <= len(raw):
            if not left:
                begin, large = position, False
            line = self._line(position, _DOLLAR if left else _ASTERISK)
            if line is None:
                break
            position, number = line
            if left:
                position += number + 2
                left -= 1
            else:
                left, large = number, number >= _LARGE
        if not large:
            return len(raw)
        self._walked = position - begin, left
        return begin

    def _line(self, position: int, mark: int) -> tuple[int, int] | None:
        """The position behind a line that holds a number, and the number; None where the line is not whole."""
        raw = self._raw
        end = raw.find(b"\r\n", position, position + _LONGEST_LINE)
        if end < 0 and len(raw) - position < _LONGEST_LINE:
            return None
        digits = raw[position + 1 : end]
        if end < 0 or raw[position] != mark or not digits.isdigit():
            raise StreamError("the primary sent a command in a form that no primary writes")
        return end + 2, int(digits)

    @property
    def pending(self) -> int:
        """How many bytes have come of a command that is not whole yet."""
        return len(self._raw)


def _may_lie(data: bytes) -> bool:
    """Whether a large count might be in there."""
    return any(mark in data and pattern.search(data) is not None for mark, pattern in _LARGE_COUNTS)
