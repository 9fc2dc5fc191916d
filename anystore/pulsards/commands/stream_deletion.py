"""XDELEX and XACKDEL: removing entries with regard to the groups that they were delivered to.

Source: the pages of these commands; semantics of Redis 8.2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from anystore.pulsards.commands.arguments import integer_between
from anystore.pulsards.commands.stream_arguments import POLICIES, References, stream_id
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.notifications import STREAM
from anystore.pulsards.numbers import INT64_MAX
from anystore.pulsards.registry import command

_NOT_POSITIVE: Final = b"ERR Number of IDs must be a positive integer"
_OTHER_NUMBER: Final = b"ERR The `numids` parameter must match the number of arguments"

# What became of an entry.
_REMOVED, _STILL_REFERENCED, _NOT_THERE = 1, 2, -1


class _Request(NamedTuple):
    """`[KEEPREF|DELREF|ACKED] IDS numids id [id …]`."""

    references: References
    ids: list[bytes]


def _parse(args: list[bytes], position: int) -> _Request:
    references: References | None = None
    ids: list[bytes] = []
    while position < len(args):
        option = args[position].lower()
        if option in POLICIES and references is None:
            references = POLICIES[option]
            position += 1
        elif option == b"ids" and position + 1 < len(args):
            count = integer_between(args[position + 1], 1, INT64_MAX, _NOT_POSITIVE)
            position += 2
            if count > len(args) - position:
                raise CommandError(_OTHER_NUMBER)
            ids = args[position : position + count]
            position += count
        else:
            raise CommandError(SYNTAX)
    return _Request(references or References.KEEP, ids)


def _remove(value: StreamValue, number: int, references: References) -> bool | None:
    """Remove an entry; whether it was there, None where a group is not done with it."""
    if references is References.ACKNOWLEDGED and value.is_referenced(number):
        return None
    if references is References.DELETE:
        value.forget(number)
    return value.delete(number)


def _pending(value: StreamValue) -> int:
    """How many deliveries are pending, in all groups."""
    return sum(len(group.pending) for group in value.groups.values())


@command("xdelex")
def xdelex(ctx: Context, args: list[bytes]) -> list[int]:
    """XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id [id …] → for each 1, 2 or -1. O(1) each. Since 8.2.

    1 is an entry removed, 2 one that a group is not done with (ACKED), -1 one that is not there.
    """
    db, key = ctx.db, args[1]
    value = db.modify_as(key, StreamValue)
    request = _parse(args, 2)
    if value is None:
        return [_NOT_THERE] * len(request.ids)
    numbers = [stream_id(text) for text in request.ids]  # all of them, before anything is removed
    pending = _pending(value)
    found = [_remove(value, number, request.references) for number in numbers]
    if any(found):
        db.changed(key, b"xdel", STREAM)
    elif _pending(value) != pending:
        db.count_change()  # entries that had gone before, and are now acknowledged, too
    return [_STILL_REFERENCED if one is None else _REMOVED if one else _NOT_THERE for one in found]


@command("xackdel")
def xackdel(ctx: Context, args: list[bytes]) -> list[int]:
    """XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id [id …] → for each 1, 2 or -1. O(1) each. Since 8.2.

    1 is an entry acknowledged and gone from the stream, 2 one acknowledged that another group is not done
    with (ACKED), -1 one that was not pending.
    """
    db, key = ctx.db, args[1]
    value = db.modify_as(key, StreamValue)
    request = _parse(args, 3)
    group = None if value is None else value.groups.get(args[2])
    if value is None or group is None:
        return [_NOT_THERE] * len(request.ids)
    length = len(value)
    results: list[int] = []
    for number in [stream_id(text) for text in request.ids]:
        if not group.acknowledge(number):
            results.append(_NOT_THERE)
            continue
        removed = _remove(value, number, request.references)
        results.append(_STILL_REFERENCED if removed is None else _REMOVED)
    if len(value) < length:
        db.changed(key, b"xdel", STREAM)
    elif any(result != _NOT_THERE for result in results):
        db.count_change()
    return results
