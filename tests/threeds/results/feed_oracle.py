"""The feed of results of 3-D Secure in plain Python, from raw JSON: nothing of the engine is used."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

Json = dict[str, Any]
FAILURES_MAX: Final = 8
ABANDONED: Final = ("01", "03", "04", "08")


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def uuid_of(text: str | None) -> str | None:
    text = (text or "").strip().lower()
    try:
        return text if text == str(UUID(text)) and set(text) - set("0-") else None
    except ValueError:
        return None


def is_failure(result: Json) -> bool:
    if result["trans_status"] == "U":
        return False
    if result.get("challenge_cancel"):
        return result["challenge_cancel"] in ABANDONED
    return bool(result["trans_status"] == "N")


class Feed:
    """What each partition knows: results, failed challenges, claims that wait, claims to be reported."""

    def __init__(self, partitions: int, grace: int) -> None:
        self.grace = grace
        self.results: list[dict[str, Json]] = [{} for _ in range(partitions)]
        self.failures: list[dict[tuple[str, str], list[tuple[str, int]]]] = [{} for _ in range(partitions)]
        self.claims: list[dict[str, tuple[int, int, tuple[str, str]]]] = [{} for _ in range(partitions)]
        self.missing: list[dict[tuple[str, str], list[int]]] = [{} for _ in range(partitions)]
        self.begin: list[int | None] = [None] * partitions
        self.newest = [0] * partitions

    def take(self, batch: list[Json], partition: int) -> dict[str, int]:
        """Take results; give how many waiting claims found theirs, and how many did not."""
        told = {"SETTLED_MATCHED": 0, "SETTLED_MISSING": 0}
        for result in batch:
            at = seconds(result["result_ts"])
            if self.begin[partition] is None:
                self.begin[partition] = at
            self.newest[partition] = max(self.newest[partition], at)
            if is_failure(result):
                known = self.failures[partition].setdefault((result["acquirer_id"], result["pan_hmac"]), [])
                if result["server_trans_id"] not in [name for name, _ in known]:
                    known.append((result["server_trans_id"], at))
                    del known[:-FAILURES_MAX]
            name = uuid_of(result.get("ds_trans_id"))
            if name is not None:
                self.results[partition][name] = result
                told["SETTLED_MATCHED"] += self.claims[partition].pop(name, None) is not None
        for name, (due, claimed, merchant) in list(self.claims[partition].items()):
            if due > self.newest[partition]:
                continue
            del self.claims[partition][name]
            if any(name in results for results in self.results):
                told["SETTLED_MATCHED"] += 1
            else:
                told["SETTLED_MISSING"] += 1
                self.missing[partition].setdefault(merchant, []).append(claimed)
        return {name: count for name, count in told.items() if count}

    def judge(self, event: Json, partition: int) -> Json:
        """Give `result`, and by rule its severity and what its evidence says of the feed."""
        tds, txn, said = event.get("tds") or {}, event["txn"], dict[str, Any]()
        if txn["type"] in {"refund", "reversal"}:
            return said
        letter = tds.get("trans_status") or {"05": "Y", "06": "A"}.get(tds.get("eci", ""))
        at = seconds(event["event_ts"])
        begin, newest = self.begin[partition], self.newest[partition]
        by_right = txn["initiator"] != "CIT" or tds.get("device_channel") == "03"
        if letter in {"Y", "A"} and begin is not None:
            claimed = seconds(tds["auth_ts"]) if "auth_ts" in tds else at
            name = uuid_of(tds.get("ds_trans_id"))
            result = self.found(name, partition) if name else None
            if result is not None:
                said["result"], claimed = "MATCHED", seconds(result["result_ts"])
                if not by_right:
                    said |= self.compared(event, result)
            elif name and claimed > begin and ("auth_ts" in tds or not by_right):
                due = claimed + self.grace
                if newest >= due:
                    said |= {"result": "MISSING", "TDS12": ("MEDIUM", None)}
                else:
                    said["result"] = "PENDING"
                    merchant = (event["acquirer"]["id"], event["merchant"]["id"])
                    self.claims[partition].setdefault(name, (due, claimed, merchant))
                    if at >= due:
                        said["TDS12"] = ("INFO", None)
            if letter == "Y" and not by_right:
                said |= self.relayed(event, claimed)
        waiting = self.missing[partition].pop((event["acquirer"]["id"], event["merchant"]["id"]), None)
        if waiting:
            said["TDS12"] = ("MEDIUM", (len(waiting), min(waiting) * 1_000))
        return said

    def found(self, name: str, partition: int) -> Json | None:
        for results in (self.results[partition], *self.results):
            if name in results:
                return results[name]
        return None

    def relayed(self, event: Json, at: int) -> Json:
        card = (event["acquirer"]["id"], event["card"]["pan_hmac"])
        known: dict[str, int] = {}
        for failures in self.failures:
            for name, second in failures.get(card, ()):
                known[name] = max(known.get(name, 0), second)
        number = sum(at - 600 <= second <= at for second in known.values())
        return {"TDS23": ("HIGH", number)} if number >= 3 else {}

    def compared(self, event: Json, result: Json) -> Json:
        said: Json = {}
        one_acquirer = event["acquirer"]["id"] == result["acquirer_id"]
        differs = {
            "card": one_acquirer and event["card"]["pan_hmac"] != result["pan_hmac"],
            "merchant": not one_acquirer or event["merchant"]["id"] != result["merchant_id"],
            "currency": (result.get("purchase_currency") or event["amount"]["currency"]) != event["amount"]["currency"],
        }
        if any(differs.values()):
            said["TDS13"] = ("HIGH", ", ".join(name for name, is_so in differs.items() if is_so))
        amount, currency = result.get("purchase_amount"), result.get("purchase_currency")
        if amount is not None and currency == event["amount"]["currency"] and result.get("message_category") != "02":
            exponent = result.get("purchase_exponent")
            exponent = event["amount"]["exponent"] if exponent is None else exponent
            if event["amount"]["minor"] * 10**exponent > amount * 10 ** event["amount"]["exponent"]:
                said["TDS14"] = ("MEDIUM", (amount, exponent))
        return said
