"""What type checkers make of the results of `commands.cluster`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline

Nodes = dict[str, dict[str, Any]]
Figures = dict[int, dict[str, int]]


async def looking(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.clusterscan(), tuple[str, list[bytes]])
    assert_type(await c.cluster("info"), Any)
    assert_type(await c.cluster_info(), dict[str, str])
    assert_type(await c.cluster_nodes(), Nodes)
    assert_type(await c.cluster_replicas("n"), Nodes)
    assert_type(await c.cluster_slaves("n"), Nodes)
    assert_type(await c.cluster_slots(), dict[tuple[int, int], dict[str, Any]])
    assert_type(await c.cluster_shards(), list[dict[str, Any]])
    assert_type(await c.cluster_links(), list[dict[str, Any]])
    assert_type(await c.cluster_myid(), str)
    assert_type(await c.cluster_myshardid(), str)
    assert_type(await c.cluster_keyslot("k"), int)
    assert_type(await c.cluster_countkeysinslot(1), int)
    assert_type(await c.cluster_get_keys_in_slot(1, 2), list[bytes])
    assert_type(await c.cluster_count_failure_report("n"), int)
    assert_type(await c.cluster_slot_stats(1, 2), Figures)
    assert_type(await c.cluster_slot_stats_orderby("key-count"), Figures)
    assert_type(await c.cluster_getslotmigrations(), list[dict[str, Any]])


async def changing(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.clusterscan(), tuple[str, list[str]])
    assert_type(await c.cluster_get_keys_in_slot(1, 2), list[str])
    assert_type(await c.asking(), bool)
    assert_type(await c.readonly(), bool)
    assert_type(await c.readwrite(), bool)
    assert_type(await c.cluster_addslots(1), bool)
    assert_type(await c.cluster_addslotsrange(1, 2), bool)
    assert_type(await c.cluster_delslots(1), bool)
    assert_type(await c.cluster_delslotsrange(1, 2), bool)
    assert_type(await c.cluster_flushslots(), bool)
    assert_type(await c.cluster_flushslot(1), bool)
    assert_type(await c.cluster_setslot("n", 1, "NODE"), bool)
    assert_type(await c.cluster_setslot_stable(1), bool)
    assert_type(await c.cluster_migrateslots(([(1, 2)], "n")), bool)
    assert_type(await c.cluster_cancelslotmigrations(), bool)
    assert_type(await c.cluster_meet("h", 1), bool)
    assert_type(await c.cluster_forget("n"), bool)
    assert_type(await c.cluster_replicate("n"), bool)
    assert_type(await c.cluster_failover("FORCE"), bool)
    assert_type(await c.cluster_reset(), bool)
    assert_type(await c.cluster_bumpepoch(), str)
    assert_type(await c.cluster_set_config_epoch(1), bool)
    assert_type(await c.cluster_save_config(), bool)
    assert_type(await c.cluster_get_keys_in_slot(1, 2), list[str])
