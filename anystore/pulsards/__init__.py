"""pulsards: a Redis-compatible server in Python, to be spawned in a task group, kept in process, or run from a shell."""

from __future__ import annotations

from anystore.pulsards.clock import Clock, ManualClock, SystemClock
from anystore.pulsards.persistence.loading import CannotLoad
from anystore.pulsards.persistence.storage import DirectoryInUse
from anystore.pulsards.server import PulsarDS
from anystore.pulsards.threads import run_in_thread

__all__ = ("CannotLoad", "Clock", "DirectoryInUse", "ManualClock", "PulsarDS", "SystemClock", "run_in_thread")
