"""What a metric is: its name, kind and help, its labels and what bounds them."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Describe one metric.

    `labels` maps each label to all its values; an empty tuple says that the values come with the worker
    (its partitions, its versions) and `bound` says how many there can be. `never` are combinations that cannot occur.
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
