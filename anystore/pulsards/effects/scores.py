"""Effects of places, which are told as the scores that they have become."""

from __future__ import annotations

from anystore.pulsards.commands.geo import position
from anystore.pulsards.datatypes import geohash
from anystore.pulsards.effects.table import Call, Commands, effect


@effect("geoadd")
def adding_places(call: Call) -> Commands:
    arguments = call.arguments
    start = 2
    while arguments[start].lower() in (b"nx", b"xx", b"ch"):
        start += 1
    told = [b"ZADD", *arguments[1:start]]
    for place in range(start, len(arguments), 3):
        score = geohash.encode(*position(arguments[place], arguments[place + 1]))
        told += (b"%d" % score, arguments[place + 2])
    return (told,)
