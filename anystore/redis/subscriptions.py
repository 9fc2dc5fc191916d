"""Subscriptions as they are declared: which channels, for whom, and whether the server has confirmed them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from anystore.backend import Waiter
from anystore.exceptions import StoreError

__all__ = ("CHANNELS", "PATTERNS", "SHARD_CHANNELS", "Call", "Handler", "Kind", "Listener", "Subscription")

Handler: TypeAlias = Callable[[Any], Any]
"""Called with each message of a subscription, by whoever reads."""


class Kind(NamedTuple):
    """A kind of subscription: its commands, which are also the first words of their confirmations."""

    subscribe: bytes
    unsubscribe: bytes


CHANNELS: Final = Kind(b"subscribe", b"unsubscribe")
PATTERNS: Final = Kind(b"psubscribe", b"punsubscribe")
SHARD_CHANNELS: Final = Kind(b"ssubscribe", b"sunsubscribe")


class Listener(Protocol):
    """Whom a subscriber tells what happens; nothing of it may raise."""

    def received(self, subscription: Subscription, message: list[Any]) -> None:
        """A message, as the server sent it, for this subscription."""

    def interrupted(self) -> None:
        """The connection was lost: from here on messages are missing."""

    def restored(self) -> None:
        """All subscriptions are in place, for the first time or again."""

    def ended(self, error: StoreError | None) -> None:
        """Nothing is subscribed to any more: all was given up, or `error` made it impossible."""

    def status_changed(self, status: str) -> None:
        """The connection is `connecting`, `connected` or `disconnected`."""

    @property
    def full(self) -> bool:
        """Whether no more messages are to be read for now."""
        raise NotImplementedError

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
    """A channel or pattern, by the server's name, that is wanted."""

    __slots__ = ("calls", "confirmed", "handler", "kept", "kind", "name", "settled")

    def __init__(self, kind: Kind, name: bytes) -> None:
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
