"""Commands that look into the server: its command table, memory, latency, slow commands, modules."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies, server_texts
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT

_COMMAND_LOGS: Final = ("SLOW", "LARGE-REQUEST", "LARGE-REPLY")


class InspectionCommands(Commands[S]):
    """Looking into the server (part of Redis' group *server*)."""

    def command(self) -> Awaitable[dict[str, dict[str, Any]]]:
        """All commands by name: `arity`, `flags`, key positions, `acl_categories`, `subcommands` … . O(N).

        Since 2.8.13. https://valkey.io/commands/command/
        """
        return self.execute_command("COMMAND", reply=server_texts.command_table)

    def command_info(self, *args: str) -> Awaitable[dict[str, dict[str, Any]]]:
        """`command` for those named; one that the server does not know is left out. O(N).

        Since 2.8.13. https://valkey.io/commands/command-info/
        """
        return self.execute_command("COMMAND", "INFO", *args, reply=server_texts.command_table)

    def command_docs(self, *args: str) -> Awaitable[dict[str, dict[str, Any]]]:
        """Documentation by name, of all commands or those named: `summary`, `since`, `arguments` … . O(N).

        Since 7.0.0. https://valkey.io/commands/command-docs/
        """
        return self.execute_command("COMMAND", "DOCS", *args, reply=server_texts.command_docs)

    def command_count(self) -> Awaitable[int]:
        """How many commands there are. O(1). Since 2.8.13. https://valkey.io/commands/command-count/"""
        return self.execute_command("COMMAND", "COUNT")

    def command_list(
        self, module: str | None = None, category: str | None = None, pattern: str | None = None
    ) -> Awaitable[list[str]]:
        """The names of all commands, or of a module's, an ACL category's, or those that match. O(N).

        Since 7.0.0. https://valkey.io/commands/command-list/
        """
        arguments.exclusive(module=module, category=category, pattern=pattern)
        args: tuple[Argument, ...] = ()
        for name, value in (("MODULE", module), ("ACLCAT", category), ("PATTERN", pattern)):
            if value is not None:
                args = ("FILTERBY", name, value)
        return self.execute_command("COMMAND", "LIST", *args, reply=replies.texts)

    def command_getkeys(self, *args: ValueT) -> Awaitable[list[S]]:
        """The keys in a whole command. O(N). Raises `ResponseError` for one without.

        Since 2.8.13. https://valkey.io/commands/command-getkeys/
        """
        arguments.some(args, "COMMAND GETKEYS", "words")
        return self.execute_command("COMMAND", "GETKEYS", *args)

    def command_getkeysandflags(self, *args: ValueT) -> Awaitable[list[tuple[S, list[str]]]]:
        """The keys in a whole command with what it does to them: `(key, flags)` each. O(N).

        Since 7.0.0. https://valkey.io/commands/command-getkeysandflags/
        """
        arguments.some(args, "COMMAND GETKEYSANDFLAGS", "words")
        return self.execute_command("COMMAND", "GETKEYSANDFLAGS", *args, reply=server_texts.keys_and_flags)

    def memory_doctor(self) -> Awaitable[str]:
        """A report on memory, for people. O(1). Since 4.0.0. https://valkey.io/commands/memory-doctor/"""
        return self.execute_command("MEMORY", "DOCTOR", reply=replies.text)

    def memory_malloc_stats(self) -> Awaitable[str]:
        """The allocator's own report. Since 4.0.0. https://valkey.io/commands/memory-malloc-stats/"""
        return self.execute_command("MEMORY", "MALLOC-STATS", reply=replies.text)

    def memory_purge(self) -> Awaitable[bool]:
        """Ask the allocator to give memory back; True. Since 4.0.0.

        https://valkey.io/commands/memory-purge/
        """
        return self.execute_command("MEMORY", "PURGE", reply=replies.is_ok)

    def memory_stats(self) -> Awaitable[dict[str, Any]]:
        """What memory goes to: bytes, and ratios as `float`; `db.0` … as a `dict`. O(1).

        Since 4.0.0. https://valkey.io/commands/memory-stats/
        """
        return self.execute_command("MEMORY", "STATS", reply=server_texts.memory_stats)

    def memory_usage(self, key: KeyT, samples: int | None = None) -> Awaitable[int | None]:
        """The bytes that a key takes; None without it. Of a collection, `samples` members are looked at.

        0 looks at all of them, the server's default is 5. O(N) in the samples. Since 4.0.0.
        https://valkey.io/commands/memory-usage/
        """
        args: tuple[Argument, ...] = () if samples is None else ("SAMPLES", samples)
        return self.execute_command("MEMORY", "USAGE", key, *args)

    def latency_doctor(self) -> Awaitable[str]:
        """A report on latency, for people. Since 2.8.13. https://valkey.io/commands/latency-doctor/"""
        return self.execute_command("LATENCY", "DOCTOR", reply=replies.text)

    def latency_graph(self, event: str) -> Awaitable[str]:
        """An event's latency, drawn in text. Since 2.8.13. https://valkey.io/commands/latency-graph/"""
        return self.execute_command("LATENCY", "GRAPH", event, reply=replies.text)

    def latency_histogram(self, *args: str) -> Awaitable[dict[str, dict[str, Any]]]:
        """By command, `calls` and `histogram_usec`: how many took up to so many microseconds. O(N).

        Since 7.0.0. https://valkey.io/commands/latency-histogram/
        """
        return self.execute_command("LATENCY", "HISTOGRAM", *args, reply=server_texts.histograms)

    def latency_history(self, event: str) -> Awaitable[list[list[int]]]:
        """An event's latest measurements: `[Unix seconds, milliseconds]` each. O(1).

        Since 2.8.13. https://valkey.io/commands/latency-history/
        """
        return self.execute_command("LATENCY", "HISTORY", event)

    def latency_latest(self) -> Awaitable[list[list[Any]]]:
        """By event, `[name, Unix seconds, milliseconds, worst milliseconds]`. O(1).

        Since 2.8.13. https://valkey.io/commands/latency-latest/
        """
        return self.execute_command("LATENCY", "LATEST")

    def latency_reset(self, *events: str) -> Awaitable[int]:
        """Forget the measurements of all events or of those named; how many had any. O(1).

        Since 2.8.13. https://valkey.io/commands/latency-reset/
        """
        return self.execute_command("LATENCY", "RESET", *events)

    def module_list(self) -> Awaitable[list[dict[str, Any]]]:
        """The modules loaded: `name`, `ver`, `path`, `args`. O(N).

        Since 4.0.0. https://valkey.io/commands/module-list/
        """
        return self.execute_command("MODULE", "LIST", reply=server_texts.module_list)

    def module_load(self, path: str, *args: ValueT) -> Awaitable[bool]:
        """Load a module from the server's disk; True. Since 4.0.0. https://valkey.io/commands/module-load/"""
        return self.execute_command("MODULE", "LOAD", path, *args, reply=replies.is_ok)

    def module_loadex(
        self, path: str, options: Sequence[str] = (), args: Sequence[ValueT] = ()
    ) -> Awaitable[bool]:
        """Load a module with settings, names and values alternating in `options`; True.

        Since 7.0.0. https://valkey.io/commands/module-loadex/
        """
        if len(options) % 2:
            raise InvalidArgument(
                "options must alternate between names and values, and the last value is missing"
            )
        words: list[Argument] = []
        for at in range(0, len(options), 2):
            words += ("CONFIG", options[at], options[at + 1])
        if args:
            words += ["ARGS", *args]
        return self.execute_command("MODULE", "LOADEX", path, *words, reply=replies.is_ok)

    def module_unload(self, name: str) -> Awaitable[bool]:
        """Unload a module; True. Since 4.0.0. https://valkey.io/commands/module-unload/"""
        return self.execute_command("MODULE", "UNLOAD", name, reply=replies.is_ok)

    def slowlog_get(self, num: int | None = None) -> Awaitable[list[dict[str, Any]]]:
        """The latest slow commands, newest first: the server's default of 10, or `num`, -1 for all.

        Each has `id`, `start_time` (Unix seconds), `duration` (microseconds), `command` (its words joined
        by spaces, `bytes` in any case), `client_address` and `client_name` (`bytes`). O(N). Since 2.2.12.
        https://valkey.io/commands/slowlog-get/
        """
        args = () if num is None else (num,)
        return self.execute_command("SLOWLOG", "GET", *args, reply=server_texts.slowlog, decode=False)

    def slowlog_len(self) -> Awaitable[int]:
        """How many slow commands are kept. O(1). Since 2.2.12. https://valkey.io/commands/slowlog-len/"""
        return self.execute_command("SLOWLOG", "LEN")

    def slowlog_reset(self) -> Awaitable[bool]:
        """Forget the slow commands; True. O(N). Since 2.2.12. https://valkey.io/commands/slowlog-reset/"""
        return self.execute_command("SLOWLOG", "RESET", reply=replies.is_ok)

    def commandlog_get(self, num: int, log: str = "SLOW") -> Awaitable[list[dict[str, Any]]]:
        """The latest `num` commands that stood out, newest first, -1 for all.

        `log` says how: `SLOW`, `LARGE-REQUEST` or `LARGE-REPLY`. Each has `id`, `start_time` (Unix seconds), `value`
        (microseconds or bytes), `command` (its words joined by spaces, `bytes` in any case), `client_address` and
        `client_name` (`bytes`). O(N). Since Valkey 8.1. https://valkey.io/commands/commandlog-get/
        """
        kind = arguments.one_of("log", log, _COMMAND_LOGS)
        return self.execute_command(
            "COMMANDLOG", "GET", num, kind, reply=server_texts.command_log, decode=False
        )

    def commandlog_len(self, log: str = "SLOW") -> Awaitable[int]:
        """How many commands a log holds. O(1). Since Valkey 8.1. https://valkey.io/commands/commandlog-len/"""
        return self.execute_command("COMMANDLOG", "LEN", arguments.one_of("log", log, _COMMAND_LOGS))

    def commandlog_reset(self, log: str = "SLOW") -> Awaitable[bool]:
        """Empty a log; True. O(N). Since Valkey 8.1. https://valkey.io/commands/commandlog-reset/"""
        kind = arguments.one_of("log", log, _COMMAND_LOGS)
        return self.execute_command("COMMANDLOG", "RESET", kind, reply=replies.is_ok)
