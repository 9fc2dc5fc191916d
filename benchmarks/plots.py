"""Plots of the figures, as small SVG files that can be read on a light page and on a dark one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.report import Report

#: Between black and white, so that both pages show it.
_GREY = "#808080"
#: Of a middle brightness, and told apart by who sees no red or no green.
_COLOURS = (
    *("#d55e00", "#2f8fd0", "#009e73", "#b07cc6", "#b59a00", "#a0705a", "#e0699a", "#6f8f2f", "#5f7f9f"),
)
_MARKERS = "osD^vPX*h"
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "figures",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _GREY,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _GREY,
    "axes.titlecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "grid.color": _GREY,
    "grid.alpha": 0.25,
}


def _number(label: str) -> float:
    return float(label.replace(",", ""))


def _decades(values: list[float]) -> tuple[float, float]:
    """The powers of ten around values, those that are not above 0 left out."""
    found = [math.log10(value) for value in values if value > 0] or [0.0]
    least = math.floor(min(found))
    return 10.0**least, 10.0 ** max(math.ceil(max(found)), least + 1)


def _finish(axes: Axes, title: str, across: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(across)
    axes.grid(True, which="major")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def curves(axes: Axes, lines: Mapping[str, Mapping[str, float]], title: str, across: str) -> None:
    """A line for each name, of values by a number that is written as in a table; both axes are logarithmic."""
    for place, (name, points) in enumerate(lines.items()):
        style = "--" if name.endswith("Redis") else "-"
        axes.plot(
            [_number(label) for label in points],
            list(points.values()),
            style,
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=4,
            color=_COLOURS[place % len(_COLOURS)],
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(*_decades([value for points in lines.values() for value in points.values()]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}" if value < 1e5 else f"{value:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    _finish(axes, title, across)


def bars(axes: Axes, report: Report, rows: Iterable[str], title: str, *, logarithmic: bool = False) -> None:
    """A group of bars for each row, a bar for each column."""
    names, columns = list(rows), report.columns()
    height = 0.8 / len(columns)
    for place, column in enumerate(columns):
        axes.barh(
            [number + (place + 0.5) * height - 0.4 for number in range(len(names))],
            [report.median(row, column) or 0.0 for row in names],
            height=height,
            color=_COLOURS[place % len(_COLOURS)],
            label=column,
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log" if logarithmic else "linear")
    if logarithmic:
        axes.set_xlim(*_decades([bar.get_width() for bar in axes.patches]))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    _finish(axes, title, report.unit)


def by_row(report: Report) -> dict[str, dict[str, float]]:
    """A line for each row, by column."""
    return {
        row: {column: value for column in columns if (value := report.median(row, column)) is not None}
        for row, columns in report.rates.items()
    }


def by_column(report: Report) -> dict[str, dict[str, float]]:
    """A line for each column, by row."""
    return {
        column: {row: value for row in report.rates if (value := report.median(row, column)) is not None}
        for column in report.columns()
    }


def _client(axes: Axes, report: Report) -> None:
    """How many times as fast as each peer: the whole table's ratios, 1 where they are equal."""
    ratios = Report("", "", "times as fast; 1 is as fast")
    for row in report.rates:
        for peer in report.columns():
            ratio = report.ratio(row, "anystore", peer)
            if peer != "anystore" and ratio is not None:
                ratios.rates[row][peer].append(ratio)
    bars(axes, ratios, ratios.rates, "anystore beside its peers", logarithmic=True)
    axes.set_xticks([0.2, 0.5, 1, 2, 5, 10, 20])
    axes.set_xlim(0.2, 30)
    axes.axvline(1.0, color=_GREY, linewidth=1)


def _server(axes: Axes, report: Report) -> None:
    ratios = Report("", "", "times Redis' rate")
    for row in report.rates:
        for backend in ("asyncio", "uvloop", "trio"):
            if (ratio := report.ratio(row, backend, "Redis")) is not None:
                ratios.rates[row][backend].append(ratio)
    bars(axes, ratios, ratios.rates, "pulsards beside Redis (1 is as fast)")
    axes.axvline(1.0, color=_GREY, linewidth=1)


def _growth(across: str) -> Callable[[Axes, Report], None]:
    return lambda axes, report: curves(axes, by_column(report), "requests a second", across)


def _latency(axes: Axes, report: Report) -> None:
    rows = [row for row in report.rates if row.startswith("p")]
    bars(axes, report, rows, "time of a GET at half load", logarithmic=True)


def _pauses(axes: Axes, report: Report) -> None:
    rows = [row for row in report.rates if row.startswith("longest")]
    bars(axes, report, rows, "longest wait of a client", logarithmic=True)


def _complexity(axes: Axes, report: Report) -> None:
    curves(axes, by_row(report), "processor's time of a command, µs", "elements")


PLOTS: dict[str, tuple[Callable[[Axes, Report], None], float]] = {
    "client": (_client, 6.0),
    "server": (_server, 6.0),
    "connections": (_growth("connections"), 3.0),
    "set-size": (_growth("bytes"), 3.0),
    "get-size": (_growth("bytes"), 3.0),
    "database-size": (_growth("keys"), 3.0),
    "latency": (_latency, 3.0),
    "pauses": (_pauses, 3.5),
    "complexity": (_complexity, 3.5),
}
"""What reports are drawn, by name: how, and how high in inches."""


def draw(report: Report, path: Path) -> None:
    """Draw a report of `PLOTS` into a file."""
    paint, height = PLOTS[report.name]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        paint(axes, report)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # What matplotlib ends lines with.
    path.write_text(re.sub(r"[ \t]+$", "", path.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
