"""How a task that works in slices lets everybody else have their turns in between."""

from __future__ import annotations

from typing import Final

import anyio.lowlevel

#: Turns of the event loop between two slices. In the first it is seen that a client has sent something, in the second
#: whoever serves it is woken up, behind what was to run anyway, and in the third it has been served for certain.
_TURNS: Final = 3


async def give_way() -> None:
    """Let what has come be seen and dealt with; to be awaited between slices of work that is always there.

    With one turn, as a checkpoint gives, whoever has sent something during a slice waits for the next two as well.
    A few dozen microseconds where there is nothing else to do. A checkpoint.
    """
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()
