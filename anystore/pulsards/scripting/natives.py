"""The functions of the server that the Lua side calls.

Each returns a value, or `(what to raise, True)`, or `FATAL` where the run must end. None lets an exception
out: lupa would hand it to the script as an object. And none returns before Lua has room for what it
returns: an allocation that fails while lupa pushes a value would end the process.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting.replies import argument_text, error_text
from anystore.resp.types import NULL_ARRAY, ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.scripting.vm import LuaVM

#: What lupa may need while it pushes values whose size nobody counts: frames, names, references.
HEADROOM: Final = 1 << 18

_SMALL: Final = 1 << 16
_FATAL: Final = (None, b"fatal")
_OUT_OF_MEMORY: Final = (b"not enough memory", True)
_NO_ARGUMENT: Final = b"ERR Please specify at least one argument for this redis lib call"
_BAD_ARGUMENT: Final = b"ERR Lua redis lib command arguments must be strings or integers"
_UNKNOWN_COMMAND: Final = b"ERR Invalid command passed to redis.acl_check_cmd()"

Native = Callable[..., Any]


def natives_of(vm: LuaVM, version: str, instructions: int) -> dict[bytes, Any]:
    """The functions and constants that `sandbox.lua` takes, by name."""
    major, minor, patch = map(int, version.split("."))
    portions: list[Any] = []
    run_command = _command_runner(vm)

    def add_arguments(sent: int, *arguments: Any) -> None:
        if not sent:
            portions.clear()
        portions.extend(arguments)

    def call_many(*rest: Any) -> Any:
        arguments = (*portions, *rest)
        portions.clear()
        return run_command(*arguments)

    def abort(exception: BaseException) -> None:
        vm.failure = exception

    def sha1hex(text: bytes) -> bytes:
        return sha1(text, usedforsecurity=False).hexdigest().encode()

    def log(level: int, text: bytes) -> None:
        if vm.log is not None:
            vm.log(level, text)

    def set_protocol(protocol: int) -> None:
        vm.protocol = protocol

    def set_replication(flags: int) -> None:
        vm.replication = flags

    return {
        b"version": version.encode(),
        b"version_number": major << 16 | minor << 8 | patch,
        b"instructions": instructions,
        b"abort": guarded(vm, abort),
        b"call": run_command,
        b"call_many": call_many,
        b"add_arguments": guarded(vm, add_arguments),
        b"check_permission": guarded(vm, _permission_checker(vm)),
        b"log": guarded(vm, log),
        b"poll": _poller(vm),
        b"set_protocol": guarded(vm, set_protocol),
        b"set_replication": guarded(vm, set_replication),
        b"sha1hex": guarded(vm, sha1hex),
    }


def guarded(vm: LuaVM, function: Native) -> Native:
    """`function`, which an exception only leaves by ending the run, and which runs only if there is memory."""
    used, limit = vm.memory_used, vm.memory_limit

    def run(*arguments: Any) -> Any:
        try:
            if used() + HEADROOM > limit and not vm.has_room():
                return _OUT_OF_MEMORY
            return function(*arguments)
        except BaseException as exception:
            vm.failure = exception
            return _FATAL

    return run


def _command_runner(vm: LuaVM) -> Native:
    """redis.call and redis.pcall: run a command, give its reply or its error as Lua has them."""
    used, limit = vm.memory_used, vm.memory_limit

    def raised(text: bytes, *, counted: bool) -> Any:
        if not counted and vm.note_failure is not None:
            vm.note_failure(text)
        with vm.unlimited():
            return vm.reply_to_lua.error(text, counted=counted), True

    def converted(reply: Any, protocol: int) -> Any:
        if type(reply) is ErrorReply:
            return raised(error_text(reply), counted=True)
        with vm.unlimited(len(reply) if type(reply) is bytes else 0):
            return vm.reply_to_lua(reply, protocol)

    def run_command(*arguments: Any) -> Any:
        # Guarded as the others are, by itself: every further call costs, and this is the one that counts.
        try:
            if used() + HEADROOM > limit and not vm.has_room():
                return _OUT_OF_MEMORY
            texts = [value if type(value) is bytes else argument_text(value) for value in arguments]
            if not texts:
                return raised(_NO_ARGUMENT, counted=False)
            if None in texts:
                return raised(_BAD_ARGUMENT, counted=False)
            protocol = vm.protocol
            try:
                reply = vm.call(texts, protocol)  # type: ignore[arg-type]
            except CommandError as error:
                return raised(error_text(error.message), counted=True)
            kind = type(reply)
            if kind is int or (kind is bytes and len(reply) < _SMALL):
                return reply
            if reply is None or reply is NULL_ARRAY:
                return None if protocol == 3 else False
            return converted(reply, protocol)
        except BaseException as exception:
            vm.failure = exception
            return _FATAL

    return run_command


def _permission_checker(vm: LuaVM) -> Native:
    def check_permission(*arguments: Any) -> Any:
        texts = [argument_text(value) for value in arguments]
        message = _NO_ARGUMENT if not texts else _BAD_ARGUMENT if None in texts else None
        if message is None:
            allowed = vm.check_permission(texts) if vm.check_permission is not None else True  # type: ignore[arg-type]
            if allowed is not None:
                return allowed
            message = _UNKNOWN_COMMAND
        with vm.unlimited():
            return vm.reply_to_lua.error(message, counted=False), True

    return check_permission


def _poller(vm: LuaVM) -> Native:
    def poll() -> bool:
        try:
            vm.collect_in_time()
            return vm.should_stop is not None and bool(vm.should_stop())
        except BaseException as exception:
            vm.failure = exception
            return True

    return poll
