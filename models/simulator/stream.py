"""The stream: merchants first, then authorizations and fraud reports in order of time."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from models.simulator import episodes, traffic
from models.simulator.config import HOUR_MS, SimulatorConfig
from models.simulator.events import visit
from models.simulator.events.render import Renderer
from models.simulator.events.rows import Rows, joined
from models.simulator.reports import Reports
from models.simulator.world import build, merchants
from models.simulator.world.draw import chance

Topic = Literal["authorizations", "fraud-reports", "merchants"]


class Truth(NamedTuple):
    """Truth of one authorization. It is never part of the event.

    `typology` ("T1" ... "T11") and `episode` are None for genuine events; `amount_jpy` is whole yen, asked for,
    not necessarily approved. `known_at_ms` is when a fraud became known: at once for simulated
    fraud, independent of its reports; None if it is not known.
    """

    event_id: str
    fraud: bool
    typology: str | None
    episode: str | None
    amount_jpy: int
    known_at_ms: int | None = None


class Item(NamedTuple):
    """One record to publish: `at_ms` is event time, or the time of receipt for a report.

    `truth` comes with the first publication of each authorization; merchants, reports and repeats have None.
    """

    topic: Topic
    key: bytes
    value: bytes
    at_ms: int
    truth: Truth | None


class Simulator:
    """A seeded stream. Iterating again starts again: the same config always gives the same items.

    Construction draws the population (a second for 500,000 cards). Besides it, memory holds one hour of events and
    their later consequences.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.world = build(config)
        self._renderer = Renderer(self.world)

    def merchants(self) -> Iterator[Item]:
        """Yield one record for each known merchant, at the start of the stream."""
        for key, value in merchants.snapshot(self.config, self.world.merchants):
            yield Item("merchants", key, value, self.config.start_ms, None)

    def __iter__(self) -> Iterator[Item]:
        """Yield the whole stream: merchants, then all else in time order (`at_ms` never falls)."""
        yield from self.merchants()
        yield from self.traffic()

    def traffic(self) -> Iterator[Item]:
        """Yield authorizations and fraud reports in time order, without merchants."""
        reports = Reports(self.world, self._renderer)
        names: list[str] = []
        later: dict[int, list[Rows]] = {}
        serial = 1
        for hour in range(self.config.days * 24):
            drawn = [traffic.hour(self.world, hour), *episodes.begin(self.world, hour, names)]
            _postpone(self.config, later, hour, drawn)
            rows = joined(later.pop(hour, []))
            rows = rows[np.argsort(rows["at_ms"], kind="stable")]
            first = rows["serial"] < 0
            rows["serial"][first] = np.arange(serial, serial + int(first.sum()))
            serial += int(first.sum())
            visit.hide(self.world, rows)
            _repeat(self.config, later, hour, rows[first], self.world.generator(31, hour))
            reports.observe(hour, rows[first])
            end_ms = self.config.start_ms + (hour + 1) * HOUR_MS
            yield from _merged(self._items(rows, names), reports.due(end_ms))

    def _items(self, rows: Rows, names: list[str]) -> Iterator[Item]:
        records = self._renderer.events(rows)
        event_id = self._renderer.event_id
        columns = (rows[c].tolist() for c in ("at_ms", "time_ms", "serial", "fraud", "typology", "episode", "jpy"))
        for (key, value), at, time, serial, fraud, typology, episode, jpy in zip(records, *columns, strict=True):
            if at != time:
                truth = None
            elif fraud:
                truth = Truth(event_id(serial), True, f"T{typology}", names[episode], jpy, at)
            else:
                truth = Truth(event_id(serial), False, None, None, jpy)
            yield Item("authorizations", key, value, at, truth)


def _postpone(config: SimulatorConfig, later: dict[int, list[Rows]], hour: int, parts: list[Rows]) -> None:
    """Store rows under their hour. Rows after the end of the stream are dropped."""
    rows = joined(parts)
    # An event before the first hour of its episode is moved into it.
    due = np.maximum((rows["at_ms"] - config.start_ms) // HOUR_MS, hour)
    early = rows["at_ms"] < config.start_ms + hour * HOUR_MS
    rows["time_ms"][early] = rows["at_ms"][early] = config.start_ms + hour * HOUR_MS
    order = np.argsort(due, kind="stable")
    rows, due = rows[order], due[order]
    edges = np.flatnonzero(np.diff(due)) + 1
    for chunk, first in zip(np.split(rows, edges), np.concatenate([[0], edges]), strict=True):
        if chunk.size and due[first] < config.days * 24:
            later.setdefault(int(due[first]), []).append(chunk)


def _repeat(
    config: SimulatorConfig, later: dict[int, list[Rows]], hour: int, rows: Rows, rng: np.random.Generator
) -> None:
    """Publish a few events again in the next hour: the same bytes with the same id."""
    again = rows[chance(rng, rows.size, config.repeat_share)].copy()
    if again.size and hour + 1 < config.days * 24:
        again["at_ms"] = config.start_ms + (hour + 1) * HOUR_MS + rng.integers(0, 60_000, again.size)
        later.setdefault(hour + 1, []).append(again)


def _merged(events: Iterator[Item], reports: list[tuple[int, bytes, bytes]]) -> Iterator[Item]:
    """Merge the reports of an hour into its events by time."""
    position = 0
    for event in events:
        while position < len(reports) and reports[position][0] <= event.at_ms:
            received_ms, key, value = reports[position]
            yield Item("fraud-reports", key, value, received_ms, None)
            position += 1
        yield event
    for received_ms, key, value in reports[position:]:
        yield Item("fraud-reports", key, value, received_ms, None)
