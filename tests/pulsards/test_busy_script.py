"""A script that runs for too long: what others are told, and how it is ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from anystore.pulsards import PulsarDS
from anystore.pulsards.propagation import Unit
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

#: Texts of Redis 7, to the letter.
BUSY = ("error", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
BUSY_FUNCTION = ("error", BUSY[1].replace("SCRIPT", "FUNCTION"))
FOR_EVER = "while true do end"
LIBRARY = "#!lua name=l\nredis.register_function('f', function(keys) while true do end end)"


class Scene:
    """An engine whose driver, asked to hear others while a script runs, has `heard` run what is planned."""

    def __init__(self) -> None:
        self.runner = EngineClient(busy_reply_threshold="1")
        self.engine = self.runner.engine
        self.other = EngineClient(self.engine)
        self.killer = EngineClient(self.engine)
        self.replies: list[Any] = []
        self.turns = 0

    def run(self, script: Sequence[str | int], *planned: str | Callable[[], None]) -> Any:
        """Run a command; the other's are run the first time that it is heard, and what runs is ended soon after."""

        def heard() -> None:
            self.turns += 1
            if self.turns == 1:
                self.replies = [
                    step() if callable(step) else self.other.execute(*step.split()) for step in planned
                ]
            else:
                self.killer.execute("SCRIPT", "KILL")
                self.killer.execute("FUNCTION", "KILL")

        self.engine.serve_while_busy = heard
        reply = self.runner.execute(*script)
        self.engine.serve_while_busy = None
        return reply


class TestWhatOthersAreTold:
    def test_nearly_everything_is_refused(self) -> None:
        scene = Scene()
        commands = [
            "GET x",
            "SET x 1",
            "PING",
            "EVAL x 0",
            "CONFIG GET maxmemory",
            "SHUTDOWN",
            "INFO",
            "CLIENT LIST",
        ]
        scene.run(
            ("EVAL", FOR_EVER, 0), *commands, "SCRIPT EXISTS x", "SHUTDOWN SAVE", "EXEC", "NOSUCH", "GET"
        )
        assert scene.replies[:10] == [BUSY] * 10
        assert scene.replies[10:] == [
            ("error", f"EXECABORT Transaction discarded because of: {BUSY[1]}"),
            ("error", "ERR unknown command 'NOSUCH', with args beginning with: "),
            ("error", "ERR wrong number of arguments for 'get' command"),
        ]

    def test_what_concerns_the_connection_alone_is_not(self) -> None:
        scene = Scene()
        scene.run(("EVAL", FOR_EVER, 0), "WATCH x", "UNWATCH", "MULTI", "SET x 1", "DISCARD", "RESET", "QUIT")
        assert scene.replies == [b"OK", b"OK", b"OK", BUSY, b"OK", b"RESET", b"OK"]

    def test_a_transaction_that_was_refused_a_command_is_broken(self) -> None:
        scene = Scene()
        scene.run(("EVAL", FOR_EVER, 0), "MULTI", "SET x 1")
        assert scene.replies == [b"OK", BUSY]
        _, text = scene.other.execute("EXEC")
        assert text == "EXECABORT Transaction discarded because of previous errors."

    def test_afterwards_all_is_as_it_was(self) -> None:
        scene = Scene()
        scene.run(("EVAL", FOR_EVER, 0), "GET x")
        assert scene.other.execute("SET", "x", 1) == b"OK"
        assert not scene.engine.guarded
        assert scene.other.execute("SCRIPT", "KILL") == (
            "error",
            "NOTBUSY No scripts in execution right now.",
        )

    def test_a_script_in_time_is_not_disturbed(self) -> None:
        scene = Scene()
        scene.runner.execute("CONFIG", "SET", "busy-reply-threshold", 1_000_000)
        assert scene.run(("EVAL", "for i = 1, 1000000 do end return 1", 0), "GET x") == 1
        assert scene.turns == 0

    def test_a_threshold_of_zero_is_none(self) -> None:
        scene = Scene()
        scene.runner.execute("CONFIG", "SET", "lua-time-limit", 0)
        assert scene.run(("EVAL", "for i = 1, 1000000 do end return 1", 0), "GET x") == 1
        assert scene.turns == 0
        assert scene.runner.execute("CONFIG", "GET", "busy-reply-threshold") == [
            b"busy-reply-threshold",
            b"0",
        ]

    def test_no_time_passes_for_the_script(self) -> None:
        """A key that was there stays there while it runs, whoever is heard."""
        scene = Scene()
        script = """
            redis.call('SET', 'k', 1, 'PX', 1)
            for i = 1, 3000000 do end
            return redis.call('EXISTS', 'k')"""
        assert scene.run(("EVAL", script, 0), lambda: time.sleep(0.005), "GET x") == 1
        assert scene.replies[1] == BUSY
        assert scene.runner.execute("EXISTS", "k") == 0


class TestKill:
    def test_script(self) -> None:
        scene = Scene()
        kind, text = scene.run(("EVAL", FOR_EVER, 0), "FUNCTION KILL", "FUNCTION STATS", "SCRIPT KILL")
        assert scene.replies == [BUSY, BUSY, b"OK"]
        assert (kind, text.split(" script: ")[0]) == (
            "error",
            "ERR Script killed by user with SCRIPT KILL...",
        )
        assert scene.turns == 1

    def test_function(self) -> None:
        scene = Scene()
        scene.runner.execute("FUNCTION", "LOAD", LIBRARY)
        kind, text = scene.run(
            ("FCALL", "f", 1, "key"), "SCRIPT KILL", "GET x", "FUNCTION STATS", "FUNCTION KILL"
        )
        assert kind == "error"
        assert "killed by user" in text
        *refused, stats, killed = scene.replies
        assert refused == [BUSY_FUNCTION, BUSY_FUNCTION]
        assert killed == b"OK"
        running = stats[1]
        assert running[:4] == [b"name", b"f", b"command", [b"FCALL", b"f", b"1", b"key"]]
        assert running[4] == b"duration_ms"
        assert running[5] >= 1
        assert scene.other.execute("FUNCTION", "STATS")[1] is None

    def test_not_one_that_has_changed_something(self) -> None:
        scene = Scene()
        script = "redis.call('SET', 'k', 1) for i = 1, 3000000 do end return 1"
        assert scene.run(("EVAL", script, 0), "SCRIPT KILL") == 1
        [(_, text)] = scene.replies
        assert text.startswith(
            "UNKILLABLE Sorry the script already executed write commands against the dataset."
        )

    @pytest.mark.parametrize("command", ["'DEL', 'missing'", "'INCR', 'text'"])
    def test_not_one_that_has_tried_to(self, command: str) -> None:
        """What counts is the command, and not what has come of it."""
        scene = Scene()
        scene.runner.execute("SET", "text", "x")
        script = f"redis.pcall({command}) for i = 1, 3000000 do end return 1"
        assert scene.run(("EVAL", script, 0), "SCRIPT KILL") == 1
        assert scene.replies[0][1].startswith("UNKILLABLE")

    def test_one_that_was_not_let_write(self) -> None:
        scene = Scene()
        script = "redis.pcall('SET', 'k', 1) while true do end"
        kind, text = scene.run(("EVAL_RO", script, 0), "SCRIPT KILL")
        assert (kind, "killed by user" in text) == ("error", True)

    def test_no_pcall_holds_it_up(self) -> None:
        scene = Scene()
        script = "while true do pcall(function() while true do end end) end"
        kind, _ = scene.run(("EVAL", script, 0), "SCRIPT KILL")
        assert kind == "error"

    def test_within_a_transaction_the_rest_goes_on(self) -> None:
        scene = Scene()
        scene.runner.execute("MULTI")
        scene.runner.execute("EVAL", FOR_EVER, 0)
        scene.runner.execute("SET", "x", 1)
        killed, ok = scene.run(("EXEC",), "SCRIPT KILL")
        assert killed[0] == "error"
        assert ok == b"OK"

    def test_shutdown_ends_it_whatever_it_has_changed_and_nobody_hears_of_it(self) -> None:
        scene = Scene()
        units: list[Unit] = []
        stops: list[None] = []
        scene.engine.propagation.add_sink(units.append)
        scene.engine.stopper = lambda: stops.append(None)
        script = "redis.call('SET', 'k', 1) while true do end"
        kind, _ = scene.run(("EVAL", script, 0), lambda: scene.other.send("SHUTDOWN", "NOSAVE"))
        assert kind == "error"
        assert stops == [None]
        assert units == []

    @pytest.mark.parametrize("first", ["the same client", "another client"])
    def test_one_that_comes_after_shutdown_does_not_hold_it_up(self, first: str) -> None:
        """The server's tasks end when the turn is over, so that no script may go on for ever in it."""
        scene = Scene()
        stops: list[None] = []
        scene.engine.stopper = lambda: stops.append(None)
        (scene.runner if first == "the same client" else scene.other).send("SHUTDOWN", "NOSAVE")
        assert stops == [None]
        # What may write is held back anyway.
        scene.runner.send("EVAL_RO", FOR_EVER, 0)
        scene.other.send("EVAL_RO", "while true do pcall(function() while true do end end) end", 0)
        scene.other.send("EVAL", FOR_EVER, 0)

    def test_nobody_else_is_needed(self) -> None:
        """Where no driver can hear others, a script just runs."""
        scene = Scene()
        assert scene.runner.execute("EVAL", "for i = 1, 3000000 do end return 1", 0) == 1


_CALLS = (
    "GET x",
    "PING",
    "NOSUCH",
    "GET",
    "MULTI",
    "SET x 1",
    "EXEC",
    "FUNCTION STATS",
    "FUNCTION KILL",
    "SHUTDOWN SAVE",
)


def wait_until_busy(client: RealClient) -> None:
    deadline = time.monotonic() + 30
    while client.execute("GET", "x") != BUSY:
        assert time.monotonic() < deadline


def play(port: int) -> list[Any]:
    """A script without end, what another client is told meanwhile, and what comes of it: the same on any server."""
    setup, runner, other = RealClient(port), RealClient(port), RealClient(port)
    setup.execute("CONFIG", "SET", "busy-reply-threshold", 50)
    runner.send("EVAL", FOR_EVER, 0)
    runner.send("PING")  # is not read before
    wait_until_busy(other)
    found = [other.execute(*call.split()) for call in _CALLS]
    newcomer = RealClient(port)
    found += [
        newcomer.execute("GET", "x"),
        newcomer.execute("SCRIPT", "KILL"),
        runner.receive(),
        runner.receive(),
    ]
    found.append(setup.execute("CONFIG", "SET", "busy-reply-threshold", 5000))
    for client in (setup, runner, other, newcomer):
        client.close()
    return found


@pytest.mark.anyio
async def test_by_sockets(redis_server: RealServer | None) -> None:
    """The event loop stands still meanwhile, and the clients on its sockets are heard all the same."""
    async with PulsarDS("127.0.0.1:0") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        ours = await anyio.to_thread.run_sync(play, port)
    assert ours[-2:] == [b"PONG", b"OK"]
    assert ours[:2] == [BUSY, BUSY]
    if redis_server is not None:
        assert ours == await anyio.to_thread.run_sync(play, redis_server.port)


@pytest.mark.anyio
async def test_where_replies_wait_for_the_disk(tmp_path: Path) -> None:
    """They do not wait for the script as well."""
    async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), appendfsync="always") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        found = await anyio.to_thread.run_sync(play, port)
    assert found[:2] == [BUSY, BUSY]
    assert found[-2:] == [b"PONG", b"OK"]


@pytest.mark.anyio
async def test_shutdown_by_a_socket() -> None:
    server = PulsarDS("127.0.0.1:0")
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.serve)
        port = int(dsn.rpartition(":")[2])

        def shut_down() -> None:
            runner, other = RealClient(port), RealClient(port)
            other.execute("CONFIG", "SET", "busy-reply-threshold", 20)
            runner.send("EVAL", FOR_EVER, 0)
            wait_until_busy(other)
            other.send("SHUTDOWN", "NOSAVE")
            with pytest.raises((EOFError, ConnectionError)):
                other.receive()
            runner.close()
            other.close()

        thread = threading.Thread(target=shut_down)
        thread.start()
        with anyio.fail_after(30):
            await server.wait_ended()
        await anyio.to_thread.run_sync(thread.join)
