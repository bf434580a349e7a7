"""How often the guard takes another number for a card number: the rates of the page, and 0 for most kinds."""

from pathlib import Path

import pytest

from tests.decode.guard.lookalikes import KINDS, table

PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "guard.md"


def test_the_page_has_the_rates_of_today() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("JAN", "EAN", "epoch", "UUID", "HMAC"))])
def test_articles_times_and_tokens_are_never_taken_for_a_card(kind: str) -> None:
    assert f"| {kind} | " in table()
    row = next(line for line in table().splitlines() if line.startswith(f"| {kind} |"))
    assert row.split(" | ")[2].startswith("0.0"), row
