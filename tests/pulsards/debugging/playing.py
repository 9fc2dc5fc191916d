"""Sessions with the debugger of scripts, played on any server, and what came back, byte for byte."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import Final

import hiredis

Words = str | Sequence[str | bytes]

ENDED: Final = b"+<endsession>\r\n"
_ADDRESS: Final = re.compile(rb"@0x[0-9a-f]+")


def packed(words: Words) -> bytes:
    """Words, one or several, as a client sends them."""
    return hiredis.pack_command(tuple(words.split(" ")) if isinstance(words, str) else tuple(words))


class Player:
    """One client of a server by TCP; it keeps the bytes of every reply."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, words: Words) -> bytes:
        """Send words: the reply, and everything up to the end of the connection where the session ends with it."""
        try:
            self.socket.sendall(packed(words))
        except OSError:
            return b"(closed)"
        return self.receive()

    def receive(self) -> bytes:
        """The next reply, or what there is until the connection is closed."""
        reader = hiredis.Reader(replyError=str, notEnoughData=NotImplemented)
        data = b""
        whole = False
        while not whole or ENDED in data:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return data + b"(closed)"
            data += piece
            if not whole:
                reader.feed(piece)
                whole = reader.gets() is not NotImplemented
        return data


def play(port: int, mode: str, script: str, arguments: str, words: Sequence[Words]) -> list[bytes]:
    """Debug a script: everything that the client gets, with places in memory left out."""
    with Player(port) as player:
        said = [player.ask(("FLUSHALL",)), player.ask(("SCRIPT", "DEBUG", mode))]
        said.append(player.ask(("EVAL", script, *arguments.split())))
        said += [player.ask(word) for word in words]
    return [_ADDRESS.sub(b"@0x0", data) for data in said]
