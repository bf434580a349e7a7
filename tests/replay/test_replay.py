"""A replay through a real worker on the embedded broker: the account is exact, or says what is missing."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.kafka.embedded import EmbeddedBrokerError, embedded_broker, find_binary, free_port
from streams.kafka.topics import ensure, plan
from streams.replay import main
from tests.brokers.load import read
from tests.bundles import bundle_files
from tests.events import event
from tests.replay.tables import write_table

pytestmark = pytest.mark.embedded

ROWS = 4_000
KEPT_MS = 3650 * 86_400_000
AT_MS = 1_777_604_400_000

CONFIG = """\
kafka: {{bootstrap_servers: ["{address}"], profile: embedded}}
topics: {{partitions: {{events: 3}}, retention_ms: {{authorizations: {retention_ms}}}}}
http: {{port: {port}}}
model: {{bundle_dir: "{bundle}"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configuration for a worker of its own broker, with topics and a small model."""
    try:
        find_binary()
    except EmbeddedBrokerError as error:
        pytest.skip(str(error))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name, content in bundle_files().items():
        (bundle / name).write_bytes(content)
    with embedded_broker() as broker:
        file = tmp_path / "config.yaml"
        text = CONFIG.format(address=broker.bootstrap[0], port=free_port(), bundle=bundle, retention_ms=KEPT_MS)
        file.write_text(text)
        asyncio.run(ensure(broker, plan(load_settings(file).topics)))
        yield file


def figures(text: str) -> dict[str, str]:
    rows = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
    return {name: value.split("(")[0].strip() for name, value in rows}


def test_every_row_of_a_table_is_decided_exactly_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "t.parquet", ROWS, days=30)
    status = main(["--config", str(config), "--table", str(tmp_path / "t.parquet"), "--start-worker", "--labels"])
    out, err = capsys.readouterr()
    assert status == 0, out + err
    found = figures(out)
    assert found["decisions read"] == found["distinct ids"] == found["answers sent"] == f"{ROWS:,}"
    assert found["events sent"] == f"{2 * ROWS:,}"
    assert found["duplicates"] == found["missing"] == found["dead letters"] == "0"
    assert int(found["fraud reports"].replace(",", "")) > 0
    assert f"of them fraud {sum(table['scenario'].to_pylist())}" in out
    assert "exact: every event was decided once" in out
    clocks = asyncio.run(clocks_of(load_settings(config)))
    assert clocks.keys() <= {"ON_TIME", "OUT_OF_ORDER"}, "old events must be as on time as when they were recorded"
    assert clocks["ON_TIME"] == ROWS


async def clocks_of(settings: Settings) -> Counter[str]:
    """Count the decisions on the topic by the clock that they state."""
    decisions = await read(settings.kafka, settings.topics.full.decisions, ROWS)
    return Counter(orjson.loads(record.value)["clock"] for record in decisions)


def test_a_topic_that_would_delete_old_events_is_refused_before_any_is_sent(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(config)
    short = config.with_name("short.yaml")
    week = "prefix: short., " + "retention_ms: {authorizations: 604800000}"
    short.write_text(config.read_text().replace(f"retention_ms: {{authorizations: {KEPT_MS}}}", week))
    asyncio.run(ensure(settings.kafka, plan(load_settings(short).topics)))
    write_table(tmp_path / "t.parquet", 10)
    assert main(["--config", str(short), "--table", str(tmp_path / "t.parquet")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("sekisho replay: topic 'short.authorizations' deletes records older than 604800000 ms")
    with pytest.raises(TimeoutError):
        asyncio.run(read(settings.kafka, "short.authorizations", 1, timeout_s=2))


def test_a_refused_event_is_accounted_for_and_the_status_says_so(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [event(event_id=f"e-{i}") for i in range(50)]
    bad = event(event_id="e-bad", amount={"minor": -1})
    lines = [
        {"topic": "authorizations", "key": "k", "at_ms": AT_MS, "value": value} for value in (*good, bad, good[-1])
    ]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    status = main(["--config", str(config), "--events", str(file), "--start-worker"])
    out, err = capsys.readouterr()
    assert status == 1, out + err
    found = figures(out)
    assert found["events sent"] == "52"
    assert found["decisions read"] == "50"
    assert found["repeats sent"] == "1"
    assert found["missing"] == "0"
    assert found["dead letters"] == "1"
    assert "OUT_OF_RANGE 1" in out
    assert "NOT exact" in out
