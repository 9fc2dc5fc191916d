"""Streams: adding, reading and removing entries.

Source: the pages of the "stream" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.stream_arguments import (
    Trim,
    TrimOptions,
    range_end,
    range_start,
    stream_id,
)
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_ids import MAX_ID, MAX_PART, parse_open_id
from anystore.pulsards.errors import NO_SUCH_KEY, SYNTAX, CommandError, wrong_arity
from anystore.pulsards.notifications import STREAM
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY, OK

_ID_IS_ZERO: Final = b"ERR The ID specified in XADD must be greater than 0-0"
_ID_TOO_SMALL: Final = b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
_EXHAUSTED: Final = b"ERR The stream has exhausted the last possible ID, unable to add more items"
_TOO_LARGE: Final = b"ERR Elements are too large to be stored"
_LARGEST_ENTRY = 1 << 30  # looked up each time, in the compiled build, too: a test lowers it

# What the server is to choose of a new entry's ID: nothing, its second part, or all of it.
_NOTHING, _SEQUENCE, _ALL = 0, 1, 2


class _Addition(NamedTuple):
    """What an XADD asks for: where its ID stands, what is to be chosen of it, and the rest of it."""

    position: int
    chosen: int
    number: int
    make: bool
    trim: Trim | None


_PLAIN: Final = _Addition(2, _ALL, 0, True, None)


# Adding


@command("xadd")
def xadd(ctx: Context, args: list[bytes]) -> bytes | None:
    """XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value […]

    → the ID of the new entry, null where there is no key and NOMKSTREAM forbids one. O(1), and O(N) for N
    entries trimmed. Since 5.0; NOMKSTREAM, MINID and LIMIT since 6.2, `ms-*` since 7.0, KEEPREF … since 8.2.
    """
    position, chosen, number, make, trim = _PLAIN if args[2] == b"*" else _parse_addition(ctx, args)
    fields = args[position + 1 :]
    if not fields or len(fields) % 2:
        raise wrong_arity(b"xadd")
    if not chosen and not number:
        raise CommandError(_ID_IS_ZERO)
    db, key = ctx.db, args[1]
    value = db.modify_as(key, StreamValue)
    if value is None and not make:
        return None
    number = _new_id(chosen, number, 0 if value is None else value.last_id, db.keyspace.now)
    size = sum(map(len, fields))
    if size > _LARGEST_ENTRY:
        raise CommandError(_TOO_LARGE)
    if value is None:
        value = StreamValue()
        db.set_value(key, value)
    text = value.append(number, fields, size, ctx.engine.config.encoding_limits)
    db.changed(key, b"xadd", STREAM)
    if trim is not None and trim.apply(value):
        db.notify(key, b"xtrim", STREAM)
    return text


def _parse_addition(ctx: Context, args: list[bytes]) -> _Addition:
    options = TrimOptions()
    make = True
    position = 2
    chosen, number = _ALL, 0
    while position < len(args) and args[position] != b"*":
        if after := options.take(args, position):
            position = after
        elif args[position].lower() == b"nomkstream":
            make = False
            position += 1
        else:
            milliseconds = parse_open_id(args[position])
            chosen = _NOTHING if milliseconds is None else _SEQUENCE
            number = stream_id(args[position]) if milliseconds is None else milliseconds << 64
            break
    return _Addition(position, chosen, number, make, options.finish(ctx.engine.config.encoding_limits))


def _new_id(chosen: int, number: int, last: int, now: int) -> int:
    """The ID of an entry that comes after the one of ID `last`."""
    if last == MAX_ID:
        raise CommandError(_EXHAUSTED)
    if chosen == _ALL:
        return max(now << 64, last + 1)
    if chosen == _SEQUENCE and number >> 64 == last >> 64 and last & MAX_PART < MAX_PART:
        return last + 1
    if number <= last:
        raise CommandError(_ID_TOO_SMALL)
    return number


# Reading


@command("xlen")
def xlen(ctx: Context, args: list[bytes]) -> int:
    """XLEN key → the number of entries. O(1). Since 5.0."""
    value = ctx.db.read_as(args[1], StreamValue)
    return 0 if value is None else len(value)


@command("xrange")
def xrange(ctx: Context, args: list[bytes]) -> Any:
    """XRANGE key start end [COUNT count] → entries, each an ID with fields and values. O(log N + M).

    The ends are IDs, or `-` and `+`; a `(` leaves an end out (since 6.2). Since 5.0.
    """
    return _range(ctx, args, range_start(args[2]), range_end(args[3]), False)


@command("xrevrange")
def xrevrange(ctx: Context, args: list[bytes]) -> Any:
    """XREVRANGE key end start [COUNT count] → entries from the highest ID down. O(log N + M). Since 5.0."""
    return _range(ctx, args, range_start(args[3]), range_end(args[2]), True)


def _range(ctx: Context, args: list[bytes], start: int, end: int, reverse: bool) -> Any:
    count: int | None = None
    for position in range(4, len(args), 2):
        if args[position].lower() != b"count" or position + 1 == len(args):
            raise CommandError(SYNTAX)
        count = max(integer(args[position + 1]), 0)
    value = ctx.db.read_as(args[1], StreamValue)
    if value is None:
        return []
    if count == 0:
        return NULL_ARRAY
    return value.range_back(start, end, count or 0) if reverse else value.range(start, end, count or 0)


# Removing


@command("xdel")
def xdel(ctx: Context, args: list[bytes]) -> int:
    """XDEL key id [id …] → how many entries there were. O(log N) each. Since 5.0."""
    value = ctx.db.modify_as(args[1], StreamValue)
    if value is None:
        return 0
    numbers = [stream_id(text) for text in args[2:]]
    removed = sum(map(value.delete, numbers))
    if removed:
        ctx.db.changed(args[1], b"xdel", STREAM)
    return removed


@command("xtrim")
def xtrim(ctx: Context, args: list[bytes]) -> int:
    """XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED] → how many it removed. O(N).

    With `~` only as much as Redis can remove at once, a hundred entries or so. Since 5.0; MINID and LIMIT
    since 6.2, KEEPREF … since 8.2.
    """
    options = TrimOptions()
    position = 2
    while position < len(args):
        position = options.take(args, position)
        if not position:
            raise CommandError(SYNTAX)
    trim = options.finish(ctx.engine.config.encoding_limits, needed=True)
    value = ctx.db.modify_as(args[1], StreamValue)
    if value is None or trim is None:
        return 0
    removed = trim.apply(value)
    if removed:
        ctx.db.changed(args[1], b"xtrim", STREAM)
    return removed


# The counters


@command("xsetid")
def xsetid(ctx: Context, args: list[bytes]) -> Any:
    """XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id] → OK. O(1). Since 5.0."""
    number = stream_id(args[2])
    added, deleted = _counters(args, number)
    value = ctx.db.modify_as(args[1], StreamValue)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if number < value.max_deleted_id and not ctx.db.keyspace.obeying:  # Redis 7.0 does not ask
        raise CommandError(b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if len(value):
        if number < value.top_id():
            raise CommandError(b"ERR The ID specified in XSETID is smaller than the target stream top item")
        if added is not None and added < len(value):
            raise CommandError(
                b"ERR The entries_added specified in XSETID is smaller than the target stream length"
            )
    value.last_id = number
    if added is not None:
        value.entries_added = added
    if deleted:
        value.max_deleted_id = deleted
    ctx.db.count_change()
    ctx.db.notify(args[1], b"xsetid", STREAM)
    return OK


def _counters(args: list[bytes], number: int) -> tuple[int | None, int]:
    added: int | None = None
    deleted = 0
    position = 3
    while position < len(args):
        option = args[position].lower()
        if option == b"entriesadded" and position + 1 < len(args):
            added = integer(args[position + 1])
            if added < 0:
                raise CommandError(b"ERR entries_added must be positive")
        elif option == b"maxdeletedid" and position + 1 < len(args):
            deleted = stream_id(args[position + 1])
            if number < deleted:
                raise CommandError(
                    b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
                )
        else:
            raise CommandError(SYNTAX)
        position += 2
    return added, deleted
