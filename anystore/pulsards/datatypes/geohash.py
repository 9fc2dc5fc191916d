"""Positions on the globe as numbers, and the distance between two of them.

Longitude and latitude are each cut in halves up to 26 times ("steps"); the bits that say which halves a place is in,
those of the two taken in turn, are its number. So places that are near each other mostly have near numbers,
and all places in a cell of fewer steps have numbers in one range. A number of 52 bits is a double without
loss, which makes it the score of a sorted set's member.

Source: the pages of GEOADD and GEOHASH; the arithmetic is that of Redis' and Valkey's `geohash.c` and
`geohash_helper.c`, step by step, for the digits to be the same.
"""

from __future__ import annotations

from math import asin, cos, isfinite, nan, pi, sin, sqrt
from typing import Final, NamedTuple

MAX_STEPS: Final = 26
LONGITUDE_LIMIT: Final = 180.0
#: The poles are out of reach, as on the maps of EPSG:900913.
LATITUDE_LIMIT: Final = 85.05112878

EARTH_RADIUS: Final = 6372797.560856  # meters
_RADIANS: Final = pi / 180.0
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"

_UINT32: Final = 2**32 - 1
_UINT64: Final = 2**64 - 1
_EVEN: Final = 0x5555555555555555
_ODD: Final = 0xAAAAAAAAAAAAAAAA
# What spreads 32 bits over every second one of 64: shifts, and the bits to keep after each.
_SPREAD: Final = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, _EVEN),
)
_GATHER: Final = (
    (0, _EVEN),
    (1, 0x3333333333333333),
    (2, 0x0F0F0F0F0F0F0F0F),
    (4, 0x00FF00FF00FF00FF),
    (8, 0x0000FFFF0000FFFF),
    (16, _UINT32),
)


class Area(NamedTuple):
    """A cell, in degrees."""

    west: float
    east: float
    south: float
    north: float


class Cell(NamedTuple):
    """A cell by its number, of two bits a step."""

    bits: int
    steps: int

    def area(self) -> Area:
        """Where it is."""
        lat, lon = _gather(self.bits) & _UINT32, _gather(self.bits >> 1) & _UINT32
        scale = float(1 << self.steps)
        # The numbers have 32 bits in C, which the one after the last wraps around.
        above, beyond = (lat + 1) & _UINT32, (lon + 1) & _UINT32
        width, height = 2 * LONGITUDE_LIMIT, 2 * LATITUDE_LIMIT
        return Area(
            -LONGITUDE_LIMIT + lon / scale * width,
            -LONGITUDE_LIMIT + beyond / scale * width,
            -LATITUDE_LIMIT + lat / scale * height,
            -LATITUDE_LIMIT + above / scale * height,
        )

    def moved(self, east: int, north: int) -> Cell:
        """The neighbour so many cells to the east and north, each -1, 0 or 1; beyond the edge, from the other side."""
        shift = 64 - 2 * self.steps
        even, odd = _EVEN >> shift, _ODD >> shift
        x, y = self.bits & _ODD, self.bits & _EVEN
        # The bits between are filled, for a carry to pass over them.
        if east > 0:
            x += even + 1
        elif east < 0:
            x = (x | even) - (even + 1)
        if north > 0:
            y += odd + 1
        elif north < 0:
            y = (y | odd) - (odd + 1)
        return Cell((x & odd if east else x) | (y & even if north else y), self.steps)

    def scores(self) -> tuple[float, float]:
        """The scores of all places in it: from the first one inclusive to the second one exclusive."""
        shift = 2 * (MAX_STEPS - self.steps)
        return float(self.bits << shift & _UINT64), float(self.bits + 1 << shift & _UINT64)


def _spread(number: int) -> int:
    for shift, kept in _SPREAD:
        number = (number | number << shift) & kept
    return number


def _gather(number: int) -> int:
    for shift, kept in _GATHER:
        number = (number | number >> shift) & kept
    return number


def cell_of(
    longitude: float, latitude: float, steps: int = MAX_STEPS, latitude_limit: float = LATITUDE_LIMIT
) -> Cell:
    """The cell of so many steps that a place is in; `latitude_limit` is how far north and south cells go."""
    lat = (latitude + latitude_limit) / (2 * latitude_limit) * (1 << steps)
    lon = (longitude + LONGITUDE_LIMIT) / (2 * LONGITUDE_LIMIT) * (1 << steps)
    return Cell(_spread(int(lat)) | _spread(int(lon)) << 1, steps)


def encode(longitude: float, latitude: float) -> float:
    """The score of a place."""
    return float(cell_of(longitude, latitude).bits)


def _to_unsigned(score: float) -> int:
    """A double as C makes it an unsigned integer of 64 bits on common processors: scores may be anything."""
    if not isfinite(score) or abs(score) >= 2**64:
        return 1 << 63 if score < 0 else 0
    if score < -(2**63):
        return 1 << 63
    return int(score) & _UINT64


def decode(score: float) -> tuple[float, float]:
    """Longitude and latitude of the middle of a score's cell."""
    west, east, south, north = Cell(_to_unsigned(score), MAX_STEPS).area()
    longitude, latitude = (west + east) / 2, (south + north) / 2
    return (
        max(-LONGITUDE_LIMIT, min(LONGITUDE_LIMIT, longitude)),
        max(-LATITUDE_LIMIT, min(LATITUDE_LIMIT, latitude)),
    )


def to_text(score: float) -> bytes:
    """A score as a geohash of eleven characters, as other programs have it (the last one is always 0)."""
    bits = cell_of(*decode(score), latitude_limit=90.0).bits
    return bytes(_ALPHABET[bits >> shift & 31] for shift in range(47, -1, -5)) + b"0"


# Distances


def cosine(angle: float) -> float:
    """The cosine, of infinity and NaN too."""
    return cos(angle) if isfinite(angle) else nan


def to_radians(degrees: float) -> float:
    return degrees * _RADIANS


def to_degrees(radians: float) -> float:
    return radians / _RADIANS


def latitude_distance(first: float, second: float) -> float:
    """The meters between two places of the same longitude."""
    return EARTH_RADIUS * abs(to_radians(second) - to_radians(first))


def distance(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """The meters between two places along the surface of a sphere, by the haversine formula."""
    v = sin((to_radians(other_longitude) - to_radians(longitude)) / 2)
    if v == 0:
        return latitude_distance(latitude, other_latitude)
    first, second = to_radians(latitude), to_radians(other_latitude)
    u = sin((second - first) / 2)
    root = sqrt(u * u + cos(first) * cos(second) * v * v)
    return 2.0 * EARTH_RADIUS * asin(min(root, 1.0))
