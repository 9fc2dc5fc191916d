"""The pub/sub group."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards import glob
from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError, wrong_subcommand
from anystore.pulsards.pubsub import Listeners, add_listener, remove_listener
from anystore.pulsards.registry import command
from anystore.pulsards.session import Session
from anystore.resp.types import NO_REPLY, PushReply, SimpleString


@command("publish")
def publish(ctx: Context, args: list[bytes]) -> int:
    """PUBLISH channel message — O(N+M) in the channel's subscribers and all patterns."""
    return ctx.engine.broker.publish(args[1], args[2])


@command("spublish")
def spublish(ctx: Context, args: list[bytes]) -> int:
    """SPUBLISH shardchannel message — O(N). Since 7.0."""
    return ctx.engine.broker.publish_sharded(args[1], args[2])


def _subscriptions(session: Session, kind: bytes) -> tuple[dict[bytes, None], Listeners]:
    """A client's own subscriptions of a kind (p: patterns, s: sharded), and everybody's."""
    broker = session.engine.broker
    if kind == b"p":
        return session.patterns, broker.patterns
    if kind == b"s":
        return session.shard_channels, broker.shard_channels
    return session.channels, broker.channels


def _count(session: Session, kind: bytes) -> int:
    """The number that a confirmation carries: sharded channels count by themselves."""
    if kind == b"s":
        return len(session.shard_channels)
    return len(session.channels) + len(session.patterns)


def _confirm(session: Session, action: bytes, kind: bytes, name: bytes | None) -> None:
    session.confirm(PushReply([action, name, _count(session, kind)]))


@command("subscribe", "psubscribe", "ssubscribe")
def subscribe(ctx: Context, args: list[bytes]) -> Any:
    """SUBSCRIBE | PSUBSCRIBE | SSUBSCRIBE name [name …] — O(1) a name; a confirmation for each."""
    session = ctx.session
    action = args[0].lower()
    if action == b"ssubscribe" and not ctx.can_block:
        raise CommandError(b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    kind = action.removesuffix(b"subscribe")
    own, everybody = _subscriptions(session, kind)
    for name in args[1:]:
        own[name] = None
        add_listener(everybody, name, session)
        _confirm(session, action, kind, name)
    session.update_guard()
    return NO_REPLY


@command("unsubscribe", "punsubscribe", "sunsubscribe")
def unsubscribe(ctx: Context, args: list[bytes]) -> Any:
    """UNSUBSCRIBE | PUNSUBSCRIBE | SUNSUBSCRIBE [name …] — all of them without a name."""
    session = ctx.session
    action = args[0].lower()
    kind = action.removesuffix(b"unsubscribe")
    own, everybody = _subscriptions(session, kind)
    names = args[1:] or list(own)
    for name in names:
        if own.pop(name, name) is None:
            remove_listener(everybody, name, session)
        _confirm(session, action, kind, name)
    if not names:
        _confirm(session, action, kind, None)
    session.update_guard()
    return NO_REPLY


def _active(listeners: Listeners, args: list[bytes]) -> list[bytes]:
    if len(args) > 3:
        raise wrong_subcommand(args)
    if len(args) == 2:
        return list(listeners)
    matches = glob.matcher(args[2])
    return [name for name in listeners if matches(name)]


def _counts(listeners: Listeners, names: list[bytes]) -> list[Any]:
    counts: list[Any] = []
    for name in names:
        counts += [name, len(listeners.get(name, ()))]
    return counts


@command("pubsub|channels")
def pubsub_channels(ctx: Context, args: list[bytes]) -> list[bytes]:
    """PUBSUB CHANNELS [pattern] — O(N) in the channels. Since 2.8."""
    return _active(ctx.engine.broker.channels, args)


@command("pubsub|shardchannels")
def pubsub_shardchannels(ctx: Context, args: list[bytes]) -> list[bytes]:
    """PUBSUB SHARDCHANNELS [pattern] — O(N) in the channels. Since 7.0."""
    return _active(ctx.engine.broker.shard_channels, args)


@command("pubsub|numsub")
def pubsub_numsub(ctx: Context, args: list[bytes]) -> list[Any]:
    """PUBSUB NUMSUB [channel …] — O(N) in the names asked for. Since 2.8."""
    return _counts(ctx.engine.broker.channels, args[2:])


@command("pubsub|shardnumsub")
def pubsub_shardnumsub(ctx: Context, args: list[bytes]) -> list[Any]:
    """PUBSUB SHARDNUMSUB [shardchannel …] — O(N) in the names asked for. Since 7.0."""
    return _counts(ctx.engine.broker.shard_channels, args[2:])


@command("pubsub|numpat")
def pubsub_numpat(ctx: Context, args: list[bytes]) -> int:
    """PUBSUB NUMPAT — the distinct patterns of all clients. O(1). Since 2.8."""
    return len(ctx.engine.broker.patterns)


_HELP: Final = (
    b"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CHANNELS [<pattern>]",
    b"    The channels that somebody is subscribed to, those that match.",
    b"NUMPAT",
    b"    How many patterns there are subscriptions to.",
    b"NUMSUB [<channel> ...]",
    b"    How many are subscribed to each channel by its name.",
    b"SHARDCHANNELS [<pattern>]",
    b"    As CHANNELS, of sharded channels.",
    b"SHARDNUMSUB [<shardchannel> ...]",
    b"    As NUMSUB, of sharded channels.",
    b"HELP",
    b"    This text.",
)


@command("pubsub|help")
def pubsub_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """PUBSUB HELP → the subcommands. Since 6.2."""
    return [SimpleString(line) for line in _HELP]
