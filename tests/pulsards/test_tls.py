"""Listening with TLS: through the stores of our own client, and what happens to those who speak something else."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import anyio
import pytest

from anystore import create_store
from anystore.exceptions import ConnectionFailed, ImproperlyConfigured, ResponseError
from anystore.pulsards import PulsarDS, streams
from anystore.pulsards.config import Config
from anystore.pulsards.tls import server_context
from tests.pulsards.certificates import PASSWORD, Certificates, make_certificates
from tests.servers import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def settings(made: Certificates, **more: str) -> dict[str, str]:
    """What is needed to listen, clients not being checked."""
    return {"tls_cert_file": made.server, "tls_key_file": made.key, "tls_auth_clients": "no", **more}


def server_of(made: Certificates, **more: str) -> PulsarDS:
    return PulsarDS("tls:127.0.0.1:0", **settings(made, **more))


def port_of(server: PulsarDS) -> int:
    return int(server.addresses[0].rpartition(":")[2])


class TestServing:
    async def test_the_dsn_leads_there(self, made: Certificates) -> None:
        async with server_of(made, requirepass="s p") as server:
            assert server.addresses == (f"tls:127.0.0.1:{port_of(server)}",)
            assert server.dsn == f"rediss://:s%20p@127.0.0.1:{port_of(server)}"
            async with create_store(server.dsn, ssl_ca_certs=made.authority) as store:
                client = store.client()
                await client.set("a", b"x" * 1_000_000)
                assert await client.get("a") == b"x" * 1_000_000
                async with store.pipeline() as pipe:
                    handles = [pipe.incr("n") for _ in range(1000)]
                    await pipe.commit()
                    assert await handles[-1] == 1000
                info = await client.client_info()
                assert info["addr"].startswith("127.0.0.1:")
                assert info["laddr"] == f"127.0.0.1:{port_of(server)}"
            assert server.engine.statistics.bytes_received > 1_000_000

    async def test_beside_plain_connections_on_the_same_data(self, made: Certificates) -> None:
        async with PulsarDS(["127.0.0.1:0", "tls:127.0.0.1:0"], **settings(made)) as server:
            plain, secure = server.addresses
            assert server.dsn == f"pulsar://{plain}"
            async with (
                create_store(server.dsn) as one,
                create_store(f"rediss://{secure.removeprefix('tls:')}", ssl_ca_certs=made.authority) as two,
            ):
                await one.client().set("a", "1")
                assert await two.client().get("a") == b"1"
                waiting = two.client().blpop("q", 5)
                async with anyio.create_task_group() as group:

                    async def push() -> None:
                        while not await one.client().rpush("q", "x"):
                            raise AssertionError("nothing was pushed")

                    group.start_soon(push)
                    assert await waiting == (b"q", b"x")

    async def test_messages(self, made: Certificates) -> None:
        async with (
            server_of(made) as server,
            create_store(server.dsn, ssl_ca_certs=made.authority) as store,
            store.pubsub() as pubsub,
        ):
            await pubsub.subscribe("c")
            assert await store.client().publish("c", "hello") == 1
            with anyio.fail_after(20):
                async for message in pubsub:
                    assert message.data == b"hello"
                    break

    async def test_killed_and_stopped(self, made: Certificates) -> None:
        async with server_of(made) as server:
            context = ssl.create_default_context(cafile=made.authority)
            stream = await anyio.connect_tcp(
                "127.0.0.1", port_of(server), ssl_context=context, tls_hostname="localhost"
            )
            await stream.send(b"CLIENT ID\r\n")
            assert await stream.receive() == b":1\r\n"
            other = server.connect_stream()
            await other.send(b"CLIENT KILL ID 1\r\n")
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
            await anyio.aclose_forcefully(stream)
            await other.aclose()
            stream = await anyio.connect_tcp(
                "127.0.0.1", port_of(server), ssl_context=context, tls_hostname="localhost"
            )
            await stream.send(b"PING\r\n")
            assert await stream.receive() == b"+PONG\r\n"
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()
        await anyio.aclose_forcefully(stream)
        assert not server.engine.sessions


class TestHandshake:
    async def test_who_speaks_no_tls_is_let_go(self, made: Certificates) -> None:
        async with server_of(made) as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                await stream.send(b"PING\r\n")
                with anyio.fail_after(20), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    while True:
                        await stream.receive()
            # One who says nothing holds nobody else up.
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)):
                async with create_store(server.dsn, ssl_ca_certs=made.authority) as store:
                    assert await store.ping()
            assert server.engine.statistics.connections_received == 1

    async def test_who_says_nothing_is_let_go_after_a_while(
        self, made: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "_HANDSHAKE", 0.02)
        async with server_of(made) as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                with anyio.fail_after(20), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()

    async def test_clients_that_have_to_show_a_certificate(self, made: Certificates) -> None:
        required = {"tls_auth_clients": "yes", "tls_ca_cert_file": made.authority}
        async with server_of(made, **required) as server:
            own = {"ssl_certfile": made.client, "ssl_keyfile": made.client_key}
            async with create_store(server.dsn, ssl_ca_certs=made.authority, **own) as store:
                assert await store.ping()
            for wrong in ({}, {"ssl_certfile": made.stranger, "ssl_keyfile": made.stranger_key}):
                with pytest.raises(ConnectionFailed):
                    async with create_store(
                        server.dsn, ssl_ca_certs=made.authority, reconnect_attempts=0, **wrong
                    ) as store:
                        await store.ping()

    async def test_clients_that_may_show_one(self, made: Certificates) -> None:
        optional = {"tls_auth_clients": "optional", "tls_ca_cert_file": made.authority}
        async with server_of(made, **optional) as server:
            for own in ({}, {"ssl_certfile": made.client, "ssl_keyfile": made.client_key}):
                async with create_store(server.dsn, ssl_ca_certs=made.authority, **own) as store:
                    assert await store.ping()

    async def test_an_encrypted_key(self, made: Certificates) -> None:
        locked = {"tls_key_file": made.locked_key, "tls_key_file_pass": PASSWORD}
        async with (
            server_of(made, **locked) as server,
            create_store(server.dsn, ssl_ca_certs=made.authority) as store,
        ):
            assert await store.ping()

    async def test_versions(self, made: Certificates) -> None:
        async with server_of(
            made, tls_protocols="TLSv1.3", tls_ciphers="HIGH", tls_prefer_server_ciphers="yes"
        ) as server:
            context = ssl.create_default_context(cafile=made.authority)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises((ssl.SSLError, anyio.BrokenResourceError)):
                await anyio.connect_tcp(
                    "127.0.0.1", port_of(server), ssl_context=context, tls_hostname="localhost"
                )
            async with create_store(server.dsn, ssl_ca_certs=made.authority) as store:
                assert await store.ping()

    async def test_no_more_clients_than_there_may_be(self, made: Certificates) -> None:
        async with server_of(made, maxclients="1") as server:
            async with create_store(server.dsn, ssl_ca_certs=made.authority) as store:
                await store.ping()
                with pytest.raises(ConnectionFailed):
                    async with create_store(
                        server.dsn, ssl_ca_certs=made.authority, reconnect_attempts=0
                    ) as other:
                        await other.ping()
            assert server.engine.statistics.connections_rejected >= 1


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"tls_cert_file": ""}, "tls-cert-file is needed"),
            ({"tls_cert_file": "/nonexistent"}, "No such file"),
            ({"tls_key_file": "CLIENT"}, "tls-cert-file, tls-key-file: "),
            ({"tls_key_file": "LOCKED"}, "tls-cert-file, tls-key-file: "),
            ({"tls_key_file": "LOCKED", "tls_key_file_pass": "wrong pass"}, "tls-cert-file, tls-key-file: "),
            ({"tls_auth_clients": "yes"}, "tls-auth-clients needs"),
            ({"tls_ca_cert_file": "/nonexistent"}, "tls-ca-cert-file, tls-ca-cert-dir: No such file"),
            ({"tls_ca_cert_file": "CLIENT"}, "tls-ca-cert-file, tls-ca-cert-dir: "),
            ({"tls_protocols": "SSLv3"}, "tls-protocols: want"),
            ({"tls_ciphers": "none such"}, "tls-ciphers names no cipher"),
        ],
        ids=str,
    )
    def test_what_cannot_be_used_is_named(
        self, made: Certificates, change: dict[str, str], complaint: str
    ) -> None:
        files = {"CLIENT": made.client_key, "LOCKED": made.locked_key}
        given = settings(made, **{name: files.get(value, value) for name, value in change.items()})
        with pytest.raises(ImproperlyConfigured, match=complaint) as caught:
            PulsarDS("tls:127.0.0.1:0", **given)
        assert "wrong pass" not in str(caught.value)

    def test_files_are_not_needed_where_nothing_listens(self) -> None:
        PulsarDS("127.0.0.1:0", tls_cert_file="/nonexistent")

    def test_authorities_in_a_folder(self, made: Certificates) -> None:
        names = {"tls_auth_clients": "yes", "tls_ca_cert_dir": str(Path(made.authority).parent)}
        given = {name.replace("_", "-"): value for name, value in settings(made, **names).items()}
        assert server_context(Config(given)).verify_mode is ssl.CERT_REQUIRED

    async def test_directives_say_where(self, made: Certificates) -> None:
        port = free_port()
        async with PulsarDS(port=0, tls_port=port, **settings(made)) as server:
            assert server.dsn == f"rediss://127.0.0.1:{port}"
            assert server.engine.port == port

    async def test_changed_while_it_runs(self, made: Certificates) -> None:
        async with PulsarDS("127.0.0.1:0") as server, create_store(server.dsn) as admin:
            client = admin.client()
            port = free_port()
            with pytest.raises(ResponseError, match="Unable to update TLS configuration"):
                await client.config_set("tls-port", port)
            assert (await client.config_get("tls-port"))["tls-port"] == "0"
            await client.config_set(
                *("tls-cert-file", made.server, "tls-key-file", made.key, "tls-auth-clients", "no"),
                *("tls-port", port),
            )
            address = f"rediss://127.0.0.1:{port}"
            assert server.addresses[0] == f"tls:127.0.0.1:{port}"
            assert await anyio.to_thread.run_sync(peer_certificate, port, made) == pem(made.server)
            with pytest.raises(ResponseError, match="Unable to update TLS configuration"):
                await client.config_set("tls-cert-file", "/nonexistent")
            assert (await client.config_get("tls-cert-file"))["tls-cert-file"] == made.server
            async with create_store(address, ssl_ca_certs=made.authority) as store:
                await client.config_set("tls-cert-file", made.other_server, "tls-key-file", made.other_key)
                assert await store.ping()  # connections that there are stay
                assert await anyio.to_thread.run_sync(peer_certificate, port, made) == pem(made.other_server)
                await client.config_set("tls-port", 0)
                assert await store.ping()
            with pytest.raises(ConnectionFailed):
                async with create_store(address, ssl_ca_certs=made.authority, reconnect_attempts=0) as store:
                    await store.ping()
            await client.config_set("tls-auth-clients", "no")


def peer_certificate(port: int, made: Certificates) -> str:
    context = ssl.create_default_context(cafile=made.authority)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as secure,
    ):
        found = secure.getpeercert(True)
        assert found is not None
        return ssl.DER_cert_to_PEM_cert(found)


def pem(path: str) -> str:
    return ssl.DER_cert_to_PEM_cert(
        ssl.PEM_cert_to_DER_cert(
            Path(path).read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n"
        )
    )
