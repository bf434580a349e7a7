"""A matrix on disk gives the bits that were written, however it is read, and an interrupted one goes on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.training import stored
from models.training.stored import Files, MatrixFile
from tests.examples import examples

COLUMNS = 4
cells = st.one_of(
    st.floats(width=32),
    st.floats(),
    st.sampled_from([0.0, -0.0, 0.1, 1 / 3, 2.0**24 + 1, 1e300, -1e300, 5e-324, float("nan"), float("inf")]),
)
batches = st.lists(
    st.lists(st.tuples(*[cells] * COLUMNS), max_size=5).map(
        lambda rows: np.array(rows, np.float64).reshape(-1, COLUMNS)
    ),
    min_size=1,
    max_size=5,
)


def bits(values: np.ndarray) -> bytes:
    return np.where(np.isnan(values), np.nan, values).tobytes()  # of NaN only that it is one


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_WRITE_ROWS", 5)
    monkeypatch.setattr(stored, "_WRITE_BYTES", 7)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(batches, st.data())
def test_every_way_to_read_gives_the_bits_that_were_written(
    tmp_path: Path, written: list[np.ndarray], data: st.DataObject
) -> None:
    file = MatrixFile(tmp_path, COLUMNS)
    for batch in written:
        file.append(batch)
        assert sum(map(len, file._held)) < 5, "no more rows are held back than it says"
    assert file.rows == sum(map(len, written))
    file.flush()
    whole = np.concatenate(written)
    with np.errstate(all="ignore"):
        lossy = [
            c for c in range(COLUMNS) if bits(whole[:, c].astype(np.float32).astype(np.float64)) != bits(whole[:, c])
        ]
    assert set(lossy) <= set(file.wide), "no value may lose a bit"
    matrix = file.read()
    assert matrix.shape == whole.shape
    assert bits(matrix[:]) == bits(whole)
    low = data.draw(st.integers(0, len(whole)))
    high = data.draw(st.integers(low, len(whole)))
    part = matrix.part(slice(low, high))
    assert (len(part), bits(part[:])) == (high - low, bits(whole[low:high]))
    if high > low:
        assert bits(part[0]) == bits(whole[low])
        rows = [high - low - 1, 0]
        assert bits(part[rows]) == bits(part[np.array(rows)]) == bits(whole[low:high][rows])
        assert bits(part.part(slice(1, None))[:]) == bits(whole[low + 1 : high])


def test_columns_that_float32_holds_are_stored_once(tmp_path: Path) -> None:
    file = MatrixFile(tmp_path, 3)
    file.append(np.array([[1.0, 0.5, np.nan], [2.0, -0.0, 1.0]]))
    file.flush()
    assert file.wide == []
    file.append(np.array([[3.0, 0.1, 1.0]]))
    file.flush()
    assert file.wide == [1]
    assert file.read()[:].tolist()[2] == [3.0, 0.1, 1.0]
    assert file.read()[0].tolist()[:2] == [1.0, 0.5]


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_rows_after_the_last_checkpoint_are_forgotten_and_written_again(
    tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_READ_ROWS", 2)
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.1], [0.1, 8.0], [7.0, 7.0]])
    file = MatrixFile(tmp_path, 2)
    file.append(rows[:kept])
    file.flush()
    state = file.rows, tuple(file.wide)
    file.append(rows[kept:4])
    file.flush()
    again = MatrixFile(tmp_path, 2, *state)
    again.append(rows[kept:])
    assert again.read()[:].tobytes() == rows.tobytes()


def test_bytes_are_appended_in_order_and_little_is_held_back(tmp_path: Path) -> None:
    files = Files(tmp_path)
    for number in range(40):
        files.append("a", b"%d," % number)
        assert len(files._held.get("a", b"")) < 7
        if number % 10 == 9:
            files.append("b", b"x")
    assert not (tmp_path / "b").exists()
    files.append("a", b"")
    files.flush()
    assert (tmp_path / "a").read_bytes() == b"".join(b"%d," % number for number in range(40))
    assert (tmp_path / "b").read_bytes() == b"xxxx"
    files.flush()
    assert (tmp_path / "b").read_bytes() == b"xxxx", "what is written is held back no more"


def test_a_batch_may_be_overwritten_after_it_was_appended(tmp_path: Path) -> None:
    file, batch = MatrixFile(tmp_path, 2), np.array([[1.0, 2.0]])
    file.append(batch)
    batch[:] = 0
    assert file.read()[:].tolist() == [[1.0, 2.0]]
