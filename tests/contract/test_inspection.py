from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import ResponseError

pytestmark = pytest.mark.anyio


async def test_command_table(client: Any, text_client: Any) -> None:
    table = await client.command_info("get", "config", "nothing-of-the-kind")
    assert list(table) == ["get", "config"]
    get = table["get"]
    assert (get["arity"], get["first_key_pos"], get["last_key_pos"], get["step_count"]) == (2, 1, 1, 1)
    assert "readonly" in get["flags"]
    assert "@string" in get["acl_categories"]
    (specification,) = get["key_specifications"]
    assert specification["begin_search"] == {"type": "index", "spec": {"index": 1}}
    assert specification["find_keys"] == {"type": "range", "spec": {"lastkey": 0, "keystep": 1, "limit": 0}}
    assert "config|get" in [row["name"] for row in table["config"]["subcommands"]]
    assert await text_client.command_info("get") == {"get": get}
    everything = await client.command()
    assert everything["get"] == get
    assert len(everything) == await client.command_count()


async def test_command_docs(client: Any, text_client: Any) -> None:
    docs = await client.command_docs("set", "config", "nothing-of-the-kind")
    assert set(docs) == {"set", "config"}
    assert docs["set"]["group"] == "string"
    assert docs["set"]["arguments"][0]["name"] == "key"
    assert docs["config"]["subcommands"]["config|get"]["since"] == "2.0.0"
    assert await text_client.command_docs("set", "config", "nothing-of-the-kind") == docs


async def test_command_list_and_keys(client: Any) -> None:
    assert {"get", "set", "config"} <= set(await client.command_list())
    assert "get" in await client.command_list(category="read")
    assert "set" not in await client.command_list(category="read")
    assert all(name.startswith("z") for name in await client.command_list(pattern="z*"))
    assert await client.command_list(module="none") == []
    assert await client.command_getkeys("MSET", "a", 1, "b", 2) == [b"a", b"b"]
    assert await client.command_getkeysandflags("LMOVE", "a", "b", "LEFT", "LEFT") == [
        (b"a", ["RW", "access", "delete"]),
        (b"b", ["RW", "insert"]),
    ]
    with pytest.raises(ResponseError, match="no key arguments"):
        await client.command_getkeys("ECHO", "x")


@pytest.mark.needs("memory|usage")
async def test_memory_usage(client: Any) -> None:
    await client.set("a", "x" * 100)
    usage = await client.memory_usage("a")
    assert usage > 100
    assert await client.memory_usage("a", samples=0) == usage
    assert await client.memory_usage("no") is None


@pytest.mark.needs("memory|stats", "memory|doctor", "memory|malloc-stats", "memory|purge")
async def test_memory_reports(client: Any) -> None:
    await client.set("a", 1)
    stats = await client.memory_stats()
    assert isinstance(stats["peak.allocated"], int)
    assert isinstance(stats["peak.percentage"], float)
    assert all(isinstance(size, int) for size in stats["db.0"].values())
    assert isinstance(await client.memory_doctor(), str)
    assert isinstance(await client.memory_malloc_stats(), str)
    assert await client.memory_purge() is True


@pytest.mark.needs("latency|histogram", "latency|doctor")
async def test_latency(client: Any) -> None:
    await client.get("a")
    histogram = (await client.latency_histogram("get"))["get"]
    assert histogram["calls"] >= 1
    assert max(histogram["histogram_usec"].values()) == histogram["calls"]
    assert await client.latency_histogram("nothing-of-the-kind") == {}
    assert await client.latency_history("command") == []
    assert await client.latency_latest() == []
    assert await client.latency_reset("command") == 0
    assert isinstance(await client.latency_doctor(), str)
    with pytest.raises(ResponseError, match="No samples available"):
        await client.latency_graph("command")


async def test_slowlog(client: Any, text_client: Any) -> None:
    await client.config_set("slowlog-log-slower-than", 0)
    try:
        assert await client.slowlog_reset() is True
        await client.set("a", b"\xff")
        assert await client.slowlog_len() >= 1
        for entries in (await text_client.slowlog_get(-1), await client.slowlog_get()):
            entry = next(entry for entry in entries if entry["command"].startswith(b"SET "))
            assert entry["command"] == b"SET a \xff"
            assert entry["duration"] >= 0
            assert isinstance(entry["client_address"], bytes)
        assert len(await client.slowlog_get(1)) == 1
    finally:
        await client.config_set("slowlog-log-slower-than", 10_000)


@pytest.mark.needs("module|list")
async def test_modules(client: Any) -> None:
    assert all("name" in module for module in await client.module_list())
    with pytest.raises(ResponseError, match="MODULE command not allowed"):
        await client.module_load("/nothing.so", 1)
    with pytest.raises(ResponseError, match="MODULE command not allowed"):
        await client.module_loadex("/nothing.so", ["a", "1"], ["x"])
    with pytest.raises(ResponseError, match="MODULE command not allowed"):
        await client.module_unload("nothing")


@pytest.mark.needs("commandlog|get")
async def test_command_logs(client: Any) -> None:
    [(name, before)] = (await client.config_get("commandlog-request-larger-than")).items()
    await client.config_set(name, 1000)
    try:
        assert await client.commandlog_reset("LARGE-REQUEST") is True
        await client.set("k", b"x" * 2000)
        assert await client.commandlog_len("LARGE-REQUEST") == 1
        [entry] = await client.commandlog_get(-1, "LARGE-REQUEST")
        assert entry["value"] >= 2000
        assert entry["command"].startswith(b"SET k xxx")
        assert set(entry) == {"id", "start_time", "value", "command", "client_address", "client_name"}
        assert await client.commandlog_get(10, "LARGE-REPLY") == []
    finally:
        await client.config_set(name, before)
        await client.commandlog_reset("LARGE-REQUEST")
