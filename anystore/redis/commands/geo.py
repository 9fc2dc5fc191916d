"""Commands on places, kept as the scores of sorted sets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT
from anystore.redis.commands.replies import decimal_or_none

GeoCoordinate: TypeAlias = tuple[float, float]
"""Longitude and latitude, in degrees."""

_UNITS: Final = ("M", "KM", "MI", "FT")
_ORDERS: Final = ("ASC", "DESC")


def _unit(unit: str | None) -> str:
    return "m" if unit is None else arguments.one_of("unit", unit, _UNITS).lower()


def _selection(count: int | None, any: bool, sort: str | None) -> list[Argument]:
    """`[ASC|DESC] [COUNT count [ANY]]`."""
    args: list[Argument] = [] if sort is None else [arguments.one_of("sort", sort, _ORDERS)]
    if count is not None:
        if count < 1:
            raise InvalidArgument(f"count must be at least 1, not {count}")
        args += ("COUNT", count)
    if any:
        if count is None:
            raise InvalidArgument("any needs a count")
        args.append("ANY")
    return args


def _details(withdist: bool, withcoord: bool, withhash: bool) -> list[Argument]:
    words = (("WITHDIST", withdist), ("WITHCOORD", withcoord), ("WITHHASH", withhash))
    return [word for word, given in words if given]


def _coordinate(reply: Any) -> GeoCoordinate | None:
    return None if reply is None else (float(reply[0]), float(reply[1]))


def _coordinates(reply: Any) -> list[GeoCoordinate | None]:
    return [_coordinate(item) for item in reply]


def _places(withdist: bool, withcoord: bool, withhash: bool) -> Callable[[Any], list[Any]]:
    """Members, or tuples of a member and its distance, hash and position, as far as they were asked for."""
    given = ((float, withdist), (int, withhash), (_coordinate, withcoord))
    casts: list[Callable[[Any], Any]] = [cast for cast, wanted in given if wanted]
    if not casts:
        return list

    def convert(reply: Any) -> list[Any]:
        return [
            (item[0], *(cast(value) for cast, value in zip(casts, item[1:], strict=True))) for item in reply
        ]

    return convert


def _around(
    member: ValueT | None,
    longitude: float | None,
    latitude: float | None,
    unit: str | None,
    radius: float | None,
    width: float | None,
    height: float | None,
) -> list[Argument]:
    """`FROMMEMBER …|FROMLONLAT … BYRADIUS …|BYBOX …`."""
    args: list[Argument]
    if longitude is None or latitude is None:
        if longitude is not latitude:
            raise InvalidArgument("longitude and latitude must be given together")
        if member is None:
            raise InvalidArgument("either member, or longitude and latitude must be given")
        args = ["FROMMEMBER", member]
    elif member is None:
        args = ["FROMLONLAT", longitude, latitude]
    else:
        raise InvalidArgument("either member, or longitude and latitude must be given, not both")
    if width is None or height is None:
        if width is not height:
            raise InvalidArgument("width and height must be given together")
        if radius is None:
            raise InvalidArgument("either radius, or width and height must be given")
        return [*args, "BYRADIUS", radius, _unit(unit)]
    if radius is not None:
        raise InvalidArgument("either radius, or width and height must be given, not both")
    return [*args, "BYBOX", width, height, _unit(unit)]


class GeoCommands(Commands[S]):
    """Commands on places: `longitude` and `latitude` are in degrees, `unit` is `m`, `km`, `mi` or `ft`.

    A search gives members, or, where more is asked for, tuples: the member, its distance from the center
    (`withdist`, in the unit), its score (`withhash`), its position (`withcoord`), in this order.
    """

    def geoadd(
        self, name: KeyT, values: Sequence[ValueT], nx: bool = False, xx: bool = False, ch: bool = False
    ) -> Awaitable[int]:
        """Add or move places; how many are new, with `ch` how many are new or moved. O(log N) for each.

        `values` are longitude, latitude and member in turn. `nx` adds only, `xx` moves only.
        Since 3.2.0, the flags since 6.2.0. https://valkey.io/commands/geoadd/
        """
        arguments.exclusive(nx=nx, xx=xx)
        if not values or len(values) % 3:
            raise InvalidArgument("GEOADD needs longitude, latitude and member of each place")
        flags = [word for word, given in (("NX", nx), ("XX", xx), ("CH", ch)) if given]
        return self.execute_command("GEOADD", name, *flags, *values)

    def geodist(
        self, name: KeyT, place1: ValueT, place2: ValueT, unit: str | None = None
    ) -> Awaitable[float | None]:
        """The distance between two members (None: in meters); None without one of them. O(1).

        Since 3.2.0. https://valkey.io/commands/geodist/
        """
        more = () if unit is None else (_unit(unit),)
        return self.execute_command("GEODIST", name, place1, place2, *more, reply=decimal_or_none)

    def geohash(self, name: KeyT, *values: ValueT) -> Awaitable[list[S | None]]:
        """The geohash of each member, of 11 characters; None where there is none. O(1) for each.

        Since 3.2.0. https://valkey.io/commands/geohash/
        """
        return self.execute_command("GEOHASH", name, *values)

    def geopos(self, name: KeyT, *values: ValueT) -> Awaitable[list[GeoCoordinate | None]]:
        """`(longitude, latitude)` of each member; None where there is none. O(1) for each.

        Since 3.2.0. https://valkey.io/commands/geopos/
        """
        return self.execute_command("GEOPOS", name, *values, reply=_coordinates)

    def georadius(
        self,
        name: KeyT,
        longitude: float,
        latitude: float,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        store: KeyT | None = None,
        store_dist: KeyT | None = None,
        any: bool = False,
    ) -> Awaitable[Any]:
        """Members within a circle; how many were stored, with `store` or `store_dist`.

        These name the sorted set to store scores, or distances, in. The rest is as for `geosearch`, which
        is to be preferred. O(N + log M). Since 3.2.0. https://valkey.io/commands/georadius/
        """
        center = (longitude, latitude)
        details = (withdist, withcoord, withhash)
        return self._geo_radius(
            "GEORADIUS", name, center, radius, unit, details, _selection(count, any, sort), store, store_dist
        )

    def georadius_ro(
        self,
        name: KeyT,
        longitude: float,
        latitude: float,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        any: bool = False,
    ) -> Awaitable[list[Any]]:
        """As `georadius`, storing nothing, which replicas can do too. O(N + log M).

        Since 3.2.10. https://valkey.io/commands/georadius_ro/
        """
        center = (longitude, latitude)
        details = (withdist, withcoord, withhash)
        return self._geo_radius(
            "GEORADIUS_RO", name, center, radius, unit, details, _selection(count, any, sort)
        )

    def georadiusbymember(
        self,
        name: KeyT,
        member: ValueT,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        store: KeyT | None = None,
        store_dist: KeyT | None = None,
        any: bool = False,
    ) -> Awaitable[Any]:
        """As `georadius`, around a member. O(N + log M).

        Since 3.2.0. https://valkey.io/commands/georadiusbymember/
        """
        command = "GEORADIUSBYMEMBER"
        details = (withdist, withcoord, withhash)
        return self._geo_radius(
            command, name, (member,), radius, unit, details, _selection(count, any, sort), store, store_dist
        )

    def georadiusbymember_ro(
        self,
        name: KeyT,
        member: ValueT,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        any: bool = False,
    ) -> Awaitable[list[Any]]:
        """As `georadiusbymember`, storing nothing, which replicas can do too. O(N + log M).

        Since 3.2.10. https://valkey.io/commands/georadiusbymember_ro/
        """
        details = (withdist, withcoord, withhash)
        return self._geo_radius(
            "GEORADIUSBYMEMBER_RO", name, (member,), radius, unit, details, _selection(count, any, sort)
        )

    def _geo_radius(
        self,
        command: str,
        name: KeyT,
        center: tuple[Argument, ...],
        radius: float,
        unit: str | None,
        details: tuple[bool, bool, bool],
        selection: Sequence[Argument],
        store: KeyT | None = None,
        store_dist: KeyT | None = None,
    ) -> Awaitable[Any]:
        arguments.exclusive(store=store, store_dist=store_dist)
        args: list[Argument] = [name, *center, radius, _unit(unit), *_details(*details), *selection]
        stored: list[Argument] = []
        for word, target in (("STORE", store), ("STOREDIST", store_dist)):
            if target is not None:
                stored += (word, target)
        if not stored:
            return self.execute_command(command, *args, reply=_places(*details))
        if True in details:
            raise InvalidArgument("withdist, withcoord and withhash do not go with store and store_dist")
        return self.execute_command(command, *args, *stored)

    @overload
    def geosearch(
        self,
        name: KeyT,
        member: ValueT | None = ...,
        longitude: float | None = ...,
        latitude: float | None = ...,
        unit: str = ...,
        radius: float | None = ...,
        width: float | None = ...,
        height: float | None = ...,
        sort: str | None = ...,
        count: int | None = ...,
        any: bool = ...,
        withcoord: Literal[False] = ...,
        withdist: Literal[False] = ...,
        withhash: Literal[False] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def geosearch(
        self,
        name: KeyT,
        member: ValueT | None = ...,
        longitude: float | None = ...,
        latitude: float | None = ...,
        unit: str = ...,
        radius: float | None = ...,
        width: float | None = ...,
        height: float | None = ...,
        sort: str | None = ...,
        count: int | None = ...,
        any: bool = ...,
        withcoord: bool = ...,
        withdist: bool = ...,
        withhash: bool = ...,
    ) -> Awaitable[list[Any]]: ...

    def geosearch(
        self,
        name: KeyT,
        member: ValueT | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: str = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: str | None = None,
        count: int | None = None,
        any: bool = False,
        withcoord: bool = False,
        withdist: bool = False,
        withhash: bool = False,
    ) -> Awaitable[list[Any]]:
        """Members within a circle or a box.

        Args:
            name: The key.
            member: The center is where this member is, or …
            longitude: … here, together with `latitude`.
            latitude: See `longitude`.
            unit: Of the following, and of distances.
            radius: Members within a circle, or …
            width: … within a box, together with `height`.
            height: See `width`.
            sort: `ASC` the nearest ones first, `DESC` the farthest.
            count: So many at most, the nearest ones if nothing else is said.
            any: The first `count` ones found, which need not be the nearest.
            withcoord: Give their positions.
            withdist: Give their distances.
            withhash: Give their scores.

        O(N + log M), N members in and around the shape. Since 6.2.0. https://valkey.io/commands/geosearch/
        """
        args = _around(member, longitude, latitude, unit, radius, width, height)
        args += [*_selection(count, any, sort), *_details(withdist, withcoord, withhash)]
        return self.execute_command("GEOSEARCH", name, *args, reply=_places(withdist, withcoord, withhash))

    def geosearchstore(
        self,
        dest: KeyT,
        name: KeyT,
        member: ValueT | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: str = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: str | None = None,
        count: int | None = None,
        any: bool = False,
        storedist: bool = False,
    ) -> Awaitable[int]:
        """Write `geosearch` to `dest`, with `storedist` the distances as scores; how many they are.

        O(N + log M). Since 6.2.0. https://valkey.io/commands/geosearchstore/
        """
        args = _around(member, longitude, latitude, unit, radius, width, height)
        args += _selection(count, any, sort)
        if storedist:
            args.append("STOREDIST")
        return self.execute_command("GEOSEARCHSTORE", dest, name, *args)
