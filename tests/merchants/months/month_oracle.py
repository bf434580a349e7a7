"""Months of merchants recounted from everything that was ever said, with datetime and dicts: no registers, no rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from random import Random

from scoring.contract.codes import NetworkCode
from scoring.merchants.months.claims import Report, Says
from scoring.merchants.months.columns import Origin

TOKYO = timezone(timedelta(hours=9))
DAY = 86_400_000
BEGIN_MS = int(datetime(2027, 8, 1, tzinfo=UTC).timestamp() * 1000)
VISA, MASTERCARD, JCB = int(NetworkCode.VISA), int(NetworkCode.MASTERCARD), int(NetworkCode.JCB)

Books = Counter[tuple[int, str, str]]
"""By merchant, month as YYYY-MM, and the name of the column."""


def month(time_ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return moment.astimezone(TOKYO).strftime("%Y-%m")


@dataclass
class Said:
    """What was said of one event."""

    reports: list[Report]

    def of(self, origin: Origin) -> list[Report]:
        return [report for report in self.reports if report.origin is origin and report.says is not Says.TAKEN_BACK]

    def since(self, origin: Origin) -> int | None:
        """Since when an origin's reports stand: since the first, or if that was taken back since, since the last."""
        times = sorted(report.received_ms for report in self.of(origin))
        undone = [r.received_ms for r in self.reports if r.origin is origin and r.says is Says.TAKEN_BACK]
        left = [time for time in times if not undone or time > max(undone)]
        if not left:
            return None
        return times[0] if len(left) == len(times) else times[-1]

    def amount(self, origins: Iterable[Origin]) -> int | None:
        """The newest amount of the first origin that gave one; origins that stand are asked first."""
        asked = list(dict.fromkeys(origins))
        for is_standing in (True, False):
            for origin in asked:
                told = [(r.received_ms, r.amount_jpy) for r in self.of(origin) if r.amount_jpy >= 0]
                if told and (self.since(origin) is not None) == is_standing:
                    return min(max(told)[1], 10**12)
        return None

    def is_excluded(self, origin: Origin) -> bool:
        return any(report.says is Says.EXCLUDED for report in self.of(origin))


FRAUD = (Origin.FRAUD_DISPUTE, Origin.NETWORK, Origin.OTHER)


def of_reports(reports: Iterable[Report], basis: str) -> Books:
    events: dict[int, list[Report]] = {}
    for report in reports:
        events.setdefault(report.event, []).append(report)
    books: Books = Counter()
    for told in events.values():
        said, first = Said(told), told[0]
        for when, column, amount in (*_fraud(said, basis), *_schemes(said, first)):
            books[first.merchant, month(when), column] += amount
    return Counter({place: amount for place, amount in books.items() if amount})


def _fraud(said: Said, basis: str) -> Iterator[tuple[int, str, int]]:
    standing = [since for origin in FRAUD if (since := said.since(origin)) is not None]
    if not standing:
        return
    paid = [report.event_ms for report in said.reports if report.event_ms != -1]
    when = min(standing)
    if basis == "TRANSACTION" and paid:
        when = min(paid)
    elif basis == "TRANSACTION":
        yield when, "FRAUD_UNDATED_N", 1
    yield when, "FRAUD_N", 1
    amount = said.amount(FRAUD)
    if amount is None:
        yield when, "FRAUD_UNPRICED_N", 1
    else:
        yield when, "FRAUD_JPY", amount


DISPUTES = (Origin.FRAUD_DISPUTE, Origin.OTHER_DISPUTE)


def _schemes(said: Said, first: Report) -> Iterator[tuple[int, str, int]]:
    is_visa = first.network == VISA and first.cnp
    reported = said.since(Origin.NETWORK)
    if is_visa and reported is not None and not said.is_excluded(Origin.NETWORK):
        yield reported, "VISA_FRAUD_N", 1
        yield reported, "VISA_ITEMS_JPY", said.amount((Origin.NETWORK, *FRAUD)) or 0
    disputes = [report for report in said.reports if report.origin in DISPUTES and report.says is not Says.TAKEN_BACK]
    if not disputes or any(report.says is Says.EXCLUDED for report in disputes):
        return
    when, amount = min(report.received_ms for report in disputes), said.amount((*DISPUTES, *FRAUD)) or 0
    if is_visa:
        yield when, "VISA_DISPUTE_N", 1
        yield when, "VISA_ITEMS_JPY", amount
    frauds = [report.received_ms for report in disputes if report.origin is Origin.FRAUD_DISPUTE]
    if first.network == MASTERCARD:
        yield when, "MC_CHARGEBACK_N", 1
        if first.cnp and frauds:
            yield min(frauds), "MC_FRAUD_CHARGEBACK_N", 1
            yield min(frauds), "MC_FRAUD_CHARGEBACK_JPY", amount


def _moment(random: Random) -> int:
    """A moment of the year, often within a second of the begin of a month in Tokyo, or on the leap day."""
    if random.random() < 0.3:
        edge = datetime(2027 + (n := random.randrange(7, 19)) // 12, n % 12 + 1, 1, tzinfo=TOKYO)
        return int(edge.timestamp() * 1000) + random.choice([-1_000, -1, 0, 1, 999])
    if random.random() < 0.05:
        return int(datetime(2028, 2, 29, tzinfo=TOKYO).timestamp() * 1000) + random.randrange(DAY)
    return BEGIN_MS + random.randrange(366 * DAY)


def reports_of_a_year(seed: int, events: int) -> list[Report]:
    """Reports of a year in the order of their log: late ones, several on an event, repeats, ones taken back."""
    random, made = Random(seed), []  # noqa: S311 - no secret
    for event in range(1, events + 1):
        paid = _moment(random)
        fixed = {
            "event": event * 0x9E3779B97F4A7C15 % 2**64,
            "merchant": random.randrange(1, 8),
            "network": NetworkCode(random.choice([VISA, VISA, MASTERCARD, JCB])),
            "cnp": random.random() < 0.8,
        }
        for _ in range(random.choice([1, 1, 1, 2, 2, 3, 5])):
            received = max(paid + random.choice([0, 1, DAY, 20 * DAY, 75 * DAY]), _moment(random))
            report = Report(
                **fixed,
                origin=Origin(random.randrange(4)),
                says=random.choice([Says.STANDS, Says.STANDS, Says.STANDS, Says.TAKEN_BACK, Says.EXCLUDED]),
                received_ms=received,
                amount_jpy=random.choice([-1, 0, 1, 500_000, 500_001, 10**12 + 5, random.randrange(1, 200_000)]),
                event_ms=random.choice([-1, paid]),
            )
            made += [report] * random.choice([1, 1, 1, 2])
    random.shuffle(made)
    return made
