"""The rights of each command: together they are enough, each one is needed, and a missing one is named."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from deploy import feed
from scoring.contract.dead_letter import Reject
from scoring.decode import encode_dead_letter
from streams.cli import main
from streams.kafka.admin import create_topics
from streams.kafka.rights.acls import grants
from streams.kafka.rights.table import COMMANDS, Right, command_rights
from streams.kafka.settings import Broker, Topics
from streams.kafka.topics import TopicsSettings, plan
from streams.replay.run import Pace
from tests.brokers.acls import put_in_force
from tests.brokers.load import producer
from tests.brokers.secured import USER, Secured
from tests.bundles import bundle_files
from tests.events import encoded, event, outcome_of, token
from tests.integration.conftest import KEEP
from tests.replay.tables import write_table

pytestmark = pytest.mark.kafka

WHOSE = f"User:{USER}"
AT_MS = 1_777_604_400_000
TOPICS = TopicsSettings(prefix="commands-", retention_ms=KEEP, names=Topics(lists="lists"))
NAMES = TOPICS.full
USES = {
    "topics create": ("topics create",),
    "dlq list": ("dlq list",),
    "dlq redrive": ("dlq redrive",),
    "dlq redrive --yes": ("dlq redrive", "dlq redrive --yes"),
    "replay": ("replay",),
    "replay --labels": ("replay", "replay --labels"),
    "replay --merchant-table": ("replay", "replay --merchant-table"),
    "replay --events": ("replay", "replay --events"),
    "compliance report": ("compliance report",),
    "explain": ("explain",),
    "train --from-topics": ("train --from-topics",),
    "replay --recorded": ("replay --recorded",),
    "feed": ("feed",),
}
SHOPS = """
merchants:
  merchant: terminal
  valid_from: {column: since, unit: date-time, zone: UTC}
  fields: {country: {column: land}}
"""
EACH = [
    pytest.param(command, right, id=f"{command}: {right.operation} {right.name}".replace(" ", "-"))
    for command in COMMANDS
    for right in command_rights(NAMES, command)
]
REPORT = {
    "label_id": "l-1",
    "event_id": "e-1",
    "acquirer_id": "acq-1",
    "merchant_id": "m-1",
    "pan_hmac": token("card-1"),
    "label": "FRAUD",
    "source": "TC40",
    "received_ts": "2026-05-01T03:00:00Z",
}
CONFIG = """\
kafka:
  bootstrap_servers: ["{address}"]
  request_timeout_s: 15
  sasl: {{username: {user}, password: {{env: SEKISHO_TEST_KAFKA_PASSWORD}}}}
topics: {{prefix: "commands-", names: {{lists: lists}}}}
model: {{bundle_dir: "{bundle}"}}
"""

Outcome = tuple[int, str, str]
Run = Callable[[str], Outcome]


class Files(NamedTuple):
    """The input files of the commands: a configuration, a table, recorded events."""

    config: Path
    table: Path
    events: Path


@pytest.fixture(scope="module")
def files(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("commands")
    for name, content in bundle_files().items():
        (folder / name).write_bytes(content)
    made = Files(folder / "config.yaml", folder / "table.parquet", folder / "events.jsonl")
    made.config.write_text(CONFIG.format(address=secured.as_user.bootstrap[0], user=USER, bundle=folder))
    write_table(made.table, 4_500)  # several chunks: a report is sent before the chunk of its time
    made.events.write_bytes(b"".join(recorded()))
    plain = resources.files("streams.replay.columns").joinpath("handbook-compact.yaml").read_text()
    (folder / "shops.yaml").write_text(plain + SHOPS)
    (folder / "shops.csv").write_text("terminal,since,land\n1,2018-04-01,JP\n")
    asyncio.run(create_topics(secured.as_super, plan(TOPICS)))
    asyncio.run(write_letters(secured.as_super))
    return made


def recorded() -> Iterator[bytes]:
    """Write one line of each input as `sekisho simulate` does."""
    merchant = {"schema_version": "merchant.v1", "acquirer_id": "acq-1", "merchant_id": "m-1"}
    for topic, value in (("merchants", merchant), ("fraud-reports", {"label": "FRAUD"}), ("authorizations", event())):
        yield orjson.dumps({"topic": topic, "key": "k", "at_ms": AT_MS, "value": value}) + b"\n"


async def write_letters(broker: Broker) -> None:
    """Put a good record on each input, and a dead letter about it on `dead-letters`."""
    key = token("card-1").encode()
    async with producer(broker) as client:
        asked = encoded(event_id="e-1")
        others = {NAMES.authorization_outcomes: outcome_of(asked), NAMES.fraud_reports: orjson.dumps(REPORT)}
        for topic, value in {NAMES.authorizations: asked, **others, NAMES.merchants: asked}.items():
            await client.send_and_wait(topic, value, key=key, partition=0, timestamp_ms=AT_MS)
            letter = encode_dead_letter(Reject(reason="OVERSIZE", path="$"), topic, 0, 0, len(value), AT_MS, AT_MS)
            await client.send_and_wait(NAMES.dead_letters, letter[1], key=letter[0], partition=0)


@pytest.fixture
def run(files: Files, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; return its status and what it wrote."""
    monkeypatch.setattr(sys, "argv", ["feed.py", "--config", str(files.config)])
    monkeypatch.setattr("streams.replay.command._pace", lambda _: Pace(patience_s=0.2, settle_s=0.0))
    config = ("--config", str(files.config))
    replay = ("replay", *config)
    report = files.events.parent / "report"
    words = {
        "topics create": ("topics", "create", *config),
        "dlq list": ("dlq", "list", *config, "--each"),
        "dlq redrive": ("dlq", "redrive", *config, "--again"),
        "dlq redrive --yes": ("dlq", "redrive", *config, "--again", "--yes"),
        "replay": (*replay, "--table", str(files.table)),
        "replay --labels": (*replay, "--table", str(files.table), "--labels"),
        "replay --merchant-table": (
            *(*replay, "--table", str(files.table), "--mapping", str(files.table.with_name("shops.yaml"))),
            *("--merchant-table", str(files.table.with_name("shops.csv"))),
        ),
        "replay --events": (*replay, "--events", str(files.events)),
        "compliance report": (
            *("compliance", "report", *config, "--acquirer", "acq-1", "--as-of", "2026-05-02"),
            *("--out", str(report)),
        ),
        "explain": ("explain", "e-1", *config),
        "train --from-topics": ("train", "--from-topics", str(files.config), "--out", str(report / "bundle")),
        "replay --recorded": ("replay", "--recorded", *config),
    }

    def run(command: str) -> Outcome:
        shutil.rmtree(report, ignore_errors=True)  # a report is never overwritten
        with files.events.open() as lines, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", lines)
            status = feed.main() if command == "feed" else main(words[command])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def grant(secured: Secured, rights: Iterable[Right]) -> None:
    put_in_force(secured.as_super, WHOSE, grants(rights, WHOSE, "broker:9092"))


STATUS = dict.fromkeys((command for command in COMMANDS if command.startswith("replay")), 1)
"""The exit status, if it is not 0: of a replay without a worker, and of training on a single payment."""
STATUS |= {"replay --recorded": 0, "train --from-topics": 1}


class WithAll:
    """The results of the commands with all their rights, each run once."""

    def __init__(self, secured: Secured) -> None:
        self._secured = secured
        self._outcomes: dict[str, Outcome] = {}

    def run(self, run: Run, command: str) -> Outcome:
        if command not in self._outcomes:
            grant(self._secured, command_rights(NAMES, *USES[command]))
            self._outcomes[command] = run(command)
        return self._outcomes[command]


@pytest.fixture(scope="module")
def with_all(secured: Secured) -> WithAll:
    return WithAll(secured)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_rights_of_a_command_are_enough(with_all: WithAll, run: Run, command: str) -> None:
    status, out, err = with_all.run(run, command)
    assert status == STATUS.get(command, 0), out + err


async def believed(*_: object) -> None:
    """Check no rights."""


@pytest.mark.parametrize(("command", "left_out"), EACH)
def test_each_right_of_a_command_that_is_missing_is_named_and_is_needed(
    secured: Secured, with_all: WithAll, run: Run, monkeypatch: pytest.MonkeyPatch, command: str, left_out: Right
) -> None:
    whole = with_all.run(run, command)
    grant(secured, [right for right in command_rights(NAMES, *USES[command]) if right[:3] != left_out[:3]])
    status, out, err = run(command)
    (line,) = grants([left_out], WHOSE, secured.as_user.bootstrap[0])
    told = f"{WHOSE} lacks {left_out.operation} on Topic {left_out.name!r}. Grant with: {line}\n"
    assert (status, out, err.split(": ", 1)[1]) == (3, "", told)
    monkeypatch.setattr("streams.kafka.explain.require", believed)
    assert run(command) != whole, "the command must fail without this right"
