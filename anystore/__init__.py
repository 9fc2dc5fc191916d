"""A data-store client for trio and asyncio, and pulsards, a Redis-compatible server in Python."""

__version__ = "0.1.0"
