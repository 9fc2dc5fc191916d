"""Carrying out what a file or a primary says: without asking whether it may be done, for it has been done already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.effects.newer import in_known_words, without_conditions, without_producers
from anystore.pulsards.effects.streams import without_limit
from anystore.pulsards.errors import CommandError, printable
from anystore.pulsards.session import Session
from anystore.resp.types import OK, QUEUED, ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry

#: What is found in files and streams beside commands that write.
_ADMITTED: Final = frozenset(
    b"select multi exec discard ping publish spublish pfcount eval evalsha fcall script|load script|flush".split()
)


class Applier:
    """One source of commands that are to be carried out: its selected database, and its transaction where one is open.

    Rights, read-only replicas and `maxmemory` are not asked about, nothing waits, and what is past stays: a key whose time
    is up is there until the source says that it is not. A source has nothing to say but what changes data.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._selected = self._opened_in = 0
        session = self._session = Session(engine)
        session.user = engine.acl.all_permitting()

    @property
    def selected(self) -> int:
        """The index of the database that what comes next is for."""
        return self._selected

    @property
    def queueing(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._session.queue is not None

    def run(self, arguments: list[bytes], database: int | None = None) -> Any:
        """Run one command in a database (None: the one that SELECT has named): its reply, an `ErrorReply` where it fails.

        As in a client's session, a command behind MULTI is queued. Follow with `Engine.flush`.
        """
        engine, session = self._engine, self._session
        try:
            entry = self._admitted(arguments)
            if database is not None:
                self._select(database)
        except CommandError as error:
            known = in_known_words(arguments)
            if known is not None:
                return self.run(known, database) if known else self._nothing()
            engine.count_error(error.message)
            session.queue_broken = session.queue is not None
            return ErrorReply(error.message)
        if entry.name in (b"xadd", b"xtrim"):
            arguments = without_producers(without_limit(arguments))
            if not arguments:
                return self._nothing()
        elif len(arguments) > 4 and entry.name == b"set":
            arguments = without_conditions(arguments)
        if session.queue is not None and not entry.in_transaction:
            if entry.name == b"select":
                self._selected = _index(arguments[1], len(engine.keyspace.databases), self._selected)
            session.queue.append((entry, arguments))
            return QUEUED
        reply = self._call(entry, arguments)
        if entry.name == b"select":
            self._selected = session.db.index
        if engine.keyspace.ready:
            engine.waiting.serve()
        return reply

    def _nothing(self) -> Any:
        """The reply to what there is nothing to do about."""
        return OK if self._session.queue is None else QUEUED

    def _call(self, entry: CommandEntry, arguments: list[bytes]) -> Any:
        engine, session = self._engine, self._session
        session.can_block = False
        if session.queue is None:
            self._opened_in = self._selected
        # A transaction begins in the database that was selected when it was opened.
        session.db = engine.keyspace.databases[self._opened_in]
        keyspace = engine.keyspace
        before = keyspace.obeying, keyspace.sees_past
        keyspace.obeying = keyspace.sees_past = True
        try:
            return engine.call(session, entry, arguments)
        finally:
            keyspace.obeying, keyspace.sees_past = before
            session.take_output()  # nobody reads it
            engine.outbox.pop(session, None)

    def _select(self, database: int) -> None:
        databases = self._engine.keyspace.databases
        if not 0 <= database < len(databases):
            raise CommandError(b"ERR DB index is out of range")
        if database == self._selected:
            return
        self._selected = database
        queue = self._session.queue
        if queue is not None:
            arguments = [b"SELECT", b"%d" % database]
            queue.append((self._engine.resolve_plainly(arguments), arguments))

    def _admitted(self, arguments: list[bytes]) -> CommandEntry:
        if not arguments:
            raise CommandError(b"ERR a command without a name")
        entry = self._engine.resolve_plainly(arguments)
        if not entry.writes and entry.name not in _ADMITTED:
            raise CommandError(
                b"ERR '%b' changes no data: nobody else can ask for it" % printable(arguments[0])
            )
        return entry


def _index(text: bytes, count: int, otherwise: int) -> int:
    """The database that a SELECT in a transaction will select, which fails only then where there is none."""
    return int(text) if text.isdigit() and len(text) < 10 and int(text) < count else otherwise
