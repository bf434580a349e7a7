"""`python -m tests.chaos`: run every scenario, print a table, write chaos.json; exit status 1 if the guarantee did not
hold.
"""

import argparse
import logging
import time
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from tests.chaos.brokers.clustered import cluster_site
from tests.chaos.brokers.site import site
from tests.chaos.scenarios.order import CLUSTERED, SCENARIOS
from tests.chaos.scenarios.outages import GAP, NEEDED
from tests.chaos.stage import FULL, SHORT, Result

REPORT = Path("chaos.json")
SHOWN = ("events", "decisions", "decided_again", "different", "kills", "halts")


def main() -> int:
    """Run the chosen scenarios and print the results."""
    names = [scenario.__name__ for scenario in (*SCENARIOS, *CLUSTERED)]
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few events and faults, as in the tests")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--seed", type=int, default=FULL.seed)
    options = parser.parse_args()
    scale = replace(SHORT if options.short else FULL, seed=options.seed)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the broker goes away on purpose
    begun = time.monotonic()
    results: list[Result] = []
    for where, scenarios in ((site, SCENARIOS), (cluster_site, CLUSTERED)):
        asked = [scenario for scenario in scenarios if scenario.__name__ in options.only]
        if asked:
            with where() as place:
                for scenario in asked:
                    results.append(scenario(place, scale))
                    show(results[-1])
    passed = not any(result.finding.failures for result in results)
    REPORT.write_bytes(
        orjson.dumps(
            {"passed": passed, "scale": asdict(scale), "scenarios": [asdict(result) for result in results]},
            option=orjson.OPT_INDENT_2,
        )
    )
    print(f"{'all held' if passed else 'NOT ALL HELD'} in {time.monotonic() - begun:.0f} s; figures in {REPORT}")
    return 0 if passed else 1


def show(result: Result) -> None:
    """Print a row of the table, and its failures below it."""
    numbers = result.finding.numbers
    figures = "  ".join(f"{name} {numbers[name]:,}" for name in SHOWN if name in numbers)
    print(f"{'FAILED' if result.finding.failures else 'held':7}{result.name:28}{result.seconds:>7.1f} s  {figures}")
    for name in [name.removesuffix(GAP) for name in numbers if name.endswith(GAP)]:
        gap_s, kafka_s = numbers[f"{name}{GAP}"], numbers[f"{name}{NEEDED}"]
        print(f"       {name:28}no decision for {gap_s:>5.1f} s, Kafka itself needed {kafka_s:>5.1f} s")
    for failure in result.finding.failures:
        print(f"       - {failure}")


if __name__ == "__main__":
    raise SystemExit(main())
