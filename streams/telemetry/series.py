"""Values of the metrics: plain cells that the hot path adds to, and a collector that reads them.

A cell is bound once at start, so a batch costs a few additions. The server's thread only reads. A scrape between two
additions of one batch contains the first and not the second. Each value is right by itself.
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
    """Value of one series. Counters only grow; gauges are set."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float) -> None:
        """Add to the value."""
        self.value += amount

    def set(self, value: float) -> None:
        """Replace the value."""
        self.value = value


_FEW = 16
"""Up to this number of values a loop is faster than numpy."""


class Buckets:
    """A histogram with fixed upper bounds, the last one infinite."""

    __slots__ = ("_bounds", "_edges", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._edges = np.array(bounds, dtype=np.float64)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value. A value equal to a bound is in its bucket."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def observe_many(self, value: float, times: int) -> None:
        """Count one value several times."""
        self.counts[bisect_left(self._bounds, value)] += times
        self.total += value * times

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
    """The cells of every metric of a catalogue, as a Prometheus collector."""

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
        """Return the cell of a series. Cells of an open label (partition, version) are made at first use.

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
        """Return the cells of a metric with closed labels, by label values."""
        return dict(self._cells[name])

    def buckets(self, name: str, *labels: str) -> Buckets:
        """Return the histogram of a series.

        Raises:
            KeyError: the catalogue has no such histogram or label value.
        """
        return self._buckets[name][labels]

    def forget(self, name: str, *labels: str) -> None:
        """Drop a series of an open label, such as a revoked partition."""
        self._cells[name].pop(labels, None)

    def describe(self) -> Iterable[Exposed]:
        """Return nothing, so that the registry does not collect at registration."""
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
    """Yield the label combinations of a metric that can occur; none if a label is open."""
    return (labels for labels in product(*metric.labels.values()) if labels not in metric.never)
