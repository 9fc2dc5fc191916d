"""Publishing and subscribing: `store.pubsub()`.

Source: https://valkey.io/topics/pubsub/
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias, cast

import anyio
from anyio import current_effective_deadline
from anyio.lowlevel import checkpoint

from anystore.exceptions import InvalidArgument, PubSubError
from anystore.redis.commands.base import KeyT, S
from anystore.redis.inbox import Client, Inbox, Item
from anystore.redis.messages import Gap, Message
from anystore.redis.protocols import Json, MessageProtocol
from anystore.redis.subscriber import Subscriber
from anystore.redis.subscriptions import CHANNELS, PATTERNS, SHARD_CHANNELS, Kind
from anystore.resp.pack import encode_arguments

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore

__all__ = ("Client", "Gap", "Handler", "Message", "PubSub")

Handler: TypeAlias = Callable[[Message[Any]], Awaitable[object] | object]
"""Called with a message of its channel by whoever reads, and awaited if it returns an awaitable."""
Names: TypeAlias = KeyT | Iterable[KeyT]

READS_A_TURN: Final = 100
"""Messages that a reader gets before other tasks get their turn."""

_END: Final = object()


class PubSub(Generic[S]):
    """Subscriptions, the messages that come by them, and publishing; made by `store.pubsub()`.

    ```python
    async with store.pubsub() as pubsub:
        await pubsub.subscribe("news")
        async for message in pubsub:
            print(message.channel, message.data)
    ```

    All of a store share one connection from its pool, apart from the commands': it lives in the store's task group from the
    first subscription to the last one. To the server, in what PUBLISH and PUBSUB NUMSUB count, they are one subscriber.
    With `overflow="block"`, and in RESP2, each has a connection of its own. Leaving the block, or `close`, gives everything
    up. A lost connection is replaced and all subscriptions are restored; a `Gap` among the messages says that some may be
    missing.

    Messages wait for readers in a buffer of `buffer_size` bytes. When it is full, `overflow` decides: `drop_oldest`
    drops, and a `Gap` says how many; `raise` does the same, but reading raises `PubSubError` for it; `block` reads no
    further from the server until there is room, which in time makes the server cut the connection (its directive
    `client-output-buffer-limit`).

    Messages go to the clients (`add_client`), at once, as long as there are any. Otherwise, and in any case once
    somebody has begun to read, they are kept for readers: `async for`, `get_message`, `listen`. Any number of tasks
    may read; each message is for one of them.

    Args:
        store: Where to subscribe and publish.
        protocol: Encodes what is published, decodes what is received.
        buffer_size: Bytes of messages to keep for readers; by default the store's option `pubsub_buffer_size`.
        overflow: By default the store's option `pubsub_overflow`.
    """

    def __init__(
        self,
        store: RedisStore[S],
        protocol: MessageProtocol | None = None,
        *,
        buffer_size: int | None = None,
        overflow: str | None = None,
    ) -> None:
        self.store: RedisStore[S] = store
        options = store.options
        self._inbox = Inbox(
            store,
            protocol,
            options.pubsub_buffer_size if buffer_size is None else buffer_size,
            options.pubsub_overflow if overflow is None else overflow,
        )
        self._subscriber = Subscriber(store, self._inbox)
        self._ever_subscribed = False
        self._closed = False
        self._reads = 0

    def __repr__(self) -> str:
        return f"<PubSub {self.store}>"

    @property
    def protocol(self) -> MessageProtocol | None:
        """Encodes what is published, decodes what is received; can be assigned."""
        return self._inbox.protocol

    @protocol.setter
    def protocol(self, protocol: MessageProtocol | None) -> None:
        self._inbox.protocol = protocol

    @property
    def on_status(self) -> Callable[[str], object] | None:
        """Called with `connecting`, `connected` or `disconnected` when that begins to be so; can be assigned.

        It must not block. `connected` is when all subscriptions are in place.
        """
        return self._inbox.on_status

    @on_status.setter
    def on_status(self, on_status: Callable[[str], object] | None) -> None:
        self._inbox.on_status = on_status

    # Lifetime.

    async def __aenter__(self) -> Self:
        self.store.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give all subscriptions up, and drop what was not read; tasks that read come to an end.

        Never blocks, and is done even when cancelled. Harmless when done twice. Subscribing opens it again.
        """
        self._closed = True
        self._subscriber.close()
        self._inbox.buffer.clear()
        self._inbox.buffer.wake_all()

    aclose = close

    @property
    def subscribed(self) -> bool:
        """Whether anything is subscribed to, be it connected or not."""
        return self._subscriber.active

    @property
    def connected(self) -> bool:
        """Whether all subscriptions are in place on the server."""
        return self._subscriber.in_place

    # Subscribing.

    async def subscribe(self, *channels: Names, **handlers: Handler | None) -> None:
        """Subscribe to channels; returns when the server has confirmed all of them.

        Args:
            channels: Names, or lists of names.
            handlers: Channels by name, and for each who is called with its messages instead of their being returned
                to readers; as in redis-py that happens when somebody reads.

        Raises:
            ConnectionFailed, CommandTimeout: There is no connection, after all attempts that the options allow.
            ResponseError: The server refuses one of the channels.

        When it raises, or is cancelled, the channels are given up again unless they were subscribed to before. O(N).
        https://valkey.io/commands/subscribe/
        """
        await self._subscribe(CHANNELS, channels, handlers)

    async def psubscribe(self, *patterns: Names, **handlers: Handler | None) -> None:
        """Subscribe to all channels that match glob patterns; as `subscribe`. O(N).

        A message that matches several patterns, or also a channel, comes several times.
        https://valkey.io/commands/psubscribe/
        """
        await self._subscribe(PATTERNS, patterns, handlers)

    async def ssubscribe(self, *channels: Names, **handlers: Handler | None) -> None:
        """Subscribe to shard channels; as `subscribe`. O(N). Since 7.0.0.

        https://valkey.io/commands/ssubscribe/
        """
        await self._subscribe(SHARD_CHANNELS, channels, handlers)

    async def unsubscribe(self, *channels: Names) -> None:
        """Give channels up, all without arguments; returns when the server has confirmed that. O(N).

        What was published until then can still be read. Cancelled, the channels are given up all the same.
        https://valkey.io/commands/unsubscribe/
        """
        await self._unsubscribe(CHANNELS, channels)

    async def punsubscribe(self, *patterns: Names) -> None:
        """Give patterns up, all without arguments; as `unsubscribe`. https://valkey.io/commands/punsubscribe/"""
        await self._unsubscribe(PATTERNS, patterns)

    async def sunsubscribe(self, *channels: Names) -> None:
        """Give shard channels up, all without arguments; as `unsubscribe`. https://valkey.io/commands/sunsubscribe/"""
        await self._unsubscribe(SHARD_CHANNELS, channels)

    async def keep_subscribed(self, *channels: Names) -> None:
        """As `subscribe`, for channels that are wanted whether or not the server can be reached.

        It goes on trying for as long as it takes; cancelled, that goes on by itself.

        Raises:
            ResponseError: The server refuses one of the channels, or the user and password.
        """
        await self._subscribe(CHANNELS, channels, {}, keep=True)

    async def _subscribe(
        self,
        kind: Kind,
        names: tuple[Names, ...],
        handlers: Mapping[str, Handler | None],
        *,
        keep: bool = False,
    ) -> None:
        wanted: dict[bytes, Handler | None] = dict.fromkeys(self._server_names(kind, names))
        wanted.update(zip(self._server_names(kind, tuple(handlers)), handlers.values(), strict=True))
        if not wanted:
            raise InvalidArgument(f"{kind.subscribe.decode()} needs the name of a channel or pattern")
        self._closed = False
        self._inbox.failure = None
        self._ever_subscribed = True
        await self._subscriber.subscribe(kind, wanted, keep=keep)

    async def _unsubscribe(self, kind: Kind, names: tuple[Names, ...]) -> None:
        await self._subscriber.unsubscribe(kind, self._server_names(kind, names) if names else None)

    def _server_names(self, kind: Kind, names: tuple[Names, ...]) -> list[bytes]:
        given: list[Any] = []
        for name in names:
            if isinstance(name, (bytes, str, memoryview)):
                given.append(name)
            else:
                given.extend(name)
        encoded = encode_arguments([kind.subscribe, *given], self._inbox.encoding)[1:]
        prefixing = self.store.names
        if prefixing is None:
            return encoded
        return [prefixing.pattern(name) if kind is PATTERNS else prefixing.channel(name) for name in encoded]

    # Reading.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message[S] | Gap:
        """The next message or gap; the end when everything was unsubscribed from, or `close` was called.

        Cancelled, it loses none.

        Raises:
            PubSubError: Nothing was subscribed to yet; a message cannot be decoded; messages were dropped, and it was
                told to `raise` then. In the latter cases reading can go on.
            StoreError: The subscriptions came to an end: the store was closed, or the server refuses them.
        """
        if not self._ever_subscribed:
            raise PubSubError("nothing was subscribed to yet, so there is nothing to read")
        inbox = self._inbox
        buffer = inbox.buffer
        inbox.has_readers = True
        while True:
            # As `_next`, in here: with many readers, each coroutine in between is felt.
            if self._is_turn_due():
                await checkpoint()
            found: Any = self._look(False)
            while found is None:
                waiter = buffer.reader()
                try:
                    await waiter
                except BaseException:
                    buffer.forsake(waiter)
                    raise
                found = self._look(False)
            if found is _END:
                raise StopAsyncIteration
            if found.__class__ is tuple and found[0].handler is None:
                return self._inbox.message(found[1])
            message = await self._handed_over(found)
            if message is not None:
                return message

    async def listen(self) -> AsyncIterator[Message[S] | Gap]:
        """The messages and gaps, one by one; the same as iterating over this object itself."""
        async for message in self:
            yield message

    async def get_message(
        self, ignore_subscribe_messages: bool = True, timeout: float | None = 0.0
    ) -> Message[S] | Gap | None:
        """The next message or gap; None when there is none in time, it went to a handler, or `close` was called.

        Args:
            ignore_subscribe_messages: Makes no difference, and is here for code that was written for redis-py:
                subscribing waits for the server's confirmations, which never come as messages.
            timeout: How long to wait, in seconds; None without limit, even while nothing is subscribed to.

        Raises as iterating does; cancelled, it loses no message.
        """
        found = await self._next(timeout, patient=True)
        return None if found is None else await self._handed_over(found)

    async def run(
        self,
        *,
        exception_handler: Callable[[Exception, Self], object] | None = None,
        poll_timeout: float = 1.0,
    ) -> None:
        """Read until everything is unsubscribed from or closed, for handlers; other messages are dropped.

        Cancelled, it loses no message that no handler has been called with; the subscriptions stay.

        Args:
            exception_handler: Called with what a handler or reading raises, and may be a coroutine function; without it
                `run` raises that.
            poll_timeout: Makes no difference, and is here for code that was written for redis-py: nothing is polled.
        """
        reading = True
        while reading:
            try:
                async for _ in self:
                    pass
                reading = False
            except Exception as error:
                if exception_handler is None or (self._inbox.failure is not None and not self.subscribed):
                    raise
                answer = exception_handler(error, self)
                if inspect.isawaitable(answer):
                    await answer

    async def _next(self, timeout: float | None, *, patient: bool) -> Item | Gap | None:
        """Wait for what is next; None when it takes too long, and at the end.

        For the `patient` it is not the end that nothing is subscribed to.
        """
        inbox = self._inbox
        inbox.has_readers = True
        if self._is_turn_due():
            await checkpoint()
        # In front of the time limit: with one of no seconds, the first await inside of it is the last.
        found = self._look(patient)
        if timeout is None:
            while found is None:
                await inbox.buffer.wait()
                found = self._look(patient)
        elif found is None:
            with anyio.move_on_after(timeout):
                while found is None:
                    await inbox.buffer.wait()
                    found = self._look(patient)
        return None if found is _END else cast("Item | Gap | None", found)

    def _is_turn_due(self) -> bool:
        """Whether to let others run, or to be cancelled: where there is nothing to lose yet, the wait is the checkpoint."""
        self._reads += 1
        return self._reads % READS_A_TURN == 0 or (
            self._inbox.buffer.occupied and current_effective_deadline() == -inf
        )

    def _look(self, patient: bool) -> object:
        """What is next, `_END`, or None for nothing yet."""
        found = self._inbox.buffer.get_nowait()
        if found is not None:
            return found
        if self._inbox.failure is not None:
            raise copy.copy(self._inbox.failure)
        return _END if self._closed or not (patient or self._subscriber.expecting) else None

    async def _handed_over(self, found: Item | Gap) -> Message[S] | Gap | None:
        """The message for the reader, or None if there is a handler for it, which is called then."""
        if isinstance(found, Gap):
            return found
        subscription, arrival = found
        message = self._inbox.message(arrival)
        handler = cast("Handler | None", subscription.handler)
        if handler is None:
            return message
        answer = handler(message)
        if inspect.isawaitable(answer):
            await answer
        return None

    # Clients.

    def add_client(self, client: Client, *, on_gap: Callable[[Gap], object] | None = None) -> None:
        """Have a client called with the channel and the decoded message of everything that arrives, at once.

        It must not block. What it raises is logged, and it stays a client.

        Args:
            client: A function of the channel's name, always a str, and the message.
            on_gap: Called with the `Gap` once lost subscriptions are restored, which is logged in any case.
        """
        self._inbox.clients[client] = on_gap

    def remove_client(self, client: Client) -> None:
        """Call it no longer. No effect if it is no client."""
        self._inbox.clients.pop(client, None)

    def __contains__(self, client: object) -> bool:
        return client in self._inbox.clients

    # Publishing, and what the server knows.

    async def publish(self, channel: KeyT, message: Any) -> int:
        """Publish a message, encoded by the protocol if there is one; how many connections the server sent it to.

        All subscribers of a store are one of them; each different pattern that matches counts, too.
        O(N+M) in the channel's subscribers and all patterns. Needs no subscription, and no connection of its own.
        Cancelled, it may have been published. https://valkey.io/commands/publish/
        """
        encoded = message if self.protocol is None else self.protocol.encode(message)
        return await self.store.client().publish(channel, encoded)

    async def publish_event(self, channel: KeyT, event: str, data: Any = None) -> int:
        """Publish an event, which is a message of the form `{"event": …, "channel": …, "data": …}`; as `publish`.

        Without `data` the message has none. Without a protocol it goes out as JSON.
        """
        name = channel if isinstance(channel, str) else self._inbox.text(bytes(channel))
        message = {"event": event, "channel": name}
        if data is not None:
            message["data"] = data
        encoded = (self.protocol or Json()).encode(message)
        return await self.store.client().publish(channel, encoded)

    async def count(self, *channels: KeyT) -> dict[S, int]:
        """How many subscribers each of these channels has, those of patterns not counted. O(N).

        https://valkey.io/commands/pubsub-numsub/
        """
        return dict(await self.store.client().pubsub_numsub(*channels))

    async def count_patterns(self) -> int:
        """How many different patterns the server's clients subscribe to, those of other namespaces, too. O(1).

        https://valkey.io/commands/pubsub-numpat/
        """
        return await self.store.client().pubsub_numpat()

    async def channels(self, pattern: KeyT | None = None) -> list[S]:
        """The channels with a subscriber, patterns not counted, that match a glob pattern. O(N) in all channels.

        https://valkey.io/commands/pubsub-channels/
        """
        return await self.store.client().pubsub_channels("*" if pattern is None else pattern)
