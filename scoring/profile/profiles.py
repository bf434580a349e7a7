"""Hold the profiles of one worker: what was seen of every card, merchant, device and address so far."""

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.profile.catalog import PROFILE_FEATURES
from scoring.profile.entities import Entity
from scoring.profile.facts import Facts, Reports
from scoring.profile.kernels import entry, store
from scoring.profile.kernels.arrays import Arena, Columns, Outputs, ReportColumns
from scoring.profile.kernels.rings import WORK_SIZE
from scoring.profile.layout import ROW_LAYOUTS, ROW_WORDS, TABLES

_CAPACITY_MAX: Final = 2**28
_INDEX_LOAD: Final = 2  # entries for each row: half full at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLimits:
    """Bound the rows of each entity; powers of two. A full store evicts by age (`scoring.profile.kernels.store`)."""

    card: int = 1 << 20
    merchant: int = 1 << 16
    merchant_bin: int = 1 << 18
    bin: int = 1 << 14
    device: int = 1 << 19
    ip: int = 1 << 19
    account: int = 1 << 19
    address: int = 1 << 19

    def __post_init__(self) -> None:
        for field in fields(self):
            rows = getattr(self, field.name)
            if not 1 <= rows <= _CAPACITY_MAX or rows & (rows - 1):
                raise ValueError(f"{field.name}: {rows} rows, not a power of two from 1 to {_CAPACITY_MAX}")

    def rows(self, entity: Entity) -> int:
        """Return the bound of one entity."""
        rows: int = getattr(self, entity.name.lower())
        return rows

    @property
    def nbytes(self) -> int:
        """Return what full stores take, in bytes."""
        return sum(self.rows(entity) * row_nbytes(entity) for entity in Entity)


def row_nbytes(entity: Entity) -> int:
    """Return the bytes of one row and its share of the index."""
    return ROW_WORDS[entity] * 8 + _INDEX_LOAD * 8


class Seen(NamedTuple):
    """What the profiles say of the events of a batch themselves: bool[n] each.

    `repeats` have an id among the last of their card; `disordered` move windows and are earlier, in whole seconds, than
    the latest event of their card that did.
    """

    repeats: NDArray[np.bool_]
    disordered: NDArray[np.bool_]


class Profiles:
    """Read and update windows event by event, in order. Not thread-safe; one worker owns it.

    Memory is reserved at construction and touched as rows are used; it never exceeds `limits.nbytes`.
    The same order of events gives the same features however it is cut into batches.
    """

    def __init__(self, limits: ProfileLimits | None = None) -> None:
        self.limits = limits or ProfileLimits()
        self._stores = np.zeros((len(Entity), 8), dtype=np.int64)
        arena_words = 0
        index_entries = 0
        for entity in Entity:
            rows = self.limits.rows(entity)
            entries = _INDEX_LOAD * rows
            age = ROW_LAYOUTS[entity].fields
            age_field = age.get("report_s", age.get("report_clock", store.LAST_S))
            self._stores[entity] = (
                arena_words, ROW_WORDS[entity], rows, index_entries, entries.bit_length() - 1, 0, 0, age_field
            )  # fmt: skip
            arena_words += rows * ROW_WORDS[entity]
            index_entries += entries
        words = np.zeros(arena_words, dtype=np.int64)
        self._arena = Arena(
            self._stores,
            np.zeros(index_entries, dtype=np.uint64),
            words,
            words.view(np.uint32),
            words.view(np.float32),
            words.view(np.uint16),
            words.view(np.uint8),
            np.zeros(TABLES.scratch_size),
            np.zeros(WORK_SIZE, dtype=np.int64),
            np.zeros(len(Entity), dtype=np.int64),
        )

    def read_then_update(self, facts: Facts, out: NDArray[np.float64], first_column: int) -> Seen:
        """Write the profile features of each event as its predecessors left them, then let it count.

        `out`: float64[n, >= first_column + P], C-contiguous; columns first_column to first_column + P overwritten, NaN
        for what is not known. A repeat changes nothing and its features are NaN.
        """
        n = len(facts)
        assert out.dtype == np.float64, f"out is {out.dtype}, not float64"
        assert out.flags.c_contiguous, "out is not C-contiguous"
        assert out.shape[0] == n, f"out has {out.shape[0]} rows for {n} events"
        assert 0 <= first_column <= out.shape[1] - len(PROFILE_FEATURES), f"no room from column {first_column}"
        seen = Seen(np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_))
        columns = Columns(
            facts.event_id,
            facts.keys,
            facts.time_ms,
            facts.amount_jpy,
            facts.outcome,
            facts.kind,
            facts.mcc,
            facts.country,
            facts.tds_failed,
            facts.trusted_time,
        )
        entry.read_then_update(columns, Outputs(out, *seen), first_column, self._arena)
        return seen

    def report(self, reports: Reports) -> None:
        """Count fraud reports. Events before a report's time of receipt do not see it, whenever they arrive."""
        columns = ReportColumns(reports.card, reports.merchant, reports.received_ms, reports.amount_jpy)
        entry.report(columns, self._arena)

    def sizes(self) -> dict[Entity, int]:
        """Return the rows in use of each entity."""
        return {entity: int(self._stores[entity, store.USED]) for entity in Entity}

    @property
    def nbytes(self) -> int:
        """Return the bytes of rows in use and their share of the index."""
        return sum(rows * row_nbytes(entity) for entity, rows in self.sizes().items())
