"""Channels: callbacks for events, which are messages with a name, on any number of channels over one connection."""

from __future__ import annotations

import fnmatch
import inspect
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias

import anyio

from anystore.exceptions import PubSubError, StoreError
from anystore.redis.commands.base import S
from anystore.redis.messages import Gap, Message
from anystore.redis.protocols import Json
from anystore.redis.pubsub import PubSub

if TYPE_CHECKING:
    from anystore.redis.lock import Lock
    from anystore.redis.store import RedisStore

__all__ = ("Callback", "CallbackError", "Channel", "Channels", "StatusType")

Callback: TypeAlias = "Callable[[Channel, str, Any], Awaitable[object] | object]"
"""Called with the channel, the event's name and its data, and awaited if it returns an awaitable."""

STATUS_CHANNEL: Final = "server"
NAMESPACE_DELIMITER: Final = "_"

_ESCAPED: Final = re.compile(r"\\(.)|\[\^", re.DOTALL)

logger = logging.getLogger("anystore.channels")


class StatusType(Enum):
    """What channels are, as to their connection."""

    initialised = 1
    connecting = 2
    connected = 3
    disconnected = 4
    closed = 5


class CallbackError(Exception):
    """Raised by a callback that wants to be unregistered."""


class Channel:
    """The callbacks of one channel, by event patterns; made by `Channels.register`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.callbacks: dict[str, list[Callback]] = {}
        self._matchers: dict[str, Callable[[str], object]] = {}

    def __repr__(self) -> str:
        return f"<Channel {self.name} {', '.join(self.callbacks)}>"

    def __str__(self) -> str:
        return self.name

    def __len__(self) -> int:
        """How many event patterns it has callbacks for."""
        return len(self.callbacks)

    def __bool__(self) -> bool:
        return bool(self.callbacks)

    def __contains__(self, event: object) -> bool:
        """Whether there are callbacks for exactly this event pattern."""
        return event in self.callbacks

    @property
    def events(self) -> tuple[str, ...]:
        """The event patterns that it has callbacks for."""
        return tuple(self.callbacks)

    def register(self, event: str, callback: Callback) -> None:
        """Have `callback` called for events that match the glob pattern `event`; once, however often it is registered.

        `*`, `?`, `[abc]`, `[^abc]` and a backslash in front of a character to be taken as it is.
        """
        callbacks = self.callbacks.setdefault(event, [])
        if callback not in callbacks:
            callbacks.append(callback)
        if event not in self._matchers:
            self._matchers[event] = re.compile(fnmatch.translate(_in_pythons_form(event))).match

    def unregister(self, event: str, callback: Callback) -> bool:
        """Undo `register`; whether there was anything to undo."""
        callbacks = self.callbacks.get(event, [])
        if callback not in callbacks:
            return False
        callbacks.remove(callback)
        if not callbacks:
            del self.callbacks[event], self._matchers[event]
        return True

    async def fire(self, event: str, data: Any = None) -> None:
        """Call the callbacks for an event, one after the other, in the order in which they were registered.

        One that raises is logged and stays; `CallbackError` unregisters it.
        """
        for pattern, matches in tuple(self._matchers.items()):
            if not matches(event):
                continue
            for callback in tuple(self.callbacks.get(pattern, ())):
                try:
                    answer = callback(self, event, data)
                    if inspect.isawaitable(answer):
                        await answer
                except CallbackError:
                    self.unregister(pattern, callback)
                except Exception:
                    logger.exception(
                        "the callback %r for %s on channel %s failed", callback, event, self.name
                    )


class Channels(Generic[S]):
    """Callbacks for events on channels; made by `store.channels()`.

    ```python
    async with store.channels() as channels:
        await channels.register("chat", "message", lambda channel, event, data: print(data))
        await channels.publish("chat", "message", {"text": "hello"})
    ```

    The names of events match glob patterns: `register("chat", "*", …)` gets them all. Callbacks may be coroutine
    functions; they are called one after the other, in the order of the events, by a task in the store's task group
    (by another one for the status), and may themselves publish, register, unregister and close. While they are slow,
    events wait in the buffer of the `PubSub`, `pubsub`.

    `connect`, or entering the block, connects. From then on a lost connection is replaced, with exponential back-off
    and for as long as it takes, until `close` or the end of the block. What happens is told on the status channel,
    `server`: the events `connecting`, `connected`, `disconnected` and `closed` whenever `status` becomes that, and `gap`
    with a `Gap` as its data when events were lost, or may have been. Events that others publish on `server` come, too.

    Args:
        pubsub: For the channels alone. Without a protocol it gets `Json`.
        namespace: A prefix of the channels' names, which `_` is added to; beside the store's own namespace.
        status_channel: Another name for the status channel.
    """

    def __init__(
        self, pubsub: PubSub[S], namespace: str | None = None, status_channel: str = STATUS_CHANNEL
    ) -> None:
        self.pubsub: PubSub[S] = pubsub
        self.store: RedisStore[S] = pubsub.store
        if pubsub.protocol is None:
            pubsub.protocol = Json()
        if namespace and not namespace.endswith(NAMESPACE_DELIMITER):
            namespace += NAMESPACE_DELIMITER
        self.namespace = namespace or ""
        self.channels: dict[str, Channel] = {}
        self.status_channel = self._channel(status_channel)
        self.status = StatusType.initialised
        self._changes: deque[StatusType] = deque()
        self._teller: int | None = None
        self._told: anyio.Event
        self._listening = False
        pubsub.on_status = self._status_changed

    def __repr__(self) -> str:
        return f"<Channels {self.store} {self.namespace}* {self.status.name}>"

    def __len__(self) -> int:
        """How many channels there are, the status channel among them."""
        return len(self.channels)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name in self.channels

    def __iter__(self) -> Iterator[Channel]:
        return iter(tuple(self.channels.values()))

    def prefixed(self, name: str) -> str:
        """The name of a channel with the namespace in front, unless it is there already."""
        return name if name.startswith(self.namespace) else self.namespace + name

    # Lifetime.

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Subscribe to all channels, and return when that is done, however often it has to be tried.

        No effect when connected. Cancelled, it goes on by itself, until `close`.

        Raises:
            PubSubError: The channels were closed.
            ResponseError: The server refuses the user and password, or a channel.
        """
        if self.status is StatusType.closed:
            raise PubSubError(f"{self!r} cannot connect any more")
        self.store.check_open()
        if not self._listening:
            self._listening = True
            self.store.task_group.start_soon(self._listen)
        await self.pubsub.keep_subscribed([self.prefixed(name) for name in self.channels])

    async def close(self) -> None:
        """Give all channels up, for good. Harmless when done twice; done even when cancelled.

        At last the event `closed` is fired, before this returns unless a callback of the status channel calls it.
        """
        if self.status is StatusType.closed:
            return
        self.status = StatusType.closed
        self._changes.append(StatusType.closed)
        await self.pubsub.close()
        if self._teller is None:
            await self._tell()
        elif self._teller != anyio.get_current_task().id:
            await self._told.wait()

    # Registering.

    async def register(self, channel: str, event: str, callback: Callback) -> Channel:
        """Have a callback called for events that match the pattern `event` on a channel; the channel.

        Before `connect` that is all. After it, returns when the server has confirmed the subscription, however long
        there is no connection; cancelled, the callback is registered and the subscription follows by itself.

        Raises:
            ResponseError: The server refuses the channel; the callback is not registered then.
        """
        registered = self._channel(channel)
        registered.register(event, callback)
        if self._is_used:
            try:
                await self.pubsub.keep_subscribed(self.prefixed(registered.name))
            except Exception:
                registered.unregister(event, callback)
                self._forget_if_empty(registered)
                raise
        return registered

    async def unregister(self, channel: str, event: str, callback: Callback) -> Channel | None:
        """Undo `register`; the channel, or None if there is none of this name. No effect if it was not registered.

        A channel without callbacks is unsubscribed from. Cancelled, it is all the same.
        """
        known = self.channels.get(self._bare(channel))
        if known is not None:
            known.unregister(event, callback)
            if self._forget_if_empty(known) and self._is_used:
                await self.pubsub.unsubscribe(self.prefixed(known.name))
        return known

    @property
    def _is_used(self) -> bool:
        return self._listening and self.status is not StatusType.closed

    def _bare(self, name: str) -> str:
        return name.removeprefix(self.namespace)

    def _channel(self, name: str) -> Channel:
        name = self._bare(name)
        return self.channels.setdefault(name, Channel(name))

    def _forget_if_empty(self, channel: Channel) -> bool:
        if channel or channel is self.status_channel:
            return False
        return self.channels.pop(channel.name, None) is not None

    # Events.

    async def publish(self, channel: str, event: str, data: Any = None) -> int:
        """Publish an event; how many clients of the server it reached. Needs no `connect`.

        The message is `{"event": …, "channel": …, "data": …}`, encoded by the protocol, without `data` if that is None.
        O(N+M) in the channel's subscribers and all patterns. Cancelled, it may have been published.
        """
        message = {"event": event, "channel": self._bare(channel)}
        if data is not None:
            message["data"] = data
        return await self.pubsub.publish(self.prefixed(channel), message)

    def lock(self, name: str, **options: Any) -> Lock:
        """A lock whose name has the namespace in front; see `Lock` for the options."""
        return self.store.lock(self.prefixed(name), **options)

    async def _listen(self) -> None:
        """Fire what arrives until the channels are closed."""
        try:
            while True:
                try:
                    message = await self.pubsub.get_message(timeout=None)
                except PubSubError as error:
                    logger.error("%r: %s", self, error)
                    if error.lost:
                        await self.status_channel.fire("gap", Gap(dropped=error.lost))
                    continue
                if message is None:
                    return
                await self._fire(message)
        except StoreError as error:
            logger.error("%r: the channels came to an end: %s", self, error)
        finally:
            self._listening = False

    async def _fire(self, message: Message[S] | Gap) -> None:
        if isinstance(message, Gap):
            await self.status_channel.fire("gap", message)
            return
        name: bytes | str = message.channel
        if isinstance(name, bytes):
            name = name.decode(self.store.encoding, "surrogateescape")
        channel = self.channels.get(self._bare(name))
        if channel is not None:
            # What others publish may have any form.
            content = message.data if isinstance(message.data, dict) else {"data": message.data}
            event = content.get("event")
            await channel.fire(
                str(event) if isinstance(event, str | int | float) else "", content.get("data")
            )

    # The status.

    def _status_changed(self, status: str) -> None:
        if self.status is not StatusType.closed:
            self._set_status(StatusType[status])

    def _set_status(self, status: StatusType) -> None:
        if status is self.status:
            return
        self.status = status
        logger.info("%r", self)
        self._changes.append(status)
        if self._teller is None and self.store.is_open:
            self.store.task_group.start_soon(self._tell)

    async def _tell(self) -> None:
        """Fire what the status became, step by step."""
        if self._teller is not None:
            return
        self._teller = anyio.get_current_task().id
        self._told = anyio.Event()
        try:
            while self._changes:
                await self.status_channel.fire(self._changes.popleft().name)
        finally:
            self._teller = None
            self._told.set()


def _in_pythons_form(pattern: str) -> str:
    """A glob pattern as Redis takes it, for `fnmatch`."""

    def translate(found: re.Match[str]) -> str:
        escaped = found[1]
        if escaped is None:
            return "[!"
        return f"[{escaped}]" if escaped in "*?[" else escaped

    return _ESCAPED.sub(translate, pattern)
