"""What the server counts about itself; INFO shows it, CONFIG RESETSTAT sets it to zero."""

from __future__ import annotations


class Statistics:
    """Counters since the start or the last reset."""

    def __init__(self, now: int) -> None:
        """`now` is the start of the server, in milliseconds since 1970."""
        self.started_at = now
        self.reset()

    def reset(self) -> None:
        """Set every counter to zero."""
        self.connections_received = 0
        self.connections_rejected = 0
        self.commands_processed = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.output_limit_disconnections = 0
        self.query_limit_disconnections = 0
        self.error_replies = 0
        self.errors: dict[bytes, int] = {}

    def count_error(self, message: bytes) -> None:
        """Count an error reply under its code."""
        self.error_replies += 1
        code = message.split(b" ", 1)[0]
        # Scripts can make up codes; Redis stops telling them apart at this number, too.
        if code in self.errors or len(self.errors) < 128:
            self.errors[code] = self.errors.get(code, 0) + 1
