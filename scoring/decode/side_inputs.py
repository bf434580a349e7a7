"""Decode fraud reports, and merchant records of their compacted topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.dead_letter import Reject
from scoring.contract.faults import FAULTS, reader
from scoring.contract.label import FraudReport
from scoring.contract.merchant import MerchantRecord
from scoring.decode.columns import ms_of
from scoring.decode.guard import inspect
from scoring.decode.hashing import CARD_KEY, MERCHANT_KEY, PARTS, entity_keys
from scoring.decode.page import lay_out
from scoring.decode.rejects import ROOT, reject_of
from scoring.decode.settings import DecodeLimits
from scoring.decode.stripping import FRAUD_REPORT, MERCHANT, Finding, prefer_findings, replaced

_COUNTED: Final = frozenset({"FRAUD", "MERCHANT_FRAUD"})
_ID_MAX: Final = 32
_NO_PARTS: Final = ("",) * (PARTS - 4)
decode_report: Final = reader(FraudReport)
"""Decode one fraud report; raises one of FAULTS if it is invalid."""
_decode_merchant: Final = reader(MerchantRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedReports:
    """A batch of fraud reports.

    For every accepted report, in order: `labels`, its label; `index` int64[a], its position in the batch; `times_ms`
    int64[a], the time of its receipt; `counted` bool[a], whether it counts; `reports`, the report; `keys` uint64[a, 2],
    keys of its event and merchant like an authorization's. Only FRAUD and MERCHANT_FRAUD count, and only these have
    columns: `card` and `merchant` uint64[n], keys like an authorization's; `received_ms` int64[n]; `amount_jpy`
    int64[n] (-1 unknown). `rejects`: pairs of position and reject. `values`: the records without the data that the
    guard removed; `findings` names it by position.
    """

    values: Sequence[bytes]
    findings: Mapping[int, tuple[Finding, ...]]

    labels: list[str]
    rejects: list[tuple[int, Reject]]
    index: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    counted: NDArray[np.bool_]
    reports: Sequence[FraudReport]
    keys: NDArray[np.uint64]
    card: NDArray[np.uint64]
    merchant: NDArray[np.uint64]
    received_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMerchants:
    """A batch of merchant records: acquirer, merchant, and the record; None instead of the record removes the merchant.

    `findings`: by position, what the guard removed.
    """

    changes: list[tuple[str, str, MerchantRecord | None]]
    rejects: list[tuple[int, Reject]]
    findings: Mapping[int, tuple[Finding, ...]]


def parse_reports(values: Sequence[bytes], limits: DecodeLimits) -> ParsedReports:
    """Decode fraud reports behind the guard; never raises for the content of a value."""
    page, refused = lay_out(values, limits)
    stripped = inspect(values, page, refused, limits, FRAUD_REPORT)
    values = replaced(values, stripped)
    labels: list[str] = []
    index: list[int] = []
    times: list[int] = []
    parts: list[str] = []
    amounts: list[int] = []
    reports: list[FraudReport] = []
    for position, value in enumerate(values):
        if position in refused:
            continue
        report = _report(value, limits)
        if isinstance(report, Reject):
            refused[position] = report
            continue
        labels.append(report.label)
        index.append(position)
        times.append(ms_of(report.received_ts))
        reports.append(report)
        parts += (report.event_id, report.acquirer_id, report.pan_hmac, report.merchant_id, *_NO_PARTS)
        if report.label in _COUNTED:
            amounts.append(-1 if report.amount_jpy is None else report.amount_jpy)
    prefer_findings(stripped, refused)
    keys = entity_keys(parts, limits.joined)
    times_ms = np.array(times, dtype=np.int64)
    counted = np.array([label in _COUNTED for label in labels], dtype=np.bool_)
    return ParsedReports(
        values=values,
        findings={at: record.findings for at, record in stripped.items() if at not in refused},
        labels=labels,
        rejects=sorted(refused.items()),
        index=np.array(index, dtype=np.int64),
        times_ms=times_ms,
        counted=counted,
        reports=reports,
        keys=np.ascontiguousarray(keys[:, [0, MERCHANT_KEY]]),
        card=np.ascontiguousarray(keys[counted, CARD_KEY]),
        merchant=np.ascontiguousarray(keys[counted, MERCHANT_KEY]),
        received_ms=times_ms[counted],
        amount_jpy=np.array(amounts, dtype=np.int64),
    )


def _report(value: bytes, limits: DecodeLimits) -> FraudReport | Reject:
    try:
        report = decode_report(value)
        received_ms = ms_of(report.received_ts)
    except FAULTS as error:
        return reject_of(error)
    if not limits.event_ms_min <= received_ms < limits.event_ms_max:
        return Reject(reason="OUT_OF_RANGE", path="$.received_ts")
    return report


def parse_merchants(keys: Sequence[bytes], values: Sequence[bytes | None], limits: DecodeLimits) -> ParsedMerchants:
    """Decode merchant records by their topic keys, `acquirer_id/merchant_id`; None is a tombstone.

    A key that differs from the ids in its record is refused as KEY_MISMATCH: compaction would remove the record of
    the merchant that the key names.
    """
    assert len(keys) == len(values)
    present = [position for position, value in enumerate(values) if value is not None]
    texts = [values[position] or b"" for position in present]
    page, found = lay_out(texts, limits)
    stripped = {present[k]: record for k, record in inspect(texts, page, found, limits, MERCHANT).items()}
    refused = {present[k]: reject for k, reject in found.items()}
    changes: list[tuple[str, str, MerchantRecord | None]] = []
    for position, (key, value) in enumerate(zip(keys, values, strict=True)):
        if position in refused:
            continue
        change = parse_merchant(key, stripped[position].value if position in stripped else value)
        if isinstance(change, Reject):
            refused[position] = change
        else:
            changes.append(change)
    prefer_findings(stripped, refused)
    return ParsedMerchants(
        changes=changes,
        rejects=sorted(refused.items()),
        findings={at: record.findings for at, record in stripped.items() if at not in refused},
    )


def parse_merchant(key: bytes, value: bytes | None) -> tuple[str, str, MerchantRecord | None] | Reject:
    """Decode one record that the guard has passed."""
    if value is None:
        return _tombstone(key)
    try:
        record = _decode_merchant(value)
    except FAULTS as error:
        return reject_of(error)
    if key != f"{record.acquirer_id}/{record.merchant_id}".encode():
        return Reject(reason="KEY_MISMATCH", path=ROOT)
    return record.acquirer_id, record.merchant_id, record


def _tombstone(key: bytes) -> tuple[str, str, None] | Reject:
    try:
        acquirer_id, _, merchant_id = key.decode().partition("/")
    except UnicodeDecodeError:
        return Reject(reason="KEY_MISMATCH", path=ROOT)
    if not (0 < len(acquirer_id) <= _ID_MAX and 0 < len(merchant_id) <= _ID_MAX):
        return Reject(reason="KEY_MISMATCH", path=ROOT)
    return acquirer_id, merchant_id, None
