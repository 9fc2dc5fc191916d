"""The same commands on pulsards, Valkey and Redis: whatever is not the same must stand in a table of reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from tests.pulsards.peers import Argument, EngineClient, RealClient
from tests.servers import RealServer

Command = Sequence[Argument]
#: (server, command as text) -> why its reply differs from ours.
Differences = Mapping[tuple[str, str], str]

#: Commands whose replies are in no particular order.
UNORDERED = {"spop", "smembers", "sinter", "sunion", "sdiff", "sscan", "zscan", "hscan", "keys", "scan"}
_PAIRED = {"zscan", "hscan"}
#: Commands whose replies tell when things happened, which is not the same everywhere.
_TIMED = {"xinfo", "xpending"}
_TIME_FIELDS = {b"seen-time", b"active-time", b"idle", b"inactive"}
# Redis 7.0 does not know the times yet, and neither it nor Valkey 9.1 counts the lag as Redis 7.4.4 and later do.
_OTHER_FIELDS = {b"active-time", b"inactive", b"lag"}


def split(text: str | Command) -> Command:
    """A command from its text; one with spaces in an argument is given as a sequence."""
    return text.split(" ") if isinstance(text, str) else text


def text_of(command: Command) -> str:
    return " ".join(item.decode("latin-1") if isinstance(item, bytes) else str(item) for item in command)


def canonical(command: Command, reply: Any) -> Any:
    """A reply with what has no order put in one."""
    name = (command[0].decode("latin-1") if isinstance(command[0], bytes) else str(command[0])).lower()
    if isinstance(reply, set):
        return sorted(reply)
    if name == "hgetall" and isinstance(reply, list):
        return dict(zip(reply[::2], reply[1::2], strict=True))
    if name in _TIMED:
        return _timeless(reply, name == "xpending")
    if name not in UNORDERED or not isinstance(reply, list):
        return reply
    if name.endswith("scan"):
        cursor, found = reply
        if name in _PAIRED:
            return [cursor, sorted(zip(found[::2], found[1::2], strict=True))]
        return [cursor, sorted(found)]
    return sorted(reply)


def _timeless(reply: Any, pending: bool) -> Any:
    """What is known of streams, without the fields and items that are times."""
    if isinstance(reply, dict):
        kept = {name: value for name, value in reply.items() if name not in _OTHER_FIELDS}
        return {name: 0 if name in _TIME_FIELDS else _timeless(value, False) for name, value in kept.items()}
    if not isinstance(reply, list):
        return reply
    if reply and reply[0] in (b"length", b"name") and len(reply) % 2 == 0:
        return _timeless(dict(zip(reply[::2], reply[1::2], strict=True)), False)
    if pending and len(reply) == 4 and isinstance(reply[2], int):
        return [reply[0], reply[1], reply[2] // 100_000, reply[3]]
    return [
        0 if isinstance(item, int) and item > 1_000_000_000_000 else _timeless(item, pending)
        for item in reply
    ]


class Differential:
    """One client on an engine of its own, one on Valkey, and one on Redis where it is installed."""

    def __init__(
        self,
        valkey: RealServer,
        redis_server: RealServer | None,
        protocol: int = 2,
        known: Differences | None = None,
        **settings: str,
    ) -> None:
        self.engine = EngineClient(**settings)
        self.servers = {"valkey": RealClient(valkey.port)}
        if redis_server is not None:
            self.servers["redis"] = RealClient(redis_server.port)
        self.known = known or {}
        for client in (self.engine, *self.servers.values()):
            client.execute("HELLO", protocol)
            client.execute("FLUSHALL")

    def __enter__(self) -> Differential:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in self.servers.values():
            client.close()

    def check(self, commands: Iterable[str | Command], *, without: Iterable[str] = ()) -> list[Any]:
        """Run commands everywhere (but on servers left out) and compare the replies; they are returned."""
        listed = [split(command) for command in commands]
        ours = [canonical(command, self.engine.execute(*command)) for command in listed]
        for name, client in self.servers.items():
            if name in without:
                continue
            theirs = client.run(listed)
            for command, mine, reply in zip(listed, ours, theirs, strict=True):
                self._compare(name, command, mine, canonical(command, reply))
        return ours

    def _compare(self, name: str, command: Command, ours: Any, theirs: Any) -> None:
        reason = self.known.get((name, text_of(command)))
        if reason is None:
            assert ours == theirs, f"{text_of(command)}: pulsards {ours!r}, {name} {theirs!r}"
        else:
            assert ours != theirs, f"{text_of(command)} is the same on {name} after all ({reason})"

    def check_state(self, *, encodings: bool = True) -> None:
        """Compare what all keys hold now, whether they expire, and how they are encoded."""
        keys = sorted(self.engine.execute("KEYS", "*"))
        for name, client in self.servers.items():
            assert sorted(client.execute("KEYS", "*")) == keys, name
        for key in keys:
            kind = self.engine.execute("TYPE", key)
            self.check([_READERS[kind](key)])
            # The seconds left are not the same for ever: the servers are asked one after the other.
            lasting = self.engine.execute("TTL", key) == -1
            for name, client in self.servers.items():
                assert (client.execute("TTL", key) == -1) == lasting, f"TTL {key!r} of {name}"
            if encodings:
                # 7.0 has no listpacks for these yet.
                self.check(
                    [("OBJECT", "ENCODING", key)], without=["redis"] if kind in (b"list", b"set") else []
                )

    def events(self, commands: Iterable[str | Command], *, replies: bool = True) -> list[Any]:
        """Run commands everywhere, and compare the keyspace events that they cause (and the replies)."""
        listeners = {"pulsards": EngineClient(self.engine.engine)}
        peers: dict[str, Any] = {"pulsards": self.engine, **self.servers}
        seen: dict[str, list[Any]] = {}
        for name, client in self.servers.items():
            listeners[name] = RealClient(client.port)  # type: ignore[assignment]
        for name, listener in listeners.items():
            peers[name].execute("CONFIG", "SET", "notify-keyspace-events", "KEAmn")
            listener.execute("HELLO", 3)
            listener.execute("PSUBSCRIBE", "__key*__:*")
        try:
            if replies:
                self.check(commands)
            else:
                for command in commands:
                    for client in (self.engine, *self.servers.values()):
                        client.execute(*split(command))
            for name, listener in listeners.items():
                seen[name] = []
                listener.send("PING")
                while (message := listener.receive()) != b"PONG":
                    seen[name].append(message[1][2:])
        finally:
            for name, listener in listeners.items():
                listener.close()
                peers[name].execute("CONFIG", "SET", "notify-keyspace-events", "")
        for name, messages in seen.items():
            assert messages == seen["pulsards"], name
        return seen["pulsards"]


_READERS = {
    b"string": lambda key: ("GET", key),
    b"list": lambda key: ("LRANGE", key, 0, -1),
    b"set": lambda key: ("SMEMBERS", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"hash": lambda key: ("HGETALL", key),
    b"stream": lambda key: ("XRANGE", key, "-", "+"),
}
