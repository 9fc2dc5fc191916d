"""The ACL commands: users, what they may do, and what they were refused."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from anystore.pulsards.acl.files import load_users, save_users
from anystore.pulsards.acl.permissions import check
from anystore.pulsards.acl.rules import CATEGORIES, RuleError
from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString

logger = logging.getLogger("anystore.pulsards")

_NO_FILE = (
    b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL "
    b"SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order "
    b"to store users in the Redis configuration."
)
_MOST_BITS = 4096


def _too_many(args: list[bytes], most: int) -> None:
    """Refuse more arguments than these, where the arity gives only a minimum."""
    if len(args) > most:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try ACL HELP." % args[1]
        )


@command("acl|setuser")
def acl_setuser(ctx: Context, args: list[bytes]) -> SimpleString:
    """ACL SETUSER username [rule …] — all rules or none. O(N) in the rules. Since 6.0."""
    ctx.engine.acl.set_user(args[2], args[3:])
    return OK


@command("acl|getuser")
def acl_getuser(ctx: Context, args: list[bytes]) -> dict[bytes, Any] | None:
    """ACL GETUSER username — null when there is none. O(N) in the user's rules. Since 6.0."""
    user = ctx.engine.acl.users.get(args[2])
    return None if user is None else user.as_map()


@command("acl|deluser")
def acl_deluser(ctx: Context, args: list[bytes]) -> int:
    """ACL DELUSER username [username …] — how many there were. O(1) a user, and their clients. Since 6.0."""
    return ctx.engine.acl.delete_users(args[2:])


@command("acl|list")
def acl_list(ctx: Context, args: list[bytes]) -> list[bytes]:
    """ACL LIST — every user as the configuration file has it. O(N). Since 6.0."""
    return ctx.engine.acl.describe()


@command("acl|users")
def acl_users(ctx: Context, args: list[bytes]) -> list[bytes]:
    """ACL USERS — every user's name. O(N). Since 6.0."""
    return sorted(ctx.engine.acl.users)


@command("acl|whoami")
def acl_whoami(ctx: Context, args: list[bytes]) -> bytes:
    """ACL WHOAMI — the name of the connection's user. O(1). Since 6.0."""
    return ctx.session.user.name


@command("acl|cat")
def acl_cat(ctx: Context, args: list[bytes]) -> list[bytes]:
    """ACL CAT [category] — the categories, or a category's commands. O(N). Since 6.0."""
    _too_many(args, 3)
    if len(args) == 2:
        return list(CATEGORIES)
    try:
        return sorted(ctx.engine.acl.known.category(args[2]))
    except RuleError:
        raise CommandError(b"ERR Unknown category '%b'" % args[2][:128]) from None


@command("acl|genpass")
def acl_genpass(ctx: Context, args: list[bytes]) -> bytes:
    """ACL GENPASS [bits] — so many random bits, 256 unless told otherwise, in hexadecimal. O(1). Since 6.0."""
    _too_many(args, 3)
    bits = integer(args[2]) if len(args) == 3 else 256
    if not 0 < bits <= _MOST_BITS:
        raise CommandError(
            b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up "
            b"to %d" % _MOST_BITS
        )
    digits = (bits + 3) // 4
    return secrets.token_hex((digits + 1) // 2)[:digits].encode()


@command("acl|log")
def acl_log(ctx: Context, args: list[bytes]) -> Any:
    """ACL LOG [count | RESET] — the newest refusals, 10 without a count. O(N) in them. Since 6.0."""
    _too_many(args, 3)
    log = ctx.engine.acl.log
    count = 10
    if len(args) == 3:
        if args[2].lower() == b"reset":
            log.clear()
            return OK
        count = max(0, integer(args[2]))
    now = ctx.engine.keyspace.now
    return [entry.as_map(now) for entry in log.entries[:count]]


@command("acl|dryrun")
def acl_dryrun(ctx: Context, args: list[bytes]) -> Any:
    """ACL DRYRUN username command [arg …] — OK, or why the user may not run this. O(1). Since 7.0."""
    engine = ctx.engine
    user = engine.acl.users.get(args[2])
    if user is None:
        raise CommandError(b"ERR User '%b' not found" % args[2])
    call = args[3:]
    try:
        entry = engine.resolve(call)
    except CommandError as error:
        if error.message.startswith(b"ERR unknown"):
            raise CommandError(b"ERR Command '%b' not found" % args[3]) from None
        raise
    denial = check(user, entry, call)
    return OK if denial is None else denial.explain(user, entry, call, verbose=True)


@command("acl|load")
def acl_load(ctx: Context, args: list[bytes]) -> SimpleString:
    """ACL LOAD — the users anew from the ACL file, all or none. O(N) in the users. Since 6.0."""
    acl = ctx.engine.acl
    if not acl.file:
        raise CommandError(_NO_FILE)
    load_users(acl, acl.file)
    return OK


@command("acl|save")
def acl_save(ctx: Context, args: list[bytes]) -> SimpleString:
    """ACL SAVE — the users into the ACL file. O(N) in the users. Since 6.0."""
    acl = ctx.engine.acl
    if not acl.file:
        raise CommandError(_NO_FILE)
    try:
        save_users(acl, acl.file)
    except OSError as error:
        logger.warning("the ACL file could not be written: %s", error)
        raise CommandError(
            b"ERR There was an error trying to save the ACLs. Please check the server logs for more information"
        ) from None
    return OK


@command("acl|help")
def acl_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """ACL HELP — what the subcommands are. Since 6.0."""
    return [SimpleString(b"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"), *_HELP]


_HELP = [
    SimpleString(line)
    for line in (
        b"CAT [<category>]",
        b"    The categories, or the commands of one.",
        b"DELUSER <username> [<username> ...]",
        b"    Delete users, and disconnect their clients.",
        b"DRYRUN <username> <command> [<arg> ...]",
        b"    Whether a user may run this command, which is not run.",
        b"GENPASS [<bits>]",
        b"    A password of random digits, 256 bits unless told otherwise.",
        b"GETUSER <username>",
        b"    What a user may do.",
        b"LIST",
        b"    Every user, as the configuration file has it.",
        b"LOAD",
        b"    Read the users from the ACL file.",
        b"LOG [<count> | RESET]",
        b"    What was refused, newest first.",
        b"SAVE",
        b"    Write the users to the ACL file.",
        b"SETUSER <username> <rule> [<rule> ...]",
        b"    Make or change a user.",
        b"USERS",
        b"    The name of every user.",
        b"WHOAMI",
        b"    The user of this connection.",
        b"HELP",
        b"    This text.",
    )
]
