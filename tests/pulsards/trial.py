"""The same calls on pulsards and on one real server, and whether they come to the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anystore.pulsards.clock import SystemClock
from anystore.pulsards.engine import Engine
from tests.pulsards.agreement import agree, is_error
from tests.pulsards.call_values import ABSENT, PASS_ON, SAME_SCORES, commands_of_pulsards, world
from tests.pulsards.calls import Call
from tests.pulsards.differences import reason_for
from tests.pulsards.peers import EngineClient, RealClient

#: Milliseconds that a call may make its client wait: what waits for longer is left out.
LONGEST_WAIT = 60
_END = b"the end of these calls"


class ShiftedClock(SystemClock):
    """The machine's clock, some milliseconds on."""

    __slots__ = ("shift_ms",)

    def __init__(self) -> None:
        self.shift_ms = 0

    def time_us(self) -> int:
        return super().time_us() + self.shift_ms * 1000


class Disagreement(AssertionError):
    """The two servers have not done the same."""


class Trial:
    """An engine in this process and a connection to a real server, from test to test."""

    def __init__(self, server: str, real: RealClient, protocol: int) -> None:
        """`server` is "valkey" or "redis", as in the table of differences."""
        self.server = server
        self.clock = ShiftedClock()
        self.ours = EngineClient(Engine(clock=self.clock))
        self.real = real
        self.protocol = protocol
        names = self.real.execute("COMMAND", "LIST")
        known = {name.decode() for name in names}
        #: Commands that both sides have.
        self.commands = [name for name in commands_of_pulsards() if name in known]
        self._world = [tuple(map(_as_bytes, command)) for command in world(self.commands)]
        self.real.execute("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        self.ours.engine.keyspace.active_expiry = False

    def close(self) -> None:
        self.real.execute("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        self.real.execute("FLUSHALL")
        self.real.close()

    # One trial

    def run(self, calls: Sequence[Call], start: Sequence[Call] | None = None) -> str | None:
        """Make the calls on both sides in the same world. `Disagreement` where replies or what is left differ.

        A difference that is excused ends the trial, where it may have left the two sides in different states;
        its reason is returned.
        """
        self._make_world(self._world if start is None else start)
        made: list[tuple[Call, list[Any]]] = []
        for wanted in calls:
            for call in _with_consequence(wanted):
                replies = self._call_ours(call)
                if replies is not None:
                    made.append((call, replies))
        theirs = self._call_theirs([call for call, _ in made])
        reason = self._compare(made, theirs)
        if reason is None:
            self._compare_states([call for call, _ in made])
        return reason

    def _make_world(self, commands: Sequence[Call]) -> None:
        start = [
            *((b"RESET",), (b"HELLO", b"%d" % self.protocol), (b"FLUSHALL",), (b"SCRIPT", b"FLUSH")),
            *([(b"FUNCTION", b"FLUSH")] if "function|flush" in self.commands else []),
            *commands,
        ]
        for command in start:
            reply = self.ours.execute(*command)
            assert not is_error(reply), f"{command}: {reply}"
        self.ours.engine.random.seed(0)
        self.clock.shift_ms += 3
        self.real.run([*start, (b"DEBUG", b"SLEEP", b"0.003")])

    def _call_ours(self, call: Call) -> list[Any] | None:
        """Our replies to a call; None where it would wait for long, and is not to be made."""
        client, engine = self.ours, self.ours.engine
        client.send(*call)
        waiter = client.session.waiter
        if waiter is not None:
            left = LONGEST_WAIT + 1 if waiter.deadline is None else waiter.deadline - engine.keyspace.now
            if left > LONGEST_WAIT:
                client.session.unpark(None)
                engine.flush()
                client.receive()
                return None
            self.clock.shift_ms += max(left, 0)
            engine.run_due()
            engine.flush()
        replies = []
        while (reply := client.receive()) is not NotImplemented:
            replies.append(reply)
        return replies

    def _call_theirs(self, calls: Sequence[Call]) -> list[Any]:
        for call in (*calls, (b"RESET",), (b"HELLO", b"%d" % self.protocol), (b"ECHO", _END)):
            self.real.send(*call)
        replies = []
        while (reply := self.real.receive()) != _END:
            replies.append(reply)
        self.ours.execute("RESET")
        self.ours.execute("HELLO", self.protocol)
        self.clock.shift_ms = 0  # they have waited as long as we have pretended to
        return replies[:-2]

    # Comparing

    def _compare(self, made: Sequence[tuple[Call, list[Any]]], theirs: list[Any]) -> str | None:
        """The reason why the trial ends where it does; None where all replies agree."""
        replies = iter(theirs)
        queue: list[Call] = []
        queueing = False
        for call, ours in made:
            name = call[0].lower()
            for mine in ours:
                other = next(replies, "no reply at all")
                calls = queue if name == b"exec" and isinstance(mine, list) and queueing else None
                reason = self._differ(call, mine, other, calls)
                if reason is not None:
                    return reason
                if mine == b"QUEUED":
                    queue.append(call)
            if name == b"multi" and not is_error(ours[0]):
                queueing, queue = True, []
            elif name in (b"exec", b"discard", b"reset"):
                queueing = False
        left = list(replies)
        if left:
            raise Disagreement(f"more replies than ours: {left}")
        return None

    def _differ(self, call: Call, ours: Any, theirs: Any, queue: list[Call] | None) -> str | None:
        if is_error(ours) and "internal error" in ours[1]:
            raise Disagreement(f"{shown(call)}: {ours[1]}")
        if queue is not None and isinstance(theirs, list) and len(queue) == len(ours) == len(theirs):
            for queued, mine, other in zip(queue, ours, theirs, strict=True):
                reason = self._differ(queued, mine, other, None)
                if reason is not None:
                    return reason
            return None
        if self._agree(call, ours, theirs):
            return None
        reason = reason_for(self.server, call, ours, theirs)
        if reason is None:
            raise Disagreement(f"{shown(call)}: pulsards {ours!r}, the real server {theirs!r}")
        # Where both refuse, both are as they were.
        return None if is_error(ours) and is_error(theirs) else reason

    def _agree(self, call: Call, ours: Any, theirs: Any) -> bool:
        return agree(call, ours, theirs, by_value=self.server == "redis")

    def _compare_states(self, made: Sequence[Call]) -> None:
        for database in (b"0", b"1", b"2", b"15"):
            [_, keys], [_, theirs] = self._both([(b"SELECT", database), (b"KEYS", b"*")])
            if sorted(keys) != sorted(theirs):
                raise Disagreement(f"keys in database {database!r}: {sorted(keys)}, {sorted(theirs)}")
            if not keys:
                continue
            kinds, others = self._both([(b"TYPE", key) for key in keys])
            for key, kind, other in zip(keys, kinds, others, strict=True):
                if kind != other:
                    raise Disagreement(f"{key!r} holds a {kind!r}, not a {other!r}")
            reads = [read for key, kind in zip(keys, kinds, strict=True) for read in self._reads(key, kind)]
            ours, theirs = self._both(reads)
            for read, mine, other in zip(reads, ours, theirs, strict=True):
                if self._agree(read, mine, other) or reason_for(self.server, read, mine, other, made):
                    continue
                raise Disagreement(f"what is left, {shown(read)}: {mine!r}, {other!r}")

    def _both(self, calls: Sequence[Call]) -> tuple[list[Any], list[Any]]:
        return [self.ours.execute(*call) for call in calls], self.real.run(calls)

    def _reads(self, key: bytes, kind: bytes) -> list[Call]:
        """What tells all about a key. Its time to live last: reading a hash may remove fields, and so the key."""
        reads = [list(read) for read in _READS[kind.decode()](key)]
        if kind == b"hash" and "hpexpiretime" in self.commands:
            fields = self.ours.execute("HKEYS", key)
            if fields:
                reads.append([b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(fields), *fields])
        return [*reads, [b"OBJECT", b"ENCODING", key], [b"PEXPIRETIME", key]]


_READS: dict[str, Callable[[bytes], list[tuple[bytes, ...]]]] = {
    "string": lambda key: [(b"GET", key)],
    "list": lambda key: [(b"LRANGE", key, b"0", b"-1")],
    "set": lambda key: [(b"SMEMBERS", key)],
    "zset": lambda key: [(b"ZRANGE", key, b"0", b"-1", b"WITHSCORES")],
    "hash": lambda key: [(b"HGETALL", key)],
    "stream": lambda key: [(b"XRANGE", key, b"-", b"+"), (b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0")],
    "none": lambda key: [],
}


def _with_consequence(call: Call) -> Iterator[Call]:
    """A call, and what makes both sides the same again where each is free to do something else."""
    yield call
    passed = call[3:] if call[0] == b"eval" and call[1:2] != [] and call[1] in PASS_ON else call
    words = [word.lower() for word in passed]
    name = words[0] if words else b""
    by_name = name == b"zremrangebylex" or (name in (b"zrange", b"zrangestore") and b"bylex" in words)
    if words[:2] == [b"memory", b"usage"] and passed[2:3] and passed[2] in ABSENT:
        yield [b"DEL", passed[2]]  # what has expired need not be removed yet
    if name == b"spop" or (by_name and SAME_SCORES not in passed[1:3]):
        yield [b"DEL", *passed[1:2]]


def shown(call: Sequence[bytes]) -> str:
    """A call as text, to be read and to be pasted into a test."""
    return " ".join(repr(word)[1:] for word in call)


def _as_bytes(word: object) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
