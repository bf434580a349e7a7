"""Months of merchants: equal to a recount of everything, to the yen, in whatever order and on whatever worker."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import NetworkCode
from scoring.merchants.months import calendar
from scoring.merchants.months.claims import MonthBasis, Report, Says
from scoring.merchants.months.columns import COLUMNS, MonthCol, MonthFigures, Origin, empty, total
from scoring.merchants.months.store import MerchantMonths, MonthLimits, row_key
from scoring.profile.packed import PARTITION_BITS, SIGHTING, Packed, RowFormatError
from tests.merchants.months.month_oracle import (
    BEGIN_MS,
    DAY,
    TOKYO,
    Books,
    month,
    of_reports,
    reports_of_a_year,
)

MONTHS = range(calendar.month_of_day(date(2027, 6, 1)), calendar.month_of_day(date(2028, 12, 1)))


def books(*stores: MerchantMonths) -> Books:
    """Everything that stores know, their figures added up."""
    found: Books = Counter()
    for store in stores:
        for number in MONTHS:
            for merchant in store.merchants(number):
                figures = store.figures(merchant, number)
                for column in MonthCol:
                    found[merchant, calendar.name_of(number), column.name] += figures[column]
    return Counter({place: amount for place, amount in found.items() if amount})


def fresh(basis: MonthBasis = MonthBasis.REPORT) -> MerchantMonths:
    return MerchantMonths(MonthLimits(months_max=4_000, claims_max=4_000, basis=basis), 6)


@given(st.one_of(st.integers(0, 2**42), st.integers(0, 900).map(lambda n: n * 30 * DAY - 9 * 3_600_000 + n % 3 - 1)))
def test_a_month_is_that_of_the_calendar_in_tokyo(time_ms: int) -> None:
    time_ms = max(time_ms, 0)
    number = calendar.month_of(time_ms)
    assert calendar.name_of(number) == month(time_ms)
    assert calendar.begin_ms(number) <= time_ms < calendar.begin_ms(number + 1)
    first = datetime.strptime(calendar.name_of(number), "%Y-%m").replace(tzinfo=TOKYO)
    assert calendar.first_day(number) == first.date()
    assert calendar.begin_ms(number) == int(first.timestamp() * 1000)
    assert calendar.month_of_day(first.date() + timedelta(calendar.days_in(number) - 1)) == number
    assert calendar.month_of_day(first.date() + timedelta(calendar.days_in(number))) == number + 1


def test_a_leap_day_belongs_to_february() -> None:
    leap = int(datetime(2028, 2, 29, 14, 59, 59, 999_000, tzinfo=UTC).timestamp() * 1000)
    assert [calendar.name_of(calendar.month_of(leap + n)) for n in (0, 1)] == ["2028-02", "2028-03"]
    assert calendar.days_in(calendar.month_of(leap)) == 29
    assert calendar.days_in(calendar.month_of_day(date(2027, 2, 1))) == 28


@pytest.mark.parametrize("basis", MonthBasis)
@pytest.mark.parametrize("seed", range(3))
def test_a_year_of_reports_is_counted_as_a_recount_counts_it(seed: int, basis: MonthBasis) -> None:
    reports = reports_of_a_year(seed, 150)
    expected = of_reports(reports, basis.name)
    assert {column for _, _, column in expected} >= {"FRAUD_JPY", "VISA_DISPUTE_N", "MC_FRAUD_CHARGEBACK_JPY"}
    for log in (reports, reports[::-1], sorted(reports, key=lambda report: report.received_ms)):
        store = fresh(basis)
        store.take_reports(0, log)
        assert books(store) == expected


def own(store: MerchantMonths, partition: int) -> None:
    for rows in (store._months, store._claims):
        rows.own(partition)


def restore(store: MerchantMonths, partition: int, packed: Packed) -> None:
    for rows in (store._months, store._claims):
        rows.restore(partition, packed)


def flushed(store: MerchantMonths, partition: int) -> tuple[Packed, Packed]:
    return store._months.flush(partition), store._claims.flush(partition)


def let_go(store: MerchantMonths, partition: int) -> None:
    for rows in (store._months, store._claims):
        rows.leave(partition)
        rows.forget(partition)


class Log:
    """A changelog by partition: what was flushed, in order."""

    def __init__(self) -> None:
        self.of: dict[int, list[Packed]] = {}

    def flush(self, store: MerchantMonths, partition: int, *followers: MerchantMonths) -> None:
        for packed in flushed(store, partition):
            read = Packed(*(np.frombuffer(part.tobytes(), part.dtype).reshape(part.shape) for part in packed))
            self.of.setdefault(partition, []).append(read)
            for follower in followers:
                restore(follower, partition, read)

    def restore(self, store: MerchantMonths, partition: int) -> None:
        for packed in self.of.get(partition, []):
            restore(store, partition, packed)


@pytest.mark.parametrize("seed", range(2))
def test_workers_that_die_and_partitions_that_move_change_no_yen(seed: int) -> None:
    """Reports of an event come in the partition of its card; what was not flushed is read again by the next owner."""
    reports = reports_of_a_year(seed, 120)
    inputs = [[report for report in reports if report.event % 3 == p] for p in range(3)]
    log, done = Log(), [0, 0, 0]
    workers = {name: fresh() for name in "ab"}
    owner = {0: "a", 1: "a", 2: "b"}
    for partition, name in owner.items():
        own(workers[name], partition)
    for step in range(12):
        for partition, first in list(owner.items()):
            name = first
            begin, end = done[partition], min(done[partition] + 14, len(inputs[partition]))
            workers[name].take_reports(partition, inputs[partition][begin:end])
            crashed = step in {4, 8} and partition == step % 3
            if crashed:
                other = "b" if name == "a" else "a"
                let_go(workers[name], partition)
                let_go(workers[other], partition)
                own(workers[other], partition)
                log.restore(workers[other], partition)
                log.restore(workers[name], partition)
                workers[other].take_reports(partition, inputs[partition][begin:end])
                owner[partition] = name = other
            done[partition] = end
            log.flush(workers[name], partition, *(store for key, store in workers.items() if key != name))
    taken = [report for partition in range(3) for report in inputs[partition][: done[partition]]]
    expected = of_reports(taken, "REPORT")
    restarted = fresh()
    for partition in range(3):
        log.restore(restarted, partition)
    for store in (*workers.values(), restarted):
        assert books(store) == expected
    for partition in range(3):
        assert all(len(packed) == 0 for packed in flushed(restarted, partition))


def report(**fields: object) -> Report:
    plain = Report(
        event=1,
        merchant=2,
        origin=Origin.NETWORK,
        says=Says.STANDS,
        received_ms=BEGIN_MS,
        network=NetworkCode.VISA,
        cnp=True,
        amount_jpy=600_000,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def of(store: MerchantMonths, number: int = calendar.month_of(BEGIN_MS), merchant: int = 2) -> dict[str, int]:
    figures = store.figures(merchant, number)
    return {column.name: figures[column] for column in MonthCol if figures[column]}


def test_an_event_that_several_report_is_one_fraud_and_two_items_of_visa() -> None:
    store = fresh()
    changed = store.take_reports(0, [report(), report(origin=Origin.FRAUD_DISPUTE, received_ms=BEGIN_MS + DAY)])
    assert changed == [(2, calendar.month_of(BEGIN_MS))]
    expected = {"FRAUD_N": 1, "FRAUD_JPY": 600_000, "VISA_FRAUD_N": 1, "VISA_DISPUTE_N": 1, "VISA_ITEMS_JPY": 1_200_000}
    assert of(store) == expected
    assert store.take_reports(0, [report()]) == []
    assert of(store) == expected


def test_a_reversal_months_later_empties_the_month_of_the_report() -> None:
    store, july = fresh(), calendar.month_of(BEGIN_MS)
    store.take_reports(0, [report()])
    changed = store.take_reports(0, [report(says=Says.TAKEN_BACK, received_ms=BEGIN_MS + 100 * DAY)])
    assert changed == [(2, july)]
    assert of(store) == {}
    changed = store.take_reports(0, [report(received_ms=BEGIN_MS + 200 * DAY)])
    assert changed == [(2, july + 6)]
    assert of(store, july + 6) == {"FRAUD_N": 1, "FRAUD_JPY": 600_000, "VISA_FRAUD_N": 1, "VISA_ITEMS_JPY": 600_000}


def test_a_dispute_that_was_lost_counts_for_the_schemes_and_is_no_fraud() -> None:
    store = fresh()
    lost = [report(origin=Origin.FRAUD_DISPUTE, says=says, received_ms=BEGIN_MS + n) for n, says in enumerate(Says)]
    store.take_reports(0, lost[:2])
    assert of(store) == {"VISA_DISPUTE_N": 1, "VISA_ITEMS_JPY": 600_000}
    store.take_reports(0, lost[2:])
    assert of(store) == {"FRAUD_N": 1, "FRAUD_JPY": 600_000}


def test_figures_add_up_and_a_history_shows_empty_months() -> None:
    store, last = fresh(), calendar.month_of(BEGIN_MS)
    store.take_reports(3, [report()])
    store.take_reports(4, [report(event=9, amount_jpy=1)])
    assert of(store)["FRAUD_JPY"] == 600_001
    months = store.history(2, last + 1, 3)
    assert [one.month for one in months] == [last - 1, last, last + 1]
    assert [one[MonthCol.FRAUD_N] for one in months] == [0, 2, 0]
    assert total(last, []) == empty(last) == MonthFigures(month=last, values=(0,) * COLUMNS)
    assert store.merchants(last) == [2]
    let_go(store, 3)
    assert of(store)["FRAUD_JPY"] == 1
    with pytest.raises(AssertionError):
        total(last, months)


def test_keys_of_rows_differ_by_merchant_and_month() -> None:
    keys = {row_key(merchant, number) for merchant in (1, 2, 2**64 - 1, 2**63) for number in range(600, 700)}
    assert len(keys) == 400
    assert all(0 < key < 2**64 for key in keys)


def reports_of(events: Iterable[int], **fields: object) -> list[Report]:
    return [report(event=event, received_ms=BEGIN_MS + event, **fields) for event in events]


def test_a_full_store_gives_up_the_events_heard_of_longest_ago_and_buries_them() -> None:
    store = MerchantMonths(MonthLimits(months_max=100, claims_max=128))
    own(store, 0)
    store.take_reports(0, reports_of(range(1, 129)))
    log = Log()
    log.flush(store, 0)
    store.take_reports(0, reports_of([200]))
    assert store.evicted == (0, 2)
    assert of(store)["FRAUD_N"] == 129
    store.take_reports(0, reports_of([1, 3], says=Says.TAKEN_BACK))
    assert of(store)["FRAUD_N"] == 128  # of 1 nothing is known any more
    log.flush(store, 0)
    months, claims = log.of[0][-2:]
    assert (len(months), len(claims)) == (1, 4)
    assert [int(end) for end in claims.ends] == [0, 52, 104, 156]
    again = MerchantMonths(MonthLimits(months_max=100, claims_max=128))
    log.restore(again, 0)
    assert of(again) == of(store)
    again.take_reports(0, reports_of([128], says=Says.TAKEN_BACK))
    assert of(again)["FRAUD_N"] == 127


def test_what_is_too_old_expires_and_nothing_else() -> None:
    store, now = fresh(), BEGIN_MS + 900 * DAY
    last = calendar.month_of(now)
    kept = calendar.begin_ms(last - 25)
    own(store, 0)
    store.take_reports(0, [report(received_ms=kept - 1), report(event=2, received_ms=kept)])
    store.take_reports(
        0, [report(event=3, received_ms=now - 200 * DAY), report(event=4, received_ms=now - 200 * DAY - 1)]
    )
    assert store.expire(last, now) == 1 + 3
    assert of(store, last - 26) == {}
    assert of(store, last - 25)["FRAUD_N"] == 1
    months, claims = flushed(store, 0)
    assert [len(packed) for packed in (months, claims)] == [3, 4]


def test_a_row_of_another_layout_or_key_is_refused_and_other_kinds_are_passed_over() -> None:
    store = fresh()
    store.take_reports(5, [report()])
    months, claims = flushed(store, 5)
    other = fresh()
    for packed in (months, claims):
        for at, message in ((1, "has another layout"), (2, "is damaged")):
            values = packed.values.copy()
            values[at] += 1
            with pytest.raises(RowFormatError, match=f"row 0 of (MONTH|CLAIM) {message}"):
                restore(other, 5, Packed(packed.keys, values, packed.ends))
    keys = months.keys.copy()
    keys[0, 0] = SIGHTING << PARTITION_BITS | 5
    restore(other, 5, Packed(keys, months.values, months.ends))
    assert books(other) == {}
    restore(other, 5, months)
    assert books(other) == books(store)
    assert [len(packed) for packed in flushed(other, 5)] == [0, 0]


def test_a_row_that_is_read_back_over_a_changed_one_is_not_flushed_again() -> None:
    store, log = fresh(), Log()
    store.take_reports(0, [report()])
    log.flush(store, 0)
    expected = books(store)
    store.take_reports(0, [report(event=2)])
    log.restore(store, 0)
    assert books(store) == expected
    months, claims = flushed(store, 0)
    assert (len(months), len(claims)) == (0, 1)  # the second event was not in the log
    tombstone = Packed(log.of[0][0].keys, log.of[0][0].values[:0], np.zeros(1, dtype=np.int64))
    restore(store, 0, tombstone)
    restore(store, 0, tombstone)
    assert books(store) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"event": 0}, {"event": 2**64}, {"merchant": 0}, {"received_ms": 0}, {"received_ms": 2**53}),
        *({"amount_jpy": -2}, {"event_ms": 0}, {"event_ms": 2**53}),
    ],
)
def test_a_report_without_sense_is_a_bug_of_its_caller(wrong: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        report(**wrong)


def test_of_two_times_of_a_payment_the_earlier_holds_whatever_comes_first() -> None:
    both = [report(event_ms=BEGIN_MS - 40 * DAY), report(event_ms=BEGIN_MS - 80 * DAY)]
    for log in (both, both[::-1]):
        store = fresh(MonthBasis.TRANSACTION)
        store.take_reports(0, log)
        assert of(store, calendar.month_of(BEGIN_MS - 80 * DAY))["FRAUD_N"] == 1
        assert "FRAUD_N" not in of(store, calendar.month_of(BEGIN_MS - 40 * DAY))


def test_a_repeat_leaves_nothing_to_flush() -> None:
    store = fresh()
    store.take_reports(0, [report()])
    flushed(store, 0)
    store.take_reports(0, [report(), report()])
    assert [len(packed) for packed in flushed(store, 0)] == [0, 0]


def test_a_partition_that_is_let_go_is_counted_nowhere_and_leaves_no_tombstones() -> None:
    store, number = fresh(), calendar.month_of(BEGIN_MS)
    own(store, 0)
    store.take_reports(0, [report()])
    store.take_reports(1, [report(event=2)])
    let_go(store, 0)
    assert of(store)["FRAUD_N"] == 1
    let_go(store, 1)
    assert of(store) == {}
    assert store.merchants(number) == []
    assert [len(packed) for packed in flushed(store, 0)] == [0, 0]
    store.take_reports(0, [report(says=Says.TAKEN_BACK, received_ms=BEGIN_MS + 1)])
    assert of(store) == {}  # the first report is forgotten, so nothing is taken from anything


def test_keys_of_months_are_those_of_the_reference_of_splitmix64() -> None:
    """They stand in the log: another key would count a month twice. First outputs for the seed 0."""
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [row_key(0, month) for month in (0, 1, 2)] == expected
