"""The list commands that never wait; those that do are in `blocking_lists`.

Source: the pages of the "list" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer, integer_between, not_negative
from anystore.pulsards.commands.multi_pop import MultiPop, parse_multi_pop
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import ListValue
from anystore.pulsards.errors import INDEX_OUT_OF_RANGE, NO_SUCH_KEY, SYNTAX, CommandError, wrong_arity
from anystore.pulsards.notifications import LIST
from anystore.pulsards.numbers import INT64_MAX
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY, OK, SimpleString, StringsReply

#: The words for the ends of a list, in lower case.
ENDS: Final = (b"left", b"right")
_RANK_IS_ZERO: Final = (
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    b"or use negative to start from the end of the list"
)


# Pushing


@command("lpush")
def lpush(ctx: Context, args: list[bytes]) -> int:
    """LPUSH key element [element …]: put elements before the head one by one; the new length. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, ListValue)
    if len(args) == 3:
        value.appendleft(args[2])
    else:
        value.extendleft(args[2:])
    db.changed(key, b"lpush", LIST)
    return len(value)


@command("rpush")
def rpush(ctx: Context, args: list[bytes]) -> int:
    """RPUSH key element [element …]: put elements behind the tail; the new length. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, ListValue)
    if len(args) == 3:
        value.append(args[2])
    else:
        value.extend(args[2:])
    db.changed(key, b"rpush", LIST)
    return len(value)


@command("lpushx")
def lpushx(ctx: Context, args: list[bytes]) -> int:
    """LPUSHX key element [element …]: LPUSH to a list that exists, else 0. O(M)."""
    return 0 if ctx.db.modify_as(args[1], ListValue) is None else lpush(ctx, args)


@command("rpushx")
def rpushx(ctx: Context, args: list[bytes]) -> int:
    """RPUSHX key element [element …]: RPUSH to a list that exists, else 0. O(M)."""
    return 0 if ctx.db.modify_as(args[1], ListValue) is None else rpush(ctx, args)


# Popping


@command("lpop")
def lpop(ctx: Context, args: list[bytes]) -> Any:
    """LPOP key [count]: remove the head, or the first `count` elements. O(count)."""
    if len(args) > 2:
        return _pop_counted(ctx, args, True)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        return None
    element = value.popleft()
    db.changed(key, b"lpop", LIST)
    if not value:
        db.drop_empty(key)
    return element


@command("rpop")
def rpop(ctx: Context, args: list[bytes]) -> Any:
    """RPOP key [count]: remove the tail, or the last `count` elements, the last first. O(count)."""
    if len(args) > 2:
        return _pop_counted(ctx, args, False)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        return None
    element = value.pop()
    db.changed(key, b"rpop", LIST)
    if not value:
        db.drop_empty(key)
    return element


def _pop_counted(ctx: Context, args: list[bytes], left: bool) -> Any:
    if len(args) > 3:
        raise wrong_arity(args[0].lower())
    count = not_negative(args[2])
    value = ctx.db.modify_as(args[1], ListValue)
    if value is None:
        return NULL_ARRAY
    return pop_elements(ctx.db, args[1], value, left, count) if count else []


def pop_elements(db: Database, key: bytes, value: ListValue, left: bool, count: int) -> list[bytes]:
    """Remove up to `count` elements (at least one) from one end of the list at `key`, outermost first."""
    elements = value.pop_many(count, left)
    db.changed(key, b"lpop" if left else b"rpop", LIST)
    if not value:
        db.drop_empty(key)
    return elements


# Reading


@command("llen")
def llen(ctx: Context, args: list[bytes]) -> int:
    """LLEN key: the number of elements, 0 without a list. O(1)."""
    value = ctx.db.read_as(args[1], ListValue)
    return 0 if value is None else len(value)


@command("lrange")
def lrange(ctx: Context, args: list[bytes]) -> StringsReply:
    """LRANGE key start stop: both ends included, negative ones counted from the tail. O(S+N)."""
    start = integer(args[2])
    stop = integer(args[3])
    value = ctx.db.read_as(args[1], ListValue)
    return StringsReply() if value is None else StringsReply(value.range(start, stop))


@command("lindex")
def lindex(ctx: Context, args: list[bytes]) -> bytes | None:
    """LINDEX key index: one element, or null out of range. O(N / 64), O(1) near the ends."""
    value = ctx.db.read_as(args[1], ListValue)
    if value is None:
        return None
    index = integer(args[2])
    return value[index] if -len(value) <= index < len(value) else None


@command("lpos")
def lpos(ctx: Context, args: list[bytes]) -> int | list[int] | None:
    """LPOS key element [RANK rank] [COUNT count] [MAXLEN len]: where the element is (6.0.6). O(N).

    The index of the `rank`-th match (from the tail where it is negative), or null; with COUNT a list of
    indexes, 0 meaning all. MAXLEN limits how many elements are compared.
    """
    rank, count, maxlen = 1, -1, 0
    for position in range(3, len(args), 2):
        option = args[position].lower()
        if position + 1 == len(args):
            raise CommandError(SYNTAX)
        number = args[position + 1]
        if option == b"rank":
            rank = integer_between(number, -INT64_MAX, INT64_MAX)
            if not rank:
                raise CommandError(_RANK_IS_ZERO)
        elif option == b"count":
            count = not_negative(number, b"ERR COUNT can't be negative")
        elif option == b"maxlen":
            maxlen = not_negative(number, b"ERR MAXLEN can't be negative")
        else:
            raise CommandError(SYNTAX)
    value = ctx.db.read_as(args[1], ListValue)
    if count >= 0:
        return [] if value is None else value.positions(args[2], rank, count, maxlen)
    found = [] if value is None else value.positions(args[2], rank, 1, maxlen)
    return found[0] if found else None


# Changing inside


@command("lset")
def lset(ctx: Context, args: list[bytes]) -> SimpleString:
    """LSET key index element: replace one element. O(N / 64), O(1) near the ends."""
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    index = integer(args[2])
    if not -len(value) <= index < len(value):
        raise CommandError(INDEX_OUT_OF_RANGE)
    value.replace(index, args[3])
    db.changed(key, b"lset", LIST)
    return OK


@command("linsert")
def linsert(ctx: Context, args: list[bytes]) -> int:
    """LINSERT key BEFORE|AFTER pivot element: the new length, -1 without a pivot, 0 without a list. O(N)."""
    where = args[2].lower()
    if where not in (b"before", b"after"):
        raise CommandError(SYNTAX)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        return 0
    if not value.insert_beside(args[3], args[4], where == b"before"):
        return -1
    db.changed(key, b"linsert", LIST)
    return len(value)


@command("lrem")
def lrem(ctx: Context, args: list[bytes]) -> int:
    """LREM key count element: remove the first `count` equal elements, the last ones if negative. O(N).

    0 removes all of them. The reply is how many there were.
    """
    count = integer_between(args[2], -INT64_MAX, INT64_MAX)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        return 0
    removed = value.remove_matching(args[3], count)
    if removed:
        db.changed(key, b"lrem", LIST)
        if not value:
            db.drop_empty(key)
    return removed


@command("ltrim")
def ltrim(ctx: Context, args: list[bytes]) -> SimpleString:
    """LTRIM key start stop: keep only that range. O(number removed)."""
    start = integer(args[2])
    stop = integer(args[3])
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is not None:
        value.trim(start, stop)
        db.changed(key, b"ltrim", LIST)
        if not value:
            db.drop_empty(key)
    return OK


# Moving between lists


@command("rpoplpush")
def rpoplpush(ctx: Context, args: list[bytes]) -> bytes | None:
    """RPOPLPUSH source destination: LMOVE source destination RIGHT LEFT. O(1)."""
    return move(ctx.db, args[1], args[2], False, True)


@command("lmove")
def lmove(ctx: Context, args: list[bytes]) -> bytes | None:
    """LMOVE source destination LEFT|RIGHT LEFT|RIGHT: move an element, and reply it (6.2). O(1)."""
    return move(ctx.db, args[1], args[2], is_left(args[3]), is_left(args[4]))


def is_left(word: bytes) -> bool:
    """Whether the argument is LEFT; an error unless it is LEFT or RIGHT."""
    word = word.lower()
    if word not in ENDS:
        raise CommandError(SYNTAX)
    return word == b"left"


def move(db: Database, source: bytes, destination: bytes, from_left: bool, to_left: bool) -> bytes | None:
    """Move one element between two lists, which may be the same one; null without an element. O(1)."""
    value = db.modify_as(source, ListValue)
    if value is None:
        return None
    # A destination of the wrong type is refused before anything is taken.
    target = db.modify_or_create(destination, ListValue)
    element = value.popleft() if from_left else value.pop()
    if to_left:
        target.appendleft(element)
        db.changed(destination, b"lpush", LIST)
    else:
        target.append(element)
        db.changed(destination, b"rpush", LIST)
    db.changed(source, b"lpop" if from_left else b"rpop", LIST)
    if not value:
        db.drop_empty(source)
    return element


@command("lmpop")
def lmpop(ctx: Context, args: list[bytes]) -> Any:
    """LMPOP numkeys key [key …] LEFT|RIGHT [COUNT count]: pop from the first list that exists (7.0). O(N+M).

    The reply is its key and the elements.
    """
    asked = parse_multi_pop(args[1:], ENDS)
    return pop_first(ctx.db, asked) or NULL_ARRAY


def pop_first(db: Database, asked: MultiPop) -> list[Any] | None:
    """The key of the first list that exists, with what was popped from it; None where none exists."""
    for key in asked.keys:
        value = db.modify_as(key, ListValue)
        if value is not None:
            return [key, pop_elements(db, key, value, asked.first, asked.limit)]
    return None
