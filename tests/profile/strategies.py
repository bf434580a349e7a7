"""Streams of authorizations with bursts, gaps, edges and stragglers."""

from hypothesis import strategies as st

from tests.profile.events import NOON, Event

_EDGES_MS = [0, 1, 999, 1_000, 14_999, 15_000, 60_000, 150_000, 600_000, 900_000, 3_600_000, 21_600_000, 86_400_000]
_GAPS_MS = [*_EDGES_MS, 604_800_000, 648_000_000, 2_592_000_000, 5 * 365 * 86_400_000]

gaps_ms = st.one_of(
    st.integers(0, 20_000),
    st.sampled_from(_GAPS_MS),
    st.sampled_from(_EDGES_MS).map(lambda gap: -gap),  # a late event
    st.integers(0, 3 * 86_400_000),
)
keys = st.integers(0, 3)


@st.composite
def streams(draw: st.DrawFn, *, size: int = 40, reversals: bool = True, untrusted: bool = True) -> list[Event]:
    """Draw up to `size` events over few keys, 0 (absent) among them."""
    time_ms = NOON * 1000 + draw(st.integers(0, 3_600_000))
    events = []
    for _ in range(draw(st.integers(1, size))):
        time_ms += draw(gaps_ms)
        owner = draw(st.integers(1, 3))
        events.append(
            Event(
                time_ms=time_ms,
                card=owner,
                merchant=draw(keys),
                merchant_bin=draw(keys),
                bin=draw(keys),
                device=draw(keys),
                ip=draw(keys),
                account=draw(keys),
                address=draw(keys),
                amount=draw(st.one_of(st.integers(-1, 2_000), st.just(10**12))),
                outcome=draw(st.integers(0, 11)),
                kind=draw(st.sampled_from([0, 0, 0, 1, 2] if reversals else [0])),
                mcc=draw(st.sampled_from([0, 5732, 5812])),
                country=draw(st.sampled_from([0, 392, 840])),
                tds_failed=draw(st.booleans()),
                trusted=draw(st.sampled_from([True, True, True, False])) if untrusted else True,
            )
        )
    return events
