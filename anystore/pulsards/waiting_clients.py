"""The clients that are parked: what serves them when a key changes, and when they have waited long enough."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from anystore.pulsards.blocking import Waiter
from anystore.pulsards.command_logs import log_slow
from anystore.pulsards.database import Database
from anystore.pulsards.errors import CommandError
from anystore.pulsards.latency import count_duration
from anystore.resp.types import ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine


class WaitingClients:
    """Who waits in one server, and until when; for which key is in the databases (`Database.blocked`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = count()
        self._deadlines: list[tuple[int, int, Waiter]] = []
        self._deadlines_limit = 64  # entries at which the dead ones are thrown out

    def next_deadline(self) -> int | None:
        """When the next of them has waited long enough, in milliseconds since 1970; None for never."""
        while self._deadlines:
            deadline, _, waiter = self._deadlines[0]
            if waiter.session.waiter is waiter:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def end_overdue(self, now: int) -> None:
        """Answer those who have waited long enough by now, in milliseconds since 1970."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, waiter = heapq.heappop(self._deadlines)
            if waiter.session.waiter is waiter:
                waiter.session.unpark(waiter.timeout_reply)

    def park(self, waiter: Waiter) -> None:
        """Let a client wait; see `Context.block`."""
        waiter.session.waiter = waiter
        waiter.park()
        if waiter.deadline is not None:
            deadlines = self._deadlines
            if len(deadlines) >= self._deadlines_limit:
                # Those served long before their deadline would stay until then.
                deadlines[:] = [entry for entry in deadlines if entry[2].session.waiter is entry[2]]
                heapq.heapify(deadlines)
                self._deadlines_limit = max(64, 2 * len(deadlines))
            heapq.heappush(deadlines, (waiter.deadline, next(self._numbers), waiter))
            self._engine.keyspace.falls_due(waiter.deadline)

    def serve(self) -> None:
        """Try the parked commands of every key that changed, first come first served.

        What serves one may ready a further key (BLMOVE); a loop, not recursion, follows such chains.
        """
        keyspace = self._engine.keyspace
        while keyspace.ready:
            ready, keyspace.ready = keyspace.ready, {}
            for database, key in ready:
                self._serve_key(database, key)

    def _serve_key(self, database: Database, key: bytes) -> None:
        """Try who waits for this key, as long as there is one. O(number served), unless some cannot be."""
        queue = database.blocked.get(key)
        while queue and key in database.data:
            first = next(iter(queue))
            if first.session.waiter is first and self._try_waiter(first, key):
                continue
            # Who is first waits for a value of another type; one further back may do with this one.
            for waiter in tuple(queue):
                if key in database.data and waiter.session.waiter is waiter:
                    self._try_waiter(waiter, key)
            return
        for waiter in tuple(queue or ()):
            if waiter.without_key and waiter.session.waiter is waiter:
                self._try_waiter(waiter, key)

    def _try_waiter(self, waiter: Waiter, key: bytes) -> bool:
        """Whether the waiter need not wait any longer."""
        session = waiter.session
        if self._engine.migrations.moving and self._is_held(waiter):
            return False
        self._engine.tracking.current = session
        try:
            if session.user.restricted:
                self._check_parked(waiter)
            if self._engine.propagation.active:
                reply = self._engine.propagation.serve(
                    session, waiter.arguments, lambda: waiter.attempt(session, key)
                )
            else:
                reply = waiter.attempt(session, key)
        except CommandError as error:
            self._engine.count_error(error.message)
            reply = ErrorReply(error.message)
        finally:
            self._engine.tracking.current = None
            mark = self._engine.elapsed_ns()
            waiter.elapsed_ns += mark - self._engine.turn_mark
            self._engine.turn_mark = mark
        if reply is None:
            return False
        session.unpark(reply)
        return True

    def count(self, waiter: Waiter, failed: bool) -> None:
        """Count a command that was parked, now that its client is answered; the wait is no part of its duration."""
        engine, entry, elapsed = self._engine, waiter.entry, waiter.elapsed_ns
        if entry is None:
            return
        entry.calls += 1
        entry.failed += failed
        entry.elapsed_ns += elapsed
        if engine.counts_durations:
            count_duration(entry, elapsed)
        if elapsed >= engine.slow_ns:
            log_slow(engine, waiter.session, entry, waiter.arguments, elapsed)

    def _is_held(self, waiter: Waiter) -> bool:
        """Whether what it waits for would change a key that is on its way to another server."""
        entry = waiter.session.last_entry
        if entry is None or not entry.writes:
            return False
        return self._engine.migrations.holds(waiter.session, entry, waiter.arguments)

    def try_all(self) -> None:
        """Try everybody whose key is there. O(keys waited for)."""
        for database in self._engine.keyspace.databases:
            for key in database.blocked:
                self._engine.keyspace.ready[database, key] = None
        self.serve()

    def _check_parked(self, waiter: Waiter) -> None:
        """Refuse a command whose client has lost the right to it while it waited."""
        session = waiter.session
        if session.last_entry is not None and waiter.arguments:
            refusal = self._engine.acl.refusal(session, session.last_entry, waiter.arguments)
            if refusal is not None:
                raise CommandError(refusal)
