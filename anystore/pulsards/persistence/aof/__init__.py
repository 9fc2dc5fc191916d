"""The append-only log: every change since an image of the data, in the layout of Redis 7."""

from anystore.pulsards.persistence.aof.append_only import AppendOnly
from anystore.pulsards.persistence.aof.folder import LogError, LogFolder

__all__ = ("AppendOnly", "LogError", "LogFolder")
