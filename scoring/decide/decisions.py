"""Encode decisions, a batch at a time, by filling a byte template."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.contract.codes import Band, Clock
from scoring.contract.decision import InExperiment, ListHit, ModelStateName, Reason, Versions
from scoring.decode import Name
from scoring.outputs import Record
from scoring.policy.policy import Actions

BAND_NAMES = tuple(band.name for band in Band)
CLOCK_NAMES = tuple(clock.name for clock in Clock)

_START = b'{"schema_version":"decision.v1","decision_id":"%b","acquirer_id":"%b","merchant_id":"%b","pan_hmac":"%b",'
_MIDDLE = b'%b"score":%d,"probability":%b,%b"reasons":%b,"tds":%b,"compliance":%b,"versions":'
_END = b',"times":{"event_ms":%d,"record_ms":%d,%b'
_TIMES = b'"received_ms":%d,"decided_ms":%d}}'
_NO_REASONS = b"[]"
_DEGRADED = tuple(b'"status":"DEGRADED","clock":"%b",' % clock.name.encode() for clock in Clock)
_STATUS_OF_CLOCK = tuple(
    b'"status":"%b","clock":"%b",' % (b"SCORED" if clock < Clock.LATE else b"SCORED_TIME_SUSPECT", clock.name.encode())
    for clock in Clock
)


def as_dict(record: Versions | Reason | ListHit | InExperiment) -> dict[str, object]:
    """Return a flat record as a dict for orjson, without members that are None."""
    return {name: value for name in record.__struct_fields__ if (value := getattr(record, name)) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Decisions of a batch of n events, by row.

    `scores` int16[n], `probabilities` float64[n], `bands` int64[n], `clocks` int8[n] of `Clock`. `event_ms`,
    `record_ms` int64[n] in ms since the epoch; a `record_ms` of 0 is unknown. `tds`, `compliance`: JSON. `reasons` and
    `list_hits`: by row. `spelt`: rows whose names are escaped in the input. `rule_hits`: JSON, by row. `fallen`: by row
    of an event without a sound model, the state of the model and whether the event has a score. `arms` int8[n] of
    `Arm`, None where no event is in an experiment.
    """

    names: Sequence[Name]
    spelt: Collection[int]
    scores: NDArray[np.int16]
    probabilities: NDArray[np.float64]
    bands: NDArray[np.int64]
    reasons: Mapping[int, Sequence[Reason]]
    tds: Sequence[bytes]
    compliance: Sequence[bytes]
    clocks: NDArray[np.int8]
    event_ms: NDArray[np.int64]
    record_ms: NDArray[np.int64]
    rule_hits: Mapping[int, bytes] = field(default_factory=dict)
    list_hits: Mapping[int, Sequence[ListHit]] = field(default_factory=dict)
    fallen: Mapping[int, tuple[ModelStateName, bool]] = field(default_factory=dict)
    arms: NDArray[np.int8] | None = None

    def arm(self, row: int) -> int:
        """Return the `Arm` of an event."""
        return 0 if self.arms is None else self.arms.item(row)


class DecisionEncoder:
    """Encode `decision.v1` for one worker. Versions and actions are fixed.

    `arms`: the versions that decisions of arm A name, and those of arm B, each with the experiment.
    """

    def __init__(
        self, versions: Versions, actions: Actions, arms: Sequence[tuple[Versions, InExperiment]] = ()
    ) -> None:
        self.actions = tuple(getattr(actions, name) for name in BAND_NAMES)
        members = [{"versions": orjson.dumps(as_dict(versions))}]
        for named, said in arms:
            members.append({"versions": orjson.dumps(as_dict(named)), "experiment": orjson.dumps(as_dict(said))})
        self.shared: Sequence[Mapping[str, object]] = [
            {name: orjson.Fragment(text) for name, text in each.items()} for each in members
        ]
        """By `Arm`: what a decision and its alert say of versions and experiment."""
        self._templates = [
            _START + _MIDDLE + b',"experiment":'.join(each.values()).replace(b"%", b"%%") + _END for each in members
        ]
        self._bands = [
            orjson.dumps({"band": name, "action": action})[1:-1] + b","
            for name, action in zip(BAND_NAMES, self.actions, strict=True)
        ]

    def encode(self, decided: Decided, received_ms: int, decided_ms: int) -> list[Record]:
        """Encode a decision for every row. The key is the card token, as on the input topic."""
        band_of, times = self._bands, _TIMES % (received_ms, decided_ms)
        templates = [self._templates[0]] * len(decided.names)
        if decided.arms is not None:
            templates = [self._templates[arm] for arm in decided.arms.tolist()]
        reasons = [_NO_REASONS] * len(decided.names)
        for row, found in decided.reasons.items():
            reasons[row] = orjson.dumps([as_dict(reason) for reason in found])
        for row, hits in decided.list_hits.items():
            reasons[row] += b',"list_hits":' + orjson.dumps([as_dict(hit) for hit in hits])
        clocks = decided.clocks.tolist()
        statuses = [_STATUS_OF_CLOCK[clock] for clock in clocks]
        for row, (_, is_scored) in decided.fallen.items():
            if not is_scored:
                statuses[row] = _DEGRADED[clocks[row]]
        made = [
            (card, template % (event_id, acquirer, merchant, token, *rest, times))
            for template, (_, _, card, _), (event_id, acquirer, token, merchant), *rest in zip(
                templates,
                decided.names,
                _in_json(decided.names, decided.spelt),
                statuses,
                decided.scores.tolist(),
                _in_text(decided.probabilities),
                [band_of[band] for band in decided.bands.tolist()],
                reasons,
                decided.tds,
                decided.compliance,
                decided.event_ms.tolist(),
                decided.record_ms.tolist(),
                strict=True,
            )
        ]
        for row, told in decided.rule_hits.items():
            card, decision = made[row]
            made[row] = card, decision[:-1] + b',"rule_hits":' + told + b"}"
        for row, (state, _) in decided.fallen.items():
            card, decision = made[row]
            made[row] = card, decision[:-1] + b',"model_state":"%b"}' % state.encode()
        return made


def _in_json(names: Sequence[Name], spelt: Collection[int]) -> Sequence[Name]:
    """Return names escaped for JSON. Only the rows of `spelt` can differ."""
    if not spelt:
        return names
    written = list(names)
    for row in spelt:
        event_id, acquirer, card, merchant = (orjson.dumps(text.decode())[1:-1] for text in names[row])
        written[row] = (event_id, acquirer, card, merchant)
    return written


def _in_text(values: NDArray[np.float64]) -> list[bytes]:
    """Return floats as JSON: the shortest text that parses to the same value."""
    return orjson.dumps(values.tolist())[1:-1].split(b",") if len(values) else []
