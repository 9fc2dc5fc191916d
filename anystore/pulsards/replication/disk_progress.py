"""How much of the stream is on this server's own disk: what a replica reports, and WAITAOF goes by."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine


class DiskProgress:
    """The offset up to which a server's append-only log has the stream on the disk.

    The log counts bytes of its own; so each time that somebody asks, it is noted which of them go with which offset.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._offset = 0
        self._marks: deque[tuple[int, int]] = (
            deque()
        )  # bytes appended to the log, and the offset that goes with them

    def read(self, offset: int) -> int | None:
        """The offset up to which the stream is on the disk, when `offset` is in the data; None without a log.

        Only as far as was asked before. Amortised O(1).
        """
        append_only = self._engine.append_only
        if append_only.state == "off":
            return None
        if append_only.state != "on":
            self._marks.clear()  # nothing counts before the log's first base is there
            return self._offset
        log = append_only.log
        if not self._marks or self._marks[-1] != (log.appended, offset):
            self._marks.append((log.appended, offset))
        while self._marks and self._marks[0][0] <= log.synced:
            self._offset = self._marks.popleft()[1]
        return self._offset

    def restart(self) -> None:
        """The data, and with them the offsets, are others now: nothing of them is on the disk yet."""
        self._offset = 0
        self._marks.clear()
