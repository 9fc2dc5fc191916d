"""Which replicas get which image: those that ask at about the same time get one together.

Source: the directives repl-diskless-sync, repl-diskless-sync-delay and repl-diskless-sync-max-replicas of Redis 7.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anystore.pulsards.replication.outgoing_image import new_image, reads_valkeys_form
from anystore.pulsards.replication.transfer import Kind, Transfer
from anystore.resp.types import SimpleString

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication.followers import Follower
    from anystore.pulsards.replication.replication import Replication

logger = logging.getLogger("anystore.pulsards")


class Images:
    """The images that one server's replicas get, and who waits for the next one."""

    def __init__(self, engine: Engine, replication: Replication) -> None:
        self._engine = engine
        self._replication = replication
        #: Since when the first of those that wait does, in milliseconds since 1970.
        self._since = 0

    def ask(self, follower: Follower, old: bool) -> None:
        """A replica needs everything: at once, or together with others that may come. `old`: by SYNC."""
        values = self._engine.config.values
        marked = follower.takes_marks and values["repl-diskless-sync"]
        kind = _kind_for(follower, bool(marked))
        if old:
            self._begin([follower], kind, silently=True)
            return
        if not marked:
            transfer = self._joinable(kind)
            if transfer is None:
                self._begin([follower], kind)
            else:
                self._join(follower, transfer)
            return
        waiting = self._waiting()
        if not waiting:
            self._since = self._engine.keyspace.now
        follower.waiting = True
        most = values["repl-diskless-sync-max-replicas"]
        if not values["repl-diskless-sync-delay"] or 0 < most <= len(waiting) + 1:
            self._begin_waiting()
        else:
            self._engine.keyspace.falls_due(self._begins_at())

    def _waiting(self) -> list[Follower]:
        return [follower for follower in self._replication.followers if follower.waiting]

    def _joinable(self, kind: Kind) -> Transfer | None:
        transfers = (follower.transfer for follower in self._replication.followers)
        return next((item for item in transfers if item is not None and item.kind == kind), None)

    def _join(self, follower: Follower, transfer: Transfer) -> None:
        logger.info("the replica %s:%d gets the image that is being made", follower.host, follower.port)
        self._announce(follower, transfer.offset)
        transfer.add(follower)

    def _begins_at(self) -> int:
        return int(self._since + self._engine.config.values["repl-diskless-sync-delay"] * 1000)

    def _begin_waiting(self) -> None:
        """One image for all that wait, or several where they do not want the same."""
        groups: dict[Kind, list[Follower]] = {}
        for follower in self._waiting():
            groups.setdefault(_kind_for(follower, True), []).append(follower)
        for kind, followers in groups.items():
            self._begin(followers, kind)

    def _begin(self, followers: list[Follower], kind: Kind, silently: bool = False) -> None:
        """Take an image of this moment, and send it to these. `silently`: not saying where in the stream it is."""
        replication = self._replication
        following, history = replication.following, replication.history
        replication.selected = -1  # whoever begins here does not know which database the stream was for
        selected = 0 if following is None else following.selected
        image = new_image(self._engine, history, selected, kind)
        transfer = Transfer(self._engine, image, history.offset, kind, replication.new_id())
        for follower in followers:
            follower.waiting = False
            if not silently:
                self._announce(follower, history.offset)
            transfer.add(follower)
        self._engine.keyspace.falls_due(self._engine.keyspace.now)

    def _announce(self, follower: Follower, offset: int) -> None:
        follower.session.push_reply(
            SimpleString(b"FULLRESYNC %b %d" % (self._replication.history.id, offset))
        )

    # What falls due

    def next_due(self) -> int | None:
        """When `run_due` has something to do, in milliseconds since 1970; None while nobody waits."""
        return self._begins_at() if self._waiting() else None

    def run_due(self) -> None:
        """Begin the image for those that have waited long enough. O(replicas)."""
        if self._waiting() and self._begins_at() <= self._engine.keyspace.now:
            self._begin_waiting()


def _kind_for(follower: Follower, marked: bool) -> Kind:
    return Kind(reads_valkeys_form(follower.version), marked, follower.wants_keys, follower.wants_functions)
