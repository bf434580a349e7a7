"""A report counted anew in plain Python, event by event, with no module of the product."""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

from tests.compliance.history import ABROAD, END, GAPS, MODES, NOBODY_TOLD, TOKYO, History

Event = dict[str, Any]
FIRST_MONTHS = ["2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]


@lru_cache(1 << 14)
def _in_tokyo(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).astimezone(TOKYO)


def when(event: Event) -> datetime:
    return _in_tokyo(event["event_ts"])


def month(at: datetime) -> str:
    return f"{at:%Y-%m}"


def inside(events: list[Event]) -> list[Event]:
    begin = datetime(2026, 5, 1, tzinfo=TOKYO)
    return [e for e in events if e["acquirer"]["id"] == "acq-1" and begin <= when(e) < END]


def is_answered(event: Event) -> bool:
    return event["outcome"]["phase"] == "POST_AUTH"


def is_sale(event: Event) -> bool:
    return is_answered(event) and event["outcome"]["approved"] and event["txn"]["type"] == "purchase"


def is_reversal(event: Event) -> bool:
    return event["txn"]["type"] == "reversal" and is_answered(event) and event["outcome"]["approved"]


def is_remote(event: Event) -> bool:
    return event["txn"]["channel"] in ("ecom", "moto")


def due(event: Event) -> str:
    """REQUIRED, NOT_REQUIRED or UNKNOWN, of a purchase in this history."""
    txn, merchant = event["txn"], event["merchant"]["id"]
    if txn["initiator"] == "MIT" or txn["channel"] in ("moto", "card_present"):
        return "NOT_REQUIRED"
    return "UNKNOWN" if MODES.get(merchant) is None else "REQUIRED"


def tds(event: Event) -> str:
    told = event.get("tds")
    if told is None:
        return "UNKNOWN"
    return told.get("trans_status", "ABSENT")


def coverage(history: History) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for event in inside(history.plain):
        counts = found[event["merchant"]["id"]]
        if event["txn"]["type"] != "purchase":
            continue
        needed, status = due(event), tds(event)
        counts["due"] += needed == "REQUIRED"
        counts["without"] += needed == "REQUIRED" and status == "ABSENT"
        counts["untold"] += needed == "REQUIRED" and status == "UNKNOWN"
        counts["unclear"] += needed == "UNKNOWN"
        counts["not_due"] += needed == "NOT_REQUIRED"
        counts["authenticated"] += status == "Y"
        counts["attempted"] += status == "A"
    return found


def labels_of(history: History) -> dict[str, list[dict[str, Any]]]:
    """Labels received up to the day, by event, in order of their receipt."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for label in history.labels:
        if label["acquirer_id"] == "acq-1" and received(label) < END:
            found[label["event_id"]].append(label)
    return {event: sorted(labels, key=received) for event, labels in found.items()}


def received(label: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(label["received_ts"]).astimezone(TOKYO)


def origins(label: dict[str, Any]) -> list[tuple[str, bool]]:
    """Which origins a label speaks for, and whether it says that a report stands."""
    if label["source"] == "CHARGEBACK":
        if label["label"] == "LEGIT":
            return [("fraud dispute", False), ("other dispute", False)]
        return [("fraud dispute" if label["label"] == "FRAUD" else "other dispute", True)]
    return [("network" if label["source"] in ("TC40", "FLD") else "other", label["label"] == "FRAUD")]


class Told:
    """All that is said of one event."""

    def __init__(self, labels: list[dict[str, Any]], event: Event | None) -> None:
        self.merchant = labels[0]["merchant_id"]
        self.event = event
        self.said: dict[str, list[tuple[datetime, bool, int | None]]] = defaultdict(list)
        for label in labels:
            own = event["amount"]["minor"] if event else None
            for origin, stands in origins(label):
                self.said[origin].append((received(label), stands, label.get("amount_jpy", own)))

    def since(self, origin: str) -> datetime | None:
        stands = [at for at, is_standing, _ in self.said[origin] if is_standing]
        back = [at for at, is_standing, _ in self.said[origin] if not is_standing]
        return next((at for at in (*stands[:1], *stands[-1:]) if not back or at > max(back)), None)

    def first(self, *wanted: str) -> datetime | None:
        times = [at for origin in wanted for at, stands, _ in self.said[origin] if stands]
        return min(times) if times else None

    def amount(self, *wanted: str) -> int | None:
        """The newest amount of the first origin that gives one; standing ones go first."""
        ordered = sorted(wanted, key=lambda origin: self.since(origin) is None)
        for origin in ordered:
            given = [amount for _, stands, amount in self.said[origin] if stands and amount is not None]
            if given:
                return given[-1]
        return None


FRAUD = ("fraud dispute", "network", "other")
DISPUTES = ("fraud dispute", "other dispute")


def reported(history: History) -> dict[tuple[str, str], Counter[str]]:
    """What reports add to the months of merchants."""
    events = {e["event_id"]: e for e in history.plain if e["acquirer"]["id"] == "acq-1" and when(e) < END}
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for event_id, labels in labels_of(history).items():
        event = events[event_id]
        told = Told(labels, event)
        standing = [at for at in map(told.since, FRAUD) if at is not None]
        if standing:
            counts = found[told.merchant, month(min(standing))]
            counts["frauds"] += 1
            counts["jpy"] += told.amount(*FRAUD) or 0
        disputed, network = told.first(*DISPUTES), told.since("network")
        kind, remote = event["card"]["network"], is_remote(event)
        if kind == "visa" and remote and network:
            found[told.merchant, month(network)]["visa frauds"] += 1
        if kind == "visa" and remote and disputed:
            found[told.merchant, month(disputed)]["visa disputes"] += 1
        if kind == "mastercard" and disputed:
            found[told.merchant, month(disputed)]["chargebacks"] += 1
            if remote:
                found[told.merchant, f"{disputed:%Y-%m-%d}"]["chargebacks"] += 1
            since = told.first("fraud dispute")
            if remote and since:
                found[told.merchant, month(since)]["fraud chargebacks"] += 1
                found[told.merchant, month(since)]["fraud jpy"] += told.amount(*DISPUTES, *FRAUD) or 0
    return found


def sales(history: History, wanted: Any) -> dict[tuple[str, str], int]:
    """Approved purchases less reversals of the events that are wanted, by merchant and month."""
    found: Counter[tuple[str, str]] = Counter()
    for event in inside(history.plain):
        if wanted(event):
            place = event["merchant"]["id"], month(when(event))
            found[place] += bool(is_sale(event)) - bool(is_reversal(event))
    return {place: max(count, 0) for place, count in found.items()}


def is_visa(event: Event) -> bool:
    return event["card"]["network"] == "visa" and is_remote(event)


def is_mastercard(event: Event) -> bool:
    return event["card"]["network"] == "mastercard"


def is_mastercard_ecom(event: Event) -> bool:
    return is_mastercard(event) and event["txn"]["channel"] == "ecom"


def is_bad(event: Event) -> bool:
    return event["outcome"].get("response_code") in ("14", "54")


def enumerated(history: History) -> dict[tuple[str, str, int], list[Event]]:
    """Hours (UTC) of a merchant and a BIN with 30 attempts, half of them or more declined for bad card data."""
    hours: dict[tuple[str, str, int], list[Event]] = defaultdict(list)
    for event in inside(history.plain):
        if is_answered(event) and is_remote(event) and event["txn"]["type"] in ("purchase", "account_verification"):
            hours[event["merchant"]["id"], event["card"]["bin"], int(when(event).timestamp()) // 3600].append(event)
    return {
        place: events
        for place, events in hours.items()
        if len(events) >= 30 and 2 * sum(map(is_bad, events)) >= len(events)
    }


def issuers(history: History) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for event in inside(history.plain):
        txn, told = event["txn"], event.get("tds") or {}
        status = told.get("trans_status")
        is_ours = txn["type"] == "purchase" and txn["channel"] == "ecom" and txn["initiator"] == "CIT"
        if not is_ours or not status or when(event) < END - timedelta(days=30):
            continue
        counts = found[event["card"]["bin"]]
        if status == "A" or told.get("trans_status_reason") == "13":
            counts["judged"] += 1
        elif status in "YNR":
            counts["judged"] += 1
            counts["enrolled"] += 1
            counts["typed"] += "auth_type" in told
            counts["static"] += told.get("auth_type") == "01"
    return {code: counts for code, counts in found.items() if counts}


def home(code: str) -> bool | None:
    return None if code in NOBODY_TOLD else code not in ABROAD


def answers(history: History, merchant: str, first: date, last: date) -> Counter[str]:
    """Count Mastercard's payments without the card from day to day."""
    found: Counter[str] = Counter()
    for event in inside([one for one in history.plain if one["merchant"]["id"] == merchant]):
        day = when(event).date()
        if not first <= day <= last or not (is_mastercard(event) and is_remote(event)):
            continue
        if is_answered(event) and event["txn"]["type"] in ("purchase", "account_verification"):
            code = event["outcome"]["response_code"]
            found["attempts"] += 1
            found["approved"] += code == "00"
            found["tech"] += code == "91"
            found["bad"] += code in ("14", "54")
            found["purchases"] += code == "00" and event["txn"]["type"] == "purchase"
        if event["txn"]["type"] == "refund" and is_answered(event) and event["outcome"]["approved"]:
            found["refunds"] += 1
    return found


def gaps(merchant: str) -> list[str]:
    return GAPS.get(merchant, [])


def bps(items: int, of: int) -> float | None:
    return round(float(Fraction(items * 10_000, of)), 2) if of else None
