"""Libraries of functions: what FUNCTION LOAD brings, and FCALL runs. Since Redis 7.0.

They live in a VM of their own, apart from that of scripts. A library's code runs when it is loaded, closed off
from everything but redis.register_function and redis.log; the functions that it registers see what scripts
see, without KEYS and ARGV, and get the keys and the other arguments as two tables. Nobody can set a global,
so libraries share nothing but what the server gives them.

Source: the pages "Redis functions" and FUNCTION LOAD; behaviour compared with Valkey 9.1 and Redis 7.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting.replies import error_line
from anystore.pulsards.scripting.runtime import ScriptError
from anystore.pulsards.scripting.shebang import FLAGS
from anystore.pulsards.scripting.tailcalls import keep_frames
from anystore.pulsards.scripting.vm import MEMORY_LIMIT, POLL_INSTRUCTIONS, Call, Failure, LuaVM
from anystore.resp.requests import split_arguments

#: How many polls of the VM a library's code may take while it is loaded: about half a second, as in Redis.
MOST_LOADING_POLLS: Final = 500

_NAME: Final = re.compile(rb"[A-Za-z0-9_]+")
_BAD_NAME: Final = (
    b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one "
    b"character long"
)


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function: its name as registered, description (None without one), flags in order, and key."""

    name: bytes
    description: bytes | None
    flags: tuple[bytes, ...]
    #: What the VM knows it by.
    key: bytes

    def declares(self, flag: bytes) -> bool:
        """Whether the function was registered with this flag."""
        return flag in self.flags


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded library: its name, its whole text with the first line, and its functions."""

    name: bytes
    code: bytes
    functions: tuple[Function, ...]
    #: What the VM knows it by.
    key: bytes


class LibraryVM(LuaVM):
    """The Lua state of libraries. `run` takes a library's key to load it, a function's to run that."""

    additions = ("functions",)


class Libraries:
    """The libraries of one server, and the VM that they run in, which is made when the first one comes.

    `should_stop` is asked every `instructions` instructions of a running function, and ends it by returning
    True. `check_permission` answers redis.acl_check_cmd: None for a command that there is not. `log` takes
    redis.log's level, 0 (debug) to 3 (warning), and text. `memory_limit` is in bytes.
    """

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
        self._new_vm: Callable[[], LibraryVM] = lambda: LibraryVM(
            should_stop=self._should_stop,
            check_permission=check_permission,
            log=log,
            version=version,
            memory_limit=memory_limit,
            instructions=instructions,
        )
        self._is_over = should_stop
        self._vm: LibraryVM | None = None
        self._libraries: dict[bytes, Library] = {}
        #: By the name in lower case: functions are found whatever the case, libraries are not.
        self._functions: dict[bytes, Function] = {}
        self._made = 0
        #: Polls left to the code that is being loaded; None when none is.
        self._polls_left: int | None = None

    def __len__(self) -> int:
        return len(self._libraries)

    def __iter__(self) -> Iterator[Library]:
        return iter(self._libraries.values())

    @property
    def function_count(self) -> int:
        """How many functions there are in all libraries."""
        return len(self._functions)

    @property
    def memory_used(self) -> int:
        """Bytes that the VM holds, garbage included; 0 while there is none."""
        return 0 if self._vm is None else self._vm.memory_used()

    @property
    def errors(self) -> list[tuple[bytes, bool]]:
        """The error replies in the last result, and of each whether it was counted when a command failed with it."""
        return [] if self._vm is None else self._vm.lua_to_reply.errors

    def find(self, name: bytes) -> Function | None:
        """The function of this name, in any case; None if there is none. O(1)."""
        return self._functions.get(name.lower())

    def load(self, code: bytes, *, replace: bool = False) -> Library:
        """FUNCTION LOAD: run a library's code and keep the functions that it registers. O(n) in the code.

        Raises `CommandError`, and changes nothing, when the first line or the code is wrong, and when the name
        of the library (unless `replace`) or that of a function is taken.
        """
        name, body = _split_code(code)
        if name in self._libraries and not replace:
            raise CommandError(b"ERR Library '%b' already exists" % name)
        library = self._run_code(name, code, body)
        self._replace({**self._libraries, name: library}, [library])
        return library

    def restore(self, codes: Iterable[bytes], policy: bytes) -> None:
        """FUNCTION RESTORE: load all of these libraries, or none. O(n) in the code, and in all functions.

        `policy` is b"append" (a taken name is an error), b"replace" (the libraries of taken names go) or
        b"flush" (all others go). Raises `CommandError` as `load` does.
        """
        loaded: dict[bytes, Library] = {}
        kept = {} if policy == b"flush" else self._libraries
        try:
            for code in codes:
                name, body = _split_code(code)
                if name in loaded:
                    raise CommandError(b"ERR Library '%b' already exists" % name)
                loaded[name] = self._run_code(name, code, body)
            taken = next((name for name in loaded if name in kept), None)
            if taken is not None and policy != b"replace":
                raise CommandError(b"ERR Library %b already exists" % taken)
        except BaseException:
            self._remove(loaded.values())
            raise
        self._replace(kept | loaded, loaded.values())

    def delete(self, name: bytes) -> None:
        """FUNCTION DELETE: forget a library. `CommandError` if it is not known. O(n) in all functions."""
        if name not in self._libraries:
            raise CommandError(b"ERR Library not found")
        self._replace({key: value for key, value in self._libraries.items() if key != name}, ())

    def flush(self) -> None:
        """FUNCTION FLUSH: forget every library, and the options that functions have set. O(1)."""
        self._libraries.clear()
        self._functions.clear()
        self._vm = None

    def run(self, function: Function, keys: list[bytes], arguments: list[bytes], call: Call) -> Any:
        """Run a function to its end; its result as a reply. `errors` are the errors in it.

        `call` and what is raised are as with `ScriptRuntime.run`.
        """
        if self._vm is None or self._functions.get(function.name.lower()) is not function:
            raise RuntimeError("the function has been forgotten since it was found")
        try:
            return self._vm.run(function.key, keys, arguments, call)
        except Failure as failure:
            text = error_line(failure.text)
            if failure.source is not None and failure.line is not None:
                place = error_line(failure.source)
                text = b"%b script: %b, on %b:%d." % (text, function.name, place, failure.line)
            raise ScriptError(text, counted=failure.counted) from None

    def _replace(self, libraries: dict[bytes, Library], new: Iterable[Library]) -> None:
        """Have these libraries from now on; `new` are those that are forgotten if that cannot be."""
        functions: dict[bytes, Function] = {}
        for library in libraries.values():
            own = {function.name.lower(): function for function in reversed(library.functions)}
            for name, function in own.items():
                if name in functions:
                    self._remove(new)
                    raise CommandError(b"ERR Function %b already exists" % function.name)
            functions |= own
        kept = {library.key for library in libraries.values()}
        self._remove(library for library in self._libraries.values() if library.key not in kept)
        self._libraries, self._functions = libraries, functions

    def _remove(self, libraries: Iterable[Library]) -> None:
        for library in libraries:
            assert self._vm is not None, "a library was loaded into a VM"
            self._vm.remove(library.key)

    def _run_code(self, name: bytes, code: bytes, body: bytes) -> Library:
        if self._vm is None:
            self._vm = self._new_vm()
        self._made += 1
        key = b"%d" % self._made
        try:
            return Library(name, code, self._registered(self._vm, key, body), key)
        except BaseException:
            self._vm.remove(key)
            raise

    def _registered(self, vm: LibraryVM, key: bytes, body: bytes) -> tuple[Function, ...]:
        try:
            vm.define(key, body, keep_frames if b"return" in body else None)
        except Failure as failure:
            raise CommandError(b"ERR Error compiling function: " + error_line(failure.text)) from None
        self._polls_left = MOST_LOADING_POLLS
        try:
            found = vm.run(key, [], [], _no_command)
        except Failure as failure:
            text = b"ERR FUNCTION LOAD timeout" if self._polls_left < 0 else error_line(failure.text)
            raise CommandError(b"ERR Error registering functions: " + text) from None
        finally:
            self._polls_left = None
        if not found:
            raise CommandError(b"ERR No functions registered")
        return tuple(
            Function(name, description, tuple(flag for flag in FLAGS if flag in flags), key + b":" + name)
            for name, description, flags in found
        )

    def _should_stop(self) -> bool:
        if self._polls_left is None:
            return self._is_over is not None and self._is_over()
        self._polls_left -= 1
        return self._polls_left < 0


def _no_command(arguments: list[bytes], protocol: int) -> Any:
    raise RuntimeError("the code of a library has no command to run")


def _split_code(code: bytes) -> tuple[bytes, bytes]:
    """A library's name, and its code without the first line (whose end stays, for counting lines)."""
    if not code.startswith(b"#!"):
        raise CommandError(b"ERR Missing library metadata")
    line, newline, _ = code.partition(b"\n")
    parts = split_arguments(line) if newline else None
    if not parts:
        raise CommandError(b"ERR Invalid library metadata")
    name = None
    for part in parts[1:]:
        if part[:5].lower() != b"name=":
            raise CommandError(b"ERR Invalid metadata value given: %b" % part)
        if name is not None:
            raise CommandError(b"ERR Invalid metadata value, name argument was given multiple times")
        name = part[5:]
    if name is None:
        raise CommandError(b"ERR Library name was not given")
    if _NAME.fullmatch(name) is None:
        raise CommandError(_BAD_NAME)
    engine = parts[0][2:]
    if engine.lower() != b"lua":
        raise CommandError(b"ERR Engine '%b' not found" % engine)
    return name, code[len(line) :]
