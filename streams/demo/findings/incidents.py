"""Incidents of enumeration as the demonstration shows them: one line each, renewed by each of its alerts."""

from collections.abc import Iterator
from typing import Literal

import msgspec

Language = Literal["en", "ja"]


class Incident(msgspec.Struct, frozen=True, gc=False):
    """What an alert says of an incident. Times are in ms of event time; `cards` and `visa_estimate` are estimates."""

    state: str
    bin: str | None
    start_ms: int
    last_ms: int
    attempts: int
    cards: int
    approved: int
    declined_card_data: int
    declined_funds: int
    declined_risk: int
    declined_other: int
    visa_estimate: int
    contradicts: list[str] = []

    @property
    def answered(self) -> int:
        """Attempts whose answer is known."""
        declined = self.declined_card_data + self.declined_funds + self.declined_risk + self.declined_other
        return self.approved + declined

    @property
    def is_over(self) -> bool:
        """Whether it was quiet for long enough."""
        return self.state == "CLOSED"

    def in_words(self, language: Language) -> str:
        """Say how many cards were tried, and how the issuers answered."""
        wrong = f"{self.declined_card_data / self.answered:.0%}" if self.answered else "-"
        minutes = (self.last_ms - self.start_ms) // 60_000
        if language == "ja":
            what = f"BIN {self.bin}のカード" if self.bin else "カード"
            end = f"{minutes}分で終了" if self.is_over else "継続中"
            belied = "、加盟店は対策済みと申告" if self.contradicts else ""
            return f"試行{self.attempts:,}回、{what}約{self.cards:,}枚、カード情報誤り{wrong}、{end}{belied}"
        what = f"cards of BIN {self.bin}" if self.bin else "cards of many BINs"
        end = f"over after {minutes} min" if self.is_over else "goes on"
        belied = ", though the merchant declares measures against it" if self.contradicts else ""
        return f"{self.attempts:,} attempts, about {self.cards:,} {what}, {wrong} wrong card data, {end}{belied}"


class Incidents:
    """Incidents as a consumer of alerts keeps them: each alert once, and one open incident for each `dedup_key`.

    The latest alert is what is known of an incident, and CLOSED ends it, under whatever `incident_id` (ADR 0025).
    """

    def __init__(self) -> None:
        self._alerts: set[str] = set()  # at most 13 an incident
        self._open: dict[str, str] = {}  # by dedup key: the name of the open incident
        self._known: dict[str, tuple[str, Incident]] = {}

    def __iter__(self) -> Iterator[tuple[str, Incident]]:
        """Yield the merchant of each incident and what its latest alert says, by the order in which they opened."""
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def take(self, alert_id: str, dedup_key: str, merchant_id: str, incident: Incident) -> str | None:
        """Take an alert. Return the name of its incident, for all its alerts the same; None if it was taken before."""
        if alert_id in self._alerts:
            return None
        self._alerts.add(alert_id)
        name = self._open.pop(dedup_key, alert_id)
        self._known[name] = merchant_id, incident
        if not incident.is_over:
            self._open[dedup_key] = name
        return name

    def clear(self) -> None:
        """Forget all incidents and alerts."""
        self._alerts.clear()
        self._open.clear()
        self._known.clear()


def counted(incidents: Incidents) -> str:
    """Say how many incidents there are, and how many attempts they took: `1 incident, 1,006 attempts`."""
    attempts = sum(incident.attempts for _, incident in incidents)
    return f"{len(incidents):,} incident{'' if len(incidents) == 1 else 's'}, {attempts:,} attempts"


def told(incidents: Incidents) -> list[str]:
    """Describe the incidents in the summary, each with its merchant, by the order in which they opened."""
    if not len(incidents):
        return ["Incidents of enumeration: none"]
    lines = [f"Incidents of enumeration: {counted(incidents)}"]
    for merchant_id, incident in incidents:
        lines.append(f"  at {merchant_id}: {incident.in_words('en')};")
        lines.append(
            f"    approved {incident.approved:,}, wrong card data {incident.declined_card_data:,}, funds "
            f"{incident.declined_funds:,}, risk {incident.declined_risk:,}, other {incident.declined_other:,}; "
            f"Visa may count {incident.visa_estimate:,} as enumerated (our estimate)"
        )
    return lines
