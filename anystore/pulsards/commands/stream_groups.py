"""Consumer groups of streams: creating and removing them, acknowledging, and what is pending.

Source: the pages of the "stream" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.stream_arguments import (
    create_consumer,
    lax_id,
    no_group,
    no_such_group,
    range_end,
    range_start,
    read_group,
    stream_id,
)
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_groups import UNKNOWN, Group
from anystore.pulsards.datatypes.stream_ids import format_id
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.notifications import STREAM
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY, OK, SimpleString

_NO_KEY: Final = (
    b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    b"MKSTREAM option to create an empty stream automatically."
)
_HELP: Final = (
    b"XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CREATE <key> <groupname> <id|$> [MKSTREAM] [ENTRIESREAD <entries_read>]",
    b"    Let a group read what comes after an ID; MKSTREAM creates the stream, too.",
    b"CREATECONSUMER <key> <groupname> <consumer>",
    b"    Let a group have a consumer of this name.",
    b"DELCONSUMER <key> <groupname> <consumer>",
    b"    Remove a consumer, and what is pending for it.",
    b"DESTROY <key> <groupname>",
    b"    Remove a group.",
    b"SETID <key> <groupname> <id|$> [ENTRIESREAD <entries_read>]",
    b"    Let a group read on after another ID.",
    b"HELP",
    b"    This text.",
)


# XGROUP


def _syntax_error(args: list[bytes]) -> CommandError:
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try XGROUP HELP." % args[1][:128]
    )


def _options(args: list[bytes], with_make: bool) -> tuple[int, bool]:
    """ENTRIESREAD, and whether there is MKSTREAM."""
    read = UNKNOWN
    make = False
    position = 5
    while position < len(args):
        option = args[position].lower()
        if option == b"mkstream" and with_make:
            make = True
            position += 1
        elif option == b"entriesread" and position + 1 < len(args):
            read = integer(args[position + 1])
            if read < 0 and read != UNKNOWN:
                raise CommandError(b"ERR value for ENTRIESREAD must be positive or -1")
            position += 2
        else:
            raise _syntax_error(args)
    return read, make


def _stream(ctx: Context, key: bytes) -> StreamValue:
    value = ctx.db.modify_as(key, StreamValue)
    if value is None:
        raise CommandError(_NO_KEY)
    return value


def _group(ctx: Context, args: list[bytes]) -> Group:
    group = _stream(ctx, args[2]).groups.get(args[3])
    if group is None:
        raise no_such_group(args[2], args[3])
    return group


def _changed(ctx: Context, key: bytes, event: bytes) -> None:
    """What happens to groups is no change of the stream to who watches or waits for it."""
    ctx.db.count_change()
    ctx.db.notify(key, event, STREAM)


@command("xgroup|create")
def xgroup_create(ctx: Context, args: list[bytes]) -> Any:
    """XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n] → OK; BUSYGROUP where there is one. O(1).

    Since 5.0; ENTRIESREAD since 7.0.
    """
    read, make = _options(args, True)
    db, key, name = ctx.db, args[2], args[3]
    value = db.modify_as(key, StreamValue)
    if value is None and not make:
        raise CommandError(_NO_KEY)
    if len(args) > 8:
        raise _syntax_error(args)
    if args[4] != b"$":
        number = stream_id(args[4])
    else:
        number = 0 if value is None else value.last_id
    if value is None:
        value = StreamValue()
        db.set_value(key, value)
        db.touch(key)
    if name in value.groups:
        raise CommandError(b"BUSYGROUP Consumer Group name already exists")
    value.groups[name] = Group(number, read)
    _changed(ctx, key, b"xgroup-create")
    return OK


@command("xgroup|setid")
def xgroup_setid(ctx: Context, args: list[bytes]) -> Any:
    """XGROUP SETID key group id|$ [ENTRIESREAD n] → OK. O(1). Since 5.0; ENTRIESREAD since 7.0."""
    read, _ = _options(args, False)
    value = _stream(ctx, args[2])
    group = _group(ctx, args)
    if len(args) > 7:
        raise _syntax_error(args)
    group.last_id = value.last_id if args[4] == b"$" else lax_id(args[4])
    group.entries_read = read
    _changed(ctx, args[2], b"xgroup-setid")
    return OK


@command("xgroup|destroy")
def xgroup_destroy(ctx: Context, args: list[bytes]) -> int:
    """XGROUP DESTROY key group → 1, or 0 where there is none. O(N) in what is pending. Since 5.0."""
    if _stream(ctx, args[2]).groups.pop(args[3], None) is None:
        return 0
    _changed(ctx, args[2], b"xgroup-destroy")
    ctx.db.wake(args[2])  # who waits as a consumer of the group is told that it is gone
    return 1


@command("xgroup|createconsumer")
def xgroup_createconsumer(ctx: Context, args: list[bytes]) -> int:
    """XGROUP CREATECONSUMER key group consumer → 1, or 0 where there is one. O(1). Since 6.2."""
    group = _group(ctx, args)
    if args[4] in group.consumers:
        return 0
    create_consumer(ctx, args[2], args[3], group, args[4])
    return 1


@command("xgroup|delconsumer")
def xgroup_delconsumer(ctx: Context, args: list[bytes]) -> int:
    """XGROUP DELCONSUMER key group consumer → how many entries were pending for it. O(N) in these. Since 5.0."""
    pending = _group(ctx, args).remove_consumer(args[4])
    if pending is None:
        return 0
    _changed(ctx, args[2], b"xgroup-delconsumer")
    return pending


@command("xgroup|help")
def xgroup_help(ctx: Context, args: list[bytes]) -> list[Any]:
    """XGROUP HELP → the subcommands."""
    return [SimpleString(line) for line in _HELP]


# What is pending


@command("xack")
def xack(ctx: Context, args: list[bytes]) -> int:
    """XACK key group id [id …] → how many entries were pending, and are no more. O(1) each. Since 5.0."""
    found = read_group(ctx, args[1], args[2])
    if found is None:
        return 0
    _, group = found
    numbers = [stream_id(text) for text in args[3:]]
    acknowledged = sum(map(group.acknowledge, numbers))
    if acknowledged:
        ctx.db.count_change()
    return acknowledged


class _Range(NamedTuple):
    """Which pending entries XPENDING is to list."""

    start: int
    end: int
    limit: int
    idle: int
    consumer: bytes | None


def _parse_range(args: list[bytes]) -> _Range | None:
    if len(args) == 3:
        return None
    if not 6 <= len(args) <= 9:
        raise CommandError(SYNTAX)
    idle = 0
    position = 3
    if args[3].lower() == b"idle":
        idle = integer(args[4])
        if len(args) < 8:
            raise CommandError(SYNTAX)
        position = 5
    count = max(integer(args[position + 2]), 0)
    start, end = range_start(args[position]), range_end(args[position + 1])
    return _Range(start, end, count, idle, args[position + 3] if position + 3 < len(args) else None)


@command("xpending")
def xpending(ctx: Context, args: list[bytes]) -> list[Any]:
    """XPENDING key group → how many entries are pending, the lowest ID, the highest, how many for whom.

    XPENDING key group [IDLE milliseconds] start end count [consumer] → ID, consumer, milliseconds since the
    last delivery, and number of deliveries of each. O(N). Since 5.0; IDLE since 6.2.
    """
    wanted = _parse_range(args)
    found = read_group(ctx, args[1], args[2])
    if found is None:
        raise no_group(args[1], args[2])
    _, group = found
    return _summary(group) if wanted is None else _list(ctx, group, wanted)


def _summary(group: Group) -> list[Any]:
    pending = group.pending
    if not pending:
        return [0, None, None, NULL_ARRAY]
    consumers = [
        (consumer.name, b"%d" % len(consumer.pending)) for consumer in group.by_name() if consumer.pending
    ]
    return [len(pending), format_id(next(pending.ids_from())), format_id(pending.highest()), consumers]


def _list(ctx: Context, group: Group, wanted: _Range) -> list[Any]:
    pending = group.pending
    if wanted.consumer is not None:
        consumer = group.consumers.get(wanted.consumer)
        if consumer is None:
            return []
        pending = consumer.pending
    now = ctx.engine.keyspace.now
    entries: list[Any] = []
    for number in pending.ids_from(wanted.start):
        if number > wanted.end or len(entries) == wanted.limit:
            break
        delivery = pending[number]
        idle = now - delivery.time
        if not wanted.idle or idle >= wanted.idle:
            entries.append((format_id(number), delivery.consumer.name, max(idle, 0), delivery.count))
    return entries
