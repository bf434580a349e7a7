"""Merchants where fraud becomes frequent, as the demonstration shows them: one line each, renewed by each alert."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from streams.demo.findings.incidents import Language

_SEVERITIES = ("MEDIUM", "HIGH", "CRITICAL")


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a merchant stands: `months` in a row up to `run_to` are above the limit; `fraud_jpy` ends with `run_to`."""

    status: str
    months: int
    run_to: str | None
    fraud_jpy: list[int]


class Notice(msgspec.Struct, frozen=True, gc=False):
    """What one alert says of where a merchant stands."""

    what: Literal["ENTERED", "WITHOUT_TDS", "FORECAST"]
    on: str
    now: Standing
    limit_jpy: int
    days: int | None = None
    crosses_on: str | None = None


class Merchant:
    """All notices of one merchant, in the order in which they were read."""

    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id
        self.notices: list[Notice] = []
        self.severity = _SEVERITIES[0]

    def add(self, notice: Notice, severity: str) -> None:
        """Add a notice. The severity of the merchant is the highest of all."""
        self.notices.append(notice)
        self.severity = max(self.severity, severity, key=_SEVERITIES.index)

    def of(self, what: str) -> list[Notice]:
        """Return the notices of one kind."""
        return [notice for notice in self.notices if notice.what == what]

    def in_words(self, language: Language) -> str:
        """Say where the merchant stands, by which months, and whether it has 3-D Secure."""
        last = self.notices[-1]
        now, without = last.now, self.of("WITHOUT_TDS")
        yen = " + ".join(f"{jpy:,}" for jpy in now.fraud_jpy[-now.months :] if now.months)
        days = without[-1].days if without else None
        if language == "ja":
            if last.what == "FORECAST":
                return f"不正利用が{last.crosses_on}に月{last.limit_jpy:,}円を超える見込み"
            no_tds = "" if days is None else f"、3Dセキュア未導入のまま{days}日"
            return f"不正多発 {now.status}: {now.months}か月連続で月{last.limit_jpy:,}円超（{yen}円）{no_tds}"
        if last.what == "FORECAST":
            return f"fraud will be above {last.limit_jpy:,} yen a month on {last.crosses_on}"
        no_tds = "" if days is None else f", and no 3-D Secure for {days} day{'' if days == 1 else 's'}"
        in_a_row = "1 month" if now.months == 1 else f"{now.months} months in a row"
        return f"frequent fraud, {now.status}: above {last.limit_jpy:,} yen in {in_a_row} ({yen}){no_tds}"


def told(merchants: Iterable[Merchant]) -> list[str]:
    """Describe in the summary which merchants entered a state, in what order, and which have no 3-D Secure."""
    found = list(merchants)
    if not found:
        return ["Merchants where fraud became frequent: none"]
    lines = [f"Merchants where fraud became frequent: {len(found):,}"]
    for merchant in found:
        lines.append(f"  at {merchant.merchant_id}: {merchant.in_words('en')};")
        entered = ", ".join(f"{notice.now.status} on {notice.on}" for notice in merchant.of("ENTERED"))
        alerts = f"{len(merchant.notices)} alert{'' if len(merchant.notices) == 1 else 's'}"
        lines.append(
            f"    {alerts}: entered {entered or 'no state'}; without 3-D Secure {len(merchant.of('WITHOUT_TDS'))}"
        )
    return lines
