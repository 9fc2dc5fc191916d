"""Effects on strings: times are told as moments, sums as what they came to."""

from __future__ import annotations

from anystore.pulsards.effects.table import TIMED, Call, Commands, absolute, effect


@effect("set", fewest=4)
def setting(call: Call) -> Commands:
    """With a moment instead of a time to live, without asking for the old value, or comparing it."""
    key, value = call.arguments[1:3]
    kept = [b"SET", key, value]
    plain = True  # but for GET, it is what came
    position = 3
    while position < len(call.arguments):
        option = call.arguments[position]
        word = option.lower()
        position += 1
        if word in TIMED:
            when = call.moment(word, call.arguments[position])
            return ([b"SET", key, value, b"PXAT", b"%d" % when],)
        if word.startswith(b"if"):
            position += 1
            plain = False
        elif word != b"get":
            kept.append(option)
    if len(kept) == len(call.arguments):
        return (call.arguments,)
    return (kept if plain else [*kept[:3], *(word for word in kept[3:] if word.lower() == b"keepttl")],)


@effect("setex", "psetex")
def setting_for_a_time(call: Call) -> Commands:
    _, key, time, value = call.arguments
    when = call.moment(b"ex" if call.name == b"setex" else b"px", time)
    return ([b"SET", key, value, b"PXAT", b"%d" % when],)


@effect("getset")
def exchanging(call: Call) -> Commands:
    return ([b"SET", *call.arguments[1:]],)


@effect("getdel", "delifeq")
def removing(call: Call) -> Commands:
    return ([b"DEL", call.key],)


@effect("getex")
def reading_for_a_time(call: Call) -> Commands:
    """It has changed something: one option at least is there."""
    option = call.arguments[2].lower()
    if option not in TIMED:
        return ([b"PERSIST", call.key],)
    when = call.moment(option, call.arguments[3])
    if call.is_past(when):
        return ([b"DEL", call.key],)
    return ([b"PEXPIREAT", call.key, b"%d" % when],)


@effect("incrbyfloat")
def adding(call: Call) -> Commands:
    """Not every machine has the same long doubles."""
    return ([b"SET", call.key, call.reply, b"KEEPTTL"],)


@effect("msetex")
def setting_many(call: Call) -> Commands:
    """Without the condition, which has held: of a key that is there twice, at a moment that is past, it does not again."""
    end = 2 + 2 * int(call.arguments[1])
    told = absolute(call, end)[0]
    return ([*told[:end], *(word for word in told[end:] if word.lower() not in (b"nx", b"xx"))],)
