"""The typed methods for the server's commands, one module for each group of Redis' documentation.

`CoreCommands` puts the groups together; a client and a pipeline derive from it and say how a command is
carried out (`base.Commands`). A further group is a further mixin in its bases.

Names, parameters and results are those of `redis.asyncio`, under RESP2 and RESP3 alike. They differ where
redis-py hands over the server's raw reply, whose shape depends on the protocol, or a type that says too
little:

- members with scores are always `(member, score)` with a `float` (ZDIFF, ZRANDMEMBER, ZMPOP too), fields
  with values `(field, value)` (HRANDFIELD), and results of a fixed length are tuples (`(key, elements)` of
  LMPOP, `(rank, score)` of ZRANK);
- every status OK is True (RESTORE, CONFIG REWRITE, CLIENT UNPAUSE, FAILOVER … too);
- LCS … IDX gives a `dict`; COMMAND GETKEYS gives keys as the client decodes them, COMMAND LIST and LOLWUT,
  which are the server's own words, `str`;
- entries of streams are `(id, fields)`, XREAD gives `(stream, entries)` of each stream, and XAUTOCLAIM
  a tuple; XINFO's maps have `str` keys at every depth; places with their distance … are tuples;
- `score_cast_func` is called with a `float` in any case;
- a `timedelta` or `datetime` is rounded up to the command's unit, so that nothing expires too early;
- ACL GETUSER gives its selectors as `dict`, ACL DRYRUN and ACL GENPASS `str`;
- `shutdown_abort` is a method of its own;
- CLUSTER commands go to the one node that the store is connected to, and so have no `target_node`;
- AUTH, HELLO, SELECT, RESET, QUIT, CLIENT REPLY, CLIENT TRACKING and SCRIPT DEBUG are refused, see `connection`.

What only servers say to each other (PSYNC, REPLCONF …) and the HELP of containers have no method;
`execute` takes anything.
"""

from __future__ import annotations

from anystore.redis.commands.acl import AclCommands
from anystore.redis.commands.base import FOREVER, Commands, S
from anystore.redis.commands.bitmaps import BitFieldOperation, BitmapCommands
from anystore.redis.commands.cluster import ClusterCommands
from anystore.redis.commands.connection import ConnectionCommands
from anystore.redis.commands.functions import FunctionCommands
from anystore.redis.commands.geo import GeoCommands
from anystore.redis.commands.hash_expiry import HashExpiryCommands
from anystore.redis.commands.hashes import HashCommands
from anystore.redis.commands.hyperloglog import HyperLogLogCommands
from anystore.redis.commands.inspection import InspectionCommands
from anystore.redis.commands.keys import KeyCommands
from anystore.redis.commands.lists import ListCommands
from anystore.redis.commands.pubsub import PubSubCommands
from anystore.redis.commands.scripting import ScriptingCommands
from anystore.redis.commands.server import ServerCommands
from anystore.redis.commands.sets import SetCommands
from anystore.redis.commands.sorted_set_ranges import SortedSetRangeCommands
from anystore.redis.commands.sorted_sets import SortedSetCommands
from anystore.redis.commands.sorting import SortCommands
from anystore.redis.commands.stream_groups import StreamGroupCommands
from anystore.redis.commands.streams import StreamCommands
from anystore.redis.commands.strings import StringCommands

__all__ = ("FOREVER", "BitFieldOperation", "Commands", "CoreCommands")


class CoreCommands(
    KeyCommands[S],
    SortCommands[S],
    StringCommands[S],
    BitmapCommands[S],
    HashCommands[S],
    HashExpiryCommands[S],
    ListCommands[S],
    SetCommands[S],
    SortedSetCommands[S],
    SortedSetRangeCommands[S],
    StreamCommands[S],
    StreamGroupCommands[S],
    HyperLogLogCommands[S],
    GeoCommands[S],
    PubSubCommands[S],
    ScriptingCommands[S],
    FunctionCommands[S],
    ConnectionCommands[S],
    ServerCommands[S],
    InspectionCommands[S],
    AclCommands[S],
    ClusterCommands[S],
):
    """Every command of the server's core that has a method."""
