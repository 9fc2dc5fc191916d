"""`maxmemory`: what is refused, what is evicted, and by which rule."""

from __future__ import annotations

import pytest

from anystore.pulsards import ManualClock
from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.engine import Engine
from tests.pulsards.peers import EngineClient
from tests.pulsards.scenes import Step, play
from tests.servers import RealServer

OUT_OF_MEMORY = ("error", "OOM command not allowed when used memory > 'maxmemory'.")


def script(text: str, *keys: str) -> tuple[str, ...]:
    return ("EVAL", text, str(len(keys)), *keys)


SET = "return redis.call('set', KEYS[1], 1)"
LIMITED: list[Step] = [("A", "SET a 1"), ("B", "CONFIG SET maxmemory 1")]
SCENES: dict[str, list[Step]] = {
    "commands": [
        *(*LIMITED, ("A", "SET b 1"), ("A", "GET a"), ("A", "DEL zz"), ("A", "LPOP x"), ("A", "APPEND a x")),
        *(
            ("A", "HSET a x y"),
            ("A", "EXPIRE a 100"),
            ("A", "RENAME a l"),
            ("A", "COPY l m"),
            ("A", "PUBLISH c x"),
        ),
        *(
            ("A", "SADD s 1"),
            ("A", "NOSUCH"),
            ("A", "SET"),
            ("B", "CONFIG SET maxmemory 0"),
            ("A", "SET b 1"),
        ),
    ],
    "transactions": [
        *(("A", "SET a 1"), ("C", "MULTI"), ("C", "SET c 1"), ("D", "MULTI"), ("D", "GET a"), *LIMITED[1:]),
        *(("C", "EXEC"), ("C", "GET c"), ("D", "EXEC"), ("A", "MULTI"), ("A", "SET a 2"), ("A", "EXEC")),
        *(
            ("A", "MULTI"),
            ("A", "DISCARD"),
            ("A", "WATCH a"),
            ("A", "UNWATCH"),
            ("A", "MULTI"),
            ("A", "EXEC"),
        ),
    ],
    "scripts": [
        *(*LIMITED, ("A", script("return redis.pcall('set', KEYS[1], 1)", "k")), ("A", script("return 1"))),
        *(("A", script("redis.call('del', KEYS[1]) " + SET, "k")), ("A", "GET k")),
        *(("A", script("#!lua\nreturn 1")), ("A", script("#!lua flags=allow-oom\n" + SET, "k"))),
        *(("A", script("#!lua flags=no-writes\nreturn 1")), ("A", ("EVAL_RO", "return 1", "0"))),
        *(("A", "SCRIPT LOAD x=1"), ("A", script("#!lua flags=nonsense\nreturn 1"))),
        ("A", ("EVAL", "return redis.call('get', KEYS[1])", "1", "a")),
    ],
}


class TestRefusing:
    @pytest.mark.parametrize("name", SCENES)
    def test_as_the_real_servers(
        self, name: str, valkey: RealServer, redis_server: RealServer | None
    ) -> None:
        assert play(SCENES[name], valkey, redis_server, maxmemory="0")

    def test_while_queueing(self, redis_server: RealServer | None, valkey: RealServer) -> None:
        """Valkey queues what takes no memory by itself; Redis refuses whatever would have to be kept."""
        client = EngineClient()
        client.execute("SET", "a", "1")
        client.execute("CONFIG", "SET", "maxmemory", "1")
        client.execute("MULTI")
        assert client.execute("GET", "a") == OUT_OF_MEMORY
        assert client.execute("EXEC")[1].startswith("EXECABORT")

    def test_a_script_that_raises_it(self) -> None:
        client = EngineClient()
        client.execute("SET", "a", "1")
        client.execute("CONFIG", "SET", "maxmemory", "1")
        assert client.execute(*script(SET, "k"))[1].startswith(OUT_OF_MEMORY[1] + " script: ")
        sha = client.execute("SCRIPT", "LOAD", "#!lua\n" + SET)
        assert client.execute("EVALSHA", sha, 1, "k") == OUT_OF_MEMORY

    @pytest.mark.parametrize(
        ("flags", "reply"), [("", OUT_OF_MEMORY), ("'allow-oom'", b"OK"), ("'no-writes'", b"1")]
    )
    def test_functions(self, flags: str, reply: object) -> None:
        client = EngineClient()
        client.execute("SET", "a", "1")
        call = "'get'" if "no" in flags else "'set'"
        client.execute(
            "FUNCTION",
            "LOAD",
            "#!lua name=lib\nserver.register_function{function_name='f', callback=function(keys)\n"
            f"return server.call({call}, keys[1]{'' if 'no' in flags else ', 1'}) end, flags={{{flags}}}}}",
        )
        client.execute("CONFIG", "SET", "maxmemory", "1")
        assert client.execute("FCALL", "f", 1, "a") == reply
        client.execute("CLIENT", "PAUSE", "100", "WRITE")
        other = EngineClient(client.engine)
        assert (other.execute("FCALL", "f", 1, "a") is NotImplemented) == (reply == b"OK")


def filled(policy: str, limit: int = 200_000, **settings: str) -> EngineClient:
    return EngineClient(clock=ManualClock(), maxmemory=str(limit), maxmemory_policy=policy, **settings)


def names(client: EngineClient) -> set[bytes]:
    return set(client.execute("KEYS", "*"))


class TestEvicting:
    @pytest.mark.parametrize(
        "policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu"]
    )
    def test_the_limit_is_kept(self, policy: str) -> None:
        client = filled(policy)
        for number in range(3000):
            assert client.execute("SET", f"k{number}", "x" * 50, "EX", 1000) == b"OK"
        engine = client.engine
        # One command may take more than there is; the next one finds it and makes room.
        client.execute("PING")
        assert engine.keyspace.used <= 200_000
        assert engine.keyspace.evicted == 3000 - client.execute("DBSIZE")
        assert 500 < client.execute("DBSIZE") < 1000
        assert b"evicted_keys:%d\r\n" % engine.keyspace.evicted in client.execute("INFO", "stats")

    def test_s21_the_log_tells_but_not_all_the_time(self, caplog: pytest.LogCaptureFixture) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock, maxmemory="100000", maxmemory_policy="allkeys-lru")
        for number in range(2000):
            client.execute("SET", f"k{number}", "x" * 50)
        assert caplog.messages == ["maxmemory (100000 bytes, allkeys-lru) is reached: keys are evicted"]
        client.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
        caplog.clear()
        for _ in range(3):
            assert client.execute("APPEND", "k1999", "x" * 60_000) in (OUT_OF_MEMORY, 60_050)
        said = "maxmemory (100000 bytes, noeviction) is reached: nothing can be evicted: writes are refused"
        assert caplog.messages == [said]
        clock.advance(61)
        assert client.execute("SET", "a", "1") == OUT_OF_MEMORY
        assert caplog.messages == [said, said]

    def test_nothing_is_evicted_without_a_policy(self) -> None:
        client = filled("noeviction")
        replies = [client.execute("SET", f"k{number}", "x" * 50) for number in range(3000)]
        assert replies[-1] == OUT_OF_MEMORY
        assert client.execute("DBSIZE") == replies.count(b"OK")
        assert client.execute("FLUSHALL") == b"OK"
        assert client.execute("SET", "a", "1") == b"OK"

    @pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
    def test_only_keys_with_a_time_to_live(self, policy: str) -> None:
        client = filled(policy)
        for number in range(300):
            client.execute("SET", f"keep{number}", "x" * 50)
        for number in range(3000):
            client.execute("SET", f"k{number}", "x" * 50, "EX", 1000 + number)
        kept = names(client)
        assert sum(name.startswith(b"keep") for name in kept) == 300
        assert len(kept) > 300
        client.execute("CONFIG", "SET", "maxmemory", "20000")
        client.execute("PING")
        while client.engine.eviction.behind:
            client.engine.run_due()
        assert client.execute("SET", "more", "x") == OUT_OF_MEMORY
        assert sum(name.startswith(b"keep") for name in names(client)) == 300

    def test_the_next_to_expire_go_first(self) -> None:
        client = filled("volatile-ttl")
        client.execute("SELECT", 1)
        client.execute("SET", "soonest", "x", "EX", 5)
        client.execute("SELECT", 0)
        for number in range(1000):
            client.execute("SET", f"k{number}", "x" * 50, "EX", 10_000 - number)
        left = names(client)
        gone = 1000 - len(left)
        assert gone > 10
        # The last one may not have had to make room yet.
        assert left >= {f"k{number}".encode() for number in range(gone)} - {b"k999"}
        client.execute("SELECT", 1)
        assert names(client) == set()

    def test_what_was_asked_for_lately_stays(self) -> None:
        client = filled("allkeys-lru", maxmemory_samples="10")
        clock = client.engine.clock
        assert isinstance(clock, ManualClock)
        for number in range(700):
            client.execute("SET", f"k{number}", "x" * 50)
        clock.advance(100)
        for number in range(100):
            client.execute("GET", f"k{number}")
        clock.advance(100)
        for number in range(500):
            client.execute("SET", f"new{number}", "x" * 50)
        left = names(client)
        kept = sum(f"k{number}".encode() in left for number in range(100))
        others = sum(f"k{number}".encode() in left for number in range(100, 700))
        assert kept > 85
        assert others < 300

    def test_what_is_asked_for_often_stays(self) -> None:
        client = filled("allkeys-lfu", maxmemory_samples="10")
        for number in range(700):
            client.execute("SET", f"k{number}", "x" * 50)
        for _ in range(30):
            for number in range(100):
                client.execute("GET", f"k{number}")
        for number in range(500):
            client.execute("SET", f"new{number}", "x" * 50)
        left = names(client)
        assert sum(f"k{number}".encode() in left for number in range(100)) > 90

    def test_events_and_invalidations(self) -> None:
        client = EngineClient(clock=ManualClock(), maxmemory_policy="allkeys-random")
        client.execute("SET", "a", "x" * 50)
        listener, tracker = EngineClient(client.engine), EngineClient(client.engine)
        tracker.execute("HELLO", 3)
        tracker.execute("CLIENT", "TRACKING", "ON")
        tracker.execute("GET", "a")
        client.execute("CONFIG", "SET", "notify-keyspace-events", "Ee")
        listener.execute("PSUBSCRIBE", "*")
        client.execute("CONFIG", "SET", "maxmemory", 1)
        assert client.execute("PING") == b"PONG"
        assert listener.receive() == [b"pmessage", b"*", b"__keyevent@0__:evicted", b"a"]
        assert tracker.receive() == ("push", [b"invalidate", [b"a"]])
        assert client.execute("DBSIZE") == 0

    def test_what_is_much_too_much_goes_bit_by_bit(self) -> None:
        client = EngineClient(clock=ManualClock(), maxmemory_policy="allkeys-random")
        engine = client.engine
        for number in range(1000):
            client.execute("SET", f"k{number}", "x" * 50)
        client.execute("CONFIG", "SET", "maxmemory", 1000)
        client.execute("PING")
        assert client.execute("DBSIZE") == 800
        assert engine.next_due() == engine.keyspace.now
        turns = 0
        while engine.next_due() is not None:
            engine.run_due()
            engine.flush()
            turns += 1
        assert turns == 8
        assert engine.keyspace.used <= 1000
        assert b"current_eviction_exceeded_time:0\r\n" in client.execute("INFO", "stats")

    def test_the_time_beyond_the_limit(self) -> None:
        client = EngineClient(clock=ManualClock())
        clock = client.engine.clock
        assert isinstance(clock, ManualClock)
        client.execute("SET", "a", "x")
        client.execute("CONFIG", "SET", "maxmemory", 1)
        client.execute("PING")
        clock.advance(2)
        shown = client.execute("INFO", "stats")
        assert b"current_eviction_exceeded_time:2000\r\n" in shown
        client.execute("CONFIG", "SET", "maxmemory", 0)
        clock.advance(2)
        assert client.engine.eviction.exceeded_ms == 2000
        client.execute("CONFIG", "RESETSTAT")
        assert client.engine.eviction.exceeded_ms == 0

    def test_nobody_counts_without_a_limit(self) -> None:
        client = EngineClient()
        assert not client.engine.guarded
        assert not client.engine.keyspace.touch_watchers
        client.execute("CONFIG", "SET", "maxmemory", "1gb")
        assert client.engine.guarded
        assert client.engine.keyspace.touch_watchers
        client.execute("CONFIG", "SET", "maxmemory", "0")
        assert not client.engine.guarded
        assert not client.engine.keyspace.touch_watchers


class TestFrequencies:
    def test_new_keys_and_decay(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock, maxmemory_policy="allkeys-lfu")
        client.execute("SET", "a", "1")
        assert client.execute("OBJECT", "FREQ", "a") == 5
        for _ in range(200):
            client.execute("GET", "a")
        counted = client.execute("OBJECT", "FREQ", "a")
        assert 8 < counted < 25
        clock.advance(120)
        assert client.execute("OBJECT", "FREQ", "a") == counted - 2
        clock.advance(6000)
        assert client.execute("OBJECT", "FREQ", "a") == 0
        assert client.execute("OBJECT", "IDLETIME", "a")[1].startswith(
            "ERR An LFU maxmemory policy is selected"
        )

    def test_it_is_a_logarithm(self) -> None:
        minute = 0
        for factor, accesses, low, high in (
            (0, 100, 104, 106),
            (1, 1000, 30, 60),
            (10, 1000, 12, 25),
            (100, 1000, 6, 13),
        ):
            counter = AccessFrequencies(lambda: minute, factor)
            for _ in range(accesses):
                counter[b"k"] = 0
            assert low <= counter.frequency(b"k") <= high, factor
        counter = AccessFrequencies(lambda: minute, 0)
        for _ in range(300):
            counter[b"k"] = 0
        assert counter.frequency(b"k") == 255

    def test_no_decay(self) -> None:
        minute = [0]
        counter = AccessFrequencies(lambda: minute[0], 0, 0)
        counter[b"k"] = 0
        minute[0] = 1000
        assert counter.frequency(b"k") == 5
        assert counter.frequency(b"nothing") == 0

    def test_peeks_and_no_touch_do_not_count(self) -> None:
        client = EngineClient(clock=ManualClock(), maxmemory_policy="allkeys-lfu", lfu_log_factor="0")
        client.execute("SET", "a", "1")
        client.execute("TTL", "a")
        client.execute("OBJECT", "FREQ", "a")
        assert client.execute("OBJECT", "FREQ", "a") == 5
        client.execute("GET", "a")
        assert client.execute("OBJECT", "FREQ", "a") == 6
        client.execute("CLIENT", "NO-TOUCH", "ON")
        client.execute("GET", "a")
        assert client.execute("OBJECT", "FREQ", "a") == 6

    def test_policies_change(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "a", "1")
        assert client.execute("OBJECT", "FREQ", "a")[1].startswith(
            "ERR An LFU maxmemory policy is not selected"
        )
        client.execute("CONFIG", "SET", "maxmemory-policy", "volatile-lfu", "lfu-log-factor", "0")
        assert client.execute("OBJECT", "FREQ", "a") == 5
        client.execute("GET", "a")
        client.execute("CONFIG", "SET", "lfu-decay-time", "7")
        assert client.execute("OBJECT", "FREQ", "a") == 6
        clock.advance(60 * 7)
        assert client.execute("OBJECT", "FREQ", "a") == 5
        client.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert 420 <= client.execute("OBJECT", "IDLETIME", "a") < 480
        assert b"lru_seconds_idle:4" in client.execute("DEBUG", "OBJECT", "a")

    def test_restored_with_a_frequency(self) -> None:
        client = EngineClient(clock=ManualClock(), maxmemory_policy="allkeys-lfu")
        client.execute("SET", "a", "1")
        payload = client.execute("DUMP", "a")
        client.execute("RESTORE", "b", 0, payload, "FREQ", 77)
        assert client.execute("OBJECT", "FREQ", "b") == 77
        client.execute("RESTORE", "c", 0, payload, "IDLETIME", 77)
        assert client.execute("OBJECT", "FREQ", "c") == 5
        client.execute("FLUSHALL")
        client.execute("SET", "a", "1")
        assert client.execute("OBJECT", "FREQ", "a") == 5
        assert b"lru_seconds_idle:" in client.execute("DEBUG", "OBJECT", "a")

    def test_swapped_databases(self) -> None:
        engine = Engine()
        client = EngineClient(engine)
        client.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        client.execute("SET", "a", "1")
        client.execute("SWAPDB", 0, 1)
        client.execute("SET", "b", "1")
        client.execute("SELECT", 1)
        assert client.execute("OBJECT", "FREQ", "a") == 5
