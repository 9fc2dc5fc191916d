from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.commands.stream_starts import lines
from tests.pulsards.differential import Differential

_SICILY = [
    "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "GEOADD g 12.758489 38.788135 edge1 17.241510 38.788135 edge2 14.0 37.3 Agrigento",
]

# Without the scores, where distances may be: 7.0 has its own digits for them.
_STORED = ["ZRANGE d 0 -1", "ZRANGE e 0 -1", "ZRANGE g 0 -1 WITHSCORES"]

_PLACES = [
    *("0 0", "180 85.05112878", "-180 -85.05112878", "180 -85.05112878", "-180 85.05112878", "179.999999 0"),
    *(
        "-0.0000001 0.0000001",
        "13.361389 38.115556",
        "1e-10 -1e-10",
        "90 45",
        "-90 -45",
        "0.5 85",
        "-77.0364 38.8951",
    ),
]
_OFF = [
    *(
        "180.0000001 0",
        "0 85.0511288",
        "-181 0",
        "0 -86",
        "1e300 0",
        "inf 0",
        "0 -inf",
        "nan 0",
        "x 0",
        "0 x",
        " 1 0",
        "1e400 0",
    ),
]


class TestPlaces:
    @pytest.mark.parametrize("place", _PLACES)
    def test_where_they_are(self, peers: Differential, place: str) -> None:
        peers.check([f"GEOADD g {place} m", "ZSCORE g m", "GEOPOS g m", "GEOHASH g m", "GEODIST g m m"])
        peers.check(
            ["GEOADD g 2.5 48.9 other", "GEODIST g m other", "GEODIST g other m km", "GEODIST g m other mi"]
        )

    @pytest.mark.parametrize("place", _OFF)
    def test_where_they_are_not(self, peers: Differential, place: str) -> None:
        longitude, latitude = place.rsplit(" ", 1)
        peers.check(
            [
                ("GEOADD", "g", longitude, latitude, "m"),
                ("GEOADD", "g", "1", "1", "a", longitude, latitude, "m"),
            ]
        )
        peers.check([("GEOSEARCH", "g", "FROMLONLAT", longitude, latitude, "BYRADIUS", "1", "m"), "EXISTS g"])
        peers.check([("GEORADIUS", "g", longitude, latitude, "1", "m")])

    def test_many(self, peers: Differential) -> None:
        chance = random.Random(7)
        for number in range(300):
            longitude, latitude = chance.uniform(-180, 180), chance.uniform(-85.05, 85.05)
            peers.check([f"GEOADD g {longitude!r} {latitude!r} m{number}"])
        names = [f"m{number}" for number in range(300)]
        peers.check([("GEOPOS", "g", *names), ("GEOHASH", "g", *names), ("ZMSCORE", "g", *names)])
        for first, second in pairwise(names):
            peers.check([f"GEODIST g {first} {second} {chance.choice(['m', 'km', 'ft', 'mi'])}"])

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            g 1 1 a 2 2 b
            g NX 13 38 Palermo 1 1 new
            g XX 13 38 Palermo 1 1 new
            g CH 13 38 Palermo 1 1 new
            g XX CH 13 38 Palermo 15.087269 37.502669 Catania
            g nx ch 13 38 Palermo 1 1 new
            g NX XX 1 1 a
            g NX XX 1 1
            g NX CH CH
            g CH NX XX
            g 1 1
            g 1 1 a 2
            g 1 1 a 2 2
            g GT 1 1 a
            g INCR 1 1 a
            g CH 1 1
            new XX 1 1 a
            str 1 1 a
            str x 1 a
            str 1 1 a 2
            g
            """
        ),
    )
    def test_adding(self, peers: Differential, arguments: str) -> None:
        peers.check([*_SICILY, "SET str x", f"GEOADD {arguments}"])
        peers.check_state()

    @pytest.mark.parametrize("command", ["GEOPOS", "GEOHASH", "GEODIST"])
    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            g Palermo Catania
            g Palermo no
            g no Palermo
            g Palermo Catania km
            g Palermo Catania KM
            g Palermo Catania yd
            g Palermo Catania km x
            no Palermo Catania
            no Palermo Catania yd
            str Palermo Catania
            str Palermo Catania yd
            g Palermo
            g
            """
        ),
    )
    def test_reading(self, peers: Differential, command: str, arguments: str) -> None:
        peers.check([*_SICILY, "SET str x", f"{command} {arguments}"])

    @pytest.mark.parametrize(
        "score",
        ["-1", "4503599627370496", "9e15", "1e18", "1e19", "2e19", "-1e18", "-1e19", "inf", "-inf", "0.5"],
    )
    def test_scores_that_are_no_places(self, peers: Differential, score: str) -> None:
        peers.check(
            [
                f"ZADD g {score} odd",
                "GEOADD g 0 0 zero",
                "GEOPOS g odd",
                "GEOHASH g odd",
                "GEODIST g odd zero",
            ]
        )
        peers.check(
            ["GEOSEARCH g FROMMEMBER odd BYRADIUS 1 m", "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 30000 km ASC"]
        )

    def test_events(self, peers: Differential) -> None:
        peers.events(
            [*_SICILY, "GEOADD g CH 13.361389 38.115556 Palermo", "GEOADD g XX 1 1 new", "GEOADD g 1 1 new"]
        )
        peers.events(
            ["GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km", "GEORADIUS g 15 37 200 km STORE d"]
        )
        peers.events(["GEOSEARCHSTORE d g FROMLONLAT 70 37 BYRADIUS 1 km", "GEORADIUS g 70 37 1 km STORE d"])
        peers.events(
            ["GEORADIUSBYMEMBER g Palermo 200 km STOREDIST d", "GEORADIUSBYMEMBER no Palermo 200 km STORE d"]
        )
        peers.events(
            ["GEOSEARCH no FROMLONLAT 1 1 BYRADIUS 1 m", "GEOPOS no a", "GEODIST no a b", "GEOHASH no a"]
        )


class TestSearching:
    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            FROMLONLAT 15 37 BYRADIUS 200 km
            FROMLONLAT 15 37 BYRADIUS 200 km ASC
            FROMLONLAT 15 37 BYRADIUS 200 km DESC WITHDIST
            FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST
            FROMLONLAT 15 37 BYBOX 400 400 km DESC WITHCOORD WITHDIST WITHHASH
            FROMMEMBER Palermo BYRADIUS 200 km WITHHASH
            FROMMEMBER Palermo BYBOX 1 1 m
            FROMMEMBER Palermo BYRADIUS 0 m
            FROMMEMBER Palermo BYBOX 0 0 m
            FROMLONLAT 15 37 BYRADIUS 400 km COUNT 2
            FROMLONLAT 15 37 BYRADIUS 400 km COUNT 2 DESC
            FROMLONLAT 15 37 BYRADIUS 400 km COUNT 9 ASC
            FROMLONLAT 15 37 BYRADIUS 400 km COUNT 2 ANY
            FROMLONLAT 15 37 BYRADIUS 400 km COUNT 2 ANY ASC WITHDIST
            FROMLONLAT 15 37 BYRADIUS 400 km ANY COUNT 3
            FROMLONLAT 15 37 BYRADIUS 1e300 km ASC
            FROMLONLAT 15 37 BYRADIUS inf m ASC
            FROMLONLAT 15 37 BYBOX inf 100 km ASC
            FROMLONLAT 15 37 BYBOX 100 inf km ASC
            FROMLONLAT 15 37 BYRADIUS 40075 km ASC WITHDIST
            FROMLONLAT 15 37 BYRADIUS 655 mi ASC WITHDIST
            FROMLONLAT 15 37 BYRADIUS 655000 FT ASC WITHDIST
            FROMLONLAT 15 37 BYRADIUS 1e-300 m
            byradius 200 km asc fromlonlat 15 37 withdist withdist
            FROMLONLAT 1 1 FROMLONLAT 15 37 BYRADIUS 1 m BYRADIUS 200 km ASC
            FROMMEMBER Palermo FROMMEMBER Catania BYRADIUS 90 km
            """
        ),
    )
    def test_in_sicily(self, peers: Differential, arguments: str) -> None:
        peers.check([*_SICILY, f"GEOSEARCH g {arguments}", f"GEOSEARCH no {arguments}"])
        if "WITH" not in arguments.upper():
            peers.check([f"GEOSEARCHSTORE d g {arguments}", f"GEOSEARCHSTORE e g {arguments} STOREDIST"])
            peers.check(["ZRANGE d 0 -1 WITHSCORES", "ZRANGE e 0 -1"])
            peers.check(["ZRANGE e 0 -1 WITHSCORES"], without=["redis"])  # 7.0 has its own digits

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            g FROMLONLAT 15 37 FROMMEMBER Palermo BYRADIUS 1 m
            g FROMMEMBER Palermo FROMLONLAT 15 37 BYRADIUS 1 m
            g FROMLONLAT 15 37 BYRADIUS 1 m BYBOX 1 1 m
            g FROMLONLAT 15 37 BYBOX 1 1 m BYRADIUS 1 m
            g FROMLONLAT 15 37 BYRADIUS -1 m
            g FROMLONLAT 15 37 BYRADIUS x m
            g FROMLONLAT 15 37 BYRADIUS 1 yd
            g FROMLONLAT 15 37 BYRADIUS -1 yd
            g FROMLONLAT 15 37 BYRADIUS nan m
            g FROMLONLAT 15 37 BYBOX -1 1 m
            g FROMLONLAT 15 37 BYBOX 1 -1 m
            g FROMLONLAT 15 37 BYBOX x 1 m
            g FROMLONLAT 15 37 BYBOX 1 x m
            g FROMLONLAT 15 37 BYBOX 1 1 yd
            g FROMLONLAT 15 37 BYBOX 1 1
            g FROMLONLAT 15 37 BYRADIUS 1 m COUNT
            g FROMLONLAT 15 37 BYRADIUS 1 m COUNT 0
            g FROMLONLAT 15 37 BYRADIUS 1 m COUNT -1
            g FROMLONLAT 15 37 BYRADIUS 1 m COUNT x
            g FROMLONLAT 15 37 BYRADIUS 1 m ANY
            g FROMLONLAT 15 37 BYRADIUS 1 m STOREDIST
            g FROMLONLAT 15 37 BYRADIUS 1 m STORE x
            g FROMLONLAT 15 37 BYRADIUS 1 m FOO
            no FROMMEMBER no BYRADIUS x m
            no FROMMEMBER no BYRADIUS 1 m FOO
            g BYRADIUS 1 m ASC WITHDIST WITHCOORD
            g COUNT 1 ASC WITHDIST WITHCOORD WITHHASH
            str FROMLONLAT 15 37 BYRADIUS 1 m
            str FROMLONLAT x 37 BYRADIUS 1 m
            g FROMLONLAT 15 37
            g
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(
            [*_SICILY, "SET str x", f"GEOSEARCH {arguments}", f"GEOSEARCHSTORE d {arguments}", "TYPE d"]
        )
        peers.check([f"GEOSEARCHSTORE d {arguments} WITHDIST"])

    @pytest.mark.parametrize(
        "rest", ["FROMMEMBER no BYRADIUS 1 m", "FROMMEMBER no BYRADIUS x m", "BYRADIUS 1 m FROMMEMBER no"]
    )
    def test_a_member_that_is_not_there(self, peers: Differential, rest: str) -> None:
        commands = [
            f"GEOSEARCH g {rest}",
            f"GEOSEARCHSTORE d g {rest}",
            "GEORADIUSBYMEMBER g no x km",
            "EXISTS d",
        ]
        peers.check([*_SICILY, *commands], without=["valkey"])  # which names the member

    def test_no_shape(self, peers: Differential) -> None:
        peers.check(_SICILY)
        for name in ("GEOSEARCH g", "geoSearch no", "GEOSEARCHSTORE d g"):
            peers.check([f"{name} FROMLONLAT 15 37 ASC DESC"], without=["valkey"])  # which has a third one

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            g 15 37 200 km
            g 15 37 200 km ASC WITHCOORD WITHDIST WITHHASH
            g 15 37 200 km COUNT 1
            g 15 37 200 km COUNT 1 ANY
            g 15 37 200 km COUNT 0
            g 15 37 200 km ANY
            g 15 37 200 yd
            g 15 37 x km
            g 15 37 -1 km
            g x 37 1 km
            g 15 37 200 km STORE d
            g 15 37 200 km STOREDIST d
            g 15 37 200 km STORE d STOREDIST e
            g 15 37 200 km STOREDIST d STORE e
            g 15 37 200 km COUNT 1 DESC STOREDIST d
            g 15 37 200 km STORE d WITHDIST
            g 15 37 200 km STORE
            g 15 37 200 km FOO
            g 15 37 200 km FROMMEMBER Palermo
            g 15 37 200 km STORE g
            no 15 37 200 km STORE g
            g 70 37 200 km STORE g
            no 15 37 200 km
            str 15 37 200 km
            str x 37 200 km
            g 15 37 200
            """
        ),
    )
    def test_circles(self, peers: Differential, arguments: str) -> None:
        for name in ("GEORADIUS", "GEORADIUS_RO", "georadius"):
            peers.check(["FLUSHALL", *_SICILY, "SET str x", f"{name} {arguments}", *_STORED])
        key, _, rest = arguments.partition(" ")
        for name in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"):
            command = f"{name} {key} Palermo {rest.partition(' ')[2].partition(' ')[2]}"
            peers.check(["FLUSHALL", *_SICILY, "SET str x", command, *_STORED])

    @pytest.mark.parametrize("seed", range(6))
    def test_around_the_globe(self, peers: Differential, seed: int) -> None:
        """Shapes of every size, also across the date line and near the poles, in a crowd of places."""
        chance = random.Random(seed)
        without = ["redis"]  # 7.0 leaves out places at the rim of some
        crowd = [f"{_longitude(chance)!r} {_latitude(chance)!r} m{number}" for number in range(400)]
        peers.check([("GEOADD", "g", *" ".join(crowd).split(" "))])
        for _ in range(120):
            size = 10 ** chance.uniform(-1, 7.5)
            center = chance.choice(
                [
                    f"FROMMEMBER m{chance.randrange(400)}",
                    f"FROMLONLAT {_longitude(chance)} {_latitude(chance)}",
                ]
            )
            shape = chance.choice([f"BYRADIUS {size}", f"BYBOX {size} {size * chance.uniform(0.1, 9)}"])
            options = chance.choice(["", "ASC WITHDIST", "COUNT 7", "COUNT 5 DESC WITHHASH", "COUNT 3 ANY"])
            peers.check([f"GEOSEARCH g {center} {shape} m {options}".strip()], without=without)


class TestPolygons:
    """Of Valkey 9."""

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            BYPOLYGON 3 10 30 20 30 15 45
            BYPOLYGON 4 10 30 20 30 20 45 10 45 ASC WITHDIST WITHCOORD WITHHASH
            BYPOLYGON 4 10 30 20 45 20 30 10 45 DESC
            BYPOLYGON 3 10 30 20 30 15 45 COUNT 2
            BYPOLYGON 3 10 30 20 30 15 45 COUNT 2 ANY
            BYPOLYGON 3 -170 -80 170 -80 0 85
            COUNT 1 BYPOLYGON 3 10 30 20 30 15 45
            BYPOLYGON 3 10 30 10 30 10 30
            BYPOLYGON 2 10 30 20 30 15 45
            BYPOLYGON 4 10 30 20 30 15 45
            BYPOLYGON 3 10 30 20 30 15
            BYPOLYGON 3 10 30 20 30 15 95
            BYPOLYGON 3 10 30 20 30 15 x
            BYPOLYGON x 10 30 20 30 15 45
            BYPOLYGON 99999999999 10 30 20 30 15 45
            BYPOLYGON -1 10 30 20 30 15 45
            BYPOLYGON 3 10 30 20 30 15 45 BYRADIUS 1 m
            BYPOLYGON 3 10 30 20 30 15 45 FROMLONLAT 1 1
            BYPOLYGON 3 10 30 20 30 15 45 FROMMEMBER Palermo
            BYRADIUS 1 m BYPOLYGON 3 10 30 20 30 15 45
            BYBOX 1 1 m BYPOLYGON 3 10 30 20 30 15 45
            FROMMEMBER Palermo BYPOLYGON 3 10 30 20 30 15 45
            FROMLONLAT 15 37 BYPOLYGON 3 10 30 20 30 15 45
            """
        ),
    )
    def test_in_sicily(self, peers: Differential, arguments: str) -> None:
        without = ["redis"]
        peers.check([*_SICILY, f"GEOSEARCH g {arguments}", f"GEOSEARCH no {arguments}"], without=without)
        peers.check(
            [f"GEOSEARCHSTORE d g {arguments}", f"GEOSEARCHSTORE e g {arguments} STOREDIST"], without=without
        )
        peers.check(["ZRANGE d 0 -1 WITHSCORES", "ZRANGE e 0 -1"], without=without)

    @pytest.mark.parametrize("seed", range(3))
    def test_around_the_globe(self, peers: Differential, seed: int) -> None:
        chance = random.Random(seed)
        crowd = [f"{_longitude(chance)!r} {_latitude(chance)!r} m{number}" for number in range(300)]
        peers.check([("GEOADD", "g", *" ".join(crowd).split(" "))])
        for _ in range(60):
            count = chance.randint(3, 8)
            size = 10 ** chance.uniform(-1, 2)
            middle = chance.uniform(-160, 160), chance.uniform(-75, 75)
            corners = []
            for _ in range(count):
                corners.append(max(-180.0, min(180.0, middle[0] + chance.uniform(-size, size))))
                corners.append(max(-85.0, min(85.0, middle[1] + chance.uniform(-size, size))))
            command = ("GEOSEARCH", "g", "BYPOLYGON", count, *corners, "ASC", "WITHDIST")
            peers.check([command], without=["redis"])


def _longitude(chance: random.Random) -> float:
    """Anywhere, in the crowd, or by the date line."""
    near = chance.choice([-1, 1]) * chance.uniform(179.9, 180)
    return chance.choice([chance.uniform(-180, 180), chance.gauss(10, 3), near])


def _latitude(chance: random.Random) -> float:
    """Anywhere, in the crowd, or as near to a pole as there is a map."""
    near = chance.choice([-1, 1]) * chance.uniform(84, 85.05)
    return chance.choice([chance.uniform(-85, 85), chance.gauss(45, 3), near])


_KEYS = st.sampled_from(["g", "h", "no", "str"])
_MEMBERS = st.sampled_from(["a", "b", "c", "Palermo"])
_LONGITUDES = st.sampled_from(["0", "15", "-179.5", "180", "12.3456789", "200", "x"])
_LATITUDES = st.sampled_from(["0", "37", "-85", "60.5", "-0.000001", "90"])
_SIZES = st.sampled_from(["0", "1", "250", "20000", "-1", "x"])
_UNITS = st.sampled_from(["m", "km", "mi", "FT", "yd"])
_OPTIONS = st.sampled_from(["ASC", "DESC", "WITHHASH", "WITHCOORD", "COUNT", "ANY"])
_COUNTS = st.sampled_from(["1", "2", "9", "0", "x"])

_COMMANDS = sequences(
    ("GEOADD", _KEYS, _LONGITUDES, _LATITUDES, _MEMBERS),
    ("GEOADD", _KEYS, "CH", _LONGITUDES, _LATITUDES, _MEMBERS, _LONGITUDES, _LATITUDES, _MEMBERS),
    ("GEOADD", _KEYS, "NX", _LONGITUDES, _LATITUDES, _MEMBERS),
    ("GEOPOS", _KEYS, _MEMBERS, _MEMBERS),
    ("GEOHASH", _KEYS, _MEMBERS),
    ("GEODIST", _KEYS, _MEMBERS, _MEMBERS, _UNITS),
    ("GEOSEARCH", _KEYS, "FROMLONLAT", _LONGITUDES, _LATITUDES, "BYRADIUS", _SIZES, _UNITS, "WITHDIST"),
    ("GEOSEARCH", "g", "FROMMEMBER", "Palermo", "BYBOX", _SIZES, _SIZES, _UNITS, "COUNT", _COUNTS, _OPTIONS),
    ("GEOSEARCHSTORE", "d", "h", "FROMMEMBER", "a", "BYRADIUS", _SIZES, _UNITS),
    ("GEORADIUS", _KEYS, _LONGITUDES, _LATITUDES, _SIZES, _UNITS, _OPTIONS),
    ("GEORADIUSBYMEMBER", "h", "b", _SIZES, _UNITS, "STORE", "d"),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, [*_SICILY, "GEOADD h 0 0 a 0 0.001 b 0.002 0 c", "SET str x"], commands)
