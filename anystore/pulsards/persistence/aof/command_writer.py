"""Writes the base of a log as commands, piece by piece: takes the place of the writer of images.

Source: ``aof-use-rdb-preamble no`` of Redis 7.0 and Valkey 9.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anystore.pulsards.persistence.aof.value_commands import ValueCommands
from anystore.pulsards.persistence.rdb import Value
from anystore.resp.pack import pack_command

#: Bytes of a large value that make a piece.
_PIECE: Final = 16 * 1024


class LargeCommands:
    """A key with a large value, which is written a piece at a time: see `CommandWriter.piece`."""

    __slots__ = ("_commands", "_expires_at", "_key", "begun", "ended")

    def __init__(self, key: bytes, value: Value, expires_at: int | None) -> None:
        self._key = key
        self._expires_at = expires_at
        self._commands = ValueCommands(key, value)
        self.begun = self.ended = False

    def freeze(self) -> None:
        """The value is about to be changed: go on with it as it is now."""
        self._commands.freeze()

    def take(self) -> bytes:
        """Some more bytes."""
        self.begun = True
        found: list[bytes] = []
        size = 0
        for piece in self._commands.pieces:
            found.append(piece)
            size += len(piece)
            if size >= _PIECE:
                return b"".join(found)
        self.ended = True
        found.append(_expiry(self._key, self._expires_at))
        return b"".join(found)


class CommandWriter:
    """Writes all data as commands. The methods are to be called in the order in which they stand here.

    While a large entry is being written, other entries, and databases, are kept until it has ended: the commands of one
    key are all of the same database. When keys were last used is not written.
    """

    def __init__(self, moment: int | None = None) -> None:
        """`moment`: the seconds since 1970 that the log is to begin with; None for none."""
        self._moment = moment
        self._open = False
        self._kept: list[bytes] = []

    def header(self, aux: Mapping[bytes, bytes]) -> bytes:
        """How the file begins. Commands have no place for what an image says of itself."""
        return b"" if self._moment is None else b"#TS:%d\r\n" % self._moment

    def function(self, source: bytes) -> bytes:
        """A library of functions. O(n)."""
        return pack_command((b"FUNCTION", b"LOAD", source))

    def database(self, index: int, keys: int, expires: int) -> bytes:
        """The entries from here on are of this database."""
        return self._keep(pack_command((b"SELECT", index)))

    def entry(
        self,
        key: bytes,
        value: Value,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> bytes:
        """A key with its value; `expires_at` in milliseconds since 1970. O(n)."""
        if isinstance(value, bytes):
            return self._keep(pack_command((b"SET", key, value)) + _expiry(key, expires_at))
        return self._keep(b"".join(ValueCommands(key, value).pieces) + _expiry(key, expires_at))

    def large_entry(
        self,
        key: bytes,
        value: Value,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> LargeCommands:
        """What `piece` writes piece by piece. It is to be frozen before the value is changed. O(1)."""
        return LargeCommands(key, value, expires_at)

    def piece(self, entry: LargeCommands) -> bytes:
        """The next bytes of a large entry, until it has `ended`: one that has begun is gone on with before any other.

        Some 16 kB, more where a single command is larger.
        """
        data = entry.take()
        self._open = not entry.ended
        if entry.ended and self._kept:
            data += b"".join(self._kept)
            self._kept.clear()
        return data

    def end(self) -> bytes:
        """How the file ends: a log has no end."""
        return b""

    def _keep(self, data: bytes) -> bytes:
        if self._open:
            self._kept.append(data)
            return b""
        return data


def _expiry(key: bytes, expires_at: int | None) -> bytes:
    return b"" if expires_at is None else pack_command((b"PEXPIREAT", key, expires_at))
