"""Random programs: tasks are started, cancelled at arbitrary points, and connections cut; no task ever gets a reply that
is not its own, nothing is carried out twice, and the store is usable and whole at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystore.exceptions import ConnectionFailed, StoreError, WrongType
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.redis.test_faults import store_at
from tests.servers import RealServer

pytestmark = pytest.mark.anyio

KEYS = [f"key:{number}" for number in range(12)]
# One of the values takes several receives.
VALUES = {key: (key * (1 if number else 20_000)).encode() for number, key in enumerate(KEYS)}

START = st.tuples(
    st.just("start"),
    st.sampled_from(["get", "bytes", "error", "pipeline", "transaction", "watch", "pop", "add", "set"]),
    st.sampled_from(KEYS),
)
STEPS = st.lists(
    st.one_of(
        START,
        START,
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("turns"), st.integers(1, 12)),
        st.tuples(st.just("settle")),
        st.tuples(st.just("cut")),
        st.tuples(st.just("lose"), st.sampled_from(["up", "down"]), st.integers(0, 60)),
        st.tuples(st.just("chunk"), st.sampled_from([None, 50, 4096])),
    ),
    min_size=5,
    max_size=60,
)


@dataclass
class Program:
    """A program that is running: what was started, and what came of it."""

    store: RedisStore[Any]
    proxy: FaultProxy
    wrong: list[Any] = field(default_factory=list)
    scopes: list[anyio.CancelScope] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    unsure: int = 0

    async def run(self, kind: str, key: str, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                expected, got = await getattr(self, f"_{kind}")(key)
            except ConnectionFailed:
                if not self.cuts:
                    self.wrong.append((kind, key, "failed with no reason"))
            else:
                if got != expected:
                    self.wrong.append((kind, key, got))

    cuts: int = 0

    async def _get(self, key: str) -> Any:
        return VALUES[key], await self.store.client().get(key)

    async def _bytes(self, key: str) -> Any:
        return len(VALUES[key]), await self.store.client().execute_command("STRLEN", key, decode=False)

    async def _set(self, key: str) -> Any:
        return True, await self.store.client().set(key, VALUES[key])

    async def _error(self, key: str) -> Any:
        with pytest.raises(WrongType):
            await self.store.client().llen(key)
        return None, None

    async def _pipeline(self, key: str, transaction: bool = False) -> Any:
        async with self.store.pipeline(transaction=transaction) as pipe:
            pipe.get(key)
            pipe.llen(key)
            pipe.get(key)
            first, error, second = await pipe.commit(raise_on_error=False)
        return (VALUES[key], WrongType, VALUES[key]), (first, type(error), second)

    async def _transaction(self, key: str) -> Any:
        return await self._pipeline(key, transaction=True)

    async def _watch(self, key: str) -> Any:
        async with self.store.pipeline() as pipe:
            await pipe.watch("untouched")
            now = await pipe.get(key)
            pipe.multi()
            pipe.strlen(key)
            return (VALUES[key], [len(VALUES[key])]), (now, await pipe.commit())

    async def _pop(self, key: str) -> Any:
        client = self.store.client()
        await client.rpush(f"list:{key}", "element")
        return (f"list:{key}".encode(), b"element"), await client.blpop(f"list:{key}")

    async def _add(self, key: str) -> Any:
        self.unsure += 1
        value = await self.store.client().incr("counter")
        self.unsure -= 1
        self.sums.append(value)
        return True, self.sums.count(value) == 1

    async def step(self, group: anyio.abc.TaskGroup, step: tuple[Any, ...]) -> None:
        match step:
            case ("start", kind, key):
                self.scopes.append(anyio.CancelScope())
                group.start_soon(self.run, kind, key, self.scopes[-1])
            case ("cancel", number) if self.scopes:
                self.scopes[number % len(self.scopes)].cancel()
            case ("turns", number):
                for _ in range(number):
                    await checkpoint()
            case ("settle",):
                await anyio.wait_all_tasks_blocked()
            case ("cut",):
                self.cuts += 1
                await self.proxy.cut()
            case ("lose", direction, number):
                self.cuts += 1
                getattr(self.proxy, direction).cut_after = number
            case ("chunk", size):
                self.proxy.up.chunk = self.proxy.down.chunk = size


@given(steps=STEPS, tls_like=st.booleans(), decode=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_no_reply_goes_astray(
    valkey: RealServer, steps: list[tuple[Any, ...]], tls_like: bool, decode: bool
) -> None:
    async with FaultProxy(valkey.port) as proxy:
        options: dict[str, Any] = {"pool_size": 3, "decode_responses": False}
        if tls_like:
            options["connect_stream"] = lambda: anyio.connect_tcp("127.0.0.1", proxy.port)
        async with store_at(valkey.dsn) as direct:
            await direct.flush()
            await direct.client().mset(VALUES)
        async with store_at(proxy.dsn, reconnect_attempts=20, **options) as store:
            program = Program(store, proxy)
            with anyio.fail_after(30):
                async with anyio.create_task_group() as group:
                    for step in steps:
                        await program.step(group, step)
                    proxy.up.cut_after = proxy.down.cut_after = None
                    await anyio.wait_all_tasks_blocked()
                    # A pop whose element another one took would wait for ever.
                    for scope in program.scopes:
                        scope.deadline = anyio.current_time() + 0.3
            assert program.wrong == []
            assert await store.client().get(KEYS[1]) == VALUES[KEYS[1]]
            found = store.statistics()
            assert (found.pool.leased, found.pool.connecting) == (0, 0)
            assert found.shared.in_flight == 0
            added = int(await store.client().get("counter") or 0)
            assert max(program.sums, default=0) <= added <= len(program.sums) + program.unsure
            assert len(program.sums) <= added


@given(steps=STEPS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_nothing_is_left_behind_when_the_store_is_cancelled(
    valkey: RealServer, steps: list[tuple[Any, ...]]
) -> None:
    async with FaultProxy(valkey.port) as proxy:
        with anyio.CancelScope() as scope:
            try:
                async with store_at(proxy.dsn, pool_size=3) as store:
                    await store.client().mset(VALUES)
                    program = Program(store, proxy)
                    async with anyio.create_task_group() as group:
                        for step in steps:
                            await program.step(group, step)
                        scope.cancel()
            except* StoreError:
                scope.cancel()
        with anyio.fail_after(20):
            while proxy.links:
                await checkpoint()
