"""The report of a promotion gate, as JSON and as lines for people."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from models.backtest.fairness import Group, Terms
from models.promotion.bars import Bars
from models.promotion.figures import Bin
from models.promotion.gates import Gate, Latency


class Promotion(Struct, frozen=True, kw_only=True):
    """What the gates found. `passed`: all gates are.

    `learnt_until`: until when the later of both bundles was trained and calibrated, RFC 3339; counted payments are of
    later. `counted` of `payments`; `young` ones have no label yet, `before` ones are earlier than the period.
    """

    history: str
    current: str
    candidate: str
    policy: str
    learnt_until: str
    counted_from: str
    payments: int
    counted: int
    young: int
    before: int
    left_out: Mapping[str, int]
    passed: bool
    gates: list[Gate]
    bars: Bars
    bins: list[Bin]
    latency: Latency
    fairness_terms: Terms
    current_fairness: list[Group]
    candidate_fairness: list[Group]


def as_json(report: Promotion) -> bytes:
    """Return the report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def lines(report: Promotion) -> Iterator[str]:
    """Say the report in short: a line for each gate."""
    yield f"{report.payments:,} payments, {report.counted:,} counted, from {report.counted_from}"
    yield f"current {report.current}, candidate {report.candidate}"
    yield f"{'gate':20}{'current':>12}{'candidate':>12}{'judged':>12}{'bar':>16}  verdict"
    for gate in report.gates:
        bar = f"{'at most' if gate.is_limit else 'at least'} {gate.bar:g}"
        numbers = (gate.current, gate.candidate, gate.value)
        cells = "".join(f"{'' if one is None else format(one, '.6g'):>12}" for one in numbers)
        yield f"{gate.name:20}{cells}{bar:>16}  {'passed' if gate.passed else 'FAILED'}"
    failed = [gate.name for gate in report.gates if not gate.passed]
    yield f"failed: {', '.join(failed)}" if failed else "all gates passed"
