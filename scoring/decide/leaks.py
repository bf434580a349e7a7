"""SYSTEM alerts: a field of an acquirer contains card numbers, security codes, tracks or PINs.

There is one case for each acquirer, path and kind within `AlertRules.dedup_minutes`. The event that opens the case
raises the alert, which has the decision of that event. The removed data had no part in the decision.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson
from msgspec import Struct
from msgspec.json import decode

from scoring.contract.codes import Band
from scoring.contract.faults import FAULTS
from scoring.decide.alerts import Subject
from scoring.decide.cases.desk import AlertDesk
from scoring.decide.decisions import BAND_NAMES
from scoring.decode import Name
from scoring.decode.stripping import Finding
from scoring.outputs import Record
from scoring.policy.policy import AlertRules

FIELDS_MAX: Final = 64
"""Limit of fields of one acquirer with a case of their own within a window: senders can invent field names."""

ACQUIRERS_MAX: Final = 1_024
SEVERITY: Final = "HIGH"
TYPE: Final = "SYSTEM"
OTHER_FIELDS: Final = "$.*"
"""Path of the alert, one for each kind, for all further fields of an acquirer."""


class Leak(NamedTuple):
    """An alert to be raised: its subject, its finding, and the time in ms of the event that opened its case."""

    subject: Subject
    finding: Finding
    first_ms: int

    @property
    def alert_id(self) -> str:
        """The id of the alert, by subject and begin of its case: the same if it is raised again."""
        return blake2b(f"{self.subject.dedup_key}\x1f{self.first_ms}".encode(), digest_size=16).hexdigest()


class LeakDesk:
    """Open cases of one worker, at most 65,536. The case that was idle longest is dropped first."""

    def __init__(self, rules: AlertRules) -> None:
        self._desk = AlertDesk(rules, parts_max=FIELDS_MAX * ACQUIRERS_MAX)
        self._window_ms = rules.dedup_minutes * 60_000
        self._opened: OrderedDict[str, tuple[int, int]] = OrderedDict()  # acquirer -> since when, and how many

    def use(self, rules: AlertRules) -> None:
        """Follow other rules from now on."""
        self._desk.use(rules)
        self._window_ms = rules.dedup_minutes * 60_000

    def admit(self, acquirer: str, finding: Finding, event_ms: int) -> Leak | None:
        """Add a finding to its case. Return the alert if the case is new, else None."""
        leak = self._open(acquirer, finding, event_ms)
        if leak is None or self._is_told_apart(acquirer, event_ms):
            return leak
        return self._open(acquirer, Finding(OTHER_FIELDS, finding.kind), event_ms)

    def restore_case(self, value: bytes) -> bool:
        """Restore the case of a published alert. Return whether the value is an alert."""
        return self._desk.restore_case(value)

    def _open(self, acquirer: str, finding: Finding, event_ms: int) -> Leak | None:
        subject = subject_of(acquirer, finding)
        case, fires = self._desk.admit(subject, event_ms, int(Band.ALLOW))
        return Leak(subject, finding, case.first_ms) if fires else None

    def _is_told_apart(self, acquirer: str, event_ms: int) -> bool:
        """Count an opened case. Return whether the acquirer is within its limit of the window."""
        since_ms, count = self._opened.pop(acquirer, (event_ms, 0))
        if event_ms - since_ms > self._window_ms:
            since_ms, count = event_ms, 0
        self._opened[acquirer] = since_ms, count + 1
        if len(self._opened) > ACQUIRERS_MAX:
            self._opened.popitem(last=False)
        return count < FIELDS_MAX


def subject_of(acquirer: str, finding: Finding) -> Subject:
    """Return the subject of the case of a field of an acquirer."""
    digest = blake2b(f"{acquirer}\x1f{finding.path}\x1f{finding.kind}".encode(), digest_size=12).hexdigest()
    return Subject(type=TYPE, entity="FIELD", dedup_key=f"{TYPE}:FIELD:{digest}")


class _Typed(Struct):
    type: str = ""


def is_leak(alert: bytes) -> bool:
    """Tell whether a published value is a SYSTEM alert."""
    try:
        return decode(alert, type=_Typed).type == TYPE
    except FAULTS:
        return False


def encode_leak(leak: Leak, name: Name, band: int, amount_jpy: int | None, decision: Mapping[str, object]) -> Record:
    """Encode `alert.v1`. `decision`: the fields that an alert shares with its decision."""
    event_id, acquirer, card, merchant = (text.decode() for text in name)
    value = orjson.dumps(
        {
            "schema_version": "alert.v1",
            "alert_id": leak.alert_id,
            "dedup_key": leak.subject.dedup_key,
            "type": TYPE,
            "severity": SEVERITY,
            "event_id": event_id,
            "acquirer_id": acquirer,
            "merchant_id": merchant,
            "pan_hmac": card,
            "entity": leak.subject.entity,
            "band": BAND_NAMES[band],
            "reasons": [],
            "count": 1,
            "first_seen_ms": leak.first_ms,
            "last_seen_ms": leak.first_ms,
            "amount_jpy": amount_jpy,
            **decision,
            "sensitive": {"path": leak.finding.path, "kind": leak.finding.kind.removeprefix("SENSITIVE_")},
        }
    )
    return leak.subject.dedup_key.encode(), value
