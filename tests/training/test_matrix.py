"""From traffic to rows: independent of batches and chunks; records without a value are counted."""

import pytest

from models.simulator import Truth
from models.training import matrix
from models.training.matrix import replay
from models.training.records import Record
from tests.events import token
from tests.training.test_labels import START_MS, authorization, report

NAMES = [f"e{n}" for n in range(23)]


def records() -> list[Record]:
    return [authorization(name, START_MS + 1_000 * n) for n, name in enumerate(NAMES)]


def test_rows_are_the_same_for_any_size_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = replay(records(), {}).matrix
    assert len(whole) == len(NAMES)
    assert len({row.tobytes() for row in whole}) == len(NAMES), "some features must differ between the rows"
    for size, batch in ((1, 64), (4, 3), (4, 64), (7, 5), (len(NAMES), 64), (2 * len(NAMES), 9)):
        monkeypatch.setattr(matrix, "_CHUNK_ROWS", size)
        monkeypatch.setattr(matrix, "BATCH_MAX", batch)
        assert replay(records(), {}).matrix.tobytes() == whole.tobytes()


def test_a_run_of_one_topic_is_taken_in_batches_of_at_most_the_observers_size(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, list[int]]] = []
    whole = matrix._Collector.take

    def take(self: matrix._Collector, topic: matrix.Topic, batch: list[Record]) -> None:
        taken.append((topic, [record.at_ms - START_MS for record in batch]))
        whole(self, topic, batch)

    monkeypatch.setattr(matrix._Collector, "take", take)
    monkeypatch.setattr(matrix, "BATCH_MAX", 3)
    some = records()[:7]
    replay([*some, report("e1", START_MS + 7_000), *records()[8:10]], {})
    assert taken == [
        ("authorizations", [0, 1_000, 2_000]),
        ("authorizations", [3_000, 4_000, 5_000]),
        ("authorizations", [6_000]),
        ("fraud-reports", [7_000]),
        ("authorizations", [8_000, 9_000]),
    ]


def test_records_without_a_value_are_counted_and_are_no_rows() -> None:
    empty = [Record(topic, b"k", None, START_MS) for topic in ("authorizations", "fraud-reports", "fraud-reports")]
    found = replay([*empty, *records()[:2]], {})
    assert len(found.matrix) == 2
    assert found.skipped == {"EMPTY": 1, "fraud-reports EMPTY": 2}


def test_the_answer_to_a_request_and_a_repeat_are_counted_and_are_no_rows() -> None:
    asked = [
        authorization(name, START_MS + n, outcome={"phase": "PRE_AUTH", "approved": None, "response_code": None})
        for n, name in enumerate(NAMES[:3])
    ]
    answers = [authorization(name, START_MS + 100 + n) for n, name in enumerate(NAMES[:2])]
    found = replay([*asked, *answers, asked[2]], {NAMES[0]: Truth(NAMES[0], True, None, None, 1)})
    assert len(found.matrix) == 3
    assert found.skipped == {"answer": 2, "repeat": 1}
    assert found.fraud.tolist() == [True, False, False]


def test_a_row_has_its_time_its_yen_and_its_card() -> None:
    cards = ["a", "b", "a", "c", "b"]
    made = [
        authorization(
            name,
            START_MS + 1_000 * n,
            card={"pan_hmac": token(card)},
            amount={"minor": 100 + n},
            merchant={"id": f"m-{n}"},
        )
        for n, (name, card) in enumerate(zip(NAMES, cards, strict=False))
    ]
    found = replay(made, {})
    assert found.event_ms.tolist() == [START_MS + 1_000 * n for n in range(5)]
    assert found.amount_jpy.tolist() == [100, 101, 102, 103, 104]
    assert len(found.card) == 5
    places = {card: found.card[cards.index(card)] for card in "abc"}
    assert len(set(places.values())) == 3
    assert found.card.tolist() == [places[card] for card in cards]


def test_a_report_that_is_refused_dates_no_fraud() -> None:
    refused = Record("fraud-reports", b"k", b'{"label":"FRAUD","event_id":"e0"}', START_MS + 50)
    found = replay([*records()[:1], refused], {"e0": Truth("e0", True, None, None, 1)}, delay_ms=700)
    assert (found.known_ms.tolist(), found.undated) == ([START_MS + 700], 1)
    assert sum(found.skipped.values()) == 1
