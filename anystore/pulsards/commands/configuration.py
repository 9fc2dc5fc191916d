"""CONFIG: the server's settings, while it runs."""

from __future__ import annotations

import logging

from anystore.pulsards.addresses import is_local
from anystore.pulsards.config import Refused, is_pattern
from anystore.pulsards.config_refusals import why_refused
from anystore.pulsards.config_rewrite import rewrite_config
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString

logger = logging.getLogger("anystore.pulsards")


@command("config|get")
def config_get(ctx: Context, args: list[bytes]) -> dict[bytes, bytes]:
    """CONFIG GET pattern [pattern …] — O(N) in the directives. Several patterns since 7.0."""
    found: dict[str, tuple[bytes, bytes]] = {}
    for pattern in args[2:]:
        exact = not is_pattern(pattern)
        for name, text in ctx.engine.config.matching(pattern).items():
            # Who asks for one name gets it back as it was spelt, the first time.
            spelt = pattern if exact else name.encode()
            found.setdefault(name, (spelt, text.encode("utf-8", "surrogateescape")))
    return dict(found.values())


@command("config|set")
def config_set(ctx: Context, args: list[bytes]) -> SimpleString:
    """CONFIG SET directive value [directive value …] — all or nothing. Several directives since 7.0."""
    if len(args) % 2:
        raise CommandError(SYNTAX)
    config = ctx.engine.config
    settings: dict[str, str] = {}
    for given, value in zip(args[2::2], args[3::2], strict=True):
        name = given.lower().decode("utf-8", "surrogateescape")
        directive = config.directives.get(name)
        if directive is None:
            reason = why_refused(name)
            if reason is not None:
                raise _failed(given, reason)
            raise CommandError(b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % given)
        if not directive.mutable:
            raise _failed(given, "can't set immutable config")
        if directive.protected and not _may_change_protected(ctx):
            raise _failed(given, "can't set protected config")
        if name in settings:
            raise _failed(given, "duplicate parameter")
        settings[name] = value.decode("utf-8", "surrogateescape")
    try:
        config.update(list(settings.items()))
    except Refused as refused:
        raise _failed(refused.name.encode(), refused.reason) from None
    return OK


def _may_change_protected(ctx: Context) -> bool:
    """Whether a client may say where files are: who could, could have the server write to any place."""
    allowed = ctx.engine.config.values["enable-protected-configs"]
    return allowed == "yes" or (allowed == "local" and is_local(ctx.session.address))


def _failed(name: bytes, reason: str) -> CommandError:
    return CommandError(
        b"ERR CONFIG SET failed (possibly related to argument '%b') - %b"
        % (name, reason.encode("utf-8", "backslashreplace"))
    )


@command("config|rewrite")
def config_rewrite(ctx: Context, args: list[bytes]) -> SimpleString:
    """CONFIG REWRITE — the settings into the file that they came from, whose comments stay. Since 2.8."""
    engine = ctx.engine
    if not engine.config.file:
        raise CommandError(b"ERR The server is running without a config file")
    try:
        rewrite_config(engine.config, engine.acl)
    except OSError as error:
        logger.warning("the configuration file could not be rewritten: %s", error)
        reason = error.strerror or "unknown error"
        raise CommandError(b"ERR Rewriting config file: " + reason.encode()) from None
    return OK


@command("config|resetstat")
def config_resetstat(ctx: Context, args: list[bytes]) -> SimpleString:
    """CONFIG RESETSTAT — O(N) in the commands. Since 2.0."""
    engine = ctx.engine
    keyspace = engine.keyspace
    keyspace.hits = keyspace.misses = keyspace.expired = keyspace.expired_fields = keyspace.evicted = 0
    for entry in engine.commands.values():
        entry.reset_counters()
    engine.eviction.reset()
    engine.statistics.reset(keyspace.now)
    return OK


@command("config|help")
def config_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """CONFIG HELP — what the subcommands are. Since 5.0."""
    return [
        SimpleString(line)
        for line in (
            b"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"GET <pattern> [<pattern> ...]",
            b"    Directives whose name matches, with their values.",
            b"SET <directive> <value> [<directive> <value> ...]",
            b"    Change directives, all of them or none.",
            b"REWRITE",
            b"    Write the directives to the configuration file.",
            b"RESETSTAT",
            b"    Set the counters that INFO shows to zero.",
            b"HELP",
            b"    This text.",
        )
    ]
