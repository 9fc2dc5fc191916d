"""Effects of what has to do with time: everything is told as a moment, or as removed where that is past."""

from __future__ import annotations

from anystore.pulsards.commands.expiry import to_milliseconds
from anystore.pulsards.effects.table import Call, Commands, effect


@effect("expire", "pexpire", "expireat", "pexpireat")
def expiring(call: Call) -> Commands:
    now = call.context.engine.keyspace.now
    when = to_milliseconds(call.arguments[2], call.name, now, relative=not call.name.endswith(b"at"))
    if call.is_past(when):
        return ([b"DEL", call.key],)
    return ([b"PEXPIREAT", call.key, b"%d" % when, *call.arguments[3:]],)


@effect("restore", "restore-asking")
def restoring(call: Call) -> Commands:
    """With the moment that it expires at; as removed where that is past, and something had to make room."""
    _, key, ttl, payload, *options = call.arguments
    is_absolute = any(option.upper() == b"ABSTTL" for option in options)
    when = int(ttl)
    if when and not is_absolute:
        when += call.context.engine.keyspace.now
        options.append(b"ABSTTL")
    if when and call.is_past(when):
        return ([b"DEL", key],)
    return ([b"RESTORE", key, b"%d" % when, payload, *options],)
