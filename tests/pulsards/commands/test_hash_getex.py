from __future__ import annotations

import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

#: Redis 7.0 knows none of this.
ONLY_VALKEY = ["redis"]

SETTING = [
    *("HSETEX h FIELDS 2 a 1 b 2", "HSETEX h EX 100 FIELDS 1 c 3", "HSETEX h KEEPTTL FIELDS 2 c 4 d 5"),
    *("HTTL h FIELDS 4 a b c d", "HSETEX h FIELDS 1 c 6", "HTTL h FIELDS 1 c", "HGETALL h"),
    *("HSETEX h FNX FIELDS 2 c 1 e 2", "HSETEX h FXX FIELDS 2 c 1 e 2", "HSETEX h fxx FIELDS 2 c 1 d 2"),
    *("HSETEX h FNX FIELDS 2 e 1 e 2", "HSETEX h NX FIELDS 1 a 1", "HSETEX no XX FIELDS 1 a 1", "EXISTS no"),
    *(
        "HSETEX no FXX FIELDS 1 a 1",
        "HSETEX h XX FNX PX 100000 FIELDS 1 f 1",
        "HSETEX h ex 5 nx fields 1 a 1",
    ),
    *("HGETALL h", "HSETEX h EX 0 FIELDS 1 a 1", "HSETEX h EXAT 1 FIELDS 2 b 1 none 1", "HGETALL h"),
    *("HSETEX gone PXAT 1 FIELDS 1 a 1", "EXISTS gone", "HSETEX h NX EX -1 FIELDS 1 a 1"),
    *("HSETEX h PXAT 33177117420000 FIELDS 1 a 1", "HPEXPIRETIME h FIELDS 1 a"),
    *("HSETEX h EXAT 33177117420 FIELDS 1 a 1", "HPEXPIRETIME h FIELDS 1 a"),
]
GETTING = [
    *(
        "HSET h a 1 b 2 c 3",
        "HGETEX h FIELDS 3 a none a",
        "HGETEX h EX 100 FIELDS 2 a none",
        "HTTL h FIELDS 2 a b",
    ),
    *("HGETEX h FIELDS 1 a", "HTTL h FIELDS 1 a", "HGETEX h PERSIST FIELDS 2 a none", "HTTL h FIELDS 1 a"),
    *("HGETEX h PXAT 33177117420000 FIELDS 1 a", "HPEXPIRETIME h FIELDS 1 a", "HGETEX h FIELDS 1 fields"),
    *(
        "HGETEX h EX 0 FIELDS 2 a a",
        "HGETEX h EXAT 1 FIELDS 2 b none",
        "HGETALL h",
        "HGETEX h PX 0 FIELDS 1 c",
    ),
    *("EXISTS h", "HGETEX no FIELDS 2 a b", "HGETEX no EX 10 FIELDS 1 a", "HGETEX h EX 10 EX 20 FIELDS 1 a"),
]
DELETING = [
    *("HSET h a 1 b 2 c 3", "HGETDEL h FIELDS 2 a none", "HGETDEL h FIELDS 1 a", "HGETALL h"),
    *("HGETDEL h fields 3 b b c", "EXISTS h", "HGETDEL no FIELDS 2 a b"),
]
REFUSED = [
    *("HSETEX h FIELDS 1 a 1 b 2", "HSETEX h FIELDS 1 a", "HSETEX h FIELDS 0 a 1", "HSETEX h FIELDS x a 1"),
    *(
        "HSETEX h FIELDS -1 a 1",
        "HSETEX h FOO 1 a 1",
        "HSETEX h FNX FXX FIELDS 1 a 1",
        "HSETEX h FIELDS 2 a 1 b",
    ),
    *("HSETEX h NX XX FIELDS 1 a 1", "HSETEX h EX 1 PX 1 FIELDS 1 a 1", "HSETEX h EX 1 KEEPTTL FIELDS 1 a 1"),
    *("HSETEX h PERSIST FIELDS 1 a 1", "HSETEX h EX -1 FIELDS 1 a 1", "HSETEX h EX x FIELDS 1 a 1"),
    *("HSETEX h FIELDS 1 a 1 EX 1", "HSETEX h EX 9223372036854775807 FIELDS 1 a 1", "HSETEX s FIELDS 1 a 1"),
    *(
        "HSETEX h PX 9223372036854775807 FIELDS 1 a 1",
        "HSETEX s NX EX x FIELDS 1 a 1",
        "HSETEX s FNX FIELDS 1 a 1",
    ),
    *(
        "HGETEX h FIELDS 0 a",
        "HGETEX h FIELDS 2 a",
        "HGETEX h FIELDS x a",
        "HGETEX h FOO 1 a",
        "HGETEX h EX 5 FIELDS",
    ),
    *(
        "HGETEX h KEEPTTL FIELDS 1 a",
        "HGETEX h EX 1 PERSIST FIELDS 1 a",
        "HGETEX h EX FIELDS 1 a",
        "HGETEX h FIELDS",
    ),
    *(
        "HGETEX h EX -1 FIELDS 1 a",
        "HGETEX s EX x FIELDS 1 a",
        "HGETEX h EX FIELDS FIELDS 1 a",
        "HGETEX h NX FIELDS 1 a",
    ),
    *(
        "HGETEX no EX -1 FIELDS 1 a",
        "HGETEX h EX x FIELDS 0 a",
        "HGETEX h KEEPTTL FIELDS x a",
        "HGETEX h FIELDS 1 a b",
    ),
    *(
        "HGETDEL h FOO 1 a",
        "HGETDEL h FIELDS 0 a",
        "HGETDEL h FIELDS 2 a",
        "HGETDEL h FIELDS x a",
        "HGETDEL s FIELDS 0 a",
    ),
    *("HGETDEL s FIELDS 1 a", "HGETDEL h FIELDS 1", "HGETDEL h FIELDS 99999999999999999999 a", "HGETALL h"),
]


@pytest.mark.parametrize("commands", [SETTING, GETTING, DELETING], ids=["setting", "getting", "deleting"])
def test_replies(peers: Differential, commands: list[str]) -> None:
    peers.check(commands, without=ONLY_VALKEY)


def test_refusals(peers: Differential) -> None:
    peers.check(["HSET h a 1", "SET s x", *REFUSED], without=ONLY_VALKEY)


def test_what_is_looked_at_first(peers: Differential) -> None:
    commands = ["HSET h a 1", "HSETEX h FNX EX x FIELDS 1 a 1", "HSETEX h FXX EX x FIELDS 1 none 1"]
    commands += [
        "HSETEX h NX EX x FIELDS 1 a 1",
        f"HSETEX h EXAT 1 FIELDS 1 b {'long' * 99}",
        "OBJECT ENCODING h",
    ]
    peers.check(commands, without=ONLY_VALKEY)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(clock: ManualClock) -> EngineClient:
    return EngineClient(clock=clock)


@pytest.mark.parametrize(
    ("command", "events"),
    [
        ("HSETEX h FIELDS 2 a 1 b 2", [b"hset"]),
        ("HSETEX h EX 100 FIELDS 2 a 1 b 2", [b"hset", b"hexpire"]),
        ("HSETEX h FNX FIELDS 2 a 1 none 2", []),
        ("HSETEX h EXAT 1 FIELDS 1 a 1", [b"hset", b"hexpire", b"hexpired"]),
        ("HSETEX h EXAT 1 FIELDS 3 a 1 b 1 c 1", [b"hset", b"hexpire", b"hexpired", b"del"]),
        ("HGETEX h FIELDS 1 a", []),
        ("HGETEX h EX 100 FIELDS 2 a b", [b"hexpire"]),
        ("HGETEX h EX 100 FIELDS 1 none", []),
        ("HGETEX h PERSIST FIELDS 2 a c", [b"hpersist"]),
        ("HGETEX h PERSIST FIELDS 1 a", []),
        ("HGETEX h EXAT 1 FIELDS 2 a none", [b"hexpired"]),
        ("HGETEX h EXAT 1 FIELDS 3 a b c", [b"hexpired", b"del"]),
        ("HGETDEL h FIELDS 2 a none", [b"hdel"]),
        ("HGETDEL h FIELDS 1 none", []),
        ("HGETDEL h FIELDS 3 a b c", [b"hdel", b"del"]),
    ],
)
def test_events(client: EngineClient, command: str, events: list[bytes]) -> None:
    client.execute("HSET", "h", "a", 1, "b", 2, "c", 3)
    client.execute("HEXPIRE", "h", 100, "FIELDS", 1, "c")
    client.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
    listener = EngineClient(client.engine)
    listener.execute("SUBSCRIBE", "__keyspace@0__:h")
    before = client.engine.keyspace.dirty
    client.execute(*command.split())
    told = []
    while (message := listener.receive()) is not NotImplemented:
        told.append(message[2])
    assert told == events
    assert (client.engine.keyspace.dirty > before) == bool(events)


@pytest.mark.parametrize("command", ["HSETEX h PX 50 FIELDS 1 a 2", "HGETEX h PX 50 FIELDS 1 a"])
def test_the_time_comes(client: EngineClient, clock: ManualClock, command: str) -> None:
    client.execute("HSET", "h", "a", 1, "b", 2)
    client.execute(*command.split())
    clock.advance(0.049)
    assert client.execute("HEXISTS", "h", "a") == 1
    clock.advance(0.002)
    client.engine.run_due()
    assert client.execute("HGETALL", "h") == [b"b", b"2"]


def test_a_time_that_cannot_be_noted_down(client: EngineClient) -> None:
    for command in ("HSETEX h PXAT 70368744177664 FIELDS 1 a 1", "HGETEX h PXAT 70368744177664 FIELDS 1 a"):
        name = command.split()[0].lower()
        assert client.execute(*command.split()) == ("error", f"ERR invalid expire time in '{name}' command")


def test_the_fields_and_keys_that_a_user_may_not_touch(client: EngineClient) -> None:
    client.execute("ACL", "SETUSER", "u", "on", "nopass", "+@all", "%R~h")
    guest = EngineClient(client.engine)
    guest.execute("AUTH", "u", "x")
    for command in ("HGETEX h FIELDS 1 a", "HGETDEL h FIELDS 1 a", "HSETEX h FIELDS 1 a 1"):
        kind, text = guest.execute(*command.split())
        assert (kind, text.split()[0]) == ("error", "NOPERM")
