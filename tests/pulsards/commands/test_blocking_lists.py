from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from tests.pulsards import scenes
from tests.pulsards.commands.sequences import sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient
from tests.pulsards.waiting import Answer, EngineStage, RawClient, Step, play
from tests.servers import RealServer

Play = Callable[[list[Step]], list[Answer]]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def scene(request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None) -> Play:
    return lambda steps: play(steps, valkey, redis_server, request.param)


class TestAtOnce:
    def test_what_is_there_already(self, peers: Differential) -> None:
        peers.check(
            ["RPUSH n a b c d e f g h i j k", "BLPOP n 0", "BRPOP no n 1", "BLPOP n n 0.5", "BRPOP n 0"]
        )
        peers.check(["BRPOPLPUSH n o 0", "BLMOVE n o LEFT RIGHT 1", "BLMPOP 0 1 n LEFT", "LRANGE o 0 -1"])
        peers.check(["BLMPOP 0 2 no n RIGHT COUNT 2", "BLPOP n 0.000001", "BLMPOP 1 2 no n LEFT COUNT 99"])
        peers.check_state()

    def test_wrong_types(self, peers: Differential) -> None:
        peers.check(
            ["SET str x", "RPUSH n a", "BLPOP str n 1", "BRPOP n str 1", "RPUSH n a", "BLMPOP 1 1 str LEFT"]
        )
        peers.check(["BRPOPLPUSH str n 0", "BRPOPLPUSH n str 0", "BLMOVE str n LEFT LEFT 0", "LLEN n"])
        peers.check(["BLMOVE n str LEFT LEFT 0", "BLMOVE n o up LEFT 0", "BLMOVE n o up LEFT x"])

    @pytest.mark.parametrize(
        "timeout",
        [
            *("0", "1", "0.1", ".5", "1.", "+1", "1e2", "1e-20", "0x10", "00", "-0", "-0.0001", "1000000000"),
            *("x", "-1", "nan", "-inf", " 1", "1 ", "", "1e", "0x", "1,5", "-1e10", "1s"),
        ],
    )
    def test_time_limits(self, peers: Differential, timeout: str) -> None:
        peers.check(["RPUSH l a b c d e f", "ZADD z 1 a 2 b 3 c"])
        peers.check([("BLPOP", "l", timeout), ("BRPOP", "l", timeout), ("BLMPOP", timeout, 1, "l", "LEFT")])
        peers.check([("BRPOPLPUSH", "l", "m", timeout), ("BLMOVE", "l", "m", "LEFT", "LEFT", timeout)])
        peers.check(
            [("BZPOPMIN", "z", timeout), ("BZPOPMAX", "z", timeout), ("BZMPOP", timeout, 1, "z", "MIN")]
        )

    @pytest.mark.parametrize(
        "timeout", ["inf", "1e20", "9223372036854775807", "9223372036854775", "9223372036854776"]
    )
    def test_time_limits_past_64_bits(self, peers: Differential, timeout: str) -> None:
        peers.check(["RPUSH l a", f"BLPOP l {timeout}"], without=["redis"])  # 7.0 lets them wrap around

    def test_inside_a_transaction(self, peers: Differential) -> None:
        peers.check(
            ["MULTI", "BLPOP no 0", "BRPOPLPUSH no o 0", "BLMOVE no o LEFT LEFT 0", "BLMPOP 0 1 no LEFT"]
        )
        peers.check(["BRPOP no 5", "BZPOPMIN no 0", "BZPOPMAX no 0", "BZMPOP 0 1 no MIN", "EXEC"])
        peers.check(["MULTI", "RPUSH l a", "BLPOP l 0", "EXEC"])

    def test_arity(self, peers: Differential) -> None:
        peers.check(
            ["BLPOP 1", "BRPOP", "BRPOPLPUSH a b", "BLMOVE a b LEFT LEFT", "BLMPOP 1 1 a", "BZPOPMIN 1"]
        )

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["RPUSH l a b c d e f", "BLPOP l 0", "BRPOP l 0", "BRPOPLPUSH l m 0", "BLMPOP 0 1 l LEFT"]
        )
        peers.events(["BLMOVE l m LEFT RIGHT 0", "BLMPOP 0 1 l LEFT COUNT 9", "BLMPOP 0 1 m LEFT COUNT 9"])


class TestWaiting:
    def test_first_come_first_served(self, scene: Play) -> None:
        steps = [("a", "BLPOP k 0"), ("b", "BRPOP k 0"), ("c", "BLPOP k 0"), ("p", "RPUSH k 1 2 3 4")]
        assert [answer[1:] for answer in scene([*steps, ("p", "LRANGE k 0 -1")])][:3] == [
            ("a", [b"k", b"1"]),
            ("b", [b"k", b"4"]),
            ("c", [b"k", b"2"]),
        ]

    def test_one_element_each(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLPOP k 0"), ("b", "BLPOP k 0"), ("p", "LPUSH k 1"), ("a", "BLPOP k 0")),
                *(("p", "LPUSH k 2"), ("p", "LPUSH k 3"), ("p", "EXISTS k")),
            ]
        )

    def test_several_keys(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLPOP x y z 0"), ("b", "BLPOP z y 0"), ("c", "BLPOP y 0"), ("p", "RPUSH z 1")),
                *(("p", "RPUSH y 1 2 3"), ("p", "LRANGE y 0 -1"), ("a", "BLPOP q q 0"), ("p", "RPUSH q 1")),
            ]
        )

    def test_a_type_that_does_not_do(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLPOP k 0"), ("b", "BZPOPMIN k 0"), ("c", "BLPOP k 0"), ("p", "SET k x")),
                *(("p", "DEL k"), ("p", "SADD k m"), ("p", "DEL k"), ("p", "ZADD k 1 m"), ("p", "EXISTS k")),
                *(("p", "RPUSH k 1 2"), ("p", "EXISTS k")),
            ]
        )

    def test_what_comes_by_other_commands(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLPOP k 0"), ("p", "RPUSH other 1 2"), ("p", "RENAME other k"), ("a", "BLPOP k 0")),
                *(("a", "BLPOP k 0"), ("p", "RPUSH other 3"), ("p", "COPY other k"), ("a", "BLPOP k 0")),
                *(("p", "RPUSH other 2"), ("p", "SORT other STORE k"), ("p", "LMOVE other k LEFT LEFT")),
                *(("a", "BLPOP k 0"), ("a", "BLPOP k 0"), ("a", "BLPOP k 0"), ("p", "SELECT 1")),
                *(
                    ("p", "RPUSH k 1"),
                    ("p", "MOVE k 0"),
                    ("a", "BLPOP k 0"),
                    ("p", "RPUSH k 5"),
                    ("p", "SWAPDB 0 1"),
                ),
            ]
        )

    def test_a_transaction_serves_at_its_end(self, scene: Play) -> None:
        scene(
            [
                *(
                    ("a", "BLPOP k 0"),
                    ("b", "BLPOP k 0"),
                    ("p", "MULTI"),
                    ("p", "RPUSH k 1"),
                    ("p", "LPOP k"),
                ),
                *(("p", "EXEC"), ("p", "MULTI"), ("p", "RPUSH k 1 2"), ("p", "LPUSH k 0"), ("p", "EXEC")),
                ("p", "LRANGE k 0 -1"),
            ]
        )

    def test_a_transaction_that_leaves_another_type(self, scene: Play) -> None:
        scene([("a", "BLPOP k 0"), ("p", "MULTI"), ("p", "RPUSH k 1"), ("p", "SET k x"), ("p", "EXEC")])

    def test_two_keys_in_a_transaction(self, valkey: RealServer) -> None:
        """The command is tried anew as a whole: its first key is taken, not the first that changed (7.2)."""
        steps = [("a", "BLPOP x y 0"), ("p", "MULTI"), ("p", "RPUSH y 1"), ("p", "RPUSH x 2"), ("p", "EXEC")]
        assert play(steps, valkey, None)[-2:] == [(4, "a", [b"x", b"2"]), (4, "p", [1, 1])]

    def test_a_wrong_type_before_the_key_that_serves(self, valkey: RealServer) -> None:
        steps = [("a", "BLPOP x y 0"), ("p", "SET x str"), ("p", "RPUSH y 1"), ("p", "LLEN y")]
        play(steps, valkey, None)  # 7.0 looks at y alone

    def test_moving(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLMOVE k m RIGHT LEFT 0"), ("b", "BRPOPLPUSH k m 0"), ("p", "RPUSH k 1 2 3")),
                *(
                    ("p", "LRANGE m 0 -1"),
                    ("p", "LRANGE k 0 -1"),
                    ("p", "DEL k"),
                    ("a", "BLMOVE k k LEFT LEFT 0"),
                ),
                *(("p", "RPUSH k 1"), ("p", "LRANGE k 0 -1")),
            ]
        )

    def test_moving_to_a_wrong_type(self, scene: Play) -> None:
        scene(
            [
                *(
                    ("p", "SET str x"),
                    ("a", "BLMOVE k str LEFT LEFT 0"),
                    ("b", "BLPOP k 0"),
                    ("p", "RPUSH k 1"),
                ),
                ("p", "EXISTS k"),
            ]
        )

    def test_a_chain(self, scene: Play) -> None:
        scene(
            [
                *(
                    ("a", "BLMOVE k l LEFT LEFT 0"),
                    ("b", "BLMOVE l m LEFT LEFT 0"),
                    ("c", "BRPOPLPUSH m n 0"),
                ),
                *(("d", "BLPOP n 0"), ("p", "RPUSH k 1"), ("p", "EXISTS k l m n")),
            ]
        )

    def test_a_circle(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLMOVE k l LEFT LEFT 0"), ("b", "BLMOVE l k LEFT LEFT 0"), ("c", "BLPOP k 0")),
                *(("p", "RPUSH k 1"), ("p", "EXISTS k l")),
            ]
        )

    def test_taking_several(self, scene: Play) -> None:
        scene(
            [
                *(
                    ("a", "BLMPOP 0 2 x k RIGHT COUNT 2"),
                    ("b", "BLMPOP 0 1 k LEFT COUNT 5"),
                    ("c", "BLPOP k 0"),
                ),
                *(("p", "RPUSH k 1 2 3"), ("p", "RPUSH k 4")),
            ]
        )

    def test_what_was_sent_meanwhile_runs_afterwards(self, scene: Play) -> None:
        scene(
            [
                *(("a", "BLPOP k 0"), ("a", "GET s"), ("a", "BLPOP k 0"), ("a", "GET s"), ("p", "SET s 1")),
                *(("p", "RPUSH k x"), ("p", "SET s 2"), ("p", "RPUSH k y")),
            ]
        )


class TestLeavingTheQueue:
    def test_a_closed_connection_eats_nothing(self, scene: Play) -> None:
        """S7: the element stays for whoever waits next, or in the list."""
        scene(
            [
                *(("a", "BLPOP k 0"), ("b", "BLPOP k 0"), ("c", "BLMOVE k m LEFT LEFT 0"), ("a", "HANG UP")),
                *(
                    ("p", "RPUSH k 1"),
                    ("c", "HANG UP"),
                    ("p", "RPUSH k 2"),
                    ("p", "LRANGE k 0 -1"),
                    ("p", "EXISTS m"),
                ),
            ]
        )

    def test_a_killed_client_eats_nothing(self) -> None:
        stage = EngineStage(2)
        stage.client("a").send("BLPOP", "k", 0)
        killer = stage.client("p")
        killer.execute("CLIENT", "KILL", "ID", stage.client("a").session.id)
        assert killer.execute("RPUSH", "k", 1) == 1
        assert killer.execute("LLEN", "k") == 1
        assert stage.client("a").receive() is NotImplemented

    def test_unblocked_by_another_client(self) -> None:
        stage = EngineStage(2)
        for name in ("a", "b", "c"):
            stage.client(name).send("BLPOP", "k", 0)
        numbers = {name: client.session.id for name, client in stage.clients.items()}
        other = stage.client("p")
        assert other.execute("CLIENT", "UNBLOCK", numbers["a"]) == 1
        assert other.execute("CLIENT", "UNBLOCK", numbers["b"], "ERROR") == 1
        assert other.execute("CLIENT", "UNBLOCK", numbers["b"]) == 0
        other.execute("RPUSH", "k", 1)
        assert stage.answers() == [
            ("a", None),
            ("b", ("error", "UNBLOCKED client unblocked via CLIENT UNBLOCK")),
            ("c", [b"k", b"1"]),
        ]

    def test_nothing_is_kept_of_those_who_left(self) -> None:
        stage = EngineStage(2)
        for name in ("a", "b", "c", "d"):
            stage.client(name).send("BLPOP", "k", "l", 5)
        stage.hang_up("a")
        stage.client("p").execute("CLIENT", "UNBLOCK", stage.client("b").session.id)
        stage.client("p").execute("RPUSH", "l", 1)
        stage.advance(5)
        assert stage.waiting == 0
        assert stage.engine.keyspace.databases[0].blocked == {}
        assert stage.engine.next_due() is None


class TestTimingOut:
    @pytest.mark.parametrize(
        "command",
        [
            *("BLPOP no 0.05", "BRPOP no no2 0.05", "BRPOPLPUSH no o 0.05", "BLMOVE no o LEFT LEFT 0.05"),
            *("BLMPOP 0.05 1 no LEFT", "BZPOPMIN no 0.05", "BZPOPMAX no 0.05", "BZMPOP 0.05 2 no n MIN"),
        ],
    )
    @pytest.mark.parametrize("protocol", [2, 3])
    def test_the_reply(
        self, command: str, protocol: int, valkey: RealServer, redis_server: RealServer | None
    ) -> None:
        stage = EngineStage(protocol)
        stage.client("a").send(*command.split())
        stage.advance(0.049)
        assert stage.answers() == []
        stage.advance(0.001)
        ours = stage.client("a").session.take_output()
        for server in (valkey, redis_server):
            if server is not None:
                with RawClient(server.port) as client:
                    client.ask("FLUSHALL", f"HELLO {protocol}")
                    assert client.ask(command) == ours

    def test_everybody_in_time(self) -> None:
        stage = EngineStage(2)
        for name, timeout in (("a", 3), ("b", 1), ("c", 2.5), ("d", 0), ("e", 1)):
            stage.client(name).send("BLPOP", "k", timeout)
        found = []
        for _ in range(8):
            assert stage.engine.next_due() is not None or stage.waiting == 1
            stage.advance(0.5)
            found.append([name for name, _ in stage.answers()])
        assert found == [[], ["b", "e"], [], [], ["c"], ["a"], [], []]
        stage.client("p").send("RPUSH", "k", 1)
        assert stage.answers() == [("d", [b"k", b"1"]), ("p", 1)]

    def test_who_timed_out_eats_nothing(self) -> None:
        stage = EngineStage(2)
        stage.client("a").send("BLPOP", "k", 1)
        stage.advance(1)
        stage.client("p").send("RPUSH", "k", 1)
        assert stage.answers() == [("a", None), ("p", 1)]

    def test_who_was_served_does_not_time_out(self) -> None:
        stage = EngineStage(2)
        stage.client("a").send("BLPOP", "k", 1)
        stage.client("p").send("RPUSH", "k", 1)
        stage.client("a").send("BLPOP", "k", 9)
        stage.advance(1)
        assert stage.answers() == [("a", [b"k", b"1"]), ("p", 1)]
        assert stage.waiting == 1

    def test_long_limits_leave_nothing_behind(self) -> None:
        stage = EngineStage(2)
        stage.client("idle").send("BLPOP", "other", 1)
        for number in range(1000):
            stage.client("a").send("BLPOP", "k", 3600)
            stage.client("p").execute("RPUSH", "k", number)
        assert len(stage.engine.waiting._deadlines) < 100


class TestManyWaiters:
    def test_one_push_serves_one_of_thousands(self) -> None:
        server = EngineClient(clock=ManualClock())
        waiting = [EngineClient(server.engine) for _ in range(2000)]
        for client in waiting:
            client.send("BLPOP", "jobs", 0)
        for number, client in enumerate(waiting):
            server.execute("RPUSH", "jobs", number)
            assert client.receive() == [b"jobs", b"%d" % number]
        assert server.execute("EXISTS", "jobs") == 0


_KEYS = st.sampled_from(["k", "l", "m"])
_ENDS = st.sampled_from(["LEFT", "RIGHT"])
_COMMANDS = sequences(
    ("BLPOP", _KEYS, "0"),
    ("BRPOP", _KEYS, "0"),
    ("BLMOVE", _KEYS, _KEYS, _ENDS, _ENDS, "0"),
    ("BRPOPLPUSH", _KEYS, _KEYS, "0"),
    ("BLMPOP", "0", "1", _KEYS, _ENDS, "COUNT", "2"),
    ("RPUSH", _KEYS, "1"),
    ("LPUSH", _KEYS, "2", "3"),
    ("RENAME", _KEYS, _KEYS),
    ("LPOP", _KEYS),
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


def test_events_of_what_waiting_clients_take(valkey: RealServer) -> None:
    """Who has set them going hears of them with its own command's, behind the reply."""
    steps: list[scenes.Step] = [
        *(("a", "HELLO 3"), ("a", "PSUBSCRIBE __keyevent@0__:*"), ("b", "BLPOP l 0"), ("a", "RPUSH l x y")),
        *(("b", "BLMOVE l m LEFT LEFT 0"), ("c", "BZPOPMIN z 0"), ("a", "ZADD z 1 m"), ("b", "BRPOP n 0")),
        *(("a", "MULTI"), ("a", "RPUSH n x"), ("a", "SET k v"), ("a", "EXEC")),
    ]
    # Before 7.2 what a client sends itself came before the reply.
    answers = scenes.play(steps, valkey, None, notify_keyspace_events="KEA")
    heard = [reply[1][2] for step, who, reply in answers if step == 3 and isinstance(reply, tuple)]
    assert heard == [b"__keyevent@0__:rpush", b"__keyevent@0__:lpop"]
