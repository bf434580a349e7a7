"""When an attestation is stale and from where fraud is frequent are rows of a table, by the day of the event."""

from datetime import date

import pytest

from scoring.contract.codes import FraudStatusCode
from scoring.merchants import summaries
from scoring.merchants.standing import StandingRules
from scoring.reference.limits import Limit, limits
from scoring.reference.table import DatedTable, start_ms, table_from

DAY_MS = 86_400_000


def changed(**later: int) -> DatedTable[Limit]:
    """The table that ships, with other values from 2026-04-01 on."""
    rows = [
        {
            "scope": row.scope,
            "name": row.name,
            "value": value,
            "unit": row.unit,
            "effective_from": day,
            "source": ["DES"],
        }
        for row in limits()
        for day, value in (("2020-03-01", row.value), ("2026-04-01", later.get(row.name, row.value)))
    ]
    return table_from({"title": "Limits", "rows": rows}, Limit, "limits.yaml")


def test_an_attestation_is_stale_after_a_year_and_fraud_is_frequent_from_warning_on() -> None:
    (row,) = [row for row in limits() if row.scope == "CHECKLIST"]
    assert (row.name, row.value, row.effective_from, row.source) == ("stale_over_days", 365, date(2020, 3, 1), ("DES",))
    assert set(summaries.eras().stale_after_ms.tolist()) == {365 * DAY_MS}
    assert set(summaries.eras().frequent_from) == {FraudStatusCode.WARNING}
    starts, after = summaries.stale_steps()
    assert (starts.tolist(), after.tolist()) == ([], [365 * DAY_MS])


def test_a_change_of_the_table_counts_from_its_day_on(monkeypatch: pytest.MonkeyPatch) -> None:
    table = changed(stale_over_days=180, frequent_months=1)
    monkeypatch.setattr(summaries, "limits", lambda: table)
    monkeypatch.setattr(summaries, "standing_rules", lambda: StandingRules(table))
    eras = summaries.eras.__wrapped__()
    monkeypatch.setattr(summaries, "eras", lambda: eras)
    change = start_ms(date(2026, 4, 1))
    later = [number > 0 and eras.starts_ms[number - 1] >= change for number in range(len(eras.stale_after_ms))]
    assert 0 < sum(later) < len(later)
    assert eras.stale_after_ms.tolist() == [(180 if is_later else 365) * DAY_MS for is_later in later]
    expected = [FraudStatusCode.WATCH if is_later else FraudStatusCode.WARNING for is_later in later]
    assert list(eras.frequent_from) == expected
    starts, after = summaries.stale_steps()
    assert (starts.tolist(), after.tolist()) == ([change], [365 * DAY_MS, 180 * DAY_MS])
