"""Where real servers do not do what pulsards does about users, directives and clients, and why: `differences` for scenes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class StateDifference:
    """One way in which a server differs. The patterns are searched for in the call, the replies, and the calls before."""

    server: str  # "valkey", "redis", or "both"
    call: str
    reason: str
    example: tuple[str, ...]  # each a client's letter, a space, and its call
    also: str = ""  # in the call, too
    ours: str = ""
    theirs: str = ""
    after: str = ""

    def covers(self, server: str, call: str, ours: str, theirs: str, before: str) -> bool:
        """Whether this is that difference."""
        return self.server in (server, "both") and all(
            re.search(pattern, text, re.DOTALL | re.IGNORECASE)
            for pattern, text in (
                (self.call, call),
                (self.ours, ours),
                (self.theirs, theirs),
                (self.after, before),
            )
        )


ADMINISTRATORS_DIFFERENCES: Final[tuple[StateDifference, ...]] = (
    StateDifference(
        "redis",
        "config set",
        "Redis 7.0 takes a size beyond 64 bits, cut down to them, or calls it out of range",
        ("a CONFIG SET hll-sparse-max-bytes 99999999999999999999",),
        also="99999999999999999999",
        ours="must be a memory (or percent )?value",
    ),
    StateDifference(
        "redis",
        "acl (getuser|list)|^exec",
        "Redis 7.0 describes commands by as few categories as it can find, not by the rules that were given",
        ("a ACL SETUSER alice -@dangerous", "a ACL GETUSER alice"),
        ours="[-+]@all [-+]",
    ),
    StateDifference(
        "redis",
        "config set .*maxmemory-samples",
        "the number of samples has had an upper limit of 64 since Redis 7.4",
        ("a CONFIG SET maxmemory-samples 100000",),
        ours="between 1 and 64",
    ),
    StateDifference(
        "valkey",
        "client (list|info)|^exec",
        "Valkey counts 0 commands in a transaction that has ended, not -1",
        ("a MULTI", "a DISCARD", "a CLIENT INFO"),
        ours="'multi', b'-1'",
        theirs="'multi', b'0'",
        after="multi",
    ),
    StateDifference(
        "valkey",
        "client reply",
        "Valkey lets nobody switch replies off in a transaction",
        ("a MULTI", "a CLIENT REPLY ON"),
        theirs="not allowed inside a transaction",
    ),
    StateDifference(
        "valkey",
        "",
        "Valkey tells those who have not logged in nothing else, not even that they are wrong",
        ("a CONFIG SET requirepass pw", "b RESET", "b GET"),
        ours="wrong number|unknown",
        theirs="NOAUTH",
    ),
    StateDifference(
        "valkey",
        "client (kill|list) .*id ",
        "Valkey takes several numbers behind ID, and all of several IDs; what is no number is a keyword to it",
        ("a CLIENT LIST ID x",),
    ),
)


def reason_for_state(
    server: str, call: Sequence[bytes], ours: Any, theirs: Any, before: Iterable[Sequence[bytes]]
) -> str | None:
    """Why the replies to a call may differ; None where they may not."""
    text = b" ".join(call).decode("latin-1")
    history = "\n".join(b" ".join(made).decode("latin-1") for made in before)
    for row in ADMINISTRATORS_DIFFERENCES:
        if row.covers(server, text, repr(ours), repr(theirs), history):
            return row.reason
    return None
