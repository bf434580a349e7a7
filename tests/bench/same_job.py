"""The job that every peer does per event: parse, enrich in Python, predict, answer.

The enrichment is Sekisho's own, written in plain Python: the same 3-D Secure verdict, the same merchant look-up, the
same features of the payment. Instead of profiles the peers keep three numbers per entity, not 110 features over six
windows, and they have no guard. So each ratio is a lower bound for the whole job.
"""

from datetime import datetime
from math import log1p, nan
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import orjson

from scoring.contract.threeds_codes import agreements, exemption_words
from scoring.features.payment import PAYMENT_FEATURES
from scoring.merchants.goods import GROUP_OF_MCC, STEPS

STATUS = {"Y": 2, "A": 3, "N": 4, "U": 5, "R": 6, "I": 7, "C": 8, "D": 8, "S": 8}
COMMON_ECI = {"05": 1, "06": 2, "07": 3}
ECI = {
    "mastercard": {"02": 1, "01": 2, "00": 3, "04": 4, "06": 5, "07": 6},
    "visa": COMMON_ECI | {"01": 7, "04": 7, "02": 8, "03": 8, "08": 3},
}
NETWORKS = ("", "visa", "mastercard", "jcb", "amex", "diners", "discover", "unionpay", "other")
FUNDINGS = ("", "credit", "debit", "prepaid")
CHANNELS = ("", "ecom", "moto", "card_present", "other")
TYPES = ("", "purchase", "cash", "account_verification", "refund", "reversal")
DAY_S = 86_400
MANDATE_S = 1_743_433_200
NOTHING: dict[str, Any] = {}
HIGH_RISK_MCC = STEPS.risky[-1].tolist()
EXEMPTIONS = frozenset(word for word, meaning in exemption_words().items() if meaning)
AGREEMENTS = frozenset((network, f"{eci:02d}", status) for network, eci, status in agreements() if eci >= 0)


def seconds(stamp: str) -> float:
    """Read a time."""
    return datetime.fromisoformat(stamp).timestamp()


def flag(value: object) -> float:
    """Read a tri-state."""
    return nan if value is None else float(bool(value))


def number(value: str | None) -> float:
    """Read a numeric code."""
    return float(value) if value is not None and value.isdigit() else nan


def differs(left: str | None, right: str | None) -> float:
    """Compare two countries."""
    return nan if left is None or right is None else float(left != right)


def verdict(event: dict[str, Any], merchant: dict[str, Any]) -> tuple[int, int, int, int]:
    """Read 3-D Secure: status, ECI class, liability, expectation."""
    tds, network = event.get("tds") or NOTHING, event["card"]["network"]
    eci_raw, said = (tds.get("eci") or "").strip(), STATUS.get(tds.get("trans_status"), 0)
    eci = ECI.get(network, COMMON_ECI).get(eci_raw.zfill(2), 9) if eci_raw else 0
    performed = tds.get("performed")
    status = said
    if status == 0:
        status = 1 if performed is False else {1: 2, 6: 2, 2: 3}.get(eci, 0) or (eci == 3 and performed is None)
    liable = liability(event, said, eci)
    return status, eci, liable, expectation(event, merchant)


def liability(event: dict[str, Any], said: int, eci: int) -> int:
    """Give the liability."""
    tds, txn, network = event.get("tds") or NOTHING, event["txn"], event["card"]["network"]
    cavv, result = bool(tds.get("cavv_hmac")), (event.get("checks") or NOTHING).get("cavv")
    result = result if network in {"visa", "amex"} else None
    own = said or cavv or eci in {1, 2}
    if tds.get("exempt_reason") in EXEMPTIONS or txn["channel"] == "moto" or (txn["initiator"] == "MIT" and not own):
        return 2
    denied = tds.get("performed") is False and not txn.get("wallet")
    if result in {"0", "1", "4", "7", "9", "B", "I"} or said in {4, 5, 6, 8} or denied:
        return 2
    if txn["channel"] == "card_present" or result in {"6", "C", "D", "U"}:
        return 0
    if cavv and tds.get("cavv_wellformed") is not False and (eci, said) in {(1, 2), (2, 3), (6, 2), (6, 0)}:
        return 1
    return 2 if eci in {3, 4, 5} else 0


def expectation(event: dict[str, Any], merchant: dict[str, Any]) -> int:
    """Tell whether 3-D Secure was due."""
    txn, credential, mode = event["txn"], event.get("credential") or NOTHING, merchant.get("mode")
    registered = credential.get("registered_at")
    early = credential.get("stored") and registered and seconds(registered) < MANDATE_S
    exempt = (event.get("tds") or NOTHING).get("exempt_reason") in EXEMPTIONS or txn.get("wallet")
    if txn["type"] in {"refund", "reversal"} or txn["initiator"] == "MIT" or exempt:
        return 2
    if event["card"].get("funding") in {"debit", "prepaid"} or txn["channel"] in {"moto", "card_present"}:
        return 2
    if txn["channel"] != "ecom":
        return 0
    if early:
        return 2
    return int(mode == "EVERY_PAYMENT" or (mode == "NONE" and seconds(event["event_ts"]) >= MANDATE_S))


def contradicts(event: dict[str, Any], eci: int) -> bool:
    """Tell whether ECI, transStatus and `performed` contradict each other."""
    tds, network = event.get("tds") or NOTHING, event["card"]["network"]
    letter, eci_raw = tds.get("trans_status"), (tds.get("eci") or "").strip()
    if tds.get("performed") is False:
        return bool(letter or ((eci in {1, 2} or tds.get("cavv_hmac")) and not event["txn"].get("wallet")))
    return bool(letter and eci_raw and (network, eci_raw.zfill(2), letter) not in AGREEMENTS and network != "other")


def payment_row(event: dict[str, Any], merchant: dict[str, Any], read: tuple[int, int, int, int]) -> list[float]:
    """Compute the features of the payment, in the order of the model's columns."""
    amount, card, txn, shop = event["amount"], event["card"], event["txn"], event["merchant"]
    tds, net, ship = event.get("tds") or NOTHING, event.get("net") or NOTHING, event.get("ship") or NOTHING
    shopper, checks = event.get("shopper") or NOTHING, event.get("checks") or NOTHING
    credential, device = event.get("credential") or NOTHING, event.get("device") or NOTHING
    at_s = seconds(event["event_ts"])
    jpy = amount["minor"] if amount["currency"] == "JPY" else amount.get("jpy", -1)
    mcc, local_s = int(shop["mcc"]), at_s + 32_400
    status, eci, liability, expected = read
    authenticated_at = tds.get("auth_ts")
    purchase = tds.get("purchase_amount")
    registered = credential.get("registered_at")
    gaps = merchant.get("gaps", ())
    return [
        log1p(jpy) if jpy >= 0 else nan,
        float(jpy % 1000 == 0) if jpy > 0 else nan,
        float(amount["currency"] != "JPY"),
        local_s // 3600 % 24,
        (local_s // DAY_S + 3) % 7,
        float(GROUP_OF_MCC[mcc]),
        float(HIGH_RISK_MCC[mcc]),
        float(NETWORKS.index(card["network"])),
        float(FUNDINGS.index(card.get("funding") or "")),
        float(CHANNELS.index(txn["channel"])),
        float(TYPES.index(txn["type"])),
        float(txn["initiator"] == "MIT"),
        flag(txn.get("recurring")),
        flag(txn.get("wallet")),
        number(((event.get("pos") or NOTHING).get("entry_mode") or "")[:2]),
        differs(card.get("issuer_country"), shop["country"]),
        differs(card.get("issuer_country"), net.get("ip_country")),
        differs(card.get("issuer_country"), ship.get("country")),
        differs(shop["country"], ship.get("country")),
        flag(net.get("proxy")),
        flag(ship.get("is_forwarder")),
        float("fp_hmac" in device),
        float("ip_hmac" in net),
        float("account_hmac" in shopper),
        float("addr_hmac" in ship),
        number(shopper.get("account_age_ind")),
        number(shopper.get("account_change_ind")),
        number(shopper.get("password_change_ind")),
        number(ship.get("usage_ind")),
        {"01": 0.0, "02": 1.0}.get(shopper.get("suspicious_activity"), nan),
        flag(credential.get("stored")),
        nan if registered is None else (at_s - seconds(registered)) / DAY_S,
        float(ord(checks["cvv2"])) if checks.get("cvv2") else 0.0,
        float(ord(checks["avs"])) if checks.get("avs") else 0.0,
        float(status),
        float(eci),
        float(liability),
        nan if tds.get("auth_type") is None else float(tds["auth_type"] == "01"),
        float(tds.get("auth_type") is not None),
        number(tds.get("trans_status_reason")),
        float(tds.get("device_channel") or 0),
        nan if authenticated_at is None else at_s - seconds(authenticated_at),
        float(expected),
        float(expected == 1 and status == 1 and txn["type"] == "purchase"),
        float(contradicts(event, eci)),
        float(eci in {1, 2, 6} and not tds.get("cavv_hmac") and not checks.get("cavv")),
        float(card["network"] in {"visa", "amex"} and checks.get("cavv") in {"1", "4", "7", "9"}),
        float(status in {4, 6} and (txn["channel"], txn["type"], txn["initiator"]) == ("ecom", "purchase", "CIT")),
        amount["minor"] / purchase if purchase else nan,
        float(len(merchant.get("in_place", ()))),
        float(len(gaps)),
        float("SC5_CREDMASTER" in gaps),
        float("SC6_LOGIN" in gaps),
        nan,
        nan,
        0.0,
        nan,
        nan,
        nan,
    ]


class SameJob:
    """Score one event with `Booster.predict`, like a simple service."""

    def __init__(self, model: Path, threshold: float = 0.5) -> None:
        self._booster = lightgbm.Booster(model_str=model.read_text(), params={"num_threads": 1})
        self._row = np.full((1, self._booster.num_feature()), np.nan)
        self._entities: dict[tuple[str, str], list[float]] = {}
        self._merchants: dict[tuple[str, str], dict[str, Any]] = {}
        self._threshold = threshold

    def __call__(self, value: bytes) -> tuple[bytes, bytes]:
        event = orjson.loads(value)
        acquirer, merchant_id, card = event["acquirer"]["id"], event["merchant"]["id"], event["card"]
        merchant = self._merchants.get((acquirer, merchant_id), NOTHING)
        read = verdict(event, merchant)
        row, first = self._row[0], len(PAYMENT_FEATURES)
        row[:first] = payment_row(event, merchant, read)
        amount = float(event["amount"]["minor"])
        keys = (
            ("card", card["pan_hmac"]),
            ("merchant", merchant_id),
            ("bin", card.get("bin") or ""),
            ("device", (event.get("device") or NOTHING).get("fp_hmac") or ""),
            ("ip", (event.get("net") or NOTHING).get("ip_hmac") or ""),
            ("account", (event.get("shopper") or NOTHING).get("account_hmac") or ""),
            ("address", (event.get("ship") or NOTHING).get("addr_hmac") or ""),
        )
        for place, key in enumerate(keys):
            seen = self._entities.get(key)
            if seen is None:
                seen = self._entities[key] = [0.0, 0.0, 0.0]
            row[first + 15 * place : first + 15 * place + 3] = seen
            seen[0] += 1.0
            seen[1] += amount
            seen[2] = max(seen[2], amount)
        probability = float(self._booster.predict(self._row, num_threads=1)[0])  # two threads on one core would spin
        decision = {
            "schema_version": "decision.v1",
            "decision_id": event["event_id"],
            "acquirer_id": acquirer,
            "merchant_id": merchant_id,
            "pan_hmac": card["pan_hmac"],
            "status": "SCORED",
            "score": int(999 * probability),
            "probability": probability,
            "band": "REVIEW" if probability > self._threshold else "ALLOW",
            "reasons": [],
            "tds": {"status": read[0], "eci": read[1], "liability": read[2], "expected": read[3]},
            "compliance": {"known": bool(merchant), "gaps": list(merchant.get("gaps", ()))},
            "times": {"event": event["event_ts"]},
        }
        return card["pan_hmac"].encode(), orjson.dumps(decision)
