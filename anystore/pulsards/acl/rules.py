"""The rules that say which commands, keys and channels somebody may use, and sets of them: selectors.

A user has one selector for the rules given straight away, and one more for each list in parentheses. A command
is allowed when one of them allows all of it.

Source: "ACL" in Redis' documentation, sections "ACL rules", "Key permissions" and "Selectors"; 6.0, selectors and
`%R~` since 7.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from anystore.pulsards.registry import CommandEntry

READ: Final = 1
WRITE: Final = 2
_ANY: Final = READ | WRITE
_LETTERS: Final = {82: READ, 114: READ, 87: WRITE, 119: WRITE}  # R r W w
_PREFIXES: Final = {_ANY: b"~", READ: b"%R~", WRITE: b"%W~"}

#: In the order that ACL CAT lists them.
CATEGORIES: Final = (
    *(b"keyspace", b"read", b"write", b"set", b"sortedset", b"list", b"hash", b"string", b"bitmap"),
    *(b"hyperloglog", b"geo", b"stream", b"pubsub", b"admin", b"fast", b"slow", b"blocking"),
    *(b"dangerous", b"connection", b"transaction", b"scripting"),
)

SYNTAX: Final = b"Syntax error"
UNKNOWN_NAME: Final = b"Unknown command or category name in ACL"
NO_FIRST_ARGUMENT: Final = b"Allowing first-arg of a subcommand is not supported"
ALL_KEYS_ALREADY: Final = (
    b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
    b"Try 'resetkeys' to start with an empty list of patterns"
)
ALL_CHANNELS_ALREADY: Final = (
    b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. "
    b"Try 'resetchannels' to start with an empty list of channels"
)

_SPACES: Final = b" \t\n\v\f\r\0"


class RuleError(Exception):
    """A rule that cannot be applied; `reason` says why, in Redis' words."""

    def __init__(self, reason: bytes) -> None:
        super().__init__(reason)
        self.reason = reason


def has_spaces(text: bytes) -> bool:
    """Whether a name or a pattern could not be written down as one word."""
    return any(byte in _SPACES for byte in text)


class KnownCommands:
    """The commands that rules can name, with their subcommands and categories.

    They are those of the server's table as it is before `rename-command`, so that rules hold whatever a
    command has been renamed to.
    """

    def __init__(self, entries: Iterable[CommandEntry]) -> None:
        self._entries = tuple(entries)
        self._children: dict[bytes, tuple[bytes, ...]] = {
            entry.name: tuple([child.name for child in entry.subcommands.values()]) for entry in self._entries
        }

    @cached_property
    def _categories(self) -> dict[bytes, set[bytes]]:
        # When the first rule asks: a server in a program that has no users but the default one starts without them.
        found: dict[bytes, set[bytes]] = {category: set() for category in CATEGORIES}
        for entry in self._entries:
            for one in (entry, *entry.subcommands.values()):
                for category in one.spec.categories:
                    found[category.encode()].add(one.name)
        return found

    def find(self, name: bytes) -> bytes | None:
        """The full name of a command or subcommand ("config|get") given in any case; None for an unknown one."""
        lower = name.lower()
        if lower in self._children:
            return lower
        return lower if lower in self._children.get(lower.partition(b"|")[0], ()) else None

    def children(self, name: bytes) -> tuple[bytes, ...]:
        """The full names of a command's subcommands; none for one without, and for a subcommand."""
        return self._children.get(name, ())

    def category(self, name: bytes) -> frozenset[bytes]:
        """The commands and subcommands of a category, given without its `@` in any case; `RuleError` for none."""
        found = self._categories.get(name.lower())
        if found is None:
            raise RuleError(UNKNOWN_NAME)
        return frozenset(found)


class Selector:
    """What one list of rules allows; made empty, it allows nothing."""

    __slots__ = (
        "_known",
        "all_channels",
        "all_commands",
        "all_keys",
        "channels",
        "command_rules",
        "commands",
        "first_arguments",
        "from_all",
        "keys",
    )

    def __init__(self, known: KnownCommands, all_channels: bool = False) -> None:
        """`all_channels` is what the directive acl-pubsub-default says."""
        self._known = known
        self.all_keys = False
        self.keys: dict[bytes, int] = {}  # pattern -> READ, WRITE or both
        self.all_channels = all_channels
        self.channels: dict[bytes, None] = {}
        #: Nothing has been taken away since +@all.
        self.all_commands = False
        #: The rules began with +@all: what is not taken away is allowed, and `commands` are the exceptions.
        self.from_all = False
        #: Full names: allowed ones, or, `from_all`, those taken away.
        self.commands: set[bytes] = set()
        #: Command -> the first arguments with which it is allowed though it is not otherwise (+select|0).
        self.first_arguments: dict[bytes, dict[bytes, None]] = {}
        #: The rules about commands, in order, those that have no effect any more left out.
        self.command_rules: list[bytes] = []

    def copy(self) -> Selector:
        other = Selector(self._known)
        other.all_keys, other.keys = self.all_keys, dict(self.keys)
        other.all_channels, other.channels = self.all_channels, dict(self.channels)
        other.all_commands, other.from_all = self.all_commands, self.from_all
        other.commands = set(self.commands)
        other.first_arguments = {name: dict(values) for name, values in self.first_arguments.items()}
        other.command_rules = list(self.command_rules)
        return other

    @property
    def unrestricted(self) -> bool:
        """Whether everything is allowed, so that no call has to be looked at."""
        return self.all_commands and self.all_keys and self.all_channels

    # Rules

    def apply(self, rule: bytes) -> None:
        """Apply one rule; `RuleError` where it is none."""
        word = _ALIASES.get(rule.lower(), rule.lower())
        if word == b"~*":
            self.all_keys = True
            self.keys.clear()
        elif word == b"resetkeys":
            self.all_keys = False
            self.keys.clear()
        elif word == b"&*":
            self.all_channels = True
            self.channels.clear()
        elif word == b"resetchannels":
            self.all_channels = False
            self.channels.clear()
        elif word in (b"+@all", b"-@all"):
            self.from_all = self.all_commands = word == b"+@all"
            self.commands.clear()
            self.first_arguments.clear()
            self.command_rules.clear()
        elif rule[:1] in (b"~", b"%"):
            self._add_keys(rule)
        elif rule[:1] == b"&":
            self._add_channels(rule[1:])
        elif rule[:2] in (b"+@", b"-@"):
            self._apply_category(rule[2:], rule[:1] == b"+")
        elif rule[:1] == b"-":
            self._apply_command(rule[1:], False)
        elif rule[:1] == b"+":
            if b"|" in rule:
                self._allow_part(rule[1:])
            else:
                self._apply_command(rule[1:], True)
        else:
            raise RuleError(SYNTAX)

    def _add_keys(self, rule: bytes) -> None:
        if self.all_keys:
            raise RuleError(ALL_KEYS_ALREADY)
        access, pattern = _ANY, rule[1:]
        if rule.startswith(b"%"):
            letters, _, pattern = pattern.partition(b"~")
            access = 0
            for letter in letters:
                flag = _LETTERS.get(letter, 0)
                if not flag or access & flag:
                    raise RuleError(SYNTAX)
                access |= flag
            # Redis takes %R without a pattern for the empty pattern, which matches the empty key.
            if not access:
                raise RuleError(SYNTAX)
        if has_spaces(pattern):
            raise RuleError(SYNTAX)
        self.keys[pattern] = self.keys.get(pattern, 0) | access

    def _add_channels(self, pattern: bytes) -> None:
        if self.all_channels:
            raise RuleError(ALL_CHANNELS_ALREADY)
        if has_spaces(pattern):
            raise RuleError(SYNTAX)
        self.channels[pattern] = None

    def _apply_category(self, category: bytes, allow: bool) -> None:
        for name in self._known.category(category):
            self._change(name, allow)
        self._remember(b"@" + category, allow)

    def _apply_command(self, given: bytes, allow: bool) -> None:
        name = self._known.find(given)
        if name is None:
            raise RuleError(UNKNOWN_NAME)
        self._change(name, allow)
        self._remember(name, allow)

    def _allow_part(self, given: bytes) -> None:
        """`+command|word`: a subcommand, or a command that has none with this first argument."""
        parent, _, word = given.rpartition(b"|")
        name = self._known.find(parent)
        if name is None:
            raise RuleError(UNKNOWN_NAME)
        if b"|" in name:
            raise RuleError(NO_FIRST_ARGUMENT)
        if not word:
            raise RuleError(SYNTAX)
        if self._known.children(name):
            self._apply_command(given, True)
        else:
            self.first_arguments.setdefault(name, {})[word.lower()] = None
            self._remember(given, True)

    def _change(self, name: bytes, allow: bool) -> None:
        """Allow or take away a command, and with it its subcommands."""
        for one in (name, *self._known.children(name)):
            if allow != self.from_all:
                self.commands.add(one)
            else:
                self.commands.discard(one)
            self.first_arguments.pop(one, None)
        if not allow:
            self.all_commands = False

    def _remember(self, name: bytes, allow: bool) -> None:
        """Note the rule, and drop those that it overrules."""
        lower = name.lower()
        parts = lower + b"|"
        self.command_rules = [
            rule for rule in self.command_rules if rule[1:] != lower and not rule.startswith(parts, 1)
        ]
        self.command_rules.append((b"+" if allow else b"-") + lower)

    # Questions

    def allows_command(self, name: bytes, arguments: list[bytes]) -> bool:
        """Whether the command of this full name may be run with these arguments, whatever keys they name."""
        if self.all_commands or (name in self.commands) != self.from_all:
            return True
        words = self.first_arguments.get(name)
        return words is not None and len(arguments) > 1 and arguments[1].lower() in words

    # Descriptions

    def describe_commands(self) -> bytes:
        """The rules about commands, from which the same selector can be made again."""
        return b" ".join([b"+@all" if self.from_all else b"-@all", *self.command_rules])

    def describe_keys(self) -> bytes:
        if self.all_keys:
            return b"~*"
        return b" ".join(_PREFIXES[access] + pattern for pattern, access in self.keys.items())

    def describe_channels(self) -> bytes:
        return b"&*" if self.all_channels else b" ".join(b"&" + pattern for pattern in self.channels)

    def describe(self) -> bytes:
        """All rules, as ACL LIST shows them."""
        channels = self.describe_channels()
        words = [
            self.describe_keys(),
            channels if self.all_channels else b"resetchannels",
            b"" if self.all_channels else channels,
            self.describe_commands(),
        ]
        return b" ".join(word for word in words if word)

    def as_map(self) -> Mapping[bytes, bytes]:
        """What ACL GETUSER shows of it."""
        return {
            b"commands": self.describe_commands(),
            b"keys": self.describe_keys(),
            b"channels": self.describe_channels(),
        }


_ALIASES: Final = {
    b"allkeys": b"~*",
    b"allchannels": b"&*",
    b"allcommands": b"+@all",
    b"nocommands": b"-@all",
}
