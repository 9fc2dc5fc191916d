"""INFO: sections of fields, each of them measured when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from anystore.pulsards.commands import info_figures as figures
from anystore.pulsards.commands.info_replication import replication
from anystore.pulsards.context import Context
from anystore.pulsards.engine import Engine
from anystore.pulsards.latency import percentiles
from anystore.pulsards.registry import command, every_entry
from anystore.resp.types import VerbatimString

Fields = Iterator[tuple[str, object]]


def _modules(engine: Engine) -> Fields:
    """None can be loaded."""
    return iter(())


def _commandstats(engine: Engine) -> Fields:
    for entry in every_entry(engine.commands):
        if entry.calls or entry.rejected or entry.failed:
            usec = entry.elapsed_ns // 1000
            each = usec / entry.calls if entry.calls else 0.0
            yield (
                f"cmdstat_{entry.name.decode()}",
                f"calls={entry.calls},usec={usec},usec_per_call={each:.2f},"
                f"rejected_calls={entry.rejected},failed_calls={entry.failed}",
            )


def _errorstats(engine: Engine) -> Fields:
    for code, number in sorted(engine.statistics.errors.items()):
        yield f"errorstat_{code.decode('ascii', 'replace')}", f"count={number}"


def _latencystats(engine: Engine) -> Fields:
    wanted: tuple[float, ...] = engine.config.values["latency-tracking-info-percentiles"]
    for entry in every_entry(engine.commands):
        if entry.durations or entry.long_durations:
            found = zip(wanted, percentiles(entry, wanted), strict=True)
            shown = ",".join(f"p{percentage:.15g}={usec:.3f}" for percentage, usec in found)
            yield f"latency_percentiles_usec_{entry.name.decode()}", shown


def _cluster(engine: Engine) -> Fields:
    yield "cluster_enabled", 0


#: In the order in which they are shown, each with its title.
_SECTIONS: Final[dict[str, tuple[str, Callable[[Engine], Fields]]]] = {
    "server": ("Server", figures.server),
    "clients": ("Clients", figures.clients),
    "memory": ("Memory", figures.memory),
    "persistence": ("Persistence", figures.persistence),
    "stats": ("Stats", figures.stats),
    "replication": ("Replication", replication),
    "cpu": ("CPU", figures.cpu),
    "modules": ("Modules", _modules),
    "commandstats": ("Commandstats", _commandstats),
    "errorstats": ("Errorstats", _errorstats),
    "latencystats": ("Latencystats", _latencystats),
    "cluster": ("Cluster", _cluster),
    "keyspace": ("Keyspace", figures.keyspace),
}
_ON_REQUEST: Final = ("commandstats", "latencystats")
_GROUPS: Final = {
    "all": tuple(_SECTIONS),
    "everything": tuple(_SECTIONS),
    "default": tuple(name for name in _SECTIONS if name not in _ON_REQUEST),
}


@command("info")
def info(ctx: Context, args: list[bytes]) -> Any:
    """INFO [section …] — O(1), but for the sections that list clients, commands, errors and databases."""
    wanted: set[str] = set()
    for name in (argument.lower().decode("utf-8", "replace") for argument in args[1:] or [b"default"]):
        wanted.update(_GROUPS.get(name, (name,)))
    pieces = []
    for name, (title, fields) in _SECTIONS.items():
        if name in wanted:
            lines = "".join(f"{field}:{value}\r\n" for field, value in fields(ctx.engine))
            pieces.append(f"# {title}\r\n{lines}")
    return VerbatimString("\r\n".join(pieces).encode("utf-8", "surrogateescape"))
