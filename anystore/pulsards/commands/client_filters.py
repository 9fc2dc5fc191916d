"""The filters of CLIENT KILL and CLIENT LIST: which connections are meant.

Those of Redis are ID, ADDR, LADDR, TYPE, USER, MAXAGE and SKIPME; Valkey 9 has NAME, IDLE, FLAGS, LIB-NAME, LIB-VER, DB,
CAPA and IP as well, each but IDLE, MAXAGE and SKIPME also with NOT- in front, and several numbers behind ID.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.session import Session

Filter = Callable[[Session], bool]

TYPES: Final = (b"normal", b"master", b"primary", b"replica", b"slave", b"pubsub")
_OTHER_NAMES: Final = {b"slave": b"replica", b"primary": b"master"}
#: Every flag of a connection that Redis or Valkey knows, in CLIENT LIST's letters.
_FLAGS: Final = frozenset(b"ABEIMNOPRSTUbcdeirtux")
_NO_ID: Final = b"ERR client-id should be greater than 0"


def flags_of(session: Session) -> bytes:
    """The flags of a connection, as CLIENT LIST shows them."""
    flags = b""
    if session.follower is not None and session.follower.attached:
        flags += b"S"
    if session.is_primary:
        flags += b"M"
    if session.monitoring:
        flags += b"O"
    if session.subscriptions:
        flags += b"P"
    if session.queue is not None or session.exec_replies is not None:
        flags += b"x"
    if session.waiter is not None:
        flags += b"b"
    if session.lost_race:
        flags += b"d"
    if session.closing:
        flags += b"A"
    if session.address.startswith("/"):
        flags += b"U"
    tracking = session.tracking
    if tracking is not None:
        flags += b"t" + (b"R" if tracking.broken else b"") + (b"B" if tracking.broadcast else b"")
    if session.no_evict:
        flags += b"e"
    if session.no_touch:
        flags += b"T"
    if session.import_source:
        flags += b"I"
    return flags or b"N"


def parse_filters(ctx: Context, words: list[bytes]) -> tuple[list[Filter], bool | None]:
    """The filters in `words`, all of which are to hold, and what SKIPME says, None where it is not there. O(N).

    Of a filter that is there twice the last one counts.
    """
    filters: dict[bytes, Filter] = {}
    skip_me: bool | None = None
    position = 0
    while position < len(words):
        name = words[position].lower()
        position += 1
        if position == len(words):
            raise CommandError(SYNTAX)
        negated = name.startswith(b"not-")
        plain = name[4:] if negated else name
        if plain == b"id":
            numbers, position = _numbers(words, position)
            found: Filter = _is_one_of(numbers)
        elif name == b"skipme":
            skip_me = _yes_or_no(words[position])
            position += 1
            continue
        else:
            found = _filter(ctx, plain, words[position], negated)
            position += 1
        filters[name] = _opposite(found) if negated else found
    return list(filters.values()), skip_me


def _opposite(test: Filter) -> Filter:
    return lambda session: not test(session)


def _is_one_of(numbers: set[int]) -> Filter:
    return lambda session: session.id in numbers


def _yes_or_no(word: bytes) -> bool:
    if word.lower() not in (b"yes", b"no"):
        raise CommandError(SYNTAX)
    return word.lower() == b"yes"


def _numbers(words: list[bytes], position: int) -> tuple[set[int], int]:
    """The numbers from `position` on, of which there is at least one, and where they end."""
    found: set[int] = set()
    while position < len(words) and (number := parse_integer(words[position])) is not None:
        if number <= 0:
            raise CommandError(_NO_ID)
        found.add(number)
        position += 1
    if not found:
        raise CommandError(_NO_ID)
    return found, position


def _filter(ctx: Context, name: bytes, value: bytes, negated: bool) -> Filter:
    """The filter of this name, without its NOT-."""
    text = value.decode("utf-8", "surrogateescape")
    said = b"NOT-" if negated else b""
    if name in _BY_TEXT:
        of = _BY_TEXT[name]
        return lambda session: of(session) == text
    if name in _BY_BYTES:
        what = _BY_BYTES[name]
        return lambda session: what(session) == value
    if name == b"type":
        kind = _kind(value)
        return lambda session: type_of(session) == kind
    if name == b"user":
        user = ctx.engine.acl.users.get(value)
        if user is None:
            raise CommandError(b"ERR No such user '%b'" % value)
        return lambda session: session.user is user
    if name == b"flags":
        flags = _letters(value, _FLAGS, b"flags", said)
        return lambda session: flags <= set(flags_of(session))
    if name == b"capa":
        capabilities = _letters(value, frozenset(b"r"), b"capa", said)
        return lambda session: session.redirects or not capabilities
    if name == b"db":
        index = _database(ctx, value, said)
        return lambda session: session.db.index == index
    if name in (b"idle", b"maxage") and not negated:
        return _lasting(name, value)
    raise CommandError(SYNTAX)


def _address(session: Session) -> str:
    return session.address


def _local_address(session: Session) -> str:
    return session.local_address


def _ip(session: Session) -> str:
    return session.address.rpartition(":")[0].strip("[]")


def _name(session: Session) -> bytes:
    return session.name


def _library_name(session: Session) -> bytes:
    return session.library_name


def _library_version(session: Session) -> bytes:
    return session.library_version


_BY_TEXT: Final[dict[bytes, Callable[[Session], str]]] = {
    b"addr": _address,
    b"laddr": _local_address,
    b"ip": _ip,
}
_BY_BYTES: Final[dict[bytes, Callable[[Session], bytes]]] = {
    b"name": _name,
    b"lib-name": _library_name,
    b"lib-ver": _library_version,
}


def _kind(value: bytes) -> bytes:
    kind = value.lower()
    if kind not in TYPES:
        raise CommandError(b"ERR Unknown client type '%b'" % value)
    return _OTHER_NAMES.get(kind, kind)


def type_of(session: Session) -> bytes:
    """What a connection is, in the words of the filter TYPE."""
    if session.is_primary:
        return b"master"
    if session.follower is not None and session.follower.attached:
        return b"replica"
    return b"pubsub" if session.subscriptions else b"normal"


def _letters(value: bytes, known: frozenset[int], what: bytes, said: bytes) -> frozenset[int]:
    if not known.issuperset(value):
        name = said + what.upper() if said else b"provided"
        raise CommandError(b"ERR Unknown %b found in the %b filter: %b" % (what, name, value))
    return frozenset(value)


def _database(ctx: Context, value: bytes, said: bytes) -> int:
    index = parse_integer(value)
    if index is None:
        raise CommandError(b"ERR %bDB is not an integer or out of range" % said)
    last = len(ctx.engine.keyspace.databases) - 1
    if not 0 <= index <= last:
        raise CommandError(b"ERR %bDB number should be between 0 and %d" % (said, last))
    return index


def _lasting(name: bytes, value: bytes) -> Filter:
    """MAXAGE and IDLE: connected, or without a command, for so many seconds at least."""
    seconds = parse_integer(value)
    if seconds is None:
        raise CommandError(b"ERR %b is not an integer or out of range" % name)
    if seconds <= 0:
        raise CommandError(b"ERR %b should be greater than 0" % name)
    if name == b"idle":
        return lambda session: session.engine.keyspace.now - session.last_active >= seconds * 1000
    return lambda session: session.engine.keyspace.now - session.connected_at >= seconds * 1000
