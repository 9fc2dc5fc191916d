"""All databases of a server: the time that they go by, what is counted about them, and who is told of changes.

What a single one does is in `anystore.pulsards.database`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.accounting import Account
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import (
    DEFAULT_LIMITS,
    EncodingLimits,
    HashValue,
    ListValue,
    SetValue,
    SortedSetValue,
)

if TYPE_CHECKING:
    from anystore.pulsards.leavings import Leavings
    from anystore.pulsards.persistence.snapshot import Snapshot

#: A moment that does not come.
NEVER = 2**63
#: What a database holds that is as large as its number of keys.
_HELD: Final = ("data", "expires", "fields", "accessed", "_deadlines", "account", "_scan_index")
#: What changes its encoding as it grows.
_ENCODED: Final = (HashValue, ListValue, SetValue, SortedSetValue)
#: Keys expired in one turn of the active expiry, so that a storm of them never holds the loop for long.
EXPIRED_PER_TURN = 500


class Keyspace:
    """All databases of one server, the time that they go by, and what is counted about them."""

    def __init__(self, count: int, notify: Callable[[Database, bytes, bytes, int], None]) -> None:
        """`count` databases; `notify(database, key, event, class)` publishes a keyspace event."""
        self.now = self.second = 0  # milliseconds and seconds since 1970; see `set_time`
        #: No later than the next moment at which anything is due, here or in the engine.
        self.nearest = NEVER
        #: Whether keys are removed when they expire, or only when they are next asked for.
        self.active_expiry = True
        self._follows = self._importing = self._paused = False
        #: What is past is hidden but not removed: somebody else says when it has gone (`follows`, `importing`), or nothing
        #: is to change (`paused`).
        self.keeps_past = False
        #: A command of a primary, or out of a file, is running.
        self.obeying = False
        #: A command of whoever says what has gone is running: to it, what is past is there.
        self.sees_past = False
        #: Told as a command, where somebody keeps a copy of the data, what went by itself: expired, or evicted.
        self.loss_watcher: Callable[[Database, list[bytes]], None] | None = None
        self.notify_classes = 0
        self.notify = notify
        self.dirty = 0  # changes since the server started; who cares keeps the figure it saw last
        self.hits = 0
        self.misses = 0
        self.expired = 0
        self.expired_fields = 0
        self.evicted = 0
        #: Bytes that all keys take, while an account of them is kept: see `keep_account`.
        self.used = 0
        self.peak_used = 0
        self.accounted = False
        self._new_accesses: Callable[[], dict[bytes, int]] = dict
        self._encoding_limits = DEFAULT_LIMITS
        #: Told of every key that changes, expiries included; none of them where nobody has to be.
        self.touch_watchers: tuple[Callable[[Database, bytes], None], ...] = ()
        #: Keys that changed while somebody waits for them, in order.
        self.ready: dict[tuple[Database, bytes], None] = {}
        #: Point-in-time images that are being written: see `begin_image`.
        self.images: tuple[Snapshot, ...] = ()
        self.databases = [Database(self, index) for index in range(count)]

    @property
    def follows(self) -> bool:
        """Whether a primary, or a file that is being read, says what has expired."""
        return self._follows

    @follows.setter
    def follows(self, follows: bool) -> None:
        self._follows = follows
        self._decide()

    @property
    def importing(self) -> bool:
        """Whether clients bring data in from elsewhere, and say what has expired (`import-mode`); no replica does."""
        return self._importing and not self._follows

    @importing.setter
    def importing(self, importing: bool) -> None:
        if self._importing and not importing:
            self.falls_due(self.now)
        self._importing = importing
        self._decide()

    @property
    def paused(self) -> bool:
        """Whether clients that write are held back: nothing is to change by itself either."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        if self._paused and not paused:
            self.falls_due(self.now)
        self._paused = paused
        self._decide()

    def _decide(self) -> None:
        self.keeps_past = self._follows or self._importing or self._paused

    def is_past(self, when: int) -> bool:
        """Whether what a command lets expire at `when` goes at once; not where somebody else says when it has gone."""
        return when <= self.now and not (self.obeying or self.importing)

    @property
    def expires_by_itself(self) -> bool:
        """Whether keys and fields are to be removed when their time is up."""
        return self.active_expiry and not self.keeps_past

    def set_time(self, now: int) -> None:
        """It is `now`, in milliseconds since 1970; the engine says so at the start of each turn."""
        self.now = now
        self.second = now // 1000  # by itself, because each access to a key is noted with it

    def falls_due(self, when: int) -> None:
        """Something is due at `when`, in milliseconds since 1970."""
        if when < self.nearest:
            self.nearest = when

    def next_expiry(self) -> int | None:
        """When the next key or field expires, in milliseconds since 1970; None when nothing has a time to live."""
        due = [database.next_expiry() for database in self.databases if database.expires or database.fields]
        return min((when for when in due if when is not None), default=None)

    def expire_due(self) -> bool:
        """Remove what has expired, a bounded number of keys and fields; True when more is due already."""
        left = EXPIRED_PER_TURN
        for database in self.databases:
            if database.expires or database.fields:
                left -= database.expire_due(left)
                if left <= 0:
                    return True
        return False

    def keep_account(self, wanted: bool) -> None:
        """Begin to count what the keys take, or stop. O(N) in all keys to begin."""
        self.used = self.peak_used = 0
        self.accounted = wanted
        for database in self.databases:
            database.account = Account() if wanted else None
            if wanted:
                for key in database.data:
                    self.count_memory(database, key)

    def count_memory(self, database: Database, key: bytes) -> None:
        """A key has changed while an account is kept. Amortised O(1)."""
        account = database.account
        if account is not None:
            self.used += account.update(database, key)
            if self.used > self.peak_used:
                self.peak_used = self.used

    def count_accesses(self, wanted: bool, log_factor: int, decay_minutes: int) -> None:
        """Keep the frequency of accesses to keys, or just the last one. O(N) in all keys where that changes."""

        def frequencies() -> AccessFrequencies:
            return AccessFrequencies(lambda: self.now // 60000, log_factor, decay_minutes)

        self._new_accesses = frequencies if wanted else dict
        for database in self.databases:
            old = database.accessed
            counted = isinstance(old, AccessFrequencies)
            if not wanted and not counted:
                continue
            new = database.accessed = self.new_accesses()
            for key, kept in old.items():
                if not counted:
                    new[key] = 0
                elif wanted:
                    dict.__setitem__(new, key, kept)
                else:
                    new[key] = (kept >> 8) * 60

    def limit_encodings(self, limits: EncodingLimits) -> None:
        """Have what is written from now on encoded by these limits. O(N) in all keys where they are others than before.

        As in Redis, a value keeps its encoding until it is written to the next time.
        """
        before, self._encoding_limits = self._encoding_limits, limits
        if limits == before:
            return
        for database in self.databases:
            for _, value in database.data.items():
                if isinstance(value, _ENCODED):
                    value.settle(before)

    def new_accesses(self) -> dict[bytes, int]:
        """What the accesses to the keys of an empty database are kept in."""
        return self._new_accesses()

    def flush_all(self, leavings: Leavings | None = None) -> int:
        """Empty every database; the number of keys removed. `leavings` are to free them, if any are given: O(1) then."""
        return self.flush(self.databases, leavings)

    def flush(self, databases: Sequence[Database], leavings: Leavings | None = None) -> int:
        """Empty some databases, as `flush_all` does all of them."""
        self._leave(databases, leavings)
        return sum(database.flush() for database in databases)

    def _leave(self, databases: Sequence[Database], leavings: Leavings | None) -> None:
        # An image that is being written goes on from what it has taken of them; it goes with that.
        if leavings is not None and not self.images:
            leavings.take(getattr(database, name) for database in databases for name in _HELD)
            self.falls_due(self.now)

    def take_over(self, other: Keyspace, leavings: Leavings | None = None) -> None:
        """Have the keys of another keyspace, which loses them, in place of these, which `leavings` are to free, if given.

        Constant, but for the keys watched or waited for, and O(N) where an account is kept of them, or they are freed.
        """
        self._leave(self.databases, leavings)
        for own, new in zip(self.databases, other.databases, strict=True):
            own.touch_all_watched(new)
            own.flush()
            for name in ("data", "expires", "fields", "accessed", "_deadlines"):
                setattr(own, name, getattr(new, name))
            new.data, new.expires = {}, {}
            self.dirty += len(own.data)
            for key in own.blocked:
                own.wake(key)
        if self.accounted:
            self.keep_account(True)

    def swap(self, first: int, second: int) -> None:
        """Exchange two databases: every client connected to one sees the other's keys at once.

        Constant, but for the keys watched or waited for in either.
        """
        one, two = self.databases[first], self.databases[second]
        if one is two:
            return
        one.touch_all_watched(two)
        two.touch_all_watched(one)
        for name in ("data", "expires", "fields", "accessed", "account", "_deadlines", "_scan_index"):
            kept = getattr(one, name)
            setattr(one, name, getattr(two, name))
            setattr(two, name, kept)
        for image in self.images:
            image.after_swap(first, second)
        for database in (one, two):
            for key in database.blocked:
                database.wake(key)

    def begin_image(self, image: Snapshot) -> None:
        """Tell an image of every change before it is made, until `end_image`. O(1)."""
        self._set_images((*self.images, image))

    def end_image(self, image: Snapshot) -> None:
        """Take a `begin_image` back; nothing happens where that was done before."""
        self._set_images(tuple(other for other in self.images if other is not image))

    def _set_images(self, images: tuple[Snapshot, ...]) -> None:
        self.images = images
        for database in self.databases:
            database.images = images
