"""The sorted set commands on ranges: by rank, by score, and by member (lexicographically).

Source: the pages of the "sorted-set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.scored_replies import scored
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import LexRange, ScoreRange, SortedSetValue
from anystore.pulsards.errors import NOT_A_LEX_RANGE, NOT_A_SCORE, SYNTAX, CommandError
from anystore.pulsards.notifications import GENERIC, SORTED_SET
from anystore.pulsards.registry import command

_LIMIT_BY_RANK: Final = (
    b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
_SCORES_BY_LEX: Final = b"ERR syntax error, WITHSCORES not supported in combination with BYLEX"

Pairs = list[tuple[float, bytes]]
Bounds = tuple[int, int] | ScoreRange | LexRange


class _Query(NamedTuple):
    """What a range command asks for, parsed: see `_parse`."""

    bounds: Bounds
    reverse: bool = False
    with_scores: bool = False
    offset: int = 0
    limit: int = -1


def _slice_of(value: SortedSetValue, bounds: Bounds, reverse: bool) -> tuple[int, int]:
    """The slice of ranks, counted from the lowest, that a range covers."""
    if isinstance(bounds, ScoreRange):
        return value.by_score(bounds)
    if isinstance(bounds, LexRange):
        return value.by_lex(bounds, reverse)
    start, stop = value.by_rank(*bounds)
    return (len(value) - stop, len(value) - start) if reverse else (start, stop)


def _select(value: SortedSetValue, query: _Query) -> Pairs:
    """The pairs that a query finds, in its order."""
    start, stop = _slice_of(value, query.bounds, query.reverse)
    if query.limit >= 0 or query.offset:
        if query.offset < 0:  # Redis runs off the end looking for it
            return []
        count = stop - start - query.offset
        if 0 <= query.limit < count:
            count = query.limit
        if count <= 0:
            return []
        if query.reverse:
            stop -= query.offset
            start = stop - count
        else:
            start += query.offset
            stop = start + count
    return value.items_slice(start, stop, query.reverse)


def _parse_bounds(by: bytes, low: bytes, high: bytes) -> ScoreRange | LexRange:
    """A range from its two arguments; `by` is b"score" or b"lex"."""
    if by == b"score":
        scores = ScoreRange.parse(low, high)
        if scores is None:
            raise CommandError(NOT_A_SCORE)
        return scores
    members = LexRange.parse(low, high)
    if members is None:
        raise CommandError(NOT_A_LEX_RANGE)
    return members


def _parse(arguments: list[bytes], by: bytes | None, reverse: bool | None, store: bool = False) -> _Query:
    """From `start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.

    The older commands say `by` and `reverse` by their name, and do not take the options for them.
    """
    with_scores = False
    offset, limit = 0, -1
    position = 2
    while position < len(arguments):
        option = arguments[position].lower()
        if option == b"withscores" and not store:
            with_scores = True
        elif option == b"limit" and position + 2 < len(arguments):
            offset, limit = integer(arguments[position + 1]), integer(arguments[position + 2])
            position += 2
        elif option == b"rev" and reverse is None:
            reverse = True
        elif option == b"bylex" and by is None:
            by = b"lex"
        elif option == b"byscore" and by is None:
            by = b"score"
        else:
            raise CommandError(SYNTAX)
        position += 1
    low, high = arguments[0], arguments[1]
    if by is None or by == b"rank":
        if limit != -1:
            raise CommandError(_LIMIT_BY_RANK)
        return _Query((integer(low), integer(high)), bool(reverse), with_scores)
    if with_scores and by == b"lex":
        raise CommandError(_SCORES_BY_LEX)
    if reverse:
        low, high = high, low
    return _Query(_parse_bounds(by, low, high), bool(reverse), with_scores, offset, limit)


# Reading


@command("zrange")
def zrange(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]. O(log N + M).

    Members in order, with scores as pairs in RESP3 and flat in RESP2 (options but WITHSCORES since 6.2).
    """
    if len(args) > 4:
        return _reply(ctx, args[1], _parse(args[2:], None, None))
    start = integer(args[2])
    stop = integer(args[3])
    value = ctx.db.read_as(args[1], SortedSetValue)
    if value is None:
        return []
    return [member for _, member in value.items_slice(*value.by_rank(start, stop))]


def _reply(ctx: Context, key: bytes, query: _Query) -> list[Any]:
    value = ctx.db.read_as(key, SortedSetValue)
    if value is None:
        return []
    pairs = _select(value, query)
    return scored(ctx, pairs) if query.with_scores else [member for _, member in pairs]


@command("zrevrange")
def zrevrange(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZREVRANGE key start stop [WITHSCORES]: by rank from the highest. O(log N + M)."""
    return _reply(ctx, args[1], _parse(args[2:], b"rank", True))


@command("zrangebyscore")
def zrangebyscore(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]; `(1` excludes 1. O(log N + M)."""
    return _reply(ctx, args[1], _parse(args[2:], b"score", False))


@command("zrevrangebyscore")
def zrevrangebyscore(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]. O(log N + M)."""
    return _reply(ctx, args[1], _parse(args[2:], b"score", True))


@command("zrangebylex")
def zrangebylex(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZRANGEBYLEX key min max [LIMIT offset count]: `[a` includes, `(a` excludes a. O(log N + M)."""
    return _reply(ctx, args[1], _parse(args[2:], b"lex", False))


@command("zrevrangebylex")
def zrevrangebylex(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZREVRANGEBYLEX key max min [LIMIT offset count]. O(log N + M)."""
    return _reply(ctx, args[1], _parse(args[2:], b"lex", True))


@command("zcount")
def zcount(ctx: Context, args: list[bytes]) -> int:
    """ZCOUNT key min max: how many members have scores in the range. O(log N)."""
    return _count(ctx, args, b"score")


@command("zlexcount")
def zlexcount(ctx: Context, args: list[bytes]) -> int:
    """ZLEXCOUNT key min max: how many members are in the range. O(log N)."""
    return _count(ctx, args, b"lex")


def _count(ctx: Context, args: list[bytes], by: bytes) -> int:
    bounds = _parse_bounds(by, args[2], args[3])
    value = ctx.db.read_as(args[1], SortedSetValue)
    if value is None:
        return 0
    start, stop = _slice_of(value, bounds, False)
    return stop - start


# Changing


@command("zremrangebyrank")
def zremrangebyrank(ctx: Context, args: list[bytes]) -> int:
    """ZREMRANGEBYRANK key start stop: how many members it removed. O(log N + M)."""
    return _remove(ctx, args[1], (integer(args[2]), integer(args[3])), b"zremrangebyrank")


@command("zremrangebyscore")
def zremrangebyscore(ctx: Context, args: list[bytes]) -> int:
    """ZREMRANGEBYSCORE key min max: how many members it removed. O(log N + M)."""
    return _remove(ctx, args[1], _parse_bounds(b"score", args[2], args[3]), b"zremrangebyscore")


@command("zremrangebylex")
def zremrangebylex(ctx: Context, args: list[bytes]) -> int:
    """ZREMRANGEBYLEX key min max: how many members it removed. O(log N + M)."""
    return _remove(ctx, args[1], _parse_bounds(b"lex", args[2], args[3]), b"zremrangebylex")


def _remove(ctx: Context, key: bytes, bounds: Bounds, event: bytes) -> int:
    db = ctx.db
    value = db.modify_as(key, SortedSetValue)
    if value is None:
        return 0
    removed = len(value.remove_slice(*_slice_of(value, bounds, False)))
    if removed:
        db.changed(key, event, SORTED_SET)
        if not value:
            db.drop_empty(key)
    return removed


@command("zrangestore")
def zrangestore(ctx: Context, args: list[bytes]) -> int:
    """ZRANGESTORE destination source start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count]. O(log N + M).

    How many members were stored (since 6.2); none removes the destination.
    """
    query = _parse(args[3:], None, None, store=True)
    value = ctx.db.read_as(args[2], SortedSetValue)
    pairs = [] if value is None else _select(value, query)
    return store(ctx.db, args[1], {member: score for score, member in pairs}, b"zrangestore")


def store(db: Database, key: bytes, scores: dict[bytes, float], event: bytes) -> int:
    """Store members with their scores as the sorted set at `key`, or remove it when there are none."""
    if scores:
        db.set_value(key, SortedSetValue(scores))
        db.changed(key, event, SORTED_SET)
    elif db.remove(key):
        db.changed(key, b"del", GENERIC)
    return len(scores)
