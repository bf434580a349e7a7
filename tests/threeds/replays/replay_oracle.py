"""Replayed proofs in plain Python, from raw JSON; it shares no code with the engine."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

Json = dict[str, Any]
AGE: Final = timedelta(days=90)


def moment(text: str) -> datetime:
    stamp = datetime.fromisoformat(text)
    return datetime.fromtimestamp(int(stamp.timestamp()), UTC)  # whole seconds are kept


def proofs_of(event: Json) -> list[tuple[str, str]]:
    tds = event.get("tds") or {}
    found = [("cavv", tds["cavv_hmac"])] if tds.get("cavv_hmac") else []
    text = (tds.get("ds_trans_id") or "").strip()
    try:
        is_id = (len(text) == 36 and text == str(UUID(text)).lower()) or text == str(UUID(text)).upper()
    except ValueError:
        is_id = False
    return [*found, ("id", tds["ds_trans_id"])] if is_id and set(text) - set("0-") else found


class Memory:
    """The first use of each proof in each partition."""

    def __init__(self) -> None:
        self.uses: dict[tuple[str, str], dict[int, Json]] = {}

    def judge(self, event: Json, partition: int) -> dict[str, datetime]:
        """Give the broken rules with the time of the earliest use that breaks one; remember new proofs."""
        if event["txn"]["type"] in {"refund", "reversal"}:
            return {}
        rules: set[str] = set()
        times: list[datetime] = []
        at = moment(event["event_ts"])
        for kind, proof in proofs_of(event):
            uses = self.uses.setdefault((kind, proof), {})
            recent = [use for use in uses.values() if at - moment(use["event_ts"]) <= AGE]
            if not recent:
                uses[partition] = event
            for use in recent:
                broken = self.compared(kind, event, use)
                rules |= broken
                times += [moment(use["event_ts"])] if broken else []
        return dict.fromkeys(sorted(rules), min(times)) if rules else {}

    def compared(self, kind: str, event: Json, use: Json) -> set[str]:
        one_acquirer = event["acquirer"]["id"] == use["acquirer"]["id"]
        other_card = one_acquirer and event["card"]["pan_hmac"] != use["card"]["pan_hmac"]
        other_merchant = not one_acquirer or event["merchant"]["id"] != use["merchant"]["id"]
        if kind == "id":
            by_right = event["txn"]["initiator"] != "CIT" or event["tds"].get("device_channel") == "03"
            return {"TDS09"} if other_merchant and not by_right else set()
        broken = ({"TDS08"} if other_card else set()) | ({"TDS09"} if other_merchant else set())
        orders = event["txn"].get("order_ref_hmac"), use["txn"].get("order_ref_hmac")
        if not broken and None not in orders and orders[0] != orders[1]:
            return {"TDS10"}
        return broken
