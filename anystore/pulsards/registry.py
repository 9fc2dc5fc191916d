"""Commands: a function, bound by its name to the row of the one command table.

Arity, flags and key positions are never restated here: they come from `anystore.spec`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from anystore import spec
from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards.errors import CommandError, printable, unknown_command, wrong_arity
from anystore.spec import CommandSpec

if TYPE_CHECKING:
    from anystore.pulsards.context import Context

CommandFunction = Callable[["Context", list[bytes]], Any]

_NO_LIMIT: Final = 2**63
_functions: dict[str, CommandFunction] = {}


def command(*names: str) -> Callable[[CommandFunction], CommandFunction]:
    """Register a function as the command of these names; a subcommand is named as in "config|get".

    The function gets the calling context and the arguments as they came, the command's name first, and
    returns the reply as a value of `anystore.resp.types`, or raises `CommandError`.
    """

    def register(function: CommandFunction) -> CommandFunction:
        for name in names:
            if name in _functions:
                raise ValueError(f"two functions for the command {name!r}")
            _functions[name] = function
        return function

    return register


def registered() -> Mapping[str, CommandFunction]:
    """Every registered function by its command's name. Complete once `anystore.pulsards.commands` is imported."""
    return _functions


class CommandEntry:
    """One command of one server: its function, what its row says (read off once), and its counters."""

    __slots__ = (
        "alone",
        "calls",
        "deny_oom",
        "durations",
        "elapsed_ns",
        "failed",
        "function",
        "in_transaction",
        "is_fast",
        "is_monitored",
        "is_plain",
        "is_told",
        "is_tracked",
        "long_durations",
        "maximum",
        "minimum",
        "name",
        "no_auth",
        "no_multi",
        "no_script",
        "rejected",
        "spec",
        "subcommands",
        "while_loading",
        "while_subscribed",
        "writes",
    )

    def __init__(self, spec_row: CommandSpec, function: CommandFunction | None) -> None:
        flags = spec_row.flags
        self.spec = spec_row
        self.name = spec_row.name.encode()
        self.function = function
        arity = spec_row.arity
        self.minimum = abs(arity)
        self.maximum = arity if arity > 0 else _NO_LIMIT
        self.writes = "write" in flags
        self.is_fast = "fast" in flags
        self.deny_oom = "denyoom" in flags
        self.no_auth = "no_auth" in flags
        self.no_multi = "no_multi" in flags
        self.no_script = "noscript" in flags
        self.in_transaction = self.name in _RUN_INSIDE_MULTI
        #: MONITOR shows it: scripts show themselves, and what administrators do is nobody else's business.
        self.is_monitored = not flags & {"skip_monitor", "admin"}
        #: Reads keys that a client under CLIENT TRACKING is to be told of; of scripts, only their commands do.
        self.is_tracked = "readonly" in flags and spec_row.group not in ("scripting", "pubsub")
        #: Writes, or runs what writes, or is told to replicas for another reason: see `anystore.pulsards.propagation`.
        self.is_told = self.writes or self.name in _MAY_WRITE
        #: Reads or changes keys and does nothing else: see `anystore.pulsards.plain_runs`.
        self.is_plain = (
            (spec_row.group in _ON_KEYS or self.name in _HARMLESS)
            and not flags & {"blocking", "noscript"}
            and self.name != b"migrate"  # whose caller waits, here, without a flag that says so
        )
        self.while_loading = "loading" in flags
        self.while_subscribed = self.name in _RUN_WHILE_SUBSCRIBED
        self.subcommands: dict[bytes, CommandEntry] = {}
        #: What runs when a command with subcommands is called without any (COMMAND); `function` is None then.
        self.alone: CommandEntry | None = None
        self.reset_counters()

    def reset_counters(self) -> None:
        """Set the counters of this command and its subcommands to zero, as CONFIG RESETSTAT does."""
        self.calls = self.elapsed_ns = self.rejected = self.failed = 0
        #: How often it took how long: see `anystore.pulsards.latency`.
        self.durations: list[int] = []
        self.long_durations: dict[int, int] = {}
        for entry in self.subcommands.values():
            entry.reset_counters()

    def renamed(self) -> CommandEntry:
        """The same command for use under another name: its function still sees its own one."""
        name, function = self.name.partition(b"|")[0], self.function
        entry = CommandEntry(self.spec, None)
        if function is not None:
            entry.function = lambda context, arguments: function(context, [name, *arguments[1:]])
        entry.subcommands = {word: child.renamed() for word, child in self.subcommands.items()}
        entry.alone = None if self.alone is None else self.alone.renamed()
        return entry


def every_entry(table: Mapping[bytes, CommandEntry]) -> Iterator[CommandEntry]:
    """Every command of a table once, each followed by its subcommands."""
    for entry in dict.fromkeys(table.values()):
        yield entry
        if entry.alone is not None:
            yield entry.alone
        yield from entry.subcommands.values()


#: The groups of commands that are about keys.
_ON_KEYS: Final = {
    "bitmap",
    "generic",
    "geo",
    "hash",
    "hyperloglog",
    "list",
    "set",
    "sorted-set",
    "stream",
    "string",
}
_HARMLESS: Final = {b"echo", b"ping"}
#: Run at once inside MULTI instead of being queued.
_RUN_INSIDE_MULTI: Final = {b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"}
#: Commands that do not write in themselves, and may change something, or be told to replicas, all the same.
_MAY_WRITE: Final = {b"exec", b"eval", b"evalsha", b"fcall", b"pfcount", b"publish", b"spublish"}
#: Allowed to a RESP2 client that has subscriptions.
_RUN_WHILE_SUBSCRIBED: Final = {
    b"ping",
    b"subscribe",
    b"ssubscribe",
    b"psubscribe",
    b"unsubscribe",
    b"sunsubscribe",
    b"punsubscribe",
    b"quit",
    b"reset",
}


def build_table() -> dict[bytes, CommandEntry]:
    """A fresh table of everything registered, by name in upper and in lower case."""
    table: dict[bytes, CommandEntry] = {}
    for name, function in _functions.items():
        parent, _, child = name.partition("|")
        row = spec.lookup(parent)
        if row is None:
            raise ValueError(f"the command table has no row for {parent!r}")
        entry = table.get(parent.encode())
        if entry is None:
            entry = table[parent.encode()] = table[parent.upper().encode()] = CommandEntry(row, None)
        if child:
            child_row = row.subcommands.get(child)
            if child_row is None:
                raise ValueError(f"the command table has no row for {name!r}")
            entry.subcommands[child.encode()] = CommandEntry(child_row, function)
        else:
            entry.function = function
    for entry in table.values():
        if entry.subcommands and entry.function is not None:
            entry.alone = CommandEntry(entry.spec, entry.function)
            entry.function = None
    return table


def resolve(commands: dict[bytes, CommandEntry], arguments: list[bytes]) -> CommandEntry:
    """The entry of a command or subcommand in a table, with its arity checked; `CommandError` where there is none."""
    name = arguments[0]
    entry = commands.get(name) or commands.get(name.lower())
    if entry is None:
        raise unknown_command(arguments)
    if entry.subcommands:
        if len(arguments) > 1:
            child = entry.subcommands.get(arguments[1].lower())
            if child is None:
                raise CommandError(
                    b"ERR unknown subcommand '%b'. Try %b HELP." % (printable(arguments[1]), name.upper())
                )
            entry = child
        elif entry.alone is not None:
            entry = entry.alone
    if entry.function is None or not entry.minimum <= len(arguments) <= entry.maximum:
        raise wrong_arity(entry.name)
    return entry


def named(commands: dict[bytes, CommandEntry], arguments: list[bytes]) -> CommandEntry | None:
    """The entry that a call names, whether it can be called so or not; None where there is none."""
    entry = commands.get(arguments[0].lower())
    if entry is None or not entry.subcommands or len(arguments) == 1:
        return entry
    return entry.subcommands.get(arguments[1].lower())


def rename_commands(table: dict[bytes, CommandEntry], renames: Iterable[tuple[str, str]]) -> None:
    """Do to a table what the directive `rename-command` says, in order: an empty new name takes a command away.

    Raises `ImproperlyConfigured` for a command that there is not, and for a name that is taken.
    """
    for old, new in renames:
        entry = table.get(old.lower().encode())
        if entry is None:
            raise ImproperlyConfigured(f"directive 'rename-command': no such command as {old!r}")
        if new and new.lower().encode() in table:
            raise ImproperlyConfigured(f"directive 'rename-command': there is a command {new!r} already")
        for name in (old.lower(), old.upper()):
            del table[name.encode()]
        if new:
            table[new.lower().encode()] = table[new.upper().encode()] = entry.renamed()
