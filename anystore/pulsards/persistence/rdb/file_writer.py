"""Writing RDB files, piece by piece: each call returns the bytes that come next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from anystore.pulsards.datatypes import DEFAULT_LIMITS, EncodingLimits
from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb.file_format import Opcode
from anystore.pulsards.persistence.rdb.large_values import LargeValue
from anystore.pulsards.persistence.rdb.primitives import INT64, UINT64, RdbWriter
from anystore.pulsards.persistence.rdb.types import (
    RDB_VERSION,
    RDB_VERSION_FIELD_EXPIRY,
    VALKEY_RDB_VERSION,
    Value,
    write_value,
)

if TYPE_CHECKING:
    from anystore.pulsards.keyspace import Keyspace

# Of one entry: compressing this much takes some 8 ms, in which the server does nothing else.
_COMPRESSION: Final = 16 * 1024
_SUMMED_AT_ONCE: Final = 64 * 1024
_VERSIONS: Final = (RDB_VERSION, RDB_VERSION_FIELD_EXPIRY, VALKEY_RDB_VERSION)


def lowest_version(keyspace: Keyspace, for_valkey: bool = False) -> int:
    """The lowest RDB version that can hold what is in a keyspace. O(databases).

    10 is read by Redis 7 and 8, and by Valkey; but it has no way to say when a hash's field expires. Where one does,
    it takes 12, for Redis 7.4 and later, or, if it is to be read by Valkey 9, that one's own 80.
    """
    if not any(database.fields for database in keyspace.databases):
        return RDB_VERSION
    return VALKEY_RDB_VERSION if for_valkey else RDB_VERSION_FIELD_EXPIRY


class LargeEntry:
    """A key with a large value, which is written a piece at a time: see `FileWriter.piece`."""

    __slots__ = ("_value", "_writer", "begun", "ended")

    def __init__(self, writer: RdbWriter, value: Value, version: int) -> None:
        self._writer = writer
        self._value = LargeValue(writer, value, version)
        self.begun = self.ended = False

    def freeze(self) -> None:
        """The value is about to be changed: go on with it as it is now."""
        self._value.freeze()

    def take(self) -> bytes:
        """Some more bytes."""
        self.begun = True
        self.ended = not self._value.write_piece()
        data = bytes(self._writer.buffer)
        self._writer.buffer.clear()
        return data


class FileWriter:
    """Writes one RDB file. The methods are to be called in the order in which they stand here.

    What each returns is to be written next, all of it: the check sum goes on over it. While a large entry is being
    written, other entries, and databases, are kept until it has ended.
    """

    def __init__(
        self,
        version: int = RDB_VERSION,
        checksum: bool = True,
        compress: bool = True,
        limits: EncodingLimits = DEFAULT_LIMITS,
    ) -> None:
        """`version` is 10, 12 or 80: see `lowest_version`. `limits` decide between compact and other encodings.

        `compress`: by LZF, where a string is long and becomes much smaller. Every reader takes either.
        """
        if version not in _VERSIONS:
            raise ValueError(f"RDB version {version} is not written: want one of {_VERSIONS}")
        self.version = version
        self._checksum = checksum
        self._compression = _COMPRESSION if compress else 0
        self._limits = limits
        #: A large entry that has begun and not ended, and what is to be written behind it.
        self._open = False
        self._kept: list[bytes] = []
        self._crc = 0
        self._unsummed: list[bytes] = []
        self._unsummed_bytes = 0

    def header(self, aux: Mapping[bytes, bytes]) -> bytes:
        """How the file begins, with what it says of itself: `redis-ver`, `ctime` and the like."""
        writer = RdbWriter()
        if self.version >= VALKEY_RDB_VERSION:
            writer.buffer += b"VALKEY%03d" % self.version
        else:
            writer.buffer += b"REDIS%04d" % self.version
        for name, value in aux.items():
            writer.byte(Opcode.AUX)
            writer.string(name)
            writer.string(value)
        return self._sum(bytes(writer.buffer))

    def function(self, source: bytes) -> bytes:
        """A library of functions. O(n)."""
        writer = RdbWriter(self._compression, selective=True)
        writer.byte(Opcode.FUNCTION)
        writer.string(source)
        return self._sum(bytes(writer.buffer))

    def database(self, index: int, keys: int, expires: int) -> bytes:
        """The entries from here on are of this database, which has so many keys, so many with a time to live."""
        writer = RdbWriter()
        writer.byte(Opcode.DATABASE)
        writer.length(index)
        writer.byte(Opcode.SIZES)
        writer.length(keys)
        writer.length(expires)
        return self._keep(bytes(writer.buffer))

    def entry(
        self,
        key: bytes,
        value: Value,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> bytes:
        """A key with its value; `expires_at` in milliseconds since 1970. O(n).

        RdbError for a hash whose fields expire when the file's version cannot say so.
        """
        writer = RdbWriter(self._compression, selective=True)
        self._begin_entry(writer, key, expires_at, idle_seconds, frequency)
        write_value(writer, value, self._limits, self.version)
        return self._keep(bytes(writer.buffer))

    def large_entry(
        self,
        key: bytes,
        value: Value,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> LargeEntry:
        """What `piece` writes piece by piece. It is to be frozen before the value is changed. O(1)."""
        writer = RdbWriter()
        self._begin_entry(writer, key, expires_at, idle_seconds, frequency)
        return LargeEntry(writer, value, self.version)

    def piece(self, entry: LargeEntry) -> bytes:
        """The next bytes of a large entry, until it has `ended`: one that has begun is gone on with before any other.

        Some 16 kB, more where a single element is larger. `RdbError` as with `entry`.
        """
        data = entry.take()
        self._open = not entry.ended
        if entry.ended and self._kept:
            data += b"".join(self._kept)
            self._kept.clear()
        return self._sum(data)

    @staticmethod
    def _begin_entry(
        writer: RdbWriter, key: bytes, expires_at: int | None, idle_seconds: int | None, frequency: int | None
    ) -> None:
        buffer = writer.buffer
        if expires_at is not None:
            buffer.append(Opcode.EXPIRES_MILLISECONDS)
            buffer += INT64.pack(expires_at)
        if idle_seconds is not None:
            buffer.append(Opcode.IDLE)
            writer.length(idle_seconds)
        if frequency is not None:
            buffer.append(Opcode.FREQUENCY)
            buffer.append(frequency)
        writer.key = key

    def end(self) -> bytes:
        """How the file ends, with its check sum (0: without one)."""
        self._sum(b"\xff")
        self._catch_up()
        return b"\xff" + UINT64.pack(self._crc)

    def _keep(self, data: bytes) -> bytes:
        if self._open:
            self._kept.append(data)
            return b""
        return self._sum(data)

    def _sum(self, data: bytes) -> bytes:
        # Many entries at once: a check sum of a few bytes costs more than they do.
        if self._checksum:
            self._unsummed.append(data)
            self._unsummed_bytes += len(data)
            if self._unsummed_bytes >= _SUMMED_AT_ONCE:
                self._catch_up()
        return data

    def _catch_up(self) -> None:
        self._crc = crc64(b"".join(self._unsummed), self._crc)
        self._unsummed.clear()
        self._unsummed_bytes = 0
