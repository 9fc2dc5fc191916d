from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.geoadd("g", [1, 2.5, "a"]), "GEOADD", "g", 1, 2.5, "a"),
        sends(lambda c: c.geoadd("g", (1, 2, "a"), nx=True, ch=True), "GEOADD", "g", "NX", "CH", 1, 2, "a"),
        sends(lambda c: c.geoadd("g", (1, 2, "a"), xx=True), "GEOADD", "g", "XX", 1, 2, "a"),
        sends(lambda c: c.geodist("g", "a", "b"), "GEODIST", "g", "a", "b"),
        sends(lambda c: c.geodist("g", "a", "b", "KM"), "GEODIST", "g", "a", "b", "km"),
        sends(lambda c: c.geohash("g", "a", b"b"), "GEOHASH", "g", "a", b"b"),
        sends(lambda c: c.geopos("g", "a"), "GEOPOS", "g", "a"),
        sends(lambda c: c.georadius("g", 1, 2, 3), "GEORADIUS", "g", 1, 2, 3, "m"),
        sends(
            lambda c: c.georadius("g", 1, 2, 3, "km", True, True, True, 5, "desc", any=True),
            *(
                "GEORADIUS",
                "g",
                1,
                2,
                3,
                "km",
                "WITHDIST",
                "WITHCOORD",
                "WITHHASH",
                "DESC",
                "COUNT",
                5,
                "ANY",
            ),
        ),
        sends(lambda c: c.georadius("g", 1, 2, 3, store="d"), "GEORADIUS", "g", 1, 2, 3, "m", "STORE", "d"),
        sends(
            lambda c: c.georadiusbymember("g", "a", 3, store_dist="d"),
            *("GEORADIUSBYMEMBER", "g", "a", 3, "m", "STOREDIST", "d"),
        ),
        sends(lambda c: c.georadius_ro("g", 1, 2, 3, "ft"), "GEORADIUS_RO", "g", 1, 2, 3, "ft"),
        sends(
            lambda c: c.georadiusbymember_ro("g", "a", 3, sort="ASC"),
            *("GEORADIUSBYMEMBER_RO", "g", "a", 3, "m", "ASC"),
        ),
        sends(
            lambda c: c.geosearch("g", "a", radius=0), "GEOSEARCH", "g", "FROMMEMBER", "a", "BYRADIUS", 0, "m"
        ),
        sends(
            lambda c: c.geosearch(
                "g", longitude=0, latitude=0, width=1, height=2, unit="mi", sort="asc", count=2
            ),
            *("GEOSEARCH", "g", "FROMLONLAT", 0, 0, "BYBOX", 1, 2, "mi", "ASC", "COUNT", 2),
        ),
        sends(
            lambda c: c.geosearch("g", "a", radius=1, count=1, any=True, withhash=True),
            *("GEOSEARCH", "g", "FROMMEMBER", "a", "BYRADIUS", 1, "m", "COUNT", 1, "ANY", "WITHHASH"),
        ),
        sends(
            lambda c: c.geosearchstore("d", "g", "a", radius=1, storedist=True),
            *("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "a", "BYRADIUS", 1, "m", "STOREDIST"),
        ),
        sends(
            lambda c: c.geosearchstore("d", "g", "a", radius=1, sort="DESC"),
            *("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "a", "BYRADIUS", 1, "m", "DESC"),
        ),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.geoadd("g", [1, 2]), "longitude, latitude and member"),
        (lambda c: c.geoadd("g", []), "longitude, latitude and member"),
        (lambda c: c.geoadd("g", [1, 2, "a"], nx=True, xx=True), "only one of nx, xx"),
        (lambda c: c.geodist("g", "a", "b", "yd"), "unit must be one of M, KM, MI, FT"),
        (lambda c: c.georadius("g", 1, 2, 3, sort="up"), "sort must be one of ASC, DESC"),
        (lambda c: c.georadius("g", 1, 2, 3, any=True), "any needs a count"),
        (lambda c: c.georadius("g", 1, 2, 3, count=0), "count must be at least 1"),
        (lambda c: c.georadius("g", 1, 2, 3, store="a", store_dist="b"), "only one of store, store_dist"),
        (lambda c: c.georadius("g", 1, 2, 3, store="a", withdist=True), "do not go with store"),
        (lambda c: c.geosearch("g", radius=1), "either member, or longitude and latitude"),
        (lambda c: c.geosearch("g", longitude=1, radius=1), "longitude and latitude must be given together"),
        (lambda c: c.geosearch("g", "a", longitude=1, latitude=1, radius=1), "either member, or longitude"),
        (lambda c: c.geosearch("g", "a"), "either radius, or width and height"),
        (lambda c: c.geosearch("g", "a", width=1), "width and height must be given together"),
        (lambda c: c.geosearch("g", "a", radius=1, width=1, height=1), "either radius, or width and height"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.geodist("g", "a", "b"), b"1.5000", None) == [1.5, None]
    assert results(lambda c: c.geopos("g", "a"), [[b"1.5", b"2"], None], [[1.5, 2.0]]) == [
        [(1.5, 2.0), None],
        [(1.5, 2.0)],
    ]
    assert results(lambda c: c.geosearch("g", "a", radius=1), [b"a"], []) == [[b"a"], []]
    assert results(lambda c: c.geosearch("g", "a", radius=1, withdist=True), [[b"a", b"0.5"]]) == [
        [(b"a", 0.5)]
    ]
    every = [[b"a", b"0.5", 7, [b"1", b"2.5"]]], [[b"a", b"0.5", 7, [1.0, 2.5]]]
    call: Call = lambda c: c.georadius("g", 1, 2, 3, withdist=True, withcoord=True, withhash=True)  # noqa: E731
    assert results(call, *every) == [[(b"a", 0.5, 7, (1.0, 2.5))]] * 2
    assert results(lambda c: c.georadius("g", 1, 2, 3, store="d"), 4) == [4]
