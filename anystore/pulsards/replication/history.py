"""Which history a server's data have: the name of the stream that made them, and how far they are in it.

Two servers with the same name and offset hold the same data. A replica that is promoted begins a history of its own, with a
new name, but remembers the former one and where it left it: so whoever followed the same primary can go on from there.

Source: "Redis replication", the section on replication IDs; `PSYNC` since 2.8, with a second name since 4.0.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards.replication.backlog import Backlog

#: The second name where there is none.
NO_ID: Final = b"0" * 40


class History:
    """The names of a server's history, how many bytes of it have passed, and the last ones of them."""

    __slots__ = ("backlog", "id", "offset", "second_id", "second_offset")

    def __init__(self, id: bytes) -> None:
        """A history that begins now, under this name of 40 hexadecimal digits."""
        self.id = id
        self.second_id = NO_ID
        #: How many bytes of the stream are in the data, and under which offset the former history ended; -1 for none.
        self.offset = 0
        self.second_offset = -1
        #: None while nobody has asked for the stream: nothing is counted then.
        self.backlog: Backlog | None = None

    def append(self, data: bytes) -> None:
        """The stream went on with these bytes, and what they say is in the data."""
        self.offset += len(data)
        if self.backlog is not None:
            self.backlog.append(data)

    def keep(self, size: int) -> None:
        """Begin to keep the last `size` bytes of the stream, unless that is done already."""
        if self.backlog is None:
            self.backlog = Backlog(size, self.offset)

    def begin(self, id: bytes) -> None:
        """A new history that has nothing to do with the one before, though its offsets go on."""
        self.id, self.second_id, self.second_offset = id, NO_ID, -1

    def fork(self, id: bytes) -> None:
        """Go on under a new name from here: who has the former history up to here may follow."""
        self.second_id, self.second_offset = self.id, self.offset + 1
        self.id = id

    def replace(self, id: bytes, offset: int) -> None:
        """The data are now what another history has at this offset; nothing of its stream is kept yet."""
        self.begin(id)
        self.offset = offset
        self.backlog = None

    def continuation(self, id: bytes, offset: int) -> bytes | None:
        """What a replica lacks that has all before `offset` of the history `id`; None if it needs everything anew.

        O(n) in the number of bytes that it lacks.
        """
        former = id == self.second_id and offset <= self.second_offset
        if self.backlog is None or (id != self.id and not former):
            return None
        return self.backlog.since(offset)
