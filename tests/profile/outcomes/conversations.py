"""Payments whose requests come before the issuer's answers: soon, late, twice, first, in part, apart, never."""

from dataclasses import replace

from hypothesis import strategies as st

from tests.profile.events import ATTEMPT, NOON, Event
from tests.profile.oracles.strategies import gaps_ms, keys, streams

_SOON_MS = st.integers(100, 5_000)
_LATE_MS = st.sampled_from([0, 15_000, 150_000, 900_000, 3_600_000, 21_600_000, 86_400_000, 35 * 86_400_000])
_WAYS = ("at once", "soon", "soon", "late", "twice", "first", "never", "asked twice")
_APART = (
    "apart",
    "apart",
    "apart twice",
    "apart first",
    "apart first",
    "apart alone",
    "both ways",
    "needless",
    "whole",
)
"""Ways with the outcome on a topic of its own, which Kafka does not order with the events."""


@st.composite
def conversations(draw: st.DrawFn, *, size: int = 16, apart: bool = False) -> list[Event]:
    """Draw up to `size` payments of few cards in the order in which their requests and answers arrive."""
    time_ms = NOON * 1000 + draw(st.integers(0, 3_600_000))
    arrivals: list[tuple[int, Event]] = []
    for number in range(draw(st.integers(1, size))):
        time_ms += draw(st.one_of(st.integers(0, 20_000), gaps_ms))
        payment = draw(_payments(time_ms, 1 + number))
        delay_ms = draw(st.one_of(_SOON_MS, _LATE_MS))
        way = draw(st.sampled_from(_WAYS + _APART if apart else _WAYS))
        answer = draw(_answers(payment, time_ms + delay_ms))
        request = replace(payment, outcome=0)
        outcome, other = _apart(answer), _apart(draw(_answers(payment, time_ms)))
        steps = {
            "at once": [(0, payment)],
            "soon": [(0, request), (draw(_SOON_MS), answer)],
            "late": [(0, request), (draw(_LATE_MS), answer)],
            "twice": [(0, request), (delay_ms, answer), (delay_ms + draw(_SOON_MS), draw(_answers(payment, time_ms)))],
            "first": [(0, answer), (delay_ms, request)],
            "never": [(0, request)],
            "asked twice": [(0, request), (delay_ms // 2, request), (delay_ms, answer)],
            "apart": [(0, request), (delay_ms, outcome)],
            "apart twice": [(0, request), (delay_ms, outcome), (delay_ms + 1, other)],
            "apart first": [(0, outcome), (delay_ms, request), (delay_ms + 1, draw(st.sampled_from([other, answer])))],
            "apart alone": [(0, outcome), (delay_ms, other)],
            "both ways": [(0, request), *draw(st.permutations([(delay_ms, outcome), (delay_ms, answer)]))],
            "needless": [(0, payment), (delay_ms, outcome)],
            "whole": [(0, outcome), (delay_ms, payment), (delay_ms + 1, other)],
        }
        arrivals += [(time_ms + after_ms, event) for after_ms, event in steps[way]]
    return [event for _, event in sorted(arrivals, key=lambda arrival: arrival[0])]


@st.composite
def _payments(draw: st.DrawFn, time_ms: int, number: int) -> Event:
    owner = draw(st.sampled_from([0, 1, 1, 1, 2, 2]))
    return Event(
        time_ms=time_ms,
        card=owner,
        merchant=draw(keys),
        merchant_bin=draw(keys),
        bin=draw(keys),
        device=draw(keys),
        ip=owner,
        account=owner,
        address=draw(keys),
        amount=draw(st.one_of(st.integers(-1, 2_000), st.just(10**12))),
        outcome=draw(st.integers(0, 11)),
        kind=draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2])),
        tds_failed=draw(st.booleans()),
        trusted=draw(st.sampled_from([True, True, True, True, False])),
        id=number,
    )


@st.composite
def _answers(draw: st.DrawFn, payment: Event, time_ms: int) -> Event:
    """Draw the answer to a payment: with its own time or the payment's, maybe with fewer fields, maybe without
    sections.
    """
    left_out = draw(st.sets(st.sampled_from(["device", "ip", "account", "address", "bin", "merchant_bin"]), max_size=2))
    return replace(
        payment,
        time_ms=draw(st.sampled_from([time_ms, payment.time_ms])),
        amount=draw(st.sampled_from([payment.amount, payment.amount, max(payment.amount, 1) // 2, -1])),
        outcome=draw(st.integers(0, 11)),
        kind=draw(st.sampled_from([payment.kind] * 7 + [0])),
        trusted=draw(st.sampled_from([True, True, True, True, True, False])),
        **dict.fromkeys(left_out, 0),
    )


def _apart(answer: Event) -> Event:
    """Make the answer a record of the outcomes topic: always of an attempt, and without 3-D Secure."""
    return replace(answer, apart=True, kind=ATTEMPT, tds_failed=False)


arrivals = st.one_of(streams(), conversations(), conversations(apart=True))
"""Single events; requests and answers; or these and outcomes of the other topic."""
