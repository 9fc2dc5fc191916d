"""Running Lua on the server. `anystore.redis.script` has scripts as objects, which load themselves."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, NoReturn

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT
from anystore.redis.commands.connection import refuse
from anystore.redis.script import RegisteredScript


class ScriptingCommands(Commands[S]):
    """Running Lua scripts.

    A script's result comes as Lua and the protocol make it: integers, strings, None, lists, and, under
    RESP3 only and if the script asks for it, floats, booleans and maps. The first `numkeys` of
    `keys_and_args` are keys, which the script finds in `KEYS`, the rest in `ARGV`; every key that a script
    uses belongs among them. Raises `ResponseError` for what the script raises.
    """

    def eval(self, script: KeyT, numkeys: int, *keys_and_args: ValueT) -> Awaitable[Any]:
        """Run a script. Takes what the script takes. Since 2.6.0. https://valkey.io/commands/eval/"""
        return self._script_run("EVAL", script, numkeys, keys_and_args)

    def eval_ro(self, script: KeyT, numkeys: int, *keys_and_args: ValueT) -> Awaitable[Any]:
        """Run a script that may only read, which replicas take too.

        Since 7.0.0. https://valkey.io/commands/eval_ro/
        """
        return self._script_run("EVAL_RO", script, numkeys, keys_and_args)

    def evalsha(self, sha: KeyT, numkeys: int, *keys_and_args: ValueT) -> Awaitable[Any]:
        """Run a script that the server has, by its SHA-1 in hexadecimal.

        Raises `NoScript` when the server does not have it. Since 2.6.0.
        https://valkey.io/commands/evalsha/
        """
        return self._script_run("EVALSHA", sha, numkeys, keys_and_args)

    def evalsha_ro(self, sha: KeyT, numkeys: int, *keys_and_args: ValueT) -> Awaitable[Any]:
        """`evalsha` for a script that may only read. Since 7.0.0. https://valkey.io/commands/evalsha_ro/"""
        return self._script_run("EVALSHA_RO", sha, numkeys, keys_and_args)

    def _script_run(
        self, command: str, script: KeyT, numkeys: int, keys_and_args: tuple[ValueT, ...]
    ) -> Awaitable[Any]:
        if not 0 <= numkeys <= len(keys_and_args):
            raise InvalidArgument(
                f"{command}: numkeys is {numkeys}, but {len(keys_and_args)} keys and arguments are given"
            )
        return self.execute_command(command, script, numkeys, *keys_and_args)

    def register_script(self, script: str | bytes) -> RegisteredScript:
        """A script as an object that is called with `keys` and `args` and loads itself when need be."""
        return RegisteredScript(self, script)

    def script_exists(self, *args: KeyT) -> Awaitable[list[bool]]:
        """Whether the server has the scripts with these SHA-1s. O(N).

        Since 2.6.0. https://valkey.io/commands/script-exists/
        """
        arguments.some(args, "SCRIPT EXISTS", "SHA-1s")
        return self.execute_command("SCRIPT", "EXISTS", *args, reply=replies.truths)

    def script_flush(self, sync_type: str | None = None) -> Awaitable[bool]:
        """Make the server forget all scripts; True. `sync_type` is `SYNC` or `ASYNC`.

        O(N) in the scripts. Since 2.6.0, `sync_type` since 6.2.0. https://valkey.io/commands/script-flush/
        """
        args: tuple[Argument, ...] = ()
        if sync_type is not None:
            args = (arguments.one_of("sync_type", sync_type, ("SYNC", "ASYNC")),)
        return self.execute_command("SCRIPT", "FLUSH", *args, reply=replies.is_ok)

    def script_debug(self, mode: str) -> NoReturn:
        """Refused: a debugger takes the connection for itself. https://valkey.io/commands/script-debug/"""
        refuse("SCRIPT DEBUG")

    def script_kill(self) -> Awaitable[bool]:
        """Stop the running script; True. O(1).

        Raises `NotBusy` when none runs, `Unkillable` when it has written. Since 2.6.0.
        https://valkey.io/commands/script-kill/
        """
        return self.execute_command("SCRIPT", "KILL", reply=replies.is_ok)

    def script_load(self, script: KeyT) -> Awaitable[str]:
        """Leave a script with the server; its SHA-1, for `evalsha`. O(N) in its length.

        Raises `ResponseError` when it does not compile. Since 2.6.0.
        https://valkey.io/commands/script-load/
        """
        return self.execute_command("SCRIPT", "LOAD", script, reply=replies.text)

    def script_show(self, sha: KeyT) -> Awaitable[S]:
        """The text of a script that the server has, by its SHA-1. O(1).

        Raises `NoScript` when the server does not have it. Since Valkey 8.0.
        https://valkey.io/commands/script-show/
        """
        return self.execute_command("SCRIPT", "SHOW", sha)
