"""Who has what on one connection for subscriptions: whose messages are these, and when has the server to be told.

The server knows a connection, not those who share it. So what is wanted of it is counted here, in functions that await
nothing, and in the order in which the commands are written, which is the one in which the server carries them out.
"""

from __future__ import annotations

from anystore.redis.subscriptions import KINDS, Kind, Subscription

__all__ = ("Roster",)

Rows = dict[Subscription, None]
"""Subscriptions to the same name, in the order in which they were made."""


class Roster:
    """The subscriptions of one connection. All of it is O(1) but for `clear`."""

    def __init__(self) -> None:
        self._holders: dict[Kind, dict[bytes, Rows]] = {kind: {} for kind in KINDS}
        self._on_server: dict[Kind, set[bytes]] = {kind: set() for kind in KINDS}
        self.receivers: dict[bytes, dict[bytes, Rows]] = {kind.message: {} for kind in KINDS}
        """By the kind of a message and the name it came by, those who get it."""

    def add(self, row: Subscription) -> None:
        """A command to subscribe is being written for it."""
        self._holders[row.kind].setdefault(row.name, {})[row] = None

    def remove(self, row: Subscription) -> bool:
        """It is given up. Whether it was the last one of its name, so that a command to unsubscribe has to follow.

        It gets messages until `silence`.
        """
        holders = self._holders[row.kind]
        rows = holders.get(row.name)
        if rows is None or row not in rows:
            return False
        del rows[row]
        if rows:
            return False
        del holders[row.name]
        return True

    def holds(self, row: Subscription) -> bool:
        """Whether it is wanted still."""
        return row in self._holders[row.kind].get(row.name, ())

    def is_held(self, kind: Kind, name: bytes) -> bool:
        """Whether somebody wants it."""
        return name in self._holders[kind]

    def confirm(self, row: Subscription) -> None:
        """The server has confirmed the command to subscribe: from here on messages are for it, too, if still wanted."""
        if self.holds(row):
            self.receivers[row.kind.message].setdefault(row.name, {})[row] = None
            row.confirm()

    def silence(self, row: Subscription) -> None:
        """It gets no more messages. Harmless when done twice."""
        receivers = self.receivers[row.kind.message]
        rows = receivers.get(row.name)
        if rows is not None:
            rows.pop(row, None)
            if not rows:
                del receivers[row.name]

    def subscribed(self, kind: Kind, name: bytes) -> None:
        """The server has confirmed that the connection is subscribed to this."""
        self._on_server[kind].add(name)

    def unsubscribed(self, kind: Kind, name: bytes) -> None:
        """The server has confirmed that it is not."""
        self._on_server[kind].discard(name)

    def is_on_server(self, kind: Kind, name: bytes) -> bool:
        """Whether the server, as far as it was heard, has the connection subscribed to this."""
        return name in self._on_server[kind]

    @property
    def is_clean(self) -> bool:
        """Whether the server, as far as it was heard, has the connection subscribed to nothing."""
        return not any(self._on_server.values())

    def clear(self) -> None:
        """The connection is gone. O(N)."""
        for tables in (self._holders, self.receivers):
            for table in tables.values():
                table.clear()
        for names in self._on_server.values():
            names.clear()
