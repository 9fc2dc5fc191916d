"""Clients that wait until enough replicas have what they wrote: WAIT and WAITAOF.

Source: the pages of WAIT and WAITAOF.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anystore.pulsards.blocking import Waiter
from anystore.pulsards.context import Context
from anystore.resp.types import NO_REPLY

if TYPE_CHECKING:
    from anystore.pulsards.replication.replication import Replication
    from anystore.pulsards.session import Session


class ReplicaWaiter(Waiter):
    """One client that waits for acknowledgements instead of keys.

    `reply()` is what it is told now; `enough(reply)` whether that ends the wait.
    """

    __slots__ = ("_waits", "enough", "reply")

    def __init__(
        self,
        session: Session,
        deadline: int | None,
        waits: ReplicaWaits,
        reply: Callable[[], Any],
        enough: Callable[[Any], bool],
    ) -> None:
        super().__init__(session, session.db, (), deadline, _never, reply())
        self._waits = waits
        self.reply = reply
        self.enough = enough

    def park(self) -> None:
        """Be told of acknowledgements."""
        self._waits.waiting[self] = None

    def leave(self) -> None:
        """Be told no more."""
        self._waits.waiting.pop(self, None)


class ReplicaWaits:
    """All clients of one server that wait for acknowledgements, in order of arrival."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self.waiting: dict[ReplicaWaiter, None] = {}

    def reply_or_wait(
        self, ctx: Context, timeout: int, reply: Callable[[], Any], enough: Callable[[Any], bool]
    ) -> Any:
        """`reply()` as soon as it is `enough`, or after `timeout` milliseconds (0 waits for ever), or at once where the
        caller may not wait. The replicas are asked how far they are.
        """
        now = reply()
        if enough(now) or not ctx.can_block:
            return now
        engine = ctx.engine
        deadline = engine.keyspace.now + timeout if timeout else None
        engine.waiting.park(ReplicaWaiter(ctx.session, deadline, self, reply, enough))
        self._replication.followers.ask = True
        return NO_REPLY

    def try_all(self) -> bool:
        """Something has been acknowledged or synced, or a replica has gone; whether anybody need not wait any longer.

        O(N) in those that wait, each O(replicas).
        """
        before = len(self.waiting)
        for waiter in tuple(self.waiting):
            reply = waiter.reply()
            waiter.timeout_reply = reply
            if waiter.enough(reply):
                waiter.session.unpark(reply)
        return len(self.waiting) < before


def _never(session: Session, key: bytes) -> Any:
    return None
