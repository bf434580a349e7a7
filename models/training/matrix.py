"""Turn recorded traffic into a training matrix, along the very path that scores live events."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.simulator.stream import Truth
from scoring.catalogue import FEATURES
from scoring.clock import trusted
from scoring.contract.codes import Clock
from scoring.contract.faults import FAULTS, too_deep
from scoring.decode import Col, DecodeLimits
from scoring.observer import BATCH_MAX, Observer, Settings
from scoring.profile import ProfileLimits

Topic = Literal["authorizations", "fraud-reports", "merchants"]

_LINE_BYTES_MAX: Final = 2 * 2**20
_CHUNK_ROWS: Final = 1 << 16
_CARD: Final = 1  # column of `Decoded.hashes`: the card, after the event id


class Record(NamedTuple):
    """One record of a topic as it was published; `value` None forgets a merchant, `at_ms` is its timestamp."""

    topic: Topic
    key: bytes
    value: bytes | None
    at_ms: int


class _Line(msgspec.Struct, kw_only=True):
    topic: Topic
    key: str
    at_ms: int
    value: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Every authorization that moved the profiles, in order: n rows. Repeats, answers and refused events are counted.

    `matrix` is float64[n, F] as the engine scores it; `event_ms` and `amount_jpy` (-1 unknown) int64[n]; `card`
    uint64[n] hashes; `fraud` bool[n]; `typology` and `episode` object[n], None for genuine events.
    `skipped` counts repeats, answers to earlier rows, events dated too far behind or ahead, and refused records by
    reason.
    """

    matrix: NDArray[np.float64]
    event_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]
    card: NDArray[np.uint64]
    fraud: NDArray[np.bool_]
    typology: NDArray[np.object_]
    episode: NDArray[np.object_]
    skipped: Mapping[str, int]


def read_records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of JSON lines `{"topic", "key", "at_ms", "value"}`, values byte for byte as they stand.

    Raises `ValueError` with the number of the first line that is not one.
    """
    decoder = msgspec.json.Decoder(_Line)
    for number, text in enumerate(lines, start=1):
        if len(text) > _LINE_BYTES_MAX:
            raise ValueError(f"line {number} has {len(text)} bytes, at most {_LINE_BYTES_MAX} are accepted")
        try:
            line = decoder.decode(text)
        except RecursionError:
            raise ValueError(f"line {number}: {too_deep(text)}") from None
        except FAULTS as error:
            raise ValueError(f"line {number}: {error}") from error
        value = bytes(line.value)
        yield Record(line.topic, line.key.encode(), None if value == b"null" else value, line.at_ms)


def replay(records: Iterable[Record], truths: Mapping[str, Truth], settings: Settings | None = None) -> Samples:
    """Send records through the engine's own feature path, in order, and collect what the model would have seen.

    `truths` has the truth of each fraudulent event by its id; it may be filled while `records` are drawn, as long as a
    truth is there by the time all are. What no truth calls fraud is genuine. About 25,000 events a second.
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
    return collector.samples(truths)


class _Collector:
    def __init__(self, settings: Settings) -> None:
        self._observer = Observer(settings)
        self._chunks: list[NDArray[np.float64]] = []
        self._used = _CHUNK_ROWS  # rows of the last chunk
        self._ids: list[str] = []
        self._columns: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)]
        self._cards: list[NDArray[np.uint64]] = [np.empty(0, np.uint64)]
        self._skipped: Counter[str] = Counter()

    def take(self, topic: Topic, batch: list[Record]) -> None:
        values = [record.value for record in batch]
        if topic == "merchants":
            rejects, beyond_limit = self._observer.merchant([record.key for record in batch], values)
            self._skipped["merchants_beyond_limit"] += beyond_limit
        else:
            present = [b"" if value is None else value for value in values]
            record_ms = [record.at_ms for record in batch]
            if topic == "authorizations":
                self._observe(present, record_ms)
                return
            rejects = self._observer.report(present, record_ms).rejects
        self._skipped.update(reject.reason for _, reject in rejects)

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

    def samples(self, truths: Mapping[str, Truth]) -> Samples:
        n = len(self._ids)
        matrix = np.empty((n, len(FEATURES)), np.float64)
        for start in range(0, n, _CHUNK_ROWS):
            part = matrix[start : start + _CHUNK_ROWS]
            part[:] = self._chunks.pop(0)[: len(part)]
        found = [truths.get(event_id) for event_id in self._ids]
        fraud = np.array([truth is not None and truth.fraud for truth in found], np.bool_)
        typology, episode = np.full(n, None, np.object_), np.full(n, None, np.object_)
        for i in np.flatnonzero(fraud).tolist():
            truth = found[i]
            assert truth is not None
            typology[i], episode[i] = truth.typology, truth.episode
        columns = np.concatenate(self._columns)
        return Samples(
            matrix=matrix,
            event_ms=columns[:, 0].copy(),
            amount_jpy=columns[:, 1].copy(),
            card=np.concatenate(self._cards),
            fraud=fraud,
            typology=typology,
            episode=episode,
            skipped={reason: count for reason, count in sorted(self._skipped.items()) if count},
        )
