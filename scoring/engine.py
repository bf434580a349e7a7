"""The whole way of an event, once: live scoring, replay and training all walk it here.

    bytes -> decode and guard -> enrich -> profile -> score -> decide -> encode -> bytes

The unit is a micro-batch of one partition. Within it every event is taken in order and sees the state that its
predecessors left, so that neither the cut into batches nor the number of partitions changes a decision.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.catalogue import FEATURES, FEATURES_VERSION
from scoring.contract.codes import Band, Clock
from scoring.contract.dead_letter import Reject
from scoring.contract.decision import Reason, Versions
from scoring.decide.alerts import SEVERITIES, AlertDesk, encode_alert, subject_of
from scoring.decide.decisions import BAND_NAMES, CLOCK_NAMES, STATUS_NAMES, Decided, DecisionEncoder
from scoring.decode import Col, Decoded, encode_dead_letter
from scoring.enrich import threeds
from scoring.model.bundle import Bundle
from scoring.observer import BATCH_MAX, Observed, Observer, Settings, ignore
from scoring.outputs import Outputs, Record, Source, Tally
from scoring.policy import Policy, PolicyTable
from scoring.policy.reasons import Reasons

STAGES = ("decode", "enrich", "profile", "score", "decide", "encode")


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch after the model and the policy: arrays of length n, and the reasons of those that may alert."""

    probabilities: NDArray[np.float64]
    scores: NDArray[np.int16]
    bands: NDArray[np.int64]
    reasons: dict[int, list[Reason]]


class Engine:
    """Decide authorizations. One engine serves every partition of a worker, from one thread."""

    def __init__(self, bundle: Bundle, policy: Policy, settings: Settings, code_version: str) -> None:
        self.observer = Observer(settings)
        self.bundle = bundle
        self.versions = Versions(
            model=bundle.version, features=FEATURES_VERSION, policy=policy.identity, code=code_version
        )
        self._table = PolicyTable(policy)
        self._reasons = Reasons(FEATURES)
        self._desk = AlertDesk(policy.alerts)
        self._encoder = DecisionEncoder(self.versions, policy.actions)
        self._margins = np.empty(BATCH_MAX, dtype=np.float64)
        self._contributions = np.empty(len(FEATURES) + 1, dtype=np.float64)

    def score(
        self,
        values: Sequence[bytes],
        source: Source,
        *,
        received_at_ms: int,
        decided_at_ms: Callable[[], int],
        mark: Callable[[str], None] = ignore,
    ) -> Outputs:
        """Decide a batch of authorizations: one decision for each value that is neither refused nor a repeat."""
        observed = self.observer.observe(values, source.timestamps_ms, mark)
        margins = self._margins[: len(observed.matrix)]
        self.bundle.trees.margins(observed.matrix, margins)
        mark("score")
        judged = self._judge(observed, margins)
        mark("decide")
        outputs = self._encode(values, source, observed, judged, received_at_ms, decided_at_ms())
        mark("encode")
        return outputs

    def report(self, values: Sequence[bytes], source: Source, *, received_at_ms: int) -> Outputs:
        """Count a batch of fraud reports; refused ones become dead letters."""
        labels, rejects = self.observer.report(values)
        letters = _dead_letters(rejects, values, source, received_at_ms)
        tally = Tally(events=len(values), reports=dict(Counter(labels)), dead_letters=_by_reason(rejects))
        return Outputs(dead_letters=letters, tally=tally)

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        """Take a batch of merchant records and tombstones; refused ones become dead letters."""
        rejects = self.observer.merchant(keys, values)
        letters = _dead_letters(rejects, values, source, received_at_ms)
        return Outputs(dead_letters=letters, tally=Tally(events=len(values), dead_letters=_by_reason(rejects)))

    def _judge(self, observed: Observed, margins: NDArray[np.float64]) -> _Judged:
        probabilities, scores = self.bundle.calibration.apply(margins)
        bands = self._table.bands(observed.decoded.names, observed.decoded.ints[:, Col.MCC], scores)
        reasons: dict[int, list[Reason]] = {}
        for row in np.flatnonzero((bands > 0) & ~observed.repeats).tolist() if np.count_nonzero(bands) else ():
            self.bundle.trees.contributions(observed.matrix[row], self._contributions)
            reasons[row] = self._reasons.top(self._contributions)
        return _Judged(probabilities, scores, bands, reasons)

    def _encode(
        self,
        values: Sequence[bytes],
        source: Source,
        observed: Observed,
        judged: _Judged,
        received_at_ms: int,
        decided_at_ms: int,
    ) -> Outputs:
        decoded = observed.decoded
        event_ms = decoded.ints[:, Col.EVENT_MS]
        decided = Decided(
            names=decoded.names,
            spelt=decoded.spelt,
            scores=judged.scores,
            probabilities=judged.probabilities,
            bands=judged.bands,
            reasons=judged.reasons,
            tds=self._encoder.threeds(observed.verdicts[:, threeds.CODE].tolist()),
            compliance=self.observer.merchants.summaries(observed.rows.tolist(), event_ms.tolist()),
            clocks=observed.clocks,
            event_ms=event_ms,
            record_ms=np.maximum(observed.record_ms, 0),
        )
        decisions = self._encoder.encode(decided, received_at_ms, decided_at_ms)
        if np.count_nonzero(observed.repeats):
            decisions = [made for made, again in zip(decisions, observed.repeats.tolist(), strict=True) if not again]
        tally = self._tally(len(values), observed, judged)
        letters = _dead_letters(decoded.rejects, values, source, received_at_ms) if decoded.rejects else []
        return Outputs(
            decisions=decisions,
            alerts=self._alerts(decoded, decided, tally),
            dead_letters=letters,
            repeats=tally.repeats,
            tally=tally,
        )

    def _alerts(self, decoded: Decoded, decided: Decided, tally: Tally) -> list[Record]:
        alerts: list[Record] = []
        for row, reasons in decided.reasons.items():  # every row above ALLOW that is no repeat, in order
            band = int(decided.bands[row])
            if band < self._desk.minimum:
                continue
            event = decoded.event(row)
            subject = subject_of(event, reasons)
            is_trusted = decided.clocks[row] < Clock.LATE  # a wrong clock must not close a case, or keep it open
            at_ms = decided.event_ms[row] if is_trusted else decided.record_ms[row]
            case, fires = self._desk.admit(subject, int(at_ms), band)
            if not fires:
                tally.alerts_suppressed += 1
                continue
            amount = int(decoded.ints[row, Col.AMOUNT_JPY])
            shared: dict[str, object] = {
                "score": int(decided.scores[row]),
                "probability": float(decided.probabilities[row]),
                "action": self._encoder.actions[band],
                "tds": orjson.Fragment(decided.tds[row]),
                "compliance": orjson.Fragment(decided.compliance[row]),
                "versions": self._encoder.versions,
            }
            alerts.append(
                encode_alert(
                    event=event,
                    subject=subject,
                    case=case,
                    decision=shared,
                    amount_jpy=amount if amount >= 0 else None,
                    reasons=reasons,
                )
            )
            kind = (subject.type, SEVERITIES[Band(case.band)])
            tally.alerts[kind] = tally.alerts.get(kind, 0) + 1
        return alerts

    def _tally(self, events: int, observed: Observed, judged: _Judged) -> Tally:
        bands, rows, clocks = judged.bands, observed.rows, observed.clocks
        statuses = observed.verdicts[:, threeds.STATUS]
        repeats = int(np.count_nonzero(observed.repeats))
        if repeats:
            kept = ~observed.repeats
            bands, rows, clocks, statuses = bands[kept], rows[kept], clocks[kept], statuses[kept]
        return Tally(
            events=events,
            repeats=repeats,
            clocks=_by_name(CLOCK_NAMES, clocks),
            bands=_by_name(BAND_NAMES, bands),
            dead_letters=_by_reason(observed.decoded.rejects),
            threeds=_by_name(STATUS_NAMES, statuses),
            gaps=self.observer.merchants.gap_counts(rows.tolist()),
        )


def _by_name(names: Sequence[str], codes: NDArray[np.signedinteger]) -> dict[str, int]:
    return {names[code]: count for code, count in Counter(codes.tolist()).items()}


def _by_reason(rejects: Sequence[tuple[int, Reject]]) -> dict[str, int]:
    return dict(Counter(reject.reason for _, reject in rejects)) if rejects else {}


def _dead_letters(
    rejects: Sequence[tuple[int, Reject]], values: Sequence[bytes | None], source: Source, received_at_ms: int
) -> list[Record]:
    return [
        encode_dead_letter(
            reject,
            topic=source.topic,
            partition=source.partition,
            offset=source.offsets[position],
            size=len(values[position] or b""),
            record_ms=source.timestamps_ms[position],
            received_ms=received_at_ms,
        )
        for position, reject in rejects
    ]
