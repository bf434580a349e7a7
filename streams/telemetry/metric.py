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

    @property
    def series_max(self) -> int | None:
        """How many label combinations there can be; None where the worker's assignment or versions decide."""
        count = 1
        for values in self.labels.values():
            if not values:
                return None
            count *= len(values)
        return count - len(self.never)
