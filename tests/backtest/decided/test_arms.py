"""Experiments and lists of the topic in a backtest: the arms, cases and entries are those of an engine."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from models.backtest import compare
from models.backtest.arms import arms, left_out
from models.backtest.decided import run as module
from models.backtest.decided.batch import batches
from models.backtest.decided.contender import Contender
from models.backtest.decided.run import Decided, Walk
from models.backtest.figures import figures
from models.backtest.judged import Join, Judged
from models.backtest.scored import Scored, Why, scored
from models.backtest.targets import moved
from models.training.history import processed
from models.training.records import Record
from scoring.compiled import ListFiles
from scoring.contract.authorization import Authorization
from scoring.decide.alerts import ENTITY_OF_REASON, Subject, subject_about
from scoring.engine import Engine
from scoring.lists import ListReader, ListTable
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS
from scoring.observer import BATCH_MAX
from scoring.outputs import Source
from scoring.policy import Policy, policy_from
from scoring.profile.changelog import Changelog
from scoring.profile.packed import Packed
from tests.backtest.decided.test_walk import ALWAYS, GIVEN, events_in, rule
from tests.bundles import small_bundle
from tests.examples import is_quick
from tests.experiment.made import arm_of
from tests.training.history.test_history import MATURITY_MS, Recorded, traffic
from tests.training.test_training import SETTINGS

BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
N = 580 if is_quick() else 700
QUIET = [{"up_to_band": "STEP_UP", "reasons": ["LIMIT_AMOUNT"], **GIVEN, **ALWAYS}]
SHARE = 400


def document(from_ts: str = "2020-01-01T00:00:00Z", to_ts: str = "2020-12-01T00:00:00Z") -> dict[str, Any]:
    """Make a policy whose candidate has another threshold, and suppresses what its limit finds."""
    return {
        "version": "t",
        "global": {"review": 506, "step_up": 600, "block": 780},
        "rules": [rule("big", "payment.amount_jpy > 20000", "block", blocks_per_hour=3)],
        "alerts": {"incidents": {"bin_cards_10m": 1_000, "card_data_percent": 0}},
        "experiment": {
            "id": "x",
            "share_per_mille": SHARE,
            "effective_from": from_ts,
            "effective_to": to_ts,
            "approver": "k.sato",
            **GIVEN,
            "candidate": {
                "version": "c",
                "global": {"review": 512, "step_up": 700, "block": 900},
                "suppressions": QUIET,
                "limits": [{"amount_jpy": 9_000, "band": "STEP_UP"}],
                "rules": [
                    rule("odd", "payment.amount_jpy % 3 == 0", "step_up"),
                    rule("big", "payment.amount_jpy > 20000", "block", blocks_per_hour=3),
                ],
            },
        },
    }


def payments() -> list[Record]:
    return traffic()[:N]


def events() -> list[dict[str, Any]]:
    return events_in(payments())


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Give the policy with an experiment that begins in the middle of the traffic."""
    stamps = sorted(one["event_ts"] for one in events())
    return policy_from(document(from_ts=stamps[len(stamps) // 5], to_ts="2026-01-01T00:00:00Z"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    run = processed(Recorded(payments()), tmp_path_factory.mktemp("rows"), SETTINGS, tell=lambda _: None)
    return scored(run.samples(MATURITY_MS), run.particulars(), small_bundle())


def walked(rows: Scored, contender: Contender, *, edges: bool = False) -> tuple[Walk, Decided]:
    walk = Walk(small_bundle(), SETTINGS, rows, {"current": contender}, edges_of=contender if edges else None)
    return walk, walk.go(Recorded(payments()), lambda _: None)["current"]


def told_by(engine: Engine) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Decide the records one by one as a worker does. Return decisions and alerts."""
    decisions, alerts = [], []
    for record in payments():
        source = Source(topic=record.topic, partition=0, offsets=range(1), timestamps_ms=[record.at_ms])
        if record.topic == "authorizations":
            made = engine.score([record.value or b""], source, received_at_ms=record.at_ms, decided_at_ms=lambda: 0)
            decisions += [orjson.loads(value) for _, value in made.decisions]
            alerts += [orjson.loads(value) for _, value in made.alerts]
        elif record.topic == "fraud-reports":
            engine.report([record.value or b""], source, received_at_ms=record.at_ms)
        else:
            engine.merchant([record.key], [record.value], source, received_at_ms=0)
    return decisions, alerts


@pytest.fixture(scope="module")
def whole(rows: Scored, policy: Policy) -> tuple[Walk, Judged]:
    walk, decided = walked(rows, Contender(policy), edges=True)
    return walk, decided.judged


def test_an_experiment_is_decided_by_arm_as_an_engine_does(policy: Policy, whole: tuple[Walk, Judged]) -> None:
    judged = whole[1]
    live, alerts = told_by(Engine(small_bundle(), policy, SETTINGS, "test"))
    assert [BANDS[band] for band in judged.bands.tolist()] == [one["band"] for one in live]
    expected = [(one.get("experiment") or {}).get("arm", "") for one in live]
    assert [("", "A", "B")[arm] for arm in judged.arms.tolist()] == expected
    assert min(Counter(expected)[arm] for arm in ("", "A", "B")) > 20
    plain = [arm_of(one, SHARE, "x") if said else "" for one, said in zip(events(), expected, strict=True)]
    assert plain == expected
    place = {one["event_id"]: row for row, one in enumerate(events())}
    raised = [place[one["event_id"]] for one in alerts if "incident" not in one and not one.get("digest")]
    assert judged.alerts[raised].all()
    joins = {one["event_id"]: one["entity"] for one in alerts if "entity" in one}
    for name, entity in joins.items():
        assert Join(int(judged.joins[place[name]])).name == entity
    is_limited = np.array(["LIMIT_AMOUNT" in [reason["id"] for reason in one["reasons"][:1]] for one in live])
    is_quiet = is_limited & (judged.arms == 2) & (judged.bands < 3)
    assert is_quiet.any()
    assert judged.alerts.tolist() == ((judged.bands > 0) & ~is_quiet).tolist()
    assert ((judged.joins == Join.NOTHING) == (judged.cases == 0)).all()


def test_the_figures_of_the_arms_add_up_and_name_who_decides(
    rows: Scored, policy: Policy, whole: tuple[Walk, Judged]
) -> None:
    judged = whole[1]
    found = list(arms(rows, judged, 10))
    candidate = policy.candidate
    assert candidate is not None
    assert [(one.experiment, one.arm, one.policy) for one in found] == [
        ("x", "A", policy.identity),
        ("x", "B", candidate.identity),
    ]
    for one, arm in zip(found, (1, 2), strict=True):
        assert one.figures == figures(rows, judged.alerts, rows.is_counted & (judged.arms == arm), 10)
    assert not list(left_out(rows, judged, ()))
    place = int(np.flatnonzero(judged.arms == 2)[0])
    assert judged.policy_of(place).identity == candidate.identity
    other = int(np.flatnonzero(judged.arms == 1)[0])
    assert judged.policy_of(other) is policy
    why = Why(small_bundle(), rows.matrix)
    told = compare.payments(rows, judged, why, [place, other], {place: "b", other: "a"})
    assert [(one.event_id, one.alerts_from) for one in told] == [("b", 512), ("a", 506)]


def test_an_experiment_of_another_time_is_named_as_left_out(rows: Scored) -> None:
    judged = walked(rows, Contender(policy_from(document())))[1].judged
    assert not judged.arms.any()
    assert [(one.kind, one.id, one.why) for one in left_out(rows, judged, ["l"])] == [
        ("LIST", "l", "NO_FILE"),
        ("EXPERIMENT", "x", "NOT_IN_FORCE"),
    ]
    assert not list(arms(rows, judged, 10))


def test_the_alerts_of_every_threshold_follow_the_suppressions_of_each_arm(
    rows: Scored, policy: Policy, whole: tuple[Walk, Judged]
) -> None:
    bounds = whole[0].bounds
    expected = np.where(rows.scores >= 506, bounds.low, bounds.high)
    assert whole[1].alerts.tolist() == expected.tolist()
    lowest = walked(rows, Contender(moved(policy, 1, "x")))[1].judged
    assert bounds.low.tolist() == lowest.alerts.tolist()
    assert ((lowest.bands > 0) & ~lowest.alerts).any()


def test_entries_of_the_topic_from_a_file_decide_as_those_that_a_worker_read(rows: Scored) -> None:
    cards = sorted({one["card"]["pan_hmac"] for one in events()})[::7]
    until = "2035-01-01T00:00:00Z"
    listed = {"id": "stolen", "kind": "card", "direction": "deny", "action": "block", "source": "topic", **GIVEN}
    plain = {name: value for name, value in document().items() if name not in ("experiment", "rules")}
    policy = policy_from(plain | {"lists": [listed]})
    table = ListTable()
    reader = ListReader(table, 0, "card", None)
    reader.feed("".join(["value,effective_to\n", *(f"{card},{until}\n" for card in cards)]).encode(), is_last=True)
    judged = walked(rows, Contender(policy, ListFiles(table)))[1].judged
    engine = Engine(small_bundle(), policy, SETTINGS, "test")
    entry = orjson.dumps({"kind": "card", "effective_to": until})
    engine.list_entries([f"stolen/{card}".encode() for card in cards], [entry] * len(cards), [0] * len(cards))
    live, _ = told_by(engine)
    assert [BANDS[band] for band in judged.bands.tolist()] == [one["band"] for one in live]
    assert 20 < Counter(one["band"] for one in live)["BLOCK"] < len(live)


def test_what_joins_a_case_is_the_entity_of_its_alert(rows: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("CARD", "MERCHANT", "MERCHANT_BIN", "DEVICE", "IP", "ADDRESS", "ACCOUNT")
    assert {join.name for join in Join} == {*kinds, "NOTHING", "ATTACK"}
    assert {*ENTITY_OF_REASON.values(), "CARD"} == set(kinds)

    def about(made: Authorization) -> Subject:
        return subject_about(made, kinds[sum(made.event_id.encode()) % len(kinds)])

    monkeypatch.setattr("scoring.alerting.subject_of", lambda made, _: about(made))
    plain = {name: value for name, value in document().items() if name not in ("experiment", "rules")}
    judged = walked(rows, Contender(policy_from(plain)))[1].judged
    expected = []
    for one, is_alert in zip(events(), judged.alerts.tolist(), strict=True):
        made = msgspec.json.decode(orjson.dumps(one), type=Authorization)
        expected.append(about(made).entity if is_alert else "NOTHING")
    assert [Join(join).name for join in judged.joins.tolist()] == expected
    assert len(set(expected)) >= 5


def test_a_batch_ends_with_its_topic_its_day_in_tokyo_and_its_most_records() -> None:
    midnight = 20_000 * DAY_MS - TOKYO_MS
    records = [
        Record("a", b"", b"", midnight - 2),
        Record("a", b"", b"", midnight - 1),
        Record("a", b"", b"", midnight),
    ]
    records += [Record("b", b"", b"", midnight), Record("b", b"", b"", midnight + DAY_MS - 1)]
    records += [Record("b", b"", b"", midnight + DAY_MS)] * (BATCH_MAX + 1)
    assert [len(batch) for batch in batches(iter(records))] == [2, 1, 2, BATCH_MAX, 1]
    assert [record for batch in batches(iter(records)) for record in batch] == records
    assert not list(batches(iter([])))


def test_what_is_noted_of_changed_rows_has_a_limit_that_changes_no_figure(
    rows: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender, flushed = Contender(policy_from(document())), 0
    real = Changelog.flush

    def flush(changelog: Changelog, partition: int) -> tuple[Packed, Packed]:
        nonlocal flushed
        flushed += 1
        return real(changelog, partition)

    monkeypatch.setattr(Changelog, "flush", flush)
    results, noted, counts = [], [], []
    for most in (1 << 16, 300):
        monkeypatch.setattr(module, "NOTED_RECORDS_MAX", most)
        walk, flushed = Walk(small_bundle(), SETTINGS, rows, {"current": contender}), 0
        results.append(walk.go(Recorded(payments()), lambda _: None)["current"].judged)
        counts.append(flushed)
        noted.append(sum(map(len, walk._observer.profiles.changelog.flush(0))))
        desk = walk._desks["current"]
        assert not any(own.owns(0) for own in (desk._alerting._desk.rows, desk._judge._blocks))
        assert not desk._alerting.incidents.registry.parts._changed
    one, other = results
    assert (one.bands.tolist(), one.alerts.tolist(), one.cases.tolist()) == (
        other.bands.tolist(),
        other.alerts.tolist(),
        other.cases.tolist(),
    )
    assert noted[1] < noted[0]
    assert noted[0] > 1_000
    assert counts[0] == 0 < counts[1] <= len(payments()) // 300
