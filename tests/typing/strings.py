"""What type checkers make of the results of `commands.strings`; never run."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.commands.replies import LcsMatches
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.append("a", 1), int)
    assert_type(await c.decr("a"), int)
    assert_type(await c.decrby("a", 2), int)
    assert_type(await c.incr("a"), int)
    assert_type(await c.incrby("a", 2), int)
    assert_type(await c.incrbyfloat("a", 1.5), float)
    assert_type(await c.get("a"), bytes | None)
    assert_type(await c.getdel("a"), bytes | None)
    assert_type(await c.getex("a", ex=5), bytes | None)
    assert_type(await c.getrange("a", 0, -1), bytes)
    assert_type(await c.substr("a", 0), bytes)
    assert_type(await c.getset("a", b"x"), bytes | None)
    assert_type(await c.lcs("a", "b"), bytes)
    assert_type(await c.lcs("a", "b", len=True), int)
    assert_type(await c.lcs("a", "b", idx=True), LcsMatches)
    assert_type(await c.mget("a", "b"), list[bytes | None])
    assert_type(await c.mget(["a", b"b"]), list[bytes | None])
    assert_type(await c.mset({"a": 1}), bool)
    assert_type(await c.mset({b"a": "x"}), bool)
    assert_type(await c.msetnx({"a": 1.5}), bool)
    assert_type(await c.set("a", "x"), bool | None)
    assert_type(await c.set("a", memoryview(b"x"), ex=timedelta(seconds=1), nx=True), bool | None)
    assert_type(await c.set("a", 1, get=True), bytes | None)
    assert_type(await c.setex("a", 5, "x"), bool)
    assert_type(await c.psetex("a", 5, "x"), bool)
    assert_type(await c.setnx("a", "x"), bool)
    assert_type(await c.setrange("a", 5, "x"), int)
    assert_type(await c.strlen("a"), int)
    assert_type(await c.set("a", 1, ifeq="x"), bool | None)
    assert_type(await c.set("a", 1, ifeq=b"x", get=True), bytes | None)
    assert_type(await c.msetex({"a": 1}, "NX", ex=timedelta(seconds=1)), int)
    assert_type(await c.delifeq("a", "x"), int)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.append("a", 1), int)
    assert_type(await c.decr("a"), int)
    assert_type(await c.decrby("a", 2), int)
    assert_type(await c.incr("a"), int)
    assert_type(await c.incrby("a", 2), int)
    assert_type(await c.incrbyfloat("a", 1.5), float)
    assert_type(await c.get("a"), str | None)
    assert_type(await c.getdel("a"), str | None)
    assert_type(await c.getex("a", ex=5), str | None)
    assert_type(await c.getrange("a", 0, -1), str)
    assert_type(await c.substr("a", 0), str)
    assert_type(await c.getset("a", b"x"), str | None)
    assert_type(await c.lcs("a", "b"), str)
    assert_type(await c.lcs("a", "b", len=True), int)
    assert_type(await c.lcs("a", "b", idx=True), LcsMatches)
    assert_type(await c.mget("a", "b"), list[str | None])
    assert_type(await c.mget(["a", b"b"]), list[str | None])
    assert_type(await c.mset({"a": 1}), bool)
    assert_type(await c.mset({b"a": "x"}), bool)
    assert_type(await c.msetnx({"a": 1.5}), bool)
    assert_type(await c.set("a", "x"), bool | None)
    assert_type(await c.set("a", memoryview(b"x"), ex=timedelta(seconds=1), nx=True), bool | None)
    assert_type(await c.set("a", 1, get=True), str | None)
    assert_type(await c.setex("a", 5, "x"), bool)
    assert_type(await c.psetex("a", 5, "x"), bool)
    assert_type(await c.setnx("a", "x"), bool)
    assert_type(await c.setrange("a", 5, "x"), int)
    assert_type(await c.strlen("a"), int)
    assert_type(await c.set("a", 1, ifeq="x"), bool | None)
    assert_type(await c.set("a", 1, ifeq=b"x", get=True), str | None)
    assert_type(await c.msetex({"a": 1}, "NX", ex=timedelta(seconds=1)), int)
    assert_type(await c.delifeq("a", "x"), int)
