"""What changes the data, told to whoever keeps a copy of them: a file, a replica.

Copies are kept equal by commands, and these are not always the ones that came: what a command leaves to chance or to
the clock is told as what it came to. How, is said for each command in `anystore.pulsards.effects`; any other command
that writes, and has changed something, is told as it came. What ran inside EXEC or a script is told as one unit, and so
is a command with the keys that it found expired. Expired keys and fields are told as DEL and HDEL, evicted ones as DEL.

Source: "Replication" and "Redis persistence" in Redis' documentation, and what its servers and Valkey's really send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import hiredis

from anystore.pulsards.effects import Call, effects
from anystore.resp.types import ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.context import Context
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

#: What happened together: the index of a database and a command for each thing done.
Unit = Sequence[tuple[int, list[bytes]]]
#: Is handed every unit, after it was carried out and before its replies leave. It must not raise, nor change the unit.
Sink = Callable[[Unit], None]

pack_command: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
_MULTI: Final = pack_command((b"MULTI",))
_EXEC: Final = pack_command((b"EXEC",))
#: Stands for the reply of a command that has refused.
_FAILED: Final = ErrorReply(b"")
_AS_IT_CAME: Final = object()
_find_effect: Final = effects().get


def encode_unit(unit: Unit, selected: int) -> tuple[bytes, int]:
    """A unit as files and replicas get it, and the database selected behind it. O(bytes).

    `selected` is the index of the one selected before, -1 where none is yet. SELECT stands where it changes, MULTI and
    EXEC around more than one command.
    """
    if len(unit) == 1:
        index, command = unit[0]
        data = pack_command(tuple(command))
        return data if index == selected else _select(index) + data, index
    pieces = [_MULTI]
    for index, command in unit:
        if index != selected:
            selected = index
            pieces.append(_select(index))
        pieces.append(pack_command(tuple(command)))
    pieces.append(_EXEC)
    return b"".join(pieces), selected


def _select(index: int) -> bytes:
    return pack_command((b"SELECT", b"%d" % index))


class Propagation:
    """The changes of one server, on their way to its sinks.

    Commands run through `run` while there are sinks, and only then: `Engine.attentive` says so.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Each sink, and whether it is told of messages, too.
        self._sinks: dict[Sink, bool] = {}
        self._told_all: tuple[Sink, ...] = ()
        self._told_changes: tuple[Sink, ...] = ()
        #: Whether anybody is told.
        self.active = False
        #: Whose command came to the unit that sinks are told of; None where something happened by itself.
        self.caller: Session | None = None
        # Whether commands may have other names here than everywhere.
        self._renamed = False
        # Commands that run right now, one inside the other: EXEC, a script, and what they run.
        self._depth = 0
        self._gathered: list[tuple[int, list[bytes]]] = []
        # What the innermost of them is to be told as; None where it has said nothing.
        self._instead: Any = None

    def add_sink(self, sink: Sink, *, messages: bool = True) -> None:
        """Tell `sink` of every unit from now on. Without `messages`, PUBLISH and SPUBLISH, which change no data, are
        left out, and units that hold nothing else with them: a file has no use for them, replicas have. O(1).
        """
        self._sinks[sink] = messages
        self._update()

    def remove_sink(self, sink: Sink) -> None:
        """Tell `sink` no more; nothing happens where it was not told. O(1)."""
        self._sinks.pop(sink, None)
        self._update()

    def silence(self) -> None:
        """Tell nobody any more, not even of what runs now: half of what a script does is not to be kept. O(1)."""
        self._sinks.clear()
        self._update()

    def _update(self) -> None:
        self._told_all = tuple(sink for sink, messages in self._sinks.items() if messages)
        self._told_changes = tuple(sink for sink, messages in self._sinks.items() if not messages)
        self.active = bool(self._sinks)
        self._renamed = bool(self._engine.config.renames)
        self._engine.keyspace.loss_watcher = self.note if self.active else None
        self._engine.update_attention()

    # While a command runs

    def run(self, context: Context, entry: CommandEntry, arguments: list[bytes]) -> Any:
        """`Engine.call`, and tell what came of it."""
        if not entry.is_told:
            return self._engine.call(context, entry, arguments, True)
        return self._watch(context, entry, arguments, None)

    def telling(
        self, entry: CommandEntry, function: Callable[[Context, list[bytes]], Any]
    ) -> Callable[[Context, list[bytes]], Any]:
        """The function of a plain command so that it tells what came of it: the same as `run`, in less time.

        Only for commands that nothing else runs: see `anystore.pulsards.plain_runs`.
        """
        keyspace = self._engine.keyspace
        effect = _find_effect(entry.name)
        # Calls of fewer arguments are told as they came, which is the rule, and so is asked about first.
        as_it_came = 0 if self._renamed else 1 << 30 if effect is None else effect.fewest

        def run(context: Context, arguments: list[bytes]) -> Any:
            before, index = keyspace.dirty, context.db.index
            reply: Any = _FAILED
            self._depth = 1
            try:
                reply = function(context, arguments)
                return reply
            finally:
                changed = keyspace.dirty != before
                if changed and len(arguments) < as_it_came and self._instead is None:
                    self._gathered.append((index, arguments))
                elif changed or self._instead is not None:
                    told = self._told(context, entry, arguments, reply, changed)
                    self._gathered += [(index, command) for command in told]
                    self._instead = None
                self._depth = 0
                if self._gathered:
                    self.caller = context.session
                    self._emit()

        return run

    def serve(self, context: Context, arguments: list[bytes], attempt: Callable[[], Any]) -> Any:
        """Try a parked command, which came as `arguments`, again, and tell what came of it. The reply of `attempt()`."""
        entry = context.session.last_entry
        if entry is None or not arguments:
            return attempt()
        return self._watch(context, entry, arguments, attempt)

    def _watch(
        self,
        context: Context,
        entry: CommandEntry,
        arguments: list[bytes],
        attempt: Callable[[], Any] | None,
    ) -> Any:
        """Run a command, or what is left to do of one that was parked, and tell what came of it."""
        keyspace = self._engine.keyspace
        before, index = keyspace.dirty, context.db.index
        outer, self._instead = self._instead, None
        self._depth += 1
        try:
            if attempt is None:
                reply = self._engine.call(context, entry, arguments, True)
            else:
                reply = attempt()
            if keyspace.dirty != before or self._instead is not None or not entry.writes:
                told = self._told(context, entry, arguments, reply, keyspace.dirty != before)
                self._gathered += [(index, command) for command in told]
        finally:
            self._instead = outer
            self._depth -= 1
            if not self._depth and self._gathered:
                self.caller = context.session
                self._emit()
        return reply

    def _told(
        self, context: Context, entry: CommandEntry, arguments: list[bytes], reply: Any, changed: bool
    ) -> Sequence[list[bytes]]:
        instead = self._instead
        if instead is not None and instead is not _AS_IT_CAME:
            return instead  # type: ignore[no-any-return]
        effect = _find_effect(entry.name)
        if instead is None:
            if effect is None:
                if not changed or not entry.writes:
                    return ()
            elif not changed and not effect.always:
                return ()
        if self._renamed:
            # Another server has no other names for commands than everybody has.
            name = entry.name.partition(b"|")[0]
            if arguments[0].lower() != name:
                arguments = [name, *arguments[1:]]
        if (
            effect is None
            or instead is not None
            or len(arguments) < effect.fewest
            or type(reply) is ErrorReply
        ):
            return (arguments,) if changed or instead is not None else ()
        return effect.function(Call(context, entry.name, arguments, reply))

    def replace(self, commands: Sequence[list[bytes]]) -> None:
        """See `Context.propagate`."""
        if self._depth:
            self._instead = commands

    def keep(self) -> None:
        """See `Context.propagate_as_is`."""
        if self._depth:
            self._instead = _AS_IT_CAME

    def hold(self) -> None:
        """Tell of nothing until `release`: what happens until then is one unit."""
        self._depth += 1

    def release(self, session: Session) -> None:
        """End what `hold` has begun, for a client's command."""
        self._depth -= 1
        if not self._depth and self._gathered:
            self.caller = session
            self._emit()

    def note(self, database: Database, command: list[bytes]) -> None:
        """Tell of something that happens by the way, before whatever the running command comes to."""
        if not self.active:
            return
        self._gathered.append((database.index, command))
        if not self._depth:
            self.caller = None
            self._emit()

    def _emit(self) -> None:
        unit, self._gathered = self._gathered, []
        for sink in self._told_all:
            sink(unit)
        if self._told_changes:
            changes = [item for item in unit if item[1][0].lower() not in _MESSAGES]
            if changes:
                for sink in self._told_changes:
                    sink(changes)


_MESSAGES: Final = frozenset((b"publish", b"spublish"))
