"""Clusters: what every server answers that is not in one. What a cluster answers is in tests/redis/commands."""

from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import ResponseError
from tests.contract.conftest import Target

pytestmark = pytest.mark.anyio


async def test_looking_without_a_cluster(client: Any) -> None:
    for call in (
        client.cluster("info"),
        client.cluster_info(),
        client.cluster_nodes(),
        client.cluster_replicas("node"),
        client.cluster_slaves("node"),
        client.cluster_slots(),
        client.cluster_shards(),
        client.cluster_links(),
        client.cluster_myid(),
        client.cluster_countkeysinslot(1),
        client.cluster_get_keys_in_slot(1, 2),
        client.cluster_count_failure_report("node"),
    ):
        with pytest.raises(ResponseError, match="cluster support disabled"):
            await call


async def test_changing_without_a_cluster(client: Any) -> None:
    for call in (
        client.asking(),
        client.cluster_addslots(1),
        client.cluster_addslotsrange(1, 2),
        client.cluster_delslots(1),
        client.cluster_delslotsrange(1, 2),
        client.cluster_flushslots(),
        client.cluster_setslot("node", 1, "NODE"),
        client.cluster_setslot_stable(1),
        client.cluster_meet("127.0.0.1", 1),
        client.cluster_forget("node"),
        client.cluster_replicate("node"),
        client.cluster_failover(),
        client.cluster_reset(),
        client.cluster_bumpepoch(),
        client.cluster_set_config_epoch(1),
        client.cluster_save_config(),
    ):
        with pytest.raises(ResponseError, match="cluster support disabled"):
            await call


@pytest.mark.since("7.2.0")
@pytest.mark.needs("cluster|flushslot")  # the same servers have the rest
async def test_what_is_younger_without_a_cluster(client: Any) -> None:
    for call in (
        client.cluster_myshardid(),
        client.cluster_slot_stats(1, 2),
        client.cluster_slot_stats_orderby("key-count"),
        client.cluster_flushslot(1),
        client.cluster_migrateslots(([(1, 2)], "node")),
        client.cluster_getslotmigrations(),
        client.cluster_cancelslotmigrations(),
        client.clusterscan(),
    ):
        with pytest.raises(ResponseError, match="cluster support disabled"):
            await call


async def test_modes_of_the_connection_and_slots(client: Any, target: Target) -> None:
    """Valkey knows them without a cluster, too."""
    for call, result in (
        (client.readonly(), True),
        (client.readwrite(), True),
        (client.cluster_keyslot("key"), 12539),
    ):
        if target.name == "valkey":
            assert await call == result
        else:
            with pytest.raises(ResponseError, match="cluster support disabled"):
                await call
