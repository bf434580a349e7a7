"""Jumps of a merchant's share of A or U in plain Python, from raw JSON; it shares no code with the engine."""

from collections import Counter
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

Json = dict[str, Any]
TOKYO: Final = ZoneInfo("Asia/Tokyo")
LEAST, FACTOR, SIGMAS = 50, 2, 3
SEVEN_DAYS: Final = 7


class Counts:
    """Authentications by merchant and day, and those of A or U."""

    def __init__(self) -> None:
        self.all = Counter[tuple[str, str, date]]()
        self.few = Counter[tuple[str, str, date]]()

    def judge(self, event: Json) -> Json | None:
        """Count a payment; give the evidence if it breaks the rule."""
        tds, txn = event.get("tds") or {}, event["txn"]
        if not tds.get("trans_status") or txn["type"] in {"refund", "reversal"}:
            return None
        if txn["initiator"] != "CIT" or tds.get("device_channel") == "03":
            return None
        day = datetime.fromisoformat(event["event_ts"]).astimezone(TOKYO).date()
        merchant = event["acquirer"]["id"], event["merchant"]["id"]
        self.all[*merchant, day] += 1
        if tds["trans_status"] not in {"A", "U"}:
            return None
        self.few[*merchant, day] += 1
        return self.jumped(merchant, day)

    def jumped(self, merchant: tuple[str, str], day: date) -> Json | None:
        before = [(*merchant, day - timedelta(days=back)) for back in range(1, SEVEN_DAYS + 1)]
        n, base_n = self.all[*merchant, day], sum(self.all[each] for each in before)
        if min(n, base_n) < LEAST:
            return None
        few, base_few = self.few[*merchant, day], sum(self.few[each] for each in before)
        share, base, real = Fraction(few, n), Fraction(max(base_few, 1), base_n), Fraction(base_few, base_n)
        days = [(self.all[each], Fraction(self.few[each], self.all[each])) for each in before if self.all[each]]
        of_days = sum(size * (one - real) ** 2 for size, one in days) / base_n
        variance = max(base * (1 - base) / n, of_days)
        if share <= FACTOR * base and (share <= base or (share - base) ** 2 <= SIGMAS**2 * variance):
            return None
        return {
            "day_authentications": n,
            "day_attempted_or_unavailable": few,
            "base_authentications": base_n,
            "base_attempted_or_unavailable": base_few,
        }
