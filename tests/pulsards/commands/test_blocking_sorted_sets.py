from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import sequences
from tests.pulsards.differential import Differential
from tests.pulsards.waiting import Answer, EngineStage, Step, play
from tests.servers import RealServer

Play = Callable[[list[Step]], list[Answer]]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def scene(request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None) -> Play:
    return lambda steps: play(steps, valkey, redis_server, request.param)


class TestAtOnce:
    def test_what_is_there_already(self, peers: Differential) -> None:
        peers.check(
            ["ZADD z 1 a 2 b 3.5 c 4 d 5 e inf f", "BZPOPMIN z 0", "BZPOPMAX no z 1", "BZPOPMIN z z 0"]
        )
        peers.check(
            ["BZMPOP 0 1 z MIN", "BZMPOP 1 2 no z max COUNT 1", "BZMPOP 0 1 z MAX COUNT 9", "EXISTS z"]
        )

    def test_wrong_types_and_arguments(self, peers: Differential) -> None:
        peers.check(["SET str x", "ZADD z 1 a", "BZPOPMIN str z 1", "BZPOPMAX z str 1", "ZADD z 1 a"])
        peers.check(["BZMPOP 1 1 str MIN", "BZMPOP x 1 z MIN", "BZMPOP x 0 z MIN", "BZMPOP -1 1 z MIN"])
        peers.check(
            ["BZMPOP 1 1 z LEFT", "BZPOPMIN z x", "BZPOPMIN z -1", "BZPOPMAX z nan", "BZMPOP 1 2 z MIN"]
        )
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["ZADD z 1 a 2 b 3 c 4 d", "BZPOPMIN z 0", "BZPOPMAX z 0", "BZMPOP 0 1 z MIN COUNT 9"])


class TestWaiting:
    def test_first_come_first_served(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BZPOPMIN k 0"), ("b", "BZPOPMAX k 0"), ("c", "BZPOPMIN k 0"), ("d", "BZPOPMIN k 0")),
                *(("p", "ZADD k 1 a 2 b 3 c 4 d 5 e"), ("p", "ZRANGE k 0 -1")),
            ]
        )

    def test_several_keys(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BZPOPMIN x y 0"), ("b", "BZMPOP 0 2 y x MAX COUNT 2"), ("c", "BZPOPMAX y 0")),
                *(("p", "ZADD y 1 a 2 b 3 c"), ("p", "ZADD x 1 a 2 b 3 c"), ("p", "ZINCRBY y 1 z")),
            ]
        )

    def test_what_comes_by_other_commands(self, scene: Play) -> None:
        scene(
            [
                *(
                    ("a", "BZPOPMIN k 0"),
                    ("p", "SADD s m"),
                    ("p", "ZUNIONSTORE k 1 s"),
                    ("a", "BZPOPMIN k 0"),
                ),
                *(("p", "ZADD other 1 m"), ("p", "ZRANGESTORE k other 0 -1"), ("a", "BZMPOP 0 1 k MIN")),
                *(
                    ("p", "RENAME other k"),
                    ("a", "BZPOPMIN k 0"),
                    ("p", "ZINCRBY k 3 m"),
                    ("a", "BZPOPMAX k 0"),
                ),
                *(
                    ("p", "ZADD k NX CH 1 m"),
                    ("a", "BZPOPMAX k 0"),
                    ("p", "ZADD k XX 1 m"),
                    ("p", "ZADD k INCR 1 m"),
                ),
            ]
        )

    def test_a_type_that_does_not_do(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BZPOPMIN k 0"), ("b", "BLPOP k 0"), ("p", "SADD k m"), ("p", "DEL k")),
                *(("p", "RPUSH k 1"), ("p", "RPUSH k 1"), ("p", "DEL k"), ("p", "ZADD k 1 m")),
            ]
        )

    def test_a_transaction_serves_at_its_end(self, scene: Play) -> None:
        scene(
            [
                *(
                    ("a", "BZPOPMIN k 0"),
                    ("p", "MULTI"),
                    ("p", "ZADD k 5 x"),
                    ("p", "ZREM k x"),
                    ("p", "EXEC"),
                ),
                *(
                    ("p", "MULTI"),
                    ("p", "ZADD k 5 x"),
                    ("p", "ZADD k 1 y"),
                    ("p", "EXEC"),
                    ("p", "ZRANGE k 0 -1"),
                ),
            ]
        )

    def test_a_closed_connection_eats_nothing(self, scene: Play) -> None:
        scene([("a", "BZPOPMIN k 0"), ("a", "HANG UP"), ("p", "ZADD k 1 m"), ("p", "ZCARD k")])

    def test_who_timed_out_eats_nothing(self) -> None:
        stage = EngineStage(3)
        stage.client("a").send("BZPOPMIN", "k", 1.5)
        stage.client("b").send("BZMPOP", 2, 1, "k", "MIN")
        stage.advance(1.5)
        assert stage.answers() == [("a", None)]
        stage.client("p").send("ZADD", "k", 1, "m")
        assert stage.answers() == [("b", [b"k", [[b"m", ("double", "1.0")]]]), ("p", 1)]


_KEYS = st.sampled_from(["k", "l"])
_COMMANDS = sequences(
    ("BZPOPMIN", _KEYS, "0"),
    ("BZPOPMAX", _KEYS, "0"),
    ("BZMPOP", "0", "1", _KEYS, "MIN", "COUNT", "2"),
    ("BLPOP", _KEYS, "0"),
    ("ZADD", _KEYS, "1", "m"),
    ("ZADD", _KEYS, "2", "m", "3", "n"),
    ("ZUNIONSTORE", _KEYS, "2", "k", "l"),
    ("ZREM", _KEYS, "m"),
    ("RPUSH", _KEYS, "x"),
    ("DEL", _KEYS),
    most=20,
)


class TestAnyScene:
    @given(commands=_COMMANDS, names=st.lists(st.sampled_from("abcd"), min_size=20, max_size=20))
    def test_plays_the_same(
        self,
        commands: list[tuple[str, ...]],
        names: list[str],
        valkey: RealServer,
        redis_server: RealServer | None,
    ) -> None:
        play(list(zip(names, commands, strict=False)), valkey, redis_server)
