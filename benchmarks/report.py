"""Medians of interleaved rounds: as tables, and as what is kept of them in `benchmarks/figures`."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Self


def shown(value: float | None) -> str:
    """A figure with as many places as mean something, `–` where there is none."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Report:
    """Figures by row and column, several rounds of each."""

    def __init__(self, name: str, title: str, unit: str = "/s") -> None:
        """`name` is what documents ask for it by, `unit` what the progress shows behind each figure."""
        self.name = name
        self.title = title
        self.unit = unit
        self.rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, row: str, column: str, rate: float) -> None:
        """Note one round's figure: a rate, in operations per second, unless the report is of something else."""
        self.rates[row][column].append(rate)
        print(f"  {row:<40} {column:<22} {shown(rate):>12} {self.unit}", file=sys.stderr, flush=True)

    def sort(self) -> None:
        """Put the rows in the order of their names."""
        for row in sorted(self.rates):
            self.rates[row] = self.rates.pop(row)

    def columns(self) -> list[str]:
        """Every column that a row has, in the order of the first figures."""
        return list(dict.fromkeys(column for row in self.rates.values() for column in row))

    def median(self, row: str, column: str) -> float | None:
        """The median of all rounds, or None where nothing was measured."""
        rounds = self.rates.get(row, {}).get(column)
        return statistics.median(rounds) if rounds else None

    def ratio(self, row: str, subject: str, peer: str) -> float | None:
        """How many times the peer's figure the subject's is, or None where one of them was not measured.

        The median of the rounds' own ratios: a machine that is slower for a while is so for both of a round.
        """
        return self.ratio_to_best(row, subject, [peer])

    def ratio_to_best(self, row: str, subject: str, peers: Iterable[str]) -> float | None:
        """The same, to whichever of the peers was the fastest in a round; None where none of them was measured."""
        columns = self.rates.get(row, {})
        theirs = [columns[peer] for peer in peers if columns.get(peer)]
        ours = columns.get(subject)
        if not ours or not theirs:
            return None
        return statistics.median(one / max(others) for one, *others in zip(ours, *theirs, strict=True))

    def table(self, columns: Iterable[str] | None = None, rows: Iterable[str] | None = None) -> str:
        """The medians in Markdown, `–` where a peer has no such thing."""
        names = self.columns() if columns is None else list(columns)
        lines = [f"| {self.title} | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        for row in self.rates if rows is None else rows:
            lines.append(f"| {row} | {' | '.join(shown(self.median(row, name)) for name in names)} |")
        return "\n".join(lines)

    def ratios(self, subject: str, peers: Iterable[str]) -> str:
        """How many times each peer's figure the subject's is, by row."""
        names = list(peers)
        lines = [f"| {subject} ÷ | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        for row in self.rates:
            cells = [self.ratio(row, subject, name) for name in names]
            if any(cell is not None for cell in cells):
                texts = ["–" if cell is None else f"{cell:.2f}" for cell in cells]
                lines.append(f"| {row} | {' | '.join(texts)} |")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Every round's figure, rounded to what it is good for."""
        rates = {
            row: {column: [float(f"{rate:.4g}") for rate in rounds] for column, rounds in columns.items()}
            for row, columns in self.rates.items()
        }
        return {"name": self.name, "title": self.title, "unit": self.unit, "rates": rates}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        report = cls(kept["name"], kept["title"], kept["unit"])
        for row, columns in kept["rates"].items():
            report.rates[row].update(columns)
        return report
