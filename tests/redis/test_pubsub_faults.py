"""Pub/sub when connections are lost, readers are slow and tasks are cancelled; each guarantee by its name."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystore import Gap, Json, create_store
from anystore.exceptions import (
    AuthenticationError,
    CommandTimeout,
    ConnectionFailed,
    NoPermission,
    PubSubError,
    StoreError,
)
from anystore.pulsards import PulsarDS
from anystore.redis import link
from anystore.redis.pubsub import PubSub
from anystore.redis.store import RedisStore
from anystore.resp.types import ErrorReply, PushReply
from tests.faultproxy import FaultProxy
from tests.servers import RealServer

pytestmark = pytest.mark.anyio

#: Seconds that what waits for nothing does not take, however much the machine has to do beside.
AT_ONCE = 5


def store_at(dsn: str, **options: Any) -> RedisStore[bytes]:
    store = create_store(dsn, **{"reconnect_delay": 0.005, "reconnect_max_delay": 0.02, **options})
    assert isinstance(store, RedisStore)
    return store


@pytest.fixture(params=["valkey", "pulsards"])
async def port(request: pytest.FixtureRequest, valkey: RealServer, anyio_backend: Any) -> AsyncIterator[int]:
    """Where a server listens."""
    if request.param == "valkey":
        yield valkey.port
    else:
        async with PulsarDS("127.0.0.1:0") as server:
            yield int(server.addresses[0].rpartition(":")[2])


@pytest.fixture
async def admin(port: int) -> AsyncIterator[RedisStore[bytes]]:
    """A store whose connections nobody cuts."""
    async with store_at(f"redis://127.0.0.1:{port}") as store:
        yield store


@pytest.fixture(params=[3, 2], ids=["resp3", "resp2"])
async def store(request: pytest.FixtureRequest, port: int) -> AsyncIterator[RedisStore[bytes]]:
    async with store_at(f"redis://127.0.0.1:{port}", protocol=request.param) as store:
        yield store


async def kill_subscribers(admin: RedisStore[bytes]) -> int:
    return int(await admin.execute("CLIENT", "KILL", "TYPE", "pubsub"))


async def next_gap(pubsub: PubSub[Any]) -> Gap:
    """Read up to the next gap."""
    with anyio.fail_after(20):
        while True:
            message = await pubsub.get_message(timeout=None)
            if isinstance(message, Gap):
                return message


async def read(pubsub: PubSub[Any]) -> Any:
    with anyio.fail_after(20):
        return await pubsub.get_message(timeout=None)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(20):
        while not await condition():
            await checkpoint()


class TestC15SubscriptionsComeBack:
    async def test_c15_after_twenty_kills_while_publishing(
        self, store: RedisStore[bytes], admin: RedisStore[bytes]
    ) -> None:
        numbers: list[int] = []
        async with store.pubsub() as pubsub, anyio.create_task_group() as group:
            await pubsub.subscribe("numbers", "a")
            await pubsub.psubscribe("p*")
            await pubsub.ssubscribe("s")

            async def publish() -> None:
                number = 0
                while True:
                    await admin.client().publish("numbers", number)
                    number += 1
                    await anyio.sleep(0.0005)

            group.start_soon(publish)
            for _ in range(20):
                assert await kill_subscribers(admin) == 1
                seen = False
                while not seen:
                    message = await read(pubsub)
                    seen = isinstance(message, Gap)
                    if message.channel == b"numbers":
                        numbers.append(int(message.data))
                assert message.disconnects >= 1
                assert message.dropped == 0
                # At the gap all is in place again.
                for channel in ("a", "p1"):
                    assert await admin.client().publish(channel, "x") == 1
                assert await admin.client().spublish("s", "x") == 1
                kinds = []
                while len(kinds) < 3:
                    message = await read(pubsub)
                    if message.channel == b"numbers":
                        numbers.append(int(message.data))
                    else:
                        kinds.append(message.kind)
                assert kinds == ["message", "pmessage", "smessage"]
            group.cancel_scope.cancel()
        assert numbers == sorted(set(numbers))

    async def test_c15_twice_in_quick_succession_at_any_byte(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("a", "b")
            await pubsub.psubscribe("p*")
            await proxy.cut()
            assert (await next_gap(pubsub)).disconnects == 1
            (again,) = proxy.links
            # From the first byte of the handshake to behind the last confirmation.
            for reply_bytes in range(0, again.down_bytes + 13, 13):
                proxy.down.cut_after = reply_bytes
                await proxy.cut()
                assert (await next_gap(pubsub)).disconnects >= 1
                proxy.down.cut_after = None
                async with store_at(f"redis://127.0.0.1:{port}") as admin:
                    for channel in ("a", "b", "p1"):
                        assert await admin.client().publish(channel, "x") == 1
                assert [(await read(pubsub)).channel for _ in range(3)] == [b"a", b"b", b"p1"]

    async def test_every_reconnection_is_told_to_clients(
        self, store: RedisStore[bytes], admin: RedisStore[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        gaps: list[Gap] = []
        statuses: list[str] = []
        told = anyio.Event()

        def on_gap(gap: Gap) -> None:
            gaps.append(gap)
            told.set()

        async with store.pubsub() as pubsub:
            pubsub.add_client(lambda channel, message: None, on_gap=on_gap)
            pubsub.on_status = statuses.append
            assert pubsub.on_status is not None
            await pubsub.subscribe("a")
            await kill_subscribers(admin)
            with anyio.fail_after(20):
                await told.wait()
            assert gaps == [Gap(disconnects=1)]
            assert statuses == ["connecting", "connected", "disconnected", "connecting", "connected"]
            assert pubsub.connected
        assert "subscriptions have no connection" in caplog.text
        assert "subscriptions are restored" in caplog.text

    async def test_what_was_given_up_meanwhile_does_not_come_back(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("a", "b")
            proxy.refusing = True
            await proxy.cut()
            await pubsub.unsubscribe("b")
            with pytest.raises(ConnectionFailed):
                async with store_at(proxy.dsn, reconnect_attempts=0):
                    pytest.fail("connected")
            proxy.refusing = False
            await next_gap(pubsub)
            assert await pubsub.channels() == [b"a"]

    async def test_a_subscription_made_meanwhile_waits_for_the_connection(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=100) as store:
            async with store.pubsub() as pubsub, anyio.create_task_group() as group:
                await pubsub.subscribe("a")
                proxy.refusing = True
                await proxy.cut()
                group.start_soon(pubsub.subscribe, "b")
                await anyio.sleep(0.05)
                assert not pubsub.connected
                proxy.refusing = False
            async with store.pubsub() as other:
                assert await other.channels("b") == [] or await other.count("b") == {b"b": 0}

    async def test_unsubscribing_while_the_connection_is_lost_returns(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("a", "b")
            proxy.pause()
            async with anyio.create_task_group() as group:
                group.start_soon(pubsub.unsubscribe, "a")
                await anyio.wait_all_tasks_blocked()
                proxy.resume()
                await proxy.cut()
            await next_gap(pubsub)
            assert await pubsub.channels() == [b"b"]

    async def test_no_gap_where_nothing_was_in_place(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await proxy.cut()
            proxy.down.cut_after = 100  # within the handshake, or the confirmation
            await pubsub.subscribe("a")
            await pubsub.publish("a", "x")
            assert (await read(pubsub)).data == b"x"


class TestWhatCannotBe:
    async def test_a_server_that_is_away_fails_the_call(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=2) as store:
            async with store.pubsub() as pubsub:
                proxy.refusing = True
                with pytest.raises(ConnectionFailed):
                    await pubsub.subscribe("a")
                assert not pubsub.subscribed
                assert [message async for message in pubsub] == []
                proxy.refusing = False
                await pubsub.subscribe("b")
                assert await pubsub.channels() == [b"b"]

    async def test_one_that_cuts_every_connection_fails_it_too(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=2) as store:
            async with store.pubsub() as pubsub:

                async def cut_forever() -> None:
                    while True:
                        proxy.up.cut_after = 150  # behind the handshake, in the subscription
                        await anyio.sleep(0.001)

                async with anyio.create_task_group() as group:
                    group.start_soon(cut_forever)
                    with pytest.raises(ConnectionFailed):
                        await pubsub.subscribe("c" * 1_000)
                    group.cancel_scope.cancel()
                proxy.up.cut_after = None
                await pubsub.subscribe("a")

    async def test_a_call_that_keeps_goes_on_trying(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=0) as store:
            async with store.pubsub() as pubsub, anyio.create_task_group() as group:
                proxy.refusing = True
                group.start_soon(pubsub.keep_subscribed, "a")
                with pytest.raises(ConnectionFailed):
                    await pubsub.subscribe("b")
                assert pubsub.subscribed
                proxy.refusing = False

    async def test_a_confirmation_that_does_not_come(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, command_timeout=1) as store:
            async with store.pubsub() as pubsub:
                await pubsub.subscribe("a")
                proxy.pause()
                with pytest.raises(CommandTimeout, match="did not confirm"):
                    await pubsub.subscribe("b")
                proxy.resume()
                assert (await next_gap(pubsub)).disconnects == 1
                assert await pubsub.channels() == [b"a"]

    async def test_a_server_that_is_gone_without_a_word_is_noticed(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link, "HEALTH_SECONDS", 1)
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, health_check_interval=0.05) as store:
            async with store.pubsub() as pubsub:
                await pubsub.subscribe("a")
                await anyio.sleep(0.2)  # some checks that are answered
                assert pubsub.connected
                proxy.pause()
                await until(lambda: _false_then(pubsub))
                proxy.resume()
                assert (await next_gap(pubsub)).disconnects == 1

    async def test_closing_while_a_call_waits(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store:
            pubsub = store.pubsub()
            await pubsub.subscribe("a")
            proxy.pause()

            async def subscribe() -> None:
                with pytest.raises(PubSubError, match="closed"):
                    await pubsub.subscribe("b")

            async with anyio.create_task_group() as group:
                group.start_soon(subscribe)
                group.start_soon(pubsub.unsubscribe, "a")
                await anyio.wait_all_tasks_blocked()
                await pubsub.close()
            proxy.resume()
            assert store.statistics().pool.leased == 0

    async def test_giving_up_what_another_task_subscribes_to(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("stays")
            proxy.pause()

            async def subscribe() -> None:
                with pytest.raises(PubSubError, match="given up"):
                    await pubsub.subscribe("a", "b")

            async with anyio.create_task_group() as group:
                group.start_soon(subscribe)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(pubsub.unsubscribe, "a")
                await anyio.wait_all_tasks_blocked()
                proxy.resume()
            await until(lambda: _equals(pubsub.channels(), [b"stays"]))


async def _false_then(pubsub: PubSub[Any]) -> bool:
    await anyio.sleep(0.01)
    return not pubsub.connected


async def _equals(call: Awaitable[Any], value: Any) -> bool:
    return bool(await call == value)


class TestRefusals:
    """What a user may not subscribe to."""

    @pytest.fixture
    async def root(self, valkey: RealServer, anyio_backend: Any) -> AsyncIterator[RedisStore[bytes]]:
        async with store_at(valkey.dsn) as root:
            await root.execute("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "&ok*")
            yield root
            await root.execute("ACL", "DELUSER", "bob")

    @pytest.fixture
    async def bob(self, valkey: RealServer, root: Any) -> AsyncIterator[RedisStore[bytes]]:
        async with store_at(f"redis://bob:pw@127.0.0.1:{valkey.port}") as bob:
            yield bob

    async def test_the_call_raises_and_the_rest_stays(self, bob: RedisStore[bytes]) -> None:
        async with bob.pubsub() as pubsub:
            with pytest.raises(NoPermission):
                await pubsub.subscribe("no")
            await pubsub.subscribe("ok1")
            with pytest.raises(NoPermission):
                await pubsub.subscribe("ok2", "no")
            with pytest.raises(NoPermission):
                await pubsub.keep_subscribed("no")
            assert await pubsub.channels() == [b"ok1"]
            await pubsub.publish("ok1", "x")
            assert (await read(pubsub)).data == b"x"

    async def test_one_call_that_is_refused_costs_no_other(self, bob: RedisStore[bytes]) -> None:
        async with bob.pubsub() as pubsub, anyio.create_task_group() as group:

            async def refused() -> None:
                with pytest.raises(NoPermission):
                    await pubsub.subscribe("no")

            group.start_soon(refused)
            group.start_soon(pubsub.subscribe, "ok")

    async def test_what_was_allowed_and_is_not_any_more_ends_reading(
        self, bob: RedisStore[bytes], root: RedisStore[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with bob.pubsub() as pubsub:
            await pubsub.subscribe("ok1", "ok2")
            await root.execute("ACL", "SETUSER", "bob", "resetchannels", "&ok1")
            with pytest.raises(NoPermission), anyio.fail_after(20):
                async for message in pubsub:
                    assert isinstance(message, Gap)
            assert not pubsub.subscribed
            assert "came to an end" in caplog.text
            await pubsub.subscribe("ok1")
            await pubsub.publish("ok1", "x")
            assert (await read(pubsub)).data == b"x"

    async def test_giving_up_is_refused(self, bob: RedisStore[bytes], root: RedisStore[bytes]) -> None:
        async with bob.pubsub() as pubsub:
            await pubsub.subscribe("ok1", "ok2", "ok3")
            await root.execute("ACL", "SETUSER", "bob", "-unsubscribe")
            for names in (["ok1"], ["ok2", "ok3"]):
                with pytest.raises(NoPermission):
                    await pubsub.unsubscribe(names)
            assert not pubsub.subscribed
            # The connection that the server would go on sending on is not used any more.
            await until(lambda: _equals(root.client().publish("ok1", "x"), 0))
            assert await bob.client().blpop("nothing", timeout=0.01) is None
            await pubsub.subscribe("ok4")
            await root.client().publish("ok4", "x")
            assert (await read(pubsub)).channel == b"ok4"

    async def test_a_password_that_is_not_accepted_any_more(
        self, bob: RedisStore[bytes], root: RedisStore[bytes]
    ) -> None:
        statuses: list[str] = []
        async with bob.pubsub() as pubsub:
            pubsub.on_status = statuses.append
            await pubsub.subscribe("ok1")
            await root.execute("ACL", "SETUSER", "bob", "resetpass", ">other")
            await kill_subscribers(root)
            with pytest.raises(AuthenticationError), anyio.fail_after(20):
                async for message in pubsub:
                    assert isinstance(message, Gap)
            assert statuses[-1] == "disconnected"
            with pytest.raises(AuthenticationError):
                await pubsub.subscribe("ok1")
            assert not pubsub.subscribed


class TestUnaskedFor:
    """What a server may send that nothing had asked for."""

    @pytest.mark.parametrize(
        "reply",
        [PushReply([b"sunsubscribe", b"s", 0]), ErrorReply(b"ERR something else")],
        ids=["a shard channel has moved", "an error"],
    )
    async def test_the_subscriptions_are_made_anew(self, anyio_backend: Any, reply: Any) -> None:
        async with PulsarDS("127.0.0.1:0") as server, store_at(server.dsn) as store, store.pubsub() as pubsub:
            await pubsub.ssubscribe("s")
            (session,) = server.engine.broker.shard_channels[b"s"]
            session.push_reply(reply)
            server.engine.flush()
            assert await next_gap(pubsub) == Gap(disconnects=1)
            assert await store.client().spublish("s", "x") == 1
            assert (await read(pubsub)).data == b"x"

    async def test_other_messages_are_nobodys(self, anyio_backend: Any) -> None:
        async with PulsarDS("127.0.0.1:0") as server, store_at(server.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            (session,) = server.engine.broker.channels[b"a"]
            for reply in (PushReply([b"invalidate", [b"key"]]), PushReply([b"message", b"b", b"x"]), b"PONG"):
                session.push_reply(reply)
            server.engine.flush()
            await pubsub.publish("a", "y")
            assert (await read(pubsub)).data == b"y"


class TestC16SlowReaders:
    MESSAGES = 1_000
    SIZE = 100_000
    BUFFER = 2 << 20

    async def flood(self, admin: RedisStore[bytes]) -> None:
        """100 MB, each message beginning with its number."""
        filling = b"x" * (self.SIZE - 8)
        for number in range(self.MESSAGES):
            assert await admin.client().publish("a", b"%08d" % number + filling) == 1
        assert await admin.client().publish("a", b"end") == 1

    @pytest.mark.parametrize("overflow", ["drop_oldest", "raise"])
    async def test_c16_what_is_delivered_and_what_is_reported_lost_add_up(
        self, store: RedisStore[bytes], admin: RedisStore[bytes], overflow: str
    ) -> None:
        numbers: list[int] = []
        lost = 0
        async with store.pubsub(buffer_size=self.BUFFER, overflow=overflow) as pubsub:
            await pubsub.subscribe("a")
            # A ping of another user of the store must not have to wait for the slow reader.
            pings: list[float] = []

            async def ping() -> None:
                while True:
                    start = anyio.current_time()
                    await store.ping()
                    pings.append(anyio.current_time() - start)
                    await anyio.sleep(0.01)

            async with anyio.create_task_group() as group:
                tracemalloc.start()
                try:
                    group.start_soon(ping)
                    group.start_soon(self.flood, admin)
                    while True:
                        try:
                            message = await read(pubsub)
                        except PubSubError as error:
                            lost += error.lost
                            continue
                        if isinstance(message, Gap):
                            assert message.disconnects == 0
                            lost += message.dropped
                            continue
                        if message.data == b"end":
                            break
                        numbers.append(int(message.data[:8]))
                        await anyio.sleep(0.005)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                group.cancel_scope.cancel()
        assert numbers == sorted(set(numbers))
        assert len(numbers) + lost == self.MESSAGES
        assert lost > 0
        assert peak < self.BUFFER + (20 << 20)
        # Were they to wait for the reader, they would be few, and each would take as long as it reads.
        assert sorted(pings)[len(pings) // 2] < 1

    async def test_c16_blocking_reads_no_further_and_loses_nothing(
        self, store: RedisStore[bytes], admin: RedisStore[bytes]
    ) -> None:
        """The server keeps what is not read: it is told to keep all of it."""
        client = admin.client()
        before = (await client.config_get("client-output-buffer-limit"))["client-output-buffer-limit"]
        await client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
        numbers: list[int] = []
        try:
            async with store.pubsub(buffer_size=self.BUFFER, overflow="block") as pubsub:
                await pubsub.subscribe("a")
                await self.flood(admin)
                await anyio.wait_all_tasks_blocked()
                buffered = pubsub._inbox.buffer
                assert self.BUFFER <= buffered.bytes < self.BUFFER + 2 * self.SIZE
                assert await store.ping()
                # Confirmations are behind the messages, and do not wait for the reader.
                with anyio.fail_after(20):
                    await pubsub.subscribe("b")
                async for message in pubsub:
                    assert not isinstance(message, Gap)
                    if message.data == b"end":
                        break
                    numbers.append(int(message.data[:8]))
        finally:
            await client.config_set("client-output-buffer-limit", before)
        assert numbers == list(range(self.MESSAGES))

    async def test_c16_a_blocking_reader_that_the_server_cuts_off_is_told(
        self, store: RedisStore[bytes], admin: RedisStore[bytes]
    ) -> None:
        async with store.pubsub(buffer_size=self.BUFFER, overflow="block") as pubsub:
            await pubsub.subscribe("a")
            filling = b"x" * 10_000  # Valkey does not count longer ones, which it does not copy
            with anyio.fail_after(20):
                while await admin.client().publish("a", filling):
                    pass
            assert (await next_gap(pubsub)).lost is None
            assert await admin.client().publish("a", "x") == 1


class TestB12OneReader:
    async def test_b12_health_checks_beside_messages_and_commands(
        self, port: int, admin: RedisStore[bytes]
    ) -> None:
        seen: list[int] = []
        async with store_at(f"redis://127.0.0.1:{port}", health_check_interval=0.01) as store:
            async with store.pubsub() as pubsub, anyio.create_task_group() as group:
                await pubsub.subscribe("a")

                async def reader() -> None:
                    while True:
                        message = await pubsub.get_message(timeout=0.003)
                        if message is not None:
                            assert message.kind == "message"
                            seen.append(int(message.data))

                async def commands() -> None:
                    for number in range(200):
                        assert await store.client().set("k", number)
                        await anyio.sleep(0.005)

                for _ in range(3):
                    group.start_soon(reader)
                async with anyio.create_task_group() as publishing:
                    publishing.start_soon(commands)
                    for number in range(40):
                        await admin.client().publish("a", number)
                        await anyio.sleep(0.03)  # silence for some checks
                await until(lambda: _equals(_async(len(seen)), 40))
                group.cancel_scope.cancel()
        assert sorted(seen) == list(range(40))


async def _async(value: Any) -> Any:
    await anyio.sleep(0.001)
    return value


class TestB14Idle:
    async def test_b14_an_idle_subscriber_wakes_nothing_up(
        self, store: RedisStore[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        woken: list[str] = []
        async with store.pubsub() as pubsub, anyio.create_task_group() as group:
            await pubsub.subscribe("a")
            group.start_soon(pubsub.get_message, True, None)
            await anyio.wait_all_tasks_blocked()
            for name in ("_take", "_check", "_connect"):
                original = getattr(link.Link, name)

                def spy(self: Any, *args: Any, _name: str = name, _original: Any = original) -> Any:
                    woken.append(_name)
                    return _original(self, *args)

                monkeypatch.setattr(link.Link, name, spy)
            before = time.thread_time()
            await anyio.sleep(2)
            used = time.thread_time() - before
            group.cancel_scope.cancel()
        assert woken == []
        assert used < 0.2


class TestCancellation:
    """Cancelled anywhere, a call leaves the object usable, and the server with no subscription that nobody has."""

    async def is_usable(self, pubsub: PubSub[bytes], channels: list[bytes]) -> None:
        with anyio.fail_after(20):
            await pubsub.subscribe("usable")
            while sorted(await pubsub.channels()) != sorted([*channels, b"usable"]):
                await checkpoint()
            await pubsub.publish("usable", "x")
            while (await read(pubsub)).channel != b"usable":
                pass
            await pubsub.unsubscribe("usable")

    @pytest.mark.parametrize("connected", [False, True])
    async def test_subscribing_at_every_step(
        self, store: RedisStore[bytes], admin: RedisStore[bytes], connected: bool
    ) -> None:
        await admin.execute("FLUSHALL")
        finished = False
        turns = 0
        while not finished:
            async with store.pubsub() as pubsub:
                if connected:
                    await pubsub.subscribe("before")
                async with anyio.create_task_group() as group:
                    scope = anyio.CancelScope()

                    async def subscribe(pubsub: PubSub[bytes], scope: anyio.CancelScope) -> None:
                        with scope:
                            await pubsub.subscribe("a", "b")

                    group.start_soon(subscribe, pubsub, scope)
                    for _ in range(turns):
                        await checkpoint()
                    scope.cancel()
                subscribed = [b"before"] if connected else []
                if not scope.cancelled_caught:
                    finished = True
                    subscribed += [b"a", b"b"]
                await self.is_usable(pubsub, subscribed)
            await until(lambda: _equals(store.pubsub().channels(), []))
            assert store.statistics().pool.leased == 0
            turns += 1 if turns < 30 else 10

    async def test_subscribing_on_a_stopped_server_gives_in_at_once(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("before")
            proxy.pause()
            for call in (pubsub.subscribe, pubsub.psubscribe, pubsub.ssubscribe, pubsub.unsubscribe):
                taken = []
                for number in range(3):
                    async with anyio.create_task_group() as group:
                        group.start_soon(call, f"c{number}", "before")
                        await anyio.wait_all_tasks_blocked()
                        start = anyio.current_time()
                        group.cancel_scope.cancel()
                    taken.append(anyio.current_time() - start)
                assert min(taken) < AT_ONCE
            proxy.resume()
            assert await pubsub.count_patterns() == 0
            await self.is_usable(pubsub, [])

    async def test_another_task_that_wants_the_same_gets_it(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("before")
            proxy.pause()
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()

                async def cancelled() -> None:
                    with scope:
                        await pubsub.subscribe("a", "b")

                group.start_soon(cancelled)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(pubsub.subscribe, "b", "c")
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
                proxy.resume()
            await self.is_usable(pubsub, [b"before", b"b", b"c"])

    async def test_a_call_that_keeps_leaves_it_declared(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn) as store, store.pubsub() as pubsub:
            proxy.refusing = True
            with anyio.move_on_after(0.05):
                await pubsub.keep_subscribed("a")
            proxy.refusing = False
            await until(lambda: _equals(_async(pubsub.connected), True))
            assert await pubsub.channels() == [b"a"]

    async def test_reading_loses_nothing(self, store: RedisStore[bytes], admin: RedisStore[bytes]) -> None:
        numbers: list[int] = []
        async with store.pubsub() as pubsub, anyio.create_task_group() as group:
            await pubsub.subscribe("a")

            async def publish() -> None:
                for number in range(500):
                    await admin.client().publish("a", number)

            group.start_soon(publish)
            turns = 0
            while len(numbers) < 500:
                async with anyio.create_task_group() as inner:

                    async def reader() -> None:
                        async for message in pubsub:
                            numbers.append(int(message.data))

                    inner.start_soon(reader)
                    for _ in range(turns % 7):
                        await checkpoint()
                    turns += 1
                    inner.cancel_scope.cancel()
                await checkpoint()
        assert numbers == list(range(500))

    async def test_leaving_the_block_while_cancelled_closes_it(
        self, store: RedisStore[bytes], admin: RedisStore[bytes]
    ) -> None:
        with anyio.CancelScope() as scope:
            async with store.pubsub() as pubsub:
                await pubsub.subscribe("a")
                scope.cancel()
                await pubsub.get_message(timeout=None)
        assert not pubsub.subscribed
        assert store.statistics().pool.leased == 0
        await until(lambda: _equals(admin.client().pubsub_channels(), []))

    async def test_a_handler_is_not_cut_short_by_the_time_limit_for_messages(
        self, store: RedisStore[bytes]
    ) -> None:
        done: list[str] = []

        async def handler(message: Any) -> None:
            await anyio.sleep(0.05)
            done.append(message.kind)

        async with store.pubsub() as pubsub:
            await pubsub.subscribe(a=handler)
            await pubsub.publish("a", "x")
            await until(lambda: _equals(_async(pubsub._inbox.buffer.bytes > 0), True))
            assert await pubsub.get_message(timeout=0.03) is None
        assert done == ["message"]


class TestThePool:
    @pytest.mark.parametrize("alone", [{"protocol": 2}, {"pubsub_overflow": "block"}], ids=["resp2", "block"])
    async def test_those_with_a_connection_of_their_own_are_bounded_with_it(
        self, port: int, alone: dict[str, Any]
    ) -> None:
        options = {"pool_size": 2, "pool_timeout": 1, "reconnect_attempts": 0, **alone}
        async with store_at(f"redis://127.0.0.1:{port}", **options) as store:
            subscribers = [store.pubsub(Json()) for _ in range(3)]
            for pubsub in subscribers[:2]:
                await pubsub.subscribe("a")
            with pytest.raises(CommandTimeout, match="none of the 2 connections"):
                await subscribers[2].subscribe("a")
            await subscribers[0].close()
            await subscribers[2].subscribe("a")
            assert await subscribers[0].publish("a", 1) == 2

    async def test_however_they_end_their_places_come_back(
        self, store: RedisStore[bytes], admin: RedisStore[bytes]
    ) -> None:
        for number in range(100):
            pubsub = store.pubsub()
            await pubsub.subscribe("a")
            if number % 3 == 0:
                await kill_subscribers(admin)
            if number % 3 == 1:
                await pubsub.unsubscribe()
            await pubsub.close()
        await anyio.wait_all_tasks_blocked()
        statistics = store.statistics().pool
        assert (statistics.leased, statistics.connecting, statistics.waiting) == (0, 0, 0)

    async def test_errors_of_a_store_that_is_not_open(self, port: int) -> None:
        store = store_at(f"redis://127.0.0.1:{port}")
        with pytest.raises(StoreError, match="not open"):
            async with store.pubsub():
                pytest.fail("opened")
        with pytest.raises(StoreError, match="not open"):
            await store.pubsub().subscribe("a")
