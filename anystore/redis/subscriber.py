"""Keeping subscriptions: what is declared here holds on the server, across lost connections.

Theory of operation. A `Subscriber` knows which channels one `PubSub` wants; a `Link` is a task in the store's group that has
a connection from the store's pool, and makes the server agree. The subscribers of a store share one, the first of them
starts it and the last one ends it, and it is not the connection of the commands: who is cut off by the server for
reading too slowly hurts no command. Two kinds have one for themselves: those that hold back what arrives while they
are full, for that would hold up the others, and those with RESP2.

A call of `subscribe` has succeeded when the server has confirmed all its channels, on one connection or, after a
loss, on the next. Cancelled or refused, it takes back what it declared, but for channels that others want, too.

Source: https://valkey.io/topics/pubsub/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from anystore.backend import Waiter, checkpoint_if_cancelled
from anystore.exceptions import PubSubError, StoreError
from anystore.redis.link import Link
from anystore.redis.subscriptions import (
    KINDS,
    Call,
    Handler,
    Kind,
    Listener,
    Subscription,
)

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore

__all__ = ("Subscriber",)


class Subscriber:
    """The declared subscriptions of one `PubSub`, `listener`, on the server of `store`."""

    def __init__(self, store: RedisStore[Any], listener: Listener) -> None:
        self.store = store
        self.listener = listener
        self.declared: dict[Kind, dict[bytes, Subscription]] = {kind: {} for kind in KINDS}
        self.link: Link | None = None
        self.in_place = False
        """Whether all subscriptions are in place."""
        self.due = 0
        """Commands to give something up that the server has not answered yet."""
        self._status = ""

    @property
    def active(self) -> bool:
        """Whether anything is subscribed to."""
        return any(self.declared.values())

    @property
    def expecting(self) -> bool:
        """Whether messages may come: something is subscribed to, or was until the server confirms that it is not."""
        return self.active or self.due > 0

    def all(self) -> Iterator[Subscription]:
        """Every declared subscription."""
        for table in self.declared.values():
            yield from table.values()

    async def subscribe(
        self, kind: Kind, names: Mapping[bytes, Handler | None], *, keep: bool = False
    ) -> None:
        """Declare subscriptions, and wait until the server has confirmed them.

        With `keep` they stay declared, and the call goes on waiting, however long there is no connection; cancelled,
        it leaves them declared. Otherwise what goes wrong, and cancellation, takes back what this call declared.
        """
        await checkpoint_if_cancelled()
        self.store.check_open()
        call = Call(self.store.backend.waiter())
        fresh = [self._claim(call, kind, name, handler, keep) for name, handler in names.items()]
        if self.link is None:
            self._join()
        assert self.link is not None
        self.link.subscribe(self, kind, [subscription for subscription in fresh if subscription is not None])
        try:
            error = await call.waiter if call.missing else None
            if error is not None:
                raise error
        except BaseException:
            self.withdraw(call)
            raise
        for subscription in call.subscriptions:
            subscription.settled = True
            subscription.calls.discard(call)

    def _join(self) -> None:
        """Find the connection that is shared, or begin one. Nothing is declared on it so far."""
        store = self.store
        alone = self.listener.blocks or store.profile.protocol == 2
        link = None if alone else store.link
        if link is None:
            link = Link(store, self.listener if self.listener.blocks else None)
            store.task_group.start_soon(link.run)
            if not alone:
                store.link = link
        link.join(self)

    def _claim(
        self, call: Call, kind: Kind, name: bytes, handler: Handler | None, keep: bool
    ) -> Subscription | None:
        """Have a call wait for a channel; the subscription if it is a new one."""
        table = self.declared[kind]
        known = table.get(name)
        subscription = table[name] = known or Subscription(self, kind, name)
        subscription.handler = handler
        subscription.kept = subscription.kept or keep
        subscription.calls.add(call)
        call.subscriptions.append(subscription)
        if not subscription.confirmed:
            call.missing.add(subscription)
        return None if known else subscription

    def withdraw(self, call: Call) -> None:
        """Take back what a call declared, but for what others want, too. Harmless when done twice."""
        for subscription in call.subscriptions:
            subscription.calls.discard(call)
        self._remove([subscription for subscription in call.subscriptions if not subscription.wanted])
        call.subscriptions.clear()

    def fail_calls(self, error: StoreError) -> None:
        """Have the calls that wait raise `error`, but for those that wait for what is to be kept."""
        for call in {call for subscription in self.all() for call in subscription.calls}:
            if not any(subscription.kept for subscription in call.subscriptions):
                call.answer(error)
                self.withdraw(call)

    def refuse(self, refused: Subscription, error: StoreError) -> None:
        """The server refuses this: it is not declared any more, and the calls for it fail."""
        self.declared[refused.kind].pop(refused.name)
        for call in tuple(refused.calls):
            call.answer(error)
            self.withdraw(call)
        self.leave_if_done()

    async def unsubscribe(self, kind: Kind, names: Iterable[bytes] | None) -> None:
        """Give subscriptions up, all of the kind for None, and wait until the server has confirmed that.

        Cancelled, they are given up all the same.
        """
        await checkpoint_if_cancelled()
        self.store.check_open()
        table = self.declared[kind]
        wanted = list(table) if names is None else list(dict.fromkeys(names))
        waiter = self.store.backend.waiter()
        if self._remove([table[name] for name in wanted if name in table], waiter):
            error = await waiter
            if error is not None:
                raise error

    def _remove(self, subscriptions: list[Subscription], waiter: Waiter | None = None) -> bool:
        """Declare these no longer, and tell the server if it knows of them; whether `waiter` gets the outcome of that."""
        removed: dict[Kind, list[Subscription]] = {}
        for subscription in subscriptions:
            table = self.declared[subscription.kind]
            if table.get(subscription.name) is not subscription:
                continue
            del table[subscription.name]
            removed.setdefault(subscription.kind, []).append(subscription)
            for call in subscription.calls:
                call.answer(PubSubError("the subscription was given up while it was made"))
        waits = False
        if self.link is not None:
            for kind, group in removed.items():
                waits = self.link.unsubscribe(self, kind, group, waiter) or waits
        if removed:
            self.leave_if_done()
        return waits

    def leave_if_done(self) -> None:
        """Leave the connection, if there is nothing to have it for."""
        if not self.expecting:
            if self.link is not None:
                self.link.leave(self)
            self.listener.ended(None)

    def close(self) -> None:
        """Give everything up, at once. Harmless when done twice."""
        if self.link is not None:
            self.link.drop(self)
        self._end(PubSubError("the subscription was closed"))

    def _end(self, error: StoreError) -> None:
        """Nothing is subscribed to any more, because of `error`: calls that wait raise it."""
        calls = {call for subscription in self.all() for call in subscription.calls}
        for table in self.declared.values():
            table.clear()
        for call in calls:
            call.answer(error)
            call.subscriptions.clear()

    # What the connection tells.

    def tell_status(self, status: str) -> None:
        """The connection is `connecting`, `connected` or `disconnected` now; no effect if it was so before."""
        if status != self._status:
            self._status = status
            self.listener.status_changed(status)

    def restored(self) -> None:
        """All subscriptions are in place, for the first time or again."""
        self.in_place = True
        self.tell_status("connected")
        self.listener.restored()

    def lost_connection(self) -> None:
        """No subscription is in place any more."""
        self.in_place = False
        missed = [subscription.forget_confirmation() for subscription in self.all()]
        if any(missed):
            self.listener.interrupted()

    def detached(self) -> None:
        """The connection is no longer this one's."""
        self.link = None
        self.in_place = False
        self.due = 0
        self._status = ""

    def came_to_an_end(self, error: StoreError) -> None:
        """There will be no connection any more, because of `error`."""
        was_active = self.active
        self._end(error)
        if was_active:
            self.listener.status_changed("disconnected")
        self.listener.ended(error if was_active else None)
