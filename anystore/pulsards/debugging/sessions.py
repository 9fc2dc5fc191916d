"""A script under the debugger, between the client that steers it, the thread that its Lua runs in, and the data.

Each session has two sides. In the event loop are the client's session, which is parked meanwhile, and the data; in a worker
thread the Lua state, which is made for this one run. The thread reaches the data only by calls that the loop makes for it,
and the client only by lines that the loop sends and a queue of words that the loop fills. So nothing is touched by both.

With ``SCRIPT DEBUG SYNC`` the data are the server's own: until the end every other client's command is kept, as under CLIENT
PAUSE, nothing that is due is done, and what the script changes is told to files and replicas as one unit. The program that
the server is part of goes on. With ``YES`` the data are a copy, and nobody else is concerned.

Source: the page "Debugging Lua scripts in Redis", and what Redis 7.0 does.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.commands.scripting import command_runner, split_keys
from anystore.pulsards.context import ScriptContext
from anystore.pulsards.debugging.copying import Copy
from anystore.pulsards.errors import CommandError
from anystore.pulsards.pausing import HeldCommand
from anystore.pulsards.scripting import ScriptError, ScriptRuntime
from anystore.pulsards.scripting.debugger import Debugger, DebugVM, Endless
from anystore.resp.types import NO_REPLY, ErrorReply, SimpleString

if TYPE_CHECKING:
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

#: Sessions at a time: each has a thread, and most a copy of the data.
MOST_SESSIONS: Final = 8
#: The longest that words may be, and how many bytes of them may wait to be read, as in Redis.
_LONGEST: Final = 1024
_MOST_WAITING: Final = 1 << 20

_CANNOT: Final = b"ERR Fork() failed: can't run EVAL in debugging mode: "
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")

#: Has the event loop make a call, and waits for what it returns or raises.
OnLoop = Callable[[Callable[[], Any]], Any]


#: In place of a reply: the script has been ended, and nobody is to be told.
ENDED: Final = object()


class Ended(Exception):
    """The session is over: the client has gone, or the server stops."""


class DebugWaiter(HeldCommand):
    """What a client waits for whose script is being debugged: only its end, or that of the connection, ends it."""

    __slots__ = ("_debugged",)

    def __init__(self, debugged: DebugSession) -> None:
        super().__init__(debugged.session)
        self._debugged = debugged

    def leave(self) -> None:
        """The connection has gone, or the session has ended."""
        self._debugged.client_left()

    def hear(self, commands: deque[list[bytes]], error: bytes | None) -> None:
        """What the client sends are words for the debugger."""
        self._debugged.hear(commands, error)


class DebugSession:
    """One script under the debugger, from EVAL to its reply."""

    def __init__(
        self, debugging: Debugging, session: Session, arguments: list[bytes], synchronous: bool
    ) -> None:
        self._debugging = debugging
        self._engine = debugging.engine
        self.session = session
        self._arguments = arguments
        #: It works on the data themselves.
        self.synchronous = synchronous
        #: Where the copy is made; None where there is none.
        self.copy = None if synchronous else Copy(self._engine)
        self._database = session.db.index
        self._user = session.user.copy()
        #: To the script, no time passes.
        self._moment = self._engine.keyspace.now
        self._words: SimpleQueue[list[bytes] | bytes | None] = SimpleQueue()
        self._waiting_bytes = 0
        self._ready: dict[tuple[Database, bytes], None] = {}
        self._is_over = self._has_left = False
        self.waiter = DebugWaiter(self)
        self._debugger = Debugger(arguments[1], self, self._engine.elapsed_ns, self._engine.busy.threshold)
        self._on_loop: OnLoop = _nowhere
        self._context = ScriptContext(session)

    # In the event loop

    def hear(self, commands: deque[list[bytes]], error: bytes | None) -> None:
        """Take what the client has sent, all of it; `error` says why the rest cannot be understood. O(bytes)."""
        while commands:
            words = commands.popleft()
            if self._is_over or self._waiting_bytes > _MOST_WAITING:
                continue
            self._waiting_bytes += _size_of(words)
            if self._waiting_bytes > _MOST_WAITING:
                self._words.put(b"max client buffer reached")
            elif len(words) > _LONGEST or any(not 0 < len(word) <= _LONGEST for word in words):
                self._words.put(b"protocol error")
            else:
                self._words.put(words)
        if error is not None:
            self._words.put(b"protocol error")

    def client_left(self) -> None:
        """The client has gone. On the data themselves the script runs to its end, as in Redis; a copy is of no use."""
        self._has_left = True
        if self.synchronous:
            self._words.put(None)
        else:
            self.stop()

    def stop(self) -> None:
        """End the script wherever it is; what it has changed stays changed. Safe to call at any time, from any thread."""
        self._is_over = True
        self._words.put(None)

    def _make_call(self, function: Callable[[], Any]) -> Any:
        """Do what the thread has asked for, at the moment that it is to the script."""
        if self._is_over:
            raise Ended
        engine = self._engine if self.copy is None else self.copy.engine
        keyspace = engine.keyspace
        now, mark, caller = keyspace.now, engine.turn_mark, engine.script_caller
        keyspace.set_time(self._moment)
        engine.turn_mark = engine.elapsed_ns()
        engine.script_caller = self._context.session
        try:
            return function()
        finally:
            keyspace.set_time(now)
            engine.turn_mark, engine.script_caller = mark, caller
            # Who waits for keys is served at the end, as behind any script.
            self._ready.update(keyspace.ready)
            keyspace.ready = {}

    def _send(self, lines: list[bytes]) -> None:
        if self.session.waiter is self.waiter:
            self.session.push_reply([SimpleString(line.translate(_LINE_ENDS)) for line in lines])
            self._engine.flush()

    def end(self, reply: Any) -> None:
        """The script has ended with this reply, or has been `ENDED`. Follow with `flush`; safe to call twice."""
        if not self._debugging.forget(self):
            return
        self._is_over = True
        if self.copy is not None:
            self.copy.cancel()
        engine, session = self._engine, self.session
        if self.synchronous:
            logger.info("synchronous debugging of a script ended")
            engine.keyspace.ready.update(self._ready)
            self._debugging.thaw(self)
            if type(reply) is ErrorReply:
                engine.count_error(reply)
        if session.waiter is not self.waiter:
            return
        if reply is ENDED:
            engine.close_session(session)
            return
        self._send([*self._debugger.log, b"<endsession>"])
        session.unpark(reply)
        session.closing = True

    # In the thread

    def run(self, on_loop: OnLoop) -> Any:
        """Run the script to its end: its reply, or `ENDED`. Blocking, and for a thread of its own."""
        self._on_loop = on_loop
        try:
            return self._run_script()
        except CommandError as error:
            return ENDED if self._is_over else ErrorReply(error.message)
        except Ended:
            return ENDED
        except Endless as error:
            logger.warning("a script under the debugger is ended: %s", error)
            return ENDED
        except Exception as error:
            return failed(error)

    def _run_script(self) -> Any:
        arguments = self._arguments
        keys, rest = split_keys(arguments)
        engine = self._engine if self.copy is None else self.copy.engine
        runtime = ScriptRuntime(
            should_stop=lambda: self._is_over,
            check_permission=lambda words: self._hop(lambda: engine.permits(words)),
            log=self._debugging.log,
            make_vm=partial(DebugVM, self._debugger),
        )
        script = runtime.prepare(arguments[1])
        only_reads = arguments[0].lower() == b"eval_ro"
        may_write = not script.declares(b"no-writes")
        if only_reads and may_write and script.flags is not None:
            raise CommandError(b"ERR Can not execute a script with write flag using *_ro command.")
        call = self._hop(lambda: self._prepare(only_reads or not may_write, script.declares(b"allow-oom")))
        try:
            return runtime.run(script, keys, rest, self._debugger.traced(call))
        except ScriptError as error:
            return ENDED if self._is_over else ErrorReply(error.message)

    def _prepare(self, only_reads: bool, allow_oom: bool) -> Callable[[list[bytes], int], Any]:
        """What runs the script's commands, for the thread to call."""
        session = self.session
        if self.copy is not None:
            session = self.copy.engine.connect(session.address, session.local_address)
            session.db = self.copy.engine.keyspace.databases[self._database]
            session.user = self._user
            session.name = self.session.name
        self._context = ScriptContext(session)
        run = command_runner(session, read_only=only_reads, allow_oom=allow_oom)

        def call(arguments: list[bytes], protocol: int) -> Any:
            self._check_replication(arguments)
            return run(arguments, protocol)

        return lambda arguments, protocol: self._hop(lambda: call(arguments, protocol))

    def _check_replication(self, arguments: list[bytes]) -> None:
        """On a copy: what the server itself would refuse because of its primary or its replicas."""
        replication = self._engine.replication
        entry = self._engine.commands.get(arguments[0].lower())
        if self.copy is not None and replication.guards and entry is not None:
            refusal = replication.refusal_in_script(self._context, entry)
            if refusal is not None:
                raise CommandError(refusal)

    def _hop(self, function: Callable[[], Any]) -> Any:
        if self._is_over:
            raise Ended
        return self._on_loop(lambda: self._make_call(function))

    def write(self, lines: list[bytes]) -> None:
        """See `Console`: have the loop send these lines."""
        self._hop(lambda: self._send(lines))

    def read(self) -> list[bytes] | bytes | None:
        """See `Console`: wait for the client's next words."""
        words = self._words.get()
        if self._is_over:
            raise Ended
        if words is not None:
            self._hop(lambda: self._note_read(words))
        return words

    def has_gone(self) -> bool:
        """See `Console`."""
        return self._has_left

    def _note_read(self, words: list[bytes] | bytes) -> None:
        # Behind a word of the server's own nothing that the client sent before is done any more.
        self._waiting_bytes -= _size_of(words) if isinstance(words, list) else self._waiting_bytes


class Debugging:
    """The debugging sessions of one server."""

    def __init__(self, engine: Engine, log: Callable[[int, bytes], None]) -> None:
        """`log` is for redis.log, and may be called in any thread."""
        self.engine = engine
        self.log = log
        #: Runs a session in a task; None where nothing drives the engine.
        self.drive: Callable[[DebugSession], None] | None = None
        #: The session that works on the data themselves, while there is one: everything else has to wait.
        self.synchronous: DebugSession | None = None
        self._sessions: dict[DebugSession, None] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, session: Session, arguments: list[bytes]) -> Any:
        """Debug what a client's EVAL is to run; the client is parked until the end. `CommandError` where it cannot be.

        O(databases), and O(N) afterwards, in slices, where the data are copied.
        """
        if self.drive is None:
            raise CommandError(_CANNOT + b"the server is not running")
        if len(self._sessions) >= MOST_SESSIONS:
            raise CommandError(_CANNOT + b"Resource temporarily unavailable")
        debugged = DebugSession(self, session, arguments, session.debug_mode == b"sync")
        self._sessions[debugged] = None
        session.waiter = debugged.waiter
        if debugged.synchronous:
            logger.info("synchronous debugging of a script started")
            self._freeze(debugged)
        self.drive(debugged)
        return NO_REPLY

    def forget(self, debugged: DebugSession) -> bool:
        """A session has ended; False where that was known."""
        return self._sessions.pop(debugged, debugged) is None

    def stop(self) -> None:
        """End every script that is being debugged, at once as far as the data are concerned."""
        for debugged in tuple(self._sessions):
            debugged.stop()
            debugged.end(ENDED)

    def _freeze(self, debugged: DebugSession) -> None:
        engine = self.engine
        self.synchronous = debugged
        engine.pause.hold_everything(debugged)
        engine.propagation.hold()

    def thaw(self, debugged: DebugSession) -> None:
        """The data are everybody's again. O(N) in the clients that had to wait."""
        engine = self.engine
        self.synchronous = None
        engine.propagation.release(debugged.session)
        if engine.keyspace.ready:
            engine.waiting.serve()
        engine.pause.release_writes(debugged)
        engine.keyspace.falls_due(engine.keyspace.now)


def _size_of(words: list[bytes]) -> int:
    return sum(map(len, words)) + len(words)


def failed(error: Exception) -> ErrorReply:
    """The reply to a client whose script could not be debugged because of a fault in the server, which is logged."""
    logger.error("debugging a script failed", exc_info=error)
    return ErrorReply(b"ERR internal error in 'eval', see the server's log")


def _nowhere(function: Callable[[], Any]) -> Any:
    raise RuntimeError("the session does not run")
