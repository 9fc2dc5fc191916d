from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.engine import Engine
from tests.pulsards.commands.sequences import sequences
from tests.pulsards.commands.stream_starts import lines
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient
from tests.pulsards.waiting import Answer, EngineStage, RawClient, Step, play
from tests.servers import RealServer

Play = Callable[[list[Step]], list[Answer]]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def scene(request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None) -> Play:
    return lambda steps: play(steps, valkey, redis_server, request.param)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def later_scene(request: pytest.FixtureRequest, valkey: RealServer) -> Play:
    """Without Redis 7.0, which has other words for a group that goes."""
    return lambda steps: play(steps, valkey, None, request.param)


def steps(text: str) -> list[Step]:
    """A scene of lines `who: what`."""
    found: list[Step] = []
    for line in lines(text):
        name, _, command = line.partition(": ")
        found.append((name, command))
    return found


class TestReadingAlone:
    def test_what_is_there_already(self, peers: Differential) -> None:
        peers.check(["XADD s 1 a b", "XREAD BLOCK 0 STREAMS s 0", "XREAD BLOCK 1 STREAMS no s 0 0"])

    def test_new_entries(self, scene: Play) -> None:
        scene(
            steps(
                """
                a: XREAD BLOCK 0 STREAMS s $
                b: XREAD BLOCK 0 COUNT 1 STREAMS t s 0 0
                c: XREAD BLOCK 0 STREAMS s s 0 5
                w: XADD s 5 a b
                w: XADD s 6 a b
                a: XREAD BLOCK 0 STREAMS s t $ $
                w: XADD t 1-1 a b
                a: XREAD BLOCK 0 STREAMS s t 6 1-1
                b: XREAD BLOCK 0 STREAMS u $
                w: XADD t 9 a b
                w: XADD u 3 a b
                """
            )
        )

    def test_many_wait_for_the_same(self, scene: Play) -> None:
        clients = [f"c{number}" for number in range(8)]
        waiting: list[Step] = [
            (name, f"XREAD BLOCK 0 STREAMS s {number % 4}") for number, name in enumerate(clients)
        ]
        scene([*waiting, ("w", "XADD s 2 a b"), ("w", "XADD s 3 a b"), ("w", "XADD s 4 a b")])

    def test_entries_that_come_in_a_transaction(self, scene: Play) -> None:
        scene(
            steps(
                """
                a: XREAD BLOCK 0 STREAMS s $
                b: XREAD BLOCK 0 STREAMS t $
                w: MULTI
                w: XADD s 1 a b
                w: XADD s 2 a b
                w: XADD t 1 a b
                w: DEL t
                w: EXEC
                w: XADD t 5 a b
                """
            )
        )

    def test_other_ways_for_a_stream_to_appear(self, scene: Play) -> None:
        scene(
            steps(
                """
                w: XADD source 5 a b
                a: XREAD BLOCK 0 STREAMS s 0
                w: RENAME source s
                a: XREAD BLOCK 0 STREAMS t 0
                w: COPY s t
                a: XREAD BLOCK 0 STREAMS u 7
                w: COPY s u
                w: XADD u 8 a b
                """
            )
        )

    def test_keys_of_other_types(self, scene: Play) -> None:
        scene(
            steps(
                """
                a: XREAD BLOCK 0 STREAMS s $
                b: BLPOP s 0
                w: RPUSH s x y
                w: DEL s
                w: SET s x
                w: DEL s
                w: XADD s 1 a b
                """
            )
        )

    def test_one_of_several_keys_that_is_no_stream(self, later_scene: Play) -> None:
        """Redis 7.0 looks only at the key that something came to."""
        later_scene(
            steps(
                """
                a: XREAD BLOCK 0 STREAMS s t 0 0
                b: XREAD BLOCK 0 STREAMS t s 0 0
                w: SET s x
                w: XADD t 1 a b
                """
            )
        )

    def test_what_does_not_serve(self, scene: Play) -> None:
        scene(
            steps(
                """
                w: XADD s 5 a b
                a: XREAD BLOCK 0 STREAMS s $
                w: XDEL s 5
                w: XSETID s 9
                w: XGROUP CREATE s g 0
                w: XTRIM s MAXLEN 0
                w: DEL s
                w: XADD s 3 a b
                w: XADD s 6 a b
                """
            )
        )

    def test_going_away(self, scene: Play) -> None:
        scene(
            steps(
                """
                a: XREAD BLOCK 0 STREAMS s $
                b: XREAD BLOCK 0 STREAMS s $
                a: HANG UP
                w: XADD s 1 a b
                """
            )
        )

    def test_time_limits(self, valkey: RealServer) -> None:
        stage = EngineStage(2)
        stage.client("a").send("XREAD", "BLOCK", 1500, "STREAMS", "s", "$")
        stage.client("b").send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        stage.advance(1.499)
        assert stage.answers() == []
        stage.advance(0.001)
        assert stage.answers() == [("a", None)]
        stage.advance(1_000_000)
        assert stage.answers() == []
        with RawClient(valkey.port) as raw:
            assert raw.ask("DEL s", "XREAD BLOCK 1 STREAMS s $") == b"*-1\r\n"
            assert raw.ask("HELLO 3", "XREAD BLOCK 1 STREAMS s $") == b"_\r\n"

    def test_the_last_entry_as_it_was(self) -> None:
        """`+` (7.4) waits for whatever comes after the last entry there was."""
        stage = EngineStage(2)
        stage.client("a").send("XREAD", "BLOCK", 0, "STREAMS", "s", "+")
        stage.client("w").execute("XADD", "s", "5", "a", "b")
        assert stage.answers() == [("a", [[b"s", [[b"5-0", [b"a", b"b"]]]]])]

    def test_not_in_a_transaction(self, peers: Differential) -> None:
        peers.check(
            ["MULTI", "XREAD BLOCK 0 STREAMS s $", "XADD s 1 a b", "XREAD BLOCK 0 STREAMS s 0", "EXEC"]
        )
        peers.check(["XGROUP CREATE s g $", "MULTI", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "EXEC"])


class TestReadingInGroups:
    def test_each_entry_goes_to_one(self, scene: Play) -> None:
        scene(
            steps(
                """
                w: XGROUP CREATE s g $ MKSTREAM
                w: XGROUP CREATE s h $
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS s >
                b: XREADGROUP GROUP g b BLOCK 0 COUNT 1 STREAMS s >
                c: XREADGROUP GROUP h c BLOCK 0 STREAMS s >
                d: XREAD BLOCK 0 STREAMS s $
                w: XADD s 1 a b
                w: XADD s 2 a b
                w: XADD s 3 a b
                b: XREADGROUP GROUP g b BLOCK 0 STREAMS s >
                b: XREADGROUP GROUP g b BLOCK 0 STREAMS s >
                w: XADD s 4 a b
                w: XPENDING s g
                w: XPENDING s h
                """
            )
        )

    def test_several_at_once(self, later_scene: Play) -> None:
        """Redis 7.0 replies with the first stream only that something came to."""
        later_scene(
            steps(
                """
                w: XGROUP CREATE s g $ MKSTREAM
                w: XGROUP CREATE t g $ MKSTREAM
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS t s > >
                b: XREADGROUP GROUP g b NOACK BLOCK 0 STREAMS s t > >
                w: MULTI
                w: XADD s 1 a b
                w: XADD s 2 a b
                w: XADD t 1 a b
                w: EXEC
                w: XADD t 2 a b
                w: XPENDING s g
                w: XPENDING t g
                """
            )
        )

    def test_history_never_waits(self, scene: Play) -> None:
        scene(
            steps(
                """
                w: XGROUP CREATE s g $ MKSTREAM
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS s 0
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS s >
                w: XGROUP SETID s g 0
                w: XADD s 1 a b
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS s 0
                """
            )
        )

    @pytest.mark.parametrize(
        "how",
        lines(
            """
            DEL s
            UNLINK s
            XGROUP DESTROY s g
            SET s x
            FLUSHDB
            FLUSHALL
            RENAME s t
            MOVE s 1
            SWAPDB 0 1
            PEXPIRE s -1
            RENAME other s
            COPY other s REPLACE
            RENAME string s
            """
        ),
    )
    def test_a_group_that_goes(self, later_scene: Play, how: str) -> None:
        answers = later_scene(
            [
                *steps(
                    """
                    w: XGROUP CREATE s g $ MKSTREAM
                    w: XADD other 1 a b
                    w: SET string x
                    a: XREADGROUP GROUP g a BLOCK 0 STREAMS s >
                    b: XREAD BLOCK 0 STREAMS s 5
                    c: XREADGROUP GROUP g c BLOCK 0 STREAMS s >
                    """
                ),
                ("w", how),
                ("w", "DEL s"),
                ("w", "XADD s 9 a b"),
            ]
        )
        errors = {who: reply for number, who, reply in answers if number == 6 and who != "w"}
        assert set(errors) == {"a", "c"}

    def test_a_group_that_goes_and_comes_back(self, later_scene: Play) -> None:
        later_scene(
            steps(
                """
                w: XGROUP CREATE s g $ MKSTREAM
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS s >
                w: MULTI
                w: DEL s
                w: XGROUP CREATE s g $ MKSTREAM
                w: EXEC
                w: XADD s 1 a b
                """
            )
        )

    def test_one_of_several_groups_goes(self, later_scene: Play) -> None:
        later_scene(
            steps(
                """
                w: XGROUP CREATE s g $ MKSTREAM
                w: XGROUP CREATE s h $ MKSTREAM
                w: XGROUP CREATE t g $ MKSTREAM
                a: XREADGROUP GROUP g a BLOCK 0 STREAMS s t > >
                b: XREADGROUP GROUP h b BLOCK 0 STREAMS s >
                w: XGROUP DESTROY s h
                w: XGROUP DESTROY t g
                w: XADD s 1 a b
                """
            )
        )

    def test_a_stream_that_expires(self) -> None:
        stage = EngineStage(2)
        stage.client("w").execute("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        stage.client("w").execute("PEXPIRE", "s", 100)
        stage.client("a").send("XREADGROUP", "GROUP", "g", "a", "BLOCK", 0, "STREAMS", "s", ">")
        stage.advance(0.2)
        [(who, (kind, text))] = stage.answers()
        assert (who, kind) == ("a", "error")
        assert text == "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"


def test_what_is_added_while_many_wait_costs_one_look_each() -> None:
    engine = Engine()
    readers = [EngineClient(engine) for _ in range(200)]
    for reader in readers:
        reader.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    writer = EngineClient(engine)
    writer.execute("XADD", "s", "1-1", "a", "b")
    assert all(reader.receive() == [[b"s", [[b"1-1", [b"a", b"b"]]]]] for reader in readers)
    assert engine.keyspace.databases[0].blocked == {}


_WHO = st.sampled_from(["a", "b", "c"])
_KEYS = st.sampled_from(["s", "t"])

_STEPS = sequences(
    ("XADD", _KEYS, "*", "f", "v"),
    ("XGROUP", "DESTROY", _KEYS, "g"),
    ("XGROUP", "CREATE", _KEYS, "g", "$", "MKSTREAM"),
    ("DEL", _KEYS),
    ("SET", _KEYS, "x"),
    ("RENAME", "s", "t"),
    ("XREAD", "BLOCK", "0", "STREAMS", _KEYS, "$"),
    ("XREAD", "BLOCK", "0", "STREAMS", "s", "t", "$", "$"),
    ("XREADGROUP", "GROUP", "g", _WHO, "BLOCK", "0", "STREAMS", _KEYS, ">"),
    ("XREADGROUP", "GROUP", "g", _WHO, "BLOCK", "0", "COUNT", "1", "STREAMS", "s", "t", ">", ">"),
    most=14,
)


@given(commands=_STEPS, who=st.lists(_WHO, min_size=14, max_size=14))
def test_any_scene(valkey: RealServer, commands: list[tuple[str, ...]], who: list[str]) -> None:
    """Who waits cannot ask for anything else: what changes streams is done by one that never waits."""
    stage = EngineStage(3)
    script: list[Step] = []
    number = 0
    for name, command in zip(who, commands, strict=False):
        if command[0] in ("XREAD", "XREADGROUP"):
            if stage.client(name).session.waiter is not None:
                continue
        else:
            name = "w"
        number += 1
        step = (name, [str(number) if part == "*" else part for part in command])
        stage.client(name).send(*step[1])
        stage.answers()
        script.append(step)
    play(script, valkey, None, 3)
