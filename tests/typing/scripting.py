"""What type checkers make of the results of `commands.scripting`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore import RedisScript
from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.eval("return 1", 1, "k", 2), Any)
    assert_type(await c.eval_ro("return 1", 0), Any)
    assert_type(await c.evalsha("abc", 0), Any)
    assert_type(await c.evalsha_ro("abc", 0), Any)
    assert_type(await c.script_exists("abc"), list[bool])
    assert_type(await c.script_flush("SYNC"), bool)
    assert_type(await c.script_kill(), bool)
    assert_type(await c.script_load("return 1"), str)
    assert_type(await c.script_show("abc"), bytes)
    assert_type(await c.register_script("return 1")(keys=["k"], args=[1]), Any)
    assert_type(await RedisScript("return 1")(c, keys=["k"], args=[1]), Any)
    assert_type(await RedisScript("return 1", int)(c, keys=["k"], args=[1]), int)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.eval("return 1", 1, "k", 2), Any)
    assert_type(await c.eval_ro("return 1", 0), Any)
    assert_type(await c.evalsha("abc", 0), Any)
    assert_type(await c.evalsha_ro("abc", 0), Any)
    assert_type(await c.script_exists("abc"), list[bool])
    assert_type(await c.script_flush("SYNC"), bool)
    assert_type(await c.script_kill(), bool)
    assert_type(await c.script_load("return 1"), str)
    assert_type(await c.script_show("abc"), str)
    assert_type(await c.register_script("return 1")(keys=["k"], args=[1]), Any)
    assert_type(await RedisScript("return 1")(c, keys=["k"], args=[1]), Any)
    assert_type(await RedisScript("return 1", int)(c, keys=["k"], args=[1]), int)
