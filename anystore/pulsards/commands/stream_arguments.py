"""Arguments that stream commands share: IDs, ends of ranges, consumer groups, and how far to trim."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import EncodingLimits, StreamValue
from anystore.pulsards.datatypes.stream_groups import Consumer, Group
from anystore.pulsards.datatypes.stream_ids import MAX_ID, MAX_PART, parse_id
from anystore.pulsards.errors import CommandError
from anystore.pulsards.notifications import STREAM

INVALID_ID: Final = b"ERR Invalid stream ID specified as stream command argument"
_TWO_STRATEGIES: Final = b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
_LIMIT_ALONE: Final = b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
_LIMIT_EXACT: Final = b"ERR syntax error, LIMIT cannot be used without the special ~ option"
_NO_STRATEGY: Final = b"ERR syntax error, XTRIM must be called with a trimming strategy"

# An approximate trim without LIMIT goes no further than so many of Redis' nodes, or entries.
_NODES_PER_TRIM: Final = 100
_FEWEST_PER_TRIM: Final = 10_000
_MOST_PER_TRIM: Final = 1_000_000


def stream_id(text: bytes, sequence: int = 0) -> int:
    """An ID, its second part being `sequence` where it is left out."""
    number = parse_id(text, sequence)
    if number is None:
        raise CommandError(INVALID_ID)
    return number


def lax_id(text: bytes, sequence: int = 0) -> int:
    """An ID, or one of the ends `-` and `+`."""
    if text == b"-":
        return 0
    if text == b"+":
        return MAX_ID
    return stream_id(text, sequence)


def range_start(text: bytes) -> int:
    """The lower end of a range: an ID, `-` or `+`; `(` before an ID leaves it out."""
    if text[:1] != b"(" or len(text) == 1:
        return lax_id(text)
    number = stream_id(text[1:])
    if number == MAX_ID:
        raise CommandError(b"ERR invalid start ID for the interval")
    return number + 1


def range_end(text: bytes) -> int:
    """The upper end of a range, inclusive."""
    if text[:1] != b"(" or len(text) == 1:
        return lax_id(text, MAX_PART)
    number = stream_id(text[1:], MAX_PART)
    if number == 0:
        raise CommandError(b"ERR invalid end ID for the interval")
    return number - 1


class References(Enum):
    """What becomes of an entry's deliveries when it is removed (8.2)."""

    KEEP = b"keepref"
    """They stay pending."""
    DELETE = b"delref"
    """They go with it."""
    ACKNOWLEDGED = b"acked"
    """It is removed only when every group is done with it."""


POLICIES: Final = {policy.value: policy for policy in References}


class Trim(NamedTuple):
    """How far to trim: to `length` entries (None: whatever there are) from the ID `lowest` on."""

    length: int | None
    lowest: int
    approximate: bool
    limit: int
    references: References

    def apply(self, value: StreamValue) -> int:
        """Trim; how many entries were removed."""
        if self.references is References.ACKNOWLEDGED:
            lowest = MAX_ID + 1 if self.length is not None else self.lowest
            return value.trim_acknowledged(self.length or 0, lowest, self.approximate, self.limit)
        if self.length is not None:
            excess = value.beyond_length(self.length, self.approximate, self.limit)
        else:
            excess = value.below(self.lowest, self.approximate, self.limit)
        doomed: list[int] = []
        if self.references is References.DELETE and excess.entries:
            doomed = value.ids(0, count=excess.entries)
        value.trim(excess)
        for number in doomed:
            value.forget(number)
        return excess.entries


class TrimOptions:
    """The options of XTRIM, which XADD has too, as they are read one after the other."""

    def __init__(self) -> None:
        self._strategy = b""
        self._threshold = 0
        self._approximate = False
        self._limit: int | None = None
        self._references: References | None = None

    def take(self, args: list[bytes], position: int) -> int:
        """Read the option at `position`: where the next one is, or 0 where this is none of these. O(1)."""
        option = args[position].lower()
        more = len(args) - position - 1
        if option in (b"maxlen", b"minid") and more:
            return self._take_strategy(option, args, position + 1)
        if option == b"limit" and more:
            self._limit = integer(args[position + 1])
            if self._limit < 0:
                raise CommandError(b"ERR The LIMIT argument must be >= 0.")
            return position + 2
        if option in POLICIES and self._references is None:
            self._references = POLICIES[option]
            return position + 1
        return 0

    def _take_strategy(self, option: bytes, args: list[bytes], position: int) -> int:
        if self._strategy:
            raise CommandError(_TWO_STRATEGIES)
        self._approximate = False
        if args[position] in (b"~", b"=") and position + 1 < len(args):
            self._approximate = args[position] == b"~"
            position += 1
        if option == b"maxlen":
            self._threshold = integer(args[position])
            if self._threshold < 0:
                raise CommandError(b"ERR The MAXLEN argument must be >= 0.")
        else:
            self._threshold = stream_id(args[position])
        self._strategy = option
        return position + 1

    def finish(self, limits: EncodingLimits, needed: bool = False) -> Trim | None:
        """What was asked for; None where no trimming was, which is refused where it is `needed`."""
        if self._limit and not self._strategy:
            raise CommandError(_LIMIT_ALONE)
        if needed and not self._strategy:
            raise CommandError(_NO_STRATEGY)
        if self._limit is not None and not self._approximate:
            raise CommandError(_LIMIT_EXACT)
        if not self._strategy:
            return None
        limit = 0
        if self._limit is not None:
            limit = self._limit
        elif self._approximate:
            limit = min(limits.stream_node_max_entries * _NODES_PER_TRIM or _FEWEST_PER_TRIM, _MOST_PER_TRIM)
        by_length = self._strategy == b"maxlen"
        return Trim(
            self._threshold if by_length else None,
            0 if by_length else self._threshold,
            self._approximate,
            limit,
            self._references or References.KEEP,
        )


# Groups


def read_group(ctx: Context, key: bytes, name: bytes) -> tuple[StreamValue, Group] | None:
    """A stream and one of its groups, or None where one of them is not there."""
    value = ctx.db.read_as(key, StreamValue)
    if value is None:
        return None
    group = value.groups.get(name)
    if group is None:
        return None
    ctx.db.prepare(key)  # what is read from a group is noted down in it
    return value, group


def no_group(key: bytes, name: bytes, where: bytes = b"") -> CommandError:
    """The refusal where the key or the group is not there."""
    return CommandError(b"NOGROUP No such key '%b' or consumer group '%b'%b" % (key, name, where))


def no_such_group(key: bytes, name: bytes) -> CommandError:
    """The refusal where the key is there and the group is not."""
    return CommandError(b"NOGROUP No such consumer group '%b' for key name '%b'" % (name, key))


def create_consumer(ctx: Context, key: bytes, group_name: bytes, group: Group, name: bytes) -> Consumer:
    """A new consumer of a group, which subscribers are told of, and who keeps a copy."""
    consumer = group.consumers[name] = Consumer(name, ctx.engine.keyspace.now)
    ctx.db.count_change()
    ctx.db.notify(key, b"xgroup-createconsumer", STREAM)
    # Whoever asks for entries is a consumer from now on, whether there are any or not.
    ctx.engine.propagation.note(ctx.db, [b"XGROUP", b"CREATECONSUMER", key, group_name, name])
    return consumer


def see_consumer(ctx: Context, key: bytes, group_name: bytes, group: Group, name: bytes) -> Consumer:
    """The consumer of this name, created where there is none; it has been seen now."""
    consumer = group.consumers.get(name) or create_consumer(ctx, key, group_name, group, name)
    consumer.seen_time = ctx.engine.keyspace.now
    return consumer
