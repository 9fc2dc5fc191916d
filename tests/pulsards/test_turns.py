"""How long one client's commands may run before others have their turn, counted by a clock that each command moves on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import hiredis
import pytest

from anystore.pulsards import PulsarDS, reactor
from anystore.pulsards.clock import SystemClock
from anystore.pulsards.connections import TURN_NS
from tests.pulsards.peers import EngineClient

#: So many commands fit in a turn by the clock of these tests.
FITTING = 10


class MovedByCommands(SystemClock):
    """Goes on each time it is read, and not by itself: each command takes the same time on any machine."""

    def __init__(self) -> None:
        self.elapsed = 0

    def elapsed_ns(self) -> int:  # type: ignore[override]
        self.elapsed += TURN_NS // FITTING
        return self.elapsed


class TestASession:
    """Without a driver: `Engine.go_on` is called by hand."""

    def client(self) -> EngineClient:
        client = EngineClient(clock=MovedByCommands())
        client.session.turn_ns = TURN_NS
        return client

    def replies(self, client: EngineClient) -> list[object]:
        return list(iter(client.receive, NotImplemented))

    def turns(self, client: EngineClient, data: bytes) -> list[list[object]]:
        """The replies to what is sent, turn by turn."""
        client.session.receive(data)
        client.engine.flush()
        found = [self.replies(client)]
        while client.engine.unfinished:
            client.engine.go_on()
            client.engine.flush()
            found.append(self.replies(client))
        return found

    @pytest.mark.parametrize("guarded", [False, True])
    @pytest.mark.parametrize("command", [("INCR", "n"), ("EVAL", "return redis.call('incr', 'n')", "0")])
    def test_a_pipeline_takes_several_turns(self, command: tuple[str, ...], guarded: bool) -> None:
        client = self.client()
        client.session.guarded = guarded
        turns = self.turns(client, 95 * hiredis.pack_command(command))
        assert [number for turn in turns for number in turn] == list(range(1, 96))
        assert max(map(len, turns)) <= FITTING
        assert len(turns) < 40

    def test_one_command_has_its_turn_however_long_it_takes(self) -> None:
        client = self.client()
        client.session.turn_ns = 1
        assert self.turns(client, 3 * hiredis.pack_command(("INCR", "n"))) == [[1], [2], [3]]

    def test_what_comes_meanwhile_comes_behind(self) -> None:
        client = self.client()
        client.session.receive(25 * hiredis.pack_command(("INCR", "n")))
        assert client.session in client.engine.unfinished
        client.session.receive(hiredis.pack_command(("SET", "n", "last")) + b"*1\r\n$-5\r\n")
        replies = self.replies(client)
        while client.engine.unfinished:
            client.engine.go_on()
            client.engine.flush()
            replies += self.replies(client)
        wrong = ("error", "ERR Protocol error: invalid bulk length")
        assert replies == [*range(1, 26), b"OK", wrong]
        assert client.session.closing

    def test_a_transaction_is_one_command(self) -> None:
        client = self.client()
        pack = hiredis.pack_command
        turns = self.turns(
            client, pack(("MULTI",)) + 30 * pack(("INCR", "n")) + pack(("EXEC",)) + 3 * pack(("GET", "n"))
        )
        replies = [reply for turn in turns for reply in turn]
        assert replies == [b"OK", *(30 * [b"QUEUED"]), list(range(1, 31)), *(3 * [b"30"])]

    def test_a_command_that_waits_ends_the_turn(self) -> None:
        client = self.client()
        other = EngineClient(client.engine)
        pack = hiredis.pack_command
        data = 15 * pack(("INCR", "n")) + pack(("BLPOP", "list", "0")) + 15 * pack(("INCR", "n"))
        turns = self.turns(client, data)
        assert [reply for turn in turns for reply in turn] == list(range(1, 16))
        other.execute("RPUSH", "list", "x")
        assert self.replies(client) == [[b"list", b"x"], *range(16, 31)]
        assert not client.engine.unfinished

    @pytest.mark.parametrize("by", ["close", "kill"])
    def test_a_client_that_goes_leaves_nothing_to_do(self, by: str) -> None:
        client = self.client()
        client.session.receive(25 * hiredis.pack_command(("INCR", "n")))
        if by == "close":
            client.session.close()
        else:
            client.engine.close_session(client.session)
            client.engine.go_on()
        assert not client.engine.unfinished
        assert client.engine.keyspace.databases[0].data[b"n"] <= b"%d" % FITTING

    def test_those_that_have_more_take_turns(self) -> None:
        client = self.client()
        second = EngineClient(client.engine)
        second.session.turn_ns = TURN_NS
        client.session.receive(35 * hiredis.pack_command(("RPUSH", "who", "first")))
        second.session.receive(35 * hiredis.pack_command(("RPUSH", "who", "second")))
        while client.engine.unfinished:
            client.engine.go_on()
            client.engine.flush()
        who = EngineClient(client.engine).execute("LRANGE", "who", 0, -1)
        assert sorted(who) == [b"first"] * 35 + [b"second"] * 35
        for start in range(0, 35, FITTING):
            # Neither is more than a turn ahead.
            assert abs(who[: 2 * start].count(b"first") - start) <= FITTING


@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["reactor", "streams"])
class TestAServer:
    @pytest.fixture
    def path(self, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        if driver == "streams":
            monkeypatch.setattr(reactor, "available", False)
        monkeypatch.setattr(reactor, "_TURNS", 0)  # it lets the event loop have a turn by the machine's clock
        return f"{tmp_path}/socket"

    async def answers(self, sock: socket.socket, count: int, each: Callable[[], Any] = bool) -> list[object]:
        """So many replies, looking for them in every turn of the event loop; `each` is called in each."""
        reader = hiredis.Reader(notEnoughData=NotImplemented)
        found: list[object] = []
        with anyio.fail_after(60):
            while len(found) < count:
                each()
                await anyio.lowlevel.checkpoint()
                try:
                    reader.feed(sock.recv(65536))
                except BlockingIOError:
                    continue
                found += iter(reader.gets, NotImplemented)
        return found

    def connected(self, path: str) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.setblocking(False)
        return sock

    async def test_who_has_more_goes_on_while_a_script_runs_for_long(self, path: str, driver: str) -> None:
        async with PulsarDS(bind=f"unix:{path}", clock=MovedByCommands()) as server:
            engine, sock = server.engine, self.connected(path)
            with sock:
                sock.send(50 * hiredis.pack_command(("INCR", "n")))
                with anyio.fail_after(60):
                    while not engine.unfinished:
                        await anyio.lowlevel.checkpoint()
                before = int(engine.keyspace.databases[0].data[b"n"])
                if driver == "reactor":
                    assert engine.serve_while_busy is not None
                    engine.serve_while_busy()
                    assert before < int(engine.keyspace.databases[0].data[b"n"]) <= before + FITTING
                assert await self.answers(sock, 50) == list(range(1, 51))

    async def test_others_are_served_and_run_between_the_turns_of_long_pipelines(self, path: str) -> None:
        async with PulsarDS(bind=f"unix:{path}", clock=MovedByCommands()) as server:
            data = server.engine.keyspace.databases[0].data
            longest = seen = 0

            def look() -> None:
                nonlocal longest, seen
                now = sum(int(data.get(b"n%d" % number, b"0")) for number in range(5))
                longest, seen = max(longest, now - seen), now

            socks = [self.connected(path) for _ in range(6)]
            try:
                for number, sock in enumerate(socks[:5]):
                    sock.send(200 * hiredis.pack_command(("INCR", b"n%d" % number)))
                lone = socks[5]
                lone.send(hiredis.pack_command(("GET", "n0")))
                (value,) = await self.answers(lone, 1, look)
                # Its turn comes after one of each of the others, and perhaps one more.
                assert int(value or 0) <= 4 * FITTING  # type: ignore[call-overload]
                for sock in socks[:5]:
                    assert await self.answers(sock, 200, look) == list(range(1, 201))
            finally:
                for sock in socks:
                    sock.close()
        # In tasks each of the five may run twice between two looks.
        assert longest <= 10 * FITTING
