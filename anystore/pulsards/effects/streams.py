"""Effects on streams: the IDs that were given, exactly what was trimmed, who has which entry and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from anystore.pulsards.commands.stream_arguments import POLICIES
from anystore.pulsards.commands.stream_reading import parse_reading
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_groups import Group
from anystore.pulsards.datatypes.stream_ids import MAX_ID, format_id, parse_id
from anystore.pulsards.effects.table import Call, Commands, effect

# Trimming


class _Options(NamedTuple):
    """Where things stand in XADD and XTRIM; 0 where there is none of them. `end` is what follows the options."""

    approximate: int
    threshold: int
    limit: int
    end: int


def _options(arguments: list[bytes]) -> _Options:
    approximate = threshold = limit = 0
    position = 2
    while position < len(arguments):
        option = arguments[position].lower()
        if option in (b"maxlen", b"minid") and position + 1 < len(arguments):
            position += 1
            if arguments[position] == b"~":
                approximate = position
            position += arguments[position] in (b"~", b"=")
            threshold = position
        elif option == b"limit":
            limit = position
            position += 1
        elif option != b"nomkstream" and option not in POLICIES:
            break
        position += 1
    return _Options(approximate, threshold, limit, position)


def _exactly(call: Call, arguments: list[bytes], options: _Options) -> list[bytes]:
    """The arguments with `~` put as `=`, for as much as has been trimmed."""
    if not options.approximate:
        return arguments
    value = call.context.db.peek(call.key)
    told = arguments.copy()
    told[options.approximate] = b"="
    if told[options.approximate - 1].lower() == b"minid" and len(value):
        told[options.threshold] = format_id(value.first_id())
    else:
        told[options.approximate - 1] = b"MAXLEN"
        told[options.threshold] = b"%d" % len(value)
    if options.limit:
        del told[options.limit : options.limit + 2]
    return told


@effect("xadd")
def adding(call: Call) -> Commands:
    """With the ID that the entry got."""
    arguments = call.arguments
    if arguments[2] == b"*":
        return ([*arguments[:2], call.reply, *arguments[3:]],)
    options = _options(arguments)
    if arguments[options.end].endswith(b"*"):
        arguments = [*arguments[: options.end], call.reply, *arguments[options.end + 1 :]]
    return (_exactly(call, arguments, options),)


@effect("xtrim")
def trimming(call: Call) -> Commands:
    return (_exactly(call, call.arguments, _options(call.arguments)),)


def without_limit(arguments: list[bytes]) -> list[bytes]:
    """XADD or XTRIM without a LIMIT that an exact threshold has made pointless: so Redis and Valkey write it."""
    options = _options(arguments)
    if not options.limit or options.approximate or options.end > len(arguments):
        return arguments
    return [*arguments[: options.limit], *arguments[options.limit + 2 :]]


# Groups


@effect("xgroup|createconsumer")
def creating_a_consumer(call: Call) -> Commands:
    """Whatever creates one tells so by itself."""
    return ()


def _claims(
    key: bytes, name: bytes, consumer: bytes, group: Group, numbers: Iterable[int]
) -> Iterator[list[bytes]]:
    """XCLAIMs that give a consumer the entries that are its own: one for all that it got at a time, equally often."""
    deliveries: dict[tuple[int, int], list[bytes]] = {}
    for number in numbers:
        delivery = group.pending.get(number)
        if delivery is not None and delivery.consumer.name == consumer:
            deliveries.setdefault((delivery.time, delivery.count), []).append(format_id(number))
    for (time, count), ids in deliveries.items():
        times = [b"TIME", b"%d" % time, b"RETRYCOUNT", b"%d" % count]
        how = [b"FORCE", b"JUSTID", b"LASTID", format_id(group.last_id)]
        yield [b"XCLAIM", key, name, consumer, b"0", *ids, *times, *how]


def _position(key: bytes, name: bytes, group: Group) -> list[bytes]:
    """How far a group has read."""
    read = b"%d" % group.entries_read
    return [b"XGROUP", b"SETID", key, name, format_id(group.last_id), b"ENTRIESREAD", read]


@effect("xreadgroup")
def reading(call: Call) -> Commands:
    """What was delivered, again or for the first time, and how far the group is."""
    if not isinstance(call.reply, list):
        return ()  # nothing was found, at most a consumer made
    request = parse_reading(call.context, call.arguments, True)
    asked = dict.fromkeys(zip(request.keys, request.ids, strict=True))
    commands: list[list[bytes]] = []
    for key, entries in call.reply:
        value = call.context.db.peek(key)
        group = value.groups.get(request.group) if isinstance(value, StreamValue) else None
        if group is None:
            continue
        numbers = [number for entry in entries if isinstance(entry[1], list) for number in _numbers(entry[0])]
        commands += _claims(key, request.group, request.consumer, group, numbers)
        if any(name == key and (text == b">" or parse_id(text) == MAX_ID) for name, text in asked):
            commands.append(_position(key, request.group, group))
    return commands


def _numbers(text: bytes) -> Iterator[int]:
    number = parse_id(text)
    if number is not None:
        yield number


@effect("xclaim")
def claiming(call: Call) -> Commands:
    """What was claimed; what cannot be, since it is not in the stream any more, is nobody's now."""
    _, key, name, consumer, _, *rest = call.arguments
    value = call.context.db.peek(key)
    group = value.groups[name]
    asked: list[int] = []
    for text in rest:
        number = parse_id(text)
        if number is None:
            break
        asked.append(number)
    claimed = [number for entry in call.reply for number in _numbers(_id_of(entry))]
    commands = list(_claims(key, name, consumer, group, claimed))
    gone = [format_id(number) for number in asked if value.get(number) is None]
    if gone:
        commands.append([b"XACK", key, name, *gone])
    if not claimed and any(text.lower() == b"lastid" for text in rest):
        commands.append(_position(key, name, group))
    return commands


@effect("xautoclaim")
def claiming_by_itself(call: Call) -> Commands:
    _, key, name, consumer = call.arguments[:4]
    _, entries, gone = call.reply
    group = call.context.db.peek(key).groups[name]
    claimed = [number for entry in entries for number in _numbers(_id_of(entry))]
    commands = list(_claims(key, name, consumer, group, claimed))
    if gone:
        commands.append([b"XACK", key, name, *gone])
    return commands


def _id_of(entry: bytes | tuple[bytes, list[bytes]]) -> bytes:
    """The ID of an entry, or of one that was asked for with JUSTID."""
    return entry if isinstance(entry, bytes) else entry[0]
