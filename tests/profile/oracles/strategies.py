"""Streams of authorizations with bursts, gaps, edges and late events."""

from hypothesis import strategies as st

from tests.profile.events import NOON, Event, Report

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
    """Draw up to `size` events over few keys, including 0 (absent)."""
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


_AWAY_MS = [0, 1, 999, 1_000, 60_000, 3_600_000, 21_600_000, 86_400_000, 3 * 86_400_000, 40 * 86_400_000]
away_ms = st.one_of(
    st.integers(-20_000, 20_000),
    st.integers(-40 * 86_400_000, 40 * 86_400_000),
    st.sampled_from(_AWAY_MS).flatmap(lambda ms: st.sampled_from([ms, -ms])),
    st.sampled_from([75 * 365 * 86_400_000, 20 * 365 * 86_400_000]),  # a wrong clock
)
"""Distances of the receipt of a report from the events around it."""


@st.composite
def histories(draw: st.DrawFn, *, size: int = 60) -> list[Event | Report]:
    """Draw events and fraud reports of few cards and merchants in the order in which they are read.

    Reports come singly and in runs; events come in order, late, and after hours or months.
    """
    time_ms = NOON * 1000 + draw(st.integers(0, 3_600_000))
    steps: list[Event | Report] = []
    while len(steps) < size and (not steps or draw(st.integers(0, 11))):
        card, merchant = draw(st.integers(1, 2)), draw(st.integers(0, 2))
        if draw(st.booleans()):
            time_ms += abs(draw(gaps_ms)) % (10 * 86_400_000)
            late_ms = draw(st.one_of(st.just(0), st.integers(0, 30_000), st.integers(0, 3 * 86_400_000)))
            trusted = draw(st.sampled_from([True, True, True, False]))
            steps.append(Event(time_ms=time_ms - late_ms, card=card, merchant=merchant, trusted=trusted))
            continue
        received_ms = time_ms + draw(away_ms)
        apart_ms = draw(st.sampled_from([0, 1_000, 7_000, 3_600_000, 86_400_000]))
        for number in range(draw(st.sampled_from([1, 1, 2, 5, 20]))):
            amount = draw(st.integers(-1, 2_000)) if number == 0 else 10 + number
            steps.append(
                Report(received_ms=received_ms + number * apart_ms, card=card, merchant=merchant, amount=amount)
            )
    return steps
