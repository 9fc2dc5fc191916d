"""Where the messages of a `PubSub` arrive: at its clients, and in the buffer for its readers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from anystore.exceptions import PubSubError, StoreError
from anystore.redis.messages import Arrival, Gap, Message, MessageBuffer
from anystore.redis.protocols import MessageProtocol
from anystore.redis.subscriptions import Subscription
from anystore.resp.decode import decode_strings

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore

__all__ = ("Client", "Inbox", "Item")

Client: TypeAlias = Callable[[str, Any], object]
"""Called with the channel's name and the decoded message; must not block."""
Item: TypeAlias = tuple[Subscription, Arrival]
"""What waits for readers: a message, and the subscription that it is for."""

_logger = logging.getLogger("anystore.redis")


class Inbox:
    """Takes messages from a subscriber; see `PubSub` for the arguments."""

    def __init__(
        self, store: RedisStore[Any], protocol: MessageProtocol | None, buffer_size: int, overflow: str
    ) -> None:
        self.protocol = protocol
        self.buffer: MessageBuffer[Item] = MessageBuffer(
            lambda: store.backend.waiter(), buffer_size, overflow
        )
        self.clients: dict[Client, Callable[[Gap], object] | None] = {}
        """The clients, and for each who is told of gaps."""
        self.on_status: Callable[[str], object] | None = None
        self.has_readers = False
        self.failure: StoreError | None = None
        self._label = f"subscriptions to {store}"
        self.encoding: str = store.options.encoding
        self._errors: str = store.options.encoding_errors
        self._decodes: bool = store.options.decode_responses
        self._interruptions = 0

    # What the subscriber tells: see `Listener`.

    def received(self, subscription: Subscription, arrival: Arrival) -> None:
        if self.clients:
            self._broadcast(arrival.parts)
            if not self.has_readers and subscription.handler is None:
                return
        self.buffer.put((subscription, arrival), arrival.weight)

    def _broadcast(self, parts: list[Any]) -> None:
        channel = self.text(parts[-2])
        try:
            data = self._data(parts[-1])
        except Exception:  # a protocol's own, too: there is nobody to raise it to
            _logger.exception("%s: a message on the channel %r cannot be decoded", self._label, channel)
            return
        for client in tuple(self.clients):
            self._call(client, channel, data)

    def _call(self, function: Callable[..., object] | None, *args: Any) -> None:
        if function is not None:
            try:
                function(*args)
            except Exception:
                _logger.exception("%s: %r failed", self._label, function)

    def restored(self) -> None:
        self.buffer.mend()
        count, self._interruptions = self._interruptions, 0
        if count:
            _logger.warning(
                "%s: subscriptions are restored; messages published meanwhile are lost to them", self._label
            )
            for on_gap in tuple(self.clients.values()):
                self._call(on_gap, Gap(disconnects=count))

    def interrupted(self) -> None:
        self._interruptions += 1
        if not self.clients or self.has_readers:
            self.buffer.tear()

    def ended(self, error: StoreError | None) -> None:
        self._interruptions = 0
        self.failure = error
        self.buffer.mend()
        self.buffer.wake_all()

    def status_changed(self, status: str) -> None:
        self._call(self.on_status, status)

    @property
    def blocks(self) -> bool:
        return self.buffer.blocks

    @property
    def full(self) -> bool:
        return self.buffer.full

    async def wait_for_room(self) -> None:
        await self.buffer.wait_for_room()

    def release(self) -> None:
        self.buffer.release_filler()

    # Decoding.

    def message(self, arrival: Arrival) -> Message[Any]:
        """The message that the server sent. Raises `PubSubError` if it cannot be decoded. O(its bytes).

        Without a protocol all readers of the store's get the same object, decoded by the first of them. What a protocol
        makes of a message may be changed by who has it, so each reader has one of his own.
        """
        if self.protocol is None and arrival.message is not None:
            return arrival.message
        parts = arrival.parts
        kind = parts[0].decode("ascii")
        channel = self._text(parts[-2])
        try:
            data = self._data(parts[-1])
        except Exception as error:  # a protocol's own, too: whoever publishes must not end who reads
            raise PubSubError(f"a message on the channel {channel!r} cannot be decoded: {error}") from error
        message = Message(kind, channel, data, self._text(parts[1]) if kind == "pmessage" else None)
        if self.protocol is None and isinstance(data, (bytes, str)):
            arrival.message = message
        return message

    def _text(self, name: bytes) -> Any:
        # A name that cannot be decoded must not cost the message: it was not chosen by who reads.
        return self.text(name) if self._decodes else name

    def _data(self, data: Any) -> Any:
        """The message's value. Raises `ValueError`, and what a protocol raises."""
        if self.protocol is not None and isinstance(data, bytes):
            return self.protocol.decode(data)
        if not self._decodes:
            return data
        decoded = decode_strings(data, self.encoding, self._errors)
        if isinstance(decoded, UnicodeDecodeError):
            raise decoded
        return decoded

    def text(self, name: bytes) -> str:
        """A name as a str, whatever its bytes are."""
        return name.decode(self.encoding, "surrogateescape")
