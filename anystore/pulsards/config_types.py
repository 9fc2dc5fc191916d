"""What a directive is, and the types of their values: how each is read, shown, and written to a file.

A value is read from one text; where a directive takes several words, they are joined by spaces before.

Source: redis.conf of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anystore.pulsards import notifications
from anystore.pulsards.numbers import parse_integer
from anystore.resp.requests import split_arguments

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
_MAX_MEMORY: Final = 2**63 - 1
_UNSIGNED: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Directive:
    """One setting.

    `parse` reads its text (a `ValueError` says what is wrong with it), `show` is the text of a value for CONFIG
    GET, `write` the lines of it for CONFIG REWRITE, each without the name, when they are not just what `show`
    says. `mutable`: it can be changed while the server runs. `aliases` are older names of it. `several`: its value
    is several words. `secret`: its value is never shown in a log. `protected`: clients may change it only where
    enable-protected-configs says so. `gathers`: each line of a file adds to its value, an empty one empties it, and CONFIG
    SET replaces it. `combine` makes one value of the one that is
    there and of a new one that leaves parts of it as they are.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    mutable: bool = True
    aliases: tuple[str, ...] = ()
    several: bool = False
    secret: bool = False
    protected: bool = False
    gathers: bool = False
    write: Callable[[Any], list[str]] | None = None
    combine: Callable[[Any, Any], Any] | None = None

    def lines(self, value: Any) -> list[str]:
        """What follows the name in a configuration file, a line each."""
        return [self.show(value)] if self.write is None else self.write(value)


def text(
    name: str, default: str = "", *, mutable: bool = True, secret: bool = False, several: bool = False
) -> Directive:
    """A directive whose value is any text; a file says nothing of an empty one."""
    return Directive(name, default, str, mutable=mutable, secret=secret, several=several, write=write_text)


def number(name: str, default: int, low: int, high: int, *, mutable: bool = True) -> Directive:
    """A directive whose value is an integer from `low` to `high`."""
    return Directive(name, default, integer(low, high), mutable=mutable)


def switch(name: str, default: bool, *, mutable: bool = True) -> Directive:
    """A directive that is yes or no."""
    return Directive(name, default, yes_no, show_yes_no, mutable=mutable)


def choice(name: str, default: str, words: tuple[str, ...], *, mutable: bool = True) -> Directive:
    """A directive whose value is one of some words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"argument(s) must be one of the following: {', '.join(words)}")
        return text.lower()

    return Directive(name, default, parse, mutable=mutable)


def only(name: str, value: str, otherwise: str) -> Directive:
    """A directive of which only one value can be had: `otherwise` says why no other can."""

    def parse(text: str) -> str:
        if text.lower() != value:
            raise ValueError(otherwise)
        return value

    return Directive(name, value, parse, mutable=False)


def integer(low: int, high: int) -> Callable[[str], int]:
    """Reads integers from `low` to `high`."""

    def parse(text: str) -> int:
        number = parse_integer(text.encode("utf-8", "surrogateescape"))
        if number is None:
            raise ValueError("argument couldn't be parsed into an integer")
        if not low <= number <= high:
            raise ValueError(f"argument must be between {low} and {high} inclusive")
        return number

    return parse


def octal(high: int) -> Callable[[str], int]:
    """Reads the permissions of a file."""

    def parse(text: str) -> int:
        try:
            number = int(text, 8)
        except ValueError:
            raise ValueError("argument couldn't be parsed as an octal number") from None
        if not 0 <= number <= high:
            raise ValueError(f"argument must be between 0 and {high:o} inclusive")
        return number

    return parse


def parse_memory(text: str) -> int:
    """A size in bytes, with Redis' units: k is 1000, kb is 1024, and so on. No digits are none at all, as there."""
    digits = text.rstrip("bBkKmMgG")
    unit = text[len(digits) :].lower()
    if (digits and not (digits.isascii() and digits.isdigit() and len(digits) < 128)) or unit not in _UNITS:
        raise ValueError("argument must be a memory value")
    number = int(digits or "0")
    if number > _UNSIGNED:
        raise ValueError("argument must be a memory value")
    return number * _UNITS[unit]


def memory(low: int, high: int = _MAX_MEMORY) -> Callable[[str], int]:
    """Reads sizes in bytes that are not below `low`, nor above `high`."""

    def parse(text: str) -> int:
        size = parse_memory(text)
        if not low <= size <= high:
            raise ValueError(f"argument must be between {low} and {high} inclusive")
        return size

    return parse


def memory_or_share(text: str) -> int:
    """A size in bytes, or a share such as 5%, which becomes a negative number of percent."""
    if not text.endswith("%"):
        try:
            return memory(0)(text)
        except ValueError:
            raise ValueError("argument must be a memory or percent value") from None
    if not text[:-1].isdigit():
        raise ValueError("argument must be a memory or percent value")
    if int(text[:-1]) > 100:
        raise ValueError("percentage argument must be less or equal to 100")
    return -int(text[:-1])


def show_memory_or_share(value: int) -> str:
    return f"{-value}%" if value < 0 else str(value)


def write_memory(size: int) -> list[str]:
    """A size in the greatest unit that it is a multiple of."""
    return [_memory_text(size)]


def _memory_text(size: int) -> str:
    for unit in ("gb", "mb", "kb"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def yes_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError("argument must be 'yes' or 'no'")
    return text.lower() == "yes"


def show_yes_no(value: bool) -> str:
    return "yes" if value else "no"


def hosts(text: str) -> tuple[str, ...]:
    """Addresses to listen on; none of them for an empty text."""
    return tuple(text.split())


def event_classes(text: str) -> int:
    classes = notifications.parse_classes(text)
    if classes is None:
        raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    return classes


def primary(text: str) -> str:
    """The host and the port of a primary; nothing, or `no one`, for none."""
    words = text.split()
    if not words or [word.lower() for word in words] == ["no", "one"]:
        return ""
    if len(words) != 2:
        raise ValueError("wrong number of arguments")
    if not words[1].isdigit() or not 0 <= int(words[1]) <= 65535:
        raise ValueError("Invalid master port")
    return " ".join(words)


def write_words(value: str) -> list[str]:
    """Words as they are; nothing at all where there are none."""
    return [value] if value else []


SaveRules = tuple[tuple[int, int], ...]

#: Redis' own: what holds where a directory is given and nothing is said about saving.
SAVE_RULES: Final[SaveRules] = ((3600, 1), (300, 100), (60, 10000))


def save_rules(text: str) -> SaveRules:
    """Pairs of seconds and changes; none of them for an empty text."""
    words = text.split()
    if len(words) % 2 or not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
        raise ValueError("Invalid save parameters")
    numbers = list(map(int, words))
    rules = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if any(seconds < 1 for seconds, _ in rules):
        raise ValueError("Invalid save parameters")
    return rules


def show_save_rules(rules: SaveRules) -> str:
    return " ".join(f"{seconds} {changes}" for seconds, changes in rules)


def write_save_rules(rules: SaveRules) -> list[str]:
    """A line for each rule, or one that says that there is none."""
    return [f"{seconds} {changes}" for seconds, changes in rules] or ['""']


_SHUTDOWN_WORDS: Final = ("default", "save", "nosave", "now", "force")


def shutdown_words(text: str) -> frozenset[str]:
    """The options of SHUTDOWN that a signal stands for; none of them for "default"."""
    words = frozenset(text.lower().split())
    if not words or words - set(_SHUTDOWN_WORDS):
        raise ValueError(f"argument(s) must be one of the following: {', '.join(_SHUTDOWN_WORDS)}")
    if words >= {"save", "nosave"}:
        raise ValueError("shutdown options SAVE and NOSAVE can't be used simultaneously")
    return words - {"default"}


def show_shutdown_words(words: frozenset[str]) -> str:
    return " ".join(word for word in _SHUTDOWN_WORDS if word in words) or "default"


def log_name(text: str) -> str:
    if not text or "/" in text or "\\" in text or text in (".", ".."):
        raise ValueError("want the name of a file or a folder, without a path")
    return text


def file_name(text: str) -> str:
    if not text or "/" in text or "\\" in text or text in (".", ".."):
        raise ValueError("dbfilename can't be a path, just a filename")
    return text


OutputLimits = Mapping[str, tuple[int, int, int]]

OUTPUT_LIMITS: Final[OutputLimits] = {
    "normal": (0, 0, 0),
    "slave": (256 * 2**20, 64 * 2**20, 60),
    "pubsub": (32 * 2**20, 8 * 2**20, 60),
}


def output_limits(text: str) -> OutputLimits:
    """`class hard soft seconds`, once or more, for the classes named."""
    words = text.split()
    if len(words) % 4:
        raise ValueError("Wrong number of arguments in buffer limit configuration.")
    limits = {}
    for position in range(0, len(words), 4):
        name, hard, soft, seconds = words[position : position + 4]
        kind = "slave" if name.lower() == "replica" else name.lower()
        if kind not in OUTPUT_LIMITS:
            raise ValueError("Invalid client class specified in buffer limit configuration.")
        if not seconds.isdigit():
            raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        limits[kind] = (parse_memory(hard), parse_memory(soft), int(seconds))
    return limits


def show_output_limits(limits: OutputLimits) -> str:
    return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in limits.items())


def write_output_limits(limits: OutputLimits) -> list[str]:
    """A line for each class of clients."""
    return [
        f"{'replica' if name == 'slave' else name} {_memory_text(hard)} {_memory_text(soft)} {seconds}"
        for name, (hard, soft, seconds) in limits.items()
    ]


def percentages(text: str) -> tuple[float, ...]:
    """Percentages from 0 to 100; none of them for an empty text."""
    try:
        found = tuple(map(float, text.split(" "))) if text else ()
    except ValueError:
        raise ValueError("Invalid latency-tracking-info-percentiles parameters") from None
    if not all(0 <= percentage <= 100 for percentage in found):
        raise ValueError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
    return found


def show_percentages(value: tuple[float, ...]) -> str:
    return " ".join(f"{percentage:.15g}" for percentage in value)


def write_text(value: str) -> list[str]:
    """A text in quotes; nothing at all for an empty one, which is what a missing line stands for."""
    return [quoted_word(value)] if value else []


def write_quoted(show: Callable[[Any], str]) -> Callable[[Any], list[str]]:
    """Writes what `show` gives in quotes, even if it is empty."""
    return lambda value: [quoted_word(show(value))]


def quoted_word(word: str) -> str:
    r"""A word as a configuration file can hold it: in quotes, with `\n`, `\xhh` and the like for what is not plain."""
    return '"' + "".join(map(_escaped, word.encode("utf-8", "surrogateescape"))) + '"'


_ESCAPES: Final = {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b", 34: '\\"', 92: "\\\\"}


def _escaped(byte: int) -> str:
    return _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")


def split_words(text: str) -> list[str]:
    """The words of a line, quotes undone; `ValueError` where quotes are not balanced."""
    words = split_arguments(text.encode("utf-8", "surrogateescape"))
    if words is None:
        raise ValueError("unbalanced quotes")
    return [word.decode("utf-8", "surrogateescape") for word in words]
