"""A replica's side of the connection to its primary, without I/O: bytes in, events and bytes out.

=============  ===========================================================  ============================
stage          holds                                                          ends with
=============  ===========================================================  ============================
greeting       PING is out                                                    its answer
introduction   AUTH and what the replica says of itself are out               the last of the answers
asking         PSYNC is out                                                   +FULLRESYNC or +CONTINUE
announcement   a whole image is to come                                       how it will end
image          the image comes                                                its last byte
stream         commands come                                                  the connection
=============  ===========================================================  ============================

Source: "Redis replication"; the pages of PSYNC and REPLCONF; behaviour held against Redis 7.0 and Valkey 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from anystore.pulsards.persistence.place import is_replication_id
from anystore.pulsards.replication.stream_parser import StreamError, StreamParser
from anystore.resp.pack import pack_command

#: A line of the handshake without an end by then is none.
_MAX_LINE: Final = 64 * 1024
_MARK: Final = 40
#: What a primary that wants a password answers to PING: it is one all the same.
_WANTS_LOGIN: Final = (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")


class LinkError(Exception):
    """The primary does not let itself be followed: what it said, or what was wrong with it."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a replica says of itself: who it logs in as, where it listens, and what it has already.

    `history` and `offset` are those of its data, None where they are nobody's; `failover` asks the other one to take
    over from here.
    """

    user: str = ""
    password: str = ""
    port: int = 0
    address: str = ""
    version: bytes = b""
    history: bytes | None = None
    offset: int = 0
    failover: bool = False


@dataclass(frozen=True, slots=True)
class FullResync:
    """A whole image is to come, of a history at an offset."""

    history: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Continued:
    """The stream goes on where it was; under another name where `history` is not None."""

    history: bytes | None


@dataclass(frozen=True, slots=True)
class ImageSize:
    """The image begins, and has so many bytes; None where only its end will tell."""

    size: int | None


@dataclass(frozen=True, slots=True)
class ImagePart:
    """The next bytes of the image."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ImageEnd:
    """The image is complete."""


@dataclass(frozen=True, slots=True)
class StreamCommand:
    """A command of the stream, and the bytes that it took there; no arguments for a sign of life."""

    arguments: list[bytes]
    raw: bytes


LinkEvent = FullResync | Continued | ImageSize | ImagePart | ImageEnd | StreamCommand


class Link:
    """One connection to a primary.

    The driver calls `receive` with what has come and sends what `take_output` hands over; the first of that is there
    from the start.
    """

    def __init__(self, introduction: Introduction) -> None:
        self.stage = "greeting"
        self._introduction = introduction
        self._out: list[bytes] = [pack_command([b"PING"])]
        self._buffer = bytearray()
        self._awaited: list[str] = []  # the answers of the introduction that are still to come
        self._left = 0  # bytes of the image still to come, where its size is known
        self._mark: bytes | None = None
        self._parser = StreamParser()

    @property
    def pending(self) -> int:
        """What has come of a command of the stream that is not whole yet, in bytes."""
        return self._parser.pending

    # Bytes out

    def send(self, *arguments: bytes | int | str) -> None:
        """Queue a command for the primary."""
        self._out.append(pack_command(arguments))

    def send_sign_of_life(self) -> None:
        """Show a primary that waits for an answer to its image that this side is there."""
        self._out.append(b"\n")

    def take_output(self) -> bytes:
        """What is to be sent now, in order."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # Bytes in

    def receive(self, data: bytes) -> Iterator[LinkEvent]:
        """What these bytes tell, in order. Linear. Raises `LinkError`; the connection is to be closed then.

        The events are to be taken one by one: what is behind one is read when the next one is asked for.
        """
        if self.stage == "stream" and not self._buffer:
            yield from self._stream(data)
            return
        self._buffer += data
        while True:
            if self.stage == "stream":
                rest = bytes(self._buffer)
                self._buffer.clear()
                if rest:
                    yield from self._stream(rest)
                return
            if self.stage == "image":
                yield from self._image()
                if self.stage == "image":
                    return
                continue
            line = self._take_line()
            if line is None:
                return
            if line:  # an empty one is a sign of life
                yield from self._line(line)

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise LinkError(f"the primary does not speak the replication protocol, at the {self.stage}")
            return None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def _line(self, line: bytes) -> Iterator[LinkEvent]:
        if self.stage == "greeting":
            if not line.startswith((b"+", *_WANTS_LOGIN)):
                raise LinkError(f"the primary answered PING with {_shown(line)}")
            self._introduce()
        elif self.stage == "introduction":
            asked = self._awaited.pop(0)
            if line.startswith(b"-") and asked == "login":
                raise LinkError(f"the primary refused the login: {_shown(line)}")
            if not self._awaited:
                self._ask()
        elif self.stage == "asking":
            yield self._answer(line)
        else:
            yield self._announcement(line)

    def _introduce(self) -> None:
        given = self._introduction
        if given.password:
            self.send("AUTH", *([given.user] if given.user else []), given.password)
            self._awaited.append("login")
        # Those that a primary does not know it refuses, which does no harm.
        for option, value in (
            ("listening-port", str(given.port or "")),
            ("ip-address", given.address),
            ("version", given.version.decode()),
        ):
            if value:
                self.send("REPLCONF", option, value)
                self._awaited.append(option)
        self.send("REPLCONF", "capa", "eof", "capa", "psync2")
        self._awaited.append("capa")
        self.stage = "introduction"

    def _ask(self) -> None:
        given = self._introduction
        if given.history is None:
            self.send("PSYNC", "?", "-1")
        else:
            failover = ["FAILOVER"] if given.failover else []
            self.send("PSYNC", given.history, given.offset + 1, *failover)
        self.stage = "asking"

    def _answer(self, line: bytes) -> LinkEvent:
        words = line.split() or [b""]  # a line of nothing but spaces is an answer, too, and a wrong one
        if words[0] == b"+FULLRESYNC" and len(words) == 3 and is_replication_id(words[1]):
            try:
                offset = int(words[2])
            except ValueError:
                raise LinkError(f"the primary answered PSYNC with {_shown(line)}") from None
            self.stage = "announcement"
            return FullResync(words[1], offset)
        if words[0] == b"+CONTINUE" and self._introduction.history is not None:
            history = words[1] if len(words) > 1 and is_replication_id(words[1]) else None
            self.stage = "stream"
            return Continued(history)
        raise LinkError(f"the primary answered PSYNC with {_shown(line)}")

    def _announcement(self, line: bytes) -> LinkEvent:
        if line.startswith(b"$EOF:") and len(line) == 5 + _MARK:
            self._mark = line[5:]
            self.stage = "image"
            return ImageSize(None)
        if line.startswith(b"$") and line[1:].isdigit() and len(line) < 21:
            self._mark, self._left = None, int(line[1:])
            self.stage = "image"
            return ImageSize(self._left)
        raise LinkError(f"instead of its data the primary sent {_shown(line)}")

    def _image(self) -> Iterator[LinkEvent]:
        """Hand on what is there of the image."""
        if self._mark is None:
            part = bytes(self._buffer[: self._left])
            self._left -= len(part)
            complete = not self._left
            used = len(part)
        else:
            # The mark may come in pieces, so as many bytes as could be the beginning of it stay behind.
            end = self._buffer.find(self._mark)
            complete = end >= 0
            size = end if complete else max(0, len(self._buffer) - _MARK + 1)
            part = bytes(self._buffer[:size])
            used = size + _MARK if complete else size
        del self._buffer[:used]
        if part:
            yield ImagePart(part)
        if complete:
            self.stage = "stream"
            yield ImageEnd()

    def _stream(self, data: bytes) -> Iterator[LinkEvent]:
        try:
            commands = self._parser.feed(data)
        except StreamError as error:
            raise LinkError(str(error)) from None
        for arguments, raw in commands:
            yield StreamCommand(arguments, raw)


def _shown(line: bytes) -> str:
    return repr(line[:200].decode("utf-8", "backslashreplace"))
