"""What the server as a whole will not run now: while it loads, is paused, is out of memory, cannot save …"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore.pulsards.persistence.loading import LOADING
from anystore.pulsards.persistence.saving import MISCONF

if TYPE_CHECKING:
    from anystore.pulsards.context import ScriptContext
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session


def may_refuse(engine: Engine) -> bool:
    """Whether commands need to be checked against the state of the server as a whole, or kept for later."""
    return (
        engine.pause.until is not None
        or bool(engine.migrations.moving)
        or engine.eviction.limit > 0
        or engine.logs.sizes
        or engine.loading is not None
        or engine.saver.refuses_writes
        or engine.replication.guards
        or engine.append_only.log.problem is not None
        or engine.busy.overdue
    )


def refusal(engine: Engine, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bytes | None:
    """Why the server as a whole will not run this command now, as an error reply; None where it will."""
    if engine.loading is not None and not entry.while_loading:
        return LOADING
    if engine.busy.overdue and (busy := engine.busy.refusal(entry, arguments)) is not None:
        return busy
    refusal = None
    if engine.eviction.limit and not engine.replication.spares_memory:
        refusal = engine.eviction.refusal(session, entry, arguments)
    if refusal is None and engine.saver.refuses_writes and engine.replication.following is None:
        refusal = engine.saver.refusal(session, entry)
    if refusal is None:
        refusal = engine.append_only.refusal(session, entry)
    if refusal is None and engine.replication.guards:
        refusal = engine.replication.refusal(session, entry, arguments)
    return refusal


def refusal_in_script(engine: Engine, context: ScriptContext, entry: CommandEntry) -> bytes | None:
    """`refusal` of a command that a script calls."""
    if engine.saver.refuses_writes and entry.writes and engine.replication.following is None:
        return MISCONF
    if (refusal := engine.append_only.refusal_in_script(entry)) is not None:
        return refusal
    if not engine.replication.spares_memory:
        refusal = engine.eviction.refusal_in_script(context, entry)
    if refusal is None and engine.replication.guards:
        refusal = engine.replication.refusal_in_script(context, entry)
    return refusal
