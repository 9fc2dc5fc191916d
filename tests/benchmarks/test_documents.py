"""The pages say what the figures say: what is between their marks is what is made from those that are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import targets
from benchmarks.documents import DOCUMENTS, IMAGES, PLOTTED, ROOT, SECTIONS, filled, kept, section
from benchmarks.report import Report

MARK = re.compile(r"<!-- figures: ([a-z-]+) -->")


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_a_page_says_what_is_kept(path: Path) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert filled(text, *kept()) == text


def test_every_plot_of_a_page_is_there() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    named = set(re.findall(r"images/figures/([a-z-]+)\.svg", text))
    assert named == {path.stem for path in (ROOT / IMAGES).glob("*.svg")}


def test_every_mark_is_known_and_used() -> None:
    found = [name for path in DOCUMENTS for name in MARK.findall((ROOT / path).read_text("utf-8"))]
    ends = [name for name in found if name == "end"]
    assert sorted(name for name in found if name != "end") == sorted(SECTIONS)
    assert len(ends) == len(SECTIONS)
    assert set(PLOTTED) <= set(SECTIONS)


def test_what_was_not_measured_is_left_alone() -> None:
    text = "before\n<!-- figures: client -->\nold\n<!-- figures: end -->\nbehind"
    assert filled(text, {}, {}) == text


def test_what_was_measured_takes_the_place_of_what_is_there() -> None:
    report = Report("replication", "a replica", "ms")
    report.add("full sync", "pulsards", 12)
    text = "before\n<!-- figures: replication -->\nold\n<!-- figures: end -->\nbehind"
    found = filled(text, {"replication": report}, {"replication": "A machine."})
    assert "old" not in found
    assert "| full sync | 12.0 |" in found
    assert filled(found, {"replication": report}, {"replication": "A machine."}) == found


class TestTargets:
    def test_all_are_there_without_figures(self) -> None:
        assert section("targets", {}, {}) is None
        lines = targets.table({}).splitlines()
        assert len(lines) == 2 + len(list(targets.targets()))
        assert all(line.endswith("| – | – |") for line in lines[2:])

    def test_a_figure_is_held_against_its_target(self) -> None:
        report = Report("resources", "", "")
        report.add("import anystore, ms", "pulsards", 151)
        report.add("start to first answer, ms", "pulsards", 349)
        table = targets.table({"resources": report})
        assert "| `import anystore` |  | ≤ 150 ms | 151 ms | **no** |" in table
        assert "| `pulsards`: start to first answer |  | ≤ 350 ms | 349 ms | yes |" in table

    def test_the_best_peer_is_the_best_of_each_round(self) -> None:
        report = Report("client", "")
        for ours, one, other in ((30, 10, 5), (30, 5, 10), (30, 10, 10)):
            report.add("GET, 1 task, trio", "anystore", ours)
            report.add("GET, 1 task, trio", "coredis", one)
            report.add("GET, 1 task, trio", "valkey-glide", other)
        assert "| GET, 1 task, trio | the best peer | ≥ 3 × | 3.00 × | yes |" in targets.table(
            {"client": report}
        )
