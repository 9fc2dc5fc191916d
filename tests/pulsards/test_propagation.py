"""What files and replicas are told of commands: which ones, in which units, and that these come to the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

from anystore import spec
from anystore.pulsards.clock import ManualClock
from anystore.pulsards.effects import effects
from anystore.pulsards.propagation import Unit, encode_unit
from anystore.spec import Argument as Node
from tests.pulsards.call_values import commands_of_pulsards
from tests.pulsards.calls import CallMaker
from tests.pulsards.peers import Argument, EngineClient


class Copied:
    """An engine whose units are written down."""

    def __init__(self, **settings: str) -> None:
        self.clock = ManualClock()
        self.client = EngineClient(clock=self.clock, **settings)
        self.engine = self.client.engine
        self.units: list[Unit] = []
        self.engine.propagation.add_sink(self.units.append)

    def run(self, *lines: str | tuple[Argument, ...]) -> list[str]:
        """Run commands; the units they came to, each as one text."""
        self.units.clear()
        for line in lines:
            self.client.execute(*(line.split(" ") if isinstance(line, str) else line))
        return self.told()

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.engine.run_due()
        self.engine.flush()

    def told(self) -> list[str]:
        units = [
            "; ".join(f"{index}: {b' '.join(command).decode('latin-1')}" for index, command in unit)
            for unit in self.units
        ]
        self.units.clear()
        return units


def names_of(nodes: Sequence[Node]) -> Iterator[str]:
    """The names and keywords of arguments, at any depth."""
    for node in nodes:
        yield node.token or node.name
        yield from names_of(node.arguments)


class TestTable:
    def test_there_is_an_effect_of_commands_that_write_and_wait_or_name_a_time(self) -> None:
        timed = {"EX", "PX", "seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds", "ttl"}
        wanted = {
            name
            for name in commands_of_pulsards()
            if (row := spec.lookup(name)) is not None
            and row.is_write
            and (row.is_blocking or timed & set(names_of(row.arguments)))
        }
        assert {"blpop", "xreadgroup", "set", "hexpire", "restore"} <= wanted
        assert {name for name in wanted if name.encode() not in effects()} == set()

    def test_effects_are_of_commands_that_there_are(self) -> None:
        assert {name.decode() for name in effects()} <= set(commands_of_pulsards())


class TestUnits:
    def test_what_writes_is_told_as_it_came(self) -> None:
        assert Copied().run("SET a 1", "set b 2", "GET a", "DEL a b") == [
            "0: SET a 1",
            "0: set b 2",
            "0: DEL a b",
        ]

    def test_what_has_changed_nothing_is_not_told(self) -> None:
        assert Copied().run("DEL no", "SREM no x", "SET a 1 XX", "INCR a b", "LPUSHX no 1") == []

    def test_deliveries_of_entries_that_are_not_there_any_more(self) -> None:
        copied = Copied()
        copied.run("XADD s 1-1 a 1", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >", "XDEL s 1-1")
        assert copied.run("XDELEX s DELREF IDS 1 1-1") == ["0: XDELEX s DELREF IDS 1 1-1"]
        assert copied.run("XDELEX s DELREF IDS 1 1-1") == []

    def test_a_key_that_is_set_twice_at_a_moment_that_is_past(self) -> None:
        copied = Copied()
        assert copied.run("SET a 1", "MSETEX 2 a 1 a 2 XX PXAT 1")[1:] == [
            "0: DEL a; 0: MSETEX 2 a 1 a 2 PXAT 1"
        ]

    def test_a_string_that_has_only_become_longer_is_told(self) -> None:
        assert Copied().run("BITFIELD a OVERFLOW FAIL SET u8 100 1000") == [
            "0: BITFIELD a OVERFLOW FAIL SET u8 100 1000"
        ]

    def test_an_error_is_not_told(self) -> None:
        assert Copied().run("SET a x", "INCR a", "LPUSH a 1") == ["0: SET a x"]

    def test_the_database_is_told(self) -> None:
        assert Copied().run("SELECT 3", "SET a 1", "SELECT 0", "SET a 2") == ["3: SET a 1", "0: SET a 2"]

    def test_a_transaction_is_one_unit_of_what_it_writes(self) -> None:
        assert Copied().run("MULTI", "SET a 1", "GET a", "SELECT 2", "INCR n", "EXEC", "SET b 1") == [
            "0: SET a 1; 2: INCR n",
            "2: SET b 1",
        ]

    def test_an_error_in_a_transaction_leaves_the_rest(self) -> None:
        assert Copied().run("MULTI", "SET a 1", "LPUSH a 1", "INCR a", "EXEC") == ["0: SET a 1; 0: INCR a"]

    def test_a_script_is_told_as_what_it_has_done_until_it_failed(self) -> None:
        script = "redis.call('SET', 'a', 1); redis.call('INCR', 'a'); redis.call('LPUSH', 'a', 1)"
        assert Copied().run(("EVAL", script, 0)) == ["0: SET a 1; 0: INCR a"]

    def test_a_script_within_a_transaction_is_part_of_its_unit(self) -> None:
        script = "redis.call('SELECT', 1); redis.call('SET', 'a', 1)"
        assert Copied().run("MULTI", "SET x 1", ("EVAL", script, 0), "EXEC", "SET y 1") == [
            "0: SET x 1; 1: SET a 1",
            "0: SET y 1",
        ]

    def test_messages_are_told_to_those_who_want_them(self) -> None:
        copied = Copied()
        silent: list[Unit] = []
        copied.engine.propagation.add_sink(silent.append, messages=False)
        assert copied.run("PUBLISH c m", "MULTI", "PUBLISH c m", "SET a 1", "EXEC") == [
            "0: PUBLISH c m",
            "0: PUBLISH c m; 0: SET a 1",
        ]
        assert silent == [[(0, [b"SET", b"a", b"1"])]]

    def test_commands_have_their_usual_names(self) -> None:
        copied = Copied(rename_command="SET store")
        assert copied.run("STORE a 1") == ["0: set a 1"]
        assert copied.engine.apply(0, [b"SET", b"b", b"1"]) == b"OK"

    def test_nothing_is_told_or_paid_for_afterwards(self) -> None:
        copied = Copied()
        copied.engine.propagation.remove_sink(copied.units.append)
        assert not copied.engine.attentive
        assert copied.run("SET a 1", "SET b 1 PX 10") == []
        copied.wait(1)
        assert copied.told() == []


class TestWhatGoesByItself:
    def test_a_key_that_expires(self) -> None:
        copied = Copied()
        copied.run("SET a 1 PXAT 9999999999999", "PEXPIRE a 10")
        copied.wait(1)
        assert copied.told() == ["0: DEL a"]

    def test_a_key_that_is_found_expired(self) -> None:
        copied = Copied()
        copied.run("SET a 1 PX 10", "SET b 1 PX 10")
        copied.clock.advance(1)
        assert copied.run("GET a", "INCR b") == ["0: DEL a", "0: DEL b; 0: INCR b"]

    def test_fields_that_expire(self) -> None:
        copied = Copied()
        copied.run("HSET h a 1 b 2 c 3", "HPEXPIRE h 10 FIELDS 2 a b")
        copied.wait(1)
        assert copied.told() == ["0: HDEL h a b"]

    def test_a_key_that_is_evicted(self) -> None:
        copied = Copied(maxmemory="1", maxmemory_policy="allkeys-random")
        assert copied.run("SET a 1", "SET b 2")[:2] == ["0: SET a 1", "0: DEL a"]


class TestEncoding:
    def test_the_database_is_selected_where_it_changes(self) -> None:
        unit = [(0, [b"SET", b"a", b"1"])]
        first, selected = encode_unit(unit, -1)
        second, selected = encode_unit(unit, selected)
        assert first == b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + second
        assert second == b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
        assert selected == 0

    def test_what_happened_together_is_a_transaction(self) -> None:
        data, selected = encode_unit([(1, [b"A"]), (1, [b"B"]), (2, [b"C"])], 1)
        assert data == (
            b"*1\r\n$5\r\nMULTI\r\n*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n"
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*1\r\n$1\r\nC\r\n*1\r\n$4\r\nEXEC\r\n"
        )
        assert selected == 2


class TestApplying:
    def test_a_transaction(self) -> None:
        client = EngineClient()
        replies = [
            client.engine.apply(1, command)
            for command in ([b"MULTI"], [b"SET", b"a", b"1"], [b"INCR", b"a"], [b"EXEC"])
        ]
        assert replies[-1] == [b"OK", 2]
        client.execute("SELECT", 1)
        assert client.execute("GET", "a") == b"2"

    def test_databases_within_a_transaction(self) -> None:
        client = EngineClient()
        for index, command in (
            (0, [b"MULTI"]),
            (0, [b"SET", b"a", b"1"]),
            (5, [b"SET", b"a", b"5"]),
            (5, [b"EXEC"]),
        ):
            client.engine.apply(index, command)
        assert client.execute("GET", "a") == b"1"
        client.execute("SELECT", 5)
        assert client.execute("GET", "a") == b"5"

    def test_what_is_past_is_there_until_it_is_removed(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        past = b"%d" % (clock.time_us() // 1000 - 1000)
        for command in (
            [b"SET", b"a", b"1", b"PXAT", past],
            [b"INCR", b"a"],
            [b"PERSIST", b"a"],
            [b"SET", b"b", b"1"],
            [b"PEXPIREAT", b"b", past],
            [b"PERSIST", b"b"],
        ):
            client.engine.apply(0, command)
        assert client.execute("MGET", "a", "b") == [b"2", b"1"]

    def test_what_changes_nothing_is_refused(self) -> None:
        client = EngineClient()
        for command in (
            [b"SHUTDOWN"],
            [b"SUBSCRIBE", b"c"],
            [b"CONFIG", b"SET", b"maxmemory", b"1"],
            [b"NOSUCH"],
        ):
            reply = client.engine.apply(0, command)
            assert reply.startswith(b"ERR"), command

    def test_what_older_servers_tell(self) -> None:
        client = EngineClient()
        for command in (
            (b"EVAL", b"return redis.call('SET', KEYS[1], ARGV[1])", b"1", b"a", b"1"),
            (b"XADD", b"s", b"MAXLEN", b"=", b"1", b"LIMIT", b"10", b"5-0", b"a", b"1"),
            (b"XTRIM", b"s", b"MAXLEN", b"=", b"0", b"LIMIT", b"10"),
        ):
            client.engine.apply(0, list(command))
        assert client.execute("GET", "a") == b"1"
        assert client.execute("XLEN", "s") == 0
        assert client.execute("XINFO", "STREAM", "s")[7] == b"5-0"

    def test_an_id_that_only_redis_7_0_lets_a_stream_go_back_to(self) -> None:
        client = EngineClient()
        for line in (b"XADD s 100-1 a 1", b"XDEL s 100-1", b"XSETID s 2-5"):
            client.engine.apply(0, line.split())
        assert client.execute("XINFO", "STREAM", "s")[7] == b"2-5"

    def test_a_broken_transaction_does_nothing(self) -> None:
        client = EngineClient()
        for command in ([b"MULTI"], [b"SET", b"a", b"1"], [b"NOSUCH"]):
            client.engine.apply(0, command)
        assert client.engine.apply(0, [b"EXEC"]).startswith(b"EXECABORT")
        assert client.engine.apply(99, [b"SET", b"a", b"1"]) == b"ERR DB index is out of range"
        assert client.execute("DBSIZE") == 0

    def test_nothing_hostile_brings_it_down(self) -> None:
        chance = random.Random(1)
        maker = CallMaker(chance.randrange, commands_of_pulsards(), hostility=40)
        client = EngineClient()
        client.engine.apply(0, [])
        for _ in range(4000):
            call = maker.call()
            if maker.chance(5):
                call = [chance.choice((b"MULTI", b"EXEC", b"DISCARD", b"SELECT")), *call[1:2]]
            if call[0].lower() not in _ENDLESS:
                client.engine.apply(chance.choice((0, 0, 1, -1, 2**40)), call)
        client.engine.flush()
        assert client.execute("PING") == b"PONG"

    def test_it_asks_nobody(self) -> None:
        client = EngineClient(maxmemory="1", requirepass="secret")
        assert client.engine.apply(0, [b"SET", b"a", b"1"]) == b"OK"
        assert client.engine.apply(0, [b"SET", b"b", b"1"]) == b"OK"

    def test_who_waits_is_served(self) -> None:
        client = EngineClient()
        client.send("BLPOP", "l", 0)
        client.engine.apply(0, [b"RPUSH", b"l", b"1"])
        client.engine.flush()
        assert client.receive() == [b"l", b"1"]


#: With hostile offsets these take their time, and memory.
_ENDLESS: Final = {b"setbit", b"setrange", b"bitfield", b"pfselftest"}


class TestFollowing:
    """A replica: what is past is hidden, and removed when the primary says so."""

    def test_keys(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.engine.keyspace.follows = True
        client.engine.apply(0, [b"SET", b"a", b"1", b"PXAT", b"%d" % (clock.time_us() // 1000 + 10)])
        clock.advance(1)
        client.engine.run_due()
        assert client.execute("GET", "a") is None
        assert client.execute("EXISTS", "a") == 0
        assert client.execute("KEYS", "*") == []
        assert client.execute("SCAN", 0) == [b"0", []]
        assert client.execute("RANDOMKEY") == b"a"
        assert client.execute("DBSIZE") == 1
        assert client.engine.apply(0, [b"INCR", b"a"]) == 2
        client.engine.apply(0, [b"DEL", b"a"])
        assert client.execute("DBSIZE") == 0

    def test_fields(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.engine.keyspace.follows = True
        soon = b"%d" % (clock.time_us() // 1000 + 10)
        for command in (
            [b"HSET", b"h", b"a", b"1", b"b", b"2"],
            [b"HPEXPIREAT", b"h", soon, b"FIELDS", b"1", b"a"],
            [b"HSET", b"whole", b"a", b"1"],
            [b"HPEXPIREAT", b"whole", soon, b"FIELDS", b"1", b"a"],
        ):
            client.engine.apply(0, command)
        clock.advance(1)
        client.engine.run_due()
        assert client.execute("HGETALL", "h") == [b"b", b"2"]
        assert client.execute("HGET", "h", "a") is None
        assert client.execute("HLEN", "whole") == 0
        assert client.execute("DUMP", "whole") is None
        assert client.engine.apply(0, [b"HINCRBY", b"h", b"a", b"1"]) == 2
        client.engine.apply(0, [b"HDEL", b"whole", b"a"])
        assert client.execute("EXISTS", "whole") == 0
        assert client.execute("HINCRBY", "h", "a", 5) == 5

    def test_a_writing_client_takes_the_place_of_what_is_past(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.engine.keyspace.follows = True
        client.engine.apply(0, [b"SET", b"a", b"5", b"PXAT", b"%d" % (clock.time_us() // 1000 + 10)])
        clock.advance(1)
        assert client.execute("INCR", "a") == 1
        assert client.execute("TTL", "a") == -1
