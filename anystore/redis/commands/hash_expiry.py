"""The expiry of single fields of a hash (Redis 7.4, Valkey 9.0)."""

from __future__ import annotations

from collections.abc import Awaitable

from anystore.redis.commands import arguments
from anystore.redis.commands.base import AbsExpiryT, Commands, ExpiryT, KeyT, S, ValueT


class HashExpiryCommands(Commands[S]):
    """The expiry of hash fields.

    Results are lists, a number for each field named. Setting gives 1 if the expiry was set, 0 if the
    condition did not hold, 2 if the field was deleted because the time has passed; asking gives the time,
    or -1 without an expiry. Where there is no such field, or no key, it is -2 for all. The conditions are
    those of `expire`, one of them at most. All are O(N) in the fields named.
    """

    def hexpire(
        self,
        name: KeyT,
        seconds: ExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire in so many seconds. Since 7.4.0. https://valkey.io/commands/hexpire/"""
        span = arguments.seconds("seconds", seconds)
        return self._hash_expire("HEXPIRE", name, span, fields, nx, xx, gt, lt)

    def hpexpire(
        self,
        name: KeyT,
        milliseconds: ExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire in so many milliseconds. Since 7.4.0. https://valkey.io/commands/hpexpire/"""
        span = arguments.milliseconds("milliseconds", milliseconds)
        return self._hash_expire("HPEXPIRE", name, span, fields, nx, xx, gt, lt)

    def hexpireat(
        self,
        name: KeyT,
        unix_time_seconds: AbsExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire at a Unix time in seconds. Since 7.4.0. https://valkey.io/commands/hexpireat/"""
        moment = arguments.unix_seconds("unix_time_seconds", unix_time_seconds)
        return self._hash_expire("HEXPIREAT", name, moment, fields, nx, xx, gt, lt)

    def hpexpireat(
        self,
        name: KeyT,
        unix_time_milliseconds: AbsExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire at a Unix time in milliseconds.

        Since 7.4.0. https://valkey.io/commands/hpexpireat/
        """
        moment = arguments.unix_milliseconds("unix_time_milliseconds", unix_time_milliseconds)
        return self._hash_expire("HPEXPIREAT", name, moment, fields, nx, xx, gt, lt)

    def hpersist(self, name: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """Take the expiry of fields away: 1, or -1 if there was none.

        Since 7.4.0. https://valkey.io/commands/hpersist/
        """
        return self._hash_of_fields("HPERSIST", name, fields)

    def hexpiretime(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """When fields expire, in Unix seconds. Since 7.4.0. https://valkey.io/commands/hexpiretime/"""
        return self._hash_of_fields("HEXPIRETIME", key, fields)

    def hpexpiretime(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """When fields expire, in Unix milliseconds. Since 7.4.0. https://valkey.io/commands/hpexpiretime/"""
        return self._hash_of_fields("HPEXPIRETIME", key, fields)

    def httl(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """Seconds that fields have to live. Since 7.4.0. https://valkey.io/commands/httl/"""
        return self._hash_of_fields("HTTL", key, fields)

    def hpttl(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """Milliseconds that fields have to live. Since 7.4.0. https://valkey.io/commands/hpttl/"""
        return self._hash_of_fields("HPTTL", key, fields)

    def _hash_expire(
        self,
        command: str,
        name: KeyT,
        time: int,
        fields: tuple[ValueT, ...],
        nx: bool,
        xx: bool,
        gt: bool,
        lt: bool,
    ) -> Awaitable[list[int]]:
        arguments.some(fields, command, "fields")
        arguments.exclusive(nx=nx, xx=xx, gt=gt, lt=lt)
        condition = arguments.expiry_condition(nx, xx, gt, lt)
        return self.execute_command(command, name, time, *condition, "FIELDS", len(fields), *fields)

    def _hash_of_fields(self, command: str, key: KeyT, fields: tuple[ValueT, ...]) -> Awaitable[list[int]]:
        arguments.some(fields, command, "fields")
        return self.execute_command(command, key, "FIELDS", len(fields), *fields)
