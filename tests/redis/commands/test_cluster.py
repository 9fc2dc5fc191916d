from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from anystore import create_store
from anystore.redis.commands import cluster_texts
from tests.redis.commands.recorder import Call, check, check_refused, results, sends
from tests.servers import RealServer, free_port, run_server, valkey_binary


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.asking(), "ASKING"),
        sends(lambda c: c.readonly(), "READONLY"),
        sends(lambda c: c.readwrite(), "READWRITE"),
        sends(lambda c: c.clusterscan(), "CLUSTERSCAN", 0),
        sends(
            lambda c: c.clusterscan("7-x", "a*", 10, "set", 3),
            *("CLUSTERSCAN", "7-x", "MATCH", "a*", "COUNT", 10, "TYPE", "set", "SLOT", 3),
        ),
        sends(lambda c: c.cluster("info"), "CLUSTER", "INFO"),
        sends(lambda c: c.cluster_info(), "CLUSTER", "INFO"),
        sends(lambda c: c.cluster_nodes(), "CLUSTER", "NODES"),
        sends(lambda c: c.cluster_replicas("n"), "CLUSTER", "REPLICAS", "n"),
        sends(lambda c: c.cluster_slaves("n"), "CLUSTER", "SLAVES", "n"),
        sends(lambda c: c.cluster_slots(), "CLUSTER", "SLOTS"),
        sends(lambda c: c.cluster_shards(), "CLUSTER", "SHARDS"),
        sends(lambda c: c.cluster_links(), "CLUSTER", "LINKS"),
        sends(lambda c: c.cluster_myid(), "CLUSTER", "MYID"),
        sends(lambda c: c.cluster_myshardid(), "CLUSTER", "MYSHARDID"),
        sends(lambda c: c.cluster_keyslot("k"), "CLUSTER", "KEYSLOT", "k"),
        sends(lambda c: c.cluster_countkeysinslot(5), "CLUSTER", "COUNTKEYSINSLOT", 5),
        sends(lambda c: c.cluster_get_keys_in_slot(5, 2), "CLUSTER", "GETKEYSINSLOT", 5, 2),
        sends(lambda c: c.cluster_count_failure_report("n"), "CLUSTER", "COUNT-FAILURE-REPORTS", "n"),
        sends(lambda c: c.cluster_slot_stats(1, 2), "CLUSTER", "SLOT-STATS", "SLOTSRANGE", 1, 2),
        sends(
            lambda c: c.cluster_slot_stats_orderby("key-count", 3, "desc"),
            *("CLUSTER", "SLOT-STATS", "ORDERBY", "key-count", "LIMIT", 3, "DESC"),
        ),
        sends(lambda c: c.cluster_addslots(1, 2), "CLUSTER", "ADDSLOTS", 1, 2),
        sends(lambda c: c.cluster_addslotsrange(1, 2), "CLUSTER", "ADDSLOTSRANGE", 1, 2),
        sends(lambda c: c.cluster_delslots(1), "CLUSTER", "DELSLOTS", 1),
        sends(lambda c: c.cluster_delslotsrange(1, 2), "CLUSTER", "DELSLOTSRANGE", 1, 2),
        sends(lambda c: c.cluster_flushslots(), "CLUSTER", "FLUSHSLOTS"),
        sends(lambda c: c.cluster_flushslot(1), "CLUSTER", "FLUSHSLOT", 1),
        sends(lambda c: c.cluster_flushslot(1, "async"), "CLUSTER", "FLUSHSLOT", 1, "ASYNC"),
        sends(lambda c: c.cluster_setslot("n", 1, "importing"), "CLUSTER", "SETSLOT", 1, "IMPORTING", "n"),
        sends(lambda c: c.cluster_setslot_stable(1), "CLUSTER", "SETSLOT", 1, "STABLE"),
        sends(
            lambda c: c.cluster_migrateslots(([(0, 1), (5, 9)], "n"), ([(2, 3)], "m")),
            *(
                "CLUSTER",
                "MIGRATESLOTS",
                "SLOTSRANGE",
                0,
                1,
                5,
                9,
                "NODE",
                "n",
                "SLOTSRANGE",
                2,
                3,
                "NODE",
                "m",
            ),
        ),
        sends(lambda c: c.cluster_getslotmigrations(), "CLUSTER", "GETSLOTMIGRATIONS"),
        sends(lambda c: c.cluster_cancelslotmigrations(), "CLUSTER", "CANCELSLOTMIGRATIONS"),
        sends(lambda c: c.cluster_meet("h", 1), "CLUSTER", "MEET", "h", 1),
        sends(lambda c: c.cluster_forget("n"), "CLUSTER", "FORGET", "n"),
        sends(lambda c: c.cluster_replicate("n"), "CLUSTER", "REPLICATE", "n"),
        sends(lambda c: c.cluster_failover(), "CLUSTER", "FAILOVER"),
        sends(lambda c: c.cluster_failover("force"), "CLUSTER", "FAILOVER", "FORCE"),
        sends(lambda c: c.cluster_reset(), "CLUSTER", "RESET", "SOFT"),
        sends(lambda c: c.cluster_reset(soft=False), "CLUSTER", "RESET", "HARD"),
        sends(lambda c: c.cluster_bumpepoch(), "CLUSTER", "BUMPEPOCH"),
        sends(lambda c: c.cluster_set_config_epoch(3), "CLUSTER", "SET-CONFIG-EPOCH", 3),
        sends(lambda c: c.cluster_save_config(), "CLUSTER", "SAVECONFIG"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.cluster_addslots(), "ADDSLOTS needs"),
        (lambda c: c.cluster_addslotsrange(1, 2, 3), "pairs"),
        (lambda c: c.cluster_setslot("n", 1, "stable"), "state must be"),
        (lambda c: c.cluster_failover("now"), "option must be"),
        (lambda c: c.cluster_migrateslots(), "MIGRATESLOTS needs"),
        (lambda c: c.cluster_flushslot(1, "later"), "sync_type must be"),
    ],
)
def test_refused(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_nodes() -> None:
    line = b"07c3 127.0.0.1:30004@31004,host slave e7d1 0 1426238317239 4 connected\n"
    other = b"e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 disconnected 0-5 7 [93->-ab] [77-<-cd]\n"
    found = cluster_texts.nodes(line + other)
    assert list(found) == ["127.0.0.1:30004", "127.0.0.1:30001"]
    assert found["127.0.0.1:30004"]["hostname"] == "host"
    assert found["127.0.0.1:30004"]["connected"] is True
    assert found["127.0.0.1:30001"]["slots"] == [["0", "5"], ["7"]]
    assert found["127.0.0.1:30001"]["migrations"] == [
        {"slot": "93", "node_id": "ab", "state": "migrating"},
        {"slot": "77", "node_id": "cd", "state": "importing"},
    ]
    assert cluster_texts.nodes([line.strip()]) == cluster_texts.nodes(line)


def test_results_are_the_same_in_both_protocols() -> None:
    node2 = [b"id", b"n", b"port", 1, b"role", b"master"]
    node3 = {b"id": b"n", b"port": 1, b"role": b"master"}
    shards = results(
        lambda c: c.cluster_shards(),
        [[b"slots", [0, 5, 7, 9], b"nodes", [node2]]],
        [{b"slots": [0, 5, 7, 9], b"nodes": [node3]}],
    )
    wanted = [{"slots": [(0, 5), (7, 9)], "nodes": [{"id": "n", "port": 1, "role": "master"}]}]
    assert shards == [wanted, wanted]
    stats = results(lambda c: c.cluster_slot_stats(0, 1), [[0, [b"key-count", 3]]], [[0, {b"key-count": 3}]])
    assert stats == [{0: {"key-count": 3}}] * 2
    page = results(lambda c: c.clusterscan(), [b"7-x", [b"a"]])
    assert page == [("7-x", [b"a"])]


class TestOnACluster:
    """One node with all slots: what a real cluster answers can be read."""

    @pytest.fixture(scope="class")
    @classmethod
    def node(cls) -> Iterator[RealServer]:
        with run_server(
            valkey_binary(), "--cluster-enabled", "yes", "--cluster-port", str(free_port())
        ) as server:
            yield server

    @pytest.mark.anyio
    @pytest.mark.parametrize("protocol", [2, 3])
    async def test_results(self, node: RealServer, protocol: int) -> None:
        async with create_store(node.dsn, protocol=protocol) as store:
            client = store.client()
            if (await client.cluster_info())["cluster_slots_assigned"] == "0":
                assert await client.cluster_addslotsrange(0, 16382) is True
                assert await client.cluster_addslots(16383) is True
            with anyio.fail_after(60):
                while (await client.cluster_info())["cluster_state"] != "ok":
                    pass  # it waits some seconds before it believes that
            own = await client.cluster_myid()
            assert isinstance(await client.cluster_myshardid(), str)
            assert [row["node_id"] for row in (await client.cluster_nodes()).values()] == [own]
            [[first, last]] = [list(key) for key in await client.cluster_slots()]
            assert (first, last) == (0, 16383)
            [shard] = await client.cluster_shards()
            assert shard["slots"] == [(0, 16383)]
            assert shard["nodes"][0]["id"] == own
            assert await client.cluster_links() == []
            slot = await client.cluster_keyslot("key")
            assert slot == 12539
            with_key = await client.cluster_countkeysinslot(slot)
            assert with_key == len(await client.cluster_get_keys_in_slot(slot, 10))
            assert set(await client.cluster_slot_stats(slot, slot)) == {slot}
            assert len(await client.cluster_slot_stats_orderby("key-count", 2, "ASC")) == 2
            assert await client.cluster_count_failure_report(own) == 0
            assert await client.cluster_getslotmigrations() == []
            assert await client.cluster_setslot_stable(1) is True
            assert await client.cluster_flushslot(1, "SYNC") is True
            assert await client.cluster_save_config() is True
            assert (await client.cluster_bumpepoch()).split()[0] in {"BUMPED", "STILL"}
            assert await client.cluster_replicas(own) == {}
            assert await client.readonly() is True
            assert await client.readwrite() is True
            cursor, keys = await client.clusterscan()
            assert isinstance(cursor, str)
            assert keys == []
