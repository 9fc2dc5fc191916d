"""Commands to the nodes of a cluster: each speaks with the one node that the store is connected to."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, cluster_texts, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S


class ClusterCommands(Commands[S]):
    """Looking into a cluster, and changing it, from one of its nodes.

    All raise `ResponseError` on a server whose cluster mode is off. Those that set a mode of the connection
    (`readonly`, `readwrite`, `asking`) speak of the one that tasks share, until it is lost.
    """

    def asking(self) -> Awaitable[bool]:
        """Have the next command of this connection served though its slot is on its way here; True. O(1).

        As others use the connection too, put it in front of that command in `pipeline(transaction=False)`.
        Since 3.0.0. https://valkey.io/commands/asking/
        """
        return self.execute_command("ASKING", reply=replies.is_ok)

    def readonly(self) -> Awaitable[bool]:
        """Let this connection read from a replica of the cluster; True. O(1).

        Since 3.0.0. https://valkey.io/commands/readonly/
        """
        return self.execute_command("READONLY", reply=replies.is_ok)

    def readwrite(self) -> Awaitable[bool]:
        """Undo `readonly`; True. O(1). Since 3.0.0. https://valkey.io/commands/readwrite/"""
        return self.execute_command("READWRITE", reply=replies.is_ok)

    def clusterscan(
        self,
        cursor: KeyT | int = 0,
        match: KeyT | None = None,
        count: int | None = None,
        _type: str | None = None,
        slot: int | None = None,
    ) -> Awaitable[tuple[str, list[S]]]:
        """One page of a cluster's keys: `(next cursor, keys)`; the cursor is a text, `"0"` at the end. O(1).

        `slot` has only keys of that slot; the rest is as for `scan`. Since Valkey 9.1.
        https://valkey.io/commands/clusterscan/
        """
        args: list[Argument] = [cursor]
        for name, value in (("MATCH", match), ("COUNT", count), ("TYPE", _type), ("SLOT", slot)):
            if value is not None:
                args += (name, value)
        return self.execute_command("CLUSTERSCAN", *args, reply=_text_page)

    def cluster(self, cluster_arg: str, *args: Argument) -> Awaitable[Any]:
        """Any command of the container, its reply as it comes. Since 3.0.0. https://valkey.io/commands/cluster/"""
        return self.execute_command("CLUSTER", cluster_arg.upper(), *args)

    # Looking

    def cluster_info(self) -> Awaitable[dict[str, str]]:
        """The state of the cluster as this node sees it. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-info/
        """
        return self.execute_command("CLUSTER", "INFO", reply=cluster_texts.info)

    def cluster_nodes(self) -> Awaitable[dict[str, dict[str, Any]]]:
        """All nodes by `host:port`: `node_id`, `flags`, `slots`, `connected` … . O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-nodes/
        """
        return self.execute_command("CLUSTER", "NODES", reply=cluster_texts.nodes)

    def cluster_replicas(self, node_id: str) -> Awaitable[dict[str, dict[str, Any]]]:
        """The replicas of a node, as `cluster_nodes` shows them. O(N).

        Since 5.0.0. https://valkey.io/commands/cluster-replicas/
        """
        return self.execute_command("CLUSTER", "REPLICAS", node_id, reply=cluster_texts.nodes)

    def cluster_slaves(self, node_id: str) -> Awaitable[dict[str, dict[str, Any]]]:
        """The old name of `cluster_replicas`. O(N). Since 3.0.0. https://valkey.io/commands/cluster-slaves/"""
        return self.execute_command("CLUSTER", "SLAVES", node_id, reply=cluster_texts.nodes)

    def cluster_slots(self) -> Awaitable[dict[tuple[int, int], dict[str, Any]]]:
        """Who has which slots: `{(first, last): {"primary": (host, port), "replicas": […]}}`. O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-slots/
        """
        return self.execute_command("CLUSTER", "SLOTS", reply=cluster_texts.slots)

    def cluster_shards(self) -> Awaitable[list[dict[str, Any]]]:
        """The shards: `slots` as `(first, last)`, `nodes` as `dict`. O(N).

        Since 7.0.0. https://valkey.io/commands/cluster-shards/
        """
        return self.execute_command("CLUSTER", "SHARDS", reply=cluster_texts.shards)

    def cluster_links(self) -> Awaitable[list[dict[str, Any]]]:
        """This node's connections to others: `direction`, `node`, `events` … . O(N).

        Since 7.0.0. https://valkey.io/commands/cluster-links/
        """
        return self.execute_command("CLUSTER", "LINKS", reply=cluster_texts.maps)

    def cluster_myid(self) -> Awaitable[str]:
        """The name of this node. O(1). Since 3.0.0. https://valkey.io/commands/cluster-myid/"""
        return self.execute_command("CLUSTER", "MYID", reply=replies.text)

    def cluster_myshardid(self) -> Awaitable[str]:
        """The name of this node's shard. O(1). Since 7.2.0. https://valkey.io/commands/cluster-myshardid/"""
        return self.execute_command("CLUSTER", "MYSHARDID", reply=replies.text)

    def cluster_keyslot(self, key: KeyT) -> Awaitable[int]:
        """The slot of a key. O(N) in its length. Since 3.0.0. https://valkey.io/commands/cluster-keyslot/"""
        return self.execute_command("CLUSTER", "KEYSLOT", key)

    def cluster_countkeysinslot(self, slot_id: int) -> Awaitable[int]:
        """How many keys of a slot this node has. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-countkeysinslot/
        """
        return self.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot_id)

    def cluster_get_keys_in_slot(self, slot: int, num_keys: int) -> Awaitable[list[S]]:
        """Keys of a slot that this node has, so many at most. O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-getkeysinslot/
        """
        return self.execute_command("CLUSTER", "GETKEYSINSLOT", slot, num_keys)

    def cluster_count_failure_report(self, node_id: str) -> Awaitable[int]:
        """How many nodes say of this one that it is down. O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-count-failure-reports/
        """
        return self.execute_command("CLUSTER", "COUNT-FAILURE-REPORTS", node_id)

    def cluster_slot_stats(self, start_slot: int, end_slot: int) -> Awaitable[dict[int, dict[str, int]]]:
        """Figures of the slots from `start_slot` to `end_slot` that this node has: `key-count` … . O(N).

        Since 8.2.0, Valkey 8.0. https://valkey.io/commands/cluster-slot-stats/
        """
        args = ("SLOTSRANGE", start_slot, end_slot)
        return self.execute_command("CLUSTER", "SLOT-STATS", *args, reply=cluster_texts.slot_stats)

    def cluster_slot_stats_orderby(
        self, metric: str, limit: int | None = None, order: str | None = None
    ) -> Awaitable[dict[int, dict[str, int]]]:
        """The slots with most of `metric` first, or least (`order` is `ASC` or `DESC`). O(N log N).

        Since 8.2.0, Valkey 8.0. https://valkey.io/commands/cluster-slot-stats/
        """
        args: list[Argument] = ["ORDERBY", metric]
        if limit is not None:
            args += ("LIMIT", limit)
        if order is not None:
            args.append(arguments.one_of("order", order, ("ASC", "DESC")))
        return self.execute_command("CLUSTER", "SLOT-STATS", *args, reply=cluster_texts.slot_stats)

    # Changing

    def cluster_addslots(self, *slots: int) -> Awaitable[bool]:
        """Give slots that nobody has to this node; True. O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-addslots/
        """
        return self._cluster_slots_of("ADDSLOTS", slots)

    def cluster_addslotsrange(self, *slots: int) -> Awaitable[bool]:
        """`cluster_addslots` for ranges: first, last, first, last … . O(N).

        Since 7.0.0. https://valkey.io/commands/cluster-addslotsrange/
        """
        return self._cluster_slots_of("ADDSLOTSRANGE", slots)

    def cluster_delslots(self, *slots: int) -> Awaitable[bool]:
        """Have this node forget who has these slots; True. O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-delslots/
        """
        return self._cluster_slots_of("DELSLOTS", slots)

    def cluster_delslotsrange(self, *slots: int) -> Awaitable[bool]:
        """`cluster_delslots` for ranges: first, last, first, last … . O(N).

        Since 7.0.0. https://valkey.io/commands/cluster-delslotsrange/
        """
        return self._cluster_slots_of("DELSLOTSRANGE", slots)

    def _cluster_slots_of(self, subcommand: str, slots: tuple[int, ...]) -> Awaitable[bool]:
        arguments.some(slots, f"CLUSTER {subcommand}", "slots")
        if subcommand.endswith("RANGE") and len(slots) % 2:
            raise InvalidArgument("slots must be pairs of a first and a last one")
        return self.execute_command("CLUSTER", subcommand, *slots, reply=replies.is_ok)

    def cluster_flushslots(self) -> Awaitable[bool]:
        """Take all slots from this node, which must be empty; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-flushslots/
        """
        return self.execute_command("CLUSTER", "FLUSHSLOTS", reply=replies.is_ok)

    def cluster_flushslot(self, slot: int, sync_type: str | None = None) -> Awaitable[bool]:
        """Delete all keys of a slot; True. `sync_type` is `SYNC` or `ASYNC`. O(N).

        Since Valkey 9.0. https://valkey.io/commands/cluster-flushslot/
        """
        args: list[Argument] = [slot]
        if sync_type is not None:
            args.append(arguments.one_of("sync_type", sync_type, ("SYNC", "ASYNC")))
        return self.execute_command("CLUSTER", "FLUSHSLOT", *args, reply=replies.is_ok)

    def cluster_setslot(self, node_id: str, slot_id: int, state: str) -> Awaitable[bool]:
        """Say of a slot that it is `IMPORTING` from a node, `MIGRATING` to it, or that it has it (`NODE`); True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-setslot/
        """
        word = arguments.one_of("state", state, ("IMPORTING", "MIGRATING", "NODE"))
        return self.execute_command("CLUSTER", "SETSLOT", slot_id, word, node_id, reply=replies.is_ok)

    def cluster_setslot_stable(self, slot_id: int) -> Awaitable[bool]:
        """Say of a slot that it is not on its way any more; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-setslot/
        """
        return self.execute_command("CLUSTER", "SETSLOT", slot_id, "STABLE", reply=replies.is_ok)

    def cluster_migrateslots(self, *groups: tuple[Iterable[tuple[int, int]], str]) -> Awaitable[bool]:
        """Begin to move slots to other nodes; True. Each group is `([(first, last), …], node_id)`. O(N).

        Since Valkey 9.0. https://valkey.io/commands/cluster-migrateslots/
        """
        arguments.some(groups, "CLUSTER MIGRATESLOTS", "groups")
        args: list[Argument] = []
        for ranges, node_id in groups:
            args.append("SLOTSRANGE")
            for first, last in ranges:
                args += (first, last)
            args += ("NODE", node_id)
        return self.execute_command("CLUSTER", "MIGRATESLOTS", *args, reply=replies.is_ok)

    def cluster_getslotmigrations(self) -> Awaitable[list[dict[str, Any]]]:
        """The moves of slots from and to this node, under way and over. O(N).

        Since Valkey 9.0. https://valkey.io/commands/cluster-getslotmigrations/
        """
        return self.execute_command("CLUSTER", "GETSLOTMIGRATIONS", reply=cluster_texts.maps)

    def cluster_cancelslotmigrations(self) -> Awaitable[bool]:
        """Give up all moves of slots from this node; True. O(N).

        Since Valkey 9.0. https://valkey.io/commands/cluster-cancelslotmigrations/
        """
        return self.execute_command("CLUSTER", "CANCELSLOTMIGRATIONS", reply=replies.is_ok)

    def cluster_meet(self, host: str, port: int) -> Awaitable[bool]:
        """Make this node and another one know each other; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-meet/
        """
        return self.execute_command("CLUSTER", "MEET", host, port, reply=replies.is_ok)

    def cluster_forget(self, node_id: str) -> Awaitable[bool]:
        """Have this node know another one no more; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-forget/
        """
        return self.execute_command("CLUSTER", "FORGET", node_id, reply=replies.is_ok)

    def cluster_replicate(self, node_id: str) -> Awaitable[bool]:
        """Make this node a replica of another one; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-replicate/
        """
        return self.execute_command("CLUSTER", "REPLICATE", node_id, reply=replies.is_ok)

    def cluster_failover(self, option: str | None = None) -> Awaitable[bool]:
        """Have this replica take its primary's place; True once that has begun. `FORCE`, `TAKEOVER`. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-failover/
        """
        args = () if option is None else (arguments.one_of("option", option, ("FORCE", "TAKEOVER")),)
        return self.execute_command("CLUSTER", "FAILOVER", *args, reply=replies.is_ok)

    def cluster_reset(self, soft: bool = True) -> Awaitable[bool]:
        """Have this node forget its cluster, and, unless `soft`, who it was; True. O(N).

        Since 3.0.0. https://valkey.io/commands/cluster-reset/
        """
        return self.execute_command("CLUSTER", "RESET", "SOFT" if soft else "HARD", reply=replies.is_ok)

    def cluster_bumpepoch(self) -> Awaitable[str]:
        """Move this node's epoch on: `BUMPED n`, or `STILL n`. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-bumpepoch/
        """
        return self.execute_command("CLUSTER", "BUMPEPOCH", reply=replies.text)

    def cluster_set_config_epoch(self, epoch: int) -> Awaitable[bool]:
        """Set the epoch of a node that knows no other yet; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-set-config-epoch/
        """
        return self.execute_command("CLUSTER", "SET-CONFIG-EPOCH", epoch, reply=replies.is_ok)

    def cluster_save_config(self) -> Awaitable[bool]:
        """Write what this node knows of the cluster to disk; True. O(1).

        Since 3.0.0. https://valkey.io/commands/cluster-saveconfig/
        """
        return self.execute_command("CLUSTER", "SAVECONFIG", reply=replies.is_ok)


def _text_page(reply: Any) -> tuple[str, Any]:
    return replies.text(reply[0]), reply[1]
