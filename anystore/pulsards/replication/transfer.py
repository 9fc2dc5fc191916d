"""An image on its way to replicas: to one, or to several that get the very same bytes.

Where a replica can find the end of an image by a mark, the slices go out as they are made, to all at the pace of the
slowest. Otherwise they are gathered, since the size has to be said first; whoever asks meanwhile gets the same image,
and what the stream has brought since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication.followers import Follower

#: Bytes of an image that are made in one turn at first, at least and at most, and how long that may take.
_SLICE: Final = 16 * 1024
_SMALLEST: Final = 1024
_LARGEST: Final = 256 * 1024
_SLICE_NS: Final = 1_000_000
#: Bytes that may wait for a replica to take them.
_AHEAD: Final = 1024 * 1024


class Kind(NamedTuple):
    """What an image is like; replicas that want the same kind may share one."""

    for_valkey: bool
    """Whether it is in the form of Valkey's own files."""
    marked: bool
    """Whether a mark ends it, instead of a size at its beginning."""
    keys: bool = True
    functions: bool = True


class Image(Protocol):
    """All data as they were at one moment, in the form of an RDB file, handed out in slices."""

    @property
    def finished(self) -> bool:
        """Whether everything has been handed out."""

    def next_slice(self, limit_bytes: int) -> bytes:
        """The next bytes, about so many."""

    def cancel(self) -> None:
        """It is not needed any more."""


class Transfer:
    """One image, and the replicas that get it."""

    def __init__(self, engine: Engine, image: Image, offset: int, kind: Kind, mark: bytes) -> None:
        """`offset`: where in the stream the image is. `mark`: the 40 bytes that end one that is marked."""
        self._engine = engine
        self._image = image
        self.offset = offset
        self.kind = kind
        self._mark = mark if kind.marked else None
        self._gathered: list[bytes] = []
        self._members: dict[Follower, None] = {}
        self._slice_bytes = _SLICE

    @property
    def gathers(self) -> bool:
        """Whether nothing is sent before all is there: others may still join."""
        return self._mark is None

    def add(self, follower: Follower) -> None:
        """One more replica gets it; what the stream has brought since the image is for it, too. O(pending bytes)."""
        first = next(iter(self._members), None)
        if first is not None:
            follower.pending = list(first.pending)
            follower.pending_bytes = first.pending_bytes
        self._members[follower] = None
        follower.transfer = self
        follower.moved_at = self._engine.keyspace.now
        if self._mark is not None:
            follower.session.feed(b"$EOF:%b\r\n" % self._mark)

    def remove(self, follower: Follower) -> None:
        """A replica has gone; the image ends with the last one."""
        self._members.pop(follower, None)
        if not self._members:
            self._image.cancel()

    @property
    def wants_slice(self) -> bool:
        """Whether all can take more of it. O(replicas)."""
        return all(self.can_take(follower) for follower in self._members)

    @staticmethod
    def can_take(follower: Follower) -> bool:
        """Whether a replica has taken what it was sent, or most of it; one on its way out holds nobody up."""
        return follower.session.closing or follower.session.unsent_bytes < _AHEAD

    def send_slice(self) -> None:
        """Make the next slice of the image, and send it unless all has to be there first."""
        engine = self._engine
        begun = engine.elapsed_ns()
        data = self._image.next_slice(self._slice_bytes)
        # Everybody else waits for it: what a slice can hold is what fits in the time.
        fitting = self._slice_bytes * _SLICE_NS // max(1, engine.elapsed_ns() - begun)
        self._slice_bytes = max(
            _SMALLEST, self._slice_bytes // 2, min(fitting, 2 * self._slice_bytes, _LARGEST)
        )
        for follower in self._members:
            follower.moved_at = engine.keyspace.now
            if self._mark is not None and data:
                follower.session.feed(data)
        if self._mark is None:
            self._gathered.append(data)
        if self._image.finished:
            self._end()

    def _end(self) -> None:
        whole = b"".join(self._gathered)
        for follower in tuple(self._members):
            follower.transfer = None
            if follower.image_only:
                follower.session.closing = True
            if self._mark is not None:
                # It looks for the mark at the end of what it reads: nothing may follow until it has said that it found it.
                follower.session.feed(self._mark)
                continue
            follower.session.feed(b"$%d\r\n" % len(whole))
            follower.session.feed(whole)
            follower.go_online()
        self._members.clear()
