"""Settings that all workers of a group must share: each marker names those of its worker, and followers compare them.

A worker reads the markers of all others about once a second. Where a setting differs, the worker halts that started
later, so a new worker with a wrong setting does not stop those that decide. Markers from before this worker follows a
partition are not compared: after a stop of all workers the settings may be others.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from streams.state.log.marker import Marker

log = logging.getLogger(__name__)


class SettingsDifferError(Exception):
    """Raised when another worker of the group has another value of a setting that all must share."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Settings of this worker that all must share, as text by their names, and when it started, ms since the epoch."""

    settings: Mapping[str, str]
    started_ms: int

    def compare(self, marker: Marker, where: str) -> None:
        """Compare with the settings in a marker that another worker has just written. `where`: its place, for messages.

        A setting that only one of the two names is not compared: the other has no such topic, or is of another release.

        Raises:
            SettingsDifferError: a setting differs, and this worker started later than the other, or at the same time.
        """
        for name, own in sorted(self.settings.items()):
            other = marker.settings.get(name, own)
            if other == own:
                continue
            if marker.started_ms > self.started_ms:
                log.error("settings_differ setting=%s own=%s other=%s at=%s halts=other", name, own, other, where)
                continue
            raise SettingsDifferError(
                f"{name} is {own} here, and {other} at the worker that writes {where}: all workers of a group need the "
                f"same value, or they decide differently. Set {name} to {other} here and start this worker again. To "
                "change it, stop all workers, change all configurations, then start the workers"
            )
