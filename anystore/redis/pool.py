"""A bounded pool of connections that one task has for itself: blocking commands, WATCH, MONITOR, subscriptions.

Who gets what is decided in one place without awaiting (`_decide`), and no lock is held over I/O. A slot is leased,
idle or connecting, and their sum never passes the limit; whatever happens to a connection, its slot comes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio

from anystore.backend import Waiter, current_backend
from anystore.exceptions import CommandTimeout, StoreError
from anystore.redis.connection import Connection

__all__ = ("Pool", "PoolStatistics")

_OPEN: Final = object()
"""A grant: open a connection of your own. Otherwise the grant is an idle connection."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What `Pool.statistics` gives; `leased + idle + connecting` is never more than `limit`."""

    limit: int
    """Most connections at a time."""
    leased: int
    """Connections that a task has for itself now."""
    idle: int
    """Open connections that nobody uses."""
    connecting: int
    """Connections being opened."""
    waiting: int
    """Tasks that wait for one."""


class Pool:
    """At most `limit` connections, leased to one task at a time; who waits is served first come, first served.

    Args:
        open_connection: Opens a connection, with all attempts that are to be made.
        limit: Most connections at a time.
        timeout: How long a task waits for a connection to become free, in seconds; None without limit.
    """

    def __init__(
        self, open_connection: Callable[[], Awaitable[Connection]], *, limit: int, timeout: float | None
    ) -> None:
        self._open_connection = open_connection
        self._limit = limit
        self._timeout = timeout
        self._new_waiter = current_backend().waiter
        self._leased: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._connecting = 0
        self._granted = 0  # idle connections on their way to a task
        self._waiting: deque[Waiter] = deque()
        self._closed = False

    def statistics(self) -> PoolStatistics:
        """Counters of this moment. O(1), or O(waiting) after cancellations."""
        return PoolStatistics(
            limit=self._limit,
            leased=len(self._leased) + self._granted,
            idle=len(self._idle),
            connecting=self._connecting,
            waiting=sum(not waiter.done() for waiter in self._waiting),
        )

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[Connection]:
        """A connection for the block alone. It is kept for others unless a reply is still due on it by then.

        Raises:
            CommandTimeout: None became free within the pool's time limit.
            ConnectionFailed: None could be opened.
        """
        connection = await self.acquire()
        try:
            yield connection
        finally:
            self.release(connection)

    async def acquire(self) -> Connection:
        """Lease a connection; give it back with `release`. As `lease`, for those that cannot use a block."""
        if self._closed:
            raise StoreError("the store is closed")
        waiter = self._new_waiter()
        self._waiting.append(waiter)
        self._decide()
        grant = waiter.result() if waiter.done() else await self._wait(waiter)
        if grant is None:
            raise StoreError("the store is closed")
        if grant is not _OPEN:
            self._granted -= 1
            self._leased.add(grant)
            if await self._is_alive(grant):
                return grant  # type: ignore[no-any-return]
            # Nothing was written yet, so its place can go to a new one unnoticed.
            self._leased.discard(grant)
            grant.close()
            self._connecting += 1
        return await self._open()

    async def _is_alive(self, connection: Connection) -> bool:
        try:
            return await connection.is_alive()
        except BaseException:
            self.release(connection)
            raise

    async def _open(self) -> Connection:
        connection: Connection | None = None
        try:
            connection = await self._open_connection()
            if self._closed:
                connection.close()
                raise StoreError("the store is closed")
            self._leased.add(connection)
            return connection
        finally:
            self._connecting -= 1
            self._decide()

    async def _wait(self, waiter: Waiter) -> Any:
        """Wait for the grant; a grant that comes too late for a cancelled task goes to the next one."""
        try:
            with anyio.move_on_after(self._timeout):
                return await waiter
        except BaseException:
            self._withdraw(waiter)
            raise
        self._withdraw(waiter)
        raise CommandTimeout(
            f"none of the {self._limit} connections of the pool became free within {self._timeout} seconds"
        )

    def _withdraw(self, waiter: Waiter) -> None:
        if not waiter.done():
            waiter.cancel()
        elif not waiter.cancelled():
            grant = waiter.result()
            if grant is _OPEN:
                self._connecting -= 1
            elif grant is not None:
                self._granted -= 1
                self._idle.append(grant)
        self._decide()

    def release(self, connection: Connection) -> None:
        """Give a leased connection back. It is closed if a reply is still due on it. Harmless when done twice."""
        if connection not in self._leased:
            return
        self._leased.discard(connection)
        if self._closed or not connection.reusable:
            connection.close()
        else:
            self._idle.append(connection)
        self._decide()

    def close_idle(self) -> None:
        """Close the connections that nobody uses. O(N)."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _decide(self) -> None:
        """Give what is free to those that wait, in their order."""
        waiting = self._waiting
        while waiting:
            if waiting[0].done():
                waiting.popleft()
            elif self._idle:
                self._granted += 1
                # The one used last: the others may become idle for long enough to be closed.
                waiting.popleft().set_result(self._idle.pop())
            elif len(self._leased) + self._granted + self._connecting < self._limit:
                self._connecting += 1
                waiting.popleft().set_result(_OPEN)
            else:
                return

    def close(self) -> None:
        """Close all connections; leased ones, too. Harmless when done twice."""
        self._closed = True
        for connection in [*self._idle, *self._leased]:
            connection.close()
        self._idle.clear()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()
