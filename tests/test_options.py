from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.dsn import ConnectionString, parse_store_url
from anystore.exceptions import ImproperlyConfigured
from anystore.options import (
    ClientOptions,
    EmbeddedOptions,
    Kind,
    Options,
    TLSOptions,
    choice,
    flag,
    handed_in,
    option,
    option_names,
    optional,
    read_options,
    seconds,
    size,
    text,
    whole,
)


@dataclass(frozen=True, kw_only=True)
class AllOptions(TLSOptions, EmbeddedOptions):
    pass


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = {
    "namespace": words,
    "decode_responses": st.booleans(),
    "encoding": st.sampled_from(["utf-8", "latin-1"]),
    "encoding_errors": st.sampled_from(["strict", "replace"]),
    "pool_size": st.integers(1, 65535),
    "command_timeout": st.none() | st.floats(1e-9, 1e9),
    "reconnect_delay": st.floats(0, 1e9),
    "pubsub_buffer_size": st.integers(1, 2**40),
    "pubsub_overflow": st.sampled_from(["drop_oldest", "block", "raise"]),
    "client_name": st.none()
    | st.from_regex(r"[!-~]{1,9}", fullmatch=True).filter(lambda n: n.lower() != "none"),
    "protocol": st.sampled_from([2, 3]),
    "ssl_keyfile_password": words.filter(lambda word: word.lower() != "none"),
    "ssl_check_hostname": st.booleans(),
    "listen": st.none() | st.just("unix:/run/x y"),
}


class TestTable:
    def test_defaults_are_values_of_their_kind(self) -> None:
        for row in fields(AllOptions):
            kind: Kind = row.metadata["kind"]
            assert kind.read(row.default) == row.default, row.name
            assert row.metadata["about"].endswith(".")
            assert kind.rule

    def test_other_names_are_nobody_elses(self) -> None:
        names = [name for row in fields(AllOptions) for name in (row.name, *row.metadata["names"])]
        assert len(set(names)) == len(names)

    @given(st.fixed_dictionaries({}, optional=values))
    def test_options_survive_a_connection_string(self, given: dict[str, Any]) -> None:
        options, texts = read_options(AllOptions, {}, given)
        url = str(ConnectionString(scheme="redis", params=texts))
        again, same_texts = read_options(AllOptions, parse_store_url(url).params, {})
        assert again == options
        assert same_texts == texts


class TestReading:
    def test_nothing_given_is_the_defaults(self) -> None:
        assert read_options(ClientOptions, {}, {}) == (ClientOptions(), {})

    def test_keyword_arguments_override_the_connection_string(self) -> None:
        options, texts = read_options(ClientOptions, {"pool_size": "3", "protocol": "2"}, {"pool_size": 4})
        assert (options.pool_size, options.protocol) == (4, 2)
        assert texts == {"pool_size": "4", "protocol": "2"}

    def test_keyword_arguments_may_be_text(self) -> None:
        options, _ = read_options(ClientOptions, {}, {"pool_size": "4", "decode_responses": "Yes"})
        assert options.pool_size == 4
        assert options.decode_responses is True

    def test_none_is_a_value_for_limits_and_not_given_for_the_others(self) -> None:
        options, texts = read_options(
            ClientOptions, {"namespace": "a:"}, {"namespace": None, "command_timeout": None}
        )
        assert options.namespace == "a:"
        assert options.command_timeout is None
        assert texts == {"namespace": "a:", "command_timeout": "none"}

    def test_redis_py_names_are_understood(self) -> None:
        options, texts = read_options(ClientOptions, {"socket_timeout": "3"}, {"max_connections": 7})
        assert (options.command_timeout, options.pool_size) == (3.0, 7)
        assert texts == {"command_timeout": "3", "pool_size": "7"}

    def test_what_only_a_call_can_hand_in_is_in_no_connection_string(self) -> None:
        def connect() -> None: ...

        options, texts = read_options(ClientOptions, {}, {"connect_stream": connect})
        assert options.connect_stream is connect
        assert texts == {}

    def test_a_store_of_ones_own_adds_options(self) -> None:
        @dataclass(frozen=True, kw_only=True)
        class Own(Options):
            journal: str = option(choice("wal", "delete"), "wal", "How the journal is kept.")

        assert read_options(Own, {"journal": "DELETE"}, {})[0].journal == "delete"
        assert "journal" in option_names(Own)


class TestRefusals:
    def test_an_unknown_option_is_named_and_the_valid_ones_listed(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="option pool_sise: ") as caught:
            read_options(ClientOptions, {"pool_sise": "3"}, {})
        for name in ("database", "password", "pool_size", "command_timeout"):
            assert name in str(caught.value)
        assert "ssl_certfile" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "value", "rule"),
        [
            ("pool_size", "many", "'many'.*whole number from 1 to 65535"),
            ("pool_size", "0", "whole number"),
            ("pool_size", "3.5", "whole number"),
            ("pool_size", "٣", "whole number"),
            ("pool_size", "9" * 5000, "9…"),
            ("pool_size", True, "True.*whole number"),
            ("pool_size", 3.0, "whole number"),
            ("decode_responses", "maybe", "true or false"),
            ("decode_responses", 1, "true or false"),
            ("encoding", "no-such", "text encoding"),
            ("encoding", "hex", "text encoding"),
            ("encoding_errors", "no-such", "error handler"),
            ("command_timeout", "0", "above zero"),
            ("command_timeout", "nan", "number of seconds"),
            ("command_timeout", "-1", "number of seconds"),
            ("command_timeout", "1e3", "number of seconds"),
            ("command_timeout", float("nan"), "number of seconds"),
            ("command_timeout", float("inf"), "number of seconds"),
            ("command_timeout", 1e-12, "above zero"),
            ("command_timeout", [], "type list"),
            ("client_name", "a b", "ASCII"),
            ("client_name", "é", "ASCII"),
            ("namespace", 3, "text"),
            ("namespace", b"x", "type bytes"),
            ("pubsub_buffer_size", "1tb", "number of bytes"),
            ("pubsub_buffer_size", 0, "number of bytes"),
            ("pubsub_overflow", "explode", "one of drop_oldest, block, raise"),
            ("pubsub_overflow", 1, "one of"),
            ("connect_stream", "x", "keyword argument"),
            ("protocol", "4", "from 2 to 3"),
        ],
    )
    def test_a_malformed_option_is_named_with_what_would_be_right(
        self, name: str, value: Any, rule: str
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"option {name}: .*{rule}") as caught:
            read_options(ClientOptions, {}, {name: value})
        assert len(str(caught.value)) < 300

    def test_the_same_option_by_two_names(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="option socket_timeout: is given twice"):
            read_options(ClientOptions, {"command_timeout": "1", "socket_timeout": "2"}, {})

    def test_a_secret_shows_in_no_message_and_no_repr(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="option ssl_password: ") as caught:
            read_options(TLSOptions, {}, {"ssl_password": 1234567})
        assert "1234567" not in str(caught.value)
        options, _ = read_options(TLSOptions, {"ssl_password": "hunter2"}, {})
        assert options.ssl_keyfile_password == "hunter2"
        assert "hunter2" not in repr(options)

    @given(st.sampled_from(option_names(AllOptions)), st.text() | st.floats() | st.integers() | st.binary())
    def test_nothing_given_raises_anything_else(self, name: str, value: Any) -> None:
        try:
            options, _ = read_options(AllOptions, {}, {name: value})
        except ImproperlyConfigured:
            return
        assert isinstance(options, AllOptions)


class TestKinds:
    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("512", 512),
            ("1b", 1),
            ("2k", 2000),
            ("2KB", 2048),
            ("3m", 3000000),
            ("8mb", 8 * 2**20),
            ("1gb", 2**30),
        ],
    )
    def test_size(self, written: str, value: int) -> None:
        assert size().read(written) == value

    @pytest.mark.parametrize(("written", "value"), [("0", 0.0), ("1.5", 1.5), (".25", 0.25), ("3", 3.0)])
    def test_seconds(self, written: str, value: float) -> None:
        assert seconds(zero=True).read(written) == value

    def test_whole_without_a_maximum(self) -> None:
        assert whole(-1).read("-1") == -1
        assert "at least" in whole(3).rule

    def test_optional_keeps_what_cannot_be_written_unwritten(self) -> None:
        assert optional(handed_in("a thing")).write is None
        assert optional(flag()).write is not None
        assert text().read("") == ""
