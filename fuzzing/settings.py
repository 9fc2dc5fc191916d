"""What an administrator may ask for, by somebody hostile: directives, users, clients that are killed, files, other hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final

from fuzzing.calls import NUMBERS, TEXTS, made_up
from fuzzing.connection import Closed, Connection
from fuzzing.hosts import HOSTS
from fuzzing.server import Call, Fault, ServerUnderTest
from fuzzing.streams import faulty
from tests.pulsards.calls import Call as Words

#: Calls after which whoever may do everything puts the users right.
_ROUND: Final = 25
_VALUES: Final = (
    *(b"yes", b"no", b"0", b"-1", b"1", b"2", b"100", b"1k", b"1gb", b"100mb", b"-5%", b"50%", b"101%"),
    *(b"1 1", b"3600 1 300 100", b"3600", b"normal 0 0 0", b"replica 1 1 1 pubsub 1 1 1", b"normal 1"),
    *(
        b"AKE",
        b"KEA$lshzxegtdmn",
        b"default",
        b"nosave now force",
        b"50 99 99.9",
        b"50 nan 1e400",
        b"allkeys-lfu",
    ),
    *(b"volatile-ttl", b"127.0.0.1", b"::1 -::1", b"* -::*", b"no.such.host.invalid", b"always", b"everysec"),
    *(b'"', b"'x", b'"\\xff\\', b"optional", b"TLSv1.2 TLSv1.3", b"dump.rdb", b"../x", b"/", b"local"),
)
_USERS: Final = (b"default", b"alice", b"bob", b"", b"a b", b"\xff\0", b"x" * 5000)
_RULES: Final = (
    *(
        b"on",
        b"off",
        b"nopass",
        b"resetpass",
        b">secret",
        b"<secret",
        b">",
        b"<",
        b"#",
        b"!",
        b"#" + b"a" * 64,
    ),
    *(
        b"!" + b"a" * 64,
        b"#" + b"g" * 64,
        b"~*",
        b"~a*",
        b"%R~b*",
        b"%W~c",
        b"%RW~d",
        b"%~x",
        b"%X~x",
        b"%R",
        b"~",
    ),
    *(
        b"allkeys",
        b"resetkeys",
        b"&*",
        b"&news",
        b"&",
        b"allchannels",
        b"resetchannels",
        b"+@all",
        b"-@all",
        b"+@read",
    ),
    *(
        b"-@dangerous",
        b"+@nosuch",
        b"+get",
        b"-get",
        b"+client|kill",
        b"-client|kill",
        b"+client|",
        b"+|get",
        b"+get|x",
    ),
    *(
        b"+client|kill|x",
        b"allcommands",
        b"nocommands",
        b"reset",
        b"clearselectors",
        b"(+get ~a)",
        b"(~* +@all)",
        b"(",
    ),
    *(
        b")",
        b"()",
        b"(+get ~a",
        b"((+get))",
        b"sanitize-payload",
        b"skip-sanitize-payload",
        b"~" + b"*a" * 40 + b"*b",
    ),
    *(
        b"~" + b"[" * 3000,
        b"+" + b"x" * 10_000,
        b"",
        b" ",
        b"\0",
        b"nosuch",
        b"alldbs",
        b"db=1",
        b"-select",
        b"+ping",
    ),
)
_FILTERS: Final = (
    *(
        b"id",
        b"addr",
        b"laddr",
        b"type",
        b"user",
        b"skipme",
        b"maxage",
        b"name",
        b"idle",
        b"flags",
        b"lib-name",
        b"db",
    ),
    *(b"not-id", b"not-user", b"not-flags", b"capa", b"ip", b"not-ip", b"nosuch", b""),
)
_FILTERED: Final = (
    *(
        b"1",
        b"2 3",
        b"127.0.0.1:1",
        b"127.0.0.1",
        b"normal",
        b"pubsub",
        b"master",
        b"replica",
        b"default",
        b"alice",
    ),
    *(b"yes", b"no", b"0", b"100", b"N", b"", b"NPbMx", b"\xff"),
)
_PLAIN: Final = (
    *(
        "ACL LIST",
        "ACL USERS",
        "ACL LOG",
        "ACL LOG RESET",
        "ACL LOG -1",
        "ACL WHOAMI",
        "ACL SAVE",
        "ACL LOAD",
    ),
    *(
        "ACL CAT",
        "ACL CAT nosuch",
        "ACL GENPASS",
        "ACL GENPASS -1",
        "ACL GENPASS 99999999999",
        "CONFIG RESETSTAT",
    ),
    *(
        "CONFIG REWRITE",
        "SAVE",
        "BGSAVE",
        "BGSAVE SCHEDULE",
        "BGSAVE CANCEL",
        "BGREWRITEAOF",
        "LASTSAVE",
        "INFO all",
    ),
    *(
        "CLIENT PAUSE 5",
        "CLIENT PAUSE 5 WRITE",
        "CLIENT UNPAUSE",
        "CLIENT LIST",
        "CLIENT INFO",
        "CLIENT NO-EVICT ON",
    ),
    *(
        "CLIENT REPLY SKIP",
        "CLIENT PAUSE -1",
        "MEMORY DOCTOR",
        "MEMORY PURGE",
        "MEMORY STATS",
        "LATENCY RESET",
        "ROLE",
    ),
    *(
        "CLIENT NO-TOUCH ON",
        "LATENCY HISTOGRAM",
        "LATENCY DOCTOR",
        "SLOWLOG GET -1",
        "SLOWLOG RESET",
        "MODULE LIST",
    ),
    *(
        "FLUSHALL ASYNC",
        "SWAPDB 0 1",
        "REPLICAOF NO ONE",
        "FAILOVER ABORT",
        "DEBUG RELOAD",
        "DEBUG LOADAOF",
        "RESET",
    ),
    *(
        "SUBSCRIBE c",
        "EXEC",
        "HELLO 3",
        "HELLO 2",
        "AUTH alice secret",
        "AUTH secret",
        "AUTH default x",
    ),
)


class Administrator:
    """Makes up calls; the same ones for the same state of `random`, on the same server."""

    def __init__(self, random: Random, values: dict[bytes, bytes]) -> None:
        """`values` are those of all directives that can be changed."""
        self._random = random
        self._values = values
        self._names = sorted(values)
        self._others = made_up(random)
        self._kinds: Sequence[Callable[[], Words]] = (
            *(self._setting,) * 8,
            *(self._user,) * 8,
            *(self._kill,) * 3,
            *(self._plain,) * 6,
            *(self._elsewhere,) * 2,
            self._other,
        )

    def call(self) -> Words:
        """Some call."""
        return self._random.choice(self._kinds)()

    def _pick(self, choices: Sequence[bytes], most: int = 1) -> Words:
        return [self._random.choice(choices) for _ in range(self._random.randrange(1, most + 1))]

    def _setting(self) -> Words:
        found = [b"CONFIG", b"SET"]
        for name in self._pick(self._names, 2):
            how = self._random.randrange(8)
            value = (
                faulty(self._random, self._values[name])
                if how < 3
                else self._random.choice(NUMBERS)
                if how == 3
                else self._random.choice(TEXTS)
                if how == 4
                else self._random.choice(_VALUES)
            )
            found += [name, value]
        return found

    def _user(self) -> Words:
        name, rules = self._random.choice(_USERS), self._pick(_RULES, 6)
        if self._random.randrange(6) == 0:
            rules.append(faulty(self._random, self._random.choice(_RULES)))
        return self._random.choice(
            (
                *([b"ACL", b"SETUSER", name, *rules],) * 5,
                [b"ACL", b"DELUSER", name, self._random.choice(_USERS)],
                [b"ACL", b"GETUSER", name],
                [b"ACL", b"DRYRUN", name, *next(self._others)],
                [b"AUTH", name, b"secret"],
            )
        )

    def _kill(self) -> Words:
        if self._random.randrange(6) == 0:
            return [b"CLIENT", b"KILL", self._random.choice(_FILTERED)]
        filters = []
        for name in self._pick(_FILTERS, 3):
            filters += [name, *self._random.choice(_FILTERED).split(b" ")]
        return [b"CLIENT", self._random.choice((b"KILL", b"KILL", b"LIST")), *filters]

    def _plain(self) -> Words:
        return self._random.choice(_PLAIN).encode().split(b" ")

    def _elsewhere(self) -> Words:
        host, port = self._random.choice(HOSTS), self._random.choice((b"1", b"0", b"65536", b"-1", b"x"))
        return self._random.choice(
            (
                [b"REPLICAOF", host, port],
                [b"MIGRATE", host, port, b"str", b"0", b"30"],
                [b"MIGRATE", host, port, b"", b"0", b"30", b"COPY", b"AUTH", b"x", b"KEYS", b"list", b"hash"],
                [b"CONFIG", b"SET", b"bind", host],
                [b"FAILOVER", b"TO", host, port, b"FORCE", b"TIMEOUT", b"20"],
            )
        )

    def _other(self) -> Words:
        return next(self._others)


def by_setting(server: ServerUnderTest, random: Random) -> Iterator[int]:
    """Made-up calls of an administrator; after each, the bystander puts right what limits the server."""
    reply = server.control("CONFIG", "GET", "*")
    values = dict(zip(reply[::2], reply[1::2], strict=True))
    changeable = {
        name: value
        for name, value in values.items()
        if not _is_refused(server.control("CONFIG", "SET", name, value))
    }
    administrator = Administrator(random, changeable)
    client: Connection | None = None
    count = 0
    while True:
        if count % _ROUND == 0:
            _put_right(server)
            client = None
        call = administrator.call()
        count += 1
        if call[0].upper() == b"MULTI":
            continue  # what it would queue takes effect later, when nobody puts right what limits the server
        try:
            client = client or server.connect()
            if not server.suffer(client, call, scripts=True):
                # It waits, perhaps, and what it sends next would take effect when nobody puts right what limits the server.
                client.close()
                client = None
        except (Closed, OSError):
            client = None
        except Fault as fault:
            raise Fault(f"{_shown(call)}: {fault}") from None
        _restore(server, call, changeable)
        yield 1


def _restore(server: ServerUnderTest, call: Words, values: dict[bytes, bytes]) -> None:
    if call[0] == b"CONFIG" and call[1] == b"SET":
        for name in call[2::2]:
            refused = server.control("CONFIG", "SET", name, values[name])
            if _is_refused(refused):
                raise Fault(f"{_shown(call)}: what was there before is refused afterwards: {refused}")
    elif call[0] in (b"REPLICAOF", b"FAILOVER"):
        server.control("FAILOVER", "ABORT")
        server.control("REPLICAOF", "NO", "ONE")


def _put_right(server: ServerUnderTest) -> None:
    calls: list[Call] = [
        ("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all"),
        ("ACL", "DELUSER", *(name for name in _USERS if name != b"default")),
        ("CLIENT", "KILL", "SKIPME", "yes"),
        ("FLUSHALL",),
    ]
    for call in calls:
        if _is_refused(reply := server.control(*call)):
            raise Fault(f"{call}: {reply}")


def _is_refused(reply: Any) -> bool:
    return isinstance(reply, Exception)


def _shown(call: Words) -> str:
    return " ".join(repr(word)[:300] for word in call[:20])
