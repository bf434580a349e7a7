"""Where merchants stand, on rows of workers: the same whoever dies and wherever partitions move, told once."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from itertools import product
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from scoring.decide.merchants import alert_id_of
from scoring.merchants.months.calendar import month_of_day, name_of
from scoring.merchants.standings import Notice
from scoring.observer import Observer
from tests.events import token
from tests.examples import sample
from tests.merchants.months.test_months_of_workers import (
    PARTITIONS,
    TOKYO,
    Cluster,
    labels,
    observer,
    recount,
)

LINE = 500_000


class Judges(Cluster):
    """Workers that also judge: `published` is the topic of alerts, in the order of its records."""

    def __init__(self, inputs: list[list[dict[str, Any]]], workers: int) -> None:
        self.told: dict[int, frozenset[str]] = {}
        self.published: list[tuple[str, Notice]] = []
        super().__init__(inputs, workers)

    def judge(self, partition: int) -> None:
        for notice in self.workers[self.owner[partition]].standings.judge(partition):
            if alert_id_of(notice) not in self.told.get(partition, ()):
                self.published.append((alert_id_of(notice), notice))

    def flush(self, partition: int) -> None:
        self.judge(partition)
        super().flush(partition)

    def _take_over(self, partition: int) -> None:
        super()._take_over(partition)
        self.told[partition] = frozenset(name for name, _ in self.published)


def shows(worker: Observer) -> dict[str, tuple[str, int, str | None, list[int]]]:
    found = {}
    for (_, merchant), (_, evidence) in worker.merchants._standings.items():
        shown = evidence.as_record()
        found[merchant.decode()] = (shown.status, shown.months, shown.run_to, shown.fraud_jpy)
    return found


def expected_of(told: list[dict[str, Any]]) -> dict[str, tuple[str, int, str | None, list[int]]]:
    """Judge from everything that was declared: runs of months strictly above the line, up to the last report."""
    yen: dict[str, Counter[int]] = defaultdict(Counter)
    for (merchant, month, column), amount in recount(told).items():
        if column == "FRAUD_JPY":
            yen[merchant][int(month[:4]) * 12 + int(month[5:]) - 1 - 1970 * 12] += amount
    found = {}
    for merchant, months in yen.items():
        last = max(months)
        run, longest = 0, 0
        for month in range(min(months), last + 1):
            run = run + 1 if months[month] > LINE else 0
            longest = max(longest, run)
        run_to = last if months[last] > LINE else last - 1
        live = 0
        while months[run_to - live] > LINE:
            live += 1
        status = "ACTUALISED" if longest >= 3 else ["NORMAL", "WATCH", "WARNING"][live]
        if status != "NORMAL":
            shown_to = run_to if live else last
            jpy = [months[month] for month in range(shown_to - 2, shown_to + 1)]
            found[merchant] = (status, live, name_of(run_to) if live else None, jpy)
    return found


def heavy(seed: int) -> list[list[dict[str, Any]]]:
    """Reports without reversals, a few of them large: sums only grow, so no order matters at the end."""
    random = Random(seed)  # noqa: S311 - a reproducible course
    return [
        [
            report | {"amount_jpy": random.choice((20_000, 90_000, 150_000))}
            for report in part
            if report["label_id"][-2:] == "-0"
        ]
        for part in labels(seed, 150)
    ]


@pytest.mark.parametrize(("seed", "workers"), sample(list(product(range(4), (1, 2, 3))), step=7))
def test_no_death_and_no_move_changes_where_a_merchant_stands_or_tells_it_twice(seed: int, workers: int) -> None:
    inputs = heavy(seed)
    random = Random(seed)  # noqa: S311 - a reproducible course
    cluster, deaths = Judges(inputs, workers), 0
    while any(at < len(part) for at, part in zip(cluster.applied, inputs, strict=True)):
        partition = random.randrange(PARTITIONS)
        cluster.take(partition, random.randrange(1, 12))
        deed = random.random()
        if deed < 0.4:
            cluster.flush(partition)
        elif deed < 0.6:
            cluster.judge(partition)  # what is told is durable, and the rows that say so are not
            cluster.kill(cluster.owner[partition])
            deaths += 1
        elif deed < 0.7 and workers > 1:
            cluster.move(random.randrange(PARTITIONS))
    for partition in [*range(PARTITIONS)] * 3:
        cluster.flush(partition)
    expected = expected_of([report for part in inputs for report in part])
    assert {status for status, *_ in expected.values()} & {"WATCH", "WARNING", "ACTUALISED"}
    assert deaths > 0
    for worker in cluster.workers:
        assert shows(worker) == expected
    assert len({name for name, _ in cluster.published}) == len(cluster.published)
    told = Counter(
        notice.key for _, notice in cluster.published if notice.what == "ENTERED" and notice.evidence.status == 3
    )
    assert set(told.values()) <= {1}, "actualised fraud of a merchant is told once, though it was judged again"
    entered = {(notice.name[1].decode(), notice.evidence.as_record().status) for _, notice in cluster.published}
    assert entered >= {(merchant, status) for merchant, (status, *_) in expected.items()}
    owned = [
        sum(worker.standings.counts[status] for worker in cluster.workers)
        for status in ("WATCH", "WARNING", "ACTUALISED")
    ]
    assert owned == [
        sum(found[0] == status for found in expected.values()) for status in ("WATCH", "WARNING", "ACTUALISED")
    ]


def report(day: date, yen: int, number: int, merchant: str = "m-1", **fields: Any) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    return {
        "label_id": f"l-{number}",
        "event_id": f"e-{number}",
        "acquirer_id": "acq-1",
        "merchant_id": merchant,
        "pan_hmac": token(f"card-{number}"),
        "label": "FRAUD",
        "source": "ISSUER",
        "received_ts": at.isoformat().replace("+00:00", "Z"),
        "amount_jpy": yen,
        **fields,
    }


def take(worker: Observer, *reports: dict[str, Any], partition: int = 0) -> None:
    worker.report([orjson.dumps(one) for one in reports], [-1] * len(reports), partition)


def record(worker: Observer, **fields: Any) -> None:
    value = {"schema_version": "merchant.v1", "acquirer_id": "acq-1", "merchant_id": "m-1", **fields}
    taken = worker.merchant([b"acq-1/m-1"], [orjson.dumps(value)])
    assert taken.rejects == []


def alone() -> Observer:
    worker = observer()
    for partition in range(PARTITIONS):
        worker.profiles.changelog.own(partition)
    return worker


def judged(worker: Observer) -> list[tuple[str, str, int | None]]:
    found = [notice for partition in range(PARTITIONS) for notice in worker.standings.judge(partition)]
    return [(notice.what, notice.evidence.as_record().status, notice.days) for notice in found]


def noon(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=TOKYO).timestamp() * 1000)


def test_each_entry_is_told_once_and_again_after_the_run_ended() -> None:
    worker = alone()
    take(worker, report(date(2027, 1, 20), LINE, 1))
    assert judged(worker) == [("FORECAST", "NORMAL", None)]
    take(worker, report(date(2027, 1, 21), 1, 2))
    assert judged(worker) == [("ENTERED", "WATCH", None)]
    take(worker, report(date(2027, 1, 22), 1, 3))
    assert judged(worker) == []
    take(worker, report(date(2027, 2, 25), LINE + 1, 4))
    assert judged(worker) == [("ENTERED", "WARNING", None)]
    take(worker, report(date(2027, 8, 25), LINE + 1, 5))
    assert judged(worker) == [("ENTERED", "WATCH", None)]
    take(worker, report(date(2027, 8, 26), 0, 5, label="LEGIT"))
    assert judged(worker) == []
    assert shows(worker) == {}
    take(worker, report(date(2027, 8, 27), LINE + 1, 6))
    again = [notice for partition in range(PARTITIONS) for notice in worker.standings.judge(partition)]
    assert [(notice.what, notice.occasion) for notice in again] == [
        ("ENTERED", f"1:{month_of_day(date(2027, 8, 1))}:2")
    ]


def test_a_month_that_will_be_above_the_line_is_told_once_with_its_day() -> None:
    worker = alone()
    take(worker, report(date(2027, 1, 3), 200_000, 1))
    assert judged(worker) == []  # too early in the month
    take(worker, report(date(2027, 1, 11), 100_000, 2))
    (notice,) = [notice for partition in range(PARTITIONS) for notice in worker.standings.judge(partition)]
    assert notice.cast is not None
    assert (notice.what, notice.cast.crosses_on, notice.cast.becomes) == ("FORECAST", date(2027, 1, 18), 1)
    assert notice.cast.projected_jpy == 300_000 * 31 * 24 // (10 * 24 + 12)
    take(worker, report(date(2027, 1, 12), 10_000, 3))
    assert judged(worker) == []
    assert shows(worker) == {}


def test_frequent_fraud_without_3d_secure_is_told_when_it_begins_and_every_thirty_days() -> None:
    worker = alone()
    record(worker, tds={"mode": "NONE"})
    take(worker, report(date(2027, 1, 20), LINE + 1, 1), report(date(2027, 2, 20), LINE + 1, 2))
    assert judged(worker) == [("ENTERED", "WARNING", None), ("WITHOUT_TDS", "WARNING", 0)]
    for day, told in ((date(2027, 3, 21), []), (date(2027, 3, 22), [("WITHOUT_TDS", "WARNING", 30)])):
        worker.standings.tick(noon(day))
        assert judged(worker) == told
        worker.standings.tick(noon(day) + 1)
        assert judged(worker) == []
    record(worker, tds={"mode": "EVERY_PAYMENT", "introduced_on": "2027-05-01"})
    worker.standings.tick(noon(date(2027, 3, 30)))
    assert judged(worker) == []
    worker.standings.tick(noon(date(2027, 4, 21)))  # the run ended: it stands at NORMAL since April
    assert judged(worker) == []
    take(worker, report(date(2027, 8, 20), LINE + 1, 3))
    take(worker, report(date(2027, 9, 20), LINE + 1, 4))
    record(worker, tds={"mode": "NONE"})
    assert [what for what, *_ in judged(worker)] == ["ENTERED", "WITHOUT_TDS"]


@pytest.mark.parametrize("tds", [None, {"mode": "UNKNOWN"}, {"mode": "EVERY_PAYMENT"}])
def test_a_merchant_of_whom_nobody_said_that_it_has_none_is_not_told_of(tds: dict[str, str] | None) -> None:
    worker = alone()
    record(worker, **({} if tds is None else {"tds": tds}))
    take(worker, report(date(2027, 1, 20), LINE + 1, 1), report(date(2027, 2, 20), LINE + 1, 2))
    assert [what for what, *_ in judged(worker)] == ["ENTERED"]
    record(worker, tds={"mode": "NONE"})  # said later: told now
    assert judged(worker) == [("WITHOUT_TDS", "WARNING", 0)]


def test_only_an_act_of_the_acquirer_ends_actualised_fraud() -> None:
    worker = alone()
    record(worker, fraud_status="NORMAL", fraud_status_on="2026-12-01")
    take(worker, *(report(date(2027, month, 20), LINE + 1, month) for month in (1, 2, 3)))
    assert judged(worker) == [("ENTERED", "ACTUALISED", None)]
    worker.standings.tick(noon(date(2027, 9, 1)))
    judged(worker)
    assert shows(worker)["m-1"][0] == "ACTUALISED"
    for status, on, shown in (
        ("NORMAL", "2027-03-19", "ACTUALISED"),  # said before it was
        ("NORMAL", None, "ACTUALISED"),
        ("WARNING", "2027-04-01", "ACTUALISED"),
        ("MONITORED", "2027-04-02", "MONITORED"),
        ("MONITORED", "2027-04-02", "MONITORED"),
        ("NORMAL", "2027-05-01", None),
    ):
        record(worker, fraud_status=status, **({} if on is None else {"fraud_status_on": on}))
        assert judged(worker) == []
        assert shows(worker).get("m-1", (None,))[0] == shown
    take(worker, report(date(2027, 5, 20), LINE + 1, 9))
    assert judged(worker) == []  # the month of the act does not count
    take(worker, report(date(2027, 6, 20), LINE + 1, 10))
    assert judged(worker) == [("ENTERED", "WATCH", None)]


def test_the_decisions_of_every_worker_show_it_until_its_run_is_over() -> None:
    inputs = [
        [report(date(2027, 1, 20), LINE + 1, 1)],
        [report(date(2027, 2, 20), 300_000, 2)],
        [report(date(2027, 2, 21), 200_001, 3)],
    ]
    cluster = Judges(inputs, 3)
    for worker in cluster.workers:
        record(worker, tds={"mode": "NONE"}, country="JP")
    for partition in [*range(PARTITIONS)] * 3:
        cluster.take(partition, 1)
        cluster.flush(partition)
    for worker in cluster.workers:
        text = summary(worker, date(2027, 2, 28))
        since = text["standing"].pop("since")
        assert text["standing"] == {
            "status": "WARNING",
            "months": 2,
            "run_to": "2027-02",
            "fraud_jpy": [0, LINE + 1, LINE + 1],
            "frequent_since": since,
            "unfounded": None,
        }
        assert since == "2027-02-21"
        assert text["owed"] == ["TDS", "TDS_AT_ONCE"]
        worker.standings.tick(noon(date(2027, 3, 31)))
        assert summary(worker, date(2027, 3, 31))["standing"]["status"] == "WARNING"
        worker.standings.tick(noon(date(2027, 4, 1)))
        assert "standing" not in summary(worker, date(2027, 4, 1))
    entered = [notice.evidence.as_record().status for _, notice in cluster.published if notice.what == "ENTERED"]
    assert entered in (["WATCH", "WARNING"], ["WARNING"])


def summary(worker: Observer, day: date) -> dict[str, Any]:
    row = worker.merchants.rows([(b"", b"acq-1", b"", b"m-1")])
    at, ones = np.array([noon(day)]), np.ones(1, dtype=np.bool_)
    found: dict[str, Any] = orjson.loads(worker.merchants.summaries(row, at, np.zeros(1, np.int64), ones)[0])
    return found


def test_ids_of_more_than_thirty_two_bytes_are_cut_and_counted_all_the_same() -> None:
    worker, merchant = alone(), "店" * 12
    take(worker, report(date(2027, 1, 20), LINE + 1, 1, merchant))
    (notice,) = [notice for partition in range(PARTITIONS) for notice in worker.standings.judge(partition)]
    assert notice.name == (b"acq-1", merchant.encode()[:32])


def test_months_are_kept_for_twenty_six_months_of_the_input() -> None:
    worker = alone()
    take(worker, report(date(2027, 1, 20), 100, 1))
    worker.standings.tick(noon(date(2029, 3, 20)))
    assert worker.months.every() == []  # the 26th month before is March 2027's
    assert month_of_day(date(2029, 3, 1)) - month_of_day(date(2027, 1, 1)) == 26


def test_a_new_owner_judges_what_it_followed_before() -> None:
    """The former owner of the home partition died before it judged; the months are another partition's."""
    one, other = alone(), observer()
    take(one, report(date(2027, 1, 20), LINE + 1, 1), partition=1)
    (merchant,) = one.months.every()
    home = one.standings.home_of(merchant)
    other.profiles.changelog.own((home + 1) % PARTITIONS)
    other.profiles.changelog.restore(1, one.profiles.changelog.flush(1)[1])
    assert judged(other) == []
    other.profiles.changelog.own(home)
    assert judged(other) == [("ENTERED", "WATCH", None)]


@pytest.mark.parametrize(("on", "shown"), [("2027-03-19", "ACTUALISED"), ("2027-03-20", "MONITORED")])
def test_an_act_counts_from_the_day_on_which_fraud_was_actualised(on: str, shown: str) -> None:
    worker = alone()
    take(worker, *(report(date(2027, month, 20), LINE + 1, month) for month in (1, 2, 3)))
    judged(worker)
    record(worker, fraud_status="MONITORED", fraud_status_on=on)
    judged(worker)
    assert shows(worker)["m-1"][0] == shown


@pytest.mark.parametrize(
    ("introduced_on", "told"), [("2027-02-20", []), ("2027-02-21", [("WITHOUT_TDS", "WARNING", 0)])]
)
def test_3d_secure_counts_from_the_day_of_its_introduction(introduced_on: str, told: list[Any]) -> None:
    worker = alone()
    record(worker, tds={"mode": "EVERY_PAYMENT", "introduced_on": introduced_on})
    take(worker, report(date(2027, 1, 20), LINE + 1, 1), report(date(2027, 2, 20), LINE + 1, 2))
    assert judged(worker)[1:] == told
