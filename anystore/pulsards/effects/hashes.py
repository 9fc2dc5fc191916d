"""Effects on hashes and the times to live of their fields."""

from __future__ import annotations

from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.effects.table import TIMED, Call, Commands, absolute, effect

_REMOVED = 2


@effect("hincrbyfloat")
def adding(call: Call) -> Commands:
    """The sum, and the time to live that the field has kept: HSET would end it."""
    _, key, field, _ = call.arguments
    commands = [[b"HSET", key, field, call.reply]]
    value = call.context.db.peek(key)
    if type(value) is HashValue and value.expires is not None:
        when = value.expires.get(field)
        if when is not None:
            commands.append([b"HPEXPIREAT", key, b"%d" % when, b"FIELDS", b"1", field])
    return commands


@effect("hexpire", "hpexpire", "hexpireat", "hpexpireat")
def expiring(call: Call) -> Commands:
    """At a moment, or removed where that is past."""
    _, key, time, *rest = call.arguments
    unit = b"px" if call.name.startswith(b"hp") else b"ex"
    when = call.moment(unit + b"at" if call.name.endswith(b"at") else unit, time)
    fields = call.arguments[-len(call.reply) :]
    removed = [field for field, result in zip(fields, call.reply, strict=True) if result == _REMOVED]
    if removed:
        return ([b"HDEL", key, *removed],)
    return ([b"HPEXPIREAT", key, b"%d" % when, *rest],)


def _named(arguments: list[bytes], position: int) -> int:
    """Where FIELDS stands, no earlier than `position`."""
    while arguments[position].lower() != b"fields":
        position += 1
    return position


@effect("hgetdel")
def taking(call: Call) -> Commands:
    return ([b"HDEL", call.key, *call.arguments[_named(call.arguments, 2) + 2 :]],)


@effect("hgetex")
def reading_for_a_time(call: Call) -> Commands:
    """Told for those of the fields that there are."""
    option = call.arguments[2].lower()
    fields = call.arguments[_named(call.arguments, 2) + 2 :]
    there = [field for field, value in zip(fields, call.reply, strict=True) if value is not None]
    which = [b"FIELDS", b"%d" % len(there), *there]
    if option not in TIMED:
        return ([b"HPERSIST", call.key, *which],)
    when = call.moment(option, call.arguments[3])
    if call.is_past(when):
        return ([b"HDEL", call.key, *there],)
    return ([b"HPEXPIREAT", call.key, b"%d" % when, *which],)


@effect("hsetex")
def setting_for_a_time(call: Call) -> Commands:
    """Fields set at a moment that is past are gone, whatever they were."""
    arguments, when = absolute(call, 2)
    if when is not None and call.is_past(when):
        return ([b"HDEL", call.key, *call.arguments[_named(call.arguments, 2) + 2 :: 2]],)
    return (arguments,)
