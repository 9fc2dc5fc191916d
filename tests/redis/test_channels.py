"""Callbacks for events on channels, on pulsards and on Valkey."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystore import Gap, Json, create_store
from anystore.exceptions import NoPermission, PubSubError, StoreError
from anystore.pulsards import PulsarDS
from anystore.redis.channels import CallbackError, Channel, Channels, StatusType
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


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
async def store(port: int) -> AsyncIterator[RedisStore[bytes]]:
    async with store_at(f"redis://127.0.0.1:{port}") as store:
        yield store


@pytest.fixture
async def channels(store: RedisStore[bytes]) -> AsyncIterator[Channels[bytes]]:
    """Channels that are not connected yet, and are closed afterwards."""
    channels = store.channels()
    yield channels
    await channels.close()


class Recorder:
    """A callback that keeps what it was called with."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self._more = anyio.Event()

    def __call__(self, channel: Channel, event: str, data: Any) -> None:
        self.seen.append((channel.name, event, data))
        self._more.set()
        self._more = anyio.Event()

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.seen]

    async def wait_for(self, count: int) -> list[tuple[str, str, Any]]:
        with anyio.fail_after(20):
            while len(self.seen) < count:
                await self._more.wait()
        return self.seen

    async def wait_for_event(self, event: str) -> Any:
        """The data of the latest event of this name."""
        with anyio.fail_after(20):
            while event not in self.events:
                await self._more.wait()
        return next(data for _, name, data in reversed(self.seen) if name == event)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(20):
        while not await condition():
            await checkpoint()


class TestProperties:
    async def test_before_anything_happens(self, channels: Channels[bytes]) -> None:
        assert channels.status is StatusType.initialised
        assert len(channels) == 1
        assert "server" in channels
        assert len(channels.status_channel) == 0
        assert isinstance(channels.pubsub.protocol, Json)
        assert bool(channels)

    async def test_registering_alone_does_not_connect(self, channels: Channels[bytes]) -> None:
        channel = await channels.register("foo", "*", Recorder())
        assert channels.status is StatusType.initialised
        assert channel.events == ("*",)
        assert "*" in channel
        assert str(channel) == "foo"
        assert repr(channel) == "<Channel foo *>"
        assert len(channels) == 2
        assert "foo" in channels
        assert [each.name for each in channels] == ["server", "foo"]
        assert not channels.pubsub.subscribed

    async def test_unregistering(self, channels: Channels[bytes]) -> None:
        one, other = Recorder(), Recorder()
        for callback in (one, other):
            await channels.register("foo", "a*", callback)
        channel = await channels.unregister("foo", "a*", one)
        assert channel is not None
        assert len(channel) == 1
        assert await channels.unregister("foo", "never", one) is channel
        assert await channels.unregister("foo", "a*", other) is channel
        assert len(channel) == 0
        assert len(channels) == 1
        assert await channels.unregister("foo", "a*", other) is None
        assert await channels.unregister("server", "a*", other) is channels.status_channel

    async def test_namespaces(self, store: RedisStore[bytes]) -> None:
        assert store.channels().namespace == ""
        for given in ("foo", "foo_"):
            channels = store.channels(namespace=given)
            assert channels.namespace == "foo_"
            assert channels.prefixed("bar") == channels.prefixed("foo_bar") == "foo_bar"
            assert repr(channels) == f"<Channels {store} foo_* initialised>"

    async def test_a_protocol_of_ones_own(self, store: RedisStore[bytes]) -> None:
        protocol = Json()
        assert store.channels(protocol).pubsub.protocol is protocol

    async def test_another_status_channel(self, store: RedisStore[bytes]) -> None:
        async with Channels(store.pubsub(), status_channel="health") as channels:
            assert channels.status_channel.name == "health"
            assert await channels.pubsub.channels() == [b"health"]


class TestEvents:
    async def test_an_event(self, channels: Channels[bytes]) -> None:
        recorder = Recorder()
        await channels.register("test", "*", recorder)
        await channels.connect()
        assert channels.status is StatusType.connected
        assert await channels.publish("test", "boom", "ciao!") == 1
        assert await channels.publish("test", "bare") == 1
        assert await recorder.wait_for(2) == [("test", "boom", "ciao!"), ("test", "bare", None)]

    async def test_registering_while_connected(self, channels: Channels[bytes]) -> None:
        await channels.connect()
        recorder = Recorder()
        await channels.register("test", "boom", recorder)
        assert await channels.publish("test", "boom", [1]) == 1
        await recorder.wait_for(1)
        await channels.unregister("test", "boom", recorder)
        assert await channels.publish("test", "boom", [1]) == 0

    async def test_they_match_patterns(self, channels: Channels[bytes]) -> None:
        patterns = ["*", "user.*", "user.[ab]?", "user.[^a]*", "exact", r"star\*", r"br\[", "[!]"]
        matched: dict[str, set[str]] = {}
        done = Recorder()

        def recorder(pattern: str) -> Any:
            return lambda channel, event, data: matched.setdefault(event, set()).add(pattern)

        for pattern in patterns:
            await channels.register("test", pattern, recorder(pattern))
        await channels.register("test", "end", done)
        await channels.connect()
        for event in (
            "user.",
            "user.a1",
            "user.c1",
            "exact",
            "exactly",
            "star*",
            "starry",
            "br[",
            "[!]",
            "end",
        ):
            await channels.publish("test", event)
        await done.wait_for(1)
        assert {event: sorted(found - {"*"}) for event, found in matched.items()} == {
            "user.": ["user.*"],
            "user.a1": ["user.*", "user.[ab]?"],
            "user.c1": ["user.*", "user.[^a]*"],
            "exact": ["exact"],
            "exactly": [],
            "star*": [r"star\*"],
            "starry": [],
            "br[": [r"br\["],
            "[!]": ["[!]"],
            "end": [],
        }

    async def test_callbacks_are_called_in_order_and_once(self, channels: Channels[bytes]) -> None:
        seen: list[str] = []
        done = Recorder()

        async def slow(channel: Channel, event: str, data: Any) -> None:
            await anyio.sleep(0.001)
            seen.append(f"slow {data}")

        def quick(channel: Channel, event: str, data: Any) -> None:
            seen.append(f"quick {data}")

        for callback in (slow, quick, slow):
            await channels.register("test", "n", callback)
        await channels.register("test", "end", done)
        await channels.connect()
        for number in range(3):
            await channels.publish("test", "n", number)
        await channels.publish("test", "end")
        await done.wait_for(1)
        assert seen == ["slow 0", "quick 0", "slow 1", "quick 1", "slow 2", "quick 2"]

    async def test_callbacks_may_use_the_channels(self, channels: Channels[bytes]) -> None:
        answers = Recorder()

        async def answer(channel: Channel, event: str, data: Any) -> None:
            await channels.register("answers", "*", answers)
            await channels.publish("answers", "pong", data)
            await channels.unregister("questions", "ping", answer)

        await channels.register("questions", "ping", answer)
        await channels.connect()
        await channels.publish("questions", "ping", 7)
        assert await answers.wait_for(1) == [("answers", "pong", 7)]
        await until(lambda: _gone(channels, "questions"))

    async def test_one_that_fails_is_logged_and_stays(
        self, channels: Channels[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        recorder = Recorder()

        def bad(channel: Channel, event: str, data: Any) -> None:
            raise LookupError("bad callback")

        await channels.register("test", "*", bad)
        await channels.register("test", "*", recorder)
        await channels.connect()
        await channels.publish("test", "a")
        await channels.publish("test", "b")
        await recorder.wait_for(2)
        assert caplog.text.count("LookupError: bad callback") == 2

    async def test_one_that_has_enough_unregisters_itself(self, channels: Channels[bytes]) -> None:
        calls: list[str] = []
        recorder = Recorder()

        async def once(channel: Channel, event: str, data: Any) -> None:
            calls.append(event)
            raise CallbackError

        await channels.register("test", "*", once)
        await channels.register("test", "*", recorder)
        await channels.connect()
        await channels.publish("test", "a")
        await channels.publish("test", "b")
        await recorder.wait_for(2)
        assert calls == ["a"]

    async def test_what_others_publish_may_have_any_form(
        self, channels: Channels[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        recorder = Recorder()
        await channels.register("test", "*", recorder)
        await channels.connect()
        client = channels.store.client()
        texts = ["[1]", '{"no": "event"}', '{"event": 5, "data": 6}', "no JSON", "[" * 100_000]
        # Decoded without trouble, and yet deep enough that to show it may be too much, anywhere in between.
        texts += [f'{{"event": {"[" * depth}{"]" * depth}, "data": 7}}' for depth in range(800, 1000, 10)]
        for text in [*texts, '{"event": "e"}']:
            await client.publish("test", text)
        await recorder.wait_for_event("e")
        assert [event for event in recorder.seen if event[2] != 7] == [
            ("test", "", [1]),
            ("test", "", None),
            ("test", "5", 6),
            ("test", "e", None),
        ]
        assert "channel b'test' cannot be decoded: Expecting value" in caplog.text
        assert "channel b'test' cannot be decoded: it is nested too deeply" in caplog.text

    async def test_the_message_as_others_see_it(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub(Json()) as pubsub:
            await pubsub.subscribe("foo_test")
            await store.channels(namespace="foo").publish("test", "boom", {"a": 1})
            message = await pubsub.get_message(timeout=5)
            assert message is not None
            assert message.data == {"event": "boom", "channel": "test", "data": {"a": 1}}

    async def test_namespaces_keep_apart(self, store: RedisStore[bytes], port: int) -> None:
        async with (
            store_at(f"redis://127.0.0.1:{port}", namespace="app:") as other,
            store.channels(namespace="one") as one,
            store.channels(namespace="two") as two,
            other.channels(namespace="one") as three,
        ):
            recorders = [Recorder() for _ in range(3)]
            for each, recorder in zip((one, two, three), recorders, strict=True):
                await each.register("test", "*", recorder)
            for number, each in enumerate((one, two, three)):
                assert await each.publish("test", "e", number) == 1
            for number, recorder in enumerate(recorders):
                assert await recorder.wait_for(1) == [("test", "e", number)]
            assert sorted(await store.pubsub().channels("*test")) == [
                *(b"app:one_test", b"one_test", b"two_test")
            ]

    async def test_a_store_that_decodes(self, port: int) -> None:
        async with store_at(f"redis://127.0.0.1:{port}", decode_responses=True) as store:
            recorder = Recorder()
            async with store.channels() as channels:
                await channels.register("tést", "*", recorder)
                await channels.publish("tést", "é", "ü")
                assert await recorder.wait_for(1) == [("tést", "é", "ü")]

    async def test_events_that_are_lost_are_told(self, store: RedisStore[bytes]) -> None:
        for overflow in ("drop_oldest", "raise"):
            status, done = Recorder(), Recorder()
            go_on = anyio.Event()

            async def slow(channel: Channel, event: str, data: Any, go_on: anyio.Event = go_on) -> None:
                await go_on.wait()

            async with Channels(store.pubsub(buffer_size=4_000, overflow=overflow)) as channels:
                await channels.register("server", "gap", status)
                await channels.register("test", "n", slow)
                await channels.register("test", "end", done)
                for _ in range(100):
                    await channels.publish("test", "n")
                await channels.publish("test", "end")
                await anyio.wait_all_tasks_blocked()
                go_on.set()
                await done.wait_for(1)
                gap = await status.wait_for_event("gap")
                assert isinstance(gap, Gap)
                assert gap.dropped > 50


async def _gone(channels: Channels[Any], name: str) -> bool:
    await anyio.sleep(0.001)
    return name not in channels


class TestStatus:
    async def test_it_is_told_on_the_status_channel(
        self, channels: Channels[bytes], store: RedisStore[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "anystore.channels")
        status = Recorder()
        await channels.register("server", "*", status)
        await channels.connect()
        await status.wait_for_event("connected")
        await store.execute("CLIENT", "KILL", "TYPE", "pubsub")
        assert await status.wait_for_event("gap") == Gap(disconnects=1)
        await status.wait_for(6)
        await channels.close()
        assert channels.status is StatusType.closed
        assert [event for event in status.events if event != "gap"] == [
            *("connecting", "connected", "disconnected", "connecting", "connected", "closed")
        ]
        assert {name for name, _, _ in status.seen} == {"server"}
        assert "* disconnected>" in caplog.text

    async def test_others_can_publish_on_it(self, channels: Channels[bytes]) -> None:
        status = Recorder()
        await channels.register("server", "restart", status)
        await channels.connect()
        await channels.publish("server", "restart", {"in": 5})
        assert await status.wait_for(1) == [("server", "restart", {"in": 5})]

    async def test_coroutine_functions_are_awaited(self, channels: Channels[bytes]) -> None:
        seen: list[str] = []

        async def status(channel: Channel, event: str, data: Any) -> None:
            await checkpoint()
            seen.append(event)

        await channels.register("server", "*", status)
        await channels.connect()
        await channels.close()
        assert seen == ["connecting", "connected", "closed"]

    async def test_closing_waits_for_what_is_being_told(self, channels: Channels[bytes]) -> None:
        seen: list[str] = []
        go_on = anyio.Event()

        async def status(channel: Channel, event: str, data: Any) -> None:
            await go_on.wait()
            seen.append(event)

        await channels.register("server", "c*", status)
        await channels.connect()
        async with anyio.create_task_group() as group:
            group.start_soon(channels.close)
            await anyio.wait_all_tasks_blocked()
            assert seen == []
            go_on.set()
        assert seen == ["connecting", "connected", "closed"]

    async def test_a_status_callback_may_close(self, channels: Channels[bytes]) -> None:
        done = Recorder()

        async def close(channel: Channel, event: str, data: Any) -> None:
            await channels.close()

        await channels.register("server", "connected", close)
        await channels.register("server", "closed", done)
        await channels.connect()
        await done.wait_for(1)
        assert channels.status is StatusType.closed

    async def test_a_callback_may_close(self, channels: Channels[bytes]) -> None:
        done = Recorder()

        async def close(channel: Channel, event: str, data: Any) -> None:
            await channels.close()

        await channels.register("test", "*", close)
        await channels.register("server", "closed", done)
        await channels.connect()
        await channels.publish("test", "end")
        await done.wait_for(1)
        assert channels.store.statistics().pool.leased == 0

    async def test_closing(self, channels: Channels[bytes], store: RedisStore[bytes]) -> None:
        await channels.register("test", "*", Recorder())
        async with channels:
            assert store.statistics().pool.leased == 1
        assert channels.status is StatusType.closed
        assert store.statistics().pool.leased == 0
        await channels.close()
        with pytest.raises(PubSubError, match="cannot connect any more"):
            await channels.connect()
        assert len(await channels.register("test", "b", Recorder())) == 2
        assert await channels.unregister("test", "b", Recorder()) is not None
        assert await channels.publish("test", "boom") == 0

    async def test_connecting_twice(self, channels: Channels[bytes], store: RedisStore[bytes]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(channels.connect)
            group.start_soon(channels.connect)
        await channels.connect()
        assert channels.status is StatusType.connected
        assert store.statistics().pool.leased == 1

    async def test_a_store_that_is_not_open(self, port: int) -> None:
        channels = store_at(f"redis://127.0.0.1:{port}").channels()
        with pytest.raises(StoreError, match="not open"):
            await channels.connect()
        assert channels.status is StatusType.initialised

    async def test_a_store_that_is_left_and_entered_again(self, port: int) -> None:
        store = store_at(f"redis://127.0.0.1:{port}")
        channels, recorder = store.channels(), Recorder()
        await channels.register("test", "*", recorder)
        for count in (1, 2):
            async with store:
                await channels.connect()
                await channels.publish("test", "boom")
                await recorder.wait_for(count)
            assert channels.status is StatusType.disconnected


class TestTrouble:
    async def test_connecting_goes_on_until_the_server_is_there(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=0) as store:
            channels, status, recorder = store.channels(), Recorder(), Recorder()
            await channels.register("server", "*", status)
            await channels.register("test", "*", recorder)
            proxy.refusing = True
            async with anyio.create_task_group() as group:
                group.start_soon(channels.connect)
                await status.wait_for(5)
                assert status.events[:4] == ["connecting", "disconnected"] * 2
                proxy.refusing = False
            assert channels.status is StatusType.connected
            await proxy.cut()
            await status.wait_for_event("gap")
            await channels.publish("test", "boom")
            await recorder.wait_for(1)
            await channels.close()

    async def test_twenty_kills(self, store: RedisStore[bytes], port: int) -> None:
        recorder, status = Recorder(), Recorder()
        async with store_at(f"redis://127.0.0.1:{port}") as other, other.channels() as channels:
            await channels.register("test", "*", recorder)
            await channels.register("server", "gap", status)
            for number in range(20):
                assert await store.execute("CLIENT", "KILL", "TYPE", "pubsub") == 1
                await status.wait_for(number + 1)
                await channels.publish("test", "boom", number)
                await recorder.wait_for(number + 1)
        assert [data for _, _, data in recorder.seen] == list(range(20))

    async def test_registering_while_the_connection_is_lost(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=0) as store:
            async with store.channels() as channels:
                proxy.refusing = True
                await proxy.cut()
                recorder = Recorder()
                with anyio.move_on_after(0.05) as scope:
                    await channels.register("test", "*", recorder)
                assert scope.cancelled_caught
                assert "test" in channels
                proxy.refusing = False
                await channels.connect()
                assert await channels.publish("test", "boom") == 1
                await recorder.wait_for(1)

    async def test_connecting_can_be_cancelled_and_goes_on(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=0) as store:
            channels, status = store.channels(), Recorder()
            await channels.register("server", "connected", status)
            proxy.refusing = True
            with anyio.move_on_after(0.05) as scope:
                await channels.connect()
            assert scope.cancelled_caught
            proxy.refusing = False
            await status.wait_for(1)
            await channels.close()

    async def test_closing_while_connecting(self, port: int) -> None:
        async with FaultProxy(port) as proxy, store_at(proxy.dsn, reconnect_attempts=0) as store:
            channels = store.channels()
            proxy.refusing = True

            async def connect() -> None:
                with pytest.raises(PubSubError, match="closed"):
                    await channels.connect()

            async with anyio.create_task_group() as group:
                group.start_soon(connect)
                await anyio.sleep(0.03)
                await channels.close()
            await anyio.wait_all_tasks_blocked()
            statistics = store.statistics().pool
            assert (statistics.leased, statistics.connecting, statistics.waiting) == (0, 0, 0)

    async def test_a_channel_that_the_server_refuses(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as root:
            await root.execute(
                "ACL", "SETUSER", "eve", "reset", "on", ">pw", "~*", "+@all", "&server", "&ok*"
            )
            try:
                async with store_at(f"redis://eve:pw@127.0.0.1:{valkey.port}") as store:
                    async with store.channels() as channels:
                        with pytest.raises(NoPermission):
                            await channels.register("no", "*", Recorder())
                        assert "no" not in channels
                        recorder = Recorder()
                        await channels.register("ok", "*", recorder)
                        await channels.publish("ok", "boom")
                        await recorder.wait_for(1)
                        # What ends the subscriptions ends the channels' task, until they are connected again.
                        await root.execute("ACL", "SETUSER", "eve", "resetchannels", "&server")
                        await until(lambda: _is(channels, StatusType.disconnected))
                        await root.execute("ACL", "SETUSER", "eve", "&ok*")
                        await anyio.wait_all_tasks_blocked()
                        await channels.connect()
                        await channels.publish("ok", "boom")
                        await recorder.wait_for(2)
            finally:
                await root.execute("ACL", "DELUSER", "eve")


async def _is(channels: Channels[Any], status: StatusType) -> bool:
    await anyio.sleep(0.005)
    return channels.status is status and not channels.pubsub.subscribed


class TestLock:
    async def test_its_name_has_the_namespace(self, store: RedisStore[bytes]) -> None:
        channels = store.channels(namespace="foo")
        async with channels.lock("jobs", timeout=5) as lock:
            assert await store.client().exists("foo_jobs") == 1
            assert await lock.locked()
        assert await store.client().exists("foo_jobs") == 0
