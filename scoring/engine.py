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
from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band, ThreeDsStatus
from scoring.contract.dead_letter import Reject
from scoring.contract.decision import Reason, Versions
from scoring.decide.alerts import SEVERITIES, AlertDesk, encode_alert, subject_of
from scoring.decide.decisions import BAND_NAMES, STATUS_NAMES, DecisionEncoder
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
    """A batch after the model and the policy: all arrays of length n."""

    probabilities: list[float]
    scores: list[int]
    bands: list[int]
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
        n = len(decoded.events)
        matrix = self._matrix[:n]
        rows = self.merchants.rows(decoded.events)
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
        letters = _dead_letters(rejects, [len(value) for value in values], source, received_at_ms)
        tally = Tally(events=len(values), reports=dict(Counter(labels)), dead_letters=_by_reason(rejects))
        return Outputs(dead_letters=letters, tally=tally)

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        """Take a batch of merchant records and tombstones; refused ones become dead letters."""
        rejects = self.observer.merchant(keys, values)
        sizes = [0 if value is None else len(value) for value in values]
        letters = _dead_letters(rejects, sizes, source, received_at_ms)
        return Outputs(dead_letters=letters, tally=Tally(events=len(values), dead_letters=_by_reason(rejects)))

    def _judge(self, observed: Observed, margins: NDArray[np.float64]) -> _Judged:
        probabilities, scores = self.bundle.calibration.apply(margins)
        scored: list[int] = scores.tolist()
        bands = self._table.bands(observed.decoded.events, scored)
        reasons: dict[int, list[Reason]] = {}
        for i, band in enumerate(bands):
            if band and not observed.repeats[i]:
                self.bundle.trees.contributions(observed.matrix[i], self._contributions)
                reasons[i] = self._reasons.top(self._contributions)
        return _Judged(probabilities.tolist(), scored, bands, reasons)

    def _encode(
        self,
        values: Sequence[bytes],
        source: Source,
        observed: Observed,
        judged: _Judged,
        received_at_ms: int,
        decided_at_ms: int,
    ) -> Outputs:
        decisions: list[Record] = []
        alerts: list[Record] = []
        decoded = observed.decoded
        tally = self._tally(len(values), observed, judged)
        positions, times_ms = decoded.index.tolist(), decoded.ints[:, Col.EVENT_MS].tolist()
        repeats, suspects = observed.repeats.tolist(), observed.suspects.tolist()
        threeds_of = self._encoder.threeds(observed.verdicts[:, threeds.CODE].tolist())
        compliance_of = self.observer.merchants.summaries(observed.rows.tolist(), times_ms)
        for i, event in enumerate(decoded.events):
            if repeats[i]:
                continue
            band, reasons = judged.bands[i], judged.reasons.get(i, ())
            decisions.append(
                self._encoder.encode(
                    event,
                    status="SCORED_TIME_SUSPECT" if suspects[i] else "SCORED",
                    score=judged.scores[i],
                    probability=judged.probabilities[i],
                    band=band,
                    reasons=reasons,
                    tds=threeds_of[i],
                    compliance=compliance_of[i],
                    times={
                        "event_ms": times_ms[i],
                        "record_ms": source.timestamps_ms[positions[i]],
                        "received_ms": received_at_ms,
                        "decided_ms": decided_at_ms,
                    },
                )
            )
            if self._desk.concerns(band):
                self._alert(event, i, observed, judged, threeds_of[i], compliance_of[i], alerts, tally)
        letters = _dead_letters(decoded.rejects, list(map(len, values)), source, received_at_ms)
        return Outputs(decisions=decisions, alerts=alerts, dead_letters=letters, repeats=tally.repeats, tally=tally)

    def _alert(
        self,
        event: Authorization,
        i: int,
        observed: Observed,
        judged: _Judged,
        tds: orjson.Fragment,
        compliance: orjson.Fragment,
        alerts: list[Record],
        tally: Tally,
    ) -> None:
        reasons = judged.reasons.get(i, [])
        subject = subject_of(event, reasons)
        event_ms = int(observed.decoded.ints[i, Col.EVENT_MS])
        case, fires = self._desk.admit(subject, event_ms, judged.bands[i])
        if not fires:
            tally.alerts_suppressed += 1
            return
        amount = int(observed.decoded.ints[i, Col.AMOUNT_JPY])
        shared: dict[str, object] = {
            "score": judged.scores[i],
            "probability": judged.probabilities[i],
            "action": self._encoder.actions[judged.bands[i]],
            "tds": tds,
            "compliance": compliance,
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

    def _tally(self, events: int, observed: Observed, judged: _Judged) -> Tally:
        bands, rows = np.array(judged.bands, dtype=np.int64), observed.rows
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
    rejects: Sequence[tuple[int, Reject]], sizes: Sequence[int], source: Source, received_at_ms: int
) -> list[Record]:
    return [
        encode_dead_letter(
            reject,
            topic=source.topic,
            partition=source.partition,
            offset=source.offsets[position],
            size=sizes[position],
            record_ms=source.timestamps_ms[position],
            received_ms=received_at_ms,
        )
        for position, reject in rejects
    ]
