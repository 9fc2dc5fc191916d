"""The shapes that a search for places goes by, and the cells that cover each.

Source: the page of GEOSEARCH; the arithmetic is that of Redis' and Valkey's `geohash_helper.c`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import atan2, cos, sin, sqrt
from typing import Final

from anystore.pulsards.datatypes.geohash import (
    EARTH_RADIUS,
    LATITUDE_LIMIT,
    MAX_STEPS,
    Area,
    Cell,
    cell_of,
    cosine,
    distance,
    latitude_distance,
    to_degrees,
    to_radians,
)

_MERCATOR_MAX: Final = 20037726.37

Position = tuple[float, float]
"""Longitude and latitude, in degrees."""


class Shape(ABC):
    """A shape with a `center` (longitude, latitude), of a `reach` in meters."""

    center: Position
    reach: float

    @abstractmethod
    def bounds(self) -> Area:
        """A cell, of longitudes and latitudes that may go beyond the map, which the shape is in."""

    @abstractmethod
    def distance_within(self, longitude: float, latitude: float) -> float | None:
        """The meters from the center to a place, None where it is not in the shape."""

    def _bounds(self, width: float, height: float) -> Area:
        longitude, latitude = self.center
        lat_delta = to_degrees(height / EARTH_RADIUS)
        # The sides bend: they are furthest apart where the latitude is nearest to a pole.
        side = latitude - lat_delta if latitude < 0 else latitude + lat_delta
        lon_delta = to_degrees(width / EARTH_RADIUS / cosine(to_radians(side)))
        return Area(longitude - lon_delta, longitude + lon_delta, latitude - lat_delta, latitude + lat_delta)


class Circle(Shape):
    """All places within `radius` meters."""

    def __init__(self, center: Position, radius: float) -> None:
        self.center = center
        self.reach = radius

    def bounds(self) -> Area:
        return self._bounds(self.reach, self.reach)

    def distance_within(self, longitude: float, latitude: float) -> float | None:
        meters = distance(*self.center, longitude, latitude)
        return None if meters > self.reach else meters


class Box(Shape):
    """All places at most half of `width` to the east or west, and half of `height` to the north or south.

    Both are in units of so many meters.
    """

    def __init__(self, center: Position, width: float, height: float, unit: float) -> None:
        self.center = center
        self.width, self.height = width * unit, height * unit
        self.reach = sqrt((width / 2) * (width / 2) + (height / 2) * (height / 2)) * unit

    def bounds(self) -> Area:
        return self._bounds(self.width / 2, self.height / 2)

    def distance_within(self, longitude: float, latitude: float) -> float | None:
        if latitude_distance(latitude, self.center[1]) > self.height / 2:
            return None
        if distance(longitude, latitude, self.center[0], latitude) > self.width / 2:
            return None
        return distance(*self.center, longitude, latitude)


class Polygon(Shape):
    """All places that a straight line on the map leads to over an odd number of a polygon's edges."""

    def __init__(self, corners: Sequence[Position]) -> None:
        self.corners = corners
        x = y = z = 0.0
        for corner in corners:
            longitude, latitude = to_radians(corner[0]), to_radians(corner[1])
            x += EARTH_RADIUS * cos(latitude) * cos(longitude)
            y += EARTH_RADIUS * cos(latitude) * sin(longitude)
            z += EARTH_RADIUS * sin(latitude)
        x, y, z = x / len(corners), y / len(corners), z / len(corners)
        self.center = to_degrees(atan2(y, x)), to_degrees(atan2(z, sqrt(x * x + y * y)))
        west, east, south, north = self.bounds()
        self.reach = max(distance(*self.center, lon, lat) for lon in (west, east) for lat in (south, north))

    def bounds(self) -> Area:
        longitudes, latitudes = zip(*self.corners, strict=True)
        return Area(min(longitudes), max(longitudes), min(latitudes), max(latitudes))

    def distance_within(self, longitude: float, latitude: float) -> float | None:
        inside = False
        lon, lat = self.corners[-1]
        for next_lon, next_lat in self.corners:
            if (next_lat > latitude) != (lat > latitude):
                crossed = (lon - next_lon) * (latitude - next_lat) / (lat - next_lat) + next_lon
                inside ^= longitude < crossed
            lon, lat = next_lon, next_lat
        return distance(*self.center, longitude, latitude) if inside else None


def cover(shape: Shape) -> list[Cell]:
    """Up to nine cells that a shape is in, in the order in which Redis looks through them."""
    bounds = shape.bounds()
    longitude, latitude = shape.center
    # Of a polygon around a pole the center is off the map.
    latitude = max(-LATITUDE_LIMIT, min(LATITUDE_LIMIT, latitude))
    steps = _steps(shape.reach, latitude)
    cell = cell_of(longitude, latitude, steps)
    if steps > 1 and _too_small(cell, bounds):
        cell = cell_of(longitude, latitude, steps - 1)
    area = cell.area()
    cells = [cell]
    for east, north in _AROUND:
        if cell.steps >= 2 and not _reaches(bounds, area, east, north):
            continue
        neighbour = cell.moved(east, north)
        # Large cells are few, and wrap around to one and the same; the first one is never compared.
        if len(cells) == 1 or neighbour != cells[-1]:
            cells.append(neighbour)
    return cells


_AROUND: Final = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))


def _reaches(bounds: Area, area: Area, east: int, north: int) -> bool:
    """Whether what is within `bounds` may go beyond a cell in this direction."""
    if (north < 0 and area.south < bounds.south) or (north > 0 and area.north > bounds.north):
        return False
    return not ((east < 0 and area.west < bounds.west) or (east > 0 and area.east > bounds.east))


def _steps(meters: float, latitude: float) -> int:
    """How many steps cells have that are about as large as what is within so many meters."""
    if meters == 0:
        return MAX_STEPS
    steps = 1
    while meters < _MERCATOR_MAX:
        meters *= 2
        steps += 1
    steps -= 2
    if abs(latitude) > 66:
        steps -= 2 if abs(latitude) > 80 else 1
    return max(1, min(steps, MAX_STEPS))


def _too_small(cell: Cell, bounds: Area) -> bool:
    """Whether the cells around do not reach as far as the shape: its center is too near to an edge."""
    return (
        cell.moved(0, 1).area().north < bounds.north
        or cell.moved(0, -1).area().south > bounds.south
        or cell.moved(1, 0).area().east < bounds.east
        or cell.moved(-1, 0).area().west > bounds.west
    )


__all__ = ("Box", "Circle", "Polygon", "Position", "Shape", "cover")
