"""The job that every peer does per event: parse, enrich in Python, predict, answer.

It is the smallest honest version: the peers keep five counters instead of Sekisho's windows, so each ratio is a
lower bound of what the same features would show.
"""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import orjson

STATUS = {"Y": 2, "A": 3, "N": 4, "U": 5, "R": 6, "I": 7, "C": 8, "D": 8, "S": 8}
ECI_AUTHENTICATED = {("mastercard", "02"), *((n, "05") for n in ("visa", "jcb", "amex", "diners", "discover"))}


class SameJob:
    """Score one event with `Booster.predict`, as a service written in an afternoon would."""

    def __init__(self, model: Path, threshold: float = 0.5) -> None:
        self._booster = lightgbm.Booster(model_str=model.read_text(), params={"num_threads": 1})
        self._row = np.full((1, self._booster.num_feature()), np.nan)
        self._cards: dict[str, list[float]] = {}
        self._merchants: dict[tuple[str, str], dict[str, Any]] = {}
        self._threshold = threshold

    def __call__(self, value: bytes) -> tuple[bytes, bytes]:
        event = orjson.loads(value)
        row = self._row
        tds = event.get("tds") or {}
        merchant = self._merchants.get((event["acquirer"]["id"], event["merchant"]["id"]), {})
        authenticated = (event["card"]["network"], tds.get("eci")) in ECI_AUTHENTICATED
        card = self._cards.setdefault(event["card"]["pan_hmac"], [0.0, 0.0, 0.0])
        row[0, 0] = float(event["amount"]["minor"])
        row[0, 1] = float(event["merchant"]["mcc"])
        row[0, 2] = STATUS.get(tds.get("trans_status"), 0)
        row[0, 3] = float(authenticated)
        row[0, 4] = float(len(merchant.get("gaps", ())))
        row[0, 5:8] = card
        card[0] += 1.0
        card[1] += row[0, 0]
        card[2] = max(card[2], row[0, 0])
        probability = float(self._booster.predict(row, num_threads=1)[0])  # two threads on one core would spin
        decision = {
            "schema_version": "decision.v1",
            "decision_id": event["event_id"],
            "acquirer_id": event["acquirer"]["id"],
            "merchant_id": event["merchant"]["id"],
            "pan_hmac": event["card"]["pan_hmac"],
            "score": int(999 * probability),
            "probability": probability,
            "band": "REVIEW" if probability > self._threshold else "ALLOW",
            "tds": {"status": STATUS.get(tds.get("trans_status"), 0), "authenticated": authenticated},
            "compliance": {"known": bool(merchant)},
            "times": {"event": event["event_ts"]},
        }
        return event["card"]["pan_hmac"].encode(), orjson.dumps(decision)
