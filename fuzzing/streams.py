"""Made-up bytes: requests, and serialised values, with something wrong about them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

import hiredis

from fuzzing.attacks import sealed
from fuzzing.calls import made_up
from fuzzing.server import Call

#: What means something to a parser of requests.
_MARKS: Final = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"*",
        b"$",
        b"*1\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"\0",
        b'"',
        b"'",
    ),
    *(
        b"*2147483647\r\n",
        b"*2147483648\r\n",
        b"$536870912\r\n",
        b"$16777216\r\n",
        b"$16777217\r\n",
        b"\\x",
        b"+OK\r\n",
    ),
    *(
        b"$99999999999999999999\r\n",
        b"*9" + b"9" * 70_000,
        b":1\r\n",
        b"%1\r\n",
        b"~1\r\n",
        b"_\r\n",
        b" " * 1000,
    ),
)


def faulty(random: Random, data: bytes) -> bytes:
    """The bytes with up to four faults: changed, taken out, put in, or cut off."""
    found = bytearray(data)
    for _ in range(random.randrange(1, 5)):
        place = random.randrange(len(found) + 1)
        how = random.randrange(6)
        if how == 0 and place < len(found):
            found[place] = random.randrange(256)
        elif how == 1:
            del found[place : place + random.randrange(1, 9)]
        elif how == 2:
            found[place:place] = random.choice(_MARKS)
        elif how == 3:
            found[place:place] = random.randbytes(random.randrange(1, 9))
        elif how == 4:
            found[place:place] = found[place : place + random.randrange(1, 200)]
        else:
            del found[place:]
    return bytes(found)


def requests(random: Random) -> Iterator[list[bytes]]:
    """What one connection after the other sends, in pieces."""
    calls = made_up(random)
    while True:
        data = b"".join(hiredis.pack_command(tuple(call)) for call in islice(calls, random.randrange(1, 30)))
        if random.randrange(8) == 0:
            data = b" ".join(next(calls)).replace(b"\n", b"") + b"\r\n" + data
        data = faulty(random, data)
        pieces = []
        while data:
            size = random.choice((1, 7, 100, 1000, 100_000))
            pieces.append(data[:size])
            data = data[size:]
            if len(pieces) == 40:
                pieces.append(data)
                break
        yield pieces


def serialised(random: Random, dumped: bytes) -> bytes:
    """A value that DUMP gave, with faults in it, and a checksum that is right nevertheless."""
    return sealed(faulty(random, dumped[:-10]), random.choice((9, 10, 10, 10, 11)))


def _values() -> Iterator[Call]:
    yield ("SET", "value", "a string")
    yield ("SET", "value", "12345")
    yield ("SET", "value", "abc" * 100)
    yield ("RPUSH", "value", *"abcde", "x" * 100, 1234)
    yield ("RPUSH", "value", *range(300), "y" * 9000)
    yield ("SADD", "value", 1, 2, 3, 70000, 2**40)
    yield ("SADD", "value", *"abc")
    yield ("SADD", "value", *(f"member {number}" for number in range(300)))
    yield ("ZADD", "value", 1, "a", 2.5, "b", "-inf", "c")
    yield ("ZADD", "value", *(part for number in range(300) for part in (number, f"m{number}")))
    yield ("HSET", "value", *"abcdef")
    yield ("HSET", "value", *range(1400))
    yield ("PFADD", "value", *range(100))
    yield ("PFADD", "value", *range(20_000))
    stream = "for i = 1, 300 do redis.call('XADD', 'value', i .. '-1', 'f', i) end "
    group = (
        "redis.call('XGROUP', 'CREATE', 'value', 'g', '0') redis.call('XDEL', 'value', '7-1') "
        "redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 20, 'STREAMS', 'value', '>')"
    )
    yield ("EVAL", stream + group, 0)
    fields = (
        "redis.call('HSET', 'value', 'a', 1, 'b', 2) redis.call('HEXPIRE', 'value', 1000, 'FIELDS', 1, 'a')"
    )
    yield ("EVAL", fields, 0)


#: What makes a value of each encoding, under the key `value`.
VALUES: Final = tuple(_values())
