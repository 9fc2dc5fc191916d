"""`maxmemory-clients`: when the clients' buffers take more than is allowed, the largest clients are closed.

Source: "Redis clients handling", the section on client eviction. Since 7.0.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")


class ClientMemory:
    """What the clients of one server take, as far as it is held against a limit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.limit = 0  # bytes; 0 is none
        self._total = 0
        self._sizes: dict[Session, int] = {}

    def configure(self, limit: int) -> None:
        """Take the setting over. O(clients) where there was no limit and now is one."""
        self.limit = limit
        if not limit:
            self._total = 0
            self._sizes.clear()
            return
        for session in tuple(self._engine.sessions.values()):
            self.measure(session)

    def measure(self, session: Session) -> None:
        """Look at a client whose buffers have changed. O(1), unless it is too much now, or it queues commands."""
        if session.follower is not None and session.follower.attached:
            return self.forget(session)  # replicas have limits of their own
        size = session.footprint
        self._total += size - self._sizes.get(session, 0)
        self._sizes[session] = size
        if self._total > self.limit:
            self._evict()

    def forget(self, session: Session) -> None:
        """A client has gone."""
        self._total -= self._sizes.pop(session, 0)

    def _evict(self) -> None:
        """Close the largest clients until the others are within the limit. O(N log N) in the clients."""
        for session, size in sorted(self._sizes.items(), key=lambda item: -item[1]):
            if self._total <= self.limit or not size:
                return
            if session.no_evict or session.closing:
                continue
            logger.warning("%r closed: the clients together are over maxmemory-clients", session)
            self._engine.statistics.clients_evicted += 1
            self.forget(session)
            self._engine.close_session(session)
