"""A string so large that it arrives in many pieces: these are put together once, when all of them are there.

A reader that keeps one buffer moves such a string twice more: into the buffer, which grows under it, and out again.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.exceptions import ProtocolError

__all__ = ("LARGE_BYTES", "LargeString")

LARGE_BYTES: Final = 1 << 16
"""From how many bytes on a string is large."""
PIECE_BYTES: Final = 1 << 12
"""Smaller pieces are gathered, so that a string that trickles in takes no more than about its own memory."""

_HEADER_BYTES: Final = 18


class LargeString:
    """A bulk string of `length` bytes that has begun to arrive.

    Args:
        length: Its bytes, those of its header and its end not counted.
        data: What has arrived of it, from `start` on; less than all.
    """

    __slots__ = ("_end", "_missing", "_pieces", "_rest")

    def __init__(self, length: int, data: bytes, start: int) -> None:
        self._pieces: list[Any] = []
        self._missing = length
        self._end = b""
        self._rest: list[bytes] = []
        self._take(data, start)

    @classmethod
    def begun(cls, data: bytes) -> LargeString | None:
        """The large string that `data` begins with, unless it is there as a whole; None for anything else. O(1)."""
        if data[:1] != b"$":
            return None
        end = data.find(b"\r\n", 1, _HEADER_BYTES)
        digits = data[1:end]
        if end < 0 or not digits.isdigit() or digits[:1] == b"0":
            return None
        length, start = int(digits), end + 2
        return cls(length, data, start) if length >= LARGE_BYTES and length > len(data) - start else None

    @property
    def within(self) -> bool:
        """Whether bytes are here that no reply was made of: always."""
        return True

    @property
    def whole(self) -> bool:
        """Whether all of it has arrived, with what ends it."""
        return len(self._end) == 2

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived; those that are behind the string are kept apart. O(bytes)."""
        if self._missing:
            self._take(data, 0)
        elif self.whole:
            self._rest.append(data)
        else:
            self._take_end(data)

    def _take(self, data: bytes, start: int) -> None:
        size = len(data) - start
        pieces = self._pieces
        if size > self._missing:
            pieces.append(memoryview(data)[: self._missing])
            end, self._missing = self._missing, 0
            self._take_end(data[end : end + 2], data[end + 2 :])
            return
        self._missing -= size
        if size >= PIECE_BYTES:
            pieces.append(memoryview(data)[start:] if start else data)
        elif pieces and isinstance(pieces[-1], bytearray):
            pieces[-1] += memoryview(data)[start:]
        else:
            pieces.append(bytearray(memoryview(data)[start:]))

    def _take_end(self, data: bytes, rest: bytes = b"") -> None:
        lacking = 2 - len(self._end)
        self._end += data[:lacking]
        rest = data[lacking:] + rest
        if rest:
            self._rest.append(rest)

    def taken(self) -> tuple[bytes, list[bytes]]:
        """The string, which must be `whole`, and what has arrived behind it. O(bytes).

        Raises:
            ProtocolError: It does not end as it should.
        """
        if self._end != b"\r\n":
            raise ProtocolError(f"the server sent what is not RESP: {self._end!r} at the end of a string")
        return b"".join(self._pieces), self._rest
