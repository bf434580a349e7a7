"""Compare decisions with the simulator's truth: recall and precision by typology, episode and amount."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


class Truth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The simulator's truth of an authorization. Typology and episode are None for genuine ones."""

    event_id: str
    fraud: bool
    typology: str | None
    episode: str | None
    amount_jpy: int


@dataclass(slots=True)
class Catch:
    """Fraud of one kind, and how much of it was flagged: events, and amounts in yen."""

    events: int = 0
    caught: int = 0
    amount_jpy: int = 0
    caught_jpy: int = 0

    def add(self, amount_jpy: int, *, caught: bool) -> None:
        """Count one event."""
        self.events += 1
        self.amount_jpy += amount_jpy
        if caught:
            self.caught += 1
            self.caught_jpy += amount_jpy

    @property
    def recall(self) -> float | None:
        """Share of events flagged; None without any."""
        return self.caught / self.events if self.events else None

    @property
    def value_recall(self) -> float | None:
        """Share of yen flagged; None without any."""
        return self.caught_jpy / self.amount_jpy if self.amount_jpy else None


@dataclass(slots=True)
class Episode:
    """One episode: its events, and the event times (ms) of the first one and the first flagged one."""

    typology: str
    catch: Catch = field(default_factory=Catch)
    first_ms: int | None = None
    flagged_ms: int | None = None
    before: int = 0  # its events ahead of the first flagged one
    replays: int = 0  # its events that repeat a result of 3-D Secure, as the worker found

    @property
    def delay_ms(self) -> int | None:
        """Time from its first event to its first flagged one, in ms; None if none was flagged."""
        return None if self.flagged_ms is None or self.first_ms is None else self.flagged_ms - self.first_ms


@dataclass(slots=True)
class Assessment:
    """All events: flagged ones, fraud among them, and fraud by kind. Amounts in yen."""

    flagged: int = 0
    flagged_fraud: int = 0
    flagged_jpy: int = 0
    flagged_fraud_jpy: int = 0
    alerts: int = 0
    alerts_fraud: int = 0
    total: Catch = field(default_factory=Catch)
    typologies: dict[str, Catch] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)

    def besides(self, typology: str) -> Catch:
        """Return the fraud of all other typologies."""
        left_out = self.typologies.get(typology, Catch())
        return Catch(
            events=self.total.events - left_out.events,
            caught=self.total.caught - left_out.caught,
            amount_jpy=self.total.amount_jpy - left_out.amount_jpy,
            caught_jpy=self.total.caught_jpy - left_out.caught_jpy,
        )

    @property
    def precision(self) -> float | None:
        """Share of flagged events that were fraud."""
        return self.flagged_fraud / self.flagged if self.flagged else None

    @property
    def value_precision(self) -> float | None:
        """Share of flagged yen that were fraud."""
        return self.flagged_fraud_jpy / self.flagged_jpy if self.flagged_jpy else None

    @property
    def alert_precision(self) -> float | None:
        """Share of alerts (one per case) whose event was fraud."""
        return self.alerts_fraud / self.alerts if self.alerts else None


def read_truth(file: Path) -> Iterator[Truth]:
    """Yield the records of a file of `sekisho simulate --truth`, in order of the events."""
    decode = msgspec.json.Decoder(Truth).decode
    with file.open("rb") as lines:
        for line in lines:
            yield decode(line)


def assess(
    truths: Iterable[Truth],
    *,
    flagged: Collection[str],
    alerted: Iterable[str],
    time_of: Callable[[str], int],
    replays: Collection[str] = (),
) -> Assessment:
    """Assess the events of `truths`, in order. Flagged is every decision above ALLOW.

    `flagged`, `replays`: event ids. `alerted`: one event id per alert. Ids that are not in `truths` are ignored.
    """
    result = Assessment()
    fraud_by_id: dict[str, bool] = {}
    for truth in truths:
        fraud_by_id[truth.event_id] = truth.fraud
        hit = truth.event_id in flagged
        if hit:
            result.flagged += 1
            result.flagged_jpy += truth.amount_jpy
        if not truth.fraud:
            continue
        if hit:
            result.flagged_fraud += 1
            result.flagged_fraud_jpy += truth.amount_jpy
        typology = truth.typology or "?"
        result.total.add(truth.amount_jpy, caught=hit)
        result.typologies.setdefault(typology, Catch()).add(truth.amount_jpy, caught=hit)
        episode = result.episodes.setdefault(truth.episode or "?", Episode(typology))
        _follow(episode, truth, time_of(truth.event_id), hit=hit)
        episode.replays += truth.event_id in replays
    verdicts = [fraud_by_id[event_id] for event_id in alerted if event_id in fraud_by_id]
    result.alerts, result.alerts_fraud = len(verdicts), sum(verdicts)
    return result


def _follow(episode: Episode, truth: Truth, at_ms: int, *, hit: bool) -> None:
    episode.catch.add(truth.amount_jpy, caught=hit)
    if episode.first_ms is None:
        episode.first_ms = at_ms
    if episode.flagged_ms is None:
        if hit:
            episode.flagged_ms = at_ms
        else:
            episode.before += 1
