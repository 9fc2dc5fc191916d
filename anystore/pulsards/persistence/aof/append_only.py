"""A server's append-only log as a whole: whether there is one, its files, when they are rewritten, how it fares.

Without I/O of its own but for what a storage does. A driver (`anystore.pulsards.log_keeping`) syncs and rewrites in
threads when `AppendOnly.wake` says that there is something to do.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.persistence.aof.command_writer import CommandWriter
from anystore.pulsards.persistence.aof.folder import LogError, LogFolder
from anystore.pulsards.persistence.aof.loading import LogLoading
from anystore.pulsards.persistence.aof.log import AppendLog
from anystore.pulsards.persistence.aof.manifest import Manifest, Part
from anystore.pulsards.persistence.aof.rewrite import Rewrite
from anystore.pulsards.persistence.loading import Progress
from anystore.pulsards.persistence.saving import CANNOT_STOP
from anystore.pulsards.persistence.snapshot import Snapshot

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

#: There is no log; it is on its way, until its first base is whole; it is there.
OFF, STARTING, ON = "off", "starting", "on"
#: How long to wait before a rewrite that has failed is begun again by itself, at first and at most, in milliseconds.
_FIRST_DELAY: Final = 60_000
_LONGEST_DELAY: Final = 3_600_000
_NEVER: Final = 2**63
#: Bytes of an image that are made in one slice.
_SLICE: Final = 64 * 1024


class AppendOnly:
    """The append-only log of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.state = OFF
        self.log = AppendLog(self._now, engine.update_guard, self._wake)
        engine.saver.other_job = self._job
        #: Told, by whoever drives the engine, when there is something to do: see `log.seconds_to_sync`, `wants_rewrite`.
        self.wake: dict[Callable[[], None], None] = {}
        self.folder: LogFolder | None = None
        self.manifest = Manifest()
        self.rewrite: Rewrite | None = None
        #: BGREWRITEAOF, the growth of the log, or its being switched on, ask for a rewrite.
        self.rewrite_scheduled = False
        self.rewrites = 0
        self.failures_in_a_row = 0
        self.last_rewrite_ok = True
        self.last_rewrite_seconds = -1
        self.rewrite_began = 0
        #: The size of all parts when the last rewrite, or the start, was done; and what the log adds to by now.
        self.base_size = 0
        self._settled_size = 0
        self._rewrite_above = _NEVER
        self._not_before = 0
        self._suspends_sync = False
        self._percentage = self._least_size = 0
        #: What tells the files that were closed from any others; None where they do not hold all that is in memory.
        self._left: tuple[object, ...] | None = None

    def _now(self) -> int:
        return self._engine.clock.time_us() // 1000

    def _wake(self) -> None:
        due = self.log.next_due()
        if due is not None:
            self._engine.keyspace.falls_due(due)
        for wake in tuple(self.wake):
            wake()

    def _job(self) -> bytes | None:
        return b"AOF" if self.rewrite is not None else None

    # Settings

    def configure(self, values: dict[str, Any]) -> None:
        """Go by these directives, from now on."""
        log = self.log
        log.policy = values["appendfsync"]
        log.timestamps = values["aof-timestamp-enabled"]
        self._suspends_sync = values["no-appendfsync-on-rewrite"]
        self._percentage = values["auto-aof-rewrite-percentage"]
        self._least_size = values["auto-aof-rewrite-min-size"]
        self._update()
        if log.policy == "always" and log.handle is not None and log.problem is None:
            log.flush()
        self._wake()

    def _update(self) -> None:
        """Have the engine do for the log what its state and the settings ask for, and no more."""
        engine = self._engine
        engine.end_turn = None if self.state == OFF else self._end_turn
        engine.holds_replies = self.state == ON and self.log.policy == "always"
        self.log.sync_suspended = self._suspends_sync and self.rewrite is not None
        self._rewrite_above = _NEVER
        if self.state == ON and self._percentage:
            grown = self.base_size + self.base_size * self._percentage // 100
            self._rewrite_above = max(self._least_size, grown) - self._settled_size

    @property
    def current_size(self) -> int:
        """The size of all parts of the log, in bytes."""
        return self._settled_size + self.log.size

    def _end_turn(self) -> bool:
        """See `AppendLog.end_turn`; a log that has grown too long asks for a rewrite."""
        done = self.log.end_turn()
        if self.log.size > self._rewrite_above and self.rewrite is None and not self.rewrite_scheduled:
            self.schedule_rewrite()
        return done

    # From start to end

    def load(self, folder: LogFolder, manifest: Manifest) -> Iterator[None]:
        """Put what a log says in place of everything in memory, in pieces, and go on with that log.

        The engine answers LOADING meanwhile. Raises `LogError`, `OSError`; nothing is loaded then, nor where the
        iterator is closed before its end.
        """
        engine = self._engine
        self.folder, self.manifest = folder, manifest
        loading = LogLoading(engine, folder, manifest, engine.config.values["aof-load-truncated"])
        engine.keyspace.flush_all()
        engine.libraries.flush()
        progress = Progress(engine, str(folder), loading.total)
        engine.start_loading(progress)
        # What is past stays until the log says that it has gone.
        engine.keyspace.follows = True
        loaded = False
        try:
            for _ in loading.run():
                progress.advance(loading.done - progress.loaded)
                yield
            self.start()
            loaded = True
            if loading.place is not None:
                engine.replication.resume(loading.place)
            logger.info("loaded %s in %.3f seconds", folder, progress.seconds)
        finally:
            engine.keyspace.follows = engine.replication.following is not None
            if not loaded:
                engine.keyspace.flush_all()
                engine.libraries.flush()
            engine.stop_loading()
            engine.saver.dirty_saved = engine.keyspace.dirty
            engine.keyspace.falls_due(engine.keyspace.now)

    def start(self) -> None:
        """Go on with the log whose data are in memory. Raises `OSError`, `LogError`."""
        folder = self._folder()
        self.manifest = folder.remove_history(self.manifest)
        if self.manifest.increments:
            handle = folder.reopen(self.manifest.increments[-1])
        else:
            part = self.manifest.next_increment(folder.name)
            handle = folder.create(part)
            folder.save_manifest(self.manifest.with_increment(part))
            self.manifest = self.manifest.with_increment(part)
        self._begin(ON)
        self.log.open(handle)
        self._settle()

    def create(self, folder: LogFolder) -> Iterator[None]:
        """Begin a log with all that the engine holds as its base, in pieces, while nobody changes anything.

        Raises `OSError`; there is no log then.
        """
        self.folder, self.manifest = folder, Manifest()
        rewrite = self._begin_rewrite(STARTING)
        try:
            rewrite.open()
            snapshot = rewrite.snapshot
            while not snapshot.finished:
                rewrite.draft.write(snapshot.next_slice(_SLICE))
                yield
            rewrite.commit()
        except BaseException:
            self.stop()
            rewrite.discard()
            raise
        self.finish_rewrite()
        self.rewrites = 0  # it was none, but the beginning
        rewrite.remove_history()

    def reload(self) -> None:
        """DEBUG LOADAOF: forget everything, and load the log. O(N), while nobody is served.

        Raises `LogError`, `OSError`; nothing is loaded then, and there is no log any more.
        """
        if self.state != ON or not self.log.flush():
            raise LogError("there is no append-only log that can be loaded")
        folder = self._folder()
        self.stop()
        for _ in self.load(folder, folder.load_manifest() or Manifest()):
            pass

    def is_as_left(self, folder: LogFolder) -> bool:
        """Whether the files are those that `stop` has closed, so that what they say is in memory. Raises `OSError`."""
        return self._left is not None and self._left == self._marks(folder)

    def resume(self) -> None:
        """Go on with a log that `is_as_left`. Raises `OSError`, `LogError`."""
        self.start()

    def _marks(self, folder: LogFolder) -> tuple[object, ...]:
        names = (folder.manifest_path, *(folder.path(part.name) for part in self.manifest.parts))
        return folder.storage.path, *names, *(folder.storage.mark(name) for name in names)

    def begin(self, folder: LogFolder) -> None:
        """Begin a log while the server goes on: it is there when a first rewrite, which is scheduled, is done.

        Raises `LogError` for a manifest of a former log that cannot be gone by, `OSError`.
        """
        if self.rewrite is not None:
            # What BGREWRITEAOF began without a log has no increment that goes on behind it.
            self.fail_rewrite(None)
        self.folder = folder
        self.manifest = folder.load_manifest() or Manifest()
        self.state = STARTING
        self._update()
        # Somebody has asked for it: that another rewrite failed a moment ago is no reason to wait.
        self.schedule_rewrite(at_once=True)

    def restart(self) -> None:
        """Begin the log anew: other data have taken the place of those that it tells of (a full sync with a primary).

        Until the first rewrite is done, what is on disk are the data of before.
        """
        if self.state != OFF:
            self.stop()
            self.state = STARTING
            self._update()
            self.schedule_rewrite(at_once=True)
        elif self.rewrite is not None:
            self.fail_rewrite(None)
            self.schedule_rewrite(at_once=True)

    def note_place(self) -> None:
        """The server ends in order: the log says where in its history the data are."""
        place = self._engine.replication.place
        if self.state == ON and place is not None:
            self.log.annotate(place.annotation())

    def before_shutdown(self) -> None:
        """A SHUTDOWN: `CommandError` while a first base is written, as in Redis. The data may be nowhere else on disk."""
        writes = self.rewrite is not None or self.seconds_to_rewrite() == 0
        if self.state == STARTING and writes and self._engine.loading is None:
            logger.error("not stopped: the first base of the append-only log is being written")
            raise CommandError(CANNOT_STOP)

    def stop(self) -> None:
        """End the log: what has been written so far is on disk afterwards, if the disk can be written at all."""
        if self.rewrite is not None:
            self.fail_rewrite(None)
        self.rewrite_scheduled = False
        self._left = None
        if self.state == ON:
            if self.log.flush():
                with contextlib.suppress(OSError):
                    self._left = self._marks(self._folder())
            else:
                logger.error(
                    "the append-only log ends without its last %d bytes, which cannot be written: %s",
                    *(self.log.waiting, self.log.problem),
                )
        self._engine.propagation.remove_sink(self.log.append)
        self.state = OFF
        self.log.close()
        self._update()
        self._wake()

    def switch(self, on: bool) -> None:
        """CONFIG SET appendonly. Raises `LogError`, `OSError` where there can be no log."""
        engine = self._engine
        if not on:
            if self.state != OFF:
                self.stop()
        elif self.state == OFF:
            if engine.loading is not None:
                raise LogError("the data are being loaded")
            self.begin(self._configured_folder())

    def refusal(self, session: Session, entry: CommandEntry) -> bytes | None:
        """Why a command may not run while the log cannot be written; None where it may."""
        if self.log.problem is None:
            return None
        if entry.name == b"exec":
            writes = any(queued.writes for queued, _ in session.queue or ())
        else:
            writes = entry.writes or entry.name == b"ping"
        return self.misconfigured if writes else None

    def refusal_in_script(self, entry: CommandEntry) -> bytes | None:
        """`refusal` for a command of a script."""
        return self.misconfigured if entry.writes and self.log.problem is not None else None

    @property
    def misconfigured(self) -> bytes:
        """What commands that write are refused with while the log cannot be written."""
        problem = self.log.problem
        assert problem is not None
        return b"MISCONF Errors writing to the AOF file: %b" % (problem.strerror or str(problem)).encode()

    def note_synced(self) -> None:
        """An fsync in a thread has ended: whoever has waited for that goes on."""
        self._wake()

    def _folder(self) -> LogFolder:
        if self.folder is None:
            raise LogError("there is no append-only log, and no folder for one")
        return self.folder

    def _configured_folder(self) -> LogFolder:
        storage, values = self._engine.storage, self._engine.config.values
        if storage is None:
            raise LogError("this server keeps nothing on disk: it was started without the directive dir")
        return LogFolder(storage, values["appenddirname"], values["appendfilename"])

    def _begin(self, state: str) -> None:
        self.state = state
        self._engine.propagation.add_sink(self.log.append, messages=False)

    def _settle(self) -> None:
        """Take the sizes of all parts, but for the one that is written to, for what the log grows from."""
        folder = self._folder()
        written = self.manifest.increments[-1:]
        self._settled_size = sum(
            folder.size(part) or 0 for part in self.manifest.parts if part not in written
        )
        self.base_size = self.current_size
        self._update()

    # Rewriting

    @property
    def wants_rewrite(self) -> bool:
        """Whether a rewrite is to be begun now."""
        return self.rewrite_scheduled and self.rewrite is None

    def seconds_to_rewrite(self) -> float | None:
        """How many seconds from now a scheduled rewrite is to begin; None without one. After a failure it waits."""
        if not self.wants_rewrite:
            return None
        return max(0, self._not_before - self._now()) / 1000

    def schedule_rewrite(self, at_once: bool = False) -> None:
        """Ask for a rewrite; `at_once`: even where the last one has failed a moment ago."""
        if at_once:
            self._not_before = 0
        self.rewrite_scheduled = True
        self._wake()

    def request_rewrite(self) -> None:
        """BGREWRITEAOF; without a log it leaves a base that a log can begin with. `CommandError` where none can be."""
        if self.rewrite is not None:
            raise CommandError(b"ERR Background append only file rewriting already in progress")
        if self.state == OFF:
            try:
                self.folder = self._configured_folder()
            except LogError as error:
                raise CommandError(b"ERR " + str(error).encode()) from None
        self.schedule_rewrite(at_once=True)

    def begin_rewrite(self) -> Rewrite:
        """Begin the rewrite that is wanted. Drive it, then call `finish_rewrite` or `fail_rewrite`.

        Raises `OSError`, `LogError`; it has not begun then. Not while an fsync runs in a thread, nor any step of a
        rewrite that was given up.
        """
        self.rewrite_scheduled = False
        try:
            if self.state != ON:
                self.manifest = self._folder().load_manifest(adopts=self.state == STARTING) or Manifest()
            return self._begin_rewrite(self.state)
        except (OSError, LogError) as error:
            self._count_failure(error)
            raise

    def _begin_rewrite(self, state: str) -> Rewrite:
        part = None if state == OFF else self._begin_increment(state)
        engine = self._engine
        engine.start_turn()
        is_image = engine.config.values["aof-use-rdb-preamble"]
        if is_image:
            snapshot = engine.saver.take_image(of_log=True)
        else:
            stamp = engine.keyspace.now // 1000 if self.log.timestamps else None
            snapshot = Snapshot(engine, CommandWriter(stamp), {})
        folder = self._folder()
        self.rewrite = Rewrite(folder, self.manifest, snapshot, part, named=state == ON, is_image=is_image)
        self.rewrite_began = self._now()
        self._update()
        return self.rewrite

    def _begin_increment(self, state: str) -> Part:
        folder, log = self._folder(), self.log
        if state == ON and not log.flush():
            assert log.problem is not None
            raise log.problem
        part = self.manifest.next_increment(folder.name)
        handle = folder.create(part)
        try:
            if state == ON:
                # From here on the new increment is part of the log, whatever becomes of the rewrite.
                folder.save_manifest(self.manifest.with_increment(part))
                self.manifest = self.manifest.with_increment(part)
                self._settled_size += log.size
        except BaseException:
            handle.close()
            raise
        if state == ON:
            # It has just been flushed, and nothing has come since: this cannot fail any more.
            taken = log.take_handle(handle)
            assert taken
        else:
            self._begin(STARTING)
            log.open(handle)
        return part

    def finish_rewrite(self) -> None:
        """The rewrite has been committed."""
        rewrite, self.rewrite = self.rewrite, None
        assert rewrite is not None
        self.manifest = rewrite.manifest
        if self.state == STARTING:
            self.state = ON
        self.rewrites += 1
        self.failures_in_a_row = self._not_before = 0
        self.last_rewrite_ok = True
        self.last_rewrite_seconds = (self._now() - self.rewrite_began) // 1000
        self._settle()
        self._engine.saver.other_job_ended()

    def fail_rewrite(self, error: OSError | None) -> None:
        """The rewrite has failed, or is given up (without an error)."""
        rewrite, self.rewrite = self.rewrite, None
        if rewrite is not None:
            rewrite.give_up()
        if self.state == STARTING:
            self._engine.propagation.remove_sink(self.log.append)
            self.log.close()
        if error is not None:
            self._count_failure(error)
        self._update()
        self._engine.saver.other_job_ended()

    def _count_failure(self, error: Exception) -> None:
        self._engine.log(f"the append-only file could not be rewritten: {error}")
        self.last_rewrite_ok = False
        delay = min(_LONGEST_DELAY, _FIRST_DELAY << min(10, self.failures_in_a_row))
        self.failures_in_a_row += 1
        self._not_before = self._now() + delay
        if self.state == STARTING:
            self.schedule_rewrite()

    # Figures

    def figures(self) -> Iterator[tuple[str, object]]:
        """What INFO says of the log."""
        log, now = self.log, self._now()
        yield "aof_enabled", int(self.state != OFF)
        yield "aof_rewrite_in_progress", int(self.rewrite is not None)
        yield "aof_rewrite_scheduled", int(self.rewrite_scheduled)
        yield "aof_last_rewrite_time_sec", self.last_rewrite_seconds
        running = -1 if self.rewrite is None else (now - self.rewrite_began) // 1000
        yield "aof_current_rewrite_time_sec", running
        yield "aof_last_bgrewrite_status", "ok" if self.last_rewrite_ok else "err"
        yield "aof_rewrites", self.rewrites
        yield "aof_rewrites_consecutive_failures", self.failures_in_a_row
        yield "aof_last_write_status", "ok" if log.problem is None else "err"
        if self.state != OFF:
            yield "aof_current_size", self.current_size
            yield "aof_base_size", self.base_size
            yield "aof_pending_rewrite", int(self.rewrite_scheduled)
            yield "aof_buffer_length", log.waiting
            yield "aof_pending_bio_fsync", int(log.is_syncing)
            yield "aof_delayed_fsync", log.figures.delayed_syncs
