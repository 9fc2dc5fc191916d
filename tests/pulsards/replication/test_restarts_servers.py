"""Restarts beside real servers: who comes back from its files is not sent everything again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from anystore.pulsards import PulsarDS
from tests.pulsards.peers import RealClient
from tests.pulsards.replication.loads import caught_up, changes, execute, info, linked, seed, until
from tests.pulsards.replication.test_servers import THERE, client_of, real_server, run, same
from tests.servers import RealServer, free_port

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

#: Rules whose time never comes, so that only the end saves.
SAVES = "100000 1"


@contextmanager
def real_with_files(name: str, folder: Path, *arguments: str) -> Iterator[tuple[RealServer, RealClient]]:
    folder.mkdir(exist_ok=True)
    with (
        real_server(name, "--dir", str(folder), "--save", SAVES, *arguments) as real,
        client_of(real) as client,
    ):
        yield real, client


@asynccontextmanager
async def pulsards_with_files(
    folder: Path, port: int, log: bool, primary: int = 0
) -> AsyncIterator[RealClient]:
    settings = {"appendonly": "yes"} if log else {"save": SAVES}
    if primary:
        settings["replicaof"] = f"127.0.0.1 {primary}"
    async with PulsarDS(f"127.0.0.1:{port}", dir=str(folder), repl_ping_replica_period=1, **settings):
        client = await anyio.to_thread.run_sync(RealClient, port)
        try:
            yield client
        finally:
            client.close()


async def went_on(primary: RealClient, replica: RealClient, *, full: int, partial: int) -> None:
    """The replica comes to have everything, and the primary has sent it this much since its own start."""
    await linked(replica)
    await run(primary, changes(random.Random(full + partial), 30))
    await caught_up(primary, replica)
    await same(primary, replica)
    stats = await anyio.to_thread.run_sync(info, primary, "stats")
    assert (int(stats["sync_full"]), int(stats["sync_partial_ok"])) == (full, partial)


async def log_is_there(client: RealClient) -> None:
    """Wait until the log, begun anew with the primary's data, has its first base."""
    await until(
        lambda: info(client, "persistence"),
        lambda found: int(found["aof_rewrites"]) > 0 and found["aof_rewrite_scheduled"] == "0",
    )


@pytest.mark.parametrize("log", [False, True], ids=["image", "log"])
@pytest.mark.parametrize("name", THERE)
async def test_pulsards_behind_a_real_server(
    name: str, log: bool, tmp_path: Path, anyio_backend: str
) -> None:
    """Restarted as the replica; and then the real server is, which goes on under another name and at another port."""
    ours, theirs, port = tmp_path / "ours", tmp_path / "theirs", free_port()
    with real_with_files(name, theirs) as (real, there):
        await run(there, seed())
        async with pulsards_with_files(ours, port, log) as here:
            await execute(here, "REPLICAOF", "127.0.0.1", real.port)
            await linked(here)
            await run(there, [("SELECT", 3), ("SET", "three", "3")])
            await caught_up(there, here)
            if log:
                await log_is_there(here)
        await run(there, [("SET", "three", "4"), ("SELECT", 0)])
        async with pulsards_with_files(ours, port, log, real.port) as here:
            await went_on(there, here, full=1, partial=1)
            await anyio.to_thread.run_sync(stop, real)
            with real_with_files(name, theirs) as (again, there):
                await execute(here, "REPLICAOF", "127.0.0.1", again.port)
                await went_on(there, here, full=0, partial=1)
                # It waits for its replica, which must not be held up meanwhile.
                await anyio.to_thread.run_sync(stop, again)


@pytest.mark.parametrize("log", [False, True], ids=["image", "log"])
@pytest.mark.parametrize("name", THERE)
async def test_a_real_server_behind_pulsards(
    name: str, log: bool, tmp_path: Path, anyio_backend: str
) -> None:
    """First the replica is restarted, and then the primary."""
    ours, theirs, port = tmp_path / "ours", tmp_path / "theirs", free_port()
    behind = ("--replicaof", f"127.0.0.1 {port}")
    async with pulsards_with_files(ours, port, log) as here:
        await run(here, seed())
        with real_with_files(name, theirs, *behind) as (_, there):
            await linked(there)
            await caught_up(here, there)
        await run(here, changes(random.Random(4), 30))
        with real_with_files(name, theirs, *behind) as (_, there):
            await went_on(here, there, full=1, partial=1)
    with real_with_files(name, theirs, *behind) as (_, there):
        await until(lambda: info(there)["master_link_status"], lambda status: status == "down")
        async with pulsards_with_files(ours, port, log) as here:
            await went_on(here, there, full=0, partial=1)


def stop(real: RealServer) -> None:
    """In order, so that it saves what it has."""
    real.process.terminate()
    real.process.wait(timeout=60)
