"""A server that does as it is told: it answers each command by a table, and forgets nothing that it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
from anyio.abc import ByteStream, ObjectReceiveStream, ObjectSendStream
from anyio.streams.stapled import StapledByteStream

from anystore.resp.requests import RequestParser

Answer = bytes | Callable[[list[bytes]], bytes]

GREETING: Mapping[str, Answer] = {"HELLO": b"%1\r\n+server\r\n+redis\r\n", "CLIENT": b"+OK\r\n"}


class ScriptedServer:
    """Give its `connect` to a store as `connect_stream`.

    Args:
        answers: The bytes to answer with, by the command's name in upper case; None says nothing. A name with its first
            argument ("CLIENT SETNAME") goes first. What is not there is an unknown command.
    """

    def __init__(self, answers: Mapping[str, Answer | None]) -> None:
        self.answers = dict(answers)
        self.asked: list[list[bytes]] = []
        self.connections = 0

    async def connect(self) -> ByteStream:
        self.connections += 1
        send, receive = anyio.create_memory_object_stream[bytes](1000)
        return StapledByteStream(_Input(self, send), _Output(receive))

    def answer(self, request: list[bytes]) -> bytes:
        self.asked.append(request)
        words = [word.decode("latin-1").upper() for word in request]
        for name in (" ".join(words[:2]), words[0]):
            if name in self.answers:
                answer = self.answers[name]
                return b"" if answer is None else answer if isinstance(answer, bytes) else answer(request)
        return b"-ERR unknown command '%b'\r\n" % request[0]

    def names(self) -> list[str]:
        """What was asked, the names only."""
        return [request[0].decode() for request in self.asked]


class _Input(anyio.abc.ByteSendStream):
    def __init__(self, server: ScriptedServer, replies: ObjectSendStream[bytes]) -> None:
        self._server = server
        self._replies = replies
        self._parser = RequestParser()

    async def send(self, item: bytes) -> None:
        for request in self._parser.feed(item):
            answer = self._server.answer(request)
            if answer:
                await self._replies.send(answer)

    async def aclose(self) -> None:
        await self._replies.aclose()


class _Output(anyio.abc.ByteReceiveStream):
    def __init__(self, replies: ObjectReceiveStream[bytes]) -> None:
        self._replies = replies

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._replies.receive()

    async def aclose(self) -> None:
        await self._replies.aclose()


def connected_to(server: ScriptedServer, **options: Any) -> dict[str, Any]:
    """Options for a store on this server."""
    return {"connect_stream": server.connect, "reconnect_attempts": 1, "reconnect_delay": 0.001, **options}
