"""EVAL and its kin, and SCRIPT, beside Valkey and Redis."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

import hiredis
import psutil
import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.scripting.script_peers import ScriptPeers
from tests.servers import RealServer

ONE = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"  # of "return 1"
NONE = "a" * 40

COMMANDS: tuple[tuple[str | int, ...], ...] = (
    ("EVAL",),
    ("EVAL", "return 1"),
    ("EVAL", "return 1", "x"),
    ("EVAL", "return 1", "1.5"),
    ("EVAL", "return 1", "01"),
    ("EVAL", "return 1", -1),
    ("EVAL", "return 1", 1),
    ("EVAL", "return 1", 2, "k"),
    ("EVAL", "return {KEYS[1], ARGV[1], #KEYS, #ARGV}", 1, "k", "a"),
    ("EVAL", "return {KEYS[1], ARGV[1], #KEYS, #ARGV}", 0, "a", "b"),
    ("EVAL", "x x", 5),
    ("EVAL", "x x", "q"),
    ("EVAL", "x x", 0),
    ("EVAL", "", 0),
    ("EVALSHA", "x", 0),
    ("EVALSHA", "x", "y"),
    ("EVALSHA", NONE, "y"),
    ("EVALSHA", NONE, 0),
    ("EVALSHA", NONE, 5),
    ("EVALSHA", NONE),
    ("EVALSHA_RO", NONE, 0),
    ("EVAL_RO", "return redis.call('get', 'k')", 0),
    ("EVAL_RO", "return redis.call('set', 'k', 1)", 0),
    ("EVAL_RO", "return redis.call('publish', 'c', 1)", 0),
    ("EVAL_RO", "return redis.call('spublish', 'c', 1)", 0),
    ("EVAL_RO", "return redis.call('config', 'set', 'x', 1)", 0),
    ("EVAL_RO", "#!lua\nreturn 1", 0),
    ("EVAL_RO", "#!lua flags=no-writes\nreturn 1", 0),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.call('set', 'k', 1)", 0),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.pcall('set', 'k', 1)", 0),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.call('get', 'k')", 0),
    ("EVAL", "#!lua flags=allow-oom,allow-stale,no-cluster,allow-cross-slot-keys\nreturn 1", 0),
    ("EVAL", "#!lua", 0),
    ("EVAL", "#!lua\n", 0),
    ("EVAL", "#!lua flags=\nreturn 1", 0),
    ("EVAL", "#!lua flags=x\nreturn 1", 0),
    ("EVAL", "#!lua flags=no-writes,x\nreturn 1", 0),
    ("EVAL", "#!lua flags=no-writes,\nreturn 1", 0),
    ("EVAL", "#!lua foo=x\nreturn 1", 0),
    ("EVAL", "#!not\nreturn 1", 0),
    ("EVAL", "#! lua\nreturn 1", 0),
    ("EVAL", '#!lua "x\nreturn 1', 0),
    ("EVAL", "#!\nreturn 1", 0),
    ("EVAL", "#!lua\r\nreturn 1", 0),
    ("SCRIPT",),
    ("SCRIPT", "X"),
    ("SCRIPT", "LOAD"),
    ("SCRIPT", "LOAD", "x x"),
    ("SCRIPT", "LOAD", "#!lua flags=x\nreturn 1"),
    ("SCRIPT", "EXISTS", ONE),
    ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "LOAD", "return 1", "x"),
    ("SCRIPT", "EXISTS"),
    ("SCRIPT", "EXISTS", ONE, ONE.upper(), "x", NONE),
    ("EVALSHA", ONE, 0),
    ("EVALSHA", ONE.upper(), 0),
    ("EVALSHA_RO", ONE, 0),
    ("SCRIPT", "SHOW", ONE),
    ("SCRIPT", "SHOW", "x"),
    ("SCRIPT", "FLUSH", "x"),
    ("SCRIPT", "FLUSH", "sync", "x"),
    ("SCRIPT", "FLUSH", "ASYNC"),
    ("SCRIPT", "EXISTS", ONE),
    ("SCRIPT", "FLUSH", "sync"),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "KILL"),
    ("SCRIPT", "KILL", "x"),
    ("SCRIPT", "DEBUG", "x"),
    ("SCRIPT", "DEBUG", "no"),
    ("SCRIPT", "HELP", "x"),
    ("EVAL", "redis.call('select', 1) redis.call('set', 'elsewhere', 5) return 1", 0),
    ("GET", "elsewhere"),
    ("EVAL", "return redis.call('GET')", 0),
    ("EVAL", "return redis.call('GeT', 'k')", 0),
    ("EVAL", "return #redis.call('COMMAND') > 100", 0),
    ("EVAL", "return redis.call('CoMmAnD', 'CoUnT') > 100", 0),
    ("EVAL", "return redis.call('blpop', 'none', 0)", 0),
    ("EVAL", "return redis.call('object', 'help', 'x')", 0),
    ("EVAL", "return redis.call('config', 'resetstat', 'x')", 0),
    ("EVAL", "return redis.call('hello', 3)", 0),
    ("EVAL", "return redis.call('auth', 'x')", 0),
    ("EVAL", "return redis.call('watch', 'x')", 0),
    ("EVAL", "return redis.call('monitor')", 0),
    ("EVAL", "return redis.call('quit')", 0),
    ("EVAL", "return redis.call('reset')", 0),
    ("EVAL", "return redis.call('client', 'list')", 0),
    ("EVAL", "return redis.call('script', 'exists', 'x')", 0),
    ("MULTI",),
    ("EVAL", "redis.call('set', 'k', 'v') return redis.call('nosuch')", 0),
    ("EVAL", "return redis.call('get', 'k')", 0),
    ("EXEC",),
    ("EVAL", "redis.call('hset', 'h', 'f', 'v') redis.setresp(3) return redis.call('hgetall', 'h')", 0),
)


@pytest.fixture
def peers(valkey: RealServer, redis_server: RealServer | None) -> Iterator[ScriptPeers]:
    both = ScriptPeers(server.port for server in (valkey, redis_server) if server is not None)
    both.command("FLUSHALL")
    both.command("SCRIPT", "FLUSH")
    yield both
    both.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_command_is_answered_as_it_is_there(peers: ScriptPeers, protocol: int) -> None:
    peers.command("HELLO", protocol)
    assert peers.disagreements(COMMANDS) == []


def test_script_help_names_every_subcommand() -> None:
    client = EngineClient()
    lines = client.execute("SCRIPT", "HELP")
    named = {line.split()[0] for line in lines[1:] if not line.startswith(b" ")}
    assert named == {b"DEBUG", b"EXISTS", b"FLUSH", b"KILL", b"LOAD", b"SHOW", b"HELP"}


def test_what_a_script_writes_wakes_waiting_clients_when_it_has_ended() -> None:
    waiting = EngineClient()
    client = EngineClient(waiting.engine)
    waiting.send("BLPOP", "l", 0)
    script = "redis.call('rpush', 'l', 'a', 'b') return redis.call('llen', 'l')"
    assert client.execute("EVAL", script, 0) == 2
    assert waiting.receive() == [b"l", b"a"]


def test_time_stands_still_while_a_script_runs() -> None:
    clock = ManualClock()
    client = EngineClient(clock=clock)
    client.execute("SET", "k", "v", "PX", 10)
    script = "return {redis.call('time'), redis.call('pttl', 'k')}"
    first = client.execute("EVAL", script, 0)
    assert client.execute("EVAL", script, 0) == first
    clock.advance(10)
    assert client.execute("EVAL", "return redis.call('get', 'k')", 0) is None


def test_monitor_shows_a_script_before_its_commands() -> None:
    watcher = EngineClient()
    client = EngineClient(watcher.engine)
    watcher.execute("MONITOR")
    client.execute("EVAL", "return redis.call('set', 'k', 'v')", 0)
    first, second = watcher.receive(), watcher.receive()
    assert b'"EVAL"' in first
    assert b'lua] "set" "k" "v"' in second


@pytest.mark.parametrize(
    "script",
    [
        "return 1",
        "return redis.call('incr', 'text')",
        "return redis.pcall('incr', 'text')",
        "redis.call('nosuch')",
        "error('own')",
        "error({err = 'OWN error'})",
        "return {err = 'OWN error'}",
        "return redis.error_reply('OWN error')",
        "return {1, {err = 'INNER error'}}",
        "return {redis.pcall('incr', 'text'), redis.pcall('lpush', 'text', 1)}",
        "x x",
    ],
)
def test_an_error_is_counted_once(valkey: RealServer, script: str) -> None:
    clients = (EngineClient(), RealClient(valkey.port))
    counted = []
    for client in clients:
        client.execute("SET", "text", "text")
        client.execute("CONFIG", "RESETSTAT")
        client.execute("EVAL", script, 0)
        lines = client.execute("INFO", "errorstats") + client.execute("INFO", "commandstats")
        kept = (re.sub(rb"usec=\d+,|usec_per_call=[\d.]+,", b"", line) for line in lines.split(b"\r\n"))
        counted.append([line for line in kept if line.startswith((b"errorstat", b"cmdstat_eval"))])
        client.close()
    assert counted[0] == counted[1]


def test_a_subscribed_channel_hears_a_script_publish() -> None:
    subscriber = EngineClient()
    client = EngineClient(subscriber.engine)
    subscriber.execute("SUBSCRIBE", "c")
    assert client.execute("EVAL", "return redis.call('publish', 'c', ARGV[1])", 0, "hello") == 1
    assert subscriber.receive() == [b"message", b"c", b"hello"]


@pytest.mark.timeout(600)
def test_s3_a_hundred_thousand_scripts_leave_nothing_behind() -> None:
    """Equal ones are compiled once; of distinct ones some hundred are kept. A leak would be of 100 bytes for each."""
    client = EngineClient()

    def run(first: int, count: int) -> None:
        equal = hiredis.pack_command(("EVAL", "return redis.call('INCR', KEYS[1])", 1, "n")) * 3
        for start in range(first, first + count, 250):
            client.session.receive(
                b"".join(
                    equal + hiredis.pack_command(("EVAL", f"local x = {number} return x", 0))
                    for number in range(start, start + 250)
                )
            )
            client.session.take_output()
        gc.collect()

    run(0, 20_000)
    scripts, grown = client.engine.scripts, []
    for first in (20_000, 30_000, 40_000):
        memory = psutil.Process().memory_info().rss
        run(first, 10_000)
        grown.append(psutil.Process().memory_info().rss - memory)
    assert client.execute("GET", "n") == b"150000"
    assert client.execute("EVAL", "return 1", 0) == 1
    assert len(scripts) <= 501
    # The allocator may take something at any time; what scripts leave behind they leave each time.
    assert min(grown) < 2**19
