"""Histories made at random for backtests, as the arrays that are judged and as plain rows."""

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.backtest.judged import judge
from models.backtest.scored import Fate, Scored, Why
from models.backtest.targets import OFF, Bounds, moved
from models.training.particulars import Particulars
from scoring.contract.codes import NetworkCode, OutcomeClass
from scoring.contract.decision import Reason
from scoring.decode import Col, country_code
from scoring.decode.hashing import MERCHANT_KEY
from scoring.policy import Policy
from tests.policy.drawn import EVENTS, LEVELS, batch, expected_band, in_force

DAY_MS = 86_400_000
TOKYO_MS = 9 * 3_600_000
BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
REASONS = ("HR_GOODS", "NIGHT", "VEL_CARD")


@dataclass
class Row:
    """A payment in plain words."""

    names: tuple[str, str, str]
    ms: int
    jpy: int
    score: int
    fate: str
    declined: bool
    within: bool
    counted: bool
    reason: str
    issuer: str = ""
    country: str = ""
    network: str = "UNKNOWN"
    age_days: float = math.nan


def drawn(seed: int, n: int = 150) -> list[Row]:
    """Draw payments at the dates of `documents` and over 70 days after them; the last ten days are young."""
    rng = random.Random(seed)  # noqa: S311 -- payments of a test
    rows = []
    end_ms, since_ms = 60 * DAY_MS, rng.choice((-5, 2, 20 * DAY_MS))
    for _ in range(n):
        ms = rng.choice((rng.randint(-1, 10), rng.randint(0, 70 * DAY_MS), rng.randint(0, 70) * DAY_MS - TOKYO_MS))
        fate = rng.choice(("FRAUD", "DECLINED", "REFUNDED", "GOOD", "GOOD"))
        rows.append(
            Row(
                names=rng.choice(EVENTS),
                ms=ms,
                jpy=rng.choice((-1, 0, 999, 1000, 1001, rng.randint(0, 10**6))),
                score=rng.choice((0, 1, 999, rng.randint(0, 999))),
                fate=fate,
                declined=fate == "DECLINED" or (fate == "FRAUD" and rng.random() < 0.3),
                within=ms >= since_ms,
                counted=since_ms <= ms < end_ms,
                reason=rng.choice(REASONS),
                issuer=rng.choice(("JP", "JP", "US", "")),
                country=rng.choice(("JP", "JP", "US", "")),
                network=rng.choice(("VISA", "VISA", "JCB", "UNKNOWN")),
                age_days=rng.choice((math.nan, math.nan, math.nan, -1.0, 19.99, 20.0, 400.0)),
            )
        )
    return rows


def arrays(rows: list[Row], directory: Path) -> Scored:
    """Return the rows as arrays, with the keys that the decoder gives their names."""
    ids = directory / "ids.jsonl"
    ids.write_text("".join(json.dumps(f"p-{k}") + "\n" for k in range(len(rows))))
    decoded = batch(frozenset())
    places = [EVENTS.index(row.names) for row in rows]
    merchant = decoded.hashes[places, MERCHANT_KEY]
    particulars = Particulars(
        acquirer=decoded.ints[places, Col.ACQUIRER_KEY],
        mcc=decoded.ints[places, Col.MCC],
        merchant=merchant,
        outcome=np.full(len(rows), OutcomeClass.UNKNOWN, np.int64),
        issuer_country=np.array([country_code(row.issuer) for row in rows], np.int64),
        merchant_country=np.array([country_code(row.country) for row in rows], np.int64),
        is_taken_back=np.zeros(len(rows), np.bool_),
        names={key: row.names[:2] for key, row in zip(merchant.tolist(), rows, strict=True)},
        ids=ids,
    )
    return Scored(
        matrix=np.empty((len(rows), 0)),
        event_ms=np.array([row.ms for row in rows], np.int64),
        amount_jpy=np.array([row.jpy for row in rows], np.int64),
        scores=np.array([row.score for row in rows], np.int16),
        fates=np.array([Fate[row.fate] for row in rows], np.int8),
        is_declined=np.array([row.declined for row in rows], np.bool_),
        network=np.array([NetworkCode[row.network] for row in rows], np.int64),
        age_days=np.array([row.age_days for row in rows]),
        is_within=np.array([row.within for row in rows], np.bool_),
        is_counted=np.array([row.counted for row in rows], np.bool_),
        mature_ms=60 * DAY_MS,
        particulars=particulars,
    )


class Told(Why):
    """Reasons as the rows have them."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def reasons(self, row: int) -> list[Reason]:
        """Return the one reason of a row."""
        return [Reason(id=self._rows[row].reason, weight=1.0, en="e", ja="j", evidence={})]


def band_of(document: dict[str, Any], row: Row) -> int:
    return expected_band(document, row.names, row.ms, row.score, None if row.jpy < 0 else row.jpy)


def alerts_in(document: dict[str, Any], row: Row) -> bool:
    """Say in plain words whether a policy raises an alert for a payment."""
    band = band_of(document, row)
    if band < BANDS.index(document["alerts"]["minimum_band"]):
        return False
    is_limited = band > band_of(document | {"limits": []}, row)
    reason = "LIMIT_AMOUNT" if is_limited else row.reason
    return not any(
        in_force(entry, row.names, row.ms)
        and band <= BANDS.index(entry["up_to_band"])
        and (not entry["reasons"] or reason in entry["reasons"])
        for entry in document["suppressions"]
    )


def with_threshold(document: dict[str, Any], threshold: int) -> dict[str, Any]:
    """Move the threshold of alerts for all events, in plain words."""
    name = document["alerts"]["minimum_band"].lower()
    before = document["global"]
    after = {}
    for level in LEVELS:
        if level == name:
            after[level] = threshold
        elif LEVELS.index(level) < LEVELS.index(name):
            after[level] = min(before[level], threshold)
        else:
            after[level] = max(before[level], threshold)
    return document | {"global": after}


def bounds(rows: Scored, policy: Policy, why: Why) -> Bounds:
    """Judge the rows with the lowest and the highest threshold of all events."""
    low, high = (judge(rows, moved(policy, level, "bound"), why).alerts for level in (1, OFF))
    return Bounds(low, high)
