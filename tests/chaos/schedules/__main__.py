"""`python -m tests.chaos.schedules`: play schedules of a seed, or one schedule again, and report the results."""

import argparse
import time

from tests.chaos.brokers.site import site
from tests.chaos.schedules.campaign import FULL_COUNT, TRIES, Campaign, quiet
from tests.chaos.schedules.nursery import Nursery
from tests.chaos.schedules.schedule import Schedule, draw
from tests.chaos.stage import FULL


def main() -> int:
    """Play, and return 1 if a schedule failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.schedules", description=__doc__)
    parser.add_argument("--seed", type=int, default=FULL.seed)
    parser.add_argument("--first", type=int, default=0, help="number of the first schedule")
    parser.add_argument("--count", type=int, default=FULL_COUNT, help="how many")
    parser.add_argument("--play", type=Schedule.parse, metavar="SCHEDULE", help="this one, several times")
    parser.add_argument("--times", type=int, default=TRIES, help="how often to play it")
    parser.add_argument("--words", action="store_true", help="show the schedules of the seed, and play none")
    parser.add_argument("--no-fence", action="store_true", help="without the broker's fence, to see what it is for")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    if options.words:
        for number in numbers:
            print(f"{number}\n" + draw(options.seed, number).words)
        return 0
    quiet()
    begun = time.monotonic()
    with site() as place, Nursery() as nursery:
        campaign = Campaign(place, nursery, options.seed, fencing=not options.no_fence, say=print)
        if options.play is not None:
            failures = again(campaign, options.play, options.times)
        else:
            finding = campaign.run(numbers)
            failures = finding.failures
            print(" ".join(f"{name} {number}" for name, number in finding.numbers.items()))
    for failure in failures:
        print(f"FAILED   {failure}")
    print(f"seed {options.seed}: {len(failures)} failed in {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


def again(campaign: Campaign, schedule: Schedule, times: int) -> list[str]:
    """Play one schedule several times; print its faults and the log lines of its workers."""
    print(schedule.words)
    failures = []
    for played in campaign.repeat(schedule, times):
        came = ", ".join(map(str, played.came)) or "none"
        print(f"{'FAILED' if played.failures else 'held':7}{played.seconds:5.1f} s  faults that came: {came}")
        if played.failures:
            failures.append("; ".join(played.failures))
    return failures


if __name__ == "__main__":
    raise SystemExit(main())
