from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import geohash
from anystore.pulsards.datatypes.geo_shapes import Box, Circle, Polygon, cover

places = st.tuples(st.floats(-180, 180), st.floats(-85.05112878, 85.05112878))
inner_places = st.tuples(st.floats(-179, 179), st.floats(-85, 85))


@given(place=inner_places)
def test_places_there_and_back(place: tuple[float, float]) -> None:
    found = geohash.decode(geohash.encode(*place))
    assert found == pytest.approx(place, abs=6e-6)
    assert geohash.encode(*found) == geohash.encode(*place)


@given(place=places, other=places)
def test_distances(place: tuple[float, float], other: tuple[float, float]) -> None:
    meters = geohash.distance(*place, *other)
    assert 0 <= meters <= 20_100_000
    assert geohash.distance(*other, *place) == pytest.approx(meters, abs=1e-3)
    assert geohash.distance(*place, *place) == 0


@given(place=inner_places, steps=st.integers(1, 26))
def test_neighbours_lie_around(place: tuple[float, float], steps: int) -> None:
    cell = geohash.cell_of(*place, steps)
    area = cell.area()
    east = cell.moved(1, 0)
    assert east.moved(-1, 0) == cell
    if area.east < 180:
        assert east.area().west == area.east
    north = cell.moved(0, 1)
    assert north.moved(0, -1) == cell
    if area.north < geohash.LATITUDE_LIMIT:
        assert north.area().south == area.north


@given(center=places, other=places, radius=st.one_of(st.floats(0, 3e7), st.sampled_from([0.0, 1e-5, 1e4])))
def test_what_is_in_a_shape_is_in_the_cells_that_cover_it(
    center: tuple[float, float], other: tuple[float, float], radius: float
) -> None:
    """But where the map ends: shapes do not go on beyond the date line, nor beyond the poles, as in Redis."""
    circle = Circle(center, radius)
    if circle.distance_within(*other) is None:
        return
    bounds = circle.bounds()
    if bounds.west < -180 or bounds.east > 180 or abs(bounds.north) > 85 or abs(bounds.south) > 85:
        return
    score = geohash.encode(*other)
    assert any(low <= score < high for low, high in (cell.scores() for cell in cover(circle)))


def test_shapes() -> None:
    box = Box((10, 50), 200, 100, 1000)
    assert box.distance_within(10, 50) == 0
    assert box.distance_within(11, 50.1) is not None
    assert box.distance_within(12, 50) is None
    assert box.distance_within(10, 50.5) is None
    triangle = Polygon([(0, 0), (10, 0), (0, 10)])
    assert triangle.distance_within(2, 2) is not None
    assert triangle.distance_within(8, 8) is None


@pytest.mark.parametrize("radius", [inf, 1e308, 1e-320])
def test_shapes_of_no_sensible_size(radius: float) -> None:
    for shape in (Circle((10, 50), radius), Box((10, -50), radius, 1, 1), Box((10, 50), 1, radius, 1)):
        assert 1 <= len(cover(shape)) <= 9


def test_a_polygon_around_a_pole() -> None:
    assert cover(Polygon([(0, 84), (120, 84), (-120, 84)]))


@pytest.mark.parametrize("angle", [inf, -inf, nan])
def test_the_cosine_of_no_angle(angle: float) -> None:
    assert geohash.cosine(angle) != geohash.cosine(angle)
