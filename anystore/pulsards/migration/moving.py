"""What MIGRATE says to the other server, and what comes of its answers. Without I/O.

Redis stands still while a key moves, so that nobody can change it between its copy there and its removal here. This
server goes on: whoever only reads is answered, and commands that may change one of the keys are kept until it has
arrived, as under CLIENT PAUSE. A key is removed here when the other server has said that it has it, and not before.

Values are written when their turn comes, a few at a time, so that a move of many keys takes no more memory than
its largest value, and never more than fits into the other side's buffers is said before an answer is read.

Source: the page of MIGRATE, and what Redis 7.0 and Valkey 9 answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import hiredis

from anystore.exceptions import ProtocolError, ResponseError
from anystore.pulsards.blocking import Waiter
from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.notifications import GENERIC
from anystore.pulsards.persistence.rdb import dump_payload
from anystore.resp.replies import NOT_ENOUGH, ReplyParser
from anystore.resp.types import OK, ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.context import Context
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

pack_command: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
#: So many commands, or so many bytes, are said before their answers are read.
_MOST_COMMANDS: Final = 128
_MOST_BYTES: Final = 1 << 20
#: What had trouble, in Redis' words.
CONNECTING: Final = "connecting to the client"
WRITING: Final = "writing to target instance"
READING: Final = "reading to target instance"
_LOGIN: Final = "login"
_SELECT: Final = "select"
#: They name keys of other databases than the selected one.
_BETWEEN_DATABASES: Final = frozenset((b"copy", b"move"))


class Target(NamedTuple):
    """Where keys move to, and as whom: connections are kept for each."""

    host: str
    port: int
    login: tuple[bytes, ...]


class MigrationWaiter(Waiter):
    """What a client waits for that moves keys: nothing ends it but the move's end, or that of the connection."""

    __slots__ = ()

    def __init__(self, session: Session) -> None:
        super().__init__(session, session.db, (), None, _never, None)


class Migration:
    """One MIGRATE under way.

    A driver calls `begin` with a connection, then sends what `next_piece` returns and hands what comes to `receive`
    until nothing is `awaited`, again and again until there is no next piece; and `end` in any case.
    """

    def __init__(
        self,
        context: Context,
        target: Target,
        database: int,
        keys: Sequence[bytes],
        timeout_ms: int,
        *,
        copy: bool,
        replace: bool,
    ) -> None:
        self._engine: Engine = context.engine
        self._session = session = context.session
        self._arguments: list[bytes] = []
        self._at_once = not context.can_block
        self._gone: list[bytes] = []
        self.database = context.db
        self.keys = keys
        self.target = target
        #: Seconds that the other server may take for each step.
        self.timeout = timeout_ms / 1000
        self.waiter = MigrationWaiter(session)
        self._to = database
        self._copy = copy
        self._replace = replace
        self._history = self._engine.replication.history.id
        self._parser = ReplyParser()
        self._rest = deque(keys)
        self._asked: deque[bytes | str] = deque()
        self._selected: int | None = None
        self._introduced = False
        #: The other server has answered anything: what is said must not be said again.
        self.heard = False
        self._error: bytes | None = None
        self._turned_away = False

    def begin(self, selected: int | None) -> None:
        """Talk by a connection: a new one (None), or one that has logged in and selected a database before."""
        self._selected = selected
        self._introduced = selected is not None
        self._parser = ReplyParser()
        self._rest = deque(self.keys)
        self._asked.clear()

    @property
    def awaited(self) -> int:
        """How many answers are to come before anything else is said."""
        return len(self._asked)

    @property
    def selected(self) -> int | None:
        """The database that the connection is left in; None where the connection is not to be used again."""
        return None if self._asked or self._rest else self._selected

    def next_piece(self) -> bytes:
        """What is to be said next; nothing at the end. O(bytes)."""
        pieces: list[bytes] = []
        if not self._introduced:
            self._introduced = True
            if self.target.login:
                self._ask(pieces, _LOGIN, (b"AUTH", *self.target.login))
        if self._selected != self._to and self._rest:
            self._selected = self._to
            self._ask(pieces, _SELECT, (b"SELECT", b"%d" % self._to))
        size = 0
        while self._rest and len(pieces) < _MOST_COMMANDS and size < _MOST_BYTES:
            key = self._rest.popleft()
            call = self._restore(key)
            if call is not None:
                self._ask(pieces, key, call)
                size += len(pieces[-1])
        return b"".join(pieces)

    def _ask(self, pieces: list[bytes], what: bytes | str, call: tuple[bytes, ...]) -> None:
        self._asked.append(what)
        pieces.append(pack_command(call))

    def _restore(self, key: bytes) -> tuple[bytes, ...] | None:
        """The call that makes the key there; None where it has gone from here."""
        database = self.database
        value = database.peek(key)
        if type(value) is HashValue:
            value = database.live_fields(key, value)
        if value is None:
            return None
        when = database.expires.get(key)
        lifetime = 0 if when is None else max(when - database.keyspace.now, 1)
        config = self._engine.config
        payload = dump_payload(value, config.encoding_limits, config.for_valkey)
        options = (b"REPLACE",) if self._replace else ()
        return (b"RESTORE", key, b"%d" % lifetime, payload, *options)

    def receive(self, data: bytes) -> None:
        """Take what the other server says. Raises `ProtocolError` where that is no answer to what it was asked."""
        self._parser.feed(data)
        arrived = []
        while (reply := self._parser.gets(False)) is not NOT_ENOUGH:
            if not self._asked:
                raise ProtocolError("an answer that nobody has asked for")
            self.heard = True
            asked = self._asked.popleft()
            if isinstance(reply, ResponseError):
                self._refused(asked, str(reply).encode("utf-8", "surrogateescape"))
            elif isinstance(asked, bytes) and not self._turned_away:
                arrived.append(asked)
        if arrived and not self._copy:
            self._remove(arrived)

    def _refused(self, asked: bytes | str, message: bytes) -> None:
        if self._error is None:
            self._error = b"ERR Target instance replied with error: " + message
        if isinstance(asked, str):
            # It takes nothing from us, or has taken it into another database than was meant; and the connection
            # is not where the next one would want it.
            self._turned_away = True
            self._rest.clear()
            self._selected = None

    def _remove(self, keys: list[bytes]) -> None:
        """The other server has them: they go from here, and whoever keeps a copy of the data is told."""
        engine = self._engine
        if engine.replication.following is not None or engine.replication.history.id != self._history:
            # They are somebody else's by now.
            self._error = self._error or b"UNBLOCKED the keys were copied, and belong to another primary now"
            return
        if self._at_once or not engine.propagation.active:
            self._delete(keys)
            return
        engine.propagation.serve(self._session, self._arguments, lambda: self._delete(keys))

    def _delete(self, keys: list[bytes]) -> None:
        gone = [key for key in keys if self.database.remove(key)]
        for key in gone:
            self.database.changed(key, b"del", GENERIC)
        # One command that runs at once is told once, of all that went.
        self._gone = [*self._gone, *gone] if self._at_once else gone
        if self._gone:
            self._session.propagate([b"DEL", *self._gone])

    def starts(self, arguments: list[bytes]) -> None:
        """Remember the command as it came."""
        self._arguments = arguments

    def error(self, trouble: str) -> bytes | None:
        """The error that is the reply, the connection having had `trouble` or, as an empty text, none."""
        if trouble and self._error is None:
            self._error = b"IOERR error or timeout " + trouble.encode()
        return self._error

    def end(self, trouble: str = "") -> None:
        """All is said, or the connection had `trouble` (`CONNECTING` …): the client is told."""
        self.error(trouble)
        self._engine.migrations.forget(self)
        if self._session.waiter is not self.waiter:
            return
        if self._error is None:
            self._session.unpark(OK)
        else:
            self._engine.count_error(self._error)
            self._session.unpark(ErrorReply(self._error))


class Migrations:
    """All keys of one server that are on their way, and the clients that wait because of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Has a migration carried out; None where nobody drives the engine who could.
        self.drive: Callable[[Migration], None] | None = None
        #: Carries one out before it returns what the trouble was, or nothing; None as `drive`.
        self.drive_at_once: Callable[[Engine, Migration], str] | None = None
        #: How many connections are kept for the next migration.
        self.kept = 0
        self.moving: dict[tuple[Database, bytes], Migration] = {}

    def start(self, migration: Migration, arguments: list[bytes]) -> None:
        """Carry a migration out, while its client waits."""
        assert self.drive is not None
        migration.starts(arguments)
        for key in migration.keys:
            self.moving[migration.database, key] = migration
        self._engine.update_guard()
        self._engine.waiting.park(migration.waiter)
        self.drive(migration)

    def carry_out(self, migration: Migration) -> bytes | None:
        """Carry a migration out while everybody waits, each step for its time limit: the error that came of it."""
        assert self.drive_at_once is not None
        return migration.error(self.drive_at_once(self._engine, migration))

    def forget(self, migration: Migration) -> None:
        """A migration has ended: whoever waited for its keys goes on."""
        for key in migration.keys:
            if self.moving.get((migration.database, key)) is migration:
                del self.moving[migration.database, key]
        self._engine.update_guard()
        self._engine.pause.release()
        self._engine.waiting.try_all()

    def holds(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether a command that may write might change what is on its way. O(keys of the command)."""
        positions = () if entry.name == b"swapdb" else entry.spec.key_positions(arguments)
        if not positions:
            # Everything (FLUSHALL), or what a script chooses.
            return bool(self.moving)
        keys = {arguments[position] for position in positions}
        if entry.name in _BETWEEN_DATABASES:
            return any(key in keys for _, key in self.moving)
        return any((session.db, key) in self.moving for key in keys)


def _never(session: Session, key: bytes) -> Any:
    return None
