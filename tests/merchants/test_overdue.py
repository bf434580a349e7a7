"""What is overdue at merchants by their records: told once each, whoever dies and wherever partitions move."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from scoring.contract.merchant import Checklist, MerchantRecord, ThreeDsProgramme
from scoring.decide.merchants import alert_id_of
from scoring.merchants import overdue
from scoring.merchants.overdue import OverdueNotice, is_overdue, rules_on
from scoring.merchants.store import BLOCK_BITS, MerchantStore
from scoring.observer import Observer
from tests.examples import sample
from tests.merchants.months.test_months_of_workers import PARTITIONS, TOKYO, Cluster, observer

LAST = date(2025, 3, 31)
"""The last day on which a contract needed no 3-D Secure."""

TODAY = date(2026, 11, 27)
Told = tuple[str, str, date]
"""Merchant, what, and since when."""

DAYS = [None, *(LAST + timedelta(n) for n in (-1, 0, 1, 2)), *(TODAY + timedelta(n) for n in (-1, 0, 1, 2))]
MODES = (None, "NONE", "UNKNOWN", "EVERY_PAYMENT", "RISK_BASED")
TODAYS = (TODAY, LAST, LAST + timedelta(1), LAST + timedelta(2), date(2024, 3, 13))


def said(record: MerchantRecord, today: date) -> Iterator[tuple[str, date]]:
    """The rules as prose has them: what is overdue by a record on a day, and since when."""
    tds, on = record.tds, record.contracted_on
    is_without = tds is not None and (tds.mode == "NONE" or (tds.introduced_on or today) > today)
    if record.country == "JP" and is_without and on is not None and today > LAST and LAST < on <= today:
        yield "CONTRACTED_WITHOUT_TDS", on
    attested = None if record.checklist is None else record.checklist.attested_at
    if attested is not None and (today - attested.astimezone(TOKYO).date()).days > 365:
        yield "ATTESTATION_STALE", attested.astimezone(TOKYO).date()


def found_in(record: MerchantRecord, today: date) -> list[str]:
    store = MerchantStore()
    store.upsert(record)
    found = is_overdue(store.table[1:2], store.in_japan[1:2], rules_on(today))[0]
    return [what for what, is_so in zip(overdue.WHATS, found, strict=True) if is_so]


@pytest.mark.parametrize("today", TODAYS)
def test_a_contract_is_overdue_where_the_rules_say_so(today: date) -> None:
    seen = set()
    cases = list(product(MODES, DAYS, DAYS, (None, "JP", "US")))
    for mode, introduced, contracted, country in sample(cases, step=7):
        record = MerchantRecord(
            acquirer_id="acq-1",
            merchant_id="m-1",
            country=country,
            contracted_on=contracted,
            tds=None if mode is None else ThreeDsProgramme(mode=mode, introduced_on=introduced),  # type: ignore[arg-type]
        )
        found = found_in(record, today)
        assert found == [what for what, _ in said(record, today)], record
        seen.add(len(found))
    assert seen == ({0, 1} if today > LAST else {0})


@pytest.mark.parametrize("age", [-400, -1, 0, 1, 364, 365, 366, 367, 900, 25_000])
def test_an_attestation_is_stale_by_days_in_tokyo(age: int) -> None:
    for ms in (0, 1, 86_399_999):
        attested = datetime(2026, 11, 27, tzinfo=TOKYO) - timedelta(age) + timedelta(milliseconds=ms)
        checklist = Checklist(version="6.0", attested_at=attested)
        record = MerchantRecord(acquirer_id="acq-1", merchant_id="m-1", checklist=checklist)
        assert found_in(record, TODAY) == [what for what, _ in said(record, TODAY)]
        assert bool(found_in(record, TODAY)) == (age > 365)


class Judges(Cluster):
    """Workers that read all records of merchants. `published`: the topic of alerts, in the order of its records."""

    def __init__(self, workers: int) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.today = date(2025, 3, 25)
        self.known: dict[int, frozenset[str]] = {}
        self.published: list[tuple[str, OverdueNotice]] = []
        super().__init__([[] for _ in range(PARTITIONS)], workers)

    def put(self, merchant: str, record: dict[str, Any] | None) -> None:
        self.records.pop(merchant, None)
        if record is not None:
            self.records[merchant] = {"acquirer_id": "acq-1", "merchant_id": merchant, **record}
        for worker in self.workers:
            self._load(worker, merchant)

    def _load(self, worker: Observer, merchant: str) -> None:
        value = self.records.get(merchant)
        taken = worker.merchant([f"acq-1/{merchant}".encode()], [None if value is None else orjson.dumps(value)])
        assert taken.rejects == []

    def tick(self, days: int) -> None:
        self.today += timedelta(days)
        for worker in self.workers:
            worker.overdue.tick(noon(self.today))

    def judge(self, partition: int) -> None:
        for notice in self.workers[self.owner[partition]].overdue.judge(partition):
            if alert_id_of(notice) not in self.known.get(partition, ()):
                self.published.append((alert_id_of(notice), notice))

    def flush(self, partition: int) -> None:
        self.judge(partition)
        super().flush(partition)

    def kill(self, number: int) -> None:
        super().kill(number)
        for merchant in self.records:
            self._load(self.workers[number], merchant)
        self.tick(0)

    def _take_over(self, partition: int) -> None:
        super()._take_over(partition)
        self.known[partition] = frozenset(name for name, _ in self.published)

    def counts(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for worker in self.workers:
            found.update(worker.overdue.counts)
        return +found


def noon(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=TOKYO).timestamp() * 1000)


def drawn(random: Random, today: date) -> dict[str, Any]:
    """A record whose dates are never before those that were told of."""
    contracted = random.choice([date(2025, 3, 31), today, today + timedelta(9), None])
    attested = random.choice([None, today - timedelta(1), today - timedelta(367)])
    record: dict[str, Any] = {"country": random.choice(["JP", "JP", "JP", "US"])}
    mode, later = random.choice(["NONE", "NONE", "EVERY_PAYMENT", "UNKNOWN"]), random.choice([None, 5, 20])
    record["tds"] = {"mode": mode} | ({} if later is None else {"introduced_on": f"{today + timedelta(later)}"})
    if contracted is not None:
        record["contracted_on"] = f"{contracted}"
    if attested is not None:
        at = datetime(attested.year, attested.month, attested.day, 20, tzinfo=UTC)  # the next day in Tokyo
        record["checklist"] = {"version": "6.0", "attested_at": at.isoformat().replace("+00:00", "Z")}
    return record


@pytest.mark.parametrize(("seed", "workers"), sample(list(product(range(2), (1, 2, 3))), step=4))
def test_no_death_and_no_move_loses_a_notice_or_tells_it_twice(seed: int, workers: int) -> None:
    random = Random(seed)  # noqa: S311 - a reproducible course
    cluster, deaths, expected = Judges(workers), 0, dict[tuple[str, str], list[date]]()
    for _ in range(60):
        if random.random() < 0.7:
            merchant = f"m-{random.randrange(12)}"
            cluster.put(merchant, None if random.random() < 0.1 else drawn(random, cluster.today))
        cluster.tick(random.choice([0, 1, 1, 7, 30]))
        true = Counter[str]()
        for merchant, record in cluster.records.items():
            for what, since in said(_record(record), cluster.today):
                told = expected.setdefault((merchant, what), [])
                true[what] += 1
                if not told or since > max(told):
                    told.append(since)
        for partition in range(PARTITIONS):
            cluster.judge(partition)
        assert cluster.counts() == true
        for partition in range(PARTITIONS):
            if random.random() < 0.3:
                cluster.flush(partition)
            elif random.random() < 0.2:  # what is told is durable, and the rows that say so are not
                cluster.kill(cluster.owner[partition])
                deaths += 1
            elif random.random() < 0.2 and workers > 1:
                cluster.move(partition)
        for partition in range(PARTITIONS):
            cluster.judge(partition)
    names = [name for name, _ in cluster.published]
    assert len(set(names)) == len(names)
    found: list[Told] = [(of.name[1].decode(), of.what, of.since) for _, of in cluster.published]
    assert sorted(found) == sorted((*key, since) for key, told in expected.items() for since in told)
    assert deaths > 5
    assert set(Counter(what for _, what, _ in found)) == set(overdue.WHATS)


def _record(record: dict[str, Any]) -> MerchantRecord:
    return msgspec.convert(record, MerchantRecord)


def alone() -> Observer:
    worker = observer()
    for partition in range(PARTITIONS):
        worker.profiles.changelog.own(partition)
    return worker


def value_of(merchant: str, acquirer: str = "acq-1", **record: Any) -> dict[str, Any]:
    return {"acquirer_id": acquirer, "merchant_id": merchant, "country": "JP", **record}


def put(worker: Observer, merchant: str = "m-1", acquirer: str = "acq-1", **record: Any) -> None:
    value = value_of(merchant, acquirer, **record)
    assert worker.merchant([f"{acquirer}/{merchant}".encode()], [orjson.dumps(value)]).rejects == []


def judged(worker: Observer) -> list[OverdueNotice]:
    return [notice for partition in range(PARTITIONS) for notice in worker.overdue.judge(partition)]


WITHOUT = {"tds": {"mode": "NONE"}, "contracted_on": "2026-01-15"}


def test_nothing_is_told_before_the_clock_of_the_input_is_known_and_each_thing_then_with_its_days() -> None:
    worker = alone()
    put(worker, **WITHOUT, checklist={"version": "6.0", "attested_at": "2025-11-25T15:00:00Z"})
    assert judged(worker) == []
    worker.overdue.tick(noon(date(2026, 11, 26)))
    (contract,) = judged(worker)
    assert (contract.what, contract.since, contract.last, contract.day) == (
        "CONTRACTED_WITHOUT_TDS",
        date(2026, 1, 15),
        LAST,
        date(2026, 11, 26),
    )
    worker.overdue.tick(noon(TODAY))
    (stale,) = judged(worker)
    assert (stale.what, stale.since, stale.last) == ("ATTESTATION_STALE", date(2025, 11, 26), date(2026, 11, 26))
    worker.overdue.tick(noon(TODAY + timedelta(40)))
    assert judged(worker) == []


def test_a_contract_is_told_once_though_the_record_says_otherwise_for_a_while() -> None:
    worker = alone()
    worker.overdue.tick(noon(TODAY))
    put(worker, **WITHOUT)
    assert len(judged(worker)) == 1
    put(worker, **WITHOUT | {"tds": {"mode": "EVERY_PAYMENT"}})
    assert judged(worker) == []
    assert worker.overdue.counts["CONTRACTED_WITHOUT_TDS"] == 0
    put(worker, **WITHOUT)
    assert judged(worker) == []
    put(worker, **WITHOUT | {"contracted_on": "2026-01-14"})
    assert judged(worker) == [], "a date that was corrected to an earlier one"
    put(worker, **WITHOUT | {"contracted_on": "2026-01-16"})
    assert [notice.since for notice in judged(worker)] == [date(2026, 1, 16)]


def test_merchants_of_two_acquirers_with_one_id_are_told_of_apart() -> None:
    worker = alone()
    worker.overdue.tick(noon(TODAY))
    for acquirer in ("acq-1", "acq-2"):
        put(worker, acquirer=acquirer, **WITHOUT)
    assert {notice.name[0] for notice in judged(worker)} == {b"acq-1", b"acq-2"}


def test_many_merchants_are_told_of_in_several_steps_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "JUDGED_MAX", 700)
    monkeypatch.setattr(overdue, "BLOCKS_MAX", 1)
    worker, many = alone(), (1 << BLOCK_BITS) + 300
    worker.overdue.tick(noon(TODAY))
    due = {f"m-{number}".encode() for number in range(many) if number % 3 == 0 or number > many - 50}
    names = [f"m-{number}".encode() for number in range(many)]
    values = [orjson.dumps(value_of(name.decode(), **WITHOUT if name in due else {})) for name in names]
    assert worker.merchant([b"acq-1/" + name for name in names], values).rejects == []
    told: list[bytes] = []
    for _ in range(40):
        for partition in range(PARTITIONS):
            step = [notice.name[1] for notice in worker.overdue.judge(partition)]
            assert len(step) <= 700
            told += step
    assert (len(told), set(told)) == (len(due), due)
    assert worker.overdue.counts["CONTRACTED_WITHOUT_TDS"] == len(due)
    assert any(worker.overdue.is_due(partition) for partition in range(PARTITIONS)), "rows await their flush"
    for partition in range(PARTITIONS):
        worker.profiles.changelog.flush(partition)
        assert not worker.overdue.is_due(partition)


def test_a_worker_judges_the_merchants_of_its_own_home_partitions_only() -> None:
    worker = observer()
    worker.overdue.tick(noon(TODAY))
    for number in range(30):
        put(worker, f"m-{number}", **WITHOUT)
    worker.profiles.changelog.own(1)
    first = judged(worker)
    assert 0 < len(first) < 30
    assert sum(worker.overdue.counts.values()) == len(first)
    worker.profiles.changelog.own(0)
    worker.profiles.changelog.own(2)
    assert len(judged(worker)) == 30 - len(first)
    assert sum(worker.overdue.counts.values()) == 30
    worker.profiles.changelog.forget_cards(1)
    judged(worker)
    assert sum(worker.overdue.counts.values()) == 30 - len(first)


def test_an_attestation_before_1970_is_told_of_once() -> None:
    worker = alone()
    worker.overdue.tick(noon(TODAY))
    put(worker, **WITHOUT)
    assert [notice.what for notice in judged(worker)] == ["CONTRACTED_WITHOUT_TDS"]
    put(worker, **WITHOUT, checklist={"version": "6.0", "attested_at": "1965-01-01T00:00:00Z"})
    assert [notice.since for notice in judged(worker)] == [date(1965, 1, 1)]
    worker.overdue.tick(noon(TODAY + timedelta(1)))
    assert judged(worker) == []


def test_merchants_of_a_partition_that_left_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "JUDGED_MAX", 1)
    worker = alone()
    worker.overdue.tick(noon(TODAY))
    for number in range(30):
        put(worker, f"m-{number}", **WITHOUT)
    worker.overdue.judge(0)
    for partition in (1, 2):
        worker.profiles.changelog.forget_cards(partition)
    left = [notice for _ in range(40) for notice in worker.overdue.judge(0)]
    assert len(left) >= 5
    assert worker.overdue.judge(0) == []
    assert not worker.overdue._due[0]
    assert {home for home, due in worker.overdue._due.items() if due} == set()


def test_the_rows_of_the_store_name_their_merchants_whatever_was_forgotten() -> None:
    store = MerchantStore()
    for number in range(3_000):
        store.upsert(MerchantRecord(acquirer_id="a", merchant_id=f"m-{number}", country="JP" if number % 2 else None))
        if number % 5 == 4:
            store.forget("a", f"m-{number - 2}")
    for row, name in enumerate(store.names):
        assert (store.row_of(name) == row) if name is not None else row not in store._rows.values()
        assert bool(store.in_japan[row]) == (name is not None and int(name[1][2:]) % 2 == 1)
    assert len([name for name in store.names if name is not None]) == len(store) == 2_400
    assert store.changed_blocks == {0: None}
    assert np.count_nonzero(store.in_japan) == np.count_nonzero(store.in_japan[: len(store.names)])
