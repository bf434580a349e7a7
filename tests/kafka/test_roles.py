"""Plans, rights, redriving and metrics follow the one table of topics."""

from typing import Any

import pytest

from streams.dlq.letters import redrivable
from streams.kafka.rights.table import COMMANDS, DESCRIBE, READ, WRITE, command_rights, worker_rights
from streams.kafka.settings import INPUT_ROLES, READ_ROLES, ROLES, Topics, label_of
from streams.kafka.topics import TopicPartitions, TopicsSettings, plan
from streams.state.log.marker import Marker
from streams.telemetry.catalogue import INPUTS
from streams.telemetry.durable import OUTPUTS
from streams.worker.agents import inputs_of
from tests.state.test_marker import FIELDS

TOPICS = Topics(threeds_results="threeds-results", settlements="settlements")
INPUTS_OF_A_WORKER = ["authorizations", "authorization-outcomes", "fraud-reports", "threeds-results"]
OUTPUTS_OF_A_WORKER = ["decisions", "alerts", "dead-letters"]


def test_the_roles_are_these() -> None:
    assert list(TOPICS.inputs) == INPUTS_OF_A_WORKER
    assert list(TOPICS.outputs) == OUTPUTS_OF_A_WORKER
    assert [label_of(role) for role in READ_ROLES] == [*INPUTS_OF_A_WORKER, "merchants"]
    assert [role for role in ROLES if ROLES[role].kind == "profiles"] == ["card_profiles", "shared_profiles"]


def test_every_topic_has_the_plan_of_its_role() -> None:
    counts = TopicPartitions(events=7, merchants=2, alerts=3, dead_letters=4)
    found = {
        one.name: (one.partitions, one.configs["cleanup.policy"])
        for one in plan(TopicsSettings(partitions=counts, names=TOPICS))
    }
    assert found == {
        "authorizations": (7, "delete"),
        "authorization-outcomes": (7, "delete"),
        "fraud-reports": (7, "delete"),
        "threeds-results": (7, "delete"),
        "settlements": (7, "delete"),
        "merchants": (2, "compact"),
        "decisions": (7, "delete"),
        "alerts": (3, "delete"),
        "dead-letters": (4, "delete"),
        "card-profiles": (7, "compact"),
        "shared-profiles": (7, "compact"),
    }


def test_a_worker_reads_its_inputs_and_writes_its_outputs_and_no_others() -> None:
    rights = worker_rights(TOPICS, "g", is_durable=False, is_fenced=False)
    topics = [(right.operation, right.name) for right in rights if right.name != "g"]
    assert topics == [
        *((READ, name) for name in [*INPUTS_OF_A_WORKER, "merchants"]),
        *((WRITE, name) for name in OUTPUTS_OF_A_WORKER),
    ]


def test_every_input_is_redriven_judged_and_counted() -> None:
    assert list(redrivable(TOPICS)) == INPUTS_OF_A_WORKER
    for command, operation in (("dlq redrive", READ), ("dlq redrive --yes", WRITE)):
        rights = command_rights(TOPICS, command)
        assert {right.name for right in rights if right.operation == operation} >= set(INPUTS_OF_A_WORKER)
    listed = {right.name for right in command_rights(TOPICS, "dlq list") if right.operation == DESCRIBE}
    assert listed == {*INPUTS_OF_A_WORKER, "merchants"}
    assert (list(INPUTS), list(OUTPUTS)) == ([*INPUTS_OF_A_WORKER, "merchants"], OUTPUTS_OF_A_WORKER)


def test_a_deployment_without_a_feed_of_results_has_no_topic_for_them_and_needs_no_right_on_one() -> None:
    bare, prefixed = Topics(), TopicsSettings(prefix="p-").full
    for topics in (bare, prefixed):
        assert topics.threeds_results is None
        assert topics.settlements is None
        assert None not in (*topics.inputs, *topics.of(ROLES))
        assert len(topics.inputs) == 3
    host: Any = Anyone(bare)
    assert [given.name for given in inputs_of(host)] == INPUTS_OF_A_WORKER[:3]
    assert [one.name for one in plan(TopicsSettings())] == list(bare.of(ROLES))
    for rights in (
        worker_rights(bare, "g", is_durable=True, is_fenced=True),
        *(command_rights(bare, command) for command in COMMANDS),
    ):
        assert {right.name for right in rights} <= {"g", "g-", *bare.of(ROLES)}
    marker = Marker(**{**FIELDS, "inputs": dict.fromkeys(INPUT_ROLES, 7)})
    assert marker.applied(bare) == dict.fromkeys(INPUTS_OF_A_WORKER[:3], 7)
    assert Marker(**FIELDS).applied(TOPICS)["threeds-results"] == 0, "it was written without the feed"


def test_settlements_are_read_by_the_report_only() -> None:
    assert "settlements" not in {*TOPICS.inputs, *TOPICS.of(READ_ROLES)}
    assert "settlements" not in {one.name for one in worker_rights(TOPICS, "g", is_durable=True, is_fenced=True)}
    needed = {command for command in COMMANDS if "settlements" in {of.name for of in command_rights(TOPICS, command)}}
    assert needed == {"topics create", "compliance report"}


def test_a_name_of_the_feed_of_results_is_prefixed_and_checked_as_others() -> None:
    assert TopicsSettings(prefix="p-", names=TOPICS).full.threeds_results == "p-threeds-results"
    with pytest.raises(ValueError, match="same topic"):
        TopicsSettings(names=Topics(threeds_results="fraud-reports"))


class Anyone:
    """Has every attribute: a host of agents that are not run."""

    def __init__(self, topics: Topics = TOPICS) -> None:
        self.topics = topics

    def __getattr__(self, name: str) -> Any:
        return self


def test_each_input_has_its_agent_under_its_name() -> None:
    host: Any = Anyone()
    assert {given.name: given.topic for given in inputs_of(host)} == {
        label_of(role): getattr(TOPICS, role) for role in INPUT_ROLES
    }


def test_an_input_without_an_agent_is_found_when_the_worker_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.worker.agents.INPUT_ROLES", (*INPUT_ROLES, "threeds_results"))


def test_an_input_that_nobody_takes_in_is_found_when_the_worker_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.worker.agents.INPUT_ROLES", (*INPUT_ROLES, "settlements"))
    host: Any = Anyone()
    with pytest.raises(AssertionError, match="each input has its agent"):
        inputs_of(host)
