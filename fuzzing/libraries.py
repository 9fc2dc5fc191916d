"""Libraries of functions with faults: as code, and as what FUNCTION DUMP gives."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from fuzzing.connection import Closed
from fuzzing.server import Call, Fault, ServerUnderTest
from fuzzing.streams import faulty, serialised
from tests.pulsards.call_values import LIBRARIES

_SOURCES: Final = (
    *LIBRARIES,
    b"#!lua name=all\nlocal t = {} redis.register_function('f', function(k, a) t[#t + 1] = a return #t end)\n"
    b"redis.register_function{function_name='g', callback=function() return redis.call('INCR', 'n') end, "
    b"description='x', flags={'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'}}\n"
    b"redis.log(redis.LOG_WARNING, 'loaded') redis.setresp(3)",
    b"#!lua name=many\nfor i = 1, 50 do redis.register_function('f' .. i, function() return i end) end",
)
_NAMES: Final = ("echo", "get", "put", "f", "g", "f7")
_HOW: Final = ("FLUSH", "APPEND", "REPLACE")


def by_library(server: ServerUnderTest, random: Random) -> Iterator[int]:
    """Libraries with faults are loaded, or refused; what is loaded is called, listed and dumped."""
    client = server.connect()
    dumps: list[bytes] = []
    for source in _SOURCES:
        server.control("FUNCTION", "FLUSH")
        if not isinstance(server.control("FUNCTION", "LOAD", source), Exception):
            dumps.append(server.control("FUNCTION", "DUMP"))
    while True:
        if random.randrange(2):
            first: Call = (
                "FUNCTION",
                "LOAD",
                *random.choice((("REPLACE",), ())),
                faulty(random, random.choice(_SOURCES)),
            )
        else:
            first = ("FUNCTION", "RESTORE", serialised(random, random.choice(dumps)), random.choice(_HOW))
        calls: list[Call] = [
            first,
            ("FUNCTION", "LIST", "WITHCODE"),
            ("FUNCTION", "DUMP"),
            ("FUNCTION", "STATS"),
        ]
        for command in ("FCALL", "FCALL_RO"):
            calls.append((command, random.choice(_NAMES), random.randrange(3), "k", "x", "y"))
        calls.append(("FUNCTION", "DELETE", "lib"))
        if random.randrange(20) == 0:
            calls.append(("FUNCTION", "FLUSH"))
        try:
            for call in calls:
                client.send(*call)
            server.check(scripts=True)
            client.received()
        except (Closed, OSError):
            client = server.connect()
        except Fault as fault:
            raise Fault(f"{first!r}, then its uses: {fault}") from None
        yield 1
