"""The sorted set commands on members.

Those on ranges are in `sorted_set_ranges`, those that combine sets in `sorted_set_operations`.

Source: the pages of the "sorted-set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Any, Final

from anystore.pulsards.commands.arguments import double, integer_between, not_negative
from anystore.pulsards.commands.multi_pop import MultiPop, parse_multi_pop
from anystore.pulsards.commands.random_members import random_members
from anystore.pulsards.commands.scan import parse_cursor, parse_options
from anystore.pulsards.commands.scored_replies import flat, nested, scored
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import SortedSetValue
from anystore.pulsards.errors import OUT_OF_RANGE, SYNTAX, CommandError, wrong_arity
from anystore.pulsards.notifications import SORTED_SET
from anystore.pulsards.numbers import INT64_MAX, format_double, parse_score
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY

#: The words for the ends of a sorted set, in lower case.
ENDS: Final = (b"min", b"max")
_NOT_A_NUMBER: Final = b"ERR resulting score is not a number (NaN)"
_XX_AND_NX: Final = b"ERR XX and NX options at the same time are not compatible"
_GT_LT_NX: Final = b"ERR GT, LT, and/or NX options at the same time are not compatible"
_ONE_INCREMENT: Final = b"ERR INCR option supports a single increment-element pair"
_ZADD_OPTIONS: Final = frozenset((b"nx", b"xx", b"gt", b"lt", b"ch", b"incr"))


@command("zadd")
def zadd(ctx: Context, args: list[bytes]) -> int | float | None:
    """ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member [score member …]: how many are new. O(M log N).

    With CH, how many are new or moved; with INCR, the new score, or null where an option forbids it.
    """
    # A first score is the common case, and an option never is a number.
    if len(args) != 4 or (score := parse_score(args[2])) is None:
        return _zadd(ctx, args)
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, SortedSetValue)
    member = args[3]
    old = value.get(member)
    if old == score:
        return 0
    value.put(member, score)
    db.changed(key, b"zadd", SORTED_SET)
    return 1 if old is None else 0


def _zadd(ctx: Context, args: list[bytes]) -> int | float | None:
    position = 2
    options = set()
    while position < len(args) and (option := args[position].lower()) in _ZADD_OPTIONS:
        options.add(option)
        position += 1
    pairs = len(args) - position
    if not pairs or pairs % 2:
        raise CommandError(SYNTAX)
    if b"nx" in options:
        if b"xx" in options:
            raise CommandError(_XX_AND_NX)
        if b"gt" in options or b"lt" in options:
            raise CommandError(_GT_LT_NX)
    if b"gt" in options and b"lt" in options:
        raise CommandError(_GT_LT_NX)
    if b"incr" in options and pairs > 2:
        raise CommandError(_ONE_INCREMENT)
    scores = list(map(double, args[position::2]))
    members = args[position + 1 :: 2]
    if b"incr" in options:
        return _increment(ctx, args[1], members[0], scores[0], options)
    return put_all(ctx, args[1], list(zip(members, scores, strict=True)), options)


def put_all(ctx: Context, key: bytes, pairs: Collection[tuple[bytes, float]], options: Set[bytes]) -> int:
    """What ZADD does with members and scores, and replies: `options` are some of nx, xx, gt, lt and ch."""
    db = ctx.db
    value = db.modify_as(key, SortedSetValue)
    if value is None:
        if b"xx" in options:
            return 0
        value = db.modify_or_create(key, SortedSetValue)
    value.make_room(len(pairs))
    added = updated = 0
    for member, score in pairs:
        old = value.get(member)
        if old is None:
            if b"xx" not in options:
                value.put(member, score)
                added += 1
        elif old != score and b"nx" not in options and _allowed(old, score, options):
            value.put(member, score)
            updated += 1
    if added or updated:
        db.changed(key, b"zadd", SORTED_SET)
    return added + updated if b"ch" in options else added


def _allowed(old: float, new: float, options: Set[bytes]) -> bool:
    """Whether GT and LT let a score move so."""
    return not ((b"gt" in options and new <= old) or (b"lt" in options and new >= old))


@command("zincrby")
def zincrby(ctx: Context, args: list[bytes]) -> float | None:
    """ZINCRBY key increment member: the member's new score, counted from 0 where it is new. O(log N)."""
    return _increment(ctx, args[1], args[3], double(args[2]), frozenset())


def _increment(
    ctx: Context, key: bytes, member: bytes, increment: float, options: Set[bytes]
) -> float | None:
    db = ctx.db
    value = db.modify_as(key, SortedSetValue)
    old = None if value is None else value.get(member)
    score = increment
    if old is None:
        if b"xx" in options:
            return None
    else:
        if b"nx" in options:
            return None
        score += old
        if score != score:
            raise CommandError(_NOT_A_NUMBER)
        if not _allowed(old, score, options):
            return None
        if old == score:
            return score
    if value is None:
        value = db.modify_or_create(key, SortedSetValue)
    value.put(member, score)
    db.changed(key, b"zincr", SORTED_SET)
    return score


# Reading


@command("zcard")
def zcard(ctx: Context, args: list[bytes]) -> int:
    """ZCARD key: the number of members, 0 without a sorted set. O(1)."""
    value = ctx.db.read_as(args[1], SortedSetValue)
    return 0 if value is None else len(value)


@command("zscore")
def zscore(ctx: Context, args: list[bytes]) -> float | None:
    """ZSCORE key member: its score, or null. O(1)."""
    value = ctx.db.read_as(args[1], SortedSetValue)
    return None if value is None else value.get(args[2])


@command("zmscore")
def zmscore(ctx: Context, args: list[bytes]) -> list[float | None]:
    """ZMSCORE key member [member …]: the score of each, null where it is not there. O(M)."""
    value = ctx.db.read_as(args[1], SortedSetValue)
    members = args[2:]
    return [None] * len(members) if value is None else list(map(value.get, members))


@command("zrank", "zrevrank")
def zrank(ctx: Context, args: list[bytes]) -> Any:
    """ZRANK|ZREVRANK key member [WITHSCORE]: its position from the lowest (highest), or null. O(log N).

    With WITHSCORE (7.2), position and score.
    """
    if len(args) > 3:
        if len(args) > 4:
            raise wrong_arity(args[0].lower())
        if args[3].lower() != b"withscore":
            raise CommandError(SYNTAX)
    value = ctx.db.read_as(args[1], SortedSetValue)
    rank = None if value is None else value.rank(args[2])
    if value is None or rank is None:
        return None if len(args) == 3 else NULL_ARRAY
    if args[0].lower() == b"zrevrank":
        rank = len(value) - 1 - rank
    return rank if len(args) == 3 else [rank, value[args[2]]]


@command("zrandmember")
def zrandmember(ctx: Context, args: list[bytes]) -> Any:
    """ZRANDMEMBER key [count [WITHSCORES]]: one member, or `count` different ones at random. O(count).

    With a negative count, as many as that, perhaps one several times.
    """
    if len(args) == 2:
        value = ctx.db.read_as(args[1], SortedSetValue)
        return None if value is None else value.random_member()
    count = integer_between(args[2], -INT64_MAX, INT64_MAX)
    if len(args) > 4 or (len(args) == 4 and args[3].lower() != b"withscores"):
        raise CommandError(SYNTAX)
    if len(args) == 4 and not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
        raise CommandError(OUT_OF_RANGE)
    value = ctx.db.read_as(args[1], SortedSetValue)
    if value is None:
        return []
    members = random_members(value, count)
    if len(args) == 3:
        return members
    return scored(ctx, [(value[member], member) for member in members])


@command("zscan")
def zscan(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZSCAN key cursor [MATCH pattern] [COUNT n] [NOSCORES]: the cursor to go on with, and members, each with its score.

    O(count), but for the first call on a large sorted set, which indexes it in O(N). Since 2.8; NOSCORES is Valkey's,
    since 9.1: members alone.
    """
    cursor = parse_cursor(args[2])
    value = ctx.db.read_as(args[1], SortedSetValue)
    if value is None:
        return [b"0", []]
    options = parse_options(args, 3, of_sorted_set=True)
    cursor, members = value.scan(cursor, options.step, value.is_compact(ctx.engine.config.encoding_limits))
    if options.matches is not None:
        members = list(filter(options.matches, members))
    if options.no_values:
        return [b"%d" % cursor, members]
    reply = []
    for member in members:
        reply.append(member)
        reply.append(format_double(value[member]))  # a bulk string in RESP3 as well
    return [b"%d" % cursor, reply]


# Removing


@command("zrem")
def zrem(ctx: Context, args: list[bytes]) -> int:
    """ZREM key member [member …]: how many were there. O(M log N)."""
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, SortedSetValue)
    if value is None:
        return 0
    removed = sum(map(value.remove, args[2:]))
    if removed:
        db.changed(key, b"zrem", SORTED_SET)
        if not value:
            db.drop_empty(key)
    return removed


@command("zpopmin", "zpopmax")
def zpopmin(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZPOPMIN|ZPOPMAX key [count]: remove the members of the lowest (highest) scores. O(log N + count).

    The reply is flat, member and score; nested pairs in RESP3 where a count is given.
    """
    if len(args) > 3:
        raise CommandError(SYNTAX)
    count = not_negative(args[2]) if len(args) == 3 else 1
    key = args[1]
    value = ctx.db.modify_as(key, SortedSetValue)
    if value is None or not count:
        return []
    pairs = pop_pairs(ctx.db, key, value, args[0].lower() == b"zpopmin", count)
    return scored(ctx, pairs) if len(args) == 3 else flat(pairs)


def pop_pairs(
    db: Database, key: bytes, value: SortedSetValue, lowest: bool, count: int
) -> list[tuple[float, bytes]]:
    """Remove up to `count` members (at least one) from one end of a sorted set, outermost first."""
    if lowest:
        pairs = value.pop_min(count)
        db.changed(key, b"zpopmin", SORTED_SET)
    else:
        pairs = value.pop_max(count)
        db.changed(key, b"zpopmax", SORTED_SET)
    if not value:
        db.drop_empty(key)
    return pairs


@command("zmpop")
def zmpop(ctx: Context, args: list[bytes]) -> Any:
    """ZMPOP numkeys key [key …] MIN|MAX [COUNT count]: pop from the first sorted set that exists (7.0).

    The reply is its key and pairs of member and score. O(K) + O(M log N).
    """
    return pop_first(ctx.db, parse_multi_pop(args[1:], ENDS)) or NULL_ARRAY


def pop_first(db: Database, asked: MultiPop) -> list[Any] | None:
    """The key of the first sorted set that exists, with what was popped from it; None where none exists."""
    for key in asked.keys:
        value = db.modify_as(key, SortedSetValue)
        if value is not None:
            return [key, nested(pop_pairs(db, key, value, asked.first, asked.limit))]
    return None
