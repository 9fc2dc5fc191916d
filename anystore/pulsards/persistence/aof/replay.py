"""Loads one file of an append-only log: an RDB image first where it begins with one, then commands, each run again.

What stands between MULTI and EXEC is run when EXEC has been read, all of it or none: a file that ends before that ends, for
what is loaded, before MULTI.

Source: how Redis 7 and Valkey load their logs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from anystore.pulsards.applying import Applier
from anystore.pulsards.errors import CommandError, printable
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.persistence.aof.records import AofError, Record, RecordReader
from anystore.pulsards.persistence.place import Place, place_in_annotation
from anystore.pulsards.persistence.rdb import MAGICS, End, FileReader, Loader, RdbError
from anystore.resp.types import ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

logger = logging.getLogger("anystore.pulsards")

#: Commands that did nothing but give an error are named in the log up to this number, and counted from there on.
_ERRORS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Replayed:
    """What has become of a file: `valid` bytes of it were gone by, of `size`; `timestamp` is the last one it holds.

    `commands` were run, and `errors` of them refused. `place` is where in a history the data are, if the last line says so.
    """

    valid: int
    size: int
    commands: int
    errors: int
    timestamp: int | None
    place: Place | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the file ends in the middle of something: what is behind `valid` is to be cut off."""
        return self.valid < self.size


class Replayer:
    """Loads the bytes of one file into an engine, in pieces of any size."""

    def __init__(self, engine: Engine, name: str) -> None:
        """`name` is the file's, for the log."""
        self._engine = engine
        self._name = name
        self._head = b""
        self._image: FileReader | None = None
        self._loader: Loader | None = None
        self._records: RecordReader | None = None
        self._applier = Applier(engine)
        self._database = 0
        #: The commands since MULTI, with where they begin and their database; None outside.
        self._unit: list[tuple[int, int, list[bytes]]] | None = None
        self._valid = 0
        self._size = 0
        self._commands = 0
        self._errors = 0

    def feed(self, data: bytes) -> None:
        """Run what these bytes complete. Raises `AofError` with the offset of what cannot be gone by."""
        self._size += len(data)
        if self._records is not None:
            self._run(self._records.feed(data))
            return
        if self._image is None:
            data = self._head + data
            if any(len(data) < len(magic) and magic.startswith(data) for magic in MAGICS):
                self._head = data
                return
            self._head = b""
            if not data.startswith(MAGICS):
                self._records = self._new_reader(0)
                self._run(self._records.feed(data))
                return
            self._image, self._loader = FileReader(), Loader(self._engine, keep_expired=True)
        self._load_image(self._image, data)

    def _new_reader(self, offset: int) -> RecordReader:
        return RecordReader(offset, self._engine.config.proto_max_bulk_len)

    def _load_image(self, image: FileReader, data: bytes) -> None:
        assert self._loader is not None
        try:
            for event in image.feed(data):
                if type(event) is End:
                    rest = image.leftover
                    self._valid = self._size - len(rest)
                    self._records = self._new_reader(self._valid)
                    self._run(self._records.feed(rest))
                    return
                self._loader.take(event)
        except RdbError as error:
            raise _image_error(image, error) from error

    def finish(self) -> Replayed:
        """The file has ended: run what is left, and tell how far it was gone by. Raises `AofError`."""
        if self._records is None and self._size:
            image = FileReader() if self._image is None else self._image
            try:
                # Some of the letters that an image begins with are an image cut short: no record begins so.
                list(image.feed(self._head))
                image.finish()
            except RdbError as error:
                raise _image_error(image, error) from error
        timestamp = place = None
        if self._records is not None:
            records, _ = self._records.finish()
            self._run(records)
            timestamp = self._records.timestamp
            if self._unit is None:
                # Annotations are valid as well: the reader knows of them, the records do not.
                self._valid = self._records.offset
            remark = self._records.remark
            if remark is not None and remark[0] == self._valid == self._size:
                place = place_in_annotation(remark[1])
        if self._errors:
            logger.warning(
                "%s: %d commands of %d were refused, as they may have been when they were first run",
                *(self._name, self._errors, self._commands),
            )
        return Replayed(self._valid, self._size, self._commands, self._errors, timestamp, place)

    def _run(self, records: list[Record]) -> None:
        start = self._valid
        for end, arguments in records:
            name = arguments[0].lower()
            if name == b"multi":
                if self._unit is not None:
                    raise AofError(start, "a MULTI within a MULTI")
                self._unit = []
            elif name == b"exec":
                if self._unit is None:
                    raise AofError(start, "an EXEC without a MULTI")
                unit, self._unit = self._unit, None
                for begin, database, command in unit:
                    self._apply(begin, database, command)
            elif name == b"select":
                self._database = self._selected(start, arguments)
            elif self._unit is not None:
                self._unit.append((start, self._database, arguments))
            else:
                self._apply(start, self._database, arguments)
            start = end
            if self._unit is None:
                self._valid = end

    def _selected(self, offset: int, arguments: list[bytes]) -> int:
        index = parse_integer(arguments[1]) if len(arguments) == 2 else None
        if index is None or not 0 <= index < len(self._engine.keyspace.databases):
            shown = printable(b" ".join(arguments[1:])).decode("utf-8", "replace")
            count = len(self._engine.keyspace.databases)
            reason = f"there is no database {shown!r}: the directive databases says {count}"
            raise AofError(offset, reason, "" if index is None or index < 0 else "Set databases higher")
        return index

    def _apply(self, offset: int, database: int, arguments: list[bytes]) -> None:
        self._commands += 1
        reply = self._applier.run(arguments, database)
        if type(reply) is not ErrorReply:
            return
        try:
            self._engine.resolve_plainly(arguments)
        except CommandError as error:
            reason = error.message.removeprefix(b"ERR ").decode("utf-8", "replace")
            raise AofError(offset, f"a command that cannot be run: {reason}") from None
        self._errors += 1
        if self._errors <= _ERRORS_SHOWN:
            logger.warning(
                "%s: %s, which ends before byte %d, was refused: %s",
                self._name,
                printable(arguments[0]).decode("utf-8", "replace"),
                self._records.offset if self._records is not None else offset,
                reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply,
            )


def _image_error(image: FileReader, error: RdbError) -> AofError:
    offset = image.offset if error.offset is None else error.offset
    return AofError(
        offset,
        f"in the RDB image: {error.reason}",
        "No part of an image can be used alone: take the folder from a copy, or the data from a replica",
    )
