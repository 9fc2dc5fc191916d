"""The records of an append-only file: commands as clients send them, and annotations between them.

`RecordReader` takes the bytes in pieces of any size and knows of each record where it ends, so that a file can be cut
there, and a fault can be named by its offset. It tells three ends of a file apart: whole, cut short in the middle of a
record (what a crash leaves), and damaged.

Source: the RESP array of bulk strings; annotations as in Redis 7, a line that begins with ``#``.
"""

from __future__ import annotations

import re
from typing import Final

import hiredis

#: An annotation has this many bytes at most, its end included.
LONGEST_ANNOTATION: Final = 1024
#: From this size on, in bytes, a record that is not whole is only looked at again when twice as much has come.
_LARGE: Final = 2**16
#: What may announce a lot, be it within a value; and the bytes of the shortest argument.
_LARGE_COUNT: Final = re.compile(rb"[*~>%](\d{5,})\r\n")
_SHORTEST_ARGUMENT: Final = 6
#: Digits of the longest length.
_LONGEST_LENGTH: Final = 19

_ASTERISK: Final = 42
_DOLLAR: Final = 36
_HASH: Final = 35
_PARTIAL: Final = object()

#: Where a record ends, in bytes from the beginning of the file, and its command.
Record = tuple[int, list[bytes]]


class AofError(Exception):
    """A file that cannot be gone by: the offset of the first record that is to blame, in bytes, and what is wrong.

    `remedy` is what to do about it, where that is anything but to cut the file off there.
    """

    def __init__(self, offset: int, reason: str, remedy: str = "") -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason
        self.remedy = remedy


class _Incomplete(Exception):
    """A record ends behind the bytes that are there; `needed` of them are wanted at least, from its beginning."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


class RecordReader:
    """Turns the bytes of a file into records.

    `offset` is where the last whole record ended, `timestamp` the last annotation of the time, in seconds since 1970;
    `remark` is the last annotation of any kind, and where it ends.
    """

    __slots__ = ("_blank", "_buffer", "_damage", "_needed", "max_bulk", "offset", "remark", "timestamp")

    def __init__(self, offset: int = 0, max_bulk: int = 512 * 2**20) -> None:
        """`offset` of the first byte in its file; an argument has `max_bulk` bytes at most."""
        self.offset = offset
        self.max_bulk = max_bulk
        self.timestamp: int | None = None
        self.remark: tuple[int, bytes] | None = None
        self._buffer = bytearray()
        self._needed = 0
        #: What is wrong with the record that begins at `offset`, and whether there are only zero bytes in its place.
        self._damage: AofError | None = None
        self._blank = False

    def feed(self, data: bytes) -> list[Record]:
        """The records that these bytes complete. Linear in the size of `data`. Raises `AofError` for damaged ones.

        What came before the damage is returned first: it raises with the next call, or by `finish`.
        """
        if self._damage is not None:
            if not self._blank or data.strip(b"\0"):
                raise self._damage
            return []
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._needed:
            return []
        return self._read()

    def finish(self) -> tuple[list[Record], bool]:
        """The end of the file has come: the last records, and whether the file is cut short behind them.

        Zero bytes at the end are such a cut: a file system that lost its power leaves them. So is a last record that
        claims to be longer than the file, even if there are whole records in it: they may be its value, and nobody
        can tell. Raises `AofError` for a damaged record.
        """
        records = self._read() if self._buffer and self._damage is None else []
        if self._damage is not None and not self._blank:
            raise self._damage
        if not self._buffer:
            return records, False
        return records, True

    # Reading

    def _read(self) -> list[Record]:
        records = self._read_quickly()
        position, buffer = 0, self._buffer
        start = self.offset
        self._needed = 0
        try:
            while position < len(buffer):
                following, command = self._record(position)
                if command is not None:
                    records.append((start + following, command))
                position = following
        except _Incomplete as incomplete:
            rest = len(buffer) - position
            self._needed = max(incomplete.needed, 2 * rest if rest > _LARGE else 0)
        except AofError as error:
            self._damage = error
        self.offset = start + position
        del buffer[:position]
        if self._damage is not None:
            self._blank = self._is_blank()
            if not self._blank and not records:
                raise self._damage
        return records

    def _read_quickly(self) -> list[Record]:
        """What hiredis finds at the beginning, as long as writing it gives the very same bytes."""
        buffer = self._buffer
        if not buffer or buffer[0] != _ASTERISK:
            return []
        reader = hiredis.Reader(notEnoughData=_PARTIAL)
        whole = self._without_lies(bytes(buffer))
        written: list[bytes] = []
        commands: list[list[bytes]] = []
        try:
            reader.feed(whole)
            while (command := reader.gets()) is not _PARTIAL:
                written.append(hiredis.pack_command(tuple(command)))
                commands.append(command)
        except (hiredis.ProtocolError, TypeError):
            pass  # the careful reading goes on from there, and says what it is
        joined = b"".join(written)
        if not all(commands) or not whole.startswith(joined) or self._any_is_too_large(commands, len(joined)):
            return []
        offset = self.offset
        records = []
        for command, form in zip(commands, written, strict=True):
            offset += len(form)
            records.append((offset, command))
        self.offset = offset
        del buffer[: len(joined)]
        return records

    @staticmethod
    def _without_lies(data: bytes) -> bytes:
        """The data up to what may be a count of more than there is behind it: hiredis makes room for all it announces."""
        for found in _LARGE_COUNT.finditer(data):
            if (
                len(found[1]) > _LONGEST_LENGTH
                or int(found[1]) * _SHORTEST_ARGUMENT > len(data) - found.end()
            ):
                return data[: found.start()]
        return data

    def _any_is_too_large(self, commands: list[list[bytes]], size: int) -> bool:
        return size > self.max_bulk and any(
            len(argument) > self.max_bulk for command in commands for argument in command
        )

    def _record(self, position: int) -> tuple[int, list[bytes] | None]:
        """Where the record at `position` ends, and its command; None for an annotation.

        Raises `_Incomplete`, or `AofError` with the offset of the record.
        """
        buffer = self._buffer
        first = buffer[position]
        if first == _HASH:
            return self._annotation(position), None
        if first != _ASTERISK:
            raise self._error(position, f"want a record, which begins with '*', not {_shown(first)}")
        following, count = self._length(position, position, _ASTERISK)
        if count < 1:
            raise self._error(position, "a record of no arguments")
        arguments: list[bytes] = []
        for _ in range(count):
            following, length = self._length(position, following, _DOLLAR)
            if length > self.max_bulk:
                raise self._error(position, f"an argument of {length} bytes, over proto-max-bulk-len")
            end = following + length
            if len(buffer) < end + 2:
                raise _Incomplete(end + 2 - position)
            if buffer[end : end + 2] != b"\r\n":
                raise self._error(position, "an argument does not end where its length says")
            arguments.append(bytes(buffer[following:end]))
            following = end + 2
        return following, arguments

    def _length(self, record: int, position: int, mark: int) -> tuple[int, int]:
        """The position behind a line that holds a length, and that length."""
        buffer = self._buffer
        if position >= len(buffer):
            raise _Incomplete(position + 1 - record)
        if buffer[position] != mark:
            raise self._error(record, f"want '{mark:c}' before a length, not {_shown(buffer[position])}")
        end = buffer.find(b"\r\n", position, position + _LONGEST_LENGTH + 3)
        digits = buffer[position + 1 : end if end >= 0 else position + _LONGEST_LENGTH + 3]
        if end < 0:
            if len(digits) > _LONGEST_LENGTH + 1 or not (digits.removesuffix(b"\r") or b"0").isdigit():
                raise self._error(record, f"'{mark:c}' is followed by no length")
            raise _Incomplete(len(buffer) + 1 - record)
        if not digits.isdigit():
            raise self._error(record, f"'{mark:c}' is followed by no length")
        return end + 2, int(digits)

    def _annotation(self, position: int) -> int:
        buffer = self._buffer
        end = buffer.find(b"\n", position, position + LONGEST_ANNOTATION)
        if end < 0:
            if len(buffer) - position >= LONGEST_ANNOTATION:
                raise self._error(position, "an annotation without an end")
            raise _Incomplete(len(buffer) + 1 - position)
        line = bytes(buffer[position:end]).removesuffix(b"\r")
        self.remark = (self.offset + end + 1, line)
        stamp = line.removeprefix(b"#TS:")
        if stamp != line and stamp.isdigit() and len(stamp) <= _LONGEST_LENGTH:
            self.timestamp = int(stamp)
        return end + 1

    def _error(self, position: int, reason: str) -> AofError:
        return AofError(self.offset + position, reason)

    # The end of a file

    def _is_blank(self) -> bool:
        """Whether what is left is the beginning of a record, or none at all, and zero bytes behind it."""
        left = self._buffer
        self._buffer = left.rstrip(b"\0")
        try:
            if self._buffer:
                self._record(0)
        except _Incomplete:
            return len(self._buffer) < len(left)
        except AofError:
            return False
        finally:
            blank, self._buffer = not self._buffer, left
        return blank


def _shown(byte: int) -> str:
    return repr(chr(byte)) if 32 <= byte < 127 else f"byte {byte}"
