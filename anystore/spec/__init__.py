"""The one table of commands: what COMMAND INFO and COMMAND DOCS say of each, and where a call's keys are.

Dispatch, arity errors, COMMAND, the client's namespace and the documentation all read it. The rows are in
`commands.json`, a command a line: facts that Valkey 9.1, Redis 7.0 and Redis 8.2 report of themselves.
Importing this package reads nothing; the first look-up does.
"""

from anystore.spec.model import (
    Argument,
    IndexSearch,
    KeyFinder,
    KeyNumber,
    KeyRange,
    KeySpec,
    KeywordSearch,
)
from anystore.spec.row import CommandSpec
from anystore.spec.table import flagged_keys, key_flags, key_positions, lookup, lookup_arguments, specs

__all__ = (
    "Argument",
    "CommandSpec",
    "IndexSearch",
    "KeyFinder",
    "KeyNumber",
    "KeyRange",
    "KeySpec",
    "KeywordSearch",
    "flagged_keys",
    "key_flags",
    "key_positions",
    "lookup",
    "lookup_arguments",
    "specs",
)
