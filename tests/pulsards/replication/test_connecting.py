"""How the server connects to others: from which address, by which names, and with which certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from anystore.pulsards import PulsarDS
from anystore.pulsards.replication import driver
from tests.pulsards.certificates import make_certificates
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.replication.loads import execute, info, linked, until

pytestmark = pytest.mark.anyio

SOURCE = "127.0.0.5"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def serving(*addresses: str, **settings: Any) -> AsyncIterator[RealClient]:
    """A client of a server of ours that lasts as long as the block."""
    async with PulsarDS(["127.0.0.1:0", *addresses], **settings) as server:
        client = await anyio.to_thread.run_sync(RealClient, server.engine.port)
        try:
            yield client
        finally:
            client.close()


async def test_a_primary_is_followed_from_the_address_that_is_set() -> None:
    async with serving() as primary, serving(bind_source_addr=SOURCE) as replica:
        await execute(replica, "REPLICAOF", "127.0.0.1", primary.port)
        await linked(replica)
        assert info_of(await execute(primary, "INFO", "replication"))["slave0"].startswith(f"ip={SOURCE},")


def info_of(text: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in text.decode().splitlines())
    return {name: value for name, _, value in lines}


async def test_keys_are_moved_from_the_address_that_is_set() -> None:
    async with serving() as target, serving(bind_source_addr=SOURCE) as source:
        await execute(source, "SET", "a", "1")
        moved = await execute(source, "MIGRATE", "127.0.0.1", target.port, "a", 0, 5000)
        assert moved == b"OK"
        assert await execute(target, "GET", "a") == b"1"
        clients = (await execute(target, "CLIENT", "LIST")).decode()
        assert f" addr={SOURCE}:" in clients
        await execute(source, "SET", "b", "1")
        await execute(source, "CONFIG", "SET", "bind-source-addr", "192.0.2.1")  # an address of nobody's
        refused = await execute(source, "MIGRATE", "localhost", target.port, "b", 0, 5000)
        assert refused[1].startswith("IOERR")
        assert await execute(source, "GET", "b") == b"1"


async def test_a_certificate_that_only_primaries_are_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = make_certificates(tmp_path)
    # The primary does not know who has issued the replica's own certificate.
    own = {"tls_cert_file": made.stranger, "tls_key_file": made.stranger_key}
    asking = {"tls_cert_file": made.server, "tls_key_file": made.key, "tls_auth_clients": "yes"}
    shown = {"tls_client_cert_file": made.client, "tls_client_key_file": made.client_key}
    caplog.set_level("INFO", "anystore.pulsards")
    async with serving("tls:127.0.0.1:0", tls_ca_cert_file=made.authority, **asking) as primary:
        port = (await execute(primary, "CONFIG", "GET", "tls-port"))[1]
        following = {"replicaof": f"127.0.0.1 {port.decode()}", "tls_replication": "yes"}
        async with serving(tls_ca_cert_file=made.authority, **following, **own) as replica:
            await until(lambda: caplog.text, lambda text: "no TLS connection" in text, "it is let in")
            found = await anyio.to_thread.run_sync(info, replica)
            assert found["master_link_status"] == "down"
            for name, value in shown.items():
                await execute(replica, "CONFIG", "SET", name.replace("_", "-"), value)
            await linked(replica)


async def test_a_key_with_a_password_for_it(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    locked = {
        "tls_client_cert_file": made.server,
        "tls_client_key_file": made.locked_key,
        "tls_client_key_file_pass": "open sesame",
    }
    asking = {"tls_cert_file": made.server, "tls_key_file": made.key, "tls_auth_clients": "yes"}
    async with serving("tls:127.0.0.1:0", tls_ca_cert_file=made.authority, **asking) as primary:
        port = (await execute(primary, "CONFIG", "GET", "tls-port"))[1]
        following = {"replicaof": f"127.0.0.1 {port.decode()}", "tls_replication": "yes"}
        async with serving(tls_ca_cert_file=made.authority, **following, **locked) as replica:
            await linked(replica)


async def test_valkeys_names_for_what_a_replica_logs_in_with() -> None:
    async with serving() as primary:
        await execute(primary, "ACL", "SETUSER", "follower", "on", ">its own", "+psync", "+replconf", "+ping")
        await execute(primary, "ACL", "SETUSER", "default", "-psync", "-sync")
        login = {"primaryuser": "follower", "primaryauth": "its own"}
        async with serving(replicaof=f"127.0.0.1 {primary.port}", **login) as replica:
            await linked(replica)
            assert await execute(replica, "CONFIG", "GET", "masteruser") == [b"masteruser", b"follower"]


def test_a_password_by_its_new_name_is_in_no_log() -> None:
    client = EngineClient(slowlog_log_slower_than="0")
    client.execute("CONFIG", "SET", "primaryauth", "its own", "tls-client-key-file-pass", "open sesame")
    (entry, *_) = client.execute("SLOWLOG", "GET")
    assert entry[3] == [
        *(b"CONFIG", b"SET", b"primaryauth", b"(redacted)"),
        *(b"tls-client-key-file-pass", b"(redacted)"),
    ]
    assert client.execute("CONFIG", "GET", "masterauth") == [b"masterauth", b"its own"]


class LatePrimary:
    """A connection on which something comes just when this server has been told to follow another one, or nobody."""

    def __init__(self, client: EngineClient, words: tuple[str, ...]) -> None:
        self._client = client
        self._words = words
        self.received = 0

    async def receive(self, count: int) -> bytes:
        self.received += 1
        assert self._client.execute("REPLICAOF", *self._words) == b"OK"
        return b"+PONG\r\n"

    async def send(self, data: bytes) -> None:
        """Nobody reads it."""


@pytest.mark.parametrize("words", [("127.0.0.1", "2"), ("NO", "ONE")])
async def test_what_comes_from_a_primary_that_does_not_count_any_more_is_nobodys(
    words: tuple[str, ...],
) -> None:
    client = EngineClient()
    client.execute("REPLICAOF", "127.0.0.1", "1")
    following = client.engine.replication.following
    assert following is not None
    following.begin("127.0.0.1:1", "127.0.0.1:3")
    stream = LatePrimary(client, words)
    with anyio.fail_after(20):
        assert not await driver._serve_link(client.engine, following, stream)  # type: ignore[arg-type]
    assert stream.received == 1
