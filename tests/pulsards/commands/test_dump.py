from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb import Value, dump_payload, load_payload
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.rdb.test_payload import mutated
from tests.pulsards.persistence.rdb.test_streams import streams
from tests.pulsards.persistence.rdb.values import values
from tests.pulsards.persistence.test_rdb_peers import plain as content
from tests.servers import RealServer

STRING = dump_payload(b"v")


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    with Differential(valkey, redis_server, request.param) as peers:
        yield peers


FILL = [
    "SET string text",
    "SET number 12345",
    "RPUSH list 1 two 3",
    "SADD set 1 two",
    "SADD integers 3 1 70000",
    "ZADD zset 1 a 2.5 b inf c",
    "HSET hash f 1 g two",
    ("SET", "long", b"abc" * 500),
    "XADD stream 1-1 f v g 5",
    "XADD stream 2-0 f w",
]
KEYS = ["string", "number", "list", "set", "integers", "zset", "hash", "long", "stream"]


def test_every_type_goes_there_and_comes_back(valkey: RealServer, redis_server: RealServer | None) -> None:
    with Differential(valkey, redis_server) as peers:
        peers.check(FILL)
        ours = peers.engine
        for name, client in peers.servers.items():
            for key in KEYS:
                payload = ours.execute("DUMP", key)
                assert client.execute("RESTORE", f"{key}:copy", 0, payload) == b"OK", (name, key)
                theirs = client.execute("DUMP", key)
                assert ours.execute("RESTORE", f"{key}:copy", 0, theirs, "REPLACE") == b"OK", (name, key)
        for client in peers.servers.values():
            assert set(client.execute("KEYS", "*:copy")) == set(ours.execute("KEYS", "*:copy"))
        peers.check_state(encodings=False)


def test_no_key_no_payload(peers: Differential) -> None:
    assert peers.check(["DUMP nobody"]) == [None]


def test_errors(peers: Differential) -> None:
    peers.check(
        [
            ("RESTORE", "a", 0, STRING),
            ("RESTORE", "a", 0, STRING),
            ("RESTORE", "a", "x", STRING),
            ("RESTORE", "a", "x", STRING, "REPLACE"),
            ("RESTORE", "a", 0, STRING, "REPLACE", "FOO"),
            ("RESTORE", "a", 0, b"nonsense"),
            ("RESTORE", "b", -1, STRING),
            ("RESTORE", "b", -1, b"nonsense"),
            ("RESTORE", "b", 10, STRING, "IDLETIME"),
            ("RESTORE", "b", 10, STRING, "IDLETIME", "x"),
            ("RESTORE", "b", 10, STRING, "IDLETIME", "-1"),
            ("RESTORE", "b", 10, STRING, "FREQ"),
            ("RESTORE", "b", 10, STRING, "FREQ", "256"),
            ("RESTORE", "b", 10, STRING, "FREQ", "-1"),
            ("RESTORE", "b", 10, STRING, "FREQ", "x"),
            ("RESTORE", "b", 10, STRING, "FREQ", "1", "IDLETIME", "1"),
            ("RESTORE", "b", 10, STRING, "IDLETIME", "1", "FREQ", "1"),
            ("RESTORE", "b", 0, b""),
            ("RESTORE", "b", 0, b"x" * 30),
            ("RESTORE", "b", 0, STRING[:-1] + b"\x00"),
            ("RESTORE", "b", 0, dump_payload_of_an_unknown_type()),
            "RESTORE b 0",
            "DUMP",
            "DUMP a b",
        ]
    )
    peers.check_state()


def dump_payload_of_an_unknown_type() -> bytes:
    body = b"\x63abc" + STRING[-10:-8]
    return body + crc64(body).to_bytes(8, "little")


def test_options(peers: Differential) -> None:
    peers.check(
        [
            "SET a old EX 1000",
            ("RESTORE", "a", 0, STRING, "replace"),
            "TTL a",
            ("RESTORE", "b", 100000, STRING, "IDLETIME", "1000", "REPLACE"),
            "OBJECT IDLETIME b",
            "TTL b",
            ("RESTORE", "c", 0, STRING, "FREQ", "5"),
            ("RESTORE", "d", 4102444800000, STRING, "absttl"),
            "PEXPIRETIME d",
            ("RESTORE", "e", 0, STRING, "ABSTTL"),
            "TTL e",
            ("RESTORE", "c", 1, STRING, "ABSTTL", "REPLACE"),
            ("RESTORE", "f", 1, STRING, "ABSTTL"),
            "EXISTS c f",
            ("RESTORE", "a", 0, dump_payload(b"new"), "REPLACE", "REPLACE"),
        ]
    )
    peers.check_state(encodings=False)


def test_events(peers: Differential) -> None:
    events = peers.events(
        [
            ("RESTORE", "a", 0, STRING),
            ("RESTORE", "a", 0, STRING, "REPLACE"),
            ("RESTORE", "a", 1, STRING, "ABSTTL", "REPLACE"),
            ("RESTORE", "a", 1, STRING, "ABSTTL", "REPLACE"),
        ]
    )
    assert events


def test_a_blocked_client_is_served(valkey: RealServer) -> None:
    ours = EngineClient()
    waiting = EngineClient(ours.engine)
    waiting.send("BLPOP", "list", "0")
    real, real_waiting = RealClient(valkey.port), RealClient(valkey.port)
    ours.execute("RPUSH", "source", "1", "2")
    payload = ours.execute("DUMP", "source")
    real.execute("FLUSHALL")
    real_waiting.send("BLPOP", "list", "5")
    while b"cmd=blpop" not in real.execute("CLIENT", "LIST"):
        continue
    assert ours.execute("RESTORE", "list", 0, payload) == b"OK"
    assert real.execute("RESTORE", "list", 0, payload) == b"OK"
    assert waiting.receive() == real_waiting.receive() == [b"list", b"1"]
    real.close()
    real_waiting.close()


def test_a_watched_key_loses_its_race() -> None:
    client = EngineClient()
    other = EngineClient(client.engine)
    client.execute("WATCH", "a")
    other.execute("RESTORE", "a", 0, STRING)
    client.execute("MULTI")
    client.execute("PING")
    assert client.execute("EXEC") is None


def test_times_to_live_of_fields_go_along(valkey: RealServer) -> None:
    clock = ManualClock()
    client = EngineClient(clock=clock)
    client.execute("HSET", "hash", "f", "1", "g", "2", "h", "3")
    client.execute("HPEXPIRE", "hash", 1000, "FIELDS", 1, "f")
    client.execute("HPEXPIRE", "hash", 5000, "FIELDS", 1, "g")
    payload = client.execute("DUMP", "hash")
    clock.advance(2)
    assert client.execute("RESTORE", "copy", 0, payload) == b"OK"
    assert client.execute("HGETALL", "copy") == [b"g", b"2", b"h", b"3"]
    assert client.execute("HPTTL", "copy", "FIELDS", 2, "g", "h") == [3000, -1]
    clock.advance(4)
    assert client.execute("HLEN", "copy") == 1

    real = RealClient(valkey.port)
    real.execute("DEL", "hash")
    real.execute("HSET", "hash", "f", "1", "g", "2")
    real.execute("HPEXPIREAT", "hash", 4102444800000, "FIELDS", 1, "f")
    assert client.execute("RESTORE", "hash", 0, real.execute("DUMP", "hash"), "REPLACE") == b"OK"
    assert client.execute("HPEXPIRETIME", "hash", "FIELDS", 2, "f", "g") == [4102444800000, -1]
    real.close()


def test_a_hash_whose_fields_have_all_gone_is_not_dumped() -> None:
    clock = ManualClock()
    client = EngineClient(clock=clock)
    client.execute("HSET", "hash", "f", "1")
    client.execute("HPEXPIRE", "hash", 1000, "FIELDS", 1, "f")
    clock.advance(2)
    assert client.execute("DUMP", "hash") is None


def test_a_time_to_live_past_64_bits_is_refused() -> None:
    """Redis' clock overflows there: it replies OK and has lost the key."""
    client = EngineClient()
    reply = client.execute("RESTORE", "a", 2**63 - 1, STRING)
    assert reply == ("error", "ERR invalid expire time in 'restore' command")
    assert client.execute("EXISTS", "a") == 0


def test_the_configured_limits_decide_the_encoding() -> None:
    client = EngineClient(hash_max_listpack_entries="1")
    client.execute("HSET", "hash", "f", "1", "g", "2")
    payload = client.execute("DUMP", "hash")
    client.execute("HSET", "small", "f", "1")
    assert payload[0] != client.execute("DUMP", "small")[0]
    assert EngineClient().execute("RESTORE", "hash", 0, payload) == b"OK"


# What reads and changes a value of each type: none of them may fail for what a payload has brought.
_USES = {
    b"string": ["STRLEN v", "APPEND v x", "SETBIT v 3 1"],
    b"list": ["LRANGE v 0 -1", "LPUSH v x", "RPOP v", "LINDEX v 0"],
    b"set": ["SMEMBERS v", "SADD v 7", "SPOP v", "SRANDMEMBER v"],
    b"zset": ["ZRANGE v 0 -1 WITHSCORES", "ZADD v 1 x", "ZPOPMIN v", "ZRANGEBYSCORE v -inf +inf"],
    b"hash": ["HGETALL v", "HSET v f x", "HRANDFIELD v 2 WITHVALUES", "HPTTL v FIELDS 1 f", "HDEL v f"],
    b"stream": [
        "XINFO STREAM v FULL",
        "XADD v MAXLEN ~ 5 * f x",
        "XREAD COUNT 5 STREAMS v 0",
        "XGROUP CREATE v other $",
        "XREADGROUP GROUP other me STREAMS v >",
        "XTRIM v MAXLEN 1",
    ],
}


@settings(max_examples=150, deadline=None)
@given(value=values | streams(), data=st.data(), version=st.sampled_from([10, 12, 80]))
def test_hostile_payloads_are_refused_or_are_values_like_any_other(
    value: Value, data: st.DataObject, version: int
) -> None:
    body = mutated(dump_payload(value)[:-10], data) + struct.pack("<H", version)
    payload = body + struct.pack("<Q", crc64(body))
    client = EngineClient()
    reply = client.execute("RESTORE", "v", 0, payload)
    if reply != b"OK":
        assert reply == ("error", "ERR Bad data format")
        return
    again = client.execute("DUMP", "v")
    if again is not None:  # as a hash whose fields have all expired is
        assert client.execute("RESTORE", "copy", 0, again) == b"OK"
        assert content(load_payload(client.execute("DUMP", "copy"))) == content(load_payload(again))
    kind = client.execute("TYPE", "v")
    for line in _USES.get(kind, []):
        reply = client.execute(*line.split())
        # An ID may be at its highest already; that is said, not a failure.
        assert not isinstance(reply, tuple) or reply[0] != "error" or "ID" in reply[1], line
