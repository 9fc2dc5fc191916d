"""The CLIENT commands of client-side caching."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.context import Context
from anystore.pulsards.errors import NOT_AN_INTEGER, SYNTAX, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.pulsards.session import Session
from anystore.pulsards.tracking import Tracking, check_prefixes
from anystore.resp.types import OK, SetReply, SimpleString

_OPTIONS = {b"bcast": "broadcast", b"optin": "opt_in", b"optout": "opt_out", b"noloop": "no_loop"}


@command("client|tracking")
def client_tracking(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]. Since 6.0.

    O(1), or O(P²) in the prefixes.
    """
    tracking, prefixes = _options(ctx, args[3:])
    table = ctx.engine.tracking
    switch = args[2].lower()
    if switch == b"on":
        _check(ctx.session, tracking, prefixes)
        table.enable(ctx.session, tracking, prefixes)
    elif switch == b"off":
        table.disable(ctx.session)
    else:
        raise CommandError(SYNTAX)
    return OK


def _options(ctx: Context, options: list[bytes]) -> tuple[Tracking, list[bytes]]:
    flags: dict[str, bool] = {}
    prefixes: list[bytes] = []
    redirect = 0
    words = iter(options)
    for word in words:
        option = word.lower()
        value = next(words, None) if option in (b"redirect", b"prefix") else b""
        if value is None:
            raise CommandError(SYNTAX)
        if option in _OPTIONS:
            flags[_OPTIONS[option]] = True
        elif option == b"prefix":
            prefixes.append(value)
        elif option == b"redirect":
            redirect = _redirect(ctx, redirect, value)
        else:
            raise CommandError(SYNTAX)
    return Tracking(redirect=redirect, **flags), prefixes


def _redirect(ctx: Context, before: int, value: bytes) -> int:
    if before:
        raise CommandError(b"ERR A client can only redirect to a single other client")
    number = parse_integer(value)
    if number is None:
        raise CommandError(NOT_AN_INTEGER)
    if number not in ctx.engine.sessions:
        raise CommandError(b"ERR The client ID you want redirect to does not exist")
    return number


def _check(session: Session, tracking: Tracking, prefixes: list[bytes]) -> None:
    """Refuse options that do not go together, or not with how the client tracks already."""
    current = session.tracking
    if prefixes and not tracking.broadcast:
        raise CommandError(b"ERR PREFIX option requires BCAST mode to be enabled")
    if current is not None and current.broadcast != tracking.broadcast:
        raise CommandError(
            b"ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
            b"re-enabling it with a different mode."
        )
    if tracking.broadcast and (tracking.opt_in or tracking.opt_out):
        raise CommandError(b"ERR OPTIN and OPTOUT are not compatible with BCAST")
    if tracking.opt_in and tracking.opt_out:
        raise CommandError(b"ERR You can't specify both OPTIN mode and OPTOUT mode")
    if current is not None and (
        (tracking.opt_in and current.opt_out) or (tracking.opt_out and current.opt_in)
    ):
        raise CommandError(
            b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
            b"re-enabling it with a different mode."
        )
    if tracking.broadcast:
        check_prefixes(current, prefixes)


@command("client|caching")
def client_caching(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT CACHING YES | NO — whether the next command's keys are tracked. O(1). Since 6.0."""
    tracking = ctx.session.tracking
    if tracking is None:
        raise CommandError(
            b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT "
            b"mode enabled"
        )
    answer = args[2].lower()
    if answer not in (b"yes", b"no"):
        raise CommandError(SYNTAX)
    if not (tracking.opt_in if answer == b"yes" else tracking.opt_out):
        mode = b"OPTIN" if answer == b"yes" else b"OPTOUT"
        raise CommandError(
            b"ERR CLIENT CACHING %b is only valid when tracking is enabled in %b mode."
            % (answer.upper(), mode)
        )
    tracking.caching = True
    return OK


@command("client|getredir")
def client_getredir(ctx: Context, args: list[bytes]) -> int:
    """CLIENT GETREDIR — the id of the client told instead; 0 for none, -1 without tracking. O(1). Since 6.0."""
    tracking = ctx.session.tracking
    return -1 if tracking is None else tracking.redirect


@command("client|trackinginfo")
def client_trackinginfo(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """CLIENT TRACKINGINFO — the flags, whom the client's invalidations go to, and its prefixes. O(P). Since 6.2."""
    tracking = ctx.session.tracking
    if tracking is None:
        return {b"flags": SetReply([b"off"]), b"redirect": -1, b"prefixes": []}
    flags = [b"on"]
    if tracking.broadcast:
        flags.append(b"bcast")
    if tracking.opt_in:
        flags.append(b"optin")
        if tracking.caching:
            flags.append(b"caching-yes")
    if tracking.opt_out:
        flags.append(b"optout")
        if tracking.caching:
            flags.append(b"caching-no")
    if tracking.no_loop:
        flags.append(b"noloop")
    if tracking.broken:
        flags.append(b"broken_redirect")
    return {
        b"flags": SetReply(flags),
        b"redirect": tracking.redirect,
        b"prefixes": sorted(tracking.prefixes),
    }
