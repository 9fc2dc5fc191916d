"""Medians, ratios round by round, and what is kept of them."""

from __future__ import annotations

import json

import pytest

from benchmarks.report import Report, shown


@pytest.fixture
def report() -> Report:
    found = Report("speed", "rates")
    for ours, slow, quick in ((10, 5, 9), (40, 10, 10), (30, 10, 20)):
        found.add("GET", "ours", ours)
        found.add("GET", "slow", slow)
        found.add("GET", "quick", quick)
    found.add("SET", "ours", 7)
    return found


class TestRatios:
    def test_are_taken_in_each_round(self, report: Report) -> None:
        assert (
            report.ratio("GET", "ours", "slow") == 3
        )  # of 2, 4 and 3; the medians' would be 3 by chance only
        assert report.ratio("GET", "ours", "quick") == pytest.approx(1.5)

    def test_to_the_best_are_to_the_best_of_each_round(self, report: Report) -> None:
        assert report.ratio_to_best("GET", "ours", ["slow", "quick", "nobody"]) == pytest.approx(1.5)

    def test_are_none_where_one_was_not_measured(self, report: Report) -> None:
        assert report.ratio("SET", "ours", "slow") is None
        assert report.ratio("nothing", "ours", "slow") is None
        assert report.ratio_to_best("GET", "ours", ["nobody"]) is None

    def test_rounds_that_one_lacks_are_an_error(self, report: Report) -> None:
        report.add("GET", "slow", 1)
        with pytest.raises(ValueError, match="zip"):
            report.ratio("GET", "ours", "slow")


class TestTables:
    def test_have_the_medians(self, report: Report) -> None:
        assert report.table().splitlines() == [
            "| rates | ours | slow | quick |",
            "| --- | ---: | ---: | ---: |",
            "| GET | 30.0 | 10.0 | 10.0 |",
            "| SET | 7.00 | – | – |",
        ]

    def test_of_ratios_leave_out_what_has_none(self, report: Report) -> None:
        assert report.ratios("ours", ["slow", "nobody"]).splitlines()[2:] == ["| GET | 3.00 | – |"]

    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "–"), (0.1234, "0.12"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
    )
    def test_show_as_many_places_as_mean_something(self, value: float | None, text: str) -> None:
        assert shown(value) == text


def test_what_is_kept_gives_the_same_tables(report: Report) -> None:
    again = Report.from_json(json.loads(json.dumps(report.to_json())))
    assert again.table() == report.table()
    assert again.ratio("GET", "ours", "quick") == report.ratio("GET", "ours", "quick")
    assert (again.name, again.unit) == (report.name, report.unit)
