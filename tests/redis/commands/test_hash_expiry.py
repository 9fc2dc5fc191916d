from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, sends

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.hexpire("a", 5, "f", "g"), "HEXPIRE", "a", 5, "FIELDS", 2, "f", "g"),
        sends(
            lambda c: c.hexpire("a", timedelta(minutes=1), "f", nx=True),
            *("HEXPIRE", "a", 60, "NX", "FIELDS", 1, "f"),
        ),
        sends(lambda c: c.hpexpire("a", 5, "f", gt=True), "HPEXPIRE", "a", 5, "GT", "FIELDS", 1, "f"),
        sends(
            lambda c: c.hexpireat("a", MOMENT, "f", lt=True),
            *("HEXPIREAT", "a", 1893456000, "LT", "FIELDS", 1, "f"),
        ),
        sends(
            lambda c: c.hpexpireat("a", MOMENT, "f", xx=True),
            *("HPEXPIREAT", "a", 1893456000000, "XX", "FIELDS", 1, "f"),
        ),
        sends(lambda c: c.hpersist("a", "f"), "HPERSIST", "a", "FIELDS", 1, "f"),
        sends(lambda c: c.hexpiretime("a", "f"), "HEXPIRETIME", "a", "FIELDS", 1, "f"),
        sends(lambda c: c.hpexpiretime("a", "f"), "HPEXPIRETIME", "a", "FIELDS", 1, "f"),
        sends(lambda c: c.httl("a", "f", 2), "HTTL", "a", "FIELDS", 2, "f", 2),
        sends(lambda c: c.hpttl("a", "f"), "HPTTL", "a", "FIELDS", 1, "f"),
        sends(lambda c: c.hgetex("a", "f", 2), "HGETEX", "a", "FIELDS", 2, "f", 2),
        sends(
            lambda c: c.hgetex("a", "f", exat=MOMENT), *("HGETEX", "a", "EXAT", 1893456000, "FIELDS", 1, "f")
        ),
        sends(lambda c: c.hgetex("a", "f", persist=True), "HGETEX", "a", "PERSIST", "FIELDS", 1, "f"),
        sends(lambda c: c.hsetex("a", "f", 2), "HSETEX", "a", "FIELDS", 1, "f", 2),
        sends(
            lambda c: c.hsetex("a", "f", 2, {"g": 3}, ["h", 4], px=5, data_persist_option="FNX"),
            *("HSETEX", "a", "FNX", "PX", 5, "FIELDS", 3, "h", 4, "f", 2, "g", 3),
        ),
        sends(
            lambda c: c.hsetex("a", mapping={"g": 3}, data_persist_option="FXX", keepttl=True),
            *("HSETEX", "a", "FXX", "KEEPTTL", "FIELDS", 1, "g", 3),
        ),
        sends(lambda c: c.hgetdel("a", "f", 2), "HGETDEL", "a", "FIELDS", 2, "f", 2),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.hexpire("a", 5), "HEXPIRE needs at least one of its fields"),
        (lambda c: c.httl("a"), "HTTL needs"),
        (lambda c: c.hexpire("a", 5, "f", nx=True, lt=True), "nx and lt"),
        (lambda c: c.hexpire("a", 5, "f", xx=True, lt=True), "xx and lt"),
        (lambda c: c.hexpire("a", 0.5, "f"), "seconds must be a whole number"),
        (lambda c: c.hgetex("a"), "HGETEX needs"),
        (lambda c: c.hgetex("a", "f", ex=1, persist=True), "ex and persist"),
        (lambda c: c.hsetex("a"), "HSETEX needs"),
        (lambda c: c.hsetex("a", "f"), "key needs a value"),
        (lambda c: c.hsetex("a", items=["f"]), "alternate"),
        (lambda c: c.hsetex("a", "f", 1, ex=1, keepttl=True), "ex and keepttl"),
        (lambda c: c.hsetex("a", "f", 1, data_persist_option="NX"), "must be one of FNX, FXX"),
        (lambda c: c.hgetdel("a"), "HGETDEL needs"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)
