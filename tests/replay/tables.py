"""Small tables in the form of the `handbook` mapping, and sources of them."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet

from streams.replay.columns.declared import Mapping, mappings_of
from streams.replay.columns.reading import open_table
from streams.replay.columns.rows import Rows
from streams.replay.mapping import Renderer
from streams.replay.source import Chunk
from streams.replay.table import TableSource

(COMPACT,) = mappings_of("handbook-compact")
PREFIX = "h-"


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


def source(
    file: Path,
    *mappings: Mapping,
    limit: int = 0,
    reports: bool = True,
    told: list[str] | None = None,
) -> TableSource:
    """Open a table, by default as `--mapping handbook` does; `told` collects the remarks."""
    table = open_table(file, mappings or mappings_of("handbook"))
    renderer = Renderer(table.mapping, id_prefix=PREFIX)
    remarks = [] if told is None else told
    return TableSource(table, renderer, limit=limit, id_prefix=PREFIX, reports=reports, tell=remarks.append)


def rows_of(rows: list[tuple[int, Any, Any, int]], first: int = 0, mapping: Mapping = COMPACT) -> Rows:
    """Make rows of (seconds since the mapping's moment, card, merchant, minor units)."""
    seconds, cards, merchants, amounts = (list(column) for column in zip(*rows, strict=True))
    return Rows(
        numbers=np.arange(first, first + len(rows)),
        time_ms=mapping.time.since_ms + 1000 * np.array(seconds, np.int64),
        card=cards,
        merchant=merchants,
        amount_minor=np.array(amounts, np.int64),
        fraud=np.zeros(len(rows), np.bool_),
        unknown=np.zeros(len(rows), np.bool_),
        told={},
    )


def ids(chunks: list[Chunk]) -> list[str]:
    """Return the event ids of chunks, in order."""
    return [orjson.loads(value)["event_id"] for chunk in chunks for _, value in chunk.events]
