"""What becomes of a command's arguments in a namespace: the keys by the command table, the rest by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from anystore.exceptions import InvalidArgument
from anystore.redis.namespace.names import KEYEVENT, Names
from anystore.spec import CommandSpec, lookup_arguments

Plan = Callable[[list[bytes]], list[bytes]]
"""Makes the arguments to send out of the caller's, which it leaves as they are."""

_COUNT: Final = b"return #redis.call('KEYS', ARGV[1])"
_CHOOSE: Final = b"""\
local keys = redis.call('KEYS', ARGV[1])
if #keys == 0 then return false end
return keys[ARGV[2] % #keys + 1]"""
# In pages, since Lua takes some thousand arguments at most.
_DELETE: Final = b"""\
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 500)
  cursor = page[1]
  if #page[2] > 0 then redis.call(ARGV[2], unpack(page[2])) end
until cursor == '0'
return redis.status_reply('OK')"""

_FLUSH: Final[Mapping[tuple[bytes, ...], bytes]] = {(): b"UNLINK", (b"async",): b"UNLINK", (b"sync",): b"DEL"}
_SORT_OPTIONS: Final = {b"limit": 3, b"by": 2, b"get": 2, b"store": 2}
_SCAN_OPTIONS: Final = {b"match", b"count", b"type", b"slot"}
_TRACKING_OPTIONS: Final = {b"prefix": 2, b"redirect": 2}
_DEBUG_REFUSED: Final = {b"flushall", b"populate"}
# How many keys follow.
_DEBUG_KEYS: Final = {
    b"object": 1,
    b"sdslen": 1,
    b"listpack": 1,
    b"ziplist": 1,
    b"quicklist": 1,
    b"htstats-key": 1,
    b"digest-value": None,
}


def plan_of(names: Names, name: bytes, spec: CommandSpec | None) -> Plan:
    """What is to be done with the arguments of the command `name`, whose row of the table is `spec`."""
    if spec is None:
        return partial(_unknown, names)
    if not spec.is_container:
        return _plan(names, spec)
    plans = {child.encode(): _plan(names, row) for child, row in spec.subcommands.items()}
    unknown = partial(_unknown, names)
    return lambda args: plans.get(args[1].lower(), unknown)(args) if len(args) > 1 else args


def _plan(names: Names, spec: CommandSpec) -> Plan:
    reason = _REFUSED.get(spec.name)
    if reason is not None:
        return partial(_refuse, names, reason)
    own = _OWN.get(spec.name)
    if own is not None:
        return partial(own, names)
    if spec.single_key:
        return partial(_first, names.prefix)
    return partial(_keys, names, spec) if spec.key_specs else _unchanged


def _unchanged(args: list[bytes]) -> list[bytes]:
    return args


def _first(prefix: bytes, args: list[bytes]) -> list[bytes]:
    """The only key is argument 1."""
    args = args.copy()
    if len(args) > 1:
        args[1] = prefix + args[1]
    return args


def _keys(names: Names, spec: CommandSpec, args: list[bytes]) -> list[bytes]:
    """The keys are where the table says."""
    found = args.copy()
    for position in spec.key_positions(args):
        found[position] = names.prefix + args[position]
    return found


def _refuse(names: Names, reason: str, args: list[bytes]) -> list[bytes]:
    # A subcommand's name has two words, an unknown subcommand's as well.
    words = 1 if lookup_arguments(args[:2]) is lookup_arguments(args[:1]) else 2
    command = b" ".join(args[:words]).decode(errors="replace").upper()
    raise InvalidArgument(f"{command} cannot be used in the namespace {names.prefix!r}: {reason}")


def _unknown(names: Names, args: list[bytes]) -> list[bytes]:
    return _refuse(
        names, "it is not in the command table, so that its keys cannot be told from the rest", args
    )


def _sort(names: Names, args: list[bytes]) -> list[bytes]:
    spec = lookup_arguments(args)
    assert spec is not None
    found = _keys(names, spec, args)
    place = 2
    while place < len(args):
        option = args[place].lower()
        if option in (b"by", b"get") and place + 1 < len(args):
            found[place + 1] = _sort_pattern(names, args[place + 1])
        place += _SORT_OPTIONS.get(option, 1)
    return found


def _sort_pattern(names: Names, pattern: bytes) -> bytes:
    # The server puts the element in the place of the first star, which it looks for up to a NUL: what has none
    # names no key. It knows no escape.
    if b"*" not in pattern.partition(b"\0")[0]:
        return pattern
    if b"*" in names.prefix or b"\0" in names.prefix:
        raise InvalidArgument(
            f"SORT's BY and GET patterns cannot be used in the namespace {names.prefix!r}: with a star or a NUL in it"
            " they would name other keys"
        )
    return names.prefix + pattern


def _scan(names: Names, args: list[bytes]) -> list[bytes]:
    """Every MATCH is for own keys only, and there is one."""
    found = args.copy()
    matched = False
    place = 2
    while place < len(args):
        option = args[place].lower()
        if option in _SCAN_OPTIONS and place + 1 == len(args):
            return args  # its value is missing: the server refuses the command
        if option == b"match":
            found[place + 1] = names.key_pattern(args[place + 1])
            matched = True
        place += 2 if option in _SCAN_OPTIONS else 1
    if not matched and len(args) > 1:
        found += [b"MATCH", names.key_pattern(b"*")]
    return found


def _key_patterns(names: Names, args: list[bytes]) -> list[bytes]:
    return [args[0], *map(names.key_pattern, args[1:])]


def _channels(names: Names, args: list[bytes]) -> list[bytes]:
    return [args[0], *map(names.channel, args[1:])]


def _patterns(names: Names, args: list[bytes]) -> list[bytes]:
    return [args[0], *map(names.pattern, args[1:])]


def _publish(names: Names, args: list[bytes]) -> list[bytes]:
    found = [args[0], *map(names.channel, args[1:2]), *args[2:]]
    if len(found) > 2 and found[1].startswith(KEYEVENT):
        found[2] = names.key(found[2])
    return found


def _list_channels(names: Names, args: list[bytes]) -> list[bytes]:
    """PUBSUB CHANNELS and SHARDCHANNELS."""
    if len(args) > 2:
        return [*args[:2], *map(names.pattern, args[2:])]
    return [*args, names.key_pattern(b"*")]


def _count_channels(names: Names, args: list[bytes]) -> list[bytes]:
    """PUBSUB NUMSUB and SHARDNUMSUB."""
    return [*args[:2], *map(names.channel, args[2:])]


def _tracking(names: Names, args: list[bytes]) -> list[bytes]:
    """CLIENT TRACKING: prefixes are within the namespace, and broadcasts about own keys only."""
    found = args.copy()
    broadcast = limited = False
    place = 3
    while place < len(args):
        option = args[place].lower()
        broadcast = broadcast or option == b"bcast"
        if option == b"prefix" and place + 1 < len(args):
            limited = True
            found[place + 1] = names.key(args[place + 1])
        place += _TRACKING_OPTIONS.get(option, 1)
    return [*found, b"PREFIX", names.prefix] if broadcast and not limited else found


def _dry_run(names: Names, args: list[bytes]) -> list[bytes]:
    """ACL DRYRUN: the permission is asked for the names that the command would really use."""
    asked = args[3:]
    spec = lookup_arguments(asked)
    if spec is None:
        return args
    own = _CHANNEL_COMMANDS.get(spec.name)
    return [*args[:3], *(_keys(names, spec, asked) if own is None else own(names, asked))]


def _key_slot(names: Names, args: list[bytes]) -> list[bytes]:
    """CLUSTER KEYSLOT: the slot where the key really is."""
    return [*args[:2], *map(names.key, args[2:])]


def _debug(names: Names, args: list[bytes]) -> list[bytes]:
    subcommand = args[1].lower() if len(args) > 1 else b""
    if subcommand in _DEBUG_REFUSED:
        _refuse(names, f"{subcommand.decode()} would touch the keys of others", args)
    if subcommand not in _DEBUG_KEYS:
        return args
    count = _DEBUG_KEYS[subcommand]
    end = len(args) if count is None else 2 + count
    return [*args[:2], *map(names.key, args[2:end]), *args[end:]]


def _dbsize(names: Names, args: list[bytes]) -> list[bytes]:
    return _script(names, _COUNT) if len(args) == 1 else args


def _randomkey(names: Names, args: list[bytes]) -> list[bytes]:
    return _script(names, _CHOOSE, b"%d" % random.getrandbits(31)) if len(args) == 1 else args


def _flushdb(names: Names, args: list[bytes]) -> list[bytes]:
    how = _FLUSH.get(tuple(arg.lower() for arg in args[1:]))
    if how is None:
        raise InvalidArgument("FLUSHDB takes ASYNC, SYNC or nothing")
    return _script(names, _DELETE, how)


def _script(names: Names, script: bytes, *values: bytes) -> list[bytes]:
    """`script` in the command's place, which has no keys but makes them of the pattern for all own ones."""
    return [b"EVAL", script, b"0", names.key_pattern(b"*"), *values]


Rewriting = Callable[[Names, list[bytes]], list[bytes]]

_REFUSED: Final[Mapping[str, str]] = {
    "flushall": "it would delete the keys of others; FLUSHDB deletes this namespace's in the selected database",
    "swapdb": "it would move the keys of others",
    "cluster|flushslot": "it would delete the keys of others",
}
_CHANNEL_COMMANDS: Final[Mapping[str, Rewriting]] = {
    "subscribe": _channels,
    "unsubscribe": _channels,
    "ssubscribe": _channels,
    "sunsubscribe": _channels,
    "psubscribe": _patterns,
    "punsubscribe": _patterns,
    "publish": _publish,
    "spublish": _publish,
}
_OWN: Final[Mapping[str, Rewriting]] = {
    **_CHANNEL_COMMANDS,
    "acl|dryrun": _dry_run,
    "client|tracking": _tracking,
    "cluster|keyslot": _key_slot,
    "clusterscan": _scan,
    "dbsize": _dbsize,
    "debug": _debug,
    "flushdb": _flushdb,
    "keys": _key_patterns,
    "pubsub|channels": _list_channels,
    "pubsub|numsub": _count_channels,
    "pubsub|shardchannels": _list_channels,
    "pubsub|shardnumsub": _count_channels,
    "randomkey": _randomkey,
    "scan": _scan,
    "sort": _sort,
    "sort_ro": _sort,
}
