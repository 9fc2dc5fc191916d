"""Requests that come at their own pace: all are answered, each answer is looked at, time counts from when they were due."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.loads import Arrivals, percentile
from benchmarks.running import check_strings, fill, running, strings


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running("pulsards") as server:
        fill(server.client, strings(range(1500)), b"OK")
        check_strings(server.client, 1500)
        yield server.port


def test_each_request_has_its_answer_and_its_time(port: int) -> None:
    arrivals = Arrivals(
        port, 5, (b"GET", b"key:000000000001"), b"$32\r\nvalue:00000000000000000000000001\r\n"
    )
    arrivals.run(500, 0.2)
    arrivals.close()
    assert len(arrivals.times) == len(arrivals.late) > 50
    assert all(time > late for time, late in zip(sorted(arrivals.times), sorted(arrivals.late), strict=True))


def test_a_wrong_answer_is_an_error(port: int) -> None:
    arrivals = Arrivals(
        port, 1, (b"GET", b"key:000000000001"), b"$32\r\nvalue:00000000000000000000000002\r\n"
    )
    with pytest.raises(AssertionError, match="wrong answer"):
        arrivals.run(500, 0.2)
    arrivals.close()


def test_a_percentile_is_in_milliseconds() -> None:
    times = [number / 1000 for number in range(1000)]
    assert percentile(times, 50) == 500
    assert percentile(times, 99.9) == 999


def test_what_is_not_there_is_noticed() -> None:
    with running("pulsards") as server:
        fill(server.client, strings(range(10)), b"OK")
        server.client.execute("SET", "key:000000000000", "something else")
        with pytest.raises(AssertionError, match="key 0"):
            check_strings(server.client, 10)
        with pytest.raises(AssertionError, match="10 keys instead of 11"):
            check_strings(server.client, 11)
        with pytest.raises(AssertionError, match="wrong answer"):
            fill(server.client, [(b"PING",)], b"OK")
