"""What several `PubSub` of one store have in common, and what not: they share a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from anystore import Gap, Json, Message, create_store
from anystore.exceptions import NoPermission
from anystore.pulsards import PulsarDS
from anystore.redis import handshake, link
from anystore.redis.pubsub import PubSub
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.redis.test_pubsub_faults import kill_subscribers, next_gap, read, store_at, until
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["valkey", "pulsards", "memory"])
async def dsn(request: pytest.FixtureRequest, valkey: RealServer, anyio_backend: Any) -> AsyncIterator[str]:
    if request.param == "valkey":
        yield valkey.dsn
    elif request.param == "memory":
        yield "memory://shared"
    else:
        async with PulsarDS("127.0.0.1:0") as server:
            yield server.dsn


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[RedisStore[bytes]]:
    async with store_at(dsn) as store:
        yield store


@pytest.fixture
async def other(dsn: str, store: RedisStore[bytes]) -> AsyncIterator[RedisStore[bytes]]:
    """Another store on the same server: it publishes, and is asked."""
    async with store_at(dsn) as other:
        yield other


async def data(pubsub: PubSub[Any], count: int) -> list[Any]:
    return [(await read(pubsub)).data for _ in range(count)]


class TestOneConnection:
    async def test_it_is_for_all_of_them(self, store: RedisStore[bytes], other: RedisStore[bytes]) -> None:
        subscribers = [store.pubsub() for _ in range(5)]
        for pubsub in subscribers:
            await pubsub.subscribe("a")
            assert pubsub.connected
        assert store.statistics().pool.leased == 1
        assert await other.client().publish("a", "x") == 1
        for pubsub in subscribers:
            assert await read(pubsub) == Message("message", b"a", b"x")
        for pubsub in subscribers:
            assert await other.client().pubsub_numsub("a") == [(b"a", 1)]
            await pubsub.unsubscribe("a")
            assert [message async for message in pubsub] == []
        assert await other.client().pubsub_numsub("a") == [(b"a", 0)]
        await anyio.wait_all_tasks_blocked()
        assert (store.statistics().pool.leased, store.statistics().pool.idle) == (0, 1)

    async def test_closing_one_leaves_the_others(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        first, second = store.pubsub(), store.pubsub()
        await first.subscribe("a", "b")
        await first.psubscribe("p*")
        await second.subscribe("b", "c")
        await first.close()
        await second.subscribe("d")  # behind what closing has sent
        assert sorted(await other.client().pubsub_channels()) == [b"b", b"c", b"d"]
        assert await other.client().pubsub_numpat() == 0
        await other.client().publish("b", "x")
        assert await data(second, 1) == [b"x"]
        await second.close()
        assert store.statistics().pool.leased == 0
        await first.subscribe("a")
        assert await other.client().publish("a", "y") == 1
        assert await data(first, 1) == [b"y"]
        await first.close()

    async def test_channels_share_it_too(self, store: RedisStore[bytes], other: RedisStore[bytes]) -> None:
        heard: list[Any] = []
        done = anyio.Event()

        def hear(channel: Any, event: str, value: Any) -> None:
            heard.append(value)
            if len(heard) == 2:
                done.set()

        async with store.channels() as channels, store.channels() as more, store.pubsub() as pubsub:
            for each in (channels, more):
                await each.register("chat", "*", hear)
            await pubsub.subscribe("chat")
            assert store.statistics().pool.leased == 1
            assert await other.channels().publish("chat", "said", 7) == 1
            with anyio.fail_after(5):
                await done.wait()
            assert Json().decode((await read(pubsub)).data)["data"] == 7
        assert heard == [7, 7]

    async def test_a_server_without_resp3(self, valkey: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
        async def refused(*args: Any) -> bool:
            return False

        monkeypatch.setattr(handshake, "_hello", refused)
        async with store_at(valkey.dsn) as store, store.pubsub() as first, store.pubsub() as second:
            for pubsub in (first, second):
                await pubsub.subscribe("a")
            assert await store.client().publish("a", "x") == 1
            await first.unsubscribe("a")
            assert await store.client().publish("a", "y") == 1
            assert [message.data async for message in first] == [b"x"]
            assert await data(second, 2) == [b"x", b"y"]


class TestWhatIsForWhom:
    async def test_who_comes_later_hears_nothing_from_before(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        async with store.pubsub() as first:
            await first.subscribe("a")
            for number in range(0, 60, 2):
                await other.client().publish("a", number)
                async with store.pubsub() as later:
                    await later.subscribe("a")
                    await other.client().publish("a", number + 1)
                    assert await data(later, 1) == [b"%d" % (number + 1)]
                    assert await later.get_message() is None
            assert await data(first, 60) == [b"%d" % number for number in range(60)]

    async def test_who_leaves_gets_what_came_before(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        async with store.pubsub() as stays:
            await stays.subscribe("a")
            for _ in range(30):
                async with store.pubsub() as leaves:
                    await leaves.subscribe("a")
                    await other.client().publish("a", "1")
                    await other.client().publish("a", "2")
                    await leaves.unsubscribe("a")
                    await other.client().publish("a", "3")
                    assert [message.data async for message in leaves] == [b"1", b"2"]
                assert await data(stays, 3) == [b"1", b"2", b"3"]

    async def test_who_leaves_gets_what_is_on_its_way(self, valkey: RealServer) -> None:
        async with (
            store_at(valkey.dsn) as other,
            FaultProxy(valkey.port) as proxy,
            store_at(proxy.dsn) as store,
            store.pubsub() as leaves,
            store.pubsub() as stays,
        ):
            for pubsub in (leaves, stays):
                await pubsub.subscribe("a")
            proxy.pause()
            await other.client().publish("a", "1")
            async with anyio.create_task_group() as group:
                group.start_soon(leaves.unsubscribe, "a")
                await anyio.wait_all_tasks_blocked()
                proxy.resume()
            await other.client().publish("a", "2")
            assert [message.data async for message in leaves] == [b"1"]
            assert await data(stays, 2) == [b"1", b"2"]

    async def test_who_gives_up_before_the_confirmation_leaves_nothing(self, valkey: RealServer) -> None:
        """Also where others have asked for the same in front of it, or behind it."""
        async with (
            store_at(valkey.dsn) as other,
            FaultProxy(valkey.port) as proxy,
            store_at(proxy.dsn) as store,
            store.pubsub() as one,
            store.pubsub() as two,
        ):
            await one.subscribe("kept")
            proxy.pause()
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()

                async def cancelled(pubsub: PubSub[bytes]) -> None:
                    with scope:
                        await pubsub.subscribe("a", "b")

                group.start_soon(cancelled, two)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(one.subscribe, "b", "c")
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
                assert not two.subscribed
                proxy.resume()
            assert sorted(await other.client().pubsub_channels()) == [b"b", b"c", b"kept"]
            await other.client().publish("b", "x")
            assert await data(one, 1) == [b"x"]
            assert await two.get_message() is None

    async def test_each_by_its_own_subscriptions(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        async with store.pubsub() as one, store.pubsub() as two, store.pubsub() as three:
            await one.subscribe("ab")
            await one.psubscribe("a*", "*b")
            await two.psubscribe("*b")
            await three.ssubscribe("ab")
            assert await other.client().publish("ab", "x") == 3
            assert await other.client().spublish("ab", "y") == 1
            found = [await read(one) for _ in range(3)]
            assert {(message.kind, message.pattern) for message in found} == {
                *(("message", None), ("pmessage", b"a*"), ("pmessage", b"*b"))
            }
            assert await read(two) == Message("pmessage", b"ab", b"x", b"*b")
            assert await read(three) == Message("smessage", b"ab", b"y")
            for pubsub in (one, two, three):
                assert await pubsub.get_message() is None

    async def test_handlers_are_each_ones_own(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        seen: list[str] = []
        async with store.pubsub() as one, store.pubsub() as two:
            await one.subscribe(a=lambda message: seen.append("one"))
            await two.subscribe(a=lambda message: seen.append("two"))
            await other.client().publish("a", "x")
            assert [await read(two), await read(one)] == [None, None]
        assert seen == ["two", "one"]

    async def test_a_message_is_decoded_once_unless_a_reader_could_change_it(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        async with store.pubsub() as one, store.pubsub() as two:
            async with store.pubsub(Json()) as three, store.pubsub(Json()) as four:
                for pubsub in (one, two, three, four):
                    await pubsub.subscribe("a")
                await other.client().publish("a", "[1]")
                assert await read(one) is await read(two)
                changed = await read(three)
                changed.data.append(2)
                assert (await read(four)).data == [1]

    async def test_statuses_are_each_ones_own(self, store: RedisStore[bytes]) -> None:
        statuses: dict[str, list[str]] = {"one": [], "two": []}
        async with store.pubsub() as one, store.pubsub() as two:
            one.on_status, two.on_status = statuses["one"].append, statuses["two"].append
            await one.subscribe("a")
            await two.subscribe("a")
            assert statuses == {name: ["connecting", "connected"] for name in ("one", "two")}

    async def test_many_deliveries_let_others_run(
        self, store: RedisStore[bytes], other: RedisStore[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The limit counts what is delivered, however few messages that are."""
        monkeypatch.setattr(link, "DELIVERIES_A_TURN", 10)
        subscribers = [store.pubsub() for _ in range(20)]
        for pubsub in subscribers:
            await pubsub.subscribe("a")
        async with other.pipeline(transaction=False) as pipe:
            for number in range(50):
                pipe.publish("a", number)
            await pipe.commit()
        for pubsub in subscribers:
            assert await data(pubsub, 50) == [b"%d" % number for number in range(50)]
            await pubsub.close()


class TestSlowReaders:
    async def test_one_that_drops_costs_no_other_a_message(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        async with store.pubsub(buffer_size=2_000) as slow, store.pubsub() as patient:
            for pubsub in (slow, patient):
                await pubsub.subscribe("a")
            for number in range(100):
                await other.client().publish("a", number)
            assert await data(patient, 100) == [b"%d" % number for number in range(100)]
            gap = await read(slow)
            assert gap == Gap(dropped=gap.dropped)
            assert await data(slow, 100 - gap.dropped) == [b"%d" % n for n in range(gap.dropped, 100)]

    async def test_one_that_blocks_has_its_own_connection(
        self, store: RedisStore[bytes], other: RedisStore[bytes]
    ) -> None:
        async with store.pubsub(buffer_size=1_000, overflow="block") as blocks, store.pubsub() as shares:
            for pubsub in (blocks, shares):
                await pubsub.subscribe("a")
            assert store.statistics().pool.leased == 2
            for number in range(100):
                assert await other.client().publish("a", number) == 2
            expected = [b"%d" % number for number in range(100)]
            assert await data(shares, 100) == expected
            assert await data(blocks, 100) == expected


class TestLosses:
    async def test_all_come_back_and_are_told(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as admin, store_at(valkey.dsn) as store:
            subscribers = [store.pubsub() for _ in range(3)]
            for number, pubsub in enumerate(subscribers):
                await pubsub.subscribe("a", f"own{number}")
            for _ in range(5):
                assert await kill_subscribers(admin) == 1
                for pubsub in subscribers:
                    assert await next_gap(pubsub) == Gap(disconnects=1)
                assert await admin.client().publish("a", "x") == 1
                for number, pubsub in enumerate(subscribers):
                    assert await admin.client().publish(f"own{number}", number) == 1
                    assert await data(pubsub, 2) == [b"x", b"%d" % number]
            for pubsub in subscribers:
                await pubsub.close()
            assert store.statistics().pool.leased == 0

    async def test_one_that_comes_while_there_is_no_connection(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, reconnect_attempts=100) as store:
            async with store.pubsub() as first, store.pubsub() as second:
                await first.subscribe("a")
                proxy.refusing = True
                await proxy.cut()
                async with anyio.create_task_group() as group:
                    group.start_soon(second.subscribe, "b")
                    await anyio.sleep(0.05)
                    assert not second.connected
                    proxy.refusing = False
                assert second.connected
                assert await next_gap(first) == Gap(disconnects=1)
                assert await second.get_message() is None

    async def test_a_connection_that_cannot_be_had_is_not_kept_trying_for_nobody(
        self, valkey: RealServer
    ) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            pubsub = store.pubsub()
            await pubsub.subscribe("a")
            proxy.refusing = True
            await proxy.cut()
            await until(lambda: lost(pubsub))
            await pubsub.unsubscribe()
            await anyio.wait_all_tasks_blocked()
            statistics = store.statistics().pool
            assert (statistics.leased, statistics.connecting) == (0, 0)


async def lost(pubsub: PubSub[Any]) -> bool:
    await anyio.sleep(0.001)
    return not pubsub.connected


class TestRefusals:
    """What a user may not subscribe to is one caller's affair."""

    @pytest.fixture
    async def root(self, valkey: RealServer, anyio_backend: Any) -> AsyncIterator[RedisStore[bytes]]:
        async with store_at(valkey.dsn) as root:
            await root.execute("ACL", "SETUSER", "eve", "reset", "on", ">pw", "~*", "+@all", "&ok*")
            yield root
            await root.execute("ACL", "DELUSER", "eve")

    @pytest.fixture
    async def eve(self, valkey: RealServer, root: Any) -> AsyncIterator[RedisStore[bytes]]:
        async with store_at(f"redis://eve:pw@127.0.0.1:{valkey.port}") as eve:
            yield eve

    async def test_a_refused_call_costs_no_other(self, eve: RedisStore[bytes]) -> None:
        async with eve.pubsub() as one, eve.pubsub() as two:
            await one.subscribe("ok1")
            for _ in range(3):
                with pytest.raises(NoPermission):
                    await two.subscribe("ok2", "no")
            assert not two.subscribed
            assert await two.publish("ok1", "x") == 1
            assert await data(one, 1) == [b"x"]
            assert await one.channels() == [b"ok1"]

    async def test_what_is_not_allowed_any_more_ends_those_who_had_it(
        self, eve: RedisStore[bytes], root: RedisStore[bytes]
    ) -> None:
        async with eve.pubsub() as one, eve.pubsub() as two:
            await one.subscribe("ok1")
            await two.subscribe("ok1", "ok2")
            await root.execute("ACL", "SETUSER", "eve", "resetchannels", "&ok1")
            with pytest.raises(NoPermission), anyio.fail_after(5):
                async for message in two:
                    assert isinstance(message, Gap)
            assert not two.subscribed
            assert (await next_gap(one)).disconnects >= 1
            assert await root.client().publish("ok1", "x") == 1
            assert await data(one, 1) == [b"x"]

    async def test_what_was_cancelled_is_not_tried_again_when_it_is_refused(
        self, valkey: RealServer, root: RedisStore[bytes]
    ) -> None:
        async with (
            FaultProxy(valkey.port) as proxy,
            store_at(f"redis://eve:pw@127.0.0.1:{proxy.port}") as eve,
            eve.pubsub() as one,
            eve.pubsub() as two,
        ):
            await one.subscribe("ok1")
            proxy.pause()
            async with anyio.create_task_group() as group:
                group.start_soon(two.subscribe, "ok2", "no")
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            proxy.resume()
            await one.subscribe("ok3")
            await one.unsubscribe("ok3")  # behind the answers to what might be tried
            assert await root.client().pubsub_channels("ok*") == [b"ok1"]

    async def test_giving_up_needs_no_ping(self, eve: RedisStore[bytes], root: RedisStore[bytes]) -> None:
        async with eve.pubsub() as one, eve.pubsub() as two:
            await root.execute("ACL", "SETUSER", "eve", "-ping")
            for pubsub in (one, two):
                await pubsub.subscribe("ok1")
            await one.unsubscribe()
            assert not one.subscribed
            assert await root.client().publish("ok1", "x") == 1
            assert await data(two, 1) == [b"x"]


async def test_namespaces_share_nothing(dsn: str) -> None:
    """They are different stores."""
    async with (
        create_store(dsn, namespace="one:") as one,
        create_store(dsn, namespace="two:") as two,
        one.pubsub() as first,
        one.pubsub() as second,
        two.pubsub() as third,
    ):
        for pubsub in (first, second, third):
            await pubsub.subscribe("a")
        assert await first.publish("a", "x") == 1
        assert await read(first) == await read(second) == Message("message", b"a", b"x")
        assert await third.get_message() is None
