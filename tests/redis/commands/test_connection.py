from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, Recorder, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.ping(), "PING"),
        sends(lambda c: c.echo(b"x"), "ECHO", b"x"),
        sends(lambda c: c.client_getname(), "CLIENT", "GETNAME"),
        sends(lambda c: c.client_setname("n"), "CLIENT", "SETNAME", "n"),
        sends(lambda c: c.client_setinfo("LIB-NAME", "n"), "CLIENT", "SETINFO", "LIB-NAME", "n"),
        sends(lambda c: c.client_id(), "CLIENT", "ID"),
        sends(lambda c: c.client_info(), "CLIENT", "INFO"),
        sends(lambda c: c.client_list(), "CLIENT", "LIST"),
        sends(lambda c: c.client_list("normal"), "CLIENT", "LIST", "TYPE", "NORMAL"),
        sends(lambda c: c.client_list(client_id=[1, "2"]), "CLIENT", "LIST", "ID", 1, "2"),
        sends(
            lambda c: c.client_list("pubsub", [3], user="u", maxage=9, skipme=True, not_lib_name="x", db=0),
            *("CLIENT", "LIST", "TYPE", "PUBSUB", "ID", 3, "USER", "u", "MAXAGE", 9, "SKIPME", "YES"),
            *("NOT-LIB-NAME", "x", "DB", 0),
        ),
        sends(
            lambda c: c.client_kill_filter(not_type="normal", idle=5, not_ip="1.2.3.4"),
            *("CLIENT", "KILL", "NOT-TYPE", "NORMAL", "IDLE", 5, "NOT-IP", "1.2.3.4"),
        ),
        sends(lambda c: c.client_capa("redirect"), "CLIENT", "CAPA", "redirect"),
        sends(lambda c: c.client_import_source("on"), "CLIENT", "IMPORT-SOURCE", "ON"),
        sends(lambda c: c.client_kill("h:1"), "CLIENT", "KILL", "h:1"),
        sends(
            lambda c: c.client_kill_filter(
                1, "pubsub", addr="a:1", skipme=False, laddr="l:2", user="u", maxage=9
            ),
            *("CLIENT", "KILL", "ID", 1, "TYPE", "PUBSUB", "ADDR", "a:1", "SKIPME", "NO", "LADDR", "l:2"),
            *("USER", "u", "MAXAGE", 9),
        ),
        sends(lambda c: c.client_kill_filter(1, skipme=True), "CLIENT", "KILL", "ID", 1, "SKIPME", "YES"),
        sends(lambda c: c.client_getredir(), "CLIENT", "GETREDIR"),
        sends(lambda c: c.client_trackinginfo(), "CLIENT", "TRACKINGINFO"),
        sends(lambda c: c.client_unblock(5), "CLIENT", "UNBLOCK", 5),
        sends(lambda c: c.client_unblock(5, error=True), "CLIENT", "UNBLOCK", 5, "ERROR"),
        sends(lambda c: c.client_pause(100), "CLIENT", "PAUSE", 100),
        sends(lambda c: c.client_pause(100, all=False), "CLIENT", "PAUSE", 100, "WRITE"),
        sends(lambda c: c.client_unpause(), "CLIENT", "UNPAUSE"),
        sends(lambda c: c.client_no_evict("on"), "CLIENT", "NO-EVICT", "ON"),
        sends(lambda c: c.client_no_touch("OFF"), "CLIENT", "NO-TOUCH", "OFF"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.auth("secret", "u"), "AUTH is not for a connection that tasks share.*user=…"),
        (lambda c: c.hello(3), r"HELLO is not.*create_store\(url, protocol=…\)"),
        (lambda c: c.select(3), r"SELECT is not.*create_store\(url, database=…\)"),
        (lambda c: c.reset(), "RESET is not"),
        (lambda c: c.quit(), "QUIT is not.*async with"),
        (lambda c: c.client_reply("OFF"), "CLIENT REPLY is not"),
        (lambda c: c.client_tracking(), "CLIENT TRACKING is not"),
        (lambda c: c.client_tracking_on(bcast=True), "CLIENT TRACKING is not"),
        (lambda c: c.client_tracking_off(), "CLIENT TRACKING is not"),
        (lambda c: c.client_list("odd"), "_type must be one of"),
        (lambda c: c.client_kill_filter(), "CLIENT KILL needs at least one of its filters"),
        (lambda c: c.client_kill_filter(_type="odd"), "_type must be one of"),
        (lambda c: c.client_pause(1.5), "timeout must be a whole number of milliseconds"),
        (lambda c: c.client_no_evict("maybe"), "mode must be one of ON, OFF"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_a_refusal_never_tells_a_password() -> None:
    with pytest.raises(ValueError, match="AUTH") as caught:
        Recorder().auth("s3cret")
    assert "s3cret" not in str(caught.value)


def test_results() -> None:
    assert results(lambda c: c.ping(), b"PONG", "PONG", b"x") == [True, True, False]
    assert results(lambda c: c.client_getname(), b"n", "n", None) == ["n", "n", None]
    assert results(lambda c: c.client_unblock(1), 1, 0) == [True, False]
    lines = b"id=3 addr=127.0.0.1:5 name= cmd=client|list user=default\nid=4 addr=/tmp/a b:0 flags=N lib-name=a=b\n"
    expected = [
        {"id": "3", "addr": "127.0.0.1:5", "name": "", "cmd": "client|list", "user": "default"},
        {"id": "4", "addr": "/tmp/a b:0", "flags": "N", "lib-name": "a=b"},
    ]
    assert results(lambda c: c.client_list(), lines, lines.decode()) == [expected, expected]
    assert results(lambda c: c.client_info(), b"id=3 name= tot-mem=17\n") == [
        {"id": 3, "name": "", "tot-mem": 17}
    ]
    flat = [b"flags", [b"off"], b"redirect", -1, b"prefixes", []]
    as_map = {"flags": ["off"], "redirect": -1, "prefixes": []}
    assert results(lambda c: c.client_trackinginfo(), flat, dict(as_map)) == [as_map, as_map]
