"""The figures in README.md and docs/performance.md: what stands between their marks is made here, from what is kept.

A mark is `<!-- figures: NAME -->`, and its text ends with `<!-- figures: end -->`. What has never been measured leaves the
text of its mark alone.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks import targets
from benchmarks.client import BACKENDS, BARE
from benchmarks.report import Report
from benchmarks.running import reference_name
from benchmarks.server import geometric_means

ROOT = Path(__file__).parent.parent
KEPT = Path("benchmarks", "figures")
IMAGES = Path("docs", "images", "figures")
DOCUMENTS = (Path("README.md"), Path("docs", "performance.md"))
_MARKS = re.compile(r"(<!-- figures: ([a-z-]+) -->\n).*?(<!-- figures: end -->)", re.DOTALL)
_PEERS = ("redis", "coredis", "valkey-glide", "fakeredis", "hiredis")

Reports = Mapping[str, Report]


def machine() -> str:
    """What figures are measured on, in a sentence."""
    names = ", ".join(f"{name} {version(name)}" for name in _PEERS)
    place = f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"
    return f"{place}; {reference_name()}; {names}."


def keep(part: str, reports: Sequence[Report], seconds: float, root: Path = ROOT) -> None:
    """Keep what a part has measured, instead of what was kept of it."""
    found = {
        "machine": machine(),
        "seconds": round(seconds),
        "reports": [report.to_json() for report in reports],
    }
    path = root / KEPT / f"{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A row a line: it can be read, and is not long.
    text = json.dumps(found, ensure_ascii=False, indent=1)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda part: "[" + " ".join(part[1].split()) + "]", text)
    path.write_text(text + "\n", "utf-8")


def kept(root: Path = ROOT) -> tuple[dict[str, Report], dict[str, str]]:
    """Every report that is kept, by its name, and on what it was measured."""
    reports, machines = {}, {}
    for path in sorted((root / KEPT).glob("*.json")):
        found = json.loads(path.read_text("utf-8"))
        for each in found["reports"]:
            reports[each["name"]] = Report.from_json(each)
            machines[each["name"]] = found["machine"]
    return reports, machines


def _table(*names: str) -> Callable[[Reports], str]:
    return lambda reports: "\n\n".join(reports[name].table() for name in names)


def _client_ratios(reports: Reports) -> str:
    peers = [name for name in reports["client"].columns() if name not in ("anystore", BARE)]
    return reports["client"].ratios("anystore", [*peers, BARE])


def _summary(reports: Reports) -> str:
    return "\n\n".join(
        (
            _client_ratios(reports),
            geometric_means(reports["server"]),
            reports["memory"].ratios("memory://", ["fakeredis"]),
        )
    )


def _server(reports: Reports) -> str:
    return "\n\n".join((geometric_means(reports["server"]), reports["server"].table()))


def _compiled(reports: Reports) -> str:
    rates = reports["compiled"]
    means = geometric_means(rates, [*BACKENDS, "pure"])
    return "\n\n".join((means, rates.table(), reports["compiled-cpu"].table()))


def _client(reports: Reports) -> str:
    return "\n\n".join((_client_ratios(reports), reports["client"].table()))


def _memory(reports: Reports) -> str:
    return "\n\n".join((reports["memory"].ratios("memory://", ["fakeredis"]), reports["memory"].table()))


#: By mark: the reports that it needs, and its text.
SECTIONS: dict[str, tuple[tuple[str, ...], Callable[[Reports], str]]] = {
    "summary": (("client", "server", "memory"), _summary),
    "targets": ((), targets.table),
    "client": (("client",), _client),
    "server": (("server",), _server),
    "memory": (("memory",), _memory),
    "resources": (("resources",), _table("resources")),
    **{name: ((name,), _table(name)) for name in ("connections", "set-size", "get-size", "database-size")},
    "compiled": (("compiled", "compiled-cpu"), _compiled),
    "latency": (("latency",), _table("latency")),
    "pauses": (("pauses", "held", "slices"), _table("pauses", "held", "slices")),
    "persistence": (("persistence", "durability"), _table("persistence", "durability")),
    "replication": (("replication",), _table("replication")),
    "complexity": (("complexity", "scale"), _table("complexity", "scale")),
}

PLOTTED = {
    "client": "How many times as fast as its peers anystore's client is",
    "server": "pulsards' requests a second by Redis', for each test",
    "connections": "Requests a second by the number of connections",
    "set-size": "SETs a second by the size of the value",
    "get-size": "GETs a second by the size of the value",
    "database-size": "Requests a second by the number of keys",
    "latency": "Percentiles of the time of a GET at half load",
    "pauses": "The longest waits of a client",
    "complexity": "The processor's time of a command by the number of elements",
}
"""What a reader is told who does not see the plot, by mark, and by the report that is drawn."""


def section(mark: str, reports: Reports, machines: Mapping[str, str]) -> str | None:
    """The text of a mark; None where not all of what it needs has been measured."""
    needed, text = SECTIONS[mark]
    if not reports or any(name not in reports for name in needed):
        return None
    measured_on = dict.fromkeys(machines[name] for name in (needed or reports))
    return "\n\n".join((*measured_on, text(reports))) if mark in ("summary", "targets") else text(reports)


def filled(text: str, reports: Reports, machines: Mapping[str, str]) -> str:
    """A document with the text of each of its marks."""

    def fill(found: re.Match[str]) -> str:
        mark = found[2]
        told = section(mark, reports, machines)
        if told is None:
            return found[0]
        plot = f"![{PLOTTED[mark]}](images/figures/{mark}.svg)\n\n" if mark in PLOTTED else ""
        return f"{found[1]}\n{plot}{told}\n\n{found[3]}"

    return _MARKS.sub(fill, text)


def write(root: Path = ROOT) -> None:
    """Draw all plots, and fill all documents, from what is kept."""
    from benchmarks.plots import draw

    reports, machines = kept(root)
    for name in PLOTTED:
        if name in reports:
            draw(reports[name], root / IMAGES / f"{name}.svg")
    for path in DOCUMENTS:
        text = (root / path).read_text("utf-8")
        (root / path).write_text(filled(text, reports, machines), "utf-8")
