"""Publishing and subscribing, on pulsards and on Valkey, in both protocols."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystore import Gap, Json, Message, Store, create_store
from anystore.exceptions import InvalidArgument, PubSubError, StoreError
from anystore.pulsards import PulsarDS
from anystore.redis.pubsub import PubSub
from anystore.redis.store import RedisStore
from tests.servers import RealServer

pytestmark = pytest.mark.anyio

SERVERS = ["valkey-3", "valkey-2", "pulsards-3", "pulsards-2", "memory-3"]


@pytest.fixture(params=SERVERS)
async def dsn(request: pytest.FixtureRequest, valkey: RealServer, anyio_backend: Any) -> AsyncIterator[str]:
    """A server, with the protocol to speak."""
    name, _, protocol = request.param.partition("-")
    if name == "valkey":
        yield f"{valkey.dsn}?protocol={protocol}"
    elif name == "memory":
        # The other store of a test has to reach the same server.
        yield f"memory://pubsub?protocol={protocol}"
    else:
        async with PulsarDS("127.0.0.1:0") as server:
            yield f"{server.dsn}?protocol={protocol}"


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[RedisStore[bytes]]:
    async with create_store(dsn) as store:
        assert isinstance(store, RedisStore)
        await store.execute("FLUSHALL")
        yield store


async def read(pubsub: PubSub[Any]) -> Any:
    with anyio.fail_after(20):
        return await pubsub.get_message(timeout=None)


async def read_data(pubsub: PubSub[Any], count: int) -> list[Any]:
    return [(await read(pubsub)).data for _ in range(count)]


class TestSubscribing:
    async def test_a_message(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a", b"b")
            assert await pubsub.publish("a", "hello") == 1
            assert await pubsub.publish(b"b", b"\xff\0") == 1
            assert await read(pubsub) == Message("message", b"a", b"hello")
            assert await read(pubsub) == Message("message", b"b", b"\xff\0")

    async def test_patterns(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.psubscribe("a*", ["[bc]d"])
            assert await pubsub.publish("ab", 1) == 1
            assert await pubsub.publish("cd", 2.5) == 1
            assert await pubsub.publish("d", 3) == 0
            assert await read(pubsub) == Message("pmessage", b"ab", b"1", b"a*")
            assert await read(pubsub) == Message("pmessage", b"cd", b"2.5", b"[bc]d")

    async def test_shard_channels(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.ssubscribe("s")
            assert await store.client().spublish("s", "x") == 1
            assert await read(pubsub) == Message("smessage", b"s", b"x")
            await pubsub.sunsubscribe("s")
            assert await store.client().spublish("s", "x") == 0

    async def test_a_message_that_matches_twice_comes_twice(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            await pubsub.psubscribe("*")
            assert await pubsub.publish("a", "x") == 2
            assert sorted([(await read(pubsub)).kind for _ in range(2)]) == ["message", "pmessage"]

    async def test_it_returns_when_the_server_knows(self, store: RedisStore[bytes], dsn: str) -> None:
        async with create_store(dsn) as other, store.pubsub() as pubsub:
            for number in range(50):
                await pubsub.subscribe(f"c{number}")
                assert await other.client().publish(f"c{number}", "x") == 1
                await pubsub.unsubscribe(f"c{number}")
                assert await other.client().publish(f"c{number}", "x") == 0

    async def test_unsubscribing_from_one(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a", "b")
            await pubsub.unsubscribe("a", "never subscribed to")
            assert await pubsub.count("a", "b") == {b"a": 0, b"b": 1}
            assert pubsub.subscribed

    async def test_unsubscribing_from_all_is_by_kind(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a", "b")
            await pubsub.psubscribe("p*")
            await pubsub.ssubscribe("s")
            await pubsub.unsubscribe()
            assert await pubsub.channels() == []
            assert await pubsub.count_patterns() == 1
            await pubsub.punsubscribe()
            assert await pubsub.count_patterns() == 0
            assert pubsub.subscribed
            await pubsub.sunsubscribe()
            assert not pubsub.subscribed

    async def test_unsubscribing_while_nothing_is_subscribed_to(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.unsubscribe()
            await pubsub.punsubscribe("p*")
            assert store.statistics().pool.leased == 0

    async def test_what_was_taken_before_can_be_read_after_unsubscribing(
        self, store: RedisStore[bytes]
    ) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a", "b")
            await pubsub.publish("a", "1")
            await pubsub.publish("b", "2")
            assert (await read(pubsub)).data == b"1"
            await pubsub.unsubscribe()
            await pubsub.publish("b", "3")
            assert [message.data async for message in pubsub] == [b"2"]

    async def test_thousands_of_channels(self, store: RedisStore[bytes]) -> None:
        names = [f"c{number}" for number in range(5_000)]
        async with store.pubsub() as pubsub:
            await pubsub.subscribe(names)
            assert len(await pubsub.channels("c*")) == 5_000
            await pubsub.unsubscribe(*names[1:])
            assert await pubsub.channels() == [b"c0"]

    async def test_many_tasks_at_a_time(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:

            async def come_and_go(number: int) -> None:
                for _ in range(10):
                    await pubsub.subscribe("all", f"own{number}")
                    assert (await pubsub.count(f"own{number}")) == {b"own%d" % number: 1}
                    await pubsub.unsubscribe(f"own{number}")

            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(come_and_go, number)
            assert await pubsub.channels() == [b"all"]

    async def test_subscribing_anew_while_unsubscribing(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a", "stays")
            for _ in range(20):
                async with anyio.create_task_group() as group:
                    group.start_soon(pubsub.unsubscribe, "a")
                    await checkpoint()
                    group.start_soon(pubsub.subscribe, "a")
                assert await pubsub.count("a") in ({b"a": 1}, {b"a": 0})
                assert (b"a" in await pubsub.channels()) is (await pubsub.publish("a", "x") == 1)
                await pubsub.subscribe("a")

    async def test_a_name_is_needed(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            with pytest.raises(InvalidArgument, match="psubscribe needs"):
                await pubsub.psubscribe()
            with pytest.raises(TypeError):
                await pubsub.subscribe(None)  # type: ignore[arg-type]
            assert not pubsub.subscribed


class TestTheConnection:
    async def test_it_is_of_its_own_and_goes_back(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            assert store.statistics().pool.leased == 0
            await pubsub.subscribe("a")
            assert pubsub.connected
            assert store.statistics().pool.leased == 1
            await pubsub.unsubscribe("a")
            await anyio.wait_all_tasks_blocked()
            assert not pubsub.connected
            assert (store.statistics().pool.leased, store.statistics().pool.idle) == (0, 1)
            # It is as good as new.
            assert await store.client().blpop("nothing", timeout=0.01) is None
            assert store.statistics().pool.idle == 1

    async def test_leaving_the_block_closes_it(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
        assert (store.statistics().pool.leased, store.statistics().pool.idle) == (0, 0)
        assert not pubsub.subscribed

    async def test_used_as_it_is_it_lives_in_the_store(self, dsn: str) -> None:
        async with create_store(dsn) as store:
            pubsub = store.pubsub()
            await pubsub.subscribe("a")
            await pubsub.publish("a", "x")
            assert (await read(pubsub)).data == b"x"
        with pytest.raises(StoreError, match="not open"):
            await pubsub.subscribe("b")

    async def test_closing_again_and_again_and_going_on(self, store: RedisStore[bytes]) -> None:
        pubsub = store.pubsub()
        await pubsub.close()
        for _ in range(3):
            await pubsub.subscribe("a")
            assert await pubsub.publish("a", "x") == 1
            await pubsub.close()
            await pubsub.aclose()
            assert await pubsub.get_message(timeout=None) is None
        assert store.statistics().pool.leased == 0

    async def test_a_store_that_is_left_ends_reading(self, dsn: str) -> None:
        ended: list[Any] = []

        async def reader(pubsub: PubSub[bytes]) -> None:
            try:
                await pubsub.get_message(timeout=None)
            except StoreError as error:
                ended.append(error)

        async with anyio.create_task_group() as group:
            async with create_store(dsn) as store:
                pubsub = store.pubsub()
                await pubsub.subscribe("a")
                group.start_soon(reader, pubsub)
                await anyio.wait_all_tasks_blocked()
        assert [str(error) for error in ended] == ["the store was closed"]

    async def test_a_store_that_was_left_can_be_entered_again(self, dsn: str) -> None:
        store = create_store(dsn)
        pubsub = store.pubsub()
        for _ in range(2):
            async with store:
                await pubsub.subscribe("a")
                await pubsub.publish("a", "x")
                assert (await read(pubsub)).data == b"x"

    async def test_without_a_subscription_publishing_needs_no_connection_of_its_own(
        self, store: RedisStore[bytes]
    ) -> None:
        assert await store.pubsub().publish("a", "x") == 0
        assert store.statistics().pool.idle == 0

    async def test_how_it_shows(self, store: RedisStore[bytes]) -> None:
        assert repr(store.pubsub()) == f"<PubSub {store}>"


class TestReading:
    async def test_iterating_ends_with_the_last_subscription(self, store: RedisStore[bytes]) -> None:
        seen = []
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            for number in range(3):
                await pubsub.publish("a", number)
            async for message in pubsub:
                seen.append(message.data)
                if len(seen) == 3:
                    await pubsub.unsubscribe("a")
        assert seen == [b"0", b"1", b"2"]

    async def test_listening_is_the_same(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            await pubsub.publish("a", "x")
            async for message in pubsub.listen():
                assert message["data"] == b"x"
                await pubsub.unsubscribe()

    async def test_closing_ends_a_reader_that_waits(self, store: RedisStore[bytes]) -> None:
        pubsub = store.pubsub()
        await pubsub.subscribe("a")

        async def iterate() -> None:
            assert [message async for message in pubsub] == []

        async def get() -> None:
            assert await pubsub.get_message(timeout=None) is None

        async with anyio.create_task_group() as group:
            group.start_soon(iterate)
            group.start_soon(get)
            await anyio.wait_all_tasks_blocked()
            await pubsub.close()

    async def test_a_look_without_waiting_finds_what_is_there(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            await store.client().publish("a", "1")
            with anyio.fail_after(20):
                while (message := await pubsub.get_message()) is None:
                    await checkpoint()
            assert message.data == b"1"

    async def test_nothing_to_read(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            assert await pubsub.get_message() is None
            with pytest.raises(PubSubError, match="nothing was subscribed"):
                await anext(pubsub)
            await pubsub.subscribe("a")
            assert await pubsub.get_message() is None
            assert await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.01) is None

    async def test_a_reader_that_waits_for_the_first_subscription(self, store: RedisStore[bytes]) -> None:
        pubsub = store.pubsub()

        async def reader() -> None:
            assert (await read(pubsub)).data == b"x"

        async with anyio.create_task_group() as group:
            group.start_soon(reader)
            await anyio.wait_all_tasks_blocked()
            await pubsub.subscribe("a")
            await pubsub.publish("a", "x")
        await pubsub.close()

    async def test_several_readers_share_the_messages(self, store: RedisStore[bytes]) -> None:
        seen: list[bytes] = []
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")

            async def reader() -> None:
                async for message in pubsub:
                    seen.append(message.data)
                    if len(seen) == 100:
                        await pubsub.unsubscribe()

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(reader)
                for number in range(100):
                    await pubsub.publish("a", number)
        assert sorted(map(int, seen)) == list(range(100))

    async def test_a_reader_lets_others_run(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            async with store.pipeline(transaction=False) as pipe:
                for number in range(2_000):
                    pipe.publish("a", number)
                await pipe.commit()
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await checkpoint()

            async with anyio.create_task_group() as group:
                group.start_soon(count)
                await anyio.sleep(0.2)  # until all have arrived
                turns = 0
                await read_data(pubsub, 2_000)
                assert turns >= 10
                group.cancel_scope.cancel()


class TestHandlers:
    async def test_they_get_the_messages_when_somebody_reads(self, store: RedisStore[bytes]) -> None:
        seen: list[Any] = []

        async def later(message: Message[bytes]) -> None:
            await checkpoint()
            seen.append(("later", message.data))

        async with store.pubsub() as pubsub:
            await pubsub.subscribe("plain", a=seen.append, b=later)
            await pubsub.psubscribe(**{"p*": lambda message: seen.append(message["pattern"])})
            for channel in ("a", "b", "p1", "plain"):
                await pubsub.publish(channel, channel)
            assert [(await read(pubsub)) for _ in range(3)] == [None] * 3
            assert (await read(pubsub)).channel == b"plain"
        assert seen == [Message("message", b"a", b"a"), ("later", b"b"), b"p*"]

    async def test_what_they_raise_goes_to_the_reader(self, store: RedisStore[bytes]) -> None:
        def fail(message: Message[bytes]) -> None:
            raise LookupError(message.data)

        async with store.pubsub() as pubsub:
            await pubsub.subscribe(a=fail, b=None)
            await pubsub.publish("a", "x")
            await pubsub.publish("b", "y")
            with pytest.raises(LookupError):
                await read(pubsub)
            assert (await read(pubsub)).data == b"y"

    async def test_running(self, store: RedisStore[bytes]) -> None:
        seen: list[Any] = []
        errors: list[Exception] = []
        async with store.pubsub() as pubsub:

            async def handle(message: Message[bytes]) -> None:
                seen.append(message.data)
                if message.data == b"fail":
                    raise LookupError
                if message.data == b"end":
                    await pubsub.unsubscribe()

            async def failed(error: Exception, of: PubSub[bytes]) -> None:
                assert of is pubsub
                errors.append(error)

            await pubsub.subscribe("dropped", a=handle)
            for channel, data in (("a", "1"), ("dropped", "2"), ("a", "fail"), ("a", "end")):
                await pubsub.publish(channel, data)
            with anyio.fail_after(20):
                await pubsub.run(exception_handler=failed)
            assert seen == [b"1", b"fail", b"end"]
            assert [type(error) for error in errors] == [LookupError]

            await pubsub.subscribe(a=handle)
            await pubsub.publish("a", "fail")
            with pytest.raises(LookupError):
                await pubsub.run()


class TestClients:
    async def test_they_are_called_with_what_arrives(self, store: RedisStore[bytes]) -> None:
        seen: list[Any] = []
        done = anyio.Event()

        def client(channel: str, message: Any) -> None:
            seen.append((channel, message))
            if message == b"end":
                done.set()

        async with store.pubsub() as pubsub:
            pubsub.add_client(client)
            assert client in pubsub
            await pubsub.subscribe("a")
            await pubsub.psubscribe("b*")
            for channel, message in (("a", "1"), ("b1", "2"), ("a", "end")):
                await pubsub.publish(channel, message)
            with anyio.fail_after(20):
                await done.wait()
            assert seen == [("a", b"1"), ("b1", b"2"), ("a", b"end")]
            # Nobody reads: nothing is kept.
            assert await pubsub.get_message() is None

            pubsub.remove_client(client)
            pubsub.remove_client(client)
            assert client not in pubsub
            await pubsub.publish("a", "x")
            assert (await read(pubsub)).data == b"x"
            assert len(seen) == 3

    async def test_one_that_fails_is_logged_and_hurts_nobody(
        self, store: RedisStore[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[Any] = []

        def bad(channel: str, message: Any) -> None:
            raise LookupError("bad client")

        async with store.pubsub() as pubsub:
            pubsub.add_client(bad)
            pubsub.add_client(lambda channel, message: seen.append(message))
            await pubsub.subscribe("a")
            await pubsub.get_message()  # somebody reads, too
            for number in range(2):
                await pubsub.publish("a", number)
            assert await read_data(pubsub, 2) == [b"0", b"1"]
        assert seen == [b"0", b"1"]
        assert caplog.text.count("LookupError: bad client") == 2

    async def test_the_name_of_a_channel_is_always_a_str(self, store: RedisStore[bytes]) -> None:
        seen: list[str] = []
        async with store.pubsub() as pubsub:
            pubsub.add_client(lambda channel, message: seen.append(channel))
            await pubsub.get_message()
            await pubsub.subscribe(b"\xff", "ä")
            await pubsub.publish(b"\xff", "x")
            await pubsub.publish("ä", "x")
            await read_data(pubsub, 2)
        assert seen == ["\udcff", "ä"]


class Rot13:
    def encode(self, message: str) -> bytes:
        return message.translate({ord("a"): "n", ord("n"): "a"}).encode()

    def decode(self, data: bytes) -> str:
        assert isinstance(data, bytes)
        if data == b"!":
            raise ValueError("no exclamations")
        return data.decode().translate({ord("a"): "n", ord("n"): "a"})


class TestProtocols:
    async def test_json(self, store: RedisStore[bytes], dsn: str) -> None:
        value = {"a": [1, 2.5, None, "ä\n"], "b": {}}
        async with create_store(dsn) as other, store.pubsub(Json()) as pubsub, other.pubsub() as raw:
            await pubsub.subscribe("a")
            await raw.subscribe("a")
            assert await pubsub.publish("a", value) == 2  # the stores
            assert (await read(pubsub)).data == value
            assert json.loads((await read(raw)).data) == value
            with pytest.raises(TypeError):
                await pubsub.publish("a", object())

    @pytest.mark.parametrize("decode_responses", [False, True])
    async def test_one_of_your_own(self, dsn: str, decode_responses: bool) -> None:
        async with create_store(dsn, decode_responses=decode_responses) as store:
            async with store.pubsub(protocol=Rot13()) as pubsub:
                await pubsub.subscribe("a")
                await pubsub.publish("a", "banana")
                assert (await read(pubsub)).data == "banana"
                assert isinstance(pubsub.protocol, Rot13)

    async def test_a_message_that_cannot_be_decoded(
        self, store: RedisStore[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[Any] = []
        async with store.pubsub(Rot13()) as pubsub:
            pubsub.add_client(lambda channel, message: seen.append(message))
            await pubsub.get_message()
            await pubsub.subscribe("a")
            await store.client().publish("a", "!")
            await pubsub.publish("a", "nan")
            with pytest.raises(PubSubError, match="channel b'a' cannot be decoded: no exclamations"):
                await read(pubsub)
            assert (await read(pubsub)).data == "nan"
            assert seen == ["nan"]
        assert "no exclamations" in caplog.text

    @pytest.mark.parametrize("failure", [KeyError("k"), RecursionError("deep"), ZeroDivisionError()])
    async def test_a_protocol_that_fails_in_its_own_way(
        self, store: RedisStore[bytes], failure: Exception
    ) -> None:
        class Failing(Rot13):
            def decode(self, data: bytes) -> str:
                if data == b"!":
                    raise failure
                return super().decode(data)

        async with store.pubsub(Failing()) as pubsub:
            await pubsub.subscribe("a")
            await store.client().publish("a", "!")
            await pubsub.publish("a", "nan")
            with pytest.raises(PubSubError, match="channel b'a' cannot be decoded") as caught:
                await read(pubsub)
            assert caught.value.__cause__ is failure
            assert (await read(pubsub)).data == "nan"

    async def test_events(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub(Json()) as pubsub:
            await pubsub.subscribe("a")
            assert await pubsub.publish_event("a", "boom", {"x": 1}) == 1
            assert await pubsub.publish_event(b"a", "bare") == 1
            assert (await read(pubsub)).data == {"event": "boom", "channel": "a", "data": {"x": 1}}
            assert (await read(pubsub)).data == {"event": "bare", "channel": "a"}

    async def test_events_without_a_protocol_are_json(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub() as pubsub:
            await pubsub.subscribe("a")
            await pubsub.publish_event("a", "boom", 0)
            assert Json().decode((await read(pubsub)).data) == {"event": "boom", "channel": "a", "data": 0}


class TestDecodedReplies:
    async def test_names_and_messages_are_str(self, dsn: str) -> None:
        async with create_store(dsn, decode_responses=True) as store, store.pubsub() as pubsub:
            await pubsub.psubscribe("ä*")
            await pubsub.subscribe("b")
            await pubsub.publish("äö", "ü")
            assert await read(pubsub) == Message("pmessage", "äö", "ü", "ä*")
            assert await pubsub.channels() == ["b"]
            assert await pubsub.count("b") == {"b": 1}
            await pubsub.publish("b", b"\xff")
            await pubsub.publish("b", "x")
            with pytest.raises(PubSubError, match="cannot be decoded"):
                await read(pubsub)
            assert (await read(pubsub)).data == "x"

    async def test_another_encoding(self, dsn: str) -> None:
        options = {"decode_responses": True, "encoding": "latin-1"}
        async with create_store(dsn, **options) as store, store.pubsub() as pubsub:
            await pubsub.subscribe("ä")
            assert await store.client().publish(b"\xe4", b"\xfc") == 1
            assert await read(pubsub) == Message("message", "ä", "ü")


class TestWhatTheServerKnows:
    async def test_it(self, store: RedisStore[bytes], dsn: str) -> None:
        """What is counted are the connections: one for each store."""
        async with create_store(dsn) as another, store.pubsub() as pubsub, another.pubsub() as other:
            assert await pubsub.channels() == []
            await pubsub.subscribe("aa", "ab", "b")
            await other.subscribe("aa")
            await other.psubscribe("p*", "q*")
            assert await pubsub.count("aa", b"b", "none") == {b"aa": 2, b"b": 1, b"none": 0}
            assert await pubsub.count() == {}
            assert sorted(await pubsub.channels("a*")) == [b"aa", b"ab"]
            assert len(await pubsub.channels()) == 3
            assert await pubsub.count_patterns() == 2


class TestNamespaces:
    async def test_they_never_see_each_other(self, dsn: str, store: RedisStore[bytes]) -> None:
        async with (
            create_store(dsn, namespace="one[*]:") as one,
            create_store(dsn, namespace="two:") as two,
            one.pubsub() as pubsub,
            two.pubsub() as others,
            store.pubsub() as everything,
        ):
            await everything.psubscribe("*")
            for each in (pubsub, others):
                await each.subscribe("a")
                await each.psubscribe("*")
                await each.ssubscribe("s")
            assert await pubsub.publish("a", "x") == 3
            assert [await read(pubsub), await read(pubsub)] == [
                Message("message", b"a", b"x"),
                Message("pmessage", b"a", b"x", b"*"),
            ]
            assert await one.client().spublish("s", "y") == 1
            assert await read(pubsub) == Message("smessage", b"s", b"y")
            assert await others.get_message(timeout=0.05) is None
            assert await pubsub.channels() == [b"a"]
            assert await pubsub.count("a") == {b"a": 1}
            assert (await read(everything)).channel == b"one[*]:a"
            await pubsub.punsubscribe("*")
            await pubsub.unsubscribe("a")
            assert await others.publish("a", "x") == 3
            assert await pubsub.get_message(timeout=0.05) is None

    async def test_keyspace_events(self, dsn: str, store: RedisStore[bytes]) -> None:
        await store.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
        try:
            async with create_store(dsn, namespace="one:") as one, one.pubsub() as pubsub:
                await pubsub.subscribe("__keyevent@0__:set", "__keyspace@0__:mine")
                await pubsub.psubscribe("__key*@0__:del", "__keyspace@0__:m*")
                await store.client().set("mine", "foreign")
                await store.client().set("two:mine", "foreign")
                await one.client().set("mine", "1")
                await store.client().delete("mine", "two:mine")
                await one.client().delete("mine")
                events = [await read(pubsub) for _ in range(6)]
                assert await pubsub.get_message(timeout=0.05) is None
            expected = [
                Message("message", b"__keyspace@0__:mine", b"set"),
                Message("pmessage", b"__keyspace@0__:mine", b"set", b"__keyspace@0__:m*"),
                Message("message", b"__keyevent@0__:set", b"mine"),
                Message("message", b"__keyspace@0__:mine", b"del"),
                Message("pmessage", b"__keyspace@0__:mine", b"del", b"__keyspace@0__:m*"),
                Message("pmessage", b"__keyevent@0__:del", b"mine", b"__key*@0__:del"),
            ]
            assert sorted(events, key=repr) == sorted(expected, key=repr)
        finally:
            await store.execute("CONFIG", "SET", "notify-keyspace-events", "")


class TestOptions:
    async def test_the_stores_are_the_default(self, dsn: str) -> None:
        async with create_store(dsn, pubsub_buffer_size=2_000, pubsub_overflow="raise") as store:
            async with store.pubsub() as pubsub:
                await pubsub.subscribe("a")
                for _ in range(10):
                    await pubsub.publish("a", b"x" * 500)
                await store.pubsub().publish("a", "end")
                with pytest.raises(PubSubError, match="were not read in time"):
                    while (await read(pubsub)).data != b"end":
                        pass

    async def test_they_can_be_given(self, store: RedisStore[bytes]) -> None:
        async with store.pubsub(buffer_size=2_000, overflow="drop_oldest") as pubsub:
            await pubsub.subscribe("a")
            for number in range(100):
                await pubsub.publish("a", number)
            await anyio.wait_all_tasks_blocked()
            gap = await read(pubsub)
            assert isinstance(gap, Gap)
            assert gap.dropped > 80
            assert await read_data(pubsub, 100 - gap.dropped) == [
                b"%d" % number for number in range(gap.dropped, 100)
            ]
        with pytest.raises(InvalidArgument, match="overflow"):
            store.pubsub(overflow="explode")


async def test_stores_of_other_kinds_have_none(store: Store[bytes]) -> None:
    assert isinstance(store.pubsub(), PubSub)
