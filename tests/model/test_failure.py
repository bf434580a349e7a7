"""Events without a sound model: each row D of the table in `deploy/docs/model-failure.md`, on the engine."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from scoring.compiled import ListFiles
from scoring.contract.alert import Alert
from scoring.contract.decision import Decision, ListHit
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.lists import ListReader, ListTable
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.observer import Settings
from scoring.outputs import Emitted, Outputs, Source
from scoring.policy import policy_from
from scoring.policy.fallback import ModelStopError
from scoring.profile import ProfileLimits
from tests.bundles import bundle_until
from tests.events import encoded, token

EVENT_MS = 1_777_604_400_000  # of the plain event: 2026-05-01T03:00Z
DAY_MS = 86_400_000
ALL = {"review": 1, "step_up": 1, "block": 1}  # every score from 1 on is BLOCK; that of the plain event is above
OFF = {"review": 1000, "step_up": 1000, "block": 1000}
RULES_ONLY = {"missing": "rules_only", "refused": "rules_only", "too_old": "rules_only"}
AGED = {"max_age_days": 30}
GIVEN = {"author": "t.suzuki", "reason": "known"}
ABSENT = pytest.mark.parametrize("absent", NoModel)
UUID = "f7aa5dab-4d36-43c1-8d0b-930065f908e8"


def aged(days: int, more_ms: int = 0) -> Bundle:
    """Give a model that was trained up to so long before the plain event."""
    return bundle_until(EVENT_MS - days * DAY_MS - more_ms)


def new_engine(
    model: Bundle | NoModel,
    failure: dict[str, Any],
    *lists: tuple[dict[str, Any], str],
    everywhere: dict[str, int] | None = None,
    **more: Any,
) -> Engine:
    """Make an engine; each list has the one value that it comes with."""
    named = {"lists": [rule for rule, _ in lists], "model_failure": failure}
    policy = policy_from({"version": "t", "global": everywhere or ALL, **named, **more})
    table = ListTable()
    for number, (rule, value) in enumerate(lists):
        reader = ListReader(table, number, rule["kind"], rule.get("acquirer"))
        reader.feed(f"value,effective_to\n{value},2027-01-01T00:00:00Z\n".encode(), is_last=True)
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    return Engine(model, policy, settings, "test", ListFiles(table))


def score(engine: Engine, values: Sequence[bytes], *, stamp_ms: int = EVENT_MS, first: int = 0, **more: Any) -> Outputs:
    n = len(values)
    source = Source(topic="authorizations", partition=0, offsets=range(first, first + n), timestamps_ms=[stamp_ms] * n)
    return engine.score(values, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43, **more)


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]


def decided(engine: Engine, *values: bytes, **more: Any) -> list[Decision]:
    return decisions(score(engine, values or (encoded(),), **more))


def proofs() -> tuple[bytes, bytes]:
    """Two payments of two cards with one proof of 3-D Secure: the second one breaks a CRITICAL rule, TDS08."""
    tds = {"performed": True, "version": "2.2.0", "trans_status": "Y", "eci": "05", "cavv_hmac": token("proof")}
    tds["ds_trans_id"] = UUID
    first, second = (
        encoded(
            event_id=f"e-{number}",
            card={"pan_hmac": token(f"card-{number}")},
            tds=tds,
            shopper={"account_hmac": token("account")},
        )
        for number in (1, 2)
    )
    return first, second


@ABSENT
def test_d1_without_a_model_an_event_is_degraded_and_says_why(absent: NoModel) -> None:
    outputs = score(new_engine(absent, RULES_ONLY), [encoded()])
    (made,) = decisions(outputs)
    assert (made.status, made.clock, made.model_state) == ("DEGRADED", "ON_TIME", absent.value)
    assert (made.score, made.probability, made.versions.model) == (0, 0.0, "none")
    assert (made.band, made.action, made.reasons) == ("ALLOW", "none", [])
    assert outputs.tally.fallen == {(absent.value, "RULES_ONLY"): 1}
    assert outputs.tally.bands == {"ALLOW": 1}


def test_d2_a_limit_gives_its_band() -> None:
    (made,) = decided(new_engine(NoModel.MISSING, RULES_ONLY, limits=[{"amount_jpy": 1, "band": "STEP_UP"}]))
    assert (made.band, [reason.id for reason in made.reasons]) == ("STEP_UP", ["LIMIT_AMOUNT"])


def test_d3_a_rule_gives_its_band_and_one_that_reads_the_score_hits_nothing() -> None:
    text = {"text": {"en": "e", "ja": "j"}, **GIVEN}
    rules = [
        {"id": "big", "when": "payment.amount_jpy > 1", "action": "review", "mode": "on", **text},
        {"id": "low", "when": "score < 1", "action": "block", "mode": "on", **text},
        {"id": "any", "when": "score >= 0 || payment.amount_jpy > 1", "action": "step_up", "mode": "on", **text},
    ]
    outputs = score(new_engine(NoModel.MISSING, RULES_ONLY, rules=rules), [encoded()])
    (made,) = decisions(outputs)
    assert made.band == "STEP_UP"
    assert [reason.id for reason in made.reasons] == ["RULE:any", "RULE:big"]
    assert dict(outputs.tally.rule_errors) == {"low": 1}
    assert [hit.id for hit in made.rule_hits or ()] == ["any", "big"]


@pytest.mark.parametrize(("action", "band"), [("review", "REVIEW"), ("step_up", "STEP_UP"), ("block", "BLOCK")])
def test_d4_a_denying_list_gives_its_band_which_is_at_least_review(action: str, band: str) -> None:
    deny = {"id": "stolen", "kind": "card", "direction": "deny", "action": action, **GIVEN}
    (made,) = decided(new_engine(NoModel.REFUSED, RULES_ONLY, (deny, token("card-1"))))
    assert (made.band, [reason.id for reason in made.reasons]) == (band, ["LIST_DENY"])
    assert made.list_hits == [ListHit(list="stolen", kind="card", direction="deny", effect="RAISED")]


def test_d5_a_broken_critical_rule_is_at_least_review_and_no_list_allows_it() -> None:
    allow = {"id": "regulars", "kind": "account", "direction": "allow", **GIVEN}
    for lists in ((), ((allow, token("account")),)):
        engine = new_engine(NoModel.MISSING, RULES_ONLY, *lists)
        outputs = score(engine, proofs())
        plain, replayed = decisions(outputs)
        assert {rule.severity for rule in replayed.tds.broken_rules or ()} >= {"CRITICAL"}
        assert (plain.band, replayed.band) == ("ALLOW", "REVIEW")
        assert replayed.reasons[-1].id == "TDS_CRITICAL"
        assert replayed.reasons[-1].weight == 0.0
        if lists:
            assert [hit.effect for hit in replayed.list_hits or ()] == ["CRITICAL_RULE"]
            assert [reason.id for reason in replayed.reasons] == ["LIST_ALLOW", "TDS_CRITICAL"]


def test_d5_a_band_that_is_higher_already_stays_and_has_its_own_reason() -> None:
    limits = [{"amount_jpy": 1, "band": "BLOCK"}]
    replayed = decided(new_engine(NoModel.MISSING, RULES_ONLY, limits=limits), *proofs())[1]
    assert (replayed.band, [reason.id for reason in replayed.reasons]) == ("BLOCK", ["LIMIT_AMOUNT"])


def test_d5_an_event_with_the_score_of_a_model_that_is_too_old_is_not_raised() -> None:
    replayed = decided(new_engine(aged(31), AGED, everywhere=OFF), *proofs())[1]
    assert "CRITICAL" in {rule.severity for rule in replayed.tds.broken_rules or ()}
    assert (replayed.band, replayed.model_state, replayed.reasons) == ("ALLOW", "TOO_OLD", [])


def test_d6_a_broken_rule_of_another_severity_changes_nothing() -> None:
    values = [
        encoded(event_id=f"e-{k}", tds={"performed": True, "trans_status": status, "eci": eci})
        for k, (status, eci) in enumerate([("Y", "07"), ("N", "05"), ("U", "05"), ("A", "05")])
    ]
    found = set[str]()
    for made in decided(new_engine(NoModel.MISSING, RULES_ONLY), *values):
        severities = {rule.severity for rule in made.tds.broken_rules or ()}
        found |= severities
        assert (made.band == "REVIEW") == ("CRITICAL" in severities)
    assert found - {"CRITICAL"}


def test_d7_an_allowing_list_has_nothing_to_lower() -> None:
    allow = {"id": "regulars", "kind": "card", "direction": "allow", **GIVEN}
    (made,) = decided(new_engine(NoModel.MISSING, RULES_ONLY, (allow, token("card-1"))))
    assert (made.band, [hit.effect for hit in made.list_hits or ()]) == ("ALLOW", ["NO_CHANGE"])


def test_d8_an_alert_says_what_its_decision_says() -> None:
    limits = [{"amount_jpy": 1, "band": "REVIEW"}]
    for model, failure, told in (
        (NoModel.MISSING, RULES_ONLY, ("DEGRADED", "MISSING")),
        (aged(31), AGED, (None, "TOO_OLD")),
        (aged(31), AGED | RULES_ONLY, ("DEGRADED", "TOO_OLD")),
        (aged(30), AGED, (None, None)),
    ):
        ((_, value),) = score(new_engine(model, failure, limits=limits), [encoded()]).alerts
        alert = msgspec.json.decode(value, type=Alert)
        assert (alert.status, alert.model_state) == told
        assert (alert.score == 0) == (told[0] == "DEGRADED")


@ABSENT
@pytest.mark.parametrize("scope", ["all", "acquirer"])
def test_d9_stop_raises_for_an_event_that_needs_a_decision(absent: NoModel, scope: str) -> None:
    stop = {absent.value.lower(): "stop"}
    failure = stop if scope == "all" else RULES_ONLY | {"acquirers": [{"acquirer": "acq-1", **stop}]}
    with pytest.raises(ModelStopError, match=f"model_failure.{absent.value.lower()}"):
        score(new_engine(absent, failure), [encoded()])
    other = encoded(acquirer={"id": "acq-2"})
    if scope == "acquirer":
        assert [made.status for made in decided(new_engine(absent, failure), other)] == ["DEGRADED"]


@pytest.mark.parametrize(("more_ms", "state"), [(0, None), (1, "TOO_OLD")])
def test_d10_a_model_is_too_old_for_an_event_that_is_more_than_the_maximum_after_its_training(
    more_ms: int, state: str | None
) -> None:
    outputs = score(new_engine(aged(30, more_ms), AGED), [encoded()])
    (made,) = decisions(outputs)
    (sound,) = decided(new_engine(aged(1), {}))
    assert (made.status, made.model_state, made.band) == ("SCORED", state, "BLOCK")
    assert (made.score, made.probability, made.reasons) == (sound.score, sound.probability, sound.reasons)
    assert outputs.tally.fallen == ({("TOO_OLD", "SERVE"): 1} if state else {})


def test_d10_the_last_event_of_the_maximum_is_not_too_old_beside_one_that_is() -> None:
    later = encoded(event_id="e-2", event_ts="2026-05-01T03:00:00.001Z")
    made = decided(new_engine(aged(30), AGED), encoded(), later)
    assert [each.model_state for each in made] == [None, "TOO_OLD"]


def test_d11_without_a_maximum_no_model_is_too_old() -> None:
    (made,) = decided(new_engine(bundle_until(1), {"too_old": "stop"}))
    assert (made.status, made.model_state) == ("SCORED", None)


def test_d12_too_old_and_rules_only_is_decided_without_the_score_of_the_model() -> None:
    model = aged(31)
    (made,) = decided(new_engine(model, AGED | RULES_ONLY))
    assert (made.status, made.model_state, made.versions.model) == ("DEGRADED", "TOO_OLD", model.version)
    assert (made.score, made.probability, made.band, made.reasons) == (0, 0.0, "ALLOW", [])


def test_d13_too_old_and_stop_raises_and_a_younger_event_before_it_does_not() -> None:
    engine = new_engine(aged(30), AGED | {"too_old": "stop"})
    assert [made.status for made in decided(engine)] == ["SCORED"]
    later = encoded(event_id="e-2", event_ts="2026-05-01T03:00:00.001Z")
    with pytest.raises(ModelStopError, match=r"model_failure\.too_old"):
        score(engine, [later], first=1)


def test_d14_one_batch_holds_events_of_all_kinds_and_their_cut_changes_nothing() -> None:
    acquirers = [
        {"acquirer": "b", "too_old": "rules_only"},
        {"acquirer": "c", "max_age_days": 10},
        {"acquirer": "d", "max_age_days": 90},
        {"acquirer": "e", "max_age_days": 10, "too_old": "rules_only"},
        {"acquirer": "f", "missing": "stop", "refused": "stop"},
    ]
    ages = {"a": 30, "b": 30, "c": 10, "d": 90, "e": 10, "f": 30}
    days = (9, 11, 31, 91)
    events = [(name, day) for name in "fcabedz" for day in days]
    made_at = {
        9: "2026-05-09T00:00:00Z",
        11: "2026-05-11T00:00:00Z",
        31: "2026-05-31T00:00:00Z",
        91: "2026-07-30T00:00:00Z",
    }
    base = 1_777_507_200_000  # 2026-04-30T00:00Z: day n of `days` is n days later
    values = [
        encoded(event_id=f"{n}", acquirer={"id": name}, card={"pan_hmac": token(f"{n}")}, event_ts=made_at[day])
        for n, (name, day) in enumerate(events)
    ]
    failure = {"too_old": "serve", "max_age_days": 30, "acquirers": acquirers}

    def run(cut: int) -> list[Decision]:
        engine = new_engine(bundle_until(base), failure)
        parts = [values[begin : begin + cut] for begin in range(0, len(values), cut)]
        stamps = [base + day * DAY_MS for _, day in events]
        made: list[Decision] = []
        for number, part in enumerate(parts):
            first = number * cut
            source = Source(
                topic="authorizations",
                partition=0,
                offsets=range(first, first + len(part)),
                timestamps_ms=stamps[first : first + len(part)],
            )
            made += decisions(engine.score(part, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43))
        return made

    whole = run(len(values))
    for (name, day), made in zip(events, whole, strict=True):
        is_old = day > ages.get(name, 30)
        degrades = is_old and name in ("b", "e")
        assert made.model_state == ("TOO_OLD" if is_old else None), (name, day)
        assert made.status == ("DEGRADED" if degrades else "SCORED"), (name, day)
        assert (made.score == 0) == degrades
        assert made.band == ("ALLOW" if degrades else "BLOCK")
    assert [run(cut) for cut in (1, 5)] == [whole, whole]


def test_d15_the_time_of_an_event_that_is_not_trusted_is_that_of_its_record() -> None:
    for stamp_ms, state in ((EVENT_MS + 2 * DAY_MS, "TOO_OLD"), (EVENT_MS, None)):
        late = encoded(event_ts="2026-05-01T03:00:00.000Z")
        (made,) = decided(new_engine(aged(29), AGED), late, stamp_ms=stamp_ms)
        assert (made.clock, made.model_state) == ("LATE" if state else "ON_TIME", state)
    early = encoded(event_ts="2027-05-01T03:00:00.000Z")
    (made,) = decided(new_engine(aged(29), AGED | RULES_ONLY), early)
    assert (made.clock, made.status, made.model_state) == ("EARLY", "SCORED_TIME_SUSPECT", None)
    (made,) = decided(new_engine(aged(31), AGED | RULES_ONLY), early)
    assert (made.clock, made.status, made.model_state) == ("EARLY", "DEGRADED", "TOO_OLD")


def test_d16_what_gets_no_decision_stops_nothing_and_is_not_counted() -> None:
    engine = new_engine(aged(31), AGED | {"too_old": "stop"})
    outputs = score(engine, [encoded()], emitted=Emitted(decisions=frozenset({b"e-1"})))
    assert (outputs.decisions, outputs.tally.fallen) == ([], {})
    outputs = score(engine, [encoded()], first=1)  # a repeat
    assert (outputs.decisions, outputs.tally.fallen, outputs.repeats) == ([], {}, 1)


def test_d17_a_recorded_policy_stops_nothing() -> None:
    for model, status in ((aged(31), "SCORED"), (NoModel.MISSING, "DEGRADED")):
        engine = new_engine(model, RULES_ONLY)
        recorded = policy_from({"version": "r", "global": ALL, "model_failure": AGED | {"too_old": "stop"}})
        engine.use(engine.compile(recorded, identity="r+0123456789ab"))
        (made,) = decided(engine)
        assert (made.status, made.versions.policy) == (status, "r+0123456789ab")


def test_d18_another_model_decides_from_the_next_batch_on_and_profiles_and_cases_stay() -> None:
    first, second = aged(1), aged(2)
    engine, kept = new_engine(first, {}), new_engine(first, {})
    engine.use_model(engine.judge_by(second))
    versions = [decided(each)[0].versions.model for each in (engine, kept)]
    assert versions == [second.version, first.version]
    assert first.version != second.version
    for each in (engine, kept):
        assert score(each, [encoded()], first=1).repeats == 1
    nxt = encoded(event_id="e-2")
    alerts = [score(each, [nxt], first=2).tally.alerts_suppressed for each in (engine, kept)]
    assert alerts == [1, 1]


def test_d18_a_policy_that_was_compiled_before_the_model_changed_names_the_new_model() -> None:
    engine = new_engine(NoModel.MISSING, RULES_ONLY)
    compiled = engine.compile(policy_from({"version": "u", "global": OFF}))
    model = aged(1)
    engine.use_model(engine.judge_by(model))
    engine.use(compiled)
    (made,) = decided(engine)
    assert (made.status, made.versions.model, made.versions.policy) == ("SCORED", model.version, engine.policy.identity)
    assert engine.policy.version == "u"
    assert made.score > 0
