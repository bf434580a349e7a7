"""What changed between two reports: what appeared, went, or is no longer what it was."""

from datetime import date

import msgspec

from scoring.compliance.compare import Change, compare
from tests.compliance.history import AS_OF
from tests.compliance.made import report, report_of, told

BEFORE = date(2026, 8, 31)


def test_a_report_is_no_different_from_itself() -> None:
    assert compare(report(), report()).lines == ()


def test_what_changed_is_named_with_what_it_was_and_is() -> None:
    old, new = report_of(told(), as_of=BEFORE), report()
    changes = compare(old, new)
    assert (changes.before, changes.after) == (BEFORE, AS_OF)
    found = {(line.section, line.subject, line.what): (line.before, line.after) for line in changes.lines}
    assert len(found) == len(changes.lines)
    assert found["VAMP", "", "ratio_bps"] == (str(old.vamp[-1].ratio.bps), str(new.vamp[-1].ratio.bps))
    assert found["CONTRADICTION", "m-every", "SC5_CREDMASTER"] == (None, "YES")
    then = {line.merchant_id: line.covered.bps for line in old.coverage}
    for line in new.coverage:
        expected = (then.get(line.merchant_id), line.covered.bps)
        if expected[0] != expected[1]:
            assert found["TDS", line.merchant_id, "covered_bps"] == tuple(map(str, expected))
    was = {line.merchant_id: line.status for line in old.pipeline}
    for stands in new.pipeline:
        before = was.get(stands.merchant_id, "NORMAL")
        key = ("FRAUD", stands.merchant_id, "status")
        assert (key in found) == (before != stands.status)
        if key in found:
            assert found[key] == tuple(None if name == "NORMAL" else name for name in (before, stands.status))
    issuers = {line.bin: (line.enrolment, line.no_static) for line in old.issuers}
    for issuer in new.issuers:
        before_, after_ = issuers.get(issuer.bin, (None, None)), (issuer.enrolment, issuer.no_static)
        for what, one, other in zip(("enrolment", "no_static"), before_, after_, strict=True):
            assert found.get(("ISSUER", issuer.bin, what), (one, other)) == (one, other)
            assert (("ISSUER", issuer.bin, what) in found) == (one != other)
    gone = compare(new, old)
    assert (
        Change(section="CONTRADICTION", subject="m-every", what="SC5_CREDMASTER", before="YES", after=None)
        in gone.lines
    )
    assert len(gone.lines) == len(changes.lines)


def test_a_merchant_that_is_normal_is_no_change() -> None:
    lines = [msgspec.structs.replace(line, status="NORMAL") for line in report().pipeline]
    normal = msgspec.structs.replace(report(), pipeline=tuple(lines))
    nothing = msgspec.structs.replace(report(), pipeline=())
    assert compare(nothing, normal).lines == compare(normal, nothing).lines == ()
