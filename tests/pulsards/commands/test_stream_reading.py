from __future__ import annotations

import pytest

from tests.pulsards.commands.stream_starts import CONSUMERS, FILL, GROUP, SHOW, lines
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

# Texts that later versions word otherwise.
_CHANGED_TEXTS = set(
    lines(
        """
        GROUP g c STREAMS s
        GROUP g c STREAMS s t >
        GROUP g c BLOCK 9223372036854775807 STREAMS s >
        NOACK STREAMS s t > > >
        STREAMS s t 0
        STREAMS s
        BLOCK 9223372036854775807 STREAMS s $
        """
    )
)


class TestReading:
    def test_new_entries(self, peers: Differential) -> None:
        peers.check([*FILL, "XGROUP CREATE s g 1-1", *CONSUMERS, "XREADGROUP GROUP g c COUNT 1 STREAMS s >"])
        peers.check(["XREADGROUP GROUP g d COUNT 2 STREAMS s >", *SHOW, "XREADGROUP GROUP g c STREAMS s >"])
        peers.check(
            ["XREADGROUP GROUP g c STREAMS s >", "XADD s 10 a 6", "XREADGROUP GROUP g e NOACK STREAMS s >"]
        )
        peers.check([*SHOW, "XREADGROUP GROUP g f STREAMS s >", *SHOW])

    def test_entries_delivered_before(self, peers: Differential) -> None:
        peers.check([*GROUP, "XREADGROUP GROUP g d STREAMS s >", "XREADGROUP GROUP g c STREAMS s 0", *SHOW])
        peers.check(["XREADGROUP GROUP g c COUNT 1 STREAMS s 1-1", "XREADGROUP GROUP g c STREAMS s 2-0"])
        peers.check(["XREADGROUP GROUP g c COUNT 0 STREAMS s 1", "XREADGROUP GROUP g c COUNT -1 STREAMS s 1"])
        peers.check(
            ["XDEL s 1-2 5-7", "XREADGROUP GROUP g c STREAMS s 0", "XREADGROUP GROUP g d STREAMS s 0", *SHOW]
        )
        peers.check(["XREADGROUP GROUP g new STREAMS s 0", "XREADGROUP GROUP g c NOACK STREAMS s 0", *SHOW])
        peers.check(["XREADGROUP GROUP g c STREAMS s 18446744073709551615-18446744073709551614"])
        peers.check(["XREADGROUP GROUP g c STREAMS s 18446744073709551615-18446744073709551615", *SHOW[1:]])

    def test_several_streams(self, peers: Differential) -> None:
        peers.check([*GROUP, "XADD t 3 b 1", "XADD t 4 b 2", "XGROUP CREATE t g 0", "XADD u 1 c 1"])
        peers.check(["XREADGROUP GROUP g c STREAMS s t > 0", "XREADGROUP GROUP g c STREAMS t s > >"])
        peers.check(["XREADGROUP GROUP g c STREAMS s t 0 0", "XREADGROUP GROUP g c STREAMS s u > >"])
        peers.check(
            ["XREADGROUP GROUP g c STREAMS s s 0 >", "XADD s 99 a b", "XREADGROUP GROUP g c STREAMS s s > 0"]
        )
        peers.check(
            [
                *SHOW,
                "XREAD STREAMS s t u 0 3 1",
                "XREAD COUNT 2 STREAMS s t no 0 $ 0",
                "XREAD STREAMS no no 0 $",
            ]
        )

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            STREAMS s > x y z w
            GROUP g c STREAMS s
            GROUP g c STREAMS s t >
            GROUP g c COUNT 1 s >
            GROUP g c COUNT x STREAMS s >
            GROUP g c COUNT STREAMS s >
            GROUP g c STREAMS s $
            COUNT 1 STREAMS s > 0 0
            GROUP g c STREAMS s x
            GROUP g c STREAMS s -
            GROUP no c STREAMS s >
            GROUP g c STREAMS no >
            GROUP g c STREAMS str >
            GROUP g c STREAMS s str > >
            GROUP g c STREAMS s no > >
            GROUP g c FOO STREAMS s >
            GROUP g c NOACK NOACK STREAMS s >
            COUNT 1 NOACK GROUP g c COUNT 2 STREAMS s >
            GROUP g c BLOCK -1 STREAMS s >
            GROUP g c BLOCK x STREAMS s >
            GROUP g c BLOCK 1.5 STREAMS s >
            GROUP g c BLOCK 0 STREAMS s >
            GROUP g c BLOCK 9223372036854775807 STREAMS s >
            GROUP g STREAMS s t u v >
            group g c block 5 streams s 0
            GROUP no c GROUP g d STREAMS s >
            GROUP g c STREAMS s >-
            NOACK STREAMS s t > > >
            GROUP g c STREAMS s no x >
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        without = ["redis"] if arguments in _CHANGED_TEXTS else []
        peers.check([*GROUP, "SET str x", f"XREADGROUP {arguments}"], without=without)
        peers.check([SHOW[0]], without=without)

    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            STREAMS s 0
            STREAMS s 5-7
            STREAMS s 9-9
            STREAMS s $
            STREAMS s >
            STREAMS s x
            STREAMS s -
            STREAMS s t 0
            COUNT 1 COUNT 2
            BLOCK 1 COUNT 2
            STREAMS
            STREAMS s
            COUNT 2 STREAMS s 0
            COUNT 0 STREAMS s 0
            COUNT -5 STREAMS s 0
            COUNT x STREAMS s 0
            GROUP g c STREAMS s 0
            NOACK STREAMS s 0
            FOO STREAMS s 0
            COUNT 1 s 0
            STREAMS str 0
            STREAMS s str 0 0
            STREAMS no str 0 0
            BLOCK -1 STREAMS s 0
            BLOCK x STREAMS s 0
            BLOCK 0 STREAMS s 0
            BLOCK 1 COUNT 1 BLOCK 2 STREAMS s 1-2
            STREAMS s 18446744073709551615
            STREAMS s (1
            STREAMS s 18446744073709551615-18446744073709551615
            BLOCK 9223372036854775807 STREAMS s $
            GROUP s 0
            """
        ),
    )
    def test_arguments_without_group(self, peers: Differential, arguments: str) -> None:
        without = ["redis"] if arguments in _CHANGED_TEXTS else []
        peers.check([*GROUP, "SET str x", f"XREAD {arguments}"], without=without)

    def test_the_last_entry(self) -> None:
        """`+`, which neither Valkey nor Redis 7.0 know; compared with Redis 8.2 by hand."""
        client = EngineClient()
        for command in [*FILL, "XADD e 1 a b", "XDEL e 1", "XADD e 0-0 a b", "XGROUP CREATE s g 0"]:
            client.execute(*command.split())
        last = [b"s", [[b"9-9", [b"a", b"5"]]]]
        assert client.execute("XREAD", "STREAMS", "s", "+") == [last]
        assert client.execute("XREAD", "COUNT", 9, "STREAMS", "e", "s", "no", "+", "+", "+") == [last]
        assert client.execute("XREAD", "STREAMS", "e", "+") is None
        client.execute("XDEL", "s", "9-9")
        assert client.execute("XREAD", "STREAMS", "s", "+") == [[b"s", [[b"5-7", [b"a", b"4"]]]]]
        kind, text = client.execute("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "+")
        assert kind == "error"
        assert text.startswith("ERR The + ID is meaningless in the context of XREADGROUP")

    def test_events(self, peers: Differential) -> None:
        """Of keys that are not there, too."""
        commands = [
            "XREAD STREAMS no s 0 0",
            "XREAD STREAMS no 0",
            "XRANGE no - +",
            "XLEN no",
            "XINFO STREAM no",
        ]
        peers.events([*GROUP, *commands, "XREADGROUP GROUP g c STREAMS no >", "XPENDING no g", "XACK no g 1"])
        peers.events(
            [
                "XCLAIM no g c 0 1",
                "XAUTOCLAIM no g c 0 0",
                "XGROUP CREATE no g 0",
                "XDEL no 1",
                "XTRIM no MAXLEN 1",
            ]
        )
        peers.events(
            ["XREADGROUP GROUP g c STREAMS s no > >", "XREADGROUP GROUP g c STREAMS s >", "XREAD STREAMS s 0"]
        )

    def test_no_waiting_in_scripts(self, peers: Differential) -> None:
        scripts = [
            "return redis.pcall('xRead', 'BLOCK', 0, 'STREAMS', 's', '$').err",
            "return redis.pcall('XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 'x', 'STREAMS', 's', '>').err",
        ]
        # Valkey takes it for a read that does not wait.
        peers.check([*GROUP, *(("EVAL", script, 0) for script in scripts)], without=["valkey"])

    def test_reading_in_scripts(self, peers: Differential) -> None:
        script = "return redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS', 's', '>')"
        peers.check([*GROUP, ("EVAL", script, 0), ("EVAL", "return redis.call('XRANGE', 's', '-', '+')", 0)])
