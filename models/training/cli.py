"""`sekisho train`: from recorded or simulated traffic to a bundle directory."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import lightgbm
import msgspec

from models.simulator.config import DAY_MS, START_MS, EpisodeRates, SimulatorConfig
from models.simulator.stream import Simulator, Truth
from models.training.history import History, collect
from models.training.matrix import Samples, replay
from models.training.metrics import report_lines
from models.training.records import Record, read_records
from models.training.report.card import model_card
from models.training.search import Limits, search
from models.training.train import TREES_MAX, Plan, label_lines, train
from models.training.truth import read_truths

DEMO_SEED = 20_260
"""Seed of the traffic of the demonstration bundle: not that of the traffic that the demonstration shows."""

LABEL_DELAY_DAYS = 7
"""The delay of `sekisho replay --labels`, and of the protocol of the Fraud Detection Handbook."""

MATURITY_DAYS = 60
"""Days after which a payment without a report is presumed good: most disputes have come by then."""

_DEMO_DAYS = 12
_SEARCH_MINUTES = 60.0


OpenHistory = Callable[[argparse.Namespace], History]
"""Open the tables or topics of the options, at each call the same. Raises `ValueError` if one is refused."""


def parser(mappings: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of `sekisho train`; `mappings`: text on those of the package, None if no table can be read."""
    p = argparse.ArgumentParser(
        prog="sekisho train",
        description="Train a model and write its bundle: model.txt, manifest.json, sample.f64. Without --events and "
        "--table the traffic is simulated, and the same options always give the same bundle.",
        epilog=None if mappings is None else f"mappings of this package, and the columns they read:\n{mappings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if mappings is not None:
        add_tables(p)
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the bundle; created if missing")
    p.add_argument("--name", default="demo", help="name of the model (default %(default)s)")
    p.add_argument("--events", type=Path, metavar="FILE", help='JSON lines {"topic","key","at_ms","value"}, in order')
    p.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help='JSON lines {"event_id","fraud"}, optional "typology","episode","known_at_ms"; goes with --events',
    )
    p.add_argument(
        "--label-delay-days",
        type=int,
        default=LABEL_DELAY_DAYS,
        metavar="D",
        help="a fraud without known_at_ms and without a FRAUD report among the events is known D days after it "
        "(default %(default)s)",
    )
    p.add_argument("--days", type=int, default=_DEMO_DAYS, help="days to simulate (default %(default)s)")
    p.add_argument("--events-per-day", type=int, default=60_000, help="authorizations a day (default %(default)s)")
    p.add_argument("--cards", type=int, default=100_000, help="simulated cards (default %(default)s)")
    p.add_argument("--merchants", type=int, default=2_000, help="simulated merchants (default %(default)s)")
    p.add_argument("--seed", type=int, default=DEMO_SEED, help="of simulation and training (default %(default)s)")
    p.add_argument("--trees", type=int, default=TREES_MAX, help="at most %(default)s, the default")
    p.add_argument("--threads", type=int, default=1, help="of training; the result depends on it (default 1)")
    p.add_argument(
        "--search",
        type=int,
        metavar="N",
        help="try N sets of parameters on validation folds of the training days, the defaults first, and train with "
        "the best; goes with --table or --events; needs the extra `search`",
    )
    p.add_argument(
        "--search-minutes",
        type=float,
        default=_SEARCH_MINUTES,
        metavar="M",
        help="begin no trial after M minutes (default %(default)g)",
    )
    p.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="FAMILY",
        help="train a model that ignores a family of inputs, as checklist; repeatable",
    )
    return p


def add_tables(p: argparse.ArgumentParser) -> None:
    """Add the options that name a table, its reports and its mapping."""
    p.add_argument(
        "--table", type=Path, metavar="FILE", help="payments as Parquet, CSV or JSON lines, in order of time"
    )
    p.add_argument(
        "--from-topics",
        type=Path,
        metavar="FILE",
        help="instead of a table: read the input topics of the worker that this configuration is of",
    )
    p.add_argument(
        "--read-since",
        metavar="WHEN",
        help="read topics from here on: 90d, 2h or a UTC time, by the times of records (default: the first record)",
    )
    p.add_argument(
        "--read-until", metavar="WHEN", help="read topics until here, in the same forms (default: the present end)"
    )
    p.add_argument(
        "--mapping", default="handbook", metavar="NAME|FILE", help="meaning of its columns (default handbook)"
    )
    p.add_argument("--reports", type=Path, metavar="FILE", help="table of reports, as `reports` of the mapping says")
    p.add_argument(
        "--merchant-table", type=Path, metavar="FILE", help="table of merchants, as `merchants` of the mapping says"
    )
    p.add_argument(
        "--maturity-days",
        type=int,
        metavar="D",
        help=f"a payment without a report is presumed good after D days (default {MATURITY_DAYS} with reports, or "
        "the delay of the column of frauds)",
    )
    p.add_argument("--rows", type=Path, metavar="DIR", help="folder of the rows, to resume from (default OUT.rows)")
    p.add_argument("--limit", type=int, default=0, metavar="N", help="stop after N rows of the table")
    p.add_argument("--jpy-per-unit", type=float, metavar="RATE", help="yen per unit of the table's currency")


def main(
    argv: Sequence[str] | None = None, open_history: OpenHistory | None = None, mappings: str | None = None
) -> int:
    """Run `sekisho train`. Return 0 if done, 1 if the traffic does not allow training, 2 for wrong options or files.

    With `open_history` a table or topics can be learnt from.
    """
    options = parser(mappings).parse_args(argv)
    if open_history is not None and has_history(options):
        return _from_history(options, open_history)
    began = time.monotonic()
    try:
        plan, limits = _plan(options, _source(options)), _limits(options)
        samples = _samples(options)
    except (ValueError, OSError) as error:
        return _fail(2, error)
    _say(f"{len(samples.fraud)} authorizations, {int(samples.fraud.sum())} frauds ({time.monotonic() - began:.0f} s)")
    _say(_left_out(samples))
    if samples.unmatched:
        _say(f"frauds of the truth that are none of these authorizations: {samples.unmatched}")
    return _finish(options, plan, samples, limits, began)


def _finish(options: argparse.Namespace, plan: Plan, samples: Samples, limits: Limits | None, began: float) -> int:
    """Search if it is asked for, train, and write the bundle, with a card unless the traffic is simulated."""
    try:
        for line in label_lines(samples, plan):
            _say(line)
        found = None if limits is None else search(samples, plan, limits, _say)
        if found is not None:
            plan = replace(plan, tuned=tuple(found.trials[found.best].parameters.items()))
        trained = train(samples, plan)
        files = trained.files
        if options.events is not None or has_history(options):
            files = files | model_card(trained, plan, found)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        return _fail(1, error)
    _write(options.out, files)
    for line in report_lines(trained.metrics):
        _say(line)
    _say(f"wrote {options.out} ({sum(map(len, files.values()))} bytes, {time.monotonic() - began:.0f} s)")
    return 0


def _limits(options: argparse.Namespace) -> Limits | None:
    """Return the limits of the search, None without one. Raises `ValueError` if they are refused."""
    if options.search is None:
        return None
    if options.events is None and not has_history(options):
        raise ValueError(
            "--search goes with --table, --from-topics or --events: on simulated traffic it would fit the simulator"
        )
    return Limits(options.search, options.search_minutes * 60)


def has_history(options: argparse.Namespace) -> bool:
    """Tell whether the options name a table or topics."""
    return any(getattr(options, name, None) is not None for name in ("table", "from_topics"))


def maturity_days(asked: int | None, history: History) -> int:
    """Return the days after which a payment without a report is presumed good.

    Raises:
        ValueError: `asked` is out of bounds, or shorter than the labels take.
    """
    days = asked if asked is not None else history.maturity_days or MATURITY_DAYS
    if not 1 <= days <= 3650:
        raise ValueError("--maturity-days must lie between 1 and 3650")
    if history.maturity_days is not None and days < history.maturity_days:
        raise ValueError(f"--maturity-days: the column of frauds is known after {history.maturity_days} days only")
    return days


def _from_history(options: argparse.Namespace, open_history: OpenHistory) -> int:
    began = time.monotonic()
    try:
        history = open_history(options)
        if options.events is not None or options.truth is not None:
            raise ValueError("--table and --from-topics go without --events and --truth")
        days = maturity_days(options.maturity_days, history)
        plan, limits = _plan(options, history.source), _limits(options)
        rows = options.rows or options.out.with_name(options.out.name + ".rows")
        samples = collect(history, rows, history.settings, maturity_ms=days * DAY_MS, tell=_say)
        if not len(samples.fraud):
            raise ValueError(f"{history.source}: no authorization to learn from; {_left_out(samples)}")
    except (ValueError, OSError) as error:
        return _fail(2, error)
    _say(f"{len(samples.fraud)} authorizations, {int(samples.fraud.sum())} frauds ({time.monotonic() - began:.0f} s)")
    _say(_left_out(samples))
    _say(f"presumed good after {days} days; reports on none of these authorizations: {samples.unmatched}")
    return _finish(options, plan, samples, limits, began)


def _plan(options: argparse.Namespace, source: str) -> Plan:
    return Plan(
        name=options.name,
        source=source,
        seed=options.seed,
        trees=options.trees,
        threads=options.threads,
        without=frozenset(options.without),
    )


def _samples(options: argparse.Namespace) -> Samples:
    truths: dict[str, Truth] = {}
    if options.events is None:
        return replay(_simulated(_config(options), truths), truths)
    with _named(options.truth), open(options.truth, "rb") as lines:
        truth = read_truths(lines)
    _say(f"truth: {len(truth.frauds)} frauds, {truth.genuine} genuine, {truth.blank} blank, which is no fraud")
    with _named(options.events), open(options.events, "rb") as lines:
        samples = replay(read_records(lines), truth.frauds, delay_ms=options.label_delay_days * DAY_MS)
    if not len(samples.fraud):
        raise ValueError(f"{options.events}: no authorization to learn from; {_left_out(samples)}")
    return samples


@contextlib.contextmanager
def _named(file: Path) -> Iterator[None]:
    """Raise an error again with the file's name before it."""
    try:
        yield
    except ValueError as error:
        text = str(error)
    else:
        return
    raise ValueError(f"{file}{', ' if text.startswith('line') else ': '}{text}")


def _left_out(samples: Samples) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in samples.skipped.items())
    return f"left out: {sum(samples.skipped.values())}{f' ({reasons})' if reasons else ''}"


def _simulated(config: SimulatorConfig, truths: dict[str, Truth]) -> Iterator[Record]:
    """Yield the simulator's records and collect the truth of each fraud."""
    for item in Simulator(config):
        if item.truth is not None and item.truth.fraud:
            truths[item.truth.event_id] = item.truth
        yield Record(item.topic, item.key, item.value, item.at_ms)


def _config(options: argparse.Namespace) -> SimulatorConfig:
    # whole weeks before the demonstration's first day, so that both begin on a Sunday
    weeks = -(-options.days // 7)
    return SimulatorConfig(
        seed=options.seed,
        start_ms=START_MS - 7 * weeks * DAY_MS,
        days=options.days,
        events_per_day=options.events_per_day,
        cards=options.cards,
        merchants=options.merchants,
        episodes=EpisodeRates(t1=4.0),  # an enumeration is rare and long: at its usual rate a part would have only one
        repeat_share=0.0005,
    )


def _source(options: argparse.Namespace) -> str:
    if (options.events is None) != (options.truth is None):
        raise ValueError("--events and --truth go together")
    if not 0 <= options.label_delay_days <= 3650:
        raise ValueError("--label-delay-days must lie between 0 and 3650")
    if options.events is not None:
        return f"recorded traffic, {options.events.name} with the truth of {options.truth.name}"
    return f"simulated traffic, {msgspec.json.encode(_config(options)).decode()}"


def _write(directory: Path, files: dict[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # the manifest last: it has the hashes of the others, so an incomplete bundle is refused
    for name in sorted(files, key="manifest.json".__eq__):
        partial = directory / f".{name}.partial"
        partial.write_bytes(files[name])
        partial.replace(directory / name)


def _fail(status: int, error: Exception) -> int:
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"sekisho train: {error}\n")
    return status


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
