"""The merchant store: master data and Security Checklist of every merchant, as rows that kernels read.

Row 0 is the unknown merchant: all its columns are unknown. Unknown is neither good nor bad.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import IntEnum
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import CHECKLIST_ITEMS, FraudStatusCode, ItemState, TdsModeCode
from scoring.contract.merchant import Checklist, ItemStatus, MerchantRecord
from scoring.decode import Name
from scoring.merchants.checklist import declaration_of, measures_of_lists
from scoring.merchants.goods import STEPS, bits_of
from scoring.merchants.summaries import (
    FRAUD_STATUSES,
    UNKNOWN,
    Attributes,
    StandingEvidence,
    Summaries,
    ages_of,
    states_of,
)
from scoring.reference.table import start_ms

UNKNOWN_ROW = 0
BLOCK_BITS: Final = 12
"""Rows of a block, in bits: what changed is noted by the block."""

_JAPAN: Final = "JP"


class MerchantCol(IntEnum):
    """Columns of a merchant row; -1 is unknown in each of them."""

    TDS_MODE = 0  # TdsModeCode
    TDS_INTRODUCED_MS = 1
    CONTRACTED_MS = 2
    GOODS = 3  # bits of `goods.CLASSES`
    FRAUD_STATUS = 4  # FraudStatusCode
    ATTESTED_MS = 5  # this and the two days above: midnight in Tokyo
    SELF_DECLARED = 6
    HANDLING = 7  # non_retention 0, pci_dss 1
    INTEGRATION = 8  # redirect 0, js_token 1, server_side 2
    ITEM_FIRST = 9  # ItemState: a column for each of CHECKLIST_ITEMS


MERCHANT_COLUMNS = MerchantCol.ITEM_FIRST + len(CHECKLIST_ITEMS)

TDS_MODES = tuple(TdsModeCode.__members__)
_ITEM_STATE: dict[ItemStatus, int] = {
    "IMPLEMENTED": ItemState.IN_PLACE,
    "ALTERNATIVE": ItemState.IN_PLACE,
    "NOT_IMPLEMENTED": ItemState.GAP,
    "NOT_APPLICABLE": ItemState.NOT_APPLICABLE,
    "UNKNOWN": UNKNOWN,
}
_HANDLING = {"non_retention": 0, "pci_dss": 1, "unknown": UNKNOWN}
_INTEGRATION = {"redirect": 0, "js_token": 1, "server_side": 2, "unknown": UNKNOWN}


def _day_ms(day: date | None) -> int:
    return UNKNOWN if day is None else start_ms(day)


def _stamp_ms(stamp: datetime | None) -> int:
    return UNKNOWN if stamp is None else int(stamp.timestamp() * 1000)


def _row_of(record: MerchantRecord) -> list[int]:
    row = [UNKNOWN] * MERCHANT_COLUMNS
    if record.tds is not None:
        row[MerchantCol.TDS_MODE] = TDS_MODES.index(record.tds.mode) if record.tds.mode in TDS_MODES else UNKNOWN
        row[MerchantCol.TDS_INTRODUCED_MS] = _day_ms(record.tds.introduced_on)
    row[MerchantCol.CONTRACTED_MS] = _day_ms(record.contracted_on)
    if record.goods_class:
        row[MerchantCol.GOODS] = bits_of(record.goods_class)
    if record.fraud_status is not None:
        row[MerchantCol.FRAUD_STATUS] = FRAUD_STATUSES.index(record.fraud_status)
    row[MerchantCol.HANDLING] = _HANDLING[record.card_data_handling]
    row[MerchantCol.INTEGRATION] = _INTEGRATION[record.integration]
    if record.checklist is not None:
        _fill_checklist(row, record.checklist)
    return row


def _fill_checklist(row: list[int], checklist: Checklist) -> None:
    row[MerchantCol.ATTESTED_MS] = _stamp_ms(checklist.attested_at)
    if checklist.source is not None:
        row[MerchantCol.SELF_DECLARED] = int(checklist.source == "SELF_DECLARED")
    for position, code in enumerate(CHECKLIST_ITEMS):
        item = checklist.items.get(code)
        if item is not None:
            row[MerchantCol.ITEM_FIRST + position] = _ITEM_STATE[item.status]


class DeclaredStatus(NamedTuple):
    """What an acquirer says of a merchant's standing, and since when; of 3-D Secure -1 is unknown."""

    tds_mode: int = UNKNOWN
    introduced_ms: int = UNKNOWN
    status: FraudStatusCode | None = None
    status_on: date | None = None

    def is_without_tds(self, day: date) -> bool:
        """Say whether the merchant has no 3-D Secure on a day: none at all, or from a later day on."""
        return self.tds_mode == TdsModeCode.NONE or self.introduced_ms >= start_ms(day + timedelta(1))


_NOTHING_DECLARED = DeclaredStatus()


class MerchantStore:
    """Hold the newest record of every merchant of every acquirer, up to `merchants_max` of them.

    A full store refuses new merchants. A refused merchant stays unknown until another merchant is forgotten and its own
    next record is read.

    `table` is int64[capacity, MERCHANT_COLUMNS]; it is replaced when it grows, so read it again for each batch. So is
    `in_japan`, bool[capacity]: the record says that the merchant is in Japan.
    """

    def __init__(self, merchants_max: int = 1_000_000) -> None:
        assert merchants_max > 0
        self._limit = merchants_max
        self._rows: dict[tuple[bytes, bytes], int] = {}
        self._free: list[int] = []
        self.table: NDArray[np.int64] = np.full((1024, MERCHANT_COLUMNS), UNKNOWN, dtype=np.int64)
        self._summaries = Summaries()
        self._kinds: NDArray[np.int64] = np.full(len(self.table), UNKNOWN, dtype=np.int64)
        self._kinds[UNKNOWN_ROW] = self._summaries.hold(Attributes())
        self._gaps: list[tuple[str, ...]] = [()]
        self.in_japan: NDArray[np.bool_] = np.zeros(len(self.table), dtype=np.bool_)
        self.names: list[tuple[bytes, bytes] | None] = [None]
        """By row: acquirer and merchant, ids in UTF-8; None where the row is not used."""
        self._declared: dict[tuple[bytes, bytes], tuple[FraudStatusCode, date]] = {}
        self._standings: dict[tuple[bytes, bytes], tuple[int, StandingEvidence]] = {}
        self.changed_records: dict[tuple[bytes, bytes], None] = {}
        """Merchants with a standing whose record changed. Its reader empties it."""
        self.changed_blocks: dict[int, None] = {}
        """Blocks of 2^BLOCK_BITS rows in which a record changed. Their reader takes them out."""

    def __len__(self) -> int:
        return len(self._rows)

    def upsert(self, record: MerchantRecord) -> bool:
        """Store a merchant's newest record; return False if the store is full."""
        key = (record.acquirer_id.encode(), record.merchant_id.encode())
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) == self._limit:
                return False
            row = self._new_row()
            self._rows[key] = row
            self.names[row] = key
        self.table[row] = _row_of(record)
        self.in_japan[row] = record.country == _JAPAN
        self.changed_blocks[row >> BLOCK_BITS] = None
        self._note_declared(key, record)
        standing = self._standings.get(key)
        self._hold(row, _attributes_of(self.table[row].tolist(), record, None if standing is None else standing[1]))
        self._gaps[row] = gaps_of(self.table[row])
        return True

    def _hold(self, row: int, attributes: Attributes) -> None:
        held = int(self._kinds[row])
        self._kinds[row] = self._summaries.hold(attributes)
        if held != UNKNOWN:
            self._summaries.release(held)

    def _note_declared(self, name: tuple[bytes, bytes], record: MerchantRecord) -> None:
        """Note what the acquirer says of the merchant's standing."""
        self._declared.pop(name, None)
        if record.fraud_status is not None and record.fraud_status_on is not None:
            self._declared[name] = FraudStatusCode[record.fraud_status], record.fraud_status_on
        if name in self._standings:
            self.changed_records[name] = None

    def declared_status(self, name: tuple[bytes, bytes]) -> DeclaredStatus:
        """Return what the acquirer says of a merchant's standing and of 3-D Secure."""
        row = self._rows.get(name)
        if row is None:
            return _NOTHING_DECLARED
        status, on = self._declared.get(name, (None, None))
        mode, introduced = self.table[row, [MerchantCol.TDS_MODE, MerchantCol.TDS_INTRODUCED_MS]].tolist()
        return DeclaredStatus(mode, introduced, status, on)

    def set_standing(self, name: tuple[bytes, bytes], key: int, standing: StandingEvidence | None) -> None:
        """Show a standing in the summaries of a merchant from now on; `key` is the merchant's, of 64 bits."""
        if standing is None:
            if self._standings.pop(name, None) is None:
                return
        else:
            self._standings[name] = key, standing
        row = self._rows.get(name)
        if row is not None:
            self._hold(row, self._summaries.attributes(int(self._kinds[row]))._replace(standing=standing))

    def standing_key(self, name: tuple[bytes, bytes]) -> int | None:
        """Return the key of a merchant that has a standing, else None."""
        found = self._standings.get(name)
        return None if found is None else found[0]

    def forget(self, acquirer_id: str, merchant_id: str) -> None:
        """Remove a merchant (a tombstone on the topic). An unknown merchant is ignored."""
        name = (acquirer_id.encode(), merchant_id.encode())
        row = self._rows.pop(name, None)
        self._declared.pop(name, None)
        if row is not None:
            self._summaries.release(int(self._kinds[row]))
            self._kinds[row] = UNKNOWN
            self.table[row], self.in_japan[row], self.names[row] = UNKNOWN, False, None
            self.changed_blocks[row >> BLOCK_BITS] = None
            self._free.append(row)

    def row_of(self, name: tuple[bytes, bytes]) -> int:
        """Return the row of a merchant, UNKNOWN_ROW where it is unknown."""
        return self._rows.get(name, UNKNOWN_ROW)

    def rows(self, names: Sequence[Name]) -> NDArray[np.int64]:
        """Find the row of each event's merchant: int64[n], 0 where the merchant is unknown."""
        find = self._rows.get
        return np.array([find((acquirer, merchant), UNKNOWN_ROW) for _, acquirer, _, merchant in names], dtype=np.int64)

    def summaries(
        self,
        rows: NDArray[np.int64],
        event_ms: NDArray[np.int64],
        mcc: NDArray[np.int64],
        binding: NDArray[np.bool_],
    ) -> list[bytes]:
        """Give the compliance summary of each event's row in JSON, judged by the rules of its day. All are [n].

        `binding`: the Guidelines bind the merchant of this payment, so its duties are named.
        """
        attested_ms = self.table[rows, MerchantCol.ATTESTED_MS]
        states = states_of(
            event_ms,
            attested_ms,
            self.table[rows, MerchantCol.TDS_INTRODUCED_MS],
            self.table[rows, MerchantCol.CONTRACTED_MS],
            risky=STEPS.are_high_risk(mcc, event_ms),
            binding=binding,
        )
        return self._summaries.texts(self._kinds[rows], states, ages_of(event_ms, attested_ms))

    def standings_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give where each event's merchant stands, `FraudStatusCode`, -1 unknown: int64[n] of `rows` int64[n]."""
        kinds, where = np.unique(self._kinds[rows], return_inverse=True)
        held = [self._summaries.attributes(kind).standing for kind in kinds.tolist()]
        return np.array([UNKNOWN if one is None else one.status for one in held], dtype=np.int64)[where]

    def gap_counts(self, rows: Sequence[int]) -> dict[str, int]:
        """Count how often each checklist item is declared as not implemented, over rows; a row counts as often as it is
        given.
        """
        return dict(Counter(chain.from_iterable(map(self._gaps.__getitem__, rows))))

    def _new_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = len(self._gaps)
        if row == len(self.table):
            grown = np.full((2 * row, MERCHANT_COLUMNS), UNKNOWN, dtype=np.int64)
            grown[:row] = self.table
            self.table = grown
            kinds = np.full(2 * row, UNKNOWN, dtype=np.int64)
            kinds[:row] = self._kinds
            self._kinds = kinds
            self.in_japan = np.concatenate([self.in_japan, np.zeros(row, dtype=np.bool_)])
        self._gaps.append(())
        self.names.append(None)
        return row


def gaps_of(row: NDArray[np.int64]) -> tuple[str, ...]:
    """Name the items of a merchant row (int64[MERCHANT_COLUMNS]) that are declared as not implemented."""
    states = row[MerchantCol.ITEM_FIRST :]
    return tuple(code for code, state in zip(CHECKLIST_ITEMS, states, strict=True) if state == ItemState.GAP)


def _attributes_of(row: list[int], record: MerchantRecord, standing: StandingEvidence | None) -> Attributes:
    return Attributes(
        known=True,
        has_checklist=record.checklist is not None,
        has_attestation=row[MerchantCol.ATTESTED_MS] != UNKNOWN,
        self_declared=row[MerchantCol.SELF_DECLARED],
        tds_mode=row[MerchantCol.TDS_MODE],
        goods=row[MerchantCol.GOODS],
        fraud_status=row[MerchantCol.FRAUD_STATUS],
        declared=declaration_of(record.checklist, measures_of_lists()),
        standing=standing,
    )
