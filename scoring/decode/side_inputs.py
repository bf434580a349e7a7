"""Decode fraud reports, results of 3-D Secure, and merchant records of their compacted topic."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.contract.currencies import CURRENCIES
from scoring.contract.dead_letter import Reject
from scoring.contract.faults import FAULTS, reader
from scoring.contract.label import FraudReport, Settlement
from scoring.contract.merchant import MerchantRecord
from scoring.contract.threeds_codes import TRANS_STATUSES
from scoring.contract.threeds_result import ThreeDsResult
from scoring.decode.columns import ms_of
from scoring.decode.guard import inspect
from scoring.decode.hashing import CARD_KEY, KEYS, MERCHANT_KEY, PARTS, entity_keys
from scoring.decode.page import lay_out
from scoring.decode.rejects import ROOT, reject_of
from scoring.decode.settings import DecodeLimits
from scoring.decode.stripping import (
    FRAUD_REPORT,
    MERCHANT,
    SETTLEMENT,
    THREEDS_RESULT,
    Finding,
    prefer_findings,
    replaced,
)

_R = TypeVar("_R")

_COUNTED: Final = frozenset({"FRAUD", "MERCHANT_FRAUD"})
_ID_MAX: Final = 32
_HAS_ID: Final = 8  # the bit beside a letter in ASCII
_NO_PARTS: Final = ("",) * (PARTS - 4)
decode_report: Final = reader(FraudReport)
"""Decode one fraud report; raises one of FAULTS if it is invalid."""
_decode_merchant: Final = reader(MerchantRecord)
decode_result: Final = reader(ThreeDsResult)
"""Decode one result of 3-D Secure; raises one of FAULTS where it is none."""
_decode_settlement: Final = reader(Settlement)
_IN_HEX: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_NON_PAYMENT: Final = "02"  # messageCategory: its amount is none of a payment
_BLANKS: Final = "".join(map(chr, range(33)))
_NIL: Final = frozenset("0-")


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
class ParsedResults:
    """A batch of results of 3-D Secure.

    Of every accepted result, in order: `index` int64[a] is its position in the batch, `times_ms` int64[a] when the
    authentication ended. uint64[a] hashes: `transaction` of the dsTransID as Col.DS_TRANS_KEY, 0 where it is no UUID;
    `server` of the threeDSServerTransID; `card`, `merchant` and `acquirer` as an authorization's. int64[a]: `status`,
    transStatus in ASCII and 0 unknown; `cancel`, challengeCancel, -1 none and 0 unreadable; `amount` in minor units and
    -1 unknown; `exponent` and -1 unknown; `currency` by number and 0 unknown. `rejects` and `findings` as in
    `ParsedReports`.
    """

    values: Sequence[bytes]
    findings: Mapping[int, tuple[Finding, ...]]

    rejects: list[tuple[int, Reject]]
    index: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    transaction: NDArray[np.uint64]
    server: NDArray[np.uint64]
    card: NDArray[np.uint64]
    merchant: NDArray[np.uint64]
    acquirer: NDArray[np.uint64]
    status: NDArray[np.int64]
    cancel: NDArray[np.int64]
    amount: NDArray[np.int64]
    exponent: NDArray[np.int64]
    currency: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSettlements:
    """A batch of settlements: the accepted ones, their positions in the batch, and pairs of position and reject."""

    settlements: list[Settlement]
    index: list[int]
    rejects: list[tuple[int, Reject]]


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
        report = _dated(decode_report, "received_ts", value, limits)
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


def _dated(decode: Callable[[bytes], _R], field: str, value: bytes, limits: DecodeLimits) -> _R | Reject:
    """Decode a record whose `field` is its time; refuse it if the time is out of range."""
    try:
        record = decode(value)
        time_ms = ms_of(getattr(record, field))
    except FAULTS as error:
        return reject_of(error)
    if not limits.event_ms_min <= time_ms < limits.event_ms_max:
        return Reject(reason="OUT_OF_RANGE", path=f"$.{field}")
    return record


def parse_settlements(values: Sequence[bytes], limits: DecodeLimits) -> ParsedSettlements:
    """Decode settlements behind the guard; never raises for what a value holds."""
    page, refused = lay_out(values, limits)
    stripped = inspect(values, page, refused, limits, SETTLEMENT)
    index: list[int] = []
    settlements: list[Settlement] = []
    for position, value in enumerate(replaced(values, stripped)):
        if position in refused:
            continue
        settlement = _dated(_decode_settlement, "settled_ts", value, limits)
        if isinstance(settlement, Reject):
            refused[position] = settlement
        else:
            index.append(position)
            settlements.append(settlement)
    prefer_findings(stripped, refused)
    return ParsedSettlements(settlements=settlements, index=index, rejects=sorted(refused.items()))


def parse_results(values: Sequence[bytes], limits: DecodeLimits) -> ParsedResults:
    """Decode results of 3-D Secure behind the guard; never raises for what a value holds."""
    page, refused = lay_out(values, limits)
    stripped = inspect(values, page, refused, limits, THREEDS_RESULT)
    values = replaced(values, stripped)
    index: list[int] = []
    parts: list[str] = []
    numbers: list[tuple[int, ...]] = []
    for position, value in enumerate(values):
        if position in refused:
            continue
        result = _dated(decode_result, "result_ts", value, limits)
        if isinstance(result, Reject):
            refused[position] = result
            continue
        index.append(position)
        numbers.append(_numbers_of(result))
        parts += (_uuid(result.ds_trans_id), result.acquirer_id, result.pan_hmac, result.merchant_id, *_NO_PARTS)
        for text in (result.server_trans_id.strip(_BLANKS).lower(), result.acquirer_id):
            parts += (text, *_NO_PARTS, *_NO_PARTS[:3])
    prefer_findings(stripped, refused)
    keys = entity_keys(parts, limits.joined).reshape(len(index), 3, KEYS)
    columns = np.array(numbers, dtype=np.int64).reshape(len(index), 6).T.copy()
    return ParsedResults(
        values=values,
        findings={at: record.findings for at, record in stripped.items() if at not in refused},
        rejects=sorted(refused.items()),
        index=np.array(index, dtype=np.int64),
        times_ms=columns[0],
        transaction=np.where(columns[1] >> _HAS_ID & 1, keys[:, 0, 0], np.uint64(0)),
        server=keys[:, 1, 0].copy(),
        card=keys[:, 0, CARD_KEY].copy(),
        merchant=keys[:, 0, MERCHANT_KEY].copy(),
        acquirer=keys[:, 2, 0].copy(),
        status=columns[1] & (1 << _HAS_ID) - 1,
        cancel=columns[2],
        amount=columns[3],
        exponent=columns[4],
        currency=columns[5],
    )


def _numbers_of(result: ThreeDsResult) -> tuple[int, ...]:
    """Give the numbers of a result: time, transStatus with a bit for a dsTransID, challengeCancel, and the amount."""
    status = result.trans_status.strip(_BLANKS).upper()
    cancel = (result.challenge_cancel or "").strip(_BLANKS)
    is_payment = (result.message_category or "").strip(_BLANKS) != _NON_PAYMENT
    currency, _ = CURRENCIES.get(result.purchase_currency or "", (0, 0))
    return (
        ms_of(result.result_ts),
        (ord(status) if len(status) == 1 and status in TRANS_STATUSES else 0)
        | (1 << _HAS_ID if _uuid(result.ds_trans_id) else 0),
        -1 if not cancel else int(cancel) if cancel.isascii() and cancel.isdigit() else 0,
        -1 if result.purchase_amount is None or not is_payment else result.purchase_amount,
        -1 if result.purchase_exponent is None else result.purchase_exponent,
        currency,
    )


def _uuid(text: str | None) -> str:
    """Give a UUID in lower case; an empty text where there is none, or only zeros."""
    spelt = (text or "").strip(_BLANKS).lower()
    return spelt if _IN_HEX.match(spelt) and set(spelt) - _NIL else ""


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
