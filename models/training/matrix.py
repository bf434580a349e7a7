"""Turn recorded traffic into a training matrix, by the same code that scores live events."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.simulator.stream import Truth
from models.training.records import Record, Topic
from models.training.stored import Matrix
from models.training.verdicts import Verdicts
from scoring.clock import trusted
from scoring.contract.codes import Clock
from scoring.decode import Col, DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import BATCH_MAX, Observer, Settings
from scoring.profile import ProfileLimits

_CHUNK_ROWS: Final = 1 << 16
_CARD: Final = 1  # column of `Decoded.hashes`: the card, after the event id


class _Report(msgspec.Struct):
    label: str | None = None
    event_id: str | None = None


_decode_report = msgspec.json.Decoder(_Report).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Every authorization that moved the profiles, in order: n rows. Repeats, answers and refused events are counted.

    `matrix` is float64[n, F] as the engine scores it; `event_ms` and `amount_jpy` (-1 unknown) int64[n]; `card`
    uint64[n] hashes; `fraud` bool[n]; `typology` and `episode` object[n], None for genuine events.
    `skipped` counts what is in no row: repeats, answers to earlier rows, events dated too far behind or ahead, and
    refused events by reason; of other topics with the topic before the reason. `unmatched` counts frauds of the truth
    that are in no row. `known_ms` int64[n] is when each fraud became known; of `undated` ones, which have no such
    time, it is `delay_ms` after the event. `delay_ms` is 0 if there are none.

    Rows of a history have `verdicts` instead: what was known of each at any moment. `delay_ms` is then the time after
    which a row without a report is presumed good; of rows since `mature_ms` (None: no such rows) nobody knows yet.
    `segments`: codes of the contract, int64[n], by name.
    """

    matrix: NDArray[np.float64] | Matrix
    event_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]
    card: NDArray[np.uint64]
    fraud: NDArray[np.bool_]
    typology: NDArray[np.object_]
    episode: NDArray[np.object_]
    known_ms: NDArray[np.int64]
    skipped: Mapping[str, int]
    unmatched: int
    undated: int
    delay_ms: int
    verdicts: Verdicts | None = None
    mature_ms: int | None = None
    segments: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


def replay(
    records: Iterable[Record], truths: Mapping[str, Truth], settings: Settings | None = None, *, delay_ms: int = 0
) -> Samples:
    """Process records in order with the engine's own code, and collect the rows that the model would have scored.

    `truths` has the truth of each fraudulent event by its id; it may be filled while `records` are drawn, as long as a
    truth is there by the time all are. What no truth calls fraud is genuine. A fraud is known since its truth says, or
    since the first FRAUD report of it among `records`, or `delay_ms` after it. About 25,000 events a second.
    """
    collector = _Collector(settings or Settings(decode=DecodeLimits(), profiles=ProfileLimits()))
    for topic, run in groupby(records, key=lambda record: record.topic):
        batch: list[Record] = []
        for record in run:
            batch.append(record)
            if len(batch) == BATCH_MAX:
                collector.take(topic, batch)
                batch = []
        if batch:
            collector.take(topic, batch)
    return collector.samples(truths, delay_ms)


class _Collector:
    def __init__(self, settings: Settings) -> None:
        self._observer = Observer(settings)
        self._chunks: list[NDArray[np.float64]] = []
        self._used = _CHUNK_ROWS  # rows of the last chunk
        self._ids: list[str] = []
        self._columns: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)]
        self._cards: list[NDArray[np.uint64]] = [np.empty(0, np.uint64)]
        self._skipped: Counter[str] = Counter()
        self._reported_ms: dict[str, int] = {}

    def take(self, topic: Topic, batch: list[Record]) -> None:
        values = [record.value for record in batch]
        if topic == "merchants":
            rejects, beyond_limit, _ = self._observer.merchant([record.key for record in batch], values)
            self._skipped["merchants beyond limit"] += beyond_limit
        else:
            present = [b"" if value is None else value for value in values]
            record_ms = [record.at_ms for record in batch]
            if topic == "authorizations":
                self._observe(present, record_ms)
                return
            assert topic == "fraud-reports", "a file of lines has no others"
            rejects = self._observer.report(present, record_ms).rejects
            self._note(batch, {position for position, _ in rejects})
        self._skipped.update(f"{topic} {reject.reason}" for _, reject in rejects)

    def _note(self, reports: list[Record], rejected: Set[int]) -> None:
        """Keep the time of the first report of each fraud."""
        for position, record in enumerate(reports):
            if position not in rejected and record.value is not None:
                report = _decode_report(record.value)
                if report.label == "FRAUD" and report.event_id is not None:
                    self._reported_ms.setdefault(report.event_id, record.at_ms)

    def _observe(self, values: list[bytes], record_ms: list[int]) -> None:
        observed = self._observer.observe(values, record_ms)
        decoded = observed.decoded
        self._skipped.update(reject.reason for _, reject in decoded.rejects)
        self._skipped["repeat"] += int(observed.repeats.sum())
        self._skipped["answer"] += int(observed.answers.sum())
        for kind in (Clock.LATE, Clock.EARLY):
            self._skipped[kind.name.lower()] += int(((observed.clocks == kind) & ~observed.passed_over).sum())
        kept = np.flatnonzero(trusted(observed.clocks) & ~observed.passed_over)
        self._append(observed.matrix[kept])
        self._ids.extend(decoded.names[i][0].decode() for i in kept.tolist())
        self._columns.append(decoded.ints[kept][:, [Col.EVENT_MS, Col.AMOUNT_JPY]])
        self._cards.append(decoded.hashes[kept, _CARD])

    def _append(self, rows: NDArray[np.float64]) -> None:
        # large chunks: a copy of every small batch would fragment memory, one growing array would double it
        while len(rows):
            if self._used == _CHUNK_ROWS:
                self._chunks.append(np.empty((_CHUNK_ROWS, len(FEATURES)), np.float64))
                self._used = 0
            part = rows[: _CHUNK_ROWS - self._used]
            self._chunks[-1][self._used : self._used + len(part)] = part
            self._used += len(part)
            rows = rows[len(part) :]

    def samples(self, truths: Mapping[str, Truth], delay_ms: int) -> Samples:
        n = len(self._ids)
        matrix = np.empty((n, len(FEATURES)), np.float64)
        for start in range(0, n, _CHUNK_ROWS):
            part = matrix[start : start + _CHUNK_ROWS]
            part[:] = self._chunks.pop(0)[: len(part)]
        found = [truths.get(event_id) for event_id in self._ids]
        fraud = np.array([truth is not None and truth.fraud for truth in found], np.bool_)
        typology, episode = np.full(n, None, np.object_), np.full(n, None, np.object_)
        columns = np.concatenate(self._columns)
        known_ms = columns[:, 0].copy()
        matched: set[str] = set()
        undated = 0
        for i in np.flatnonzero(fraud).tolist():
            truth = found[i]
            assert truth is not None
            # a fraud without an episode is an episode of its own; without a kind its kind is "?"
            typology[i], episode[i] = truth.typology or "?", truth.episode or f"event {self._ids[i]}"
            matched.add(self._ids[i])
            known = self._reported_ms.get(self._ids[i]) if truth.known_at_ms is None else truth.known_at_ms
            undated += known is None
            known_ms[i] = known_ms[i] + delay_ms if known is None else known
        return Samples(
            matrix=matrix,
            event_ms=columns[:, 0].copy(),
            amount_jpy=columns[:, 1].copy(),
            card=np.concatenate(self._cards),
            fraud=fraud,
            typology=typology,
            episode=episode,
            known_ms=known_ms,
            skipped={reason: count for reason, count in sorted(self._skipped.items()) if count},
            unmatched=sum(truth.fraud for truth in truths.values()) - len(matched),
            undated=undated,
            delay_ms=delay_ms if undated else 0,
        )
