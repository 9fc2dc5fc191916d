"""FAILOVER: a primary changes places with one of its replicas, and no write is lost.

Writes are held back until a replica has everything; then this server asks it to take over, and follows it.

Source: the page of FAILOVER. Since 6.2.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from anystore.pulsards.errors import CommandError

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication.followers import Follower
    from anystore.pulsards.replication.replication import Replication

logger = logging.getLogger("anystore.pulsards")

WAITING: Final = "waiting-for-sync"
CHANGING: Final = "failover-in-progress"
NONE: Final = "no-failover"


class Failover:
    """The change of places that one server is in, if it is in any."""

    def __init__(self, engine: Engine, replication: Replication) -> None:
        self._engine = engine
        self._replication = replication
        self.state = NONE
        #: When waiting ends, in milliseconds since 1970; None for never.
        self.deadline: int | None = None
        self._target: tuple[str, int] | None = None
        self._force = False

    @property
    def in_progress(self) -> bool:
        """Whether one is going on."""
        return self.state != NONE

    def start(self, target: tuple[str, int] | None, timeout: int | None, force: bool) -> None:
        """Begin: to the replica at an address, or to the first one that has everything.

        After `timeout` milliseconds it is given up, or carried out all the same where `force` says so. Raises
        `CommandError` where there is no such replica.
        """
        if self.in_progress:
            raise CommandError(b"ERR FAILOVER already in progress.")
        if self._replication.following is not None:
            raise CommandError(b"ERR FAILOVER is not valid when server is a replica.")
        if not len(self._replication.followers):
            raise CommandError(b"ERR FAILOVER requires connected replicas.")
        if target is not None:
            follower = self._find(target)
            if follower is None:
                raise CommandError(b"ERR FAILOVER target HOST and PORT is not a replica.")
            if not follower.is_online:
                raise CommandError(b"ERR FAILOVER target replica is not online.")
        now = self._engine.keyspace.now
        self._target, self._force = target, force
        self.deadline = None if timeout is None else now + timeout
        self.state = WAITING
        self._engine.pause.hold_writes(self)
        if self.deadline is not None:
            self._engine.keyspace.falls_due(self.deadline)
        self._replication.followers.ask = True
        logger.info("a failover begins: writes are held back")

    def abort(self) -> None:
        """Give it up: this server is, or becomes again, a primary."""
        if not self.in_progress:
            raise CommandError(b"ERR No failover in progress.")
        logger.info("the failover is given up")
        changing = self.state == CHANGING
        self._end()
        if changing:
            self._replication.stop_following()

    def acknowledged(self) -> None:
        """A replica has said how far it is, or has gone."""
        if self.state != WAITING:
            return
        if not len(self._replication.followers):
            self.abort()
            return
        offset = self._replication.history.offset
        for follower in self._replication.followers:
            wanted = self._target is None or (follower.host, follower.port) == self._target
            if wanted and follower.is_online and follower.acked >= offset:
                self._change_places(follower.host, follower.port)
                return

    def rejected(self) -> None:
        """The replica does not take over."""
        if self.state == CHANGING:
            self.abort()

    def linked(self) -> None:
        """This server follows the other one: that was it."""
        if self.state == CHANGING:
            self._end()

    def run_due(self) -> None:
        """Waiting may have come to its end."""
        if self.state != WAITING or self.deadline is None or self.deadline > self._engine.keyspace.now:
            return
        if self._force and self._target is not None:
            self._change_places(*self._target)
        else:
            self.abort()

    def _find(self, target: tuple[str, int]) -> Follower | None:
        followers = self._replication.followers
        return next((item for item in followers if (item.host, item.port) == target), None)

    def _change_places(self, host: str, port: int) -> None:
        self.state, self.deadline = CHANGING, None
        self._replication.follow(host, port, failover=True)

    def _end(self) -> None:
        """Let what was held back run: here, or into the error that this is a replica now."""
        self.state, self.deadline = NONE, None
        following = self._replication.following
        if following is not None:
            following.failover = False
        self._engine.pause.release_writes(self)
