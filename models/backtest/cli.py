"""`sekisho backtest`: candidate policies against the current one over recorded payments."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from models.backtest.decided.contender import Contender
from models.backtest.decided.run import Decided, Walk
from models.backtest.effects.effects import Reckoning, Terms
from models.backtest.fairness import GENUINE_MIN, LIMIT, Fairness, alarms
from models.backtest.intervals import Resampled
from models.backtest.lines import lines
from models.backtest.pages.page import page
from models.backtest.pages.sections import sections
from models.backtest.report import CURRENT, Backtest, OfPolicy, day_after, files, moment, of_policy
from models.backtest.scored import Scored, Why, scored
from models.backtest.targets import Bounds, Target, TargetError, curve, moved, threshold_for
from models.training.cli import OpenHistory, add_tables, has_history, maturity_days
from models.training.history import processed
from models.training.train import WITHOUT
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS
from scoring.model.bundle import Bundle
from scoring.policy import Policy

MINUTES: Final = 10.0
"""Default work for one alert."""

CANDIDATES_MAX: Final = 20

_OF_A_CHANGE: Final = {"version", "global", "author", "approval"}
"""Sections of a policy that the page writes anew."""

_DESCRIPTION: Final = (
    "Measure policies over a table or topics of payments: alerts, precision, recall, yen, hours, what happened to the "
    "payments, which merchants gain and lose, examples with reasons. Scores are those of the bundle, features those of "
    "a worker."
)


AddOptions = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """How to read what the options name. Each raises `ValueError` for a refused file; None is the default.

    `lists`: policies by their names, with the entries of their lists from a folder. `add_terms`: add the options of
    the schemes' programmes: region, efm_region, and rate, pairs of a currency and yen for one minor unit.
    """

    history: OpenHistory
    policy: Callable[[Path | None], Policy]
    lists: Callable[[Path | None, Mapping[str, Policy]], Mapping[str, Contender]]
    bundle: Callable[[Path | None], Bundle]
    as_yaml: Callable[[Mapping[str, object]], str]
    add_terms: AddOptions


@dataclass(frozen=True, slots=True)
class Ways:
    """How policies are compared beside their figures."""

    fairness: Fairness
    resampled: Resampled
    reckoning: Reckoning


def parser(mappings: str, add_terms: AddOptions) -> argparse.ArgumentParser:
    """Return the parser of `sekisho backtest`. `mappings`: text on those of the package; `add_terms`: see `Files`."""
    p = argparse.ArgumentParser(
        prog="sekisho backtest",
        description=_DESCRIPTION,
        epilog=f"mappings of this package, and the columns they read:\n{mappings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_tables(p)
    p.add_argument("--bundle", type=Path, metavar="DIR", help="bundle of the model (default: the demonstration's)")
    p.add_argument("--policy", type=Path, metavar="FILE", help="the current policy (default: that of the package)")
    p.add_argument(
        "--candidate", type=Path, action="append", default=[], metavar="FILE", help="a policy to compare; repeatable"
    )
    p.add_argument(
        "--lists",
        type=Path,
        metavar="DIR",
        help="folder with the files of the lists of the policies, also of lists of the topic",
    )
    p.add_argument(
        "--alert-rate",
        type=_number,
        action="append",
        default=[],
        metavar="BPS",
        help="find the threshold of all events with at most so many alerts for 10,000 payments; repeatable",
    )
    p.add_argument(
        "--alerts-a-day", type=_number, action="append", default=[], metavar="N", help="the same, alerts a day"
    )
    p.add_argument(
        "--precision",
        type=_share,
        action="append",
        default=[],
        metavar="SHARE",
        help="the lowest threshold with at least this share of frauds among alerts, as 0.5; repeatable",
    )
    p.add_argument("--since", type=day, metavar="DATE", help="count payments from this day on, in Tokyo")
    p.add_argument(
        "--minutes", type=_number, default=Fraction(MINUTES), metavar="M", help="work for one case (default 10)"
    )
    p.add_argument(
        "--fairness-limit",
        type=_ratio,
        metavar="RATIO",
        help="end with status 3 if genuine payments of a group raise alerts or are blocked more than this many times "
        "as often as those of the largest group, or less than its inverse (default: "
        f"report at {LIMIT:g} with status 0). Candidates decide; without one, the current policy",
    )
    p.add_argument(
        "--fairness-group",
        type=_count,
        default=GENUINE_MIN,
        metavar="N",
        help="judge groups of at least N genuine payments (default %(default)s)",
    )
    add_terms(p)
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report; created if missing")
    return p


def main(argv: Sequence[str] | None, outside: Files, mappings: str) -> int:
    """Run `sekisho backtest`.

    Return 0 if done, 1 if no payment or threshold fits, 2 for wrong options or files, 3 for
    an alarm of fairness with `--fairness-limit`.
    """
    options = parser(mappings, outside.add_terms).parse_args(argv)
    try:
        if not has_history(options):
            raise ValueError("--table or --from-topics is missing: which payments?")
        current = outside.policy(options.policy)
        candidates = _named(options.candidate, outside)
        contenders = outside.lists(options.lists, {CURRENT: current} | candidates)
        bundle = outside.bundle(options.bundle)
        history = outside.history(options)
        days = maturity_days(options.maturity_days, history)
        settings = history.settings
        folder = options.rows or options.out.with_name(options.out.name + ".rows")
        run = processed(history, folder, settings, tell=_say)
    except (ValueError, OSError) as error:
        return _fail(2, error)
    samples, since_ms = run.samples(days * DAY_MS), start_ms(options.since)
    rows = scored(samples, run.particulars(), bundle, since_ms=since_ms)
    if not rows.is_counted.any():
        why = f"none of {len(rows.scores):,} payments is within the period and at least {days} days old: "
        return _fail(1, ValueError(why + "use more days, an earlier --since or less --maturity-days"))
    try:
        walk = Walk(bundle, settings, rows, contenders, edges_of=contenders[CURRENT])
        decided = walk.go(outside.history(options), _say)
        made = _made(rows, current, walk.bounds, options)
        if made:
            more = {name: replace(contenders[CURRENT], policy=policy) for name, policy in made.items()}
            decided |= Walk(bundle, settings, rows, more).go(outside.history(options), _say)
    except TargetError as error:
        return _fail(1, error)
    except (ValueError, OSError) as error:
        return _fail(2, error)
    fairness = Fairness(rows, limit=float(options.fairness_limit or LIMIT), genuine_min=options.fairness_group)
    reckoning = Reckoning(rows, walk.months(), _terms_of(options), decided[CURRENT].judged)
    ways, minutes = Ways(fairness, Resampled(rows), reckoning), float(options.minutes)
    policies = _measured(rows, decided, Why(bundle, rows.matrix), ways, minutes=minutes, targets=made.keys())
    report = _report(rows, bundle, policies, ways, history.source, samples.skipped, minutes)
    written = {f"policy-{name}.yaml": outside.as_yaml(_document(policy)) for name, policy in made.items()}
    rest = {name: value for name, value in _document(current).items() if name not in _OF_A_CHANGE}
    written["backtest.html"] = page(
        rows,
        current,
        walk.bounds,
        policies[0].figures,
        title=f"Backtest of policy {current.identity} with model {bundle.version}",
        minutes=minutes,
        rest=outside.as_yaml(rest),
        sections=sections(report),
        learnt_until=report.learnt_until if report.learnt else None,
    )
    try:
        write(options.out, files(report) | {name: text.encode() for name, text in written.items()})
    except OSError as error:
        return _fail(2, error)
    for line in lines(report):
        _say(line)
    _say(f"wrote {options.out}")
    rings = any(True for one in policies[1:] or policies for _ in alarms(one.fairness))
    return 3 if rings and options.fairness_limit is not None else 0


def _named(given: Sequence[Path], outside: Files) -> dict[str, Policy]:
    found: dict[str, Policy] = {}
    for file in given:
        if file.stem in found or file.stem == CURRENT:
            raise ValueError(f"--candidate {file}: another policy is named {file.stem}: rename the file")
        found[file.stem] = outside.policy(file)
    if len(found) > CANDIDATES_MAX:
        raise ValueError(f"--candidate: at most {CANDIDATES_MAX}")
    return found


def _made(rows: Scored, current: Policy, found: Bounds, options: argparse.Namespace) -> dict[str, Policy]:
    """Return the policies of the targets, by their names."""
    targets = [
        *(Target("alert_rate_bps", value) for value in options.alert_rate),
        *(Target("alerts_a_day", value) for value in options.alerts_a_day),
        *(Target("precision", value) for value in options.precision),
    ]
    counts = curve(rows, found)
    return {target.name: moved(current, threshold_for(target, rows, counts), target.name) for target in targets}


def _terms_of(options: argparse.Namespace) -> Terms:
    """Return what the options of `Files.add_terms` say."""
    return Terms(region=options.region, efm_region=options.efm_region, rates=dict(options.rate))


def _measured(
    rows: Scored, decided: Mapping[str, Decided], why: Why, ways: Ways, *, minutes: float, targets: Set[str]
) -> list[OfPolicy]:
    """Measure the current policy, which is the first, and the others beside it."""
    current = decided[CURRENT].judged
    return [
        of_policy(
            name,
            rows,
            each,
            why,
            effects=ways.reckoning.of(each.judged),
            fairness=ways.fairness.groups(each.judged),
            resampled=ways.resampled,
            minutes=minutes,
            target=name if name in targets else None,
            current=None if name == CURRENT else current,
        )
        for name, each in decided.items()
    ]


def _document(policy: Policy) -> dict[str, object]:
    """Return a policy as a document, without empty sections."""
    return {name: value for name, value in msgspec.to_builtins(policy).items() if value not in ([], "", None)}


def _report(
    rows: Scored,
    bundle: Bundle,
    policies: list[OfPolicy],
    ways: Ways,
    source: str,
    left_out: Mapping[str, int],
    minutes: float,
) -> Backtest:
    training = bundle.manifest.training
    from_ms, until_ms = training.train.from_ms, training.calibration.until_ms
    is_learnt = rows.is_counted & (rows.event_ms >= from_ms) & (rows.event_ms < until_ms)
    return Backtest(
        history=source,
        model=bundle.version,
        payments=len(rows.scores),
        counted=int(rows.is_counted.sum()),
        young=int((rows.is_within & ~rows.is_counted).sum()),
        before=int((~rows.is_within).sum()),
        learnt=int(is_learnt.sum()),
        learnt_until=day_after(until_ms),
        mature_until=None if rows.mature_ms is None else moment(rows.mature_ms),
        minutes_per_alert=minutes,
        without=str(training.parameters.get(WITHOUT, "")),
        fairness=ways.fairness.terms,
        resampling=ways.resampled.terms,
        left_out=left_out,
        policies=policies,
    )


def start_ms(first: date | None) -> int | None:
    """Return the start of a day in Tokyo, in ms since the epoch; None for None."""
    return None if first is None else (first - date(1970, 1, 1)) // timedelta(1) * DAY_MS - TOKYO_MS


def _number(text: str) -> Fraction:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text) or not Fraction(text):
        raise argparse.ArgumentTypeError("write a number above 0, as 50 or 2.5")
    return Fraction(text)


def _share(text: str) -> Fraction:
    share = _number(text)
    if share > 1:
        raise argparse.ArgumentTypeError("write a share of at most 1, as 0.5")
    return share


def _ratio(text: str) -> Fraction:
    ratio = _number(text)
    if ratio <= 1:
        raise argparse.ArgumentTypeError("write a ratio above 1, as 1.25")
    return ratio


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or not int(text):
        raise argparse.ArgumentTypeError("write a whole number above 0, as 1000")
    return int(text)


def day(text: str) -> date:
    """Parse the option of a day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write a day as YYYY-MM-DD") from None


def write(directory: Path, content: Mapping[str, bytes]) -> None:
    """Write files into a folder, each one whole; the folder is created if missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        partial = directory / f".{name}.partial"
        partial.write_bytes(text)
        partial.replace(directory / name)


def _fail(status: int, error: Exception) -> int:
    sys.stderr.write(f"sekisho backtest: {error}\n")
    return status


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
