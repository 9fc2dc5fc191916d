"""Where what pulsards tells of its commands is not what Valkey or Redis tell, and why: the one table of it.

pulsards presents Redis 7.4; the servers here are Valkey 9.1 and Redis 7.0. `test_table` compares what COMMAND INFO tells and
`test_documentation` what COMMAND DOCS tells, field by field. Each command of a row must differ, and no other one may.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    """Some commands that differ from a server's in a field."""

    server: str
    field: str
    reason: str
    commands: str


_NO_LONGER_DEPRECATED: Final = (
    "Valkey does not call them deprecated",
    "brpoplpush cluster|slots georadius georadius_ro georadiusbymember georadiusbymember_ro getset hmset psetex quit "
    "rpoplpush setex setnx substr zrangebylex zrangebyscore zrevrange zrevrangebylex zrevrangebyscore",
)
_DEPRECATED_SINCE_7_2: Final = ("called deprecated since Redis 7.2", "psetex quit setex setnx")
_DEPRECATION: Final = ("doc_flags", "deprecated_since", "replaced_by")

#: Fields of COMMAND DOCS that pulsards does not tell of any command, and why.
NOT_TOLD: Final = {
    "history": "prose of the servers' authors; since when an option is there is told with its argument",
}

DIFFERENCES: Final[tuple[Row, ...]] = (
    # COMMAND INFO
    Row(
        "valkey",
        "flags",
        "Valkey lets them run while a script is busy; Redis 7.4 does not",
        "client|caching client|getname client|getredir client|id client|no-evict client|no-touch "
        "client|reply client|setinfo client|setname select",
    ),
    Row(
        "valkey",
        "flags",
        "Valkey answers them while it loads its data; Redis 7.4 does not",
        "cluster|info cluster|myid cluster|myshardid cluster|nodes memory|malloc-stats memory|purge",
    ),
    Row(
        "valkey",
        "flags",
        "Valkey answers them on a stale replica; Redis 7.4 does not",
        "script|exists script|flush",
    ),
    Row(
        "valkey",
        "flags",
        "Redis refuses them inside MULTI in the command itself, not by a flag",
        "multi watch",
    ),
    Row("valkey", "flags", "Valkey renamed SLOWLOG's flag with COMMANDLOG", "exec"),
    Row("valkey", "tips", "Redis says that these depend on the time", "hpttl httl"),
    Row(
        "valkey",
        "key_specs",
        "Valkey notes that the last STORE counts",
        "georadius georadiusbymember",
    ),
    Row("valkey", "key_specs", "commands of both whose flags are Redis' here", "hgetex hsetex"),
    Row("redis", "arity", "Valkey has more options", "cluster|replicate script|debug"),
    Row("redis", "arity", "WITHSCORE came with Redis 7.2", "zrank zrevrank"),
    Row(
        "redis",
        "arity",
        "before Redis 7.2 a command without arguments could not be asked about",
        "command|getkeys command|getkeysandflags",
    ),
    Row(
        "redis",
        "flags",
        "allowed in scripts since Redis 7.2",
        "blmove blpop brpop brpoplpush bzpopmax bzpopmin wait",
    ),
    Row("redis", "flags", "answered while loading since Redis 7.2", "cluster|shards cluster|slots"),
    Row("redis", "categories", "WAIT counts as blocking since Redis 7.2", "wait"),
    Row(
        "redis",
        "tips",
        "given or corrected in Redis 7.2",
        "acl|deluser acl|save acl|setuser client|setname config|resetstat config|rewrite latency|reset "
        "msetnx randomkey scan",
    ),
    Row("redis", "key_specs", "corrected in Redis 7.2: the destination is overwritten", "sinterstore"),
    Row("redis", "subcommands", "newer subcommands", "client cluster script"),
    # COMMAND DOCS
    Row(
        "valkey",
        "since",
        "Redis had them first, Valkey in a later version of its own",
        "cluster|slot-stats hexpire hexpireat hexpiretime hgetdel hgetex hpersist hpexpire hpexpireat hpexpiretime "
        "hpttl hsetex httl",
    ),
    Row("redis", "since", "Redis 7.0 named a version before the release", "client|pause"),
    Row("valkey", "complexity", "Valkey does not tell XREAD's any more", "xread"),
    Row(
        "redis",
        "complexity",
        "corrected since: what a key costs, a member, a channel",
        "cluster|getkeysinslot geohash geopos psubscribe punsubscribe sunsubscribe unsubscribe zrandmember",
    ),
    Row(
        "redis",
        "complexity",
        "the same, without the server's name, or better spelt",
        "append cluster|replicas cluster|slaves command command|list dump geodist hscan restore restore-asking sscan "
        "zscan",
    ),
    *(Row("valkey", field, *_NO_LONGER_DEPRECATED) for field in _DEPRECATION),
    *(Row("redis", field, *_DEPRECATED_SINCE_7_2) for field in _DEPRECATION),
    Row(
        "valkey",
        "arguments",
        "the number of fields belongs to no key",
        "hgetdel hgetex hsetex hpersist httl hpttl",
    ),
    Row(
        "valkey",
        "arguments",
        "the same, and the moment is a time",
        "hexpireat hexpiretime hpexpire hpexpireat hpexpiretime",
    ),
    Row("valkey", "arguments", "Redis 8 can say what becomes of references", "xadd xtrim"),
    Row("valkey", "arguments", "Redis 8 has more operations", "bitop"),
    Row("valkey", "arguments", "an end is optional in Valkey only", "bitcount"),
    # Of the arguments, only keywords are compared with Redis 7.0: many names were changed in 7.2.
    Row("redis", "keywords", "WITHSCORE came with 7.2", "zrank:WITHSCORE zrevrank:WITHSCORE"),
    Row(
        "redis",
        "keywords",
        "Redis 8 can say what becomes of references",
        "xadd:KEEPREF xadd:DELREF xadd:ACKED xtrim:KEEPREF xtrim:DELREF xtrim:ACKED",
    ),
    Row("redis", "keywords", "NOVALUES and NOSCORES are newer", "hscan:NOVALUES zscan:NOSCORES"),
    Row("redis", "keywords", "SKIPME's YES and NO were a text", "client|kill:YES client|kill:NO"),
    Row(
        "redis",
        "keywords",
        "the operation was a text",
        "bitop:AND bitop:OR bitop:XOR bitop:NOT bitop:DIFF bitop:DIFF1 bitop:ANDOR bitop:ONE",
    ),
)


def allowed(server: str, field: str) -> set[str]:
    """The commands that must differ from a server's in a field; of keywords, each as `command:KEYWORD`."""
    return {
        name
        for row in DIFFERENCES
        if (row.server, row.field) == (server, field)
        for name in row.commands.split()
    }
