"""Policies drawn at random with dates, events of every scope in them, and a plain resolver."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise, product
from typing import Any

from hypothesis import strategies as st

from scoring.decode import Decoded, DecodeLimits, decode
from tests.events import encoded

LEVELS = ("review", "step_up", "block")
ACQUIRERS, MERCHANTS = ("a", "b", "c"), ("m", "n", "o")
GOODS_OF = {"5732": "appliances", "5722": "appliances", "5411": "grocery", "0000": "unknown"}
SECTIONS = {"acquirers": ("acquirer",), "goods": ("goods",), "mccs": ("mcc",), "merchants": ("acquirer", "merchant")}
VALUES = {
    "acquirer": ACQUIRERS[:2],
    "merchant": MERCHANTS[:2],
    "mcc": ("5732", "0000"),
    "goods": ("appliances", "grocery"),
}
EVENTS = list(product(ACQUIRERS, MERCHANTS, GOODS_OF))
AMOUNTS = (999, 1000, 1001, None)


@cache
def batch(joined: frozenset[int]) -> Decoded:
    """Decode one event for each combination of names, with amounts in turn; None is an unknown sum in yen."""
    values = []
    for position, (acquirer, merchant, mcc) in enumerate(EVENTS):
        amount = AMOUNTS[position % len(AMOUNTS)]
        sums = {"minor": amount} if amount is not None else {"minor": 9900, "currency": "USD", "exponent": 2}
        values.append(
            encoded(
                event_id=f"e-{position}",
                acquirer={"id": acquirer},
                merchant={"id": merchant, "mcc": mcc},
                amount=sums,
            )
        )
    decoded = decode(values, DecodeLimits(joined=joined))
    assert len(decoded) == len(EVENTS)
    return decoded


def stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


@cache  # hypothesis validates each strategy that is made
def thresholds() -> st.SearchStrategy[dict[str, int]]:
    drawn = st.lists(st.integers(1, 1000), min_size=3, max_size=3).map(sorted)
    return drawn.map(lambda each: dict(zip(LEVELS, each, strict=True)))


@cache
def periods() -> st.SearchStrategy[list[tuple[int | None, int | None]]]:
    """Draw periods of one scope that do not overlap; some touch, the first may have no start, the last no end."""

    def paired(cuts: list[int | None], gaps: list[bool]) -> list[tuple[int | None, int | None]]:
        pairs = list(pairwise(cuts))
        return [pair for pair, is_gap in zip(pairs, gaps, strict=False) if not is_gap] or [(None, None)]

    cuts = st.sets(st.integers(0, 8), max_size=3).map(sorted)
    ended = st.tuples(cuts, st.booleans(), st.booleans()).map(
        lambda drawn: [None] * drawn[1] + list(drawn[0]) + [None] * drawn[2]
    )
    return st.builds(paired, ended, st.lists(st.booleans(), min_size=5, max_size=5))


def names(of: tuple[str, ...], draw: st.DrawFn) -> dict[str, str]:
    return {name: draw(st.sampled_from(VALUES[name])) for name in of}


TARGETS = (
    (),
    ("acquirer",),
    ("goods",),
    ("acquirer", "goods"),
    ("mcc",),
    ("acquirer", "mcc"),
    ("acquirer", "merchant"),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    def scoped(wanted: list[tuple[str, ...]], more: dict[str, Any], ends: bool = False) -> list[dict[str, Any]]:
        found, seen = [], set()
        for of in wanted:
            scope = names(of, draw)
            if tuple(scope.items()) in seen:
                continue
            seen.add(tuple(scope.items()))
            for start, end in draw(periods()):
                period = {"effective_from": start, "effective_to": 9 if ends and end is None else end}
                if period["effective_from"] == period["effective_to"]:
                    continue
                period = {name: stamp(ms) for name, ms in period.items() if ms is not None}
                found.append(scope | period | {name: draw(strategy) for name, strategy in more.items()})
        return found

    targets = st.lists(st.sampled_from(TARGETS), max_size=6)
    signed = {"author": st.just("x"), "reason": st.just("y")}
    standing = {
        section: scoped(
            draw(st.lists(st.sampled_from([of] if "acquirer" in of else [of, ("acquirer", *of)]), max_size=3)),
            {"thresholds": thresholds()},
        )
        for section, of in SECTIONS.items()
    }
    limits = {"amount_jpy": st.sampled_from((999, 1000, 1001)), "band": st.sampled_from(("REVIEW", "STEP_UP", "BLOCK"))}
    quiet = {
        "reasons": st.lists(st.sampled_from(("HR_GOODS", "NIGHT")), max_size=1),
        "up_to_band": st.sampled_from(("REVIEW", "STEP_UP")),
    }
    return {
        "version": "t",
        "global": draw(thresholds()),
        **standing,
        "limits": scoped(draw(targets), limits),
        "overrides": scoped(draw(targets), {"thresholds": thresholds()} | signed, ends=True),
        "suppressions": scoped(draw(targets), quiet | signed, ends=True),
    }


def in_force(entry: dict[str, Any], event: tuple[str, str, str], at_ms: int) -> bool:
    acquirer, merchant, mcc = event
    own = {"acquirer": acquirer, "merchant": merchant, "mcc": mcc, "goods": GOODS_OF[mcc]}
    start, end = entry.get("effective_from"), entry.get("effective_to")
    return (
        all(entry.get(name) in (None, value) for name, value in own.items())
        and (start is None or datetime.fromisoformat(start) <= at(at_ms))
        and (end is None or at(at_ms) < datetime.fromisoformat(end))
    )


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def rank(entry: dict[str, Any]) -> int:
    """Precedence: merchant, acquirer and category, category, acquirer and goods, goods, acquirer, global."""
    with_acquirer = "acquirer" in entry
    if "merchant" in entry:
        return 6
    if "mcc" in entry:
        return 4 + with_acquirer
    if "goods" in entry:
        return 2 + with_acquirer
    return int(with_acquirer)


def narrowest(entries: Iterator[tuple[dict[str, Any], bool]]) -> dict[str, Any] | None:
    """Return the entry of the narrowest scope; of two of one scope the override."""
    found = sorted(entries, key=lambda each: (rank(each[0]), each[1]))
    return found[-1][0] if found else None


def expected_band(
    document: dict[str, Any], event: tuple[str, str, str], at_ms: int, score: int, jpy: int | None
) -> int:
    standing = [(entry, False) for section in SECTIONS for entry in document[section]]
    overrides = [(entry, True) for entry in document["overrides"]]
    entry = narrowest(each for each in (*standing, *overrides) if in_force(each[0], event, at_ms))
    limits = document["global"] if entry is None else entry["thresholds"]
    band = sum(score >= limits[name] for name in LEVELS)
    limit = narrowest((each, False) for each in document["limits"] if in_force(each, event, at_ms))
    if limit is not None and jpy is not None and jpy > limit["amount_jpy"]:
        return max(band, 1 + ("REVIEW", "STEP_UP", "BLOCK").index(limit["band"]))
    return band
