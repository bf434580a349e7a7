"""Incidents of enumeration as the demonstration shows them: one line each, renewed by each of its alerts."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Language = Literal["en", "ja"]


class Incident(msgspec.Struct, frozen=True, gc=False):
    """What an alert says of an incident. Times are in ms of event time; `cards` and `visa_estimate` are estimates."""

    incident_id: str
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


def counted(incidents: Iterable[Incident]) -> str:
    """Say how many incidents there are, and how many attempts they took: `1 incident, 1,006 attempts`."""
    listed = list(incidents)
    attempts = sum(incident.attempts for incident in listed)
    return f"{len(listed):,} incident{'' if len(listed) == 1 else 's'}, {attempts:,} attempts"


def told(incidents: Mapping[str, tuple[str, Incident]]) -> list[str]:
    """Describe the incidents in the summary, each with its merchant, by the order in which they opened."""
    if not incidents:
        return ["Incidents of enumeration: none"]
    lines = [f"Incidents of enumeration: {counted(incident for _, incident in incidents.values())}"]
    for merchant_id, incident in incidents.values():
        lines.append(f"  at {merchant_id}: {incident.in_words('en')};")
        lines.append(
            f"    approved {incident.approved:,}, wrong card data {incident.declined_card_data:,}, funds "
            f"{incident.declined_funds:,}, risk {incident.declined_risk:,}, other {incident.declined_other:,}; "
            f"Visa may count {incident.visa_estimate:,} as enumerated (our estimate)"
        )
    return lines
