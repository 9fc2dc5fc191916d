"""Opening a connection: the stream, then who we are and which protocol and database we want, all under one time limit.

Source: https://valkey.io/commands/hello/, https://valkey.io/commands/client-setinfo/
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
from anyio.abc import ByteStream

from anystore import __version__
from anystore.exceptions import (
    AuthenticationError,
    ConnectionFailed,
    Loading,
    NoPermission,
    ResponseError,
    UnsupportedProtocol,
)
from anystore.redis.connection import Connection, Spawn
from anystore.redis.entries import Bundle, ConnectionLost
from anystore.resp.pack import pack_command
from anystore.resp.replies import ReplyParser

__all__ = ("Opener", "Profile", "StreamFactory")

StreamFactory: TypeAlias = Callable[[], Awaitable[ByteStream]]
"""Opens the stream to the server; raises `OSError` or one of anyio's stream errors when it cannot."""

LIBRARY_NAME = "anystore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What every connection of a store has in common. Time spans are in seconds, None is without limit."""

    address: str
    """Where the server is, for messages."""
    user: str | None = None
    password: str | None = None
    database: int = 0
    protocol: int = 3
    client_name: str | None = None
    encoding: str | None = None
    """How strings in replies are decoded; None leaves them as bytes."""
    errors: str = "strict"
    connect_timeout: float | None = 5.0
    command_timeout: float | None = 30.0
    health_check_interval: float | None = 30.0
    attempts: int = 6
    """How often to try again to connect."""
    delay: float = 0.05
    max_delay: float = 2.0

    def __repr__(self) -> str:
        return f"<Profile {self.address}/{self.database}>"

    def pause(self, attempt: int) -> float:
        """How long to wait before the attempt of this number, from 0: doubled each time, and scattered.

        Scattered because all clients of a server lose it at the same moment.
        """
        longest: float = min(self.max_delay, self.delay * 2 ** min(attempt, 32))
        return longest * random.uniform(0.5, 1.0)


class Opener:
    """Opens connections of one profile. `connect` opens the stream, `spawn` starts the connections' tasks."""

    def __init__(self, profile: Profile, connect: StreamFactory, spawn: Spawn) -> None:
        self.profile = profile
        self._connect = connect
        self._spawn = spawn

    async def open_persistently(self, wanted: Callable[[], bool], **options: Any) -> Connection:
        """As `open`, trying again with growing pauses for as often as the profile allows and while it is `wanted`."""
        attempt = 0
        while True:
            try:
                return await self.open(**options)
            except ConnectionFailed as error:
                # A certificate that is not accepted will not be, either, in a second.
                final = isinstance(error.__cause__, ssl.SSLCertVerificationError)
                if final or attempt >= self.profile.attempts or not wanted():
                    raise
            await anyio.sleep(self.profile.pause(attempt))
            attempt += 1

    async def open(self, **options: Any) -> Connection:
        """A connection, ready for use; `options` are those of `Connection`. Cancelled, it leaves nothing open.

        Raises:
            ConnectionFailed: The server cannot be reached, or went away, or took too long.
            AuthenticationError: It does not accept the user and password; trying again will not help.
            ResponseError: It refuses the database, or anything else.
        """
        profile = self.profile
        connection: Connection | None = None
        try:
            with anyio.fail_after(profile.connect_timeout):
                stream = await self._connect()
                parser = ReplyParser(profile.encoding, profile.errors)
                connection = Connection(stream, self._spawn, parser, **options)
                await _introduce(connection, profile)
                return connection
        except TimeoutError as error:
            _close(connection)
            limit = f"within {profile.connect_timeout} seconds"
            raise ConnectionFailed(f"{profile.address} could not be connected {limit}") from error
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError) as error:
            _close(connection)
            # anyio's own errors say nothing, but know what the system said.
            told = str(error) or str(error.__cause__ or "") or type(error).__name__
            raise ConnectionFailed(f"{profile.address} could not be connected: {told}") from error
        except BaseException:
            _close(connection)
            raise


def _close(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()


async def _ask(connection: Connection, *commands: tuple[Any, ...]) -> list[Any]:
    bundle = Bundle(len(commands), decode=False)
    failure = await connection.request(b"".join(map(pack_command, commands)), bundle)
    if isinstance(failure, ConnectionLost):
        raise failure.__cause__ or failure
    if failure is not None:
        raise failure
    if "max number of clients" in str(bundle.replies[0]):
        # Not an answer to what was asked: the server is full, and one to come back to.
        raise ConnectionFailed(str(bundle.replies[0]))
    return bundle.replies


async def _introduce(connection: Connection, profile: Profile) -> None:
    """Log in, choose protocol and database, and give our name."""
    if profile.protocol == 3 and await _hello(connection, profile):
        connection.protocol = 3
    else:
        await _log_in(connection, profile)
    wishes: list[tuple[Any, ...]] = [
        ("PING",),
        ("CLIENT", "SETINFO", "LIB-NAME", LIBRARY_NAME),
        ("CLIENT", "SETINFO", "LIB-VER", __version__),
    ]
    if profile.client_name is not None:
        wishes.append(("CLIENT", "SETNAME", profile.client_name))
    if profile.database:
        wishes.append(("SELECT", profile.database))
    replies = await _ask(connection, *wishes)
    # All else is answered while the server loads its data, after a restart, when no command can be carried out yet.
    if isinstance(replies[0], Loading):
        raise ConnectionFailed(str(replies[0]))
    # Servers before Redis 7.2 know no SETINFO, and rules may forbid CLIENT: that costs a name in a list, no more.
    if profile.database and isinstance(replies[-1], ResponseError):
        raise replies[-1]


async def _hello(connection: Connection, profile: Profile) -> bool:
    """Ask for RESP3; False from a server that does not speak it."""
    command: tuple[Any, ...] = ("HELLO", 3)
    if profile.password is not None:
        command += ("AUTH", profile.user or "default", profile.password)
    (reply,) = await _ask(connection, command)
    if not isinstance(reply, ResponseError):
        return True
    if isinstance(reply, (AuthenticationError, NoPermission)):
        raise _discreet(reply, profile)
    # Redis before 6.0 knows no HELLO; others may have it switched off, or answer NOPROTO. A login that these refuse
    # comes out in RESP2's own.
    if isinstance(reply, UnsupportedProtocol) or reply.code == "ERR":
        return False
    raise _discreet(reply, profile)


async def _log_in(connection: Connection, profile: Profile) -> None:
    if profile.password is None:
        return
    # Before 6.0 there were no users, and AUTH took the password only.
    user = (profile.user,) if profile.user is not None else ()
    (reply,) = await _ask(connection, ("AUTH", *user, profile.password))
    if isinstance(reply, ResponseError):
        error = _discreet(reply, profile)
        raise error if error.code != "ERR" else AuthenticationError(str(error))


def _discreet(error: ResponseError, profile: Profile) -> ResponseError:
    """The error without the password: a server that does not know a command repeats what it was given."""
    text = str(error).partition(", with args beginning with")[0]
    if profile.password:
        text = text.replace(profile.password, "***")
    return type(error)(text)
