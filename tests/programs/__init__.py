"""Programs written for Redis, unmodified, doing their real work on pulsards.

They need packages of their own, so they run in a session of their own, `nox -s programs`, and are left out of a plain
pytest run: see `tests/conftest.py`.
"""
