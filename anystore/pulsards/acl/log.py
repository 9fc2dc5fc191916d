"""ACL LOG: what was refused, and to whom.

Source: the page of ACL LOG; entry-id and the two timestamps since 7.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final

from anystore.pulsards.acl.permissions import CHANNEL, COMMAND, KEY

AUTH: Final = b"auth"

TOP_LEVEL: Final = b"toplevel"
MULTI: Final = b"multi"
LUA: Final = b"lua"

#: The same refusal within this time, in milliseconds, is counted in the entry that is there.
_GROUPED_FOR: Final = 60_000
#: Only so many entries are looked at for it.
_LOOKED_AT: Final = 10


@dataclass(slots=True)
class Refused:
    """One entry: refusals of the same thing to the same user. Times are in milliseconds since 1970."""

    id: int
    reason: bytes
    context: bytes
    object: bytes
    user: bytes
    created: int
    updated: int
    client: bytes
    count: int = 1

    def as_map(self, now: int) -> dict[bytes, Any]:
        """What ACL LOG shows at the time `now`."""
        return {
            b"count": self.count,
            b"reason": self.reason,
            b"context": self.context,
            b"object": self.object,
            b"username": self.user,
            b"age-seconds": (now - self.updated) / 1000,
            b"client-info": self.client,
            b"entry-id": self.id,
            b"timestamp-created": self.created,
            b"timestamp-last-updated": self.updated,
        }


class AclLog:
    """A bounded log, newest first, and counters that go on when it is emptied."""

    def __init__(self) -> None:
        self.entries: list[Refused] = []
        self.limit = 128
        #: Refusals by reason, for INFO.
        self.refused = {AUTH: 0, COMMAND: 0, KEY: 0, CHANNEL: 0}
        self._ids = count()

    def resize(self, limit: int) -> None:
        """Keep `limit` entries from now on."""
        self.limit = limit
        del self.entries[limit:]

    def add(self, reason: bytes, context: bytes, object: bytes, user: bytes, client: bytes, now: int) -> None:
        """Note a refusal; `client` is its line of CLIENT LIST. O(1), but for moving the entries along."""
        self.refused[reason] += 1
        for entry in islice(self.entries, _LOOKED_AT):
            same = (entry.reason, entry.context, entry.object, entry.user) == (reason, context, object, user)
            if same and abs(now - entry.updated) <= _GROUPED_FOR:
                self.entries.remove(entry)
                entry.count += 1
                entry.updated, entry.client = now, client
                break
        else:
            entry = Refused(next(self._ids), reason, context, object, user, now, now, client)
        self.entries.insert(0, entry)
        del self.entries[self.limit :]

    def clear(self) -> None:
        """Forget every entry, as ACL LOG RESET does."""
        self.entries.clear()
