"""The set commands on one set; those that combine sets are in `set_operations`.

Source: the pages of the "set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import SetValue
from anystore.pulsards.notifications import SET
from anystore.pulsards.registry import command
from anystore.resp.types import SetReply


@command("sadd")
def sadd(ctx: Context, args: list[bytes]) -> int:
    """SADD key member [member …]: the number of members that are new. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, SetValue)
    added = int(value.add(args[2])) if len(args) == 3 else value.add_many(args[2:])
    if added:
        db.changed(key, b"sadd", SET)
    return added


@command("smembers")
def smembers(ctx: Context, args: list[bytes]) -> SetReply:
    """SMEMBERS key: every member. O(N)."""
    value = ctx.db.read_as(args[1], SetValue)
    if value is None:
        return SetReply()
    limits = ctx.engine.config.encoding_limits
    return SetReply(value.members(limits) if value.is_intset(limits) else value)
