"""The image that a replica gets before its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anystore.pulsards.identity import REDIS_VERSION
from anystore.pulsards.persistence.place import Place
from anystore.pulsards.persistence.rdb import FileWriter, lowest_version
from anystore.pulsards.persistence.snapshot import Snapshot

#: The first version that Valkey reads files of its own kind in.
_FIRST_VALKEY: Final = 9

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication.history import History
    from anystore.pulsards.replication.transfer import Image, Kind


def reads_valkeys_form(version: bytes) -> bool:
    """Whether a replica reads files of Valkey's own kind, by the version that it has told.

    Only Valkey, from 8.0 on, and pulsards tell one.
    """
    major, _, _ = version.partition(b".")
    return major.isdigit() and int(major) >= _FIRST_VALKEY


def new_image(engine: Engine, history: History, selected: int, kind: Kind) -> Image:
    """An image of what is wanted as it is now, which is where the stream is now, in the database `selected`."""
    return Snapshot(
        engine,
        FileWriter(
            lowest_version(engine.keyspace, kind.for_valkey),
            checksum=engine.config.values["rdbchecksum"],
            compress=engine.config.values["rdbcompression"],
            limits=engine.config.encoding_limits,
        ),
        {
            b"redis-ver": REDIS_VERSION,
            b"redis-bits": b"64",
            b"ctime": b"%d" % (engine.keyspace.now // 1000),
            **Place(history.id, history.offset, selected).fields(),
            b"aof-base": b"0",
        },
        keys=kind.keys,
        functions=kind.functions,
    )
