"""The Lua VM that scripts run in: lupa's Lua 5.1, closed off, with the server's functions inside.

Everything that scripts can reach is made by the `.lua` files in `lua/`. Python's part is handing commands
over and replies back, and seeing to it that no script brings the process down:

* No Python object is ever a value in a script: what lupa registers (`python`) is dropped, and the functions
  of `natives.py` are upvalues of Lua functions, whose results are plain values.
* Memory is limited by lupa's allocator. An allocation that fails in Lua code is an error that Lua catches;
  one that fails while lupa itself pushes a value would end the process. So whenever Python pushes, the limit
  is first raised by what that takes.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, NoReturn

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting.natives import HEADROOM, natives_of
from anystore.pulsards.scripting.replies import LuaToReply, ReplyToLua

try:
    from lupa import lua51
except ImportError:  # where there is no wheel of it: all but scripts and functions is there without
    lua51 = None

#: Bytes that Lua may allocate. Redis sets no limit of its own; this one is twice its largest string.
MEMORY_LIMIT: Final = 1 << 30
#: How many instructions of the VM lie between two polls: about a millisecond's worth; Redis' own number.
POLL_INSTRUCTIONS: Final = 100_000

_MOST_ARGUMENTS: Final = 200  # more go as tables: the VM's stack holds 8000 values
_REFERENCES: Final = 256
_NO_LUA: Final = b"ERR scripts need the Python package lupa with its Lua 5.1, which is not installed"
_OUT_OF_MEMORY: Final = (False, b"ERR not enough memory")

#: Runs one command: its arguments, and the RESP version of the reply. The reply, or `CommandError`.
Call = Callable[[list[bytes], int], Any]


class Failure(Exception):
    """A script ended by an error: its text, and the chunk and line that it happened at, where known.

    `counted` is True for the error of a command, which has been counted when the command failed.
    """

    def __init__(
        self, text: bytes, source: bytes | None = None, line: int | None = None, counted: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.source = source
        self.line = line
        self.counted = counted


class LuaVM:
    """One Lua state. Not for two threads at once, nor for use from within a command that it runs.

    `should_stop` is asked every `instructions` instructions, and ends the script by returning True.
    `check_permission` answers redis.acl_check_cmd: None for a command that there is not. `log` takes
    redis.log's level, 0 (debug) to 3 (warning), and text. `version` is what scripts see as REDIS_VERSION.
    Raises `CommandError` where there is no Lua.
    """

    #: Files of `lua/` that go on from `sandbox.lua`: for a subclass to name.
    additions: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        should_stop: Callable[[], bool] | None = None,
        check_permission: Callable[[list[bytes]], bool | None] | None = None,
        log: Callable[[int, bytes], None] | None = None,
        version: str = "7.4.0",
        memory_limit: int = MEMORY_LIMIT,
        instructions: int = POLL_INSTRUCTIONS,
    ) -> None:
        if lua51 is None:
            raise CommandError(_NO_LUA)
        self.should_stop = should_stop
        self.check_permission = check_permission
        self.log = log
        self.call: Call = _no_command
        #: What the running script has chosen: the RESP version of replies; where writes are replicated to.
        self.protocol = 2
        self.replication = 3
        #: What a native function ended the run with: an exception that is no error reply.
        self.failure: BaseException | None = None
        self.memory_limit = memory_limit
        #: Told of calls of the server's functions with arguments that they do not take; None where nobody wants to know.
        self.note_failure: Callable[[bytes], None] | None = None
        self._running = False
        self._collect_above = memory_limit // 4
        self._lua = lua51.LuaRuntime(
            encoding=None,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_no_attributes,
            max_memory=memory_limit,
        )
        #: Bytes that Lua holds, garbage included.
        self.memory_used: Callable[[], int] = self._lua.get_memory_used
        self._set_limit: Callable[[int], None] = self._lua.set_max_memory
        self.reply_to_lua = ReplyToLua(self._lua.table_from)
        self.lua_to_reply = LuaToReply(type(self._lua.table()))
        # Lua's registry grows when lupa first holds that many tables or functions at once: better now.
        references = [self._lua.table() for _ in range(_REFERENCES)]
        references.clear()
        server = self._build(version, instructions)
        self._define, self._remove, self._reset = server[b"define"], server[b"remove"], server[b"reset"]
        self._run, self._run_with = server[b"run"], server[b"run_with"]

    def _build(self, version: str, instructions: int) -> Any:
        """Load the Lua side; the sandbox's table of functions for the server."""
        load, table_from = self._load, self._lua.table_from
        core, binary = load("core"), load("binary")
        libraries = table_from(
            {
                b"bit": load("bit"),
                b"cjson": load("cjson", core, load("cjson_encode", core), load("cjson_decode", core)),
                b"cmsgpack": load("cmsgpack", core, binary),
                b"struct": load("struct", binary),
            }
        )
        natives = table_from(self._natives(version, instructions))
        base = load("base", core)
        server = load("sandbox", core, base, libraries, natives)
        for name in self.additions:
            load(name, core, base, server)
        # lupa looks for a global `debug` with each call; of the others nobody needs any more.
        self._lua.execute(b"local all = _G for name in next, all do all[name] = nil end")
        self._lua.gccollect()
        return server

    def _natives(self, version: str, instructions: int) -> dict[bytes, Any]:
        """What Lua gets of Python, by name."""
        return natives_of(self, version, instructions)

    def _load(self, name: str, *arguments: Any) -> Any:
        source = pkgutil.get_data("anystore.pulsards.scripting", f"lua/{name}.lua")
        assert source is not None, "only loaders that cannot read files give None"
        return self._lua.execute(source, *arguments, name=f"=\1{name}")

    # Scripts

    def define(self, sha: bytes, code: bytes, patch: Callable[[bytes], bytes | None] | None) -> None:
        """Compile a script under a name. `Failure` with the compiler's message if it is no Lua. O(n).

        `patch` may rewrite the compiled code: it returns the new one, or None.
        """
        self._make_room(4 * len(code))
        try:
            message = self._define(sha, code, patch)
        except lua51.LuaMemoryError:
            message = b"not enough memory"
        if message is not None:
            raise Failure(message)

    def remove(self, sha: bytes) -> None:
        """Forget a compiled script. O(1)."""
        self._remove(sha)

    def reset(self) -> None:
        """Forget every script, and the options of libraries that scripts have set."""
        self._reset()
        self._collect()

    def run(self, sha: bytes, keys: list[bytes], arguments: list[bytes], call: Call) -> Any:
        """Run a compiled script with KEYS, ARGV and `call` for its commands; its result as a reply.

        Raises `Failure` for an error that the script did not catch, also when it was stopped. An exception of
        `call` that is no `CommandError` (a bug, KeyboardInterrupt) ends the script and is raised again.
        """
        if self._running:
            raise RuntimeError("a script is running already")
        count = len(keys) + len(arguments)
        self._collect_above = self.memory_limit // 4
        self.collect_in_time()
        self._make_room(sum(map(len, keys)) + sum(map(len, arguments)) + 64 * count)
        self.call, self.protocol, self.replication = call, 2, 3
        self.lua_to_reply.errors.clear()
        self._running = True
        try:
            if count <= _MOST_ARGUMENTS:
                result = self._run(sha, len(keys), *keys, *arguments)
            else:
                table_from = self._lua.table_from
                result = self._run_with(sha, table_from(keys), table_from(arguments))
        except lua51.LuaMemoryError:
            result = _OUT_OF_MEMORY  # the memory did not last for telling so
        finally:
            self._running = False
            self.call = _no_command
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if type(result) is tuple:
            self._raise(*result[1:])
        if type(result) is bytes:
            return result
        with self.unlimited():
            return self.lua_to_reply(result, self.protocol)

    def _raise(
        self,
        text: bytes | None,
        source: bytes | None = None,
        line: int | None = None,
        counted: bool | None = None,
    ) -> NoReturn:
        if text is None:
            raise Failure(b"ERR Script killed by user with SCRIPT KILL...", source, line)
        if b"not enough memory" in text:
            self._collect()
        raise Failure(text, source, line, bool(counted))

    # Memory

    @contextmanager
    def unlimited(self, size: int = 0) -> Iterator[None]:
        """Let Python push what it likes; after the block there is room for `size` bytes more."""
        self._set_limit(0)
        try:
            yield
        finally:
            self._set_limit(max(self.memory_limit, self.memory_used() + size + HEADROOM))

    def has_room(self) -> bool:
        """Whether a script that is about to run out of memory may go on: its garbage gone, a sixteenth is free.

        Less would only mean to collect again at once, and again.
        """
        self._collect()
        return self.memory_used() + HEADROOM <= self.memory_limit - self.memory_limit // 16

    def collect_in_time(self) -> None:
        """Collect garbage before it fills the memory: Lua 5.1 does not try that before it gives up.

        By itself it waits until twice as much is used as after the last collection, which may be beyond the
        limit. Called between polls, and does nothing until half as much again is used.
        """
        if self.memory_used() > self._collect_above:
            self._collect()
            self._collect_above = self.memory_used() * 3 // 2

    def _collect(self) -> None:
        with self.unlimited():  # collecting may allocate, to shrink a table
            self._lua.gccollect()

    def _make_room(self, size: int) -> None:
        if self.memory_used() + size + HEADROOM > self.memory_limit:
            self._collect()
        self._set_limit(max(self.memory_limit, self.memory_used() + size + HEADROOM))


def _no_command(arguments: list[bytes], protocol: int) -> NoReturn:
    raise RuntimeError("no script is running")


def _no_attributes(_: object, name: object, is_setting: bool) -> NoReturn:
    raise AttributeError("objects have no attributes in a script")
