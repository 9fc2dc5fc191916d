"""The sorted set commands that combine several sorted sets, or plain sets, whose members all score 1.

Source: the pages of the "sorted-set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import double, integer
from anystore.pulsards.commands.scored_replies import scored
from anystore.pulsards.commands.set_operations import parse_limit
from anystore.pulsards.commands.sorted_set_ranges import store
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import SetValue, SortedSetValue, intersection_size
from anystore.pulsards.errors import SYNTAX, WRONG_TYPE, CommandError
from anystore.pulsards.registry import command

Source = SortedSetValue | SetValue
Aggregate = Callable[[float, float], float]

_EMPTY: Final = SetValue()
_NOT_A_WEIGHT: Final = b"ERR weight value is not a float"


def _sum(one: float, other: float) -> float:
    total = one + other
    return total if total == total else 0.0  # infinity and its opposite make 0


_AGGREGATES: Final[dict[bytes, Aggregate]] = {b"sum": _sum, b"min": min, b"max": max}


class _Options(NamedTuple):
    """What follows the keys; a weight for each of them."""

    weights: list[float]
    aggregate: Aggregate
    with_scores: bool


# Arguments


def _sources(db: Database, args: list[bytes], position: int) -> list[Source]:
    """The sets named from `position` on, by their number first; empty ones for what is not there."""
    number = integer(args[position])
    if number < 1:
        raise CommandError(b"ERR at least 1 input key is needed for '%b' command" % args[0].lower())
    if number > len(args) - position - 1:
        raise CommandError(SYNTAX)
    sources: list[Source] = []
    for key in args[position + 1 : position + 1 + number]:
        value = db.read(key)
        if value is None:
            value = _EMPTY
        elif type(value) is not SortedSetValue and type(value) is not SetValue:
            raise CommandError(WRONG_TYPE)
        sources.append(value)
    return sources


def _parse(arguments: list[bytes], number: int, weighted: bool, replied: bool) -> _Options:
    """`[WEIGHTS weight …] [AGGREGATE SUM|MIN|MAX]` if `weighted`, `[WITHSCORES]` if `replied`, in any order."""
    weights = [1.0] * number
    aggregate: Aggregate = _sum
    with_scores = False
    position = 0
    while position < len(arguments):
        option = arguments[position].lower()
        left = len(arguments) - position - 1
        if option == b"weights" and weighted and left >= number:
            weights = [double(weight, _NOT_A_WEIGHT) for weight in arguments[position + 1 :][:number]]
            position += number
        elif option == b"aggregate" and weighted and left:
            chosen = _AGGREGATES.get(arguments[position + 1].lower())
            if chosen is None:
                raise CommandError(SYNTAX)
            aggregate = chosen
            position += 1
        elif option == b"withscores" and replied:
            with_scores = True
        else:
            raise CommandError(SYNTAX)
        position += 1
    return _Options(weights, aggregate, with_scores)


# Combining


def _weighted(source: Source, weight: float) -> dict[bytes, float]:
    """The members of a set with their scores times a weight; 0 times infinity makes 0."""
    if isinstance(source, SetValue):
        return dict.fromkeys(source, weight)
    if weight == 1:
        return dict(source)
    return {
        member: product if (product := score * weight) == product else 0.0 for member, score in source.items()
    }


def _by_size(sources: Sequence[Source], weights: Sequence[float]) -> list[tuple[Source, float]]:
    """The smallest first, as Redis goes: sums of floats depend on it in their last digits."""
    return sorted(zip(sources, weights, strict=True), key=lambda pair: len(pair[0]))


def _union(sources: Sequence[Source], options: _Options) -> dict[bytes, float]:
    """O(total)."""
    aggregate = options.aggregate
    (first, weight), *others = _by_size(sources, options.weights)
    scores = _weighted(first, weight)
    for source, weight in others:
        for member, score in _weighted(source, weight).items():
            old = scores.get(member)
            scores[member] = score if old is None else aggregate(old, score)
    return scores


def _intersection(sources: Sequence[Source], options: _Options) -> dict[bytes, float]:
    """O(size of the smallest * number of sets)."""
    aggregate = options.aggregate
    (first, weight), *others = _by_size(sources, options.weights)
    scores = _weighted(first, weight)
    for source, weight in others:
        plain = isinstance(source, SetValue)
        scores = {
            member: aggregate(score, weight if plain else source[member] * weight)  # type: ignore[operator]
            for member, score in scores.items()
            if member in source
        }
    return scores


def _difference(sources: Sequence[Source]) -> dict[bytes, float]:
    """O(size of the first * number of sets)."""
    scores = _weighted(sources[0], 1.0)
    for source in sources[1:]:
        if len(source) < len(scores):
            for member in source:
                scores.pop(member, None)
        else:
            scores = {member: score for member, score in scores.items() if member not in source}
    return scores


def _reply(ctx: Context, scores: dict[bytes, float], with_scores: bool) -> list[Any]:
    pairs = sorted(zip(scores.values(), scores, strict=True))
    return scored(ctx, pairs) if with_scores else [member for _, member in pairs]


# Commands


@command("zunion")
def zunion(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZUNION numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM|MIN|MAX] [WITHSCORES] (6.2).

    The members that any has, in order. O(N) + O(M log M) for M members in the result.
    """
    sources = _sources(ctx.db, args, 1)
    options = _parse(args[2 + len(sources) :], len(sources), True, True)
    return _reply(ctx, _union(sources, options), options.with_scores)


@command("zinter")
def zinter(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZINTER numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM|MIN|MAX] [WITHSCORES] (6.2).

    The members that all have, in order. O(N K) + O(M log M): K sets, N members in the smallest.
    """
    sources = _sources(ctx.db, args, 1)
    options = _parse(args[2 + len(sources) :], len(sources), True, True)
    return _reply(ctx, _intersection(sources, options), options.with_scores)


@command("zdiff")
def zdiff(ctx: Context, args: list[bytes]) -> list[Any]:
    """ZDIFF numkeys key [key …] [WITHSCORES]: the members of the first that no other has, in order (6.2)."""
    sources = _sources(ctx.db, args, 1)
    options = _parse(args[2 + len(sources) :], len(sources), False, True)
    return _reply(ctx, _difference(sources), options.with_scores)


@command("zunionstore")
def zunionstore(ctx: Context, args: list[bytes]) -> int:
    """ZUNIONSTORE destination numkeys key …: ZUNION, stored; how many. None removes the destination."""
    sources = _sources(ctx.db, args, 2)
    options = _parse(args[3 + len(sources) :], len(sources), True, False)
    return store(ctx.db, args[1], _union(sources, options), b"zunionstore")


@command("zinterstore")
def zinterstore(ctx: Context, args: list[bytes]) -> int:
    """ZINTERSTORE destination numkeys key …: ZINTER, stored; how many. None removes the destination."""
    sources = _sources(ctx.db, args, 2)
    options = _parse(args[3 + len(sources) :], len(sources), True, False)
    return store(ctx.db, args[1], _intersection(sources, options), b"zinterstore")


@command("zdiffstore")
def zdiffstore(ctx: Context, args: list[bytes]) -> int:
    """ZDIFFSTORE destination numkeys key …: ZDIFF, stored; how many. None removes the destination (6.2)."""
    sources = _sources(ctx.db, args, 2)
    _parse(args[3 + len(sources) :], len(sources), False, False)
    return store(ctx.db, args[1], _difference(sources), b"zdiffstore")


@command("zintercard")
def zintercard(ctx: Context, args: list[bytes]) -> int:
    """ZINTERCARD numkeys key [key …] [LIMIT limit]: how many members all have, counted up to `limit` (7.0)."""
    sources = _sources(ctx.db, args, 1)
    return intersection_size(sources, parse_limit(args[2 + len(sources) :]))
