"""The commands in a primary's stream, each with the bytes that it took, so that offsets can be counted."""

from __future__ import annotations

from typing import Final

import hiredis

_PARTIAL: Final = object()


class StreamError(Exception):
    """The primary sent something that is no command of a replication stream."""


class StreamParser:
    """Turns a replication stream into commands.

    A primary writes its stream in one form only: arrays of bulk strings, and between them at most line ends, by which
    it shows that it is alive. That makes it possible to parse in C and still know where each command ends.
    """

    __slots__ = ("_raw", "_reader")

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_PARTIAL)
        self._raw = bytearray()  # what has come and is not part of a whole command yet

    def feed(self, data: bytes) -> list[tuple[list[bytes], bytes]]:
        """The commands that these bytes complete, each with its bytes in the stream; a line end is an empty command.

        Linear. Raises `StreamError`; the commands before the fault are lost then, and to be asked for again.
        """
        found: list[tuple[list[bytes], bytes]] = []
        if not self._raw:
            stripped = data.lstrip(b"\n")
            if len(stripped) < len(data):
                found.append(([], b"\n" * (len(data) - len(stripped))))
                data = stripped
        raw = self._raw
        raw += data
        position = 0
        try:
            self._reader.feed(data)
            while (command := self._reader.gets()) is not _PARTIAL:
                written = hiredis.pack_command(tuple(command))
                end = position + len(written)
                if not command or raw[position:end] != written:
                    raise StreamError("the primary sent a command in a form that no primary writes")
                found.append((command, written))
                position = end
        except (hiredis.ProtocolError, TypeError):
            raise StreamError("the primary sent bytes that are no command") from None
        del raw[:position]
        return found

    @property
    def pending(self) -> int:
        """How many bytes have come of a command that is not whole yet."""
        return len(self._raw)
