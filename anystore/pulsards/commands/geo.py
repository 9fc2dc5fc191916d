"""Places: sorted sets whose scores are positions, see `anystore.pulsards.datatypes.geohash`.

Searching is in `geo_search`.

Source: the pages of the "geo" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import double
from anystore.pulsards.commands.sorted_sets import put_all
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import SortedSetValue, geohash
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY

_ADD_OPTIONS: Final = frozenset((b"nx", b"xx", b"ch"))
_UNITS: Final = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}


def position(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Longitude and latitude, in degrees, of a place that is on the map."""
    lon, lat = double(longitude), double(latitude)
    if abs(lon) > geohash.LONGITUDE_LIMIT or abs(lat) > geohash.LATITUDE_LIMIT:
        raise CommandError(b"ERR invalid longitude,latitude pair %f,%f" % (lon, lat))
    return lon, lat


def unit(text: bytes) -> float:
    """The meters in a unit of length."""
    meters = _UNITS.get(text.lower())
    if meters is None:
        raise CommandError(b"ERR unsupported unit provided. please use M, KM, FT, MI")
    return meters


def length_text(length: float) -> bytes:
    """A distance as Redis replies it, with four decimals."""
    whole, decimals = divmod(round(length * 10_000), 10_000)
    return b"%d.%04d" % (whole, decimals)


def coordinates(ctx: Context, score: float) -> list[Any]:
    """Where a member is: text of up to 17 decimals in RESP2, in RESP3 the doubles that these stand for."""
    texts = [_decimals(number) for number in geohash.decode(score)]
    return [float(text) for text in texts] if ctx.protocol == 3 else texts


def _decimals(number: float) -> bytes:
    text = (b"%.17f" % number).rstrip(b"0").rstrip(b".")
    return b"0" if text == b"-0" else text


@command("geoadd")
def geoadd(ctx: Context, args: list[bytes]) -> int:
    """GEOADD key [NX|XX] [CH] longitude latitude member […] → how many are new (with CH: or moved). O(M log N).

    Since 3.2; the options since 6.2.
    """
    start = 2
    options: set[bytes] = set()
    while start < len(args) and (option := args[start].lower()) in _ADD_OPTIONS:
        options.add(option)
        start += 1
    if (len(args) - start) % 3 or options >= {b"nx", b"xx"}:
        raise CommandError(SYNTAX)
    scores = [geohash.encode(*position(args[place], args[place + 1])) for place in range(start, len(args), 3)]
    if not scores:
        raise CommandError(SYNTAX)
    return put_all(ctx, args[1], list(zip(args[start + 2 :: 3], scores, strict=True)), options)


def _scores(ctx: Context, args: list[bytes]) -> list[float | None]:
    value = ctx.db.read_as(args[1], SortedSetValue)
    return [None] * (len(args) - 2) if value is None else list(map(value.get, args[2:]))


@command("geopos")
def geopos(ctx: Context, args: list[bytes]) -> list[Any]:
    """GEOPOS key [member …] → longitude and latitude of each, null without one. O(M). Since 3.2."""
    return [NULL_ARRAY if score is None else coordinates(ctx, score) for score in _scores(ctx, args)]


@command("geohash")
def geohash_(ctx: Context, args: list[bytes]) -> list[bytes | None]:
    """GEOHASH key [member …] → the geohash of each, of 11 characters, null without one. O(M). Since 3.2."""
    return [None if score is None else geohash.to_text(score) for score in _scores(ctx, args)]


@command("geodist")
def geodist(ctx: Context, args: list[bytes]) -> bytes | None:
    """GEODIST key member1 member2 [M|KM|FT|MI] → the distance, null without one of them. O(1). Since 3.2."""
    meters = unit(args[4]) if len(args) == 5 else 1.0
    if len(args) > 5:
        raise CommandError(SYNTAX)
    value = ctx.db.read_as(args[1], SortedSetValue)
    first, second = (None, None) if value is None else map(value.get, args[2:4])
    if first is None or second is None:
        return None
    return length_text(geohash.distance(*geohash.decode(first), *geohash.decode(second)) / meters)
