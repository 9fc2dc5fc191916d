"""Who listens to which channel, and how a message reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore.pulsards import glob
from anystore.resp.encode import encode_reply
from anystore.resp.types import PushReply

if TYPE_CHECKING:
    from anystore.pulsards.session import Session

Listeners = dict[bytes, dict["Session", None]]


class Broker:
    """The subscriptions of all clients of one server."""

    def __init__(self) -> None:
        self.channels: Listeners = {}
        self.patterns: Listeners = {}
        self.shard_channels: Listeners = {}

    def publish(self, channel: bytes, message: bytes) -> int:
        """Hand a message to the channel's subscribers and to those whose pattern matches; how many got it.

        O(N+M) in the subscribers of the channel and the patterns of all clients.
        """
        receivers = _deliver(self.channels.get(channel), [b"message", channel, message])
        for pattern, sessions in self.patterns.items():
            if glob.matches(pattern, channel):
                receivers += _deliver(sessions, [b"pmessage", pattern, channel, message])
        return receivers

    def publish_sharded(self, channel: bytes, message: bytes) -> int:
        """`publish` for sharded channels, which have no patterns."""
        return _deliver(self.shard_channels.get(channel), [b"smessage", channel, message])


def _deliver(sessions: dict[Session, None] | None, parts: list[bytes]) -> int:
    if not sessions:
        return 0
    # Encoded once for all who speak the same protocol: fan-out costs an append each.
    encoded: dict[int, bytes] = {}
    for session in tuple(sessions):
        message = encoded.get(session.protocol)
        if message is None:
            message = encoded[session.protocol] = encode_reply(PushReply(parts), session.protocol)
        session.push(message)
    return len(sessions)


def add_listener(listeners: Listeners, channel: bytes, session: Session) -> None:
    """Enter a subscription."""
    listeners.setdefault(channel, {})[session] = None


def remove_listener(listeners: Listeners, channel: bytes, session: Session) -> None:
    """Take a subscription out, and the channel with its last one."""
    sessions = listeners.get(channel)
    if sessions is not None:
        sessions.pop(session, None)
        if not sessions:
            del listeners[channel]
