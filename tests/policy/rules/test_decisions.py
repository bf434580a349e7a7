"""Rules of the policy in decisions, alerts and counts of the engine."""

from typing import Any

import msgspec
import pytest

from scoring.contract.alert import Alert
from scoring.contract.decision import Decision
from scoring.contract.merchant import MerchantRecord
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.merchants.summaries import StandingEvidence
from scoring.observer import Settings
from scoring.outputs import Emitted, Outputs, Source
from scoring.policy import policy_from
from scoring.policy.rules.kernel import run
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.events import encoded, token

EVENT_MS = 1_777_604_400_000  # of the plain event: 2026-05-01T03:00Z
OFF = {"review": 1000, "step_up": 1000, "block": 1000}
WORDS = {"en": "Amount that this shop never has", "ja": "この加盟店ではあり得ない金額"}
BIG = "payment.amount_jpy > 20000"


def rule(name: str = "big", **changes: Any) -> dict[str, Any]:
    signed = {"author": "t.suzuki", "reason": "stolen cards"}
    return {"id": name, "when": BIG, "action": "step_up", "text": WORDS, "mode": "on"} | signed | changes


def new_engine(*rules: dict[str, Any], **policy: Any) -> Engine:
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    document = {"version": "t", "global": OFF, "rules": list(rules), **policy}
    return Engine(small_bundle(), policy_from(document), settings, "test")


def score(engine: Engine, *values: bytes, stamp_ms: int = EVENT_MS, **more: Any) -> Outputs:
    n = len(values)
    source = Source(topic="authorizations", partition=0, offsets=range(n), timestamps_ms=[stamp_ms] * n)
    return engine.score(values, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43, **more)


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]


def pay(number: int, yen: int | None, **changes: Any) -> bytes:
    amount = {"minor": yen} if yen is not None else {"minor": 9900, "currency": "USD", "exponent": 2}
    return encoded(event_id=f"e-{number}", card={"pan_hmac": token(f"card-{number}")}, amount=amount, **changes)


def test_a_rule_that_is_on_raises_the_band_and_says_so_first() -> None:
    outputs = score(new_engine(rule()), pay(1, 20000), pay(2, 20001))
    below, above = decisions(outputs)
    assert (below.band, below.reasons, below.rule_hits) == ("ALLOW", [], None)
    assert (above.band, above.action) == ("STEP_UP", "challenge_3ds")
    assert [(hit.id, hit.mode) for hit in above.rule_hits or ()] == [("big", "on")]
    first = above.reasons[0]
    assert (first.id, first.weight, first.en, first.ja) == ("RULE:big", 0.0, WORDS["en"], WORDS["ja"])
    assert len(above.reasons) <= 5
    assert all(reason.weight >= 0.05 for reason in above.reasons[1:])
    ((_, value),) = outputs.alerts
    alert = msgspec.json.decode(value, type=Alert)
    assert (alert.reasons[0].id, alert.entity, alert.band) == ("RULE:big", "CARD", "STEP_UP")
    assert outputs.tally.rule_hits == {("big", "on"): 1}
    assert outputs.tally.bands == {"ALLOW": 1, "STEP_UP": 1}


def test_a_rule_in_shadow_is_named_and_counted_and_changes_nothing_else() -> None:
    plain = score(new_engine(), pay(1, 30000))
    outputs = score(new_engine(rule(mode="shadow")), pay(1, 30000))
    (without,), (made,) = decisions(plain), decisions(outputs)
    assert [(hit.id, hit.mode) for hit in made.rule_hits or ()] == [("big", "shadow")]
    assert msgspec.structs.replace(made, rule_hits=None, versions=without.versions) == without
    assert outputs.alerts == plain.alerts == []
    assert outputs.tally.rule_hits == {("big", "shadow"): 1}


def test_a_rule_that_is_off_is_not_asked() -> None:
    outputs = score(new_engine(rule(mode="off")), pay(1, 30000))
    assert decisions(outputs)[0].rule_hits is None
    assert outputs.tally.rule_hits == {}


@pytest.mark.parametrize(("written", "mode"), [(True, "on"), (False, "off"), ("on", "on"), ("shadow", "shadow")])
def test_yaml_reads_on_and_off_as_true_and_false(written: Any, mode: str) -> None:
    policy = new_engine(rule(mode=written)).policy
    assert policy.rules[0].mode == mode
    assert policy.identity == new_engine(rule(mode=mode)).policy.identity


def test_a_missing_value_is_no_hit_and_is_counted_unless_another_part_decides() -> None:
    rules = (rule(), rule("either", when=f"{BIG} || payment.channel == 'ecom'"), rule("known", when="known.score"))
    outputs = score(new_engine(*rules), pay(1, None))
    assert [hit.id for hit in decisions(outputs)[0].rule_hits or ()] == ["either", "known"]
    assert outputs.tally.rule_errors == {"big": 1}


def test_a_rule_never_lowers_a_band_and_comes_last_where_it_raised_nothing() -> None:
    limits = [{"amount_jpy": 20000, "band": "BLOCK"}]
    (made,) = decisions(score(new_engine(rule(), limits=limits), pay(1, 20001)))
    assert (made.band, made.reasons[0].id, made.reasons[-1].id) == ("BLOCK", "LIMIT_AMOUNT", "RULE:big")
    same = [limits[0] | {"band": "STEP_UP"}]
    (made,) = decisions(score(new_engine(rule(), limits=same), pay(1, 20001)))
    assert (made.band, made.reasons[0].id, made.reasons[-1].id) == ("STEP_UP", "LIMIT_AMOUNT", "RULE:big")
    (made,) = decisions(score(new_engine(rule(action="block"), limits=[limits[0] | {"band": "REVIEW"}]), pay(1, 20001)))
    assert (made.band, [reason.id for reason in made.reasons[:2]]) == ("BLOCK", ["RULE:big", "LIMIT_AMOUNT"])


def test_of_several_rules_the_strongest_decides_and_those_in_shadow_do_not() -> None:
    rules = (
        rule("shadow", action="block", mode="shadow"),
        rule("weak", action="review"),
        rule("strong", action="block"),
        rule("middle"),
    )
    (made,) = decisions(score(new_engine(*rules), pay(1, 20001)))
    assert made.band == "BLOCK"
    assert [reason.id for reason in made.reasons[:3]] == ["RULE:strong", "RULE:middle", "RULE:weak"]
    assert [hit.id for hit in made.rule_hits or ()] == ["strong", "middle", "weak", "shadow"]


def test_a_decision_names_at_most_32_hits_and_all_are_counted() -> None:
    outputs = score(new_engine(*(rule(f"r{number}") for number in range(40))), pay(1, 20001))
    (made,) = decisions(outputs)
    assert len(made.rule_hits or ()) == 32
    assert len(outputs.tally.rule_hits) == 40
    assert len(made.reasons) == 5


def test_a_rule_holds_in_its_scope_and_period_only() -> None:
    rules = (
        rule("here", acquirer="acq-1", merchant="m-1"),
        rule("there", acquirer="acq-1", merchant="m-2"),
        rule("category", mcc="5732"),
        rule("other-category", mcc="5411"),
        rule("goods", goods="appliances", acquirer="acq-1"),
        rule("other-acquirer", acquirer="acq-2"),
        rule("from-now", effective_from="2026-05-01T03:00:00Z", effective_to="2026-05-01T03:00:00.001Z"),
        rule("over", effective_to="2026-05-01T03:00:00Z"),
        rule("later", acquirer="acq-1", effective_from="2026-05-01T03:00:00.001Z"),
        rule("in-time", acquirer="acq-1", effective_from="2026-05-01T03:00:00Z"),
        rule("missing-elsewhere", acquirer="acq-2", when="payment.ip_country == 'JP'"),
    )
    outputs = score(new_engine(*rules), pay(1, 20001))
    (made,) = decisions(outputs)
    assert {hit.id for hit in made.rule_hits or ()} == {"here", "category", "goods", "from-now", "in-time"}
    assert outputs.tally.rule_errors == {}


def test_a_repeat_and_a_published_decision_count_no_hit() -> None:
    engine = new_engine(rule(), rule("unknown", when="payment.ip_country == 'JP'"))
    score(engine, pay(1, 20001))
    outputs = score(engine, pay(1, 20001), pay(2, 20001), emitted=Emitted(decisions=frozenset({b"e-2"})))
    assert outputs.decisions == []
    assert (outputs.tally.rule_hits, outputs.tally.rule_errors) == ({}, {})


def test_payments_use_the_kernel_that_a_policy_compiles_when_it_is_made() -> None:
    new_engine(rule())
    before = signatures()
    assert len(before) == 1
    standing = rule("standing", when="merchant.standing == 'NORMAL'")
    score(new_engine(rule(), standing, rule("scoped", mcc="5732")), pay(1, 20001))
    score(new_engine(rule()), pay(1, 20001), stamp_ms=EVENT_MS + 10**9)  # its time is not trusted
    assert signatures() == before


def signatures() -> list[Any]:
    kernel: Any = run
    return list(kernel.signatures)


def test_rules_read_where_a_merchant_stands_and_what_its_record_says() -> None:
    rules = (
        rule("standing", when="merchant.standing == 'ACTUALISED'"),
        rule("declared", when="merchant.fraud_status == 'WATCH'"),
        rule("known", when="merchant.known && !known.merchant.tds_mode"),
    )
    engine = new_engine(*rules)
    merchants = engine.observer.merchants
    merchants.upsert(MerchantRecord(acquirer_id="acq-1", merchant_id="m-1"))
    merchants.upsert(MerchantRecord(acquirer_id="acq-1", merchant_id="m-2", fraud_status="WATCH"))
    merchants.set_standing((b"acq-1", b"m-1"), 1, StandingEvidence(3, None, 1, 24000, (1,), None, False))
    first, second, other = (pay(k, 5, merchant={"id": f"m-{k}"}) for k in (1, 2, 3))
    made = decisions(score(engine, second, first, other, second))
    assert [[hit.id for hit in one.rule_hits or ()] for one in made] == [
        ["declared", "known"],
        ["standing", "known"],
        [],
    ]


def test_rules_read_the_verdict_and_the_merchant() -> None:
    claims = {"performed": True, "eci": "05", "trans_status": "N"}
    rules = (
        rule("tds", when="tds.status == 'NOT_AUTHENTICATED' && size(tds.broken_rules) > 0"),
        rule("unknown-merchant", when="!merchant.known && !known.merchant.standing"),
    )
    (made,) = decisions(score(new_engine(*rules), pay(1, 5, tds=claims)))
    assert {hit.id for hit in made.rule_hits or ()} == {"tds", "unknown-merchant"}
