"""The image that a replica gets before its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anystore.pulsards.identity import REDIS_VERSION
from anystore.pulsards.persistence.rdb import FileWriter, lowest_version
from anystore.pulsards.persistence.snapshot import Snapshot

#: The first version that Valkey reads files of its own kind in.
_FIRST_VALKEY: Final = 9

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication.followers import Image
    from anystore.pulsards.replication.history import History


def new_image(engine: Engine, history: History, selected: int, version: bytes) -> Image:
    """An image of all data as they are now, which is where the stream is now, in the database `selected`.

    `version` is what the replica said of itself: only Valkey's, from 8.0 on, and pulsards do.
    """
    major, _, _ = version.partition(b".")
    for_valkey = major.isdigit() and int(major) >= _FIRST_VALKEY
    return Snapshot(
        engine,
        FileWriter(
            lowest_version(engine.keyspace, for_valkey),
            checksum=engine.config.values["rdbchecksum"],
            compress=engine.config.values["rdbcompression"],
            limits=engine.config.encoding_limits,
        ),
        {
            b"redis-ver": REDIS_VERSION,
            b"redis-bits": b"64",
            b"ctime": b"%d" % (engine.keyspace.now // 1000),
            b"repl-stream-db": b"%d" % selected,
            b"repl-id": history.id,
            b"repl-offset": b"%d" % history.offset,
            b"aof-base": b"0",
        },
    )
