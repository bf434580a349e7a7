"""Sums of payments by 3RI in plain Python, from raw JSON: nothing of the engine is used."""

from fractions import Fraction
from typing import Any, Final
from uuid import UUID

Json = dict[str, Any]
NUMBERS: Final = {"JPY": "392", "USD": "840"}
ONE_BY_ONE: Final = ("01", "07", "12")


def uuid_of(event: Json) -> str | None:
    text = ((event.get("tds") or {}).get("ds_trans_id") or "").strip().lower()
    try:
        return text if text == str(UUID(text)) and set(text) - set("0-") else None
    except ValueError:
        return None


def said_by(event: Json) -> Json | None:
    """Give what an event says was authenticated."""
    tds, amount = event["tds"], event["amount"]
    if tds.get("purchase_amount") is None or tds.get("message_category") == "02":
        return None
    exponent = tds.get("purchase_exponent")
    return {
        "minor": tds["purchase_amount"],
        "exponent": exponent,
        "currency": NUMBERS.get(tds.get("purchase_currency"), tds.get("purchase_currency"))
        or NUMBERS[amount["currency"]],
    }


class Sums:
    """What was authenticated first by dsTransID, what a feed says of it, and what was paid by 3RI, by partition."""

    def __init__(self) -> None:
        self.first: dict[str, Json | None] = {}
        self.results: dict[str, Json] = {}
        self.paid: dict[str, dict[int, tuple[str, int]]] = {}

    def judge(self, event: Json, partition: int) -> tuple[int, int, int] | None:
        """Give sum, authenticated amount and exponent if the payment breaks the rule by its sum."""
        name, tds, txn, amount = uuid_of(event), event.get("tds") or {}, event["txn"], event["amount"]
        if name is None or txn["type"] in {"refund", "reversal"}:
            return None
        self.first.setdefault(name, said_by(event))
        if tds.get("device_channel") != "03" or txn.get("recurring") or tds.get("three_ri_ind") in ONE_BY_ONE:
            return None
        currency = NUMBERS[amount["currency"]]
        sums = self.paid.setdefault(name, {})
        paid = amount["minor"] + sum(before for known, before in sums.values() if known == currency)
        own, before = sums.get(partition, (currency, 0))
        if event["outcome"].get("approved") is not False and own == currency:
            sums[partition] = currency, before + amount["minor"]
        asked = self.results.get(name) or self.first[name] or said_by(event)
        if asked is None or asked["currency"] != currency:
            return None
        exponent = amount["exponent"] if asked["exponent"] is None else asked["exponent"]
        if Fraction(paid, 10 ** amount["exponent"]) <= Fraction(asked["minor"], 10**exponent):
            return None
        return paid, asked["minor"], exponent
