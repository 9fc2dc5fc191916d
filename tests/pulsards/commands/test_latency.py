"""LATENCY: the monitor, its picture, and the histograms."""

from __future__ import annotations

import pytest

from anystore.pulsards import ManualClock
from anystore.pulsards.commands import load
from anystore.pulsards.latency import LatencyMonitor, count_duration, histogram, percentiles
from anystore.pulsards.registry import CommandEntry, build_table
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient


def watching(threshold: int = 1) -> tuple[EngineClient, ManualClock]:
    clock = ManualClock()
    return EngineClient(clock=clock, latency_monitor_threshold=str(threshold)), clock


def spend(client: EngineClient, seconds: float, name: bytes = b"command") -> None:
    client.engine.latency.note(name, round(seconds * 1000))


class TestArguments:
    def test_refusals(self, peers: Differential) -> None:
        peers.check(
            [
                *("LATENCY", "LATENCY NOPE", "LATENCY HISTORY", "LATENCY LATEST x", "LATENCY GRAPH"),
                *("LATENCY GRAPH nope", "LATENCY HISTORY nope", "LATENCY RESET nope", "LATENCY LATEST"),
                *(
                    "LATENCY RESET",
                    "LATENCY DOCTOR x",
                    "LATENCY HISTOGRAM nope",
                    "LATENCY HISTOGRAM config|nope",
                ),
                *("CONFIG SET latency-monitor-threshold -1", "CONFIG GET latency-m*"),
                *("CONFIG SET latency-tracking-info-percentiles 101", "CONFIG SET latency-tracking no"),
                ("CONFIG", "SET", "latency-tracking-info-percentiles", "50 x"),
                ("CONFIG", "SET", "latency-tracking-info-percentiles", "50 100.0 0"),
                *("CONFIG GET latency-tracking-i*", "CONFIG SET latency-tracking yes"),
                ("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 99.9"),
            ]
        )


class TestMonitor:
    def test_samples(self) -> None:
        client, clock = watching(5)
        start = client.engine.keyspace.now // 1000
        for milliseconds in (4, 10, 7):
            spend(client, milliseconds / 1000)
        clock.advance(1)
        client.execute("PING")
        spend(client, 0.005)
        spend(client, 0.02, b"fast-command")
        assert client.execute("LATENCY", "HISTORY", "command") == [[start, 10], [start + 1, 5]]
        assert client.execute("LATENCY", "LATEST") == [
            [b"command", start + 1, 5, 10],
            [b"fast-command", start + 1, 20, 20],
        ]
        assert client.execute("LATENCY", "RESET", "command", "nothing") == 1
        assert client.execute("LATENCY", "RESET") == 1
        assert client.execute("LATENCY", "LATEST") == []

    def test_commands_are_noted_by_kind(self) -> None:
        client, clock = watching(5)
        for name, seconds in (("get", 0.006), ("keys", 0.007), ("get", 0.004)):
            entry = client.engine.commands[name.encode()]
            function = entry.function
            assert function is not None

            def slow(ctx: object, args: object, seconds: float = seconds) -> None:
                clock.advance(seconds)

            entry.function = slow
            client.execute(name, "*")
            entry.function = function
        latest = {row[0]: row[2:] for row in client.execute("LATENCY", "LATEST")}
        assert latest == {b"fast-command": [6, 6], b"command": [7, 7]}

    def test_switched_off(self) -> None:
        client, _ = watching(0)
        spend(client, 10)
        assert client.execute("LATENCY", "LATEST") == []
        assert b"switched off" in client.execute("LATENCY", "DOCTOR")

    def test_the_oldest_samples_go(self) -> None:
        now = [0]
        monitor = LatencyMonitor(lambda: 0, lambda: now[0])
        monitor.threshold = 1
        for _ in range(200):
            now[0] += 1000
            monitor.note(b"command", 5)
        assert len(monitor.events[b"command"].samples) == 160

    def test_cycles(self) -> None:
        ticks = iter(range(0, 10**12, 10**7))
        monitor = LatencyMonitor(lambda: next(ticks), lambda: 0)
        monitor.end(b"eviction-cycle", monitor.begin())
        assert monitor.events == {}
        monitor.threshold = 10
        next(ticks)
        monitor.end(b"eviction-cycle", monitor.begin())
        assert monitor.events[b"eviction-cycle"].worst == 10


class TestDoctor:
    def test_words(self) -> None:
        client, clock = watching(5)
        assert b"Nothing has taken as long" in client.execute("LATENCY", "DOCTOR")
        for milliseconds in (10, 20):
            for name in (b"command", b"fast-command", b"expire-cycle"):
                spend(client, milliseconds / 1000, name)
            clock.advance(4)
            client.execute("PING")
        text = client.execute("LATENCY", "DOCTOR").decode()
        summary = (
            "2 times (15 ms on average, mean deviation 5 ms, every 4.00 s); the longest ever took 20 ms."
        )
        assert f"1. command: {summary}" in text
        assert "CONFIG SET slowlog-log-slower-than 5000" in text
        assert "constant time" in text
        assert "large collections" in text


class TestGraph:
    def test_as_the_real_servers_draw(self, peers: Differential) -> None:
        """What they have measured is put into ours, and drawn again."""
        for client in peers.servers.values():
            client.execute("CONFIG", "SET", "latency-monitor-threshold", "1")
            try:
                for milliseconds in (3, 14, 1.5):
                    client.execute("DEBUG", "SLEEP", milliseconds / 1000)
                    now = self.next_second(client)
                theirs = client.execute("LATENCY", "GRAPH", "command")
                history = client.execute("LATENCY", "HISTORY", "command")
            finally:
                client.execute("CONFIG", "SET", "latency-monitor-threshold", "0")
                client.execute("LATENCY", "RESET")
            assert self.drawn(history, now) == theirs

    @staticmethod
    def next_second(client: RealClient) -> int:
        """Wait for the next one, and well into it: the server has a coarser clock for ages."""
        second = client.execute("TIME")[0]
        while (now := client.execute("TIME"))[0] == second or int(now[1]) < 50_000:
            pass
        return int(now[0])

    @staticmethod
    def drawn(history: list[list[int]], now: int) -> bytes:
        clock = ManualClock(history[0][0])
        client = EngineClient(clock=clock, latency_monitor_threshold="1")
        for when, milliseconds in history:
            clock.advance(when - clock.time_us() / 1_000_000)
            client.execute("PING")
            spend(client, milliseconds / 1000)
        clock.advance(now - clock.time_us() / 1_000_000)
        graph: bytes = client.execute("LATENCY", "GRAPH", "command")
        return graph

    def test_many_samples_and_great_ages(self) -> None:
        history = [[60 * number, 10 + number % 7] for number in range(1, 160)]
        lines = self.drawn(history, 60 * 160 + 86400 * 3).decode().splitlines()
        assert lines[0] == "command - high 16 ms, low 10 ms (all time high 16 ms)"
        assert max(map(len, lines)) == 80
        assert set(lines[-1] + lines[-2]) == set("3d")
        assert "".join(self.drawn([[7, 10]], 7 + 7200).decode().split())[-6:] == "____2h"[-3:].rjust(6, "-")


class TestHistogram:
    def test_shape(self, peers: Differential) -> None:
        for client in (peers.engine, *peers.servers.values()):
            client.execute("CONFIG", "RESETSTAT")
            for _ in range(3):
                client.execute("SET", "a", "1")
                client.execute("CONFIG", "GET", "x")
            reply = client.execute("LATENCY", "HISTOGRAM", "set", "CONFIG", "config|get", "nope")
            shown = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
            assert {b"set", b"config|get"} <= set(shown)
            row = shown[b"set"]
            row = row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))
            assert row[b"calls"] == 3
            counts = row[b"histogram_usec"]
            counts = counts if isinstance(counts, dict) else dict(zip(counts[::2], counts[1::2], strict=True))
            assert list(counts.values())[-1] == 3
            assert set(counts) < {
                1,
                2,
                4,
                8,
                16,
                33,
                66,
                132,
                264,
                528,
                1056,
                2113,
                4227,
                8454,
                16908,
                33816,
                67633,
            }

    @pytest.fixture
    def entry(self) -> CommandEntry:
        load()
        return build_table()[b"get"]

    def test_buckets(self, entry: CommandEntry) -> None:
        assert histogram(entry) == []
        for nanoseconds in (0, 100, 1023, 1024, 5000, 200_000, 3_000_000_000):
            count_duration(entry, nanoseconds)
        rows = histogram(entry)
        assert rows == [(1, 3), (2, 4), (8, 5), (264, 6), (4328521, 7)]

    def test_percentiles(self, entry: CommandEntry) -> None:
        for microseconds in range(1, 1001):
            count_duration(entry, microseconds * 1000)
        for wanted, found in zip(
            (0, 1, 50, 99, 99.9, 100), percentiles(entry, (0, 1, 50, 99, 99.9, 100)), strict=True
        ):
            exact = max(1, wanted * 10)
            assert exact <= found <= exact * 1.02 + 0.2

    def test_switched_off(self) -> None:
        client = EngineClient(latency_tracking="no")
        client.execute("GET", "a")
        assert client.execute("LATENCY", "HISTOGRAM") == []
        client.execute("CONFIG", "SET", "latency-tracking", "yes")
        client.execute("GET", "a")
        assert client.execute("LATENCY", "HISTOGRAM", "get")[0] == b"get"
        client.execute("CONFIG", "RESETSTAT")
        assert client.execute("LATENCY", "HISTOGRAM", "get") == []
