"""When two servers' replies to the same call agree: all that need not be the same is taken out of them.

What need not be the same are orders that nobody promises, members drawn at random, cursors, times that pass, and
addresses of memory. The table's tips say of which commands that is to be expected; a command that is new to the
table is compared as its tips say, without a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from anystore import spec
from tests.pulsards.call_values import ABSENT, PASS_ON, SAME_SCORES

#: Milliseconds, or seconds, that may lie between the same call on two servers.
TOLERANCE: Final = 5000


class Near:
    """A point in time or a time span, that another one is equal to when it is not far off."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and abs(self.value - other.value) <= TOLERANCE

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"about {self.value}"


class Scanned:
    """What a SCAN has returned: compared when it returned everything at once, on both sides."""

    def __init__(self, cursor: Any, found: Any) -> None:
        self.whole = cursor == b"0"
        self.found = found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scanned) and (
            not (self.whole and other.whole) or bool(self.found == other.found)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.found!r}{'' if self.whole else ' and more'}"


def agree(call: Sequence[bytes], ours: Any, theirs: Any, *, by_value: bool = False) -> bool:
    """Whether two replies to a call agree.

    `by_value` is for a server that writes numbers at a length of its own, as Redis before 7.2 does.
    """
    if ours == theirs:
        return True
    if is_error(ours) or is_error(theirs):
        return False
    row = spec.lookup_arguments(call)
    if row is not None and row.group == "sorted-set":
        ours, theirs = _without_negative_zeros(ours), _without_negative_zeros(theirs)
    mine, other = comparable(call, ours), comparable(call, theirs)
    return bool(mine == other or (by_value and _in_numbers(mine) == _in_numbers(other)))


def _without_negative_zeros(reply: Any) -> Any:
    """Redis has negative zeros in large sorted sets only, pulsards in none."""
    if isinstance(reply, list):
        return [_without_negative_zeros(item) for item in reply]
    if reply == ("double", "-0.0"):
        return ("double", "0.0")
    return b"0" if reply == b"-0" else reply


def _in_numbers(reply: Any) -> Any:
    if isinstance(reply, list | tuple):
        return [_in_numbers(item) for item in reply]
    if isinstance(reply, dict):
        return {key: _in_numbers(value) for key, value in reply.items()}
    if isinstance(reply, bytes) and reply[-1:].isdigit():
        try:
            return float(reply)
        except ValueError:
            return reply
    return reply


def comparable(call: Sequence[bytes], reply: Any) -> Any:
    """A reply, with what need not agree taken out, to be compared by `==`. Errors stay as they are."""
    if is_error(reply) or not call:
        return reply
    row = spec.lookup_arguments(call)
    if row is None:
        return reply
    rule = RULES.get(row.name)
    if rule is not None:
        return rule(call, reply)
    if "nondeterministic_output" in row.tips:
        return shape(reply)
    if "nondeterministic_output_order" in row.tips:
        return in_order(reply)
    return reply


def is_error(reply: Any) -> bool:
    return isinstance(reply, tuple) and len(reply) == 2 and reply[0] == "error"


def shape(reply: Any) -> Any:
    """Only what kind of reply it is."""
    return reply if reply is None else type(reply).__name__


def in_order(reply: Any) -> Any:
    if isinstance(reply, list | set | frozenset):
        return sorted(reply, key=repr)
    return reply


def _pairs(call: Sequence[bytes], reply: Any) -> Any:
    if isinstance(reply, list):
        return dict(zip(reply[::2], reply[1::2], strict=True))
    return reply


def _times(call: Sequence[bytes], reply: Any) -> Any:
    if isinstance(reply, list):
        return [_times(call, item) for item in reply]
    return Near(reply) if type(reply) is int and reply > 0 else reply


def _drawn(call: Sequence[bytes], reply: Any) -> Any:
    """Members drawn at random: how many, and whether in pairs."""
    if isinstance(reply, list | set):
        return ("drawn", len(reply), sorted({type(item).__name__ for item in reply}))
    return shape(reply)


def _scan(call: Sequence[bytes], reply: Any) -> Any:
    if not isinstance(reply, list) or len(reply) != 2:
        return reply
    cursor, found = reply
    name = call[0].lower()
    place = 1 if name == b"scan" else 2
    if call[place] != b"0":
        return "scanned on"
    if name in (b"hscan", b"zscan") and not {b"novalues", b"noscores"} & {word.lower() for word in call}:
        return Scanned(cursor, sorted(zip(found[::2], found[1::2], strict=True), key=repr))
    return Scanned(cursor, sorted(found))


def _pending(call: Sequence[bytes], reply: Any) -> Any:
    if len(call) <= 3:
        return reply
    return [[entry, consumer, Near(idle), count] for entry, consumer, idle, count in reply]


#: Fields of XINFO that pass with time, or say how a server stores a stream.
_MOMENTS: Final = {b"idle", b"inactive", b"seen-time", b"active-time"}
_STORAGE: Final = {b"radix-tree-keys", b"radix-tree-nodes"}
#: How far behind a group is: see the table of differences.
_COUNTED_OTHERWISE: Final = {b"lag"}


def _information(call: Sequence[bytes], reply: Any) -> Any:
    """XINFO's maps, of either protocol, without what passes."""
    if isinstance(reply, dict):
        return {
            key: Near(max(value, 0)) if key in _MOMENTS else _information(call, value)
            for key, value in reply.items()
            if key not in _STORAGE | _COUNTED_OTHERWISE
        }
    if isinstance(reply, list):
        if _is_flat_map(reply):
            return _information(call, dict(zip(reply[::2], reply[1::2], strict=True)))
        # A pending entry: [id, consumer, when delivered, count], or the same without its consumer.
        if (
            len(reply) in (3, 4)
            and isinstance(reply[0], bytes)
            and type(reply[-2]) is int
            and reply[-2] > 2**33
        ):
            return [*reply[:-2], Near(reply[-2]), reply[-1]]
        return [_information(call, item) for item in reply]
    return reply


def _unsubscribed(call: Sequence[bytes], reply: Any) -> Any:
    """Leaving all channels: in which order is nobody's business."""
    items = reply[1] if isinstance(reply, tuple) else reply
    return [items[0], items[2]] if len(call) == 1 and isinstance(items, list) and len(items) == 3 else reply


def _by_name(call: Sequence[bytes], reply: Any) -> Any:
    """Ranges by name of a sorted set with different scores: Redis does not say what they are."""
    by_name = call[0].lower() != b"zrange" or b"bylex" in (word.lower() for word in call)
    return shape(reply) if by_name and call[1] != SAME_SCORES else reply


def _memory(call: Sequence[bytes], reply: Any) -> Any:
    """MEMORY USAGE: in bytes of each server's own; what has expired and not been removed may still use some."""
    return "some memory" if call[2] in ABSENT else shape(reply)


def _is_flat_map(reply: list[Any]) -> bool:
    """Whether this is one of XINFO's maps, as RESP2 has them."""
    keys = reply[::2]
    return (
        len(reply) % 2 == 0
        and all(isinstance(key, bytes) for key in keys)
        and bool({b"name", b"length", b"seen-time"} & set(keys))
    )


def _script(call: Sequence[bytes], reply: Any) -> Any:
    """What a script has passed on, by what it has called."""
    if len(call) > 3 and call[1] in PASS_ON and call[2] == b"0":
        return comparable(call[3:], reply)
    if len(call) > 1 and (b"SMEMBERS" in call[1] or b"HGETALL" in call[1]):
        return in_order(reply)
    return reply


def _sort(call: Sequence[bytes], reply: Any) -> Any:
    """SORT of a set that is not to be sorted, or by keys that are not there, has the set's order."""
    words = [word.lower() for word in call]
    if b"by" in words and isinstance(reply, list):
        return len(reply) if b"limit" in words else in_order(reply)
    return reply


Rule = Callable[[Sequence[bytes], Any], Any]
RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("ttl", "pttl", "expiretime", "pexpiretime"), _times),
    **dict.fromkeys(("httl", "hpttl", "hexpiretime", "hpexpiretime"), _times),
    **dict.fromkeys(("spop", "srandmember", "hrandfield", "zrandmember"), _drawn),
    **dict.fromkeys(("scan", "hscan", "sscan", "zscan"), _scan),
    **dict.fromkeys(("eval", "eval_ro"), _script),
    **dict.fromkeys(("sort", "sort_ro"), _sort),
    **dict.fromkeys(("xinfo|stream", "xinfo|consumers", "xinfo|groups"), _information),
    **dict.fromkeys(("unsubscribe", "punsubscribe", "sunsubscribe"), _unsubscribed),
    "hgetall": _pairs,
    "xpending": _pending,
    # Their replies are what the table's tips do not promise, but for calls that name their IDs.
    **dict.fromkeys(("xadd", "xtrim", "xclaim", "xautoclaim"), lambda call, reply: reply),
    **dict.fromkeys(("object|encoding", "object|refcount", "object|freq"), lambda call, reply: reply),
    **dict.fromkeys(("pubsub|channels", "pubsub|shardchannels"), lambda call, reply: in_order(reply)),
    **dict.fromkeys(("client|id", "function|dump"), lambda call, reply: shape(reply)),
    **dict.fromkeys(("zrange", "zrangebylex", "zrevrangebylex", "zlexcount", "zremrangebylex"), _by_name),
    "memory|usage": _memory,
}
