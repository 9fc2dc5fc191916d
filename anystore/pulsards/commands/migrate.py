"""MIGRATE: keys to another server."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.migration import Migration, Target
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import NO_REPLY, OK, SimpleString

_NO_KEY: Final = SimpleString(b"NOKEY")
_KEYS_AND_KEY: Final = b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
_NOT_FROM_THERE: Final = b"ERR MIGRATE is for clients: neither a file nor a primary says it"
_NOBODY_TO_SEND: Final = b"ERR MIGRATE needs a server that can connect to others"
_DEFAULT_TIMEOUT: Final = 1000


class _Options(NamedTuple):
    copy: bool
    replace: bool
    login: tuple[bytes, ...]
    keys: list[bytes]


@command("migrate")
def migrate(ctx: Context, args: list[bytes]) -> Any:
    """MIGRATE host port key | "" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …] → OK.

    NOKEY where none of the keys exists. The timeout, in milliseconds, is for each step; 0 or less is a second. O(N) in
    the bytes. The caller waits and others go on, but for commands that might change the keys: they wait, too. After an
    error a key is here, or there, or (IOERR while reading, COPY) on both, and never nowhere. A key is removed here as it
    arrives there; with KEYS, those that the other server has refused stay. Within a transaction or a script everybody
    waits. Since 2.6.
    """
    options = _options(args)
    timeout = integer(args[5])
    database = integer(args[4])
    keys = [key for key in dict.fromkeys(options.keys) if ctx.db.read(key) is not None]
    if not keys:
        return _NO_KEY
    if ctx.engine.keyspace.obeying:
        raise CommandError(_NOT_FROM_THERE)
    migrations = ctx.engine.migrations
    if migrations.drive is None or migrations.drive_at_once is None:
        raise CommandError(_NOBODY_TO_SEND)
    # Where the port is no number, nobody is found there, as in Redis.
    target = Target(args[1].decode("utf-8", "replace"), parse_integer(args[2]) or 0, options.login)
    migration = Migration(
        ctx,
        target,
        database,
        keys,
        timeout if timeout > 0 else _DEFAULT_TIMEOUT,
        copy=options.copy,
        replace=options.replace,
    )
    if not ctx.can_block:
        error = migrations.carry_out(migration)
        if error is not None:
            raise CommandError(error)
        return OK
    migrations.start(migration, args)
    return NO_REPLY


def _options(args: list[bytes]) -> _Options:
    copy = replace = False
    login: tuple[bytes, ...] = ()
    position = 6
    while position < len(args):
        word = args[position].upper()
        more = len(args) - position - 1
        if word == b"COPY":
            copy = True
        elif word == b"REPLACE":
            replace = True
        elif word == b"AUTH" and more:
            login = (args[position + 1],)
            position += 1
        elif word == b"AUTH2" and more > 1:
            login = (args[position + 1], args[position + 2])
            position += 2
        elif word == b"KEYS":
            if args[3]:
                raise CommandError(_KEYS_AND_KEY)
            return _Options(copy, replace, login, args[position + 1 :])
        else:
            raise CommandError(SYNTAX)
        position += 1
    return _Options(copy, replace, login, [args[3]])
