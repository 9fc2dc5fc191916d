"""Programs that watch a server: an exporter for Prometheus, and what redis-cli shows of a running one."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess

import pytest

from tests.programs.test_clients import port_of

pytestmark = pytest.mark.filterwarnings("default")


def test_redis_exporter(url: str) -> None:
    """The figures that it looks for in INFO are there, and are what has happened."""
    import redis
    from exporter.config import Options
    from exporter.exporter import RedisCollector

    client = redis.Redis.from_url(url)
    client.set("a", 1)
    client.set("b", 2, ex=1000)
    client.get("a")
    client.get("nope")
    collector = RedisCollector(url, Options(redis_addr=url))
    figures = {
        sample.name: sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.labels.get("db") in (None, "db0")
    }
    named = {name.partition("redis_")[2] or name for name in figures}
    wanted = {*collector.metric_map_gauges.values(), *collector.metric_map_counters.values()}
    # What Python's memory is used for is not known apart from what the process holds: there is no ratio of the two.
    assert {name for name in wanted if not {name, f"{name}_total"} & named} == {"mem_fragmentation_ratio"}
    assert next(value for name, value in figures.items() if name.endswith("connected_clients")) == 2
    assert next(value for name, value in figures.items() if "keyspace_hits" in name) == 1
    assert next(value for name, value in figures.items() if "keyspace_misses" in name) == 1
    collector.client.close()
    client.close()


@pytest.mark.parametrize("redis_cli", [path for path in [shutil.which("redis-cli")] if path is not None])
class TestRedisCli:
    def watch(self, url: str, redis_cli: str, option: str) -> str:
        """What redis-cli writes with an option that goes on until it is stopped."""
        ours, theirs = pty.openpty()  # into a pipe it writes only when it has written a lot
        process = subprocess.Popen([redis_cli, "-p", str(port_of(url)), "-i", "0.1", option], stdout=theirs)
        os.close(theirs)
        try:
            shown = b""
            while shown.count(b"\n") < 5:
                shown += os.read(ours, 4096)
        finally:
            process.terminate()
            process.wait(timeout=20)
            os.close(ours)
        return shown.decode()

    def test_stat(self, url: str, redis_cli: str) -> None:
        shown = self.watch(url, redis_cli, "--stat")
        assert "keys" in shown
        assert "requests" in shown

    def test_latency(self, url: str, redis_cli: str) -> None:
        shown = subprocess.run(
            [redis_cli, "-p", str(port_of(url)), "-i", "1", "--latency", "--raw"],
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout
        least, most, average, samples = shown.split()
        assert float(least) <= float(average) <= float(most)
        assert int(samples) > 10
