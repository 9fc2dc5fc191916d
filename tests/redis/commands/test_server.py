from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from anystore.exceptions import ConnectionFailed, OutcomeUnknown, ResponseError, StoreError
from anystore.redis.commands.server import ShuttingDown
from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.acl_whoami(), "ACL", "WHOAMI"),
        sends(lambda c: c.bgrewriteaof(), "BGREWRITEAOF"),
        sends(lambda c: c.bgsave(), "BGSAVE", "SCHEDULE"),
        sends(lambda c: c.bgsave(schedule=False), "BGSAVE"),
        sends(lambda c: c.save(), "SAVE"),
        sends(lambda c: c.lastsave(), "LASTSAVE"),
        sends(lambda c: c.config_get(), "CONFIG", "GET", "*"),
        sends(lambda c: c.config_get("a*", "b"), "CONFIG", "GET", "a*", "b"),
        sends(lambda c: c.config_set("a", 1, "b", "x"), "CONFIG", "SET", "a", 1, "b", "x"),
        sends(lambda c: c.config_resetstat(), "CONFIG", "RESETSTAT"),
        sends(lambda c: c.config_rewrite(), "CONFIG", "REWRITE"),
        sends(lambda c: c.dbsize(), "DBSIZE"),
        sends(lambda c: c.debug_object("a"), "DEBUG", "OBJECT", "a"),
        sends(lambda c: c.failover("TO", "h", 1), "FAILOVER", "TO", "h", 1),
        sends(lambda c: c.flushall(), "FLUSHALL"),
        sends(lambda c: c.flushdb(asynchronous=True), "FLUSHDB", "ASYNC"),
        sends(lambda c: c.flushall(asynchronous=True), "FLUSHALL", "ASYNC"),
        sends(lambda c: c.info(), "INFO"),
        sends(lambda c: c.info("server", "clients"), "INFO", "server", "clients"),
        sends(lambda c: c.lolwut(), "LOLWUT"),
        sends(lambda c: c.lolwut(5, 1), "LOLWUT", "VERSION", 5, 1),
        sends(lambda c: c.replicaof("NO", "ONE"), "REPLICAOF", "NO", "ONE"),
        sends(lambda c: c.slaveof(), "SLAVEOF", "NO", "ONE"),
        sends(lambda c: c.slaveof("h", 1), "SLAVEOF", "h", 1),
        sends(lambda c: c.role(), "ROLE"),
        sends(lambda c: c.shutdown(), "SHUTDOWN"),
        sends(lambda c: c.shutdown(nosave=True, now=True, force=True), "SHUTDOWN", "NOSAVE", "NOW", "FORCE"),
        sends(
            lambda c: c.shutdown(save=True, safe=True, failover=True), "SHUTDOWN", "SAVE", "SAFE", "FAILOVER"
        ),
        sends(lambda c: c.shutdown_abort(), "SHUTDOWN", "ABORT"),
        sends(lambda c: c.swapdb(0, 1), "SWAPDB", 0, 1),
        sends(lambda c: c.time(), "TIME"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.config_set("a", 1, "b"), "args must alternate"),
        (lambda c: c.replicaof("h"), "REPLICAOF takes host and port"),
        (lambda c: c.slaveof("h"), "host and port must be given together"),
        (lambda c: c.shutdown(save=True, nosave=True), "save and nosave"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    settings = {"maxmemory": "0", "save": ""}
    flat = [b"maxmemory", b"0", b"save", b""]
    assert results(lambda c: c.config_get(), flat, dict(settings), []) == [settings, settings, {}]
    assert results(lambda c: c.time(), [b"1700000000", b"5"], ["1", "2"]) == [(1700000000, 5), (1, 2)]
    assert results(lambda c: c.lastsave(), 1700000000) == [datetime.fromtimestamp(1700000000)]
    assert results(lambda c: c.bgsave(), b"Background saving scheduled") == [True]
    assert results(lambda c: c.replicaof("NO", "ONE"), b"OK Already connected to specified master") == [True]


class Raising:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def __await__(self) -> Any:
        if self.error is not None:
            raise self.error
        return b"OK"
        yield


class TestShutdown:
    """SHUTDOWN is answered by the connection's end, and by nothing else."""

    @staticmethod
    def outcome(error: Exception | None) -> None:
        iterator = ShuttingDown(Raising(error)).__await__()  # type: ignore[arg-type]
        with pytest.raises(StopIteration):
            next(iterator)

    @pytest.mark.parametrize("error", [ConnectionFailed("gone"), OutcomeUnknown("gone")])
    def test_the_connections_end_is_success(self, error: Exception) -> None:
        self.outcome(error)

    def test_an_error_reply_is_an_error(self) -> None:
        with pytest.raises(ResponseError, match="Errors trying to SHUTDOWN"):
            self.outcome(ResponseError("ERR Errors trying to SHUTDOWN. Check logs."))

    def test_any_other_answer_is_an_error(self) -> None:
        with pytest.raises(StoreError, match="did not shut down"):
            self.outcome(None)
