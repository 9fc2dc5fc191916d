"""The replies of CLUSTER commands: texts with a structure of their own, and lists of slots and nodes.

Names and values are `str`, whatever the client does with values of keys. All are O(size of the reply).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anystore.redis.commands.replies import text, text_map


def info(reply: bytes | str) -> dict[str, str]:
    """CLUSTER INFO."""
    lines = (line.partition(":") for line in text(reply).splitlines() if line)
    return {name: value for name, _, value in lines}


def nodes(reply: bytes | str | Iterable[bytes | str]) -> dict[str, dict[str, Any]]:
    """CLUSTER NODES, a text of lines, and CLUSTER REPLICAS, a list of them: by `host:port`."""
    lines = text(reply).splitlines() if isinstance(reply, bytes | str) else map(text, reply)
    return dict(_node(line.split(" ")) for line in lines if line)


def _node(words: list[str]) -> tuple[str, dict[str, Any]]:
    address, _, bus = words[1].partition("@")
    slots, migrations = _slots(words[8:])
    return address, {
        "node_id": words[0],
        "hostname": bus.split(",")[1] if "," in bus else "",
        "flags": words[2],
        "master_id": words[3],
        "last_ping_sent": words[4],
        "last_pong_rcvd": words[5],
        "epoch": words[6],
        "connected": words[7] == "connected",
        "slots": slots,
        "migrations": migrations,
    }


def _slots(words: Iterable[str]) -> tuple[list[list[str]], list[dict[str, str]]]:
    """Ranges of slots, and those in square brackets, which are on their way."""
    slots, migrations = [], []
    for word in words:
        if not word.startswith("["):
            slots.append(word.split("-"))
            continue
        state, arrow = ("migrating", "->-") if "->-" in word else ("importing", "-<-")
        slot, _, node = word.strip("[]").partition(arrow)
        migrations.append({"slot": slot, "node_id": node, "state": state})
    return slots, migrations


def slots(reply: Iterable[list[Any]]) -> dict[tuple[int, int], dict[str, Any]]:
    """CLUSTER SLOTS: who has a range of slots, and who has copies, as `(host, port)`."""
    return {
        (first, last): {"primary": _address(primary), "replicas": [_address(node) for node in replicas]}
        for first, last, primary, *replicas in reply
    }


def _address(node: list[Any]) -> tuple[str, int]:
    return "" if node[0] is None else text(node[0]), node[1]


def shards(reply: Iterable[Any]) -> list[dict[str, Any]]:
    """CLUSTER SHARDS: `slots` as pairs, `nodes` as `dict`, in both protocols."""
    found = []
    for shard in map(text_map, reply):
        ranges = shard["slots"]
        pairs = zip(ranges[::2], ranges[1::2], strict=True)
        found.append({**shard, "slots": list(pairs), "nodes": maps(shard["nodes"])})
    return [{name: _value(value) for name, value in shard.items()} for shard in found]


def maps(reply: Iterable[Any]) -> list[dict[str, Any]]:
    """A list of maps whose values are numbers and the server's own words (CLUSTER LINKS)."""
    return [{name: _value(value) for name, value in text_map(item).items()} for item in reply]


def _value(value: Any) -> Any:
    return text(value) if isinstance(value, bytes) else value


def slot_stats(reply: Iterable[Any]) -> dict[int, dict[str, int]]:
    """CLUSTER SLOT-STATS: figures by slot, in the order of the reply."""
    return {slot: text_map(figures) for slot, figures in reply}
