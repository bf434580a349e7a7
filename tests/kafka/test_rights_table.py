"""The table of rights, its page and its `kafka-acls` lines are equal."""

from pathlib import Path

import pytest

from streams.kafka.rights import page
from streams.kafka.rights.acls import grants, named, principal
from streams.kafka.rights.table import COMMANDS, Kind, Operation, Right, command_rights, webhook_rights, worker_rights
from streams.kafka.settings import EMBEDDED, ROLES, Broker, Sasl, Secret, Tls, Topics
from streams.state.settings import State
from streams.worker.settings import WorkerSettings
from tests.brokers.acls import KINDS, OPERATIONS, PATTERNS, Acl, parse

ROOT = Path(__file__).parents[2]
ALL = {
    "worker": WorkerSettings().rights,
    "worker with lists": WorkerSettings(topics=Topics(lists="lists")).rights,
    "webhook": webhook_rights(Topics(), "w"),
    **{name: command_rights(Topics(), name) for name in COMMANDS},
}
CODES = {Kind.TOPIC: "topic", Kind.GROUP: "group", Kind.TRANSACTIONAL_ID: "transactional_id"}


def test_the_page_is_made_from_the_table() -> None:
    assert (ROOT / "deploy" / "docs" / "rights.md").read_text(encoding="utf-8") == page.markdown()


def test_every_command_has_its_section() -> None:
    assert tuple(page.SECTIONS) == COMMANDS


def acl(right: Right) -> Acl:
    pattern = PATTERNS["prefixed" if right.is_prefix else "literal"]
    return Acl(KINDS[CODES[right.kind]], right.name, pattern, "User:x", OPERATIONS[right.operation])


@pytest.mark.parametrize("rights", ALL.values(), ids=list(ALL))
def test_the_lines_grant_exactly_the_rights(rights: tuple[Right, ...]) -> None:
    granted = [one for line in grants(rights, "User:x", "b:1") for one in parse(line)]
    assert len(granted) == len(set(granted)), "no right may be granted twice"
    assert set(granted) == {acl(right) for right in rights}


@pytest.mark.parametrize("rights", ALL.values(), ids=list(ALL))
def test_no_right_is_listed_twice(rights: tuple[Right, ...]) -> None:
    assert len({right[:3] for right in rights}) == len(rights)


def test_names_are_quoted_for_the_shell() -> None:
    right = Right(Operation.READ, Kind.GROUP, "the group; rm -rf $HOME", "")
    (line,) = grants([right], "User:CN=worker, O=Example", "b:1")
    assert parse(line) == [Acl(3, right.name, 3, "User:CN=worker, O=Example", 3)]


def test_a_worker_without_profiles_or_without_a_fence_needs_less() -> None:
    whole = set(WorkerSettings().rights)
    unfenced = set(WorkerSettings(broker=Broker(profile=EMBEDDED)).rights)
    stateless = set(WorkerSettings(state=State(enabled=False)).rights)
    assert {right.kind for right in whole - unfenced} == {Kind.TRANSACTIONAL_ID}
    assert len(whole) == 18
    assert len(stateless) == 8
    assert stateless < whole


def test_every_topic_is_in_the_table_of_a_worker() -> None:
    named_topics = {right.name for right in ALL["worker"] if right.kind is Kind.TOPIC}
    assert named_topics == set(Topics().of(ROLES))
    whole = Topics(threeds_results="threeds-results")
    rights = worker_rights(whole, "g", is_durable=True, is_fenced=True)
    assert {right.name for right in rights if right.kind is Kind.TOPIC} == set(whole.of(ROLES))


def test_rights_are_named_resource_by_resource() -> None:
    rights = [
        Right(Operation.READ, Kind.TOPIC, "a", ""),
        Right(Operation.WRITE, Kind.TOPIC, "a", ""),
        Right(Operation.WRITE, Kind.TRANSACTIONAL_ID, "g-", "", numbered_by="a"),
    ]
    assert named(rights) == "Read, Write on Topic 'a'; Write on TransactionalIds that begin with 'g-'"


@pytest.mark.parametrize(
    ("broker", "expected"),
    [
        (Broker(sasl=Sasl(username="fraud", password=Secret(env="X"))), "User:fraud"),
        (Broker(), "User:ANONYMOUS"),
        (Broker(tls=Tls()), "User:ANONYMOUS"),
        (
            Broker(tls=Tls(certificate_file="c.pem", key_file="k.pem")),
            "User:<subject of kafka.tls.certificate_file>",
        ),
    ],
)
def test_the_principal_is_the_one_that_brokers_see(broker: Broker, expected: str) -> None:
    assert principal(broker) == expected
