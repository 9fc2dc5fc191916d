"""Libraries as FUNCTION DUMP replies them: the code of each, then the RDB version and a check sum.

Source: the pages of FUNCTION DUMP and FUNCTION RESTORE; payloads compared with those of Redis 7.0 and Valkey 9.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb.payload import PayloadMismatch
from anystore.pulsards.persistence.rdb.primitives import UINT16, UINT64, RdbError, RdbReader, RdbWriter
from anystore.pulsards.persistence.rdb.types import RDB_VERSION, VALKEY_RDB_VERSION

_LIBRARY: Final = 245
_LAST_VERSION: Final = 12
_FOOTER: Final = 2 + 8
# As for values: compressing this much takes some 30 ms.
_COMPRESSION: Final = 64 * 1024


def dump_libraries(codes: Iterable[bytes]) -> bytes:
    """The payload of these libraries, each given by its whole text. O(n)."""
    writer = RdbWriter(_COMPRESSION)
    for code in codes:
        writer.byte(_LIBRARY)
        writer.string(code)
    buffer = writer.buffer
    buffer += UINT16.pack(RDB_VERSION)
    buffer += UINT64.pack(crc64(buffer))
    return bytes(buffer)


def load_libraries(payload: bytes) -> list[bytes]:
    """The texts of a payload's libraries.

    Raises PayloadMismatch when the version or the check sum is wrong, RdbError when the content is. O(n).
    """
    end = len(payload) - _FOOTER
    if end < 0:
        raise PayloadMismatch("the payload is too short")
    version = UINT16.unpack_from(payload, end)[0]
    if version > _LAST_VERSION and version != VALKEY_RDB_VERSION:
        raise PayloadMismatch(f"version {version} is not understood")
    if UINT64.unpack_from(payload, end + 2)[0] != crc64(memoryview(payload)[: end + 2]):
        raise PayloadMismatch("the check sum is wrong")
    reader = RdbReader(payload, 0, end)
    codes = []
    while reader.remaining:
        if reader.byte() != _LIBRARY:
            raise RdbError("the payload holds something else than libraries")
        codes.append(reader.string())
    return codes
