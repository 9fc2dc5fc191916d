"""Namespaces: a prefix on every key and channel that a command names, taken off again in what comes back.

Two namespaces on one database never see each other, and a namespaced client behaves as if the database held nothing
but its own keys. These are pure functions of bytes. Where the keys are is read from the command table, never
restated here. A client without a namespace has no `Namespace` and pays nothing.

What is done beyond prefixing:

* KEYS, SCAN and PUBSUB CHANNELS get a pattern that only own names match; in it the prefix is escaped.
* SORT's BY and GET patterns are prefixed; `GET #` and a BY without a star (do not sort) are left alone.
* DBSIZE, RANDOMKEY and FLUSHDB know no patterns: a script that goes through the own keys is sent in their place, so
  that they work in pipelines and transactions as well. It takes O(N) in the keys of the database and holds the
  server as long.
* FLUSHALL, SWAPDB and what else reaches over other namespaces is refused, and so are commands that the table does
  not know (modules', say), for nobody can tell where their keys are.
* Keyspace events: `__keyspace@0__:key` is subscribed to with the prefix before the key; `__keyevent@0__:del`, and
  patterns such as `__key*`, as they are, and messages about foreign keys are dropped. A CLIENT TRACKING in
  broadcasting mode is limited to own keys.
* Scripts and functions get prefixed KEYS. A key that they make up themselves is theirs to prefix.

Not touched, since they show the server and not the data: MONITOR, SLOWLOG, COMMANDLOG, INFO, CLIENT LIST, ACL
rules, PUBSUB NUMPAT; and COMMAND GETKEYS, which answers for the names as they are given.
"""

from anystore.redis.namespace.names import Names
from anystore.redis.namespace.namespace import Namespace

__all__ = ("Names", "Namespace")
