"""Leakage: no feature of a payment depends on its own label, nor on a report that was not received yet.

Through the whole path from a table or a recording to rows, for every feature: one label is changed, and all rows are
compared bit for bit.
"""

from pathlib import Path

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from streams.cli.train import TableHistory
from streams.replay.opened import Tables, open_source
from tests.examples import is_quick, sample
from tests.training.history.made_book import HEADER, SAMPLE
from tests.training.history.test_history import Recorded, collected, late, traffic

DELAY_MS = 7 * 86_400_000
"""When a fraud of the Handbook's table is reported: the delay of its mapping."""

FRAUD = HEADER.split(",").index("TX_FRAUD")


def rows_of_table(file: Path, folder: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the matrix of a table in the Handbook's format, and the times of its rows."""
    tables = Tables(table=file, mapping="handbook", labels=True, jpy_per_unit=130)
    history = TableHistory(tables, open_source(tables, lambda _: None))
    made = collected(folder, history)  # a history as well
    return np.asarray(made.matrix[:]), made.event_ms


def first_change(one: NDArray[np.float64], other: NDArray[np.float64]) -> int:
    """Return the first row with another bit, the number of rows if there is none."""
    unequal = (one.view(np.int64) != other.view(np.int64)).any(axis=1)
    return int(unequal.argmax()) if unequal.any() else len(one)


def test_the_label_of_a_payment_changes_no_feature_until_it_is_reported(tmp_path: Path) -> None:
    base, event_ms = rows_of_table(SAMPLE, tmp_path / "base")
    lines = SAMPLE.read_text().splitlines()
    changed = 0
    for row in range(20, len(event_ms) - 20, 150 if is_quick() else 40):
        cells = lines[1 + row].split(",")
        cells[FRAUD] = "0" if cells[FRAUD] == "1" else "1"
        file = tmp_path / f"{row}.csv"
        file.write_text("\n".join([*lines[: 1 + row], ",".join(cells), *lines[2 + row :], ""]))
        found, _ = rows_of_table(file, tmp_path / str(row))
        first = first_change(base, found)
        assert first == len(base) or event_ms[first] >= event_ms[row] + DELAY_MS, row
        changed += first < len(base)
    assert changed > 2, "a label that is known changes later rows"


@pytest.mark.parametrize("ahead_s", [0, 290])
def test_a_report_changes_no_feature_of_a_payment_before_its_receipt(tmp_path: Path, ahead_s: int) -> None:
    """Also where its record lies in the stream before that: the clocks of two systems may differ by some minutes."""
    places = sample((100, 500), step=2)
    base = [record for record in traffic() if record.topic == "authorizations"][: places[-1] + 700]
    whole = collected(tmp_path / "whole", Recorded(base))
    matrix, event_ms = np.asarray(whole.matrix[:]), whole.event_ms
    changed = 0
    for place in places:
        event = orjson.loads(base[place].value or b"")
        for after in (1, 150, 400):
            record = late(event, base[place + after].at_ms + ahead_s * 1_000)
            report = record._replace(at_ms=base[place + after].at_ms)
            records = [*base[: place + after], report, *base[place + after :]]
            found = collected(tmp_path / f"{place}-{after}", Recorded(records, name=f"{place}-{after}-{ahead_s}"))
            first = first_change(matrix, np.asarray(found.matrix[:]))
            assert first == len(matrix) or event_ms[first] >= record.at_ms, (place, after)
            changed += first < len(matrix)
    assert changed > 1, "a report that was received changes later rows"
