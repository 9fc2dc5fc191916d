"""Effects of what takes something out: no chance, no waiting, one key, and as much as there was."""

from __future__ import annotations

from anystore.pulsards.commands import lists, sorted_sets
from anystore.pulsards.commands.multi_pop import parse_multi_pop
from anystore.pulsards.effects.table import MOST_ARGUMENTS, Call, Commands, effect


@effect("spop")
def popping_at_random(call: Call) -> Commands:
    key, members = call.key, call.reply
    if len(call.arguments) == 2:
        return ([b"SREM", key, members],)
    if call.context.db.peek(key) is None:
        return ([b"DEL", key],)
    members = list(members)
    return [
        [b"SREM", key, *members[start : start + MOST_ARGUMENTS]]
        for start in range(0, len(members), MOST_ARGUMENTS)
    ]


@effect("blpop", "brpop", "bzpopmin", "bzpopmax")
def popping_one(call: Call) -> Commands:
    """Of the key that had something."""
    return ([call.name[1:].upper(), call.reply[0]],)


@effect("lmpop", "blmpop")
def popping_elements(call: Call) -> Commands:
    asked = parse_multi_pop(call.arguments[2 if call.name == b"blmpop" else 1 :], lists.ENDS)
    key, elements = call.reply
    return ([b"LPOP" if asked.first else b"RPOP", key, b"%d" % len(elements)],)


@effect("zmpop", "bzmpop")
def popping_members(call: Call) -> Commands:
    asked = parse_multi_pop(call.arguments[2 if call.name == b"bzmpop" else 1 :], sorted_sets.ENDS)
    key, members = call.reply
    return ([b"ZPOPMIN" if asked.first else b"ZPOPMAX", key, b"%d" % len(members)],)


@effect("blmove", "brpoplpush")
def moving(call: Call) -> Commands:
    return ([call.name[1:].upper(), *call.arguments[1:-1]],)
