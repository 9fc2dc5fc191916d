"""`rename-command`, beside Valkey and Redis: what a command is called, and what it still calls itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from tests.pulsards.acl_peers import AclPeers
from tests.servers import redis_binary, run_server, valkey_binary

RENAMES = ("CONFIG b840", "PEXPIRE expire-ms", "SORT_RO Sorted", "acl rights", 'GETDEL ""', "LPOS getdel")


@pytest.fixture(scope="module")
def peers() -> Iterator[AclPeers]:
    options = [
        word for rename in RENAMES for word in ("--rename-command", *rename.replace('""', "").split(" "))
    ]
    engine = Engine(Config({"rename-command": RENAMES}))
    with run_server(valkey_binary(), *options) as valkey:
        binary = redis_binary()
        if binary is None:
            with AclPeers(valkey, None, 2) as peers:
                peers.use(engine)
                yield peers
            return
        with run_server(binary, *options) as redis, AclPeers(valkey, redis, 2) as peers:
            peers.use(engine)
            yield peers


def test_the_new_name_works_and_the_old_one_does_not(peers: AclPeers) -> None:
    peers.check(
        ["CONFIG GET timeout", "b840 GET timeout", "B840 get timeout", "b840", "b840 NOPE", "b840 GET"]
    )
    peers.check(["SET a 1", "PEXPIRE a 5000", "expire-ms a 500000", "EXPIRE-MS a x", "expire-ms a", "TTL a"])
    peers.check(["RPUSH l 2 1", "SORT_RO l", "sorted l", "SORTED l STORE x", "SoRtEd l"])
    peers.check(["GETDEL a", "getdel l 1", "GETDEL l 1 RANK 1", "LPOS l 1"])
    peers.check(["MULTI", "expire-ms a 500000", "b840 GET timeout", "EXEC"])
    peers.check([("EVAL", "return redis.call('expire-ms', 'a', 500000)", 0)])
    peers.check([("EVAL", "return redis.pcall('lpos', 'l', 1)", 0)], without=["redis", "valkey"])


def test_rights_go_by_what_it_was_called(peers: AclPeers) -> None:
    peers.check(["rights SETUSER x on nopass +config|get +sorted", "rights GETUSER x"])
    peers.check(["rights SETUSER x on nopass ~a* +config|get +pexpire +lpos -getdel", "AUTH x x"])
    peers.check(
        ["b840 GET timeout", "b840 SET timeout 0", "expire-ms a 500000", "expire-ms b 1", "getdel l 1"]
    )
    peers.check(["getdel a 1", "RESET", "rights DELUSER x", "rights WHOAMI"])


@pytest.mark.parametrize(
    ("rename", "complaint"),
    [
        (["NOPE x"], "no such command as 'NOPE'"),
        (["GET set"], "there is a command 'set' already"),
        (["GET a", "GET b"], "no such command as 'GET'"),
        (["config|get a"], "no such command"),
    ],
)
def test_what_cannot_be_done_is_named(rename: list[str], complaint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint):
        Engine(Config({"rename-command": rename}))
