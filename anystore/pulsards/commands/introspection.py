"""COMMAND: what the server says about its own commands, all of it read from the one command table."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from anystore import spec
from anystore.pulsards import glob
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import CommandEntry, command
from anystore.resp.types import SetReply, SimpleString
from anystore.spec import Argument, CommandSpec, IndexSearch, KeyNumber, KeyRange, KeySpec

_INVALID: Final = b"ERR Invalid arguments specified for command"


def _entries(ctx: Context) -> list[CommandEntry]:
    """Every command once: the table has each by two spellings."""
    return list(dict.fromkeys(ctx.engine.commands.values()))


def _find(ctx: Context, name: bytes) -> CommandEntry | None:
    parent, _, child = name.lower().partition(b"|")
    entry = ctx.engine.commands.get(parent)
    if entry is not None and child:
        return entry.subcommands.get(child)
    return entry


@command("command")
def command_(ctx: Context, args: list[bytes]) -> list[Any]:
    """COMMAND — every command as COMMAND INFO shows it. O(N). Since 2.8.13."""
    return [_info(entry) for entry in _entries(ctx)]


@command("command|count")
def command_count(ctx: Context, args: list[bytes]) -> int:
    """COMMAND COUNT — O(1). Since 2.8.13."""
    return len(_entries(ctx))


@command("command|info")
def command_info(ctx: Context, args: list[bytes]) -> list[Any]:
    """COMMAND INFO [name …] — null for a name that is not known. O(N). Since 2.8.13."""
    entries = [_find(ctx, name) for name in args[2:]] if len(args) > 2 else _entries(ctx)
    return [None if entry is None else _info(entry) for entry in entries]


@command("command|list")
def command_list(ctx: Context, args: list[bytes]) -> list[bytes]:
    """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern] — O(N). Since 7.0."""
    entries = _entries(ctx)
    everything = [entry for parent in entries for entry in (parent, *parent.subcommands.values())]
    if len(args) == 2:
        return [entry.name for entry in entries]
    if len(args) != 5 or args[2].lower() != b"filterby":
        raise CommandError(SYNTAX)
    kind, value = args[3].lower(), args[4]
    if kind == b"module":
        return []  # there are no modules
    if kind == b"aclcat":
        category = value.decode("utf-8", "replace").lower()
        return [entry.name for entry in everything if category in _bare_categories(entry.spec)]
    if kind == b"pattern":
        matches = glob.matcher(value, True)
        return [entry.name for entry in everything if matches(entry.name)]
    raise CommandError(SYNTAX)


def _bare_categories(row: CommandSpec) -> set[str]:
    return {category.removeprefix("@") for category in row.categories}


def _keys(args: list[bytes]) -> tuple[CommandSpec, list[bytes]]:
    """The row of the call given as arguments, and that call; the errors of COMMAND GETKEYS."""
    call = args[2:]
    row = spec.lookup_arguments(call)
    if row is None:
        raise CommandError(b"ERR Invalid command specified")
    if all("not_key" in key_spec.flags for key_spec in row.key_specs):
        raise CommandError(b"ERR The command has no key arguments")
    if len(call) < abs(row.arity) or (row.arity > 0 and len(call) != row.arity):
        raise CommandError(b"ERR Invalid number of arguments specified for command")
    return row, call


def _lacks_keys(row: CommandSpec, call: list[bytes]) -> bool:
    """Whether keys are not there that the command always has, or that the call says there are."""
    return any(_is_beyond(key_spec, call) for key_spec in row.key_specs)


def _is_beyond(row: KeySpec, call: list[bytes]) -> bool:
    search, found = row.begin_search, row.find_keys
    if not isinstance(search, IndexSearch) or "not_key" in row.flags:
        return False
    if isinstance(found, KeyNumber):
        count = parse_integer(call[search.index + found.keynumidx])
        last = search.index + found.firstkey + ((count or 0) - 1) * found.keystep
        return count is None or count < 0 or last >= len(call)
    return search.index >= len(call)


@command("command|getkeys")
def command_getkeys(ctx: Context, args: list[bytes]) -> list[bytes]:
    """COMMAND GETKEYS command [arg …] — the keys that the call names. O(N). Since 2.8.13."""
    row, call = _keys(args)
    positions = () if _lacks_keys(row, call) else spec.key_positions(call)
    if not positions and "no_mandatory_keys" not in row.flags:
        raise CommandError(_INVALID)
    return [call[position] for position in positions]


_HELP: Final = (
    b"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"(no subcommand)",
    b"    Every command, as INFO shows it.",
    b"COUNT",
    b"    How many there are.",
    b"DOCS [<command> ...]",
    b"    What commands are for, their arguments, and since when they are there.",
    b"GETKEYS <command> [<arg> ...]",
    b"    The keys in a call.",
    b"GETKEYSANDFLAGS <command> [<arg> ...]",
    b"    The keys in a call, and what it does with each.",
    b"INFO [<command> ...]",
    b"    Arity, flags, positions of keys, categories, tips and subcommands.",
    b"LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
    b"    The names.",
    b"HELP",
    b"    This text.",
)


@command("command|help")
def command_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """COMMAND HELP → the subcommands. Since 5.0."""
    return [SimpleString(line) for line in _HELP]


def _info(entry: CommandEntry) -> list[Any]:
    row = entry.spec
    return [
        entry.name,
        row.arity,
        SetReply(SimpleString(flag.encode()) for flag in sorted(row.flags)),
        row.first_key,
        row.last_key,
        row.key_step,
        SetReply(
            SimpleString(b"@" + category.removeprefix("@").encode()) for category in sorted(row.categories)
        ),
        [tip.encode() for tip in row.tips],
        [_key_spec(key_spec) for key_spec in row.key_specs],
        [_info(child) for child in entry.subcommands.values()],
    ]


def _key_spec(row: KeySpec) -> dict[bytes, Any]:
    shown: dict[bytes, Any] = {}
    if row.notes:
        shown[b"notes"] = row.notes.encode()
    shown[b"flags"] = SetReply(SimpleString(flag.encode()) for flag in sorted(row.flags))
    search, found = row.begin_search, row.find_keys
    if search is None:
        shown[b"begin_search"] = {b"type": b"unknown", b"spec": {}}
    elif isinstance(search, IndexSearch):
        shown[b"begin_search"] = {b"type": b"index", b"spec": {b"index": search.index}}
    else:
        details = {b"keyword": search.keyword.encode(), b"startfrom": search.startfrom}
        shown[b"begin_search"] = {b"type": b"keyword", b"spec": details}
    if found is None:
        shown[b"find_keys"] = {b"type": b"unknown", b"spec": {}}
    else:
        kind = b"range" if isinstance(found, KeyRange) else b"keynum"
        shown[b"find_keys"] = {
            b"type": kind,
            b"spec": {name.encode(): value for name, value in dataclasses.asdict(found).items()},
        }
    return shown


@command("command|getkeysandflags")
def command_getkeysandflags(ctx: Context, args: list[bytes]) -> list[Any]:
    """COMMAND GETKEYSANDFLAGS command [arg …] — each key with what is done to it. O(N). Since 7.0."""
    row, call = _keys(args)
    flagged = () if _lacks_keys(row, call) else spec.key_flags(call)
    if not flagged and "no_mandatory_keys" not in row.flags:
        raise CommandError(_INVALID)
    return [
        [call[position], SetReply(SimpleString(flag.encode()) for flag in sorted(flags))]
        for position, flags in flagged
    ]


@command("command|docs")
def command_docs(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """COMMAND DOCS [name …] — the documentation of each; unknown names are left out. O(N). Since 7.0."""
    if len(args) > 2:
        entries = [entry for name in args[2:] if (entry := _find(ctx, name)) is not None]
    else:
        entries = _entries(ctx)
    return {entry.name: _docs(entry) for entry in entries}


def _docs(entry: CommandEntry) -> dict[bytes, Any]:
    row = entry.spec
    shown: dict[bytes, Any] = {}
    for name, text in (
        (b"summary", row.summary),
        (b"since", row.since),
        (b"group", row.group),
        (b"complexity", row.complexity),
    ):
        if text:
            shown[name] = text.encode()
    if row.doc_flags:
        shown[b"doc_flags"] = SetReply(SimpleString(flag.encode()) for flag in sorted(row.doc_flags))
    if row.deprecated_since:
        shown[b"deprecated_since"] = row.deprecated_since.encode()
    if row.replaced_by:
        shown[b"replaced_by"] = row.replaced_by.encode()
    if row.arguments:
        shown[b"arguments"] = [_argument(argument) for argument in row.arguments]
    if entry.subcommands:
        shown[b"subcommands"] = {child.name: _docs(child) for child in entry.subcommands.values()}
    return shown


def _argument(argument: Argument) -> dict[bytes, Any]:
    shown: dict[bytes, Any] = {b"name": argument.name.encode(), b"type": argument.type.encode()}
    if argument.display_text:
        shown[b"display_text"] = argument.display_text.encode()
    if argument.key_spec_index is not None:
        shown[b"key_spec_index"] = argument.key_spec_index
    for name, text in (
        (b"token", argument.token),
        (b"since", argument.since),
        (b"deprecated_since", argument.deprecated_since),
    ):
        if text is not None:
            shown[name] = text.encode()
    if argument.flags:
        shown[b"flags"] = SetReply(SimpleString(flag.encode()) for flag in sorted(argument.flags))
    if argument.arguments:
        shown[b"arguments"] = [_argument(child) for child in argument.arguments]
    return shown
