"""SHUTDOWN and what stops a server like it: its replicas get what they have not got yet, data are saved, and then it ends.

While it waits for replicas, commands that write are held back, so that there is an end to what they lack; reading goes on.

Source: the pages of SHUTDOWN, since 7.0, and of the directive shutdown-timeout.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.pausing import HeldCommand
from anystore.resp.types import ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

_FAILED: Final = b"ERR Errors trying to SHUTDOWN. Check logs."
_NONE: Final = b"ERR No shutdown in progress."


class EndingClient(HeldCommand):
    """A client that has sent SHUTDOWN: only its failure, its abortion or the end of the connection ends the wait."""

    __slots__ = ()


class Ending:
    """The orderly stop of one server, from when it is asked for until the server may be stopped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: When waiting for replicas ends, in milliseconds since 1970; None while nobody is waited for.
        self.deadline: int | None = None
        self._save: bool | None = None
        self._force = False
        self._stop: Callable[[], None] = _nobody
        self._clients: list[Session] = []
        #: Everything is done, and the server has been told to stop: nothing may hold it up any more.
        self.is_over = False

    @property
    def in_progress(self) -> bool:
        """Whether the server is about to end: nothing is to be said any more for the sake of being said."""
        return self.deadline is not None or self.is_over

    def begin(
        self, stop: Callable[[], None], save: bool | None, *, force: bool = False, at_once: bool = False
    ) -> bool:
        """Have `stop` called as soon as the replicas have everything, or `shutdown-timeout` has passed; True if it has been.

        `save`: whether data are to be saved before, None as configured; where that fails the server goes on, which is a
        `CommandError` here, unless `force` says so. `at_once` waits for no replica. While one is in progress another
        one changes nothing, but that it may be `at_once`.
        """
        engine = self._engine
        if engine.debugging.synchronous is not None:
            engine.debugging.stop()  # or nothing would go on
        if self.deadline is None:
            self._stop, self._save, self._force = stop, save, force
        elif not at_once:
            return False
        timeout = engine.config.values["shutdown-timeout"]
        if at_once or not timeout or engine.busy.overdue or self._is_ready():
            self._finish()
            return True
        logger.info("waiting for replicas before the server ends, for %d seconds at most", timeout)
        engine.pause.hold_writes(self)
        self.deadline = engine.keyspace.now + timeout * 1000
        engine.keyspace.falls_due(self.deadline)
        engine.replication.followers.ask = True
        return False

    def wait(self, session: Session) -> None:
        """Let a client wait for what comes of it."""
        self._clients.append(session)
        session.waiter = EndingClient(session)

    def abort(self) -> None:
        """SHUTDOWN ABORT: the server goes on. `CommandError` where it is not about to end."""
        if self.deadline is None:
            raise CommandError(_NONE)
        logger.info("the shutdown is aborted")
        self._go_on()

    def reset(self) -> None:
        """The server starts again."""
        self.deadline = None
        self.is_over = False
        self._clients.clear()
        self._engine.pause.release_writes(self)

    def acknowledged(self) -> None:
        """A replica has said how far it is, or has gone."""
        if self.deadline is not None and self._is_ready():
            self._finish_waiting()

    def run_due(self) -> None:
        """Waiting may have come to its end."""
        if self.deadline is not None and self.deadline <= self._engine.keyspace.now:
            offset = self._engine.replication.history.offset
            for follower in self._engine.replication.followers:
                if follower.acked != offset:
                    logger.warning(
                        "the replica %s:%d lacks %d bytes of what is here, and is waited for no longer",
                        *(follower.host, follower.port, offset - follower.acked),
                    )
            self._finish_waiting()

    def _is_ready(self) -> bool:
        replication = self._engine.replication
        return all(follower.acked == replication.history.offset for follower in replication.followers)

    def _finish_waiting(self) -> None:
        try:
            self._finish()
        except CommandError:
            self._go_on()

    def _finish(self) -> None:
        engine = self._engine
        if not self._force:
            engine.append_only.before_shutdown()
        engine.saver.before_shutdown(self._save, self._force)
        self.deadline = None
        self.is_over = True
        # What is written from now on would be nowhere.
        engine.pause.hold_writes(self)
        engine.busy.give_up()
        self._stop()

    def _go_on(self) -> None:
        """It does not end: whoever waits for that is told, and what was held back runs."""
        logger.info("not stopped: the server goes on")
        clients = [session for session in self._clients if isinstance(session.waiter, EndingClient)]
        self.reset()
        for session in clients:
            self._engine.count_error(_FAILED)
            session.unpark(ErrorReply(_FAILED))


def _nobody() -> None:
    """Nothing is to be stopped."""
