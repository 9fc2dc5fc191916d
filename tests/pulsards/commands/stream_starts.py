"""The streams that tests of stream commands begin with, and commands that show all that is known of one."""

from __future__ import annotations

#: Five entries.
FILL = ["XADD s 1-1 a 1", "XADD s 1-2 a 2", "XADD s 2-0 a 3", "XADD s 5-7 a 4", "XADD s 9-9 a 5"]
#: A group that three of them were delivered to, to the consumer c.
GROUP = [*FILL, "XGROUP CREATE s g 0", "XREADGROUP GROUP g c COUNT 3 STREAMS s >"]
#: Redis 7.0 creates consumers only where there is something for them.
CONSUMERS = [f"XGROUP CREATECONSUMER s g {name}" for name in ("d", "e", "f", "new")]
SHOW = ["XINFO STREAM s FULL COUNT 0", "XINFO GROUPS s", "XPENDING s g", "XPENDING s g - + 99"]


def lines(text: str) -> list[str]:
    """The cases of a text, one a line."""
    return [line.strip() for line in text.strip().splitlines()]
