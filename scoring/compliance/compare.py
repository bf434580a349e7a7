"""What changed between two reports of one acquirer."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from msgspec import Struct

from scoring.compliance.report import Report

Fact = tuple[str, str, str]
"""Section, merchant or BIN (empty: the acquirer), and what of it."""

YES: Final = "YES"


class Change(Struct, frozen=True, kw_only=True):
    """One thing that is no longer what it was; null: it was not there, or is no longer."""

    section: str
    subject: str
    what: str
    before: str | None
    after: str | None


class Changes(Struct, frozen=True, kw_only=True):
    """All that changed between the ends of two days."""

    before: date
    after: date
    lines: tuple[Change, ...]


def compare(before: Report, after: Report) -> Changes:
    """Compare two reports of one acquirer, the earlier one first."""
    assert before.head.acquirer_id == after.head.acquirer_id
    old, new = dict(_facts(before)), dict(_facts(after))
    changed = (
        Change(section=key[0], subject=key[1], what=key[2], before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    )
    return Changes(before=before.head.as_of, after=after.head.as_of, lines=tuple(changed))


def _facts(report: Report) -> Iterator[tuple[Fact, str]]:
    """Give what two reports are compared by. A merchant without a record has no lines of a checklist."""
    last, known = report.vamp[-1], {line.merchant_id for line in report.checklist if line.is_known}
    yield ("VAMP", "", "ratio_bps"), str(last.ratio.bps)
    yield ("VAMP", "", "tier"), str(last.tier.tier)
    for part in last.merchants:
        if part.tier.tier is not None:
            yield ("VAMP", part.merchant_id, "tier"), part.tier.tier
    for one in report.mastercard:
        if one.month == last.month and one.member is not None:
            yield (one.programme, one.merchant_id, "member"), one.member
    for stands in report.pipeline:
        if stands.status != "NORMAL":
            yield ("FRAUD", stands.merchant_id, "status"), stands.status
    for scam in report.scams:
        if scam.opened_on is not None:
            yield ("SCAM", scam.merchant_id, "opened_on"), scam.opened_on.isoformat()
    for belied in report.contradictions:
        yield ("CONTRADICTION", belied.merchant_id, belied.declared), YES
    for line in report.checklist:
        if line.is_known:
            yield ("CHECKLIST", line.merchant_id, "gaps"), " ".join(line.gaps)
            yield ("CHECKLIST", line.merchant_id, "unknown"), " ".join(line.unknown)
            yield ("CHECKLIST", line.merchant_id, "owed"), " ".join(line.owed)
    for along in report.line:
        if along.merchant_id in known:
            yield ("LINE", along.merchant_id, "covered"), str(along.covered)
    for used in report.coverage:
        if used.covered.bps is not None:
            yield ("TDS", used.merchant_id, "covered_bps"), str(used.covered.bps)
    for issuer in report.issuers:
        yield ("ISSUER", issuer.bin, "enrolment"), issuer.enrolment
        yield ("ISSUER", issuer.bin, "no_static"), issuer.no_static
