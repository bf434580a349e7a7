"""The invented table of the tutorial: `python -m tests.docs.payments > deploy/docs/tutorial/payments.csv`."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 10
CARDS, SHOPS = 300, 40
GENUINE = 2_400
MCCS = ("5411", "5411", "5812", "5812", "5732", "5651", "5999", "7011", "5541", "5816")


def rows() -> Iterator[tuple[datetime, str, int, int, str]]:
    """Yield time, card, shop, yen and Y or N of each payment, in no order."""
    draw = Random(20260301)  # noqa: S311 -- invented payments, the same at every run
    usual = [draw.sample(range(SHOPS), 4) for _ in range(CARDS)]
    spend = [draw.choice((600, 1_500, 3_000, 8_000)) for _ in range(CARDS)]
    for _ in range(GENUINE):
        card = draw.randrange(CARDS)
        hour = min(max(draw.gauss(14, 4), 0), 23.9)
        when = START + timedelta(days=draw.randrange(DAYS), hours=hour, seconds=draw.randrange(360))
        yen = max(100, round(spend[card] * draw.lognormvariate(0, 0.5)))
        yield when, f"c-{card:05d}", draw.choice(usual[card]), yen, "N"
    for card in draw.sample(range(CARDS), 12):  # a stolen card: several large payments at new shops within an hour
        when = START + timedelta(days=draw.randrange(3, DAYS), hours=draw.uniform(1, 22))
        for _ in range(draw.randrange(4, 8)):
            yield when, f"c-{card:05d}", draw.randrange(SHOPS), draw.randrange(30_000, 90_000), "Y"
            when += timedelta(minutes=draw.uniform(2, 12))
    when = START + timedelta(days=8, hours=3)  # card testing: small payments of many cards at one shop
    for number in range(60):
        yield when, f"t-{number:05d}", 17, draw.choice((100, 110, 150)), "Y"
        when += timedelta(seconds=draw.uniform(4, 20))


def table() -> str:
    """Write the table, in order of time."""
    lines = ["paid_at,card,shop,yen,category,chargeback"]
    for when, card, shop, yen, fraud in sorted(rows()):
        lines.append(f"{when:%Y-%m-%d %H:%M:%S},{card},s-{shop:03d},{yen},{MCCS[shop % len(MCCS)]},{fraud}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
