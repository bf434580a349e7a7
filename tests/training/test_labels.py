"""Training uses only labels known by the cut of a part: a label reported later has no effect on it."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from models.simulator import Truth
from models.training.matrix import Samples, replay
from models.training.records import Record
from models.training.train import LABEL_NOT_KNOWN, Plan, label_lines, split
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.model.manifest import Training
from tests.events import event
from tests.training.bundled import train_bundle

START_MS = 1_777_604_400_000
DAY_MS = 24 * 3_600_000
PLAN = Plan(name="test", source="a test", seed=5, trees=5)
ROWS, DAYS = 4_000, 40


@cache
def samples() -> Samples:
    """Make rows over forty days in which one input predicts fraud, and every fraud is known at once."""
    rng = np.random.default_rng(7)
    fraud = rng.random(ROWS) < 0.1
    matrix = np.full((ROWS, len(FEATURES)), np.nan)
    column = next(i for i, feature in enumerate(FEATURES) if not feature.categorical)
    matrix[:, column] = fraud + rng.normal(0, 0.3, ROWS)
    event_ms = START_MS + np.sort(rng.integers(0, DAYS * DAY_MS, ROWS))
    return Samples(
        matrix=matrix,
        event_ms=event_ms,
        amount_jpy=np.full(ROWS, 100),
        card=np.arange(ROWS, dtype=np.uint64),
        fraud=fraud,
        typology=np.where(fraud, "T3", None).astype(np.object_),
        episode=np.array([f"e{i}" if one else None for i, one in enumerate(fraud)], np.object_),
        known_ms=event_ms.copy(),
        skipped={},
        unmatched=0,
        undated=0,
        delay_ms=0,
    )


def known_from(ms: int, rows: NDArray[np.intp]) -> Samples:
    known_ms = samples().known_ms.copy()
    known_ms[rows] = ms
    return replace(samples(), known_ms=known_ms)


def never_known(rows: NDArray[np.intp]) -> Samples:
    fraud = samples().fraud.copy()
    fraud[rows] = False
    return replace(samples(), fraud=fraud)


def trained(found: Samples) -> tuple[bytes, object, Training]:
    files, _ = train_bundle(found, PLAN)
    manifest = Bundle.load(files, FEATURES).manifest
    return files["model.txt"], manifest.calibration, manifest.training


@pytest.mark.parametrize("part", ["train", "calibration"])
def test_a_label_reported_after_the_cut_of_its_part_has_no_effect_on_it(part: str) -> None:
    parts = split(samples(), PLAN)
    rows = getattr(parts, part)
    cut_ms = parts.cuts_ms[0] if part == "train" else parts.cuts_ms[1]
    hidden = np.flatnonzero(samples().fraud[rows])[::2] + rows.start
    model, table, training = trained(known_from(cut_ms + 1, hidden))
    without_model, without_table, _ = trained(never_known(hidden))
    assert (model, table) == (without_model, without_table), "it must count as never reported"
    at_cut, at_cut_table, _ = trained(known_from(cut_ms, hidden))
    assert (at_cut, at_cut_table) == trained(samples())[:2], "a label reported by the cut must be known"
    assert (model, table) != (at_cut, at_cut_table)
    found = getattr(training, part)
    assert (found.frauds, found.late_frauds) == (int(samples().fraud[rows].sum()) - len(hidden), len(hidden))


def test_the_test_part_is_judged_by_all_labels_that_became_known() -> None:
    parts = split(samples(), PLAN)
    late = known_from(START_MS + 1_000 * DAY_MS, np.arange(parts.test.start, parts.test.stop))
    assert trained(late) == trained(samples())


def test_days_without_a_known_label_are_left_out_where_the_delay_is_assumed() -> None:
    delayed = replace(samples(), known_ms=samples().event_ms + 5 * DAY_MS, undated=9, delay_ms=5 * DAY_MS)
    parts = split(delayed, PLAN)
    whole = split(samples(), PLAN)
    assert (parts.cuts_ms, parts.test) == (whole.cuts_ms, whole.test)
    times = delayed.event_ms
    for rows, cut_ms in ((parts.train, parts.cuts_ms[0]), (parts.calibration, parts.cuts_ms[1])):
        assert times[rows.stop - 1] < cut_ms - 5 * DAY_MS <= times[rows.stop]
    assert parts.gaps == whole.test.start - len(times[parts.train]) - len(times[parts.calibration]) > 500
    _, _, training = trained(delayed)
    assert training.train.late_frauds == training.calibration.late_frauds == 0
    assert training.left_out == {LABEL_NOT_KNOWN: parts.gaps}
    assert label_lines(delayed, PLAN)[:2] == [
        "frauds without a time of report: 9, known 5 days later",
        f"rows before the cuts left out, their truth was not known yet: {parts.gaps}",
    ]


def test_a_delay_that_leaves_no_row_is_an_error() -> None:
    delayed = replace(samples(), known_ms=samples().event_ms + 30 * DAY_MS, undated=9, delay_ms=30 * DAY_MS)
    with pytest.raises(ValueError, match=r"no fraud among the 0 rows of the train part: use more days; or say when"):
        split(delayed, PLAN)


def test_frauds_that_all_became_known_after_the_cut_are_named() -> None:
    rows = np.flatnonzero(samples().fraud)
    with pytest.raises(ValueError, match=r"of the train part, \d+ became known after it: use more days"):
        split(known_from(START_MS + 1_000 * DAY_MS, rows), PLAN)


def report(event_id: str, at_ms: int, label: str = "FRAUD") -> Record:
    fields = f'"label_id":"r{event_id}{at_ms}","event_id":"{event_id}","acquirer_id":"a","merchant_id":"m"'
    text = (
        f'{{"schema_version":"label.v1",{fields},"pan_hmac":"abcdefghijklmnop","label":"{label}","source":"ISSUER",'
        f'"received_ts":"{np.datetime64(at_ms, "ms")}Z"}}'
    )
    return Record("fraud-reports", b"k", text.encode(), at_ms)


def authorization(event_id: str, at_ms: int, **changes: Any) -> Record:
    value = orjson.dumps(event(event_id=event_id, event_ts=f"{np.datetime64(at_ms, 'ms')}Z", **changes))
    return Record("authorizations", b"k", value, at_ms)


def test_a_fraud_is_known_from_the_date_of_its_truth_or_its_first_report_or_the_delay() -> None:
    names = ["dated", "dated and reported", "reported", "never", "chargeback of another kind", "genuine"]
    at = {name: START_MS + 60_000 * i for i, name in enumerate(names)}
    records = [authorization(name, ms) for name, ms in at.items()]
    late = START_MS + DAY_MS
    records += [
        report("dated and reported", late),
        report("reported", late + 1),
        report("reported", late + 2),
        report("chargeback of another kind", late + 3, "FIRST_PARTY"),
    ]
    truths = {name: Truth(name, True, None, None, 1) for name in names[:-1]}
    truths["dated"] = truths["dated"]._replace(known_at_ms=START_MS + 5)
    truths["dated and reported"] = truths["dated and reported"]._replace(known_at_ms=START_MS + 6)
    found = replay(records, truths, delay_ms=3 * DAY_MS)
    assert found.skipped == {}
    assert found.fraud.tolist() == [True] * 5 + [False]
    assert found.known_ms.tolist() == [
        START_MS + 5,
        START_MS + 6,
        late + 1,
        at["never"] + 3 * DAY_MS,
        at["chargeback of another kind"] + 3 * DAY_MS,
        at["genuine"],
    ]
    assert (found.undated, found.delay_ms) == (2, 3 * DAY_MS)
