"""Checks append-only files: single ones, and the parts that a manifest names; and cuts off what is damaged, when told to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from anystore.pulsards.check.contents import Contents, shown
from anystore.pulsards.check.progress import ProgressBar
from anystore.pulsards.commands import load as load_commands
from anystore.pulsards.effects.newer import in_known_words
from anystore.pulsards.errors import CommandError
from anystore.pulsards.persistence.aof.manifest import Manifest, ManifestError, parse_manifest
from anystore.pulsards.persistence.aof.records import AofError, Record, RecordReader
from anystore.pulsards.persistence.rdb import MAGICS, End, FileReader, RdbError
from anystore.pulsards.persistence.storage import (
    DRAFT_SUFFIX,
    LOCK_NAME,
    DirectoryInUse,
    DirectoryStorage,
    sync_folder,
)
from anystore.pulsards.registry import build_table, resolve

#: What the end of a name says of a part that is no longer one, because it followed what was cut off.
CUT_OFF: Final = ".cut-off"
_PIECE: Final = 1 << 18
#: So many of the most frequent commands are told.
_TOLD: Final = 20

#: Asked before anything is changed, with what is to be done; False leaves it.
Permit = Callable[[str], bool]


class _Scan:
    """What one file holds, and how far it can be gone by."""

    def __init__(self, path: Path, terminal: TextIO) -> None:
        self.size = path.stat().st_size
        self.valid = 0
        self.damage: str | None = None
        self.damaged_at = 0
        #: The image that the file begins with.
        self.image: Contents | None = None
        #: Whether what is wrong is in the image, of which no part can be used.
        self.is_in_image = False
        self.commands: dict[bytes, int] = {}
        self.units = 0
        self.timestamp: int | None = None
        self._unit_began: int | None = None
        load_commands()
        self._table = build_table()
        progress = ProgressBar(terminal, self.size)
        try:
            self._read(path, progress)
        finally:
            progress.clear()

    @property
    def is_sound(self) -> bool:
        return self.damage is None and self.valid == self.size

    @property
    def fault(self) -> str:
        """What is wrong, and where."""
        if self.damage is not None:
            within = (
                f", in a transaction that begins at byte {self.valid:,}"
                if self._unit_began is not None
                else ""
            )
            return f"damaged at byte {self.damaged_at:,} of {self.size:,}: {self.damage}{within}"
        return f"cut short: {self.valid:,} of {self.size:,} bytes are whole"

    def _read(self, path: Path, progress: ProgressBar) -> None:
        with path.open("rb") as file:
            reader = RecordReader()
            try:
                # A few letters of an image are an image cut short, and no records.
                begin = file.read(6)
                file.seek(0)
                if begin.startswith(MAGICS) or (begin and any(magic.startswith(begin) for magic in MAGICS)):
                    rest = self._read_image(iter(lambda: file.read(_PIECE), b""))
                    reader = RecordReader(self.valid)
                    self._take(reader, reader.feed(rest))
                while piece := file.read(_PIECE):
                    self._take(reader, reader.feed(piece))
                    progress.show(file.tell())
                records, _ = reader.finish()
                self._take(reader, records)
            except AofError as error:
                self.valid = self.damaged_at = error.offset
                self.damage = error.reason
            except RdbError as error:
                self.valid = self.damaged_at = error.offset or 0
                self.damage, self.is_in_image = error.reason, True
        if self._unit_began is not None:
            # A transaction without its end is cut off with whatever follows its beginning.
            self.valid = self._unit_began

    def _read_image(self, pieces: Iterator[bytes]) -> bytes:
        """Read the image; what follows it in its last piece."""
        image, self.image = FileReader(), Contents()
        for piece in pieces:
            for event in image.feed(piece):
                self.image.take(event)
                if type(event) is End:
                    self.valid = image.offset
            if image.finished:
                return image.leftover
        image.finish()
        return b""

    def _take(self, reader: RecordReader, records: list[Record]) -> None:
        start = self.valid
        for end, arguments in records:
            name = arguments[0].lower()
            if name == b"multi":
                if self._unit_began is not None:
                    raise AofError(start, "a MULTI within a MULTI")
                self._unit_began = start
            elif name == b"exec":
                if self._unit_began is None:
                    raise AofError(start, "an EXEC without a MULTI")
                self._unit_began = None
                self.units += 1
            elif name == b"select":
                # How many there are is the server's own affair.
                if len(arguments) != 2 or not arguments[1].isdigit():
                    raise AofError(start, "a SELECT that names no database")
            else:
                self._resolve(start, arguments)
                self.commands[name] = self.commands.get(name, 0) + 1
            start = end
        self.valid = reader.offset
        self.timestamp = reader.timestamp

    def _resolve(self, offset: int, arguments: list[bytes]) -> None:
        """A server refuses a log with a command that it cannot run. Raises `AofError`."""
        try:
            resolve(self._table, arguments)
        except CommandError as error:
            if in_known_words(arguments) is None:
                reason = error.message.removeprefix(b"ERR ").decode("utf-8", "replace")
                raise AofError(offset, f"a command that cannot be run: {reason}") from None

    def report(self) -> Iterator[str]:
        """Lines that say what is in the file."""
        if self.image is not None:
            yield f"an RDB image: {self.image.keys:,} keys"
            yield from self.image.report()
        if self.timestamp is not None:
            yield f"  written until {self.timestamp} (seconds since 1970)"
        if self.units:
            yield f"  transactions: {self.units:,}"
        ordered = sorted(self.commands.items(), key=lambda item: (-item[1], item[0]))
        for name, count in ordered[:_TOLD]:
            yield f"  {shown(name)}: {count:,}"
        if len(ordered) > _TOLD:
            yield f"  and {len(ordered) - _TOLD:,} commands more"


def check_log_file(path: Path, out: TextIO, terminal: TextIO, permit: Permit | None = None) -> bool:
    """Write to `out` what is to be said of one append-only file; whether it is sound, or has been made so.

    It is read to its end in bounded memory. With a `permit`, what is behind its last whole record is cut off.
    """
    scan = _told(path, out, terminal)
    if scan.is_sound:
        return True
    return permit is not None and _repair(path, scan, out, permit)


def check_manifest(path: Path, out: TextIO, terminal: TextIO, permit: Permit | None = None) -> bool:
    """Write to `out` what is to be said of the log that a manifest names, part by part; whether all of it is sound.

    An increment may be cut short where only empty ones follow: that is what a crash leaves, and a server cuts it off by
    itself. With a `permit` the first part with a fault is cut off there, and what follows is taken out of the manifest.
    """
    try:
        manifest = parse_manifest(path.read_bytes())
    except ManifestError as error:
        print(f"{path}: the manifest is damaged: {error}", file=out)
        return False
    print(f"{path}: a log of {len(manifest.parts)} parts", file=out)
    for position, part in enumerate(manifest.parts):
        file = path.parent / part.name
        if not file.exists():
            print(f"{file}: is named by the manifest, and is not there", file=out)
            return False
        scan = _told(file, out, terminal)
        if scan.is_sound:
            continue
        # They go first: were they still named behind a part that is cut off, a server would carry them out.
        take_out = partial(_take_out, path, manifest, position + 1, out)
        return permit is not None and _repair(file, scan, out, permit, take_out)
    return True


def _told(path: Path, out: TextIO, terminal: TextIO) -> _Scan:
    scan = _Scan(path, terminal)
    about = f"sound, {scan.size:,} bytes" if scan.is_sound else scan.fault
    print(f"{path}: {about}, {sum(scan.commands.values()):,} commands", file=out)
    for line in scan.report():
        print(line, file=out)
    return scan


def _repair(
    path: Path, scan: _Scan, out: TextIO, permit: Permit, take_out: Callable[[], None] | None = None
) -> bool:
    """Cut a file off where its scan says, once `take_out` has seen to what follows it; whether it is sound now."""
    if scan.is_in_image:
        print(f"{path}: an image cannot be cut: nothing of it can be used", file=out)
        return False
    lost = scan.size - scan.valid
    if not permit(
        f"Cut {path} off at byte {scan.valid:,}? Its last {lost:,} bytes are lost, and what follows them."
    ):
        return False
    with ExitStack() as held:
        try:
            # A server that has the directory would go on writing behind the cut.
            for folder in (path.resolve().parent, path.resolve().parent.parent):
                if (folder / LOCK_NAME).exists():
                    held.enter_context(closing(DirectoryStorage(str(folder))))
        except DirectoryInUse as error:
            print(f"{path}: nothing is changed: {error}", file=out)
            return False
        if take_out is not None:
            take_out()
        with path.open("r+b") as file:
            file.truncate(scan.valid)
            os.fsync(file.fileno())
    print(f"{path}: cut off at byte {scan.valid:,}", file=out)
    return True


def _take_out(path: Path, manifest: Manifest, kept: int, out: TextIO) -> None:
    """Leave only the first parts in the manifest; the files of the others get another name."""
    removed = manifest.parts[kept:]
    if not removed:
        return
    increments = tuple(part for part in manifest.increments if part not in removed)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    with draft.open("wb") as new:
        new.write(Manifest(manifest.base, increments, manifest.history).format())
        new.flush()
        os.fsync(new.fileno())
    draft.replace(path)
    sync_folder(str(path.parent))
    for part in removed:
        file = path.parent / part.name
        if file.exists():
            file.rename(file.with_name(file.name + CUT_OFF))
            print(
                f"{file}: followed what is cut off; it is {file.name + CUT_OFF} now, and no part of the log",
                file=out,
            )
