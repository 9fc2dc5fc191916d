from __future__ import annotations

from typing import Any

from anystore.redis.commands import server_texts

INFO = b"""# Server\r
redis_version:7.4.0\r
uptime_in_seconds:12\r
mem_fragmentation_ratio:1.50\r
executable:/usr/bin/redis-server\r
config_file:\r
\r
# Modules\r
module:name=json,ver=1,api=1,filters=0,usedby=[],using=[search]\r
module:name=bf,ver=2\r
\r
# Replication\r
slave0:ip=10.0.0.1,port=6379,state=online,offset=42,lag=0\r
# Commandstats\r
cmdstat_get:calls=2,usec=10,usec_per_call=5.00\r
cmdstat_host:port:calls=1\r
errorstat_ERR:count=3\r
latency_percentiles_usec_get:p50=1.003,p99=2.007,p99.9=2.007\r
# Keyspace\r
db0:keys=1,expires=0,avg_ttl=0\r
a_list:1,two,3.5\r
flags:a=1,lonely\r
just text\r
"""


def test_info() -> None:
    for reply in (INFO, INFO.decode()):
        fields = server_texts.info(reply)
        assert fields["redis_version"] == "7.4.0"
        assert fields["uptime_in_seconds"] == 12
        assert fields["mem_fragmentation_ratio"] == 1.5
        assert fields["executable"] == "/usr/bin/redis-server"
        assert fields["config_file"] == ""
        assert [module["name"] for module in fields["modules"]] == ["json", "bf"]
        assert fields["slave0"] == {"ip": "10.0.0.1", "port": 6379, "state": "online", "offset": 42, "lag": 0}
        assert fields["cmdstat_get"] == {"calls": 2, "usec": 10, "usec_per_call": 5.0}
        assert fields["cmdstat_host:port"] == {"calls": 1}
        assert fields["db0"] == {"keys": 1, "expires": 0, "avg_ttl": 0}
        assert fields["latency_percentiles_usec_get"] == {"p50": 1.003, "p99": 2.007, "p99.9": 2.007}
        assert fields["a_list"] == [1, "two", 3.5]
        assert fields["flags"] == {"a": 1, "lonely": True}
        assert fields["__raw__"] == ["just text"]


def test_texts_that_are_not_utf8_are_shown() -> None:
    assert server_texts.info(b"a:\xff") == {"a": "\\xff"}


def test_client_fields_of_odd_lines() -> None:
    assert server_texts.client_fields("") == {}
    assert server_texts.client_fields("stray a=1 more") == {"a": "1 more"}
    assert server_texts.client_list(b"") == []


def both_shapes(value: Any) -> tuple[Any, Any]:
    """A reply as RESP3 has it, maps as `dict`, and as RESP2 has it, maps flat; words as bytes."""
    if isinstance(value, dict):
        pairs = [(key.encode(), both_shapes(item)) for key, item in value.items()]
        return {key: item[0] for key, item in pairs}, [part for key, item in pairs for part in (key, item[1])]
    if isinstance(value, (list, tuple)):
        items = [both_shapes(item) for item in value]
        return [item[0] for item in items], [item[1] for item in items]
    if isinstance(value, str):
        return value.encode(), value.encode()
    return value, value


KEY_SPEC = {
    "notes": "why",
    "flags": ["RW", "access"],
    "begin_search": {"type": "keyword", "spec": {"keyword": "STREAMS", "startfrom": -1}},
    "find_keys": {"type": "range", "spec": {"lastkey": 0, "keystep": 1, "limit": 0}},
}


def test_command_table() -> None:
    sub = ["config|get", -3, ["admin"], 0, 0, 0, ["@slow"], [], [], []]
    row = ["config", -2, ["write", "fast"], 1, 1, 1, ["@write"], ["nondeterministic"], [KEY_SPEC], [sub]]
    old = ["get", 2, ["readonly"], 1, 1, 1]
    for reply in both_shapes([row, None, old]):
        table = server_texts.command_table(reply)
        assert list(table) == ["config", "get"]
        assert table["get"] == {
            "name": "get",
            "arity": 2,
            "flags": ["readonly"],
            "first_key_pos": 1,
            "last_key_pos": 1,
            "step_count": 1,
        }
        assert table["config"]["acl_categories"] == ["@write"]
        assert table["config"]["tips"] == ["nondeterministic"]
        assert table["config"]["key_specifications"] == [KEY_SPEC]
        assert [command["name"] for command in table["config"]["subcommands"]] == ["config|get"]


def test_command_docs() -> None:
    docs = {
        "config": {
            "summary": "Everything.",
            "since": "2.0.0",
            "group": "server",
            "doc_flags": ["deprecated"],
            "history": [("7.0.0", "More of it.")],
            "arguments": [
                {
                    "name": "condition",
                    "type": "oneof",
                    "flags": ["optional"],
                    "arguments": [{"name": "nx", "type": "pure-token", "token": "NX"}],
                },
                {"name": "key", "type": "key", "key_spec_index": 0},
            ],
            "subcommands": {"config|get": {"summary": "Some of it.", "since": "2.0.0", "group": "server"}},
        }
    }
    for reply in both_shapes(docs):
        assert server_texts.command_docs(reply) == docs


def test_memory_stats() -> None:
    wanted = {
        "peak.allocated": 17,
        "dataset.percentage": 12.5,
        "db.0": {"overhead.hashtable.main": 72},
        "overhead.total": 5,
    }
    resp3 = {**wanted, "db.0": {"overhead.hashtable.main": 72}}
    resp2 = [
        *(b"peak.allocated", 17, b"dataset.percentage", b"12.5"),
        *(b"db.0", [b"overhead.hashtable.main", 72], b"overhead.total", 5),
    ]
    assert server_texts.memory_stats(resp3) == wanted
    assert server_texts.memory_stats(resp2) == wanted
    [whole] = server_texts.memory_stats([b"peak.percentage", b"100"]).values()
    assert type(whole) is float


def test_debug_object() -> None:
    line = b"Value at:0x7f refcount:1 encoding:embstr serializedlength:4 lru:15 lru_seconds_idle:2"
    assert server_texts.debug_object(line) == {
        "at": "0x7f",
        "refcount": 1,
        "encoding": "embstr",
        "serializedlength": 4,
        "lru": 15,
        "lru_seconds_idle": 2,
    }
