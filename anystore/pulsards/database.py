"""One numbered database: the one place where a key is read, changed, expired or removed.

Commands never touch the dictionaries: what watches a key (WATCH, blocked clients, notifications, the
SCAN index, and whatever comes to hang on this seam) is told from here and nowhere else.

How a command changes a key: `modify` (or `modify_as`) the value in place, or `set_value` a new one, or
`remove` it; then say so once by `changed` with the name of the event. A collection that has become empty
is dropped by `drop_empty`.
"""

from __future__ import annotations

import heapq
from collections.abc import MutableMapping
from random import random
from typing import TYPE_CHECKING, Any, TypeVar

from anystore.pulsards import notifications
from anystore.pulsards.accounting import Account
from anystore.pulsards.datatypes import Deadlines, HashValue, ScanIndex
from anystore.pulsards.errors import WRONG_TYPE, CommandError

if TYPE_CHECKING:
    from anystore.pulsards.blocking import Waiter
    from anystore.pulsards.keyspace import Keyspace
    from anystore.pulsards.persistence.snapshot import Snapshot
    from anystore.pulsards.session import Session

V = TypeVar("V")


class Database:
    """One numbered database."""

    __slots__ = (
        "_deadlines",
        "_scan_index",
        "accessed",
        "account",
        "blocked",
        "data",
        "expires",
        "fields",
        "images",
        "index",
        "keyspace",
        "watchers",
    )

    def __init__(self, keyspace: Keyspace, index: int) -> None:
        self.keyspace = keyspace
        self.index = index
        #: A dict; while its keys are listed for an image, an `Overlay`, which only looks like one.
        self.data: MutableMapping[bytes, Any] = {}
        self.expires: dict[bytes, int] = {}  # key -> milliseconds since 1970
        #: Key of a hash -> milliseconds since 1970, when a field expires, or before that.
        self.fields = Deadlines()
        #: Key -> seconds since 1970, of the last read or change; `AccessFrequencies` under an LFU policy.
        self.accessed = keyspace.new_accesses()
        self.account: Account | None = None  # None while nobody counts
        self.watchers: dict[bytes, dict[Session, None]] = {}
        self.blocked: dict[bytes, dict[Waiter, None]] = {}
        # (when, key), smallest first; an entry that `expires` no longer agrees with is passed over.
        self._deadlines: list[tuple[int, bytes]] = []
        self._scan_index: ScanIndex | None = None
        #: Point-in-time images that are being written: they are told of a key before it is changed.
        self.images: tuple[Snapshot, ...] = ()

    # Looking up

    def read(self, key: bytes) -> Any:
        """The value for a command that only reads, or None; counted as a hit or a miss. O(1)."""
        value = self.data.get(key)
        if value is None or (self.expires and self._lapsed(key)):
            return self._missed(key)
        keyspace = self.keyspace
        keyspace.hits += 1
        self.accessed[key] = keyspace.second
        return value

    def _missed(self, key: bytes) -> None:
        keyspace = self.keyspace
        keyspace.misses += 1
        if keyspace.notify_classes & notifications.KEY_MISS:
            keyspace.notify(self, key, b"keymiss", notifications.KEY_MISS)

    def read_as(self, key: bytes, kind: type[V]) -> V | None:
        """`read`, refusing a value of another type with WRONGTYPE."""
        value = self.data.get(key)
        # What `read` does is done here for what is usual, to save a call; the same in `modify_as` and `modify_or_create`.
        if type(value) is kind and not self.expires:
            keyspace = self.keyspace
            keyspace.hits += 1
            self.accessed[key] = keyspace.second
            return value
        value = self.read(key)
        if value is None or type(value) is kind:
            return value
        raise CommandError(WRONG_TYPE)

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """`read`, refusing whatever is not a string with WRONGTYPE."""
        value = self.read(key)
        if value is None or type(value) is bytes or type(value) is bytearray:
            return value
        raise CommandError(WRONG_TYPE)

    def peek(self, key: bytes) -> Any:
        """The value, or None, without a trace: neither counted nor taken as an access. O(1)."""
        value = self.data.get(key)
        if value is not None and self.expires and self._lapsed(key):
            return None
        return value

    def glance(self, key: bytes) -> Any:
        """`read` that is not taken as an access: TTL, TYPE and EXISTS do not make a key less idle. O(1)."""
        value = self.data.get(key)
        if value is None or (self.expires and self._lapsed(key)):
            return self._missed(key)
        self.keyspace.hits += 1
        return value

    def modify(self, key: bytes) -> Any:
        """The value for a command about to change it in place, or None. O(1)."""
        if self.images:
            self.prepare(key)
        value = self.data.get(key)
        if value is None or (self.expires and self._lapsed(key, True)):
            return None
        self.accessed[key] = self.keyspace.second
        return value

    def modify_as(self, key: bytes, kind: type[V]) -> V | None:
        """`modify`, refusing a value of another type with WRONGTYPE."""
        value = self.data.get(key)
        if type(value) is kind and not (self.images or self.expires):
            self.accessed[key] = self.keyspace.second
            return value
        value = self.modify(key)
        if value is None or type(value) is kind:
            return value
        raise CommandError(WRONG_TYPE)

    def modify_string(self, key: bytes) -> bytes | bytearray | None:
        """`modify`, refusing whatever is not a string with WRONGTYPE."""
        value = self.modify(key)
        if value is None or type(value) is bytes or type(value) is bytearray:
            return value
        raise CommandError(WRONG_TYPE)

    def modify_or_create(self, key: bytes, kind: type[V]) -> V:
        """The collection to be changed, created empty where the key is not there. O(1)."""
        value = self.data.get(key)
        if type(value) is kind and not (self.images or self.expires):
            self.accessed[key] = self.keyspace.second
            return value
        value = self.modify(key)
        if value is None:
            value = kind()
            self.set_value(key, value)
        elif type(value) is not kind:
            raise CommandError(WRONG_TYPE)
        return value

    # Changing

    def prepare(self, key: bytes) -> None:
        """To be called before a value is changed that was not looked up by `modify`."""
        if self.images and key in self.data:
            self._tell_images(key)

    def _tell_images(self, key: bytes) -> None:
        for image in self.images:
            image.before_change(self, key)

    def set_value(self, key: bytes, value: Any, keep_expiry: bool = False) -> None:
        """Store a value, whatever was there; its time to live goes unless it is to be kept. O(1)."""
        keyspace = self.keyspace
        if self.images:
            self._tell_images(key)
        if self.expires and key in self.expires and not self._lapsed(key, True) and not keep_expiry:
            del self.expires[key]
        if (self._scan_index is not None or keyspace.notify_classes) and key not in self.data:
            self._added(key)
        self.data[key] = value
        self.accessed[key] = keyspace.second

    def store(self, key: bytes, value: Any, event: bytes, kind: int) -> None:
        """`set_value` and `changed` in one call, which is quick where nothing hangs on the key. O(1)."""
        keyspace = self.keyspace
        if (
            self.images
            or self.expires
            or self.watchers
            or self.blocked
            or keyspace.touch_watchers
            or keyspace.notify_classes
            or self._scan_index is not None
        ):
            self.set_value(key, value)
            self.changed(key, event, kind)
        else:
            self.data[key] = value
            self.accessed[key] = keyspace.second
            keyspace.dirty += 1

    def replace(self, key: bytes, value: Any, event: bytes, kind: int) -> None:
        """Put a value in the place of the one that `modify` has just returned, and tell. Its time to live stays. O(1)."""
        self.data[key] = value
        keyspace = self.keyspace
        if self.watchers or self.blocked or keyspace.touch_watchers or keyspace.notify_classes:
            self.changed(key, event, kind)
        else:
            keyspace.dirty += 1

    def _added(self, key: bytes) -> None:
        if self._scan_index is not None:
            self._scan_index.add(key)
        if self.keyspace.notify_classes & notifications.NEW:
            self.keyspace.notify(self, key, b"new", notifications.NEW)

    def set_many(self, keys: list[bytes], values: list[bytes], event: bytes, kind: int) -> None:
        """`set_value` and `changed` for each of these keys, in order. O(N)."""
        keyspace = self.keyspace
        if self.images:
            for key in keys:
                self._tell_images(key)
        accessed = self.accessed
        if not (
            self.expires
            or self.watchers
            or self.blocked
            or keyspace.touch_watchers
            or keyspace.notify_classes
            or self._scan_index is not None
            or type(accessed) is not dict
        ):
            # Nothing hangs on these keys. A loop is quicker than to update either dict by what has to be made for it.
            data, second = self.data, keyspace.second
            for key, value in zip(keys, values, strict=True):
                data[key] = value
                accessed[key] = second
            keyspace.dirty += len(keys)
            return
        for key, value in zip(keys, values, strict=True):
            self.set_value(key, value)
            self.changed(key, event, kind)

    def remove(self, key: bytes) -> bool:
        """Remove a key; False when there is none (or it has expired). O(1), and freeing the value."""
        # What is past and kept all the same counts as removed by whoever removes it, as in Redis.
        if key not in self.data or (self.expires and not self.keyspace.keeps_past and self._lapsed(key)):
            return False
        self._delete(key)
        return True

    def drop_empty(self, key: bytes) -> None:
        """Remove a collection that has lost its last element, and say so."""
        self._delete(key)
        self.changed(key, b"del", notifications.GENERIC)

    def changed(self, key: bytes, event: bytes, kind: int) -> None:
        """Tell everyone concerned that a key was changed just now; once an event, after the change.

        `kind` is the event's class, one of `anystore.pulsards.notifications`.
        """
        keyspace = self.keyspace
        # One call less where nobody has to be told, which is the rule.
        if self.watchers or self.blocked or keyspace.touch_watchers:
            self.touch(key)
        else:
            keyspace.dirty += 1
        if keyspace.notify_classes & kind:
            keyspace.notify(self, key, event, kind)

    def touch(self, key: bytes) -> None:
        """Tell who watches or waits for a key that it changed, with no event for subscribers."""
        keyspace = self.keyspace
        keyspace.dirty += 1
        if self.watchers and key in self.watchers:
            for session in tuple(self.watchers[key]):
                session.lose_race()
        if self.blocked and key in self.blocked:
            keyspace.ready[(self, key)] = None
        if keyspace.touch_watchers:
            for told in keyspace.touch_watchers:
                told(self, key)

    def count_change(self) -> None:
        """Count a change that neither who watches the key nor who waits for it is told of: an XACK, say."""
        self.keyspace.dirty += 1

    def wake(self, key: bytes) -> None:
        """Let who waits for a key try again after the current command."""
        if key in self.blocked:
            self.keyspace.ready[(self, key)] = None

    def notify(self, key: bytes, event: bytes, kind: int) -> None:
        """Publish a further event of a change that `changed` has told already."""
        if self.keyspace.notify_classes & kind:
            self.keyspace.notify(self, key, event, kind)

    def touch_all_watched(self, other: Database | None = None) -> None:
        """Count every watched key that is here, or in `other` that takes its place, as changed."""
        for key, sessions in self.watchers.items():
            if key in self.data or (other is not None and key in other.data):
                for session in sessions:
                    session.lost_race = True

    def flush(self) -> int:
        """Remove every key; how many there were. O(N) in freeing them."""
        for image in self.images:
            image.before_flush(self)
        count = len(self.data)
        self.touch_all_watched()
        for key in self.blocked:
            self.wake(key)
        self.keyspace.dirty += count
        self.data, self.expires, self.fields = {}, {}, Deadlines()
        self.accessed = self.keyspace.new_accesses()
        if self.account is not None:
            self.keyspace.used -= self.account.total
            self.account = Account()
        self._deadlines = []
        self._scan_index = None
        return count

    # Time to live

    def expiry(self, key: bytes) -> int | None:
        """When the key expires, in milliseconds since 1970; None when it does not. O(1)."""
        return self.expires.get(key)

    def set_expiry(self, key: bytes, when: int | None) -> None:
        """Let an existing key expire at `when` (milliseconds since 1970), or never. O(log N)."""
        if self.images:
            self._tell_images(key)
        if when is None:
            self.expires.pop(key, None)
            return
        self.expires[key] = when
        self.keyspace.falls_due(when)
        deadlines = self._deadlines
        heapq.heappush(deadlines, (when, key))
        # Expiries that are moved leave dead entries behind: twice as many as live ones are worth a new heap.
        if len(deadlines) > 64 + 3 * len(self.expires):
            self._deadlines = [(moment, name) for name, moment in self.expires.items()]
            heapq.heapify(self._deadlines)

    def _lapsed(self, key: bytes, changing: bool = False) -> bool:
        """Whether the key's time is up; it is removed then. `changing`: for a command that may change it."""
        when = self.expires.get(key)
        keyspace = self.keyspace
        if when is None or when > keyspace.now or keyspace.sees_past:
            return False
        if changing or not keyspace.keeps_past:
            self._expire(key)
        return True

    def _expire(self, key: bytes) -> None:
        self._delete(key)
        self.keyspace.expired += 1
        self._lost(key, b"expired", notifications.EXPIRED, [b"DEL", key])

    def _lost(self, key: bytes, event: bytes, kind: int, command: list[bytes] | None) -> None:
        """Tell of what went by itself. It is no change that anybody has made, and not counted as one."""
        keyspace = self.keyspace
        dirty = keyspace.dirty
        self.changed(key, event, kind)
        keyspace.dirty = dirty
        if keyspace.loss_watcher is not None and command is not None:
            keyspace.loss_watcher(self, command)

    def evict(self, key: bytes) -> None:
        """Remove a key for want of memory. O(1), and freeing the value."""
        self._delete(key)
        self.keyspace.evicted += 1
        self._lost(key, b"evicted", notifications.EVICTED, [b"DEL", key])

    def next_to_expire(self) -> tuple[int, bytes] | None:
        """The next key to expire, and when, in milliseconds since 1970. Amortised O(log N)."""
        return None if self._next_key_expiry() is None else self._deadlines[0]

    def sample_keys(self, count: int, volatile: bool) -> list[bytes]:
        """About so many keys at random, some of them perhaps twice; only ones with a time to live if `volatile`.

        There must be one. O(count), after O(N) for the first time.
        """
        if not volatile:
            index = self.scan_index()
            return [index.random() for _ in range(count)]
        entries = self._deadlines
        tries = (entries[int(random() * len(entries))] for _ in range(4 * count))
        found = [key for when, key in tries if self.expires.get(key) == when]
        return found[:count] or [next(iter(self.expires))]

    def next_expiry(self) -> int | None:
        """When the next key or field expires, in milliseconds since 1970, or None. Amortised O(log N)."""
        key = self._next_key_expiry()
        field = self.fields.earliest() if self.fields else None
        return key if field is None or (key is not None and key <= field) else field

    def _next_key_expiry(self) -> int | None:
        deadlines = self._deadlines
        while deadlines:
            when, key = deadlines[0]
            if self.expires.get(key) == when:
                return when
            heapq.heappop(deadlines)
        return None

    def expire_due(self, limit: int) -> int:
        """Remove up to `limit` keys and fields whose time is up; how many they were. O(log N) each."""
        now = self.keyspace.now
        count = 0
        while self.fields and count < limit and (when := self.fields.earliest()) is not None and when <= now:
            [key] = self.fields.take_due(now, 1)
            value = self.data.get(key)
            if type(value) is HashValue and not self._lapsed(key):
                count += self._expire_fields(key, value, limit - count)
        while count < limit and (when := self._next_key_expiry()) is not None and when <= now:
            self._expire(self._deadlines[0][1])
            count += 1
        return count

    # Times to live of a hash's fields

    def schedule_fields(self, key: bytes, value: Any) -> None:
        """See to it that fields of the hash under `key` go when their time is up. O(log N).

        To be called when one got a time to live, or the hash came under another key; harmless for other values.
        """
        if type(value) is not HashValue or value.expires is None:
            return
        when = value.expires.earliest()
        planned = self.fields.get(key)
        if when is not None and (planned is None or when < planned):
            self.fields.put(key, when)
            self.keyspace.falls_due(when)

    def live_fields(self, key: bytes, value: HashValue, changing: bool = False) -> HashValue | None:
        """A hash without the fields whose time is up; None where no others are left, and with them the key.

        They are removed, but in a copy where somebody else says when they have gone, and nobody is `changing` the hash.
        O(1), but for the fields removed, or the copy.
        """
        if value.expires is None or (when := value.expires.earliest()) is None or when > self.keyspace.now:
            return value
        if self.keyspace.sees_past:
            return value
        if self.keyspace.keeps_past and not changing:
            value = value.copy()
            value.remove_many(
                [field for field, when in dict(value.expires or {}).items() if when <= self.keyspace.now]
            )
        else:
            self._expire_fields(key, value, len(value))
        return value or None

    def _expire_fields(self, key: bytes, value: HashValue, limit: int) -> int:
        if self.images:
            self._tell_images(key)
        due = [] if value.expires is None else value.expires.take_due(self.keyspace.now, limit)
        if due:
            value.remove_many(due)
            self.keyspace.expired_fields += len(due)
            self._lost(key, b"hexpired", notifications.HASH, [b"HDEL", key, *due])
        if value:
            self.schedule_fields(key, value)
        else:
            self._delete(key)
            self._lost(key, b"del", notifications.GENERIC, None)  # the last HDEL removes it everywhere
        return len(due)

    def _delete(self, key: bytes) -> None:
        if self.images:
            self._tell_images(key)
        del self.data[key]
        self.accessed.pop(key, None)
        if self.expires:
            self.expires.pop(key, None)
        if self.fields:
            self.fields.pop(key, None)
        if self._scan_index is not None:
            self._scan_index.discard(key)

    # Walking

    def scan_index(self) -> ScanIndex:
        """The keys in a form that can be sampled, and walked by a cursor while they change. O(N) at first, then kept."""
        if self._scan_index is None:
            self._scan_index = ScanIndex(self.data)
        return self._scan_index

    def live_keys(self) -> list[bytes]:
        """Every key that is there to the command that is running. O(N)."""
        if not self.expires or self.keyspace.sees_past:
            return list(self.data)
        now, expires = self.keyspace.now, self.expires
        return [key for key in self.data if (when := expires.get(key)) is None or when > now]
