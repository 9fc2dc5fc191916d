"""Two engines in this process, one following the other over a wire that a test holds in its hands."""

from __future__ import annotations

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from anystore.pulsards.replication import Following
from anystore.pulsards.session import Session
from tests.pulsards.peers import EngineClient


def run_due(engine: Engine) -> None:
    """Do what is due now, all of it."""
    engine.start_turn()
    engine.flush()
    while (due := engine.next_due()) is not None and due <= engine.keyspace.now:
        engine.run_due()
        engine.flush()


class Wire:
    """The connection from one engine to the one that it follows; nothing passes but by `pump`."""

    def __init__(self, replica: Engine, primary: Engine, port: int = 40000) -> None:
        self.replica = replica
        self.primary = primary
        self._address = f"127.0.0.1:{port}"
        self.following: Following
        self.session: Session | None = None
        self._down = b""

    def open(self) -> None:
        """Connect."""
        following = self.replica.replication.following
        assert following is not None
        self.following = following
        self.replica.start_turn()
        following.begin("127.0.0.1:6379", self._address)
        self.session = self.primary.connect(self._address, "127.0.0.1:6379")
        self._down = b""

    def pump(self, limit: int | None = None, piece: int = 65536) -> int:
        """Let bytes pass until both sides have nothing to say, or `limit` of them have come down in pieces.

        How many have come down. `LinkError` and the like come out as they are.
        """
        passed = 0
        while self.session is not None:
            up = self.following.take_output()
            if up:
                self.session.receive(up)
            run_due(self.primary)
            self._down += self.session.take_output()
            part = self._down[: piece if limit is None else min(piece, limit - passed)]
            if part:
                self._down = self._down[len(part) :]
                passed += len(part)
                self.following.receive(part)
                while self.following.loads:
                    self.following.load_on()
            run_due(self.replica)
            if self.session.closing or self.following.is_over:
                self.cut()
            elif not part and not up:
                break
        return passed

    def taken(self, count: int) -> bytes:
        """The next bytes that come down, for a test that hands them on itself."""
        assert self.session is not None
        self._down += self.session.take_output()
        part, self._down = self._down[:count], self._down[count:]
        return part

    def cut(self) -> None:
        """The connection breaks: what is on its way is lost."""
        if self.session is not None:
            self.session.close()
            self.primary.flush()
            self.session = None
        self.replica.start_turn()
        self.following.lost()
        self.replica.flush()


class Pair:
    """A primary with its client, a replica with its client, and the wire; both by the same clock."""

    def __init__(self, clock: ManualClock | None = None, **settings: str) -> None:
        self.clock = clock or ManualClock()
        config = {name.replace("_", "-"): value for name, value in settings.items()}
        self.primary = EngineClient(Engine(Config(config), self.clock))
        self.replica = EngineClient(Engine(Config(config), self.clock))
        self.wire = Wire(self.replica.engine, self.primary.engine)

    def follow(self) -> None:
        """Have the replica follow, until it has everything."""
        assert self.replica.execute("REPLICAOF", "127.0.0.1", "6379") in (
            b"OK",
            b"OK Already connected to specified master",
        )
        self.wire.open()
        self.wire.pump()

    def advance(self, seconds: float) -> None:
        """Time passes, on both sides and the wire between them."""
        self.clock.advance(seconds)
        run_due(self.primary.engine)
        run_due(self.replica.engine)
        self.wire.pump()


def contents(client: EngineClient) -> dict[str, object]:
    """All that a server holds: DUMP and expiry of every key in every database, and the libraries."""
    found: dict[str, object] = {}
    engine = client.engine
    for database in engine.keyspace.databases:
        if not database.data:
            continue
        client.execute("SELECT", database.index)
        for key in sorted(database.data):
            dumped = client.execute("DUMP", key)
            found[f"{database.index}:{key!r}"] = (dumped, client.execute("PEXPIRETIME", key))
    client.execute("SELECT", 0)
    found["functions"] = client.execute("FUNCTION", "LIST", "WITHCODE")
    return found
