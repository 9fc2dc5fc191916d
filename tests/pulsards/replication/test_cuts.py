"""Links that are cut at random bytes, of the image as of the stream, while a load runs: in both roles, with real servers.

There is something of everything in the image, and the load has fields that expire and scripts in it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.faultproxy import FaultProxy
from tests.pulsards.copying import plain as without_times
from tests.pulsards.peers import RealClient
from tests.pulsards.persistence.datasets import DataSet
from tests.pulsards.persistence.test_round_trips import Contents, held
from tests.pulsards.replication.loads import caught_up, changes, execute, info, linked, seed, until
from tests.pulsards.replication.test_servers import THERE, client_of, pulsards, real_server, run, same
from tests.pulsards.test_copying_peers import as_told

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

#: Large enough that an image takes many pieces, of which a cut leaves some.
FILLING = [("SET", f"filling:{number}", random.Random(number).randbytes(400)) for number in range(250)]


@asynccontextmanager
async def load(port: int, seed_number: int, fields_expire: bool) -> AsyncIterator[None]:
    """Somebody who writes until the block ends."""
    done = False

    def write() -> None:
        client = RealClient(port)
        source = random.Random(seed_number)
        try:
            while not done:
                client.run(list(changes(source, 10, fields_expire)))
        finally:
            client.close()

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, write)
        try:
            yield
        finally:
            done = True


async def cut_again_and_again(proxy: FaultProxy, primary: RealClient, replica: RealClient) -> None:
    """Cut the image at some of its bytes, let it through then, and cut the stream at some of its own."""
    source = random.Random(primary.port)
    proxy.down.cut_after = source.randrange(20_000)
    proxy.down.then = [source.randrange(150), source.randrange(60_000), source.randrange(60_000)]
    await execute(replica, "REPLICAOF", "127.0.0.1", proxy.port)
    for cuts in (2, 1, 0):
        await until(lambda: len(proxy.down.then), lambda left, most=cuts: left <= most, "nothing is cut")
    await until(lambda: proxy.down.cut_after, lambda left: left is None, "nothing is cut")
    stats = await anyio.to_thread.run_sync(info, primary, "stats")
    assert stats["sync_partial_ok"] == "0"
    await linked(replica)
    for _ in range(4):
        direction = source.choice((proxy.down, proxy.down, proxy.up))
        direction.cut_after = source.randrange(60 if direction is proxy.up else 3000)
        await until(lambda taken=direction: taken.cut_after, lambda left: left is None, "nothing is cut")
    await linked(replica)


async def hold_the_same(primary: RealClient, replica: RealClient, name: str) -> None:
    """Look until both hold the same, groups of streams and fields as well: these do not expire everywhere at once."""

    def held_by_each() -> tuple[Contents, Contents]:
        return as_told(held(primary.execute, without_times), name), as_told(
            held(replica.execute, without_times), name
        )

    await until(held_by_each, lambda each: each[0] == each[1], "they are not the same")


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize("role", ["replica", "primary"])
@pytest.mark.parametrize("name", THERE)
async def test_promise_no_cut_makes_a_difference(
    name: str, role: str, diskless: str, anyio_backend: str
) -> None:
    """The role is ours."""
    fields_expire = name != "redis"
    with real_server(name, "--save", "", "--repl-diskless-sync", diskless) as real, client_of(real) as there:
        async with pulsards(repl_diskless_sync=diskless) as (server, here):
            ports = (real.port, server.engine.port)
            (primary, port), replica = (
                ((there, ports[0]), here) if role == "replica" else ((here, ports[1]), there)
            )
            await run(primary, [*DataSet(5, fields_expire).commands(), *seed(), *FILLING])
            await execute(replica, "SET", "mine", "goes")
            async with FaultProxy(port) as proxy:
                async with load(port, 9, fields_expire):
                    await cut_again_and_again(proxy, primary, replica)
                await caught_up(primary, replica)
                await same(primary, replica)
                await hold_the_same(primary, replica, name)
                stats = await anyio.to_thread.run_sync(info, primary, "stats")
                assert int(stats["sync_full"]) >= 3
                await execute(replica, "REPLICAOF", "NO", "ONE")
