"""Keys of whatever type: removing, renaming, copying, finding them, and what is known about them."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards import glob
from anystore.pulsards.commands.arguments import integer_between
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.errors import NO_SUCH_KEY, SYNTAX, CommandError
from anystore.pulsards.notifications import GENERIC
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString

SAME_OBJECT: Final = b"ERR source and destination objects are the same"
NO_SUCH_DATABASE: Final = b"ERR DB index is out of range"


@command("del", "unlink")
def delete(ctx: Context, args: list[bytes]) -> int:
    """DEL key [key …]; UNLINK the same → how many there were. O(N), and freeing what they held."""
    db = ctx.db
    count = 0
    for key in args[1:]:
        if db.remove(key):
            db.changed(key, b"del", GENERIC)
            count += 1
    return count


@command("exists")
def exists(ctx: Context, args: list[bytes]) -> int:
    """EXISTS key [key …] → how many are there, a key named twice counting twice. O(N)."""
    glance = ctx.db.glance
    return sum(glance(key) is not None for key in args[1:])


@command("touch")
def touch(ctx: Context, args: list[bytes]) -> int:
    """TOUCH key [key …] → how many are there; their idle time starts anew. O(N). Since 3.2.1."""
    read = ctx.db.read
    return sum(read(key) is not None for key in args[1:])


@command("type")
def type_(ctx: Context, args: list[bytes]) -> SimpleString:
    """TYPE key → string, list, set, zset, hash or none. O(1)."""
    value = ctx.db.glance(args[1])
    return _NONE if value is None else SimpleString(type_name(value))


_NONE: Final = SimpleString(b"none")


def type_name(value: Any) -> bytes:
    """What TYPE answers for a value."""
    return b"string" if isinstance(value, bytes | bytearray) else value.type_name


@command("rename", "renamenx")
def rename(ctx: Context, args: list[bytes]) -> Any:
    """RENAME key newkey → OK; RENAMENX → 1, or 0 where `newkey` is there. O(1), and freeing the old value."""
    db = ctx.db
    source, target = args[1], args[2]
    only_new = len(args[0]) == 8
    value = db.modify(source)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if source == target:
        return 0 if only_new else OK
    if only_new and db.modify(target) is not None:
        return 0
    _relocate(db, source, value, db, target)
    db.changed(source, b"rename_from", GENERIC)
    db.changed(target, b"rename_to", GENERIC)
    return 1 if only_new else OK


def _relocate(db: Database, source: bytes, value: Any, other: Database, target: bytes) -> None:
    when = db.expiry(source)
    other.remove(target)
    other.set_value(target, value)
    if when is not None:
        other.set_expiry(target, when)
    other.schedule_fields(target, value)
    db.remove(source)


@command("move")
def move(ctx: Context, args: list[bytes]) -> int:
    """MOVE key database → 1, or 0 where it is not here or the other database has one. O(1)."""
    db = ctx.db
    key = args[1]
    other = numbered_database(ctx, args[2])
    if other is db:
        raise CommandError(SAME_OBJECT)
    value = db.modify(key)
    if value is None or other.modify(key) is not None:
        return 0
    _relocate(db, key, value, other, key)
    db.changed(key, b"move_from", GENERIC)
    other.changed(key, b"move_to", GENERIC)
    return 1


def numbered_database(ctx: Context, text: bytes) -> Database:
    """The database that an argument names by its number."""
    index = integer_between(text, -(2**31), 2**31 - 1)
    databases = ctx.engine.keyspace.databases
    if not 0 <= index < len(databases):
        raise CommandError(NO_SUCH_DATABASE)
    return databases[index]


@command("copy")
def copy(ctx: Context, args: list[bytes]) -> int:
    """COPY source destination [DB number] [REPLACE] → 1, or 0 where nothing was copied. O(N). Since 6.2."""
    source, target = args[1], args[2]
    db = other = ctx.db
    replace = False
    position = 3
    while position < len(args):
        option = args[position].lower()
        position += 1
        if option == b"replace":
            replace = True
        elif option == b"db" and position < len(args):
            other = numbered_database(ctx, args[position])
            position += 1
        else:
            raise CommandError(SYNTAX)
    if other is db and source == target:
        raise CommandError(SAME_OBJECT)
    value = db.read(source)
    if value is None or (other.modify(target) is not None and not replace):
        return 0
    when = db.expiry(source)
    other.remove(target)
    # An immutable string is its own copy.
    twin = value if isinstance(value, bytes) else value.copy()
    other.set_value(target, twin)
    if when is not None:
        other.set_expiry(target, when)
    other.schedule_fields(target, twin)
    other.changed(target, b"copy_to", GENERIC)
    return 1


@command("randomkey")
def randomkey(ctx: Context, args: list[bytes]) -> bytes | None:
    """RANDOMKEY → some key, each equally likely, null in an empty database. O(1) once keys are indexed."""
    db = ctx.db
    tries = 0
    while db.data:
        key = db.scan_index().random()
        if db.peek(key) is not None:
            return key
        tries += 1
        if tries == _MOST_TRIES and db.keyspace.keeps_past:
            return key  # where nothing expires by itself all keys may be past: better such a one than none for ever
    return None


_MOST_TRIES: Final = 100


@command("keys")
def keys(ctx: Context, args: list[bytes]) -> list[bytes]:
    """KEYS pattern → every key that matches the glob pattern. O(N) in the keys of the database."""
    found = ctx.db.live_keys()
    return found if args[1] == b"*" else list(filter(glob.matcher(args[1]), found))


@command("dbsize")
def dbsize(ctx: Context, args: list[bytes]) -> int:
    """DBSIZE → the number of keys, those not yet removed after their time included. O(1)."""
    return len(ctx.db.data)
