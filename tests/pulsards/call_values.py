"""What made-up calls are made of: a small world of keys, and values for the arguments of the table's syntaxes.

A value is looked for by command and argument (`bitfield:offset`), by argument (`count`), by its type in the
table (`integer`). A command that is new to the table gets calls without a line here; a line makes them better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from anystore import spec
from anystore.pulsards.commands import load
from anystore.pulsards.registry import registered
from tests.pulsards.peers import Argument

Pool = tuple[bytes, ...]
Command = Sequence[Argument]

LONG: Final = b"long " * 20
BINARY: Final = b"\x00\xff\r\n\x80"

#: The keys that there are at the start, by the group of commands that they are for.
KEYS: Final[Mapping[str, Pool]] = {
    "string": (b"str", b"num", b"float", b"raw", b"empty"),
    "bitmap": (b"str", b"num", b"raw"),
    "list": (b"list", b"digits", b"many"),
    "hash": (b"hash", b"counts", b"wide"),
    "set": (b"set", b"ints", b"crowd"),
    "sorted-set": (b"zset", b"ties", b"crowned"),
    "geo": (b"geo", b"zset"),
    "stream": (b"stream", b"grouped"),
    "hyperloglog": (b"hll", b"hll2", b"str"),
}
#: Keys that are not there: never were, have expired, are empty, are binary.
ABSENT: Final[Pool] = (b"no", b"gone", b"gone:hash", b"", BINARY)
#: A sorted set that can be asked for by name.
SAME_SCORES: Final = b"ties"
EVERY_KEY: Final[Pool] = tuple(dict.fromkeys([key for keys in KEYS.values() for key in keys])) + ABSENT

_FIELDS: Final[Pool] = (b"a", b"b", b"c", b"1", b"", b"f", LONG, BINARY)

LIBRARIES: Final[Pool] = (
    b"#!lua name=lib\nredis.register_function('echo', function(keys, args) return {keys, args} end)",
    b"#!lua name=lib2\nredis.register_function{function_name='get', "
    b"callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}}",
    b"#!lua name=lib\nredis.register_function('put', function(k, a) return redis.call('SET', k[1], a[1]) end)",
    b"#!lua name=bad name\nreturn 1",
    b"#!lua name=nothing\nlocal x = 1",
    b"redis.register_function('x', 1)",
    b"#!lua\nreturn 1",
)

#: Commands that make the world, by the command that has to be there.
_WORLD: Final[tuple[Command, ...]] = (
    ("SET", "str", "hello world"),
    ("SET", "num", "10"),
    ("SET", "float", "3.5", "EX", "1000"),
    ("SET", "raw", LONG + BINARY),
    ("SET", "empty", ""),
    ("RPUSH", "list", "a", "b", "c", "a", "1", "", LONG),
    ("RPUSH", "digits", "3", "1", "2", "2", "-1.5"),
    ("RPUSH", "many", *range(140)),
    ("HSET", "hash", "a", "1", "b", "x", "c", "2.5", "", "empty", "f", LONG),
    ("HSET", "counts", "a", "1", "b", "-3", "1", "9223372036854775807"),
    ("HSET", "wide", *range(20), "field", LONG),
    ("SADD", "set", "a", "b", "c", "", "1", LONG),
    ("SADD", "ints", "1", "2", "3", "-5", "9223372036854775807"),
    ("SADD", "crowd", *range(1000, 1140), "a", "b"),
    ("ZADD", "zset", "1", "a", "2", "b", "3", "c", "-inf", "low", "inf", "high", "2.5", "1"),
    ("ZADD", "ties", "0", "a", "0", "b", "0", "c", "0", "aa", "0", ""),
    ("ZADD", "crowned", *(part for number in range(140) for part in (number, f"m{number}")), "1.5", LONG),
    ("GEOADD", "geo", "13.361389", "38.115556", "a", "15.087269", "37.502669", "b", "-122.4", "37.8", "c"),
    ("XADD", "stream", "1-1", "a", "1"),
    ("XADD", "stream", "2-0", "a", "2", "b", LONG),
    ("XADD", "stream", "2-5", "a", ""),
    ("XADD", "stream", "100-1", "c", "3", "a", "4"),
    ("XADD", "grouped", "1-0", "f", "v"),
    ("XADD", "grouped", "2-0", "f", "w"),
    ("XADD", "grouped", "3-0", "g", "x"),
    ("XGROUP", "CREATE", "grouped", "g", "0"),
    ("XGROUP", "CREATE", "stream", "g", "2-0"),
    ("XREADGROUP", "GROUP", "g", "alice", "COUNT", "2", "STREAMS", "grouped", ">"),
    ("PFADD", "hll", "a", "b", "c"),
    ("PFADD", "hll2", *range(50)),
    ("SET", "gone", "x", "PX", "1"),
    ("HSET", "gone:hash", "a", "1"),
    ("PEXPIRE", "gone:hash", "1"),
    ("EXPIRE", "set", "2000"),
    ("SET", "weight_1", "5"),
    ("SET", "weight_2", "-5"),
    ("HSET", "object_1", "name", "one"),
    ("FUNCTION", "LOAD", LIBRARIES[0]),
    ("FUNCTION", "LOAD", LIBRARIES[1]),
)

#: Scripts; `return redis.call(unpack(ARGV))` is made use of apart.
SCRIPTS: Final[Pool] = (
    b"return 1",
    b"return {1, 2, {3, 'x'}, false, true, nil, 4}",
    b"return redis.call('GET', KEYS[1])",
    b"return redis.pcall('INCR', KEYS[1])",
    b"return {KEYS, ARGV}",
    b"return redis.error_reply('MY error')",
    b"return redis.status_reply('FINE')",
    b"return {err='x'}",
    b"return {ok='x'}",
    b"return {double=1.5}",
    b"redis.setresp(3); return redis.call('HGETALL', KEYS[1])",
    b"redis.setresp(3); return redis.call('SMEMBERS', KEYS[1])",
    b"return cjson.encode(redis.call('LRANGE', KEYS[1], 0, -1))",
    b"return tostring(redis.call('TYPE', KEYS[1])['ok'])",
    b"return redis.sha1hex(ARGV[1])",
    b"redis.call('SET', KEYS[1], 'x'); return redis.call('LPUSH', KEYS[1], 'y')",
    b"local n = 0; for i = 1, 100 do n = n + i end; return n",
    b"return 3.99",
    b"return redis.call('NOSUCH')",
    b"return redis.call()",
    b"return nosuchvariable",
    b"x = 1",
    b"return (",
    b"#!lua flags=no-writes\nreturn redis.call('SET', KEYS[1], 'x')",
    b"#!lua flags=nosuch\nreturn 1",
    b"#!python\nreturn 1",
    b"",
)
PASS_ON: Final[Pool] = (
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"redis.setresp(3); return redis.call(unpack(ARGV))",
)

_PATTERNS: Final[Pool] = (b"*", b"a*", b"?", b"[a-c]*", b"[^a]", b"\\*", b"*1*", b"", b"[", b"h*o*")
_STREAM_IDS: Final[Pool] = (
    *(b"1-1", b"2-0", b"3-0", b"2", b"2-5", b"100-1", b"101-0", b"200-7", b"0", b"0-1", b"0-0", b"5-*"),
    b"18446744073709551615-18446744073709551615",
)
_RANGE_ENDS: Final[Pool] = (b"-", b"+", b"2", b"(2-0", b"1-1", b"(1-1", b"3", b"0", b"18446744073709551615")
_FAR_MS: Final[Pool] = (b"100000", b"500000", b"99999999")
_FAR_SECONDS: Final[Pool] = (b"100", b"5000", b"99999")
_SCORES: Final[Pool] = (b"1", b"0", b"2.5", b"-1", b"inf", b"-inf", b"3", b"1e3", b"0.1", b"5e-324")

#: Ordinary values. The first of each is the simplest.
ORDINARY: Final[Mapping[str, Pool]] = {
    # by type
    "integer": (b"1", b"0", b"2", b"-1", b"5", b"100", b"-100"),
    "double": _SCORES,
    "string": (b"a", b"b", b"x", b"1", b"10", b"", b"2.5", LONG, BINARY),
    "pattern": _PATTERNS,
    "unix-time": (b"9999999999", b"1"),
    # by name
    "field": _FIELDS,
    "member": _FIELDS,
    "member1": _FIELDS,
    "member2": _FIELDS,
    "element": _FIELDS,
    "pivot": _FIELDS,
    "channel": (b"news", b"sport"),
    "shardchannel": (b"shard",),
    "seconds": _FAR_SECONDS,
    "milliseconds": _FAR_MS,
    "ttl": (b"0", b"100000"),
    "unix-time-seconds": (b"9999999999", b"1"),
    "unix-time-milliseconds": (b"9999999999999", b"1"),
    "timeout": (b"0.001", b"0.004", b"0.0001", b"1e-3"),
    "db": (b"0", b"1", b"2"),
    "destination-db": (b"1", b"0", b"2"),
    "index1": (b"0", b"1"),
    "index2": (b"1", b"0"),
    "count": (b"1", b"2", b"0", b"3", b"10", b"-1", b"1000"),
    "offset": (b"0", b"1", b"2", b"7", b"100", b"4000"),
    "start": (b"0", b"1", b"-1", b"2", b"-3", b"10", b"-100"),
    "end": (b"-1", b"0", b"1", b"-2", b"5", b"100"),
    "stop": (b"-1", b"0", b"1", b"-2", b"5", b"100"),
    "encoding": (b"u8", b"i8", b"u1", b"i64", b"u63", b"i5", b"u16"),
    "min-match-len": (b"1", b"0", b"3"),
    "group": (b"g", b"g2", b"nogroup"),
    "consumer": (b"alice", b"bob", b""),
    "id": _STREAM_IDS,
    "lastid": _STREAM_IDS,
    "last-id": _STREAM_IDS,
    "max-deleted-id": _STREAM_IDS,
    "threshold": (b"1", b"0", b"2", b"2-0", b"100"),
    "min-idle-time": (b"0", b"99999999", b"1000000"),
    "script": SCRIPTS,
    "function-code": LIBRARIES,
    "function": (b"echo", b"get", b"put", b"nosuch"),
    "library-name": (b"lib", b"lib2"),
    "library-name-pattern": (b"*", b"lib", b"x*"),
    "sha1": (b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", b"f" * 40, b"x"),
    "protover": (b"3", b"2"),
    "type": (b"string", b"list", b"hash", b"set", b"zset", b"stream"),
    "longitude": (b"13.361389", b"15", b"-122.4", b"0", b"180"),
    "latitude": (b"38.115556", b"37.5", b"0", b"85", b"-85"),
    "radius": (b"200", b"0", b"1000", b"50000"),
    "width": (b"400", b"1", b"10000"),
    "height": (b"400", b"1", b"10000"),
    "min": (*_SCORES, b"(1", b"(-inf"),
    "max": (b"+inf", b"3", *_SCORES, b"(2.5"),
    "by-pattern": (b"weight_*", b"nosort", b"*", b"object_*->name", b"no_*"),
    "get-pattern": (b"#", b"weight_*", b"object_*->name", b"no_*", b"*->"),
    "numreplicas": (b"0",),
    "numlocal": (b"0",),
    "connection-name": (b"me", b""),
    "libname": (b"lib",),
    "libver": (b"1.0",),
    # by command
    "decrby:decrement": (b"1", b"-1", b"100", b"0"),
    "setbit:value": (b"1", b"0"),
    "bitpos:bit": (b"1", b"0"),
    "bitfield:value": (b"1", b"255", b"-1", b"1000"),
    "bitfield:increment": (b"1", b"255", b"-1", b"1000"),
    "bitfield:offset": (b"0", b"#1", b"7", b"100", b"#0", b"#3"),
    "bitfield_ro:offset": (b"0", b"#1", b"7", b"100"),
    "select:index": (b"0", b"1", b"15"),
    "zlexcount:min": (b"-", b"[a", b"(a", b"[", b"+"),
    "zlexcount:max": (b"+", b"[c", b"(aa", b"-"),
    "zrange:start": (b"0", b"1", b"-2", b"-inf", b"(1", b"-", b"[a"),
    "zrange:stop": (b"-1", b"2", b"+inf", b"(3", b"+", b"[c"),
    "zrangestore:min": (b"0", b"1", b"-2", b"-inf", b"(1", b"-", b"[a"),
    "zrangestore:max": (b"-1", b"2", b"+inf", b"(3", b"+", b"[c"),
    "xrange:start": _RANGE_ENDS,
    "xrange:end": (b"+", *_RANGE_ENDS),
    "xrevrange:start": _RANGE_ENDS,
    "xrevrange:end": (b"+", *_RANGE_ENDS),
    "xpending:start": _RANGE_ENDS,
    "xpending:end": (b"+", *_RANGE_ENDS),
    "xautoclaim:start": (b"0", b"-", b"2-0", b"(1-0"),
    "xread:id": (b"0", b"$", b"+", b"2-0", b"1"),
    "xreadgroup:id": (b">", b"0", b"2-0"),
    "xread:milliseconds": (b"1", b"2"),
    "xreadgroup:milliseconds": (b"1", b"2"),
    "xclaim:ms": (b"0", b"1000000"),
    "sort:count": (b"-1", b"1", b"2", b"100"),
    "copy:destination-db": (b"1", b"0"),
    "client|tracking:prefix": (b"a", b"b"),
    "config|get:parameter": (b"maxmemory", b"hash-*", b"nosuch"),
    "object|freq:key": (b"no",),
}
for _command in ("zrangebylex", "zremrangebylex", "zrevrangebylex"):
    ORDINARY |= {f"{_command}:{end}": ORDINARY[f"zlexcount:{end}"] for end in ("min", "max")}  # type: ignore[operator]

_NOT_NUMBERS: Final[Pool] = (
    b"",
    b"x",
    b" 1",
    b"1 ",
    b"+1",
    b"01",
    b"1.0",
    b"1e3",
    b"0x10",
    b"1\0",
    b"-",
    b"--1",
)
_EDGES: Final[Pool] = (
    *(b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551615", b"18446744073709551616", b"4294967296", b"2147483648", b"-2147483649", b"-0"),
)
_TOO_LARGE: Final[Pool] = (b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808")
_NO_TIMEOUTS: Final[Pool] = (b"-1", b"x", b"nan", b"-inf", b"", b"1e", b" 1", b"-0.5")
_NO_SCORES: Final[Pool] = (
    b"nan",
    b"x",
    b"",
    b"1e400",
    b"-1e400",
    b"1e309",
    b" 1",
    b"1 ",
    b"--1",
    b"(1",
    b"infx",
)

#: Odd and hostile values. None of them makes a real server wait for long, or use much memory.
HOSTILE: Final[Mapping[str, Pool]] = {
    "integer": _NOT_NUMBERS + _EDGES,
    "double": _NO_SCORES + _EDGES,
    "string": (b"", b"nan", b"inf", b"-1", *_EDGES, LONG * 3, b"\xff" * 9, b"*", b"$5\r\n"),
    "pattern": (b"a" * 30 + b"*", b"[a-", b"\\", b"[^", b"**", b"[]", b"*?" * 5, b"[\\]]"),
    "key": (b"", BINARY, LONG),
    "unix-time": (*_NOT_NUMBERS, *_TOO_LARGE, b"-1", b"0"),
    # A time to live must not run out between two servers: far away, over, or none at all.
    "seconds": (*_NOT_NUMBERS, *_TOO_LARGE, b"-1", b"0", b"9223372036854775", b"-9223372036854775"),
    "milliseconds": (*_NOT_NUMBERS, *_TOO_LARGE, b"-1", b"0"),
    "ttl": (*_NOT_NUMBERS, *_TOO_LARGE, b"-1"),
    "timeout": _NO_TIMEOUTS,
    "milliseconds:block": (b"-1", b"x"),
    "protover": (b"1", b"4", b"x", b"-1"),
    # Replies as long as these ask for are nobody's.
    "srandmember:count": _NOT_NUMBERS + _TOO_LARGE[1:],
    "hrandfield:count": _NOT_NUMBERS + _TOO_LARGE[1:],
    "zrandmember:count": _NOT_NUMBERS + _TOO_LARGE[1:],
    "numreplicas": (b"-1", b"x"),
    "numlocal": (b"-1", b"x", b"1"),
    "xread:milliseconds": (b"-1", b"x", b""),
    "xreadgroup:milliseconds": (b"-1", b"x", b""),
    # 512 MB are allowed, and take their time.
    "setrange:offset": (*_NOT_NUMBERS, b"-1", b"536870912", b"9223372036854775807", b"9223372036854775808"),
    "setbit:offset": (*_NOT_NUMBERS, b"-1", b"4294967296", b"9223372036854775807"),
    "bitfield:offset": (*_NOT_NUMBERS, b"-1", b"4294967296", b"#", b"#-1", b"#9223372036854775807", b"##1"),
    "encoding": (b"u64", b"i65", b"u0", b"i0", b"x8", b"u", b"", b"u-1", b"I8", b"u999999999999999999999"),
    "bit": (b"2", b"-1", b"x"),
    "id": (
        b"abc",
        b"1-",
        b"-1",
        b"1-1-1",
        b"",
        b"18446744073709551616",
        b"1-18446744073709551616",
        b"(1",
        b"-",
        b"+",
    ),
    "weight": (b"nan", b"x", b"", b"1e400", b"-inf", b"inf"),
    "longitude": (b"181", b"-181", b"nan", b"x", b"inf", b""),
    "latitude": (b"86", b"-86", b"nan", b"x", b"-inf", b""),
    "radius": (b"-1", b"nan", b"x", b"inf", b"1e300", b""),
    "script": (b"return " + b"(" * 300 + b"1" + b")" * 300, b"\xff", b"return string.rep('x', 1000)"),
}


def world(commands: Iterable[str]) -> list[Command]:
    """What to run first: whatever of the world can be made with these commands."""
    there = set(commands)
    return [command for command in _WORLD if _name_of(command) in there]


def _name_of(command: Command) -> str:
    row = spec.lookup_arguments([str(word).encode() for word in command[:2]])
    return "" if row is None else row.name


def pool(table: Mapping[str, Pool], command: str, argument: str, kind: str) -> Pool:
    """The values of a table for an argument: the most special ones that there are."""
    for name in (f"{command}:{argument}", argument, kind):
        if name in table:
            return table[name]
    return table["string"]


def commands_of_pulsards() -> list[str]:
    """The names of all commands that pulsards has now, in order."""
    load()
    return sorted(registered())


#: Commands, as patterns of their names, that no sequence of made-up calls contains, and why.
NOT_CALLED: Final[Mapping[str, str]] = {
    "quit client|reply monitor shutdown": "the connection, or the server, does not answer any more",
    "failover psync replconf replicaof role slaveof sync": "they are about other servers",
    "bgrewriteaof bgsave lastsave save acl|load acl|save config|rewrite migrate module|*": "they are about files and hosts",
    "acl|* client|kill client|no-evict client|pause client|unpause config|* client|info client|list client|tracking "
    "client|trackinginfo": "they change the server for every later test, or are about its clients; see test_administrators",
    "debug latency|* memory|purge slowlog|* commandlog|* script|debug script|kill function|kill": "they change the server "
    "for every later test",
    "client|id hello info memory|doctor memory|malloc-stats "
    "memory|stats time lolwut": "their replies are about the one server, and have tests of their own",
    "*|help": "the texts are each server's own",
    "command command|count command|docs command|info command|list": "see test_registry",
    "pfdebug pfselftest restore-asking": "for tests of the server itself",
    "client|getredir client|caching": "they need a client that tracks; see test_tracking",
}

#: Keywords of Valkey and of Redis 8 that pulsards, which presents Redis 7.4, does not have: (command, keyword).
NOT_IN_PULSARDS: Final[frozenset[tuple[str, str]]] = frozenset()
