"""Clients that wait for a key: who waits, in which order, and until when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anystore.pulsards.database import Database
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

#: Tries a parked command again for one key that has changed; None means that it goes on waiting.
Attempt = Callable[["Session", bytes], Any]


class Waiter:
    """One parked command of one client.

    It stands in the queue of each of its keys, in the order of arrival, until one of them serves it, its
    deadline passes, CLIENT UNBLOCK names its client, or its connection goes.
    """

    __slots__ = (
        "arguments",
        "attempt",
        "database",
        "deadline",
        "elapsed_ns",
        "entry",
        "keys",
        "session",
        "timeout_reply",
        "without_key",
    )

    def __init__(
        self,
        session: Session,
        database: Database,
        keys: Sequence[bytes],
        deadline: int | None,
        attempt: Attempt,
        timeout_reply: Any,
        without_key: bool = False,
    ) -> None:
        self.session = session
        self.database = database
        self.keys = tuple(dict.fromkeys(keys))
        self.deadline = deadline  # milliseconds since 1970; None waits for ever
        self.attempt = attempt
        self.timeout_reply = timeout_reply
        self.without_key = without_key  # is to be tried, too, when a key has gone
        self.arguments: list[bytes] = []  # the parked command as it came, set by the session
        #: The parked command, which is counted when it ends, and the time that it has taken without the wait; set by
        #: `Engine.call`. None for what has not been called yet.
        self.entry: CommandEntry | None = None
        self.elapsed_ns = 0

    def park(self) -> None:
        """Queue up behind whoever waits for these keys already."""
        blocked = self.database.blocked
        for key in self.keys:
            blocked.setdefault(key, {})[self] = None

    def hear(self, commands: deque[list[bytes]], error: bytes | None) -> None:
        """Told of what has arrived from the client meanwhile, and what was wrong with it: what is left will run later."""

    def leave(self) -> None:
        """Leave every queue."""
        blocked = self.database.blocked
        for key in self.keys:
            queue = blocked.get(key)
            if queue is not None:
                queue.pop(self, None)
                if not queue:
                    del blocked[key]
