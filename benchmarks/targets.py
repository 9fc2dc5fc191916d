"""What was aimed at, beside what was measured: made from the figures, so that the table says what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.client import BACKENDS, BARE
from benchmarks.report import Report, shown
from benchmarks.resources import FIRST, IMPORT, MEMBER, SMALL_STRING, START, cpu_row
from benchmarks.server import mean_ratio

Reports = Mapping[str, Report]
_PEERS = ("redis-py", "coredis", "valkey-glide")
BEST = "the best peer"


@dataclass(frozen=True)
class Target:
    """A figure that is to reach a bound, or not to pass it."""

    what: str
    beside: str
    bound: float
    most: bool
    """Whether the bound is the most that the figure may be, instead of the least."""
    unit: str
    measured: Callable[[Reports], float | None]

    def line(self, reports: Reports) -> str:
        """Its row of the table."""
        value = self.measured(reports)
        sign = "≤" if self.most else "≥"
        reached = "–"
        if value is not None:
            reached = "yes" if (value <= self.bound if self.most else value >= self.bound) else "**no**"
        cell = "–" if value is None else f"{shown(value)}{self.unit}"
        return f"| {self.what} | {self.beside} | {sign} {self.bound:g}{self.unit} | {cell} | {reached} |"


def _client(row: str, backend: str, beside: str) -> Callable[[Reports], float | None]:
    peers = _PEERS if beside == BEST else (beside,)
    return lambda reports: (
        reports["client"].ratio_to_best(f"{row}, {backend}", "anystore", peers)
        if "client" in reports
        else None
    )


def _ratio(name: str, row: str, subject: str, peer: str) -> Callable[[Reports], float | None]:
    return lambda reports: reports[name].ratio(row, subject, peer) if name in reports else None


def _figure(name: str, row: str, column: str) -> Callable[[Reports], float | None]:
    return lambda reports: reports[name].median(row, column) if name in reports else None


def _mean(name: str, pipeline: int, backend: str) -> Callable[[Reports], float | None]:
    return lambda reports: mean_ratio(reports[name], pipeline, backend) if name in reports else None


#: Of the client: the row, what it is compared with, the least ratio, the backends.
_CLIENT = (
    ("GET, 100 tasks", "redis-py", 9.0, ("asyncio", "uvloop")),
    ("GET, 100 tasks", BEST, 3.5, ("asyncio", "uvloop", "trio")),
    ("GET, 100 tasks", BARE, 0.6, ("asyncio", "uvloop")),
    ("GET, 1 task", BEST, 1.5, ("asyncio", "uvloop")),
    ("GET, 1 task", BEST, 3.0, ("trio",)),
    ("pipeline of 100 SET", "redis-py", 4.0, ("asyncio", "uvloop")),
    ("pipeline of 100 SET", BEST, 1.5, ("asyncio", "uvloop", "trio")),
    ("GET of 1 MiB, 4 tasks", BEST, 1.2, ("asyncio", "uvloop", "trio")),
    ("message to 100 subscribers", BEST, 3.0, ("asyncio", "uvloop", "trio")),
)


def _compiled() -> Iterator[Target]:
    """Those of the server, of its compiled build."""
    for backend in BACKENDS:
        what = f"compiled pulsards on {backend}, -P 16, geometric mean of the tests"
        yield Target(what, "Redis", 0.4, False, " ×", _mean("compiled", 16, backend))
    for test in ("set", "get"):
        measured = _ratio("compiled-cpu", cpu_row(test), "compiled", "Redis")
        yield Target(f"compiled pulsards: CPU of a {test.upper()}, -P 1", "Redis", 1.5, True, " ×", measured)


def targets() -> Iterator[Target]:
    """All of them, in the order of the table."""
    for row, beside, bound, backends in _CLIENT:
        for backend in backends:
            yield Target(f"{row}, {backend}", beside, bound, False, " ×", _client(row, backend, beside))
    for backend in ("asyncio", "uvloop"):
        row = f"GET in process, 1 task, {backend}"
        measured = _ratio("memory", row, "memory://", "fakeredis")
        yield Target(f"`memory://`: {row}", "fakeredis", 4, False, " ×", measured)
    for pipeline, bound in ((1, 0.9), (16, 0.4)):
        for backend in BACKENDS:
            what = f"pulsards on {backend}, -P {pipeline}, geometric mean of the tests"
            yield Target(what, "Redis", bound, False, " ×", _mean("server", pipeline, backend))
    yield from _compiled()
    for row, bound in (
        *((cpu_row(test), 1.5) for test in ("set", "get")),
        *((SMALL_STRING, 3.0), (MEMBER, 4.0)),
    ):
        measured = _ratio("resources", row, "pulsards", "Redis")
        yield Target(f"pulsards: {row.rpartition(', ')[0]}", "Redis", bound, True, " ×", measured)
    yield Target(
        "`pulsards`: start to first answer", "", 350, True, " ms", _figure("resources", START, "pulsards")
    )
    yield Target(
        "`memory://`: first answer, once imported",
        "",
        20,
        True,
        " ms",
        _figure("resources", FIRST, "pulsards"),
    )
    yield Target("`import anystore`", "", 150, True, " ms", _figure("resources", IMPORT, "pulsards"))
    for backend in BACKENDS:
        what = f"the client's loop held by a pipeline of 200,000 commands, {backend}"
        yield Target(what, "", 5, True, " ms", _figure("held", backend, "anystore"))
    for backend in BACKENDS:
        what = f"pulsards' loop held by a pipeline of 200,000 commands, {backend}"
        yield Target(what, "", 5, True, " ms", _figure("held", backend, "pulsards"))


def table(reports: Reports) -> str:
    """The table in Markdown; what has not been measured has `–`."""
    lines = ["| what | beside | target | measured | reached |", "| --- | --- | ---: | ---: | --- |"]
    return "\n".join([*lines, *(target.line(reports) for target in targets())])
