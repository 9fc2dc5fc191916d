"""What SRANDMEMBER, ZRANDMEMBER and HRANDFIELD have in common: choosing members by a count."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.datatypes import Collection
from anystore.pulsards.errors import OUT_OF_RANGE, CommandError

#: The most members that a negative count gets. Redis builds a reply of any size until memory runs out; the
#: server here lives in somebody's process, and a client's number must not end it.
MOST_REPEATED: Final = 1 << 24


def random_members(value: Collection[Any], count: int) -> list[bytes]:
    """`count` different members of a collection at random, or all of them where there are no more.

    For a negative count, as many as that, each chosen anew; refused beyond `MOST_REPEATED`. O(count).
    """
    if count >= 0:
        return value.random_sample(count)
    if count < -MOST_REPEATED:
        raise CommandError(OUT_OF_RANGE)
    return value.random_choices(-count)
