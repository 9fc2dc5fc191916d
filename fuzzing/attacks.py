"""What is known to hurt servers, by name. Each attack is some preparation, and then calls that must not do harm."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from anystore.pulsards.persistence.crc64 import crc64
from fuzzing.hosts import HOSTS
from fuzzing.server import Call

_MOST: Final = 2**63 - 1
_ID: Final = f"{2**64 - 1}-{2**64 - 1}"


@dataclass(frozen=True)
class Attack:
    """`before` makes the ground, in a time that does not count; `calls` are the attack, one after the other."""

    name: str
    calls: Callable[[], Iterable[Call]]
    before: Callable[[], Iterable[Call]] = tuple
    scripts: bool = False


def _chunks(command: Sequence[str], items: Iterable[object], size: int = 20_000) -> Iterable[Call]:
    """A command with very many arguments, in several calls."""
    listed = list(items)
    for start in range(0, len(listed), size):
        yield (*command, *map(str, listed[start : start + size]))


# Patterns

_EXPLODING: Final = (
    "a*" * 60 + "b",
    "*a" * 60 + "*b",
    "*" * 100_000,
    "?*" * 3000 + "b",
    "[a-z]*" * 3000,
    "[" + "a-z" * 300_000,
    "x" * 1_000_000,
    "[^a]*" * 100_000,
    "\\" * 999_999,
)


def _patterns() -> Iterable[Call]:
    for pattern in _EXPLODING:
        yield ("KEYS", pattern)
        yield ("SCAN", 0, "MATCH", pattern, "COUNT", 1000)
        yield ("SSCAN", "members", 0, "MATCH", pattern, "COUNT", 1000)
        yield ("PSUBSCRIBE", pattern)
        yield ("PUBLISH", "a" * 5000, "x")
        yield ("RESET",)
        yield ("PUBSUB", "CHANNELS", pattern)
        yield ("CONFIG", "GET", pattern)
        yield ("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern)
        yield ("FUNCTION", "LIST", "LIBRARYNAME", pattern)
        yield ("ACL", "SETUSER", "u", "~" + pattern, "&" + pattern, "+@all")
        yield ("ACL", "DRYRUN", "u", "GET", "a" * 5000)
        yield ("ACL", "DELUSER", "u")


# Counts

_COUNTED: Final = (
    *("SRANDMEMBER s {}", "HRANDFIELD h {} WITHVALUES", "ZRANDMEMBER z {} WITHSCORES", "SPOP nope {}"),
    *("LRANGE l 0 {}", "LRANGE l {} -1", "ZRANGE z 0 {}", "ZRANGE z -inf +inf BYSCORE LIMIT 0 {}"),
    *(
        "ZRANGE z -inf +inf BYSCORE LIMIT {} 1",
        "ZRANGESTORE to z 0 {}",
        "LPOS l 1 COUNT {}",
        "LPOS l 1 MAXLEN {}",
    ),
    *("ZRANGESTORE to z -inf +inf BYSCORE LIMIT 0 {}", "LPOS l 1 RANK {}", "LREM l {} 1", "LTRIM l 0 {}"),
    *(
        "XRANGE x - + COUNT {}",
        "XREAD COUNT {} STREAMS x 0",
        "XAUTOCLAIM x g c 0 0 COUNT {}",
        "XTRIM x MAXLEN {}",
    ),
    *("XPENDING x g - + {}", "XINFO STREAM x FULL COUNT {}", "SCAN 0 COUNT {}", "HSCAN h 0 COUNT {}"),
    *("SSCAN s {}", "ZSCAN z {} COUNT {}", "SLOWLOG GET {}", "ACL LOG {}", "ACL GENPASS {}"),
    *(
        "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 20000 km COUNT {}",
        "MEMORY USAGE h SAMPLES {}",
        "SINTERCARD 1 s LIMIT {}",
    ),
    *("SORT l LIMIT 0 {}", "SORT l LIMIT {} {}", "LMPOP 1 nope LEFT COUNT {}", "ZMPOP 1 nope MIN COUNT {}"),
    *("LMPOP {} nope LEFT", "ZUNION {} z", "EVAL 0 {}", "FCALL f {}", "SINTERCARD {} s"),
    *("XREADGROUP GROUP g c COUNT {} STREAMS x >"),
    *(
        "LOLWUT VERSION 5 {} {} {}",
        "LOLWUT VERSION 6 {} {}",
        "OBJECT FREQ {}",
        "SETRANGE str {} x",
        "GETRANGE str 0 {}",
    ),
    *(
        "SETBIT str {} 1",
        "GETBIT str {}",
        "BITCOUNT str 0 {}",
        "BITPOS str 1 0 {} BIT",
        "LINDEX l {}",
        "LSET l {} x",
    ),
    *(
        "EXPIRE h {}",
        "PEXPIREAT h {}",
        "HEXPIRE h {} FIELDS 1 1",
        "SET k v PX {}",
        "DECRBY n {}",
        "INCRBY n {}",
    ),
    *(
        "COPY h to DB {}",
        "SELECT {}",
        "SWAPDB 0 {}",
        "MOVE h {}",
        "WAIT {} 1",
        "CLIENT UNBLOCK {}",
        "CLIENT LIST ID {}",
    ),
    *(
        "BITFIELD str SET u63 {} 1",
        "BITFIELD str SET u63 #{} 1",
        "BITFIELD str INCRBY i64 0 {}",
        "XADD x MAXLEN {} * a b",
    ),
    *("OBJECT IDLETIME {}", "RESTORE to {} x", "LCS str str2 IDX MINMATCHLEN {}", "BLPOP nope {}"),
    *("CLIENT TRACKING ON REDIRECT {}"),
)
_EDGES: Final = (
    _MOST,
    -_MOST,
    -_MOST - 1,
    _MOST + 1,
    2**62,
    2**64,
    2**32,
    -(2**32),
    2**31,
    "9" * 100_000,
    "1e400",
    "nan",
)


def _collections() -> Iterable[Call]:
    yield ("SET", "str", "x" * 1000)
    yield ("SET", "str2", "y" * 1000)
    yield from _chunks(("SADD", "s"), range(1000))
    yield from _chunks(("HSET", "h"), range(1000))
    yield from _chunks(("RPUSH", "l"), range(1000))
    yield from _chunks(("ZADD", "z"), range(2000))
    yield ("GEOADD", "g", 1, 1, "a", 2, 2, "b")
    yield from (("XADD", "x", f"{number}-1", "a", "b") for number in range(1, 300))
    yield ("XGROUP", "CREATE", "x", "g", 0)
    yield ("SADD", "members", "a" * 5000, "b" * 5000)
    yield ("SET", "a" * 5000, "x")


def _counts() -> Iterable[Call]:
    for call in _COUNTED:
        for edge in _EDGES:
            yield call.replace("{}", str(edge)).split(" ")
            if call.startswith("BLPOP"):
                yield ("RESET",)
    yield ("SELECT", 0)


# Large values


def _large_strings() -> Iterable[Call]:
    megabytes = 16 * 2**20
    yield ("SETBIT", "bits", megabytes * 8 - 1, 1)
    yield from (("SETBIT", "bits", place * 997, 1) for place in range(300))
    yield ("BITFIELD", "bits", *("SET", "u8", 0, 255, "INCRBY", "i64", "#100", 1) * 3000)
    yield ("BITCOUNT", "bits")
    yield ("BITCOUNT", "bits", 1, -2, "BIT")
    yield ("BITPOS", "bits", 1, 1_000_000)
    yield ("BITOP", "NOT", "other", "bits")
    yield ("BITOP", "XOR", "other", *["bits"] * 20)
    yield from (("APPEND", "tail", "x" * 1000) for _ in range(500))
    yield ("SETRANGE", "far", megabytes - 5, "12345")
    yield from (("SETRANGE", "far", number, "x") for number in range(300))
    yield ("LCS", "far", "bits")
    yield ("LCS", "tail", "tail")
    yield ("PFADD", "bits", "x")
    yield ("PFCOUNT", "bits", "far")
    yield ("INCRBYFLOAT", "far", 1)
    yield ("RESTORE", "to", 0, b"\0" * (megabytes - 100))
    yield ("CLIENT", "SETNAME", "x" * megabytes)
    yield ("ECHO", "x" * megabytes)
    yield ("PUBLISH", "c" * megabytes, "x")
    yield ("EVAL", "x" * megabytes, 0)
    yield ("NOPE" * 2**20, "x" * 2**20)
    yield ("DUMP", "bits")


def _similar() -> Iterable[Call]:
    yield ("SET", "one", "ab" * 1000)
    yield ("SET", "two", "ba" * 1000)
    yield ("SET", "wide", "a" * 2_000_000)
    yield ("SET", "thin", "a")


def _lcs() -> Iterable[Call]:
    for first, second in (("one", "two"), ("wide", "thin"), ("thin", "wide")):
        for how in ((), ("LEN",), ("IDX", "WITHMATCHLEN")):
            yield ("LCS", first, second, *how)


def _crowds() -> Iterable[Call]:
    yield from _chunks(("RPUSH", "list"), range(50_000))
    yield from _chunks(("SADD", "set"), range(50_000))
    yield from _chunks(("ZADD", "zset"), (part for number in range(50_000) for part in (0, number)))
    yield from _chunks(("HSET", "hash"), range(100_000))
    yield from _chunks(("MSET",), (f"w{part}" for number in range(20_000) for part in (number, number)))


def _sorting() -> Iterable[Call]:
    for key in ("list", "set", "zset"):
        yield ("SORT", key, "BY", "w*", "GET", "w*", "GET", "#", "GET", "hash->*", "ALPHA", "DESC")
        yield ("SORT", key, "BY", "*", "STORE", "stored")
        yield ("SORT", key, "BY", "hash->*", "LIMIT", 10_000, _MOST, "GET", "hash->*")
    yield ("ZUNIONSTORE", "to", 3, "zset", "set", "zset", "WEIGHTS", "inf", "-inf", 0)
    yield ("ZINTER", 3, "zset", "set", "zset", "WEIGHTS", "inf", "-inf", 0, "AGGREGATE", "SUM")
    yield ("ZDIFFSTORE", "to", 2, "zset", "set")
    yield ("SDIFF", *["set"] * 30)
    yield ("SUNION", *["set"] * 30)
    yield ("ZADD", "zset", "nan", "a")
    yield ("ZADD", "zset", "inf", "a")
    yield ("ZINCRBY", "zset", "-inf", "a")
    yield ("ZRANGEBYLEX", "zset", "-", "+")
    yield from (("LINSERT", "list", "BEFORE", 25_000, number) for number in range(300))
    yield from (("LREM", "list", 1, number) for number in range(100))
    yield from (("LSET", "list", 25_000, number) for number in range(300))
    yield ("LPOS", "list", "nope", "RANK", -1)
    yield ("MEMORY", "USAGE", "hash", "SAMPLES", 0)
    yield ("DUMP", "zset")
    yield ("COPY", "hash", "to", "REPLACE")
    yield ("DEL", "list", "set", "zset", "hash", "to", "stored")


# Streams


def _last_ids() -> Iterable[Call]:
    yield ("XADD", "x", _ID, "a", "b")
    yield ("XADD", "x", "*", "a", "b")
    yield ("XADD", "x", f"{2**64 - 1}-*", "a", "b")
    yield ("XRANGE", "x", f"({_ID}", "+")
    yield ("XREVRANGE", "x", "+", f"({_ID}")
    yield ("XREAD", "STREAMS", "x", _ID)
    yield ("XGROUP", "CREATE", "x", "g", _ID)
    yield ("XGROUP", "SETID", "x", "g", 0)
    yield ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")
    yield ("XAUTOCLAIM", "x", "g", "c", 0, _ID)
    yield ("XAUTOCLAIM", "x", "g", "c", 0, f"({_ID}")
    yield ("XCLAIM", "x", "g", "c", 0, _ID, "FORCE", "TIME", _MOST, "RETRYCOUNT", _MOST, "LASTID", _ID)
    yield ("XPENDING", "x", "g", f"({_ID}", "+", 10)
    yield ("XSETID", "x", _ID, "ENTRIESADDED", _MOST, "MAXDELETEDID", _ID)
    yield ("XINFO", "STREAM", "x", "FULL")
    yield ("XTRIM", "x", "MINID", "~", _ID, "LIMIT", 0)
    yield ("XDEL", "x", _ID)
    yield ("XINFO", "GROUPS", "x")


# Protocol and clients


def _many() -> Iterable[Call]:
    yield ("SUBSCRIBE", *(f"channel:{number}" for number in range(50_000)))
    yield ("UNSUBSCRIBE",)
    yield ("PSUBSCRIBE", *(f"*{number}*" for number in range(3000)))
    yield ("PUBLISH", "x" * 1000, "y")
    yield ("RESET",)
    yield ("WATCH", *(f"key:{number}" for number in range(50_000)))
    yield ("MSET", *(f"key:{number // 2}" for number in range(100_000)))
    yield ("EXEC",)
    yield ("RESET",)
    yield ("CLIENT", "TRACKING", "ON", "BCAST", *(w for n in range(3000) for w in ("PREFIX", f"{n}:")))
    yield ("CLIENT", "TRACKING", "OFF")
    yield ("CLIENT", "LIST", "ID", *range(50_000))
    yield ("ACL", "SETUSER", "crowd", *(f"~{number}*" for number in range(10_000)), "+get")
    yield ("ACL", "DRYRUN", "crowd", "GET", "x")
    yield ("ACL", "DELUSER", "crowd")
    yield ("BLPOP", *(f"nope:{number}" for number in range(50_000)), 0.01)
    yield ("RESET",)
    yield ("EXISTS", *["str"] * 200_000)
    yield ("PFCOUNT", *["nope"] * 50_000)
    yield ("COMMAND", "GETKEYS", "EVAL", "x", 50_000, *range(50_000))
    yield ("COMMAND", "INFO", *["get"] * 20_000)


def _transaction() -> Iterable[Call]:
    yield ("MULTI",)
    yield from (("INCR", "n") for _ in range(2000))
    yield from (("LRANGE", "l", 0, -1) for _ in range(100))
    yield ("EXEC",)


# Scripts. A pattern of Lua's own that backtracks for ever is not among them: there, as in Redis, no script can be
# stopped within one call of the string library. Nor are long strings that differ in a few bytes: Lua 5.1 hashes some
# bytes of a string only, and takes for ever to tell very many such strings apart.

_SCRIPTS: Final = (
    "local function f() return f() + 1 end return f()",
    "local function f(...) return f(1, ...) + 1 end return f()",
    "return string.rep('x', 2^31)",
    "local s = 'x' while #s < 2^34 do s = s .. s end return #s",
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} t[1] = t return t",
    "local t = {} for i = 1, 200000 do t = {t} end return t",
    "local t = {} for i = 1, 1000000 do t[i] = i end return t",
    "local t = {} for i = 1, 200000 do t = {t} end return cjson.encode(t)",
    "local t = {} t[1] = t t[2] = t return t",
    "local t = {} t[1] = t return cjson.encode(t)",
    "local t = {} t[1] = t return cmsgpack.pack(t)",
    "return cjson.decode(('['):rep(1000000))",
    "return cjson.decode(('{\"a\":'):rep(1000000))",
    "return cmsgpack.unpack(('\\145'):rep(1000000))",
    "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
    "return struct.pack(('i8'):rep(100000), 1)",
    "return struct.unpack('c0', 'x')",
    "return struct.unpack('s', ('x'):rep(1000000))",
    "return struct.pack('c2000000000', 'x')",
    "return string.format('%99999d', 1)",
    "return string.format(('%s'):rep(100000), 1)",
    "return {unpack({}, 1, 10000000)}",
    "return {unpack({}, -2^31, 2^31)}",
    "return table.concat({}, 'x', 1, 100000000)",
    "return ('x'):rep(1e6):gsub('', ('y'):rep(100))",
    "local e = setmetatable({}, {__tostring = function() error('x') end}) error(e)",
    "local e = setmetatable({}, {__index = function(t, k) return t[k] end}) return e.x",
    "return loadstring(('('):rep(100000))()",
    "return loadstring('return ' .. ('{'):rep(100000))()",
    "return loadstring(('x='):rep(100000))()",
    "return pcall(pcall, pcall, pcall, error)",
    "local c = 0 while c < 300000 do c = c + 1 pcall(error, {}) end return c",
    "local f f = coroutine and coroutine.wrap(function() f() end) return f and f()",
    "return redis.call(unpack({}, 1, 5000))",
    "return redis.call('SET', ('k'):rep(1e6), ('v'):rep(1e7))",
    "return redis.call('EVAL', 'return 1', 0)",
    "return redis.call('LRANGE', 'l', 0, -1)",
    "for i = 1, 20000 do redis.call('SET', 'k' .. i, ('x'):rep(1000)) end",
    "for i = 1, 20000 do redis.call('PUBLISH', 'c', ('x'):rep(1000)) end",
    "redis.log(redis.LOG_WARNING, ('x'):rep(10000000))",
    "return redis.error_reply(('x'):rep(10000000))",
    "return redis.sha1hex(('x'):rep(10000000))",
    "return tostring(bit.tohex(2^53, 2^31))",
    "return bit.lshift(1, 2^53)",
    "return string.dump(function() end)",
    "return loadstring(('\\27Lua'):rep(1000))",
    "return #KEYS + #ARGV",
    "redis.setresp(3) local t = {map={}} t.map[t] = t return t",
    "redis.setresp(3) return {double=0/0}",
    "return {big_number=('9'):rep(1000000)}",
    "return 0/0",
    "return -1/0",
    "return 2^1023",
    "return {err=('x\\r\\n'):rep(1000)}",
    "return {ok={}}",
    "return redis.status_reply(('y\\r\\n+OK'):rep(3))",
    "return tonumber(('1'):rep(1000000))",
    "return tostring(1e308 * 10)",
    "error(('x'):rep(10000000), 0)",
    "local t = setmetatable({}, {__len = function() return 2^53 end}) return {#t, t}",
    "return (function(...) return select('#', ...) end)(unpack(ARGV))",
)


def _endless() -> Iterable[Call]:
    yield ("EVAL", "while true do end", 0)
    yield ("EVAL", "while true do pcall(function() while true do end end) end", 0)
    yield ("EVAL", "local t = {} while true do t[#t % 1000 + 1] = redis.call('GET', 'n') end", 0)
    yield ("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() while true do end end)")
    yield ("FCALL", "f", 0)
    yield ("FUNCTION", "FLUSH")


def _scripts() -> Iterable[Call]:
    for script in _SCRIPTS:
        yield ("EVAL", script, 0)
        yield ("EVAL_RO", script, 1, "l")
    yield ("EVAL", "return " + "(" * 100_000 + "1" + ")" * 100_000, 0)
    yield ("EVAL", "return " + "{" * 100_000 + "}" * 100_000, 0)
    yield ("EVAL", "return " + "-" * 1 + "- " * 100_000 + "1", 0)
    yield ("EVAL", "return " + "'x'.." * 100_000 + "'x'", 0)
    yield ("EVAL", "local a = 1 " * 100_000, 0)
    yield ("EVAL", "return #KEYS + #ARGV", 50_000, *range(100_000))
    yield ("EVAL", "return {unpack(KEYS)}", 50_000, *range(50_000))
    yield ("FUNCTION", "LOAD", "#!lua name=loop\nwhile true do end")
    yield ("FUNCTION", "LOAD", "#!lua name=deep\nlocal function f() return f() + 1 end f()")
    yield ("FUNCTION", "LOAD", "#!lua name=many\n" + "redis.register_function('f', function() end) " * 3)
    yield ("FUNCTION", "LOAD", "#!lua name=" + "x" * 1_000_000 + "\n")
    yield ("FUNCTION", "RESTORE", sealed(b"\xf5\xc3\xff\xff\xff\xff\xff"))
    yield ("FUNCTION", "FLUSH")


# Serialised values


def sealed(data: bytes, version: int = 10) -> bytes:
    """A serialised value as RESTORE takes it: with a version, and a checksum that is right."""
    data += struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def _size(number: int) -> bytes:
    return b"\x81" + struct.pack(">Q", number)


_HUGE: Final = (2**63 - 1, 2**32, 2**31, 10**9)
#: Types of values in an RDB, each of which begins with a number of elements.
_COUNTED_TYPES: Final = (1, 2, 3, 4, 5, 14, 15, 18, 19, 21, 22, 23, 24, 25)


def _payloads() -> Iterable[Call]:
    bodies = [b"", b"\0", b"\xff", b"\x07", b"\x0e" + b"\1" * 1000]
    for number in _HUGE:
        size = _size(number)
        bodies.append(b"\0" + size)
        bodies.append(b"\0\xc3" + size + size + b"x")  # compressed: so long, becoming so long
        bodies.append(b"\0\xc3\x05" + size + b"\x00x\xe0\xff\x00")
        bodies += [bytes([kind]) + size + b"\1a\1b" * 5 for kind in _COUNTED_TYPES]
        bodies += [bytes([kind]) + b"\1" + size + b"\1a\1b" * 5 for kind in _COUNTED_TYPES]
    for kind in (
        9,
        10,
        11,
        12,
        13,
        16,
        17,
        20,
    ):  # what is kept as one string: lists of entries in various forms
        for inner in (
            b"",
            b"\xff" * 6,
            struct.pack("<IH", 2**32 - 1, 65535) + b"\xff",
            struct.pack("<IH", 12, 65535) + b"\xf1\x02" * 2 + b"\xff\xff",
            struct.pack("<IIH", 13, 10, 65534) + b"\0\xf1\xff",
            struct.pack("<II", 8, 2**32 - 1) + b"\1" * 8,
            struct.pack("<II", 3, 2) + b"\1" * 8,
        ):
            bodies.append(bytes([kind]) + bytes([len(inner)]) + inner)
    for body in bodies:
        yield ("RESTORE", "hurt", 0, sealed(body), "REPLACE")
        yield ("DUMP", "hurt")
        yield ("MEMORY", "USAGE", "hurt")
        yield ("OBJECT", "ENCODING", "hurt")
        yield ("DEL", "hurt")


def _not_quite_hyperloglogs() -> Iterable[Call]:
    registers = b"\0" * 12288
    for body in (
        b"HYLL\0\0\0\0" + b"\0" * 8 + registers,
        b"HYLL\0\0\0\0" + b"\x80" * 8 + b"\xff" * 12288,
        b"HYLL\1\0\0\0" + b"\x80" * 8 + b"\x7f\xff" * 10,
        b"HYLL\1\0\0\0" + b"\x80" * 8 + b"\xff" * 10_000,
        b"HYLL\1\0\0\0" + b"\x80" * 8,
        b"HYLL\2\0\0\0" + b"\x80" * 8,
        b"HYLL",
    ):
        yield ("SET", "hll", body)
        yield ("PFCOUNT", "hll")
        yield ("PFADD", "hll", "a", "b")
        yield ("PFMERGE", "to", "hll", "hll")
        yield ("PFCOUNT", "hll", "to")
        yield ("DEL", "to")


def _places() -> Iterable[Call]:
    for number in ("nan", "inf", "-inf", "1e308", "-1e308", "5e-324", "1" * 5000, "0x1p4000"):
        yield ("GEOADD", "g", number, 1, "x")
        yield ("GEOADD", "g", 1, number, "x")
        yield ("ZADD", "g", number, "wild")
        yield (
            "GEOSEARCH",
            "g",
            "FROMLONLAT",
            1,
            1,
            "BYRADIUS",
            number,
            "km",
            "WITHDIST",
            "WITHCOORD",
            "WITHHASH",
        )
        yield ("GEOSEARCH", "g", "FROMLONLAT", 180, 85, "BYBOX", number, number, "ft", "ASC")
        yield ("GEOSEARCH", "g", "FROMMEMBER", "wild", "BYBOX", number, 1, "mi", "DESC")
        yield ("GEOSEARCHSTORE", "to", "g", "FROMLONLAT", 1, 1, "BYRADIUS", number, "m", "STOREDIST")
        yield ("GEOHASH", "g", "wild", "a")
        yield ("GEOPOS", "g", "wild", "a")
        yield ("GEODIST", "g", "wild", "a")
        yield ("INCRBYFLOAT", "f", number)
        yield ("HINCRBYFLOAT", "h", "f", number)
        yield ("ZINCRBY", "g", number, "wild")


def _hosts() -> Iterable[Call]:
    for host in HOSTS:
        yield ("REPLICAOF", host, 1)
        yield ("INFO", "replication")
        yield ("REPLICAOF", "NO", "ONE")
        yield ("MIGRATE", host, 1, "str", 0, 20)
        yield ("CONFIG", "SET", "bind", host)
        yield ("CONFIG", "SET", "bind", "127.0.0.1")


ATTACKS: Final = (
    Attack("patterns", _patterns, _collections),
    Attack("counts", _counts, _collections),
    Attack("large strings", _large_strings),
    Attack("subsequences", _lcs, _similar),
    Attack("sorting crowds", _sorting, _crowds),
    Attack("the last ids", _last_ids),
    Attack("many of everything", _many, _collections),
    Attack("a long transaction", _transaction, _collections),
    Attack("scripts", _scripts, _collections, scripts=True),
    Attack("endless scripts", _endless, scripts=True),
    Attack("serialised values", _payloads),
    Attack("hyperloglogs", _not_quite_hyperloglogs),
    Attack("places", _places, _collections),
    Attack("hosts that are none", _hosts, _collections),
)
