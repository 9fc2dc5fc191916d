"""A script that runs for too long: others are told BUSY meanwhile, and may end it.

A script runs to its end before anything else does. But every so many instructions the machine that it runs in asks
here whether to go on, and after `busy-reply-threshold` milliseconds the driver is given a chance to hear other clients:
`Engine.serve_while_busy`. They are refused everything but what the table flags as `allow_busy`: SCRIPT KILL and
FUNCTION KILL, SHUTDOWN NOSAVE, what concerns one's own connection only. A script that has called a command that
writes is not ended by a client: half of what it does is not to be.

Source: the pages of SCRIPT KILL and FUNCTION KILL, and what Redis and Valkey answer meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.errors import CommandError

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

NOT_BUSY: Final = b"NOTBUSY No scripts in execution right now."
_BUSY: Final = b"BUSY Redis is busy running a script. You can only call %b KILL or SHUTDOWN NOSAVE."
_UNKILLABLE: Final = (
    b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the "
    b"script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)


class BusyScript:
    """The script that runs now, if any, and whether it has run for too long."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: After how many milliseconds others are heard; 0 is never.
        self.threshold = 0
        #: The client whose script runs, None where none does; the call that runs it, and b"SCRIPT" or b"FUNCTION".
        self.session: Session | None = None
        #: What its client has called: the commands of a script are not that.
        self.entry: CommandEntry | None = None
        self._call: Sequence[bytes] = ()
        self._kind = b""
        #: It has called a command that writes, whether that has changed anything or not.
        self.wrote = False
        #: When it was first asked about, in nanoseconds: a moment after it began. None before.
        self._begun: int | None = None
        #: It has run for too long: others are told BUSY.
        self.overdue = False
        self._ended = False

    def begin(self, session: Session, call: Sequence[bytes], kind: bytes) -> None:
        """A script is about to run: `call` is the whole command, `kind` b"SCRIPT" or b"FUNCTION". O(1)."""
        self.session, self._call, self._kind = session, call, kind
        self.entry = session.last_entry
        self.wrote = False
        self._begun = None

    def end(self) -> None:
        """It has ended, in whatever way. O(1)."""
        if self.session is not None:
            self.session.last_entry = self.entry
            self.session = None
        if self.overdue:
            self.overdue = self._ended = False
            self._engine.update_guard()

    def should_stop(self) -> bool:
        """Asked by the machine every millisecond or so while a script runs; True ends it."""
        engine = self._engine
        if engine.ending.is_over:
            # It came in the turn in which the server was ended, and only the end of that turn is waited for.
            return True
        now = engine.elapsed_ns()
        if self._begun is None:
            self._begun = now
        serve = engine.serve_while_busy
        if self.session is None or serve is None or not self.threshold:
            return False
        if not self.overdue:
            if now - self._begun < self.threshold * 1_000_000:
                return False
            logger.warning(
                "a script has run for %d ms: clients are told BUSY", (now - self._begun) // 1_000_000
            )
            self.overdue = True
            engine.update_guard()
        # To the script, no time passes.
        moment, mark, caller = engine.keyspace.now, engine.turn_mark, engine.script_caller
        try:
            serve()
        finally:
            engine.keyspace.set_time(moment)
            engine.turn_mark, engine.script_caller = mark, caller
        return self._ended

    def refusal(self, entry: CommandEntry, arguments: Sequence[bytes]) -> bytes | None:
        """What a command is answered while a script is overdue; None for one that may run."""
        if "allow_busy" not in entry.spec.flags:
            return self._busy
        if entry.name == b"shutdown" and b"nosave" not in {word.lower() for word in arguments[1:]}:
            return self._busy
        return None

    @property
    def _busy(self) -> bytes:
        return _BUSY % self._kind

    def kill(self, kind: bytes) -> None:
        """SCRIPT KILL or FUNCTION KILL, as `kind` says: end what runs. `CommandError` where that cannot be. O(1)."""
        if not self.overdue:
            raise CommandError(NOT_BUSY)
        if kind != self._kind:
            raise CommandError(self._busy)
        if self.wrote:
            raise CommandError(_UNKILLABLE)
        logger.warning("a script is ended by %s KILL", kind.decode())
        self._ended = True

    def give_up(self) -> None:
        """End what runs whatever it has changed, and let no file or replica know: the server ends. O(1)."""
        if self.overdue:
            self._ended = True
            self._engine.propagation.silence()

    def running_function(self) -> dict[bytes, Any] | None:
        """What FUNCTION STATS says of the function that runs; None where none does, BUSY where it is a script."""
        if not self.overdue or self._begun is None:
            return None
        if self._kind != b"FUNCTION":
            raise CommandError(self._busy)
        return {
            b"name": self._call[1],
            b"command": list(self._call),
            b"duration_ms": (self._engine.elapsed_ns() - self._begun) // 1_000_000,
        }
