"""The part of a report that is about merchants: their checklist, 3-D Secure, fraud, and what is contradicted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Literal, get_args

from scoring.compliance.figures import Figures, bps_of, share
from scoring.compliance.inputs.columns import CoverageCol, DayCol
from scoring.compliance.report import (
    ChecklistLine,
    ContradictionLine,
    CoverageLine,
    ForecastLine,
    LineLine,
    MonthOfFraud,
    PipelineLine,
)
from scoring.compliance.scope import RECENT_DAYS, Scope
from scoring.contract.codes import CHECKLIST_ITEMS, FraudStatusCode, TdsModeCode
from scoring.contract.merchant import GoodsClass, MerchantRecord
from scoring.merchants.checklist import declaration_of, measures_of_lists, rules_on, score_of, statuses_of
from scoring.merchants.duties import due_on, owed
from scoring.merchants.goods import bits_of, goods_of, high_risk_on
from scoring.merchants.months.calendar import first_day, month_of_day, name_of
from scoring.merchants.months.columns import MonthCol
from scoring.merchants.standing import Act, History, Standing, act, advance, forecast, level_of, standing_rules
from scoring.merchants.summaries import UNKNOWN
from scoring.reference.compliance import checklist_items, checklist_measures, duties
from scoring.reference.goods import LineMeasure, Phase, goods_categories, goods_classes, line_measures
from scoring.reference.limits import ChecklistLimits, limits, limits_from
from scoring.reference.monitoring import monitoring_limits
from scoring.reference.table import TOKYO

_JAPAN = "JP"
_IN_PLACE = ("IMPLEMENTED", "ALTERNATIVE")
_LATEST_STATUS = {status.name: rank for rank, status in enumerate(FraudStatusCode)}


@dataclass(frozen=True, slots=True)
class ContradictionLimits:
    """Hold the limits of scope CONTRADICTION."""

    enumerations_min: int
    takeovers_min: int
    without_tds_min_bps: int
    due_min: int


def checklist_line(
    merchant_id: str, record: MerchantRecord | None, day: date, *, is_frequent: bool = False
) -> ChecklistLine:
    """Judge what a merchant declares by the list in force on a day. `is_frequent`: fraud is frequent there."""
    checklist = None if record is None else record.checklist
    rules = rules_on(checklist_items(), checklist_measures(), day)
    statuses = statuses_of(declaration_of(checklist, measures_of_lists()), rules)
    told = list(zip(CHECKLIST_ITEMS, statuses, strict=True))
    gaps = tuple(item for item, status in told if status == "NOT_IMPLEMENTED")
    score = None if rules is None or checklist is None else score_of(statuses, rules)
    attested = None if checklist is None or checklist.attested_at is None else _day(checklist.attested_at)
    age = None if attested is None or attested > day else (day - attested).days
    return ChecklistLine(
        merchant_id=merchant_id,
        is_known=record is not None,
        has_checklist=checklist is not None,
        gaps=gaps,
        unknown=tuple(item for item, status in told if status == "UNKNOWN"),
        score=None if score is None else round(float(score), 4),
        version=None if checklist is None else checklist.version,
        attested_on=attested,
        age_days=age,
        is_stale=None
        if age is None
        else age > limits_from(limits(), "CHECKLIST", day, ChecklistLimits).stale_over_days,
        is_outdated=None if attested is None or rules is None else attested < rules.changed_on,
        is_self_declared=None if checklist is None or checklist.source is None else checklist.source == "SELF_DECLARED",
        owed=() if record is None else tuple(_owed(record, gaps, day, is_frequent=is_frequent)),
    )


def _day(stamp: datetime) -> date:
    return stamp.astimezone(TOKYO).date()


def _owed(record: MerchantRecord, gaps: tuple[str, ...], day: date, *, is_frequent: bool) -> list[str]:
    """Name what is owed at a merchant in Japan; of one whose country nobody told nothing is."""
    if record.country != _JAPAN:
        return []
    contract = duties().find(("TDS_CONTRACT",), day)
    last = None if contract is None else contract.due_on
    contracted, introduced = record.contracted_on, None if record.tds is None else record.tds.introduced_on
    return owed(
        due_on(duties(), day),
        gaps,
        tds_mode=UNKNOWN if mode_of(record) is None else int(mode_of(record) or 0),
        introduced_later=introduced is not None and introduced > day,
        contracted_late=last is not None and contracted is not None and last < contracted <= day,
        is_frequent=is_frequent,
    )


def mode_of(record: MerchantRecord | None) -> TdsModeCode | None:
    """Return how a merchant says it uses 3-D Secure; None where nobody told."""
    if record is None or record.tds is None or record.tds.mode == "UNKNOWN":
        return None
    return TdsModeCode[record.tds.mode]


def uses_tds(record: MerchantRecord | None, day: date) -> bool | None:
    """Say whether a merchant has 3-D Secure on a day; None where nobody told."""
    mode = mode_of(record)
    introduced = None if record is None or record.tds is None else record.tds.introduced_on
    if mode is TdsModeCode.NONE or (introduced is not None and introduced > day):
        return False
    return None if mode is None else True


def line_line(merchant_id: str, record: MerchantRecord | None, mcc: int, day: date) -> LineLine:
    """Lay out what a merchant sells and its measures along the line. `mcc`: of its payments, 0 where there is none."""
    declared = () if record is None else record.goods_class
    told = mcc if record is None or record.mcc is None else int(record.mcc)
    goods = goods_of(bits_of(declared)) if declared else _goods_of_category(told, day)
    by: Literal["RECORD", "CATEGORY"] | None = "RECORD" if declared else "CATEGORY" if told else None
    in_place: dict[str, tuple[str, ...]] = {}
    unknown = []
    for phase in get_args(Phase):
        states = {row.measure: _has(row, record, day) for row in line_measures().on(day).values() if row.phase == phase}
        in_place[phase] = tuple(measure for measure, has in states.items() if has)
        if not in_place[phase] and None in states.values():
            unknown.append(phase)
    return LineLine(
        merchant_id=merchant_id,
        goods=goods,
        goods_by=by,
        is_high_risk=None if by is None else bool(bits_of(goods) & high_risk_on(goods_classes(), day)),
        pre=in_place["PRE"],
        at=in_place["AT"],
        post=in_place["POST"],
        covered=sum(map(bool, in_place.values())),
        unknown=tuple(unknown),
    )


def _goods_of_category(mcc: int, day: date) -> tuple[GoodsClass, ...]:
    rows = goods_categories().on(day).values()
    return goods_of(bits_of(row.goods for row in rows if int(row.first) <= mcc <= int(row.last)))


def _has(row: LineMeasure, record: MerchantRecord | None, day: date) -> bool | None:
    """Say whether a merchant has a measure; None where nobody told."""
    if record is None:
        return None
    if row.told_by == "TDS":
        uses, mode = uses_tds(record, day), mode_of(record)
        return mode is not None and mode.name in row.modes if uses else uses
    if row.told_by == "RECORD":
        return None if record.line_measures is None else row.measure in map(str.upper, record.line_measures)
    rules = rules_on(checklist_items(), checklist_measures(), day)
    statuses = statuses_of(declaration_of(record.checklist, measures_of_lists()), rules)
    status = {str(item): status for item, status in zip(CHECKLIST_ITEMS, statuses, strict=True)}[row.measure]
    return None if status == "UNKNOWN" else status in ("IMPLEMENTED", "ALTERNATIVE")


def coverage_line(merchant_id: str, record: MerchantRecord | None, figures: Figures, scope: Scope) -> CoverageLine:
    """Add up how a merchant used 3-D Secure in the months of the report."""
    months = range(scope.first_month, scope.month + 1)
    sums = [sum(figures.coverage(merchant_id, month)[column] for month in months) for column in CoverageCol]
    told = sums[CoverageCol.DUE_N] - sums[CoverageCol.UNTOLD_N]
    tds = None if record is None else record.tds
    return CoverageLine(
        merchant_id=merchant_id,
        tds_mode="UNKNOWN" if tds is None else tds.mode,
        introduced_on=None if tds is None else tds.introduced_on,
        contracted_on=None if record is None else record.contracted_on,
        due=sums[CoverageCol.DUE_N],
        without=sums[CoverageCol.WITHOUT_N],
        untold=sums[CoverageCol.UNTOLD_N],
        unclear=sums[CoverageCol.UNCLEAR_N],
        not_due=sums[CoverageCol.NOT_DUE_N],
        authenticated=sums[CoverageCol.AUTHENTICATED_N],
        attempted=sums[CoverageCol.ATTEMPTED_N],
        covered=share(told - sums[CoverageCol.WITHOUT_N], told),
    )


def standing_of(merchant_id: str, record: MerchantRecord | None, figures: Figures, scope: Scope) -> Standing:
    """Say where a merchant stands by the months of the report, and by what the acquirer did.

    Months are judged at their end, and an act counts from the end of its month.
    """
    jpy, before = _fraud_jpy(merchant_id, figures, scope)
    standing = Standing()
    for month in range(scope.first_month, scope.month + 1):
        day = min(scope.as_of, _last_day(month))
        standing = advance(standing, _history(jpy, before, month), standing_rules(), day)
        standing = _acted(standing, record, month, scope)
    return standing


def _acted(standing: Standing, record: MerchantRecord | None, month: int, scope: Scope) -> Standing:
    """Apply what the record says that the acquirer did in a month. `act` leaves others than ACTUALISED as they are."""
    on = None if record is None else record.fraud_status_on
    if record is None or on is None or on > scope.as_of or month_of_day(on) != month:
        return standing
    acts = {"MONITORED": Act.MEASURES_RECORDED, "NORMAL": Act.RELEASED}
    what = acts.get(record.fraud_status or "")
    return standing if what is None else act(standing, what, on)


def is_frequent(standing: Standing, record: MerchantRecord | None, day: date) -> bool:
    """Say whether fraud is frequent at a merchant, by its months or by its record, whichever is worse."""
    declared = -1 if record is None or record.fraud_status is None else int(FraudStatusCode[record.fraud_status])
    rules = standing_rules().on(day)
    return max(declared, int(standing.status)) >= level_of(rules.frequent_months, rules)


def _fraud_jpy(merchant_id: str, figures: Figures, scope: Scope) -> tuple[dict[int, int], int]:
    """Give the fraud by month, and the first month of it: enough before those of the report to judge the first."""
    first = scope.first_month - standing_rules().on(scope.as_of).actualised_months
    months = range(first, scope.month + 1)
    return {month: figures.month(merchant_id, month)[MonthCol.FRAUD_JPY] for month in months}, first


def pipeline_line(
    merchant_id: str, record: MerchantRecord | None, standing: Standing, figures: Figures, scope: Scope
) -> PipelineLine | None:
    """Lay out where a merchant stands; None where it has no fraud and its record says NORMAL or nothing."""
    jpy, before = _fraud_jpy(merchant_id, figures, scope)
    whole = _history(jpy, before, scope.month)
    foreseen = forecast(whole, standing, standing_rules(), scope.end_ms - 1)
    declared = None if record is None else record.fraud_status
    months = tuple(_months_of_fraud(merchant_id, figures, scope))
    if not any(month.frauds for month in months) and declared in (None, "NORMAL"):
        return None
    without = None
    if standing.frequent_since is not None and uses_tds(record, scope.as_of) is False:
        without = (scope.as_of - standing.frequent_since).days
    return PipelineLine(
        merchant_id=merchant_id,
        status=standing.status.name,
        declared=declared,
        since=standing.since,
        months_over=standing.months,
        months=months,
        forecast=None
        if foreseen is None
        else ForecastLine(
            projected_jpy=foreseen.projected_jpy,
            is_over=foreseen.is_above,
            crosses_on=foreseen.crosses_on,
            becomes=None if foreseen.becomes is None else foreseen.becomes.name,
        ),
        days_without_tds=without,
    )


def _last_day(month: int) -> date:
    return date.fromordinal(first_day(month + 1).toordinal() - 1)


def _history(jpy: Mapping[int, int], first: int, last: int) -> History:
    return History(last=last, fraud_jpy=tuple(jpy[month] for month in range(first, last + 1)))


def _months_of_fraud(merchant_id: str, figures: Figures, scope: Scope) -> Iterator[MonthOfFraud]:
    for month in range(scope.first_month, scope.month + 1):
        found = figures.month(merchant_id, month)
        yield MonthOfFraud(
            month=name_of(month),
            jpy=found[MonthCol.FRAUD_JPY],
            frauds=found[MonthCol.FRAUD_N],
            unpriced=found[MonthCol.FRAUD_UNPRICED_N],
            is_over=standing_rules().is_above(month, found[MonthCol.FRAUD_JPY]),
        )


def contradictions(
    merchant_id: str, record: MerchantRecord | None, figures: Figures, scope: Scope
) -> Iterator[ContradictionLine]:
    """Find what a merchant's payments of the last days belie of what it declares.

    Only what is declared as in place can be contradicted.
    """
    day = scope.as_of
    if record is None:
        return
    asked = limits_from(monitoring_limits(), "CONTRADICTION", day, ContradictionLimits)
    sums = figures.running(merchant_id, scope.day - RECENT_DAYS + 1, scope.day)[-1].tolist()
    rules = rules_on(checklist_items(), checklist_measures(), day)
    statuses = statuses_of(declaration_of(record.checklist, measures_of_lists()), rules)
    in_place = {item for item, told in zip(CHECKLIST_ITEMS, statuses, strict=True) if told in _IN_PLACE}
    taken_over = figures.taken_over(merchant_id, scope.day - RECENT_DAYS + 1)
    hours, due, without = sums[DayCol.ENUMERATED_HOURS], sums[DayCol.DUE_N], sums[DayCol.WITHOUT_N]
    if "SC5_CREDMASTER" in in_place and hours >= asked.enumerations_min:
        yield ContradictionLine(merchant_id=merchant_id, declared="SC5_CREDMASTER", observed=hours, of=None)
    if "SC6_LOGIN" in in_place and taken_over >= asked.takeovers_min:
        yield ContradictionLine(merchant_id=merchant_id, declared="SC6_LOGIN", observed=taken_over, of=None)
    is_every = mode_of(record) is TdsModeCode.EVERY_PAYMENT and uses_tds(record, day)
    if is_every and due >= asked.due_min and bps_of(without, due) >= Fraction(asked.without_tds_min_bps):
        yield ContradictionLine(merchant_id=merchant_id, declared="TDS_EVERY_PAYMENT", observed=without, of=due)


def by_gaps(line: ChecklistLine) -> tuple[int, int, str]:
    """Order merchants by their gaps, then by what they owe."""
    return -len(line.gaps), -len(line.owed), line.merchant_id


def by_line(line: LineLine) -> tuple[bool, int, str]:
    """Order merchants: those of high-risk goods first, then by the phases that are covered."""
    return line.is_high_risk is not True, line.covered, line.merchant_id


def by_coverage(line: CoverageLine) -> tuple[int, int, str]:
    """Order merchants by payments that lack 3-D Secure, then by those that needed it."""
    return -line.without, -line.due, line.merchant_id


def by_standing(line: PipelineLine) -> tuple[int, int, str]:
    """Order merchants by their status, then by the fraud of all months."""
    return -_LATEST_STATUS[line.status], -sum(month.jpy for month in line.months), line.merchant_id


def month_names(scope: Scope) -> tuple[str, ...]:
    """Name the months of a report."""
    return tuple(name_of(month) for month in range(scope.first_month, month_of_day(scope.as_of) + 1))
