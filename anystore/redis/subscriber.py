"""Keeping subscriptions: what is declared here holds on the server, across lost connections.

Theory of operation. A `Subscriber` knows which channels are wanted; a `Link` is a task in the store's group that has
a connection from the store's pool for as long as any are, and makes the server agree. The connection is its alone:
a reader who is slow holds up nobody else.

Confirmations come in the order of the commands, so that a queue of what was sent (`Link.sent`) tells what each is
about, by identity and not by name: a channel may be subscribed to, given up and subscribed to again before the first
answer is in. An error reply is for the oldest command, all channels of it.

A call of `subscribe` has succeeded when the server has confirmed all its channels, on one connection or, after a
loss, on the next. Cancelled or refused, it takes back what it declared, but for channels that others want, too.

Source: https://valkey.io/topics/pubsub/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from anystore.backend import checkpoint_if_cancelled
from anystore.exceptions import PubSubError, StoreError
from anystore.redis.link import Link, Sent
from anystore.redis.subscriptions import (
    CHANNELS,
    PATTERNS,
    SHARD_CHANNELS,
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
        self.declared: dict[Kind, dict[bytes, Subscription]] = {
            CHANNELS: {},
            PATTERNS: {},
            SHARD_CHANNELS: {},
        }
        self.link: Link | None = None

    @property
    def active(self) -> bool:
        """Whether anything is subscribed to."""
        return any(self.declared.values())

    @property
    def expecting(self) -> bool:
        """Whether messages may come: something is subscribed to, or was until the server confirms that it is not."""
        return self.active or (self.link is not None and bool(self.link.sent))

    @property
    def connected(self) -> bool:
        """Whether all subscriptions are in place."""
        return self.link is not None and self.link.restored_at is not None

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
            self.link = Link(self)
            self.store.task_group.start_soon(self.link.run)
        else:
            self.link.subscribe(kind, [subscription for subscription in fresh if subscription is not None])
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

    def _claim(
        self, call: Call, kind: Kind, name: bytes, handler: Handler | None, keep: bool
    ) -> Subscription | None:
        """Have a call wait for a channel; the subscription if it is a new one."""
        table = self.declared[kind]
        known = table.get(name)
        subscription = table[name] = known or Subscription(kind, name)
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

    def refuse(self, refused: Iterable[Subscription], error: StoreError) -> None:
        """The server refuses these: they are not declared any more, and the calls for them fail."""
        refused = list(refused)
        for subscription in refused:
            self.declared[subscription.kind].pop(subscription.name)
        for call in {call for subscription in refused for call in subscription.calls}:
            call.answer(error)
            self.withdraw(call)
        if not self.expecting:
            self.listener.ended(None)

    async def unsubscribe(self, kind: Kind, names: Iterable[bytes] | None) -> None:
        """Give subscriptions up, all of the kind for None, and wait until the server has confirmed that.

        Cancelled, they are given up all the same.
        """
        await checkpoint_if_cancelled()
        self.store.check_open()
        table = self.declared[kind]
        wanted = list(table) if names is None else list(dict.fromkeys(names))
        sent = self._remove([table[name] for name in wanted if name in table])
        if sent is not None:
            sent.waiter = self.store.backend.waiter()
            error = await sent.waiter
            if error is not None:
                raise error

    def _remove(self, subscriptions: list[Subscription]) -> Sent | None:
        """Declare these no longer, and tell the server if it knows of them; the last of the commands for that."""
        removed: dict[Kind, dict[bytes, Subscription]] = {}
        for subscription in subscriptions:
            table = self.declared[subscription.kind]
            if table.get(subscription.name) is not subscription:
                continue
            del table[subscription.name]
            removed.setdefault(subscription.kind, {})[subscription.name] = subscription
            for call in subscription.calls:
                call.answer(PubSubError("the subscription was given up while it was made"))
        sent = None
        if self.link is not None:
            for kind, group in removed.items():
                sent = self.link.unsubscribe(kind, group)
        if removed and not self.expecting:
            self.listener.ended(None)
        return sent

    def close(self) -> None:
        """Give everything up, and close the connection. Harmless when done twice."""
        self.end(PubSubError("the subscription was closed"))

    def end(self, error: StoreError) -> None:
        """Nothing is subscribed to any more, because of `error`: calls that wait raise it."""
        link, self.link = self.link, None
        if link is not None:
            link.stop()
        calls = {call for subscription in self.all() for call in subscription.calls}
        for table in self.declared.values():
            table.clear()
        for call in calls:
            call.answer(error)
            call.subscriptions.clear()
