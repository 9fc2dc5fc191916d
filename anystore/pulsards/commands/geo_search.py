"""Searching for places: GEOSEARCH, and what was there before it.

Source: the pages of GEOSEARCH, GEOSEARCHSTORE, GEORADIUS and GEORADIUSBYMEMBER; semantics of Redis 7.4, and
BYPOLYGON of Valkey 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from anystore.pulsards.commands.arguments import double, integer
from anystore.pulsards.commands.geo import coordinates, length_text, position, unit
from anystore.pulsards.commands.sorted_set_ranges import store
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import ScoreRange, SortedSetValue, geohash
from anystore.pulsards.datatypes.geo_shapes import Box, Circle, Polygon, Position, Shape, cover
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command

_NO_MEMBER: Final = b"ERR could not decode requested zset member"
_FEW_CORNERS: Final = b"ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"


@dataclass(slots=True)
class Search:
    """What is asked for, as far as it has been read: a circle of `radius`, a `box`, or a polygon's `corners`.

    `limit` is 0 for all places; `with_any` takes the first ones found. `meters` is how many there are in the
    unit of distances.
    """

    center: Position | None = None
    radius: float | None = None
    box: tuple[float, float] | None = None
    corners: list[Position] | None = None
    meters: float = 1.0
    limit: int = 0
    with_any: bool = False
    order: int = 0
    with_distance: bool = False
    with_hash: bool = False
    with_position: bool = False
    target: bytes | None = None
    store_distance: bool = False

    @property
    def with_more(self) -> bool:
        """Whether more than the members is asked for."""
        return self.with_distance or self.with_hash or self.with_position

    def shape(self) -> Shape:
        """The shape asked for, once that is certain."""
        if self.corners is not None:
            return Polygon(self.corners)
        center = self.center or (0.0, 0.0)
        if self.box is not None:
            return Box(center, *self.box, self.meters)
        return Circle(center, (self.radius or 0.0) * self.meters)


Found = list[tuple[bytes, float, float]]
"""Members with their distances in meters, and scores."""


# Reading arguments


def _take_common(search: Search, args: list[bytes], place: int) -> int:
    """Read an option that all of these commands have: where the next one is, or 0 where this is none."""
    option = args[place].lower()
    if option == b"withdist":
        search.with_distance = True
    elif option == b"withhash":
        search.with_hash = True
    elif option == b"withcoord":
        search.with_position = True
    elif option == b"any":
        search.with_any = True
    elif option in (b"asc", b"desc"):
        search.order = 1 if option == b"asc" else -1
    elif option == b"count" and place + 1 < len(args):
        search.limit = integer(args[place + 1])
        if search.limit <= 0:
            raise CommandError(b"ERR COUNT must be > 0")
        return place + 2
    else:
        return 0
    return place + 1


def _radius(search: Search, radius: bytes, of_unit: bytes) -> None:
    search.radius = double(radius, b"ERR need numeric radius")
    if search.radius < 0:
        raise CommandError(b"ERR radius cannot be negative")
    search.meters = unit(of_unit)


def _box(search: Search, width: bytes, height: bytes, of_unit: bytes) -> None:
    search.box = double(width, b"ERR need numeric width"), double(height, b"ERR need numeric height")
    if min(search.box) < 0:
        raise CommandError(b"ERR height or width cannot be negative")
    search.meters = unit(of_unit)


def _member(value: SortedSetValue | None, member: bytes) -> Position | None:
    """Where a member is; None where there is no key, about which nobody complains."""
    if value is None:
        return None
    score = value.get(member)
    if score is None:
        raise CommandError(_NO_MEMBER)
    return geohash.decode(score)


def _corners(args: list[bytes], place: int) -> list[Position]:
    """The corners of a polygon, whose number is at `place`."""
    count = integer(args[place], b"ERR invalid number of vertices")
    if not -(2**31) <= count < 2**31:
        raise CommandError(b"ERR invalid number of vertices")
    if count < 3 or (len(args) - place - 1) // 2 < count:
        raise CommandError(_FEW_CORNERS)
    return [position(args[place + 1 + 2 * corner], args[place + 2 + 2 * corner]) for corner in range(count)]


class _SearchArguments:
    """The options of GEOSEARCH and GEOSEARCHSTORE, as they are read one after the other."""

    def __init__(self, search: Search, value: SortedSetValue | None) -> None:
        self.search = search
        self.value = value
        self.from_member = self.from_place = False

    def take(self, args: list[bytes], place: int) -> int:
        """Read the option at `place`: where the next one is."""
        search = self.search
        option, more = args[place].lower(), len(args) - place - 1
        if option == b"frommember" and more and not self.from_place and search.corners is None:
            search.center = _member(self.value, args[place + 1])
            self.from_member = True
            return place + 2
        if option == b"fromlonlat" and more > 1 and not self.from_member and search.corners is None:
            search.center = position(args[place + 1], args[place + 2])
            self.from_place = True
            return place + 3
        if option == b"byradius" and more > 1 and search.box is None and search.corners is None:
            _radius(search, args[place + 1], args[place + 2])
            return place + 3
        if option == b"bybox" and more > 2 and search.radius is None and search.corners is None:
            _box(search, args[place + 1], args[place + 2], args[place + 3])
            return place + 4
        if option == b"bypolygon" and more > 1 and self._is_free:
            search.corners = _corners(args, place + 1)
            return place + 2 + 2 * len(search.corners)
        if option == b"storedist" and search.target is not None:
            search.store_distance = True
            return place + 1
        after = _take_common(search, args, place)
        if not after:
            raise CommandError(SYNTAX)
        return after

    @property
    def _is_free(self) -> bool:
        """Whether nothing has been said that a polygon says."""
        search = self.search
        named = self.from_member or self.from_place
        return not (named or search.radius is not None or search.box is not None)

    def check(self, name: bytes) -> None:
        """Refuse what does not say where, or how far."""
        search = self.search
        if not (self.from_member or self.from_place or search.corners):
            raise CommandError(b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b" % name)
        if search.radius is None and search.box is None and search.corners is None:
            raise CommandError(b"ERR exactly one of BYRADIUS and BYBOX can be specified for %b" % name)


# Searching


def _find(search: Search, value: SortedSetValue) -> Found:
    shape = search.shape()
    enough = search.limit if search.with_any else 0
    found: Found = []
    for cell in cover(shape):
        if enough and len(found) >= enough:
            break
        low, high = cell.scores()
        for score, member in value.items_slice(*value.by_score(ScoreRange(low, high, False, True))):
            distance = shape.distance_within(*geohash.decode(score))
            if distance is not None:
                found.append((member, distance, score))
                if len(found) == enough:
                    break
    if search.order:
        found.sort(key=_distance, reverse=search.order < 0)
    return found[: search.limit] if search.limit else found


def _distance(item: tuple[bytes, float, float]) -> float:
    return item[1]


def _finish(ctx: Context, search: Search, value: SortedSetValue | None, event: bytes) -> Any:
    if search.with_any and not search.limit:
        raise CommandError(b"ERR the ANY argument requires COUNT argument")
    if search.limit and not search.order and not search.with_any:
        search.order = 1  # the nearest ones are meant
    found = [] if value is None else _find(search, value)
    if search.target is None:
        return [_item(ctx, search, *one) for one in found] if search.with_more else [one[0] for one in found]
    scores = {
        member: distance / search.meters if search.store_distance else score
        for member, distance, score in found
    }
    return store(ctx.db, search.target, scores, event)


def _item(ctx: Context, search: Search, member: bytes, distance: float, score: float) -> list[Any]:
    item: list[Any] = [member]
    if search.with_distance:
        item.append(length_text(distance / search.meters))
    if search.with_hash:
        item.append(int(score))
    if search.with_position:
        item.append(coordinates(ctx, score))
    return item


# Commands


@command("geosearch", "geosearchstore")
def geosearch(ctx: Context, args: list[bytes]) -> Any:
    """GEOSEARCH key FROMMEMBER member|FROMLONLAT longitude latitude BYRADIUS radius unit|BYBOX width height unit
    [ASC|DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]

    → members within the circle or box; or BYPOLYGON number longitude latitude […] without a center.
    GEOSEARCHSTORE destination source … [STOREDIST] → how many were stored. O(N + log M) for N in and around
    the shape. Since 6.2.
    """
    stores = args[0].lower() == b"geosearchstore"
    search = Search(target=args[1] if stores else None)
    value = ctx.db.read_as(args[1 + stores], SortedSetValue)
    arguments = _SearchArguments(search, value)
    place = 2 + stores
    while place < len(args):
        place = arguments.take(args, place)
    if stores and search.with_more:
        raise CommandError(
            b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )
    arguments.check(args[0])
    return _finish(ctx, search, value, b"geosearchstore")


@command("georadius", "georadius_ro", "georadiusbymember", "georadiusbymember_ro")
def georadius(ctx: Context, args: list[bytes]) -> Any:
    """GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]
    [ASC|DESC] [STORE key|STOREDIST key]

    → members within the circle, or how many were stored. GEORADIUSBYMEMBER key member radius unit … The _RO
    forms store nothing. Since 3.2; GEOSEARCH does the same since 6.2.
    """
    name = args[0].lower()
    search = Search()
    value = ctx.db.read_as(args[1], SortedSetValue)
    if b"bymember" not in name:
        place = 6
        search.center = position(args[2], args[3])
        _radius(search, args[4], args[5])
    else:
        place = 5
        if value is not None:
            search.center = _member(value, args[2])
            _radius(search, args[3], args[4])
    may_store = not name.endswith(b"_ro")
    while place < len(args):
        option = args[place].lower()
        if option in (b"store", b"storedist") and may_store and place + 1 < len(args):
            search.target = args[place + 1]
            search.store_distance = option == b"storedist"
            place += 2
            continue
        place = _take_common(search, args, place)
        if not place:
            raise CommandError(SYNTAX)
    if search.target is not None and search.with_more:
        raise CommandError(
            b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )
    return _finish(ctx, search, value, b"georadiusstore")
