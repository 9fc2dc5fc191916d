"""Digests of values and of all data, as DEBUG DIGEST and DEBUG DIGEST-VALUE have them: equal data, equal digests.

They are those of Valkey. Redis 7.0 writes a score that is no whole number with 17 digits, and so has others for sorted sets
with such scores.

What has an order is mixed in, piece after piece; what has none is added by exclusive or, so that every order gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.datatypes.hash_value import HashValue
from anystore.pulsards.datatypes.list_value import ListValue
from anystore.pulsards.datatypes.set_value import SetValue
from anystore.pulsards.datatypes.sorted_set_value import SortedSetValue
from anystore.pulsards.datatypes.stream_value import StreamValue
from anystore.pulsards.numbers import format_double

if TYPE_CHECKING:
    from anystore.pulsards.database import Database

_SIZE: Final = 20
#: The numbers by which Redis knows its types; whatever is not here is a string.
_TYPE_NUMBERS: Final[dict[type, int]] = {
    ListValue: 1,
    SetValue: 2,
    SortedSetValue: 3,
    HashValue: 4,
    StreamValue: 6,
}


def _sha1(data: bytes | bytearray) -> int:
    return int.from_bytes(sha1(data, usedforsecurity=False).digest(), "big")


def _mixed(digest: int, data: bytes | bytearray) -> int:
    """The digest after one more piece, the order of which matters."""
    return _sha1((digest ^ _sha1(data)).to_bytes(_SIZE, "big"))


def _mixed_all(digest: int, pieces: Iterable[bytes]) -> int:
    for piece in pieces:
        digest = _mixed(digest, piece)
    return digest


def _pair(first: bytes, second: bytes) -> int:
    """What a pair adds to the digest of a collection without an order."""
    return _sha1(_mixed(_mixed(0, first), second).to_bytes(_SIZE, "big"))


def _with_value(digest: int, value: Any, expires: bool) -> int:
    digest = _mixed(digest, _TYPE_NUMBERS.get(type(value), 0).to_bytes(4, "big"))
    if isinstance(value, ListValue):
        digest = _mixed_all(digest, value)
    elif isinstance(value, SetValue):
        for member in value:
            digest ^= _sha1(member)
    elif isinstance(value, SortedSetValue):
        for member, score in value.items():
            digest ^= _pair(member, format_double(score))
    elif isinstance(value, HashValue):
        for field, content in value.items():
            digest ^= _pair(field, content)
    elif isinstance(value, StreamValue):
        for node in value.nodes:
            for number, fields in node.entries:
                digest = _mixed_all(_mixed(digest, number.replace(b"-", b".")), fields)
    else:
        digest = _mixed(digest, value)
    return digest ^ _sha1(b"!!expire!!") if expires else digest


def _text(digest: int) -> bytes:
    return b"%040x" % digest


def digest_of_value(database: Database, key: bytes) -> bytes:
    """The digest of one value, as 40 hexadecimal digits; all 0 where there is none. O(N) in the value.

    Whether the key expires is part of it, when it does is not. A key that has expired counts for as long as it is there.
    """
    value = database.data.get(key)
    return _text(0 if value is None else _with_value(0, value, key in database.expires))


def digest_of_all(databases: Iterable[Database]) -> bytes:
    """The digest of everything in these databases, as 40 hexadecimal digits; all 0 without any. O(N) in the data."""
    total = 0
    for database in databases:
        if not database.data:
            continue
        total = _mixed(total, database.index.to_bytes(4, "big"))
        for key, value in database.data.items():
            digest = _with_value(_mixed(0, key), value, key in database.expires)
            total ^= _sha1(digest.to_bytes(_SIZE, "big"))
    return _text(total)
