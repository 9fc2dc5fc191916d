"""The LATENCY commands: what took long, and how long each command takes."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.latency import LatencyEvent, LatencyMonitor, histogram
from anystore.pulsards.registry import CommandEntry, command, every_entry
from anystore.resp.types import SimpleString, VerbatimString

_COLUMNS: Final = 80
_ROWS: Final = 4
#: A column's top, of one third of a row's height each.
_TOPS: Final = b"_o#"


@command("latency|latest")
def latency_latest(ctx: Context, args: list[bytes]) -> list[Any]:
    """LATENCY LATEST → of each event its name, when it was last, how long it took then, and the longest. Since 2.8.13.

    O(1).
    """
    return [
        [name, event.samples[-1].when, event.samples[-1].milliseconds, event.worst]
        for name, event in ctx.engine.latency.events.items()
    ]


@command("latency|history")
def latency_history(ctx: Context, args: list[bytes]) -> list[list[int]]:
    """LATENCY HISTORY event → when it happened and how long it took, the last 160 times. O(1). Since 2.8.13."""
    event = ctx.engine.latency.events.get(args[2])
    return [] if event is None else [list(sample) for sample in event.samples]


@command("latency|reset")
def latency_reset(ctx: Context, args: list[bytes]) -> int:
    """LATENCY RESET [event …] → how many events were forgotten, all of them without a name. O(1). Since 2.8.13."""
    return ctx.engine.latency.reset(args[2:])


@command("latency|graph")
def latency_graph(ctx: Context, args: list[bytes]) -> VerbatimString:
    """LATENCY GRAPH event → its durations as columns of characters, the latest at the right. O(1). Since 2.8.13."""
    name = args[2]
    event = ctx.engine.latency.events.get(name)
    if event is None:
        raise CommandError(b"ERR No samples available for event '%b'" % name)
    samples = list(event.samples)
    durations = [sample.milliseconds for sample in samples]
    high, low = max(durations), min(durations)
    head = b"%b - high %d ms, low %d ms (all time high %d ms)" % (name, high, low, event.worst)
    now = ctx.engine.keyspace.now // 1000
    labels = [_age(now - sample.when) for sample in samples]
    lines = [head, b"-" * _COLUMNS]
    for start in range(0, len(samples), _COLUMNS):
        stop = start + _COLUMNS
        lines += _columns([duration - low for duration in durations[start:stop]], high - low)
        lines += _upright(labels[start:stop])
    return VerbatimString(b"\n".join(lines) + b"\n")


def _age(seconds: int) -> bytes:
    for limit, unit, letter in ((60, 1, b"s"), (3600, 60, b"m"), (86400, 3600, b"h")):
        if seconds < limit:
            return b"%d%b" % (seconds // unit, letter)
    return b"%dd" % (seconds // 86400)


def _columns(values: list[int], highest: int) -> list[bytes]:
    """Four lines of text in which each value is a column, as high as it is beside `highest`."""
    steps = _ROWS * len(_TOPS)
    heights = [min(value * steps // highest, steps - 1) if highest else 0 for value in values]
    lines = []
    for row in reversed(range(_ROWS)):
        line = bytearray()
        for height in heights:
            above = height - row * len(_TOPS)
            line += b" " if above < 0 else b"|" if above >= len(_TOPS) else _TOPS[above : above + 1]
        lines.append(bytes(line))
    return lines


def _upright(labels: list[bytes]) -> list[bytes]:
    """An empty line, and the labels written from above to below."""
    longest = max(map(len, labels))
    return [
        b"".join(label[row - 1 : row] or b" " if row else b" " for label in labels)
        for row in range(longest + 1)
    ]


@command("latency|histogram")
def latency_histogram(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """LATENCY HISTOGRAM [command …] → of each command its calls, and how many took up to so many µs. Since 7.0.

    The limits are powers of two, the numbers cumulative. Names that are not known are left out. O(N) in the
    commands.
    """
    if len(args) == 2:
        entries = list(every_entry(ctx.engine.commands))
    else:
        entries = [entry for name in args[2:] for entry in _named(ctx, name.lower())]
    shown: dict[bytes, Any] = {}
    for entry in entries:
        rows = histogram(entry)
        if rows:
            shown[entry.name] = {b"calls": rows[-1][1], b"histogram_usec": dict(rows)}
    return shown


def _named(ctx: Context, name: bytes) -> list[CommandEntry]:
    parent, _, child = name.partition(b"|")
    entry = ctx.engine.commands.get(parent)
    if entry is None:
        return []
    if child:
        return [entry.subcommands[child]] if child in entry.subcommands else []
    return [entry, *([entry.alone] if entry.alone is not None else []), *entry.subcommands.values()]


@command("latency|doctor")
def latency_doctor(ctx: Context, args: list[bytes]) -> VerbatimString:
    """LATENCY DOCTOR → what the monitor has seen, in words. O(1). Since 2.8.13."""
    engine = ctx.engine
    monitor = engine.latency
    if not monitor.events:
        return VerbatimString(_nothing_seen(monitor))
    lines = [b"This server has been slow at times.", b""]
    for number, (name, event) in enumerate(monitor.events.items(), 1):
        lines.append(b"%d. %b: %b" % (number, name, _summary(event)))
    lines += [b"", b"What may help:", b""]
    slow_log = engine.logs.slow.threshold > monitor.threshold * 1_000_000
    if {b"command", b"fast-command"} & set(monitor.events):
        if slow_log:
            lines.append(
                b"- The slow log does not note all of these commands. CONFIG SET slowlog-log-slower-than %d lets it."
                % (monitor.threshold * 1000)
            )
        lines.append(
            b"- SLOWLOG GET shows which commands took long. Those that are O(N) had much to go through."
        )
    if b"fast-command" in monitor.events:
        lines.append(b"- Commands of constant time are slow only when something else uses the processor.")
    if {b"expire-cycle", b"eviction-cycle"} & set(monitor.events):
        lines.append(b"- Freeing large collections takes time; several smaller ones are freed one by one.")
    return VerbatimString(b"\n".join(lines) + b"\n")


def _nothing_seen(monitor: LatencyMonitor) -> bytes:
    if not monitor.threshold:
        return (
            b"The latency monitor is switched off. CONFIG SET latency-monitor-threshold <milliseconds> switches "
            b"it on.\n"
        )
    return b"Nothing has taken as long as latency-monitor-threshold so far.\n"


def _summary(event: LatencyEvent) -> bytes:
    durations = [sample.milliseconds for sample in event.samples]
    average = sum(durations) / len(durations)
    deviation = sum(abs(duration - average) for duration in durations) / len(durations)
    span = event.samples[-1].when - event.samples[0].when
    return (
        b"%d times (%d ms on average, mean deviation %d ms, every %.2f s); the longest ever took %d ms."
        % (
            len(durations),
            average,
            deviation,
            span / max(1, len(durations) - 1),
            event.worst,
        )
    )


_HELP: Final = (
    b"LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DOCTOR",
    b"    What the monitor has seen, in words.",
    b"GRAPH <event>",
    b"    The durations of an event as a picture.",
    b"HISTOGRAM [<command> ...]",
    b"    How many calls of each command took up to so many microseconds.",
    b"HISTORY <event>",
    b"    When an event happened and how long it took.",
    b"LATEST",
    b"    The latest of each event.",
    b"RESET [<event> ...]",
    b"    Forget events, all of them without a name.",
    b"HELP",
    b"    This text.",
)


@command("latency|help")
def latency_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """LATENCY HELP → the subcommands. Since 2.8.13."""
    return [SimpleString(line) for line in _HELP]
