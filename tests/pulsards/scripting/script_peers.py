"""The same script on pulsards, without any I/O, and on real servers: replies compared byte by byte."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable

import hiredis

from anystore.pulsards.engine import Engine

# What differs by design: Valkey leaves the script's SHA1 out and its wording speaks of no Redis.
_WORDS = (
    (re.compile(rb" script: [0-9a-f]{40}, on "), b" script: on "),
    (re.compile(rb"0x[0-9a-f]+"), b"0xADDRESS"),
    (re.compile(rb"Unknown command called"), b"Unknown Redis command called"),
    (re.compile(rb"calling command from script"), b"calling Redis command from script"),
    (re.compile(rb"This Valkey command"), b"This Redis command"),
    (re.compile(rb"ERR Command arguments must"), b"ERR Lua redis lib command arguments must"),
    (re.compile(rb"argument for this call"), b"argument for this redis lib call"),
    (re.compile(rb"server\.(\w+\(\))"), rb"redis.\1"),
    (re.compile(rb"server\.register_function"), b"redis.register_function"),
    (re.compile(rb"Invalid log level"), b"Invalid debug level"),
    (re.compile(rb"NOSCRIPT No matching script\.\r"), b"NOSCRIPT No matching script. Please use EVAL.\r"),
)


def comparable(reply: bytes) -> bytes:
    """A reply as it came, but for what the servers word differently. Bulk strings lose their lengths."""
    for pattern, replacement in _WORDS:
        reply = pattern.sub(replacement, reply)
    return re.sub(rb"\$\d+\r\n", b"$\r\n", reply)


class RawServer:
    """A connection to a real server that hands out replies as bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def execute(self, *arguments: bytes | str | int) -> bytes:
        self._socket.sendall(hiredis.pack_command(arguments))
        reader = hiredis.Reader(notEnoughData=NotImplemented)
        reply = b""
        while reader.gets() is NotImplemented:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            reply += data
            reader.feed(data)
        return reply

    def close(self) -> None:
        self._socket.close()


class RawEngine:
    """A client of an engine in this process that hands out replies as bytes."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._session = self.engine.connect()

    def execute(self, *arguments: bytes | str | int) -> bytes:
        self._session.receive(hiredis.pack_command(arguments))
        self.engine.flush()
        return self._session.take_output()

    def close(self) -> None:
        self._session.close()


def protected(expression: str) -> str:
    """A script that shows all results of an expression, or its error, as text."""
    return (
        f"local r = {{pcall(function() return {expression} end)}}\n"
        "local shown = {} for i = 1, table.maxn(r) do shown[i] = tostring(r[i]) end return shown"
    )


class ScriptPeers:
    """pulsards beside the real servers that there are."""

    def __init__(self, ports: Iterable[int]) -> None:
        self.servers = [RawServer(port) for port in ports]
        self.engine = RawEngine()

    def command(self, *arguments: bytes | str | int) -> None:
        """Send a command to all."""
        for peer in (*self.servers, self.engine):
            peer.execute(*arguments)

    def disagreements(
        self, commands: Iterable[tuple[bytes | str | int, ...]]
    ) -> list[tuple[object, bytes, list[bytes]]]:
        """The commands that pulsards answers like none of the servers: with its answer, and theirs."""
        found = []
        for command in commands:
            ours = comparable(self.engine.execute(*command))
            theirs = [comparable(server.execute(*command)) for server in self.servers]
            if ours not in theirs:
                found.append((command, ours, theirs))
        return found

    def disagreements_of_scripts(
        self, scripts: Iterable[str | bytes], *arguments: bytes | str | int
    ) -> list[tuple[object, bytes, list[bytes]]]:
        """The same for scripts; `arguments` are the number of keys, keys and other arguments of each."""
        return self.disagreements(("EVAL", script, *(arguments or (0,))) for script in scripts)

    def close(self) -> None:
        for peer in (*self.servers, self.engine):
            peer.close()
