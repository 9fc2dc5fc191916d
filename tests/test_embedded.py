from __future__ import annotations

import itertools
from typing import Any

import anyio
import psutil
import pytest

from anystore import create_store, start_store
from anystore.embedded import EmbeddingStore, MemoryStore, PulsarStore, is_local
from anystore.exceptions import AuthenticationError, ConnectionFailed, ImproperlyConfigured, StoreError
from anystore.pulsards import PulsarDS
from tests.servers import RealServer, free_port

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A name of a shared server that no other test has."""
    return f"test-{next(_numbers)}"


def embedding(store: Any) -> EmbeddingStore[bytes]:
    assert isinstance(store, EmbeddingStore)
    return store


class TestMemoryUrls:
    def test_what_it_says(self) -> None:
        store = create_store("memory://")
        assert isinstance(store, MemoryStore)
        assert (store.name, store.database, store.dns) == ("memory", "0", "memory://")
        assert create_store("memory://name/3").dns == "memory://name/3"

    @pytest.mark.parametrize(
        "url", ["memory://name:1", "memory://a,b", "memory:///x", "memory://?ssl_certfile=x"]
    )
    def test_what_it_refuses(self, url: str) -> None:
        with pytest.raises(ImproperlyConfigured):
            create_store(url)


async def programs_work(url: str) -> list[Any]:
    """What a broker's users do: queues, a lock, a script, channels, streams by group. The same for any server."""
    found: list[Any] = []
    async with create_store(url) as store:
        client = store.client()
        await client.flushdb()
        async with anyio.create_task_group() as group:

            async def consume() -> None:
                found.append(await client.blpop("jobs", timeout=10))

            group.start_soon(consume)
            await client.rpush("jobs", "one")
        async with client.lock("lock", timeout=10):
            found.append(await client.exists("lock"))
        found.append(await client.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, "n", 5))
        await client.xgroup_create("stream", "group", mkstream=True)
        await client.xadd("stream", {"field": "value"}, id="1-1")
        found.append(await client.xreadgroup("group", "me", {"stream": ">"}))
        async with store.pubsub() as listening:
            await listening.subscribe("channel")
            found.append(await client.publish("channel", "hello"))
        async with store.pipeline() as pipe:
            pipe.set("a", "1", ex=100)
            pipe.get("a")
            found.append(await pipe.execute())
        found.append(await client.exists("lock"))
    return found


@pytest.mark.anyio
class TestMemory:
    async def test_s1_the_same_program_as_on_a_real_server(self, valkey: RealServer) -> None:
        """And the server that comes with the store is none of its own: no process, no thread, no socket."""
        this = psutil.Process()
        before = (this.num_threads(), len(this.children()), len(this.net_connections()))
        embedded = await programs_work("memory://")
        assert (this.num_threads(), len(this.children()), len(this.net_connections())) == before
        assert embedded == await programs_work(valkey.dsn)

    async def test_s21_info_says_that_it_is_embedded(self) -> None:
        async with create_store("memory://") as store:
            assert b"\r\nembedded:1\r\n" in await store.execute("INFO", "server")
        async with PulsarDS(bind=()) as server, server.connect_stream() as stream:
            await stream.send(b"INFO server\r\n")
            assert b"\r\nembedded:0\r\n" in await stream.receive()

    async def test_commands(self) -> None:
        async with create_store("memory://") as store:
            assert await store.ping() is True
            assert await store.execute("SET", "bla", "foo") in (b"OK", "OK", True)
            assert await store.client().get("bla") == b"foo"
            assert embedding(store).server.addresses == ()

    async def test_s11_a_server_of_its_own_whose_data_last_as_long_as_the_store_object(self) -> None:
        one, other = create_store("memory://"), create_store("memory://")
        async with one, other:
            await one.client().set("key", "1")
            assert await other.client().get("key") is None
        async with one:
            assert await one.client().get("key") == b"1"

    async def test_s11_a_named_one_is_shared_and_stays(self, name: str) -> None:
        async with create_store(f"memory://{name}") as one, create_store(f"memory://{name}") as other:
            await one.client().set("key", "1")
            assert await other.client().get("key") == b"1"
        async with create_store(f"memory://{name}") as later:
            assert await later.client().get("key") == b"1"

    async def test_another_takes_the_server_over_from_the_store_that_ran_it(self, name: str) -> None:
        second = create_store(f"memory://{name}")
        async with anyio.create_task_group() as group:
            leave, left = anyio.Event(), anyio.Event()

            async def first() -> None:
                async with create_store(f"memory://{name}"):
                    started.set()
                    await leave.wait()
                left.set()

            started = anyio.Event()
            group.start_soon(first)
            await started.wait()
            async with second:
                await second.client().set("key", "1")
                leave.set()
                await left.wait()
                assert await second.client().get("key") == b"1"
                # Timers go on: nobody else wakes the parked command up.
                with anyio.fail_after(20):
                    assert await second.client().blpop("nothing", timeout=0.05) is None

    async def test_a_password_is_the_servers_too(self, name: str) -> None:
        async with create_store(f"memory://:pw@{name}?listen={unused()}") as store:
            (address,) = embedding(store).server.addresses
            with pytest.raises(AuthenticationError):
                async with create_store(f"pulsar://{address}") as stranger:
                    await stranger.client().get("key")

    async def test_s14_others_come_in_where_it_listens(self) -> None:
        async with create_store(f"memory://?listen={unused()}") as store:
            await store.client().set("key", "1")
            (address,) = embedding(store).server.addresses
            async with create_store(f"pulsar://{address}") as guest:
                assert await guest.client().get("key") == b"1"

    async def test_an_address_that_is_taken_is_reported(self) -> None:
        async with PulsarDS("127.0.0.1:0") as server:
            with pytest.raises(ConnectionFailed, match=r"cannot be started: .*ddress"):
                async with create_store(f"memory://?listen={server.addresses[0]}"):
                    pytest.fail("opened")

    async def test_a_shared_server_with_other_settings(self, name: str) -> None:
        async with create_store(f"memory://{name}"):
            with pytest.raises(ImproperlyConfigured, match="there already"):
                async with create_store(f"memory://:pw@{name}"):
                    pytest.fail("opened")

    async def test_in_use_in_another_event_loop(
        self, name: str, anyio_backend: tuple[str, dict[str, Any]]
    ) -> None:
        async def enter() -> None:
            async with create_store(f"memory://{name}"):
                pytest.fail("opened")

        def other_loop() -> None:
            with pytest.raises(StoreError, match="in use in another event loop"):
                anyio.run(enter, backend=anyio_backend[0], backend_options=anyio_backend[1])

        async with create_store(f"memory://{name}"):
            await anyio.to_thread.run_sync(other_loop)


def test_s12_a_named_one_is_there_in_the_next_event_loop(
    name: str, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    backend, options = anyio_backend

    async def write() -> None:
        async with create_store(f"memory://{name}") as store:
            await store.client().set("key", "1")

    async def read() -> bytes | None:
        async with create_store(f"memory://{name}") as store:
            return await store.client().get("key")

    anyio.run(write, backend=backend, backend_options=options)
    assert anyio.run(read, backend=backend, backend_options=options) == b"1"


def unused() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.mark.anyio
class TestStartStore:
    async def test_without_a_host_it_takes_a_free_port_and_says_which(self) -> None:
        store = start_store("pulsar://")
        assert store.dns == "pulsar://"
        async with store:
            assert store.dns == f"pulsar://{embedding(store).server.addresses[0]}"
            await store.client().set("key", "1")
            async with create_store(store.dns) as guest:
                assert await guest.client().get("key") == b"1"
            dns = store.dns
        assert store.dns == "pulsar://"
        with pytest.raises(ConnectionFailed):
            async with create_store(dns, reconnect_attempts=0):
                pytest.fail("still there")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_a_local_address_where_nobody_listens_is_served(self, host: str) -> None:
        url = f"pulsar://{host}:{free_port()}/3"
        async with start_store(url) as store:
            assert store.dns == url
            assert await store.ping() is True
            assert embedding(store).server.addresses

    async def test_port_zero_is_a_free_port(self) -> None:
        async with start_store("pulsar://localhost:0") as store:
            assert (
                store.dns == f"pulsar://localhost:{embedding(store).server.addresses[0].rpartition(':')[2]}"
            )

    async def test_a_server_that_runs_already_is_used(self) -> None:
        async with PulsarDS("127.0.0.1:0") as server, start_store(server.dsn) as store:
            await store.client().set("key", "1")
            with pytest.raises(StoreError, match="not one that this store started"):
                _ = embedding(store).server
            async with create_store(server.dsn) as guest:
                assert await guest.client().get("key") == b"1"

    async def test_a_password_is_the_servers_too(self) -> None:
        async with start_store("pulsar://:pw@127.0.0.1:0") as store:
            assert await store.ping() is True
            with pytest.raises(AuthenticationError):
                async with create_store(store.dns, password="wrong"):
                    pytest.fail("let in")

    async def test_it_can_be_entered_again(self) -> None:
        store = start_store("pulsar://")
        for _ in range(2):
            async with store:
                assert await store.ping() is True

    async def test_somebody_elses_machine_is_only_connected_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def refuse(host: str, port: int) -> None:
            raise ConnectionRefusedError(f"nobody at {host}:{port}")

        monkeypatch.setattr("anystore.redis.store.open_tcp", refuse)
        store = start_store("pulsar://192.0.2.1:6410", reconnect_attempts=0)
        with pytest.raises(ConnectionFailed, match=r"192\.0\.2\.1:6410"):
            async with store:
                pytest.fail("opened")

    async def test_two_that_start_at_once_share_one_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        url = f"pulsar://{unused()}"

        async def nobody_yet(self: PulsarStore[bytes], host: str, port: int) -> bool:
            return False

        async with start_store(url) as first:
            # The second one looked before the first one listened.
            monkeypatch.setattr(PulsarStore, "_is_taken", nobody_yet)
            async with start_store(url) as second:
                await first.client().set("key", "1")
                assert await second.client().get("key") == b"1"

    async def test_create_store_starts_nothing(self) -> None:
        with pytest.raises(ConnectionFailed):
            async with create_store(f"pulsar://{unused()}", reconnect_attempts=0):
                pytest.fail("opened")

    async def test_for_other_schemes_it_is_create_store(self) -> None:
        async with start_store("memory://") as store:
            assert isinstance(store, MemoryStore)
            assert await store.ping() is True


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("example.com", False),
        ("2001:db8::1", False),
    ],
)
def test_is_local(host: str, local: bool) -> None:
    assert is_local(host) is local
