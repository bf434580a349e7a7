"""The numbers behind the catalogue: plain cells that the hot path adds to, and a collector that reads them.

A cell is bound once at start-up; adding to it is one attribute, so a batch costs a handful of additions. The server's
thread only reads. A scrape that falls between two additions of one batch sees the first and not the second, as any
scrape may; each single number is right.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
from prometheus_client import Metric as Exposed
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from streams.telemetry.catalogue import PARTITIONS_MAX
from streams.telemetry.metric import Metric


class Cell:
    """One number. Counters only grow; gauges are set."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float) -> None:
        """Add to the number."""
        self.value += amount

    def set(self, value: float) -> None:
        """Replace the number."""
        self.value = value


_FEW = 16
"""Up to so many values the fixed costs of numpy are more than a loop."""


class Buckets:
    """One distribution over fixed upper bounds, the last of them infinite."""

    __slots__ = ("_bounds", "_edges", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._edges = np.array(bounds, dtype=np.float64)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a value equal to a bound lies under it."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count many values in one pass."""
        if len(values) <= _FEW:
            for value in values:
                self.observe(value)
            return
        array = np.asarray(values, dtype=np.float64)
        found = np.bincount(np.searchsorted(self._edges, array, side="left"), minlength=len(self.counts))
        for index in np.flatnonzero(found).tolist():
            self.counts[index] += int(found[index])
        self.total += float(array.sum())


class Series(Collector):
    """Hold the cells of every metric in a catalogue and render them for a registry."""

    def __init__(self, catalogue: Iterable[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in catalogue}
        self._cells: dict[str, dict[tuple[str, ...], Cell]] = {}
        self._buckets: dict[str, dict[tuple[str, ...], Buckets]] = {}
        for metric in self._metrics.values():
            if metric.kind == "histogram":
                self._buckets[metric.name] = {key: Buckets(metric.buckets) for key in _combinations(metric)}
            else:
                self._cells[metric.name] = {key: Cell() for key in _combinations(metric)}

    def cell(self, name: str, *labels: str) -> Cell:
        """Bind one number. Values of an open label (a partition, a version) make theirs on first use.

        Raises:
            KeyError: the catalogue has no such metric or label value, or an open label has too many.
        """
        cells = self._cells[name]
        if labels not in cells:
            metric = self._metrics[name]
            open_label = len(labels) == len(metric.labels) and any(not values for values in metric.labels.values())
            if not open_label or len(cells) >= PARTITIONS_MAX:
                raise KeyError(f"{name} has no series {labels}")
            cells[labels] = Cell()
        return cells[labels]

    def cells(self, name: str) -> dict[tuple[str, ...], Cell]:
        """Bind every number of one metric with closed labels, by label values."""
        return dict(self._cells[name])

    def buckets(self, name: str, *labels: str) -> Buckets:
        """Bind one distribution.

        Raises:
            KeyError: the catalogue has no such histogram or label value.
        """
        return self._buckets[name][labels]

    def forget(self, name: str, *labels: str) -> None:
        """Drop one series of an open label, so that a partition that went away is not shown for ever."""
        self._cells[name].pop(labels, None)

    def describe(self) -> Iterable[Exposed]:
        """Name nothing beforehand: the registry then does not collect at registration."""
        return ()

    def collect(self) -> Iterator[Exposed]:
        """Render every metric, in the catalogue's order."""
        for metric in self._metrics.values():
            if metric.kind == "histogram":
                yield self._histogram(metric)
            else:
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = kind(metric.name, metric.help, labels=tuple(metric.labels))
                for key, cell in list(self._cells[metric.name].items()):
                    family.add_metric(key, cell.value)
                yield family

    def _histogram(self, metric: Metric) -> Exposed:
        family = HistogramMetricFamily(metric.name, metric.help, labels=tuple(metric.labels))
        edges = [*(str(bound) for bound in metric.buckets), "+Inf"]
        for key, buckets in self._buckets[metric.name].items():
            cumulative = np.cumsum(list(buckets.counts)).tolist()
            family.add_metric(key, list(zip(edges, cumulative, strict=True)), buckets.total)
        return family


def _combinations(metric: Metric) -> Iterator[tuple[str, ...]]:
    """Give every combination of a metric's closed labels that can occur; none at all where one label is open."""
    return (labels for labels in product(*metric.labels.values()) if labels not in metric.never)
