from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anystore import create_store
from anystore.exceptions import ConnectionFailed, ResponseError
from tests.servers import run_server, valkey_binary

pytestmark = pytest.mark.anyio


async def test_databases(client: Any) -> None:
    assert await client.dbsize() == 0
    await client.mset({"a": 1, "b": 2})
    assert await client.dbsize() == 2
    assert await client.swapdb(0, 9) is True
    assert await client.dbsize() == 0
    assert await client.swapdb(0, 9) is True
    assert await client.flushdb() is True
    assert await client.dbsize() == 0
    await client.set("a", 1)
    assert await client.flushdb(asynchronous=True) is True
    assert await client.flushall(asynchronous=True) is True
    assert await client.flushall() is True
    with pytest.raises(ResponseError, match="out of range"):
        await client.swapdb(0, 99)


async def test_settings(client: Any, text_client: Any) -> None:
    before = await client.config_get("slowlog*", "timeout")
    assert before["timeout"] == "0"
    assert {"slowlog-max-len", "slowlog-log-slower-than"} <= set(before)
    assert await text_client.config_get("slowlog*", "timeout") == before
    assert await client.config_set("slowlog-max-len", 64, "timeout", 0) is True
    assert await client.config_get("slowlog-max-len") == {"slowlog-max-len": "64"}
    assert await client.config_set("slowlog-max-len", 128) is True
    assert await client.config_get("nothing-of-the-kind") == {}
    assert await client.config_resetstat() is True
    with pytest.raises(ResponseError, match="Unknown option"):
        await client.config_set("nothing-of-the-kind", 1)
    with pytest.raises(ResponseError, match="CONFIG SET failed"):
        await client.config_set("timeout", "x")


@pytest.mark.needs("config|rewrite")
async def test_config_rewrite(client: Any) -> None:
    with pytest.raises(ResponseError, match="without a config file"):
        await client.config_rewrite()


async def test_info(client: Any, text_client: Any) -> None:
    await client.set("a", 1)
    info = await client.info()
    assert info["redis_version"]
    assert isinstance(info["uptime_in_seconds"], int)
    assert info["db0"]["keys"] == 1
    assert info["role"] == "master"
    assert set(await text_client.info("clients")) < set(info)
    both = await client.info("clients", "keyspace")
    assert both["connected_clients"] >= 1
    assert both["db0"]["keys"] == 1
    assert await client.info("nothing-of-the-kind") == {}


async def test_time_and_role(client: Any) -> None:
    seconds, microseconds = await client.time()
    assert abs(seconds - time.time()) < 5
    assert 0 <= microseconds < 1_000_000
    role, offset, replicas = await client.role()
    assert (role, replicas) == (b"master", [])
    assert isinstance(offset, int)


@pytest.mark.needs("acl|whoami")
async def test_whoami(client: Any) -> None:
    assert await client.acl_whoami() == "default"


@pytest.mark.needs("lolwut")
async def test_lolwut(client: Any) -> None:
    assert "ver" in await client.lolwut()
    assert isinstance(await client.lolwut(5, 1), str)


async def test_debug_object(client: Any) -> None:
    await client.set("a", "x")
    fields = await client.debug_object("a")
    assert fields["refcount"] == 1
    assert isinstance(fields["lru_seconds_idle"], int)
    with pytest.raises(ResponseError, match="no such key"):
        await client.debug_object("no")


@pytest.mark.needs("replicaof", "slaveof", "failover")
async def test_replication(client: Any) -> None:
    assert await client.replicaof("NO", "ONE") is True
    assert await client.slaveof() is True
    with pytest.raises(ResponseError, match="requires connected replicas"):
        await client.failover()


@pytest.mark.needs("shutdown")
async def test_no_shutdown_to_abort(client: Any) -> None:
    with pytest.raises(ResponseError, match="No shutdown in progress"):
        await client.shutdown_abort()


BUSY = {"rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"}


@pytest.mark.needs("save", "bgsave", "bgrewriteaof", "lastsave")
async def test_saving(client: Any) -> None:
    with anyio.fail_after(10):
        while BUSY & {name for name, value in (await client.info("persistence")).items() if value == 1}:
            await anyio.lowlevel.checkpoint()
    before = await client.lastsave()
    assert isinstance(before, datetime)
    assert await client.save() is True
    assert await client.lastsave() >= before
    assert await client.bgsave() is True
    assert await client.bgrewriteaof() is True


@pytest.mark.parametrize("protocol", [3, 2])
async def test_shutdown(protocol: int) -> None:
    with run_server(valkey_binary()) as server:
        async with create_store(server.dsn, protocol=protocol, reconnect_attempts=0) as store:
            await store.client().shutdown(nosave=True, now=True)
            with pytest.raises(ConnectionFailed):
                await store.ping()
