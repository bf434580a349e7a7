"""`sekisho promote`: a candidate bundle against the current one, and into its place if all gates are passed."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from models.backtest.cli import day, start_ms, write
from models.backtest.fairness import Fairness
from models.backtest.judged import judge
from models.backtest.report import day_after, moment
from models.backtest.scored import Fate, Scored, Why, scored
from models.promotion.bars import Bars
from models.promotion.figures import Counted, bins_of, compared
from models.promotion.gates import gates, latency_of
from models.promotion.page import page
from models.promotion.pair import Rated, rated
from models.promotion.place import PlaceError, previous_of, put, put_back
from models.promotion.report import Promotion, as_json, lines
from models.training.cli import OpenHistory, add_tables, has_history, maturity_days
from models.training.history import processed
from models.training.matrix import Samples
from scoring.features.all import FEATURES
from scoring.merchants.months.calendar import DAY_MS
from scoring.model.bundle import SIZE_MAX, Bundle
from scoring.policy import Policy

CARDS: Final = ("card.json", "card.md")
"""Files beside a bundle that go with it."""

_CARD_BYTES_MAX: Final = 16 * 2**20

_DESCRIPTION: Final = (
    "Compare a candidate bundle with the current one over a labelled history that neither has learnt from. If it "
    "passes every gate it takes the place of the current one in one step; the previous one is kept."
)
_EPILOG: Final = """\
exit status:
  0  all gates passed, and the candidate is in place (or --dry-run); or the previous bundle is back
  1  no payment is counted
  2  wrong options or files; or a bundle has learnt from counted payments
  3  a gate failed: nothing was changed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """How to read what the options name. Each raises `ValueError` for a refused file; None is the default."""

    history: OpenHistory
    policy: Callable[[Path | None], Policy]
    bundle: Callable[[Path | None], Bundle]
    bars: Callable[[Path | None], Bars]


def parser(mappings: str) -> argparse.ArgumentParser:
    """Return the parser of `sekisho promote`; `mappings`: text on those of the package."""
    p = argparse.ArgumentParser(
        prog="sekisho promote",
        description=_DESCRIPTION,
        epilog=f"{_EPILOG}\nmappings of this package, and the columns they read:\n{mappings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument("candidate", type=Path, nargs="?", metavar="CANDIDATE", help="folder of the candidate bundle")
    p.add_argument("--against", type=Path, required=True, metavar="DIR", help="folder of the current bundle")
    add_tables(p)
    p.add_argument("--since", type=day, metavar="DATE", help="count payments from this day on, in Tokyo")
    p.add_argument("--policy", type=Path, metavar="FILE", help="policy of the fairness gate (default: the package's)")
    p.add_argument("--bars", type=Path, metavar="FILE", help="bars of the gates, as deploy/config/promotion.yaml")
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of the report; created if missing")
    p.add_argument("--dry-run", action="store_true", help="report only: put nothing in place")
    p.add_argument("--rollback", action="store_true", help="put the previous bundle back, in one step")
    return p


def main(argv: Sequence[str] | None, outside: Files, mappings: str) -> int:
    """Run `sekisho promote`. Return its exit status."""
    options = parser(mappings).parse_args(argv)
    try:
        if options.rollback:
            return _roll_back(options, outside)
        if options.candidate is None:
            raise ValueError("CANDIDATE is missing: which bundle may take the place of the current one?")
        if not has_history(options):
            raise ValueError("--table or --from-topics is missing: which payments?")
        if options.out is None:
            raise ValueError("--out is missing: where does the report go?")
        bars, policy = outside.bars(options.bars), outside.policy(options.policy)
        current, candidate = outside.bundle(options.against), outside.bundle(options.candidate)
        if current.version == candidate.version:
            raise ValueError(f"{options.candidate}: is the bundle that {options.against} has: nothing to compare")
        history = outside.history(options)
        days = maturity_days(options.maturity_days, history)
        folder = options.rows or options.out.with_name(options.out.name + ".rows")
        run = processed(history, folder, history.settings, tell=_say)
        samples = run.samples(days * DAY_MS)
        rows = scored(samples, run.particulars(), current, since_ms=start_ms(options.since))
        _refuse_leaks(rows, {"current": current, "candidate": candidate})
    except (ValueError, OSError) as error:
        return _fail(2, error)
    if not rows.is_counted.any():
        why = f"none of {len(rows.scores):,} payments is within the period and at least {days} days old: "
        return _fail(1, ValueError(why + "use more days, an earlier --since or less --maturity-days"))
    report = _measured(rows, samples, current, candidate, policy, bars, history.source)
    for line in lines(report):
        _say(line)
    try:
        write(options.out, {"promotion.json": as_json(report), "promotion.html": page(report).encode()})
        _say(f"wrote {options.out}")
        if report.passed and not options.dry_run:
            put(options.against, _same(options.candidate, candidate))
            _say(
                f"{options.against}: {candidate.version} is in place, {current.version} is kept in "
                f"{previous_of(options.against.resolve()).name}; back with --rollback"
            )
    except (ValueError, OSError) as error:
        return _fail(2, error)
    return 0 if report.passed else 3


def _roll_back(options: argparse.Namespace, outside: Files) -> int:
    if options.candidate is not None or has_history(options):
        raise ValueError("--rollback goes without CANDIDATE, --table and --from-topics")
    current = options.against.resolve()
    previous = previous_of(current)
    if not previous.is_dir():
        raise PlaceError(f"{previous}: no previous bundle is kept there: nothing was promoted to {current.name} yet")
    back = outside.bundle(previous)
    put_back(current)
    _say(f"{options.against}: {back.version} is back, the other is kept in {previous.name}")
    return 0


def _refuse_leaks(rows: Scored, bundles: dict[str, Bundle]) -> None:
    """Refuse counted payments of days from which a bundle has learnt."""
    for name, bundle in bundles.items():
        until_ms = _learnt_until_ms(bundle)
        early = int((rows.is_counted & (rows.event_ms < until_ms)).sum())
        if early:
            raise ValueError(
                f"{early:,} of {int(rows.is_counted.sum()):,} counted payments are before {moment(until_ms)}, until "
                f"when the {name} bundle {bundle.version} has learnt: count later ones with --since "
                f"{day_after(until_ms)}; earlier rows then only fill the profiles"
            )


def _learnt_until_ms(bundle: Bundle) -> int:
    training = bundle.manifest.training
    return max(training.train.until_ms, training.calibration.until_ms)


def _measured(
    rows: Scored, samples: Samples, current: Bundle, candidate: Bundle, policy: Policy, bars: Bars, source: str
) -> Promotion:
    own, other = rated(rows.matrix, current, candidate)
    some = rows.is_counted
    counted = Counted(fraud=rows.fates[some] == Fate.FRAUD, yen=rows.yen[some], card=samples.card[some])
    ours, theirs = _some(own, rows), _some(other, rows)
    share = bars.alert_rate_bps / 10_000
    ranking = compared(ours, theirs, counted, share=share, resamples=bars.resamples, seed=bars.seed)
    bins, latency = bins_of(ours, theirs, counted), latency_of(own, other)
    fairness = Fairness(rows, limit=bars.fairness_limit, genuine_min=bars.fairness_genuine_min)
    decided = [
        judge(replace(rows, scores=scores), policy, Why(bundle, rows.matrix))
        for bundle, scores in ((current, own.scores), (candidate, other.scores))
    ]
    alerts, other_alerts = (int(np.count_nonzero(one.alerts[some])) for one in decided)
    groups = [fairness.groups(one) for one in decided]
    judged = gates(bars, bins, ranking, latency, (alerts, other_alerts), (groups[0], groups[1]))
    return Promotion(
        history=source,
        current=current.version,
        candidate=candidate.version,
        policy=policy.identity,
        learnt_until=moment(max(map(_learnt_until_ms, (current, candidate)))),
        counted_from=moment(int(rows.event_ms[some].min())),
        payments=len(rows.scores),
        counted=int(some.sum()),
        young=int((rows.is_within & ~some).sum()),
        before=int((~rows.is_within).sum()),
        left_out=samples.skipped,
        passed=all(gate.passed for gate in judged),
        gates=judged,
        bars=bars,
        bins=bins,
        latency=latency,
        fairness_terms=fairness.terms,
        current_fairness=groups[0],
        candidate_fairness=groups[1],
    )


def _some(whole: Rated, rows: Scored) -> Rated:
    """Keep the counted rows."""
    some = rows.is_counted
    return replace(whole, probabilities=whole.probabilities[some], scores=whole.scores[some])


def _same(folder: Path, measured: Bundle) -> dict[str, bytes]:
    """Read the files of the bundle that was measured.

    Raises:
        ValueError: they have changed since.
    """
    files = {name: (folder / name).read_bytes() for name in SIZE_MAX}
    if Bundle.load(files, FEATURES).version != measured.version:
        raise ValueError(f"{folder}: changed while it was measured: run the command again")
    for name in CARDS:
        if (folder / name).is_file() and (folder / name).stat().st_size <= _CARD_BYTES_MAX:
            files[name] = (folder / name).read_bytes()
    return files


def _fail(status: int, error: Exception) -> int:
    sys.stderr.write(f"sekisho promote: {error}\n")
    return status


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
