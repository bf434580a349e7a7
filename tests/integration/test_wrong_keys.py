"""A producer that spreads each card over two partitions: a real worker on Apache Kafka reports it and names no card."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scoring.decode import DecodeLimits, decode
from scoring.decode.hashing import CARD_KEY
from streams.kafka.embedded import free_port
from streams.kafka.settings import Broker, Topics
from streams.replay.child import fetch, running
from streams.worker.settings import WorkerSettings
from tests.brokers.load import load, read
from tests.bundles import bundle_files
from tests.events import encoded, token
from tests.integration.conftest import NewWorker
from tests.integration.test_guarantee import await_offsets

pytestmark = pytest.mark.kafka

CARDS = 2_000
READ_S = 180.0  # the first worker on a machine compiles its kernels
CHOSEN = 255
ENTITIES = ("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address")


def events(name: str, cards: range) -> list[bytes]:
    return [encoded(event_id=f"{name}-{n}", card={"pan_hmac": token(f"card-{n}")}) for n in cards]


def sampled(values: list[bytes]) -> list[int]:
    hashes = decode(values, DecodeLimits()).hashes[:, CARD_KEY].tolist()
    return [card for card in hashes if card & CHOSEN == CHOSEN]


@dataclass
class Place:
    """A deployment of one worker."""

    settings: WorkerSettings
    file: Path
    port: int

    @property
    def log(self) -> str:
        return self.file.with_suffix(".log").read_text()

    def send(self, *parts: list[bytes]) -> None:
        asyncio.run(load(self.settings.broker, self.settings.topics.authorizations, dict(enumerate(parts))))

    def await_decisions(self, count: int) -> None:
        asyncio.run(read(self.settings.broker, self.settings.topics.decisions, count, READ_S))

    def metrics(self) -> str:
        return fetch(f"http://127.0.0.1:{self.port}/metrics").decode()

    @contextmanager
    def worker(self) -> Iterator[None]:
        with running(["worker", "--config", str(self.file)], self.file.with_suffix(".log"), patience_s=30.0) as child:
            yield
            assert child.end(30.0) == 0, child.last_lines()


@pytest.fixture
def place(apache: Broker, new_worker: NewWorker, tmp_path: Path) -> Place:
    settings: WorkerSettings = new_worker(apache)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name, content in bundle_files().items():
        (bundle / name).write_bytes(content)
    port = free_port()
    config = {
        "kafka": {"bootstrap_servers": list(apache.bootstrap)},
        "topics": {"names": {field: getattr(settings.topics, field) for field in Topics.__struct_fields__}},
        "consume": {"group": settings.consume.group},
        "profiles": {"rows": dict.fromkeys(ENTITIES, 4_096)},
        "model": {"bundle_dir": str(bundle)},
        "http": {"port": port},
    }
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    return Place(settings, file, port)


def total(exposition: str, name: str) -> float:
    families = text_string_to_metric_families(exposition)
    (sample,) = [sample for family in families for sample in family.samples if sample.name == name]
    assert sample.labels == {}
    return sample.value


def assert_names_no_card(text: str, values: list[bytes]) -> None:
    for value in values:
        assert json.loads(value)["card"]["pan_hmac"] not in text
    for card in sampled(values):
        assert str(card) not in text
        assert f"{card:x}" not in text


def test_a_card_in_two_partitions_is_reported_without_its_name(place: Place) -> None:
    here, there = events("a", range(CARDS)), events("b", range(CARDS))
    expected = len(sampled(here))
    assert expected > 2
    place.send(here, there)
    with place.worker():
        place.await_decisions(2 * CARDS)
        shown = [place.metrics()]
        assert total(shown[0], "sekisho_card_conflicts_total") == expected
    warnings = [json.loads(line) for line in place.log.splitlines() if "card_in_two_partitions" in line]
    assert len(warnings) == 1
    assert warnings[0]["partition"] in {"0", "1"}
    assert 1 <= int(warnings[0]["cards"]) <= expected
    more = events("c", range(2 * CARDS))
    place.send([], more)
    with place.worker():
        place.await_decisions(4 * CARDS)
        shown.append(place.metrics())
        assert total(shown[1], "sekisho_card_conflicts_total") == 0, "it was reported before the restart"
        place.send(events("d", range(2 * CARDS)))
        place.await_decisions(6 * CARDS)
        shown.append(place.metrics())
        assert total(shown[2], "sekisho_card_conflicts_total") == len(sampled(more)) - expected
        await_offsets(place.settings, {0: 3 * CARDS, 1: 3 * CARDS})
    for text in (place.log, *shown):
        assert_names_no_card(text, more)
