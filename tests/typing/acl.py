"""What type checkers make of the results of `commands.acl`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore.redis.client import Client
from anystore.redis.commands.acl import AclUser
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.acl_cat(), list[str])
    assert_type(await c.acl_deluser("a", b"b"), int)
    assert_type(await c.acl_dryrun("a", "GET", "k"), str)
    assert_type(await c.acl_genpass(64), str)
    assert_type(await c.acl_getuser("a"), AclUser | None)
    assert_type(await c.acl_list(), list[str])
    assert_type(await c.acl_load(), bool)
    assert_type(await c.acl_log(3), list[dict[str, Any]])
    assert_type(await c.acl_log_reset(), bool)
    assert_type(await c.acl_save(), bool)
    assert_type(await c.acl_setuser("a", passwords="+p", keys=["k", b"l"], selectors=[("+get", "k")]), bool)
    assert_type(await c.acl_users(), list[str])
    assert_type(await c.acl_whoami(), str)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.acl_cat("read"), list[str])
    assert_type(await c.acl_deluser("a"), int)
    assert_type(await c.acl_dryrun("a", "GET", "k"), str)
    assert_type(await c.acl_genpass(), str)
    assert_type(await c.acl_getuser("a"), AclUser | None)
    assert_type(await c.acl_list(), list[str])
    assert_type(await c.acl_load(), bool)
    assert_type(await c.acl_log(), list[dict[str, Any]])
    assert_type(await c.acl_log_reset(), bool)
    assert_type(await c.acl_save(), bool)
    assert_type(await c.acl_setuser("a", enabled=True, nopass=True, categories=["+read"]), bool)
    assert_type(await c.acl_users(), list[str])
    assert_type(await c.acl_whoami(), str)
