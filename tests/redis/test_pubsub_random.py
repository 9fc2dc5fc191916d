"""Random programs of several `PubSub` on one store: they come and go, are cancelled anywhere, and lose their connection.

A model knows what each of them must get, and may get; between what was got in front of and behind a message that is
missing there has to be a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anystore import Gap
from anystore.exceptions import StoreError
from anystore.redis.pubsub import PubSub
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.redis.test_pubsub_faults import kill_subscribers, store_at, until
from tests.servers import RealServer

pytestmark = pytest.mark.anyio

# Few, so that they meet.
CHANNELS = ["a", "ab"]
NAMES = {"subscribe": CHANNELS, "psubscribe": ["a*"], "ssubscribe": ["a"]}
KINDS = {"message": "subscribe", "pmessage": "psubscribe", "smessage": "ssubscribe"}
# Two that share a connection and keep all, one that shares it and drops, one that has its own since it blocks.
READERS: list[dict[str, Any]] = [{}, {}, {"buffer_size": 1_500}, {"buffer_size": 1_500, "overflow": "block"}]

WHO = st.integers(0, len(READERS) - 1)
NAMED = st.sampled_from(sorted(NAMES)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.sampled_from(NAMES[kind]), min_size=1, max_size=2))
)
PUBLISH = st.tuples(st.just("publish"), st.booleans(), st.sampled_from(CHANNELS), st.integers(1, 4))
SUBSCRIBE = st.tuples(st.just("subscribe"), WHO, NAMED, st.booleans())
STEPS = st.lists(
    st.one_of(
        PUBLISH,
        PUBLISH,
        SUBSCRIBE,
        SUBSCRIBE,
        st.tuples(st.just("unsubscribe"), WHO, NAMED, st.booleans()),
        st.tuples(st.just("close"), WHO),
        st.tuples(st.just("read"), WHO),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("turns"), st.integers(1, 12)),
        st.sampled_from([("cut",), ("kill",), ("settle",), ("settle",)]),
    ),
    min_size=40,
    max_size=60,
)


@dataclass
class Span:
    """A subscription from its beginning to its end, by the numbers of messages."""

    may_from: int
    must_from: float = inf
    must_to: float = inf
    may_to: float = inf
    cut: bool = False

    def gets(self, number: int) -> bool:
        # Of what was given up in the vicinity of a loss nobody can say how much of it had come.
        vague = self.cut and self.must_to < inf
        return not vague and self.must_from <= number <= self.must_to


@dataclass
class Reader:
    """A `PubSub`, what it has read, and what is known of its subscriptions."""

    pubsub: PubSub[bytes]
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    seen: list[Gap | tuple[str, str, int]] = field(default_factory=list)
    spans: dict[tuple[str, str], list[Span]] = field(default_factory=dict)

    def open(self, kind: str, name: str) -> list[Span]:
        """The spans that may be going on."""
        return [span for span in self.spans.get((kind, name), ()) if span.may_to == inf]

    async def read(self) -> None:
        while (message := await self.pubsub.get_message()) is not None:
            self.take(message)

    def take(self, message: Any) -> None:
        if isinstance(message, Gap):
            self.seen.append(message)
            return
        kind, name = KINDS[message.kind], (message.pattern or message.channel).decode()
        self.seen.append((kind, name, int(message.data[:8])))

    @property
    def last(self) -> int:
        return max((item[2] for item in self.seen if not isinstance(item, Gap)), default=0)


@dataclass
class Program:
    """A program that is running. One task at a time does something to a `PubSub`, any number of them to all."""

    direct: RedisStore[bytes]
    proxy: FaultProxy
    readers: list[Reader]
    published: dict[int, tuple[bool, str]] = field(default_factory=dict)
    scopes: list[anyio.CancelScope] = field(default_factory=list)
    acknowledged: int = 0
    ended: int = 0
    cuts: int = 0

    async def publish(self, sharded: bool, channel: str) -> None:
        number = len(self.published) + 1
        self.published[number] = (sharded, channel)
        client = self.direct.client()
        await (client.spublish if sharded else client.publish)(channel, b"%08d" % number + b"x" * 100)
        self.acknowledged = number

    async def subscribe(self, reader: Reader, kind: str, names: list[str]) -> None:
        unsure = [span for name in names for span in reader.open(kind, name) if span.must_to < inf]
        fresh: list[Span] = []
        for name in dict.fromkeys(names):
            if all(span.must_to < inf for span in reader.open(kind, name)):
                fresh.append(Span(self.acknowledged + 1))
                reader.spans.setdefault((kind, name), []).append(fresh[-1])
        try:
            await getattr(reader.pubsub, kind)(names)
        except BaseException:
            for span in fresh:
                span.may_to = span.must_to = 0 if unsure else len(self.published)
                if unsure:
                    span.may_to = inf
            raise
        for span in fresh:
            span.must_from = len(self.published) + 1
        for span in unsure:
            span.may_to = len(self.published)

    async def unsubscribe(self, reader: Reader, kind: str, names: list[str]) -> None:
        spans = [span for name in names for span in reader.open(kind, name)]
        for span in spans:
            span.must_to = min(span.must_to, self.acknowledged)
        # Cancelled, it may be given up or not.
        await getattr(reader.pubsub, kind.replace("sub", "unsub"))(names)
        for span in spans:
            span.may_to = len(self.published)

    async def close(self, reader: Reader) -> None:
        with anyio.CancelScope(shield=True):
            await reader.read()
            await reader.pubsub.close()
        for spans in reader.spans.values():
            for span in spans:
                # What was not read is dropped.
                span.must_to = min(span.must_to, reader.last - 1)
                span.may_to = min(span.may_to, len(self.published))

    async def run(self, scope: anyio.CancelScope, kind: str, reader: Reader, *args: Any) -> None:
        with scope:
            async with reader.lock:
                await getattr(self, kind)(reader, *args)
        self.ended += 1

    async def step(self, group: anyio.abc.TaskGroup, step: tuple[Any, ...]) -> None:
        match step:
            case ("subscribe" | "unsubscribe" as what, who, (kind, names), waits):
                if what == "unsubscribe":
                    # It is on its way then.
                    await self.publish(kind == "ssubscribe", names[0].replace("*", "b"))
                self.scopes.append(anyio.CancelScope())
                group.start_soon(self.run, self.scopes[-1], what, self.readers[who], kind, names)
                while waits and self.ended < len(self.scopes):
                    await checkpoint()
            case ("close", who):
                self.scopes.append(anyio.CancelScope())
                group.start_soon(self.run, self.scopes[-1], "close", self.readers[who])
            case ("publish", sharded, channel, count):
                for _ in range(count):
                    await self.publish(sharded, channel)
            case ("read", who):
                await self.readers[who].read()
            case ("cancel", number) if self.scopes:
                self.scopes[number % len(self.scopes)].cancel()
            case ("turns", number):
                for _ in range(number):
                    await checkpoint()
            case ("settle",):
                await anyio.wait_all_tasks_blocked()
            case ("cut" | "kill" as how,):
                await self.cut(how)

    async def cut(self, how: str) -> None:
        self.cuts += 1
        for reader in self.readers:
            for spans in reader.spans.values():
                for span in spans:
                    span.cut = span.cut or span.may_to == inf
        await (self.proxy.cut() if how == "cut" else kill_subscribers(self.direct))

    def check(self, reader: Reader) -> None:
        messages = [item for item in reader.seen if not isinstance(item, Gap)]
        assert len(set(messages)) == len(messages), "twice"
        assert [item[2] for item in messages] == sorted(item[2] for item in messages), "out of order"
        assert self.cuts or not any(isinstance(item, Gap) and item.disconnects for item in reader.seen)
        for kind, name, number in messages:
            sharded, channel = self.published[number]
            assert sharded is (kind == "ssubscribe")
            assert fnmatchcase(channel, name)
            assert any(span.may_from <= number <= span.may_to for span in reader.spans[kind, name]), (
                "too much"
            )
        for (kind, name), spans in reader.spans.items():
            for number, (sharded, channel) in self.published.items():
                if sharded is not (kind == "ssubscribe") or not fnmatchcase(channel, name):
                    continue
                if any(span.gets(number) for span in spans) and (kind, name, number) not in reader.seen:
                    assert gap_at(reader.seen, number), f"{kind} {name} {number} is missing"


def gap_at(seen: list[Any], number: int) -> bool:
    """Whether there is a gap where the message of this number would have been."""
    here = True
    found = False
    for item in seen:
        if isinstance(item, Gap):
            found = found or here
        elif item[2] < number:
            found = False
        elif item[2] > number:
            here = False
    return found


async def finish(program: Program) -> None:
    """Have all that was published arrive, and read it."""
    for reader in program.readers:
        await reader.pubsub.subscribe("end")
    await program.direct.client().publish("end", "end")
    for reader in program.readers:
        while True:
            message = await reader.pubsub.get_message(timeout=None)
            if message is not None and message.channel == b"end":
                break
            reader.take(message)


async def check_server(program: Program, protocol: int) -> None:
    """The server knows of each subscription once for all who share, and of none that nobody has."""
    client = program.direct.client()
    for kind in ("subscribe", "ssubscribe"):
        for name in NAMES[kind]:
            wanted = [
                any(span.must_from < inf and span.must_to == inf for span in reader.open(kind, name))
                for reader in program.readers
            ]
            unsure = any(span.must_to < inf for reader in program.readers for span in reader.open(kind, name))
            count = client.pubsub_numsub if kind == "subscribe" else client.pubsub_shardnumsub
            ((_, found),) = await count(name)
            expected = any(wanted[:3]) + wanted[3] if protocol == 3 else sum(wanted)
            assert found == expected or unsure, (kind, name)


CHANNEL_A = ("subscribe", ["a"])
# One leaves while another one stays; one comes when the last one has left.
LEAVING = [
    ("subscribe", 0, CHANNEL_A, True),
    ("subscribe", 1, CHANNEL_A, True),
    ("unsubscribe", 0, CHANNEL_A, True),
    ("publish", False, "a", 2),
]
COMING_BACK = [
    ("subscribe", 1, ("subscribe", ["ab"]), True),
    ("subscribe", 0, CHANNEL_A, True),
    ("unsubscribe", 0, CHANNEL_A, True),
    ("subscribe", 1, CHANNEL_A, True),
    ("publish", False, "a", 2),
]


@pytest.mark.parametrize("protocol", [3, 2])
@given(steps=STEPS)
@example(steps=LEAVING)
@example(steps=COMING_BACK)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_each_gets_what_is_for_it(
    valkey: RealServer, steps: list[tuple[Any, ...]], protocol: int
) -> None:
    async with (
        store_at(valkey.dsn) as direct,
        FaultProxy(valkey.port) as proxy,
        store_at(proxy.dsn, protocol=protocol, reconnect_attempts=100) as store,
    ):
        program = Program(direct, proxy, [Reader(store.pubsub(**options)) for options in READERS])
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for step in steps:
                    await program.step(group, step)
            await finish(program)
            await check_server(program, protocol)
            for reader in program.readers:
                program.check(reader)
                await reader.pubsub.close()
            assert store.statistics().pool.leased == 0
            await until(lambda: nothing_left(direct))


async def nothing_left(direct: RedisStore[bytes]) -> bool:
    client = direct.client()
    return not (
        await client.pubsub_channels() or await client.pubsub_shardchannels() or await client.pubsub_numpat()
    )


@given(steps=STEPS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_nothing_is_left_when_the_store_is_left(
    valkey: RealServer, steps: list[tuple[Any, ...]]
) -> None:
    async with store_at(valkey.dsn) as direct, FaultProxy(valkey.port) as proxy:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                async with store_at(proxy.dsn, reconnect_attempts=100) as store:
                    readers = [Reader(store.pubsub(**options)) for options in READERS]
                    program = Program(direct, proxy, readers)
                    for step in steps:
                        await program.step(group, step)
                    group.cancel_scope.cancel()
            await until(lambda: nothing_left(direct))
        for reader in readers:
            assert not reader.pubsub.connected
            with pytest.raises(StoreError):
                await reader.pubsub.subscribe("a")
