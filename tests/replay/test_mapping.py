"""Mapped rows are authorizations that the core accepts, with the values of the table and no others."""

from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from scoring.decode import Col, DecodeLimits, decode, parse_reports
from streams.replay.mapping import Renderer
from tests.replay.tables import COMPACT as HANDBOOK
from tests.replay.tables import rows_of

ROWS = st.lists(
    st.tuples(
        st.integers(0, 200 * 86_400),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
        st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=20,
)


@given(ROWS, st.integers(0, 10**9))
def test_every_row_decodes_to_the_values_of_the_table(rows: list[tuple[int, int, int, int]], first: int) -> None:
    events = Renderer(HANDBOOK, id_prefix="h-").events(rows_of(rows, first))
    decoded = decode([value for _, value in events], DecodeLimits())
    assert decoded.rejects == []
    epoch_ms = int(datetime(2018, 4, 1, tzinfo=UTC).timestamp()) * 1000
    for i, ((event_id, _, card, _), (time, _, _, amount)) in enumerate(zip(decoded.names, rows, strict=True)):
        assert event_id.decode() == f"h-{first + i}"
        assert card == events[i][0]
        assert decoded.ints[i, Col.EVENT_MS] == epoch_ms + 1000 * time
        assert decoded.ints[i, Col.AMOUNT_MINOR] == amount
        assert decoded.ints[i, Col.AMOUNT_JPY] == (amount * 26 + 10) // 20


def test_fields_that_a_table_does_not_have_are_unknown() -> None:
    ((_, value),) = Renderer(HANDBOOK).events(rows_of([(0, 1, 2, 300)], 0))
    decoded = decode([value], DecodeLimits())
    for column in (Col.MCC, Col.ISSUER_COUNTRY, Col.IP_COUNTRY, Col.OUTCOME, Col.TRANS_STATUS, Col.FUNDING):
        assert decoded.ints[0, column] == 0, column
    assert orjson.loads(value)["merchant"]["country"] == "ZZ"


def test_without_a_rate_the_yen_are_left_to_the_configuration() -> None:
    ((_, value),) = Renderer(HANDBOOK, jpy_per_unit=0).events(rows_of([(0, 1, 2, 300)], 0))
    assert decode([value], DecodeLimits()).ints[0, Col.AMOUNT_JPY] == -1
    assert decode([value], DecodeLimits(yen_per_unit={"EUR": 150.0})).ints[0, Col.AMOUNT_JPY] == 450


@given(st.integers(0, 2**63))
def test_a_card_token_is_stable_and_can_never_look_like_a_card_number(card: int) -> None:
    renderer, other = Renderer(HANDBOOK), Renderer(HANDBOOK)
    key, token = renderer._token(card)
    assert (key, token) == other._token(card)
    assert token.isalpha()


def test_different_cards_have_different_tokens() -> None:
    renderer = Renderer(HANDBOOK)
    assert len({renderer._token(card)[1] for card in range(5_000)}) == 5_000


def test_a_report_names_the_event_its_card_and_its_merchant() -> None:
    renderer = Renderer(HANDBOOK, id_prefix="h-")
    ((key, event),) = renderer.events(rows_of([(100, 1, 2, 300)], 7))
    report_key, report = renderer.report(7, 1, 2, HANDBOOK.time.since_ms + 1000 * (100 + 7 * 86_400), None)
    parsed = parse_reports([report], DecodeLimits())
    decoded = decode([event], DecodeLimits())
    assert parsed.rejects == []
    assert parsed.labels == ["FRAUD"]
    assert report_key == key
    assert (parsed.card[0], parsed.merchant[0]) == (decoded.hashes[0, 1], decoded.hashes[0, 2])
    assert parsed.received_ms[0] == decoded.ints[0, Col.EVENT_MS] + 7 * 86_400_000
