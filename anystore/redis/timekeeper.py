"""Time limits of a connection's requests, without a timer for each.

A timer per command would cost more than the command. So the newest entry of the FIFO is noted a few times within the
time limit; one that is still there after the time limit is overdue, and so is everything in front of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import anyio

from anystore.backend import Waiter
from anystore.redis.entries import Entry

__all__ = ("Timekeeper",)

TICKS: Final = 8
"""How many looks at the FIFO are taken within a time limit: it is kept to within an eighth."""


class _Note:
    __slots__ = ("deadline", "entry", "received")

    def __init__(self, deadline: float, entry: Entry, received: int) -> None:
        self.deadline = deadline
        self.entry = entry
        self.received = received


class Timekeeper:
    """Tells which entries of a FIFO are overdue, for as long as there are entries: idle, it costs nothing.

    Args:
        limit: The time limit in seconds, None for none.
        fifo: The entries.
        spawn: Starts a task.
        received: How often something has been received.
        overdue: Called with an entry that is overdue, and whether nothing at all was received since it was noted.
        finished: Called when there are no entries any more.
    """

    def __init__(
        self,
        limit: float | None,
        fifo: deque[Entry],
        spawn: Callable[..., Any],
        received: Callable[[], int],
        overdue: Callable[[Entry, bool], None],
        finished: Callable[[], None],
    ) -> None:
        self.limit = limit
        self.running = limit is None
        """Whether there is no need to `start` it."""
        self._fifo = fifo
        self._spawn = spawn
        self._received = received
        self._overdue = overdue
        self._finished = finished
        self._noted: deque[_Note] = deque()

    def start(self) -> None:
        """Keep time, until there are no entries any more. The newest entry's time is counted from now on."""
        self.running = True
        self._spawn(self._run)

    def replaced(self, old: Waiter, new: Waiter) -> None:
        """The entry `old` is now `new`. O(TICKS)."""
        for note in self._noted:
            if note.entry is old:
                note.entry = new

    async def _run(self) -> None:
        limit, fifo, noted = self.limit, self._fifo, self._noted
        assert limit is not None
        idle = False
        while not idle:
            now = anyio.current_time()
            if fifo and (not noted or noted[-1].entry is not fifo[-1]):
                noted.append(_Note(now + limit, fifo[-1], self._received()))
            # For a while in any case: to start anew for each request of a server that has answered by now costs more.
            due = now + limit / TICKS
            await anyio.sleep_until(min(noted[0].deadline, due) if noted else due)
            now = anyio.current_time()
            while noted and noted[0].deadline <= now:
                note = noted.popleft()
                if note.entry in fifo:
                    self._overdue(note.entry, note.received == self._received())
            idle = not fifo
        noted.clear()
        self.running = False
        self._finished()
