"""What is told as it came although it changes no key, or is no command that writes."""

from __future__ import annotations

from anystore.pulsards.effects.table import Call, Commands, effect


@effect("publish", "spublish", always=True)
def message(call: Call) -> Commands:
    """Replicas have subscribers, too."""
    return (call.arguments,)


@effect("pfcount")
def counting(call: Call) -> Commands:
    """The count of a single HyperLogLog is kept in its value, which so has changed."""
    return (call.arguments,)
