"""What the server knows of one client: its name, its modes, what it watches, queues and is subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anystore.pulsards.blocking import Waiter
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.pubsub import remove_listener
from anystore.pulsards.registry import CommandEntry
from anystore.resp.requests import RequestParser

if TYPE_CHECKING:
    from anystore.pulsards.acl import User
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication import Follower
    from anystore.pulsards.tracking import Tracking

Queued = list[tuple[CommandEntry, list[bytes]]]


class ClientState(Context):
    """A client as such; `Session` is what runs its commands."""

    __slots__ = (
        "aborted",
        "address",
        "authenticated",
        "channels",
        "closing",
        "connected_at",
        "debug_mode",
        "exec_count",
        "exec_replies",
        "follower",
        "guarded",
        "id",
        "import_source",
        "is_primary",
        "last_active",
        "last_entry",
        "library_name",
        "library_version",
        "local_address",
        "lost_race",
        "monitoring",
        "muted",
        "name",
        "no_evict",
        "no_touch",
        "parser",
        "patterns",
        "queue",
        "queue_broken",
        "queued_bytes",
        "redirects",
        "shard_channels",
        "skip_replies",
        "tracking",
        "unsent_bytes",
        "user",
        "waiter",
        "watching",
        "written_offset",
    )

    def __init__(self, engine: Engine, address: str = "", local_address: str = "") -> None:
        """`address` and `local_address` are what CLIENT LIST shows, as host:port or a socket's path."""
        self.engine = engine
        self.db = engine.keyspace.databases[0]  # no annotation: see tests/test_build.py
        self.protocol = 2
        self.can_block = True
        self.id = engine.next_client_id()
        self.address = address
        self.local_address = local_address
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.user: User = engine.acl.default
        self.connected_at = self.last_active = engine.keyspace.now
        self.last_entry: CommandEntry | None = None
        self.parser = RequestParser(engine.config.proto_max_bulk_len)
        self.queue: Queued | None = None
        self.queued_bytes = 0  # what the arguments of the commands in it take
        self.queue_broken = False
        self.watching: dict[tuple[Database, bytes], bool] = {}
        self.lost_race = False
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.waiter: Waiter | None = None
        self.closing = False
        self.aborted = False
        self.monitoring = False
        self.muted = False
        self.skip_replies = 0
        self.no_evict = False
        self.no_touch = False
        self.debug_mode = b""  # what SCRIPT DEBUG has said: b"yes", b"sync" or nothing
        self.import_source = False  # whether it says what has expired, where the server lets clients say it
        self.redirects = False  # whether it says that it can be sent to another node
        self.guarded = False
        self.tracking: Tracking | None = None
        #: What EXEC has gathered so far, while it runs: confirmations of subscriptions go in there.
        self.exec_replies: list[Any] | None = None
        #: How many commands the EXEC has that runs.
        self.exec_count = 0
        #: What the driver has taken and the client has not, in bytes; see `hold`.
        self.unsent_bytes = 0
        #: What is known of it as a replica, once it has said anything of that; whether it stands for the primary instead.
        self.follower: Follower | None = None
        self.is_primary = False
        #: Where the replication stream was behind the last thing that this client changed.
        self.written_offset = 0
        #: Has logged in, or did not have to when it connected.
        self.authenticated = not engine.acl.login_needed
        self.update_guard()

    @property
    def needs_login(self) -> bool:
        """Whether nothing but logging in is possible."""
        return not self.authenticated and self.engine.acl.login_needed

    def update_guard(self) -> None:
        """Decide anew whether commands need the full checks: not for each command, but when a mode changes."""
        needs_login = self.parser.strict = self.needs_login
        self.guarded = (
            needs_login
            or self.user.restricted
            or self.queue is not None
            or self.no_touch
            or self.import_source
            or self.tracking is not None
            or self.monitoring
            or bool(self.channels or self.patterns or self.shard_channels)
        )

    @property
    def subscriptions(self) -> int:
        """The number of channels, patterns and sharded channels subscribed to."""
        return len(self.channels) + len(self.patterns) + len(self.shard_channels)

    @property
    def footprint(self) -> int:
        """What the client's buffers hold, in bytes: a command begun, commands queued, what it has not read."""
        return self.parser.buffered + self.unsent_bytes + self.queued_bytes

    @property
    def can_idle_out(self) -> bool:
        """Whether the directive `timeout` applies: subscribers, parked clients and replicas idle by nature."""
        if self.is_primary or (self.follower is not None and self.follower.attached):
            return False
        return not self.subscriptions and self.waiter is None and not self.monitoring and not self.closing

    def lose_race(self) -> None:
        """A watched key has changed: the transaction is lost, and there is nothing left to watch for. O(N) in the keys."""
        self.forget_watches()
        self.lost_race = True

    def forget_watches(self) -> None:
        """Stop watching every key."""
        for database, key in self.watching:
            sessions = database.watchers.get(key)
            if sessions is not None:
                sessions.pop(self.session, None)
                if not sessions:
                    del database.watchers[key]
        self.watching.clear()
        self.lost_race = False

    def leave_transaction(self) -> None:
        """Back to normal mode: drop the queue and the watches."""
        self.queue = None
        self.queued_bytes = 0
        self.queue_broken = False
        self.forget_watches()
        self.update_guard()

    def forget_subscriptions(self) -> None:
        """Leave every channel and pattern, without telling the client."""
        broker = self.engine.broker
        for names, listeners in (
            (self.channels, broker.channels),
            (self.patterns, broker.patterns),
            (self.shard_channels, broker.shard_channels),
        ):
            for name in names:
                remove_listener(listeners, name, self.session)
            names.clear()
        self.update_guard()
