"""CLIENT PAUSE: commands that are not to run for a while are kept, and run in their order after it.

So are those that may change keys which MIGRATE is moving: see `anystore.pulsards.migration`.

Source: the page of CLIENT PAUSE; the modes since 6.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.blocking import Waiter
from anystore.pulsards.script_flags import declared_flags

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

#: They change no key by themselves, but what replicas or subscribers see, or run scripts that may write.
_LIKE_WRITES: Final = frozenset((b"pfcount", b"publish", b"spublish", b"eval", b"evalsha", b"fcall"))
#: Of these, what changes nothing that MIGRATE could be moving.
_MESSAGES: Final = frozenset((b"publish", b"spublish"))

#: For what ends only by itself, in milliseconds.
_AS_LONG_AS_IT_TAKES: Final = 365 * 24 * 3600 * 1000


class HeldCommand(Waiter):
    """What a client waits for whose command is kept: only the end of the pause, or of the connection, ends it."""

    __slots__ = ()

    def __init__(self, session: Session) -> None:
        super().__init__(session, session.db, (), None, _never, None)


def _never(session: Session, key: bytes) -> Any:
    return None


class Pause:
    """Whether commands are held back now, which ones, and until when."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: When the pause ends, in milliseconds since 1970; None when there is none.
        self.until: int | None = None
        #: Every command is held back, not only those that write.
        self.everything = False
        self._held: list[Session] = []
        #: What clients have asked for.
        self._asked_until: int | None = None
        self._asked_everything = False
        #: Until when DEBUG SLEEP holds everything, whatever clients have asked for; None where it does not.
        self._asleep_until: int | None = None
        #: What else holds writes back, each for as long as it takes, and whether it holds everything.
        self._holders: dict[object, bool] = {}

    def start(self, until: int, everything: bool) -> None:
        """Hold commands back until `until`, in milliseconds since 1970. A pause that there is is not weakened."""
        self._asked_until = max(until, self._asked_until or 0)
        self._asked_everything = self._asked_everything or everything
        self._update()

    def sleep(self, milliseconds: int) -> None:
        """Hold every command back for so long, and then what was held back before."""
        self._asleep_until = self._engine.keyspace.now + milliseconds
        self._update()

    def lapse(self) -> None:
        """End what has lasted until now. O(N) in the clients held."""
        while self.until is not None and self.until <= self._engine.keyspace.now:
            if self._asleep_until is None:
                self.stop()
            else:
                self._asleep_until = None
                self._update()
                self._run_held()

    def stop(self) -> None:
        """End what was started: every command runs but for writes that something else holds back.

        Those that were kept run in the order in which they came. O(N) in the clients held.
        """
        self._asked_until, self._asked_everything = None, False
        self._update()
        self._run_held()

    def hold_writes(self, holder: object) -> None:
        """Hold writes back until the `holder` releases them."""
        self._holders[holder] = False
        self._update()

    def hold_everything(self, holder: object) -> None:
        """Hold every command back until the `holder` releases them."""
        self._holders[holder] = True
        self._update()

    def release_writes(self, holder: object) -> None:
        """The `holder` holds nothing back any more; nothing happens where it did not."""
        if self._holders.pop(holder, None) is not None:
            self._update()
            self._run_held()

    def _update(self) -> None:
        holds_everything = any(self._holders.values())
        if self._asleep_until is not None:
            self.until = self._asleep_until
        elif self._holders and (holds_everything or not self._asked_everything):
            self.until = self._engine.keyspace.now + _AS_LONG_AS_IT_TAKES
        else:
            self.until = self._asked_until
        self.everything = self._asked_everything or self._asleep_until is not None or holds_everything
        self._engine.keyspace.paused = self.until is not None
        if self.until is not None:
            self._engine.keyspace.falls_due(self.until)
        self._engine.update_guard()

    def release(self) -> None:
        """Let those go on that were kept, unless there is a pause; what is still to be kept will be kept again."""
        if self.until is None:
            self._run_held()

    def _run_held(self) -> None:
        """Have commands that were kept run; those that still are to be kept are so again."""
        held, self._held = self._held, []
        for session in held:
            if isinstance(session.waiter, HeldCommand):
                session.waiter = None
                self._engine.outbox[session] = None
                self._engine.resumed.append(session)

    def holds(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether this command of this client is to be kept."""
        migrations = self._engine.migrations
        self.lapse()
        if self.until is None and not migrations.moving:
            return False
        if self.everything or entry.writes:
            return self.until is not None or migrations.holds(session, entry, arguments)
        if entry.name == b"exec":
            return any(self.holds(session, queued, call) for queued, call in session.queue or ())
        if entry.name not in _LIKE_WRITES or (self.until is None and entry.name in _MESSAGES):
            return False
        return not self._only_reads(entry, arguments)

    def _only_reads(self, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether the script that is to run says that it does not write."""
        flags = declared_flags(self._engine, entry, arguments)
        return flags is not None and b"no-writes" in flags

    def hold(self, session: Session) -> None:
        """Let a client wait for the end of the pause."""
        self._held.append(session)
        session.waiter = HeldCommand(session)
