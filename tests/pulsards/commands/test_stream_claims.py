from __future__ import annotations

import pytest

from tests.pulsards.commands.stream_starts import CONSUMERS, GROUP, SHOW, lines
from tests.pulsards.differential import Differential


class TestClaiming:
    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            s g d 0 1-1
            s g d 0 1-1 1-2 2-0 5-7
            s g c 0 1-1
            s g d 50000 1-1 1-2
            s g d 50000 1-2 JUSTID
            s g d 0 1-1 JUSTID
            s g d 0 5-7 FORCE
            s g d 0 5-7 7-7 FORCE JUSTID
            s g d 0 5-7 FORCE RETRYCOUNT 7
            s g d 0 1-1 IDLE 400000
            s g d 0 1-1 IDLE -400000
            s g d 0 1-1 TIME 1000
            s g d 0 1-1 TIME -5
            s g d 0 1-1 TIME 9223372036854775807
            s g d 0 1-1 IDLE 9223372036854775807
            s g d 0 1-1 RETRYCOUNT 0
            s g d 0 1-1 RETRYCOUNT -3
            s g d 0 1-1 RETRYCOUNT 5 JUSTID
            s g d 0 1-1 LASTID 5-7
            s g d 0 1-1 LASTID 1-1
            s g d 0 1-1 LASTID x
            s g d 0 1-1 IDLE x
            s g d 0 1-1 TIME x
            s g d 0 1-1 RETRYCOUNT x
            s g d 0 1-1 FOO
            s g d 0 1-1 IDLE
            s g d x 1-1
            s g d -5 1-1
            s g d 0 x
            s g d 0 1-1 x 1-2
            s no d 0 1-1
            no g d 0 1-1
            str g d 0 1-1
            s g d 0
            s no d x x
            s g new 0 9-9
            s g d 0 1-1 JUSTID 1-2
            s g d 0 1-1 1-1 FORCE
            s g d 0 1-2 idle 5 time 7 retrycount 9 force justid lastid 9
            s g d 9223372036854775807 1-2 5-7 FORCE
            s g d 0 1-1 IDLE -9223372036854775808
            s g d 0 1-1 LASTID
            s g d 0 9-9 FORCE
            s g d 0 -
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check([*GROUP, *CONSUMERS, "XCLAIM s g c 0 1-2 IDLE 300000 JUSTID", "XDEL s 9-9", "SET str x"])
        peers.check([f"XCLAIM {arguments}", *SHOW])

    def test_entries_that_are_gone(self, peers: Differential) -> None:
        peers.check([*GROUP, *CONSUMERS, "XDEL s 1-2", "XCLAIM s g d 0 1-1 1-2 2-0", *SHOW, "XDEL s 2-0"])
        peers.check(
            ["XCLAIM s g d 0 2-0 FORCE JUSTID", *SHOW, "XTRIM s MAXLEN 0", "XAUTOCLAIM s g e 0 0", *SHOW]
        )

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            s g d 0 0
            s g d 0 - COUNT 1
            s g d 0 1-2
            s g d 0 (1-2
            s g d 0 0 COUNT 2
            s g d 0 0 JUSTID
            s g d 50000 0
            s g d 50000 0 COUNT 1 JUSTID
            s g d 50000 1-1 COUNT 1
            s g c 0 0
            s g d 0 +
            s g d 0 99
            s g d 0 0 COUNT 0
            s g d 0 0 COUNT -1
            s g d 0 0 COUNT x
            s g d 0 0 COUNT 9223372036854775807
            s g d 0 0 COUNT
            s g d 0 0 FOO
            s g d x 0
            s g d -1 0
            s g d 0 x
            s no d 0 0
            no g d 0 0
            str g d 0 0
            s no d x 0
            s g d 0
            s no d 0 x
            s g d 0 (18446744073709551615-18446744073709551615
            str g d 0 0 COUNT 0
            s g new 999999999 0 count 3 justid justid
            """
        ),
    )
    def test_automatic_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(
            [
                *GROUP,
                *CONSUMERS,
                "XCLAIM s g c 0 1-2 IDLE 300000 JUSTID",
                "SET str x",
                f"XAUTOCLAIM {arguments}",
            ]
        )
        peers.check(SHOW)

    def test_step_by_step(self, peers: Differential) -> None:
        peers.check([*(f"XADD s {number} a b" for number in range(1, 61)), "XGROUP CREATE s g 0"])
        peers.check(
            ["XREADGROUP GROUP g c STREAMS s >", ("XCLAIM", "s", "g", "c", 0, *range(40, 50), "IDLE", 300000)]
        )
        peers.check(
            ["XDEL s 3 4 5 41 60", "XAUTOCLAIM s g d 0 0 COUNT 4", "XAUTOCLAIM s g d 0 5 COUNT 2 JUSTID"]
        )
        # Of entries that are too young, ten times COUNT are looked at.
        peers.check(
            [
                "XAUTOCLAIM s g e 50000 0 COUNT 1",
                "XAUTOCLAIM s g e 50000 11 COUNT 2",
                "XAUTOCLAIM s g e 50000 31 COUNT 9",
            ]
        )
        peers.check(
            [
                "XAUTOCLAIM s g e 50000 40 COUNT 3",
                "XAUTOCLAIM s g f 0 0",
                "XAUTOCLAIM s g f 0 0 COUNT 54",
                *SHOW,
            ]
        )
