"""The MODULE commands: there are no modules, and none can be loaded."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import SimpleString

_HELP: Final = (
    b"MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"LIST",
    b"    The modules that are loaded: none.",
    b"LOAD <path> [<arg> ...]",
    b"    Refused: modules are C libraries of Redis' own.",
    b"LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
    b"    Refused, too.",
    b"UNLOAD <name>",
    b"    Refused, too.",
    b"HELP",
    b"    This text.",
)


@command("module|list")
def module_list(ctx: Context, args: list[bytes]) -> list[Any]:
    """MODULE LIST → an empty list. O(1). Since 4.0."""
    return []


@command("module|load", "module|loadex", "module|unload")
def module_load(ctx: Context, args: list[bytes]) -> Any:
    """MODULE LOAD | LOADEX path … | UNLOAD name — an error. O(1). Since 4.0; LOADEX 7.0."""
    raise CommandError(b"ERR MODULE command not allowed. pulsards takes no modules.")


@command("module|help")
def module_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """MODULE HELP → the subcommands. Since 5.0."""
    return [SimpleString(line) for line in _HELP]
