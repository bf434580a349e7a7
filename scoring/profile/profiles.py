"""Profiles of one worker, in bounded memory."""

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.profile.changelog import Changelog
from scoring.profile.columns import EventColumns, Reports, checked
from scoring.profile.entities import REPORTED, Entity
from scoring.profile.features import PROFILE_FEATURES
from scoring.profile.kernels import entry_points, store
from scoring.profile.kernels.arrays import Arena, Outputs
from scoring.profile.kernels.rings import WORK_SIZE
from scoring.profile.layout import ROW_LAYOUTS, ROW_WORDS, TABLES

_CAPACITY_MAX: Final = 2**28
_INDEX_LOAD: Final = 2  # entries for each row: half full at most
_OWN_WIDE_MAX: Final = 8
_OWN_NARROW: Final = 2
_CARDS_A_REPORTED: Final = 16
_REPORTED_MIN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLimits:
    """Bound the rows of each entity; powers of two. A full store evicts by age (`scoring.profile.kernels.store`).

    Reported cards: at most one in 16 cards. Beyond that, the card with the oldest report is evicted from them.
    """

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
    def reported(self) -> int:
        """Return the bound of reported cards."""
        return max(self.card // _CARDS_A_REPORTED, _REPORTED_MIN)

    @property
    def nbytes(self) -> int:
        """Return what full stores take, in bytes."""
        return self.reported * row_nbytes(REPORTED) + sum(self.rows(entity) * row_nbytes(entity) for entity in Entity)


def row_nbytes(kind: int) -> int:
    """Return the bytes of one row of an entity, or of a reported card, and its share of the index."""
    return ROW_WORDS[kind] * 8 + _INDEX_LOAD * 8


class Seen(NamedTuple):
    """Results of profiles for the events of a batch: bool[n] each.

    `repeats` have an id among the last of their card and bring nothing new. `disordered` move windows, and are earlier
    in whole seconds than the latest event of their card that moved windows. `answers` have the id of an attempt of
    their card without an outcome, and bring the outcome: they are not decided and have no features.
    """

    repeats: NDArray[np.bool_]
    disordered: NDArray[np.bool_]
    answers: NDArray[np.bool_]


class Profiles:
    """Read and update windows event by event, in order. Not thread-safe; one worker owns it.

    Memory is reserved at construction and touched as rows are used; it never exceeds `limits.nbytes` where the input
    has one partition, else what the partitions keep apart comes on top (`own_rows`).
    The same order of events gives the same features however it is cut into batches and spread over partitions.
    """

    def __init__(self, limits: ProfileLimits | None = None, partitions: int = 1) -> None:
        self.limits = limits or ProfileLimits()
        self.partitions = partitions
        self._stores = np.zeros((store.STORES, store.COLUMNS), dtype=np.int64)
        arena_words = 0
        index_entries = 0
        for number in range(store.STORES):
            kind, rows = self._kind_and_rows(number)
            entries = _INDEX_LOAD * rows
            fields = ROW_LAYOUTS[kind].fields
            self._stores[number] = (
                arena_words, ROW_WORDS[kind], rows, index_entries, entries.bit_length() - 1, 0, 0,
                fields.get("heard_s", store.LAST_S), 0, 0, fields["home"], fields["dirty"], fields.get("seen_by", 0),
                partitions, 0,
            )  # fmt: skip
            arena_words += rows * ROW_WORDS[kind]
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
        self.changelog = Changelog(self._arena, partitions)

    def _kind_and_rows(self, number: int) -> tuple[int, int]:
        """Return the kind of the rows of a store, and their largest number."""
        if number < len(Entity):
            return number, self.limits.rows(Entity(number))
        if number == store.REPORTS:
            return REPORTED, self.limits.reported
        return number - store.OWN, self._own_rows(Entity(number - store.OWN))

    def _own_rows(self, entity: Entity) -> int:
        """Return the rows for single partitions: every partition sees a merchant or BIN, few see one device."""
        if self.partitions == 1:
            return 1
        wide = entity in {Entity.MERCHANT, Entity.MERCHANT_BIN, Entity.BIN}
        rows = self.limits.rows(entity) * (min(self.partitions, _OWN_WIDE_MAX) if wide else _OWN_NARROW)
        return max(1 << (rows - 1).bit_length(), 2 << self.partitions.bit_length())

    def read_then_update(
        self, events: EventColumns, out: NDArray[np.float64], first_column: int, partition: int = 0
    ) -> Seen:
        """Write the profile features of each event of a partition, then update its rows with the event.

        `out`: float64[n, >= first_column + P], C-contiguous; columns first_column to first_column + P overwritten, NaN
        for what is not known. A repeat changes nothing, an answer adds the outcome of its attempt: the features of
        either are NaN.
        """
        n = len(events.event_id)
        assert out.dtype == np.float64, f"out is {out.dtype}, not float64"
        assert out.flags.c_contiguous, "out is not C-contiguous"
        assert out.shape[0] == n, f"out has {out.shape[0]} rows for {n} events"
        assert 0 <= first_column <= out.shape[1] - len(PROFILE_FEATURES), f"no room from column {first_column}"
        seen = Seen(*(np.zeros(n, dtype=np.bool_) for _ in Seen._fields))
        kept = self._kept_under(partition)
        journal = self.changelog.journal(kept, n)
        entry_points.read_then_update(checked(events), Outputs(out, *seen), first_column, kept, self._arena, journal)
        return seen

    def take_outcomes(self, events: EventColumns, partition: int = 0) -> NDArray[np.int8]:
        """Count outcomes of a partition that came as records of their own; int8[n] of `OutcomeResult`.

        An outcome whose attempt is not among the last ids of its card counts as attempt and outcome. A later event with
        that id has features and is no repeat: it adds what the outcome could not tell, and no second attempt.
        """
        results = np.empty(len(events.event_id), dtype=np.int8)
        kept = self._kept_under(partition)
        journal = self.changelog.journal(kept, len(events.event_id))
        entry_points.take_outcomes(checked(events), results, kept, self._arena, journal)
        return results

    def report(self, reports: Reports, partition: int = 0) -> None:
        """Count fraud reports of a partition. An event from before the receipt never sees the report."""
        kept = self._kept_under(partition)
        entry_points.report(checked(reports), kept, self._arena, self.changelog.journal(kept, len(reports.card)))

    def _kept_under(self, partition: int) -> int:
        """Return the partition under which rows are kept."""
        assert partition >= 0, partition
        if self.partitions == 1:  # one partition: all rows are kept under 0
            return 0
        assert partition < self.partitions, f"partition {partition} of {self.partitions}"
        return partition

    def sizes(self) -> dict[Entity, int]:
        """Return the rows in use of each entity, what partitions keep apart not counted."""
        return {entity: int(self._stores[entity, store.LIVE]) for entity in Entity}

    @property
    def reported(self) -> int:
        """Return the number of rows of reported cards."""
        return int(self._stores[store.REPORTS, store.LIVE])

    @property
    def nbytes(self) -> int:
        """Return the bytes of rows in use and their share of the index."""
        own = sum(int(self._stores[store.OWN + e, store.LIVE]) * row_nbytes(e) for e in Entity if e != Entity.CARD)
        own += self.reported * row_nbytes(REPORTED)
        return own + sum(rows * row_nbytes(entity) for entity, rows in self.sizes().items())
