"""XINFO: what is known of a stream, its groups and their consumers.

Source: the pages of the XINFO commands; fields of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.stream_arguments import no_such_group
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_groups import NEVER_ACTIVE, UNKNOWN, Consumer, Group
from anystore.pulsards.datatypes.stream_ids import format_id
from anystore.pulsards.datatypes.stream_pending import PendingEntries
from anystore.pulsards.errors import NO_SUCH_KEY, CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import SimpleString

_DEFAULT_COUNT: Final = 10
_HELP: Final = (
    b"XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CONSUMERS <key> <groupname>",
    b"    The consumers of a group.",
    b"GROUPS <key>",
    b"    The groups of a stream.",
    b"STREAM <key> [FULL [COUNT <count>]]",
    b"    The stream itself; FULL adds its entries, its groups and what is pending in them.",
    b"HELP",
    b"    This text.",
)


def _read(ctx: Context, key: bytes) -> StreamValue:
    value = ctx.db.read_as(key, StreamValue)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    return value


@command("xinfo|stream")
def xinfo_stream(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """XINFO STREAM key [FULL [COUNT count]] → a map. O(1); with FULL O(N) in what is listed. Since 5.0.

    FULL (since 6.0) lists up to `count` entries, and as many pending ones of each group and consumer; 10
    where it is not given, all for 0.
    """
    value = _read(ctx, args[2])
    count = _full_count(args)
    info: dict[bytes, Any] = {
        b"length": len(value),
        b"radix-tree-keys": len(value.nodes),
        b"radix-tree-nodes": value.tree_size(),
        b"last-generated-id": format_id(value.last_id),
        b"max-deleted-entry-id": format_id(value.max_deleted_id),
        b"entries-added": value.entries_added,
        b"recorded-first-entry-id": format_id(value.first_id()),
    }
    if count is None:
        info[b"groups"] = len(value.groups)
        info[b"first-entry"] = value.first()
        info[b"last-entry"] = value.last()
    else:
        info[b"entries"] = value.range(0, count=count)
        info[b"groups"] = [_group(value, name, group, count) for name, group in value.groups_by_name()]
    return info


def _full_count(args: list[bytes]) -> int | None:
    """How much to list: None where FULL is not given, 0 for everything."""
    words = [text.lower() for text in args[3:]]
    if not words:
        return None
    if words[0] != b"full" or len(words) not in (1, 3) or words[1:2] not in ([], [b"count"]):
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try XINFO HELP." % args[1][:128]
        )
    count = integer(args[5]) if len(words) == 3 else _DEFAULT_COUNT
    return _DEFAULT_COUNT if count < 0 else count


def _entries_read(group: Group) -> int | None:
    return None if group.entries_read == UNKNOWN else group.entries_read


def _pending(pending: PendingEntries, count: int, with_names: bool) -> list[Any]:
    found: list[Any] = []
    for number in pending.ids_from():
        delivery = pending[number]
        name = [delivery.consumer.name] if with_names else []
        found.append([format_id(number), *name, delivery.time, delivery.count])
        if len(found) == count:
            break
    return found


def _group(value: StreamValue, name: bytes, group: Group, count: int) -> dict[bytes, Any]:
    return {
        b"name": name,
        b"last-delivered-id": format_id(group.last_id),
        b"entries-read": _entries_read(group),
        b"lag": value.lag(group),
        b"pel-count": len(group.pending),
        b"pending": _pending(group.pending, count, True),
        b"consumers": [_consumer(consumer, count) for consumer in group.by_name()],
    }


def _consumer(consumer: Consumer, count: int) -> dict[bytes, Any]:
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_time,
        b"active-time": consumer.active_time,
        b"pel-count": len(consumer.pending),
        b"pending": _pending(consumer.pending, count, False),
    }


@command("xinfo|groups")
def xinfo_groups(ctx: Context, args: list[bytes]) -> list[dict[bytes, Any]]:
    """XINFO GROUPS key → a map for each group. O(N) in the groups. Since 5.0; entries-read and lag since 7.0."""
    value = _read(ctx, args[2])
    return [
        {
            b"name": name,
            b"consumers": len(group.consumers),
            b"pending": len(group.pending),
            b"last-delivered-id": format_id(group.last_id),
            b"entries-read": _entries_read(group),
            b"lag": value.lag(group),
        }
        for name, group in value.groups_by_name()
    ]


@command("xinfo|consumers")
def xinfo_consumers(ctx: Context, args: list[bytes]) -> list[dict[bytes, Any]]:
    """XINFO CONSUMERS key group → a map for each consumer. O(N) in these. Since 5.0; inactive since 7.2."""
    value = _read(ctx, args[2])
    group = value.groups.get(args[3])
    if group is None:
        raise no_such_group(args[2], args[3])
    now = ctx.engine.keyspace.now
    return [
        {
            b"name": consumer.name,
            b"pending": len(consumer.pending),
            b"idle": max(now - consumer.seen_time, 0),
            b"inactive": NEVER_ACTIVE if consumer.active_time == NEVER_ACTIVE else now - consumer.active_time,
        }
        for consumer in group.by_name()
    ]


@command("xinfo|help")
def xinfo_help(ctx: Context, args: list[bytes]) -> list[Any]:
    """XINFO HELP → the subcommands."""
    return [SimpleString(line) for line in _HELP]
