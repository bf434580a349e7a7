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
from scoring.contract.codes import Band, ThreeDsStatus
from scoring.contract.dead_letter import Reject
from scoring.contract.decision import Reason, Versions
from scoring.decide.alerts import SEVERITIES, AlertDesk, encode_alert, subject_of
from scoring.decide.decisions import BAND_NAMES, STATUS_NAMES, Decided, DecisionEncoder
from scoring.decode import Col, Decoded, DecodeLimits, decode, encode_dead_letter, parse_merchants, parse_reports
from scoring.enrich import threeds
from scoring.enrich.features import PAYMENT_FEATURES, fill_payment_features
from scoring.enrich.merchants import MerchantDirectory
from scoring.model.bundle import Bundle
from scoring.outputs import Outputs, Record, Source, Tally
from scoring.policy import Policy, PolicyTable
from scoring.policy.reasons import Reasons
from scoring.profile import Facts, ProfileLimits, Profiles, Reports

AHEAD_MAX_MS = 5 * 60_000
"""An event dated further than this after its receipt is scored with a mark and moves no window."""

BATCH_MAX = 4096
"""Values per call: the shell cuts its polls smaller, and the matrix is allocated once for this many rows."""

STAGES = ("decode", "enrich", "profile", "score", "decide", "encode")

_PROFILE_FIRST = len(PAYMENT_FEATURES)
_TDS_FAILED = np.array(
    [
        status in {ThreeDsStatus.NOT_AUTHENTICATED, ThreeDsStatus.UNAVAILABLE, ThreeDsStatus.REJECTED}
        for status in ThreeDsStatus
    ]
)
"""bool[9], by status."""


def _ignore(_stage: str) -> None:
    """Stand in where nobody times the stages."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker decides by, apart from model and policy."""

    decode: DecodeLimits
    profiles: ProfileLimits
    merchants_max: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Observed:
    """A batch after enrichment and profiles: n accepted events in order and their model inputs.

    `matrix` is float64[n, F] and valid until the next call; `rows` int64[n] into the merchant directory;
    `verdicts` int16[n, 5]; `repeats` and `suspects` bool[n].
    """

    decoded: Decoded
    matrix: NDArray[np.float64]
    rows: NDArray[np.int64]
    verdicts: NDArray[np.int16]
    repeats: NDArray[np.bool_]
    suspects: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch after the model and the policy: arrays of length n, and the reasons of those that may alert."""

    probabilities: NDArray[np.float64]
    scores: NDArray[np.int16]
    bands: NDArray[np.int64]
    reasons: dict[int, list[Reason]]


class Observer:
    """Turn raw values into model inputs: the one feature path, with or without a model behind it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.merchants = MerchantDirectory(settings.merchants_max)
        self.profiles = Profiles(settings.profiles)
        self._matrix = np.empty((BATCH_MAX, len(FEATURES)), dtype=np.float64)

    def observe(self, values: Sequence[bytes], received_at_ms: int, mark: Callable[[str], None] = _ignore) -> Observed:
        """Decode, enrich and profile a batch of at most BATCH_MAX values; profiles move on by it."""
        assert len(values) <= BATCH_MAX
        decoded = decode(values, self.settings.decode)
        mark("decode")
        ints, hashes = decoded.ints, decoded.hashes
        n = len(decoded)
        matrix = self._matrix[:n]
        rows = self.merchants.rows(decoded.names)
        verdicts = np.empty((n, threeds.VERDICT_COLUMNS), dtype=np.int16)
        threeds.normalise(ints, self.merchants.table, rows, verdicts)
        fill_payment_features(ints, hashes, self.merchants.table, rows, verdicts, matrix)
        mark("enrich")
        suspects = ints[:, Col.EVENT_MS] > received_at_ms + AHEAD_MAX_MS
        repeats = self.profiles.read_then_update(_facts(decoded, verdicts, ~suspects), matrix, _PROFILE_FIRST)
        mark("profile")
        return Observed(decoded, matrix, rows, verdicts, repeats, suspects)

    def report(self, values: Sequence[bytes]) -> tuple[list[str], list[tuple[int, Reject]]]:
        """Count a batch of fraud reports; return the label of each accepted one, and the rejects."""
        parsed = parse_reports(values, self.settings.decode)
        self.profiles.report(
            Reports(
                card=parsed.card,
                merchant=parsed.merchant,
                received_ms=parsed.received_ms,
                amount_jpy=parsed.amount_jpy,
            )
        )
        return parsed.labels, parsed.rejects

    def merchant(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> list[tuple[int, Reject]]:
        """Take merchant records (None forgets the merchant of that key); return the rejects."""
        parsed = parse_merchants(keys, values, self.settings.decode)
        for acquirer_id, merchant_id, record in parsed.changes:
            if record is None:
                self.merchants.forget(acquirer_id, merchant_id)
            else:
                self.merchants.upsert(record)
        return parsed.rejects


def _facts(decoded: Decoded, verdicts: NDArray[np.int16], trusted: NDArray[np.bool_]) -> Facts:
    ints = decoded.ints
    return Facts(
        event_id=np.ascontiguousarray(decoded.hashes[:, 0]),
        keys=np.ascontiguousarray(decoded.hashes[:, 1:]),
        time_ms=np.ascontiguousarray(ints[:, Col.EVENT_MS]),
        amount_jpy=np.ascontiguousarray(ints[:, Col.AMOUNT_JPY]),
        outcome=ints[:, Col.OUTCOME].astype(np.int8),
        kind=ints[:, Col.KIND].astype(np.int8),
        mcc=ints[:, Col.MCC].astype(np.int32),
        country=ints[:, Col.MERCHANT_COUNTRY].astype(np.int32),
        tds_failed=_TDS_FAILED[verdicts[:, threeds.STATUS]] | (ints[:, Col.CHALLENGE_CANCEL] >= 0),
        trusted_time=trusted,
    )


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
        mark: Callable[[str], None] = _ignore,
    ) -> Outputs:
        """Decide a batch of authorizations: one decision for each value that is neither refused nor a repeat."""
        observed = self.observer.observe(values, received_at_ms, mark)
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
        for row in np.flatnonzero((bands > 0) & ~observed.repeats).tolist():
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
        decoded, positions = observed.decoded, observed.decoded.index.tolist()
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
            suspects=observed.suspects,
            event_ms=event_ms,
            record_ms=[source.timestamps_ms[position] for position in positions],
        )
        decisions = self._encoder.encode(decided, received_at_ms, decided_at_ms)
        if observed.repeats.any():
            decisions = [made for made, again in zip(decisions, observed.repeats.tolist(), strict=True) if not again]
        tally = self._tally(len(values), observed, judged)
        letters = _dead_letters(decoded.rejects, values, source, received_at_ms) if decoded.rejects else []
        return Outputs(
            decisions=decisions,
            alerts=self._alerts(decoded, decided, observed.repeats, tally),
            dead_letters=letters,
            repeats=tally.repeats,
            tally=tally,
        )

    def _alerts(self, decoded: Decoded, decided: Decided, repeats: NDArray[np.bool_], tally: Tally) -> list[Record]:
        alerts: list[Record] = []
        for row in np.flatnonzero((decided.bands >= self._desk.minimum) & ~repeats).tolist():
            event, band, reasons = decoded.event(row), int(decided.bands[row]), decided.reasons[row]
            subject = subject_of(event, reasons)
            case, fires = self._desk.admit(subject, int(decided.event_ms[row]), band)
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
        bands, rows = judged.bands, observed.rows
        statuses = observed.verdicts[:, threeds.STATUS]
        repeats = int(np.count_nonzero(observed.repeats))
        if repeats:
            kept = ~observed.repeats
            bands, rows, statuses = bands[kept], rows[kept], statuses[kept]
        return Tally(
            events=events,
            repeats=repeats,
            time_suspects=int(np.count_nonzero(observed.suspects)),
            bands=_by_name(BAND_NAMES, bands),
            dead_letters=_by_reason(observed.decoded.rejects),
            threeds=_by_name(STATUS_NAMES, statuses),
            gaps=self.observer.merchants.gap_counts(rows),
        )


def _by_name(names: Sequence[str], codes: NDArray[np.signedinteger]) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(names)).tolist()
    return {name: count for name, count in zip(names, counts, strict=True) if count}


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
