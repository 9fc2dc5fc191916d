"""Debugging a script while everything else goes on, or has to wait, or goes away."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import hiredis
import pytest
from anyio.abc import ByteStream

from anystore.pulsards import PulsarDS
from anystore.pulsards.clock import ManualClock
from anystore.pulsards.debugging.sessions import MOST_SESSIONS
from anystore.pulsards.propagation import Unit
from tests.pulsards.debugging.playing import Words, packed
from tests.pulsards.peers import EngineClient

pytestmark = pytest.mark.anyio

COUNT = "local a = redis.call('incr', 'n')\nlocal b = redis.call('incr', 'n')\nreturn {a, b}"
FOR_EVER = "local i = 0\nwhile true do i = i + 1 end"
PATIENCE = 60.0


class Client:
    """One client: what it says and hears, lines of the debugger as a list."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._reader = hiredis.Reader(replyError=lambda text: ("error", text), notEnoughData=NotImplemented)

    async def send(self, *words: Words) -> None:
        await self.stream.send(b"".join(packed(word) for word in words))

    async def receive(self) -> Any:
        """The next reply; `anyio.EndOfStream` behind the last one."""
        with anyio.fail_after(PATIENCE):
            while (reply := self._reader.gets()) is NotImplemented:
                self._reader.feed(await self.stream.receive())
        return reply

    async def ask(self, words: Words) -> Any:
        await self.send(words)
        return await self.receive()

    async def debug(self, script: str, mode: str = "yes", *arguments: str) -> Any:
        """Begin a session: what is shown at its first stop."""
        assert await self.ask(f"script debug {mode}") == b"OK"
        return await self.ask(("eval", script, *(arguments or ("0",))))

    async def is_closed(self) -> bool:
        try:
            await self.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True
        return False


class Place:
    """A server, and clients of it by one way of reaching it."""

    def __init__(self, server: PulsarDS, by_memory: bool) -> None:
        self.server = server
        self.engine = server.engine
        self._by_memory = by_memory

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        if self._by_memory:
            stream: ByteStream = self.server.connect_stream()
        else:
            stream = await anyio.connect_tcp("127.0.0.1", int(self.server.dsn.rpartition(":")[2]))
        try:
            yield Client(stream)
        finally:
            await anyio.aclose_forcefully(stream)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the other side is about to do."""
        with anyio.fail_after(PATIENCE):
            while not condition():  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.001)


@pytest.fixture(params=["tcp", "memory"])
def by_memory(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "memory")


@asynccontextmanager
async def placed(by_memory: bool, **directives: Any) -> AsyncIterator[Place]:
    """A server that is left without anything of a session staying behind."""
    async with PulsarDS([] if by_memory else "127.0.0.1:0", **directives) as server:
        yield Place(server, by_memory)
        engine = server.engine
    assert len(engine.debugging) == 0
    assert engine.debugging.synchronous is None
    assert engine.pause.until is None
    assert not engine.keyspace.images


def stopped(lines: Any) -> int:
    """The number of the line that a script has stopped at."""
    found = [line for line in lines if line.startswith(b"* Stopped at ")]
    return int(found[-1].split()[3].rstrip(b","))


class TestOnACopy:
    async def test_nothing_comes_of_it(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as client, place.client() as other:
            assert await other.ask("set n 5") == b"OK"
            assert stopped(await client.debug(COUNT)) == 1
            assert await other.ask("set n 50") == b"OK"  # after the moment of the copy
            assert (await client.ask("s"))[:2] == [b"<redis> incr n", b"<reply> 6"]
            assert await client.ask("r flushall") == [b"<redis> flushall", b'<reply> "+OK"']
            assert await client.ask("c") == [b"<endsession>"]
            assert await client.receive() == [6, 1]
            assert await client.is_closed()
            assert await other.ask("get n") == b"50"

    async def test_every_kind_of_value_is_there_with_its_time(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as client, place.client() as other:
            for words in (
                "rpush l a b",
                "sadd s a",
                "zadd z 1.5 a",
                "hset h f v",
                "xadd x 1-1 f v",
                "set k v ex 100",
            ):
                await other.ask(words)
            await other.ask("select 3")
            await other.ask("set elsewhere yes")
            await client.debug("return 1")
            for words, shown in (
                ("r lrange l 0 -1", b'["a","b"]'),
                ("r smembers s", b'["a"]'),
                ("r zrange z 0 -1 withscores", b'["a","1.5"]'),
                ("r hgetall h", b'["f","v"]'),
                ("r xrange x - +", b'[["1-1",["f","v"]]]'),
                ("r ttl k", b"100"),
                ("r dbsize", b"6"),
                ("r select 3", b'"+OK"'),
                ("r get elsewhere", b'"yes"'),
            ):
                assert (await client.ask(words))[1] == b"<reply> " + shown

    async def test_many_keys(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as client, place.client() as other:
            fill = "for i = 1, 30000 do redis.call('set', i, string.rep('x', 50)) end"
            await other.ask(("eval", fill, "0"))
            await client.debug("return redis.call('dbsize')")
            await other.ask("flushall")
            assert await client.ask("c") == [b"<endsession>"]
            assert await client.receive() == 30000

    async def test_others_are_served_meanwhile(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as client, place.client() as other:
            await client.debug(FOR_EVER)
            await client.send("c")
            for count in range(1, 20):
                assert await other.ask("incr n") == count

    async def test_several_at_once(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as one, place.client() as two:
            await one.debug(COUNT)
            await two.debug(COUNT)
            await one.ask("s")
            await two.ask("s")
            await one.ask("r incrby n 10")
            assert (await one.ask("e redis.call('get', 'n')")) == [b'<retval> "11"']
            assert (await two.ask("e redis.call('get', 'n')")) == [b'<retval> "1"']

    async def test_there_is_a_limit_to_their_number(self) -> None:
        async with placed(False) as place, anyio.create_task_group() as group:
            ready = anyio.Semaphore(0)
            leave = anyio.Event()

            async def debug() -> None:
                async with place.client() as client:
                    await client.debug("return 1")
                    ready.release()
                    await leave.wait()

            for _ in range(MOST_SESSIONS):
                group.start_soon(debug)
            with anyio.fail_after(PATIENCE):
                for _ in range(MOST_SESSIONS):
                    await ready.acquire()
            async with place.client() as client:
                kind, text = await client.debug("return 1")
                assert (kind, text[:18]) == ("error", "ERR Fork() failed:")
                assert await client.ask("ping") == b"PONG"
            leave.set()

    async def test_publishing_reaches_nobody(self) -> None:
        async with placed(False) as place, place.client() as client, place.client() as other:
            await other.ask("subscribe channel")
            await client.debug("return redis.call('publish', 'channel', 'x')")
            assert await client.ask("c") == [b"<endsession>"]
            assert await client.receive() == 0

    async def test_a_client_that_goes_ends_it(self, by_memory: bool) -> None:
        async with placed(by_memory) as place:
            for words in ((), ("s",), ("c",)):
                async with place.client() as client:
                    await client.debug(FOR_EVER)
                    await client.send(*words)
                await place.until(lambda: len(place.engine.debugging) == 0)

    async def test_a_client_that_is_killed_loses_it(self) -> None:
        async with placed(False) as place, place.client() as client, place.client() as other:
            number = await client.ask("client id")
            await client.debug("return 1")
            assert await other.ask(f"client unblock {number}") == 0
            assert await other.ask(f"client kill id {number}") == 1
            assert await client.is_closed()
            await place.until(lambda: len(place.engine.debugging) == 0)


class TestOnTheData:
    async def test_what_it_does_is_done(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as client:
            await client.debug(COUNT, "sync")
            await client.ask("s")
            await client.ask("r set other 1")
            assert await client.ask("a") == [b"<endsession>"]
            _, text = await client.receive()
            assert text.startswith("ERR script aborted for user request script: ")
            assert await client.is_closed()
            async with place.client() as other:
                assert await other.ask("mget n other") == [b"1", b"1"]
                assert b"errorstat_ERR:count=1" in await other.ask("info errorstats")

    async def test_others_wait_and_the_program_does_not(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as client, place.client() as other:
            await client.debug(COUNT, "sync")
            heard: list[Any] = []

            async def ask() -> None:
                heard.append(await other.ask("get n"))

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await client.ask("s")
                await client.ask("p")
                await place.until(lambda: place.engine.sessions[2].waiter is not None)
                async with place.client() as newcomer:
                    await newcomer.send("ping")
                    assert heard == []
                    assert await client.ask("c") == [b"<endsession>"]
                    assert await newcomer.receive() == b"PONG"
            assert heard == [b"2"]

    async def test_it_is_told_as_one_unit(self) -> None:
        units: list[Unit] = []
        async with placed(True) as place, place.client() as client, place.client() as other:
            place.engine.propagation.add_sink(units.append)
            await client.debug(COUNT, "sync")
            await client.ask("s")
            assert units == []
            await client.ask("c")
            await other.ask("set k v")
        assert units == [
            [(0, [b"incr", b"n"]), (0, [b"incr", b"n"])],
            [(0, [b"set", b"k", b"v"])],
        ]

    async def test_who_waits_for_a_key_is_served_at_the_end(self, by_memory: bool) -> None:
        script = "redis.call('rpush', 'l', 'x')\nreturn redis.call('rpush', 'l', 'y')"
        async with placed(by_memory) as place, place.client() as client, place.client() as other:
            await other.send("blpop l 0")
            await place.until(lambda: place.engine.sessions[2].waiter is not None)
            await client.debug(script, "sync")
            await client.ask("s")
            assert await client.ask("r llen l") == [b"<redis> llen l", b"<reply> 1"]
            await client.ask("c")
            assert await client.receive() == 2
            assert await other.receive() == [b"l", b"x"]

    @pytest.mark.parametrize("mode", ["yes", "sync"])
    async def test_no_time_passes(self, mode: str) -> None:
        clock = ManualClock()
        async with placed(True, clock=clock) as place, place.client() as client, place.client() as other:
            await other.ask("set k v px 30")
            await client.debug("return redis.call('get', 'k')", mode)
            clock.advance(0.04)
            assert await client.ask("r pttl k") == [b"<redis> pttl k", b"<reply> 30"]
            await client.ask("c")
            assert await client.receive() == b"v"
            assert await other.ask("get k") is None

    async def test_without_its_client_the_script_runs_to_its_end(self, by_memory: bool) -> None:
        async with placed(by_memory) as place, place.client() as other:
            async with place.client() as client:
                await client.debug(COUNT, "sync")
                await client.send("e while true do pcall(function() while true do end end) end")
            assert await other.ask("get n") == b"2"
            assert len(place.engine.debugging) == 0

    async def test_without_its_client_there_is_an_end_to_it(self, caplog: pytest.LogCaptureFixture) -> None:
        script = "redis.call('set', 'k', 'v')\nwhile true do pcall(function() while true do end end) end"
        async with placed(False, busy_reply_threshold=20) as place, place.client() as other:
            async with place.client() as client:
                await client.debug(script, "sync")
            assert await other.ask("get k") == b"v"
        assert "nobody is there" in caplog.text

    async def test_what_it_has_done_is_on_disk_when_the_server_stops(self, tmp_path: Path) -> None:
        async with AsyncExitStack() as clients, placed(False, dir=str(tmp_path)) as place:
            client = await clients.enter_async_context(place.client())
            await client.debug(COUNT, "sync")
            await client.ask("s")
        async with placed(False, dir=str(tmp_path)) as place, place.client() as client:
            assert await client.ask("get n") == b"1"

    async def test_ending_the_server_ends_it(self) -> None:
        async with placed(False) as place, place.client() as client:
            ended = []
            await client.debug(COUNT, "sync")
            await client.ask("s")
            assert place.engine.ending.begin(lambda: ended.append(True), None)
            assert ended == [True]
            assert await client.is_closed()
            assert place.engine.keyspace.databases[0].data[b"n"] is not None
            place.engine.ending.reset()


@pytest.mark.parametrize("mode", ["yes", "sync"])
class TestWhateverTheMode:
    @pytest.mark.parametrize("words", [(), ("s",), ("c",), ("e while true do end",)])
    async def test_a_server_can_be_stopped(self, mode: str, words: tuple[str, ...], by_memory: bool) -> None:
        with anyio.fail_after(PATIENCE):
            async with AsyncExitStack() as clients, placed(by_memory) as place:
                client = await clients.enter_async_context(place.client())
                await client.debug(FOR_EVER, mode)
                await client.send(*words)

    async def test_it_can_be_stopped_at_once(self, mode: str, by_memory: bool) -> None:
        with anyio.fail_after(PATIENCE):
            async with AsyncExitStack() as clients, placed(by_memory) as place:
                client = await clients.enter_async_context(place.client())
                await client.send(f"script debug {mode}")
                assert await client.receive() == b"OK"
                await client.send(("eval", FOR_EVER, "0"))

    async def test_it_goes_on_in_the_next_loop(self, mode: str) -> None:
        server = PulsarDS([])
        for _ in range(2):
            async with server:
                client = Client(server.connect_stream())
                assert stopped(await client.debug(COUNT, mode)) == 1
                assert stopped(await client.ask("s")) == 2

    async def test_a_script_that_goes_on_and_on_stops_by_itself(self, mode: str) -> None:
        async with placed(False, busy_reply_threshold=20) as place, place.client() as client:
            await client.debug(FOR_EVER, mode)
            lines = await client.ask("c")
            assert lines[0] == b"* Stopped at 2, stop reason = timeout reached, infinite loop?"
            assert (await client.ask("p i"))[0].startswith(b"<value> ")
            assert await client.ask("a") == [b"<endsession>"]

    async def test_words_may_come_together_and_as_they_are_typed(self, mode: str) -> None:
        async with placed(False) as place, place.client() as client:
            assert await client.ask(f"script debug {mode}") == b"OK"
            await client.send(("eval", COUNT, "0"), "s", "p")
            assert [stopped(await client.receive()), stopped(await client.receive())] == [1, 2]
            assert await client.receive() == [b"<value> a = 1"]
            await client.stream.send(b"p a\r\n")
            assert await client.receive() == [b"<value> 1"]
            await client.stream.send(b"*1\r\nx\r\n")
            assert await client.receive() == [b"<endsession>"]
            _, text = await client.receive()
            assert text.startswith("ERR protocol error script: ")

    async def test_what_waits_to_be_read_is_limited(self, mode: str) -> None:
        async with placed(False) as place, place.client() as client:
            await client.debug(FOR_EVER, mode)
            await client.send("c")
            many = packed(["p", "x" * 1000]) * 100
            for _ in range(12):
                await client.stream.send(many)
            # Read at the next stop, of which there is none: the server keeps no more than it says.
            number = next(iter(place.engine.sessions))
            await place.until(lambda: place.engine.statistics.bytes_received > 12 * len(many))
            assert place.engine.sessions[number].waiter is not None

    async def test_errors_that_are_tables_are_shown(self, mode: str) -> None:
        async with placed(False) as place, place.client() as client:
            await client.debug("return 1", mode)
            assert await client.ask("e error({err='E1'})") == [b"<error> E1"]
            assert await client.ask("e error({})") == [b"<error> (null)"]
            assert await client.ask("e redis.call('nosuch')") == [
                b"<error> ERR Unknown Redis command called from script"
            ]

    async def test_the_sandbox_holds(self, mode: str) -> None:
        async with placed(False) as place, place.client() as client:
            await client.debug("local x = 1\nreturn x", mode)
            for name in (
                "debug",
                "python",
                "io",
                "getfenv",
                "setfenv",
                "require",
                "package",
                "newproxy",
                "print",
            ):
                assert (await client.ask(f"e {name}"))[0].startswith(
                    b"<error> ldb_eval:1: Script attempted to access"
                )
            assert await client.ask("e os.execute") == [b"<retval> nil"]
            assert (await client.ask("e x = 1"))[0].endswith(b"Attempt to modify a readonly table")
            assert (await client.ask("e redis.call = 1"))[0].endswith(b"Attempt to modify a readonly table")
            assert await client.ask("e getmetatable('').__index == string") == [b"<retval> true"]
            assert (await client.ask("e loadstring(string.dump(function() end))"))[0] == b"<retval> nil"

    async def test_a_table_of_tables_without_end(self, mode: str) -> None:
        script = "local t = {}\nfor i = 1, 100 do t[i] = t end\nreturn 1"
        async with placed(False) as place, place.client() as client:
            await client.debug(script, mode)
            await client.ask("b 3")
            await client.ask("c")
            await client.ask("m 0")
            (line,) = await client.ask("p t")
            assert line.count(b"<too many values>") >= 1

    async def test_a_user_may_do_what_it_may(self, mode: str) -> None:
        async with placed(False) as place, place.client() as admin, place.client() as client:
            await admin.ask("acl setuser u on >p ~mine:* +@all -del")
            await client.ask("auth u p")
            await client.debug("return redis.acl_check_cmd('del', 'mine:k')", mode)
            assert (await client.ask("r set mine:k v"))[1] == b'<reply> "+OK"'
            assert (await client.ask("r set k v"))[1].startswith(b"<error> ")
            assert (await client.ask("r del mine:k"))[1].startswith(b"<error> ")
            await client.ask("c")
            assert await client.receive() is None
            await admin.ask("acl setuser v on >p ~* +@all -script|debug")
            async with place.client() as second:
                await second.ask("auth v p")
                assert (await second.ask(f"script debug {mode}"))[1].startswith("NOPERM")

    async def test_a_replica_takes_no_writes(self, mode: str) -> None:
        async with placed(True) as primary, placed(False) as place, place.client() as client:
            del primary
            await client.ask("replicaof 127.0.0.1 1")
            await client.debug("return 1", mode)
            assert (await client.ask("r set k v"))[1].startswith(b"<error> -READONLY")
            await client.ask("c")

    async def test_within_a_transaction_it_is_refused(self, mode: str) -> None:
        async with placed(False) as place, place.client() as client:
            await client.ask(f"script debug {mode}")
            await client.ask("multi")
            await client.ask(("eval", "return 1", "0"))
            assert await client.ask("exec") == [
                ("error", "ERR a script cannot be debugged inside a transaction")
            ]
            assert await client.ask("script debug no") == b"OK"
            assert await client.ask(("eval", "return 1", "0")) == 1

    async def test_what_it_logs_is_logged(self, mode: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "anystore.pulsards")
        async with placed(False) as place, place.client() as client:
            await client.debug("redis.log(redis.LOG_WARNING, 'said by a script')", mode)
            await client.ask("c")
        assert "said by a script" in caplog.text


async def test_the_reply_is_in_the_clients_protocol() -> None:
    async with placed(False) as place, place.client() as client:
        await client.ask("hello 3")
        await client.debug("redis.setresp(3)\nreturn {map = {a = 1}}")
        assert await client.ask("c") == [b"<endsession>"]
        assert await client.receive() == {b"a": 1}


def test_without_a_server_around_it_there_is_no_debugging() -> None:
    client = EngineClient()
    assert client.execute("SCRIPT", "DEBUG", "YES") == b"OK"
    kind, text = client.execute("EVAL", "return 1", 0)
    assert (kind, text) == (
        "error",
        "ERR Fork() failed: can't run EVAL in debugging mode: the server is not running",
    )
    assert client.execute("SCRIPT", "DEBUG", "NO") == b"OK"
    assert client.execute("EVAL", "return 1", 0) == 1
