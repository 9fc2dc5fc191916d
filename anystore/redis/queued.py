"""What a pipeline has queued: the commands as bytes and what makes results of their replies, in a few flat lists.

There is no object for each command that the garbage collector would have to look at: a collection while a pipeline of many
thousands is put together, or carried out, has nothing to walk. A handle is the only one, and goes when its user
lets go of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, Generic, TypeVar

import hiredis

from anystore.exceptions import ExecAbort, StoreError
from anystore.redis.entries import Packed

__all__ = ("COMMANDS_A_TURN", "Converter", "Queue", "Queued")

T = TypeVar("T")
Converter = Callable[[Any], Any]
"""Makes a result of a reply."""

COMMANDS_A_TURN: Final = 1_000
"""Commands to queue in one piece, or replies to convert, before other tasks get their turn: a millisecond at most."""
JOINED_BYTES: Final = 256 << 10
"""How much is put together before other tasks get their turn: new memory takes longer than the copying, 3 ms for 4 MiB."""


class Queued(Generic[T]):
    """A queued command; after the commit, awaiting it gives its result, or raises its error."""

    __slots__ = ("_index", "_queue")

    def __init__(self, queue: Queue, index: int) -> None:
        self._queue = queue
        self._index = index

    def __repr__(self) -> str:
        return f"<Queued {self.name}>"

    @property
    def name(self) -> str:
        """The command's name. O(1) within the last thousand, otherwise O(bytes) of a thousand commands."""
        return self._queue.name(self._index)

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self._index // COMMANDS_A_TURN < len(self._queue.outcomes)

    def result(self) -> T:
        """The result; raises the command's error, `StoreError` as long as the pipeline has not been committed."""
        if not self.done:
            raise StoreError(f"{self.name} is queued; its result is there after `await pipeline.commit()`")
        piece, position = divmod(self._index, COMMANDS_A_TURN)
        outcome = self._queue.outcomes[piece][position]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def __await__(self) -> Generator[Any, Any, T]:
        return self.result()
        yield  # which makes this the generator that an awaitable needs


class Queue:
    """The commands of one commit, in order."""

    __slots__ = ("_before", "_convert", "_converters", "_pieces", "_recent", "hooks", "outcomes", "undecoded")

    def __init__(self) -> None:
        self.hooks: dict[int, Converter] = {}
        """What some replies go through before, by the command's index."""
        self.undecoded: set[int] = set()
        """The indexes of the commands whose replies stay bytes."""
        self.outcomes: list[list[Any]] = []
        """Results and errors, of `COMMANDS_A_TURN` commands each, as far as they were settled."""
        # Whole pieces, of so many commands each, and before the last commands; these are apart, one each. A piece is
        # joined, so that there is little to walk, unless it is so large that it would take long.
        self._pieces: list[bytes | list[bytes]] = []
        self._before = 0
        self._recent: list[bytes] = []
        # What makes a result of each reply: in pieces, too, so that they go one by one. The last list is the last piece's.
        self._convert: list[Converter | None] = []
        self._converters = [self._convert]

    def __len__(self) -> int:
        return self._before + len(self._recent)

    def add(self, packed: bytes, convert: Converter | None) -> Queued[Any]:
        """Add a command. O(1), amortised over what is joined, O(bytes)."""
        recent = self._recent
        if len(recent) == COMMANDS_A_TURN:
            self._pieces.append(b"".join(recent) if sum(map(len, recent)) <= JOINED_BYTES else recent.copy())
            self._before += len(recent)
            recent.clear()
            self._convert = []
            self._converters.append(self._convert)
        self._convert.append(convert)
        index = self._before + len(recent)
        recent.append(packed)
        return Queued(self, index)

    def name(self, index: int) -> str:
        """The name of a command."""
        piece, position = divmod(index, COMMANDS_A_TURN)
        commands = self._pieces[piece] if piece < len(self._pieces) else self._recent
        if isinstance(commands, bytes):
            command = commands_of(commands)[position]
        else:
            (command,) = commands_of(commands[position])
        return command[0].decode("latin-1")

    def commands(self) -> list[list[bytes]]:
        """The arguments of the last commands, a thousand at most. O(bytes)."""
        return commands_of(b"".join(self._recent))

    async def joined(self, before: bytes, after: bytes, turn: Callable[[], Awaitable[Any]]) -> Packed:
        """All commands between two others, as they go over the wire; with turns for other tasks if they are many."""
        recent = self._recent
        if not self._pieces and sum(map(len, recent)) <= JOINED_BYTES:
            return b"".join([before, *recent, after])
        joined = bytearray(before)
        room = JOINED_BYTES
        for piece in (*self._pieces, recent):
            for part in (piece,) if isinstance(piece, bytes) else piece:
                for start in range(0, len(part), JOINED_BYTES):
                    if room <= 0:
                        await turn()
                        room = JOINED_BYTES
                    size = len(joined)
                    joined += part if len(part) <= JOINED_BYTES else part[start : start + JOINED_BYTES]
                    room -= len(joined) - size
        joined += after
        return joined

    async def settle(
        self, replies: list[Any], turn: Callable[[], Awaitable[Any]], decode: Converter | None = None
    ) -> tuple[int, Exception] | None:
        """Make results of the replies, in their places; with turns for other tasks if they are many.

        Args:
            replies: One to each command.
            turn: Lets other tasks run.
            decode: Decodes a reply, errors among them; None where that has been done.

        Returns:
            Where the first error is, and the error; of a transaction that was dropped, the first one that tells why, if
            there is one.
        """
        first: tuple[int, Exception] | None = None
        for start in range(0, len(replies), COMMANDS_A_TURN):
            if start:
                await turn()
            converters = self._converters[start // COMMANDS_A_TURN]
            part = replies[start : start + COMMANDS_A_TURN]
            results, failed = self._settled(start, part, converters, decode)
            replies[start : start + COMMANDS_A_TURN] = results
            self.outcomes.append(results)
            converters.clear()
            for index in failed:
                error = results[index - start]
                # What was not accepted tells more than that the rest was dropped with it.
                if first is None or (isinstance(first[1], ExecAbort) and not isinstance(error, ExecAbort)):
                    first = index, error
        return first

    def _settled(
        self,
        start: int,
        replies: list[Any],
        converters: list[Converter | None],
        decode: Converter | None,
    ) -> tuple[list[Any], list[int]]:
        """The results of some replies, and the indexes of those that are errors."""
        if decode is not None:
            replies = [
                reply if index in self.undecoded else decode(reply)
                for index, reply in enumerate(replies, start)
            ]
        hooks = self.hooks
        results: list[Any] = []
        failed: list[int] = []
        for convert, reply in zip(converters, replies, strict=True):
            if isinstance(reply, Exception):
                failed.append(start + len(results))
            else:
                try:
                    if hooks and (hook := hooks.get(start + len(results))) is not None:
                        reply = hook(reply)
                    if convert is not None:
                        reply = convert(reply)
                except Exception as error:
                    failed.append(start + len(results))
                    reply = error
            results.append(reply)
        return results, failed


def commands_of(packed: bytes) -> list[list[bytes]]:
    """The commands in what was packed, each as its name and arguments. O(bytes)."""
    reader = hiredis.Reader()
    reader.feed(packed)
    return list(iter(reader.gets, False))
