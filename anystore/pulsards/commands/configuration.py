"""CONFIG: the server's settings, while it runs."""

from __future__ import annotations

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError, wrong_arity
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString


@command("config|get")
def config_get(ctx: Context, args: list[bytes]) -> dict[bytes, bytes]:
    """CONFIG GET pattern [pattern …] — O(N) in the directives. Several patterns since 7.0."""
    found: dict[bytes, bytes] = {}
    for pattern in args[2:]:
        for name, text in ctx.engine.config.matching(pattern).items():
            found[name.encode()] = text.encode("utf-8", "surrogateescape")
    return found


@command("config|set")
def config_set(ctx: Context, args: list[bytes]) -> SimpleString:
    """CONFIG SET directive value [directive value …] — all or nothing. Several directives since 7.0."""
    if len(args) % 2:
        raise wrong_arity(b"config|set")
    config = ctx.engine.config
    names: dict[str, bytes] = {}
    for position in range(2, len(args), 2):
        name = args[position].lower().decode("utf-8", "surrogateescape")
        if name not in config.directives:
            raise CommandError(
                b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % args[position]
            )
        if name in names:
            raise _failed(args[position], "duplicate parameter")
        names[name] = args[position]
    settings: dict[str, str] = {}
    for (name, given), value in zip(names.items(), args[3::2], strict=True):
        settings[name] = value.decode("utf-8", "surrogateescape")
        try:
            config.check(name, settings[name])
        except ValueError as error:
            raise _failed(given, str(error)) from None
    config.update(settings)
    return OK


def _failed(name: bytes, reason: str) -> CommandError:
    return CommandError(
        b"ERR CONFIG SET failed (possibly related to argument '%b') - %b" % (name, reason.encode())
    )


@command("config|resetstat")
def config_resetstat(ctx: Context, args: list[bytes]) -> SimpleString:
    """CONFIG RESETSTAT — O(N) in the commands. Since 2.0."""
    engine = ctx.engine
    engine.statistics.reset()
    engine.keyspace.hits = engine.keyspace.misses = engine.keyspace.expired = 0
    for entry in engine.commands.values():
        entry.reset_counters()
    return OK


@command("config|help")
def config_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """CONFIG HELP — what the subcommands are. Since 5.0."""
    return [
        SimpleString(line)
        for line in (
            b"CONFIG <subcommand> [<arg> ...]. Subcommands are:",
            b"GET <pattern> [<pattern> ...]",
            b"    Directives whose name matches, with their values.",
            b"SET <directive> <value> [<directive> <value> ...]",
            b"    Change directives, all of them or none.",
            b"RESETSTAT",
            b"    Set the counters that INFO shows to zero.",
            b"HELP",
            b"    This text.",
        )
    ]
