"""What type checkers make of the results of `commands.connection`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.ping(), bool)
    assert_type(await c.echo("x"), bytes)
    assert_type(await c.client_getname(), str | None)
    assert_type(await c.client_setname("n"), bool)
    assert_type(await c.client_setinfo("LIB-NAME", "n"), bool)
    assert_type(await c.client_id(), int)
    assert_type(await c.client_info(), dict[str, str | int])
    assert_type(await c.client_list(client_id=[1]), list[dict[str, str]])
    assert_type(await c.client_list(user="u", not_db=3), list[dict[str, str]])
    assert_type(await c.client_capa("redirect"), bool)
    assert_type(await c.client_import_source("ON"), bool)
    assert_type(await c.client_kill("h:1"), bool)
    assert_type(await c.client_kill_filter(_id=1), int)
    assert_type(await c.client_getredir(), int)
    assert_type(await c.client_trackinginfo(), dict[str, Any])
    assert_type(await c.client_unblock(1), bool)
    assert_type(await c.client_pause(1), bool)
    assert_type(await c.client_unpause(), bool)
    assert_type(await c.client_no_evict("ON"), bool)
    assert_type(await c.client_no_touch("ON"), bool)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.ping(), bool)
    assert_type(await c.echo("x"), str)
    assert_type(await c.client_getname(), str | None)
    assert_type(await c.client_setname("n"), bool)
    assert_type(await c.client_setinfo("LIB-NAME", "n"), bool)
    assert_type(await c.client_id(), int)
    assert_type(await c.client_info(), dict[str, str | int])
    assert_type(await c.client_list(client_id=[1]), list[dict[str, str]])
    assert_type(await c.client_kill("h:1"), bool)
    assert_type(await c.client_kill_filter(_id=1), int)
    assert_type(await c.client_getredir(), int)
    assert_type(await c.client_trackinginfo(), dict[str, Any])
    assert_type(await c.client_unblock(1), bool)
    assert_type(await c.client_pause(1), bool)
    assert_type(await c.client_unpause(), bool)
    assert_type(await c.client_no_evict("ON"), bool)
    assert_type(await c.client_no_touch("ON"), bool)
