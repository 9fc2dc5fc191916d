"""A namespace: what the client does with commands, replies and messages so that names are its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from anystore.redis.namespace.commands import Plan, plan_of
from anystore.redis.namespace.names import Names
from anystore.redis.namespace.replies import HOOKS, SUBCOMMAND_HOOKS, bare_message
from anystore.spec import lookup


class Namespace(Names):
    """Prefixes what goes out, strips what comes in. Holds no state but caches: one serves a whole store.

    For arguments see `Names`.
    """

    __slots__ = ("_plans",)

    def __init__(self, prefix: bytes, encoding: str = "utf-8", errors: str = "surrogateescape") -> None:
        super().__init__(prefix, encoding, errors)
        self._plans: Final[dict[bytes, Plan]] = {}

    def outgoing(self, args: list[bytes]) -> list[bytes]:
        """The command to send for the caller's `args`, which are left as they are. O(N) in the arguments.

        It may be another command: see the package. Raises `InvalidArgument` for what would reach beyond the
        namespace.
        """
        if not args:
            return args
        name = args[0]
        plan = self._plans.get(name)
        if plan is None:
            plan = plan_of(self, name, spec := lookup(name))
            # Kept for known names only, and not for all the ways to mix upper and lower case.
            if spec is not None and (name.islower() or name.isupper()):
                self._plans[name] = plan
        return plan(args)

    def incoming(self, args: Sequence[bytes], reply: Any) -> Any:
        """The reply for the caller of `args` (the caller's own, not what `outgoing` made of them).

        Names in it lose the prefix, be they bytes or decoded, in RESP2's shapes and in RESP3's. What is no such
        reply comes through, errors for instance. The replies of a transaction are to be given one by one.
        O(N) in the names.
        """
        hook = self.reply_hook(args)
        return reply if hook is None else hook(reply)

    def reply_hook(self, args: Sequence[bytes]) -> Callable[[Any], Any] | None:
        """What `incoming` does with the reply to the caller's `args`; None for most, which carry no names. O(1)."""
        if not args:
            return None
        name = args[0].lower()
        hook = HOOKS.get(name)
        if hook is None and name in SUBCOMMAND_HOOKS and len(args) > 1:
            hook = SUBCOMMAND_HOOKS[name].get(args[1].lower())
        return None if hook is None else partial(hook, self)

    def push(self, message: Sequence[Any]) -> list[Any] | None:
        """A push message, or a message of pub/sub in RESP2, with its names bare: a list of the same shape.

        None if it is about a foreign name, as events and invalidations may be: it is to be dropped. Of an
        invalidation of several keys the own ones remain. O(N) in the names.
        """
        return bare_message(self, message)
