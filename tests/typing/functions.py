"""What type checkers make of the results of `commands.functions`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.fcall("f", 1, "k", 2), Any)
    assert_type(await c.fcall_ro("f", 0), Any)
    assert_type(await c.function_load("code", replace=True), str)
    assert_type(await c.function_delete("lib"), bool)
    assert_type(await c.function_flush("SYNC"), bool)
    assert_type(await c.function_list("*", withcode=True), list[dict[str, Any]])
    assert_type(await c.function_stats(), dict[str, Any])
    assert_type(await c.function_kill(), bool)
    assert_type(await c.function_dump(), bytes)
    assert_type(await c.function_restore(b"payload", "FLUSH"), bool)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.fcall("f", 1, "k", 2), Any)
    assert_type(await c.fcall_ro("f", 0), Any)
    assert_type(await c.function_load("code", replace=True), str)
    assert_type(await c.function_delete("lib"), bool)
    assert_type(await c.function_flush("SYNC"), bool)
    assert_type(await c.function_list("*", withcode=True), list[dict[str, Any]])
    assert_type(await c.function_stats(), dict[str, Any])
    assert_type(await c.function_kill(), bool)
    assert_type(await c.function_dump(), bytes)
    assert_type(await c.function_restore(b"payload", "FLUSH"), bool)
