from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.commands.stream_starts import FILL, GROUP, SHOW, lines
from tests.pulsards.differential import Command, Differential
from tests.servers import RealServer


class TestGroups:
    def test_creating(self, peers: Differential) -> None:
        peers.check(
            ["XGROUP CREATE s g $", "XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s g 0 MKSTREAM", *FILL]
        )
        peers.check(["XGROUP CREATE s h $", "XGROUP CREATE s i 1-2 ENTRIESREAD 2", "XGROUP CREATE s g 0"])
        peers.check(
            ["XGROUP CREATE t g $ mkstream", "XGROUP CREATE u g 5 MKSTREAM ENTRIESREAD 9", "XINFO GROUPS s"]
        )
        peers.check(
            ["XINFO GROUPS t", "XINFO GROUPS u", "XLEN t", "XINFO STREAM t", "XADD u 1 a b", "XINFO GROUPS u"]
        )
        peers.check_state()

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            CREATE s h x
            CREATE s h -
            CREATE s h +
            CREATE s h (1
            CREATE s h 1-*
            CREATE s h
            CREATE s
            CREATE no h 0
            CREATE str h 0
            CREATE str h x MKSTREAM
            CREATE no h x MKSTREAM
            CREATE no h x
            CREATE s h 0 FOO
            CREATE s h 0 ENTRIESREAD
            CREATE s h 0 ENTRIESREAD x
            CREATE s h 0 ENTRIESREAD -2
            CREATE s h 0 ENTRIESREAD -1
            CREATE s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM
            CREATE s g x
            CREATE no h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM
            CREATE str h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM
            SETID s g 0
            SETID s g $
            SETID s g -
            SETID s g +
            SETID s g x
            SETID s g 5 ENTRIESREAD 3
            SETID s g 5 ENTRIESREAD 3 ENTRIESREAD 4
            SETID s no 0
            SETID no g 0
            SETID str g 0
            SETID s g
            SETID s g 5 ENTRIESREAD
            SETID s g 5 FOO
            SETID s g 5 MKSTREAM
            SETID s g 5 ENTRIESREAD -5
            DESTROY s g
            DESTROY s no
            DESTROY no g
            DESTROY str g
            DESTROY s
            DESTROY s g x
            CREATECONSUMER s g d
            CREATECONSUMER s g c
            CREATECONSUMER s no d
            CREATECONSUMER no g d
            CREATECONSUMER str g d
            CREATECONSUMER s g
            CREATECONSUMER s g d e
            FOO
            FOO s g
            DELCONSUMER s g c
            DELCONSUMER s g d
            DELCONSUMER s no c
            DELCONSUMER no g c
            DELCONSUMER str g c
            DELCONSUMER s g
            DELCONSUMER s g c d
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check([*GROUP, "SET str x", f"XGROUP {arguments}", *SHOW[:2], "EXISTS no"])

    def test_moving_on(self, peers: Differential) -> None:
        peers.check([*GROUP, "XGROUP SETID s g 1-1", "XREADGROUP GROUP g d COUNT 2 STREAMS s >", *SHOW])
        peers.check(["XGROUP SETID s g $ ENTRIESREAD 5", "XREADGROUP GROUP g d STREAMS s >", *SHOW])
        peers.check(["XGROUP DELCONSUMER s g d", *SHOW, "XGROUP DELCONSUMER s g c", *SHOW])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATECONSUMER s g c", "XGROUP CREATECONSUMER s g c"]
        )
        peers.events(
            [*FILL, "XREADGROUP GROUP g d STREAMS s >", "XREADGROUP GROUP g d STREAMS s 0", "XACK s g 1-1"]
        )
        peers.events(
            ["XCLAIM s g e 0 1-2", "XAUTOCLAIM s g f 0 0", "XGROUP SETID s g 0", "XGROUP DELCONSUMER s g no"]
        )
        peers.events(
            ["XGROUP DELCONSUMER s g d", "XGROUP DESTROY s g", "XGROUP DESTROY s g", "XGROUP CREATE s h $"]
        )

    def test_help(self, peers: Differential) -> None:
        for command in ("XGROUP", "XINFO"):
            ours, *theirs = (
                client.execute(command, "HELP") for client in (peers.engine, *peers.servers.values())
            )
            for reply in theirs:
                assert [line for line in reply[1:-2] if not line.startswith(b" ")][0].split()[0] in b" ".join(
                    ours
                )
            assert ours[0].startswith(command.encode() + b" <subcommand>")
            assert ours[-2:] == [b"HELP", b"    This text."]


class TestAcknowledging:
    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            s g 1-1
            s g 1-1 1-1 1-2
            s g 5-7
            s g 1-1 x
            s g x
            s no 1-1
            s no x
            no g x
            str g 1
            s g
            s g -
            s g 1-1 2 9
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check([*GROUP, "SET str x", f"XACK {arguments}", *SHOW])

    def test_many(self, peers: Differential) -> None:
        numbers = range(1, 701)
        peers.check([*(f"XADD s {number} a b" for number in numbers), "XGROUP CREATE s g 0"])
        peers.check(["XREADGROUP GROUP g c COUNT 400 STREAMS s >", "XREADGROUP GROUP g d STREAMS s >"])
        peers.check(
            [("XACK", "s", "g", *range(1, 301)), "XPENDING s g", "XPENDING s g - + 3", "XPENDING s g 399 + 3"]
        )
        peers.check([("XACK", "s", "g", *range(302, 700, 2)), "XPENDING s g", "XPENDING s g 301 401 999 c"])
        peers.check(["XGROUP SETID s g 200", "XREADGROUP GROUP g e COUNT 150 STREAMS s >", *SHOW])
        peers.check([("XACK", "s", "g", *range(700, 0, -1)), *SHOW])


class TestPending:
    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            s g
            s g - + 10
            s g - + 1
            s g - + 0
            s g - + -1
            s g - + 10 c
            s g - + 10 d
            s g - + 10 no
            s g (1-1 + 10
            s g 1-2 2 10
            s g (2 (5 10 c
            s g IDLE 0 - + 10
            s g IDLE 50000 - + 10
            s g IDLE 50000 - + 10 c
            s g IDLE -5 - + 10
            s g IDLE x - + 10
            s g IDLE 1 - +
            s g IDLE 1
            s g IDLE 1 - + 10 c d
            s g - +
            s g -
            s g x + 10
            s g - x 10
            s g - + x
            s no
            s no - + 10
            no g
            no g - + 10
            str g
            str g - + 10
            s no x + 10
            s
            s g (18446744073709551615 + 1
            s g (18446744073709551615-18446744073709551615 + 1
            s g - (0-0 1
            s g idle 0 - + 10 d
            s g - + 1 c d
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(
            [*GROUP, "XREADGROUP GROUP g d COUNT 1 STREAMS s >", "XCLAIM s g d 0 1-2 IDLE 300000 JUSTID"]
        )
        peers.check(["SET str x", f"XPENDING {arguments}"])


_KEYS = st.sampled_from(["s", "s", "t", "no", "str"])
_GROUPS = st.sampled_from(["g", "g", "h"])
_NAMES = st.sampled_from(["c", "d", "e"])
_IDS = st.sampled_from(["0", "1-1", "1-2", "2", "5-7", "9-9", "12", "x"])
_NEW_IDS = st.sampled_from([str(number) for number in range(10, 40)])
_COUNTS = st.sampled_from(["1", "2", "9", "0", "-1", "x"])
_IDLE = st.sampled_from(["0", "0", "50000", "x"])

_COMMANDS = sequences(
    ("XADD", _KEYS, _NEW_IDS, "f", "v"),
    ("XADD", _KEYS, _NEW_IDS, "f", "v"),
    ("XDEL", _KEYS, _IDS, _IDS),
    ("XTRIM", _KEYS, "MAXLEN", _COUNTS),
    ("XGROUP", "CREATE", _KEYS, _GROUPS, _IDS),
    ("XGROUP", "CREATE", _KEYS, _GROUPS, "$", "MKSTREAM"),
    ("XGROUP", "SETID", _KEYS, _GROUPS, _IDS),
    ("XGROUP", "DESTROY", _KEYS, _GROUPS),
    ("XGROUP", "CREATECONSUMER", _KEYS, _GROUPS, _NAMES),
    ("XGROUP", "DELCONSUMER", _KEYS, _GROUPS, _NAMES),
    ("XREADGROUP", "GROUP", _GROUPS, _NAMES, "COUNT", _COUNTS, "STREAMS", _KEYS, ">"),
    ("XREADGROUP", "GROUP", _GROUPS, _NAMES, "STREAMS", "s", _KEYS, ">", ">"),
    ("XREADGROUP", "GROUP", _GROUPS, _NAMES, "NOACK", "COUNT", _COUNTS, "STREAMS", _KEYS, ">"),
    ("XREADGROUP", "GROUP", _GROUPS, _NAMES, "STREAMS", _KEYS, _IDS),
    ("XACK", _KEYS, _GROUPS, _IDS, _IDS),
    ("XPENDING", _KEYS, _GROUPS),
    ("XPENDING", _KEYS, _GROUPS, "IDLE", _IDLE, _IDS, "+", _COUNTS),
    ("XPENDING", _KEYS, _GROUPS, "-", "+", _COUNTS, _NAMES),
    ("XCLAIM", _KEYS, _GROUPS, _NAMES, _IDLE, _IDS, _IDS),
    ("XCLAIM", _KEYS, _GROUPS, _NAMES, _IDLE, _IDS, "FORCE", "IDLE", "300000"),
    ("XCLAIM", _KEYS, _GROUPS, _NAMES, _IDLE, _IDS, "JUSTID", "RETRYCOUNT", _COUNTS, "LASTID", _IDS),
    ("XAUTOCLAIM", _KEYS, _GROUPS, _NAMES, _IDLE, _IDS, "COUNT", _COUNTS),
    ("XAUTOCLAIM", _KEYS, _GROUPS, _NAMES, _IDLE, _IDS, "JUSTID"),
    ("XINFO", "GROUPS", _KEYS),
    ("XINFO", "CONSUMERS", _KEYS, _GROUPS),
    ("XINFO", "STREAM", _KEYS, "FULL"),
    ("COPY", "s", "t"),
)


@pytest.fixture(scope="module", params=[2, 3], ids=["resp2", "resp3"])
def valkey_beside(request: pytest.FixtureRequest, valkey: RealServer) -> Iterator[Differential]:
    """Without Redis 7.0, which creates consumers only where there is something for them."""
    with Differential(valkey, None, request.param) as peers:
        yield peers


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, valkey_beside: Differential, commands: list[Command]) -> None:
        run_sequence(valkey_beside, [*GROUP, "SET str x"], [*commands, "XINFO STREAM s FULL COUNT 0"])
