"""No command is of a worse complexity than Redis documents: what `python -m benchmarks.complexity` measures, in small."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.complexity import fan_out, longest_expiry_pause, measure, plot
from benchmarks.report import Report


@pytest.fixture(scope="module")
def report() -> Report:
    return measure(10_000)


#: LINSERT looks for its pivot from the start, here as in Redis.
@pytest.mark.parametrize(
    "row",
    [
        *("ZADD", "ZRANK", "ZRANGE of 10", "LINDEX in the middle", "LRANGE of 10 in the middle"),
        *("XADD", "XRANGE of 10", "SCAN, SET and DEL, each"),
    ],
)
def test_ten_times_the_elements_do_not_take_much_longer(report: Report, row: str) -> None:
    few, many = report.median(row, "1,000"), report.median(row, "10,000")
    assert few is not None
    assert many is not None
    assert many < 5 * few


def test_the_plot_has_a_line_for_each(report: Report) -> None:
    picture = ElementTree.fromstring(plot(report))
    lines = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(report.rates)
    assert all(len((line.get("points") or "").split()) == 2 for line in lines)


def test_keys_that_expire_at_once_hold_nobody_up() -> None:
    """Many times as many keys make no turn much longer: there is a bound on what one removes."""
    assert longest_expiry_pause(20_000) < 8 * longest_expiry_pause(2000) + 5


def test_a_subscriber_costs_the_same_among_many() -> None:
    assert fan_out(2000) < 5 * fan_out(200)
