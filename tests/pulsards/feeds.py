"""What a real server tells its replicas, read by one that keeps nothing, and the same of an engine."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

import hiredis

from anystore.pulsards.propagation import Unit, encode_unit

Commands = list[list[bytes]]
#: The channel of the messages that mark how far a feed is to be read.
_MARK: Final = b"the mark"


class Feed:
    """A replica's connection to a real server, behind the data that it is sent at first."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._reader = hiredis.Reader()
        self._messenger = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._marks = 0
        # All that is received comes by way of this: it may have read on behind what was asked for.
        self._file = self._socket.makefile("rb")
        self._socket.sendall(b"SYNC\r\n")
        while not (line := self._file.readline()).startswith(b"$"):
            assert line == b"\n", line  # it says that it is still at it
        left = int(line[1:])
        while left:
            left -= len(self._file.read(min(left, 65536)))

    def read(self) -> Commands:
        """What was told since the last time, without what only keeps the connection alive."""
        self._marks += 1
        mark = b"%d" % self._marks
        self._messenger.sendall(hiredis.pack_command((b"PUBLISH", _MARK, mark)))
        found: Commands = []
        while True:
            command = self._reader.gets()
            if command is False:
                data = self._file.read1(65536)
                assert data, "the server has closed the connection"
                self._reader.feed(data)
            elif command == [b"PUBLISH", _MARK, mark]:
                self._messenger.recv(64)
                return found
            elif command not in ([b"PING"], [b"REPLCONF", b"GETACK", b"*"]):
                found.append(command)

    def close(self) -> None:
        self._file.close()
        self._socket.close()
        self._messenger.close()


def commands_of(units: Sequence[Unit]) -> Commands:
    """Units as the commands that go over the wire."""
    reader = hiredis.Reader()
    selected = -1
    for unit in units:
        data, selected = encode_unit(unit, selected)
        reader.feed(data)
    found: Commands = []
    while (command := reader.gets()) is not False:
        found.append(command)
    return found


def in_units(commands: Commands, selected: bytes = b"?") -> list[list[tuple[bytes, list[bytes]]]]:
    """Commands by the transactions that they stand in, each with its database."""
    units: list[list[tuple[bytes, list[bytes]]]] = []
    inside = False
    for command in commands:
        name = command[0].upper()
        if name == b"SELECT":
            selected = command[1]
        elif name == b"MULTI":
            inside = True
            units.append([])
        elif name == b"EXEC":
            inside = False
        elif inside:
            units[-1].append((selected, command))
        else:
            units.append([(selected, command)])
    return units
