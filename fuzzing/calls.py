"""Made-up calls of every command, a good part of them with hostile arguments."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from random import Random
from typing import Final

from tests.pulsards.call_values import HOSTILE, Pool, commands_of_pulsards, world
from tests.pulsards.calls import Call, CallMaker

#: What would end the server, or the answers to a bystander, by what it is for.
LEFT_OUT: Final = (
    *(
        "shutdown",
        "debug",
        "failover",
        "replicaof",
        "slaveof",
        "psync",
        "sync",
        "replconf",
        "migrate",
        "monitor",
    ),
    *(
        "client|pause",
        "script|debug",
        "client|kill",
        "config|set",
        "config|rewrite",
        "acl|setuser",
        "acl|deluser",
        "acl|load",
    ),
    *("acl|save", "save", "bgsave", "bgrewriteaof"),
)

#: Numbers that hurt.
NUMBERS: Final[Pool] = (
    *(b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"4611686018427387904"),
    *(b"-4611686018427387904", b"18446744073709551615", b"4294967295", b"-4294967296", b"2147483648", b"-1"),
    *(
        b"536870912",
        b"536870911",
        b"4294967296",
        b"1e308",
        b"9" * 5000,
        b"-" + b"9" * 400,
        b"0x7fffffff",
        b"1e-400",
    ),
)
#: Texts that hurt.
TEXTS: Final[Pool] = (
    *(
        b"",
        b"\0",
        b"\xff" * 100,
        b"x" * 100_000,
        b"\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"%s%n",
        b"nan",
        b"-nan",
        b"inf",
    ),
    *(
        b"-inf",
        b"(",
        b"[",
        b"+",
        b"-",
        b"$",
        b">",
        b"~",
        b"*" * 1000,
        b"[a-" * 1000,
        b"a*" * 500,
        b"\\" * 999,
    ),
)

_WORSE: Final = {
    **{name: (*values, *TEXTS) for name, values in HOSTILE.items()},
    "integer": (*HOSTILE["integer"], *NUMBERS, *TEXTS),
    "double": (*HOSTILE["double"], *NUMBERS, b"nan", b"1" * 5000),
    "count": (*NUMBERS, *TEXTS),
    "string": (*HOSTILE["string"], *TEXTS),
}


def made_up(random: Random) -> Iterator[Call]:
    """Calls without an end, of the same ones for the same state of `random`."""
    commands = [
        name for name in commands_of_pulsards() if not any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)
    ]
    for command in world(commands):
        yield [word if isinstance(word, bytes) else str(word).encode() for word in command]
    maker = CallMaker(random.randrange, commands, hostile=_WORSE, hostility=25)
    while True:
        call = maker.call()
        yield maker.passed_on(call) if maker.chance(3) else call
