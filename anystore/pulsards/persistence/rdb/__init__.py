"""Redis' own format of values: DUMP payloads, and the parts of which RDB files are made. Never pickle."""

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
    "RDB_VERSION",
    "PayloadMismatch",
    "RdbError",
    "RdbReader",
    "RdbWriter",
    "Value",
    "ValueType",
    "dump_payload",
    "load_payload",
    "read_value",
    "write_value",
)
