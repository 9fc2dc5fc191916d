"""Medians of interleaved rounds, as a table and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


class Report:
    """Rates by row and column, several rounds of each."""

    def __init__(self, title: str, unit: str = "/s") -> None:
        """`unit` is what the progress shows behind each figure."""
        self.title = title
        self.unit = unit
        self.rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, row: str, column: str, rate: float) -> None:
        """Note one round's figure: a rate, in operations per second, unless the report is of something else."""
        self.rates[row][column].append(rate)
        print(f"  {row:<28} {column:<22} {rate:>12,.0f} {self.unit}", file=sys.stderr, flush=True)

    def sort(self) -> None:
        """Put the rows in the order of their names."""
        for row in sorted(self.rates):
            self.rates[row] = self.rates.pop(row)

    def median(self, row: str, column: str) -> float | None:
        """The median of all rounds, or None where nothing was measured."""
        rounds = self.rates[row].get(column)
        return statistics.median(rounds) if rounds else None

    def ratio(self, row: str, subject: str, peer: str) -> float | None:
        """How many times the peer's figure the subject's is, or None where one of them was not measured.

        The median of the rounds' own ratios: a machine that is slower for a while is so for both of a round.
        """
        ours, theirs = self.rates[row].get(subject), self.rates[row].get(peer)
        if not ours or not theirs:
            return None
        return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))

    def table(self, columns: Iterable[str]) -> str:
        """The medians in Markdown, `–` where a peer has no such thing."""
        names = list(columns)
        lines = [f"| {self.title} | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        for row in self.rates:
            cells = [self.median(row, name) for name in names]
            lines.append(
                f"| {row} | " + " | ".join("–" if cell is None else f"{cell:,.0f}" for cell in cells) + " |"
            )
        return "\n".join(lines)

    def ratios(self, subject: str, peers: Iterable[str]) -> str:
        """How many times as fast as each peer the subject is, by row."""
        names = list(peers)
        lines = [f"| {subject} ÷ | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        for row in self.rates:
            cells = [self.ratio(row, subject, name) for name in names]
            lines.append(
                f"| {row} | " + " | ".join("–" if cell is None else f"{cell:.2f}" for cell in cells) + " |"
            )
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write every round's figure, with what it was measured on."""
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"title": self.title, "machine": machine, "rates": self.rates}, indent=1) + "\n"
        )
