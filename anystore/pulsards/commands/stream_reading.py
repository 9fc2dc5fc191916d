"""XREAD and XREADGROUP: entries of several streams at once, waiting for them where there are none yet.

Source: the pages of XREAD and XREADGROUP; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.stream_arguments import no_group, see_consumer, stream_id
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_groups import Consumer, Group
from anystore.pulsards.datatypes.stream_ids import MAX_ID, format_id
from anystore.pulsards.datatypes.stream_nodes import Entry
from anystore.pulsards.errors import (
    NEGATIVE_TIMEOUT,
    SYNTAX,
    TIMEOUT_OUT_OF_RANGE,
    CommandError,
)
from anystore.pulsards.numbers import INT64_MAX, parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY, MapReply

#: Stands for `>`: what the group has not delivered to anybody yet. (Redis takes it for that, too, as an ID.)
_NEW: Final = MAX_ID

_NOT_A_TIMEOUT: Final = b"ERR timeout is not an integer or out of range"
_WRONG_COMMAND: Final = b"ERR The %b option is only supported by XREADGROUP. You called XREAD instead."
_NEW_WITHOUT_GROUP: Final = (
    b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
)
_MEANINGLESS: Final = (
    b"ERR The %b ID is meaningless in the context of XREADGROUP: you want to read the history of this "
    b"consumer by specifying a proper ID, or use the > ID to get new messages. The %b ID would just return "
    b"an empty result set."
)


class Reading(NamedTuple):
    """What is asked for: `limit` entries a stream (0: all); `timeout` is in milliseconds, 0 for ever, None not to wait."""

    keys: list[bytes]
    ids: list[bytes]
    limit: int
    timeout: int | None
    group: bytes
    consumer: bytes
    acknowledge: bool


# What they share: arguments


def parse_reading(ctx: Context, args: list[bytes], grouped: bool) -> Reading:
    """The arguments of XREAD, or of XREADGROUP where `grouped`."""
    count = 0
    timeout: int | None = None
    group = consumer = b""
    named = False
    acknowledge = True
    position = 1
    while position < len(args):
        option = args[position].lower()
        more = len(args) - position - 1
        if option == b"streams" and more:
            keys, ids = _streams(args, position + 1, grouped)
            if grouped and not named:
                raise CommandError(b"ERR Missing GROUP option for XREADGROUP")
            return Reading(keys, ids, count, timeout, group, consumer, acknowledge)
        if option == b"block" and more:
            timeout = _timeout(ctx, args, position + 1)
            position += 1
        elif option == b"count" and more:
            count = max(integer(args[position + 1]), 0)
            position += 1
        elif option == b"group" and more >= 2:
            if not grouped:
                raise CommandError(_WRONG_COMMAND % b"GROUP")
            group, consumer = args[position + 1 : position + 3]
            named = True
            position += 2
        elif option == b"noack":
            if not grouped:
                raise CommandError(_WRONG_COMMAND % b"NOACK")
            acknowledge = False
        else:
            break
        position += 1
    raise CommandError(SYNTAX)


def _streams(args: list[bytes], first: int, grouped: bool) -> tuple[list[bytes], list[bytes]]:
    """The keys and the IDs, as many of these as of those, which begin at `first`."""
    count = len(args) - first
    if count % 2:
        raise CommandError(
            b"ERR Unbalanced '%b' list of streams: for each stream key an ID or '%b' must be specified."
            % ((b"xreadgroup", b">") if grouped else (b"xread", b"$"))
        )
    return args[first : first + count // 2], args[first + count // 2 :]


def _timeout(ctx: Context, args: list[bytes], position: int) -> int:
    if ctx is not ctx.session:
        raise CommandError(b"ERR %b command is not allowed with BLOCK option from scripts" % args[0])
    timeout = parse_integer(args[position])
    if timeout is None:
        raise CommandError(_NOT_A_TIMEOUT)
    if timeout < 0:
        raise CommandError(NEGATIVE_TIMEOUT)
    if timeout > INT64_MAX - ctx.engine.keyspace.now:
        raise CommandError(TIMEOUT_OUT_OF_RANGE)
    return timeout


def _reply(ctx: Context, found: list[tuple[bytes, list[Any]]]) -> Any:
    """Streams with their entries: a map in RESP3, pairs in RESP2; None where there are none."""
    if not found:
        return None
    return found if ctx.protocol == 2 else MapReply(found)


def _answer(ctx: Context, request: Reading, reply: Any, attempt: Any, without_key: bool = False) -> Any:
    if reply is not None:
        return reply
    if request.timeout is None:
        return NULL_ARRAY
    return ctx.block(request.keys, request.timeout, attempt, NULL_ARRAY, without_key)


# XREAD


@command("xread")
def xread(ctx: Context, args: list[bytes]) -> Any:
    """XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key …] id [id …] → entries after these IDs.

    `$` stands for the last ID there is now, `+` (since 7.4) for the one before the last entry. Null where no
    stream has any, after waiting so long (0: for ever). O(M) for M entries. Since 5.0.
    """
    request = parse_reading(ctx, args, False)
    after = [
        _resolve(ctx.db.read_as(key, StreamValue), text)
        for key, text in zip(request.keys, request.ids, strict=True)
    ]

    def serve(ctx: Context) -> Any:
        found: list[tuple[bytes, list[Any]]] = []
        for key, number in zip(request.keys, after, strict=True):
            value = ctx.db.read_as(key, StreamValue)
            if value is not None and value.top_id() > number:
                found.append((key, value.range(number + 1, count=request.limit)))
        return _reply(ctx, found)

    def attempt(ctx: Context, key: bytes) -> Any:
        return serve(ctx) if type(ctx.db.peek(key)) is StreamValue else None

    return _answer(ctx, request, serve(ctx), attempt)


def _resolve(value: StreamValue | None, text: bytes) -> int:
    """The ID after which to read."""
    if text == b"$":
        return 0 if value is None else value.last_id
    if text == b"+":
        return max(value.top_id() - 1, 0) if value is not None else 0
    if text == b">":
        raise CommandError(_NEW_WITHOUT_GROUP)
    return stream_id(text)


# XREADGROUP


@command("xreadgroup")
def xreadgroup(ctx: Context, args: list[bytes]) -> Any:
    """XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key …] id [id …]

    → new entries where the ID is `>`, else those after the ID which the consumer has not acknowledged. Null
    where there are none, after waiting so long (0: for ever). O(M) for M entries. Since 5.0.
    """
    request = parse_reading(ctx, args, True)

    def serve(ctx: Context) -> Any:
        return _reply(ctx, _read_groups(ctx, request))

    return _answer(ctx, request, serve(ctx), lambda ctx, key: serve(ctx), without_key=True)


def _read_groups(ctx: Context, request: Reading) -> list[tuple[bytes, list[Any]]]:
    opened = [_open(ctx, request, key, text) for key, text in zip(request.keys, request.ids, strict=True)]
    found: list[tuple[bytes, list[Any]]] = []
    for key, (value, group, after) in zip(request.keys, opened, strict=True):
        consumer = see_consumer(ctx, key, request.group, group, request.consumer)
        if after != _NEW:
            entries = _history(ctx, value, group, consumer, after, request.limit)
        else:
            entries = _new_entries(ctx, value, group, request, consumer)
            if not entries:
                continue
        found.append((key, entries))
        ctx.db.count_change()
    return found


def _open(ctx: Context, request: Reading, key: bytes, text: bytes) -> tuple[StreamValue, Group, int]:
    """A stream, the group in it, and the ID after which to read."""
    value = ctx.db.read_as(key, StreamValue)
    group = None if value is None else value.groups.get(request.group)
    if value is None or group is None:
        raise no_group(key, request.group, b" in XREADGROUP with GROUP option")
    ctx.db.prepare(key)  # what is read from a group is noted down in it
    if text == b">":
        return value, group, _NEW
    if text in (b"$", b"+"):
        raise CommandError(_MEANINGLESS % (text, text))
    return value, group, stream_id(text)


def _new_entries(
    ctx: Context, value: StreamValue, group: Group, request: Reading, consumer: Consumer
) -> list[Entry]:
    """What the group has not delivered yet, which is delivered to the consumer now."""
    start = group.last_id + 1
    entries = value.range(start, count=request.limit)
    if entries:
        numbers = value.ids(start, count=request.limit)
        value.advance(group, numbers)
        if request.acknowledge:
            now = ctx.engine.keyspace.now
            consumer.active_time = now
            for number in numbers:
                group.deliver(number, consumer, now)
    return entries


def _history(
    ctx: Context, value: StreamValue, group: Group, consumer: Consumer, after: int, count: int
) -> list[Any]:
    """What was delivered to the consumer before; no fields for entries that have been removed since."""
    now = ctx.engine.keyspace.now
    found: list[Any] = []
    for number in consumer.pending.ids_from(after + 1):
        entry = value.get(number)
        if entry is None:
            found.append((format_id(number), NULL_ARRAY))
        else:
            found.append(entry)
            group.note(number, now, consumer.pending[number].count + 1)
        if len(found) == count:
            break
    return found
