from __future__ import annotations

import anyio
import pytest

from anystore.exceptions import CommandTimeout, ConnectionFailed, ProtocolError, StoreError
from anystore.redis.monitor import parse_line
from tests.faultproxy import FaultProxy
from tests.redis.scripted import GREETING, ScriptedServer, connected_to
from tests.redis.test_faults import store_at
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


class TestMonitor:
    @pytest.mark.parametrize("protocol", [2, 3])
    async def test_commands_are_told_with_who_sent_them(self, valkey: RealServer, protocol: int) -> None:
        async with store_at(valkey.dsn, protocol=protocol) as store, store.monitor() as monitor:
            client = store.client()
            await client.set("key", b'a "quoted"\r\n\t\x00\xff\\ value')
            command = await monitor.next_command()
            assert command["args"] == [b"SET", b"key", b'a "quoted"\r\n\t\x00\xff\\ value']
            assert command["command"] == 'SET key a "quoted"\r\n\t\x00\\xff\\ value'
            assert (command["db"], command["client_type"], command["client_address"]) == (
                0,
                "tcp",
                "127.0.0.1",
            )
            assert (await client.client_info())["addr"] == f"127.0.0.1:{command['client_port']}"
            assert abs(command["time"] - float((await client.time())[0])) < 5

    async def test_iterating(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store, store.monitor() as monitor:
            for name in ("one", "two"):
                await store.client().get(name)
            async for command in monitor:
                if command["args"] == [b"GET", b"one"]:
                    break
            async for command in monitor.listen():
                assert command["args"] == [b"GET", b"two"]
                break

    async def test_scripts_and_unix_sockets(self, valkey: RealServer) -> None:
        async with (
            store_at(valkey.dsn) as store,
            store_at(f"redis+unix://{valkey.unixsocket}") as local,
            store.monitor() as monitor,
        ):
            await local.client().eval("return redis.call('get', KEYS[1])", 1, "key")
            types = [(await monitor.next_command())["client_type"] for _ in range(2)]
            assert types == ["unix", "lua"]

    async def test_the_connection_ends_with_the_block(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            monitor = store.monitor()
            with pytest.raises(StoreError, match="use it in 'async with'"):
                await monitor.next_command()
            async with monitor:
                assert store.statistics().pool.leased == 1
                with anyio.move_on_after(0.01):
                    await monitor.next_command()
                await store.client().get("key")
                assert (await monitor.next_command())["args"] == [b"GET", b"key"]
            assert store.statistics().pool.leased == store.statistics().pool.idle == 0
            with pytest.raises(StoreError, match="use it in 'async with'"):
                await monitor.next_command()
            async with monitor:
                await store.client().get("again")
                assert (await monitor.next_command())["args"] == [b"GET", b"again"]

    async def test_a_lost_connection(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store, store.monitor() as monitor:
            await proxy.cut()
            with pytest.raises(ConnectionFailed):
                await monitor.next_command()

    async def test_a_refusal(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as admin:
            await admin.execute("ACL", "SETUSER", "nomonitor", "on", ">x", "+@all", "-monitor")
        async with store_at(valkey.dsn, user="nomonitor", password="x") as store:
            with pytest.raises(StoreError, match="NOPERM"):
                async with store.monitor():
                    raise AssertionError("it is refused")
            assert store.statistics().pool.leased == 0

    async def test_a_server_that_does_not_answer(self) -> None:
        server = ScriptedServer({**GREETING, "MONITOR": b""})
        async with store_at("redis://nowhere", command_timeout=0.1, **connected_to(server)) as store:
            with pytest.raises(CommandTimeout):
                async with store.monitor():
                    raise AssertionError("there was no answer")
            assert store.statistics().pool.leased == 0

    async def test_an_error_among_the_commands(self) -> None:
        server = ScriptedServer({**GREETING, "MONITOR": b"+OK\r\n-ERR enough\r\n"})
        async with store_at("redis://nowhere", **connected_to(server)) as store, store.monitor() as monitor:
            with pytest.raises(StoreError, match="enough"):
                await monitor.next_command()


class TestLines:
    def test_addresses(self) -> None:
        command = parse_line(b'1339518083.107412 [3 [::1]:60866] "keys" "*"')
        assert (command["client_address"], command["client_port"], command["client_type"]) == (
            "[::1]",
            "60866",
            "tcp",
        )
        assert command["db"] == 3
        command = parse_line(b'1.5 [0 unix:/tmp/a b.sock] "get" "x"')
        assert (command["client_address"], command["client_port"]) == ("unix", "/tmp/a b.sock")

    def test_escapes(self) -> None:
        command = parse_line(b'1.5 [0 lua] "set" "\\"\\\\" "\\n\\r\\t\\a\\b\\x00\\xfe" ""')
        assert command["args"] == [b"set", b'"\\', b"\n\r\t\a\b\x00\xfe", b""]

    @pytest.mark.parametrize("line", [b"OK", b"", b"1.5 [0 lua", None, 1])
    def test_what_is_no_such_line(self, line: bytes) -> None:
        with pytest.raises(ProtocolError, match="not a line of MONITOR"):
            parse_line(line)
