"""Redis' own format of data: RDB files, DUMP payloads, and the values that both are made of. Never pickle."""

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
from anystore.pulsards.persistence.rdb.file_format import MAGICS
from anystore.pulsards.persistence.rdb.file_reader import FileReader
from anystore.pulsards.persistence.rdb.file_writer import FileWriter, LargeEntry, lowest_version
from anystore.pulsards.persistence.rdb.large_values import is_large
from anystore.pulsards.persistence.rdb.loader import Loader
from anystore.pulsards.persistence.rdb.payload import PayloadMismatch, dump_payload, load_payload
from anystore.pulsards.persistence.rdb.primitives import RdbError, RdbReader, RdbWriter
from anystore.pulsards.persistence.rdb.types import (
    RDB_VERSION,
    Value,
    ValueType,
    read_value,
    write_value,
)

__all__ = (
    "MAGICS",
    "RDB_VERSION",
    "Aux",
    "End",
    "Entry",
    "Event",
    "FileReader",
    "FileWriter",
    "FunctionSource",
    "Header",
    "LargeEntry",
    "Loader",
    "PayloadMismatch",
    "RdbError",
    "RdbReader",
    "RdbWriter",
    "SelectedDatabase",
    "Sizes",
    "Skipped",
    "Value",
    "ValueType",
    "dump_payload",
    "is_large",
    "load_payload",
    "lowest_version",
    "read_value",
    "write_value",
)
