"""Every part of the benchmarks does what it does, in small, beside the peers; its figures say nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import documents, targets
from benchmarks.__main__ import PARTS
from benchmarks.plots import PLOTS, draw
from benchmarks.report import Report
from tests.servers import redis_binary

#: What a machine without redis-benchmark can do as well.
WITHOUT = ("client", "pauses", "replication", "complexity")
AVAILABLE = WITHOUT if shutil.which("redis-benchmark") is None or redis_binary() is None else tuple(PARTS)

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def measured() -> dict[str, Report]:
    """What the parts have measured so far."""
    return {}


@pytest.mark.parametrize("part", AVAILABLE)
def test_a_part_measures_what_the_documents_show(
    part: str, measured: dict[str, Report], tmp_path: Path
) -> None:
    module = PARTS[part]
    found = {report.name: report for report in module.run(module.SMALL)}
    assert found
    measured.update(found)
    for report in found.values():
        assert report.rates
        assert all(rate >= 0 for row in report.rates.values() for rounds in row.values() for rate in rounds)
    for name in documents.PLOTTED.keys() & found.keys():
        draw(found[name], tmp_path / "plot.svg")
        picture = ElementTree.parse(tmp_path / "plot.svg").getroot()
        assert picture.tag == f"{_SVG}svg"
        legend = {text.text for text in picture.iter(f"{_SVG}text")}
        assert legend & {*found[name].columns(), *found[name].rates}
    for mark, (needed, _) in documents.SECTIONS.items():
        if needed and set(needed) <= found.keys():
            assert documents.section(mark, found, dict.fromkeys(found, "A machine.")) is not None


def test_every_target_has_its_figure(measured: dict[str, Report]) -> None:
    left_out = [target for target in targets.targets() if target.measured(measured) is None]
    known = {"server", "memory", "resources", "compiled"} - measured.keys()
    assert bool(left_out) == bool(known), [target.what for target in left_out]


def test_what_is_drawn_is_what_is_shown() -> None:
    assert PLOTS.keys() == documents.PLOTTED.keys()


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    report = Report("replication", "a replica", "ms")
    report.add("full sync", "pulsards", 12.3456)
    documents.keep("replication", [report], 1.5, tmp_path)
    reports, machines = documents.kept(tmp_path)
    assert reports["replication"].rates == {"full sync": {"pulsards": [12.35]}}
    assert machines["replication"] == documents.machine()
