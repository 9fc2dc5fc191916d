"""Servers that end while their replicas lack something, over real sockets."""

from __future__ import annotations

import signal
from typing import Any

import anyio
import pytest

from tests.faultproxy import FaultProxy
from tests.pulsards.peers import RealClient
from tests.pulsards.replication.loads import caught_up, execute, info, linked, until
from tests.pulsards.replication.test_servers import client_of, pulsards, real_server
from tests.pulsards.test_main import Running
from tests.servers import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def ending(client: RealClient) -> Any:
    """Wait until a server waits for its replicas."""
    return await until(lambda: info(client, "server"), lambda found: "shutdown_in_milliseconds" in found)


async def test_promise_a_real_replica_gets_what_was_acknowledged_before_a_shutdown(
    anyio_backend: str,
) -> None:
    with real_server("valkey") as real, client_of(real) as there:
        async with pulsards(shutdown_timeout=60) as (server, here), FaultProxy(server.engine.port) as proxy:
            await execute(there, "REPLICAOF", "127.0.0.1", proxy.port)
            await linked(there)
            await caught_up(here, there)
            proxy.pause()
            await execute(here, "SET", "a", "1")
            other = await anyio.to_thread.run_sync(RealClient, server.engine.port)
            other.send("SHUTDOWN")
            await ending(here)
            proxy.resume()
            await server.wait_ended()
            other.close()
            await execute(there, "REPLICAOF", "NO", "ONE")
            assert await execute(there, "GET", "a") == b"1"


async def test_a_signal_waits_for_replicas_too_and_a_second_one_does_not(anyio_backend: str) -> None:
    port = free_port()
    running = await anyio.to_thread.run_sync(
        lambda: Running("--port", str(port), "--shutdown-timeout", "60", "--repl-ping-replica-period", "1")
    )
    with running:
        primary = await anyio.to_thread.run_sync(RealClient, port)
        async with pulsards() as (_, replica), FaultProxy(port) as proxy:
            await execute(replica, "REPLICAOF", "127.0.0.1", proxy.port)
            await linked(replica)
            await caught_up(primary, replica)
            proxy.pause()
            await execute(primary, "SET", "a", "1")
            running.process.send_signal(signal.SIGTERM)
            await ending(primary)
            assert running.process.poll() is None
            status, log = await anyio.to_thread.run_sync(running.stop)
            assert status == 0
            assert "waiting for replicas" in log
            await execute(replica, "REPLICAOF", "NO", "ONE")
            proxy.resume()
        primary.close()
