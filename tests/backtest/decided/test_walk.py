"""A history decided again has the bands, reasons and alerts of an engine, and the cases of a plain recount."""

from collections import Counter, defaultdict
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from models.backtest.cases.figures import cases
from models.backtest.decided.contender import Contender
from models.backtest.decided.run import Decided, Walk
from models.backtest.judged import Join, judge
from models.backtest.scored import Fate, Scored, Why, scored
from models.backtest.targets import moved
from models.training.history import processed
from models.training.records import Record
from scoring.compiled import ListFiles
from scoring.engine import Engine
from scoring.lists import ListReader, ListTable
from scoring.outputs import Outputs, Source
from scoring.policy import Policy, policy_from
from tests.bundles import small_bundle
from tests.examples import is_quick
from tests.training.history.test_history import MATURITY_MS, Recorded, traffic
from tests.training.test_training import SETTINGS

BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
ENTITIES = {"ENUM_BIN_BURST": ("MERCHANT_BIN", "merchant", "bin"), "ENUM_MERCHANT_CARDS": ("MERCHANT", "merchant", "")}
GIVEN = {"author": "a", "reason": "b"}
ALWAYS = {"effective_from": "2020-01-01T00:00:00+09:00", "effective_to": "2035-01-01T00:00:00+09:00"}
UNTIL = "2035-01-01T00:00:00Z"


def rule(name: str, when: str, action: str, mode: str = "on", **more: Any) -> dict[str, Any]:
    return {"id": name, "mode": mode, "when": when, "action": action, "text": {"en": "x", "ja": "y"}, **GIVEN, **more}


DOCUMENT: dict[str, Any] = {
    "version": "t",
    "global": {"review": 506, "step_up": 600, "block": 780},
    "goods": [{"goods": "digital", "thresholds": {"review": 781, "step_up": 790, "block": 1000}}],
    "limits": [{"amount_jpy": 30_000, "band": "STEP_UP"}],
    "suppressions": [
        {"mcc": "5732", "up_to_band": "STEP_UP", **GIVEN, **ALWAYS},
        {"reasons": ["LIMIT_AMOUNT"], "up_to_band": "STEP_UP", **GIVEN, **ALWAYS},
    ],
    "rules": [
        rule("big", "payment.amount_jpy > 20000 && score > 300", "block", merchant_blocks_per_hour=2),
        rule("odd", "payment.amount_jpy % 7 == 0", "review"),
        rule("tried", "payment.network == 'visa'", "block", "shadow"),
        rule("off", "true", "block", "off"),
    ],
    "lists": [
        {"id": "stolen", "kind": "card", "direction": "deny", "action": "block", **GIVEN},
        {"id": "regulars", "kind": "card", "direction": "allow", **GIVEN},
        {"id": "watched", "kind": "bin", "direction": "deny", "action": "block", "mode": "shadow", **GIVEN},
    ],
    "alerts": {"incidents": {"bin_cards_10m": 6, "card_data_percent": 0}},
}
RULES = DOCUMENT["rules"]
POLICY = policy_from(DOCUMENT)


@cache
def payments() -> list[Record]:
    records = traffic()[:5_000]
    return records[:400] + records[3_200:4_300] if is_quick() else records  # the first incidents are there


@cache
def events() -> list[dict[str, Any]]:
    return events_in(payments())


def events_in(records: list[Record]) -> list[dict[str, Any]]:
    """Give each event of records once, in order."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.topic == "authorizations":
            event = orjson.loads(record.value or b"")
            found.setdefault(event["event_id"], event)
    return list(found.values())


@cache
def entries() -> ListFiles:
    cards = sorted({event["card"]["pan_hmac"] for event in events()})
    bins = sorted({event["card"]["bin"] for event in events() if "bin" in event["card"]})
    table = ListTable()
    for number, (kind, values) in enumerate((("card", cards[::40]), ("card", cards[1::30]), ("bin", bins[::3]))):
        reader = ListReader(table, number, kind, None)
        reader.feed(
            "".join(["value,effective_to\n", *(f"{value},{UNTIL}\n" for value in values)]).encode(), is_last=True
        )
    return ListFiles(table, "abc")


@cache
def engine_outputs(step: int = 97) -> Outputs:
    """Decide the records as a worker does, in small batches."""
    engine = Engine(small_bundle(), POLICY, SETTINGS, "test", entries())
    whole = Outputs()
    for topic, run in groupby(payments(), key=lambda record: record.topic):
        records = list(run)
        for low in range(0, len(records), step):
            batch = records[low : low + step]
            stamps = [record.at_ms for record in batch]
            source = Source(topic=topic, partition=0, offsets=range(len(batch)), timestamps_ms=stamps)
            keys, values = [record.key for record in batch], [record.value or b"" for record in batch]
            if topic == "authorizations":
                made = engine.score(values, source, received_at_ms=stamps[-1], decided_at_ms=lambda: 0)
                whole.decisions.extend(made.decisions)
                whole.alerts.extend(made.alerts)
                whole.tally.alerts_suppressed += made.tally.alerts_suppressed
                whole.tally.alerts_suppressed_by_policy += made.tally.alerts_suppressed_by_policy
            elif topic == "fraud-reports":
                engine.report(values, source, received_at_ms=stamps[-1])
            else:
                engine.merchant(keys, [record.value for record in batch], source, received_at_ms=0)
            if topic != "merchants":
                engine.judge_merchants(0)
    return whole


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    run = processed(Recorded(payments()), tmp_path_factory.mktemp("rows"), SETTINGS, tell=lambda _: None)
    return scored(run.samples(MATURITY_MS), run.particulars(), small_bundle())


def walk_of(rows: Scored, policy: Policy = POLICY, *, edges: bool = False) -> tuple[Walk, Decided]:
    contender = Contender(policy, entries())
    walk = Walk(small_bundle(), SETTINGS, rows, {"current": contender}, edges_of=contender if edges else None)
    return walk, walk.go(Recorded(payments()), lambda _: None)["current"]


@pytest.fixture(scope="module")
def decided(rows: Scored) -> Decided:
    return walk_of(rows)[1]


def test_bands_and_reasons_are_those_of_an_engine(rows: Scored, decided: Decided) -> None:
    live = [orjson.loads(value) for _, value in engine_outputs().decisions]
    assert [decision["decision_id"] for decision in live] == [event["event_id"] for event in events()]
    assert [decision["band"] for decision in live] == [BANDS[band] for band in decided.judged.bands.tolist()]
    assert len(set(decided.judged.bands.tolist())) == len(BANDS)
    why, by_what = Why(small_bundle(), rows.matrix), Counter[str]()
    for row, decision in enumerate(live):
        if decision["reasons"]:
            told = orjson.loads(orjson.dumps([(one.id, one.weight) for one in decided.judged.reasons(row, why)]))
            assert told == [[one["id"], one["weight"]] for one in decision["reasons"]]
            by_what.update(one["id"] for one in decision["reasons"])
    assert all(by_what[name] for name in ("RULE:big", "RULE:odd", "RULE_CAPPED", "LIST_DENY", "LIST_ALLOW"))
    assert by_what["LIMIT_AMOUNT"]


def test_the_incidents_and_cases_are_those_that_an_engine_tells(rows: Scored, decided: Decided) -> None:
    alerts = [orjson.loads(value) for _, value in engine_outputs().alerts]
    place = {event["event_id"]: row for row, event in enumerate(events())}
    numbers: dict[tuple[str, int], set[int]] = defaultdict(set)
    for alert in alerts:
        if "incident" not in alert:
            row = place[alert["event_id"]]
            assert decided.judged.alerts[row]
            numbers[alert["dedup_key"], alert["first_seen_ms"]].add(int(decided.judged.cases[row]))
    assert all(len(found) == 1 for found in numbers.values())
    incidents = {alert["incident"]["incident_id"]: alert["incident"] for alert in alerts if "incident" in alert}
    assert len(numbers) > 20
    assert incidents
    of_cases = {number for found in numbers.values() for number in found}
    assert len(of_cases) == len(numbers)
    of_incidents = set(decided.judged.cases.tolist()) - {0} - of_cases
    assert len(of_incidents) == len(incidents)
    attempts = Counter(number for number in decided.judged.cases.tolist() if number in of_incidents)
    ended = {name: one["attempts"] for name, one in incidents.items() if one["state"] == "CLOSED"}
    assert ended
    for name, count in ended.items():  # an incident counts the attempts before it opened as well
        assert 0 < attempts[int.from_bytes(bytes.fromhex(name)[:8], "big", signed=True)] <= count


def test_cases_are_those_of_a_plain_recount(rows: Scored, decided: Decided) -> None:
    """Join alerts by entity and time in plain Python. Attempts of incidents are known by their number."""
    live, judged = [orjson.loads(value) for _, value in engine_outputs().decisions], decided.judged
    of_incidents = {
        int.from_bytes(bytes.fromhex(alert["incident"]["incident_id"])[:8], "big", signed=True)
        for alert in (orjson.loads(value) for _, value in engine_outputs().alerts)
        if "incident" in alert
    }
    open_ones: dict[tuple[str, ...], tuple[int, int, int]] = {}  # by entity: number, first and last time
    expected, count, joins = [], 0, []
    of_token = {"d": "DEVICE", "i": "IP", "a": "ADDRESS", "s": "ACCOUNT"}
    for row, (event, decision) in enumerate(zip(events(), live, strict=True)):
        joins.append("ATTACK" if judged.cases[row] in of_incidents else "NOTHING")
        if judged.cases[row] in of_incidents:
            expected.append(-1)
            continue
        ids = [one["id"] for one in decision["reasons"]]
        is_quiet = event["merchant"]["mcc"] == "5732" and decision["band"] != "BLOCK"
        is_quiet = is_quiet or (ids[:1] == ["LIMIT_AMOUNT"] and decision["band"] in ("REVIEW", "STEP_UP"))
        if decision["band"] == "ALLOW" or is_quiet:
            expected.append(0)
            continue
        at_ms, kind = rows.event_ms[row].item(), ids[0]
        key: tuple[str, ...] = ("CARD", event["card"]["pan_hmac"])
        if kind == "ENUM_BIN_BURST" and "bin" in event["card"]:
            key = ("INCIDENT", event["merchant"]["id"], event["card"]["bin"])
        elif kind in (
            "VEL_MERCHANT",
            "REFUND_ANOMALY",
            "MERCHANT_QUIET",
            "MERCHANT_APPROVAL_DROP",
            "ENUM_MERCHANT_CARDS",
        ):
            key = ("MERCHANT", event["merchant"]["id"])
        elif kind.startswith(("VEL_DEVICE", "DEVICE_NEW")) and "device" in event:
            key = ("INCIDENT", "d", event["device"]["fp_hmac"])
        elif kind.startswith(("VEL_IP", "IP_NEW")) and "net" in event:
            key = ("INCIDENT", "i", event["net"]["ip_hmac"])
        elif kind.startswith(("VEL_ADDR", "SPEND_ADDR", "ADDR_NEW")) and "ship" in event:
            key = ("INCIDENT", "a", event["ship"]["addr_hmac"])
        elif kind.startswith(("VEL_ACCOUNT", "SPEND_ACCOUNT", "ACCOUNT_QUIET")) and "shopper" in event:
            key = ("INCIDENT", "s", event["shopper"]["account_hmac"])
        joins[-1] = key[0] if key[0] != "INCIDENT" else of_token.get(key[1], "MERCHANT_BIN")
        key = (*key, event["acquirer"]["id"])
        found = open_ones.get(key)
        if found is None or (
            at_ms - found[2] > 30 * 60_000 if key[0] == "INCIDENT" else at_ms - found[1] > 15 * 60_000
        ):
            count += 1
            found = (count, at_ms, at_ms)
        open_ones[key] = (found[0], found[1], max(found[2], at_ms))
        expected.append(found[0])
    assert [Join(join).name for join in judged.joins.tolist()] == joins
    assert {"ATTACK", "CARD", "NOTHING"} <= set(joins)
    flagged = [row for row, number in enumerate(expected) if number > 0]
    pairs = {(expected[row], int(judged.cases[row])) for row in flagged}
    assert len(pairs) == len({one for one, _ in pairs}) == len({one for _, one in pairs}) == count
    assert len(flagged) > count > 20
    assert [row for row, number in enumerate(expected) if number == 0] == np.flatnonzero(judged.cases == 0).tolist()
    is_alert = np.array([band != "ALLOW" for band in (decision["band"] for decision in live)])
    assert judged.alerts.tolist() == (is_alert & (judged.cases != 0)).tolist()


def test_figures_by_case_are_those_of_a_plain_count(rows: Scored, decided: Decided) -> None:
    by_case: dict[int, list[str]] = defaultdict(list)
    days = set()
    for row, number in enumerate(decided.judged.cases.tolist()):
        if rows.is_counted[row]:
            days.add((rows.event_ms[row].item() + 9 * 3_600_000) // 86_400_000)
            if number:
                by_case[number].append(Fate(int(rows.fates[row])).name)
    found = cases(rows, decided.judged, 6)
    count = len(by_case)
    frauds = sum("FRAUD" in fates for fates in by_case.values())
    declined = sum("DECLINED" in fates and "FRAUD" not in fates for fates in by_case.values())
    good = sum(set(fates) == {"GOOD"} for fates in by_case.values())
    assert (found.cases, found.frauds, found.declined, found.good) == (count, frauds, declined, good)
    assert found.refunded == count - frauds - declined - good
    assert min(frauds, declined, good) > 0
    assert found.payments == sum(map(len, by_case.values()))
    assert found.fraud_payments == sum(fates.count("FRAUD") for fates in by_case.values())
    assert found.precision == pytest.approx(frauds / count, abs=1e-6)
    assert found.false_positives_per_fraud == pytest.approx((count - frauds) / frauds, abs=1e-6)
    assert (found.hours, found.cases_a_day) == (pytest.approx(count / 10), pytest.approx(count / len(days), abs=1e-6))
    assert found.hours_a_day == pytest.approx(count / 10 / len(days), abs=1e-6)


def test_hits_of_rules_and_lists_are_those_that_decisions_name(rows: Scored, decided: Decided) -> None:
    expected: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row, (_, value) in enumerate(engine_outputs().decisions):
        decision, is_fraud, yen = orjson.loads(value), rows.fates[row] == Fate.FRAUD, int(rows.yen[row])
        if not rows.is_counted[row]:
            continue
        for hit in decision.get("rule_hits") or ():
            effect = "CAPPED" if hit.get("capped") else hit["mode"].upper()
            names = [("RULE", hit["id"], effect)]
            for name in names:
                expected[name] = [
                    a + b for a, b in zip(expected[name], (1, yen, is_fraud, yen * is_fraud), strict=True)
                ]
        for hit in decision.get("list_hits") or ():
            name = ("LIST", hit["list"], hit["effect"])
            expected[name] = [a + b for a, b in zip(expected[name], (1, yen, is_fraud, yen * is_fraud), strict=True)]
    found = {(hit.kind, hit.id, hit.effect): hit for hit in decided.hits}
    assert list(found) == sorted(expected)
    for name, (payments_n, jpy, frauds, fraud_jpy) in expected.items():
        hit = found[name]
        assert (hit.payments, hit.jpy, hit.frauds, hit.fraud_jpy) == (payments_n, jpy, frauds, fraud_jpy)
        assert hit.precision == pytest.approx(frauds / payments_n, abs=1e-6)
    lowered = {
        row
        for row, (_, value) in enumerate(engine_outputs().decisions)
        if any(hit["effect"] == "LOWERED" for hit in orjson.loads(value).get("list_hits") or ())
    }
    assert decided.judged.lowered == lowered
    assert {"ON", "SHADOW", "CAPPED", "RAISED", "LOWERED"} <= {effect for *_, effect in found}


def test_without_caps_the_alerts_of_every_threshold_are_those_of_a_policy_with_it(rows: Scored) -> None:
    policy = policy_from(DOCUMENT | {"rules": [rule(each["id"], each["when"], each["action"]) for each in RULES[:2]]})
    walk, decided = walk_of(rows, policy, edges=True)
    found = walk.bounds
    sums = []
    for threshold in (516, 1) if is_quick() else (1, 506, 516, 790, 1000):
        _, other = walk_of(rows, moved(policy, threshold, "x"))
        expected = np.where(rows.scores >= threshold, found.low, found.high)
        assert other.judged.alerts.tolist() == expected.tolist()
        sums.append(int(expected.sum()))
    assert len(set(sums)) > 1
    assert decided.judged.alerts.tolist() == np.where(rows.scores >= 506, found.low, found.high).tolist()


def test_no_suppression_covers_an_attempt_of_an_incident_at_any_threshold(rows: Scored) -> None:
    policy = policy_from(
        DOCUMENT | {"suppressions": [{"up_to_band": "STEP_UP", **GIVEN, **ALWAYS}], "goods": [], "rules": []}
    )
    walk, _ = walk_of(rows, policy, edges=True)
    _, lowest = walk_of(rows, moved(policy, 1, "x"))
    assert walk.bounds.low.tolist() == lowest.judged.alerts.tolist()
    assert (walk.bounds.low & (lowest.judged.bands < BANDS.index("BLOCK"))).any()


def test_without_rules_lists_and_incidents_rows_alone_give_the_same(rows: Scored, tmp_path: Path) -> None:
    plain = {name: value for name, value in DOCUMENT.items() if name not in ("rules", "lists", "alerts")}
    policy = policy_from(plain | {"suppressions": DOCUMENT["suppressions"][:1]})
    contender = Contender(policy)
    walk = Walk(small_bundle(), SETTINGS, rows, {"x": contender})
    found = walk.go(Recorded(payments()), lambda _: None)["x"].judged
    expected = judge(rows, policy, Why(small_bundle(), rows.matrix))
    assert found.bands.tolist() == expected.bands.tolist()
    of_incident = (found.cases != 0) & ~expected.alerts & (found.bands > 0)
    assert (found.alerts & ~of_incident).tolist() == expected.alerts.tolist()


def test_another_history_than_that_of_the_rows_is_refused(rows: Scored) -> None:
    middle = next(k for k in range(1_000, 5_000) if payments()[k].topic == "authorizations")
    for records in (payments()[:-50], payments()[:middle] + payments()[middle + 1 :]):
        walk = Walk(small_bundle(), SETTINGS, rows, {"current": Contender(POLICY, entries())})
        with pytest.raises(ValueError, match="history has changed while it was read"):
            walk.go(Recorded(records), lambda _: None)
