"""The set commands that combine several sets: intersection, union and difference.

Source: the pages of the "set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from anystore.pulsards.commands.arguments import integer_between, not_negative
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import SetValue, difference, intersection, intersection_size, union
from anystore.pulsards.errors import NO_KEYS, SYNTAX, CommandError
from anystore.pulsards.notifications import GENERIC, SET
from anystore.pulsards.numbers import INT64_MAX
from anystore.pulsards.registry import command
from anystore.resp.types import SetReply

_TOO_MANY_KEYS: Final = b"ERR Number of keys can't be greater than number of args"
_EMPTY: Final = SetValue()


@command("sinter")
def sinter(ctx: Context, args: list[bytes]) -> SetReply:
    """SINTER key [key …]: the members that all have. O(size of the smallest * M)."""
    return SetReply(intersection(_sets(ctx.db, args[1:])))


@command("sunion")
def sunion(ctx: Context, args: list[bytes]) -> SetReply:
    """SUNION key [key …]: the members that any has. O(total)."""
    return SetReply(union(_sets(ctx.db, args[1:])))


@command("sdiff")
def sdiff(ctx: Context, args: list[bytes]) -> SetReply:
    """SDIFF key [key …]: the members of the first that no other has. O(total)."""
    sets = _sets(ctx.db, args[1:])
    return SetReply(difference(sets[0], sets[1:]))


@command("sinterstore")
def sinterstore(ctx: Context, args: list[bytes]) -> int:
    """SINTERSTORE destination key [key …]: SINTER, stored; how many. None removes the destination."""
    return _store(ctx.db, args[1], intersection(_sets(ctx.db, args[2:])), b"sinterstore")


@command("sunionstore")
def sunionstore(ctx: Context, args: list[bytes]) -> int:
    """SUNIONSTORE destination key [key …]: SUNION, stored; how many. None removes the destination."""
    return _store(ctx.db, args[1], union(_sets(ctx.db, args[2:])), b"sunionstore")


@command("sdiffstore")
def sdiffstore(ctx: Context, args: list[bytes]) -> int:
    """SDIFFSTORE destination key [key …]: SDIFF, stored; how many. None removes the destination."""
    sets = _sets(ctx.db, args[2:])
    left = difference(sets[0], sets[1:])
    if not left or not _takes_away(sets):
        return _store(ctx.db, args[1], left, b"sdiffstore")
    # What remains of a larger set is encoded as that one.
    value = SetValue(sets[0])
    value.remove_many([member for member in sets[0] if member not in left])
    return _store(ctx.db, args[1], value, b"sdiffstore")


def _takes_away(sets: Sequence[SetValue]) -> bool:
    """Whether Redis would begin with all of the first set, and not with nothing: it goes by which is less work."""
    return sum(map(len, sets)) < sum(map(bool, sets)) * len(sets[0]) // 2


@command("sintercard")
def sintercard(ctx: Context, args: list[bytes]) -> int:
    """SINTERCARD numkeys key [key …] [LIMIT limit]: how many members all have, counted up to `limit` (7.0)."""
    number = integer_between(args[1], 1, INT64_MAX, NO_KEYS)
    if number > len(args) - 2:
        raise CommandError(_TOO_MANY_KEYS)
    limit = parse_limit(args[2 + number :])
    return intersection_size(_sets(ctx.db, args[2 : 2 + number]), limit)


def parse_limit(options: list[bytes]) -> int:
    """`[LIMIT limit]`, which may be given more than once; 0, the default, is no limit."""
    limit = 0
    for position in range(0, len(options), 2):
        if options[position].lower() != b"limit" or position + 1 == len(options):
            raise CommandError(SYNTAX)
        limit = not_negative(options[position + 1], b"ERR LIMIT can't be negative")
    return limit


def _sets(db: Database, keys: list[bytes]) -> Sequence[SetValue]:
    """The sets at these keys, empty ones for what is not there."""
    return [_EMPTY if (value := db.read_as(key, SetValue)) is None else value for key in keys]


def _store(db: Database, key: bytes, members: set[bytes] | SetValue, event: bytes) -> int:
    """Store members as the set at `key`, or remove it when there are none."""
    if members:
        db.set_value(key, members if isinstance(members, SetValue) else SetValue(members))
        db.changed(key, event, SET)
    elif db.remove(key):
        db.changed(key, b"del", GENERIC)
    return len(members)
