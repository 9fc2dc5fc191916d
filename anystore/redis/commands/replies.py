"""From replies to results.

Each converter takes the reply in the shape of RESP2 and of RESP3 and gives the same result for both:
a double may come as text or as `float`, a map flat or as `dict`, pairs flat or nested, a set as a list.
Strings are `bytes`, or `str` when the client decodes; texts that are the server's own (status words,
field names, INFO) become `str` for both. All are O(size of the reply).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, TypedDict

from anystore.redis.commands.base import T


class LcsMatches(TypedDict):
    """LCS … IDX: where the two strings match, last match first, and the length of the whole.

    A match is `[(first, last), (first, last)]`, byte positions in the first and the second string, with
    the length of the match as a third item when it was asked for.
    """

    matches: list[list[Any]]
    len: int


def text(reply: bytes | str) -> str:
    """The server's own words. Bytes that are not UTF-8 show as `\\xNN`."""
    return reply if isinstance(reply, str) else reply.decode("utf-8", "backslashreplace")


def texts(reply: Iterable[bytes | str]) -> list[str]:
    return [text(item) for item in reply]


def text_or_none(reply: bytes | str | None) -> str | None:
    return None if reply is None else text(reply)


_OK: Final = frozenset((b"OK", "OK"))


def is_ok(reply: Any) -> bool:
    """True for the status OK."""
    return reply in _OK


def ok_or_none(reply: Any) -> bool | None:
    """SET: True, or None when its condition did not hold."""
    return None if reply is None else reply in _OK


def done(_reply: Any) -> bool:
    """True whatever the status says: a failure would have been an error."""
    return True


def is_pong(reply: Any) -> bool:
    return text(reply) == "PONG"


def truth(reply: Any) -> bool:
    """1 and 0 of RESP2, or a boolean."""
    return bool(reply)


def truths(reply: Iterable[Any]) -> list[bool]:
    return [bool(item) for item in reply]


def empty_list(_reply: Any) -> list[Any]:
    """For a command that stands in for one with nothing to ask."""
    return []


def decimal(reply: Any) -> float:
    """A double, or its decimal text (`inf`, `-inf` and `nan` too)."""
    return float(reply)


def decimal_or_none(reply: Any) -> float | None:
    return None if reply is None else float(reply)


def decimals_or_none(reply: Iterable[Any]) -> list[float | None]:
    return [None if item is None else float(item) for item in reply]


def as_set(reply: Iterable[Any] | None) -> Any:
    return set() if reply is None else set(reply)


def as_list(reply: Iterable[Any] | None) -> Any:
    return [] if reply is None else list(reply)


def as_tuple(reply: Iterable[Any] | None) -> Any:
    """A fixed number of items (key and element …), or None."""
    return None if reply is None else tuple(reply)


def in_pairs(reply: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs from `a b c d`, from `[a b] [c d]` or from a map.

    Only for replies whose first items are never lists themselves, which tells the first two apart.
    """
    if isinstance(reply, dict):
        return iter(reply.items())
    if reply and isinstance(reply[0], (list, tuple)):
        return ((first, second) for first, second in reply)
    items = iter(reply or ())
    return zip(items, items, strict=True)


def pair_list(reply: Any) -> Any:
    return list(in_pairs(reply))


def as_map(reply: Any) -> Any:
    """A `dict` from a map or from its flat form."""
    return reply if isinstance(reply, dict) else dict(in_pairs(reply))


def text_map(reply: Any) -> dict[str, Any]:
    """A map whose field names are the server's own."""
    return {text(name): value for name, value in in_pairs(reply)}


def settings(reply: Any) -> dict[str, str]:
    """CONFIG GET: names and values as text."""
    return {text(name): text(value) for name, value in in_pairs(reply)}


def scored(reply: Any) -> Any:
    """Members with their scores: `(member, score)` each."""
    return [(member, float(score)) for member, score in in_pairs(reply)]


def scored_by(cast: Callable[[float], T]) -> Callable[[Any], list[tuple[Any, T]]]:
    """`scored`, with every score passed through `cast`."""

    def convert(reply: Any) -> list[tuple[Any, T]]:
        return [(member, cast(float(score))) for member, score in in_pairs(reply)]

    return convert


def rank_by(cast: Callable[[float], T]) -> Callable[[Any], tuple[int, T] | None]:
    """ZRANK … WITHSCORE: `(rank, score)`, or None."""

    def convert(reply: Any) -> tuple[int, T] | None:
        return None if reply is None else (reply[0], cast(float(reply[1])))

    return convert


def key_member_score(reply: Any) -> Any:
    """BZPOPMIN: `(key, member, score)`, or None when the time was up."""
    return None if reply is None else (reply[0], reply[1], float(reply[2]))


def key_and_scored(reply: Any) -> Any:
    """ZMPOP: `(key, [(member, score), …])`, or None when all keys are empty."""
    return None if reply is None else (reply[0], scored(reply[1]))


def groups_of(size: int) -> Callable[[list[Any]], list[tuple[Any, ...]]]:
    """SORT with several GETs: a tuple for each element that was sorted."""

    def convert(reply: list[Any]) -> list[tuple[Any, ...]]:
        return [tuple(reply[at : at + size]) for at in range(0, len(reply), size)]

    return convert


def scan_page(reply: Any) -> Any:
    """SCAN, SSCAN: `(next cursor, items)`; the last page's cursor is 0."""
    return int(reply[0]), list(reply[1])


def scan_map_page(reply: Any) -> Any:
    """HSCAN: `(next cursor, {field: value})`."""
    return int(reply[0]), as_map(reply[1])


def scan_pair_page(reply: Any) -> Any:
    """HSCAN: `(next cursor, [(field, value), …])`."""
    return int(reply[0]), pair_list(reply[1])


def scan_scored_page(cast: Callable[[float], T]) -> Callable[[Any], tuple[int, list[tuple[Any, T]]]]:
    """ZSCAN: `(next cursor, [(member, score), …])`."""
    convert = scored_by(cast)
    return lambda reply: (int(reply[0]), convert(reply[1]))


def lcs_matches(reply: Any) -> LcsMatches:
    fields = text_map(reply)
    matches = [
        [tuple(part) if isinstance(part, list) else part for part in match] for match in fields["matches"]
    ]
    return {"matches": matches, "len": fields["len"]}


def seconds_and_microseconds(reply: Any) -> tuple[int, int]:
    """TIME, which is text in both protocols."""
    return int(reply[0]), int(reply[1])


def local_datetime(reply: Any) -> datetime:
    """LASTSAVE's Unix time, as redis-py gives it: naive, in local time."""
    return datetime.fromtimestamp(int(reply))


def count_pairs(reply: Any) -> Any:
    """PUBSUB NUMSUB: `(channel, subscribers)` each."""
    return [(channel, int(count)) for channel, count in in_pairs(reply)]
