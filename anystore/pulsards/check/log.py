"""Checks append-only files: single ones, and the parts that a manifest names; and cuts off what is damaged, when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

from anystore.pulsards.check.contents import Contents, shown
from anystore.pulsards.check.progress import ProgressBar
from anystore.pulsards.persistence.aof.manifest import Manifest, ManifestError, parse_manifest
from anystore.pulsards.persistence.aof.records import AofError, Record, RecordReader
from anystore.pulsards.persistence.rdb import End, FileReader, RdbError
from anystore.pulsards.persistence.storage import LOCK_NAME, DirectoryInUse, DirectoryStorage

RDB_MAGIC: Final = (b"REDIS", b"VALKEY")
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
        #: The image that the file begins with.
        self.image: Contents | None = None
        #: Whether what is wrong is in the image, of which no part can be used.
        self.is_in_image = False
        self.commands: dict[bytes, int] = {}
        self.units = 0
        self.timestamps: list[int] = []
        self._unit_began: int | None = None
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
            return f"damaged at byte {self.valid:,} of {self.size:,}: {self.damage}"
        return f"cut short: {self.valid:,} of {self.size:,} bytes are whole"

    def _read(self, path: Path, progress: ProgressBar) -> None:
        with path.open("rb") as file:
            reader = RecordReader()
            try:
                if file.read(6).startswith(RDB_MAGIC):
                    file.seek(0)
                    rest = self._read_image(iter(lambda: file.read(_PIECE), b""))
                    reader = RecordReader(self.valid)
                    self._take(reader, reader.feed(rest))
                else:
                    file.seek(0)
                while piece := file.read(_PIECE):
                    self._take(reader, reader.feed(piece))
                    progress.show(file.tell())
                records, _ = reader.finish()
                self._take(reader, records)
            except AofError as error:
                self.valid, self.damage = error.offset, error.reason
            except RdbError as error:
                self.valid, self.damage, self.is_in_image = error.offset or 0, error.reason, True
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
            elif name != b"select":
                self.commands[name] = self.commands.get(name, 0) + 1
            start = end
        self.valid = reader.offset
        if reader.timestamp is not None:
            self.timestamps = [*self.timestamps[:1], reader.timestamp]

    def report(self) -> Iterator[str]:
        """Lines that say what is in the file."""
        if self.image is not None:
            yield f"an RDB image: {self.image.keys:,} keys"
            yield from self.image.report()
        if self.timestamps:
            yield f"  written until {self.timestamps[-1]} (seconds since 1970)"
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
        if permit is None or not _repair(file, scan, out, permit):
            return False
        _take_out(path, manifest, position + 1, out)
        break
    return True


def _told(path: Path, out: TextIO, terminal: TextIO) -> _Scan:
    scan = _Scan(path, terminal)
    about = f"sound, {scan.size:,} bytes" if scan.is_sound else scan.fault
    print(f"{path}: {about}, {sum(scan.commands.values()):,} commands", file=out)
    for line in scan.report():
        print(line, file=out)
    return scan


def _repair(path: Path, scan: _Scan, out: TextIO, permit: Permit) -> bool:
    if scan.is_in_image:
        print(f"{path}: an image cannot be cut: nothing of it can be used", file=out)
        return False
    lost = scan.size - scan.valid
    if not permit(
        f"Cut {path} off at byte {scan.valid:,}? Its last {lost:,} bytes are lost, and what follows them."
    ):
        return False
    held = []
    try:
        # A server that has the directory would go on writing behind the cut.
        for folder in (path.resolve().parent, path.resolve().parent.parent):
            if (folder / LOCK_NAME).exists():
                held.append(DirectoryStorage(str(folder)))
        with path.open("r+b") as file:
            file.truncate(scan.valid)
    except DirectoryInUse as error:
        print(f"{path}: nothing is changed: {error}", file=out)
        return False
    finally:
        for storage in held:
            storage.close()
    print(f"{path}: cut off at byte {scan.valid:,}", file=out)
    return True


def _take_out(path: Path, manifest: Manifest, kept: int, out: TextIO) -> None:
    """Leave only the first parts in the manifest; the files of the others get another name."""
    removed = manifest.parts[kept:]
    if not removed:
        return
    increments = tuple(part for part in manifest.increments if part not in removed)
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(Manifest(manifest.base, increments, manifest.history).format())
    draft.replace(path)
    for part in removed:
        file = path.parent / part.name
        if file.exists():
            file.rename(file.with_name(file.name + CUT_OFF))
            print(
                f"{file}: followed what is cut off; it is {file.name + CUT_OFF} now, and no part of the log",
                file=out,
            )
