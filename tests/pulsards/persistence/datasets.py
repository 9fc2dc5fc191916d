"""Random data in which there is something of everything that Redis can hold, and the forms in which a file holds it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from anystore.pulsards.persistence.rdb import RdbReader, ValueType
from anystore.pulsards.persistence.rdb.extents import Extent, Number, Walk
from anystore.pulsards.persistence.rdb.file_format import MAGIC_BYTES, Opcode
from tests.pulsards.peers import Argument

Command = tuple[Argument, ...]

#: In milliseconds since 1970: so late that nothing expires while a test runs.
LATE: Final = 4_000_000_000_000
#: The databases that a data set is spread over.
DATABASES: Final = (0, 3, 15)


class DataSet:
    """Commands that make a data set, for any server; other ones for each number."""

    def __init__(self, number: int, fields_expire: bool) -> None:
        """`fields_expire`: the server knows fields of hashes that expire."""
        self._chance = random.Random(number)
        self._fields_expire = fields_expire

    def commands(self) -> list[Command]:
        """All of it. Keys and values are other bytes in each database."""
        found: list[Command] = [("FLUSHALL",), ("FUNCTION", "FLUSH")]
        for number in range(self._chance.randint(1, 3)):
            found.append(("FUNCTION", "LOAD", self._library(number)))
        for index in DATABASES:
            found.append(("SELECT", index))
            for make in (
                self._strings,
                self._lists,
                self._sets,
                self._sorted_sets,
                self._hashes,
                self._streams,
            ):
                found += make()
            found += self._expiries()
        return [*found, ("SELECT", 0)]

    def _text(self, most: int = 40) -> bytes:
        """Any bytes, among them none, numbers, and what protocols and files are made of."""
        chance = self._chance
        kind = chance.randrange(6)
        if kind == 0:
            return b"%d" % chance.choice((0, -1, 127, -128, 32768, 2**31, -(2**63), chance.randrange(10**12)))
        if kind == 1:
            return chance.choice(
                (b"", b"\x00", b"\r\n", b"$-1\r\n", b"\xff\xfe", b"007", b"-0", "ü€".encode())
            )
        if kind == 2:
            return chance.randbytes(1) * chance.randint(1, most)
        return chance.randbytes(chance.randint(1, most))

    def _texts(self, count: int) -> list[bytes]:
        """So many texts, none of them twice."""
        found: dict[bytes, None] = {}
        while len(found) < count:
            found[self._text() if len(found) < 20 else b"%x" % self._chance.getrandbits(80)] = None
        return list(found)

    def _library(self, number: int) -> str:
        comment = "-- " + "as long as it takes to be compressed " * self._chance.randint(0, 30)
        return f"#!lua name=lib{number}\n{comment}\nredis.register_function('f{number}', function() return 7 end)"

    def _strings(self) -> Iterator[Command]:
        chance = self._chance
        for name, number in (("8", 100), ("16", 30_000), ("32", 2**31 - 1), ("64", 2**63 - 1)):
            yield "SET", f"string:int{name}", chance.choice((number, -number))
        yield "SET", "string:empty", ""
        yield "SET", "string:short", chance.randbytes(44)
        yield "SET", "string:long", chance.randbytes(chance.randint(45, 16_000))
        yield "SET", "string:compressible", self._text(9) + b"abcdefg" * chance.randint(300, 3000)
        yield "SET", "string:large", chance.randbytes(chance.randint(65_537, 90_000))
        yield "SET", self._text(), self._text()
        yield "SETBIT", "bitmap", chance.randint(5000, 9000), 1
        yield "BITFIELD", "bitfield", "SET", "i16", "#3", chance.randrange(9999)
        yield "PFADD", "hyperloglog:sparse", *self._texts(20)
        for _ in range(4):
            yield "PFADD", "hyperloglog:dense", *(chance.getrandbits(64) for _ in range(1000))

    def _lists(self) -> Iterator[Command]:
        chance = self._chance
        yield "RPUSH", "list:small", *(self._text() for _ in range(chance.randint(1, 20)))
        yield "RPUSH", "list:plain", "before", chance.randbytes(20_000), "behind"
        yield "RPUSH", "list:nodes", *(chance.randbytes(3000) for _ in range(9))
        yield "RPUSH", "list:large", *(self._text() for _ in range(chance.randint(300, 900)))

    def _sets(self) -> Iterator[Command]:
        chance = self._chance
        for width in (15, 31, 63):
            numbers = (chance.randrange(-(2**width), 2**width) for _ in range(chance.randint(1, 100)))
            yield "SADD", f"set:intset{width}", 2**width - 1, *numbers
        yield "SADD", "set:small", "text", *self._texts(20)
        yield "SADD", "set:large", "text", *self._texts(chance.randint(300, 900))
        yield "SADD", "set:numbers", *range(chance.randint(600, 900))

    def _sorted_sets(self) -> Iterator[Command]:
        chance = self._chance
        for name, count in (("small", 20), ("large", chance.randint(300, 900))):
            scores = [
                *("inf", "-inf", 0, 1.5, -3, 1e300, 2**53),
                *(chance.uniform(-9, 9) for _ in range(count)),
            ]
            members = self._texts(len(scores))
            yield (
                "ZADD",
                f"zset:{name}",
                *(part for pair in zip(scores, members, strict=True) for part in pair),
            )
        for number in range(10):
            yield "GEOADD", "geo", chance.uniform(-180, 180), chance.uniform(-85, 85), f"place {number}"

    def _hashes(self) -> Iterator[Command]:
        chance = self._chance
        for name, count in (("small", 20), ("large", chance.randint(600, 900))):
            fields = self._texts(count)
            pairs = [part for field in fields for part in (field, self._text())]
            yield "HSET", f"hash:{name}", *pairs
            if self._fields_expire:
                yield "HSET", f"hash:expiring:{name}", *pairs
                for field in chance.sample(fields, 9):
                    when = LATE + chance.randrange(10**9)
                    yield "HPEXPIREAT", f"hash:expiring:{name}", when, "FIELDS", 1, field
        yield "HSET", "hash:long value", "field", chance.randbytes(200)

    def _streams(self) -> Iterator[Command]:
        chance = self._chance
        ids = [f"{number // 3 + 1}-{number % 3 + 1}" for number in range(chance.randint(250, 400))]
        for place in ids:
            fields = self._texts(chance.randint(1, 3)) if chance.randrange(4) == 0 else ["one", "two"]
            yield "XADD", "stream", place, *(part for field in fields for part in (field, self._text()))
        yield "XDEL", "stream", *chance.sample(ids, 9)
        yield "XGROUP", "CREATE", "stream", "group", 0
        yield "XGROUP", "CREATE", "stream", self._text(), "$", "ENTRIESREAD", 7
        yield "XGROUP", "CREATE", "stream", "unread", "5-1"
        yield "XREADGROUP", "GROUP", "group", "alice", "COUNT", 150, "STREAMS", "stream", ">"
        yield "XREADGROUP", "GROUP", "group", self._text(), "COUNT", 9, "STREAMS", "stream", ">"
        yield "XACK", "stream", "group", *chance.sample(ids, 20)
        yield "XCLAIM", "stream", "group", "bob", 0, *chance.sample(ids[:90], 5), "RETRYCOUNT", 300
        yield "XGROUP", "CREATECONSUMER", "stream", "group", "idle"
        yield "XADD", "stream:emptied", "7-1", "f", "v"
        yield "XDEL", "stream:emptied", "7-1"
        yield "XADD", "stream:trimmed", "MAXLEN", 1, "1-1", "f", "v"
        yield "XSETID", "stream:trimmed", "9-9", "ENTRIESADDED", 12, "MAXDELETEDID", "8-0"

    def _expiries(self) -> Iterator[Command]:
        for key in ("string:short", "list:large", "set:small", "zset:large", "hash:small", "stream"):
            yield "PEXPIREAT", key, LATE + self._chance.randrange(10**9)


# What a file is made of

_STRINGS: Final = {0xC0: "8 bits", 0xC1: "16 bits", 0xC2: "32 bits", 0xC3: "LZF"}


class _Record(Extent):
    """One record, the forms in which are taken down."""

    def __init__(self, data: bytes, version: int, forms: set[str]) -> None:
        self._forms = forms
        super().__init__(data, version)

    def _byte(self) -> Number:
        if self.position == 0 and self.data:
            number = self.data[0]
            self._forms.add((Opcode if number >= min(Opcode) else ValueType)(number).name)
        return (yield from super()._byte())

    def _string(self) -> Walk:
        first = self.data[self.position]
        self._forms.add(
            _STRINGS.get(first, f"length of {(6, 14, 32)[first >> 6]} bits" if first < 0xC0 else "?")
        )
        yield from super()._string()


def forms_of(data: bytes) -> set[str]:
    """The opcodes, types, encodings of strings and kinds of nodes of lists that a file holds. O(records · bytes)."""
    forms: set[str] = set()
    version = int(data[6 if data.startswith(b"VALKEY") else 5 : MAGIC_BYTES])
    position = MAGIC_BYTES
    while position < len(data):
        record = _Record(data[position:], version, forms)
        assert record.is_whole, f"the record at byte {position} is not whole"
        if data[position] == ValueType.LIST_QUICKLIST_2:
            reader = RdbReader(data, position + 1)
            reader.string()
            for _ in range(reader.length()):
                forms.add(("", "plain node", "packed node")[reader.length()])
                reader.string()
        position += record.position
    return forms
