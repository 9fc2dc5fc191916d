"""The client's guarantees, group B: nothing gets stuck, nothing runs out, nothing spins. See `test_pool` for B6 to B8."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from anystore.exceptions import CommandTimeout, ConnectionFailed, OutcomeUnknown, ResponseError
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.redis.test_faults import store_at
from tests.servers import RealServer, run_server, valkey_binary

pytestmark = pytest.mark.anyio

#: Seconds that what is over in a fraction of one does not take, however much the machine has to do beside.
LONG = 5


class TestRestarts:
    async def test_b9_after_a_restart_only_what_was_in_flight_fails(self) -> None:
        unknown = 0
        done = 0
        with run_server(valkey_binary()) as first, run_server(valkey_binary()) as second:
            async with (
                FaultProxy(first.port) as proxy,
                store_at(proxy.dsn, reconnect_attempts=50) as store,
                anyio.create_task_group() as group,
            ):
                client = store.client()

                async def work() -> None:
                    nonlocal unknown, done
                    while True:
                        try:
                            await client.incr("counter")
                            done += 1
                        except OutcomeUnknown:
                            unknown += 1

                await client.blpop("nothing", timeout=0.01)
                for _ in range(20):
                    group.start_soon(work)
                while done < 1000:
                    await checkpoint()
                first.process.kill()
                await anyio.to_thread.run_sync(first.process.wait)
                proxy.target = second.port
                before, done = done, 0
                while done < 1000:
                    await checkpoint()
                assert before >= 1000
                # The pool's connection died, too, while it was idle.
                assert await client.blpop("nothing", timeout=0.01) is None
                group.cancel_scope.cancel()
        assert unknown <= 20

    async def test_b9_the_first_command_after_a_restart(self) -> None:
        with run_server(valkey_binary()) as first, run_server(valkey_binary()) as second:
            async with FaultProxy(first.port) as proxy, store_at(proxy.dsn) as store:
                client = store.client()
                await client.incr("counter")
                first.process.kill()
                await anyio.to_thread.run_sync(first.process.wait)
                await proxy.cut()
                proxy.target = second.port
                assert await client.incr("counter") == 1


BLOCKING: list[tuple[Any, ...]] = [
    ("BLPOP", "nothing", "{s}"),
    ("BRPOP", "nothing", "{s}"),
    ("BRPOPLPUSH", "nothing", "other", "{s}"),
    ("BLMOVE", "nothing", "other", "LEFT", "LEFT", "{s}"),
    ("BLMPOP", "{s}", 1, "nothing", "LEFT"),
    ("BZPOPMIN", "nothing", "{s}"),
    ("BZPOPMAX", "nothing", "{s}"),
    ("BZMPOP", "{s}", 1, "nothing", "MIN"),
    ("XREAD", "BLOCK", "{ms}", "STREAMS", "nothing", "$"),
    ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "{ms}", "STREAMS", "stream", ">"),
    ("WAIT", 1, "{ms}"),
]


class TestTimeLimits:
    async def test_b10_a_blocking_commands_own_wait_is_not_cut(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, command_timeout=0.3) as store:
            await store.flush()
            await store.execute("XGROUP", "CREATE", "stream", "g", "$", "MKSTREAM")
            taken: dict[str, float] = {}

            async def block(command: tuple[Any, ...]) -> None:
                start = anyio.current_time()
                args = [str(part).format(s=1, ms=1000) for part in command]
                assert await store.execute(*args) in (None, [], 0)
                taken[args[0]] = anyio.current_time() - start

            async with anyio.create_task_group() as group:
                for command in BLOCKING:
                    group.start_soon(block, command)
            assert len(taken) == len(BLOCKING)
            # Servers look at such time limits ten times a second; a machine with much to do takes its time beside.
            assert all(0.95 < seconds < LONG for seconds in taken.values()), taken

    async def test_b10_one_that_waits_for_ever_does(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, command_timeout=0.05) as store:
            client = store.client()
            await store.flush()
            async with anyio.create_task_group() as group:
                got: list[Any] = []

                async def block(command: tuple[Any, ...]) -> None:
                    got.append(await store.execute(*[str(part).format(s=0, ms=0) for part in command]))

                async def pop() -> None:
                    got.append(await client.blpop("list"))

                for command in BLOCKING[:9]:
                    group.start_soon(block, command)
                group.start_soon(pop)
                with anyio.move_on_after(0.3):
                    await anyio.sleep_forever()
                assert got == []
                assert (await client.info("clients"))["blocked_clients"] == 10
                await client.rpush("list", "element")
                while not got:
                    await checkpoint()
                assert got == [(b"list", b"element")]
                group.cancel_scope.cancel()

    async def test_b10_a_silent_server_runs_into_the_time_limit(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, command_timeout=0.2) as store:
            client = store.client()
            await client.blpop("nothing", timeout=0.01)
            proxy.pause()
            start = anyio.current_time()
            async with anyio.create_task_group() as group:
                for call in (lambda: client.get("key"), lambda: client.blpop("nothing", timeout=0.1)):

                    async def expect(call: Any) -> None:
                        with pytest.raises(CommandTimeout):
                            await call()

                    group.start_soon(expect, call)
            assert 0.2 <= anyio.current_time() - start < LONG
            proxy.resume()
            assert await client.ping() is True

    async def test_a_silent_connection_is_replaced(self, valkey: RealServer) -> None:
        """The peer may be gone without a word, as behind a firewall that forgot it."""
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, command_timeout=0.1) as store:
            client = store.client()
            proxy.down.swallow = True
            with pytest.raises(CommandTimeout):
                await client.get("key")
            proxy.down.swallow = False
            assert await client.ping() is True
            assert proxy.accepted == 2

    async def test_a_slow_server_keeps_its_connection(self, valkey: RealServer) -> None:
        """Replies that are late are dropped when they come; as long as some come, the connection is as good as any."""
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, command_timeout=2) as store:
            client = store.client()
            await client.set("key", "value")
            proxy.down.delay = 0.5  # each, one behind the other: the first is far from late, and the last is
            outcomes = []

            async def get() -> None:
                try:
                    outcomes.append(await client.get("key"))
                except CommandTimeout:
                    outcomes.append(b"late")

            async with anyio.create_task_group() as group:
                for _ in range(6):
                    group.start_soon(get)
                    await anyio.sleep(0.05)
            assert set(outcomes) <= {b"value", b"late"}
            assert b"value" in outcomes
            proxy.down.delay = 0
            assert await client.get("key") == b"value"
            assert proxy.accepted == 1

    async def test_time_limits_last_through_changes_of_the_reader(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, command_timeout=2) as store:
            client = store.client()
            await client.ping()
            proxy.pause()
            start = anyio.current_time()
            async with anyio.create_task_group() as group:

                async def read_for_a_while(seconds: float) -> None:
                    with anyio.move_on_after(seconds):
                        await client.get("key")

                for number in range(5):
                    group.start_soon(read_for_a_while, 0.36 * (number + 1))
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(CommandTimeout):
                    await client.get("key")
            # From the last change on it would take until 3.8.
            assert 1.98 < anyio.current_time() - start < 3.6

    async def test_without_a_time_limit(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, command_timeout=None) as store:
            proxy.pause()
            with anyio.move_on_after(0.1) as scope:
                await store.client().get("key")
            assert scope.cancelled_caught
            proxy.resume()
            assert await store.ping()

    async def test_connecting_has_a_time_limit(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy:
            proxy.pause()
            start = anyio.current_time()
            with pytest.raises(
                ConnectionFailed, match=r"127.0.0.1:\d+ could not be connected within 0.1 seconds"
            ):
                async with store_at(proxy.dsn, connect_timeout=0.1, reconnect_attempts=1):
                    raise AssertionError("it cannot be connected")
            assert 0.2 <= anyio.current_time() - start < LONG


class TestSideBySide:
    async def test_b11_blocking_calls_delay_nobody(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store, anyio.create_task_group() as group:
            client = store.client()
            await client.delete("list")
            for _ in range(50):
                group.start_soon(client.blpop, "list")
            while (await client.info("clients"))["blocked_clients"] < 50:
                continue
            beside = [await self.slow_ping(store) for _ in range(5)]
            group.cancel_scope.cancel()
        async with store_at(valkey.dsn) as store:
            alone = [await self.slow_ping(store) for _ in range(5)]
        # A machine with much to do delays them, too, but not only beside blocking calls.
        assert min(beside) < max(0.02, 5 * min(alone))

    async def slow_ping(self, store: RedisStore[Any]) -> float:
        """Seconds that the second longest of a hundred takes."""
        taken = []
        for _ in range(100):
            start = time.perf_counter()
            await store.client().ping()
            taken.append(time.perf_counter() - start)
        return sorted(taken)[98]

    async def test_b12_health_checks_beside_everything_else(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, health_check_interval=0.01, pool_size=10) as store:
            client = store.client()
            await client.delete("list")
            heard = 0
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    nonlocal heard
                    async with store.monitor() as monitor:
                        async for _ in monitor:
                            heard += 1

                async def pop() -> None:
                    while True:
                        await client.blpop("list")

                async def work(pause: float) -> None:
                    while True:
                        await client.rpush("list", 1)
                        await client.get("key")
                        await anyio.sleep(pause)

                group.start_soon(watch)
                for number in range(5):
                    group.start_soon(pop)
                    group.start_soon(work, number * 0.01)
                await anyio.sleep(1)
                group.cancel_scope.cancel()
            assert heard > 100
            assert (await client.info("commandstats"))["cmdstat_ping"]["calls"] > 0

    @pytest.mark.parametrize("tls_like", [False, True], ids=["socket", "stream"])
    async def test_b13_cancellation_kills_nothing(self, valkey: RealServer, tls_like: bool) -> None:
        rng = random.Random(13)
        options = {"connect_stream": lambda: anyio.connect_tcp("127.0.0.1", valkey.port)} if tls_like else {}
        async with store_at(valkey.dsn, **options) as store:
            client = store.client()
            await client.mset({f"key:{number}": number for number in range(100)})
            before = await client.client_id()
            wrong: list[Any] = []

            async def get(number: int, turns: int | None) -> None:
                async with anyio.create_task_group() as group:

                    async def call() -> None:
                        got = await client.get(f"key:{number}")
                        if got != b"%d" % number:
                            wrong.append((number, got))

                    group.start_soon(call)
                    if turns is not None:
                        for _ in range(turns):
                            await checkpoint()
                        group.cancel_scope.cancel()

            for _ in range(100):
                async with anyio.create_task_group() as group:
                    for number in range(100):
                        group.start_soon(get, number, rng.choice([None, 0, 1, 2, 3, 4, 6, 9, 15]))
            assert wrong == []
            assert await client.client_id() == before
            assert store.statistics().shared.in_flight == 0


class TestIdleness:
    async def test_b14_idle_means_idle(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, command_timeout=1, health_check_interval=0.5) as store:
            client = store.client()
            async with anyio.create_task_group() as group, store.monitor():
                group.start_soon(client.blpop, "nothing")
                await client.set("key", 1)
                # The clock of the command's time limit looks round once more.
                await anyio.sleep(0.3)
                start = time.process_time()
                await anyio.sleep(2)
                spent = time.process_time() - start
                group.cancel_scope.cancel()
            assert spent < 0.02

    async def test_b14_nor_do_replies_that_nobody_waits_for_spin(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.set("key", "x" * 1000)
            proxy.pause()
            with anyio.move_on_after(0.01):
                await client.get("key")
            proxy.resume()
            await anyio.sleep(0.1)
            start = time.process_time()
            await anyio.sleep(0.5)
            assert time.process_time() - start < 0.02
            assert await client.get("key") == b"x" * 1000
            assert proxy.accepted == 1


class TestBackPressure:
    async def test_a_server_that_does_not_read_stops_the_writers(self, valkey: RealServer) -> None:
        """What waits to be written is bounded, and nothing is lost or carried out twice when it moves again."""
        async with store_at(valkey.dsn, command_timeout=None) as store:
            client = store.client()
            await store.flush()
            value = b"x" * 1_000_000
            valkey.process.send_signal(signal.SIGSTOP)
            try:
                async with anyio.create_task_group() as group:
                    for number in range(60):
                        group.start_soon(client.append, f"key:{number}", value)
                    await anyio.wait_all_tasks_blocked()
                    unsent = store.statistics().shared.unsent
                    assert 0 < unsent < 20
                    valkey.process.send_signal(signal.SIGCONT)
            finally:
                valkey.process.send_signal(signal.SIGCONT)
            for number in range(60):
                assert await client.strlen(f"key:{number}") == len(value)
            await store.flush()

    async def test_more_tasks_than_may_be_in_flight(
        self, valkey: RealServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("anystore.redis.connection.IN_FLIGHT", 10)
        async with store_at(valkey.dsn) as store:
            client = store.client()
            await client.delete("counter")
            most = 0

            async def add() -> None:
                nonlocal most
                await client.incr("counter")
                most = max(most, store.statistics().shared.in_flight)

            async with anyio.create_task_group() as group:
                for _ in range(500):
                    group.start_soon(add)
            assert await client.get("counter") == b"500"
            assert most <= 10

    async def test_cancelled_while_there_is_no_room(
        self, valkey: RealServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("anystore.redis.connection.IN_FLIGHT", 2)
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.set("key", "value")
            proxy.pause()
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(client.get, "key")
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            proxy.resume()
            assert await client.get("key") == b"value"


async def test_garbage_is_a_protocol_error_and_the_connection_is_replaced(valkey: RealServer) -> None:
    from anystore.exceptions import ProtocolError

    async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
        client = store.client()
        await client.set("key", "value")
        proxy.pause()
        async with anyio.create_task_group() as group:

            async def expect() -> None:
                with pytest.raises(ProtocolError):
                    await client.get("key")

            group.start_soon(expect)
            await anyio.wait_all_tasks_blocked()
            (link,) = proxy.links
            await link.client.send(b"?garbage\r\n")
        proxy.resume()
        assert await client.get("key") == b"value"
        with pytest.raises(ResponseError):
            await client.llen("key")
