"""The record of a metric: name, kind, help, labels and their bound."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Describe one metric.

    `labels` maps each label to all its values. An empty tuple is an open label: its values depend on the worker
    (partitions, versions), and `bound` says what limits their number. `never`: combinations that cannot occur.
    """

    name: str
    kind: Kind
    unit: str
    stage: str
    help: str
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    bound: str = ""
    never: frozenset[tuple[str, ...]] = frozenset()
