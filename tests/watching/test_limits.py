"""What a watched model forgets: old days, full books, counts of another model; and rows that cannot be read."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from scoring.outputs import Source
from scoring.profile.packed import ROW_FORMAT, Packed, RowFormatError, side_keys
from scoring.watching import figures as figures_module
from scoring.watching.book import COHORT_ROW, COUNTS_ROW, PAYMENT_ROW, RULE_ROW, Book, Payment, row_key
from scoring.watching.kernel import COUNTED_IN, KEPT_IN
from scoring.watching.rows import Books
from tests.bundles import small_bundle
from tests.engine.test_engine import NOW_MS
from tests.events import in_two_phases, request_of
from tests.watching.stream import RULES, START, History, Log, new_engine, payment, report, run, watched_bundle

WATCH = 243


def paid(event: int, day: int, **changes: object) -> Payment:
    made = Payment(event=event, day=day, score=750, band=2, expected=400_000, rules=(), is_fraud=False)
    return made._replace(**changes)  # type: ignore[arg-type]  # fields of it


def rows_of(packed: Packed) -> dict[int, list[int]]:
    """Return the rows of this kind by key: their words, none for a tombstone."""
    found, begin = {}, 0
    for (kind, low, high), end in zip(packed.keys.tolist(), packed.ends.tolist(), strict=True):
        assert kind == WATCH << 24 | 1
        found[high << 32 | low] = packed.values[begin:end].tolist()
        begin = end
    return found


def owned(payments_max: int = 100) -> tuple[Books, Book]:
    books = Books(7, 4, 1, payments_max)
    books.own(1)
    return books, books.of(1)


def test_a_full_book_drops_its_oldest_day_with_all_that_was_counted_of_it() -> None:
    books, book = owned(3)
    for event, day in ((1, 50), (2, 50), (3, 51)):
        book.remember(paid(event, day, rules=(9,)))
    books.flush(1)
    book.remember(paid(4, 52))
    assert sorted(book.payments) == [3, 4]
    assert sorted(book.cohorts) == [51, 52]
    assert sorted(book.rules) == [(51, 9)]
    assert (book.first, book.last) == (51, 52)
    written = rows_of(books.flush(1))
    gone = {key for key, words in written.items() if not words}
    assert gone == {
        row_key(PAYMENT_ROW, 1), row_key(PAYMENT_ROW, 2), row_key(COHORT_ROW, 50), row_key(RULE_ROW, 50 << 32 | 9)
    }  # fmt: skip
    book.remember(paid(5, 50))
    assert 5 not in book.payments, "its day was dropped"


def test_a_book_that_is_full_of_one_day_takes_no_more_of_it_and_counts_none() -> None:
    _, book = owned(2)
    for event in (1, 2, 3):
        book.remember(paid(event, 50))
    assert sorted(book.payments) == [1, 2]
    assert sum(book.cohorts[50][0::3]) == 2


def test_payments_are_remembered_for_88_days_and_counts_for_28() -> None:
    _, book = owned()
    book.remember(paid(1, 100))
    book.note_counts(100, np.ones(4, dtype=np.uint32))
    book.note_counts(127, np.ones(4, dtype=np.uint32))
    assert sorted(book.counts) == [100, 127]
    book.note_counts(128, np.ones(4, dtype=np.uint32))
    assert sorted(book.counts) == [127, 128]
    assert book.counts_of(100, 4) is None
    book.remember(paid(2, 187))
    assert sorted(book.payments) == [1, 2]
    book.remember(paid(3, 188))
    assert sorted(book.payments) == [2, 3]
    assert not book.counts


def test_a_quiet_payment_stands_for_many_and_a_raised_one_for_itself() -> None:
    _, book = owned()
    book.remember(paid(1, 50, band=0, score=10, expected=2))
    book.remember(paid(2, 50, band=1, score=10, expected=3))
    book.remember(paid(3, 50, band=0, score=10, expected=5, rules=(8,)))
    for event in (1, 2, 3):
        book.judge(event, is_fraud=True)
    assert book.cohorts[50][:6] == [KEPT_IN + 1, KEPT_IN + 1, KEPT_IN * 2 + 5, 1, 1, 3]
    assert book.rules[50, 8] == [1, 1]
    for event in (1, 1, 3):
        book.judge(event, is_fraud=False)
    assert book.cohorts[50][:6] == [KEPT_IN + 1, 0, KEPT_IN * 2 + 5, 1, 1, 3]
    assert book.rules[50, 8] == [1, 0]


def test_a_payment_is_counted_once_though_it_is_decided_again() -> None:
    _, book = owned()
    book.remember(paid(1, 50))
    book.remember(paid(1, 51, score=10))
    assert sorted(book.cohorts) == [50]


def test_a_payment_that_was_reported_before_it_was_decided_is_a_fraud() -> None:
    engine = new_engine()
    run(engine, [report(1, 5, START, source="TC40")])
    run(engine, [payment(5, START, 3_000_000), payment(6, START + timedelta(days=7), 3_000_000)])
    labelled = engine.watch.figures(RULES).labelled
    assert sum(count for (age, _, label), count in labelled.items() if age == "7d" and label == "FRAUD") == 1


def test_counts_in_the_bins_of_another_model_are_dropped_and_payments_stay() -> None:
    old, log = new_engine(), Log()
    old.changelog.own(0)
    run(old, [payment(number, START, 3_000_000) for number in range(40 * COUNTED_IN)], History())
    before = old.watch.figures(RULES)
    assert before.counted["1d"] > 10
    log.take(old.changelog.flush(0))
    bundle = watched_bundle()
    assert bundle.manifest.baseline is not None
    other = msgspec.structs.replace(bundle.manifest.baseline, scores=(1,) * 20)
    changed = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, baseline=other))
    new = new_engine(bundle=changed)
    log.restore(new, 0, is_compacted=False)
    after = new.watch.figures(RULES)
    assert after.counted == {"1d": 0, "7d": 0, "28d": 0}
    assert (after.labelled, after.remembered) == (before.labelled, before.remembered)
    log.take(new.changelog.flush(0))
    again = new_engine()
    log.restore(again, 0, is_compacted=True)
    assert again.watch.figures(RULES).counted["1d"] == 0, "their rows are deleted"


def test_a_bundle_without_a_baseline_still_remembers_payments() -> None:
    engine = new_engine(bundle=small_bundle())
    run(engine, [payment(1, START, 3_000_000)])
    found = engine.watch.figures(RULES)
    assert (found.has_baseline, engine.watch.has_baseline) == (False, False)
    assert (found.remembered, found.counted["1d"], found.input_psi) == (1, 0, {})
    assert new_engine().watch.has_baseline


def test_days_after_tomorrow_are_passed_over() -> None:
    engine = new_engine()
    run(engine, [payment(1, START, 3_000_000), payment(2, START.replace(year=2050), 3_000_000)])
    assert engine.watch.figures(RULES).remembered == 1


def test_an_issuers_answer_is_not_counted_beside_its_request() -> None:
    values = [payment(number, START, 5_000).value for number in range(10 * COUNTED_IN)]
    counts = []
    for given in (list(map(request_of, values)), in_two_phases(values, every=1)):
        engine, n = new_engine(), len(given)
        source = Source(topic="t", partition=0, offsets=range(n), timestamps_ms=[-1] * n)
        outputs = engine.score(given, source, received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS)
        assert len(outputs.decisions) == len(values)
        counts.append(engine.watch.figures(RULES).counted["1d"])
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(("hours", "days"), [(-23, 2), (-25, 1), (1, 1)])
def test_a_time_that_is_not_trusted_is_that_of_the_record(hours: int, days: int) -> None:
    """Payments dated before and after their records, beside one on time: from 24 hours behind, the record counts."""
    noon = START + timedelta(hours=12)
    values = [payment(number, at, 3_000_000).value for number, at in enumerate((noon, noon + timedelta(hours=hours)))]
    stamps = [int(noon.timestamp() * 1000)] * 2
    source = Source(topic="t", partition=0, offsets=range(2), timestamps_ms=stamps)
    engine = new_engine()
    # the earlier one first: a day before the oldest remembered one is not taken
    engine.score(values[::-1], source, received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS)
    found = engine.watch.figures(RULES)
    assert (found.remembered, found.remembered_days) == (2, days)


def test_fewer_events_than_the_least_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = new_engine()
    run(engine, [payment(number, START, 5_000) for number in range(4 * COUNTED_IN)])
    found = engine.watch.figures(RULES)
    assert 0 < found.counted["1d"] < figures_module.ROWS_MIN
    assert (found.score_psi, found.input_psi, found.missing, found.unseen) == ({}, {}, {}, {})
    monkeypatch.setattr(figures_module, "ROWS_MIN", found.counted["1d"])
    assert engine.watch.figures(RULES).score_psi.keys() == {"1d", "7d", "28d"}


def logged(key: int, words: list[int]) -> Packed:
    values = np.array([ROW_FORMAT, *words] if words else [], dtype=np.uint32)
    return Packed(side_keys(WATCH, 1, np.array([key], dtype=np.uint64)), values, np.array([len(values)]))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (row_key(COUNTS_ROW, 5), [7, 1, 2, 3]),
        (row_key(COUNTS_ROW, 5), [7, 1, 2, 3, 4, 5]),
        (row_key(COHORT_ROW, 5), [0] * 239),
        (row_key(PAYMENT_ROW, 5), [1 << 24]),
        (row_key(PAYMENT_ROW, 5), [1, 2, 3, 4, 5, 6]),
        (row_key(RULE_ROW, 5), [1]),
    ],
)
def test_a_damaged_row_is_refused(key: int, words: list[int]) -> None:
    books, _ = owned()
    with pytest.raises(RowFormatError, match=r"^row 0 of WATCH is damaged$"):
        books.restore(1, logged(key, words))


def test_rows_after_the_last_marker_are_written_again_or_deleted() -> None:
    books, book = owned()
    book.remember(paid(1, 50))
    before = rows_of(books.flush(1))
    keys = np.concatenate([logged(row_key(PAYMENT_ROW, event), []).keys for event in (1, 2)])
    books.rewrite(1, keys)
    assert rows_of(books.flush(1)) == {
        row_key(PAYMENT_ROW, 1): before[row_key(PAYMENT_ROW, 1)], row_key(PAYMENT_ROW, 2): []
    }  # fmt: skip


def test_a_partition_that_was_left_is_not_written() -> None:
    books, book = owned()
    book.remember(paid(1, 50))
    books.leave(1)
    assert len(books.flush(1)) == 0
    book.remember(paid(2, 50))
    books.own(1)
    assert len(books.flush(1)) == 0


def test_the_highest_scores_and_bands_have_the_last_cell() -> None:
    _, book = owned()
    book.remember(paid(1, 50, score=999, band=3))
    assert book.cohorts[50] == [0] * 117 + [1, 0, 400_000]
