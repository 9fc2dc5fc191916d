"""`python -m fuzzing [--seconds 60] [--seed N] [--only KIND]`: status 1 where a fault was found."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import hiredis

from fuzzing.attacks import ATTACKS, Attack
from fuzzing.calls import made_up
from fuzzing.connection import Closed, Connection
from fuzzing.files import DIRECTIVES, by_file
from fuzzing.libraries import by_library
from fuzzing.replication import by_primary, by_replica
from fuzzing.server import HANGS_AFTER, Call, Fault, ServerUnderTest
from fuzzing.settings import by_setting
from fuzzing.streams import VALUES, requests, serialised

#: Calls after which a client is replaced, and the server emptied.
_ROUND: Final = 500
#: What is done to a value that RESTORE took, faults and all.
_USES: Final = (
    *("DUMP {}", "MEMORY USAGE {}", "OBJECT ENCODING {}", "TYPE {}", "COPY {} copy REPLACE", "SORT {} ALPHA"),
    *(
        "GET {}",
        "LRANGE {} 0 -1",
        "SMEMBERS {}",
        "HGETALL {}",
        "ZRANGE {} 0 -1 WITHSCORES",
        "XINFO STREAM {} FULL",
    ),
    *(
        "APPEND {} x",
        "RPUSH {} x",
        "SADD {} x",
        "HSET {} x y",
        "ZADD {} 1 x",
        "XADD {} * a b",
        "PFADD {} x",
        "PFCOUNT {}",
    ),
    *(
        "LPOP {} 3",
        "SPOP {} 3",
        "HDEL {} a",
        "ZPOPMIN {} 3",
        "XREADGROUP GROUP g me STREAMS {} >",
        "XAUTOCLAIM {} g me 0 0",
    ),
    "DEL {}",
)


def shown(call: Call) -> str:
    """A call in a line, long arguments cut short."""
    words = [repr(word)[:60] for word in call[:12]]
    return " ".join(words) + (f" and {len(call) - 12} more" if len(call) > 12 else "")


def play(attack: Attack, server: ServerUnderTest) -> int:
    """One attack; the number of its calls. Raises `Fault`, which tells the call."""
    server.settle()
    server.prepare(attack.before())
    client = _let_in(server)
    count = 0
    for call in attack.calls():
        count += 1
        try:
            server.suffer(client, call, scripts=attack.scripts)
        except (Closed, OSError):  # a client over a limit is closed; the others, and the server, are not
            client = _let_in(server)
        except Fault as fault:
            raise Fault(f"{attack.name}: {shown(call)}: {fault}") from None
    client.close()
    return count


def _let_in(server: ServerUnderTest) -> Connection:
    """A client that is let in: the call of one that is not may be carried out after the bystander was answered."""
    client = server.connect()
    try:
        client.ask("PING", within=HANGS_AFTER)
    except TimeoutError:
        raise Fault("it hangs: a new client's PING is not answered") from None
    return client


class Fuzzer:
    """Made-up calls and bytes against one server."""

    def __init__(self, server: ServerUnderTest, random: Random) -> None:
        self.server = server
        self.random = random
        self.clients: list[Connection] = []

    def _client(self, number: int) -> Connection:
        while len(self.clients) <= number:
            self.clients.append(self.server.connect())
        return self.clients[number]

    def _replace(self, number: int) -> None:
        self.clients[number].close()
        self.clients[number] = self.server.connect()

    def _reset(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()
        self.server.settle()

    def by_call(self) -> Iterator[int]:
        """Calls by several clients, some of which wait, or have begun a transaction, or listen."""
        calls = made_up(self.random)
        for count in range(2**63):
            if count % _ROUND == 0:
                self._reset()
                calls = made_up(self.random)
            call, number = next(calls), self.random.randrange(4)
            try:
                answered = self.server.suffer(self._client(number), call, scripts=True)
            except (Closed, OSError):
                self._replace(number)
            except Fault as fault:
                raise Fault(f"{shown(call)}: {fault}") from None
            else:
                if not answered and self.random.randrange(4) == 0:
                    self._replace(number)  # it waits: let it be gone meanwhile
            yield 1

    def by_byte(self) -> Iterator[int]:
        """Requests with faults, in pieces, each on a connection of its own."""
        self._reset()
        for pieces in requests(self.random):
            client = self.server.connect()
            try:
                for piece in pieces:
                    client.send_bytes(piece)
                client.received()
            except (Closed, OSError):
                pass
            except hiredis.ProtocolError as error:
                raise Fault(f"{b''.join(pieces)[:3000]!r}: a reply that is none: {error}") from None
            try:
                self.server.check(scripts=True)
            except Fault as fault:
                raise Fault(f"{b''.join(pieces)[:3000]!r} in {len(pieces)} pieces: {fault}") from None
            client.close()
            yield 1

    def by_value(self) -> Iterator[int]:
        """Serialised values with faults: refused, or taken and then used in every way."""
        self._reset()
        client = self.server.connect()
        dumps: list[bytes] = []
        for call in VALUES:
            client.ask(*call, within=60)
            dumped: Any = client.ask("DUMP", "value", within=60)
            dumps.append(dumped)
            client.ask("DEL", "value", within=60)
        while True:
            payload = serialised(self.random, self.random.choice(dumps))
            calls: list[Call] = [("RESTORE", "value", 0, payload, "REPLACE")]
            calls += [use.replace("{}", "value").split(" ") for use in _USES]
            try:
                for call in calls:
                    client.send(*call)
                self.server.check()
                client.received()
            except (Closed, OSError):
                client = self.server.connect()
            except Fault as fault:
                raise Fault(f"RESTORE of {payload!r}, then its uses: {fault}") from None
            yield 1


@dataclass(frozen=True)
class Kind:
    """What is made up without an end, one by one, and what the server under test is to be like."""

    run: Callable[[ServerUnderTest, Random], Iterator[int]]
    directives: tuple[str, ...] = ()
    keeps: bool = False
    guarded: bool = False


KINDS: Final = {
    "calls": Kind(lambda server, random: Fuzzer(server, random).by_call()),
    "bytes": Kind(lambda server, random: Fuzzer(server, random).by_byte()),
    "values": Kind(lambda server, random: Fuzzer(server, random).by_value()),
    "libraries": Kind(by_library),
    "files": Kind(by_file, DIRECTIVES, keeps=True),
    "settings": Kind(by_setting, keeps=True, guarded=True),
    "primary": Kind(by_primary, keeps=True),
    "replica": Kind(by_replica, keeps=True),
}


def run_kind(name: str, seed: int, seconds: float) -> None:
    """A kind for so long, against a server of its own; says how many it were. Raises `Fault`."""
    kind = KINDS[name]
    with ServerUnderTest(*kind.directives, keeps=kind.keeps, guarded=kind.guarded) as server:
        done, end = 0, time.monotonic() + seconds
        for count in kind.run(server, Random(seed)):
            done += count
            if time.monotonic() > end:
                break
        print(f"{name}: {done} in {seconds:.0f} s, {server.memory >> 20} MB", flush=True)


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m fuzzing", description="Hostile clients against pulsards."
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long, the attacks by name apart")
    parser.add_argument("--seed", type=int, default=None, help="for the same calls and bytes again")
    parser.add_argument("--only", choices=("attacks", *KINDS), help="nothing else")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}", flush=True)
    try:
        if options.only in (None, "attacks"):
            for attack in ATTACKS:
                with ServerUnderTest() as server:
                    print(
                        f"{attack.name}: {play(attack, server)} calls, {server.memory >> 20} MB", flush=True
                    )
        chosen = [name for name in KINDS if options.only in (None, name)]
        for name in chosen:
            run_kind(name, seed, options.seconds / len(chosen))
    except Fault as fault:
        print(f"FAULT: {fault}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
