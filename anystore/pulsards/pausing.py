"""CLIENT PAUSE: commands that are not to run for a while are kept, and run in their order after it.

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

    def start(self, until: int, everything: bool) -> None:
        """Hold commands back until `until`, in milliseconds since 1970. A pause that there is is not weakened."""
        self.until = until = max(until, self.until or 0)
        self.everything = self.everything or everything
        self._engine.keyspace.falls_due(until)
        self._engine.update_guard()

    def stop(self) -> None:
        """Let every command run, those that were kept in the order in which they came. O(N) in the clients held."""
        self.until = None
        self.everything = False
        self._engine.update_guard()
        held, self._held = self._held, []
        for session in held:
            if isinstance(session.waiter, HeldCommand):
                session.waiter = None
                self._engine.outbox[session] = None
                self._engine.resumed.append(session)

    def holds(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether this command of this client is to be kept."""
        if self.until is None:
            return False
        if self.until <= self._engine.keyspace.now:
            self.stop()
            return False
        if self.everything or entry.writes:
            return True
        if entry.name == b"exec":
            return any(self.holds(session, queued, call) for queued, call in session.queue or ())
        return entry.name in _LIKE_WRITES and not self._only_reads(entry, arguments)

    def _only_reads(self, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether the script that is to run says that it does not write."""
        flags = declared_flags(self._engine, entry, arguments)
        return flags is not None and b"no-writes" in flags

    def hold(self, session: Session) -> None:
        """Let a client wait for the end of the pause."""
        self._held.append(session)
        session.waiter = HeldCommand(session)
