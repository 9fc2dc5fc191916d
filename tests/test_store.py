from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import anyio
import pytest

from anystore import create_store, data_stores, parse_store_url, register_store, start_store
from anystore.dsn import ConnectionString
from anystore.exceptions import ConnectionFailed, ImproperlyConfigured, NoSuchStore, StoreError
from anystore.options import ClientOptions, Options, TLSOptions, choice, option
from anystore.registry import StoreRegistry
from anystore.store import RemoteStore, Store


@dataclass(frozen=True, kw_only=True)
class FakeOptions(Options):
    mood: str = option(choice("good", "bad"), "good", "What it is in.")


class FakeStore(Store[bytes]):
    """Notes what is called; `refusal` is raised by connect."""

    options_type = FakeOptions
    default_database = "main"
    refusal: Exception | None = None

    def __init__(self, url: ConnectionString, options: Options) -> None:
        super().__init__(url, options)
        self.calls: list[str] = []

    def check_database(self, database: str) -> None:
        if database == "forbidden":
            raise ImproperlyConfigured("database: forbidden")

    async def connect(self) -> None:
        self.calls.append("connect")
        if self.refusal is not None:
            raise self.refusal

    async def close(self) -> None:
        self.calls.append("close")
        await super().close()

    async def ping(self) -> bool:
        self.check_open()
        return True

    async def execute(self, *args: Any, **options: Any) -> Any:
        self.check_open()
        return list(args)


class FakeRemote(FakeStore):
    @classmethod
    def options_class(cls, scheme: str) -> type[Options]:
        return TLSOptions if scheme == "fakes" else ClientOptions


class NotAStore:
    pass


@pytest.fixture(autouse=True)
def fake_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_stores, "_registered", dict(data_stores._registered))
    register_store("fake", f"{__name__}:FakeStore")
    register_store("faker", f"{__name__}:FakeRemote")
    register_store("fakes", f"{__name__}:FakeRemote")


def fake(url: str = "fake://user:pw@h:1/db", **options: Any) -> FakeStore:
    store = create_store(url, **options)
    assert isinstance(store, FakeStore)
    return store


async def crash_inside(*, ending: Exception | None) -> None:
    """A task of the store crashes while the block waits, which then ends with another error."""

    async def crash() -> None:
        raise OSError("crashed")

    async with fake() as store:
        store.task_group.start_soon(crash)
        try:
            await anyio.sleep_forever()
        finally:
            if ending is not None:
                raise ending


class TestCreateStore:
    def test_the_store_says_what_the_connection_string_says(self) -> None:
        store = fake("fake://user:password@127.0.0.1:6500/11?namespace=test_")
        assert store.name == "fake"
        assert store.database == "11"
        assert (store.user, store.password, store.host) == ("user", "password", "127.0.0.1")
        assert store.dns == store.dsn == "fake://user:password@127.0.0.1:6500/11?namespace=test_"
        assert store.namespace == "test_"
        assert store.encoding == "utf-8"
        assert store.urlparams == {"namespace": "test_"}
        assert store.url == parse_store_url(store.dsn)
        assert store.calls == []

    def test_keyword_arguments_override_it(self) -> None:
        store = fake(database=3, user="u", password="p@", namespace="test_", decode_responses=True)
        assert store.dns == "fake://u:p%40@h:1/3?decode_responses=true&namespace=test_"
        assert store.options == FakeOptions(namespace="test_", decode_responses=True)

    def test_none_leaves_it(self) -> None:
        assert fake(database=None, user=None, password=None, namespace=None).dns == "fake://user:pw@h:1/db"

    def test_a_store_is_returned_as_it_is(self) -> None:
        store = fake()
        assert create_store(store) is store
        assert start_store(store) is store
        assert store.start_server is False

    def test_parts_instead_of_a_text(self) -> None:
        assert create_store(ConnectionString(scheme="fake", database="x")).dns == "fake:///x"

    def test_the_dsn_makes_the_same_store(self) -> None:
        store = fake(mood="bad", namespace="ä b")
        again = create_store(store.dsn)
        assert again.dsn == store.dsn
        assert again.options == store.options

    def test_the_default_database_is_a_str_that_the_dsn_does_not_show(self) -> None:
        store = fake("fake://h")
        assert store.database == "main"
        assert store.dns == "fake://h"

    def test_database_can_be_assigned(self) -> None:
        store = fake()
        store.database = "2"
        assert store.dns == "fake://user:pw@h:1/2"
        with pytest.raises(ImproperlyConfigured, match="database: forbidden"):
            store.database = "forbidden"
        assert store.database == "2"

    def test_start_store_asks_for_the_server(self) -> None:
        assert start_store("fake://").start_server is True
        assert create_store("fake://").start_server is False

    def test_no_password_in_repr_or_str(self) -> None:
        for text in (repr(fake()), str(fake())):
            assert "pw" not in text
            assert "user:***@h" in text

    def test_which_options_there_are_depends_on_the_scheme(self) -> None:
        assert isinstance(create_store("fakes://h?ssl_check_hostname=no").options, TLSOptions)
        with pytest.raises(ImproperlyConfigured, match="option ssl_check_hostname: there is no such option"):
            create_store("faker://h?ssl_check_hostname=no")

    @pytest.mark.parametrize(
        ("url", "options", "match"),
        [
            ("fake://h?moood=bad", {}, "option moood: there is no such option here; there are .*mood"),
            ("fake://h?mood=so-so", {}, "option mood: 'so-so' cannot be used; it must be one of good, bad"),
            ("fake://h", {"colour": 1}, "option colour"),
            ("fake://h", {"database": 1.5}, "option database: must be a str or an int, not float"),
            ("fake://h", {"database": True}, "option database"),
            ("fake://h", {"database": 1, "db": 1}, "option db: is given twice"),
            ("fake://h", {"user": "u", "username": "u"}, "option username: is given twice"),
            ("fake://h", {"password": 12345}, "password: must be a str, not int"),
            ("fake://h", {"password": 0}, "password: must be a str, not int"),
            ("fake://h", {"user": False}, "user: must be a str, not bool"),
            ("fake://h/forbidden", {}, "database: forbidden"),
            ("no scheme", {}, "connection string"),
            (None, {}, "url: must be a str, not NoneType"),
        ],
    )
    def test_refusals_name_the_part(self, url: Any, options: dict[str, Any], match: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=match):
            create_store(url, **options)

    @pytest.mark.parametrize("scheme", ["redis+sentinel", "redis+cluster"])
    def test_known_schemes_without_a_store_yet(self, scheme: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="yet"):
            create_store(f"{scheme}://h1,h2/")


class TestRegistry:
    def test_an_unknown_scheme_lists_the_known_ones(self) -> None:
        with pytest.raises(NoSuchStore, match=r"scheme nosuch: .*memory, pulsar, redis") as caught:
            create_store("nosuch://user:hunter2@h")
        assert "hunter2" not in str(caught.value)

    def test_it_is_a_mapping(self) -> None:
        assert data_stores["fake"] == f"{__name__}:FakeStore"
        assert {"redis", "rediss", "redis+unix", "valkey", "valkeys", "pulsar", "memory"} <= set(data_stores)
        assert len(data_stores) == len(list(data_stores))
        assert "memory" in repr(data_stores)

    def test_the_class_is_imported_on_first_use(self) -> None:
        register_store("late", "anystore.no_such_module:Late")
        with pytest.raises(
            ImproperlyConfigured, match=r"scheme late: anystore\.no_such_module:Late cannot"
        ) as caught:
            create_store("late://")
        assert isinstance(caught.value.__cause__, ImportError)

    @pytest.mark.parametrize(
        ("dotted", "match"), [("NoSuch", "cannot be imported"), ("NotAStore", "not a Store")]
    )
    def test_what_cannot_be_a_store(self, dotted: str, match: str) -> None:
        register_store("odd", f"{__name__}:{dotted}")
        with pytest.raises(ImproperlyConfigured, match=match):
            create_store("odd://")

    @pytest.mark.parametrize(
        ("name", "dotted"),
        [
            ("Fake", "a:B"),
            ("1x", "a:B"),
            ("", "a:B"),
            (3, "a:B"),
            ("x", "a.B"),
            ("x", "a:"),
            ("x", 3),
            ("x", "a-b:C"),
        ],
    )
    def test_what_cannot_be_registered(self, name: Any, dotted: Any) -> None:
        with pytest.raises(ImproperlyConfigured):
            register_store(name, dotted)

    def test_a_name_can_be_registered_again(self) -> None:
        register_store("redis", f"{__name__}:FakeStore")
        assert isinstance(create_store("redis://h"), FakeStore)

    def test_entry_points_fill_it_behind_what_was_registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def entry_points(group: str) -> list[EntryPoint]:
            assert group == "anystore.stores"
            return [
                EntryPoint("offered", f"{__name__}:FakeStore", group),
                EntryPoint("mine", "other:X", group),
            ]

        monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
        registry = StoreRegistry({"mine": "a:B"})
        assert set(registry) == {"mine", "offered"}
        assert registry["mine"] == "a:B"
        assert registry.load("offered") is FakeStore


@pytest.mark.anyio
class TestLifetime:
    async def test_entering_connects_and_leaving_closes(self) -> None:
        store = fake()
        assert not store.is_open
        async with store as entered:
            assert entered is store
            assert store.is_open
            assert await store.ping() is True
            assert await store.execute("A", 1) == ["A", 1]
            assert store.calls == ["connect"]
        assert not store.is_open
        assert store.calls == ["connect", "close"]

    async def test_it_can_be_entered_again(self) -> None:
        store = fake()
        for _ in range(2):
            async with store:
                assert await store.ping() is True

    async def test_use_outside_the_block_raises_one_clear_error(self) -> None:
        store = fake()
        with pytest.raises(StoreError, match=r"fake://user:\*\*\*@h:1/db: the store is not open"):
            await store.ping()
        async with store:
            pass
        with pytest.raises(StoreError, match="not open"):
            await store.ping()
        with pytest.raises(StoreError, match="not open"):
            _ = store.task_group

    async def test_close_inside_the_block_refuses_further_use(self) -> None:
        async with fake() as store:
            await store.close()
            assert not store.is_open
            with pytest.raises(StoreError, match="not open"):
                await store.ping()

    async def test_the_database_is_fixed_while_open(self) -> None:
        async with fake() as store:
            with pytest.raises(StoreError, match="database"):
                store.database = "2"
        store.database = "2"
        assert store.database == "2"

    async def test_entering_twice_at_once(self) -> None:
        store = fake()

        async def enter() -> None:
            async with store:
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            group.start_soon(enter)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises((StoreError, RuntimeError), match="already"):
                await store.__aenter__()
            group.cancel_scope.cancel()

    async def test_an_error_inside_comes_out_as_it_is(self) -> None:
        store = fake()
        error = ValueError("mine")
        with pytest.raises(ValueError, match="mine") as caught:
            async with store:
                raise error
        assert caught.value is error
        assert error.__context__ is None
        assert store.calls == ["connect", "close"]

    async def test_a_group_of_errors_inside_comes_out_as_it_is(self) -> None:
        error = ExceptionGroup("mine", [ValueError("one")])
        with pytest.raises(ExceptionGroup) as caught:
            async with fake():
                raise error
        assert caught.value is error

    async def test_a_failing_connect_comes_out_as_it_is_and_closes(self) -> None:
        store = fake()
        store.refusal = ConnectionFailed("nobody there")
        with pytest.raises(ConnectionFailed, match="nobody there"):
            async with store:
                pytest.fail("entered")
        assert store.calls == ["connect", "close"]
        assert not store.is_open

    async def test_a_failing_task_of_the_store_ends_the_block(self) -> None:
        with pytest.raises(OSError, match="crashed"):
            await crash_inside(ending=None)

    async def test_two_errors_come_out_as_a_group(self) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await crash_inside(ending=ValueError("mine"))
        assert {type(error) for error in caught.value.exceptions} == {OSError, ValueError}

    async def test_a_cancellation_from_outside_is_not_swallowed(self) -> None:
        after_the_block = False
        with anyio.CancelScope() as scope:
            async with fake():
                scope.cancel()
                await anyio.sleep_forever()
            after_the_block = True
        assert not after_the_block

    async def test_leaving_ends_the_tasks_of_the_store(self) -> None:
        ended = anyio.Event()

        async def stay() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

        async with fake() as store:
            store.task_group.start_soon(stay)
            await anyio.wait_all_tasks_blocked()
        assert ended.is_set()

    async def test_a_cancelled_block_closes_in_peace(self) -> None:
        class Slow(FakeStore):
            async def close(self) -> None:
                await anyio.lowlevel.checkpoint()
                await super().close()

        store = Slow(parse_store_url("fake://h"), FakeOptions())
        with anyio.CancelScope() as scope:
            async with store:
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert store.calls == ["connect", "close"]

    async def test_a_close_that_hangs_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Hanging(FakeStore):
            async def close(self) -> None:
                await anyio.sleep_forever()

        monkeypatch.setattr("anystore.store.CLOSE_SECONDS", 0.01)
        with caplog.at_level(logging.WARNING, logger="anystore.store"):
            async with Hanging(parse_store_url("fake://u:hunter2@h"), FakeOptions()) as store:
                pass
        assert not store.is_open
        assert "given up" in caplog.text
        assert "hunter2" not in caplog.text


def test_e20_a_store_used_in_another_loop_raises_one_clear_error(
    anyio_backend: tuple[str, dict[str, Any]],
) -> None:
    store = fake()
    name, options = anyio_backend

    async def use() -> None:
        with pytest.raises(StoreError, match="opened in another event loop"):
            await store.ping()

    async def enter() -> None:
        async with store:
            await anyio.to_thread.run_sync(lambda: anyio.run(use, backend=name, backend_options=options))
            assert await store.ping()

    anyio.run(enter, backend=name, backend_options=options)
    # Left properly, it may be entered in the next loop.
    anyio.run(enter, backend=name, backend_options=options)


@pytest.mark.anyio
class TestHooks:
    async def test_the_defaults_are_as_documented(self) -> None:
        store = fake()
        assert await store.database_create("x") is None
        assert await store.database_all() == []
        assert await store.table_all() == []
        assert await store.table_index_create("t", "i") is None
        assert await store.table_index_drop("t", "i") is None
        assert await store.table_index_all("t") == []
        assert store.encode_bytes(b"x") == b"x"
        assert store.encode_bool(1) is True
        assert store.encode_json({"a": 1}) == {"a": 1}
        with pytest.raises(StoreError, match=r"FakeStore has no flush\(\)"):
            await store.flush()

    async def test_what_only_remote_stores_have(self) -> None:
        store = fake()
        for call in (store.client, store.pipeline, store.pubsub, store.channels):
            with pytest.raises(StoreError, match="FakeStore has no"):
                call()
        with pytest.raises(StoreError, match=r"lock\(\)"):
            store.lock("x")
        with pytest.raises(StoreError, match=r"transaction\(\)"):
            await store.transaction(lambda pipe: None)


class TestRemoteStore:
    def test_it_asks_for_what_a_server_offers(self) -> None:
        missing = RemoteStore.__abstractmethods__
        assert {"client", "pipeline", "transaction", "pubsub", "channels", "lock"} < missing
        assert {"ping", "connect", "execute"} < missing

    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("x://", ("localhost", 99)),
            ("x://h", ("h", 99)),
            ("x://h:1", ("h", 1)),
            ("x+unix:///s", ("/s", None)),
        ],
    )
    def test_address(self, url: str, address: Any) -> None:
        class Remote(RemoteStore[bytes]):
            default_address = ("localhost", 99)

        Remote.__abstractmethods__ = frozenset()
        assert Remote(parse_store_url(url), ClientOptions()).address == address
