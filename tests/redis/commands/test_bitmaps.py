from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, Recorder, check, check_refused, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.bitcount("a"), "BITCOUNT", "a"),
        sends(lambda c: c.bitcount("a", 0, -1), "BITCOUNT", "a", 0, -1),
        sends(lambda c: c.bitcount("a", 0, 5, "bit"), "BITCOUNT", "a", 0, 5, "BIT"),
        sends(lambda c: c.bitfield_ro("a", "u8", 0), "BITFIELD_RO", "a", "GET", "u8", 0),
        sends(
            lambda c: c.bitfield_ro("a", "u8", 0, [("i4", "#2")]),
            *("BITFIELD_RO", "a", "GET", "u8", 0, "GET", "i4", "#2"),
        ),
        sends(lambda c: c.bitop("AND", "d", "a", "b"), "BITOP", "AND", "d", "a", "b"),
        sends(lambda c: c.bitpos("a", 1), "BITPOS", "a", 1),
        sends(lambda c: c.bitpos("a", 0, 2), "BITPOS", "a", 0, 2),
        sends(lambda c: c.bitpos("a", 0, 2, -1, "BIT"), "BITPOS", "a", 0, 2, -1, "BIT"),
        sends(lambda c: c.getbit("a", 5), "GETBIT", "a", 5),
        sends(lambda c: c.setbit("a", 5, 7), "SETBIT", "a", 5, 1),
        sends(lambda c: c.setbit("a", 5, 0), "SETBIT", "a", 5, 0),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.bitcount("a", 1), "start and end must be given together"),
        (lambda c: c.bitcount("a", mode="BIT"), "mode is the unit"),
        (lambda c: c.bitcount("a", 0, 1, "NIBBLE"), "mode must be one of BYTE, BIT"),
        (lambda c: c.bitop("AND", "d"), "BITOP needs"),
        (lambda c: c.bitpos("a", 2), "bit must be 0 or 1"),
        (lambda c: c.bitpos("a", 1, end=3), "end needs a start"),
        (lambda c: c.bitpos("a", 1, 3, mode="BIT"), "mode is the unit"),
        (lambda c: c.bitfield("a", "EXPLODE"), "overflow must be one of WRAP, SAT, FAIL"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


class TestBitField:
    def test_gathers_and_sends_at_once(self) -> None:
        client = Recorder([1, 2, None, 4])
        operation = client.bitfield("a").set("u8", 0, 255).get("u8", "#1")
        operation.incrby("i5", 100, 1, "fail").overflow("sat").incrby("u2", 7, 1)
        assert client.sent == []
        answer = operation.execute()
        assert client.sent == [
            (
                *("BITFIELD", "a", "SET", "u8", 0, 255, "GET", "u8", "#1"),
                *("OVERFLOW", "FAIL", "INCRBY", "i5", 100, 1, "OVERFLOW", "SAT", "INCRBY", "u2", 7, 1),
            )
        ]
        assert answer.result == [1, 2, None, 4]  # type: ignore[attr-defined]

    def test_the_default_overflow_holds_after_each_execute(self) -> None:
        client = Recorder()
        operation = client.bitfield("a", "SAT")
        operation.incrby("u2", 0, 1).execute()
        operation.incrby("u2", 0, 1).execute()
        expected = ("BITFIELD", "a", "OVERFLOW", "SAT", "INCRBY", "u2", 0, 1)
        assert client.sent == [expected, expected]

    def test_says_overflow_only_when_it_changes(self) -> None:
        operation = Recorder().bitfield("a").overflow("WRAP").incrby("u2", 0, 1, "WRAP")
        assert operation.command == ["BITFIELD", "a", "INCRBY", "u2", 0, 1]
        operation.reset()
        assert operation.command == ["BITFIELD", "a"]
