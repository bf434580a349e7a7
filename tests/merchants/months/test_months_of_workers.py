"""Months of merchants on the rows of workers: exact when workers die, and when partitions move between them."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from scoring.decode import DecodeLimits
from scoring.decode.hashing import MERCHANT_KEY, PARTS, entity_keys
from scoring.merchants.months.calendar import month_of_day, name_of
from scoring.merchants.months.columns import MonthCol
from scoring.observer import Observer, Settings
from scoring.profile import ProfileLimits
from scoring.profile.packed import Packed
from tests.events import token
from tests.examples import sample

PARTITIONS = 3
SIZE = 1 << 8
ROWS = dict.fromkeys(("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address"), SIZE)
TOKYO = timezone(timedelta(hours=9))
BEGIN = datetime(2027, 11, 1, tzinfo=UTC)
MERCHANTS = ("m-1", "m-2", "m-3")
Books = Counter[tuple[str, str, str]]
"""By merchant, month as YYYY-MM, and column."""


def observer() -> Observer:
    made = Observer(Settings(decode=DecodeLimits(), profiles=ProfileLimits(**ROWS)))
    made.set_partitions(PARTITIONS)
    return made


def labels(seed: int, events: int) -> list[list[dict[str, Any]]]:
    """Reports by partition, each event in that of its card; late ones, reversals, and many of one event."""
    random = Random(seed)  # noqa: S311 - a reproducible course
    parts = [list[dict[str, Any]]() for _ in range(PARTITIONS)]
    for number in range(events):
        card, begins = number % 17, random.uniform(0, 200)
        for n in range(random.choice((1, 1, 2, 3))):
            received = BEGIN + timedelta(days=begins + n * random.uniform(0, 60))
            parts[card % PARTITIONS].append(
                {
                    "schema_version": "label.v1",
                    "label_id": f"l-{number}-{n}",
                    "event_id": f"e-{number}",
                    "acquirer_id": "acq-1",
                    "merchant_id": MERCHANTS[number % len(MERCHANTS)],
                    "pan_hmac": token(f"card-{card}"),
                    "label": "FRAUD" if n == 0 else random.choice(("FRAUD", "LEGIT", "UNKNOWN")),
                    "source": random.choice(("ISSUER", "ANALYST")),
                    "received_ts": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "amount_jpy": 10_000 + number,
                }
            )
    for part in parts:
        random.shuffle(part)
    return parts


def recount(told: list[dict[str, Any]]) -> Books:
    """Count from everything that was said: an event is one fraud, in the month since which it stands."""
    said = defaultdict[str, list[dict[str, Any]]](list)
    for report in told:
        said[report["event_id"]].append(report)
    books: Books = Counter()
    for reports in said.values():
        frauds = sorted(report["received_ts"] for report in reports if report["label"] == "FRAUD")
        taken_back = max((report["received_ts"] for report in reports if report["label"] == "LEGIT"), default="")
        since = next((at for at in (frauds[0], frauds[-1]) if at > taken_back), None) if frauds else None
        if since is not None:
            month = datetime.fromisoformat(since).astimezone(TOKYO).strftime("%Y-%m")
            books[reports[0]["merchant_id"], month, "FRAUD_N"] += 1
            books[reports[0]["merchant_id"], month, "FRAUD_JPY"] += reports[0]["amount_jpy"]
    return books


def books_of(worker: Observer) -> Books:
    found: Books = Counter()
    first, last = (month_of_day((BEGIN + timedelta(days=days)).date()) for days in (-31, 500))
    keys = entity_keys(
        [part for name in MERCHANTS for part in ("", "acq-1", "", name, *("",) * (PARTS - 4))], frozenset()
    )
    for name, key in zip(MERCHANTS, keys[:, MERCHANT_KEY].tolist(), strict=True):
        for month in range(first, last):
            figures = worker.months.figures(key, month)
            for column in (MonthCol.FRAUD_N, MonthCol.FRAUD_JPY):
                found[name, name_of(month), column.name] += figures[column]
    return Counter({place: amount for place, amount in found.items() if amount})


class Cluster:
    """Workers, the logs of their rows up to the last marker, and how far each partition's input is applied by them."""

    def __init__(self, inputs: list[list[dict[str, Any]]], workers: int) -> None:
        self.inputs = [[orjson.dumps(report) for report in part] for part in inputs]
        self.cards = [list[Packed]() for _ in inputs]
        self.shared = [list[Packed]() for _ in inputs]
        self.durable = [0] * len(inputs)
        self.applied = [0] * len(inputs)
        self.workers = [observer() for _ in range(workers)]
        self.owner = [partition % workers for partition in range(len(inputs))]
        for partition, owner in enumerate(self.owner):
            self.workers[owner].profiles.changelog.own(partition)

    def take(self, partition: int, count: int) -> None:
        begin = self.applied[partition]
        values = self.inputs[partition][begin : begin + count]
        self.workers[self.owner[partition]].report(values, [-1] * len(values), partition)
        self.applied[partition] = begin + len(values)

    def flush(self, partition: int) -> None:
        owner = self.owner[partition]
        cards, shared = (_read(packed) for packed in self.workers[owner].profiles.changelog.flush(partition))
        self.cards[partition].append(cards)
        self.shared[partition].append(shared)
        self.durable[partition] = self.applied[partition]
        for number, worker in enumerate(self.workers):
            if number != owner:
                worker.profiles.changelog.restore(partition, shared)

    def move(self, partition: int) -> None:
        """Give a partition to the next worker; what was not flushed is lost with the former owner's memory of it."""
        former = self.workers[self.owner[partition]].profiles.changelog
        former.forget_cards(partition)
        self.owner[partition] = (self.owner[partition] + 1) % len(self.workers)
        self._take_over(partition)
        if self.owner[partition] != (self.owner[partition] - 1) % len(self.workers):
            former.forget_shared(partition)
            for packed in self.shared[partition]:
                former.restore(partition, packed)

    def kill(self, number: int) -> None:
        """A worker dies and starts again: it reads the logs of its own partitions, and follows the others."""
        self.workers[number] = observer()
        for partition, owner in enumerate(self.owner):
            if owner == number:
                self._take_over(partition)
            else:
                for packed in self.shared[partition]:
                    self.workers[number].profiles.changelog.restore(partition, packed)

    def _take_over(self, partition: int) -> None:
        changelog = self.workers[self.owner[partition]].profiles.changelog
        changelog.forget_shared(partition)
        changelog.own(partition)
        for packed in (*self.cards[partition], *self.shared[partition]):
            changelog.restore(partition, packed)
        self.applied[partition] = self.durable[partition]


def _read(packed: Packed) -> Packed:
    return Packed(*(np.frombuffer(part.tobytes(), part.dtype).reshape(part.shape) for part in packed))


@pytest.mark.parametrize(("seed", "workers"), sample(list(product(range(3), (1, 2, 3))), step=5))
def test_no_death_and_no_move_changes_a_yen(seed: int, workers: int) -> None:
    inputs = labels(seed, 150)
    random = Random(seed)  # noqa: S311 - a reproducible course
    cluster, deaths, moves = Cluster(inputs, workers), 0, 0
    while any(at < len(part) for at, part in zip(cluster.applied, inputs, strict=True)):
        partition = random.randrange(PARTITIONS)
        cluster.take(partition, random.randrange(1, 12))
        deed = random.random()
        if deed < 0.4:
            cluster.flush(partition)
        elif deed < 0.5:
            cluster.kill(random.randrange(workers))
            deaths += 1
        elif deed < 0.6 and workers > 1:
            cluster.move(random.randrange(PARTITIONS))
            moves += 1
    for partition in range(PARTITIONS):
        cluster.flush(partition)
    expected = recount([report for part in inputs for report in part])
    assert len(expected) > 20
    assert deaths > 0
    for worker in cluster.workers:
        assert books_of(worker) == expected


def test_what_came_after_the_last_marker_counts_once_when_it_comes_again() -> None:
    inputs = labels(5, 60)
    cluster = Cluster(inputs, 1)
    for partition in range(PARTITIONS):
        cluster.take(partition, 20)
        cluster.flush(partition)
        cluster.take(partition, 1_000)
    before = books_of(cluster.workers[0])
    cluster.kill(0)
    taken = [report for part in inputs for report in part[:20]]
    assert books_of(cluster.workers[0]) == recount(taken)
    for partition in range(PARTITIONS):
        cluster.take(partition, 1_000)
    assert books_of(cluster.workers[0]) == before == recount([report for part in inputs for report in part])


def test_a_report_from_the_future_counts_for_nothing() -> None:
    (report, *_), *_ = labels(1, 3)
    worker = observer()
    early_ms = int(datetime.fromisoformat(report["received_ts"]).timestamp() * 1000) - 6 * 60_000
    worker.report([orjson.dumps(report)], [early_ms], 0)
    assert books_of(worker) == {}
    worker.report([orjson.dumps(report)], [early_ms + 6 * 60_000], 0)
    assert books_of(worker)[report["merchant_id"], name_of(month_of_day(_day(report))), "FRAUD_N"] == 1


def _day(report: dict[str, Any]) -> Any:
    return datetime.fromisoformat(report["received_ts"]).astimezone(TOKYO).date()
