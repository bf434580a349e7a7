"""Compressed bombs of a megabyte take bounded memory of a worker, and the stream continues."""

import asyncio
import time
from pathlib import Path

import orjson
import pytest

from scoring.contract.dead_letter import DeadLetter
from streams.cli import main
from streams.dlq.letters import letter_of, name_of, offsets_of
from streams.kafka.settings import Broker
from streams.replay.child import Child
from tests.brokers.raw import send_raw
from tests.events import encoded, token
from tests.integration.conftest import NewWorker
from tests.integration.deployed import Deployed, deploy, kill
from tests.records import build
from tests.records.build import Row

pytestmark = pytest.mark.kafka

MIB = 1 << 20
GROWTH_MAX = 128 * MIB
"""The 64 MiB of `in_flight_max_bytes`, a batch of 16 MiB beyond them, the same again while it is unpacked, and the data
of fetches. Without the bounds the first of the bombs alone takes 600.
"""

GOOD_SINCE_MS = 1_777_604_400_000
TIMES = {"first_ms": GOOD_SINCE_MS, "max_ms": GOOD_SINCE_MS}


def bombs() -> list[bytes]:
    """Batches that must not be unpacked; at most a megabyte each."""
    return [
        build.bomb("gzip", 300 * MIB, **TIMES),
        build.bomb("zstd", 1_900 * MIB, **TIMES),
        build.bomb("lz4", 100 * MIB, **TIMES),
        build.bomb("snappy", 18 * MIB, **TIMES),
        build.batch([Row(k, bytes(7 * MIB)) for k in range(3)], codec="zstd", **TIMES),
        build.batch([Row(k, None, b"") for k in range(150_000)], codec="zstd", **TIMES),
    ]


def fits() -> list[bytes]:
    """Batches within the bound, which together, or as objects, would exceed it."""
    many_headers = [Row(0, b"{", headers=[(b"", None)] * 2_000_000)]
    return [build.bomb("gzip", 15 * MIB, **TIMES)] * 8 + [build.batch(many_headers, codec="zstd", **TIMES)]


REFUSED = 4 + 3 + 150_000
TAKEN_IN = 8 + 1
EVERY = REFUSED + TAKEN_IN


def good(name: str, count: int) -> bytes:
    """Build a batch of good events, one of which has a header that is not UTF-8."""
    key = token(f"card-{name}").encode()
    rows = [Row(k, encoded(event_id=f"{name}-{k}", card={"pan_hmac": key.decode()}), key) for k in range(count)]
    return build.batch([rows[0]._replace(headers=[(b"\xff", b"x")]), *rows[1:]], codec="lz4", **TIMES)


def memory(child: Child, field: str) -> int:
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    (size_kib,) = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(size_kib) * 1024


def growth(child: Child, before: int) -> int:
    return memory(child, "VmHWM") - before


def forget_peak(child: Child) -> int:
    """Reset the peak memory of a process; return its present memory."""
    Path(f"/proc/{child.pid}/clear_refs").write_text("5")
    return memory(child, "VmRSS")


def letters(place: Deployed, worker: Child, topic: str, records: int) -> list[DeadLetter]:
    """Wait until dead letters account for this many records of a topic."""
    deadline = time.monotonic() + 60
    while True:
        read = [letter_of(record.value) for record in place.records(place.topics.dead_letters, 0)]
        found = [letter for letter in read if letter is not None and letter.topic == topic]
        if sum(len(offsets_of(letter)) for letter in found) >= records:
            return found
        worker.require_running()
        assert time.monotonic() < deadline, f"{len(found)} letters"


def decided(place: Deployed, at_least: int) -> list[str]:
    return [orjson.loads(record.value)["decision_id"] for record in place.records(place.topics.decisions, at_least)]


@pytest.fixture
def place(apache: Broker, new_worker: NewWorker, tmp_path: Path) -> Deployed:
    return deploy(apache, new_worker(apache), tmp_path)


def test_bombs_on_each_input_get_dead_letters_and_good_events_around_them_are_decided(
    place: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    topics, every = place.topics, [*bombs(), *fits()]

    def send(topic: str, *batches: bytes) -> None:
        asyncio.run(send_raw(place.broker, topic, batches))

    with place.worker() as worker:
        send(topics.authorizations, good("first", 300))
        assert len(decided(place, 300)) == 300
        before = forget_peak(worker)
        for topic, first in ((topics.authorizations, 300), (topics.fraud_reports, 0), (topics.merchants, 0)):
            send(topic, *every)
            check_letters(letters(place, worker, topic, EVERY), first=first)
            assert growth(worker, before) < GROWTH_MAX, f"{growth(worker, before) / MIB:.0f} MiB by {topic}"
        send(topics.authorizations, good("middle", 50))
        balance = place.await_balance(worker, 350 + EVERY)
        assert (balance.events, balance.decisions, balance.dead_letters) == (350 + EVERY, 350, EVERY)
        send(topics.authorizations, *every, good("last", 50), *every)
        kill(worker)
    with place.worker() as worker:
        expected = [
            f"{name}-{k}" for name, count in (("first", 300), ("middle", 50), ("last", 50)) for k in range(count)
        ]
        assert decided(place, 400) == expected
        found = letters(place, worker, topics.authorizations, 3 * EVERY)
        lettered = [offset for letter in found for offset in offsets_of(letter)]
        assert len(lettered) == len(set(lettered)) == 3 * EVERY
        assert worker.end(30.0) == 0, worker.last_lines()
    assert decided(place, 400) == expected
    check_commands(place, capsys)


def check_letters(found: list[DeadLetter], *, first: int) -> None:
    """Check the letters of one topic: each batch by its place, offsets and reason."""
    oversize = sorted(name_of(letter).rpartition("/")[2] for letter in found if letter.reason == "OVERSIZE_BATCH")
    assert oversize == sorted([*(f"{first + k}" for k in range(7)), f"{first + 7}-{first + REFUSED - 1}"])
    assert len(found) == len(oversize) + TAKEN_IN


def check_commands(place: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that `sekisho dlq` names the ranges and refuses to redrive batches that are still too large."""
    config = ["--config", str(place.config)]
    topic = place.topics.authorizations
    assert main(["dlq", "list", *config, "--each", "--topic", topic, "--reason", "OVERSIZE_BATCH"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * 8
    assert sum(f"{topic}/0/307-150306  OVERSIZE_BATCH  $" in text for text in lines) == 1
    chosen = ["--topic", topic, "--reason", "OVERSIZE_BATCH", "--limit", "1000000"]
    assert main(["dlq", "redrive", *config, *chosen]) == 1
    printed = capsys.readouterr()
    assert f"0 to send, {3 * REFUSED:,} still refused" in printed.out
    assert "raise it, for the workers too" in printed.err
