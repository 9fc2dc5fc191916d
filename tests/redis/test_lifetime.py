"""The client's guarantees, groups E and F: lifetimes, event loops, idle connections, and never holding the loop."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio
from anyio.lowlevel import checkpoint

from anystore import create_store
from anystore.exceptions import OutcomeUnknown, StoreError
from anystore.redis.store import RedisStore
from tests.faultproxy import CERTIFICATES, FaultProxy, server_tls
from tests.pulsards.peers import RealClient
from tests.redis.test_faults import store_at
from tests.servers import RealServer, run_server, valkey_binary

pytestmark = pytest.mark.anyio


FORKED = """
import asyncio, os, sys
from anystore import create_store
from anystore.exceptions import StoreError

async def main():
    async with create_store(sys.argv[1]) as store:
        client = store.client()
        await client.ping()
        child = os.fork()
        if not child:
            try:
                await client.ping()
            except StoreError:
                print("StoreError", flush=True)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        print(await client.ping())

asyncio.run(main())
"""


async def _beside(run: Callable[[], object]) -> None:
    """Run something in a thread while this task stands still, and has not let go of its loop."""
    errors: list[BaseException] = []

    def caught() -> None:
        try:
            run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=caught)
    thread.start()
    thread.join(30)
    assert not errors, errors
    assert not thread.is_alive()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd"))


def tasks_of_the_loop() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        root = trio.lowlevel.current_root_task()
        assert root is not None
        found, count = [root], 0
        while found:
            task = found.pop()
            count += 1
            found += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        return count


async def use(store: RedisStore[Any]) -> None:
    client = store.client()
    await client.set("key", 1)
    await client.blpop("nothing", timeout=0.001)
    async with store.pipeline() as pipe:
        await pipe.watch("key")
        pipe.multi()
        pipe.get("key")
        await pipe.commit()


class TestOwnership:
    async def test_e19_opening_and_closing_leaves_nothing(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            await use(store)
        gc.collect()
        before = open_files()
        for number in range(200):
            async with store_at(valkey.dsn) as store:
                await store.ping()
                if number % 20 == 0:
                    await use(store)
        gc.collect()
        assert open_files() <= before

    @pytest.mark.parametrize("how", ["error", "cancel"])
    async def test_e19_leaving_in_any_way_closes_everything(self, valkey: RealServer, how: str) -> None:
        gc.collect()
        before = open_files()
        for _ in range(5):
            with anyio.CancelScope() as scope:
                try:
                    async with store_at(valkey.dsn) as store, anyio.create_task_group() as group:
                        await use(store)
                        group.start_soon(store.client().blpop, "nothing")
                        async with store.monitor():
                            await anyio.wait_all_tasks_blocked()
                            if how == "error":
                                raise KeyError(how)
                            scope.cancel()
                            await checkpoint()
                except* KeyError:
                    assert how == "error"
        gc.collect()
        assert open_files() <= before

    async def test_e19_the_server_sees_them_go(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as observer:
            before = len(await observer.client().client_list())
            async with store_at(valkey.dsn) as store:
                await use(store)
                assert len(await observer.client().client_list()) == before + 2
            while len(await observer.client().client_list()) > before:
                continue

    async def test_e21_every_task_is_a_child_of_the_store(self, valkey: RealServer) -> None:
        before = tasks_of_the_loop()
        other = RealClient(valkey.port)
        try:
            async with (
                store_at(valkey.dsn, command_timeout=240) as store,
                anyio.create_task_group() as group,
            ):
                await use(store)
                connection = await store.shared.connection()
                connection.listen()
                other.execute("CLIENT", "PAUSE", 60_000, "WRITE")
                group.start_soon(store.client().set, "key", 2)
                await anyio.wait_all_tasks_blocked()
                # One task waits for the answer, and the store keeps the time.
                assert tasks_of_the_loop() > before + 1
                other.execute("CLIENT", "UNPAUSE")
            assert tasks_of_the_loop() == before
        finally:
            other.execute("CLIENT", "UNPAUSE")
            other.close()

    async def test_a_closed_store_says_so(self, valkey: RealServer) -> None:
        store = store_at(valkey.dsn)
        client = store.client()
        for _ in range(2):
            with pytest.raises(StoreError, match="not open"):
                await client.get("key")
            with pytest.raises(StoreError, match="not open"):
                await client.blpop("key")
            with pytest.raises(StoreError, match="not open"):
                store.pipeline()
            with pytest.raises(StoreError, match="not open"):
                async with store.monitor():
                    raise AssertionError("it cannot be opened")
            async with store:
                await client.get("key")
        async with store:
            await store.close()
            with pytest.raises(StoreError, match="not open"):
                await client.get("key")

    async def test_closing_early_ends_what_is_under_way(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store, anyio.create_task_group() as group:
            ended: list[Exception] = []

            async def pop() -> None:
                try:
                    await store.client().blpop("nothing")
                except StoreError as error:
                    ended.append(error)

            group.start_soon(pop)
            while not (await store.client().info("clients"))["blocked_clients"]:
                continue
            await store.close()
        assert isinstance(ended[0], OutcomeUnknown)


class TestEventLoops:
    def test_e20_a_store_that_was_left_cannot_be_used_in_another_loop(self, valkey: RealServer) -> None:
        store = store_at(valkey.dsn)

        async def enter() -> None:
            async with store:
                await store.ping()

        async def use_it() -> None:
            with pytest.raises(StoreError, match="not open"):
                await store.ping()

        anyio.run(enter)
        anyio.run(use_it, backend="trio")
        anyio.run(use_it)
        # But it can be entered again.
        anyio.run(enter, backend="trio")

    async def test_e20_nor_can_an_open_one(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            client = store.client()
            pipe = store.pipeline()

            async def use_it() -> None:
                calls: list[Any] = [
                    lambda: client.get("key"),
                    lambda: client.blpop("key"),
                    lambda: client.dump("key"),
                    lambda: pipe.get("key"),
                    pipe.commit,
                    store.ping,
                ]
                for call in calls:
                    with pytest.raises(StoreError, match="another event loop"):
                        await call()
                with pytest.raises(StoreError, match=r"another event loop"):
                    store.pipeline()

            for backend in ("asyncio", "trio"):
                await anyio.to_thread.run_sync(lambda: anyio.run(use_it, backend=backend))  # noqa: B023
                # While a task of the store's own loop is running.
                await _beside(lambda: anyio.run(use_it, backend=backend))  # noqa: B023
            assert await store.ping()

    async def test_e20_nor_can_a_forked_process(self, valkey: RealServer, tmp_path: Path) -> None:
        """Two processes on one connection would get each other's replies."""
        script = tmp_path / "forked.py"
        script.write_text(FORKED)
        result = await anyio.run_process(
            [sys.executable, "-W", "ignore", str(script), valkey.dsn], check=False
        )
        assert (result.returncode, result.stdout) == (0, b"StoreError\nTrue\n"), result.stderr


class TestIdleConnections:
    async def test_e22_a_connection_that_the_server_dropped_is_replaced_unnoticed(self) -> None:
        with run_server(valkey_binary(), "--timeout", "1") as server:
            async with store_at(server.dsn) as store:
                client = store.client()
                await client.rpush("list", "a", "b")
                await client.blpop("list")
                await anyio.sleep(2.5)
                assert await client.incr("counter") == 1
                assert await client.blpop("list") == (b"list", b"b")
                assert await client.get("counter") == b"1"

    @pytest.mark.parametrize("scheme", ["redis", "rediss"])
    async def test_e22_whatever_dropped_it(self, valkey: RealServer, scheme: str) -> None:
        tls = server_tls() if scheme == "rediss" else None
        options: dict[str, Any] = {"ssl_ca_certs": str(CERTIFICATES / "ca.pem")} if tls else {}
        async with (
            FaultProxy(valkey.port, tls=tls) as proxy,
            store_at(proxy.dsn, **options) as store,
            store_at(valkey.dsn) as other,
        ):
            client = store.client()
            await client.delete("counter", "list")
            for number in range(1, 6):
                await client.rpush("list", number)
                await client.blpop("list")
                await other.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                await proxy.cut()
                # A stream that cannot be asked is read all the time; its reader has to get a turn.
                await anyio.wait_all_tasks_blocked()
                assert await client.incr("counter") == number
                await client.rpush("list", number)
                assert await client.blpop("list") == (b"list", b"%d" % number)

    async def test_e22_a_connection_that_is_dead_without_a_word(self, valkey: RealServer) -> None:
        """As behind a firewall that forgot it: PING finds out, before anything is sent."""
        async with (
            FaultProxy(valkey.port) as proxy,
            store_at(proxy.dsn, health_check_interval=0.05, command_timeout=0.2) as store,
        ):
            client = store.client()
            await client.delete("counter")
            await client.incr("counter")
            proxy.up.swallow = True
            await anyio.sleep(0.1)

            async def recover() -> None:
                await anyio.sleep(0.1)
                proxy.up.swallow = False

            async with anyio.create_task_group() as group:
                group.start_soon(recover)
                assert await client.incr("counter") == 2
            assert proxy.accepted == 2

    async def test_e22_the_answer_to_the_check_does_not_matter(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as admin:
            await admin.execute("ACL", "SETUSER", "noping", "on", ">secret", "~*", "+@all", "-ping")
        async with store_at(
            valkey.dsn, user="noping", password="secret", health_check_interval=0.01
        ) as store:
            for _ in range(3):
                await anyio.sleep(0.02)
                await store.client().set("key", 1)


class TestTheLoopIsNotHeld:
    @pytest.mark.parametrize("transaction", [False, True], ids=["pipeline", "transaction"])
    async def test_f23_a_huge_pipeline(self, valkey: RealServer, transaction: bool) -> None:
        """Longest pause of a task beside 200 000 commands, without the machine's own pauses.

        With Python's garbage collector as it is: of the commands there is nothing for it to walk. What other tests
        have left is no business of this one. A machine with much to do computes more slowly, too, so the best of some
        counts: a step that holds the loop does so each time.
        """
        found: list[list[float]] = []
        async with store_at(valkey.dsn) as store:
            gc.collect()
            gc.freeze()
            try:
                while len(found) < 4 and (not found or found[-1][-2] >= 0.015):
                    found.append(sorted(await self.pauses_beside_commands(store, transaction)))
            finally:
                gc.unfreeze()
        # What one step of the loop costs; several of them may run between two ticks.
        assert found[-1][-2] < 0.015, [pauses[-5:] for pauses in found]

    async def pauses_beside_commands(self, store: RedisStore[bytes], transaction: bool) -> list[float]:
        """Seconds of computing between the turns of a task."""
        pauses: list[float] = []
        done = anyio.Event()

        async def tick() -> None:
            while not done.is_set():
                start = time.thread_time()
                await anyio.sleep(0.001)
                pauses.append(time.thread_time() - start)

        async with (
            store.pipeline(transaction=transaction) as pipe,
            anyio.create_task_group() as group,
        ):
            group.start_soon(tick)
            try:
                for number in range(200_000):
                    pipe.set("key", number)
                    if number % 100 == 0:
                        await checkpoint()
                results = await pipe.commit()
            finally:
                done.set()
        assert results == [True] * 200_000
        assert await store.client().get("key") == b"199999"
        assert len(pauses) > 50
        return pauses

    async def test_f23_a_large_value(self, valkey: RealServer) -> None:
        value = os.urandom(30_000_000)
        async with store_at(valkey.dsn) as store:
            client = store.client()
            await client.set("large", value)
            assert await client.get("large") == value
            await client.delete("large")


def test_stores_in_threads_of_their_own(valkey: RealServer) -> None:
    """One store for each loop; nothing is shared between them."""
    failures: list[BaseException] = []

    def run(backend: str) -> None:
        async def work() -> None:
            async with create_store(valkey.dsn) as store:
                client = store.client()
                for number in range(200):
                    await client.set(f"{backend}:{number}", number)
                    assert await client.get(f"{backend}:{number}") == b"%d" % number

        try:
            anyio.run(work, backend=backend)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(backend,)) for backend in ("asyncio", "trio")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
