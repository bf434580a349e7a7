"""The Handbook's 15 inputs by the way of live events, against a recount of the table in plain loops.

The way: mapping, events and answers, fraud reports seven days late, windows. Every row is compared.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.training.matrix import Samples
from tests.bench.detection import parity
from tests.bench.detection.book import DAYS, NAMES, Inputs, Stream, edges, inputs, read
from tests.bench.detection.parity import Compared, compared, inputs_of, observed, table
from tests.training.history.made_book import SAMPLE, text

DAY, WEEK = timedelta(days=1), timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = ("TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT")


class Payment:
    """One row of the table."""

    def __init__(self, line: str) -> None:
        _, moment, customer, terminal, amount, _, _, fraud, _ = line.split(",")
        self.at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        self.customer, self.terminal, self.is_fraud = customer, terminal, fraud == "1"
        self.cents = int(amount.replace(".", ""))


@pytest.fixture(scope="module")
def payments() -> list[Payment]:
    return [Payment(line) for line in SAMPLE.read_text().splitlines()[1:]]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return observed(SAMPLE, "handbook", tmp_path_factory.mktemp("rows"), print)


@pytest.fixture(scope="module")
def ours(samples: Samples) -> Inputs:
    return inputs_of(samples)


def quarters(moment: datetime, days: int) -> datetime:
    """Return where a card's window of the profiles begins: four quarters of it before the running one."""
    quarter = DAY * days / 4
    return moment - (moment - EPOCH) % quarter - 4 * quarter


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0)


def mean(found: list[Payment]) -> float:
    return sum(one.cents for one in found) / len(found) / 100


def risk(found: list[Payment]) -> float:
    return sum(one.is_fraud for one in found) / len(found) if found else 0.0


def recounted(payments: list[Payment], *, stated: bool) -> Iterator[dict[str, float]]:
    """Yield the inputs of each payment; the book's windows, or those that the profiles state."""
    for place, one in enumerate(payments):
        row = {"TX_AMOUNT": one.cents / 100, "TX_DURING_WEEKEND": float(one.at.strftime("%a") in ("Sat", "Sun"))}
        row["TX_DURING_NIGHT"] = float(one.at.hour <= 6)
        of = [other for other in payments[: place + 1] if other.customer == one.customer]
        there = [other for other in payments[:place] if other.terminal == one.terminal]
        for days in DAYS:
            if stated:
                since = quarters(one.at, days)
                met = [other for other in of if other.at >= since]
                until = midnight(one.at) - WEEK
                judged = [other for other in there if until - days * DAY <= other.at < until]
            else:
                met = [other for other in of if other.at > one.at - days * DAY]
                until = one.at - WEEK
                judged = [other for other in there if until - days * DAY < other.at <= until]
            row |= {f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW": len(met)}
            row |= {f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW": mean(met)}
            row |= {f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW": len(judged)}
            row |= {f"TERMINAL_ID_RISK_{days}DAY_WINDOW": risk(judged)}
        yield row


def test_the_sample_is_what_its_generator_makes() -> None:
    assert SAMPLE.read_text() == text()


def test_every_row_of_a_worker_is_that_of_the_stated_windows(payments: list[Payment], ours: Inputs) -> None:
    for place, row in enumerate(recounted(payments, stated=True)):
        assert {name: ours[name][place] for name in NAMES} == row, place


def test_a_row_without_a_payment_on_an_edge_is_equal_to_the_books(payments: list[Payment], ours: Inputs) -> None:
    equal = dict.fromkeys(NAMES, 0)
    for place, row in enumerate(recounted(payments, stated=False)):
        one = payments[place]
        of = [other.at for other in payments if other.customer == one.customer]
        there = [other.at for other in payments if other.terminal == one.terminal]
        for name in NAMES:
            days = int(name.partition("DAY")[0].rpartition("_")[2]) if "WINDOW" in name else 0
            backs = (one.at - WEEK - days * DAY, one.at - WEEK)
            if name in EXACT:
                edge: list[datetime] = []
            elif name.startswith("CUSTOMER"):
                since, until = quarters(one.at, days), one.at - days * DAY
                edge = [at for at in of if since <= at <= until]
            else:
                pairs = [(midnight(back), back) for back in backs]
                edge = [at for at in there if any(since <= at <= until for since, until in pairs)]
            equal[name] += ours[name][place] == row[name]
            if not edge:
                assert ours[name][place] == row[name], (place, name)
            elif "CUSTOMER_ID_NB" in name:
                assert row[name] <= ours[name][place] == row[name] + len(edge), (place, name)
    assert all(equal[name] == len(payments) for name in EXACT)
    assert all(len(payments) // 20 < equal[name] < len(payments) for name in NAMES if name not in EXACT)


def test_no_report_is_seen_before_it_was_received(payments: list[Payment], ours: Inputs) -> None:
    first = min(one.at for one in payments if one.is_fraud)
    for place, one in enumerate(payments):
        if midnight(one.at) <= first + WEEK:
            assert all(ours[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"][place] == 0 for days in DAYS)
    assert any(value not in (0, 1) for value in ours["TERMINAL_ID_RISK_7DAY_WINDOW"].tolist())


def test_the_counting_of_whole_files_is_that_of_plain_loops(payments: list[Payment]) -> None:
    stream = read(SAMPLE)
    for stated in (False, True):
        found = inputs(stream, stated=stated)
        for place, row in enumerate(recounted(payments, stated=stated)):
            assert {name: found[name][place] for name in NAMES} == row, (stated, place)


def test_the_table_counts_every_row_that_is_not_as_stated(ours: Inputs) -> None:
    stream = read(SAMPLE)
    found = compared(stream, ours)
    assert [(one.unstated, one.unexplained) for one in found] == [(0, 0)] * len(NAMES)
    name = "CUSTOMER_ID_NB_TX_7DAY_WINDOW"
    place = int(np.flatnonzero(~edges(stream)[name])[5])
    wrong = ours[name].copy()
    wrong[place] += 1
    again = {one.name: one for one in compared(stream, ours | {name: wrong})}
    assert again[name][3:5] == (1, 1)
    assert again[name].equal == {one.name: one for one in found}[name].equal - 1
    assert "Not as the windows are stated: 1. Unequal without an edge: 1." in table(list(again.values()), 9)


def test_the_command_says_by_its_status_whether_every_row_is_as_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], samples: Samples
) -> None:
    monkeypatch.setattr(parity, "observed", lambda *_: samples)
    argv = [str(SAMPLE), "--rows", str(tmp_path / "rows"), "--out", str(tmp_path / "parity.md")]
    assert parity.main(argv) == 0
    assert (tmp_path / "parity.md").read_text() == capsys.readouterr().out
    wrong = Compared("TX_AMOUNT", 0, 1, 1, 0, 1.0)
    monkeypatch.setattr(parity, "compared", lambda *_: [wrong])
    assert parity.main(argv) == 1


def test_a_stream_in_small_is_read_as_the_books_own(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = read(SAMPLE)
    columns = {"t": whole.second - whole.second[0] // 86_400 * 86_400, "customer": whole.customer}
    columns |= {"terminal": whole.terminal, "amount_cents": whole.cents, "scenario": whole.fraud * 2}
    pq.write_table(pa.table(columns), tmp_path / "small.parquet")
    small = read(tmp_path / "small.parquet")
    for name in Stream.__dataclass_fields__:
        assert getattr(small, name).tolist() == getattr(whole, name).tolist(), name
