"""Reading RDB files, in whatever pieces they come: bytes in, events out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb.events import (
    Aux,
    End,
    Entry,
    Event,
    FunctionSource,
    Header,
    SelectedDatabase,
    Sizes,
    Skipped,
)
from anystore.pulsards.persistence.rdb.extents import Extent
from anystore.pulsards.persistence.rdb.file_format import (
    FIRST_VERSION_WITH_CHECKSUM,
    LAST_REDIS_VERSION,
    MAGIC_BYTES,
    REDIS_MAGIC,
    VALKEY_MAGIC,
    ModulePart,
    Opcode,
    module_name,
)
from anystore.pulsards.persistence.rdb.primitives import UINT64, EmptyValue, RdbError, RdbReader, Shortage
from anystore.pulsards.persistence.rdb.types import VALKEY_RDB_VERSION, ValueType, read_content

_FIRST_OPCODE: Final = min(Opcode)
_FIRST_VERSION_WITH_KEY_METADATA: Final = 13


class FileReader:
    """Reads one RDB file of Redis (versions 1 to 15) or Valkey (11, 80).

    Of the versions from 14 on (Redis 8.8 and later), arrays and compact hashes are refused.

    Nothing in it is trusted: what Redis would not write raises RdbError, which tells the byte. Lengths cost no memory
    before the bytes are there; what is kept is the entry that is being read, and no more than one piece behind it.
    """

    def __init__(self, verify: bool = True) -> None:
        """`verify`: compare the check sum, if the file has one."""
        self.version = 0
        self.finished = False
        #: What came behind the end of the file; only complete once `feed` has been exhausted.
        self.leftover = b""
        self._verify = verify
        self._base = 0  # where in the file the data at hand begins
        self._position = 0  # what of it has been read
        self._crc = 0
        self._extent: Extent | None = None
        self._database = 0
        self._expires_at: int | None = None
        self._idle: int | None = None
        self._frequency: int | None = None

    @property
    def offset(self) -> int:
        """How many bytes of the file have been read."""
        return self._base + self._position

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that the next bytes of the file bring: to be exhausted before the next call. Amortised O(n).

        Raises RdbError where the file is damaged, after the events in front of that.
        """
        if self.finished:
            self.leftover += data
            return
        whole = 0  # the end of a record of which all bytes are known to be there
        if self._extent is not None:
            try:
                if not self._extent.add(data):
                    return
            except RdbError as error:
                raise RdbError(error.reason, self._base + self._extent.position) from None
            data, whole = bytes(self._extent.data), self._extent.position
            self._extent = None
        yield from self._read(data, whole)

    def finish(self) -> None:
        """To be called when there are no more bytes. Raises RdbError if the file has not come to its end."""
        if not self.finished:
            held = 0 if self._extent is None else len(self._extent.data)
            raise RdbError("the file is cut short", self.offset + held)

    def _read(self, data: bytes, whole: int) -> Iterator[Event]:
        end = len(data)
        position = self._position = 0
        reader = RdbReader(data, 0, whole or end)
        while position < end:
            try:
                event = self._header(reader) if not self.version else self._record(reader)
            except Shortage as shortage:
                if whole:
                    raise RdbError(shortage.reason, self._base + reader.position) from None
                self._crc = crc64(data[:position], self._crc)
                self._base += position
                self._position = 0
                self._await_more(data[position:])
                return
            except RdbError as error:
                raise RdbError(error.reason, self._base + reader.position) from None
            if whole:
                whole = 0
                reader = RdbReader(data, reader.position)
            start, position = position, reader.position
            self._position = position
            if event is None:
                continue
            if isinstance(event, End):
                self._end(event, memoryview(data)[: start + 1])
                self._base += position
                self._position = 0
                self.leftover = data[position:]
                yield event
                return
            yield event
        self._crc = crc64(data, self._crc)
        self._base += position
        self._position = 0

    def _await_more(self, data: bytes) -> None:
        try:
            self._extent = Extent(data, self.version)
        except RdbError as error:
            raise RdbError(error.reason, self._base) from None
        if self._extent.is_whole:
            # All of it is there, and still too short for what it says of itself.
            raise RdbError("lengths contradict each other", self._base)

    def _header(self, reader: RdbReader) -> Header:
        magic = reader.take(MAGIC_BYTES)
        is_valkey = magic.startswith(VALKEY_MAGIC)
        digits = magic[len(VALKEY_MAGIC if is_valkey else REDIS_MAGIC) :]
        if not (is_valkey or magic.startswith(REDIS_MAGIC)) or not digits.isdigit():
            raise RdbError("this is not an RDB file")
        version = int(digits)
        if version != VALKEY_RDB_VERSION if is_valkey else not 1 <= version <= LAST_REDIS_VERSION:
            name = "Valkey" if is_valkey else "Redis"
            raise RdbError(f"version {version} of {name}'s RDB files is not understood")
        self.version = version
        return Header(version, is_valkey)

    def _record(self, reader: RdbReader) -> Event | None:
        start = reader.position
        kind = reader.byte()
        if kind >= _FIRST_OPCODE:
            return _RECORDS[kind](self, reader)
        if kind in (ValueType.MODULE, ValueType.MODULE_2):
            key = reader.string()
            name = module_name(reader.length())
            raise RdbError(f"the key {key!r} holds a value of the module type {name}, which cannot be read")
        key = reader.string()
        about = self._expires_at, self._idle, self._frequency
        try:
            value = read_content(reader, kind, self.version)
        except EmptyValue:
            # Redis passes over such a key, too: some of its versions saved them by mistake.
            self._expires_at = self._idle = self._frequency = None
            return Skipped("a key without a value")
        self._expires_at = self._idle = self._frequency = None
        return Entry(self._database, key, value, *about, reader.position - start)

    def _end(self, event: End, rest: memoryview) -> None:
        self._crc = crc64(rest, self._crc)
        if self._verify and event.checksum and event.checksum != self._crc:
            raise RdbError(
                f"the check sum is {event.checksum:#018x}, and should be {self._crc:#018x}", self.offset
            )
        self.finished = True

    # Records other than entries

    def _read_end(self, reader: RdbReader) -> End:
        if self.version < FIRST_VERSION_WITH_CHECKSUM:
            return End(0)
        return End(int(UINT64.unpack(reader.take(8))[0]))

    def _read_database(self, reader: RdbReader) -> SelectedDatabase:
        self._database = reader.length()
        return SelectedDatabase(self._database)

    def _read_sizes(self, reader: RdbReader) -> Sizes:
        return Sizes(reader.length(), reader.length())

    def _read_aux(self, reader: RdbReader) -> Aux:
        return Aux(reader.string(), reader.string())

    def _read_function(self, reader: RdbReader) -> FunctionSource:
        return FunctionSource(reader.string())

    def _refuse_function(self, reader: RdbReader) -> None:
        raise RdbError("functions of a release candidate of Redis 7.0 cannot be read")

    def _read_expires_ms(self, reader: RdbReader) -> None:
        self._expires_at = self._moment(reader.milliseconds())

    def _read_expires(self, reader: RdbReader) -> None:
        self._expires_at = self._moment(1000 * int.from_bytes(reader.take(4), "little", signed=True))

    def _moment(self, milliseconds: int) -> int | None:
        return None if milliseconds == -1 else milliseconds

    def _read_idle(self, reader: RdbReader) -> None:
        self._idle = reader.length()

    def _read_frequency(self, reader: RdbReader) -> None:
        self._frequency = reader.byte()

    def _skip_slot_info(self, reader: RdbReader) -> Skipped:
        for _ in range(3):
            reader.length()
        return Skipped("the sizes of a cluster's slot")

    def _skip_key_metadata_or_slot_import(self, reader: RdbReader) -> Skipped:
        if self.version >= VALKEY_RDB_VERSION:
            reader.string()
            count = reader.length()
            while count > 0:
                reader.length()
                reader.length()
                count -= 1
            return Skipped("slots on the move to a cluster's node")
        if self.version < _FIRST_VERSION_WITH_KEY_METADATA:
            raise RdbError(f"{Opcode.KEY_METADATA_OR_SLOT_IMPORT} begins nothing in version {self.version}")
        count = reader.length()
        while count > 0:
            reader.take(4)
            _skip_module_parts(reader)
            count -= 1
        return Skipped("what modules keep of single keys")

    def _skip_module(self, reader: RdbReader) -> Skipped:
        name = module_name(reader.length())
        _skip_module_parts(reader)
        return Skipped(f"data of the module {name}")


def _skip_module_parts(reader: RdbReader) -> None:
    while (part := reader.length()) != ModulePart.END:
        if part in (ModulePart.SIGNED, ModulePart.UNSIGNED):
            reader.length()
        elif part == ModulePart.STRING:
            reader.string()
        elif part in (ModulePart.FLOAT, ModulePart.DOUBLE):
            reader.take(4 if part == ModulePart.FLOAT else 8)
        else:
            raise RdbError(f"{part} is no part of a module's data")


_RECORDS: Final[dict[int, Callable[[FileReader, RdbReader], Event | None]]] = {
    Opcode.KEY_METADATA_OR_SLOT_IMPORT: FileReader._skip_key_metadata_or_slot_import,
    Opcode.SLOT_INFO: FileReader._skip_slot_info,
    Opcode.FUNCTION: FileReader._read_function,
    Opcode.FUNCTION_PRE_GA: FileReader._refuse_function,
    Opcode.MODULE_AUX: FileReader._skip_module,
    Opcode.IDLE: FileReader._read_idle,
    Opcode.FREQUENCY: FileReader._read_frequency,
    Opcode.AUX: FileReader._read_aux,
    Opcode.SIZES: FileReader._read_sizes,
    Opcode.EXPIRES_MILLISECONDS: FileReader._read_expires_ms,
    Opcode.EXPIRES_SECONDS: FileReader._read_expires,
    Opcode.DATABASE: FileReader._read_database,
    Opcode.END: FileReader._read_end,
}
