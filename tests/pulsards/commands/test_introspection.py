"""COMMAND and INFO: what the server says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anystore import spec
from anystore.pulsards.registry import build_table
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient
from tests.servers import RealServer


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    with Differential(valkey, redis_server, request.param) as differential:
        yield differential


def sorted_flags(key_spec: Any) -> dict[bytes, Any]:
    """A key specification of either protocol, with its flags in order."""
    shown = key_spec if isinstance(key_spec, dict) else dict(zip(key_spec[::2], key_spec[1::2], strict=True))
    return {**shown, b"flags": sorted(shown[b"flags"])}


class TestCommand:
    def test_keys_of_calls(self, peers: Differential) -> None:
        peers.check(
            [
                *("COMMAND GETKEYS GET a", "COMMAND GETKEYS MSET a 1 b 2", "COMMAND GETKEYS EVAL s 2 a b c"),
                *("COMMAND GETKEYS EVAL s 0", "COMMAND GETKEYS NOPE a", "COMMAND GETKEYS"),
                *("COMMAND GETKEYS SORT a STORE b", "COMMAND NOPE", "COMMAND INFO nope"),
                # Not as many keys as the call says, or as the command has always.
                *("COMMAND GETKEYS ZUNIONSTORE d 5 a b", "COMMAND GETKEYS ZUNIONSTORE d -1 a"),
                *("COMMAND GETKEYS ZUNIONSTORE d x a", "COMMAND GETKEYS ZUNIONSTORE d 2 a b"),
                *("COMMAND GETKEYS ZUNION 5 a b", "COMMAND GETKEYS EVAL s 2 a", "COMMAND GETKEYS EVAL s x a"),
                *(
                    "COMMAND GETKEYS PFMERGE a",
                    "COMMAND GETKEYS PFMERGE a b",
                    "COMMAND GETKEYS LMPOP 2 a LEFT",
                ),
                *("COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 5 a b", "COMMAND GETKEYSANDFLAGS PFMERGE a"),
                *(
                    "COMMAND GETKEYS SSUBSCRIBE a",
                    "COMMAND GETKEYS SPUBLISH a b",
                    "COMMAND GETKEYS PUBLISH a b",
                ),
                *(
                    "COMMAND GETKEYS ZDIFF 0 a b",
                    "COMMAND GETKEYS BLMPOP 0 1 a LEFT",
                    "COMMAND GETKEYS FCALL f 0",
                ),
                *("COMMAND LIST FILTERBY NOPE x", "COMMAND LIST NOPE", "COMMAND LIST FILTERBY MODULE nope"),
                "COMMAND DOCS nope",
            ]
        )
        peers.check(
            ["COMMAND GETKEYS PING", "COMMAND GETKEYS GET"], without=["redis"]
        )  # 7.0 wants an argument behind the name

    def test_flags_of_keys(self, peers: Differential) -> None:
        for call in (
            "GET a",
            "MSET a 1 b 2",
            "SET a 1 GET",
            "SORT a STORE b",
            "RENAME a b",
            "LMOVE a b LEFT LEFT",
        ):
            answers = []
            for client in (peers.engine, *peers.servers.values()):
                reply = client.execute("COMMAND", "GETKEYSANDFLAGS", *call.split())
                answers.append([(key, sorted(flags)) for key, flags in reply])
            assert answers[0] == answers[1] == answers[-1], call

    def test_rows_are_those_of_redis(self, peers: Differential) -> None:
        """The table itself is held against the real servers in tests/spec; here its rows' shape as a reply."""
        name = "redis" if "redis" in peers.servers else "valkey"
        for command in ("get", "set", "lpush", "mset", "eval", "config|get", "client|list", "zunionstore"):
            ours = peers.engine.execute("COMMAND", "INFO", command)[0]
            theirs = peers.servers[name].execute("COMMAND", "INFO", command)[0]
            assert ours[0] == theirs[0]
            assert ours[1] == theirs[1]
            assert sorted(ours[2]) == sorted(theirs[2])
            assert ours[3:6] == theirs[3:6]
            assert sorted(ours[6]) == sorted(theirs[6])
            assert len(ours[8]) == len(theirs[8])
            assert list(map(sorted_flags, ours[8])) == list(map(sorted_flags, theirs[8]))

    def test_counts_and_lists_agree(self) -> None:
        client = EngineClient()
        names = client.execute("COMMAND", "LIST")
        assert (
            len(names)
            == len(set(names))
            == client.execute("COMMAND", "COUNT")
            == len(client.execute("COMMAND"))
        )
        assert b"get" in names
        writing = client.execute("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")
        assert b"set" in writing
        assert b"get" not in writing
        assert set(client.execute("COMMAND", "LIST", "FILTERBY", "PATTERN", "config*")) >= {
            b"config",
            b"config|get",
        }

    def test_docs(self) -> None:
        client = EngineClient()
        client.execute("HELLO", 3)
        docs = client.execute("COMMAND", "DOCS", "get", "config", "nope")
        assert set(docs) == {b"get", b"config"}
        assert docs[b"get"][b"group"] == b"string"
        assert docs[b"get"][b"arguments"][0][b"name"] == b"key"
        assert b"config|get" in docs[b"config"][b"subcommands"]
        assert len(client.execute("COMMAND", "DOCS")) == client.execute("COMMAND", "COUNT")

    def test_every_function_has_its_row(self) -> None:
        EngineClient()
        for name, entry in build_table().items():
            row = spec.lookup(name)
            assert row is entry.spec
            assert entry.function is not None or entry.subcommands


class TestInfo:
    def test_sections(self) -> None:
        client = EngineClient()
        text = client.execute("INFO").decode()
        assert "redis_version:7.4.0\r\n" in text
        assert "server_name:pulsards\r\n" in text
        assert "pulsards_version:" in text
        assert "# Commandstats" not in text
        assert "# Commandstats" in client.execute("INFO", "all").decode()
        assert client.execute("INFO", "server", "clients").decode().count("# ") == 2
        assert client.execute("INFO", "nope") == b""

    def test_figures_are_measured(self) -> None:
        client = EngineClient()
        other = EngineClient(client.engine)
        other.execute("SUBSCRIBE", "c")
        waiting = EngineClient(client.engine)
        waiting.send("BLPOP", "q", "0")
        client.execute("SET", "a", "1", "EX", 100)
        client.execute("SET", "b", "1")
        client.execute("GET", "a")
        client.execute("GET", "nope")
        client.execute("LPUSH", "a", "x")
        client.execute("NOSUCH")
        info = dict(
            line.split(":", 1)
            for line in client.execute("INFO", "everything").decode().splitlines()
            if ":" in line
        )
        assert info["connected_clients"] == "3"
        assert info["blocked_clients"] == "1"
        assert info["pubsub_channels"] == "1"
        assert info["keyspace_hits"] == "1"
        assert info["keyspace_misses"] == "1"
        assert info["total_error_replies"] == "2"
        assert info["errorstat_WRONGTYPE"] == "count=1"
        assert info["cmdstat_set"].startswith("calls=2,usec=")
        assert info["cmdstat_lpush"].endswith("rejected_calls=0,failed_calls=1")
        assert info["db0"].startswith("keys=2,expires=1,avg_ttl=")
        assert int(info["used_memory"]) > 1_000_000
        assert float(info["used_cpu_user"]) > 0
