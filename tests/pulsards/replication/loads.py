"""Real servers and pulsards beside one another: commands sent to them, and whether they hold the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Any

import anyio

from tests.pulsards.peers import Argument, RealClient

#: Nothing here takes as long as that, on any machine that gets anywhere at all.
PATIENCE = 60.0


async def execute(client: RealClient, *arguments: Argument) -> Any:
    """Run a command on a server without holding up one in this process."""
    return await anyio.to_thread.run_sync(lambda: client.execute(*arguments))


async def until(what: Callable[[], Any], wanted: Callable[[Any], bool], why: str = "") -> Any:
    """Look again and again until it is as wanted; what it is then."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = await anyio.to_thread.run_sync(what)
        if wanted(found):
            return found
        assert time.monotonic() < deadline, f"{why}: {found}"
        await anyio.sleep(0.02)


def info(client: RealClient, section: str = "replication") -> dict[str, str]:
    text = client.execute("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


async def linked(client: RealClient) -> None:
    """Wait until a replica's link is up."""
    await until(
        lambda: info(client),
        lambda found: found.get("master_link_status") == "up",
        "the link does not come up",
    )


async def caught_up(primary: RealClient, *replicas: RealClient) -> None:
    """Wait until replicas have everything that their primary has. Nobody may write meanwhile."""

    def behind() -> dict[int, tuple[str, str]]:
        found = info(primary)
        offset = found["master_repl_offset"]
        theirs = {replica.port: info(replica) for replica in replicas}
        return {
            port: (state["master_repl_offset"], offset)
            for port, state in theirs.items()
            if state["master_repl_offset"] != offset or state["master_replid"] != found["master_replid"]
        }

    await until(behind, lambda found: not found, "replicas stay behind")


def contents(client: RealClient) -> dict[str, Any]:
    """All that a server holds, in a form that does not depend on how it keeps it."""
    found: dict[str, Any] = {}
    for index in range(16):
        client.execute("SELECT", index)
        for key in sorted(client.execute("KEYS", "*")):
            kind = client.execute("TYPE", key).decode()
            held, when = value(client, kind, key), client.execute("PEXPIRETIME", key)
            if when != -2:  # else it has expired since it was listed
                found[f"{index}:{key!r}"] = (kind, held, when)
    client.execute("SELECT", 0)
    found["functions"] = sorted(map(repr, client.execute("FUNCTION", "LIST", "WITHCODE")))
    return found


def value(client: RealClient, kind: str, key: bytes) -> Any:
    if kind == "string":
        return client.execute("GET", key)
    if kind == "list":
        return client.execute("LRANGE", key, 0, -1)
    if kind == "set":
        return sorted(client.execute("SMEMBERS", key))
    if kind == "zset":
        members = client.execute("ZRANGE", key, 0, -1, "WITHSCORES")
        return [(member, float(score)) for member, score in zip(members[::2], members[1::2], strict=True)]
    if kind == "hash":
        fields = client.execute("HGETALL", key)
        return sorted(zip(fields[::2], fields[1::2], strict=True))
    shown_groups = client.execute("XINFO", "GROUPS", key)
    if not isinstance(shown_groups, list):
        return None  # it has expired
    groups = [[group[1], group[5], group[7]] for group in shown_groups]
    pending = [client.execute("XPENDING", key, group[0], "-", "+", "1000") for group in groups]
    shown = [[entry[:2] + entry[3:] for entry in entries] for entries in pending]
    return [client.execute("XRANGE", key, "-", "+"), groups, shown]


#: A script of many effects, some of which are not the same everywhere, in one unit.
MANY = "for i = 1, 5 do redis.call('RPUSH', KEYS[1], ARGV[1] * i); redis.call('SADD', KEYS[2], i) end; " + (
    "redis.call('SPOP', KEYS[2], 2); return redis.call('LTRIM', KEYS[1], -20, -1)"
)
LIBRARY = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"


def seed() -> list[tuple[Argument, ...]]:
    """Something of every type and size, in several databases."""
    return [
        ("SET", "text", b"\x00\r\n\xff" * 10),
        ("SET", "number", "12345"),
        ("SET", "long", "x" * 30000),
        ("SET", "fleeting", "x", "EX", "1000"),
        ("RPUSH", "list", *(f"item {number}" for number in range(600))),
        ("SADD", "numbers", *range(300)),
        ("SADD", "words", *(f"word {number}" for number in range(300))),
        ("HSET", "hash", "f", "v", "g", "w"),
        ("HSET", "large", *(f"field {number}" for number in range(400))),
        ("ZADD", "sorted", *(part for number in range(200) for part in (number / 3, f"m{number}"))),
        ("XADD", "stream", "1-1", "k", "v"),
        ("XADD", "stream", "2-1", "k", "w"),
        ("XGROUP", "CREATE", "stream", "group", "0"),
        ("XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "STREAMS", "stream", ">"),
        ("PFADD", "hll", *range(100)),
        ("FUNCTION", "LOAD", LIBRARY),
        ("SELECT", "5"),
        ("SET", "elsewhere", "x"),
        ("SELECT", "0"),
    ]


def field_changes(source: random.Random) -> list[tuple[Argument, ...]]:
    """A hash of which fields expire, soon or late, by a command or a script, or not any more."""
    key, fields = f"fields:{source.randrange(9)}", ("FIELDS", "2", "a", "b")
    script = "redis.call('HSET', KEYS[1], 'c', ARGV[1]); return redis.call('HPEXPIRE', KEYS[1], 3, 'FIELDS', 1, 'c')"
    return [
        ("HSET", key, "a", source.random(), "b", source.randrange(99)),
        source.choice(
            [
                ("HPEXPIRE", key, str(source.choice((1, 40, 900_000))), *fields),
                ("HEXPIRE", key, "5000", *fields),
                ("HPERSIST", key, *fields),
                ("HDEL", key, "a", "b"),
                ("EVAL", script, "1", key, source.random()),
            ]
        ),
    ]


def changes(source: random.Random, count: int, fields_expire: bool = False) -> Iterable[tuple[Argument, ...]]:
    """Commands of every kind that a stream has to tell in another way, or as a unit, or as it is.

    `fields_expire`: with fields of hashes that expire, which not every server knows.
    """
    for _ in range(count):
        if fields_expire and source.randrange(6) == 0:
            yield from field_changes(source)
        number = source.randrange(30)
        yield from source.choice(
            [
                [("INCR", f"counter:{number}")],
                [("APPEND", f"text:{number}", "x" * number)],
                [("SET", f"key:{number}", "x" * source.randrange(200), "PX", "500000")],
                [("SET", f"gone:{number}", "x", "PX", "1")],
                [("RPUSH", f"list:{number}", "a", "b"), ("LPOP", f"list:{number}")],
                [("SADD", f"set:{number}", *range(number)), ("SPOP", f"set:{number}")],
                [("HINCRBYFLOAT", f"hash:{number}", "f", "0.1")],
                [("INCRBYFLOAT", f"float:{number}", "0.1")],
                [("ZADD", f"sorted:{number}", source.random(), "a"), ("ZPOPMIN", f"sorted:{number}")],
                [
                    ("XADD", f"stream:{number}", "*", "k", "v"),
                    ("XTRIM", f"stream:{number}", "MAXLEN", "~", "5"),
                ],
                [("PFADD", f"hll:{number}", source.randrange(1000))],
                [("DEL", f"key:{number}")],
                [("EXPIRE", f"counter:{number}", "1000")],
                [("GETDEL", f"text:{number}")],
                [
                    ("MULTI",),
                    ("INCR", "in a transaction"),
                    ("SELECT", str(number % 4)),
                    ("INCR", "in another database"),
                    ("EXEC",),
                    ("SELECT", "0"),
                ],
                [("EVAL", "redis.call('INCR', KEYS[1]); return redis.call('TIME')", "1", "by a script")],
                [("EVAL", MANY, "2", f"list:{number}", f"set:{number}", source.randrange(99))],
                [("SORT", "list", "ALPHA", "STORE", "sorted list")],
                [("BLPOP", "list", "nothing", "1"), ("RPUSH", "list", "again")],
            ]
        )
