"""What a server answers that is alone: no cluster, no replicas, no modules; and the texts for people."""

from __future__ import annotations

import pytest

from anystore.pulsards.registry import registered
from anystore.spec import specs
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient
from tests.pulsards.waiting import EngineStage

KNOWN = {
    ("valkey", "CLUSTER KEYSLOT a"): "Valkey 9 computes slots in any mode",
    ("valkey", "READONLY"): "Valkey 9 takes it in any mode",
    ("valkey", "READWRITE"): "Valkey 9 takes it in any mode",
    ("valkey", "MODULE LIST"): "Valkey's Lua is a module",
    **{
        (server, command): "none could ever be allowed here"
        for server in ("valkey", "redis")
        for command in ("MODULE LOAD /x", "MODULE LOADEX /x", "MODULE UNLOAD x")
    },
}


def test_no_cluster(peers: Differential) -> None:
    peers.check(
        [
            *("CLUSTER", "CLUSTER NOPE", "CLUSTER INFO", "CLUSTER HELP", "CLUSTER MYID", "CLUSTER NODES"),
            *("CLUSTER KEYSLOT", "CLUSTER KEYSLOT a", "CLUSTER ADDSLOTS", "CLUSTER SLOTS", "CLUSTER SHARDS"),
            *(
                "CLUSTER RESET HARD",
                "CLUSTER COUNTKEYSINSLOT x",
                "CLUSTER LINKS",
                "ASKING",
                "READONLY",
                "READWRITE",
            ),
        ]
    )
    peers.check(["CLUSTERSCAN 0", "CLUSTER SLOT-STATS SLOTSRANGE 0 1"], without=["redis"])


def test_every_subcommand_of_cluster_is_there() -> None:
    assert not [name for name in specs()["cluster"].subcommands if f"cluster|{name}" not in registered()]


def test_no_modules(peers: Differential) -> None:
    peers.check(
        [
            *("MODULE", "MODULE NOPE", "MODULE LIST", "MODULE LIST x", "MODULE LOAD", "MODULE LOAD /x"),
            *("MODULE LOADEX /x", "MODULE UNLOAD x", "MODULE UNLOAD"),
        ]
    )


def test_no_replication(peers: Differential) -> None:
    peers.check(
        [
            *("REPLICAOF no one", "REPLICAOF NO ONE", "REPLICAOF x y", "REPLICAOF x 99999", "REPLICAOF x"),
            *(
                "SLAVEOF no one",
                "FAILOVER",
                "FAILOVER ABORT",
                "FAILOVER NOPE",
                "FAILOVER TO",
                "FAILOVER TO x",
            ),
            *("FAILOVER TO 127.0.0.1 1", "FAILOVER TO x 1 FORCE", "FAILOVER TIMEOUT x", "FAILOVER TIMEOUT 0"),
            *(
                "FAILOVER TIMEOUT -1",
                "FAILOVER TIMEOUT",
                "FAILOVER FORCE",
                "FAILOVER TO x 1 FORCE TIMEOUT 10",
            ),
            *("FAILOVER TO x y", "FAILOVER ABORT x", "REPLCONF", "REPLCONF listening-port 1"),
            *("REPLCONF listening-port", "REPLCONF capa eof", "REPLCONF NOPE x", "REPLCONF capa eof nope x"),
            *(
                "REPLCONF rdb-only x",
                "REPLCONF rdb-only 2",
                "REPLCONF rdb-only 0",
                "REPLCONF rdb-filter-only",
            ),
            *(
                "REPLCONF rdb-filter-only x",
                "REPLCONF rdb-filter-only 'x",
                "REPLCONF RDB-FILTER-ONLY functions",
            ),
            *(("REPLCONF", "rdb-filter-only", text) for text in ("", "functions x", "FUNCTIONS functions")),
            *("RESTORE-ASKING a 0 x", "SHUTDOWN NOPE", "SHUTDOWN ABORT", "SHUTDOWN ABORT NOW"),
            "SHUTDOWN SAVE NOSAVE",
        ]
    )
    peers.check(
        [
            *(
                "SHUTDOWN FAILOVER",
                "SHUTDOWN SAFE FAILOVER",
                "SHUTDOWN ABORT SAFE",
                "SHUTDOWN SAFE SAVE NOSAVE",
            ),
            *("SHUTDOWN failover NOSAVE FORCE NOW", "SHUTDOWN FAILOVER NOPE"),
        ],
        without=["redis"],  # Valkey's, since 9.1
    )


def test_no_append_only_file(peers: Differential) -> None:
    without_waiting = [
        *("WAITAOF 0 0 0", "WAITAOF x 0 0", "WAITAOF 2 0 0", "WAITAOF 0 -1 0", "WAITAOF 0 0 -1"),
        *("WAITAOF -1 0 0", "WAITAOF 0 0 x", "WAITAOF 1 0 0", "MULTI", "WAITAOF 0 1 0", "EXEC"),
    ]
    peers.check(without_waiting, without=["redis"])  # since 7.2


def test_waiting_for_an_append_only_file() -> None:
    stage = EngineStage(3)
    stage.client("A").send("WAITAOF", "0", "1", "100")
    assert stage.answers() == []
    stage.advance(0.1)
    assert stage.answers() == [("A", [0, 0])]


def test_shutdown_without_a_server() -> None:
    client = EngineClient()
    assert client.execute("SHUTDOWN")[1].startswith("ERR Errors trying to SHUTDOWN. This server is part")
    stopped: list[None] = []
    client.engine.stopper = lambda: stopped.append(None)
    assert client.execute("SHUTDOWN", "NOSAVE", "NOW", "FORCE", "SAFE") is NotImplemented
    assert stopped == [None]


def test_what_clients_can_do(peers: Differential) -> None:
    peers.check(
        [
            *("CLIENT CAPA redirect", "CLIENT CAPA nope x", "CLIENT CAPA", "CLIENT IMPORT-SOURCE ON"),
            *("CLIENT IMPORT-SOURCE OFF", "CLIENT IMPORT-SOURCE x", "CLIENT IMPORT-SOURCE"),
        ],
        without=["redis"],  # Valkey's
    )


@pytest.mark.parametrize("name", sorted(name for name in specs() if name.endswith("|help")))
def test_help(peers: Differential, name: str) -> None:
    """In words of our own, in the form of theirs: a title, then a line a subcommand, and indented ones about it."""
    container = name.split("|")[0].upper()
    reply = peers.engine.execute(container, "HELP")
    if container == "CLUSTER":
        assert reply[0] == "error"
        return
    title = b"%b <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" % container.encode()
    assert reply[0] == title
    assert reply[-2] == b"HELP"
    assert reply[-1].startswith(b"    ")
    named = {line.split(b" ")[0].lower().decode() for line in reply[1:] if not line.startswith(b" ")}
    ours = {
        child
        for child in specs()[container.lower()].subcommands
        if f"{container.lower()}|{child}" in registered()
    }
    assert ours <= named | {"(no"}


def test_lolwut(peers: Differential) -> None:
    peers.check(["LOLWUT VERSION x"])
    for call in ((), ("VERSION", 5, 1), ("x",)):
        text = peers.engine.execute("LOLWUT", *call).decode()
        assert "pulsards ver. " in text.splitlines()[-1]
        assert max(map(len, text.splitlines())) <= 72
        assert len(text.splitlines()) == 20
    assert peers.engine.execute("LOLWUT") != peers.engine.execute("LOLWUT")
