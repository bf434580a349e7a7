"""Small tables of the shape that the `handbook` mapping reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet


def write_table(file: Path, rows: int, *, seed: int = 1, days: int = 20, fraud: float = 0.02) -> pa.Table:
    """Write `rows` random transactions in order of time and return them."""
    rng = np.random.default_rng(seed)
    table = pa.table(
        {
            "t": np.sort(rng.integers(0, days * 86_400, rows)).astype(np.int32),
            "customer": rng.integers(0, 200, rows).astype(np.uint16),
            "terminal": rng.integers(0, 50, rows).astype(np.uint16),
            "amount_cents": rng.integers(1, 50_000, rows).astype(np.int32),
            "scenario": (rng.random(rows) < fraud).astype(np.uint8),
        }
    )
    pa.parquet.write_table(table, file, row_group_size=max(1, rows // 3))
    return table
