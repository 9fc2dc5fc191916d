"""XCLAIM and XAUTOCLAIM: taking over what was delivered to a consumer that may be gone.

Source: the pages of these commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer, integer_between
from anystore.pulsards.commands.stream_arguments import (
    no_group,
    range_start,
    read_group,
    see_consumer,
    stream_id,
)
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_groups import Consumer, Group
from anystore.pulsards.datatypes.stream_ids import format_id, parse_id
from anystore.pulsards.datatypes.stream_pending import Delivery
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.numbers import INT64_MAX, INT64_MIN
from anystore.pulsards.registry import command

_DEFAULT_COUNT: Final = 100
# Entries looked at for each one that is to be claimed.
_ATTEMPTS: Final = 10
_LARGEST_COUNT: Final = INT64_MAX // 16


class _Claim(NamedTuple):
    """What XCLAIM is to do with each entry; `deliveries` is None where one is to be counted."""

    time: int
    deliveries: int | None
    force: bool
    just_ids: bool
    last_id: int


def _argument(text: bytes, what: bytes) -> int:
    return integer(text, b"ERR Invalid %b argument for XCLAIM" % what)


def _wrapped(number: int) -> int:
    """A difference as 64 bits hold it."""
    return (number - INT64_MIN) % 2**64 + INT64_MIN


def _options(args: list[bytes], position: int, now: int) -> _Claim:
    time = -1
    count = -1
    last_id = 0
    force = just_ids = False
    while position < len(args):
        option = args[position].lower()
        value = args[position + 1] if position + 1 < len(args) else None
        position += 2
        if option == b"force" or option == b"justid":
            force |= option == b"force"
            just_ids |= option == b"justid"
            position -= 1
        elif option == b"idle" and value is not None:
            time = _wrapped(now - _argument(value, b"IDLE option"))
        elif option == b"time" and value is not None:
            time = _argument(value, b"TIME option")
        elif option == b"retrycount" and value is not None:
            count = _argument(value, b"RETRYCOUNT option")
        elif option == b"lastid" and value is not None:
            last_id = stream_id(value)
        else:
            raise CommandError(b"ERR Unrecognized XCLAIM option '%b'" % args[position - 2])
    if not 0 <= time <= now:
        time = now
    return _Claim(time, None if count < 0 else count, force, just_ids, last_id)


@command("xclaim")
def xclaim(ctx: Context, args: list[bytes]) -> list[Any]:
    """XCLAIM key group consumer min-idle-time id [id …] [IDLE ms] [TIME unix-ms] [RETRYCOUNT n] [FORCE]
    [JUSTID] [LASTID id]

    → the entries (with JUSTID, the IDs) that are now the consumer's. O(log N) each. Since 5.0.
    """
    key = args[1]
    found = read_group(ctx, key, args[2])
    if found is None:
        raise no_group(key, args[2])
    value, group = found
    idle = max(_argument(args[4], b"min-idle-time"), 0)
    numbers: list[int] = []
    for text in args[5:]:
        number = parse_id(text)
        if number is None:
            break
        numbers.append(number)
    claim = _options(args, 5 + len(numbers), ctx.engine.keyspace.now)
    group.last_id = max(group.last_id, claim.last_id)
    consumer = see_consumer(ctx, key, args[2], group, args[3])
    ctx.db.count_change()
    entries = [_claim(ctx, value, group, consumer, number, idle, claim) for number in numbers]
    return [entry for entry in entries if entry is not None]


def _claim(
    ctx: Context,
    value: StreamValue,
    group: Group,
    consumer: Consumer,
    number: int,
    idle: int,
    claim: _Claim,
) -> Any:
    """What to reply for one entry, None where it is not claimed."""
    delivery = group.pending.get(number)
    entry = value.get(number)
    if entry is None:
        group.acknowledge(number)  # nobody can ever do what it asked for
        return None
    now = ctx.engine.keyspace.now
    if delivery is None:
        if not claim.force:
            return None
        delivery = Delivery(consumer, now)
        group.pending.add(number, delivery)
        consumer.pending.add(number, delivery)
    elif idle and now - delivery.time < idle:
        return None
    group.claim(number, delivery, consumer)
    count = delivery.count + (not claim.just_ids) if claim.deliveries is None else claim.deliveries
    group.note(number, claim.time, count)
    consumer.active_time = now
    return entry[0] if claim.just_ids else entry


@command("xautoclaim")
def xautoclaim(ctx: Context, args: list[bytes]) -> list[Any]:
    """XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]

    → where to go on (0-0 at the end), the entries (with JUSTID, the IDs) that are now the consumer's, and the
    IDs of those that have been removed from the stream and are pending no more. O(1) in a sense: no more than
    ten times COUNT entries are looked at. Since 6.2; the third part since 7.0.
    """
    key = args[1]
    idle = max(integer(args[4], b"ERR Invalid min-idle-time argument for XAUTOCLAIM"), 0)
    start = range_start(args[5])
    count, just_ids = _auto_options(args)
    found = read_group(ctx, key, args[2])
    if found is None:
        raise no_group(key, args[2])
    value, group = found
    consumer = see_consumer(ctx, key, args[2], group, args[3])
    ctx.db.count_change()
    return _claim_from(ctx, value, group, consumer, start, idle, count, just_ids)


def _auto_options(args: list[bytes]) -> tuple[int, bool]:
    count = _DEFAULT_COUNT
    just_ids = False
    position = 6
    while position < len(args):
        option = args[position].lower()
        if option == b"count" and position + 1 < len(args):
            position += 1
            count = integer_between(args[position], 1, _LARGEST_COUNT, b"ERR COUNT must be > 0")
        elif option == b"justid":
            just_ids = True
        else:
            raise CommandError(SYNTAX)
        position += 1
    return count, just_ids


def _claim_from(
    ctx: Context,
    value: StreamValue,
    group: Group,
    consumer: Consumer,
    start: int,
    idle: int,
    count: int,
    just_ids: bool,
) -> list[Any]:
    now = ctx.engine.keyspace.now
    claimed: list[Any] = []
    gone: list[bytes] = []
    attempts = count * _ATTEMPTS
    walk = group.pending.ids_from(start)
    for number in walk:
        if not attempts or len(claimed) + len(gone) == count:
            return [format_id(number), claimed, gone]
        attempts -= 1
        entry = value.get(number)
        if entry is None:
            group.acknowledge(number)
            gone.append(format_id(number))
            continue
        delivery = group.pending[number]
        if idle and now - delivery.time < idle:
            continue
        group.claim(number, delivery, consumer)
        group.note(number, now, delivery.count + (not just_ids))
        consumer.active_time = now
        claimed.append(entry[0] if just_ids else entry)
    return [b"0-0", claimed, gone]
