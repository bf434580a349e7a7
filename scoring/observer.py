"""The first half of the path: raw values into model inputs, for live scoring, replay and training.

bytes -> decode and guard -> enrich -> profile
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import clock, threeds
from scoring.contract.codes import Clock, OutcomeClass, PhaseCode, ThreeDsStatus
from scoring.contract.dead_letter import Reject
from scoring.decode import (
    Col,
    Decoded,
    DecodeLimits,
    decode,
    decode_outcomes,
    parse_merchants,
    parse_reports,
    parse_results,
)
from scoring.decode.stripping import Finding
from scoring.features.all import FEATURES
from scoring.features.payment import PAYMENT_FEATURES, fill_payment_features
from scoring.jit import borrow, entry, helper, revision
from scoring.lists import DatedEntries, DatedLimits
from scoring.merchants.months.labels import reports_of
from scoring.merchants.months.store import MerchantMonths, MonthLimits
from scoring.merchants.overdue import OverdueRecords
from scoring.merchants.standings import StandingLimit, Standings
from scoring.merchants.store import MerchantStore
from scoring.profile import EventColumns, ProfileLimits, Profiles, Reports
from scoring.profile.columns import empty
from scoring.reference.threeds import reference
from scoring.threeds.settings import ThreeDsSettings

BATCH_MAX = 4096
"""Most values of one call. The matrix is allocated once for this number of rows."""

_PROFILE_FIRST = len(PAYMENT_FEATURES)
# numba wants plain ints: an IntEnum member inside a kernel would be boxed
_EVENT_MS, _AMOUNT_JPY, _OUTCOME, _KIND = int(Col.EVENT_MS), int(Col.AMOUNT_JPY), int(Col.OUTCOME), int(Col.KIND)
_MCC, _COUNTRY, _CHALLENGE_CANCEL = int(Col.MCC), int(Col.MERCHANT_COUNTRY), int(Col.CHALLENGE_CANCEL)
_PHASE, _PRE_AUTH = int(Col.PHASE), int(PhaseCode.PRE_AUTH)
_UNKNOWN = int(OutcomeClass.UNKNOWN)
_STATUS = threeds.STATUS
_NOT_AUTHENTICATED, _UNAVAILABLE = int(ThreeDsStatus.NOT_AUTHENTICATED), int(ThreeDsStatus.UNAVAILABLE)
_REJECTED = int(ThreeDsStatus.REJECTED)


def ignore(_stage: str) -> None:
    """Do nothing: the stages are not timed."""


def unwatched(_observed: "Observed") -> None:
    """Do nothing: nobody looks at the batch."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the core besides model and policy. `has_results`: there is a feed of results of 3-D Secure."""

    decode: DecodeLimits
    profiles: ProfileLimits
    merchants_max: int = 1_000_000
    threeds: ThreeDsSettings = field(default_factory=ThreeDsSettings)
    months: MonthLimits = field(default_factory=MonthLimits)
    standings: StandingLimit = field(default_factory=StandingLimit)
    has_results: bool = False
    dated: DatedLimits = field(default_factory=DatedLimits)


@dataclass(frozen=True, slots=True)
class Observed:
    """A batch after enrichment and profiles: n accepted events in order and their model inputs.

    `matrix` is float64[n, F] and valid until the next call; `rows` int64[n] into the merchant store; `verdicts`
    int64[n, threeds.VERDICT_COLUMNS]; `repeats` and `answers` bool[n], events that are not decided; `clocks` int8[n] of
    `Clock`; `record_ms` int64[n], UNDATED where unknown; `claims` counts those of 3-D Secure by `ResultState`.
    """

    decoded: Decoded
    matrix: NDArray[np.float64]
    rows: NDArray[np.int64]
    verdicts: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    clocks: NDArray[np.int8]
    record_ms: NDArray[np.int64]
    answers: NDArray[np.bool_]
    claims: Mapping[str, int]

    @property
    def passed_over(self) -> NDArray[np.bool_]:
        """The events that are not decided: bool[n]."""
        return self.repeats | self.answers

    @property
    def trusted_ms(self) -> NDArray[np.int64]:
        """Time of each event, or that of its record where the event's is not trusted, at least 0: int64[n]."""
        event_ms, late = self.decoded.ints[:, Col.EVENT_MS], self.clocks >= Clock.LATE
        return np.where(late, np.maximum(self.record_ms, 0), event_ms) if np.count_nonzero(late) else event_ms


class Learnt(NamedTuple):
    """A batch of outcomes: decoded, and the result of each accepted one, int8[n] of `OutcomeResult`."""

    decoded: Decoded
    results: NDArray[np.int8]


class Reported(NamedTuple):
    """A batch of fraud reports: label and `Clock` (int8[a]) of each accepted one, in order, and the rejects.

    `findings`: by position, the data that the guard removed from accepted ones. `events` uint64[m]: keys of the events
    of those that were counted.
    """

    labels: list[str]
    clocks: NDArray[np.int8]
    rejects: list[tuple[int, Reject]]
    findings: Mapping[int, tuple[Finding, ...]]
    events: NDArray[np.uint64]


class ResultsTaken(NamedTuple):
    """A batch of results of 3-D Secure: transStatus in ASCII and `Clock` (int8[a]) of each accepted one, in order.

    `settled`: claims that waited for one. `rejects` and `findings` as in `Reported`.
    """

    statuses: NDArray[np.int64]
    clocks: NDArray[np.int8]
    settled: threeds.Settled
    rejects: list[tuple[int, Reject]]
    findings: Mapping[int, tuple[Finding, ...]]


class MerchantsTaken(NamedTuple):
    """A batch of merchant records: rejects, the number of new merchants that the full store refused, and findings."""

    rejects: list[tuple[int, Reject]]
    beyond_limit: int
    findings: Mapping[int, tuple[Finding, ...]]


class Observer:
    """Compute model inputs from raw values: the only feature path, also without a model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.watch: Callable[[Observed], None] = unwatched
        """Called with each observed batch; its matrix is overwritten by the next one. For explanations."""
        self.merchants = MerchantStore(settings.merchants_max)
        self.dated = DatedEntries(settings.dated, settings.decode.joined)
        """Entries of lists from the topic."""
        self._start(1)
        self._threeds = threeds.tables_of(reference(), settings.threeds.amount_tolerance)
        self._matrix = np.empty((BATCH_MAX, len(FEATURES)), dtype=np.float64)

    def set_partitions(self, partitions: int) -> None:
        """Set the number of input partitions, whose rows are kept apart. Before the first event only."""
        assert not any(self.profiles.sizes().values()), "profiles hold rows already"
        self._start(partitions)

    def _start(self, partitions: int) -> None:
        self.profiles = Profiles(self.settings.profiles, partitions)
        self.months = MerchantMonths(self.settings.months, partitions)
        self.months.attach_to(self.profiles.changelog)
        self.standings = Standings(self.settings.standings, self.months, self.merchants, partitions)
        self.standings.attach_to(self.profiles.changelog)
        self.overdue = OverdueRecords(self.merchants, self.settings.merchants_max, partitions)
        self.overdue.attach_to(self.profiles.changelog)
        self.authentications = threeds.Authentications(self.profiles.partitions)
        self.profiles.changelog.attach(self.authentications)
        self.shares = threeds.Shares(self.profiles.partitions)
        self.profiles.changelog.attach(self.shares)
        self.sums = threeds.Sums(self.profiles.partitions)
        self.profiles.changelog.attach(self.sums)

    def observe(
        self,
        values: Sequence[bytes],
        record_ms: Sequence[int],
        mark: Callable[[str], None] = ignore,
        partition: int = 0,
    ) -> Observed:
        """Decode, enrich and profile a batch of at most BATCH_MAX values of a partition. Profiles are updated.

        `record_ms` are the timestamps of the values' Kafka records, in milliseconds since the epoch, or UNDATED.
        """
        assert len(values) <= BATCH_MAX
        assert len(record_ms) == len(values), f"{len(record_ms)} timestamps for {len(values)} values"
        decoded = decode(values, self.settings.decode)
        mark("decode")
        ints, hashes = decoded.ints, decoded.hashes
        n = len(decoded)
        matrix = self._matrix[:n]
        rows = self.merchants.rows(decoded.names)
        verdicts = np.zeros((n, threeds.VERDICT_COLUMNS), dtype=np.int64)
        threeds.normalise(ints, self.merchants.table, rows, verdicts, self._threeds)
        fill_payment_features(ints, hashes, self.merchants.table, rows, verdicts, matrix)
        mark("enrich")
        stamps = np.array(record_ms, dtype=np.int64)[decoded.index]
        clocks = clock.judge(ints[:, Col.EVENT_MS], stamps)
        events = columns_of(decoded.ints, decoded.hashes, verdicts, clock.trusted(clocks))
        seen = self.profiles.read_then_update(events, matrix, _PROFILE_FIRST, partition)
        taken = events.trusted_time & ~(seen.repeats | seen.answers)
        proofs, auths = self.profiles.changelog.proofs, self.authentications
        threeds.find_replays(proofs, ints, hashes, taken, self._threeds, partition, verdicts, self.sums, auths)
        threeds.find_jumps(self.shares, ints, hashes, taken, self._threeds, partition, verdicts)
        claims: Mapping[str, int] = {}
        if self.settings.has_results:
            grace_s = self.settings.threeds.result_grace_s
            claims = threeds.find_results(auths, ints, hashes, taken, self._threeds, grace_s, partition, verdicts)
        clocks[seen.disordered] = Clock.OUT_OF_ORDER
        mark("profile")
        observed = Observed(decoded, matrix, rows, verdicts, seen.repeats, clocks, stamps, seen.answers, claims)
        self.watch(observed)
        return observed

    def outcomes(self, values: Sequence[bytes], record_ms: Sequence[int], partition: int = 0) -> Learnt:
        """Apply a batch of outcomes of a partition; `record_ms` as in `observe`.

        An outcome says nothing of 3-D Secure: that is its request's to say.
        """
        assert len(record_ms) == len(values), f"{len(record_ms)} timestamps for {len(values)} values"
        decoded = decode_outcomes(values, self.settings.decode)
        stamps = np.array(record_ms, dtype=np.int64)[decoded.index]
        clocks = clock.judge(decoded.ints[:, Col.EVENT_MS], stamps)
        verdicts = np.zeros((len(decoded), threeds.VERDICT_COLUMNS), dtype=np.int64)
        events = columns_of(decoded.ints, decoded.hashes, verdicts, clock.trusted(clocks))
        return Learnt(decoded, self.profiles.take_outcomes(events, partition))

    def report(self, values: Sequence[bytes], record_ms: Sequence[int], partition: int = 0) -> Reported:
        """Apply a batch of fraud reports of a partition; `record_ms` as in `observe`.

        One that claims to have been received later than its record allows moves nothing: a date far ahead would stand
        in the rows of its card and merchant for years. One long before its record counts: files come late.
        """
        assert len(record_ms) == len(values), f"{len(record_ms)} timestamps for {len(values)} values"
        parsed = parse_reports(values, self.settings.decode)
        clocks = clock.judge(parsed.times_ms, np.array(record_ms, dtype=np.int64)[parsed.index])
        taken = clocks[parsed.counted] != Clock.EARLY
        self.profiles.report(
            Reports(
                card=parsed.card[taken],
                merchant=parsed.merchant[taken],
                received_ms=parsed.received_ms[taken],
                amount_jpy=parsed.amount_jpy[taken],
            ),
            partition,
        )
        is_timed = clocks != Clock.EARLY
        self.months.take_reports(partition, reports_of(parsed.reports, parsed.keys, is_timed))
        return Reported(parsed.labels, clocks, parsed.rejects, parsed.findings, parsed.keys[is_timed, 0])

    def results(self, values: Sequence[bytes], record_ms: Sequence[int], partition: int = 0) -> ResultsTaken:
        """Remember a batch of results of 3-D Secure of a partition; `record_ms` as in `observe`.

        One that is later than its record allows is passed over: it would move the clock of the feed ahead.
        """
        assert len(record_ms) == len(values), f"{len(record_ms)} timestamps for {len(values)} values"
        parsed = parse_results(values, self.settings.decode)
        clocks = clock.judge(parsed.times_ms, np.array(record_ms, dtype=np.int64)[parsed.index])
        is_taken = clocks != Clock.EARLY
        settled = threeds.take_results(self.authentications, parsed, is_taken, self._threeds, partition)
        return ResultsTaken(parsed.status, clocks, settled, parsed.rejects, parsed.findings)

    def merchant(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> MerchantsTaken:
        """Apply merchant records; a value of None removes the merchant of its key."""
        parsed, beyond_limit = parse_merchants(keys, values, self.settings.decode), 0
        for acquirer_id, merchant_id, record in parsed.changes:
            if record is None:
                self.merchants.forget(acquirer_id, merchant_id)
            elif not self.merchants.upsert(record):
                beyond_limit += 1
        return MerchantsTaken(parsed.rejects, beyond_limit, parsed.findings)


def columns_of(
    ints: NDArray[np.int64], hashes: NDArray[np.uint64], verdicts: NDArray[np.int64], trusted: NDArray[np.bool_]
) -> EventColumns:
    """Cut what the profiles need out of decoded int64[n, Col] and uint64[n, KEYS], and of verdicts.

    `verdicts` is int64[n, threeds.VERDICT_COLUMNS].
    """
    columns = empty(EventColumns, len(ints))
    _cut_columns(ints, hashes, verdicts, columns)
    return columns._replace(trusted_time=trusted)


@helper
def _cut(ints: NDArray[np.int64], hashes: NDArray[np.uint64], verdicts: NDArray[np.int64], to: EventColumns) -> None:
    for i in range(len(ints)):
        to.event_id[i] = hashes[i, 0]
        for entity in range(to.keys.shape[1]):
            to.keys[i, entity] = hashes[i, 1 + entity]
        to.time_ms[i] = ints[i, _EVENT_MS]
        to.amount_jpy[i] = ints[i, _AMOUNT_JPY]
        to.outcome[i] = ints[i, _OUTCOME] if ints[i, _PHASE] != _PRE_AUTH else _UNKNOWN
        to.kind[i] = ints[i, _KIND]
        to.mcc[i] = ints[i, _MCC]
        to.country[i] = ints[i, _COUNTRY]
        status = verdicts[i, _STATUS]
        failed = status == _NOT_AUTHENTICATED or status == _UNAVAILABLE or status == _REJECTED
        to.tds_failed[i] = failed or ints[i, _CHALLENGE_CANCEL] >= 0


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def cut(ints: NDArray[np.int64], hashes: NDArray[np.uint64], verdicts: NDArray[np.int64], to: EventColumns) -> int:
        """Fill all columns but `trusted_time` from the matrices, in one pass: numpy would take a call for each."""
        _cut(*borrow((ints, hashes, verdicts)), borrow(to))
        return key

    return cut


_cut_columns = _compile(revision("scoring.observer"))
