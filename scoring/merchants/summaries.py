"""The compliance part of a decision: the merchant's attributes, judged by the rules of the day of the event.

Merchants with equal attributes are of one kind and share their texts: many merchants are of few kinds. The state is
a number: what the time and the category of an event add.
"""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from typing import Final, NamedTuple, get_args

import numpy as np
import orjson
from msgspec import to_builtins
from numpy.typing import NDArray

from scoring.contract.codes import CHECKLIST_ITEMS, FraudStatusCode, TdsModeCode
from scoring.contract.decision import AGE_DAYS_MAX, ComplianceSummary, MerchantStanding
from scoring.contract.merchant import FraudStatus
from scoring.merchants.checklist import ChecklistRules, Declaration, DeclaredItem, rules_on, score_of, statuses_of
from scoring.merchants.duties import due_on, owed
from scoring.merchants.goods import high_risk_on
from scoring.merchants.months.calendar import name_of
from scoring.merchants.standing import level_of, standing_rules
from scoring.reference.compliance import checklist_items, checklist_measures, duties
from scoring.reference.goods import goods_classes
from scoring.reference.limits import ChecklistLimits, limits, limits_from
from scoring.reference.table import start_ms

UNKNOWN: Final = -1
DAY_MS: Final = 86_400_000
TOKYO_MS: Final = 9 * 3_600_000

_RISKY, _BINDING, _LATER, _LATE, _OUTDATED, _STALE = range(6)
"""Bits of a state; above them is the era."""

_ERA: Final = 6
_AGE: Final = 12  # key of a text: the state, the age above it, the kind of merchant above that
_KIND: Final = 28
_LEFT_OUT: Final = frozenset({"checklist_score", "outdated", "self_declared", "owed", "age_days", "standing"})
"""Members that are left out if empty: most merchants are unknown, and each byte is sent and stored."""

TEXTS_MAX: Final = 65_536
"""About 25 MB."""

FRAUD_STATUSES: Final[tuple[FraudStatus, ...]] = get_args(FraudStatus)
_NEVER: Final = 2**62
_DAY: Final = timedelta(days=1)


class StandingEvidence(NamedTuple):
    """Where a merchant stands by the fraud that was reported of it: days, months by number, and whole yen.

    `fraud_jpy`: of the last months up to `run_to`, the oldest first; without a run, up to the last report.
    """

    status: int  # FraudStatusCode
    since: date | None
    months: int
    run_to: int
    fraud_jpy: tuple[int, ...]
    frequent_since: date | None
    unfounded: bool

    def as_record(self) -> MerchantStanding:
        """Put it as the contract has it."""
        return MerchantStanding(
            status=FRAUD_STATUSES[self.status],
            since=self.since,
            months=self.months,
            run_to=name_of(self.run_to) if self.run_to else None,
            fraud_jpy=list(self.fraud_jpy),
            frequent_since=self.frequent_since,
            unfounded=self.unfounded or None,
        )


class Attributes(NamedTuple):
    """What a merchant's record says and time does not change; -1 is unknown.

    `has_checklist`: there is a checklist. `has_attestation`: the checklist says when it was attested.
    """

    known: bool = False
    has_checklist: bool = False
    has_attestation: bool = False
    self_declared: int = UNKNOWN
    tds_mode: int = UNKNOWN  # TdsModeCode
    goods: int = UNKNOWN  # bits of `goods.CLASSES`
    fraud_status: int = UNKNOWN  # FraudStatusCode
    declared: Declaration = (DeclaredItem(),) * len(CHECKLIST_ITEMS)
    standing: StandingEvidence | None = None


class Eras(NamedTuple):
    """The rules by time: era 0 is before the first change, era k begins at `starts_ms[k - 1]`.

    `changed_ms` int64[eras]: when the list in force changed last. `late_from_ms` int64[eras]: contracts made from this
    time on needed 3-D Secure. `stale_after_ms` int64[eras]: an older attestation is stale. `frequent_from`: fraud is
    frequent from this status on (`FraudStatusCode`). `high_risk`: goods that are high-risk, bits of `goods.CLASSES`.
    """

    starts_ms: NDArray[np.int64]
    rules: tuple[ChecklistRules | None, ...]
    due: tuple[frozenset[str], ...]
    changed_ms: NDArray[np.int64]
    late_from_ms: NDArray[np.int64]
    stale_after_ms: NDArray[np.int64]
    frequent_from: tuple[int, ...]
    high_risk: tuple[int, ...]


@cache
def eras() -> Eras:
    """Build the eras from the dated tables. They are read once."""
    items, measures, owing = checklist_items(), checklist_measures(), duties()
    after = {row.due_on + _DAY for row in owing if row.due_on is not None}
    days = sorted(items.changes | measures.changes | owing.changes | limits().changes | goods_classes().changes | after)
    assert len(days) < 1 << _AGE - _ERA, "more eras than a state has room for"
    rules = (None, *(rules_on(items, measures, day) for day in days))
    checklists = [limits_from(limits(), "CHECKLIST", day, ChecklistLimits) for day in (days[0], *days)]
    standings = [standing_rules().on(day) for day in (days[0], *days)]
    contracts = [owing.find(("TDS_CONTRACT",), day) for day in days]
    return Eras(
        np.array([start_ms(day) for day in days], dtype=np.int64),
        rules,
        (frozenset(), *(due_on(owing, day) for day in days)),
        np.array([_NEVER if of is None else start_ms(of.changed_on) for of in rules], dtype=np.int64),
        np.array(
            [_NEVER, *(start_ms(of.due_on + _DAY) if of is not None and of.due_on else _NEVER for of in contracts)],
            dtype=np.int64,
        ),
        np.array([of.stale_over_days * DAY_MS for of in checklists], dtype=np.int64),
        tuple(int(level_of(of.frequent_months, of)) for of in standings),
        tuple(high_risk_on(goods_classes(), day) for day in (days[0], *days)),
    )


def stale_steps() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the age from which an attestation is stale, by time: int64[k], when it changes, and int64[k + 1], in ms."""
    starts_ms, after_ms = eras().starts_ms, eras().stale_after_ms
    changes = np.flatnonzero(np.diff(after_ms))
    return starts_ms[changes], after_ms[np.concatenate([[0], changes + 1])]


class Summaries:
    """Keep the texts of the summaries, by kind of merchant, state, and age of the attestation.

    A kind is held while a merchant is of it. Up to `TEXTS_MAX` texts are kept; then all are dropped and made again.
    """

    def __init__(self) -> None:
        self._kinds: dict[Attributes, tuple[int, int]] = {}  # number of the kind, and how many merchants are of it
        self._attributes: dict[int, Attributes] = {}
        self._next = 0
        self._heads: dict[int, bytes] = {}
        self._texts = _Texts(self._made)

    def hold(self, attributes: Attributes) -> int:
        """Return the number of a merchant's kind; call `release` when the merchant is no longer of it."""
        kind, merchants = self._kinds.get(attributes) or (self._next, 0)
        if not merchants:
            self._next += 1
            self._attributes[kind] = attributes
        self._kinds[attributes] = kind, merchants + 1
        return kind

    def release(self, kind: int) -> None:
        """Release a kind: one merchant less is of it."""
        attributes = self._attributes[kind]
        _, merchants = self._kinds[attributes]
        if merchants > 1:
            self._kinds[attributes] = kind, merchants - 1
        else:
            del self._kinds[attributes], self._attributes[kind]

    def attributes(self, kind: int) -> Attributes:
        """Return what merchants of a kind have in common."""
        return self._attributes[kind]

    def texts(self, kinds: NDArray[np.int64], states: NDArray[np.int64], ages: NDArray[np.int64]) -> list[bytes]:
        """Give the summary of each event: all are [n], ages in days, -1 unknown."""
        keys: NDArray[np.int64] = (kinds << _KIND) + ((ages + 1) << _AGE) + states
        texts = self._texts
        return [texts[key] for key in keys.tolist()]

    def __len__(self) -> int:
        """Count the kinds of merchants."""
        return len(self._kinds)

    def _made(self, key: int) -> bytes:
        kind, age, state = key >> _KIND, (key >> _AGE & (1 << _KIND - _AGE) - 1) - 1, key & (1 << _AGE) - 1
        place = kind << _AGE | state
        head = self._heads.get(place)
        if head is None:
            if len(self._heads) >= TEXTS_MAX:
                self._heads.clear()
            self._heads[place] = head = _encoded(self._attributes[kind], state)
        return head + b"}" if age == UNKNOWN else b'%b,"age_days":%d}' % (head, age)


class _Texts(dict[int, bytes]):
    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make

    def __missing__(self, key: int) -> bytes:
        if len(self) >= TEXTS_MAX:
            self.clear()
        self[key] = text = self._make(key)
        return text


def _encoded(attributes: Attributes, state: int) -> bytes:
    """Encode a summary without its last member, the age, and without the closing brace."""
    rules, due = eras().rules[state >> _ERA], eras().due[state >> _ERA]
    statuses = statuses_of(attributes.declared, rules)
    gaps = [item for item, status in zip(CHECKLIST_ITEMS, statuses, strict=True) if status == "NOT_IMPLEMENTED"]
    unknown = statuses.count("UNKNOWN")
    score = None if rules is None else score_of(statuses, rules)
    summary = ComplianceSummary(
        known=attributes.known,
        tds_mode=_name(TdsModeCode, attributes.tds_mode),
        gaps=list(gaps),
        stale=bool(state >> _STALE & 1) if attributes.has_attestation else None,
        high_risk_goods=bool(state >> _RISKY & 1)
        if attributes.goods == UNKNOWN
        else attributes.goods & eras().high_risk[state >> _ERA] != 0,
        fraud_status=_name(FraudStatusCode, attributes.fraud_status),
        checklist_known=unknown < len(CHECKLIST_ITEMS) if attributes.has_checklist else None,
        unknown_items=unknown if attributes.has_checklist else None,
        checklist_score=None if score is None else round(float(score), 4),
        outdated=bool(state >> _OUTDATED & 1) if attributes.has_attestation and rules is not None else None,
        self_declared=None if attributes.self_declared == UNKNOWN else attributes.self_declared == 1,
        owed=owed(
            due if state >> _BINDING & 1 else (),
            gaps,
            tds_mode=attributes.tds_mode,
            introduced_later=bool(state >> _LATER & 1),
            contracted_late=bool(state >> _LATE & 1),
            is_frequent=_stands(attributes) >= eras().frequent_from[state >> _ERA],
        ),
        standing=None if attributes.standing is None else attributes.standing.as_record(),
    )
    members = ((name, getattr(summary, name)) for name in summary.__struct_fields__)
    declared = {name: value for name, value in members if name not in _LEFT_OUT or value not in (None, [])}
    return orjson.dumps(to_builtins(declared))[:-1]


def _stands(attributes: Attributes) -> int:
    """Say where a merchant stands by its acquirer or by us, whichever is worse."""
    return (
        attributes.fraud_status
        if attributes.standing is None
        else max(attributes.fraud_status, attributes.standing.status)
    )


def states_of(
    event_ms: NDArray[np.int64],
    attested_ms: NDArray[np.int64],
    introduced_ms: NDArray[np.int64],
    contracted_ms: NDArray[np.int64],
    *,
    risky: NDArray[np.bool_],
    binding: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Give the state of each event's summary: all are [n], times in ms, -1 unknown.

    `binding`: the Guidelines bind this payment's merchant.
    """
    rules, bits = eras(), np.empty((6, len(event_ms)), dtype=np.bool_)
    era: NDArray[np.int64] | np.int64 = np.searchsorted(rules.starts_ms, event_ms.max(initial=0), side="right")
    if era and event_ms.min() < rules.starts_ms[era - 1]:  # events of several eras in one batch
        era = np.searchsorted(rules.starts_ms, event_ms, side="right")
    np.less(attested_ms, rules.changed_ms[era], out=bits[_OUTDATED])
    np.greater_equal(contracted_ms, rules.late_from_ms[era], out=bits[_LATE])
    bits[_LATE] &= contracted_ms <= event_ms
    np.greater(introduced_ms, event_ms, out=bits[_LATER])
    np.greater(event_ms - attested_ms, rules.stale_after_ms[era], out=bits[_STALE])
    bits[_STALE] &= attested_ms != UNKNOWN
    bits[_RISKY], bits[_BINDING] = risky, binding
    states: NDArray[np.int64] = np.packbits(bits, axis=0, bitorder="little")[0] + (np.asarray(era) << _ERA)
    return states


def ages_of(event_ms: NDArray[np.int64], attested_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the days in Tokyo from each attestation to its event; -1 where the attestation is unknown or later."""
    days = (event_ms + TOKYO_MS) // DAY_MS - (attested_ms + TOKYO_MS) // DAY_MS
    return np.where((attested_ms == UNKNOWN) | (days < 0), UNKNOWN, np.minimum(days, AGE_DAYS_MAX))


def _name(codes: type[TdsModeCode] | type[FraudStatusCode], code: int) -> str:
    return codes(code).name if code != UNKNOWN else "UNKNOWN"
