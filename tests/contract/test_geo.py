from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import ResponseError, WrongType

pytestmark = pytest.mark.anyio

PALERMO, CATANIA = (13.361389338970184, 38.1155563954963), (15.087267458438873, 37.50266842333162)


async def fill(client: Any) -> None:
    assert (
        await client.geoadd("g", (13.361389, 38.115556, "Palermo", "15.087269", 37.502669, b"Catania")) == 2
    )


async def test_places(client: Any) -> None:
    await fill(client)
    assert await client.geopos("g", "Palermo", "no", b"Catania") == [
        pytest.approx(PALERMO),
        None,
        pytest.approx(CATANIA),
    ]
    assert await client.geohash("g", "Palermo", "no") == [b"sqc8b49rny0", None]
    assert await client.geodist("g", "Palermo", "Catania") == 166274.1516
    assert await client.geodist("g", "Palermo", "Catania", "km") == 166.2742
    assert await client.geodist("g", "Palermo", "no", unit="MI") is None
    assert await client.geodist("no", "Palermo", "Catania") is None
    assert await client.geoadd("g", [14, 38, "Palermo", 1, 1, "new"], xx=True, ch=True) == 1
    assert await client.geoadd("g", [15, 38, "Palermo", 1, 1, "new"], nx=True) == 1
    with pytest.raises(ResponseError, match="invalid longitude,latitude pair"):
        await client.geoadd("g", [200, 38, "x"])
    await client.set("x", 1)
    for call in (
        client.geoadd("x", [1, 1, "a"]),
        client.geopos("x", "a"),
        client.geosearch("x", member="a", radius=1),
    ):
        with pytest.raises(WrongType):
            await call


async def test_searching(client: Any) -> None:
    await fill(client)
    assert await client.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == [
        b"Catania",
        b"Palermo",
    ]
    assert await client.geosearch("g", member="Palermo", width=400, height=400, unit="km", count=1) == [
        b"Palermo"
    ]
    assert await client.geosearch("g", longitude=15, latitude=37, radius=1) == []
    assert await client.geosearch("no", longitude=15, latitude=37, radius=1, withdist=True) == []
    [found] = await client.geosearch(
        "g", longitude=15, latitude=37, radius=100, unit="km", withdist=True, withcoord=True, withhash=True
    )
    assert found == (b"Catania", 56.4413, 3479447370796909, pytest.approx(CATANIA))
    assert await client.geosearch("g", member="Palermo", radius=0, withcoord=True) == [
        (b"Palermo", pytest.approx(PALERMO))
    ]
    some = await client.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", count=1, any=True)
    assert len(some) == 1
    assert await client.geosearchstore("d", "g", longitude=15, latitude=37, radius=200, unit="km") == 2
    assert await client.zrange("d", 0, -1) == [b"Palermo", b"Catania"]
    assert (
        await client.geosearchstore(
            "d", "g", member="Catania", width=400, height=400, unit="km", storedist=True
        )
        == 2
    )
    assert await client.zrange("d", 0, 0, withscores=True) == [(b"Catania", 0.0)]
    assert await client.geosearchstore("d", "g", longitude=1, latitude=1, radius=1, sort="DESC", count=5) == 0
    assert await client.exists("d") == 0


async def test_circles(client: Any) -> None:
    await fill(client)
    assert await client.georadius("g", 15, 37, 200, "km", sort="DESC") == [b"Palermo", b"Catania"]
    assert await client.georadius("g", 15, 37, 200, "km", count=1, withdist=True) == [(b"Catania", 56.4413)]
    assert await client.georadius("g", 15, 37, 200, "km", store="d") == 2
    assert await client.georadius("g", 15, 37, 60_000, store_dist="e", count=3, any=True) == 1
    assert await client.zscore("e", "Catania") == pytest.approx(56441.2579)
    assert await client.georadius_ro("g", 15, 37, 200_000, sort="ASC") == [b"Catania", b"Palermo"]
    assert await client.georadiusbymember("g", "Palermo", 200, "km", withhash=True, sort="ASC") == [
        (b"Palermo", 3479099956230698),
        (b"Catania", 3479447370796909),
    ]
    assert await client.georadiusbymember("g", "Palermo", 1, store="d") == 1
    assert await client.georadiusbymember_ro(
        "g", "Palermo", 200, "km", count=2, any=True, withcoord=True
    ) == [
        (b"Palermo", pytest.approx(PALERMO)),
        (b"Catania", pytest.approx(CATANIA)),
    ]


async def test_text(text_client: Any) -> None:
    await text_client.geoadd("g", [1, 1, "ü"])
    assert await text_client.geosearch("g", member="ü", radius=1) == ["ü"]
    assert await text_client.geosearch("g", member="ü", radius=1, withdist=True) == [("ü", 0.0)]
    assert await text_client.geohash("g", "ü") == ["s00twy01mt0"]
