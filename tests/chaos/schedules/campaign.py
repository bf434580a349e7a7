"""Many schedules, side by side on one broker; one that fails is made as short as possible."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from tests.chaos.brokers.site import Site
from tests.chaos.oracles.oracle import Finding, Output
from tests.chaos.schedules.nursery import Nursery
from tests.chaos.schedules.play import Played, play
from tests.chaos.schedules.schedule import Schedule, draw
from tests.chaos.schedules.shrink import shrink
from tests.chaos.stage import Scale, scenario

LANES: Final = 5
"""Schedules at a time. They mostly wait: for sessions to end, for held requests."""

TRIES: Final = 3
"""Tries of a schedule while it is shrunk, side by side: its moments are fixed, the machine's pace is not."""

SHRUNK_MAX: Final = 3
"""Failing schedules that are shrunk; all are reported."""

FULL_COUNT, SHORT_COUNT = 200, 5

COMMAND: Final = "python -m tests.chaos.schedules"

WITHOUT_FENCE: Final = "0:outputs:20:die:6"
"""Without the broker's fence this schedule decides events twice. If that is not detected, passing schedules prove
nothing.
"""

Say = Callable[[str], object]


@scenario
def schedules(place: Site, scale: Scale) -> Finding:
    """Play schedules of faults that are drawn from the seed."""
    with Nursery() as nursery:
        finding = Campaign(place, nursery, scale.seed).run(range(FULL_COUNT if scale.every_kind else SHORT_COUNT))
        if scale.every_kind and not Campaign(place, nursery, scale.seed, fencing=False).fails(
            Schedule.parse(WITHOUT_FENCE)
        ):
            finding.failures.append(f"not seen to fail without a fence: {COMMAND} --no-fence --play '{WITHOUT_FENCE}'")
    return finding


@dataclass(frozen=True, slots=True)
class _Result:
    number: int
    schedule: Schedule
    played: Played


class Campaign:
    """Schedules of one seed against one broker."""

    def __init__(
        self, place: Site, nursery: Nursery, seed: int, *, fencing: bool = True, say: Say = lambda _: None
    ) -> None:
        self._place = place
        self._nursery = nursery
        self._seed = seed
        self._fencing = fencing
        self._say = say
        self._calm: Output | None = None

    def run(self, numbers: Iterable[int]) -> Finding:
        """Play schedules by their numbers."""
        drawn = [(number, draw(self._seed, number)) for number in numbers]
        finding = Finding()
        failed: list[_Result] = []
        faults = came = halts = 0
        for number, schedule, played in self._play_all(drawn):
            faults, came, halts = faults + len(schedule.faults), came + len(played.came), halts + played.halts
            self._say(f"{number:4} {'FAILED' if played.failures else 'held':6} {played.seconds:5.1f} s  {schedule}")
            if played.failures:
                failed.append(_Result(number, schedule, played))
        for place, result in enumerate(failed):
            finding.failures.append(self._report(result, shrunk=place < SHRUNK_MAX))
        finding.numbers = {
            "seed": self._seed,
            "schedules": len(drawn),
            "faults": faults,
            "faults_came": came,
            "halts": halts,
            "failed": len(failed),
        }
        return finding

    def repeat(self, schedule: Schedule, times: int) -> list[Played]:
        """Play one schedule several times."""
        return [played for _, _, played in self._play_all([(number, schedule) for number in range(times)])]

    def fails(self, schedule: Schedule) -> bool:
        """Tell whether a schedule fails in one of several tries."""
        return any(played.failures for played in self.repeat(schedule, TRIES))

    def _play_all(self, drawn: Sequence[tuple[int, Schedule]]) -> Iterable[tuple[int, Schedule, Played]]:
        """Play schedules; those with a broker of their own come last, one after the other."""
        if self._calm is None:
            calm = self._play(Schedule(()))
            assert not calm.failures, f"failures without a fault: {calm.failures}"
            self._calm = calm.output
        shared = [one for one in drawn if not one[1].is_alone]
        with ThreadPoolExecutor(LANES, "lane") as lanes:
            for (number, schedule), played in zip(
                shared, lanes.map(lambda one: self._play(one[1]), shared), strict=True
            ):
                yield number, schedule, played
        for number, schedule in drawn:
            if schedule.is_alone:
                yield number, schedule, self._play(schedule)

    def _play(self, schedule: Schedule) -> Played:
        return play(self._place, self._nursery, schedule, self._calm, fencing=self._fencing)

    def _report(self, result: _Result, *, shrunk: bool) -> str:
        lines = [f"schedule {result.number} of seed {self._seed}: {'; '.join(result.played.failures)}"]
        least = shrink(result.schedule, self.fails) if shrunk else result.schedule
        option = "" if self._fencing else " --no-fence"
        lines += [f"{'least' if shrunk else 'as drawn'}: {line}" for line in least.words.splitlines()]
        lines += [f"again: {COMMAND}{option} --play '{least}'", f"drawn: {COMMAND}{option} --play '{result.schedule}'"]
        return "\n         ".join(lines)


def quiet() -> None:
    """Log nothing of brokers that go away on purpose."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
