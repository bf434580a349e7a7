"""Encode the 3-D Secure section of a decision: a summary for each kind of verdict, and the rules that are broken."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring import threeds
from scoring.contract.codes import (
    ChannelCode,
    EciClass,
    ExpectationReason,
    Flow,
    FraudStatusCode,
    IdForm,
    InitiatorCode,
    LiabilityReason,
    NetworkCode,
    ResultState,
    ThreeDsStatus,
    expectation_of,
    liability_of,
)
from scoring.contract.currencies import CURRENCIES
from scoring.contract.threeds_codes import N0, N2, NO_ECI, RESERVED_REASON, UNREADABLE_ECI
from scoring.decode import Name
from scoring.decode.columns import Col
from scoring.merchants.store import MerchantCol
from scoring.reference.threeds import Rule, ThreeDsReference
from scoring.threeds.settings import EVERY_ACQUIRER, ThreeDsSettings
from scoring.threeds.tables import days_of, starts_of

STATUS_NAMES: Final = tuple(status.name for status in ThreeDsStatus)
UNREADABLE: Final = "UNREADABLE"
SUMMARIES_MAX: Final = 4_096
"""Kinds of verdicts whose JSON is kept; beyond that all are dropped and made again."""
_CRYPTOGRAM: Final = 1
"""Number of the rule that holds only for acquirers that send `cavv_hmac`."""
_TOLD_BY_VERDICT: Final = itemgetter(
    *(threeds.RULES, threeds.RAISED, threeds.LOWERED, threeds.EXPECTED_REASON, threeds.RESULT, threeds.DIFFERS)
)

Row = Sequence[int]


class EvidenceField(NamedTuple):
    """One field of the evidence of a rule.

    `read` takes an event's columns, its merchant's row and its verdict; it gives None if the value is missing.
    `columns` are the columns of the event that it reads. `counts`: it is an amount or a time, so texts with it are not
    kept.
    """

    read: Callable[[Row, Row, Row], str | int | None]
    columns: tuple[int, ...] = ()
    counts: bool = False


def _number(column: Col, *, least: int = 0) -> EvidenceField:
    return EvidenceField(
        lambda event, _m, _v: event[column] if event[column] >= least else None, (column,), counts=True
    )


def _two_digits(column: Col) -> EvidenceField:
    return EvidenceField(lambda event, _m, _v: f"{event[column]:02d}" if event[column] >= 0 else None, (column,))


def _letter(column: Col) -> EvidenceField:
    return EvidenceField(lambda event, _m, _v: chr(event[column]) if event[column] > 0 else None, (column,))


def _name(column: Col, names: Mapping[int, str]) -> EvidenceField:
    return EvidenceField(lambda event, _m, _v: names.get(event[column]), (column,))


def _eci(column: Col) -> EvidenceField:
    lettered = {N0: "N0", N2: "N2", UNREADABLE_ECI: UNREADABLE, NO_ECI: None}
    return EvidenceField(lambda event, _m, _v: lettered.get(event[column], f"{event[column]:02d}"), (column,))


def _version(event: Row, _merchant: Row, _verdict: Row) -> str | None:
    return ".".join(str(event[Col.TDS_VERSION])) if event[Col.TDS_VERSION] > 0 else None


def _reason(event: Row, _merchant: Row, _verdict: Row) -> str | None:
    reason = event[Col.TRANS_STATUS_REASON]
    return "RESERVED" if reason == RESERVED_REASON else f"{reason:02d}" if reason >= 0 else None


def _expected_reason(_event: Row, _merchant: Row, verdict: Row) -> str:
    return ExpectationReason(verdict[threeds.EXPECTED_REASON]).name


def _fraud_status(_event: Row, merchant: Row, _verdict: Row) -> str:
    status = merchant[MerchantCol.FRAUD_STATUS]
    return FraudStatusCode(status).name if status >= 0 else "UNKNOWN"


def _first_use(_event: Row, _merchant: Row, verdict: Row) -> int | None:
    return verdict[threeds.FIRST_USE_MS] if verdict[threeds.FIRST_USE_MS] >= 0 else None


def _result(_event: Row, _merchant: Row, verdict: Row) -> str | None:
    state = verdict[threeds.RESULT]
    return ResultState(state).name if state else None


def _differs(_event: Row, _merchant: Row, verdict: Row) -> str | None:
    names = [name for bit, name in enumerate(threeds.DIFFERENCES) if verdict[threeds.DIFFERS] >> bit & 1]
    return ", ".join(names) or None


def _counted(column: int, *, less: int = 0) -> EvidenceField:
    """Give a number of the verdict, which is 0 where it says nothing."""
    return EvidenceField(lambda _e, _m, verdict: verdict[column] - less if verdict[column] else None, counts=True)


_CURRENCY_NAMES: Final = {number: name for name, (number, _) in sorted(CURRENCIES.items())}
EVIDENCE_FIELDS: Final[dict[str, EvidenceField]] = {
    "network": _name(Col.NETWORK, {code: code.name.lower() for code in NetworkCode if code}),
    "channel": _name(Col.CHANNEL, {code: code.name.lower() for code in ChannelCode if code}),
    "initiator": _name(Col.INITIATOR, {code: code.name for code in InitiatorCode if code}),
    "eci": _eci(Col.ECI),
    "eci_response": _eci(Col.ECI_RESPONSE),
    "trans_status": _letter(Col.TRANS_STATUS),
    "trans_status_reason": EvidenceField(_reason, (Col.TRANS_STATUS_REASON,)),
    "performed": _name(Col.TDS_PERFORMED, {0: "false", 1: "true"}),
    "cavv_result": _letter(Col.CAVV_RESULT),
    "challenge_cancel": _two_digits(Col.CHALLENGE_CANCEL),
    "challenge_ind": _two_digits(Col.CHALLENGE_IND),
    "challenge_exemption": _two_digits(Col.CHALLENGE_EXEMPTION),
    "auth_type": _two_digits(Col.AUTH_TYPE),
    "auth_method": _two_digits(Col.AUTH_METHOD),
    "requestor_auth_ind": _two_digits(Col.REQUESTOR_AUTH_IND),
    "three_ri_ind": _two_digits(Col.THREE_RI_IND),
    "device_channel": _two_digits(Col.DEVICE_CHANNEL),
    "entry_mode": _two_digits(Col.ENTRY_MODE),
    "ds_trans_id_form": _name(Col.DS_TRANS_ID, {code: code.name for code in IdForm if code}),
    "version": EvidenceField(_version, (Col.TDS_VERSION,)),
    "currency": _name(Col.CURRENCY, _CURRENCY_NAMES),
    "purchase_currency": _name(Col.PURCHASE_CURRENCY, _CURRENCY_NAMES),
    "amount": _number(Col.AMOUNT_MINOR),
    "exponent": _number(Col.EXPONENT),
    "purchase_amount": _number(Col.PURCHASE_AMOUNT),
    "purchase_exponent": _number(Col.PURCHASE_EXPONENT),
    "auth_ms": _number(Col.AUTH_MS),
    "event_ms": _number(Col.EVENT_MS),
    "expected_reason": EvidenceField(_expected_reason),
    "fraud_status": EvidenceField(_fraud_status),
    "first_use_ms": EvidenceField(_first_use, counts=True),
    "result": EvidenceField(_result),
    "result_differs": EvidenceField(_differs),
    "result_amount": _counted(threeds.RESULT_AMOUNT, less=1),
    "result_exponent": _counted(threeds.RESULT_EXPONENT, less=1),
    "failed_challenges": _counted(threeds.FAILURES),
    "unmatched": _counted(threeds.UNMATCHED),
    "unmatched_since_ms": _counted(threeds.UNMATCHED_MS),
    "three_ri_sum": _counted(threeds.SUM_PAID, less=1),
    "first_amount": _counted(threeds.SUM_AMOUNT, less=1),
    "first_exponent": _counted(threeds.SUM_EXPONENT, less=1),
    "sequential_ids": _counted(threeds.SEQUENTIAL),
    "day_authentications": _counted(threeds.DAY_N),
    "day_attempted_or_unavailable": _counted(threeds.DAY_FEW),
    "base_authentications": _counted(threeds.BASE_N),
    "base_attempted_or_unavailable": _counted(threeds.BASE_FEW, less=1),
}
"""Every field that the evidence of a row of `threeds_rules.yaml` may name, except `reason_group`, which that file
defines.
"""


class ThreeDsEncoder:
    """Write the `tds` section of decisions and alerts for the events of one worker."""

    def __init__(self, made: ThreeDsReference, settings: ThreeDsSettings) -> None:
        self._senders = frozenset(settings.cavv_hmac_from)
        self._sends_each = EVERY_ACQUIRER in self._senders
        days = days_of(made)
        self._starts = starts_of(days)
        self._rules = [{int(row.id[3:]): row for row in made.rules.on(day).values()} for day in days]
        groups = {int(code): row.group for row in made.values if row.group is not None for code in row.values}
        self._fields = EVIDENCE_FIELDS | {"reason_group": _name(Col.TRANS_STATUS_REASON, groups)}
        unknown = [name for row in made.rules for name in row.evidence if name not in self._fields]
        if unknown:
            raise ValueError(
                f"threeds_rules.yaml: evidence {unknown[0]} is unknown; write one of {sorted(self._fields)}"
            )
        self._summaries: dict[int, bytes] = {}
        self._texts: dict[tuple[int, ...], bytes] = {}
        used = [(row, self._fields[name]) for row in made.rules for name in row.evidence]
        self._told = itemgetter(*sorted({column for _, field in used if not field.counts for column in field.columns}))
        self._counting = sum({1 << int(row.id[3:]) for row, field in used if field.counts})

    def encode(
        self,
        ints: NDArray[np.int64],
        names: Sequence[Name],
        verdicts: NDArray[np.int64],
        merchants: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> list[bytes]:
        """Give the summary of each event in JSON.

        `ints` int64[n, Col], `verdicts` int64[n, VERDICT_COLUMNS], `merchants` the store's table with `rows`
        int64[n] into it. Cost: the first event of each combination of broken rules and evidence takes about 15 us.
        """
        codes = verdicts[:, threeds.CODE].tolist()
        texts = self._summaries_of(codes)
        fired = np.flatnonzero(verdicts[:, threeds.RULES])
        if fired.size:
            self._add_rules(texts, fired, ints, names, verdicts, merchants, rows)
        return texts

    def is_critical(self, event: Row, name: Name, merchant: Row, verdict: Row) -> bool:
        """Say whether an event breaks a rule of severity CRITICAL, as its summary would tell.

        `event` has the columns of `Col`, `merchant` its row of the store, `verdict` its columns of the verdict.
        """
        rules = self._rules[int(np.searchsorted(self._starts, event[Col.EVENT_MS], side="right")) - 1]
        sends = self._sends_each or name[1].decode() in self._senders
        return any(rule["severity"] == "CRITICAL" for rule in self._broken(event, merchant, verdict, rules, sends))

    def _summaries_of(self, codes: list[int]) -> list[bytes]:
        known = self._summaries
        if len(known) > SUMMARIES_MAX:
            known.clear()
        try:
            return [*map(known.__getitem__, codes)]  # the usual case: every kind was seen before
        except KeyError:
            for code in set(codes).difference(known):
                known[code] = encode_summary(code)
            return [*map(known.__getitem__, codes)]

    def _add_rules(
        self,
        texts: list[bytes],
        fired: NDArray[np.intp],
        ints: NDArray[np.int64],
        names: Sequence[Name],
        verdicts: NDArray[np.int64],
        merchants: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> None:
        """Add the broken rules to the texts of the rows `fired`. Texts are kept: in an attack many events have the same
        text.
        """
        known = self._texts
        if len(known) > SUMMARIES_MAX:
            known.clear()
        layers = np.searchsorted(self._starts, ints[fired, Col.EVENT_MS], side="right") - 1
        for row, layer in zip(fired.tolist(), layers.tolist(), strict=True):
            event, merchant, verdict = ints[row].tolist(), merchants[rows[row]].tolist(), verdicts[row].tolist()
            sends = self._sends_each or names[row][1].decode() in self._senders
            kept = (
                *self._told(event),
                *_TOLD_BY_VERDICT(verdict),
                merchant[MerchantCol.FRAUD_STATUS],
                layer,
                sends,
            )
            text = known.get(kept)
            if text is None:
                broken = self._broken(event, merchant, verdict, self._rules[layer], sends)
                text = b',"broken_rules":%b}' % orjson.dumps(broken) if broken else b"}"
                if not verdict[threeds.RULES] & self._counting:
                    known[kept] = text
            texts[row] = texts[row][:-1] + text

    def _broken(
        self, event: Row, merchant: Row, verdict: Row, rules: Mapping[int, Rule], sends: bool
    ) -> list[dict[str, object]]:
        found = verdict[threeds.RULES] if sends else verdict[threeds.RULES] & ~(1 << _CRYPTOGRAM)
        return [
            {
                "id": rule.id,
                "code": rule.code,
                "severity": severity_of(
                    rule, bool(verdict[threeds.RAISED] >> number & 1), bool(verdict[threeds.LOWERED] >> number & 1)
                ),
                "evidence": {
                    name: value
                    for name in rule.evidence
                    if (value := self._fields[name].read(event, merchant, verdict)) is not None
                },
            }
            for number, rule in sorted(rules.items())
            if found >> number & 1
        ]


def severity_of(rule: Rule, raised: bool, lowered: bool = False) -> str:
    """Give the severity of a rule: raised, lowered or neither."""
    if lowered and rule.lowered is not None:
        return rule.lowered
    return rule.raised if raised and rule.raised is not None else rule.severity


def encode_summary(code: int) -> bytes:
    """Encode the summary of a verdict by its CODE, without the rules that it breaks."""
    shown = threeds.decoded(code)
    liability, expected = (
        LiabilityReason(shown[threeds.LIABILITY_REASON]),
        ExpectationReason(shown[threeds.EXPECTED_REASON]),
    )
    summary = {
        "status": STATUS_NAMES[shown[threeds.STATUS]],
        "eci": EciClass(shown[threeds.ECI]).name,
        "liability": liability_of(liability).name,
        "expected": expectation_of(expected).name,
        "liability_reason": liability.name,
        "expected_reason": expected.name,
        "flow": Flow(shown[threeds.FLOW]).name,
    }
    if shown[threeds.ECI_RESPONSE]:
        summary["eci_response"] = EciClass(shown[threeds.ECI_RESPONSE]).name
    if shown[threeds.RESULT]:
        summary["result"] = ResultState(shown[threeds.RESULT]).name
    return orjson.dumps(summary)
