"""Libraries of functions on the server. Since 7.0.0."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT


class FunctionCommands(Commands[S]):
    """Keeping libraries of functions on the server, and calling them.

    A function's result comes as a script's does. The first `numkeys` of `keys_and_args` are keys, the rest
    arguments. Raises `ResponseError` for what a function raises, and for unknown functions and libraries.
    """

    def fcall(self, function: KeyT, numkeys: int, *keys_and_args: ValueT) -> Awaitable[Any]:
        """Call a function. Takes what the function takes. Since 7.0.0. https://valkey.io/commands/fcall/"""
        return self._function_run("FCALL", function, numkeys, keys_and_args)

    def fcall_ro(self, function: KeyT, numkeys: int, *keys_and_args: ValueT) -> Awaitable[Any]:
        """Call a function that was registered with `no-writes`, which replicas take too.

        Since 7.0.0. https://valkey.io/commands/fcall_ro/
        """
        return self._function_run("FCALL_RO", function, numkeys, keys_and_args)

    def _function_run(
        self, command: str, function: KeyT, numkeys: int, keys_and_args: tuple[ValueT, ...]
    ) -> Awaitable[Any]:
        if not 0 <= numkeys <= len(keys_and_args):
            raise InvalidArgument(
                f"{command}: numkeys is {numkeys}, but {len(keys_and_args)} keys and arguments are given"
            )
        return self.execute_command(command, function, numkeys, *keys_and_args)

    def function_load(self, code: str | bytes, replace: bool | None = False) -> Awaitable[str]:
        """Load a library; its name. `replace` lets it take the place of one of that name.

        O(1), and what running its code takes. Since 7.0.0. https://valkey.io/commands/function-load/
        """
        option: tuple[Argument, ...] = ("REPLACE",) if replace else ()
        return self.execute_command("FUNCTION", "LOAD", *option, code, reply=replies.text)

    def function_delete(self, library: KeyT) -> Awaitable[bool]:
        """Delete a library; True. O(1). Since 7.0.0. https://valkey.io/commands/function-delete/"""
        return self.execute_command("FUNCTION", "DELETE", library, reply=replies.is_ok)

    def function_flush(self, mode: str = "SYNC") -> Awaitable[bool]:
        """Delete all libraries; True. `mode` is `SYNC` or `ASYNC`.

        O(N) in the functions. Since 7.0.0. https://valkey.io/commands/function-flush/
        """
        mode = arguments.one_of("mode", mode, ("SYNC", "ASYNC"))
        return self.execute_command("FUNCTION", "FLUSH", mode, reply=replies.is_ok)

    def function_list(
        self, library: KeyT | None = "*", withcode: bool | None = False
    ) -> Awaitable[list[dict[str, Any]]]:
        """The libraries whose names match a pattern, each with `library_name`, `engine` and `functions`.

        A function has `name`, `description` (None without one) and `flags`, a set. `withcode` adds
        `library_code`. O(N) in the functions. Since 7.0.0. https://valkey.io/commands/function-list/
        """
        options: list[Argument] = [] if library is None else ["LIBRARYNAME", library]
        if withcode:
            options.append("WITHCODE")
        return self.execute_command("FUNCTION", "LIST", *options, reply=_libraries)

    def function_stats(self) -> Awaitable[dict[str, Any]]:
        """What runs (`running_script`: None or a map), and of each of `engines` how much it holds. O(1).

        Since 7.0.0. https://valkey.io/commands/function-stats/
        """
        return self.execute_command("FUNCTION", "STATS", reply=_stats)

    def function_kill(self) -> Awaitable[bool]:
        """Stop the running function; True. O(1).

        Raises `NotBusy` when none runs, `Unkillable` when it has written. Since 7.0.0.
        https://valkey.io/commands/function-kill/
        """
        return self.execute_command("FUNCTION", "KILL", reply=replies.is_ok)

    def function_dump(self) -> Awaitable[bytes]:
        """All libraries in one payload, for `function_restore`. O(N) in the functions.

        Since 7.0.0. https://valkey.io/commands/function-dump/
        """
        return self.execute_command("FUNCTION", "DUMP", decode=False)

    def function_restore(self, payload: bytes, policy: str | None = "APPEND") -> Awaitable[bool]:
        """Bring back the libraries of a payload, all or none; True.

        `policy` says what becomes of those that are there: `APPEND` (the same name is an error), `REPLACE` or
        `FLUSH` (all go). O(N) in the functions. Since 7.0.0. https://valkey.io/commands/function-restore/
        """
        option: tuple[Argument, ...] = ()
        if policy is not None:
            option = (arguments.one_of("policy", policy, ("APPEND", "REPLACE", "FLUSH")),)
        return self.execute_command("FUNCTION", "RESTORE", payload, *option, reply=replies.is_ok)


def _libraries(reply: Any) -> list[dict[str, Any]]:
    libraries = []
    for item in reply:
        library = replies.text_map(item)
        functions = [replies.text_map(function) for function in library["functions"]]
        for function in functions:
            function["flags"] = set(replies.texts(function["flags"]))
        library["functions"] = functions
        library["engine"] = replies.text(library["engine"])
        libraries.append(library)
    return libraries


def _stats(reply: Any) -> dict[str, Any]:
    stats = replies.text_map(reply)
    if stats["running_script"] is not None:
        stats["running_script"] = replies.text_map(stats["running_script"])
    engines = replies.text_map(stats["engines"])
    stats["engines"] = {name: replies.text_map(engine) for name, engine in engines.items()}
    return stats
