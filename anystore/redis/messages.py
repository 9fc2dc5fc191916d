"""What a subscriber reads, messages and the gaps between them, and the buffer in which they wait to be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar

from anystore.backend import Waiter
from anystore.exceptions import InvalidArgument, PubSubError
from anystore.redis.commands.base import S

__all__ = ("OVERFLOW_POLICIES", "Arrival", "Gap", "Message", "MessageBuffer")

T = TypeVar("T")

OVERFLOW_POLICIES: Final = ("drop_oldest", "block", "raise")

MESSAGE_BYTES: Final = 256
"""What a message takes beside its bytes: objects of Python, about."""

_BY_REDIS_NAME: Final = {"type": "kind", "pattern": "pattern", "channel": "channel", "data": "data"}


class _Readable:
    """What messages and gaps have in common: redis-py's names for their parts, `message["type"]` and so on."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """The same as `kind`, by its name in redis-py."""
        return str(self["type"])

    def __getitem__(self, name: str) -> Any:
        """A part by its name in redis-py: `type`, `pattern`, `channel` or `data`."""
        return getattr(self, _BY_REDIS_NAME[name])


@dataclass(frozen=True, slots=True)
class Message(_Readable, Generic[S]):
    """A message that was published."""

    kind: str
    """`message`, `pmessage` for one that came by a pattern, `smessage` for one of a shard channel."""
    channel: S
    """The channel that it was published on."""
    data: Any
    """What the protocol decoded; without a protocol bytes, or str where the store decodes replies."""
    pattern: S | None = None
    """The pattern by which it came, of a `pmessage`."""


@dataclass(frozen=True, slots=True)
class Gap(_Readable):
    """A place where messages are missing, or may be.

    After a gap that comes from a lost connection all subscriptions are in place again: what is read from the server
    now is no older than the messages that follow.
    """

    dropped: int = 0
    """How many messages were dropped here because they were not read in time."""
    disconnects: int = 0
    """How often the connection was lost here; nobody knows what was published until it was there again."""

    kind: ClassVar[str] = "gap"
    channel: ClassVar[None] = None
    pattern: ClassVar[None] = None
    data: ClassVar[Any] = None

    @property
    def lost(self) -> int | None:
        """How many messages are missing; None when nobody can know."""
        return None if self.disconnects else self.dropped


class Arrival:
    """A message as the server sent it, but with bare names: one object for all whom it is for.

    `weight` is how many bytes it takes; `message` what it was decoded to, once that is done, where all may have the same.
    """

    __slots__ = ("message", "parts", "weight")

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts
        self.weight = MESSAGE_BYTES + _weight(parts[-2]) + _weight(parts[-1])
        self.message: Message[Any] | None = None


def _weight(part: Any) -> int:
    return len(part) if isinstance(part, bytes) else sum(map(_weight, part or ()))


class _Hole:
    """A gap that still may grow."""

    __slots__ = ("disconnects", "dropped")

    def __init__(self, dropped: int = 0, disconnects: int = 0) -> None:
        self.dropped = dropped
        self.disconnects = disconnects

    def swallow(self, other: _Hole) -> _Hole:
        self.dropped += other.dropped
        self.disconnects += other.disconnects
        return self


class MessageBuffer(Generic[T]):
    """A bounded queue of messages for any number of readers, each message for one of them.

    Args:
        new_waiter: Makes a waiter for the running event loop.
        size: How many bytes it holds before `overflow` decides; a single message may be larger than that.
        overflow: `drop_oldest` drops the oldest messages, and puts a gap in their place. `raise` does, too, but
            the reader gets `PubSubError` for the gap. `block` keeps all: whoever fills the buffer has to ask `full`.
    """

    def __init__(self, new_waiter: Callable[[], Waiter], size: int, overflow: str) -> None:
        if overflow not in OVERFLOW_POLICIES:
            raise InvalidArgument(
                f"overflow must be one of {', '.join(OVERFLOW_POLICIES)}, not {overflow!r:.60}"
            )
        if size < 1:
            raise InvalidArgument(f"buffer_size must be a number of bytes of at least 1, not {size!r:.60}")
        self._new_waiter = new_waiter
        self._size = size
        self._blocks = overflow == "block"
        self._raises = overflow == "raise"
        self._items: deque[Any] = deque()  # (item, weight), and holes
        self._messages = 0
        self._bytes = 0
        self._mended = True
        self._readers: deque[Waiter] = deque()
        self._filler: Waiter | None = None

    def __len__(self) -> int:
        """How many messages it holds, gaps not counted."""
        return self._messages

    @property
    def occupied(self) -> bool:
        """Whether it holds anything, message or gap."""
        return bool(self._items)

    @property
    def bytes(self) -> int:
        """How many bytes of messages it holds."""
        return self._bytes

    # Filling.

    def put(self, item: T, weight: int) -> None:
        """Add a message of so many bytes. O(1), plus what it drives out."""
        self._items.append((item, weight))
        self._messages += 1
        self._bytes += weight
        if self._bytes > self._size and not self._blocks:
            self._drop_oldest()
        if self._readers:
            self._wake_reader()

    def _drop_oldest(self) -> None:
        items = self._items
        hole: _Hole | None = None
        while isinstance(items[0], _Hole) or (self._bytes > self._size and self._messages > 1):
            oldest = items.popleft()
            if isinstance(oldest, _Hole):
                hole = oldest if hole is None else hole.swallow(oldest)
            else:
                hole = hole or _Hole()
                hole.dropped += 1
                self._messages -= 1
                self._bytes -= oldest[1]
        if hole is not None:
            items.appendleft(hole)

    def tear(self) -> None:
        """The stream of messages was interrupted here. That becomes readable, as a gap, with `mend`."""
        self._mended = False
        last = self._items[-1] if self._items else None
        if isinstance(last, _Hole):
            last.disconnects += 1
        else:
            self._items.append(_Hole(disconnects=1))

    def mend(self) -> None:
        """The stream of messages goes on, or has ended for good."""
        self._mended = True
        self._wake_reader()

    @property
    def blocks(self) -> bool:
        """Whether it may ever be full."""
        return self._blocks

    @property
    def full(self) -> bool:
        """Whether messages have to wait outside until some are read; never, unless it is to block."""
        return self._blocks and self._bytes >= self._size

    async def wait_for_room(self) -> None:
        """Wait until it is not full any more, or until `release_filler`; one task at a time."""
        self._filler = self._new_waiter()
        try:
            await self._filler
        finally:
            self._filler = None

    def release_filler(self) -> None:
        """End `wait_for_room`, if somebody is in it."""
        if self._filler is not None and not self._filler.done():
            self._filler.set_result(None)

    # Reading.

    def get_nowait(self) -> T | Gap | None:
        """The next message or gap; None when there is none now. O(1).

        Raises:
            PubSubError: The next thing is a gap of dropped messages, and it was told to raise.
        """
        items = self._items
        if not items:
            return None
        first = items[0]
        if first.__class__ is _Hole:
            return self._get_gap(first)
        del items[0]
        if items and self._readers:
            self._wake_reader()
        item: T
        item, weight = first
        self._messages -= 1
        self._bytes -= weight
        if self._filler is not None and not self.full:
            self.release_filler()
        return item

    def _get_gap(self, hole: _Hole) -> Gap | None:
        if hole.disconnects and not self._mended:
            return None
        self._items.popleft()
        if self._items:
            self._wake_reader()
        return self._gap(hole)

    def _gap(self, hole: _Hole) -> Gap:
        if self._raises and hole.dropped:
            if hole.disconnects:
                self._items.appendleft(_Hole(disconnects=hole.disconnects))
            raise PubSubError(
                f"{hole.dropped} messages were not read in time and are lost", lost=hole.dropped
            )
        return Gap(hole.dropped, hole.disconnects)

    async def wait(self) -> None:
        """Wait until there may be something to read, or until `wake_all`. Readers are served in their order."""
        waiter = self.reader()
        try:
            await waiter
        except BaseException:
            self.forsake(waiter)
            raise

    def reader(self) -> Waiter:
        """What `wait` waits for, for those who do so themselves; if that is cancelled, they are to `forsake` it."""
        waiter = self._new_waiter()
        self._readers.append(waiter)
        return waiter

    def forsake(self, waiter: Waiter) -> None:
        """A reader was cancelled: if it was woken for a message, that is somebody else's now."""
        if waiter in self._readers:
            self._readers.remove(waiter)
        else:
            self._wake_reader()

    def _wake_reader(self) -> None:
        readers = self._readers
        while readers:
            waiter = readers.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def wake_all(self) -> None:
        """Let every reader look anew at how things are."""
        readers, self._readers = self._readers, deque()
        for waiter in readers:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Forget all messages and gaps."""
        self._items.clear()
        self._messages = self._bytes = 0
        self._mended = True
        self.release_filler()
