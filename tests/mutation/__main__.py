"""Run `python -m tests.mutation PATH...`: exit status 1 if a mutant survives that is not explained."""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a pool of threads does not live on in a child process
os.environ["SEKISHO_HYPOTHESIS"] = "mutation"

from hypothesis import HealthCheck, Phase, settings

from tests.mutation.equivalent import explained
from tests.mutation.mutants import Mutants
from tests.mutation.run import ROOT, SURVIVED, Trial, module_of

TESTS = {
    "scoring/enrich": ["tests/enrich/test_merchants.py", "tests/enrich/test_payment_oracle.py"],
    "scoring/enrich/threeds.py": ["tests/enrich/test_threeds.py", "tests/enrich/test_threeds_oracle.py"],
    "scoring/enrich/consistency.py": ["tests/enrich/test_threeds.py", "tests/enrich/test_threeds_oracle.py"],
    "scoring/policy": ["tests/policy/test_policy.py", "tests/policy/test_bounds.py"],
    "scoring/policy/reasons.py": ["tests/policy/test_reasons.py"],
    "scoring/policy/reasons": ["tests/policy/test_reasons.py"],
    "scoring/decide": [f"tests/decide/test_{name}.py" for name in ("alerts", "contents", "desk")],
    "models/training/calibrate.py": ["tests/training/test_calibrate.py"],
    "models/training/metrics.py": ["tests/training/test_metrics.py"],
    "models/training/matrix.py": ["tests/training/test_training.py"],
    "models/training/train.py": ["tests/training/test_training.py"],
    "models/training/cli.py": ["tests/training/test_training.py"],
}
"""Which tests must notice a change of what, those that are fast or notice most first."""


def tests_of(files: Sequence[Path]) -> dict[Path, list[str]]:
    """Find the tests of files: those of the longest name in TESTS."""
    found = {}
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        known = [part for part in TESTS if name == part or name.startswith(part + "/")]
        if not known:
            raise SystemExit(f"{name}: TESTS in tests/mutation/__main__.py names no tests for it")
        found[path] = TESTS[max(known, key=len)]
    return found


def main() -> int:
    """Run the mutants of all files, or as many of each, drawn at random, as the time allows."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="files or folders")
    parser.add_argument("--minutes", type=float, default=20.0, help="at most so long in all (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which mutants are tried")
    options = parser.parse_args()
    settings.register_profile(
        "mutation",
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("mutation")
    files = sorted(
        path.resolve() for given in options.paths for path in ([given] if given.is_file() else given.rglob("*.py"))
    )
    trials = {tuple(tests): Trial(module_of(path).rpartition(".")[0], tests) for path, tests in tests_of(files).items()}
    ends, survivors = time.monotonic() + 60 * options.minutes, 0
    left = sum(len(path.read_text()) for path in files)
    for path in files:
        share_s = (ends - time.monotonic()) * len(path.read_text()) / max(left, 1)
        left -= len(path.read_text())
        trial = trials[tuple(tests_of([path])[path])]
        survivors += _try(trial, path, time.monotonic() + share_s, options.seed)
    return min(survivors, 1)


def _try(trial: Trial, path: Path, ends: float, seed: int) -> int:
    """Try the mutants of one file until a time; write down what survives and say how many of them nobody explained."""
    name, source = path.relative_to(ROOT).as_posix(), path.read_text()
    mutants, lines = Mutants(source), source.splitlines()
    order = list(range(len(mutants)))
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    fates: Counter[str] = Counter()
    for place in order:
        if time.monotonic() > ends:
            break
        with mutants.mutated(place) as (line, what):
            fate = trial.run(module_of(path), str(path), mutants.tree)
        if fate == SURVIVED and explained(name, lines[line - 1] if line else ""):
            fate = "explained"
        fates[fate] += 1
        if fate == SURVIVED:
            print(f"{name}:{line}: {what}", flush=True)
    told = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
    print(f"{name}: {fates.total()} of {len(order)} mutants tried: {told or 'none'}", flush=True)
    return fates[SURVIVED]


if __name__ == "__main__":
    sys.exit(main())
