"""No command is of a worse complexity than Redis documents: what `python -m benchmarks complexity` measures, in small."""

from __future__ import annotations

import pytest

from benchmarks.complexity import fan_out, longest_expiry_pause, measure
from benchmarks.report import Report

#: What disturbs a measurement only makes it longer, so the best of some counts, and those after the first are made
#: only where it is needed. No number of them makes a line level that is not.
TRIES = 5


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    return [measure(10_000)]


#: LINSERT looks for its pivot from the start, here as in Redis.
@pytest.mark.parametrize(
    "row",
    [
        *("ZADD", "ZRANK", "ZRANGE of 10", "LINDEX in the middle", "LRANGE of 10 in the middle"),
        *("XADD", "XRANGE of 10", "SCAN, SET and DEL, each"),
    ],
)
def test_ten_times_the_elements_do_not_take_much_longer(reports: list[Report], row: str) -> None:
    def growth(report: Report) -> float:
        few, many = report.median(row, "1,000"), report.median(row, "10,000")
        assert few is not None
        assert many is not None
        return many / few

    while min(map(growth, reports)) >= 5 and len(reports) < TRIES:
        reports.append(measure(10_000))
    assert min(map(growth, reports)) < 5, list(map(growth, reports))


def test_keys_that_expire_at_once_hold_nobody_up() -> None:
    """Many times as many keys make no turn much longer: there is a bound on what one removes."""
    few = min(longest_expiry_pause(2000) for _ in range(TRIES))
    assert any(longest_expiry_pause(20_000) < 8 * few + 5 for _ in range(TRIES))


def test_a_subscriber_costs_the_same_among_many() -> None:
    few = min(fan_out(200) for _ in range(TRIES))
    assert any(fan_out(2000) < 5 * few for _ in range(TRIES))
