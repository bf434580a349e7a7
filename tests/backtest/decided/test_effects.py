"""Standings and programmes under a policy, beside a recount in plain Python of what it does not block."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from models.backtest.decided.contender import Contender
from models.backtest.decided.run import Decided, Walk
from models.backtest.effects import effects as module
from models.backtest.effects import ledger
from models.backtest.effects.effects import Effects, Reckoning, Terms
from models.backtest.scored import Scored, scored
from models.training.history import processed
from models.training.records import Record
from scoring.engine import Engine
from scoring.outputs import Source
from scoring.policy import policy_from
from tests.backtest.decided.test_walk import rule
from tests.bundles import small_bundle
from tests.events import event, token
from tests.examples import is_quick
from tests.training.history.test_history import Recorded
from tests.training.test_training import SETTINGS

TOKYO = timezone(timedelta(hours=9))
BEGIN = datetime(2026, 1, 10, tzinfo=TOKYO)
DAYS = 170
BIG = 20_000
"""The candidate blocks payments above it."""
MERCHANTS = {"m-visa": ("acq-1", "visa"), "m-mc": ("acq-1", "mastercard"), "m-other": ("acq-2", "visa")}
NEVER = dict.fromkeys(("review", "step_up", "block"), 1000)
CURRENT = policy_from({"version": "now", "global": NEVER, "limits": [{"amount_jpy": 28_000, "band": "BLOCK"}]})
CANDIDATE = policy_from(
    {"version": "new", "global": NEVER, "rules": [rule("big", f"payment.amount_jpy > {BIG}", "block")]}
)
RATES = {"USD": Fraction(3, 2)}
LEVELS = ("NORMAL", "WATCH", "WARNING")


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def history() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Draw payments of three merchants over six months, and reports on many of them, some taken back."""
    rng = Random(4)  # noqa: S311 -- payments of a test
    payments, reports = [], []
    for number in range(2_400):
        at = BEGIN + timedelta(days=DAYS * number / 2_400, seconds=rng.randint(0, 600))
        name = rng.choice(("m-visa", "m-mc", "m-mc", "m-mc", "m-other", "m-calm"))
        acquirer, network = MERCHANTS.get(name, ("acq-1", "visa"))
        approved, yen = rng.random() < 0.9, rng.choice((5_000, BIG, BIG + 1, 30_000, 50_000, 95_000))
        kind = "purchase" if rng.random() < 0.95 else "reversal"
        payments.append(
            event(
                event_id=f"e-{number}",
                event_ts=stamp(at),
                acquirer={"id": acquirer},
                merchant={"id": name},
                card={"pan_hmac": token(f"card-{number % 300}"), "network": network, "bin": None},
                txn={"type": kind, "channel": rng.choice(("ecom", "ecom", "moto", "card_present"))},
                amount={"minor": yen},
                outcome={"approved": approved, "response_code": "00" if approved else "51"},
            )
        )
        if name == "m-calm" or kind == "reversal" or rng.random() > 0.6:
            continue
        later = at + timedelta(days=rng.randint(1, 40))
        if is_quick():  # as in a file once a week: reports at one time are one batch, which takes less time
            later = later.replace(hour=23, minute=0, second=0, microsecond=0)
            later += timedelta(days=-later.toordinal() % 7)
        if later >= BEGIN + timedelta(days=DAYS):
            continue
        source, code = ("TC40", "6") if network == "visa" else ("CHARGEBACK", "4837")
        if rng.random() < 0.3:
            source, code = "CHARGEBACK", "10.4" if network == "visa" else "4853"
        said = {
            "schema_version": "label.v1",
            "acquirer_id": acquirer,
            "merchant_id": name,
            "pan_hmac": token(f"card-{number % 300}"),
            "event_id": f"e-{number}",
            "label": "FRAUD",
            "source": source,
            "code": code,
            "amount_jpy": yen,
        }
        reports.append(said | {"label_id": f"l-{number}", "received_ts": stamp(later)})
        if rng.random() < 0.1:
            back = later + timedelta(days=3)
            if back < BEGIN + timedelta(days=DAYS):
                reports.append(said | {"label_id": f"b-{number}", "received_ts": stamp(back), "label": "LEGIT"})
    return payments, sorted(reports, key=lambda one: str(one["received_ts"]))


def records() -> list[Record]:
    payments, reports = history()
    found = []
    for number, one in enumerate(payments):
        at_ms = ms_of(one["event_ts"])
        if number % 4 == 0 and one["txn"]["type"] == "purchase":  # asked first, and answered in a record of its own
            request = one | {"outcome": {"phase": "PRE_AUTH"}}
            found.append(Record("authorizations", b"k", orjson.dumps(request), at_ms))
        found.append(Record("authorizations", b"k", orjson.dumps(one), at_ms))
    found += [Record("fraud-reports", b"k", orjson.dumps(one), ms_of(one["received_ts"])) for one in reports]
    told = {one["event_id"] for one in reports}
    small = next(one for one in payments if one["amount"]["minor"] == 5_000 and one["event_id"] not in told)
    ahead = reports[0] | {
        "label_id": "l-ahead",
        "event_id": small["event_id"],
        "acquirer_id": small["acquirer"]["id"],
        "merchant_id": small["merchant"]["id"],
        "received_ts": stamp(BEGIN + timedelta(days=DAYS // 2)),
    }  # it claims to be of a later time than its record, so it counts nowhere
    found.append(Record("fraud-reports", b"k", orjson.dumps(ahead), ms_of(small["event_ts"]) + 1))
    return sorted(found, key=lambda record: record.at_ms)


def ms_of(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def month_of(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(TOKYO):%Y-%m}"


@dataclass
class Reckoned:
    rows: Scored
    reckoning: Reckoning
    decided: dict[str, Decided]


@pytest.fixture(scope="module")
def reckoned(tmp_path_factory: pytest.TempPathFactory) -> Reckoned:
    run = processed(Recorded(records()), tmp_path_factory.mktemp("rows"), SETTINGS, tell=lambda _: None)
    rows: Scored = scored(run.samples(30 * 86_400_000), run.particulars(), small_bundle())
    contenders = {"current": Contender(CURRENT), "new": Contender(CANDIDATE)}
    walk = Walk(small_bundle(), SETTINGS, rows, contenders)
    decided = walk.go(Recorded(records()), lambda _: None)
    terms = Terms(rates=RATES)
    return Reckoned(rows, Reckoning(rows, walk.months(), terms, decided["current"].judged), decided)


@pytest.fixture(scope="module")
def effects(reckoned: Reckoned) -> dict[str, Effects]:
    return {name: reckoned.reckoning.of(one.judged) for name, one in reckoned.decided.items()}


def happened(limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return payments and reports without the attempts of more yen."""
    payments, reports = history()
    blocked = {
        one["event_id"] for one in payments if one["txn"]["type"] == "purchase" and one["amount"]["minor"] > limit
    }
    return (
        [one for one in payments if one["event_id"] not in blocked],
        [one for one in reports if one["event_id"] not in blocked],
    )


LIMITS = {"recorded": 10**9, "current": 28_000, "new": BIG}
MONTHS = [f"2026-{month:02}" for month in range(1, 7)]


def fraud_yen(limit: int) -> Counter[tuple[str, str]]:
    """Count yen by merchant and month of the first report that stands."""
    _, reports = happened(limit)
    gone = {one["event_id"] for one in reports if one["label"] == "LEGIT"}
    found: Counter[tuple[str, str]] = Counter()
    for one in reports:
        if one["event_id"] not in gone:
            found[one["merchant_id"], month_of(one["received_ts"])] += one["amount_jpy"]
    return found


def status(yen: Counter[tuple[str, str]], merchant: str) -> tuple[str, int]:
    """Follow the Guidelines in plain Python: more than 500,000 yen in three months in a row, ever, is ACTUALISED."""
    above = [yen[merchant, month] > 500_000 for month in MONTHS]
    run = 0
    for one in reversed(above if above[-1] else above[:-1]):
        if not one:
            break
        run += 1
    if any(all(above[k : k + 3]) for k in range(len(above) - 2)):
        return "ACTUALISED", run
    return LEVELS[min(run, 2)], run


def test_merchants_stand_where_the_frauds_that_are_not_blocked_put_them(effects: dict[str, Effects]) -> None:
    yen = {name: fraud_yen(limit) for name, limit in LIMITS.items()}
    seen = set()
    for name, found in effects.items():
        stands = {one.merchant: one for one in found.standings}
        for merchant in MERCHANTS:
            expected = {which: status(own, merchant)[0] for which, own in yen.items()}
            if expected["recorded"] == expected["current"] == expected[name] == "NORMAL":
                assert merchant not in stands
                continue
            one = stands[merchant]
            assert (one.recorded, one.current, one.status) == (
                expected["recorded"],
                expected["current"],
                expected[name],
            )
            assert one.fraud_jpy == sum(yen[name][merchant, month] for month in MONTHS)
            assert one.recorded_fraud_jpy == sum(yen["recorded"][merchant, month] for month in MONTHS)
            assert one.months_over == status(yen[name], merchant)[1]
            assert one.is_frequent == (one.months_over >= 2 or one.status == "ACTUALISED")
            assert one.acquirer == MERCHANTS[merchant][0]
            seen.add((one.recorded, one.status))
        assert found.frequent == sum(one.is_frequent for one in found.standings)
        assert found.changed == sum(one.status != one.recorded for one in found.standings)
    assert len({after for _, after in seen}) > 1
    assert effects["new"].changed > effects["current"].changed > 0


def without_card(one: dict[str, Any]) -> bool:
    return one["txn"]["channel"] in ("ecom", "moto")


def test_ratios_of_programmes_are_those_of_what_is_not_blocked(effects: dict[str, Effects]) -> None:
    by_id = {one["event_id"]: one for one in history()[0]}
    for name, found in effects.items():
        payments, reports = happened(LIMITS[name])
        sales, items = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        for one in payments:
            is_sale = one["txn"]["type"] == "purchase" and one["outcome"]["approved"]
            is_back = one["txn"]["type"] == "reversal" and one["outcome"]["approved"]
            where, step = month_of(one["event_ts"]), is_sale - is_back
            acquirer, merchant, network = one["acquirer"]["id"], one["merchant"]["id"], one["card"]["network"]
            if network == "visa" and without_card(one):
                sales["VAMP", acquirer, "", where] += step
            if network == "mastercard":
                sales["ECM", acquirer, merchant, where] += step
                if one["txn"]["channel"] == "ecom":
                    sales["EFM", acquirer, merchant, where] += step
        gone = {(one["event_id"], one["source"]) for one in reports if one["label"] == "LEGIT"}
        for one in reports:
            payment, where = by_id[one["event_id"]], month_of(one["received_ts"])
            acquirer, merchant, network = one["acquirer_id"], one["merchant_id"], payment["card"]["network"]
            stays = one["source"] == "CHARGEBACK" or (one["event_id"], one["source"]) not in gone
            if one["label"] != "FRAUD" or not stays:
                continue
            if network == "visa" and without_card(payment):
                items["VAMP", acquirer, "", where] += 1
            if network == "mastercard" and one["source"] == "CHARGEBACK":
                items["ECM", acquirer, merchant, where] += 1
                if without_card(payment):
                    items["EFM", acquirer, merchant, where] += 1
        lines = {(one.programme, one.acquirer, one.merchant, one.month): one for one in found.programmes}
        assert {line for line in lines if line[0] == "VAMP" and not line[2]} == {
            ("VAMP", acquirer, "", month) for acquirer in ("acq-1", "acq-2") for month in MONTHS
        }
        for (programme, acquirer, merchant, month), one in lines.items():
            before = MONTHS[MONTHS.index(month) - 1] if MONTHS.index(month) else "2025-12"
            of = sales[programme, acquirer, merchant, month if programme == "VAMP" else before]
            assert (one.items, one.sales) == (items[programme, acquirer, merchant, month], max(of, 0))
            assert one.ratio_bps == (None if of <= 0 else pytest.approx(one.items * 10_000 / of, abs=1e-6))
            assert one.is_whole == (MONTHS[0] < month < MONTHS[-1])


def test_a_tier_is_that_of_the_ratio_and_is_told_of_each_reckoning(
    effects: dict[str, Effects],
) -> None:
    ecm = {one.month: one for one in effects["new"].programmes if one.programme == "ECM"}
    for one in ecm.values():
        expected = "ECM" if one.items >= 100 and one.ratio_bps is not None and one.ratio_bps >= 150 else ""
        assert one.tier == expected
    assert any(one.recorded_tier == "ECM" and one.tier == "" for one in ecm.values())
    current = {one.month: one for one in effects["current"].programmes if one.programme == "ECM"}
    assert all(one.tier == one.current_tier for one in current.values())
    assert {month: one.current_tier for month, one in ecm.items()} == {m: one.tier for m, one in current.items()}


def test_lines_of_merchants_have_a_limit_and_those_of_acquirers_stay(
    reckoned: Reckoned, effects: dict[str, Effects], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINES_MAX", 1)
    whole, cut = effects["current"], reckoned.reckoning.of(reckoned.decided["current"].judged)
    merchants = [one for one in whole.programmes if one.merchant]
    assert len(merchants) > 1
    assert cut.programmes == [*(one for one in whole.programmes if not one.merchant), merchants[0]]
    assert cut.standings == whole.standings[:1]
    assert len(whole.standings) > 1
    assert (cut.frequent, cut.changed) == (whole.frequent, whole.changed)


def test_more_reports_than_a_limit_are_refused(reckoned: Reckoned, monkeypatch: pytest.MonkeyPatch) -> None:
    values, stamps = zip(
        *((one.value or b"", one.at_ms) for one in records() if one.topic == "fraud-reports"), strict=True
    )
    count = len(values) - 1  # one is ahead of its time
    for most in (count, count - 1):
        monkeypatch.setattr(ledger, "REPORTS_MAX", most)
        own = ledger.Ledger(reckoned.rows, SETTINGS.decode)
        if most == count:
            own.report(values, stamps)
        else:
            with pytest.raises(ValueError, match=f"more than {most:,} fraud reports: use a shorter history"):
                own.report(values, stamps)


def every_other(found: list[Record]) -> list[Record]:
    """Give the first half of the records of every other payment: those of two whole months."""
    names = [orjson.loads(record.value or b"")["event_id"] for record in found[: len(found) // 2]]
    return [record for record, name in zip(found, names, strict=False) if int(name.removeprefix("e-")) % 2 == 0]


def test_rules_read_where_merchants_stand_as_at_a_worker(tmp_path: Path) -> None:
    when = "merchant.standing == 'WARNING' || merchant.standing == 'WATCH'"
    policy = policy_from({"version": "s", "global": NEVER, "rules": [rule("stands", when, "review")]})
    known = [
        Record(
            "merchants", f"{acquirer}/{name}".encode(), orjson.dumps({"acquirer_id": acquirer, "merchant_id": name}), 0
        )
        for name, (acquirer, _) in MERCHANTS.items()
    ]
    told = [*known, *(every_other(records()) if is_quick() else records())]
    run = processed(Recorded(told), tmp_path, SETTINGS, tell=lambda _: None)
    rows = scored(run.samples(30 * 86_400_000), run.particulars(), small_bundle())
    walk = Walk(small_bundle(), SETTINGS, rows, {"s": Contender(policy)})
    judged = walk.go(Recorded(told), lambda _: None)["s"].judged
    engine, bands = Engine(small_bundle(), policy, SETTINGS, "test"), []
    engine.changelog.own(0)
    for record in told:
        source = Source(topic=record.topic, partition=0, offsets=[0], timestamps_ms=[record.at_ms])
        values = [record.value or b""]
        if record.topic == "authorizations":
            made = engine.score(values, source, received_at_ms=record.at_ms, decided_at_ms=lambda: 0)
            bands += [orjson.loads(value)["band"] for _, value in made.decisions]
        elif record.topic == "merchants":
            engine.merchant([record.key], [record.value], source, received_at_ms=0)
        else:
            engine.report(values, source, received_at_ms=record.at_ms)
        engine.judge_merchants(0)
    days = (rows.event_ms + 9 * 3_600_000) // 86_400_000
    later = [
        row for row in range(1, len(bands)) if days[row] == days[row - 1]
    ]  # an engine is told of a day by its first
    assert [bands[row] for row in later] == [("ALLOW", "REVIEW")[judged.bands[row]] for row in later]
    assert 100 < bands.count("REVIEW") < len(bands) - 100


def test_blocked_payments_are_counted_by_what_was_reported(effects: dict[str, Effects]) -> None:
    payments, reports = history()
    gone = {one["event_id"] for one in reports if one["label"] == "LEGIT"}
    frauds = {one["event_id"] for one in reports} - gone
    for name, found in effects.items():
        blocked = [
            one for one in payments if one["txn"]["type"] == "purchase" and one["amount"]["minor"] > LIMITS[name]
        ]
        assert found.blocked == len(blocked)
        assert found.blocked_frauds == sum(one["event_id"] in frauds for one in blocked)
        assert found.blocked_fraud_jpy == sum(one["amount"]["minor"] for one in blocked if one["event_id"] in frauds)
        assert found.blocked_other == found.blocked - found.blocked_frauds
    assert effects["new"].blocked_frauds > effects["current"].blocked_frauds > 0
