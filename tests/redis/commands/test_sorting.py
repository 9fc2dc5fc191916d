from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.sort("a"), "SORT", "a"),
        sends(
            lambda c: c.sort("a", 1, 2, "w_*", ["#", "d_*"], desc=True, alpha=True, store="b"),
            *(
                "SORT",
                "a",
                "BY",
                "w_*",
                "LIMIT",
                1,
                2,
                "GET",
                "#",
                "GET",
                "d_*",
                "DESC",
                "ALPHA",
                "STORE",
                "b",
            ),
        ),
        sends(lambda c: c.sort("a", get="d_*"), "SORT", "a", "GET", "d_*"),
        sends(lambda c: c.sort("a", get=["#", "d_*"], groups=True), "SORT", "a", "GET", "#", "GET", "d_*"),
        sends(lambda c: c.sort_ro("a", 0, 5, get=[b"#"]), "SORT_RO", "a", "LIMIT", 0, 5, "GET", b"#"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.sort("a", start=1), "start and num must be given together"),
        (lambda c: c.sort("a", num=1), "start and num must be given together"),
        (lambda c: c.sort("a", groups=True), "groups needs a get with two patterns"),
        (lambda c: c.sort("a", get="#", groups=True), "groups needs a get with two patterns"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_groups() -> None:
    reply = [b"1", b"one", b"2", None]
    assert results(lambda c: c.sort("a", get=["#", "d_*"], groups=True), reply, []) == [
        [(b"1", b"one"), (b"2", None)],
        [],
    ]
