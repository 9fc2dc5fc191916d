"""A store of your own: SQLite, in a worker thread, behind `sqlite://` connection strings.

    python examples/sqlite_store.py [sqlite:////path/to/file.db]

What a store has to cover are `connect`, `ping` and `execute`; what it opens, it closes in `close`. Everything else here
is optional: options of its own, errors as those of other stores, and the hooks for databases, tables and indices.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import anyio
from anyio import to_thread

from anystore import ConnectionFailed, ImproperlyConfigured, Store, StoreError, create_store, register_store
from anystore.dsn import ConnectionString
from anystore.options import Options, choice, option, seconds

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SQLiteOptions(Options):
    """What `sqlite://` connection strings take beside what all stores do."""

    busy_timeout: float = option(
        seconds(zero=True), 5.0, "How long to wait for another process's lock, in seconds."
    )
    journal_mode: str = option(
        choice("wal", "delete", "memory"), "delete", "How the database keeps its journal."
    )


class SQLiteStore(Store[Any]):
    """A database in a file, or in memory when the connection string names none.

    SQLite blocks, so each statement runs in a worker thread, one at a time. A statement that is running when its task
    is cancelled runs to its end first: until then the connection could not be used for anything else anyway.
    """

    options_type = SQLiteOptions
    options: SQLiteOptions
    default_database: ClassVar[str] = ":memory:"

    def __init__(self, url: ConnectionString, options: Options) -> None:
        if url.hosts:
            raise ImproperlyConfigured(
                "host: sqlite:// has none; an absolute path is sqlite:////like/this.db"
            )
        super().__init__(url, options)
        self._connection: sqlite3.Connection | None = None

    # What every store has.

    async def connect(self) -> None:
        self._one_at_a_time = anyio.CapacityLimiter(1)
        try:
            self._connection = await self._in_thread(self._open)
        except sqlite3.Error as error:
            raise ConnectionFailed(f"{self}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.database,
            timeout=self.options.busy_timeout,
            isolation_level=None,  # each statement is its own transaction, unless BEGIN says otherwise
            check_same_thread=False,  # one thread at a time is what the limiter sees to
        )
        try:
            connection.execute(f"PRAGMA journal_mode = {self.options.journal_mode}")
        except BaseException:
            connection.close()
            raise
        return connection

    async def close(self) -> None:
        await super().close()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._in_thread(connection.close)

    async def ping(self) -> bool:
        """True when the file can be read."""
        return bool(await self.execute("SELECT count(*) FROM sqlite_master"))

    async def execute(self, *args: Any, **options: Any) -> list[tuple[Any, ...]]:
        """Run one SQL statement, `execute("SELECT … WHERE a = ?", value)`; the rows, empty if it has none.

        Raises `StoreError` for what SQLite refuses.
        """
        self.check_open()
        statement, *values = args
        try:
            return await self._in_thread(self._run, statement, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self}: {error}") from error

    def _run(self, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        assert self._connection is not None
        return self._connection.execute(statement, values).fetchall()

    async def _in_thread(self, func: Callable[..., T], *args: Any) -> T:
        return await to_thread.run_sync(func, *args, limiter=self._one_at_a_time)

    # What it can do beyond that.

    async def database_all(self) -> list[str]:
        return [file or ":memory:" for _, _, file in await self.execute("PRAGMA database_list")]

    async def table_all(self) -> list[str]:
        rows = await self.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
        return [name for (name,) in rows]

    async def table_index_create(self, table: str, index: str, **options: Any) -> None:
        """Create an index on the columns given as `columns=["…"]`."""
        columns = ", ".join(map(_quoted, options["columns"]))
        await self.execute(f"CREATE INDEX {_quoted(index)} ON {_quoted(table)} ({columns})")

    async def table_index_drop(self, table: str, index: str, **options: Any) -> None:
        await self.execute(f"DROP INDEX {_quoted(index)}")

    async def table_index_all(self, table: str) -> list[str]:
        rows = await self.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? ORDER BY name", table
        )
        return [name for (name,) in rows]

    async def flush(self) -> None:
        for table in await self.table_all():
            await self.execute(f"DROP TABLE {_quoted(table)}")

    def encode_bool(self, data: Any) -> int:
        return int(bool(data))

    def encode_json(self, data: Any) -> str:
        return json.dumps(data)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# In a package of your own this would rather be an entry point: [project.entry-points."anystore.stores"] in its
# pyproject.toml, with the line   sqlite = "your_package.sqlite_store:SQLiteStore"
register_store("sqlite", f"{__name__}:SQLiteStore")


async def main(url: str = "sqlite://") -> None:
    async with create_store(url) as store:
        print(f"{store.name}, {await store.ping()}")
        await store.execute("CREATE TABLE novels (title TEXT, year INTEGER, read INTEGER)")
        await store.table_index_create("novels", "by_year", columns=["year"])
        async with anyio.create_task_group() as tasks:
            for title, year in [("Emma", 1815), ("Persuasion", 1817), ("Mansfield Park", 1814)]:
                tasks.start_soon(
                    store.execute, "INSERT INTO novels VALUES (?, ?, ?)", title, year, store.encode_bool(True)
                )
        for title, year in await store.execute(
            "SELECT title, year FROM novels WHERE year < ? ORDER BY year", 1817
        ):
            print(f"{year}  {title}")
        print(f"tables: {await store.table_all()}, indices: {await store.table_index_all('novels')}")
        try:
            await store.execute("SELECT * FROM poems")
        except StoreError as error:
            print(error)
        await store.flush()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "sqlite://")
