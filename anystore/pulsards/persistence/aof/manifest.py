"""The manifest of an append-only log: which files it is made of, and in which order they are read.

One line a file, ``file NAME seq NUMBER type b|h|i``: at most one base (an image of the data at one moment), the increments
that follow it (the commands since), and history, files that nothing reads any more and that are to be removed.

Source: the layout of Redis 7, "multi part AOF"; what is refused is what Redis and Valkey refuse, and more where a
line could mean two things.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from anystore.resp.requests import split_arguments

#: A line of a manifest has this many bytes at most, its end included.
LONGEST_LINE: Final = 1024
#: A manifest is small; whatever is larger than this is none. In bytes.
LARGEST: Final = 4 * 2**20

_LARGEST_NUMBER: Final = 2**63 - 1
_KINDS: Final = {"b": "base", "i": "increment", "h": "history"}


class ManifestError(Exception):
    """A manifest that cannot be gone by: what is wrong, and the line, from 1 on; 0 for the file as a whole."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the log: its name within the log's directory, and its number among those of its kind."""

    name: str
    number: int

    def line(self, kind: str) -> str:
        """The part as a line of the manifest, with its end."""
        name = self.name
        if any(character in " \"'\\" or not character.isprintable() for character in name):
            escaped = "".join(_escaped(byte) for byte in name.encode("utf-8", "surrogateescape"))
            name = f'"{escaped}"'
        return f"file {name} seq {self.number} type {kind}\n"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of the log: first the base, then the increments in this order; `history` is to be removed."""

    base: Part | None = None
    increments: tuple[Part, ...] = ()
    history: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is read at the start, in order."""
        return self.increments if self.base is None else (self.base, *self.increments)

    def format(self) -> bytes:
        """The manifest as the bytes of its file. O(files)."""
        lines = [] if self.base is None else [self.base.line("b")]
        lines += [part.line("h") for part in self.history]
        lines += [part.line("i") for part in self.increments]
        return "".join(lines).encode("utf-8", "surrogateescape")

    def next_increment(self, log_name: str) -> Part:
        """What the next increment of a log of this name is called."""
        number = 1 + max((part.number for part in (*self.increments, *self.history)), default=0)
        return Part(f"{log_name}.{number}.incr.aof", number)

    def next_base(self, log_name: str, is_image: bool = True) -> Part:
        """What the next base of a log of this name is called; it is an RDB file, or one of commands."""
        taken = self.history if self.base is None else (self.base, *self.history)
        number = 1 + max((part.number for part in taken), default=0)
        return Part(f"{log_name}.{number}.base.{'rdb' if is_image else 'aof'}", number)

    def with_increment(self, part: Part) -> Manifest:
        """This manifest with one more increment behind the others."""
        return replace(self, increments=(*self.increments, part))

    def with_base(self, base: Part, kept: Part | None) -> Manifest:
        """A new base in place of the one that is there and of all increments before `kept`: those are history.

        All of them are where `kept` is None.
        """
        position = len(self.increments) if kept is None else self.increments.index(kept)
        outdated = (() if self.base is None else (self.base,)) + self.increments[:position]
        return Manifest(base, self.increments[position:], (*self.history, *outdated))

    def without_history(self) -> Manifest:
        """This manifest once the files of its history have been removed."""
        return replace(self, history=())


def parse_manifest(data: bytes) -> Manifest:
    """Read the bytes of a manifest's file. O(bytes). Raises `ManifestError`, which names the line at fault."""
    if not data:
        raise ManifestError(0, "the manifest is empty")
    if len(data) > LARGEST:
        raise ManifestError(0, f"the manifest has {len(data)} bytes, over {LARGEST}")
    if not data.endswith(b"\n"):
        raise ManifestError(data.count(b"\n") + 1, "the line has no end: the manifest is cut short")
    base: Part | None = None
    parts: dict[str, list[Part]] = {"i": [], "h": []}
    names: set[str] = set()
    for number, line in enumerate(data[:-1].split(b"\n"), 1):
        if line.startswith(b"#"):
            continue
        try:
            part, kind = _parse_line(line)
            if part.name in names:
                raise ValueError(f"the file {part.name!r} is there already")
            names.add(part.name)
            if kind == "b":
                if base is not None:
                    raise ValueError("there is a base file already")
                base = part
            else:
                before = parts[kind]
                if kind == "i" and before and part.number <= before[-1].number:
                    raise ValueError("the numbers of increments do not rise")
                before.append(part)
        except ValueError as error:
            raise ManifestError(number, str(error)) from None
    return Manifest(base, tuple(parts["i"]), tuple(parts["h"]))


def _parse_line(line: bytes) -> tuple[Part, str]:
    """The part that a line names, and its kind: b, i or h. `ValueError` where it names none."""
    if len(line) >= LONGEST_LINE:
        raise ValueError(f"the line has more than {LONGEST_LINE - 1} bytes")
    words = split_arguments(line.strip(b" \t\r"))
    if words is None:
        raise ValueError("its quotes are not balanced")
    if len(words) < 6 or len(words) % 2:
        raise ValueError("want file NAME seq NUMBER type b|h|i")
    # Words of later versions, which this one does not know, come in pairs as well, and are passed over.
    given: dict[bytes, bytes] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        if given.setdefault(name.lower(), value) != value:
            raise ValueError(f"{_text(name)} is given twice")
    if not given.keys() >= {b"file", b"seq", b"type"}:
        raise ValueError("want file NAME seq NUMBER type b|h|i")
    file, kind = _text(given[b"file"]), _text(given[b"type"])
    if not file or "/" in file or "\\" in file or "\0" in file or file in (".", ".."):
        raise ValueError(f"{file!r} is no name of a file: want one without a path")
    if kind not in _KINDS:
        raise ValueError(f"type {kind!r}: want b (base), h (history) or i (increment)")
    digits = given[b"seq"]
    if not digits.isdigit() or len(digits) > 19 or not 0 < int(digits) <= _LARGEST_NUMBER:
        raise ValueError(f"seq {_text(digits)!r}: want a number from 1 on")
    return Part(file, int(digits)), kind


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _escaped(byte: int) -> str:
    if byte in b'\\"':
        return f"\\{byte:c}"
    return f"{byte:c}" if 32 <= byte < 127 else f"\\x{byte:02x}"
