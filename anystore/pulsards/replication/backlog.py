"""The last part of a replication stream, kept so that a replica whose link was cut can go on where it was."""

from __future__ import annotations


class Backlog:
    """A ring of bytes that knows where in the stream they stand.

    Offsets count from 1, as in Redis: the byte with the offset n is the n-th of the stream.

    Source: "Redis replication", the section on how it works; the directive repl-backlog-size.
    """

    __slots__ = ("_end", "_held", "_next", "_ring")

    def __init__(self, size: int, end: int = 0) -> None:
        """Room for the last `size` bytes of a stream of which `end` bytes have passed already, none of them kept."""
        self._ring = bytearray(size)
        self._next = 0  # where in the ring the next byte goes
        self._held = 0
        self._end = end

    @property
    def size(self) -> int:
        """How many bytes there is room for."""
        return len(self._ring)

    @property
    def held(self) -> int:
        """How many bytes are kept."""
        return self._held

    @property
    def first(self) -> int:
        """The offset of the first byte that is kept, or of the next one to come."""
        return self._end - self._held + 1

    def append(self, data: bytes) -> None:
        """The stream goes on with these bytes. O(len(data))."""
        self._end += len(data)
        size = len(self._ring)
        self._held = min(size, self._held + len(data))
        if len(data) >= size:
            self._ring[:] = data[len(data) - size :]
            self._next = 0
            return
        room = size - self._next
        if len(data) <= room:
            self._ring[self._next : self._next + len(data)] = data
        else:
            self._ring[self._next :] = data[:room]
            self._ring[: len(data) - room] = data[room:]
        self._next = (self._next + len(data)) % size

    def since(self, offset: int) -> bytes | None:
        """The bytes from the one with this offset on, empty for the next one to come; None if they are not all kept.

        O(n) in their number.
        """
        count = self._end - offset + 1
        if not 0 <= count <= self._held:
            return None
        start = self._next - count
        if start >= 0:
            return bytes(self._ring[start : self._next])
        return bytes(self._ring[start:] + self._ring[: self._next]) if count else b""

    def resize(self, size: int) -> None:
        """Make room for so many bytes, keeping as many of the last ones as fit. O(size)."""
        kept = self.since(self.first) or b""
        kept = kept[max(0, len(kept) - size) :]
        self._ring = bytearray(size)
        self._ring[: len(kept)] = kept
        self._held = len(kept)
        self._next = len(kept) % size
