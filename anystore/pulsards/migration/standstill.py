"""MIGRATE within a transaction or a script: the server stands still until the keys have arrived, as Redis always does.

Nothing may come between the commands of a transaction, and a script cannot be left half-way. So this talks by a socket
that blocks, and the event loop waits with it. As in Redis, the time limit is for each step: for connecting, for every
64 KB that are sent, and for each answer.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Final

from anystore.exceptions import ProtocolError
from anystore.pulsards.engine import Engine
from anystore.pulsards.migration.moving import CONNECTING, READING, WRITING, Migration, Target

_PIECE: Final = 64 * 1024


class _Deadline:
    """The moment until which a step has to be done."""

    def __init__(self, seconds: float) -> None:
        self._until = monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left. Raises `TimeoutError` where none are."""
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def stand_still(engine: Engine, migration: Migration) -> str:
    """Carry a migration out before anything else happens: what the trouble was, or nothing.

    Blocks for as long as the other server takes, and for the migration's time limit at most in each step. O(bytes).
    """
    doing = CONNECTING
    try:
        deadline = _Deadline(migration.timeout)
        with _connect(migration.target, engine.config.values["bind-source-addr"], deadline) as sock:
            migration.begin(None)
            while True:
                data = migration.next_piece()
                if not migration.awaited:
                    return ""
                doing = WRITING
                view = memoryview(data)
                sock.settimeout(migration.timeout)  # which is for all of one sendall
                for begin in range(0, len(data), _PIECE):
                    sock.sendall(view[begin : begin + _PIECE])
                engine.statistics.bytes_sent += len(data)
                doing = READING
                if not _hear(engine, migration, sock):
                    return READING
    except ConnectionError:
        # Redis learns that nobody is there when it writes.
        return WRITING if doing == CONNECTING else doing
    except (OSError, OverflowError, UnicodeError, ProtocolError):
        return doing


def _hear(engine: Engine, migration: Migration, sock: socket.socket) -> bool:
    """Receive the answers to all that has been said; False where the other server hangs up. Raises `OSError`."""
    deadline = _Deadline(migration.timeout)
    while awaited := migration.awaited:
        sock.settimeout(deadline.left())
        answers = sock.recv(_PIECE)
        if not answers:
            return False
        engine.statistics.bytes_received += len(answers)
        migration.receive(answers)
        if migration.awaited < awaited:
            deadline = _Deadline(migration.timeout)
    return True


def _connect(target: Target, source: str, deadline: _Deadline) -> socket.socket:
    """A connection to the first of the host's addresses that takes one. Raises `OSError`."""
    trouble: OSError | None = None
    for family, kind, protocol, _, address in _addresses(target, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source:
                sock.bind((source, 0))
            sock.settimeout(deadline.left())
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            trouble = trouble or error
    raise trouble or OSError("no address")


def _addresses(target: Target, deadline: _Deadline) -> list[Any]:
    """What the host's name stands for. Raises `OSError`, `OverflowError` or `UnicodeError`."""
    with suppress(socket.gaierror):
        # No name, but an address: nobody has to be asked.
        return socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    answers: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
        except (OSError, OverflowError, UnicodeError) as error:
            answers.put(error)

    # The system's resolver knows no time limit; a thread that is left behind ends with it.
    Thread(target=ask, name="a host's addresses", daemon=True).start()
    try:
        found = answers.get(timeout=deadline.left())
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found
