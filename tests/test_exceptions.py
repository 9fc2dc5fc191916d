from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore import exceptions
from anystore.exceptions import (
    ERROR_CLASSES,
    AuthenticationError,
    CommandTimeout,
    ConnectionFailed,
    ImproperlyConfigured,
    LockError,
    LockNotOwnedError,
    NoSuchStore,
    OutcomeUnknown,
    ResponseError,
    StoreError,
    WrongType,
    response_error,
)


def test_all_names_every_class_and_every_class_has_the_one_root() -> None:
    classes = {name: value for name, value in vars(exceptions).items() if isinstance(value, type)}
    own = {name: cls for name, cls in classes.items() if cls.__module__ == exceptions.__name__}
    assert all(issubclass(cls, StoreError) for cls in own.values())
    assert set(exceptions.__all__) == {*own, "ERROR_CLASSES", "response_error"}


def test_the_tree_is_catchable_by_the_builtin_names() -> None:
    assert issubclass(ImproperlyConfigured, ValueError)
    assert issubclass(NoSuchStore, ImproperlyConfigured)
    assert issubclass(ConnectionFailed, ConnectionError)
    assert issubclass(OutcomeUnknown, ConnectionFailed)
    assert issubclass(CommandTimeout, TimeoutError)
    assert issubclass(LockNotOwnedError, LockError)


@pytest.mark.parametrize(
    ("text", "cls", "code", "message"),
    [
        (b"WRONGTYPE Operation against", WrongType, "WRONGTYPE", "Operation against"),
        (b"NOAUTH Authentication required.", AuthenticationError, "NOAUTH", "Authentication required."),
        ("WRONGPASS invalid", AuthenticationError, "WRONGPASS", "invalid"),
        (b"ERR unknown command 'x'", ResponseError, "ERR", "unknown command 'x'"),
        (b"MYMODULE went wrong", ResponseError, "MYMODULE", "went wrong"),
        (b"NOSCRIPT", exceptions.NoScript, "NOSCRIPT", ""),
        (b"", ResponseError, "", ""),
    ],
)
def test_the_code_chooses_the_class(text: bytes | str, cls: type, code: str, message: str) -> None:
    error = response_error(text)
    assert type(error) is cls
    assert (error.code, error.message) == (code, message)
    assert str(error) == (text if isinstance(text, str) else text.decode())


def test_every_code_of_the_table_gives_its_class() -> None:
    assert ERROR_CLASSES
    for code, cls in ERROR_CLASSES.items():
        assert code in cls.codes
        assert type(response_error(f"{code} why")) is cls


def test_a_code_is_given_once() -> None:
    with pytest.raises(TypeError, match="WRONGTYPE already stands for WrongType"):

        class Second(ResponseError, codes=("WRONGTYPE",)):
            pass

    assert ERROR_CLASSES["WRONGTYPE"] is WrongType


def test_a_class_derived_without_codes_stands_for_none() -> None:
    class Finer(WrongType):
        pass

    assert Finer.codes == ()
    assert ERROR_CLASSES["WRONGTYPE"] is WrongType


@given(st.binary() | st.text())
def test_no_text_makes_it_raise(text: bytes | str) -> None:
    error = response_error(text)
    assert isinstance(error, ResponseError)
    str(error).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "error", [response_error(b"WRONGTYPE bad"), OutcomeUnknown("lost"), NoSuchStore("x")]
)
def test_errors_survive_pickle_and_copy(error: StoreError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
