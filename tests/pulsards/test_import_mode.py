"""`import-mode`, and clients that bring data in: against Valkey, which has had both since 8.1."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from tests.pulsards.differences import PAST_FIELDS
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

ON = "CLIENT IMPORT-SOURCE ON"
OFF = "CLIENT IMPORT-SOURCE OFF"


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def peers(request: pytest.FixtureRequest, valkey: RealServer) -> Iterator[Differential]:
    """pulsards and Valkey in import mode, until the end."""
    with Differential(valkey, None, request.param) as differential:
        differential.check(["CONFIG SET import-mode yes"])
        try:
            yield differential
        finally:
            differential.check(["CONFIG SET import-mode no", "FLUSHALL"])


class TestMode:
    def test_it_is_off_at_first(self, valkey: RealServer) -> None:
        with Differential(valkey, None) as peers:
            peers.check(["CONFIG GET import-mode", ON, OFF, "CLIENT IMPORT-SOURCE x", "client import-source"])

    def test_arguments(self, peers: Differential) -> None:
        peers.check(["CONFIG GET import-mode", "CLIENT IMPORT-SOURCE x", "CLIENT IMPORT-SOURCE ON x"])
        peers.check(["CONFIG SET import-mode x", ON, "client import-source on", "client import-source off"])

    def test_flags(self, peers: Differential) -> None:
        def flags() -> set[bytes]:
            clients = (peers.engine, *peers.servers.values())
            replies = [client.execute("CLIENT", "INFO") for client in clients]
            texts = [reply if isinstance(reply, bytes) else reply[1].encode() for reply in replies]
            return {text.split(b"flags=")[1].split(b" ")[0] for text in texts}

        peers.check([ON])
        assert flags() == {b"I"}
        peers.check(["CLIENT NO-EVICT ON", "CLIENT NO-TOUCH ON"])
        assert flags() == {b"eTI"}
        peers.check(["CONFIG SET import-mode no"])
        assert flags() == {b"eTI"}
        peers.check(["RESET"])
        assert flags() == {b"N"}

    def test_the_end_of_the_mode_ends_what_a_source_sees(self, peers: Differential) -> None:
        peers.check([ON, "SET a 1 PXAT 1000", "GET a", "CONFIG SET import-mode no", "GET a", "EXISTS a"])
        peers.check([ON, OFF, "CONFIG SET import-mode yes"])


class TestExpiry:
    """What is past is there to a source, hidden from anybody else, and removed by nobody but who writes to it."""

    @pytest.mark.parametrize(
        "reads",
        [
            *("GET a", "TTL a", "PTTL a", "EXPIRETIME a", "EXISTS a", "TYPE a", "OBJECT ENCODING a"),
            *("DBSIZE", "KEYS *", "SCAN 0", "RANDOMKEY", "STRLEN a", "COPY a b", "RENAME a b", "INCR a"),
            *("SET a 2 KEEPTTL", "SET a 2 NX", "SET a 2 XX", "GETDEL a", "PERSIST a", "APPEND a 1", "DEL a"),
            *(
                "EXPIRE a 100 NX",
                "EXPIRE a -1",
                "GETEX a",
                "GETEX a PXAT 5",
                "TOUCH a",
                "MGET a a",
                "UNLINK a",
            ),
            *("SORT a", "BITCOUNT a", "GETRANGE a 0 -1", "DUMP b", "MOVE a 1", "MSETNX a 1 b 2"),
        ],
    )
    @pytest.mark.parametrize("source", [ON, OFF])
    def test_of_keys(self, peers: Differential, reads: str, source: str) -> None:
        peers.check(["SET a 1 PXAT 1000", source, reads, "EXISTS a", "TTL a", "GET a", "DBSIZE"])
        peers.check([ON, "EXISTS a", "TTL a", "GET a", "GET b", "DBSIZE", OFF, "EXISTS a"])

    @pytest.mark.parametrize(
        "reads",
        [
            *("SMEMBERS a", "SADD a 2", "SREM a 1", "SCARD a", "SUNIONSTORE b a", "SPOP a", "SINTERCARD 1 a"),
            *("SMOVE a b 1", "SISMEMBER a 1"),
        ],
    )
    @pytest.mark.parametrize("source", [ON, OFF])
    def test_of_collections(self, peers: Differential, reads: str, source: str) -> None:
        peers.check(["SADD a 1", "PEXPIREAT a 1", source, reads, "EXISTS a", "TTL a", "DBSIZE"])
        peers.check([ON, "SMEMBERS a", "SMEMBERS b", "TTL a", "DBSIZE"])

    @pytest.mark.parametrize("source", [ON, OFF])
    def test_what_is_past_at_once_is_set_all_the_same(self, peers: Differential, source: str) -> None:
        peers.check(
            [source, "SET a 1", "EXPIRE a -1", "SET b 1", "PEXPIREAT b 5", "SET c 1", "GETEX c EXAT 1"]
        )
        peers.check(["SET d 1 EXAT 1", "DBSIZE", "GET a", "GET b", "GET c", "GET d"])
        peers.check([ON, "EXPIRETIME a", "PEXPIRETIME b", "EXPIRETIME c", "EXPIRETIME d", "MGET a b c d"][2:])

    @pytest.mark.parametrize("source", [ON, OFF])
    def test_what_is_restored_in_the_past_is_there(self, peers: Differential, source: str) -> None:
        for client in (peers.engine, *peers.servers.values()):
            client.execute("SET", "a", "1")
            payload = client.execute("DUMP", "a")
            client.execute(*source.split())
            assert client.execute("RESTORE", "b", "5", payload, "ABSTTL") in (b"OK", "OK")
        peers.check(["GET b", "DBSIZE", ON, "GET b", "PEXPIRETIME b"])

    @pytest.mark.parametrize(
        "reads",
        [
            *("HGETALL h", "HGET h f", "HEXISTS h f", "HKEYS h", "HVALS h", "HMGET h f g", "HSET h f w"),
            *("HDEL h f", "HTTL h FIELDS 1 f", "HSETNX h f w", "HPERSIST h FIELDS 1 f", "HPTTL h FIELDS 1 f"),
        ],
    )
    def test_of_fields_to_a_source(self, peers: Differential, reads: str) -> None:
        peers.check(["HSET h f v g w", "HPEXPIREAT h 5 FIELDS 1 f", ON, reads, ON, "HGETALL h"])

    @pytest.mark.parametrize(
        "reads",
        [
            *("HGETALL h", "HGET h f", "HEXISTS h f", "HKEYS h", "HVALS h", "HMGET h f g", "COPY h i"),
            *(
                "HTTL h FIELDS 1 f",
                "HPTTL h FIELDS 1 f",
                "HRANDFIELD h 5",
                "HSTRLEN h f",
                "HPEXPIRETIME h FIELDS 1 f",
            ),
        ],
    )
    def test_of_fields_to_others(self, peers: Differential, reads: str) -> None:
        peers.check(["HSET h f v g w", "HPEXPIREAT h 5 FIELDS 1 f", OFF, reads, "HGETALL h", ON, "HGETALL h"])

    @pytest.mark.parametrize(
        "writes",
        [
            *("HSETNX h f w", "HINCRBY h f 1", "HINCRBYFLOAT h f 1", "HSETEX h FIELDS 1 f w"),
            *("HSETEX h FNX FIELDS 1 f w", "HSETEX h EX 1000 FIELDS 1 f w"),
        ],
    )
    def test_of_fields_that_others_write(self, peers: Differential, writes: str) -> None:
        """They begin anew, and are as the others see them to the source, too."""
        peers.check(
            ["HSET h f v", "HPEXPIREAT h 5 FIELDS 1 f", OFF, writes, "HGETALL h", "HTTL h FIELDS 1 f"]
        )
        peers.check([ON, "HGETALL h", "HTTL h FIELDS 1 f", "HLEN h"])

    @pytest.mark.parametrize(
        ("writes", "same"),
        [
            ("HSET h f w", False),
            *((write, True) for write in ("HDEL h f", "HDEL h g", "HPERSIST h FIELDS 1 f", "HSET h k x")),
            *(
                (write, True)
                for write in ("HGETDEL h FIELDS 1 f", "HEXPIRE h 100 FIELDS 1 g", "HSETNX h g x")
            ),
        ],
    )
    def test_a_hash_that_others_write_to_loses_what_is_past(
        self, peers: Differential, writes: str, same: bool
    ) -> None:
        """Unlike Valkey 9.1, which leaves it to the source, and counts it: see the table of differences."""
        peers.known = {("valkey", "HLEN h"): PAST_FIELDS}
        if not same:
            peers.known |= {("valkey", writes): PAST_FIELDS}  # it has set no new field
        peers.check(["HSET h f v g w", "HPEXPIREAT h 5 FIELDS 1 f", OFF, writes])
        if same:
            peers.check(["HGETALL h", "HLEN h", ON])
            peers.known = {("valkey", "HEXISTS h f"): PAST_FIELDS}
            peers.check(["HEXISTS h f"])

    def test_transactions_and_scripts_of_a_source_see_what_is_past(self, peers: Differential) -> None:
        peers.check(["SET a 1 PXAT 1000", ON, "MULTI", "GET a", "TTL a", "EXEC"])
        script = ("EVAL", "return redis.call('GET', KEYS[1])", 1, "a")
        peers.check([script, OFF, script, "MULTI", "GET a", "EXEC"])

    def test_a_source_is_not_disturbed_by_others(self, peers: Differential, valkey: RealServer) -> None:
        peers.check([ON, "SET a 1 PXAT 1000"])
        others = {"pulsards": EngineClient(peers.engine.engine), "valkey": RealClient(valkey.port)}
        for other in others.values():
            assert other.execute("GET", "a") is None
            assert other.execute("DBSIZE") == 1
        peers.check(["GET a"])
        for other in others.values():
            # Whoever writes to it has it removed, and so the source loses it, too.
            assert other.execute("APPEND", "a", "x") == 1
            other.close()
        peers.check(["GET a", "TTL a"])

    def test_nothing_expires_by_itself_until_the_mode_ends(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock, import_mode="yes")
        engine = client.engine
        client.execute("SET", "a", "1", "PX", "1000")
        client.execute("HSET", "h", "f", "v")
        client.execute("HPEXPIRE", "h", "1000", "FIELDS", "1", "f")
        clock.advance(2)
        assert engine.next_due() is None
        engine.run_due()
        assert client.execute("DBSIZE") == 2
        client.execute("CONFIG", "SET", "import-mode", "no")
        due = engine.announce_due()
        assert due is not None
        assert due <= engine.keyspace.now
        engine.run_due()
        assert client.execute("DBSIZE") == 0

    def test_a_copy_of_the_data_is_told_of_moments_and_not_of_removals(self) -> None:
        client = EngineClient(import_mode="yes")
        told: list[list[bytes]] = []
        client.engine.propagation.add_sink(lambda unit: told.extend(call for _, call in unit))
        client.execute("SET", "a", "1")
        client.execute("EXPIREAT", "a", "1")
        client.execute("GET", "a")
        client.execute("CLIENT", "IMPORT-SOURCE", "ON")
        client.execute("DEL", "a")
        assert told == [[b"SET", b"a", b"1"], [b"PEXPIREAT", b"a", b"1000"], [b"DEL", b"a"]]

    def test_a_replica_goes_by_its_primary(self) -> None:
        """The mode is for whoever has no primary that says what has expired."""
        client = EngineClient(import_mode="yes")
        client.execute("CLIENT", "IMPORT-SOURCE", "ON")
        client.execute("SET", "a", "1", "PXAT", "1")
        client.execute("REPLICAOF", "127.0.0.1", "1")
        assert client.execute("GET", "a") is None
        client.execute("REPLICAOF", "NO", "ONE")
        assert client.execute("GET", "a") == b"1"


class TestEviction:
    def test_nothing_is_evicted(self) -> None:
        engine = Engine()
        client = EngineClient(engine)
        client.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "import-mode", "yes")
        for number in range(100):
            client.execute("SET", f"key{number}", "x" * 100)
        client.execute("CONFIG", "SET", "maxmemory", "1000")
        for _ in range(5):
            engine.run_due()
            assert client.execute("SET", "more", "x")[1].startswith("OOM command not allowed")
        assert client.execute("DBSIZE") == 100
        assert client.execute("GET", "key0") == b"x" * 100
        client.execute("CONFIG", "SET", "import-mode", "no")
        assert client.execute("SET", "more", "x") == b"OK"
        assert client.execute("DBSIZE") < 100
