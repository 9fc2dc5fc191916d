"""What a directive is, and the types of their values: how each is read from its text, and how it is shown.

Source: redis.conf of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anystore.pulsards import notifications

_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}


@dataclass(frozen=True, slots=True)
class Directive:
    """One setting: how its text is read, how it is shown, and whether it can be changed while running."""

    name: str
    default: Any
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    mutable: bool = True


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("argument couldn't be parsed into an integer") from None
        if not low <= number <= high:
            raise ValueError(f"argument must be between {low} and {high} inclusive")
        return number

    return parse


def parse_memory(text: str) -> int:
    """A size in bytes, with Redis' units: k is 1000, kb is 1024, and so on."""
    digits = text.rstrip("bBkKmMgG")
    unit = text[len(digits) :].lower()
    if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
        raise ValueError("argument must be a memory value")
    return int(digits) * _UNITS[unit]


def yes_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError("argument must be 'yes' or 'no'")
    return text.lower() == "yes"


def show_yes_no(value: bool) -> str:
    return "yes" if value else "no"


def hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(text.split())
    if not hosts:
        raise ValueError("argument must name at least one address")
    return hosts


def event_classes(text: str) -> int:
    classes = notifications.parse_classes(text)
    if classes is None:
        raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    return classes


def nothing_saved(text: str) -> str:
    if text:
        raise ValueError("snapshots are not available yet; only an empty value can be set")
    return text


def no_append_only(text: str) -> bool:
    if yes_no(text):
        raise ValueError("the append-only file is not available yet; only 'no' can be set")
    return False


OutputLimits = Mapping[str, tuple[int, int, int]]

OUTPUT_LIMITS: Final[OutputLimits] = {
    "normal": (0, 0, 0),
    "slave": (256 * 2**20, 64 * 2**20, 60),
    "pubsub": (32 * 2**20, 8 * 2**20, 60),
}


def output_limits(text: str) -> OutputLimits:
    """`class hard soft seconds`, once or more; a class not named keeps its default."""
    words = text.split()
    if not words or len(words) % 4:
        raise ValueError("Wrong number of arguments in buffer limit configuration.")
    limits = dict(OUTPUT_LIMITS)
    for position in range(0, len(words), 4):
        name, hard, soft, seconds = words[position : position + 4]
        kind = "slave" if name.lower() == "replica" else name.lower()
        if kind not in limits:
            raise ValueError("Invalid client class specified in buffer limit configuration.")
        if not seconds.isdigit():
            raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        limits[kind] = (parse_memory(hard), parse_memory(soft), int(seconds))
    return limits


def show_output_limits(limits: OutputLimits) -> str:
    return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in limits.items())
