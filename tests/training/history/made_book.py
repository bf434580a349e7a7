"""Make the sample of the Handbook's format: `python -m tests.training.history.made_book` writes it anew.

Own numbers, no rows of the book. Its generator is `random.Random`, whose `random()` is the same in every version.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

SAMPLE: Final = Path(__file__).parent / "cases" / "book.csv"
HEADER: Final = (
    "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,TX_FRAUD,"
    "TX_FRAUD_SCENARIO"
)
_FIRST: Final = datetime(2018, 4, 1, tzinfo=UTC)
_DAY_S: Final = 86_400
_DAYS: Final = 60
_ROWS: Final = 640
_CUSTOMERS, _TERMINALS = 7, 6
_LARGE_CENTS: Final = 22_000
_BAD_TERMINAL, _BAD_DAYS = 2, range(12, 34)


def text(seed: int = 20_180_401) -> str:
    """Return the table: payments at random, and some whose windows begin or end at the very second of another."""
    rng = Random(seed)  # noqa: S311 -- a sample, no secret
    payments = [
        (int(rng.random() * _DAYS * _DAY_S), int(rng.random() * _CUSTOMERS), int(rng.random() * _TERMINALS))
        for _ in range(_ROWS)
    ]
    for second, customer, terminal in payments[:40]:  # a day, a week, a month, a delay, and all of them after another
        for days in (1, 7, 8, 14, 30, 37):
            if rng.random() < 0.3:
                payments.append((second + days * _DAY_S, customer, terminal))
    for second, customer, _ in payments[40:60]:
        payments.append((second // _DAY_S * _DAY_S, customer, int(rng.random() * _TERMINALS)))  # midnight
        payments.append((second, int(rng.random() * _CUSTOMERS), int(rng.random() * _TERMINALS)))  # one second, two
    lines = [HEADER]
    for number, (second, customer, terminal) in enumerate(sorted(one for one in payments if one[0] < _DAYS * _DAY_S)):
        day = second // _DAY_S
        cents = 1 + int(rng.random() ** 3 * 30_000)
        scenario = 1 if cents > _LARGE_CENTS else 2 if terminal == _BAD_TERMINAL and day in _BAD_DAYS else 0
        moment = (_FIRST + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S")
        cells = (number, moment, customer, terminal, f"{cents / 100:.2f}", second, day, int(scenario > 0), scenario)
        lines.append(",".join(map(str, cells)))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    SAMPLE.parent.mkdir(exist_ok=True)
    SAMPLE.write_text(text())
    sys.stdout.write(f"{SAMPLE}\n")
