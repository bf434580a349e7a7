"""The columns of a batch are declared once; what does not fit them never reaches a kernel."""

import numpy as np
import pytest

from scoring.profile import Entity, EventColumns, Reports
from scoring.profile.columns import checked, empty
from tests.profile.events import Report, Stream, at, columns_of, reports


def test_reserved_columns_have_the_types_and_shapes_that_filled_ones_have() -> None:
    filled = (columns_of([at(0), at(1), at(2)], [1, 2, 3]), reports([Report(), Report()]), reports([]))
    for columns in filled:
        reserved = empty(type(columns), len(columns[0]))
        assert [(a.dtype, a.shape) for a in reserved] == [(a.dtype, a.shape) for a in columns]
        assert checked(reserved) is reserved


@pytest.mark.parametrize("name", EventColumns._fields)
def test_a_column_of_another_type_length_or_order_is_refused(name: str) -> None:
    columns = columns_of([at(0), at(1), at(2), at(3)], [1, 2, 3, 4])
    column = getattr(columns, name)
    twice = np.repeat(column, 2, axis=0)
    for wrong, fault in (
        (column.astype(np.float32), "is float32"),
        (twice, "has shape"),
        (twice[::2], "is not C-contiguous"),
    ):
        if name == "event_id" and fault == "has shape":
            continue  # its length is the batch's
        with pytest.raises(AssertionError, match=f"{name} {fault}"):
            Stream().profiles.read_then_update(columns._replace(**{name: wrong}), np.empty((4, 400)), 0)


def test_a_batch_without_a_key_for_each_entity_is_refused() -> None:
    columns = columns_of([at(0)], [1])
    narrow = columns.keys[:, : len(Entity) - 1].copy()
    with pytest.raises(AssertionError, match="keys has shape"):
        Stream().profiles.read_then_update(columns._replace(keys=narrow), np.empty((1, 400)), 0)


def test_reports_and_outcomes_are_checked_too() -> None:
    profiles = Stream().profiles
    with pytest.raises(AssertionError, match="received_ms is int32"):
        profiles.report(empty(Reports, 2)._replace(received_ms=np.zeros(2, dtype=np.int32)))
    with pytest.raises(AssertionError, match="received_ms has shape"):
        profiles.report(reports([Report()])._replace(received_ms=np.zeros(2, dtype=np.int64)))
    with pytest.raises(AssertionError, match="kind is int64"):
        profiles.take_outcomes(columns_of([at(0)], [1])._replace(kind=np.zeros(1, dtype=np.int64)))
