"""`maxmemory`: keys are evicted when there is too much, or commands that would take more are refused.

What counts is the account of the keys (`accounting`). Victims are found as Redis finds them, by samples and a
small pool of the best candidates seen so far; those of volatile-ttl are exactly the next ones to expire.

Source: "Key eviction"; the directives maxmemory, maxmemory-policy and maxmemory-samples of redis.conf.
"""

from __future__ import annotations

import logging
from bisect import insort
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.script_flags import declared_flags

if TYPE_CHECKING:
    from anystore.pulsards.context import ScriptContext
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

OUT_OF_MEMORY: Final = b"OOM command not allowed when used memory > 'maxmemory'."
POLICIES: Final = (
    *("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"),
    *("allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"),
)
#: Keys evicted in one go before the command at hand runs; what is too much still goes in the turns after it.
_PER_TURN: Final = 100
_POOL: Final = 16
#: Milliseconds between two messages of the same: a server at its limit crosses it all the time.
_QUIET_MS: Final = 60_000

#: How fit a key is to be evicted, its database and its name; fitter ones sort last.
_Candidate = tuple[int, int, bytes]


class Eviction:
    """The limit of one server's memory, and what happens beyond it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.limit = 0  # bytes; 0 is none
        self.policy = "noeviction"
        self.samples = 5
        #: More is used than allowed, and nothing can be evicted, as of the last command looked at.
        self.short = False
        #: More is used than allowed, and there is more to evict.
        self.behind = False
        self._pool: list[_Candidate] = []
        # When there was too much for the first time since there was not, in milliseconds since 1970.
        self._exceeded_since: int | None = None
        self._exceeded_before = 0
        #: When the log was last told, by what.
        self._told: dict[str, int] = {}

    def configure(self, limit: int, policy: str, samples: int) -> None:
        """Take settings over. O(N) in all keys where there was no limit and now is one."""
        if policy != self.policy:
            self._pool.clear()
        self.limit, self.policy, self.samples = limit, policy, samples
        keyspace = self._engine.keyspace
        if bool(limit) != keyspace.accounted:
            keyspace.keep_account(bool(limit))
            self._engine.update_attention()
        if not limit:
            self._within_limit()
            self._pool.clear()
        self._engine.update_guard()

    def _within_limit(self) -> None:
        self._exceeded_before, self._exceeded_since = self.exceeded_ms, None
        self.short = self.behind = False

    @property
    def exceeding_ms(self) -> int:
        """How long there has been too much now, in milliseconds."""
        return 0 if self._exceeded_since is None else self._engine.keyspace.now - self._exceeded_since

    @property
    def exceeded_ms(self) -> int:
        """How long there was too much all in all, in milliseconds."""
        return self._exceeded_before + self.exceeding_ms

    def reset(self) -> None:
        """Set what is counted here to zero."""
        self._exceeded_before = 0

    # Refusing

    def refusal(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bytes | None:
        """Evict what is too much; why a command may not run, or be queued, all the same, or None. O(1) mostly."""
        keyspace = self._engine.keyspace
        # A primary says what goes, and whatever it has is to be had here, too.
        if keyspace.used <= self.limit or keyspace.follows:
            if self._exceeded_since is not None:
                self._within_limit()
            return None
        if self._engine.pause.until is None:
            self.make_room()
        if not self.short:
            return None
        if entry.name == b"exec":
            takes_more = any(queued.deny_oom for queued, _ in session.queue or ())
            return OUT_OF_MEMORY if takes_more else None
        if entry.deny_oom or self._is_greedy_script(entry, arguments):
            return OUT_OF_MEMORY
        # A transaction that is being queued takes memory, too.
        return OUT_OF_MEMORY if session.queue is not None and not entry.in_transaction else None

    def _is_greedy_script(self, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether a script declares something of itself, but not that it takes no memory."""
        flags = declared_flags(self._engine, entry, arguments)
        return flags is not None and not flags & {b"allow-oom", b"no-writes"}

    def refusal_in_script(self, context: ScriptContext, entry: CommandEntry) -> bytes | None:
        """Why a script may not call a command: only its first write can be refused, or its work would be half done."""
        if (
            self.short
            and entry.deny_oom
            and not context.wrote
            and not context.allow_oom
            and not self._engine.keyspace.obeying
        ):
            return OUT_OF_MEMORY
        return None

    # Evicting

    def make_room(self) -> None:
        """Evict keys until no more is used than allowed, or many have gone in this turn, or none is left to take."""
        keyspace = self._engine.keyspace
        monitor = self._engine.latency
        begun = monitor.begin()
        evicted = 0
        if self._exceeded_since is None:
            self._exceeded_since = keyspace.now
        while keyspace.used > self.limit:
            if evicted == _PER_TURN:
                self.short, self.behind = False, True
                keyspace.falls_due(keyspace.now)
                break
            spared = self.policy == "noeviction" or keyspace.importing
            victim = None if spared else self._victim()
            if victim is None:
                self.short, self.behind = True, False
                self._tell("nothing can be evicted: writes are refused")
                break
            self._tell("keys are evicted")
            victim[0].evict(victim[1])
            evicted += 1
        else:
            self._within_limit()
        if evicted:
            monitor.end(b"eviction-cycle", begun)

    def _tell(self, what: str) -> None:
        """Have the log say that the limit is reached, and what comes of it; once in a while, if it goes on."""
        now = self._engine.keyspace.now
        told = self._told.get(what)
        if told is None or now - told >= _QUIET_MS:
            self._told[what] = now
            logger.warning("maxmemory (%d bytes, %s) is reached: %s", self.limit, self.policy, what)

    def _victim(self) -> tuple[Database, bytes] | None:
        """The key to go next. O(maxmemory-samples), or O(log N) for volatile-ttl."""
        volatile = self.policy.startswith("volatile")
        databases = [
            database
            for database in self._engine.keyspace.databases
            if (database.expires if volatile else database.data)
        ]
        if not databases:
            return None
        if self.policy == "volatile-ttl":
            return self._soonest(databases)
        if self.policy.endswith("random"):
            database = self._engine.random.choice(databases)
            return database, database.sample_keys(1, volatile)[0]
        return self._fittest(databases, volatile)

    def _soonest(self, databases: list[Database]) -> tuple[Database, bytes] | None:
        """The key that expires next."""
        soonest = [(*entry, database) for database in databases if (entry := database.next_to_expire())]
        if not soonest:
            return None
        _, key, database = min(soonest, key=itemgetter(0))
        return database, key

    def _fittest(self, databases: list[Database], volatile: bool) -> tuple[Database, bytes] | None:
        everything = self._engine.keyspace.databases
        while True:
            self._fill_pool(databases, volatile)
            while self._pool:
                _, index, key = self._pool.pop()
                database = everything[index]
                if key in (database.expires if volatile else database.data):
                    return database, key

    def _fill_pool(self, databases: list[Database], volatile: bool) -> None:
        pool = self._pool
        known = {(index, key) for _, index, key in pool}
        for database in databases:
            accessed = database.accessed
            counted = isinstance(accessed, AccessFrequencies)
            for key in database.sample_keys(self.samples, volatile):
                if (database.index, key) in known:
                    continue
                # The least often asked for, or the longest ago, is the fittest.
                fitness = -accessed.frequency(key) if counted else -accessed[key]  # type: ignore[attr-defined]
                if len(pool) < _POOL:
                    insort(pool, (fitness, database.index, key))
                elif fitness > pool[0][0]:
                    pool[0] = (fitness, database.index, key)
                    pool.sort()
                known.add((database.index, key))
