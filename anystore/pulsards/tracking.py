"""Client-side caching: which clients are to be told when a key changes.

A client in the default mode is remembered for each key that its commands read, and told once; one in broadcast
mode is told of every key with one of its prefixes. What a client causes itself reaches it after the reply to the
command that caused it, and broadcasts go out together at the end of a turn. Database numbers play no part.

Nothing here runs while no client tracks: `Engine.attentive` and `Keyspace.touch_watchers` are switched with the
first one and the last.

Source: the pages "Client-side caching" and CLIENT TRACKING; `tracking-table-max-keys` of redis.conf.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from anystore.pulsards.errors import CommandError
from anystore.resp.encode import encode_reply
from anystore.resp.types import NULL_ARRAY, PushReply

if TYPE_CHECKING:
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

#: Where clients that speak RESP2 listen for invalidations.
CHANNEL: Final = b"__redis__:invalidate"


class Tracking:
    """How one client tracks: the options of its CLIENT TRACKING ON."""

    __slots__ = ("broadcast", "broken", "caching", "no_loop", "opt_in", "opt_out", "prefixes", "redirect")

    def __init__(
        self,
        *,
        broadcast: bool = False,
        opt_in: bool = False,
        opt_out: bool = False,
        no_loop: bool = False,
        redirect: int = 0,
    ) -> None:
        """`redirect` is the id of the client to tell instead, or 0."""
        self.broadcast = broadcast
        self.opt_in = opt_in
        self.opt_out = opt_out
        self.no_loop = no_loop
        self.redirect = redirect
        self.prefixes: dict[bytes, None] = {}
        #: What CLIENT CACHING has said about the next command.
        self.caching = False
        #: The client to tell instead has gone.
        self.broken = False

    @property
    def remembers(self) -> bool:
        """Whether the keys that the next command reads are to be remembered."""
        if self.broadcast:
            return False
        return self.caching if self.opt_in else not (self.opt_out and self.caching)


class _Prefix:
    """One prefix of the broadcast mode: who is told, and of which keys at the end of this turn."""

    __slots__ = ("changed", "clients")

    def __init__(self) -> None:
        self.clients: dict[Session, None] = {}
        #: Key -> the client that changed it first, None where none did (it expired, say).
        self.changed: dict[bytes, Session | None] = {}


class TrackingTable:
    """What the clients of one server track."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Key -> the ids of the clients that have read it, the keys read first in front.
        self._keys: OrderedDict[bytes, dict[int, None]] = OrderedDict()
        self._prefixes: dict[bytes, _Prefix] = {}
        self.clients = 0
        self.items = 0  # clients of all keys together
        self.max_keys = 0  # 0 is no limit
        #: The client whose command runs.
        self.current: Session | None = None
        # Keys (None for all of them) to tell the current client of, after its reply.
        self._own: dict[Session, list[bytes | None]] = {}
        #: Whether `send_waiting` has something to send.
        self.waiting = False

    @property
    def key_count(self) -> int:
        """The keys remembered for clients in the default mode."""
        return len(self._keys)

    @property
    def prefix_count(self) -> int:
        """The prefixes of the clients in broadcast mode."""
        return len(self._prefixes)

    # Clients

    def enable(self, session: Session, tracking: Tracking, prefixes: list[bytes]) -> None:
        """Let a client track from now on. O(P) in the prefixes of `tracking` and of the client."""
        old = session.tracking
        if old is None:
            self.clients += 1
        elif old.broadcast:
            tracking.prefixes = old.prefixes
        if tracking.broadcast:
            for prefix in prefixes or [b""]:
                tracking.prefixes[prefix] = None
                self._prefixes.setdefault(prefix, _Prefix()).clients[session] = None
        session.tracking = tracking
        session.update_guard()
        self._engine.update_attention()

    def disable(self, session: Session) -> None:
        """Let a client track no more. O(P) in its prefixes; its entries for keys go when those change."""
        tracking = session.tracking
        if tracking is None:
            return
        for name in tracking.prefixes:
            prefix = self._prefixes[name]
            prefix.clients.pop(session, None)
            if not prefix.clients:
                del self._prefixes[name]
        session.tracking = None
        self._own.pop(session, None)
        session.update_guard()
        self.clients -= 1
        if not self.clients:
            self._keys.clear()
            self.items = 0
        self._engine.update_attention()

    # Reading

    def remember(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> None:
        """Note which keys a command has read for a client that tracks. O(K) in the keys."""
        tracking = session.tracking
        if tracking is None or not tracking.remembers:
            return
        for position in entry.spec.key_positions(arguments):
            key = arguments[position]
            clients = self._keys.get(key)
            if clients is None:
                clients = self._keys[key] = {}
            if session.id not in clients:
                clients[session.id] = None
                self.items += 1
        self.trim()

    def trim(self) -> None:
        """Forget keys until there are no more than `max_keys`, telling who has them. O(1) for each one too many."""
        while self.max_keys and len(self._keys) > self.max_keys:
            key, clients = self._keys.popitem(last=False)
            self._tell_readers(key, clients)

    # Changing

    def touched(self, database: Database, key: bytes) -> None:
        """A key has changed. O(P) in the prefixes of all clients, and O(C) in the clients to be told."""
        for name, prefix in self._prefixes.items():
            if key.startswith(name):
                prefix.changed.setdefault(key, self.current)
                self.waiting = True
        clients = self._keys.pop(key, None)
        if clients is not None:
            self._tell_readers(key, clients)

    def _tell_readers(self, key: bytes, clients: dict[int, None]) -> None:
        self.items -= len(clients)
        sessions = self._engine.sessions
        for number in clients:
            session = sessions.get(number)
            tracking = session.tracking if session is not None else None
            if session is None or tracking is None or tracking.broadcast:
                continue
            if session is not self.current:
                self._send(session, [key])
            elif not tracking.no_loop:
                self._own.setdefault(session, []).append(key)
                self.waiting = True

    def flushed(self) -> None:
        """Whole databases were emptied: everybody who tracks is told, by a null for the keys. O(C)."""
        if not self.clients:
            return
        for session in tuple(self._engine.sessions.values()):
            if session.tracking is None:
                continue
            if session is self.current:
                self._own.setdefault(session, []).append(None)
                self.waiting = True
            else:
                self._send(session, None)
        self._keys.clear()
        self.items = 0

    # Telling

    def send_own(self, session: Session) -> None:
        """Tell a client what its own last command has invalidated; to be called after the reply."""
        for key in self._own.pop(session, ()):
            self._send(session, None if key is None else [key])

    def send_waiting(self) -> None:
        """Tell what was put off until the end of the turn. O(P·K) in the prefixes and the keys changed."""
        self.waiting = False
        for session in tuple(self._own):
            self.send_own(session)
        for prefix in tuple(self._prefixes.values()):
            changed, prefix.changed = prefix.changed, {}
            if not changed:
                continue
            everything = sorted(changed)
            for session in tuple(prefix.clients):
                keys = everything
                if session.tracking is not None and session.tracking.no_loop:
                    keys = [key for key in everything if changed[key] is not session]
                if keys:
                    self._send(session, keys)

    def _send(self, session: Session, keys: list[bytes] | None) -> None:
        tracking = session.tracking
        if tracking is None:
            return
        receiver = session
        if tracking.redirect:
            other = self._engine.sessions.get(tracking.redirect)
            if other is None:
                tracking.broken = True
                if session.protocol == 3:
                    session.push_reply(PushReply([b"tracking-redir-broken", tracking.redirect]))
                return
            receiver = other
        if receiver.protocol == 3:
            receiver.push(encode_reply(PushReply([b"invalidate", keys]), 3))
        elif tracking.redirect and receiver.subscriptions:
            content = NULL_ARRAY if keys is None else keys
            receiver.push(encode_reply(PushReply([b"message", CHANNEL, content]), 2))


def check_prefixes(tracking: Tracking | None, prefixes: list[bytes]) -> None:
    """Refuse prefixes one of which begins with another: a key would be told twice. O(P²) in the prefixes."""
    own = [] if tracking is None else list(tracking.prefixes)
    for position, prefix in enumerate(prefixes):
        for other in own:
            if _overlap(prefix, other):
                raise _overlapping(prefix, b"an existing prefix", other)
        for other in prefixes[position + 1 :]:
            if _overlap(prefix, other):
                raise _overlapping(prefix, b"another provided prefix", other)


def _overlap(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def _overlapping(prefix: bytes, what: bytes, other: bytes) -> CommandError:
    return CommandError(
        b"ERR Prefix '%b' overlaps with %b '%b'. Prefixes for a single client must not overlap."
        % (prefix, what, other)
    )
