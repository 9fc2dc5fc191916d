"""Saving all data to `dump.rdb`: at once (SAVE), in slices (BGSAVE), by rules, and at an orderly stop. Sans-IO.

A `Saver` decides and keeps count; it writes through the storage that its engine was handed. What takes long is done by a
driver, which asks for the `SaveJob` that is wanted, takes its slices and writes them: see
`anystore.pulsards.persistence.keeping`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.identity import PULSARDS_VERSION, REDIS_VERSION
from anystore.pulsards.keyspace import NEVER
from anystore.pulsards.memory_figures import memory_figures
from anystore.pulsards.persistence.rdb import FileWriter, Loader, RdbError, lowest_version
from anystore.pulsards.persistence.snapshot import Snapshot
from anystore.pulsards.process import ARCHITECTURE_BITS

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.persistence.storage import Draft, Storage
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

NO_STORAGE: Final = b"ERR this server keeps nothing on disk: it was started without the directive dir"
CANNOT_STOP: Final = b"ERR Errors trying to SHUTDOWN. Check logs."
IN_PROGRESS: Final = b"ERR Background save already in progress"
MISCONF: Final = (
    b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    b"may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    b"snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    b"error."
)
#: Bytes that are written at a time where nobody is to be served in between.
_CHUNK: Final = 256 * 1024
#: After a background save that failed, the rules wait so long, in milliseconds; as with Redis.
_RETRY: Final = 5000
#: Rules are looked at so often while anything changes, in milliseconds.
_LOOK: Final = 1000


class SaveJob:
    """A background save, from the command or the rule that wants it to its end."""

    def __init__(self, saver: Saver) -> None:
        self._saver = saver
        engine = saver.engine
        self.begun_at = engine.keyspace.now
        self.begun_ns = engine.clock.elapsed_ns()
        #: None until a driver has begun it, between two turns, so that no transaction is cut in two.
        self.snapshot: Snapshot | None = None
        #: What the driver writes to, once it is open.
        self.draft: Draft | None = None
        self.dirty = 0

    def begin(self) -> Snapshot:
        """Take the image. To be called between two turns."""
        self.snapshot = self._saver.take_image()
        self.dirty = self._saver.engine.keyspace.dirty
        return self.snapshot

    def succeeded(self) -> None:
        """The file is in its place."""
        self._end()
        seconds = (self._saver.engine.clock.elapsed_ns() - self.begun_ns) / 1e9
        self._saver.note_success(self.dirty, seconds)
        logger.info("background saving done in %.3f seconds", seconds)

    def failed(self, error: OSError | RdbError) -> None:
        """Nothing was saved, and the file of before is still there."""
        self._end()
        self._saver.note_failure(error, (self._saver.engine.clock.elapsed_ns() - self.begun_ns) / 1e9)

    def abandon(self) -> None:
        """Give it up without a word: the server stops, or its data are not wanted any more."""
        self._end()

    @property
    def wanted(self) -> bool:
        """Whether the job has not been given up."""
        return self._saver.job is self

    def _end(self) -> None:
        if self.snapshot is not None:
            self.snapshot.cancel()
        if self.draft is not None:
            # A thread may be about to give it the name that a later save is to have.
            self.draft.withdraw()
        if self._saver.job is self:
            self._saver.job = None
            self._saver.plan()


class Saver:
    """When the data of an engine are saved, and what came of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: Seconds and changes: one of these has to be fulfilled for a background save to begin by itself.
        self.rules: tuple[tuple[int, int], ...] = ()
        self.stops_writes = True
        #: When the data were last saved or loaded, or the server started, in seconds since 1970.
        self.last_save = engine.keyspace.now // 1000
        self.saves = 0
        #: Whether the last background save succeeded, and how long it took, in seconds; -1 where there was none.
        self.succeeded = True
        self.last_seconds: float = -1
        #: `Keyspace.dirty` as it was when the data that are on disk were.
        self.dirty_saved = 0
        #: What tells the file that was last saved or loaded from any other: see `Storage.mark`.
        self.mark: tuple[int, ...] | None = None
        self.job: SaveJob | None = None
        #: BGSAVE SCHEDULE waits for something else to end.
        self.scheduled = False
        #: What else there is that a background save does not run beside, as in b"AOF rewrite"; None for nothing.
        self.other_job: Callable[[], bytes | None] = lambda: None
        #: Keys that the last file loaded had, and those in it that had expired before.
        self.keys_loaded = self.keys_expired = 0
        #: SHUTDOWN has decided about saving, so that the orderly stop does not.
        self.decided = False
        #: Tells the driver that there is a job; None where nothing drives the engine.
        self.wake: Callable[[], None] | None = None
        #: When the rules are to be looked at, in milliseconds since 1970.
        self.due: int | None = None
        #: From when on the end of a turn is to be followed by a look, in milliseconds since 1970.
        self.watch_from = NEVER
        self._seen = 0
        self._rested_at = -1
        self._tried_at = 0

    # Settings

    def configure(self, values: dict[str, Any]) -> None:
        """Take settings over."""
        if values["save"] != self.rules:
            self.rules = values["save"]
            self.plan(0)
        self.stops_writes = values["stop-writes-on-bgsave-error"]
        self.engine.update_guard()

    @property
    def changes(self) -> int:
        """Changes since the data that are on disk."""
        return self.engine.keyspace.dirty - self.dirty_saved

    @property
    def refuses_writes(self) -> bool:
        """Whether nothing may be changed, because it could not be saved."""
        return self.stops_writes and not self.succeeded and bool(self.rules)

    def refusal(self, session: Session, entry: CommandEntry) -> bytes | None:
        """Why a command may not run while `refuses_writes`, or None."""
        if entry.name == b"exec":
            writes = any(queued.writes for queued, _ in session.queue or ())
        else:
            writes = entry.writes or entry.name == b"ping"
        return MISCONF if writes else None

    # Saving at once

    def save(self) -> None:
        """SAVE: write all data before anything else is done. O(N). `CommandError` where that cannot be."""
        if self.job is not None:
            raise CommandError(IN_PROGRESS)
        try:
            self.write_all(self.storage())
        except (OSError, RdbError) as error:
            self.note_failure(error, None)
            raise CommandError(b"ERR") from None

    def storage(self) -> Storage:
        """Where to save to. `CommandError` for a server that keeps nothing."""
        if self.engine.storage is None:
            raise CommandError(NO_STORAGE)
        return self.engine.storage

    def write_all(self, storage: Storage) -> None:
        """Save everything, now. Raises `OSError`; the file of before is still there then."""
        begun = self.engine.clock.elapsed_ns()
        dirty = self.engine.keyspace.dirty
        draft = storage.draft(self.engine.config.values["dbfilename"])
        snapshot = self.take_image()
        try:
            while not snapshot.finished:
                draft.write(snapshot.next_slice(_CHUNK))
            draft.commit()
        finally:
            snapshot.cancel()
            draft.discard()
        self.note_success(dirty, None)
        logger.info("saved in %.3f seconds", (self.engine.clock.elapsed_ns() - begun) / 1e9)

    def take_image(self, *, of_log: bool = False) -> Snapshot:
        """An image of the present moment, written as the directives say. `of_log`: it is the base of a log."""
        engine = self.engine
        values = engine.config.values
        writer = FileWriter(
            lowest_version(engine.keyspace, engine.config.for_valkey),
            checksum=values["rdbchecksum"],
            compress=values["rdbcompression"],
            limits=engine.config.encoding_limits,
        )
        return Snapshot(engine, writer, self._about(of_log))

    def _about(self, of_log: bool) -> dict[bytes, bytes]:
        place = self.engine.replication.place
        return {
            b"redis-ver": REDIS_VERSION,
            b"pulsards-ver": PULSARDS_VERSION,
            b"redis-bits": b"%d" % ARCHITECTURE_BITS,
            b"ctime": b"%d" % (self.engine.keyspace.now // 1000),
            b"used-mem": b"%d" % memory_figures(self.engine).used,
            # A log goes on behind its base, and says itself where it ends.
            **({} if of_log or place is None else place.fields()),
            b"aof-base": b"%d" % of_log,
        }

    # Saving in the background

    def begin(self) -> None:
        """Begin a background save. `CommandError` where that cannot be."""
        self.storage()
        if self.job is not None:
            raise CommandError(IN_PROGRESS)
        if self.wake is None:
            raise CommandError(b"ERR Background saving needs a running server")
        self.scheduled = False
        self.due, self.watch_from = None, NEVER
        self._tried_at = self.engine.keyspace.now
        self.job = SaveJob(self)
        self.wake()

    def schedule(self) -> None:
        """Begin a background save as soon as nothing else is under way that it cannot run beside."""
        self.scheduled = True

    def other_job_ended(self) -> None:
        """To be called when what `other_job` told of has ended: a save that was scheduled begins."""
        if self.scheduled and self.job is None and self.engine.storage is not None:
            self.begin()

    def abandon(self) -> bool:
        """Give a background save up that runs or is scheduled; whether there was one."""
        found = self.job is not None or self.scheduled
        self.scheduled = False
        if self.job is not None:
            self.job.abandon()
        return found

    # Ending

    def before_shutdown(self, wanted: bool | None, force: bool = False) -> None:
        """Save because of a SHUTDOWN, or note that it is not wanted. `CommandError` where that fails, unless forced.

        `wanted`: None goes by the rules, as an orderly stop does. Nothing is saved by a server that keeps nothing.
        """
        storage = self.engine.storage
        wanted = bool(self.rules) if wanted is None else wanted
        if wanted and storage is not None and self.engine.loading is None:
            self.abandon()
            try:
                self.write_all(storage)
            except (OSError, RdbError) as error:
                self.note_failure(error, None)
                if not force:
                    raise CommandError(CANNOT_STOP) from None
        self.decided = True

    def after_flush(self) -> None:
        """FLUSHALL: where there are rules, that nothing is left is on disk at once, and a save under way is given up."""
        storage = self.engine.storage
        if storage is None or not self.rules:
            return
        self.abandon()
        try:
            self.write_all(storage)
        except (OSError, RdbError) as error:
            self.note_failure(error, None)

    # What came of it

    def note_success(self, dirty: int, seconds: float | None) -> None:
        """The data are on disk as they were at `dirty` changes; a background save says how long it took."""
        self.saves += 1
        self.last_save = self.engine.clock.time_us() // 1_000_000
        self.dirty_saved = dirty
        self.succeeded = True
        if seconds is not None:
            self.last_seconds = seconds
        self.note_file()
        self.engine.update_guard()
        self.plan(_LOOK)

    def note_failure(self, error: OSError | RdbError, seconds: float | None) -> None:
        """Saving did not work; `seconds` where it was in the background, None for SAVE."""
        logger.error("saving failed, the file of before is still there: %s", error)
        if seconds is not None:
            self.last_seconds = seconds
            self.succeeded = False
        self.engine.update_guard()
        self.plan(_LOOK)

    def note_loaded(self, loader: Loader) -> None:
        """The data are as they are on disk."""
        self.last_save = self.engine.clock.time_us() // 1_000_000
        self.dirty_saved = self._seen = self.engine.keyspace.dirty
        self.keys_loaded, self.keys_expired = loader.loaded, loader.expired
        self.note_file()

    def note_file(self) -> None:
        """The file that is there now has our data."""
        storage = self.engine.storage
        try:
            self.mark = None if storage is None else storage.mark(self.engine.config.values["dbfilename"])
        except OSError:
            self.mark = None

    # Rules

    def plan(self, wait: int = _LOOK) -> None:
        """Look at the rules in so many milliseconds, where there are any and there is anything to save to."""
        self.due = None
        self.watch_from = NEVER
        if self.rules and self.engine.storage is not None and self.job is None:
            self.due = self.watch_from = self.engine.keyspace.now + wait
            self.engine.keyspace.falls_due(self.due)

    def look(self, at_rest: bool) -> None:
        """Begin a background save if a rule says so, and see to it that the next look is not too late. O(rules).

        To be called at the end of a turn from `watch_from` on, and `at_rest` when `due` has come: if nothing has changed
        by then, none is needed before a turn has ended, or a rule's time has come.
        """
        now = self.engine.keyspace.now
        dirty = self.engine.keyspace.dirty
        moved, self._seen = dirty != self._seen, dirty
        if not moved and now == self._rested_at:
            return  # the end of the very turn in which it was looked at
        due = self._next_save(now)
        if due is not None and due <= now:
            if self.wake is not None and self.other_job() is None:
                logger.info("%d changes since the last save: saving", self.changes)
                self.begin()
                return
            due = now + _LOOK
        self.watch_from = now + _LOOK
        if moved or not at_rest:
            due = self.watch_from if due is None else max(now + 1, min(due, self.watch_from))
        else:
            self._rested_at = self.watch_from = now
        self.due = due
        if due is not None:
            self.engine.keyspace.falls_due(due)

    def _next_save(self, now: int) -> int | None:
        """When a rule that has its changes will have its seconds, in milliseconds since 1970; None for never."""
        changes = self.changes
        due = [(self.last_save + seconds) * 1000 for seconds, least in self.rules if changes >= least]
        if not due:
            return None
        return min(due) if self.succeeded else max(min(due), self._tried_at + _RETRY)
