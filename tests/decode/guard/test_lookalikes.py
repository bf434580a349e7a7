"""How often the guard takes another number for a card number: the rates of the page, and 0 for most kinds."""

from pathlib import Path

import pytest

from tests.decode.guard.lookalikes import HEAD, KINDS, line, table
from tests.examples import is_quick, sample

PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "guard.md"


NO_CARDS = [kind for kind in KINDS if kind.startswith(("JAN", "EAN", "epoch", "UUID", "HMAC"))]


def test_the_page_has_the_rates_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, head, after = page.partition(f"{HEAD}\n")
    assert head
    shown = after.split("\n")[: len(KINDS)]
    measured = sample(list(KINDS), step=7)
    assert [row for kind, row in zip(KINDS, shown, strict=True) if kind in measured] == [*map(line, measured)]
    if not is_quick():
        assert table() in page


@pytest.mark.parametrize("kind", sample(NO_CARDS, step=4))
def test_articles_times_and_tokens_are_never_taken_for_a_card(kind: str) -> None:
    row = line(kind)
    assert row.startswith(f"| {kind} |")
    assert row.split(" | ")[2].startswith("0.0"), row
