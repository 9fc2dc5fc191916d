"""The values that keys hold: plain data structures that know nothing of server, clock or network."""

from anystore.pulsards.datatypes.deadlines import Deadlines
from anystore.pulsards.datatypes.hash_value import HashValue
from anystore.pulsards.datatypes.limits import DEFAULT_LIMITS, EncodingLimits
from anystore.pulsards.datatypes.list_value import ListValue
from anystore.pulsards.datatypes.sampling import Collection
from anystore.pulsards.datatypes.scan_index import ScanIndex
from anystore.pulsards.datatypes.set_value import (
    Members,
    SetValue,
    difference,
    intersection,
    intersection_size,
    union,
)
from anystore.pulsards.datatypes.sorted_set_value import LexRange, ScoreRange, SortedSetValue
from anystore.pulsards.datatypes.stream_value import StreamValue

__all__ = (
    "DEFAULT_LIMITS",
    "Collection",
    "Deadlines",
    "EncodingLimits",
    "HashValue",
    "LexRange",
    "ListValue",
    "Members",
    "ScanIndex",
    "ScoreRange",
    "SetValue",
    "SortedSetValue",
    "StreamValue",
    "difference",
    "intersection",
    "intersection_size",
    "union",
)
