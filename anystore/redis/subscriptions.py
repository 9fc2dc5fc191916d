"""Subscriptions as they are declared, which channels and for whom; and what was sent for them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from anystore.backend import Waiter
from anystore.exceptions import StoreError
from anystore.redis.messages import Arrival

if TYPE_CHECKING:
    from anystore.redis.subscriber import Subscriber

__all__ = (
    "CHANNELS",
    "KINDS",
    "PATTERNS",
    "SHARD_CHANNELS",
    "Call",
    "Handler",
    "Kind",
    "Listener",
    "Names",
    "Sent",
    "Subscription",
)

Handler: TypeAlias = Callable[[Any], Any]
"""Called with each message of a subscription, by whoever reads."""


class Kind(NamedTuple):
    """A kind of subscription: its commands, which are also the first words of their confirmations, and of its messages."""

    subscribe: bytes
    unsubscribe: bytes
    message: bytes


CHANNELS: Final = Kind(b"subscribe", b"unsubscribe", b"message")
PATTERNS: Final = Kind(b"psubscribe", b"punsubscribe", b"pmessage")
SHARD_CHANNELS: Final = Kind(b"ssubscribe", b"sunsubscribe", b"smessage")
KINDS: Final = (CHANNELS, PATTERNS, SHARD_CHANNELS)


class Listener(Protocol):
    """Whom a subscriber tells what happens; nothing of it may raise."""

    def received(self, subscription: Subscription, arrival: Arrival) -> None:
        """A message for this subscription; others may get the same object."""

    def interrupted(self) -> None:
        """The connection was lost: from here on messages are missing."""

    def restored(self) -> None:
        """All subscriptions are in place, for the first time or again."""

    def ended(self, error: StoreError | None) -> None:
        """Nothing is subscribed to any more: all was given up, or `error` made it impossible."""

    def status_changed(self, status: str) -> None:
        """The connection is `connecting`, `connected` or `disconnected`."""

    @property
    def blocks(self) -> bool:
        """Whether it may ever be `full`."""

    @property
    def full(self) -> bool:
        """Whether no more messages are to be read for now."""

    async def wait_for_room(self) -> None:
        """Wait until it is not full any more, or until `release`."""

    def release(self) -> None:
        """End `wait_for_room`."""


class Call:
    """A task that waits in `subscribe`: `waiter` gets None, or the error to raise."""

    __slots__ = ("missing", "subscriptions", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self.subscriptions: list[Subscription] = []
        self.missing: set[Subscription] = set()

    def answer(self, error: StoreError | None) -> None:
        if not self.waiter.done():
            # Each its own error: tasks that raise the same one would write into each other's traceback.
            self.waiter.set_result(copy.copy(error))


class Subscription:
    """A channel or pattern, by the server's name, that one subscriber, its owner, wants."""

    __slots__ = ("calls", "confirmed", "handler", "kept", "kind", "listener", "name", "owner", "settled")

    def __init__(self, owner: Subscriber, kind: Kind, name: bytes) -> None:
        self.owner = owner
        self.listener = owner.listener
        self.kind = kind
        self.name = name
        self.handler: Handler | None = None
        self.confirmed = False  # on the present connection
        self.settled = False  # some call has returned
        self.kept = False  # wanted whether or not there is a connection
        self.calls: set[Call] = set()

    def confirm(self) -> None:
        self.confirmed = True
        for call in self.calls:
            call.missing.discard(self)
            if not call.missing:
                call.answer(None)

    def forget_confirmation(self) -> bool:
        """The connection is lost. Whether messages are missed by somebody for whom it was in place."""
        missed = self.confirmed and (self.settled or any(call.waiter.done() for call in self.calls))
        self.confirmed = False
        for call in self.calls:
            call.missing.add(self)
        return missed

    @property
    def wanted(self) -> bool:
        """Whether somebody wants it: has subscribed to it, or is about to."""
        return self.settled or self.kept or bool(self.calls)


Names: TypeAlias = Mapping[bytes, tuple[Subscription, ...]]
"""What a command is about: names, and whose subscriptions these are."""


class Sent:
    """A command whose answers are due by `deadline`: a confirmation for each name, or one in all for a PING.

    Args:
        owner: Who gives something up by it, and goes on reading until it is answered.
        waiter: Gets an error of this command, or None with the `last` one of those that have it.
    """

    __slots__ = ("completes", "deadline", "last", "leaves", "names", "owner", "verb", "waiter")

    def __init__(
        self,
        verb: bytes,
        deadline: float,
        names: Names,
        owner: Subscriber | None = None,
        waiter: Waiter | None = None,
    ) -> None:
        self.verb = verb
        self.deadline = deadline
        self.names = dict(names)
        self.owner = owner
        self.waiter = waiter
        self.last = False
        self.leaves: list[Subscription] = []  # these get nothing any more once it is answered
        self.completes: list[Subscriber] = []  # once it is answered, all subscriptions of these are in place

    def done(self, error: StoreError | None = None) -> None:
        if self.waiter is not None and not self.waiter.done() and (self.last or error is not None):
            self.waiter.set_result(error)
