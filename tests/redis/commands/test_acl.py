from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.acl_cat(), "ACL", "CAT"),
        sends(lambda c: c.acl_cat("read"), "ACL", "CAT", "read"),
        sends(lambda c: c.acl_deluser("a", b"b"), "ACL", "DELUSER", "a", b"b"),
        sends(lambda c: c.acl_dryrun("a", "GET", "k"), "ACL", "DRYRUN", "a", "GET", "k"),
        sends(lambda c: c.acl_genpass(), "ACL", "GENPASS"),
        sends(lambda c: c.acl_genpass(5), "ACL", "GENPASS", 5),
        sends(lambda c: c.acl_getuser("a"), "ACL", "GETUSER", "a"),
        sends(lambda c: c.acl_list(), "ACL", "LIST"),
        sends(lambda c: c.acl_load(), "ACL", "LOAD"),
        sends(lambda c: c.acl_log(), "ACL", "LOG"),
        sends(lambda c: c.acl_log(3), "ACL", "LOG", 3),
        sends(lambda c: c.acl_log_reset(), "ACL", "LOG", "RESET"),
        sends(lambda c: c.acl_save(), "ACL", "SAVE"),
        sends(lambda c: c.acl_users(), "ACL", "USERS"),
        sends(lambda c: c.acl_whoami(), "ACL", "WHOAMI"),
        sends(lambda c: c.acl_setuser("a"), "ACL", "SETUSER", "a", "off"),
        sends(lambda c: c.acl_setuser("a", enabled=True, nopass=True), "ACL", "SETUSER", "a", "on", "nopass"),
        sends(
            lambda c: c.acl_setuser("a", passwords="+p", hashed_passwords=b"-h"),
            *("ACL", "SETUSER", "a", "off", b">p", b"!h"),
        ),
        sends(
            lambda c: c.acl_setuser("a", passwords=["+p", memoryview(b"-q")], hashed_passwords=["+h"]),
            *("ACL", "SETUSER", "a", "off", b">p", b"<q", b"#h"),
        ),
        sends(
            lambda c: c.acl_setuser(
                "a",
                categories=["+read", "-@write", b"+@set"],
                commands=["+get", "-config|set"],
                keys=["k*", "~l", b"%R~m"],
                channels=["c*"],
                selectors=[("+get", "x"), ("-set", "%W~y")],
                reset=True,
                reset_keys=True,
                reset_channels=True,
                reset_passwords=True,
            ),
            *("ACL", "SETUSER", "a", "reset", "resetkeys", "resetchannels", "resetpass", "off"),
            *(b"+@read", b"-@write", b"+@set", b"+get", b"-config|set", b"~k*", b"~l", b"%R~m", b"&c*"),
            *(b"(+get ~x)", b"(-set %W~y)"),
        ),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.acl_deluser(), "ACL DELUSER needs at least one of its users"),
        (lambda c: c.acl_dryrun("a"), "ACL DRYRUN needs"),
        (lambda c: c.acl_genpass(0), "bits must be"),
        (lambda c: c.acl_genpass(4097), "bits must be"),
        (lambda c: c.acl_genpass("5"), "bits must be"),
        (lambda c: c.acl_log("5"), "count must be"),
        (lambda c: c.acl_setuser("a", nopass=True, passwords="+p"), "nopass cannot be combined"),
        (lambda c: c.acl_setuser("a", nopass=True, hashed_passwords="+p"), "nopass cannot be combined"),
        (lambda c: c.acl_setuser("a", passwords=["+a", "secret"]), r"^passwords: number 1 must begin"),
        (lambda c: c.acl_setuser("a", hashed_passwords="secret"), "hashed_passwords: number 0"),
        (lambda c: c.acl_setuser("a", categories=["read"]), "categories: number 0"),
        (lambda c: c.acl_setuser("a", commands=["get"]), "commands: number 0"),
        (lambda c: c.acl_setuser("a", selectors=[("get", "x")]), "selectors: number 0"),
    ],
)
def test_what_is_refused(call: Call, hint: str) -> None:
    check_refused(call, hint)


USER = [
    b"flags",
    [b"on"],
    b"passwords",
    [b"ab"],
    b"commands",
    b"-@all +@read -get",
    b"keys",
    b"~a %R~b",
    b"channels",
    b"",
]
SELECTOR = [b"commands", b"+@all", b"keys", b"~x", b"channels", b"&*"]


def test_a_user() -> None:
    as_map = dict(zip(USER[::2], USER[1::2], strict=True))
    found = results(
        lambda c: c.acl_getuser("a"),
        [*USER, b"selectors", [SELECTOR]],
        {**as_map, b"selectors": [dict(zip(SELECTOR[::2], SELECTOR[1::2], strict=True))]},
    )
    assert (
        found
        == [
            {
                "enabled": True,
                "flags": ["on"],
                "passwords": ["ab"],
                "categories": ["-@all", "+@read"],
                "commands": ["-get"],
                "keys": ["~a", "%R~b"],
                "channels": [],
                "selectors": [{"commands": "+@all", "keys": "~x", "channels": "&*"}],
            }
        ]
        * 2
    )
    assert results(lambda c: c.acl_getuser("a"), None) == [None]


def test_a_user_of_an_older_server() -> None:
    reply = [
        b"flags",
        [b"off"],
        b"passwords",
        [],
        b"commands",
        b"+@all",
        b"keys",
        [b"a", b"b"],
        b"channels",
        [b"c"],
    ]
    [user] = results(lambda c: c.acl_getuser("a"), reply)
    assert (user["enabled"], user["keys"], user["channels"], user["selectors"]) == (
        False,
        ["a", "b"],
        ["c"],
        [],
    )


def test_the_log() -> None:
    entry = {
        b"count": 2,
        b"reason": b"auth",
        b"age-seconds": b"1.5",
        b"client-info": b"id=1 addr=a:1 name= db=0",
        b"entry-id": 7,
    }
    flat = [part for pair in entry.items() for part in pair]
    shown = {
        "count": 2,
        "reason": "auth",
        "age-seconds": 1.5,
        "client-info": {"id": 1, "addr": "a:1", "name": "", "db": 0},
        "entry-id": 7,
    }
    assert results(lambda c: c.acl_log(), [flat], [{**entry, b"age-seconds": 1.5}], []) == [
        [shown],
        [shown],
        [],
    ]


def test_texts_and_statuses() -> None:
    assert results(lambda c: c.acl_cat(), [b"read", "write"]) == [["read", "write"]]
    assert results(lambda c: c.acl_list(), [b"user \xff off"]) == [["user \\xff off"]]
    assert results(lambda c: c.acl_users(), [b"a"]) == [["a"]]
    assert results(lambda c: c.acl_dryrun("a", "GET"), b"OK", "why not") == ["OK", "why not"]
    assert results(lambda c: c.acl_genpass(), b"ab") == ["ab"]
    for call in (lambda c: c.acl_load(), lambda c: c.acl_save(), lambda c: c.acl_log_reset()):
        assert results(call, b"OK") == [True]
    assert results(lambda c: c.acl_setuser("a"), b"OK") == [True]
