"""The connection of a subscriber: it makes the server agree with what is declared, again after each loss."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Final

import anyio

from anystore.backend import Waiter
from anystore.exceptions import CommandTimeout, ConnectionFailed, ProtocolError, StoreError
from anystore.redis.connection import HEALTH_SECONDS, PING, Connection
from anystore.redis.entries import ConnectionLost, Packed
from anystore.redis.subscriptions import CHANNELS, PATTERNS, SHARD_CHANNELS, Kind, Subscription
from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.redis.subscriber import Subscriber

__all__ = ("Link", "Sent")

NAMES_A_COMMAND: Final = 1_000
"""Channels in one command, so that putting it together never holds the event loop for long."""
MESSAGES_A_TURN: Final = 500
"""Messages to take before other tasks get their turn: about a millisecond's work."""

_KIND_OF_MESSAGE: Final = {b"message": CHANNELS, b"pmessage": PATTERNS, b"smessage": SHARD_CHANNELS}
_KIND_OF_LEAVING: Final = {kind.unsubscribe: kind for kind in (CHANNELS, PATTERNS, SHARD_CHANNELS)}
_PONG: Final = b"pong"

_logger = logging.getLogger("anystore.redis")


class Sent:
    """A command whose confirmations are due by `deadline`."""

    __slots__ = ("deadline", "names", "restores", "verb", "waiter")

    def __init__(self, verb: bytes, deadline: float, names: dict[bytes, Subscription | None]) -> None:
        self.verb = verb
        self.deadline = deadline
        self.names = names
        self.restores = False  # when it is confirmed, all subscriptions are in place
        self.waiter: Waiter | None = None

    def done(self, error: StoreError | None = None) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(error)


class Link:
    """The task that keeps a connection for a subscriber, until nothing is subscribed to any more."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        store = subscriber.store
        self._label = str(store)
        # Kept, since the store has them no longer once it is closed.
        self._pool, self._profile, self._backend = store.pool, store.profile, store.backend
        self.listener = subscriber.listener
        self.sent: deque[Sent] = deque()
        self._leaving: dict[tuple[Kind, bytes], Subscription] = {}  # until the server confirms it
        self.restored_at: float | None = None
        self._scope = anyio.CancelScope()
        self._connection: Connection | None = None
        self._patience = anyio.CancelScope()
        self._checked = 0.0
        self._heard = False
        self._blocked = False
        self._attempt = 0

    # The connection.

    async def run(self) -> None:
        """Keep a connection for as long as there are subscriptions. Raises nothing of a store's errors."""
        subscriber = self.subscriber
        failure = StoreError("the store was closed")
        try:
            with self._scope:
                while self._is_wanted and subscriber.active:
                    await self._connect()
        except StoreError as error:
            _logger.error("%s: the subscriptions came to an end: %s", self._label, error)
            failure = error
        finally:
            if subscriber.link is self:
                subscriber.link = None
                if subscriber.active:
                    subscriber.end(failure)
                    self.listener.status_changed("disconnected")
                    self.listener.ended(failure)
                else:
                    self.listener.ended(None)

    @property
    def _is_wanted(self) -> bool:
        return self.subscriber.link is self and self.subscriber.store.is_open

    async def _connect(self) -> None:
        """Connect once, and serve until the connection is lost or not needed any more; after a loss, pause."""
        connected = False
        self.listener.status_changed("connecting")
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

    def _next_pause(self) -> float:
        """How long to wait with the next attempt: not at all after a connection that lasted, else longer each time."""
        lasted = 0.0 if self.restored_at is None else self._backend.time() - self.restored_at
        self.restored_at = None
        self._attempt = 0 if lasted > self._profile.max_delay else self._attempt + 1
        return self._profile.pause(self._attempt - 1) if self._attempt else 0.0

    def _tell_loss(self, error: StoreError, connected: bool) -> None:
        _logger.warning("%s: subscriptions have no connection: %s", self._label, error)
        self.listener.status_changed("disconnected")
        if not connected or isinstance(error, CommandTimeout) or self._attempt > self._profile.attempts:
            if isinstance(error, ConnectionLost):
                error = ConnectionFailed(str(error))
            self.subscriber.fail_calls(error)

    async def _serve(self, connection: Connection) -> None:
        self._connection = connection
        try:
            self._restore()
            await self._converse(connection)
            # Without a subscription and with no answer due, it goes back to the pool as it came.
            self._connection = None
        finally:
            if self._connection is not None:
                self.stop_using()
            for sent in self.sent:
                sent.done()  # who unsubscribes has what he wants
            self.sent.clear()
            self._leaving.clear()
            if self._is_wanted:
                self._forget_confirmations()

    def _forget_confirmations(self) -> None:
        missed = [subscription.forget_confirmation() for subscription in self.subscriber.all()]
        if any(missed):
            self.listener.interrupted()

    def stop(self) -> None:
        """End the task, and close its connection now."""
        self._scope.cancel()
        self.stop_using()

    def stop_using(self) -> None:
        """Close the connection, and give its place in the pool back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self._pool.release(connection)

    # What is sent.

    def _restore(self) -> None:
        """Subscribe to all that is declared; apart from the rest what was confirmed before, which makes it whole."""
        for settled in (True, False):
            for kind, table in self.subscriber.declared.items():
                group = [row for row in table.values() if row.settled is settled]
                self._send(kind.subscribe, {row.name: row for row in group})
            if self.sent and not any(sent.restores for sent in self.sent):
                self.sent[-1].restores = True

    def subscribe(self, kind: Kind, subscriptions: list[Subscription]) -> None:
        """Subscribe now if there is a connection; otherwise that is done as soon as there is."""
        if self._connection is not None:
            self._send(kind.subscribe, {row.name: row for row in subscriptions})

    def unsubscribe(self, kind: Kind, subscriptions: Mapping[bytes, Subscription]) -> Sent | None:
        """Unsubscribe if there is a connection; the last command for that. What is on its way still arrives."""
        if self._connection is None:
            return None
        for name, subscription in subscriptions.items():
            if subscription.settled:
                self._leaving[kind, name] = subscription
        return self._send(kind.unsubscribe, dict.fromkeys(subscriptions))

    def _send(self, verb: bytes, names: Mapping[bytes, Subscription | None]) -> Sent | None:
        timeout = self._profile.command_timeout
        deadline = inf if timeout is None else self._backend.time() + timeout
        rows = iter(names.items())
        sent = None
        while chunk := dict(islice(rows, NAMES_A_COMMAND)):
            sent = self._write(pack_command((verb, *chunk)), Sent(verb, deadline, chunk))
        return sent

    def _write(self, packed: Packed, sent: Sent) -> Sent | None:
        connection = self._connection
        if connection is None or connection.closed:
            return None  # the task learns it when it reads, and starts anew
        self.sent.append(sent)
        connection.write(packed)
        self._patience.deadline = min(self._patience.deadline, sent.deadline)
        self.listener.release()
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

    async def _read(self, connection: Connection) -> None:
        taken = 0
        self._blocked = False
        while self.sent or self.subscriber.active:
            # Confirmations are behind the messages: while some are due, reading goes on.
            if self.listener.full and not self.sent:
                self._blocked = True
                await self.listener.wait_for_room()
                self._blocked = False
                continue
            message = await connection.receive()
            self._heard = True
            self._take(message)
            taken += 1
            if taken % MESSAGES_A_TURN == 0:
                await self._backend.turn()

    def _take(self, message: Any) -> None:
        if isinstance(message, Exception):
            self._take_error(message)
        elif not isinstance(message, list):
            self._take_confirmation(_PONG, None)
        elif (kind := _KIND_OF_MESSAGE.get(message[0])) is not None:
            name = message[1]
            subscription = self.subscriber.declared[kind].get(name) or self._leaving.get((kind, name))
            if subscription is not None:
                self.listener.received(subscription, message)
        else:
            self._take_confirmation(message[0], message[1])

    def _take_confirmation(self, verb: bytes, name: bytes | None) -> None:
        first = self.sent[0] if self.sent else None
        if first is not None and first.verb == verb:
            if name is not None:
                subscription = first.names.pop(name, None)
                if subscription is not None:
                    subscription.confirm()
                elif (kind := _KIND_OF_LEAVING.get(verb)) is not None:
                    self._leaving.pop((kind, name), None)
            if not first.names:
                self._finish(first)
        elif verb == SHARD_CHANNELS.unsubscribe and name in self.subscriber.declared[SHARD_CHANNELS]:
            raise ConnectionFailed("the server has ended the subscription to a shard channel: it moved")

    def _take_error(self, error: Exception) -> None:
        """The oldest command was refused, all names of it. For what was confirmed before that is the end."""
        if not isinstance(error, StoreError) or not self.sent:
            raise ProtocolError(f"the server sent an error that nothing had asked for: {error}")
        first = self.sent[0]
        if len(first.names) > 1:
            self._send_apart(first)
            return
        declared = self.subscriber.declared
        refused = [
            row for row in first.names.values() if row is not None and declared[row.kind].get(row.name) is row
        ]
        if any(row.settled or not row.calls for row in refused):
            raise error
        self.subscriber.refuse(refused, error)
        self._finish(first, error)

    def _send_apart(self, refused: Sent) -> None:
        """Send a command anew, each name in one of its own: they are different tasks' perhaps, and one is to blame."""
        self.sent.popleft()
        last = None
        for name, subscription in refused.names.items():
            last = self._send(refused.verb, {name: subscription})
        if last is None:  # the connection is closed
            refused.done()
        else:
            last.restores, last.waiter = refused.restores, refused.waiter

    def _finish(self, first: Sent, error: StoreError | None = None) -> None:
        self.sent.popleft()
        first.done(error)
        if first.restores:
            self.restored_at = self._backend.time()
            self.listener.status_changed("connected")
            self.listener.restored()
