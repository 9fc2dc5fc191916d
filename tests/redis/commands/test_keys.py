from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)  # 1_893_456_000


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.copy("a", b"b"), "COPY", "a", b"b"),
        sends(lambda c: c.copy("a", "b", 3, replace=True), "COPY", "a", "b", "DB", 3, "REPLACE"),
        sends(lambda c: c.delete("a", "b"), "DEL", "a", "b"),
        sends(lambda c: c.unlink("a"), "UNLINK", "a"),
        sends(lambda c: c.dump("a"), "DUMP", "a", decode=False),
        sends(lambda c: c.restore("a", 0, b"x"), "RESTORE", "a", 0, b"x"),
        sends(
            lambda c: c.restore("a", timedelta(seconds=2), b"x", True, True, idletime=5),
            *("RESTORE", "a", 2000, b"x", "REPLACE", "ABSTTL", "IDLETIME", 5),
        ),
        sends(lambda c: c.restore("a", 1, b"x", frequency=7), "RESTORE", "a", 1, b"x", "FREQ", 7),
        sends(lambda c: c.exists("a", "a"), "EXISTS", "a", "a"),
        sends(lambda c: c.expire("a", 5), "EXPIRE", "a", 5),
        sends(lambda c: c.expire("a", timedelta(seconds=1, milliseconds=1), nx=True), "EXPIRE", "a", 2, "NX"),
        sends(lambda c: c.expire("a", -1, xx=True, gt=True), "EXPIRE", "a", -1, "XX", "GT"),
        sends(lambda c: c.expireat("a", MOMENT, lt=True), "EXPIREAT", "a", 1893456000, "LT"),
        sends(lambda c: c.expireat("a", 17), "EXPIREAT", "a", 17),
        sends(lambda c: c.pexpire("a", timedelta(microseconds=1), xx=True), "PEXPIRE", "a", 1, "XX"),
        sends(lambda c: c.pexpireat("a", MOMENT, gt=True), "PEXPIREAT", "a", 1893456000000, "GT"),
        sends(lambda c: c.pexpireat("a", MOMENT.replace(microsecond=1)), "PEXPIREAT", "a", 1893456000001),
        sends(lambda c: c.expiretime("a"), "EXPIRETIME", "a"),
        sends(lambda c: c.pexpiretime("a"), "PEXPIRETIME", "a"),
        sends(lambda c: c.ttl("a"), "TTL", "a"),
        sends(lambda c: c.pttl("a"), "PTTL", "a"),
        sends(lambda c: c.persist("a"), "PERSIST", "a"),
        sends(lambda c: c.keys(), "KEYS", "*"),
        sends(lambda c: c.keys("a*"), "KEYS", "a*"),
        sends(
            lambda c: c.migrate("h", 1, "a", 2, 300, copy=True, replace=True, auth="p"),
            *("MIGRATE", "h", 1, "", 2, 300, "COPY", "REPLACE", "AUTH", "p", "KEYS", "a"),
            block=float("inf"),
        ),
        sends(
            lambda c: c.migrate("h", 1, ["a", "b"], 2, 300, auth="p", username="u"),
            *("MIGRATE", "h", 1, "", 2, 300, "AUTH2", "u", "p", "KEYS", "a", "b"),
            block=float("inf"),
        ),
        sends(lambda c: c.move("a", 3), "MOVE", "a", 3),
        sends(lambda c: c.object("encoding", "a"), "OBJECT", "ENCODING", "a"),
        sends(lambda c: c.object_encoding("a"), "OBJECT", "ENCODING", "a"),
        sends(lambda c: c.object_refcount("a"), "OBJECT", "REFCOUNT", "a"),
        sends(lambda c: c.object_idletime("a"), "OBJECT", "IDLETIME", "a"),
        sends(lambda c: c.object_freq("a"), "OBJECT", "FREQ", "a"),
        sends(lambda c: c.randomkey(), "RANDOMKEY"),
        sends(lambda c: c.rename("a", "b"), "RENAME", "a", "b"),
        sends(lambda c: c.renamenx("a", "b"), "RENAMENX", "a", "b"),
        sends(lambda c: c.touch("a", "b"), "TOUCH", "a", "b"),
        sends(lambda c: c.type("a"), "TYPE", "a"),
        sends(lambda c: c.wait(1, 500), "WAIT", 1, 500, block=0.5),
        sends(lambda c: c.wait(1, 0), "WAIT", 1, 0, block=float("inf")),
        sends(lambda c: c.waitaof(1, 0, 2000), "WAITAOF", 1, 0, 2000, block=2.0),
        sends(lambda c: c.scan(), "SCAN", 0),
        sends(
            lambda c: c.scan(7, "a*", 100, "zset"),
            *("SCAN", 7, "MATCH", "a*", "COUNT", 100, "TYPE", "zset"),
        ),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.delete(), "DEL needs at least one of its keys"),
        (lambda c: c.unlink(), "UNLINK needs"),
        (lambda c: c.exists(), "EXISTS needs"),
        (lambda c: c.touch(), "TOUCH needs"),
        (lambda c: c.expire("a", 1, nx=True, gt=True), "nx cannot be combined"),
        (lambda c: c.expire("a", 1, lt=True, gt=True), "gt and lt"),
        (lambda c: c.expire("a", 1.5), "time must be a whole number of seconds or a timedelta, not 1.5"),
        (lambda c: c.pexpire("a", True), "time must be a whole number of milliseconds"),
        (lambda c: c.expireat("a", "soon"), "when must be a whole number of Unix seconds or a datetime"),
        (lambda c: c.restore("a", 0, b"", idletime=1, frequency=1), "idletime and frequency"),
        (lambda c: c.object("colour", "a"), "infotype must be one of ENCODING.* not 'colour'"),
        (lambda c: c.migrate("h", 1, [], 0, 1), "MIGRATE needs"),
        (lambda c: c.migrate("h", 1, "a", 0, 1, username="u"), "username goes with auth"),
        (lambda c: c.wait(1, -1), "timeout must be"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.copy("a", "b"), 1, 0, True) == [True, False, True]
    assert results(lambda c: c.expire("a", 1), 1, 0) == [True, False]
    assert results(lambda c: c.rename("a", "b"), b"OK", "OK") == [True, True]
    assert results(lambda c: c.object_encoding("a"), b"listpack", "int", None) == ["listpack", "int", None]
    assert results(lambda c: c.scan(), [b"17", [b"a", b"b"]], ["0", []]) == [(17, [b"a", b"b"]), (0, [])]
    assert results(lambda c: c.migrate("h", 1, "a", 0, 1), b"OK", "NOKEY") == ["OK", "NOKEY"]
