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

from anystore.pulsards.effects import Call, find_effect
from anystore.resp.pack import pack_command
from anystore.resp.types import ErrorReply

if TYPE_CHECKING:
    from anystore.pulsards.context import Context
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry

#: What happened together: the index of a database and a command for each thing done.
Unit = Sequence[tuple[int, list[bytes]]]
#: Is handed every unit, after it was carried out and before its replies leave. Must not raise.
Sink = Callable[[Unit], None]

_MULTI: Final = pack_command((b"MULTI",))
_EXEC: Final = pack_command((b"EXEC",))
_AS_IT_CAME: Final = object()


def encode_unit(unit: Unit, selected: int) -> tuple[bytes, int]:
    """A unit as files and replicas get it, and the database selected behind it. O(bytes).

    `selected` is the index of the one selected before, -1 where none is yet. SELECT stands where it changes, MULTI and
    EXEC around more than one command.
    """
    pieces: list[bytes] = []
    for index, command in unit:
        if index != selected:
            selected = index
            pieces.append(pack_command((b"SELECT", b"%d" % index)))
        pieces.append(pack_command(command))
    if len(unit) > 1:
        pieces = [_MULTI, *pieces, _EXEC]
    return b"".join(pieces), selected


class Propagation:
    """The changes of one server, on their way to its sinks.

    Commands run through `run` while there are sinks, and only then: `Engine.attentive` says so.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Each sink, and whether it is told of messages, too.
        self._sinks: dict[Sink, bool] = {}
        #: Whether anybody is told.
        self.active = False
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

    def _update(self) -> None:
        self.active = bool(self._sinks)
        self._engine.keyspace.loss_watcher = self.note if self.active else None
        self._engine.update_attention()

    # While a command runs

    def run(self, context: Context, entry: CommandEntry, arguments: list[bytes]) -> Any:
        """`Engine.call`, and tell what came of it."""
        return self._watched(
            context, entry, arguments, lambda: self._engine.call(context, entry, arguments, True)
        )

    def serve(self, context: Context, arguments: list[bytes], attempt: Callable[[], Any]) -> Any:
        """Try a parked command, which came as `arguments`, again, and tell what came of it. The reply of `attempt()`."""
        entry = context.session.last_entry
        if entry is None or not arguments:
            return attempt()
        return self._watched(context, entry, arguments, attempt)

    def _watched(
        self, context: Context, entry: CommandEntry, arguments: list[bytes], carry_out: Callable[[], Any]
    ) -> Any:
        keyspace = self._engine.keyspace
        before, index = keyspace.dirty, context.db.index
        outer, self._instead = self._instead, None
        self._depth += 1
        told: Sequence[list[bytes]] = ()
        try:
            reply = carry_out()
            told = self._told(context, entry, arguments, reply, keyspace.dirty != before)
        finally:
            self._instead = outer
            self._gathered += [(index, command) for command in told]
            self._depth -= 1
            if not self._depth and self._gathered:
                self._emit()
        return reply

    def _told(
        self, context: Context, entry: CommandEntry, arguments: list[bytes], reply: Any, changed: bool
    ) -> Sequence[list[bytes]]:
        instead = self._instead
        if instead is not None and instead is not _AS_IT_CAME:
            return instead  # type: ignore[no-any-return]
        effect = find_effect(entry.name)
        if instead is None:
            always = effect is not None and effect.always
            if not always and not (changed and (entry.writes or effect is not None)):
                return ()
        # Another server has no other names for commands than everybody has.
        name = entry.name.partition(b"|")[0]
        if arguments[0].lower() != name:
            arguments = [name, *arguments[1:]]
        if effect is None or instead is not None or type(reply) is ErrorReply:
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

    def note(self, database: Database, command: list[bytes]) -> None:
        """Tell of something that happens by the way, before whatever the running command comes to."""
        if not self.active:
            return
        self._gathered.append((database.index, command))
        if not self._depth:
            self._emit()

    def _emit(self) -> None:
        unit, self._gathered = tuple(self._gathered), []
        silent: Unit | None = None
        for sink, messages in tuple(self._sinks.items()):
            if messages:
                sink(unit)
                continue
            if silent is None:
                silent = tuple(item for item in unit if item[1][0].lower() not in _MESSAGES)
            if silent:
                sink(silent)


_MESSAGES: Final = frozenset((b"publish", b"spublish"))
