"""The append-only log's end: units of changes become bytes, and the bytes get into the file and onto the disk.

Units are gathered while a turn runs, and written at its end with one call. When they are on the disk depends on the policy:

* ``always``: before any reply of the turn leaves, with one fsync for all of them;
* ``everysec``: a second later at most, unless the disk is slower than that; the fsync is a driver's, in a thread;
* ``no``: when the operating system sees fit.

What has been written and not yet been synced is kept: after an fsync that failed nobody can tell which of it is on the
disk, and a second fsync would say that all is well. So it is cut off the file and written again. While the file cannot
be written, commands that write are refused (`AppendLog.problem`), and nothing is lost: the bytes wait, and are tried
again every second.

Source: the directives appendfsync and no-appendfsync-on-rewrite of Redis 7, and the rules of its function
flushAppendOnlyFile: with ``everysec`` a write waits for a running fsync, two seconds at most. With ``always`` Redis ends its
process where the disk fails; here those clients lose their connections that could learn of what is not on the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from anystore.pulsards.persistence.storage import Appending
from anystore.pulsards.propagation import Unit, encode_unit

logger = logging.getLogger("anystore.pulsards")

#: With ``everysec``, the time between two fsyncs, in milliseconds.
SYNC_PERIOD: Final = 1000
#: How long a write waits for an fsync that runs, in milliseconds.
LONGEST_WAIT: Final = 2000
#: When a file that failed is tried again, in milliseconds.
RETRY_PERIOD: Final = 1000

POLICIES: Final = ("always", "everysec", "no")


@dataclass(slots=True)
class Sync:
    """An fsync under way: of which file, and what is on the disk once it has succeeded."""

    handle: Appending
    #: The size of the file, and how much has been written to the log, when it began; both in bytes.
    size: int
    position: int
    #: How many of the pieces that were written and not synced it takes in.
    pieces: int
    #: The file is not the log's any more: it is to be closed when the fsync has ended.
    is_last: bool = False
    #: What it is about has been cut off the file meanwhile: its outcome says nothing.
    is_stale: bool = False


@dataclass
class LogFigures:
    """What INFO says of a log: counted since the start or since CONFIG RESETSTAT."""

    delayed_syncs: int = 0


@dataclass
class AppendLog:
    """The file that a log is written to at present, and what is on its way there.

    `now()` gives milliseconds since 1970. `changed()` is called when `problem` has come or gone. `wake()` is called when
    `due` has become earlier or a sync is wanted.
    """

    now: Callable[[], int]
    changed: Callable[[], None]
    wake: Callable[[], None]
    policy: str = "everysec"
    #: Whether the time stands in front of what is written in each second.
    timestamps: bool = False
    #: Whether nothing is synced at the moment (no-appendfsync-on-rewrite, while a rewrite runs).
    sync_suspended: bool = False
    #: The last error, while writing is impossible because of it; then nothing may be acknowledged.
    problem: OSError | None = None
    #: Bytes ever appended to, written to, and known to be on the disk of this log, whatever files they went to.
    appended: int = 0
    written: int = 0
    synced: int = 0
    #: The size of the file, in bytes.
    size: int = 0
    figures: LogFigures = field(default_factory=LogFigures)
    handle: Appending | None = None

    def __post_init__(self) -> None:
        self._pending: list[bytes] = []
        self._unsynced: list[bytes] = []
        self._synced_size = 0
        self._selected = -1
        self._stamped = 0
        self._sync: Sync | None = None
        self._waiting_since: int | None = None
        self._last_sync = 0
        self._retry_at = 0
        self._told = 0  # `appended` at the end of the last turn that failed
        self._cut_to: int | None = None  # what is behind may or may not be in the file, and is to be cut off

    # Files

    def open(self, handle: Appending) -> None:
        """Write to this file from now on; what it holds is on the disk."""
        self.handle = handle
        self.size = self._synced_size = handle.size
        self._selected = -1
        self._stamped = 0
        self.problem = None
        self._cut_to = None

    def close(self) -> None:
        """Write to the file no more, and close it; what is not written is forgotten."""
        handle, self.handle = self.handle, None
        self._pending.clear()
        self._unsynced.clear()
        self._waiting_since = None
        self.written = self.synced = self.appended
        if self._sync is not None and self._sync.handle is handle:
            self._sync.is_last = True
        elif handle is not None:
            handle.close()
        if self.problem is not None:
            self.problem = None
            self.changed()

    # In a turn

    def append(self, unit: Unit) -> None:
        """Take a unit of changes; to be written at the end of the turn. O(bytes)."""
        data, self._selected = encode_unit(unit, self._selected)
        if self.timestamps and (second := self.now() // 1000) > self._stamped:
            self._stamped = second
            data = b"#TS:%d\r\n%b" % (second, data)
        self._pending.append(data)
        self.appended += len(data)

    def annotate(self, line: bytes) -> None:
        """Take a line that says something and changes nothing, its end included."""
        self._pending.append(line)
        self.appended += len(line)

    @property
    def waiting(self) -> int:
        """Bytes that have not been written yet."""
        return self.appended - self.written

    def end_turn(self) -> bool:
        """Write what the turn has gathered, and sync it where that is the policy.

        False where replies of this turn would acknowledge what is not on the disk, and must not leave. O(bytes).
        """
        if not self._pending or self.handle is None:
            return True
        if self.problem is not None:
            # Commands that write are refused by now, and `run_due` tries again. A change nevertheless, if only a key
            # that has expired, is not on the disk, and with `always` nobody is to learn of it.
            told, self._told = self._told, self.appended
            return self.policy != "always" or told == self.appended
        if self.policy == "everysec" and self._sync is not None and not self._may_write():
            return True
        written = self._write() and (self.policy != "always" or self.sync_suspended or self._sync_now())
        if self.policy == "everysec" and not self.sync_suspended and self._sync is None:
            self.wake()
        return written or self.policy != "always"

    def write_out(self) -> bool:
        """Write what is pending, and sync nothing; whether that has succeeded."""
        return self.handle is None or self._write()

    def _may_write(self) -> bool:
        """Whether to write although an fsync runs, which on many file systems makes the write wait for it."""
        now = self.now()
        if self._waiting_since is None:
            self._waiting_since = now
            self.wake()
        if now - self._waiting_since < LONGEST_WAIT:
            return False
        self.figures.delayed_syncs += 1
        logger.warning(
            "the fsync of the append-only file takes too long (is the disk busy?): writing without waiting for it"
        )
        return True

    def _write(self) -> bool:
        """Write everything that is pending; whether that has succeeded."""
        handle = self.handle
        assert handle is not None
        try:
            if self._cut_to is not None:
                handle.truncate(self._cut_to)
                self._cut_to = None
            data = b"".join(self._pending)
            if data:
                handle.write(data)
        except OSError as error:
            if self._cut_to is None:
                self._cut_to = self.size  # part of it may have been written
            self._failed("written", error)
            return False
        self._pending.clear()
        self.size += len(data)
        self.written += len(data)
        if self.policy != "no":
            self._unsynced.append(data)
        self._waiting_since = None
        return True

    def _sync_now(self) -> bool:
        """Sync the file, here and now; whether that has succeeded."""
        handle = self.handle
        assert handle is not None
        try:
            handle.sync()
        except OSError as error:
            self._sync_failed(error)
            return False
        if self._sync is None:
            # The error of an fsync under way would be about the same bytes: they are kept until it has ended.
            self._unsynced.clear()
            self._synced_size = self.size
        self.synced = self.written
        self._last_sync = self.now()
        return True

    def flush(self) -> bool:
        """Write and sync everything now, whatever the policy; whether it is on the disk. It blocks as long as that takes."""
        if self.handle is None or (self.synced == self.appended and self.problem is None):
            return True
        done = self._write() and self._sync_now()
        if done:
            self._recovered()
        return done

    # Errors

    def _failed(self, what: str, error: OSError) -> None:
        if self.problem is None:
            logger.error("the append-only file cannot be %s: %s", what, error)
        first = self.problem is None
        self.problem = error
        self._retry_at = self.now() + RETRY_PERIOD
        self._told = self.appended
        if first:
            self.changed()
        self.wake()

    def _sync_failed(self, error: OSError) -> None:
        lost = self._unsynced
        self.written -= sum(map(len, lost))
        self._pending[:0] = lost
        self._unsynced = []
        self.size = self._synced_size
        self._cut_to = self.size
        if self._sync is not None:
            self._sync.is_stale = True
        self._failed("synced", error)

    def _recovered(self) -> None:
        if self.problem is not None:
            logger.warning("the append-only file can be written again")
            self.problem = None
            self.changed()

    # What is due

    def next_due(self) -> int | None:
        """When `run_due` has something to do, in milliseconds since 1970; None for never."""
        if self.problem is not None:
            return self._retry_at
        if self._waiting_since is not None:
            return self._waiting_since + LONGEST_WAIT
        return None

    def run_due(self) -> None:
        """Try again what has failed; write what has waited long enough."""
        if self.problem is None:
            self.end_turn()
        elif self.now() >= self._retry_at:
            # An fsync, too, whatever the policy: a file that takes bytes and does not keep them is not well.
            self.flush()

    # Syncing in a thread

    def seconds_to_sync(self) -> float | None:
        """How many seconds from now the next fsync of ``everysec`` is to begin; None while none is wanted."""
        if (
            self.policy != "everysec"
            or self.sync_suspended
            or self.problem is not None
            or self.handle is None
        ):
            return None
        if self._sync is not None or self.synced >= self.written:
            return None
        return max(0, self._last_sync + SYNC_PERIOD - self.now()) / 1000

    def begin_sync(self) -> Sync:
        """An fsync begins: call `sync` of its handle, in a thread, and then `end_sync`, whatever came of it."""
        assert self.handle is not None
        self._sync = Sync(self.handle, self.size, self.written, len(self._unsynced))
        self._last_sync = self.now()
        return self._sync

    def end_sync(self, sync: Sync, error: OSError | None) -> None:
        """The fsync has ended, with an error or without; what has waited for it is written."""
        self._sync = None
        if sync.is_last:
            sync.handle.close()
            return
        if sync.handle is not self.handle or sync.is_stale:
            return
        if error is not None:
            self._sync_failed(error)
            return
        del self._unsynced[: sync.pieces]
        self._synced_size = sync.size
        self.synced = max(self.synced, sync.position)
        self.end_turn()

    @property
    def is_syncing(self) -> bool:
        """Whether an fsync runs in a thread."""
        return self._sync is not None

    def take_handle(self, handle: Appending) -> bool:
        """Go on in another file, once everything is on the disk in this one. False where that fails. It blocks.

        Not while `is_syncing`: a sync that fails then would be about a file that is no more written to.
        """
        assert self._sync is None, "wait for the fsync that runs"
        if not self.flush():
            return False
        if self.handle is not None:
            self.handle.close()
        self.open(handle)
        return True
