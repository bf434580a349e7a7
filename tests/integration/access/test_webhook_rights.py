"""The rights of `sekisho webhook`: together they are enough, each one is needed, and a missing one is named."""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from streams.cli import main
from streams.kafka.admin import create_topics
from streams.kafka.errors import MissingTopicError
from streams.kafka.rights.acls import grants
from streams.kafka.rights.table import Right, webhook_rights
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicsSettings, plan
from streams.webhook.alerts import WaitingAlert
from streams.webhook.facts import Facts
from streams.webhook.post import Result
from streams.webhook.serve import Source, serve
from tests.brokers.acls import put_in_force
from tests.brokers.load import committed, producer
from tests.brokers.secured import USER, Secured
from tests.webhook.made import body, settings

pytestmark = pytest.mark.kafka

WHOSE = f"User:{USER}"
TOPICS = TopicsSettings(prefix="webhook-rights-")
GROUP = "webhook-rights"
RIGHTS = webhook_rights(TOPICS.full, GROUP)
END_S = 40.0
SECRET = "SEKISHO_TEST_WEBHOOK_SECRET"  # noqa: S105 - a name
CONFIG = """\
kafka:
  bootstrap_servers: ["{address}"]
  request_timeout_s: 15
  sasl: {{username: {user}, password: {{env: SEKISHO_TEST_KAFKA_PASSWORD}}}}
topics: {{prefix: "webhook-rights-"}}
webhook: {{url: "http://127.0.0.1:1/alerts", secrets: [{{env: {secret}}}], group: {group}, http: {{enabled: false}}}}
"""


class Receiver:
    """Accepts an alert, and says that it has one."""

    def __init__(self, done: asyncio.Event) -> None:
        self._done = done

    async def post(self, _: WaitingAlert) -> Result:
        self._done.set()
        return "ACCEPTED"


@pytest.fixture(scope="module", autouse=True)
def topics(secured: Secured) -> None:
    """Create all topics, with an alert."""

    async def fill() -> None:
        await create_topics(secured.as_super, plan(TOPICS))
        async with producer(secured.as_super) as client:
            await client.send_and_wait(TOPICS.full.alerts, body(1), key=b"k", partition=0)

    asyncio.run(fill())


def grant(secured: Secured, rights: Sequence[Right]) -> None:
    put_in_force(secured.as_super, WHOSE, grants(rights, WHOSE, "broker:9092"))


def without(right: Right) -> list[Right]:
    return [other for other in RIGHTS if other != right]


async def deliver(broker: Broker) -> None:
    """Deliver alerts until one has arrived."""
    source = Source(broker=broker, topic=TOPICS.full.alerts, isolation="read_committed", batch_max_bytes=1 << 20)
    done = asyncio.Event()
    async with asyncio.timeout(END_S):
        await serve(source, settings(group=GROUP), Receiver(done), Facts(), done, tell_s=1.0)


def test_both_rights_are_enough_to_deliver_and_to_commit(secured: Secured) -> None:
    grant(secured, RIGHTS)
    asyncio.run(deliver(secured.as_user))
    assert asyncio.run(committed(secured.as_super, GROUP, TOPICS.full.alerts, [0])) == {0: 1}


@pytest.mark.parametrize("left_out", RIGHTS, ids=lambda right: f"{right.operation}-{right.kind}")
def test_each_right_that_is_missing_is_named_with_the_line_that_grants_it(
    secured: Secured,
    left_out: Right,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(SECRET, "whsec_" + base64.b64encode(bytes(range(32))).decode())
    address, config = secured.as_user.bootstrap[0], tmp_path / "config.yaml"
    config.write_text(CONFIG.format(address=address, user=USER, secret=SECRET, group=GROUP))
    grant(secured, without(left_out))
    assert main(("webhook", "--config", str(config))) == 3
    (line,) = grants([left_out], WHOSE, address)
    told = f"{WHOSE} lacks {left_out.operation} on {left_out.kind} {left_out.name!r}. Grant with: {line}"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: f"{right.operation}-{right.kind}")
def test_each_right_is_needed(secured: Secured, right: Right) -> None:
    grant(secured, without(right))
    with pytest.raises((KafkaError, MissingTopicError)):
        asyncio.run(deliver(secured.as_user))
