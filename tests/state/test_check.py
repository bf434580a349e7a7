"""Changelog topics whose settings would lose rows are refused before the first event."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from streams.kafka.errors import TopicsMismatchError
from streams.kafka.topics import TopicsSettings, plan
from streams.state.check import COMPACTION_LAG_MIN_MS, check_topics, refuse
from streams.state.settings import State
from streams.worker.settings import WorkerSettings

SETTINGS = WorkerSettings(state=State(batch_max_bytes=262_144))
RIGHT = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(COMPACTION_LAG_MIN_MS),
    "max.message.bytes": "262144",
    "segment.bytes": "1",
}


def test_correct_topics_and_settings_that_a_broker_does_not_show_are_accepted() -> None:
    refuse("card-profiles", RIGHT, SETTINGS)
    refuse("card-profiles", {}, SETTINGS)
    refuse("card-profiles", dict.fromkeys(RIGHT), SETTINGS)


WRONG = [
    ("cleanup.policy", "delete"),
    ("cleanup.policy", "compact,delete"),
    ("cleanup.policy", ""),
    ("min.compaction.lag.ms", "0"),
    ("min.compaction.lag.ms", str(COMPACTION_LAG_MIN_MS - 1)),
    ("max.message.bytes", "262143"),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_each_wrong_setting_is_refused_with_its_name_and_the_way_out(key: str, value: str) -> None:
    with pytest.raises(TopicsMismatchError) as caught:
        refuse("card-profiles", {**RIGHT, key: value}, SETTINGS)
    for word in (
        "'card-profiles'",
        f"{key}={value}",
        f"kafka-configs --alter --topic card-profiles --add-config {key}",
    ):
        assert word in str(caught.value)


def test_the_command_creates_the_topics_that_the_worker_requires() -> None:
    topics = {one.name: one.configs for one in plan(TopicsSettings())}
    for name in ("card-profiles", "shared-profiles"):
        assert topics[name].keys() >= {"cleanup.policy", "min.compaction.lag.ms", "max.message.bytes"}
        refuse(name, topics[name], SETTINGS)


class FakeAdmin:
    """Answers for each topic with an error code and its settings."""

    def __init__(self, answers: dict[str, tuple[int, dict[str, str]]]) -> None:
        self.answers = answers
        self.is_closed = False

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        self.is_closed = True

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        found = []
        for resource in resources:
            code, configs = self.answers[resource.name]
            entries = [(key, value, False, 5, False, []) for key, value in configs.items()]
            found.append(SimpleNamespace(resources=[(code, "told why", 2, resource.name, entries)]))
        return found


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["card-profiles", "shared-profiles"])
async def test_both_topics_are_checked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    answers = {"card-profiles": (0, dict(RIGHT)), "shared-profiles": (0, dict(RIGHT))}
    admin = FakeAdmin(answers)
    monkeypatch.setattr("streams.kafka.admin.AIOKafkaAdminClient", lambda **_: admin)
    await check_topics(SETTINGS)
    answers[name][1]["cleanup.policy"] = "delete"
    with pytest.raises(TopicsMismatchError, match=f"'{name}' has cleanup.policy=delete"):
        await check_topics(SETTINGS)
    answers[name] = (29, {})
    with pytest.raises(KafkaError, match=f"settings of topic '{name}': told why"):
        await check_topics(SETTINGS)
    assert admin.is_closed
