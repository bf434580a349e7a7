"""Lists in the decisions and alerts of the engine."""

from typing import Any

import msgspec
import pytest

from scoring.compiled import ListFiles
from scoring.contract.alert import Alert
from scoring.contract.decision import Decision, ListHit
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.lists import ListReader, ListTable
from scoring.observer import Settings
from scoring.outputs import Emitted, Outputs, Source
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.events import encoded, request_of, token

EVENT_MS = 1_777_604_400_000  # of the plain event: 2026-05-01T03:00Z
OFF = {"review": 1000, "step_up": 1000, "block": 1000}
ALL = {"review": 1, "step_up": 1, "block": 1}
GIVEN = {"author": "t.suzuki", "reason": "known"}
HEAD = "value,effective_to,effective_from\n"
HOUR = "2026-05-01T04:00:00Z,2026-05-01T03:00:00Z"
DENY = {"id": "stolen", "kind": "card", "direction": "deny", "action": "step_up", **GIVEN}
ALLOW = {"id": "regulars", "kind": "account", "direction": "allow", **GIVEN}
ACCOUNT = {"shopper": {"account_hmac": token("account-1")}}


def new_engine(*lists: tuple[dict[str, Any], str], everywhere: dict[str, int] | None = None, **more: Any) -> Engine:
    """Make an engine with lists, each with the one value that it has."""
    policy = policy_from({"version": "t", "global": everywhere or OFF, "lists": [rule for rule, _ in lists], **more})
    table = ListTable()
    for number, (rule, value) in enumerate(lists):
        reader = ListReader(table, number, rule["kind"], rule.get("acquirer"))
        reader.feed(f"{HEAD}{value},{HOUR}\n".encode(), is_last=True)
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    return Engine(small_bundle(), policy, settings, "test", ListFiles(table, "abc"))


def score(engine: Engine, *values: bytes, stamp_ms: int = EVENT_MS, **more: Any) -> Outputs:
    n = len(values)
    source = Source(topic="authorizations", partition=0, offsets=range(n), timestamps_ms=[stamp_ms] * n)
    return engine.score(values, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43, **more)


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]


def hit(rule: dict[str, Any], effect: Any) -> ListHit:
    return ListHit(list=rule["id"], kind=rule["kind"], direction=rule["direction"], effect=effect)


def test_a_denied_card_gets_the_band_of_its_list_with_the_list_as_the_first_reason_and_an_alert() -> None:
    outputs = score(new_engine((DENY, token("card-1"))), encoded(), encoded(event_id="e-2", card={"pan_hmac": "x"}))
    denied, other = decisions(outputs)
    assert (denied.band, denied.action, denied.list_hits) == ("STEP_UP", "challenge_3ds", [hit(DENY, "RAISED")])
    assert (denied.reasons[0].id, denied.reasons[0].weight) == ("LIST_DENY", 0.0)
    assert denied.reasons[0].en == "The card is on the acquirer's deny list stolen"
    assert denied.reasons[0].ja == "カードがアクワイアラーの拒否リスト「stolen」に登録されている"
    assert (other.band, other.list_hits, other.reasons) == ("ALLOW", None, [])
    assert denied.versions.lists == other.versions.lists == "abc"
    ((_, value),) = outputs.alerts
    alert = msgspec.json.decode(value, type=Alert)
    assert (alert.band, alert.reasons[0].id) == ("STEP_UP", "LIST_DENY")
    assert outputs.tally.list_hits == {("card", "RAISED"): 1}
    assert outputs.tally.bands == {"STEP_UP": 1, "ALLOW": 1}


def test_an_allowed_account_lowers_what_the_model_says_and_the_decision_says_both() -> None:
    value = encoded(**ACCOUNT, amount={"minor": 9_800_000}, merchant={"mcc": "7995"})
    outputs = score(new_engine((ALLOW, token("account-1")), everywhere=ALL), value)
    (made,) = decisions(outputs)
    assert (made.band, made.action, made.list_hits) == ("ALLOW", "none", [hit(ALLOW, "LOWERED")])
    assert made.reasons[0].id == "LIST_ALLOW"
    assert made.reasons[0].en == "The account is on the acquirer's allow list regulars"
    assert made.reasons[0].ja == "会員アカウントがアクワイアラーの許可リスト「regulars」に登録されている"
    (without,) = decisions(score(new_engine(everywhere=ALL), value))
    assert without.band == "BLOCK"
    assert made.reasons[1:] == [reason for reason in without.reasons if reason.weight >= 0.05][:4]
    assert outputs.alerts == []


def test_a_list_that_denies_goes_before_one_that_allows() -> None:
    lists = (ALLOW, token("account-1")), (DENY, token("card-1"))
    (made,) = decisions(score(new_engine(*lists, everywhere=ALL), encoded(**ACCOUNT)))
    assert (made.band, made.list_hits) == ("BLOCK", [hit(ALLOW, "DENIED"), hit(DENY, "NO_CHANGE")])
    assert [reason.id for reason in made.reasons][:2] == ["LIST_DENY", "LIST_ALLOW"]
    assert len(made.reasons) <= 5


def proof(number: int, card: str, **more: Any) -> bytes:
    """Make a payment with a dsTransID that all of them share: TDS08 from the second card on."""
    uuid = "f7aa5dab-4d36-43c1-8d0b-930065f908e8"
    tds = {"performed": True, "version": "2.2.0", "trans_status": "Y", "eci": "05", "cavv_hmac": token("proof")}
    tds["ds_trans_id"] = uuid
    return encoded(event_id=f"e-{number}", card={"pan_hmac": token(card)}, tds=tds, **more)


def test_a_critical_rule_of_threeds_is_never_silenced() -> None:
    replayed, plain = proof(2, "card-2", **ACCOUNT), encoded(event_id="e-2", **ACCOUNT)
    for second in (replayed, plain):
        engine = new_engine((ALLOW, token("account-1")), everywhere=ALL)
        made = decisions(score(engine, proof(1, "card-1"), second))[1]
        severities = {rule.severity for rule in made.tds.broken_rules or ()}
        critical = "CRITICAL" in severities
        assert (made.band, made.list_hits) == (
            ("BLOCK", [hit(ALLOW, "CRITICAL_RULE")]) if critical else ("ALLOW", [hit(ALLOW, "LOWERED")])
        )
        assert made.reasons[0].id == "LIST_ALLOW"
        assert critical == (second == replayed)


def test_broken_rules_of_other_severities_silence_no_list() -> None:
    engine = new_engine((ALLOW, token("account-1")), everywhere=ALL)
    values = [
        encoded(event_id=f"e-{k}", tds={"trans_status": s, "eci": e}, **ACCOUNT)
        for k, (s, e) in enumerate(
            [("Y", "05"), ("N", "05"), ("A", "07"), ("U", "01"), ("R", "06"), ("C", "05"), ("Y", "00")]
        )
    ]
    for made in decisions(score(engine, *values)):
        assert all(rule.severity != "CRITICAL" for rule in made.tds.broken_rules or ())
        assert made.list_hits == [hit(ALLOW, "LOWERED")]


def test_a_limit_holds_beside_an_allowing_list() -> None:
    limit = {"amount_jpy": 1, "band": "REVIEW"}
    (made,) = decisions(
        score(new_engine((ALLOW, token("account-1")), everywhere=ALL, limits=[limit]), encoded(**ACCOUNT))
    )
    assert (made.band, made.list_hits) == ("REVIEW", [hit(ALLOW, "LOWERED")])
    engine = new_engine((ALLOW, token("account-1")), limits=[limit])
    (made,) = decisions(score(engine, encoded(**ACCOUNT)))
    assert (made.band, made.list_hits) == ("REVIEW", [hit(ALLOW, "LIMIT")])
    assert [reason.id for reason in made.reasons][:2] == ["LIST_ALLOW", "LIMIT_AMOUNT"]


@pytest.mark.parametrize(("mode", "hits"), [("shadow", [hit(DENY, "SHADOW")]), ("off", None)])
def test_a_list_in_shadow_is_told_and_one_that_is_off_is_not_and_neither_changes_anything(mode: str, hits: Any) -> None:
    outputs = score(new_engine((DENY | {"mode": mode}, token("card-1"))), encoded())
    (made,) = decisions(outputs)
    assert (made.band, made.reasons, made.list_hits, outputs.alerts) == ("ALLOW", [], hits, [])
    assert outputs.tally.list_hits == ({("card", "SHADOW"): 1} if hits else {})


def test_an_entry_ends_by_the_time_of_the_event_or_of_its_record_where_that_is_not_trusted() -> None:
    cases = [
        ("2026-05-01T02:59:59.999Z", EVENT_MS, None),
        ("2026-05-01T03:00:00.000Z", EVENT_MS, "RAISED"),
        ("2026-05-01T03:59:59.999Z", EVENT_MS + 3_600_000, "RAISED"),
        ("2026-05-01T04:00:00.000Z", EVENT_MS + 3_600_000, None),
        ("2026-04-29T03:00:00.000Z", EVENT_MS, "RAISED"),  # late
        ("2026-05-01T03:30:00.000Z", EVENT_MS - 1, None),  # early
    ]
    for stamp, record_ms, effect in cases:
        (made,) = decisions(score(new_engine((DENY, token("card-1"))), encoded(event_ts=stamp), stamp_ms=record_ms))
        assert made.list_hits == (None if effect is None else [hit(DENY, effect)]), stamp


def test_repeats_and_answers_and_what_was_published_before_count_no_hit() -> None:
    engine = new_engine((DENY, token("card-1")))
    first = score(engine, request_of(encoded()))
    assert first.tally.list_hits == {("card", "RAISED"): 1}
    again = score(engine, request_of(encoded()), encoded())
    assert (again.decisions, again.tally.list_hits) == ([], {})
    published = Emitted(decisions=frozenset({b"e-7"}))
    replayed = score(engine, encoded(event_id="e-7"), encoded(event_id="e-8"), emitted=published)
    assert (len(replayed.decisions), replayed.tally.list_hits) == (1, {("card", "RAISED"): 1})


def test_of_many_lists_three_give_reasons_and_sixteen_are_told() -> None:
    lists = [
        (DENY | {"id": f"deny-{k:02}", "action": "block" if k == 18 else "review"}, token("card-1")) for k in range(20)
    ]
    (made,) = decisions(score(new_engine(*lists), encoded()))
    assert made.band == "BLOCK"
    assert made.list_hits is not None
    assert [each.list for each in made.list_hits] == ["deny-18", *(f"deny-{k:02}" for k in range(15))]
    assert [each.effect for each in made.list_hits] == ["RAISED"] + ["NO_CHANGE"] * 15
    listed = [reason for reason in made.reasons if reason.id == "LIST_DENY"]
    assert [reason.en.rpartition(" ")[2] for reason in listed] == ["deny-18", "deny-00"]
    assert len(made.reasons) <= 5


def test_without_lists_a_decision_says_nothing_of_them() -> None:
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    engine = Engine(small_bundle(), policy_from({"version": "t", "global": OFF}), settings, "test")
    ((_, value),) = score(engine, encoded()).decisions
    assert b"list_hits" not in value
    assert b'"lists"' not in value


@pytest.mark.parametrize(("everywhere", "effect"), [(OFF, "LIMIT"), (ALL, "LOWERED")])
def test_an_allowing_list_lowers_no_further_than_a_rule_demands(everywhere: dict[str, int], effect: str) -> None:
    rule = {"id": "dear", "mode": "on", "when": "payment.amount_jpy >= 12800", "action": "step_up", **GIVEN}
    rules = [rule | {"text": {"en": "Dear", "ja": "高額"}}]
    engine = new_engine((ALLOW, token("account-1")), everywhere=everywhere, rules=rules)
    dear, cheap = decisions(score(engine, encoded(**ACCOUNT), encoded(**ACCOUNT, event_id="e-2", amount={"minor": 1})))
    assert (dear.band, dear.list_hits) == ("STEP_UP", [hit(ALLOW, effect)])
    assert [one.id for one in dear.rule_hits or ()] == ["dear"]
    assert "RULE:dear" in [reason.id for reason in dear.reasons]
    assert (cheap.band, cheap.rule_hits) == ("ALLOW", None)
