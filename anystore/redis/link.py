"""A connection for subscriptions: it makes the server agree with what is declared, again after each loss.

The rules, for all who share it, its members:

* Everything is written in the order in which it was asked for, and answers come in that order. `Link.sent` knows what each
  answer is about, by identity and not by name: a channel may be subscribed to, given up and subscribed to again, by one
  member or by several, before the first answer is in.
* Whoever subscribes has a command of his own, even where the channel is there already for somebody else, and gets
  messages from its confirmation on. So nothing comes that was published before, and all that is published afterwards.
* UNSUBSCRIBE is for the last one to leave (`Roster` counts); for any other, PING. Either way messages are for whoever
  leaves until the answer is in, for what he had been sent by then is in front of it.
* An error is for the oldest command, and for all of it; several names are tried again, each by itself.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Final

import anyio

from anystore.backend import Waiter
from anystore.exceptions import CommandTimeout, ConnectionFailed, ProtocolError, StoreError
from anystore.redis.connection import HEALTH_SECONDS, PING, Connection
from anystore.redis.entries import ConnectionLost, Packed
from anystore.redis.messages import Arrival
from anystore.redis.roster import Roster
from anystore.redis.subscriptions import KINDS, SHARD_CHANNELS, Kind, Listener, Names, Sent, Subscription
from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore
    from anystore.redis.subscriber import Subscriber

__all__ = ("Link",)

NAMES_A_COMMAND: Final = 1_000
"""Channels in one command, so that putting it together never holds the event loop for long."""
DELIVERIES_A_TURN: Final = 2_000
"""Messages to hand to subscribers, each counted, before other tasks get their turn: a few milliseconds' work."""

_LEAVING: Final = {kind.unsubscribe: kind for kind in KINDS}
_COMING: Final = {kind.subscribe: kind for kind in KINDS}
_PONG: Final = b"pong"

_logger = logging.getLogger("anystore.redis")


class Link:
    """The task that keeps a connection for its members, subscribers, for as long as there are any.

    Args:
        store: Whose pool the connection comes from.
        blocking: The only member's listener, if reading has to wait until there is room.
    """

    def __init__(self, store: RedisStore[Any], blocking: Listener | None = None) -> None:
        self._store = store
        self._label = str(store)
        # Kept, since the store has them no longer once it is closed.
        self._pool, self._profile, self._backend = store.pool, store.profile, store.backend
        self._blocking = blocking
        self._names = store.names
        self.members: dict[Subscriber, None] = {}
        self.sent: deque[Sent] = deque()
        self._roster = Roster()
        self._restored_at: float | None = None
        self._stopped = False
        self._scope = anyio.CancelScope()
        self._connection: Connection | None = None
        self._patience = anyio.CancelScope()
        self._checked = 0.0
        self._heard = False
        self._blocked = False
        self._attempt = 0
        self._delivered = 0

    # Members.

    def join(self, member: Subscriber) -> None:
        """Take one in that has declared what he wants. O(1)."""
        self.members[member] = None
        member.link = self
        member.tell_status("connecting")

    def leave(self, member: Subscriber) -> None:
        """Let one go that wants nothing any more, and to whom nothing is due. O(1)."""
        self.members.pop(member, None)
        member.detached()
        if not self.members and self._connection is None:
            self.stop()

    def drop(self, member: Subscriber) -> None:
        """Let one go with all he has, at once; the last one takes the connection along. O(N) in that and in `sent`."""
        self.leave(member)
        if not self.members:
            self.stop()
            return
        for sent in self.sent:
            sent.completes = [other for other in sent.completes if other is not member]
            if sent.owner is member:
                sent.owner = None
                sent.done()
                sent.waiter = None
                self._silence(sent.leaves)
                for rows in sent.names.values():
                    self._silence(rows)
        for kind, table in member.declared.items():
            gone = [row for row in table.values() if self._roster.remove(row)]
            self._silence(table.values())
            self._send(kind.unsubscribe, {row.name: () for row in gone})

    def _silence(self, rows: Iterable[Subscription]) -> None:
        for row in rows:
            self._roster.silence(row)

    # The connection.

    async def run(self) -> None:
        """Keep a connection for as long as there are members. Raises nothing of a store's errors."""
        failure = StoreError("the store was closed")
        try:
            with self._scope:
                while self._is_wanted and self.members:
                    await self._connect()
        except StoreError as error:
            _logger.error("%s: the subscriptions came to an end: %s", self._label, error)
            failure = error
        finally:
            self._retire()
            for member in tuple(self.members):
                self.leave(member)
                member.came_to_an_end(failure)

    def _retire(self) -> None:
        self._stopped = True
        if self._store.link is self:
            self._store.link = None

    @property
    def _is_wanted(self) -> bool:
        return not self._stopped and self._store.is_open

    async def _connect(self) -> None:
        """Connect once, and serve until the connection is lost or not needed any more; after a loss, pause."""
        connected = False
        self._tell_status("connecting")
        try:
            async with self._pool.lease() as connection:
                connected = True
                await self._serve(connection)
                return
        except (ConnectionFailed, CommandTimeout, ProtocolError) as error:
            if not self._is_wanted:
                return
            pause = self._next_pause()
            self._tell_loss(error, connected)
        await anyio.sleep(pause)

    def _tell_status(self, status: str) -> None:
        for member in tuple(self.members):
            member.tell_status(status)

    def _next_pause(self) -> float:
        """How long to wait with the next attempt: not at all after a connection that lasted, else longer each time."""
        lasted = 0.0 if self._restored_at is None else self._backend.time() - self._restored_at
        self._restored_at = None
        self._attempt = 0 if lasted > self._profile.max_delay else self._attempt + 1
        return self._profile.pause(self._attempt - 1) if self._attempt else 0.0

    def _tell_loss(self, error: StoreError, connected: bool) -> None:
        _logger.warning("%s: subscriptions have no connection: %s", self._label, error)
        self._tell_status("disconnected")
        if not connected or isinstance(error, CommandTimeout) or self._attempt > self._profile.attempts:
            if isinstance(error, ConnectionLost):
                error = ConnectionFailed(str(error))
            for member in tuple(self.members):
                member.fail_calls(error)

    async def _serve(self, connection: Connection) -> None:
        self._connection = connection
        try:
            self._restore()
            await self._converse(connection)
            if self._roster.is_clean:
                # Without a subscription and with no answer due, it goes back to the pool as it came.
                self._connection = None
        finally:
            if self._connection is not None:
                self._stop_using()
            self._roster.clear()
            answered, self.sent = self.sent, deque()
            for sent in answered:
                self._answered(sent)  # who unsubscribes has what he wants
            if self._is_wanted:
                for member in tuple(self.members):
                    member.lost_connection()

    def stop(self) -> None:
        """End the task, and close its connection now."""
        self._retire()
        self._scope.cancel()
        self._stop_using()

    def _stop_using(self) -> None:
        """Close the connection, and give its place in the pool back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self._pool.release(connection)

    # What is sent.

    def _restore(self) -> None:
        """Subscribe to all that is declared; apart from the rest what was confirmed before, which makes it whole."""
        waiting = dict(self.members)
        groups = self._declared()
        last = None
        for settled in (True, False):
            ready = [member for member in waiting if not settled or any(row.settled for row in member.all())]
            for kind, names in groups.items():
                group = {
                    name: tuple(rows)
                    for name, rows in names.items()
                    if any(row.settled for row in rows) is settled
                }
                last = self._send(kind.subscribe, group) or last
            if last is not None:
                last.completes += ready
                for member in ready:
                    del waiting[member]

    def _declared(self) -> dict[Kind, dict[bytes, list[Subscription]]]:
        """All that the members want, by kind and name."""
        groups: dict[Kind, dict[bytes, list[Subscription]]] = {kind: {} for kind in KINDS}
        for member in self.members:
            for row in member.all():
                self._roster.add(row)
                groups[row.kind].setdefault(row.name, []).append(row)
        return groups

    def subscribe(self, member: Subscriber, kind: Kind, rows: Iterable[Subscription]) -> None:
        """Subscribe now if there is a connection; otherwise that is done as soon as there is."""
        if self._connection is None:
            return
        names = {}
        for row in rows:
            self._roster.add(row)
            names[row.name] = (row,)
        sent = self._send(kind.subscribe, names)
        if sent is not None and not member.in_place:
            sent.completes.append(member)

    def unsubscribe(
        self, member: Subscriber, kind: Kind, rows: Iterable[Subscription], waiter: Waiter | None
    ) -> bool:
        """Unsubscribe if there is a connection; whether there is something to wait for.

        What is on its way still arrives, for those subscriptions that were made in full.
        """
        if self._connection is None:
            return False
        names, shared = {}, []
        for row in rows:
            if not row.settled:
                self._roster.silence(row)
            if self._roster.remove(row):
                names[row.name] = (row,)
            elif row.settled:
                shared.append(row)
        last = self._send(kind.unsubscribe, names, member, waiter)
        if shared:
            last = self._write(PING, self._sent(_PONG, {}, member, waiter)) or last
            if last is not None:
                last.leaves = shared
        if last is not None:
            last.last = True
        return last is not None

    def _send(
        self, verb: bytes, names: Names, owner: Subscriber | None = None, waiter: Waiter | None = None
    ) -> Sent | None:
        """Write a command for these names, or several; the last one."""
        rows = iter(names.items())
        sent = None
        while chunk := dict(islice(rows, NAMES_A_COMMAND)):
            sent = self._write(pack_command((verb, *chunk)), self._sent(verb, chunk, owner, waiter))
        return sent

    def _sent(self, verb: bytes, names: Names, owner: Subscriber | None, waiter: Waiter | None) -> Sent:
        timeout = self._profile.command_timeout
        return Sent(verb, inf if timeout is None else self._backend.time() + timeout, names, owner, waiter)

    def _write(self, packed: Packed, sent: Sent) -> Sent | None:
        connection = self._connection
        if connection is None or connection.closed:
            return None  # the task learns it when it reads, and starts anew
        self.sent.append(sent)
        if sent.owner is not None:
            sent.owner.due += 1
        connection.write(packed)
        self._patience.deadline = min(self._patience.deadline, sent.deadline)
        if self._blocking is not None:
            self._blocking.release()
        return sent

    # What is received.

    async def _converse(self, connection: Connection) -> None:
        """Read until nothing is subscribed to any more; meanwhile see to it that the server is there."""
        self._checked = self._backend.time()
        while True:
            with anyio.CancelScope(deadline=self._next_check()) as self._patience:
                await self._read(connection)
                return
            self._check()

    def _next_check(self) -> float:
        interval = self._profile.health_check_interval
        deadline = self.sent[0].deadline if self.sent else inf
        return deadline if interval is None else min(deadline, self._checked + interval)

    def _check(self) -> None:
        """Ask the server whether it is there, if it has been silent; give it up if an answer is overdue."""
        now = self._checked = self._backend.time()
        if self.sent:
            if self.sent[0].deadline <= now:
                raise CommandTimeout("the server did not confirm a subscription, or answer PING, in time")
        elif not self._heard and not self._blocked:
            self._write(PING, Sent(_PONG, now + HEALTH_SECONDS, {}))
        self._heard = False

    @property
    def _is_full(self) -> bool:
        # Confirmations are behind the messages: while some are due, reading goes on.
        return self._blocking is not None and self._blocking.full and not self.sent

    async def _read(self, connection: Connection) -> None:
        self._blocked = False
        while self.sent or self.members:
            if self._is_full:
                assert self._blocking is not None
                self._blocked = True
                await self._blocking.wait_for_room()
                self._blocked = False
            elif self._delivered >= DELIVERIES_A_TURN:
                self._delivered = 0
                await self._backend.turn()
            else:
                await connection.receive_each(self._take_one)

    def _take_one(self, message: Any) -> bool:
        """Take a message; False if reading is not simply to go on."""
        self._heard = True
        self._take(message)
        if self._delivered >= DELIVERIES_A_TURN:
            return False
        return bool(self.sent or self.members) and not self._is_full

    def _take(self, message: Any) -> None:
        if isinstance(message, Exception):
            self._take_error(message)
        elif not isinstance(message, list):
            self._take_answer(_PONG, None)
        elif (receivers := self._roster.receivers.get(message[0])) is not None:
            rows = receivers.get(message[1])
            if rows is not None:
                self._deliver(message, tuple(rows))
        else:
            self._take_answer(message[0], message[1])

    def _deliver(self, message: list[Any], rows: tuple[Subscription, ...]) -> None:
        parts = message if self._names is None else self._names.push(message)
        if parts is None:
            return
        arrival = Arrival(parts)
        self._delivered += len(rows)
        for row in rows:
            row.listener.received(row, arrival)

    def _take_answer(self, verb: bytes, name: bytes | None) -> None:
        first = self.sent[0] if self.sent else None
        if first is not None and first.verb == verb:
            if name is not None:
                self._take_confirmation(verb, name, first.names.pop(name, ()))
            if not first.names:
                self._finish(first)
        elif (
            verb == SHARD_CHANNELS.unsubscribe
            and name is not None
            and self._roster.is_held(SHARD_CHANNELS, name)
        ):
            raise ConnectionFailed("the server has ended the subscription to a shard channel: it moved")

    def _take_confirmation(self, verb: bytes, name: bytes, rows: tuple[Subscription, ...]) -> None:
        if verb in _COMING:
            self._roster.subscribed(_COMING[verb], name)
            for row in rows:
                self._roster.confirm(row)
        elif verb in _LEAVING:
            self._roster.unsubscribed(_LEAVING[verb], name)
            self._silence(rows)

    def _take_error(self, error: Exception) -> None:
        """The oldest command was refused, all names of it. For what was confirmed before that is the end."""
        if not isinstance(error, StoreError) or not self.sent:
            raise ProtocolError(f"the server sent an error that nothing had asked for: {error}")
        first = self.sent[0]
        if len(first.names) > 1:
            self._send_apart(first)
            return
        if first.verb in _COMING:
            for name, rows in first.names.items():
                self._refuse(_COMING[first.verb], name, rows, error)
        for rows in first.names.values():
            self._silence(rows)
        # Of a PING any answer will do.
        self._finish(first, None if first.verb == _PONG else error)

    def _refuse(self, kind: Kind, name: bytes, rows: tuple[Subscription, ...], error: StoreError) -> None:
        for row in rows:
            member = row.owner
            if member.declared[kind].get(name) is not row:
                continue
            if not row.settled and row.calls:
                self._roster.remove(row)
                member.refuse(row, error)
            elif len(self.members) == 1:
                raise error
            else:
                _logger.error("%s: subscriptions came to an end: %s", self._label, error)
                self.drop(member)
                member.came_to_an_end(error)
        if self._roster.is_on_server(kind, name) and not self._roster.is_held(kind, name):
            self._send(kind.unsubscribe, {name: ()})

    def _send_apart(self, refused: Sent) -> None:
        """Send a command anew, each name in one of its own: they are different tasks' perhaps, and one is to blame."""
        last = None
        for name, rows in refused.names.items():
            if self._is_still_meant(refused.verb, name, rows):
                last = self._send(refused.verb, {name: rows}, refused.owner, refused.waiter)
            else:
                self._silence(rows)
        if last is None:  # nothing is left of it, or the connection is closed
            if self._connection is None or self._connection.closed:
                refused.completes.clear()
            self._finish(refused)
            return
        self.sent.popleft()
        last.completes, last.last = refused.completes, refused.last
        if refused.owner is not None:
            refused.owner.due -= 1

    def _is_still_meant(self, verb: bytes, name: bytes, rows: tuple[Subscription, ...]) -> bool:
        """Whether a command for this name would still be right, behind all that was sent after the first one."""
        if verb in _COMING:
            return any(map(self._roster.holds, rows))
        return not self._roster.is_held(_LEAVING[verb], name)

    def _finish(self, first: Sent, error: StoreError | None = None) -> None:
        self.sent.popleft()
        for member in first.completes:
            if self._restored_at is None:
                self._restored_at = self._backend.time()
            if member in self.members:
                member.restored()
        self._silence(first.leaves)
        self._answered(first, error)

    def _answered(self, sent: Sent, error: StoreError | None = None) -> None:
        sent.done(error)
        if sent.owner is not None:
            sent.owner.due -= 1
            sent.owner.leave_if_done()
