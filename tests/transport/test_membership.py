"""The name of a static member: from the settings, or from the environment."""

import msgspec
import pytest

from streams.transport.membership import InstanceIdError, instance_id
from streams.transport.settings import Consume, FromEnv

NAMED = Consume(instance_id=FromEnv(env="WORKER_NAME"))


def test_a_worker_is_a_dynamic_member_by_default() -> None:
    assert instance_id(Consume()) is None


def test_a_name_is_used_as_it_is_written() -> None:
    assert instance_id(Consume(instance_id="sekisho-0")) == "sekisho-0"


def test_a_name_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_NAME", "sekisho-1")
    assert instance_id(NAMED) == "sekisho-1"


def test_a_missing_variable_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKER_NAME", raising=False)
    with pytest.raises(InstanceIdError, match="WORKER_NAME"):
        instance_id(NAMED)


@pytest.mark.parametrize("value", ["", "two words", "a/b", "n" * 250])
def test_a_name_that_kafka_would_refuse_is_refused_before_joining(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WORKER_NAME", value)
    with pytest.raises(InstanceIdError, match="WORKER_NAME"):
        instance_id(NAMED)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"instance_id": value}, Consume)
