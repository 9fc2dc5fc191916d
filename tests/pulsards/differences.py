"""Where pulsards, which presents Redis 7.4, does not do what Valkey 9.1 or Redis 7.0 do, and why.

Each row says at which calls and replies that is so, and shows one: `test_differential` makes the example's calls and
sees that the last one's reply does differ as the row says. Everything else has to be the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anystore import spec
from tests.pulsards.call_values import PASS_ON


@dataclass(frozen=True)
class Difference:
    """One way in which a server differs. The patterns are searched for in the text of the call and the replies."""

    server: str  # "valkey", "redis", or "both"
    commands: str  # their names in the table, or * for any
    reason: str
    example: tuple[str, ...]
    call: str = ""
    ours: str = ""
    theirs: str = ""
    after: str = ""  # what is in the calls before: for what is left in a key

    def covers(self, server: str, name: str, call: str, ours: str, theirs: str, before: str) -> bool:
        """Whether this is that difference."""
        return (
            self.server in (server, "both")
            and (self.commands == "*" or name in self.commands.split())
            and re.search(self.call, call, re.DOTALL | re.IGNORECASE) is not None
            and re.search(self.ours, ours, re.DOTALL) is not None
            and re.search(self.theirs, theirs, re.DOTALL) is not None
            and re.search(self.after, before, re.DOTALL | re.IGNORECASE) is not None
        )


def calls_of(row: Difference) -> list[list[bytes]]:
    """The calls of a row's example; "by script: " stands before one that a script is to pass on."""
    calls = []
    for line in row.example:
        words = [word.encode("latin-1") for word in line.removeprefix("by script: ").split(" ")]
        calls.append(
            words if words == line.encode("latin-1").split(b" ") else [b"EVAL", PASS_ON[0], b"0", *words]
        )
    return calls


def text_of(call: Sequence[Any]) -> str:
    """A call as the patterns see it: words between spaces."""
    return " ".join(word.decode("latin-1") if isinstance(word, bytes) else str(word) for word in call)


def name_of(call: Sequence[Any]) -> str:
    """A call's command as the table has it; what a script merely passes on is what it passes on."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in call]
    row = spec.lookup_arguments(words)
    return "" if row is None else row.name


_NUMBER_FIRST: Final = "Redis 7.0 looks at the key before the numbers"
_HEXADECIMAL: Final = "Redis 7.0 reads numbers by C's strtod, which takes hexadecimal ones and leading spaces"
_SCRIPT_TEXT: Final = "Valkey words it without naming Redis, and does not give the script's hash"
_FIELD_COMMANDS: Final = "hexpire hpexpire hexpireat hpexpireat httl hpttl hexpiretime hpexpiretime hpersist"
_FIELD_TEXT: Final = (
    "Valkey words the errors of these commands in its own way, and looks at their arguments before the key"
)

PAST_FIELDS: Final = (
    "in import mode a hash that others write to loses the fields whose time is up, as a key does; Valkey 9.1 leaves "
    "them to the source, and counts them"
)

_FIELDS: Final = "HSET h f v g w", "HPEXPIREAT h 1 FIELDS 1 f", "HSET h k x", "HLEN h"
_IMPORT: Final = ("MULTI", "CONFIG SET import-mode yes", *_FIELDS, "CONFIG SET import-mode no", "EXEC")
_MANY: Final = " ".join(f"{number} m{number}" for number in range(140))

DIFFERENCES: Final[tuple[Difference, ...]] = (
    # Versions
    Difference(
        "redis",
        "object|encoding",
        "Redis 7.0 has no listpacks for lists and sets yet",
        ("RPUSH l a", "OBJECT ENCODING l"),
        ours="listpack",
        theirs="quicklist|hashtable",
    ),
    Difference(
        "both",
        "scan sscan hscan zscan",
        "a cursor is whatever C's strtoull takes for one, such as one with spaces before it",
        ("HSCAN no -9223372036854775809",),
        ours="invalid cursor",
    ),
    Difference(
        "redis",
        "*",
        "until Redis 7.2 what a client sends itself came before the reply, or inside of it",
        ("HELLO 3", "SUBSCRIBE c", "PUBLISH c x"),
        theirs="push",
    ),
    Difference(
        "valkey",
        "sort sort_ro",
        "an empty text is 0 to Redis' SORT, and no number to that of Valkey 9.1",
        ("RPUSH l ", "SORT l"),
        ours=r"^\[|^[0-9]",
        theirs="converted into double",
    ),
    Difference(
        "redis",
        "*",
        "a timeout beyond what Redis 7.0 can count is a negative one to it",
        ("BLPOP gone 99999999999999999999",),
        ours="timeout is out of range",
        theirs="timeout is negative",
    ),
    Difference(
        "redis",
        "cluster|replicate",
        "it takes further arguments in later versions",
        ("CLUSTER REPLICATE a b",),
        ours="cluster support disabled",
        theirs="wrong number of arguments",
    ),
    Difference(
        "redis",
        "command|getkeys command|getkeysandflags",
        "Redis 7.0 cannot be asked about a command without arguments",
        ("COMMAND GETKEYS a",),
        theirs="wrong number of arguments|Wrong number of args",
    ),
    Difference(
        "redis",
        "bitcount bitpos",
        _NUMBER_FIRST,
        ("LPUSH l a", "BITCOUNT l x 1"),
        ours="not an integer|syntax error",
        theirs="WRONGTYPE|0|-1",
    ),
    Difference(
        "redis",
        "blpop brpop blmove brpoplpush bzpopmin bzpopmax wait",
        "allowed in scripts since Redis 7.2",
        ("RPUSH l a", "by script: BLPOP l 1"),
        theirs="not allowed from script",
    ),
    Difference(
        "redis",
        "xinfo|consumers xinfo|stream",
        "consumers are inactive, beside idle, since Redis 7.2",
        ("XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATECONSUMER s g c", "XINFO CONSUMERS s g"),
        ours="inactive|active-time",
    ),
    Difference(
        "redis",
        "xread xreadgroup",
        "the text names the command since Redis 7.2",
        ("XREAD STREAMS a b c",),
        ours="Unbalanced",
        theirs="Unbalanced",
    ),
    Difference(
        "redis",
        "xread",
        "the last entry may be asked for since Redis 7.4",
        ("XADD s 1-1 a b", "XREAD STREAMS s +"),
        call=r" \+( |$)",
        theirs="Invalid stream ID",
    ),
    Difference(
        "redis",
        "lpos",
        "its range is checked since Redis 7.2",
        ("RPUSH l a", "LPOS l a RANK -9223372036854775808"),
        call="-9223372036854775808",
        ours="value must between",
    ),
    Difference(
        "redis",
        "zrank zrevrank",
        "they have had an option since Redis 7.2",
        ("ZADD z 1 a", "ZRANK z a x"),
        ours="syntax error",
        theirs="wrong number of arguments",
    ),
    Difference(
        "redis",
        "zcount zrangebyscore zrevrangebyscore zremrangebyscore zrange zrangestore",
        _HEXADECIMAL,
        ("ZADD z 1 a", "ZCOUNT z 0x1 5"),
        call=" 0x1|  1",
        ours="not a float",
    ),
    Difference(
        "redis",
        "zadd zincrby zunion zinter zunionstore zinterstore",
        _HEXADECIMAL,
        ("ZADD z 0x10 a",),
        call=" 0x1|  1",
        ours="not a valid float|not a float",
    ),
    Difference(
        "both",
        "object|encoding",
        "a sum by INCRBYFLOAT stays text there, even where it is a whole number",
        ("SET n 1", "INCRBYFLOAT n 1", "OBJECT ENCODING n"),
        ours="int",
        theirs="embstr",
        after="incrbyfloat",
    ),
    Difference(
        "valkey",
        "object|encoding",
        "what a script stores stays text there, even where it is a whole number",
        ("EVAL redis.call('SET',KEYS[1],ARGV[1]) 1 n 5", "OBJECT ENCODING n"),
        ours="int",
        theirs="embstr",
        after="eval",
    ),
    Difference(
        "both",
        "xinfo|groups xinfo|stream",
        "a group is not behind by entries that are trimmed, since Redis 7.4.1",
        (
            "XADD s 1-1 a b",
            "XADD s 2-1 a b",
            "XGROUP CREATE s g 0 ENTRIESREAD 1",
            "XTRIM s MAXLEN 0",
            "XINFO GROUPS s",
        ),
        ours="lag', 0",
        after="xtrim|xadd",
    ),
    Difference(
        "both",
        "lrange",
        "in which order SORT stores what sorts the same is nobody's promise",
        (f"ZADD z {_MANY}", "SORT z BY x* ALPHA LIMIT 2 100 STORE l", "LRANGE l 0 -1"),
        after="sort.*by.*store",
    ),
    Difference(
        "redis",
        "xinfo|groups",
        "Redis 7.0 counts the lag of a group moved past the end as less than nothing",
        ("XADD s 1-1 a b", "XGROUP CREATE s g 0 ENTRIESREAD 9", "XINFO GROUPS s"),
        ours="lag",
        theirs="lag.{1,4}-",
    ),
    Difference(
        "redis",
        "xinfo|groups xinfo|consumers xinfo|stream",
        "who reads or claims nothing is a consumer, too, since Redis 7.2",
        ("XGROUP CREATE s g $ MKSTREAM", "XAUTOCLAIM s g c 0 0", "XINFO GROUPS s"),
        after="xreadgroup|xclaim|xautoclaim",
    ),
    Difference(
        "redis",
        "xreadgroup",
        "+ as an ID is known since Redis 7.4",
        ("XGROUP CREATE s g $ MKSTREAM", "XREADGROUP GROUP g c STREAMS s +"),
        call=r" \+( |$)",
        ours="meaningless",
    ),
    # Valkey's own ways
    Difference(
        "valkey",
        "object|encoding",
        "a hash with fields that expire, or did, is a large one in Valkey",
        ("HSET h a b", "HEXPIRE h 100 FIELDS 1 a", "OBJECT ENCODING h"),
        ours="listpack",
        theirs="hashtable",
        after="hp?expire|hsetex|hgetex",
    ),
    Difference(
        "valkey",
        "object|encoding",
        "Valkey makes room for what ZADD XX does not add",
        ("ZADD z 1 a", f"ZADD z XX 1 {'x' * 70}", "OBJECT ENCODING z"),
        ours="listpack",
        theirs="skiplist",
        after="zadd|geoadd",
    ),
    Difference(
        "valkey",
        "lset",
        "Valkey cuts the index down to 32 bits",
        ("RPUSH l a", "LSET l 4294967296 x"),
        call=r" -?\d{10,} ",
        ours="index out of range",
    ),
    Difference(
        "valkey",
        "object|refcount",
        "Valkey does not share its small numbers",
        ("SET n 1", "OBJECT REFCOUNT n"),
        ours="2147483647",
        theirs="1",
    ),
    Difference(
        "valkey",
        "xread xreadgroup",
        "a script may wait for streams in Valkey, for no time at all",
        ("by script: XREAD BLOCK 1 STREAMS s 0",),
        ours="with BLOCK option from scripts",
    ),
    Difference(
        "valkey",
        "georadiusbymember georadiusbymember_ro geosearch geosearchstore",
        "Valkey names the member that is not there",
        ("GEOADD g 1 2 a", "GEOSEARCH g FROMMEMBER b BYRADIUS 1 M"),
        ours="could not decode",
        theirs="does not exist",
    ),
    Difference(
        "valkey",
        "scan",
        "Valkey refuses types that there are not",
        ("SCAN 0 TYPE x",),
        theirs="unknown type name",
    ),
    Difference(
        "valkey",
        "xread",
        "the last entry is, for Valkey, the last that there ever was, deleted or not",
        ("XADD s 1-1 a b", "XADD s 1-2 a b", "XDEL s 1-2", "XREAD STREAMS s +"),
        call=r" \+( |$)",
    ),
    Difference(
        "valkey",
        "client|unblock",
        "Valkey takes arguments that mean nothing",
        ("CLIENT UNBLOCK 0 ERROR x",),
        ours="wrong number of arguments",
    ),
    Difference(
        "valkey",
        "cluster|keyslot",
        "Valkey counts out the slot of a key without cluster mode, too",
        ("CLUSTER KEYSLOT a",),
        ours="cluster support disabled",
    ),
    Difference(
        "valkey",
        "readonly readwrite",
        "Valkey lets any client say that it reads from replicas, as it can send clients on without cluster mode",
        ("READONLY",),
        ours="cluster support disabled",
    ),
    Difference(
        "valkey",
        "getex",
        "Valkey reads the time before it looks at the key",
        ("GETEX no EX x",),
        theirs="not an integer|invalid expire",
    ),
    Difference(
        "valkey",
        "object|encoding",
        "Valkey keeps longer strings in one piece than Redis",
        ("SET s " + "x" * 50, "OBJECT ENCODING s"),
        ours="raw",
        theirs="embstr",
    ),
    Difference(
        "valkey",
        "exec",
        "a MULTI within, or a WATCH, breaks a transaction in Valkey",
        ("MULTI", "MULTI", "EXEC"),
        theirs="EXECABORT",
    ),
    Difference(
        "valkey",
        "eval eval_ro script|load",
        "Valkey can have other scripting engines",
        ("EVAL #!python\nreturn 0",),
        ours="Unexpected engine in script shebang",
        theirs="Could not find scripting engine",
    ),
    # Wordings of Valkey's own
    Difference(
        "valkey",
        "evalsha evalsha_ro script|show",
        "the text ends with advice in Redis",
        ("EVALSHA x 0",),
        ours="NOSCRIPT No matching script. Please use EVAL.",
        theirs="NOSCRIPT No matching script",
    ),
    Difference(
        "valkey",
        "multi watch",
        "Valkey refuses them by a flag of theirs, Redis in the command itself",
        ("MULTI", "WATCH a"),
        ours="inside MULTI is not allowed|can not be nested",
        theirs="not allowed inside a transaction",
    ),
    Difference(
        "valkey",
        "eval eval_ro evalsha evalsha_ro fcall fcall_ro",
        _SCRIPT_TEXT,
        ("EVAL return{redis.call('NOSUCH')} 0",),
        ours=r"script: \w+, on @|from script|Lua redis lib",
        theirs="ERR|script: on @",
    ),
    Difference(
        "valkey",
        _FIELD_COMMANDS,
        _FIELD_TEXT,
        ("HEXPIRE h 10 FIELDS 0 a",),
        ours="error",
        theirs="error",
    ),
    Difference(
        "valkey",
        _FIELD_COMMANDS,
        "Valkey takes a condition twice",
        ("HSET h a b", "HEXPIRE h 100 NX NX FIELDS 1 a"),
        call="(nx|xx|gt|lt) (nx|xx|gt|lt)",
        ours="FIELDS is missing",
    ),
    Difference(
        "valkey",
        f"{_FIELD_COMMANDS} hgetex hsetex",
        "times to live of fields have 46 bits in Redis",
        ("HSET h a b", "HPEXPIREAT h 9223372036854775807 FIELDS 1 a"),
        call=r" \d{15,}",
        ours="invalid expire time",
    ),
    Difference(
        "valkey",
        "bitcount",
        "an end is optional in Valkey",
        ("SET s x", "BITCOUNT s 0"),
        ours="syntax error|not an integer",
    ),
    Difference(
        "valkey",
        "hgetex hsetex",
        "Valkey looks for FIELDS from the key on, so that a hash of this name cannot be used",
        ("HGETEX FIELDS a 1 f",),
        call=r"^\w+ fields ",
    ),
    Difference(
        "valkey",
        "exec",
        PAST_FIELDS,
        _IMPORT,
        after="import-mode yes",
    ),
    Difference(
        "valkey",
        "object|encoding",
        "lists are not kept in nodes here: how large one was, or its parts are, is not known between two looks at it",
        (f"RPUSH l {'x' * 5000} {'y' * 5000}", "LPOP l", "OBJECT ENCODING l"),
        ours="listpack|quicklist",
        theirs="listpack|quicklist",
        after=r"[lr]push \w+ .*\w{3000}",
    ),
    Difference(
        "valkey",
        "geosearch geosearchstore",
        "Valkey finds nothing in a polygon whose center of gravity is beyond 85.05 degrees",
        ("GEOADD g -100 84.9 m", "GEOSEARCH g BYPOLYGON 3 13 85 180 -85 -122 85"),
        call=r"bypolygon .*[ -]85 ",
        theirs=r"^(\[\]|0)$",
    ),
    Difference(
        "both",
        "*",
        "error texts end at a zero byte in C",
        ("XREADGROUP GROUP g c STREAMS \0 0",),
        call="\0",
        ours="error",
        theirs="error",
    ),
)


def reason_for(
    server: str, call: Sequence[Any], ours: Any, theirs: Any, before: Iterable[Sequence[Any]] = ()
) -> str | None:
    """Why the replies to a call may differ, `before` being the calls before it; None where they may not."""
    text, name = text_of(call), name_of(call)
    history = "\n".join(map(text_of, before))
    for row in DIFFERENCES:
        if row.covers(server, name, text, repr(ours), repr(theirs), history):
            return row.reason
    if name in ("eval", "eval_ro") and len(call) > 3 and call[1] in PASS_ON:
        return reason_for(server, call[3:], ours, theirs, before)
    return None
