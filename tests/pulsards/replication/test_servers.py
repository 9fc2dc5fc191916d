"""pulsards beside real servers, in both roles, over real sockets, with links that are cut while they are written to."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from anystore.pulsards import PulsarDS
from anystore.pulsards.engine import Engine
from anystore.pulsards.replication import images
from anystore.pulsards.replication.outgoing_image import new_image
from anystore.pulsards.replication.transfer import Kind
from tests.faultproxy import FaultProxy
from tests.pulsards.certificates import make_certificates
from tests.pulsards.counting_clock import CountingClock
from tests.pulsards.peers import RealClient
from tests.pulsards.replication.loads import caught_up, changes, contents, execute, info, linked, seed, until
from tests.servers import RealServer, binaries, run_server

pytestmark = pytest.mark.anyio

BINARIES = binaries()
THERE = list(BINARIES)


@pytest.fixture(params=THERE)
def real(request: pytest.FixtureRequest) -> Iterator[RealServer]:
    with real_server(request.param) as server:
        yield server


@contextmanager
def real_server(name: str, *arguments: str) -> Iterator[RealServer]:
    with run_server(
        BINARIES[name], "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *arguments
    ) as server:
        yield server


@asynccontextmanager
async def pulsards(**settings: Any) -> AsyncIterator[tuple[PulsarDS, RealClient]]:
    """A server of ours, and a client that talks to it over a socket."""
    async with PulsarDS(bind="127.0.0.1:0", repl_ping_replica_period=1, **settings) as server:
        client = await anyio.to_thread.run_sync(RealClient, server.engine.port)
        try:
            yield server, client
        finally:
            client.close()


@contextmanager
def client_of(server: RealServer) -> Iterator[RealClient]:
    client = RealClient(server.port)
    try:
        yield client
    finally:
        client.close()


async def run(client: RealClient, commands: Any) -> None:
    await anyio.to_thread.run_sync(client.run, list(commands))


async def same(one: RealClient, other: RealClient) -> None:
    """Both hold the same. Looked at again, should something have expired between the two looks."""
    for _ in range(5):
        ours = await anyio.to_thread.run_sync(contents, one)
        theirs = await anyio.to_thread.run_sync(contents, other)
        if ours == theirs:
            return
    assert ours == theirs


async def write_while_links_break(proxy: FaultProxy, primary: RealClient, source: random.Random) -> None:
    """A load, and a link that breaks some bytes later, again and again; the last time on its way up."""
    for turn in range(5):
        before = proxy.accepted
        direction = proxy.down if turn < 4 else proxy.up
        direction.cut_after = source.randrange(1500 if turn < 4 else 30)
        await run(primary, changes(source, 60))
        await until(
            lambda before=before: proxy.accepted - before,
            lambda more: more > 0,
            "the link is not opened again",
        )


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_replica_of_a_real_server_whose_link_is_cut(real: RealServer, anyio_backend: str) -> None:
    source = random.Random(7)
    with client_of(real) as primary:
        async with pulsards() as (_, replica), FaultProxy(real.port) as proxy:
            await run(primary, seed())
            await execute(replica, "SET", "mine", "goes")
            await execute(replica, "REPLICAOF", "127.0.0.1", proxy.port)
            await linked(replica)
            await write_while_links_break(proxy, primary, source)
            await linked(replica)
            await caught_up(primary, replica)
            await same(primary, replica)
            stats = await anyio.to_thread.run_sync(info, primary, "stats")
            assert stats["sync_full"] == "1"
            assert int(stats["sync_partial_ok"]) >= 3


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_primary_of_a_real_server_whose_link_is_cut(real: RealServer, anyio_backend: str) -> None:
    source = random.Random(8)
    with client_of(real) as replica:
        async with pulsards() as (server, primary), FaultProxy(server.engine.port) as proxy:
            await run(primary, seed())
            await execute(replica, "REPLICAOF", "127.0.0.1", proxy.port)
            await linked(replica)
            await write_while_links_break(proxy, primary, source)
            await linked(replica)
            await caught_up(primary, replica)
            await same(primary, replica)
            stats = await anyio.to_thread.run_sync(info, primary, "stats")
            assert stats["sync_full"] == "1"
            assert int(stats["sync_partial_ok"]) >= 3


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("diskless", ["yes", "no"])
async def test_images_by_size_and_by_mark(diskless: str, anyio_backend: str) -> None:
    """A real server sends its image either way, and takes it either way."""
    with real_server("valkey", "--repl-diskless-sync", diskless) as real, client_of(real) as there:
        async with pulsards(repl_diskless_sync=diskless) as (server, here):
            await run(there, seed())
            await execute(here, "REPLICAOF", "127.0.0.1", real.port)
            await linked(here)
            await caught_up(there, here)
            await same(there, here)
            await execute(here, "REPLICAOF", "NO", "ONE")
            await execute(there, "FLUSHALL")
            await execute(there, "REPLICAOF", "127.0.0.1", server.engine.port)
            await linked(there)
            await caught_up(here, there)
            await same(there, here)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_chain_of_real_servers_and_ours(anyio_backend: str) -> None:
    """Valkey, pulsards, and behind that one pulsards and whatever real server there is: all count the same offsets."""
    with real_server("valkey") as first, real_server(THERE[-1]) as last:
        with client_of(first) as primary, client_of(last) as end:
            async with pulsards() as (middle_server, middle), pulsards() as (_, branch):
                await run(primary, seed())
                await execute(middle, "REPLICAOF", "127.0.0.1", first.port)
                await linked(middle)
                # So that the stream is for another database than 0 when the next ones join.
                await run(primary, [("SELECT", 3), ("SET", "three", "3")])
                await caught_up(primary, middle)
                for client in (branch, end):
                    await execute(client, "REPLICAOF", "127.0.0.1", middle_server.engine.port)
                    await linked(client)
                await run(primary, [("SET", "three", "4"), ("SELECT", 0), *changes(random.Random(5), 50)])
                await caught_up(primary, middle, branch, end)
                for client in (middle, branch, end):
                    await same(primary, client)
                assert await execute(primary, "WAIT", 1, 5000) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_failover_with_a_real_server_and_back(real: RealServer, anyio_backend: str) -> None:
    with client_of(real) as there:
        async with pulsards() as (server, here):
            await run(here, seed())
            await execute(there, "REPLICAOF", "127.0.0.1", server.engine.port)
            await linked(there)
            assert await execute(here, "FAILOVER", "TIMEOUT", "30000") == b"OK"
            await until(lambda: there.execute("ROLE")[0], lambda role: role == b"master")
            await linked(here)
            await run(there, changes(random.Random(6), 20))
            port = server.engine.port
            await until(
                lambda: info(there).get("slave0", ""),
                lambda text: "state=online" in text and f"port={port}" in text,
            )
            assert await execute(there, "FAILOVER", "TO", "127.0.0.1", port, "TIMEOUT", "30000") == b"OK"
            await until(lambda: here.execute("ROLE")[0], lambda role: role == b"master")
            await linked(there)
            await run(here, changes(random.Random(7), 20))
            await caught_up(here, there)
            await same(here, there)
            stats = await anyio.to_thread.run_sync(info, here, "stats")
            assert stats["sync_full"] == "1"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_wait_for_a_real_server(real: RealServer, anyio_backend: str) -> None:
    with client_of(real) as there:
        async with pulsards(min_replicas_to_write=1) as (server, here):
            refused = await execute(here, "SET", "a", "1")
            assert refused == ("error", "NOREPLICAS Not enough good replicas to write.")
            await execute(there, "REPLICAOF", "127.0.0.1", server.engine.port)
            await until(lambda: here.execute("SET", "a", "2"), lambda reply: reply == b"OK")
            assert await execute(here, "WAIT", 1, 30000) == 1
            assert await execute(there, "GET", "a") == b"2"
            assert await execute(here, "WAIT", 2, 10) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_waiting_for_disks(tmp_path: Path, anyio_backend: str) -> None:
    """A log on either side, of ours and of Valkey's; a full sync begins ours anew."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    async with pulsards(dir=first, appendonly="yes", appendfsync="always") as (server, primary):
        async with pulsards(dir=second, appendonly="yes") as (_, replica):
            await execute(replica, "SET", "mine", "goes")
            await run(primary, seed())
            await execute(replica, "REPLICAOF", "127.0.0.1", server.engine.port)
            await linked(replica)
            await execute(primary, "SET", "a", "1")
            assert await execute(primary, "WAITAOF", 1, 1, 30000) == [1, 1]
            found = await anyio.to_thread.run_sync(contents, replica)
        async with pulsards(dir=second, appendonly="yes") as (_, restarted):
            assert await anyio.to_thread.run_sync(contents, restarted) == found
        with real_server("valkey", "--appendonly", "yes") as real, client_of(real) as there:
            await execute(there, "REPLICAOF", "127.0.0.1", server.engine.port)
            await linked(there)
            await execute(primary, "SET", "a", "2")
            assert await execute(primary, "WAITAOF", 1, 1, 30000) == [1, 1]
            await execute(there, "REPLICAOF", "NO", "ONE")
            await execute(primary, "REPLICAOF", "127.0.0.1", real.port)
            await linked(primary)
            await execute(there, "SET", "a", "3")
            assert await execute(there, "WAITAOF", 0, 1, 30000) == [1, 1]
            assert await execute(primary, "GET", "a") == b"3"


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_with_tls(tmp_path: Path, anyio_backend: str) -> None:
    """The primary is served by the driver of streams then: the image goes on as its client takes it."""
    made = make_certificates(tmp_path)
    own: dict[str, Any] = {"tls_cert_file": made.server, "tls_key_file": made.key}
    async with PulsarDS(["127.0.0.1:0", "tls:127.0.0.1:0"], tls_ca_cert_file=made.authority, **own) as server:
        primary = await anyio.to_thread.run_sync(RealClient, server.engine.port)
        try:
            await run(
                primary,
                [*seed(), *(("SET", f"key:{number}", random.randbytes(5000)) for number in range(300))],
            )
            async with pulsards(tls_replication="yes", tls_ca_cert_file=made.authority, **own) as (
                _,
                replica,
            ):
                port = (await execute(primary, "CONFIG", "GET", "tls-port"))[1]
                await execute(replica, "REPLICAOF", "127.0.0.1", port)
                await linked(replica)
                await run(primary, changes(random.Random(3), 20))
                await caught_up(primary, replica)
                await same(primary, replica)
            async with pulsards(tls_replication="yes") as (_, replica):
                await execute(replica, "REPLICAOF", "127.0.0.1", port)
                found = await anyio.to_thread.run_sync(info, replica)
                assert found["master_link_status"] == "down"
        finally:
            primary.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_link_that_idles_costs_nothing_but_its_signs_of_life(anyio_backend: str) -> None:
    clocks = CountingClock(), CountingClock()
    async with pulsards(clock=clocks[0]) as (server, _), pulsards(clock=clocks[1]) as (_, replica):
        await execute(replica, "REPLICAOF", "127.0.0.1", server.engine.port)
        await linked(replica)
        before = [clock.sleeps for clock in clocks]
        offset = server.engine.replication.history.offset
        await until(
            lambda: server.engine.replication.history.offset, lambda now: now >= offset + 2 * 14
        )  # two pings
        # Each of them has something that is due, so that its timer asks for how long it may sleep after each turn.
        woken = [clock.sleeps - slept for clock, slept in zip(clocks, before, strict=True)]
        assert 1 <= woken[0] <= 8
        assert woken[1] <= 8


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_primary_that_is_not_there_yet(anyio_backend: str) -> None:
    """The link is tried again and again, and ended with the server."""
    async with pulsards() as (first_server, first):
        port = first_server.engine.port
        async with FaultProxy(port) as proxy, pulsards() as (_, replica):
            proxy.refusing = True
            await execute(replica, "REPLICAOF", "127.0.0.1", proxy.port)
            await until(lambda: proxy.accepted, lambda count: count > 1)
            assert (await execute(replica, "ROLE"))[3] in (b"connect", b"connecting", b"handshake")
            proxy.refusing = False
            await linked(replica)
            await execute(first, "SET", "a", "1")
            await caught_up(first, replica)
            assert await execute(replica, "GET", "a") == b"1"
            assert await execute(replica, "CLIENT", "KILL", "TYPE", "master") == 1
            await until(lambda: info(first, "stats")["sync_partial_ok"], lambda count: count == "1")
            await execute(replica, "REPLICAOF", "127.0.0.1", 1)
            assert (await execute(replica, "ROLE"))[:3] == [b"slave", b"127.0.0.1", 1]
            await execute(replica, "REPLICAOF", "NO", "ONE")
            assert await execute(replica, "GET", "a") == b"1"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_real_replicas_that_come_together_share_an_image(
    monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    """Two of the same kind get the same bytes."""
    made: list[Kind] = []

    def counted(engine: Engine, history: Any, selected: int, kind: Kind) -> Any:
        made.append(kind)
        return new_image(engine, history, selected, kind)

    monkeypatch.setattr(images, "new_image", counted)
    with real_server("valkey") as one, real_server("valkey") as two, client_of(one) as first:
        with client_of(two) as second:
            settings = {"repl_diskless_sync_delay": 100, "repl_diskless_sync_max_replicas": 2}
            async with pulsards(**settings) as (server, here):
                await run(here, seed())
                for client in (first, second):
                    await execute(client, "REPLICAOF", "127.0.0.1", server.engine.port)
                for client in (first, second):
                    await linked(client)
                await run(here, changes(random.Random(4), 20))
                await caught_up(here, first, second)
                for client in (first, second):
                    await same(here, client)
                assert [kind.for_valkey for kind in made] == [True]
