"""An append-only file in memory, which fails when it is told to, and forgets what was not synced."""

from __future__ import annotations

import errno


class FakeHandle:
    """What has been written, what is on the disk, and what fails next."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.on_disk = b""
        self.calls: list[str] = []
        #: Names of the calls that fail, with the number of the error.
        self.failing: dict[str, int] = {}
        #: How many bytes the next writes take before the disk is full.
        self.room: int | None = None
        self.closed = False

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise OSError(self.failing[name], name)

    @property
    def size(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self._call("write")
        taken = data if self.room is None else data[: self.room]
        self.data += taken
        if self.room is not None:
            self.room -= len(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, "write")

    def sync(self) -> None:
        # What Linux does: the error is told once, and the pages count as clean from then on.
        self._call("sync")
        self.on_disk = bytes(self.data)

    def truncate(self, size: int) -> None:
        self._call("truncate")
        del self.data[size:]

    def close(self) -> None:
        self.calls.append("close")
        self.closed = True
