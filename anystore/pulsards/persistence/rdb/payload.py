"""DUMP payloads: a value, then the RDB version and a check sum. Source: the pages of DUMP and RESTORE."""

from __future__ import annotations

from typing import Final

from anystore.pulsards.datatypes import DEFAULT_LIMITS, EncodingLimits, HashValue
from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb.file_format import LAST_REDIS_VERSION
from anystore.pulsards.persistence.rdb.primitives import UINT16, UINT64, RdbError, RdbReader, RdbWriter
from anystore.pulsards.persistence.rdb.types import VALKEY_RDB_VERSION, Value, read_value, write_value

_FOOTER: Final = 2 + 8
# Compressing this much takes some 30 ms, in which the server does nothing else.
_COMPRESSION: Final = 64 * 1024


class PayloadMismatch(RdbError):
    """The payload's version is not understood, or its check sum is wrong."""


def dump_payload(value: Value, limits: EncodingLimits = DEFAULT_LIMITS, for_valkey: bool = False) -> bytes:
    """What DUMP replies for a value: Redis 7.0 and later and Valkey restore it.

    A hash with field expiry needs Redis 7.4 or, if `for_valkey`, Valkey 9: neither reads the other's form. `limits`
    decide between compact and other encodings. O(n).
    """
    writer = RdbWriter(_COMPRESSION)
    own = VALKEY_RDB_VERSION if for_valkey and isinstance(value, HashValue) else None
    version = write_value(writer, value, limits, own)
    buffer = writer.buffer
    buffer += UINT16.pack(version)
    buffer += UINT64.pack(crc64(buffer))
    return bytes(buffer)


def load_payload(payload: bytes) -> Value:
    """The value of a payload that DUMP of Redis 5 … 8, Valkey 7 … 9 or pulsards replied.

    Raises PayloadMismatch when the version or the check sum is wrong, and RdbError when the content is:
    nothing in it is trusted. Field expiry is kept as it is, be it in the past. O(n).
    """
    end = len(payload) - _FOOTER
    if end < 0:
        raise PayloadMismatch("the payload is too short")
    version = UINT16.unpack_from(payload, end)[0]
    if version > LAST_REDIS_VERSION and version != VALKEY_RDB_VERSION:
        raise PayloadMismatch(f"version {version} is not understood")
    expected = UINT64.unpack_from(payload, end + 2)[0]
    if expected != crc64(memoryview(payload)[: end + 2]):
        raise PayloadMismatch("the check sum is wrong")
    return read_value(RdbReader(payload, 0, end), version)
