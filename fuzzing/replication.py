"""Servers that are not what they say: a hostile primary for a replica, hostile replicas for a primary."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any, Final

import hiredis

from fuzzing.calls import made_up
from fuzzing.connection import Closed, Connection
from fuzzing.files import faulty_image, fill, image
from fuzzing.server import HANGS_AFTER, Fault, ServerUnderTest
from fuzzing.streams import faulty
from tests.pulsards.calls import Call as Words

#: Connections of a primary, or of replicas, after which the server gets other data.
_ROUND: Final = 200
_LINES: Final = (
    *(
        b"+FULLRESYNC",
        b"+FULLRESYNC ",
        b"+FULLRESYNC x 1",
        b"+FULLRESYNC %b x",
        b"+FULLRESYNC %b -1",
        b" ",
        b"\t \r",
    ),
    *(
        b"+FULLRESYNC %b 99999999999999999999999",
        b"+FULLRESYNC %b 9223372036854775807",
        b"+FULLRESYNC %b 1 2",
        b"+",
    ),
    *(
        b"+CONTINUE",
        b"+CONTINUE x",
        b"+CONTINUE %b",
        b"+CONTINUE %b %b",
        b"-NOMASTERLINK no",
        b"-LOADING x",
        b"-ERR x",
    ),
    *(
        b"$-1",
        b"$",
        b"$x",
        b"$99999999999999999999",
        b"$9223372036854775807",
        b"$0",
        b"$EOF:",
        b"$EOF:x",
        b":1",
        b"*0",
    ),
    *(
        b"+OK",
        b"-NOAUTH x",
        b"-",
        b"\0",
        b"\xff" * 100,
        b"x" * 70_000,
        b"+FULLRESYNC %b 1_0",
        b"$EOF:" + b"a" * 41,
    ),
)
_OPTIONS: Final = (
    *(
        b"listening-port",
        b"ip-address",
        b"capa",
        b"version",
        b"rdb-only",
        b"rdb-filter-only",
        b"ack",
        b"fack",
        b"getack",
    ),
    *(b"nosuch", b"", b"set-rdb-client-id", b"main-ch-client-id"),
)
_VALUES: Final = (
    *(
        b"1",
        b"0",
        b"-1",
        b"65536",
        b"99999999999999999999",
        b"eof",
        b"psync2",
        b"dual-channel",
        b"",
        b"\0",
        b"x" * 5000,
    ),
    *(
        b"127.0.0.1",
        b"9.9.9",
        b"\xff",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"functions",
        b"*",
        b"a b\r\nc",
    ),
)


class _Primary:
    """One connection that a replica has opened, from the primary's side."""

    def __init__(self, sock: socket.socket, random: Random, data: bytes) -> None:
        self._socket = sock
        self._random = random
        self._data = data
        self._reader = hiredis.Reader()
        self.sent = bytearray()
        sock.settimeout(HANGS_AFTER)

    def serve(self) -> None:
        """Greet, perhaps send an image, then a stream; close, when it has been read."""
        try:
            if self._greet():
                self._pieces(self._stream())
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(1 << 16):
                pass
        except TimeoutError:
            raise Fault(f"a replica neither reads nor hangs up, after {bytes(self.sent[-3000:])!r}") from None
        except OSError:
            pass  # it has had enough
        finally:
            self._socket.close()

    def _greet(self) -> bool:
        """Answer until the replica has asked for the stream; whether that is to come."""
        while True:
            asked: Any = self._reader.gets()
            if asked is False:
                data = self._socket.recv(1 << 16)
                if not data:
                    return False
                self._reader.feed(data)
                continue
            name = asked[0].upper() if isinstance(asked, list) and asked else b""
            if name == b"PSYNC":
                return self._answer()
            good = b"+PONG" if name == b"PING" else b"+OK"
            self._send((self._line() if self._random.randrange(15) == 0 else good) + b"\r\n")

    def _line(self) -> bytes:
        line = self._random.choice(_LINES).replace(b"%b", b"%040x" % self._random.getrandbits(160))
        return faulty(self._random, line) if self._random.randrange(4) == 0 else line

    def _answer(self) -> bool:
        how = self._random.randrange(8)
        history = b"%040x" % self._random.getrandbits(160)
        if how == 0:
            self._send(self._line() + b"\r\n")
        elif how == 1:
            self._send(b"+CONTINUE" + self._random.choice((b"", b" " + history)) + b"\r\n")
        else:
            self._send(
                b"\n" * self._random.randrange(3)
                + b"+FULLRESYNC %b %d\r\n" % (history, self._random.choice((0, 1, 10**6)))
            )
            data = self._data if self._random.randrange(2) else faulty_image(self._random, self._data)
            mark = b"%040x" % self._random.getrandbits(160)
            announced = self._random.randrange(6)
            if announced == 0:
                self._send(self._line() + b"\r\n")
            elif announced < 3:
                self._send(b"$EOF:" + mark + b"\r\n")
                data += mark
            else:
                self._send(b"$%d\r\n" % (len(data) + self._random.choice((0, 0, 0, 0, 1, -1, 100))))
            self._pieces(data)
        return True

    def _stream(self) -> bytes:
        calls: list[Words] = [[b"SELECT", b"0"], *islice(made_up(self._random), self._random.randrange(60))]
        for _ in range(self._random.randrange(4)):
            extra: Words = self._random.choice(
                (
                    [b"MULTI"],
                    [b"EXEC"],
                    [b"REPLCONF", b"GETACK", b"*"],
                    [b"PING"],
                    [b"SELECT", b"99"],
                    [b"SHUTDOWN", b"NOSAVE"],
                )
            )
            calls.insert(self._random.randrange(len(calls) + 1), extra)
        data = b"".join(hiredis.pack_command(tuple(call)) for call in calls)
        return faulty(self._random, data) if self._random.randrange(2) else data

    def _pieces(self, data: bytes) -> None:
        while data:
            size = self._random.choice((100, 1000, 100_000, 100_000))
            self._send(data[:size])
            data = data[size:]

    def _send(self, data: bytes) -> None:
        self.sent += data
        self._socket.sendall(data)


def by_primary(server: ServerUnderTest, random: Random) -> Iterator[int]:
    """The server follows a primary whose greeting, image and stream have faults; between times it is a primary itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HANGS_AFTER)
        port = listener.getsockname()[1]
        data = b""
        for count in range(2**63):
            if count % _ROUND == 0:
                fill(server, random)
                data = image(server)
            load = random.choice(("swapdb", "swapdb", "on-empty-db", "flush-before-load"))
            server.control("CONFIG", "SET", "repl-diskless-load", load)
            server.control("REPLICAOF", "127.0.0.1", port)
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                raise Fault("the server does not come to its primary") from None
            primary = _Primary(sock, random, data)
            try:
                primary.serve()
                server.control("REPLICAOF", "NO", "ONE")
                server.check(scripts=True)
            except Fault as fault:
                raise Fault(f"a primary that has sent {bytes(primary.sent[-20_000:])!r}: {fault}") from None
            _drain(listener)
            yield 1


def _drain(listener: socket.socket) -> None:
    """Hang up on who has come meanwhile."""
    listener.settimeout(0)
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        listener.settimeout(HANGS_AFTER)


def by_replica(server: ServerUnderTest, random: Random) -> Iterator[int]:
    """Replicas that ask for anything, acknowledge anything, and need not read what they get."""
    for count in range(2**63):
        if count % _ROUND == 0:
            fill(server, random)
        said: list[object] = []
        clients: list[Connection] = []
        try:
            clients += [server.connect() for _ in range(random.randrange(2, 5))]
            for _ in range(random.randrange(3, 25)):
                client = random.choice(clients[1:])
                words = _said_by_replica(server, random)
                said.append(words)
                if isinstance(words, bytes):
                    client.send_bytes(words)
                else:
                    client.send(*words)
                # This may have to wait: while places are changed nobody writes, for ever where the other one is none.
                clients[0].send("SET", f"key:{random.randrange(9)}", "x" * random.choice((1, 100, 10_000)))
                if random.randrange(4) == 0:
                    client.received()
            server.check(scripts=True)
        except (Closed, OSError, hiredis.ProtocolError):
            server.check(scripts=True)  # an image is no reply
        except Fault as fault:
            raise Fault(f"replicas that have said {said!r}: {fault}") from None
        for client in clients:
            client.close()
        server.control("FAILOVER", "ABORT")
        server.control("REPLICAOF", "NO", "ONE")
        yield 1


def _said_by_replica(server: ServerUnderTest, random: Random) -> Words | bytes:
    how = random.randrange(12)
    if how < 4:
        found = [b"REPLCONF"]
        for _ in range(random.randrange(1, 4)):
            found += [random.choice(_OPTIONS), random.choice(_VALUES)]
        return found
    if how < 7:
        info = server.control("INFO", "replication")
        facts = dict(line.split(b":", 1) for line in info.split(b"\r\n") if b":" in line)
        offset = int(facts[b"master_repl_offset"])
        history = random.choice(
            (facts[b"master_replid"], facts[b"master_replid2"], b"?", b"x", b"0" * 40, b"")
        )
        wanted = b"%d" % random.choice(
            (offset + 1, offset, 1, 0, -1, offset + 2, offset - 100, 2**63 - 1, -(2**63), 10**30)
        )
        return [b"PSYNC", history, wanted, *random.choice(((), (), (b"FAILOVER",), (b"x",)))]
    if how == 7:
        return [b"SYNC"]
    if how == 8:
        return [
            b"REPLCONF",
            b"ACK",
            random.choice(_VALUES),
            *random.choice(((), (b"FACK", random.choice(_VALUES)))),
        ]
    if how == 9:
        return random.choice(
            (
                [b"FAILOVER", b"TIMEOUT", b"20"],
                [b"WAIT", b"1", b"5"],
                [b"WAITAOF", b"0", b"1", b"5"],
                [b"ROLE"],
            )
        )
    if how == 10:
        return next(islice(made_up(random), random.randrange(100, 130), None))
    call = hiredis.pack_command((b"PSYNC", b"?", b"-1"))
    return faulty(random, call)
