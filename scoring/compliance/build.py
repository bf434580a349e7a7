"""Make a report of what was added up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TypeVar

from scoring.compliance.figures import Figures, basis_name, share
from scoring.compliance.inputs.reports import BASIS as MONTH_BASIS
from scoring.compliance.inputs.reports import ReportTally
from scoring.compliance.inputs.traffic import Issuer, Tally
from scoring.compliance.merchants import (
    by_coverage,
    by_gaps,
    by_line,
    by_standing,
    checklist_line,
    contradictions,
    coverage_line,
    is_frequent,
    line_line,
    month_names,
    pipeline_line,
    standing_of,
)
from scoring.compliance.programmes import Terms, enumerations, mastercard_lines, scam_line, shown, vamp_months
from scoring.compliance.report import (
    ChecklistLine,
    CoverageLine,
    Head,
    Input,
    IssuerLine,
    Made,
    PipelineLine,
    Report,
    Summary,
    TableVersion,
)
from scoring.compliance.scope import Scope
from scoring.contract.merchant import MerchantRecord
from scoring.issuers.shares import IssuerCol, Met, issuer_view
from scoring.merchants.programmes.tiers import Ratio, SalesBasis
from scoring.reference.compliance import checklist_items, checklist_measures, duties, guidelines
from scoring.reference.goods import goods_categories, goods_classes, line_measures
from scoring.reference.limits import limits, limits_from
from scoring.reference.monitoring import monitoring_limits, programme_tiers
from scoring.reference.report_codes import report_codes
from scoring.reference.response_codes import response_codes
from scoring.reference.table import TOKYO, DatedRow, DatedTable
from scoring.reference.threeds import reference

_ISSUERS = {Met.MISSED: 0, Met.MET: 1, Met.UNKNOWN: 2, Met.NOT_BOUND: 3, Met.NOT_DUE: 4}
R = TypeVar("R", bound=DatedRow)
_NO_RANGES: Mapping[str, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class IssuerLimits:
    """Hold the limits of scope ISSUER."""

    payments_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read: tallies, and of topics the offsets of each, by partition; None if it was a file.

    An input that a deployment may lack has its line only if something of it was read.
    """

    traffic: Tally
    reports: ReportTally
    merchants: Mapping[str, int]
    outcomes: Mapping[str, int]
    settlements: Mapping[str, int]
    ranges: Mapping[str, Mapping[str, tuple[int, int]]] | None


def build(
    scope: Scope,
    terms: Terms,
    figures: Figures,
    issuers: Iterable[Issuer],
    records: Mapping[str, MerchantRecord],
    read: Read,
    code: str,
) -> Report:
    """Make the report. `records` are the acquirer's merchants by id, `code` is the version of this program."""
    merchants = sorted(figures.merchants | records.keys())
    of = {merchant: records.get(merchant) for merchant in merchants}
    standings = {merchant: standing_of(merchant, record, figures, scope) for merchant, record in of.items()}
    checklist = [
        checklist_line(merchant, record, scope.as_of, is_frequent=is_frequent(standings[merchant], record, scope.as_of))
        for merchant, record in of.items()
    ]
    along = [line_line(merchant, record, figures.mcc(merchant), scope.as_of) for merchant, record in of.items()]
    coverage = [coverage_line(merchant, record, figures, scope) for merchant, record in of.items()]
    lines = (pipeline_line(merchant, record, standings[merchant], figures, scope) for merchant, record in of.items())
    pipeline = [line for line in lines if line is not None]
    last_two = (scope.month - 1, scope.month)
    scams = (
        scam_line(figures, merchant, None if record is None else record.contracted_on, scope)
        for merchant, record in of.items()
    )
    return Report(
        schema_version="compliance-report.v1",
        head=_head(scope, terms, figures.basis(scope.month), read, code),
        summary=_summary(checklist, coverage, pipeline),
        checklist=tuple(sorted(checklist, key=by_gaps)),
        line=tuple(sorted(along, key=by_line)),
        coverage=tuple(sorted(coverage, key=by_coverage)),
        pipeline=tuple(sorted(pipeline, key=by_standing)),
        vamp=tuple(vamp_months(figures, merchants, scope, terms)),
        enumeration=tuple(line for month in last_two for line in enumerations(figures, merchants, month, terms.region)),
        mastercard=tuple(line for merchant in merchants for line in mastercard_lines(figures, merchant, scope, terms)),
        scams=tuple(line for line in scams if line is not None),
        issuers=tuple(_issuers(issuers, scope)),
        contradictions=tuple(
            line for merchant, record in of.items() for line in contradictions(merchant, record, figures, scope)
        ),
    )


def _head(scope: Scope, terms: Terms, basis: SalesBasis, read: Read, code: str) -> Head:
    earliest_ms = read.traffic.earliest_ms
    return Head(
        acquirer_id=scope.acquirer_id,
        as_of=scope.as_of,
        source="FILE" if read.ranges is None else "TOPICS",
        months=month_names(scope),
        region=terms.region,
        efm_region=terms.efm_region,
        basis=basis_name(basis),
        month_basis=MONTH_BASIS.name,
        yen_per_minor_unit={currency: f"{float(rate):g}" for currency, rate in sorted(terms.rates.items())},
        is_complete=earliest_ms is not None and _day_of_ms(earliest_ms) <= _day_of_ms(scope.begin_ms),
        made=made_with(scope.as_of, code),
        inputs=tuple(_inputs(read)),
    )


def _inputs(read: Read) -> Iterator[Input]:
    tallies = {
        "authorizations": {k: v for k, v in asdict(read.traffic).items() if k != "earliest_ms"},
        "fraud-reports": asdict(read.reports),
        "merchants": dict(read.merchants),
    }
    more = {"authorization-outcomes": read.outcomes, "settlements": read.settlements}
    tallies |= {name: dict(counts) for name, counts in more.items() if counts["read"]}
    for name, counts in tallies.items():
        first, last = counts.pop("first_ms", None), counts.pop("last_ms", None)
        yield Input(
            name=name,
            read=counts.pop("read"),
            counts=counts,
            first=None if first is None else _stamp(first),
            last=None if last is None else _stamp(last),
            ranges={} if read.ranges is None else dict(read.ranges.get(name, _NO_RANGES)),
        )


def _stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, TOKYO).isoformat(timespec="milliseconds")


def _day_of_ms(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, TOKYO).date()


def made_with(day: date, code: str) -> Made:
    """Name the version of the Guidelines on a day, and every table that a figure rests on."""
    version = guidelines().find(("JP",), day)
    threeds = reference()
    return Made(
        code=code,
        guideline_version=None if version is None else version.version,
        guideline_from=None if version is None else version.effective_from,
        tables=(
            _version("guidelines", guidelines()),
            _version("duties", duties()),
            _version("checklist_items", checklist_items()),
            _version("checklist_measures", checklist_measures()),
            _version("goods_classes", goods_classes()),
            _version("goods_categories", goods_categories()),
            _version("line_measures", line_measures()),
            _version("limits", limits()),
            _version("monitoring_limits", monitoring_limits()),
            _version("monitoring_tiers", programme_tiers()),
            _version("report_codes", report_codes()),
            _version("response_codes", response_codes()),
            *(_version(f"threeds_{name}", getattr(threeds, name)) for name in threeds.__struct_fields__),
        ),
    )


def _version(name: str, table: DatedTable[R]) -> TableVersion:
    return TableVersion(
        name=name,
        title=table.title,
        identity=table.identity,
        rows=len(table),
        unverified_rows=sum(row.is_unverified for row in table),
    )


def _summary(
    checklist: Sequence[ChecklistLine], coverage: Sequence[CoverageLine], pipeline: Sequence[PipelineLine]
) -> Summary:
    covered = Ratio(items=sum(line.covered.items for line in coverage), sales=sum(line.covered.of for line in coverage))
    return Summary(
        merchants=len(checklist),
        known=sum(line.is_known for line in checklist),
        with_gaps=sum(bool(line.gaps) for line in checklist),
        with_unknown=sum(bool(line.unknown) for line in checklist),
        stale=sum(line.is_stale is True for line in checklist),
        gaps=dict(sorted(Counter(gap for line in checklist for gap in line.gaps).items())),
        owed=dict(sorted(Counter(duty for line in checklist for duty in line.owed).items())),
        standing=dict(sorted(Counter(line.status for line in pipeline).items())),
        covered=shown(covered),
    )


def _issuers(issuers: Iterable[Issuer], scope: Scope) -> list[IssuerLine]:
    payments_min = limits_from(monitoring_limits(), "ISSUER", scope.as_of, IssuerLimits).payments_min
    found = []
    for issuer in issuers:
        counts = issuer.counts.tolist()
        view = issuer_view(counts, duties(), payments_min, scope.as_of, issuer.is_japanese)
        judged, typed = counts[IssuerCol.JUDGED_N], counts[IssuerCol.TYPED_N]
        line = IssuerLine(
            bin=issuer.bin,
            is_japanese=issuer.is_japanese,
            enrolled=share(judged - counts[IssuerCol.NOT_ENROLLED_N], judged),
            enrolment=view.enrolment.name,
            static=share(counts[IssuerCol.STATIC_N], typed),
            no_static=view.no_static.name,
        )
        worst = min(_ISSUERS[view.enrolment], _ISSUERS[view.no_static])
        found.append((worst, -judged, issuer.bin, line))
    return [line for *_, line in sorted(found, key=lambda one: one[:3])]
